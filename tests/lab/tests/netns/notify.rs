//! Notify scripts and FIFOs: contents and order of notifications; slow scripts and absent readers
//! delay no advert.

use std::fs::{self, File, OpenOptions};
use std::io::Read;
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::Path;
use std::process::Command;

use vrrpd_lab::forge::{Injector, Packet};
use vrrpd_lab::noise;
use vrrpd_lab::private::DIR;
use vrrpd_lab::{Capture, Conf, Daemon, Inst, Lab, MS, Node, now, sleep_ms, wait_until};

use crate::support::{INTERVAL, SOON, VIP, ip, pair_of};
use crate::{Ctx, Outcome, Test};

const NO_ORDER: &str = "runs all scripts in parallel";

pub(crate) const TESTS: &[Test] = &[
    Test::new("notify_matches_keepalived", words),
    Test::new("notify_of_sync_groups_matches_keepalived", groups),
    Test::new(
        "notify_scripts_of_an_instance_run_in_order_under_flapping",
        order,
    )
    .keepalived_fails(NO_ORDER),
    Test::new("notify_fifo_without_a_reader_delays_nothing", full_fifo),
    Test::new("notify_fifo_that_is_a_file_is_left_alone", no_fifo)
        .keepalived_fails("does not log it"),
    Test::new(
        "notify_fifo_script_starts_again_at_reload_and_gets_stop",
        reader_script,
    )
    .keepalived_fails("its log messages differ"),
    Test::new(
        "hanging_notify_script_delays_neither_adverts_nor_shutdown",
        hangs,
    ),
    Test::new("notify_script_that_is_terminated_is_logged_once", once)
        .keepalived_fails("its scripts run in parallel"),
    Test::new(
        "notify_script_of_the_tutorials_sends_mail",
        everybodys_script,
    ),
];

/// Writes a shell script and returns its path.
pub(crate) fn script(name: &str, body: &str) -> String {
    let path = format!("{DIR}/{name}.sh");
    fs::write(&path, format!("#!/bin/sh\n{body}\n")).expect("writing a script");
    fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).expect("chmod");
    path
}

pub(crate) fn lines(path: &str) -> Vec<String> {
    let text = fs::read_to_string(path).unwrap_or_default();
    text.lines().map(str::to_owned).collect()
}

/// Reads a FIFO without blocking.
pub(crate) struct Reader(File);

impl Reader {
    pub(crate) fn open(path: &str) -> Self {
        wait_until(SOON, "the FIFO is there", || Path::new(path).exists());
        let flags = nix::fcntl::OFlag::O_NONBLOCK.bits();
        let mut options = OpenOptions::new();
        let file = options.read(true).custom_flags(flags).open(path);
        Reader(file.expect("opening the FIFO"))
    }

    pub(crate) fn take(&mut self) -> String {
        let mut all = Vec::new();
        let mut part = [0; 4096];
        while let Ok(n @ 1..) = self.0.read(&mut part) {
            all.extend_from_slice(&part[..n]);
        }
        String::from_utf8_lossy(&all).into_owned()
    }
}

/// Creates an interface to be tracked; it is down.
fn link(a: &Node) {
    a.ip("link add d0 type veth peer name d1");
    a.ip("link set d1 up");
}

// ---- contents ----

