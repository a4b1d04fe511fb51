//! Dumps of state and statistics on signals, read as keepalived's dumps are read.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;
use vrrpd_lab::{Conf, Daemon, Inst, Lab, Node, Running, sleep_ms, wait_until};

use crate::support::{SOON, VIP};
use crate::{Ctx, Outcome, Test};

pub(crate) const TESTS: &[Test] = &[
    Test::new("dumps_show_the_running_state", content).keepalived_fails("shows the password"),
    Test::new("dumps_are_answered_on_the_control_socket", control)
        .keepalived_fails("has no control socket"),
    Test::new("dumps_have_the_labels_of_keepalived", labels),
    Test::new(
        "dumps_show_the_master_and_the_cause_of_a_fault",
        master_and_missing,
    )
    .keepalived_fails("has neither in JSON"),
    Test::new("statistics_are_cleared_on_request", clear),
    Test::new("dumps_respect_dump_directory_and_umask", places)
        .keepalived_fails("no such options yet"),
    Test::new("symlink_at_the_path_of_a_dump_is_replaced", planted_link),
    Test::new("readers_never_see_half_a_dump", concurrent_readers)
        .keepalived_fails("writes in place"),
    Test::new("unwritable_dump_is_logged_once", unwritable)
        .keepalived_fails("its log messages differ"),
];

/// A daemon with a dump directory of its own.
struct Dumper {
    run: Running,
    dir: PathBuf,
    daemon: Daemon,
}

impl Dumper {
    fn start(daemon: &Daemon, node: &Node, conf: &str) -> Self {
        let dir = PathBuf::from(format!("/run/lab/{}-{}-dumps", node.id(), daemon.name()));
        let _ = fs::remove_dir_all(&dir);
        fs::create_dir(&dir).expect("directory of dumps");
        let tmp = format!("TMPDIR={}", dir.display());
        let run = daemon.start_text(node, conf, &["env", &tmp]);
        // Before it has set its handlers, a signal would kill it.
        wait_until(SOON, "it runs", || run.log().contains("Entering"));
        let daemon = daemon.clone();
        Dumper { run, dir, daemon }
    }

    /// The number of a signal that keepalived names, from `--signum`.
    fn number(&self, name: &str) -> i32 {
        let program = match &self.daemon {
            Daemon::Vrrpd(path) => path.clone(),
            Daemon::Keepalived => "keepalived".into(),
        };
        let out = Command::new(program)
            .arg(format!("--signum={name}"))
            .output()
            .expect("--signum");
        let text = String::from_utf8_lossy(&out.stdout);
        text.trim().parse().expect("a number")
    }

    fn signal(&self, name: &str) {
        let (number, pid) = (self.number(name), self.run.pid());
        let sent = Command::new("kill")
            .args([format!("-{number}"), pid.to_string()])
            .status();
        assert!(sent.is_ok_and(|status| status.success()), "{name}");
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.join(name)
    }

    /// Requests a dump and waits for it.
    fn dump(&self, signal: &str, name: &str) -> String {
        let path = self.path(name);
        let _ = fs::remove_file(&path);
        self.signal(signal);
        let mut text = String::new();
        wait_until(SOON, "the dump is written", || {
            text = fs::read_to_string(&path).unwrap_or_default();
            text.ends_with('\n')
        });
        if self.daemon == Daemon::Keepalived {
            // keepalived writes in place, line by line.
            sleep_ms(100);
            text = fs::read_to_string(&path).unwrap_or_default();
        }
        text
    }

    /// The same over the control socket.
    fn asked(&self, kind: &str) -> String {
        let mut command = Command::new(self.daemon.path());
        let command = command.args(["dump", kind, "-p"]).arg(&self.run.pid_file);
        let output = command.output().expect("the binary");
        assert!(output.status.success(), "{output:?}");
        String::from_utf8(output.stdout).expect("UTF-8")
    }

    fn json(&self) -> Value {
        let text = self.dump("JSON", "keepalived.json");
        serde_json::from_str(&text).expect("JSON")
    }
}

