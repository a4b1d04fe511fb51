//! One life of a daemon (start, master, backup, reload, fault, script failure, stop) with the same
//! configuration under vrrpd and Debian's keepalived, and everything that other programs read of it
//! compared. [`DIFFERENCES`] lists what differs, with the reason as in the manual.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;
use std::process::Command;

use serde_json::Value;
use vrrpd_lab::forge::{Injector, Packet};
use vrrpd_lab::private::DIR;
use vrrpd_lab::{Conf, Daemon, Inst, Lab, Running, sleep_ms, wait_until};

use crate::notify::{Reader, lines, script};
use crate::support::{SOON, VIP, ip};
use crate::{Ctx, Outcome, Test};

pub(crate) const TESTS: &[Test] = &[Test::new("life_beside_keepalived_reads_the_same", compare)];

/// What differs: the start of a line or label of keepalived, and the reason in the manual.
const DIFFERENCES: &[(&str, &str)] = &[
    ("Starting Keepalived", SELF),
    ("Running on Linux", SELF),
    ("Command line", SELF),
    ("     ", SELF),
    ("Starting VRRP child process", SELF),
    ("Stopped", SELF),
    ("CPU usage", SELF),
    ("Stopping", SELF),
    ("Startup complete", SELF),
    ("Registering ", SELF),
    ("VRRP sockpool", SELF),
    ("Printing ", SELF),
    ("Opening file", READING),
    ("Configuration file", READING),
    ("NOTICE: setting config option max_auto_priority", READING),
    ("SECURITY VIOLATION", READING),
    ("Assigned address", READING),
    ("Deassigned address", READING),
    (
        "VRRP_Script(check) considered successful on reload",
        READING,
    ),
    ("(VI_51) Sending/queueing", ONCE),
    ("Netlink: error", ONCE),
    // Before its first takeover keepalived removes what may be left over.
    ("(VI_51) removing VIPs.", ONCE),
    // Labels of keepalived.data.
    ("Global definitions: ", GLOBAL),
    ("VRRP Sockpool: fd_in", DESCRIPTORS),
    ("VRRP Sockpool: Rx buf size", DESCRIPTORS),
    ("VRRP Topology: fd_in", DESCRIPTORS),
    ("VRRP Scripts: VRRP instances", DESCRIPTORS),
    ("Interfaces: MAC broadcast", DESCRIPTORS),
    ("Interfaces: Seen up", DESCRIPTORS),
    ("Interfaces: Delayed state change", DESCRIPTORS),
    ("Interfaces: Reset ", DESCRIPTORS),
    ("Interfaces: Original ", DESCRIPTORS),
    ("Interfaces: Not IPv6 forwarding", DESCRIPTORS),
];

const SELF: &str = "Lines about the daemon's own processes, sockets and dumps";
const READING: &str = "Lines about reading the configuration and about addresses of the host";
const ONCE: &str = "Each fact is one line";
const GLOBAL: &str = "Global definitions are shown where they take effect";
const DESCRIPTORS: &str = "numbers of descriptors and saved settings of interfaces";

fn reason(what: &str) -> Option<&'static str> {
    let found = DIFFERENCES
        .iter()
        .find(|(start, _)| what.starts_with(start));
    found.map(|(_, why)| *why)
}

/// What a life leaves for others to read.
struct Life {
    fifo: String,
    calls: Vec<String>,
    log: Vec<String>,
    /// Sections with their labels.
    data: BTreeSet<String>,
    stats: Vec<String>,
    json: Value,
    exit: Option<i32>,
}

/// Log lines without time, level and what changes from run to run.
fn phrases(daemon: &Daemon, log: &str) -> Vec<String> {
    let text = |line: &str| match daemon {
        Daemon::Keepalived => line.split_once(" 20").and_then(|(_, rest)| {
            let (_, text) = rest.split_once(": ")?;
            Some(text.to_owned())
        }),
        Daemon::Vrrpd(_) => line.split_once("] ").map(|(_, text)| text.to_owned()),
    };
    log.lines().filter_map(text).collect()
}