/// Takes an instance through all its states; returns the FIFO's lines and the calls of the scripts.
fn record_notifications(daemon: &Daemon, tag: &str) -> (String, Vec<String>) {
    let lab = Lab::new();
    let a = lab.node("r1", &["10.0.0.1/24"]);
    let attacker = lab.node("attacker", &["10.0.0.66/24"]);
    link(&a);
    let out = format!("{DIR}/words-{tag}");
    let fifo = format!("{out}.fifo");
    let recorder = script(&format!("words-{tag}"), &format!("echo \"$# $*\" >> {out}"));
    let mut inst = Inst::new(51, 100, "10.0.0.100/24")
        .line("track_interface {\n d0 weight 10\n }")
        .line(&format!("notify \"{recorder} 'a b' c\""));
    for what in ["master", "backup", "fault", "stop", "master_rx_lower_pri"] {
        inst = inst.line(&format!("notify_{what} \"{recorder} {what}\""));
    }
    let conf = Conf::of(&[inst])
        .global("script_user root")
        .global(&format!("notify_fifo {fifo}"))
        .global("vrrp_notify_priority_changes");
    let mut run = daemon.start(&a, &conf);
    let mut reader = Reader::open(&fifo);
    let mut fifo_lines = String::new();
    let mut until = |what: &str| {
        wait_until(SOON, &format!("{tag} writes {what}"), || {
            fifo_lines += &reader.take();
            fifo_lines.ends_with(&format!(" {what}\n"))
        });
    };
    until("MASTER 100");
    a.ip("link set d0 up");
    until("MASTER_PRIORITY 110");
    a.ip("link set d0 down");
    until("MASTER_PRIORITY 100");
    let weaker = Packet::v3(ip("10.0.0.66"), 51, 50, &[ip(VIP)]);
    let injector = Injector::on(&attacker);
    injector.send(&weaker.frame(injector.mac));
    until("MASTER_RX_LOWER_PRI 100");
    a.carrier_down();
    until("FAULT 100");
    a.carrier_up();
    until("MASTER 100");
    // Scripts run asynchronously.
    let want = 2 * 5 + 1;
    wait_until(SOON, "all scripts have run", || lines(&out).len() == want);
    run.term();
    until("STOP 100");
    assert!(run.wait_exit(SOON).is_some(), "it ends");
    if *daemon != Daemon::Keepalived {
        assert!(!Path::new(&fifo).exists(), "the FIFO goes with the daemon");
    }
    let _ = fs::remove_file(&fifo);
    wait_until(SOON, "the last scripts have run", || {
        lines(&out).len() == want + 2
    });
    (fifo_lines, lines(&out))
}

fn words(ctx: &Ctx) -> Outcome {
    let (fifo_lines, scripts) = record_notifications(&ctx.daemon, ctx.daemon.name());
    let want = "\
        INSTANCE \"VI_51\" BACKUP 100\n\
        INSTANCE \"VI_51\" MASTER 100\n\
        INSTANCE \"VI_51\" MASTER_PRIORITY 110\n\
        INSTANCE \"VI_51\" MASTER_PRIORITY 100\n\
        INSTANCE \"VI_51\" MASTER_RX_LOWER_PRI 100\n\
        INSTANCE \"VI_51\" FAULT 100\n\
        INSTANCE \"VI_51\" BACKUP 100\n\
        INSTANCE \"VI_51\" MASTER 100\n\
        INSTANCE \"VI_51\" STOP 100\n";
    assert_eq!(fifo_lines, want);
    let mut calls = Vec::new();
    for state in ["BACKUP", "MASTER", "-", "FAULT", "BACKUP", "MASTER", "STOP"] {
        if state == "-" {
            calls.push("1 master_rx_lower_pri".to_owned());
            continue;
        }
        calls.push(format!("1 {}", state.to_lowercase()));
        calls.push(format!("6 a b c INSTANCE VI_51 {state} 100"));
    }
    let sorted = |list: &[String]| {
        let mut list = list.to_vec();
        list.sort();
        list
    };
    if ctx.daemon != Daemon::Keepalived {
        assert_eq!(scripts, calls, "and in this order");
    }
    assert_eq!(sorted(&scripts), sorted(&calls));
    if ctx.daemon != ctx.keepalived && ctx.keepalived.available() {
        let (theirs, their_scripts) = record_notifications(&ctx.keepalived, ctx.keepalived.name());
        assert_eq!(fifo_lines, theirs, "the FIFO is keepalived's byte for byte");
        assert_eq!(sorted(&scripts), sorted(&their_scripts));
    }
    Outcome::Passed
}