/// The fields of each instance that a widely used exporter reads from the state dump, by its rules
/// and with its errors.
fn exported(data: &str) -> BTreeMap<String, BTreeMap<String, String>> {
    let mut all: BTreeMap<String, BTreeMap<String, String>> = BTreeMap::new();
    let (mut instance, mut key) = (String::new(), String::new());
    for line in data.lines() {
        let pair = |line: &str, by: char| {
            let (key, value) = line.split_once(by)?;
            Some((key.trim().to_owned(), value.trim().to_owned()))
        };
        if let Some((_, name)) = pair(line, '=').filter(|_| line.starts_with(" VRRP Instance")) {
            instance = name;
        } else if line.starts_with("   ") && !instance.is_empty() {
            let found = if line.starts_with("     ") {
                Some((key.clone(), line.trim().to_owned()))
            } else {
                pair(line, '=').or_else(|| pair(line, ':'))
            };
            if let Some((name, value)) = found {
                key.clone_from(&name);
                // The last value wins, whatever section it is in.
                all.entry(instance.clone()).or_default().insert(name, value);
            }
        } else if !line.starts_with(" VRRP Script") {
            instance.clear();
        }
    }
    all
}

/// The same for the statistics: section, label, number.
fn statistics(text: &str) -> BTreeMap<(String, String), u64> {
    let mut all = BTreeMap::new();
    let mut section = String::new();
    for line in text.lines().filter(|line| line.starts_with("  ")) {
        let (label, number) = line.split_once(':').expect("a colon");
        if number.is_empty() {
            section = label.trim().to_owned();
        } else {
            let indented = line.starts_with("    ");
            let section = if indented {
                section.clone()
            } else {
                String::new()
            };
            let number = number.trim().parse().expect("a number");
            all.insert((section, label.trim().to_owned()), number);
        }
    }
    all
}

/// A configuration with one example of each object that keepalived 2.2.7 has a label for.
fn rich() -> String {
    let first = Inst::new(51, 200, "10.0.0.100/24 brd + label eth0:1")
        .v2()
        .pass("secret")
        .line("preempt_delay 7")
        .line("notify_master /bin/true")
        .line("notify \"/bin/true one\"")
        .line("track_interface {\n        lo weight 10\n    }")
        .line("virtual_ipaddress_excluded {\n        10.0.1.1/32\n    }")
        .line("virtual_routes {\n        203.0.113.0/24 via 10.0.0.2 dev eth0\n    }")
        .line("virtual_rules {\n        from 203.0.113.0/24 table 101 priority 2000\n    }");
    let second = Inst::new(52, 100, "10.0.0.101")
        .line("nopreempt")
        .unicast("10.0.0.1", "10.0.0.2");
    Conf::of(&[first, second]).global("script_user root").text()
}

fn content(ctx: &Ctx) -> Outcome {
    let lab = Lab::new();
    let a = lab.node("r1", &["10.0.0.1/24"]);
    let dumper = Dumper::start(&ctx.daemon, &a, &rich());
    wait_until(SOON, "it is master", || a.has(VIP));

    let json = dumper.json();
    let data = &json[0]["data"];
    for (field, want) in [
        ("iname", Value::from("VI_51")),
        ("ifp_ifname", Value::from("eth0")),
        ("vrid", Value::from(51)),
        ("state", Value::from(2)),
        ("wantstate", Value::from(2)),
        ("version", Value::from(2)),
        ("base_priority", Value::from(200)),
        ("effective_priority", Value::from(210)),
        ("garp_delay", Value::from(5)),
        ("vipset", Value::from(true)),
        ("auth_data", Value::from("********")),
        ("script_master", Value::from("'/bin/true'")),
        ("script", Value::from("'/bin/true' 'one'")),
    ] {
        let got = &data[field];
        // Symbolic links in script paths are resolved.
        let same = got == &want
            || got
                .as_str()
                .is_some_and(|text| text.replace("/usr", "") == want);
        assert!(same, "{field}: {got} instead of {want}");
    }
    let vip = data["vips"][0].as_str().expect("text");
    assert_eq!(
        vip,
        "10.0.0.100/24 brd 10.0.0.255 dev eth0 scope global label eth0:1 set"
    );
    let wall = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    let wall = wall.expect("after 1970").as_secs_f64();
    let since = data["last_transition"].as_f64().expect("a number");
    assert!((0.0..20.0).contains(&(wall - since)), "{since} at {wall}");
    assert!(json[0]["stats"]["advert_sent"].as_u64() > Some(0));
    let again = &dumper.json()[0]["data"]["last_transition"];
    assert_eq!(
        *again, data["last_transition"],
        "the same value in both fields"
    );

    let text = dumper.dump("DATA", "keepalived.data");
    assert!(!text.contains("secret"), "no password in any dump");
    let all = exported(&text);
    let one = &all["VI_51"];
    for (label, want) in [
        ("State", "MASTER"),
        ("Wantstate", "MASTER"),
        ("Interface", "eth0"),
        ("Gratuitous ARP delay", "5"),
        ("Virtual Router ID", "51"),
        ("Priority", "200"),
        ("Effective priority", "210"),
        ("Password", "********"),
        ("Virtual IP (1)", vip),
        ("Transition reason", "master_down"),
    ] {
        assert_eq!(one.get(label).map(String::as_str), Some(want), "{label}");
    }
    assert_eq!(all.len(), 2);

    let stats = statistics(&dumper.dump("STATS", "keepalived.stats"));
    let became = (String::new(), "Became master".to_owned());
    assert_eq!(stats.get(&became), Some(&1));
    let mode = fs::metadata(dumper.path("keepalived.stats"))
        .expect("there")
        .permissions()
        .mode();
    assert_eq!(mode & 0o777, 0o600, "the daemon's user's alone by default");
    Outcome::Passed
}