/// `VRRP Topology: State`
fn labels(data: &str) -> BTreeSet<String> {
    let mut all = BTreeSet::new();
    let mut section = "";
    for line in data.lines() {
        if let Some(title) = line.strip_prefix("------< ") {
            section = title.trim_end_matches(" >------");
        } else if line.starts_with(' ') && !line.starts_with("     ") {
            let end = line.find(['=', ':']).unwrap_or(line.len());
            // The first words of sentences.
            let label = line[..end].trim();
            let label = if end == line.len() {
                let words: Vec<&str> = label.split_whitespace().take(2).collect();
                words.join(" ")
            } else {
                label.to_owned()
            };
            all.insert(format!("{section}: {label}"));
        }
    }
    all
}

fn signal(daemon: &Daemon, run: &Running, name: &str) {
    let out = Command::new(daemon.path())
        .arg(format!("--signum={name}"))
        .output()
        .expect("--signum");
    let number = String::from_utf8_lossy(&out.stdout).trim().to_owned();
    let sent = Command::new("kill")
        .args([format!("-{number}"), run.pid().to_string()])
        .status();
    assert!(sent.is_ok_and(|status| status.success()), "{name}");
}

/// Requests a dump and waits until it is complete.
fn dump(daemon: &Daemon, run: &Running, name: &str, path: &str) -> String {
    let _ = fs::remove_file(path);
    signal(daemon, run, name);
    let mut text = String::new();
    wait_until(SOON, "the dump is written", || {
        text = fs::read_to_string(path).unwrap_or_default();
        text.ends_with('\n') || text.ends_with(']')
    });
    // keepalived writes in place.
    sleep_ms(200);
    fs::read_to_string(path).unwrap_or(text)
}

fn live(daemon: &Daemon) -> Life {
    let tag = daemon.name();
    let lab = Lab::new();
    let node = lab.node("r1", &["10.0.0.1/24"]);
    let attacker = lab.node("attacker", &["10.0.0.66/24"]);
    let base = format!("{DIR}/life-{tag}");
    let (fifo, calls, bad) = (
        format!("{base}.fifo"),
        format!("{base}.calls"),
        format!("{base}.bad"),
    );
    let recorder = script(&format!("life-{tag}"), &format!("echo \"$*\" >> {calls}"));
    let check = script(&format!("check-{tag}"), &format!("test ! -e {bad}"));
    let mut inst = Inst::new(51, 100, "10.0.0.100/24")
        .line("track_script {\n check\n }")
        .line("virtual_ipaddress_excluded {\n 10.0.0.101/24\n }")
        .line("virtual_routes {\n 172.16.0.0/16 via 10.0.0.254 dev eth0\n }")
        .line("virtual_rules {\n from 10.0.0.0/24 table 5 preference 16384\n }")
        .line(&format!("notify \"{recorder} any\""));
    for what in ["master", "backup", "fault", "stop"] {
        inst = inst.line(&format!("notify_{what} \"{recorder} {what}\""));
    }
    let conf = Conf::of(&[inst])
        .global("script_user root")
        .global(&format!("notify_fifo {fifo}"))
        .top(&format!(
            "vrrp_script check {{\n script {check}\n interval 1\n}}"
        ));
    let dumps = format!("{base}.dumps");
    fs::create_dir_all(&dumps).expect("directory of dumps");
    let tmp = format!("TMPDIR={dumps}");
    let mut run = daemon.start_text(&node, &conf.text(), &["env", &tmp]);
    let reader = RefCell::new(Reader::open(&fifo));
    let mut written = String::new();
    let mut until = |states: &[&str]| {
        for state in states {
            let line = format!("INSTANCE \"VI_51\" {state} 100\n");
            wait_until(SOON, &format!("{tag} writes {state}"), || {
                written += &reader.borrow_mut().take();
                written.contains(&line)
            });
            let at = written.find(&line).expect("just seen") + line.len();
            written.drain(..at);
        }
    };
    until(&["BACKUP", "MASTER"]);
    sleep_ms(300);
    let pid = fs::read_to_string(&run.pid_file).unwrap_or_default();
    assert_eq!(pid.trim(), run.pid().to_string(), "the pid file of {tag}");
    let data = dump(daemon, &run, "DATA", &format!("{dumps}/keepalived.data"));
    let stats = dump(daemon, &run, "STATS", &format!("{dumps}/keepalived.stats"));
    let json = dump(daemon, &run, "JSON", &format!("{dumps}/keepalived.json"));

    let injector = Injector::on(&attacker);
    let rival = |priority| Packet::v3(ip("10.0.0.66"), 51, priority, &[ip(VIP)]);
    injector.send(&rival(200).frame(injector.mac));
    until(&["BACKUP"]);
    injector.send(&rival(0).frame(injector.mac));
    until(&["MASTER"]);
    run.reload(&conf.text());
    // keepalived makes a new FIFO.
    *reader.borrow_mut() = Reader::open(&fifo);
    sleep_ms(300);
    node.carrier_down();
    until(&["FAULT"]);
    node.carrier_up();
    until(&["BACKUP", "MASTER"]);
    fs::write(&bad, "").expect("write");
    until(&["FAULT"]);
    fs::remove_file(&bad).expect("remove");
    until(&["BACKUP", "MASTER"]);
    wait_until(SOON, "all scripts have run", || {
        lines(&calls).len() >= 2 * 10
    });
    run.term();
    until(&["STOP"]);
    let exit = run.wait_exit(SOON).and_then(|status| status.code());
    assert!(
        !Path::new(&run.pid_file).exists(),
        "{tag} removes its pid file"
    );
    wait_until(SOON, "the last scripts have run", || {
        lines(&calls).len() >= 2 * 11
    });
    let mut calls = lines(&calls);
    calls.sort();
    Life {
        fifo: written,
        calls,
        log: phrases(daemon, &run.log()),
        data: labels(&data),
        stats: stats
            .lines()
            .map(|line| line.split(':').next().unwrap_or_default().to_owned())
            .collect(),
        json: serde_json::from_str(&json).expect("JSON"),
        exit,
    }
}