/// Takes a sync group of two through its states; returns the FIFO's lines and the calls of its
/// scripts.
fn record_group_notifications(daemon: &Daemon) -> (Vec<String>, Vec<String>) {
    let lab = Lab::new();
    let a = lab.node("r1", &["10.0.0.1/24"]);
    let out = format!("{DIR}/group-{}", daemon.name());
    let fifo = format!("{out}.fifo");
    let recorder = script(
        &format!("group-{}", daemon.name()),
        &format!("echo \"$*\" >> {out}"),
    );
    let mut group = "vrrp_sync_group G1 {\n group { VI_51 VI_52 }\n".to_owned();
    group += &format!(" notify \"{recorder} any\"\n");
    for what in ["master", "backup", "fault", "stop"] {
        group += &format!(" notify_{what} \"{recorder} {what}\"\n");
    }
    let insts = [51, 52].map(|vrid| Inst::new(vrid, 100, &format!("10.0.0.{}/24", vrid + 49)));
    let conf = Conf::of(&insts)
        .global("script_user root")
        .global(&format!("vrrp_notify_fifo {fifo}"))
        .top(&(group + "}"));
    let mut run = daemon.start(&a, &conf);
    let mut reader = Reader::open(&fifo);
    let mut fifo_lines = String::new();
    let mut until = |state: &str, count: usize| {
        let line = format!("GROUP \"G1\" {state} 0\n");
        wait_until(SOON, &line, || {
            fifo_lines += &reader.take();
            fifo_lines.matches(&line).count() == count
        });
    };
    until("MASTER", 1);
    a.carrier_down();
    until("FAULT", 1);
    a.carrier_up();
    until("MASTER", 2);
    wait_until(SOON, "all scripts have run", || lines(&out).len() == 10);
    run.term();
    until("STOP", 1);
    assert!(run.wait_exit(SOON).is_some(), "it ends");
    wait_until(SOON, "the last scripts have run", || {
        lines(&out).len() == 12
    });
    (fifo_lines.lines().map(str::to_owned).collect(), lines(&out))
}

fn groups(ctx: &Ctx) -> Outcome {
    let (fifo_lines, scripts) = record_group_notifications(&ctx.daemon);
    let of = |fifo_lines: &[String], who: &str| -> Vec<String> {
        let mine = fifo_lines.iter().filter(|line| line.contains(who));
        mine.cloned().collect()
    };
    let states = ["BACKUP", "MASTER", "FAULT", "BACKUP", "MASTER", "STOP"];
    let want = states.map(|state| format!("GROUP \"G1\" {state} 0"));
    assert_eq!(of(&fifo_lines, "G1"), want);
    let calls = states.map(|state| [state.to_lowercase(), format!("any GROUP G1 {state} 0")]);
    let mut calls = calls.concat();
    if ctx.daemon != Daemon::Keepalived {
        assert_eq!(scripts, calls);
    }
    if ctx.keepalived.available() {
        let (theirs, mut their_scripts) = record_group_notifications(&ctx.keepalived);
        for who in ["G1", "VI_51", "VI_52"] {
            assert_eq!(of(&fifo_lines, who), of(&theirs, who));
        }
        calls.sort();
        their_scripts.sort();
        assert_eq!(calls, their_scripts);
    }
    Outcome::Passed
}

// ---- order ----

/// Instances whose state flaps with `d0`.
fn flapping(a: &Node, count: u8, extra: impl Fn(Inst) -> Inst) -> Conf {
    link(a);
    a.ip("link set d0 up");
    let inst = |vrid: u8| {
        let inst = Inst::new(vrid, 100, &format!("10.0.1.{vrid}/32")).advert("0.01");
        extra(inst.line("track_interface {\n d0\n }"))
    };
    Conf::of(&(1..=count).map(inst).collect::<Vec<_>>())
}

fn flap(a: &Node, times: u32, pause: u64) {
    for _ in 0..times {
        a.ip("link set d0 down");
        sleep_ms(pause);
        a.ip("link set d0 up");
        sleep_ms(pause);
    }
}