/// Labels of keepalived internals: its flags, counters and buffers.
const INSIDE: [&str; 3] = ["Flags", "Number of config faults", "fd_in"];

fn labels(ctx: &Ctx) -> Outcome {
    if !ctx.keepalived.available() {
        return Outcome::Skipped("keepalived is not installed".into());
    }
    let lab = Lab::new();
    let nodes = [
        (&ctx.daemon, lab.node("r1", &["10.0.0.1/24"])),
        (&ctx.keepalived, lab.node("r2", &["10.0.0.1/24"])),
    ];
    let [ours, theirs] = nodes.each_ref().map(|(daemon, node)| {
        // Each in a network of its own: the dump of one must not depend on the other.
        node.carrier_down();
        node.ip("link add dummy type bridge");
        let conf = rich().replace("interface eth0", "interface dummy");
        let conf = conf
            .replace("dev eth0", "dev dummy")
            .replace("eth0:1", "dummy:1");
        node.ip("addr flush dev eth0");
        node.ip("addr add 10.0.0.1/24 dev dummy");
        node.ip("link add port type veth peer name wall");
        node.ip("link set port master dummy");
        for link in ["dummy", "port", "wall"] {
            node.ip(&format!("link set {link} up"));
        }
        sleep_ms(100);
        let dumper = Dumper::start(daemon, node, &conf);
        wait_until(SOON, "it is master", || {
            node.ip("addr").contains("10.0.0.100/24")
        });
        sleep_ms(500);
        let data = exported(&dumper.dump("DATA", "keepalived.data"));
        let stats = statistics(&dumper.dump("STATS", "keepalived.stats"));
        (data, stats, dumper.json())
    });

    for (name, labels) in &theirs.0 {
        let known = &ours.0[name];
        let missing = labels.keys().filter(|label| !known.contains_key(*label));
        let missing: Vec<&String> = missing
            .filter(|label| !INSIDE.iter().any(|inside| label.starts_with(inside)))
            .collect();
        assert!(missing.is_empty(), "{name} lacks {missing:?}");
        for label in [
            "State",
            "Priority",
            "Advert interval",
            "Preempt",
            "Virtual IP (1)",
        ] {
            assert_eq!(known.get(label), labels.get(label), "{name} {label}");
        }
    }
    // keepalived 2.2 has no block for auth_hmac.
    let ours_alone =
        |(section, _): &&(String, String)| section != "Authentication Extension Errors";
    let own: Vec<_> = ours.1.keys().filter(ours_alone).collect();
    assert_eq!(own, theirs.1.keys().collect::<Vec<_>>(), "the statistics");

    let theirs = theirs.2.as_array().expect("a list");
    for (nth, instance) in theirs.iter().enumerate() {
        for part in ["data", "stats"] {
            let theirs = instance[part].as_object().expect("an object");
            let ours = ours.2[nth][part].as_object().expect("an object");
            for (field, value) in theirs {
                let known = ours
                    .get(field)
                    .unwrap_or_else(|| panic!("{part} lacks {field}"));
                let same = std::mem::discriminant(known) == std::mem::discriminant(value);
                assert!(same, "{field}: {known} is no {value}");
                let whole = |value: &Value| value.is_i64() || value.is_u64();
                if field != "last_transition" && value.is_number() {
                    assert_eq!(whole(known), whole(value), "{field}: {known}, {value}");
                }
            }
        }
    }
    Outcome::Passed
}