fn compare(ctx: &Ctx) -> Outcome {
    if !ctx.keepalived.available() {
        return Outcome::Skipped("keepalived is not installed".into());
    }
    let (ours, theirs) = (live(&ctx.daemon), live(&ctx.keepalived));
    assert_eq!(ours.fifo, theirs.fifo, "nothing else in the FIFO");
    assert_eq!(ours.calls, theirs.calls, "calls of notify scripts");
    assert_eq!(ours.exit, theirs.exit, "exit code");

    let missing: BTreeSet<&String> = theirs
        .log
        .iter()
        .filter(|line| !ours.log.iter().any(|own| own.starts_with(line.as_str())))
        .filter(|line| reason(line).is_none())
        .collect();
    assert!(missing.is_empty(), "phrases of the log: {missing:#?}");

    let missing: Vec<&String> = theirs.data.difference(&ours.data).collect();
    let missing: Vec<_> = missing
        .iter()
        .filter(|label| reason(label).is_none())
        .collect();
    assert!(
        missing.is_empty(),
        "labels of keepalived.data: {missing:#?}"
    );

    let own: BTreeSet<&String> = ours.stats.iter().collect();
    let missing: Vec<_> = theirs
        .stats
        .iter()
        .filter(|label| !own.contains(label))
        .collect();
    assert!(
        missing.is_empty(),
        "labels of keepalived.stats: {missing:#?}"
    );

    for part in ["data", "stats"] {
        let fields = |life: &Life| -> BTreeMap<String, Value> {
            let fields = life.json[0][part].as_object().expect("an object");
            fields.clone().into_iter().collect()
        };
        let (own, theirs) = (fields(&ours), fields(&theirs));
        let missing: Vec<_> = theirs
            .keys()
            .filter(|name| !own.contains_key(*name))
            .collect();
        assert!(missing.is_empty(), "JSON fields of {part}: {missing:#?}");
    }
    let manual = include_str!("../../../man/vrrpd.8.roff").replace('\n', " ");
    for (_, why) in DIFFERENCES {
        assert!(manual.contains(why), "the manual does not say: {why}");
    }
    Outcome::Passed
}