fn order(ctx: &Ctx) -> Outcome {
    const INSTANCES: u8 = 4;
    let lab = Lab::new();
    let a = lab.node("r1", &["10.0.0.1/24"]);
    let out = format!("{DIR}/order");
    let fifo = format!("{out}.fifo");
    let slow = script(
        "order",
        &format!("echo begin $3 >> {out}.$2\nsleep 0.0$(($$ % 7))\necho end $3 >> {out}.$2"),
    );
    let conf = flapping(&a, INSTANCES, |inst| inst.line(&format!("notify {slow}")));
    let conf = conf
        .global("script_user root")
        .global(&format!("notify_fifo {fifo}"));
    let mut run = ctx.daemon.start(&a, &conf);
    let mut reader = Reader::open(&fifo);
    let mut fifo_lines = String::new();
    // Until every instance has changed its state more than a hundred times.
    wait_until(SOON, "the state of every instance flaps", || {
        flap(&a, 5, 2);
        // Long enough to become master at times.
        sleep_ms(60);
        fifo_lines += &reader.take();
        let changes = |vrid| fifo_lines.matches(&format!("\"VI_{vrid}\"")).count();
        (1..=INSTANCES).all(|vrid| changes(vrid) > 100)
    });
    sleep_ms(100);
    fifo_lines += &reader.take();
    for vrid in 1..=INSTANCES {
        let name = format!("\"VI_{vrid}\"");
        let states = fifo_lines.lines().filter(|line| line.contains(&name));
        let states: Vec<&str> = states.filter_map(|line| line.split(' ').nth(2)).collect();
        let last = format!("end {}", states.last().expect("not empty"));
        let path = format!("{out}.VI_{vrid}");
        wait_until(SOON, "the last state is notified last", || {
            let all = lines(&path);
            all.last() == Some(&last) && all.len().is_multiple_of(2)
        });
        let all = lines(&path);
        let mut rest = states.iter();
        for pair in all.chunks(2) {
            let state = pair[0].strip_prefix("begin ").expect("begins");
            assert_eq!(pair[1], format!("end {state}"), "one at a time");
            assert!(
                rest.any(|one| *one == state),
                "{state} out of order in VI_{vrid}"
            );
        }
        let skipped = states.len() - all.len() / 2;
        let logged = format!("(VI_{vrid}) notify scripts cannot keep up");
        wait_until(SOON, "skipped runs are logged", || {
            skipped == 0 || run.log().contains(&logged)
        });
    }
    run.term();
    assert!(run.wait_exit(SOON).is_some(), "it ends");
    Outcome::Passed
}

// ---- FIFOs without a reader ----

fn full_fifo(ctx: &Ctx) -> Outcome {
    let lab = Lab::new();
    let a = lab.node("r1", &["10.0.0.1/24"]);
    let cap = Capture::start(&lab);
    let fifo = format!("{DIR}/full.fifo");
    let quiet = Inst::new(99, 100, "10.0.0.100/24");
    let conf = flapping(&a, 30, |inst| inst);
    let conf = format!(
        "{}\n{}",
        conf.global(&format!("vrrp_notify_fifo {fifo}")).text(),
        {
            let text = Conf::of(&[quiet]).text();
            text[text.find("vrrp_instance").expect("an instance")..].to_owned()
        }
    );
    let mut run = ctx.daemon.start_text(&a, &conf, &[]);
    let mut reader = Reader::open(&fifo);
    // The smallest pipe holds a page.
    nix::fcntl::fcntl(&reader.0, nix::fcntl::FcntlArg::F_SETPIPE_SZ(4096)).expect("a small pipe");
    wait_until(SOON, "it is master", || a.has("10.0.0.100/24"));
    let since = now();
    flap(&a, 8, 30);
    let times: Vec<_> = cap.adverts(&a, 99, since).iter().map(|a| a.0).collect();
    let worst = times
        .windows(2)
        .map(|w| w[1] - w[0])
        .max()
        .expect("adverts");
    assert!(
        worst < INTERVAL + 30 * MS + noise::since(since),
        "{} ms between two adverts",
        worst / MS
    );
    let held = reader.take();
    assert!(
        held.len() > 3000 && held.len() <= 4096,
        "{} bytes",
        held.len()
    );
    assert!(
        held.lines().all(|line| line.starts_with("INSTANCE \"VI_")),
        "{held}"
    );
    assert!(held.ends_with('\n'), "no half lines");
    if ctx.daemon != Daemon::Keepalived {
        let full = run.log().matches("full because nothing reads it").count();
        assert_eq!(full, 1, "logged once");
        flap(&a, 1, 30);
        let again = reader.take();
        assert!(again.contains(" FAULT 100\n"), "written again: {again}");
        assert!(run.log().contains("works again"));
    }
    run.term();
    assert!(run.wait_exit(SOON).is_some(), "it ends");
    assert!(!Path::new(&fifo).exists());
    Outcome::Passed
}