fn control(ctx: &Ctx) -> Outcome {
    let lab = Lab::new();
    let a = lab.node("r1", &["10.0.0.1/24"]);
    let dumper = Dumper::start(&ctx.daemon, &a, &rich());
    wait_until(SOON, "it is master", || a.has(VIP));
    // The same, without counters and times until the next event.
    let json: Value = serde_json::from_str(&dumper.asked("json")).expect("JSON");
    assert_eq!(json[0]["data"]["iname"], "VI_51");
    assert_eq!(
        json[0]["data"]["last_transition"]
            .as_f64()
            .map(|at| at > 1e9),
        Some(true)
    );
    let labels = |text: &str| -> Vec<String> {
        let label = |line: &str| line.split([':', '=']).next().unwrap_or("").to_owned();
        text.lines().map(label).collect()
    };
    let (data, stats) = (dumper.asked("data"), dumper.asked("stats"));
    assert!(!data.contains("secret"), "no password in any dump");
    let files = fs::read_dir(&dumper.dir).map_or(0, Iterator::count);
    assert_eq!(files, 0, "nothing was written");
    assert_eq!(
        labels(&data),
        labels(&dumper.dump("DATA", "keepalived.data"))
    );
    assert_eq!(
        labels(&stats),
        labels(&dumper.dump("STATS", "keepalived.stats"))
    );

    // Many at a time.
    let pid_file = dumper.run.pid_file.display();
    let ask = format!("{} dump json -p {pid_file}", dumper.daemon.path());
    let all = format!("for i in $(seq 40); do {ask} & done; wait");
    let output = Command::new("sh").args(["-c", &all]).output().expect("sh");
    let text = String::from_utf8(output.stdout).expect("UTF-8");
    assert_eq!(
        text.matches("\"iname\": \"VI_51\"").count() + text.matches("\"iname\":\"VI_51\"").count(),
        40
    );
    wait_until(SOON, "no child is left", || dumper.run.pids().len() == 1);
    Outcome::Passed
}

fn master_and_missing(ctx: &Ctx) -> Outcome {
    let lab = Lab::new();
    let a = lab.node("r1", &["10.0.0.1/24"]);
    let b = lab.node("r2", &["10.0.0.2/24"]);
    let _master = ctx
        .daemon
        .start(&a, &Conf::of(&[Inst::new(51, 200, "10.0.0.100/24")]));
    wait_until(SOON, "the other is master", || a.has(VIP));
    let inst = Inst::new(51, 100, "10.0.0.100/24").line("track_script {\n        check\n    }");
    let script = "vrrp_script check {\n    script /bin/true\n    interval 1\n    weight 7\n}";
    let conf = Conf::of(&[inst]).global("script_user root").top(script);
    let dumper = Dumper::start(&ctx.daemon, &b, &conf.text());
    let mut data = Value::Null;
    wait_until(
        SOON,
        "it has received an advert and a script result",
        || {
            data = dumper.json()[0]["data"].take();
            data["master_priority"] == 200 && data["effective_priority"] == 107
        },
    );
    assert_eq!(data["state"], 1);
    assert_eq!(data["master_router"], "10.0.0.1");
    assert_eq!(data["priority_parts"][0]["adds"], 7);
    assert_eq!(data["vipset"], false);
    let text = dumper.dump("DATA", "keepalived.data");
    assert!(text.contains("\n   Master router = 10.0.0.1\n"), "{text}");
    assert!(text.contains("\n   Status = GOOD\n"), "{text}");

    b.carrier_down();
    wait_until(SOON, "it is in FAULT, with the reason", || {
        data = dumper.json()[0]["data"].take();
        data["state"] == 3
    });
    assert_eq!(data["missing"], "interface_down");
    assert_eq!(data["transition_reason"], "interface_down");
    assert!(
        data["missing_detail"]
            .as_str()
            .is_some_and(|text| text.contains("eth0"))
    );
    Outcome::Passed
}

fn clear(ctx: &Ctx) -> Outcome {
    let lab = Lab::new();
    let a = lab.node("r1", &["10.0.0.1/24"]);
    let dumper = Dumper::start(&ctx.daemon, &a, &rich());
    wait_until(SOON, "it is master", || a.has(VIP));
    let sent = ("Advertisements".to_owned(), "Sent".to_owned());
    let became = (String::new(), "Became master".to_owned());
    let before = statistics(&dumper.dump("STATS_CLEAR", "keepalived.stats"));
    assert!(before[&sent] > 0, "the counter is not zero before");
    let after = statistics(&dumper.dump("STATS", "keepalived.stats"));
    assert_eq!(after[&became], 0);
    assert!(after[&sent] < before[&sent].max(3));
    Outcome::Passed
}