fn no_fifo(ctx: &Ctx) -> Outcome {
    let lab = Lab::new();
    let a = lab.node("r1", &["10.0.0.1/24"]);
    let path = format!("{DIR}/precious");
    fs::write(&path, "precious").expect("writing a file");
    let conf = Conf::of(&[Inst::new(51, 100, "10.0.0.100/24")]);
    let mut run = ctx
        .daemon
        .start(&a, &conf.global(&format!("notify_fifo {path}")));
    wait_until(SOON, "it is master all the same", || a.has(VIP));
    wait_until(SOON, "it says why", || run.log().contains("is not a FIFO"));
    run.term();
    assert!(run.wait_exit(SOON).is_some(), "it ends");
    assert_eq!(fs::read_to_string(&path).expect("still there"), "precious");
    Outcome::Passed
}

fn reader_script(ctx: &Ctx) -> Outcome {
    let lab = Lab::new();
    let a = lab.node("r1", &["10.0.0.1/24"]);
    let out = format!("{DIR}/reader");
    let fifo = format!("{out}.fifo");
    let body = format!("echo \"$*\" >> {out}\nexec cat \"$3\" >> {out}");
    let reader = script("reader", &body);
    let conf = |count: u8| {
        let inst = |vrid: u8| {
            let inst = Inst::new(vrid, 100, &format!("10.0.1.{vrid}/32"));
            inst.line("notify_deleted")
        };
        let insts: Vec<Inst> = (1..=count).map(inst).collect();
        Conf::of(&insts)
            .global("script_user root")
            .global(&format!("vrrp_notify_fifo {fifo}"))
            .global(&format!("vrrp_notify_fifo_script \"{reader} 'a b' c\""))
    };
    let mut run = ctx.daemon.start(&a, &conf(2));
    let fifo_lines = |line: &str| {
        let line = line.to_owned();
        wait_until(SOON, &line, || lines(&out).contains(&line));
    };
    fifo_lines("INSTANCE \"VI_1\" MASTER 100");
    fifo_lines("INSTANCE \"VI_2\" MASTER 100");
    run.reload(&conf(1).text());
    let first = format!("a b c {fifo}");
    let starts = || lines(&out).iter().filter(|line| **line == first).count();
    wait_until(SOON, "the script starts again", || starts() == 2);
    // It reads before it is told to stop.
    a.carrier_down();
    fifo_lines("INSTANCE \"VI_1\" FAULT 100");
    run.term();
    assert!(run.wait_exit(SOON).is_some(), "it ends");
    let all = lines(&out);
    assert_eq!(all.first(), Some(&first), "the path is the last argument");
    assert_eq!(starts(), 2);
    let last = "INSTANCE \"VI_1\" STOP 100";
    assert_eq!(
        all.last().map(String::as_str),
        Some(last),
        "read to the end"
    );
    Outcome::Passed
}

// ---- scripts that hang ----

fn hangs(ctx: &Ctx) -> Outcome {
    let out = format!("{DIR}/hangs");
    let hang = script(
        "hang",
        &format!("trap '' TERM\necho $$ >> {out}\nsleep 1000"),
    );
    let stop = script("stop", &format!("echo stopped >> {out}"));
    let lines_of = |priority: u8| {
        let inst = Inst::new(51, priority, "10.0.0.100/24")
            .line(&format!("notify_backup {hang}"))
            .line(&format!("notify_stop {stop}"));
        Conf::of(&[inst]).global("script_user root")
    };
    let mut p = pair_of(
        &ctx.daemon,
        &lines_of(200),
        &ctx.daemon,
        &lines_of(100),
        VIP,
    );
    let since = now();
    sleep_ms(300);
    p.assert_undisturbed(VIP, INTERVAL, 30 * MS, since);
    let pids: Vec<String> = lines(&out);
    assert_eq!(pids.len(), 2, "the test's premise: {pids:?}");
    let at = p.run_a.term();
    assert!(p.run_a.wait_exit(SOON).is_some(), "it ends");
    let took = now() - at;
    assert!(
        took < 1300 * MS + noise::since(at),
        "the end took {} ms",
        took / MS
    );
    let last = lines(&out).pop();
    assert_eq!(
        last.as_deref(),
        Some("stopped"),
        "notify_stop comes through"
    );
    p.assert_takeover(VIP, vrrpd_lab::skew(3, 100, INTERVAL), at);
    // It ignores SIGTERM and would keep running: its process group is killed only if the next run
    // waits for it.
    let _ = Command::new("kill").arg("-9").args(&pids).output();
    Outcome::Passed
}