fn places(ctx: &Ctx) -> Outcome {
    let lab = Lab::new();
    let a = lab.node("r1", &["10.0.0.1/24"]);
    let conf = |extra: &str| {
        Conf::of(&[Inst::new(51, 200, "10.0.0.100/24")])
            .top("instance left")
            .global("data_use_instance")
            .global("json_version 2")
            .global("umask 0022")
            .global(extra)
            .text()
    };
    let dumper = Dumper::start(&ctx.daemon, &a, &conf(""));
    wait_until(SOON, "it is master", || a.has(VIP));
    for (signal, name) in [("DATA", "data"), ("STATS", "stats"), ("JSON", "json")] {
        let name = format!("keepalived.left.{name}");
        dumper.dump(signal, &name);
        let mode = fs::metadata(dumper.path(&name))
            .expect("there")
            .permissions();
        assert_eq!(mode.mode() & 0o777, 0o644, "{name}");
    }
    let text = fs::read_to_string(dumper.path("keepalived.left.json")).expect("there");
    let json: Value = serde_json::from_str(&text).expect("JSON");
    assert_eq!(json["vrrp"][0]["data"]["iname"], "VI_51");
    assert!(json["track_process"].is_array());

    // Another path from the next reload on.
    let place = dumper.path("elsewhere");
    let line = format!("json_dump_file {}", place.display());
    dumper.run.reload(&conf(&line));
    dumper.dump("JSON", "elsewhere");
    Outcome::Passed
}

fn planted_link(ctx: &Ctx) -> Outcome {
    let lab = Lab::new();
    let a = lab.node("r1", &["10.0.0.1/24"]);
    let dumper = Dumper::start(&ctx.daemon, &a, &rich());
    wait_until(SOON, "it is master", || a.has(VIP));
    let victim = dumper.path("victim");
    fs::write(&victim, "precious").expect("write");
    let link = dumper.path("keepalived.data");
    symlink(&victim, &link).expect("symlink");
    dumper.signal("DATA");
    wait_until(SOON, "a file replaces the link", || {
        fs::symlink_metadata(&link).is_ok_and(|data| data.is_file())
    });
    assert_eq!(fs::read_to_string(&victim).expect("read"), "precious");
    Outcome::Passed
}

fn concurrent_readers(ctx: &Ctx) -> Outcome {
    let lab = Lab::new();
    let a = lab.node("r1", &["10.0.0.1/24"]);
    let many: Vec<Inst> = (1..=50)
        .map(|vrid| Inst::new(vrid, 200, &format!("10.0.1.{vrid}/32")).advert("1"))
        .collect();
    let dumper = Dumper::start(&ctx.daemon, &a, &Conf::of(&many).text());
    let path = dumper.path("keepalived.json");
    wait_until(SOON, "they are masters", || a.has("10.0.1.50"));
    dumper.json();
    let number = dumper.number("JSON");
    let burst = format!(
        "for i in $(seq 300); do kill -{number} {}; done",
        dumper.run.pid()
    );
    let mut burst = Command::new("sh").args(["-c", &burst]).spawn().expect("sh");
    let (mut reads, mut seen) = (0, BTreeSet::new());
    while burst.try_wait().expect("sh").is_none() || reads < 50 {
        let text = fs::read_to_string(&path).expect("always there");
        let json: Value = serde_json::from_str(&text).expect("always whole");
        assert_eq!(json.as_array().map(Vec::len), Some(50));
        seen.insert(inode(&path));
        reads += 1;
    }
    assert!(seen.len() > 1, "it was written more than once");
    // No temporary file and no writer remains.
    wait_until(SOON, "nothing is left", || {
        let files = fs::read_dir(&dumper.dir).map_or(0, Iterator::count);
        files == 1 && dumper.run.pids().len() == 1
    });
    Outcome::Passed
}

fn inode(path: &Path) -> u64 {
    use std::os::unix::fs::MetadataExt;
    fs::metadata(path).map_or(0, |data| data.ino())
}

fn unwritable(ctx: &Ctx) -> Outcome {
    let lab = Lab::new();
    let a = lab.node("r1", &["10.0.0.1/24"]);
    let dumper = Dumper::start(&ctx.daemon, &a, &rich());
    wait_until(SOON, "it is master", || a.has(VIP));
    let path = dumper.path("keepalived.stats");
    fs::create_dir(&path).expect("mkdir");
    let logged = || dumper.run.log().matches("cannot write").count();
    dumper.signal("STATS");
    wait_until(SOON, "it is logged", || logged() == 1);
    dumper.signal("STATS");
    sleep_ms(200);
    fs::remove_dir(&path).expect("rmdir");
    dumper.dump("STATS", "keepalived.stats");
    wait_until(SOON, "it is logged that writing works again", || {
        dumper.run.log().contains("can be written again")
    });
    assert_eq!(logged(), 1, "logged once, however often it fails");
    Outcome::Passed
}