fn once(ctx: &Ctx) -> Outcome {
    let lab = Lab::new();
    let a = lab.node("r1", &["10.0.0.1/24"]);
    let out = format!("{DIR}/once");
    let slow = script("slow", &format!("echo $1 >> {out}\nexec sleep 1000"));
    let inst = Inst::new(51, 200, "10.0.0.100/24")
        .line(&format!("notify_backup \"{slow} backup\""))
        .line(&format!("notify_master \"{slow} master\""))
        .line("notify_stop /bin/true");
    let conf = Conf::of(&[inst])
        .global("script_user root")
        .global("notify_supersede_timeout 0.1");
    let mut run = ctx.daemon.start(&a, &conf);
    wait_until(SOON, "the second script runs", || {
        lines(&out) == ["backup", "master"]
    });
    run.term();
    assert!(run.wait_exit(SOON).is_some(), "it ends");
    let log = run.log();
    let about = log.lines().filter_map(|line| line.split_once(" notify_"));
    let about = about.filter(|(_, rest)| rest.contains(&slow));
    let about: Vec<String> = about.map(|(_, rest)| rest.replace(&slow, "slow")).collect();
    let want = [
        "backup slow terminated: a newer state waits",
        "master slow terminated: vrrpd stops",
    ];
    assert_eq!(about, want, "{log}");
    Outcome::Passed
}

// ---- the script of the tutorials ----

fn everybodys_script(ctx: &Ctx) -> Outcome {
    let lab = Lab::new();
    let a = lab.node("r1", &["10.0.0.1/24"]);
    let out = format!("{DIR}/mails");
    let bin = format!("{DIR}/bin");
    fs::create_dir_all(&bin).expect("a directory");
    let stub = script("bin/mail", &format!("(echo \"$@\"; cat) >> {out}"));
    fs::rename(stub, format!("{bin}/mail")).expect("rename");
    let notify = script(
        "everybodys",
        r#"contact='root@localhost'
notify() {
    mailsubject="$(hostname) to be $1, vip floating"
    mailbody="$(date +'%F %T'): vrrp transition, $(hostname) changed to be $1"
    echo "$mailbody" | mail -s "$mailsubject" $contact
}
case $1 in
    master) notify master ;;
    backup) notify backup ;;
    fault) notify fault ;;
    *) echo "Usage: $(basename $0) {master|backup|fault}"; exit 1 ;;
esac"#,
    );
    let mut inst = Inst::new(51, 100, "10.0.0.100/24");
    for state in ["master", "backup", "fault"] {
        inst = inst.line(&format!("notify_{state} \"{notify} {state}\""));
    }
    let path = format!("PATH={bin}:/usr/sbin:/usr/bin:/sbin:/bin");
    let text = Conf::of(&[inst]).global("script_user root").text();
    let mut run = ctx.daemon.start_text(&a, &text, &["env", &path]);
    let mut mails = 0;
    let mut until = |state: &str| {
        mails += 1;
        wait_until(SOON, &format!("a mail about {state}"), || {
            lines(&out)
                .iter()
                .filter(|line| line.starts_with("-s "))
                .count()
                == mails
        });
    };
    until("backup");
    until("master");
    a.carrier_down();
    until("fault");
    wait_until(SOON, "the last mail is complete", || lines(&out).len() == 6);
    let subjects: Vec<String> = lines(&out).into_iter().step_by(2).collect();
    for (line, state) in subjects.iter().zip(["backup", "master", "fault"]) {
        let want = format!("to be {state}, vip floating root@localhost");
        assert!(line.ends_with(&want), "{line}");
    }
    run.term();
    assert!(run.wait_exit(SOON).is_some(), "it ends");
    Outcome::Passed
}
