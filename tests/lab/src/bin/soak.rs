//! `make soak`: two routers under continuous disturbance for ten minutes (or `SOAK_SECONDS`).
//!
//! Links flap, scripts fail and hang, files change, configurations are reloaded, daemons are
//! frozen, addresses and routes are deleted externally, and forged packets arrive all the time.
//! Afterwards everything must be as before: memory, descriptors, child processes, and every kernel
//! object; and after shutdown nothing may be left. `SOAK_SEED` repeats a run, as far as timing
//! allows.

use std::fs;
use std::panic::catch_unwind;
use std::process::{Command, exit};
use std::time::{Duration, Instant};

use nix::sys::signal::Signal;
use vrrpd_lab::forge::{Injector, Stream, Target, all_kinds, noise};
use vrrpd_lab::private::{self, DIR};
use vrrpd_lab::{Daemon, Lab, Node, Running, process, sleep_ms, wait_until};

/// Permitted growth of memory in the second half, KB per daemon. The allocator of a C library
/// varies by about a hundred; a leak of 80 bytes per event is more than this in ten minutes.
const GROWTH: u64 = 256;
const PEACE: Duration = Duration::from_secs(30);

fn main() {
    if private::enter().is_err() {
        eprintln!("soak: skipped; nothing was changed on this machine");
        exit(private::SKIP);
    }
    let Some(daemon) = Daemon::subject() else {
        eprintln!("soak: VRRPD_BIN is not set; run `make soak`");
        exit(1);
    };
    vrrpd_lab::plain_panics();
    if catch_unwind(|| soak(&daemon)).is_err() {
        println!("soak: FAILED (see above)");
        exit(1);
    }
}

fn soak(daemon: &Daemon) {
    let number = |name: &str, usual| {
        let text = std::env::var(name).ok();
        text.and_then(|text| text.parse().ok()).unwrap_or(usual)
    };
    let seconds = number("SOAK_SECONDS", 600);
    let seed = number("SOAK_SEED", 0x5eed_0001);
    println!("soak: {seconds} s, SOAK_SEED={seed}");
    let lab = Lab::new();
    let mut routers = ["r1", "r2"].map(|name| Router::start(&lab, daemon, name));
    let attacker = lab.node("attacker", &["10.0.0.66/24"]);
    calm(&routers, true);
    let mut dice = Dice(seed | 1);
    // The first half is a warm-up: memory grows in the first minutes and is then constant.
    let mut events = war(&mut routers, &attacker, &mut dice, seconds / 2);
    let before = peace(&routers);
    events += war(&mut routers, &attacker, &mut dice, seconds / 2);
    let after = peace(&routers);
    for ((before, after), router) in before.iter().zip(&after).zip(&routers) {
        let name = &router.node.name;
        assert_eq!(before.kernel, after.kernel, "{name}: kernel objects");
        assert_eq!(before.descriptors, after.descriptors, "{name}: descriptors");
        assert_eq!(before.children, after.children, "{name}: children");
        let (from, to) = (before.memory, after.memory);
        println!("soak: {name}: memory {from} KB before, {to} KB after");
        assert!(to <= from + GROWTH, "{name}: memory {from} -> {to} KB");
        assert_eq!(zombies(router.run.pid()), 0, "{name}: zombies");
    }
    for router in &mut routers {
        router.end();
    }
    println!("soak: {events} events survived; everything is as it was before");
}

// ---- a router ----

struct Router {
    node: Node,
    run: Running,
    /// The kernel's objects before the daemon was started.
    bare: String,
    strong: bool,
    names: Vec<String>,
}

/// What must not grow.
struct State {
    kernel: String,
    descriptors: usize,
    children: usize,
    memory: u64,
}

impl Router {
    fn start(lab: &Lab, daemon: &Daemon, name: &str) -> Self {
        let strong = name == "r1";
        let host = if strong { 1 } else { 2 };
        let own = [format!("10.0.0.{host}/24"), format!("fd00::{host}/64")];
        let node = lab.node(name, &[&own[0], &own[1]]);
        node.ip("link add name dum0 type veth peer name dum1");
        node.ip("link set dum0 up");
        node.ip("link set dum1 up");
        node.ip(&format!("addr add 10.9.0.{host}/24 dev dum0"));
        // Wait first: the kernel itself adds and removes objects after the setup.
        sleep_ms(300);
        scripts(name);
        let bare = kernel(&node);
        let run = daemon.start_text(&node, &configuration(name, strong, 0), &[]);
        Router {
            names: vec![format!("{DIR}/{name}-file"), format!("{DIR}/{name}-bad")],
            node,
            run,
            bare,
            strong,
        }
    }

    fn state(&self) -> State {
        let pids = self.run.pids();
        State {
            kernel: kernel(&self.node),
            descriptors: process::descriptors(&[self.run.pid()]),
            children: pids.len() - 1,
            memory: process::memory(&[self.run.pid()]).anonymous,
        }
    }

    fn end(&mut self) {
        let name = &self.node.name;
        self.run.term();
        let status = self.run.wait_exit(Duration::from_secs(10));
        assert!(status.is_some_and(|s| s.success()), "{name}: {status:?}");
        assert_eq!(kernel(&self.node), self.bare, "{name}: left behind");
    }

    fn has_everything(&self) -> bool {
        let addresses = self.node.ip("-o -4 addr");
        (1..=30).all(|n| addresses.contains(&format!(" 10.1.0.{n}/")))
    }

    fn has_nothing(&self) -> bool {
        let addresses = self.node.ip("-o -4 addr");
        !addresses.contains(" 10.1.0.") && !addresses.contains(" 10.3.0.")
    }
}

/// Scripts that fail on request; one hangs at times, one writes without end.
fn scripts(name: &str) {
    let write = |file: &str, text: String| {
        let path = format!("{DIR}/{name}-{file}");
        fs::write(&path, text).expect("writing a script");
        let mode = std::os::unix::fs::PermissionsExt::from_mode(0o755);
        fs::set_permissions(&path, mode).expect("making it executable");
    };
    write(
        "check.sh",
        format!("#!/bin/sh\n[ ! -e {DIR}/{name}-bad ]\n"),
    );
    write(
        "hang.sh",
        format!(
            "#!/bin/sh\n[ ! -e {DIR}/{name}-bad ] || {{ trap '' TERM; sleep 30 & sleep 30; }}\n"
        ),
    );
    write(
        "talk.sh",
        "#!/bin/sh\nhead -c 100000 /dev/zero | tr '\\0' x\n".into(),
    );
    write(
        "notified.sh",
        format!("#!/bin/sh\necho \"$@\" > {DIR}/{name}-notified\n"),
    );
    fs::write(format!("{DIR}/{name}-file"), "0\n").expect("writing the tracked file");
}

fn configuration(name: &str, strong: bool, variant: u8) -> String {
    let priority = if strong { 200 } else { 100 };
    let mut text = format!(
        "global_defs {{
    router_id {name}
    script_user root
    vrrp_notify_fifo {DIR}/{name}-fifo
    notification_email {{
        nobody@example.invalid
    }}
    smtp_server 127.0.0.1 9
    smtp_connect_timeout 1
}}
vrrp_script check {{
    script {DIR}/{name}-check.sh
    interval 0.2
    weight -120
}}
vrrp_script hang {{
    script {DIR}/{name}-hang.sh
    interval 0.3
    timeout 0.2
    weight -5
}}
vrrp_script talk {{
    script {DIR}/{name}-talk.sh
    interval 0.5
    weight 1
}}
track_file number {{
    file {DIR}/{name}-file
}}
static_routes {{
    198.51.100.0/24 dev dum0 table 50
}}
vrrp_sync_group both {{
    group {{
        VI_1
        VI_2
    }}
    notify {DIR}/{name}-notified.sh
}}
"
    );
    let count = 30 + u16::from(variant);
    for n in 1..=count {
        let extra = match n {
            3 => "track_script {\n check\n hang\n talk\n }\n track_file {\n number weight 1\n }",
            4 => {
                "virtual_routes {\n 203.0.113.0/24 via 10.9.0.77 dev dum0\n 192.0.2.0/24 dev dum0 table 60 metric 7\n }\n virtual_rules {\n from 10.66.0.0/16 table 60 priority 666\n }"
            }
            5 => "use_vmac vrrp.5",
            6 => "no_accept",
            7 => "notify /bin/true\n smtp_alert",
            8 => "virtual_ipaddress_excluded {\n fd00:1::8/64\n }",
            _ => "garp_master_delay 1",
        };
        let moving = if n == 9 && variant > 0 {
            format!("10.3.0.{variant}/24")
        } else {
            String::new()
        };
        text += &format!(
            "vrrp_instance VI_{n} {{
    state BACKUP
    interface eth0
    virtual_router_id {n}
    priority {priority}
    advert_int 0.1
    version 3
    notify_master \"{DIR}/{name}-notified.sh master {n}\"
    virtual_ipaddress {{
        10.1.0.{n}/32
        {moving}
    }}
    {extra}
}}
"
        );
    }
    text
}

/// All kernel objects that such a daemon may change.
fn kernel(node: &Node) -> String {
    let mut text = String::new();
    for what in [
        "-o addr",
        "-4 route show table all",
        "-6 route show table all",
        "-4 rule",
        "-6 rule",
        "-o link",
        "-o maddr",
    ] {
        let out = node.ip(what);
        // Without counters, and sorted: reinstalled objects are in a different order.
        let mut lines: Vec<String> = out.lines().map(stable).collect();
        lines.sort();
        text += &format!("== {what}\n{}\n", lines.join("\n"));
    }
    let mut nft = Command::new("nft");
    if let Ok(out) = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        node.output(nft.args(["list", "ruleset"]))
    })) {
        text += &String::from_utf8_lossy(&out.stdout);
    }
    text
}

/// A line of `ip` without interface numbers, lifetimes and reference counts.
fn stable(line: &str) -> String {
    let mut words: Vec<&str> = line.split_whitespace().collect();
    if words.first().is_some_and(|word| word.ends_with(':')) {
        words.remove(0);
    }
    if let Some(at) = words.iter().position(|word| *word == "users") {
        words.truncate(at);
    }
    words.retain(|word| !word.starts_with("expires") && !word.ends_with("sec"));
    words.join(" ")
}

fn zombies(parent: u32) -> usize {
    let all = fs::read_dir("/proc").into_iter().flatten().flatten();
    let stat = all.filter_map(|entry| fs::read_to_string(entry.path().join("stat")).ok());
    let fields = stat.filter_map(|text| {
        let mut words = text.rsplit_once(')')?.1.split_whitespace();
        Some((words.next()? == "Z", words.next()?.parse::<u32>().ok()?))
    });
    fields
        .filter(|(zombie, ppid)| *zombie && *ppid == parent)
        .count()
}

// ---- disturbances and recovery ----

struct Dice(u64);

impl Dice {
    fn below(&mut self, n: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 11) % n
    }
}

/// Disturbs the routers for so long; returns the number of events.
fn war(routers: &mut [Router; 2], attacker: &Node, dice: &mut Dice, seconds: u64) -> u64 {
    let target = Target {
        from: "10.0.0.66".parse().expect("an address"),
        master: "10.0.0.1".parse().expect("an address"),
        vrid: 1,
        vip: "10.1.0.1".parse().expect("an address"),
        version: 3,
        password: None,
    };
    let mac = Injector::on(attacker).mac;
    let kinds = all_kinds(&target);
    let mut frames: Vec<Vec<u8>> = kinds.iter().map(|(_, packet)| packet.frame(mac)).collect();
    frames.extend(noise(&target, mac, dice.0, 300));
    // Some are valid: a router with a higher priority that comes and goes.
    frames.push(target.good().frame(mac));
    let _stream = Stream::start(attacker, frames, 500);
    let end = Instant::now() + Duration::from_secs(seconds);
    let mut events = 0;
    while Instant::now() < end {
        let which = usize::from(dice.below(2) == 1);
        disturb(&routers[which], dice);
        events += 1;
        sleep_ms(dice.below(120));
        let name = &routers[which].node.name;
        assert!(routers[which].run.alive(), "{name} has died");
    }
    events
}

fn disturb(router: &Router, dice: &mut Dice) {
    let Router { node, run, .. } = router;
    let name = &node.name;
    let ip = |args: &str| {
        // The object to be deleted may be missing at the moment.
        let mut command = Command::new("ip");
        let _ = node.output(command.args(args.split_whitespace()));
    };
    match dice.below(12) {
        0 => node.carrier_down(),
        1 | 2 => node.carrier_up(),
        3 => fs::write(&router.names[1], "").expect("making scripts fail"),
        4 | 5 => drop(fs::remove_file(&router.names[1])),
        6 => fs::write(&router.names[0], format!("{}\n", dice.below(150))).expect("a number"),
        7 => {
            let variant = u8::try_from(dice.below(4)).expect("small");
            run.reload(&configuration(name, router.strong, variant));
        }
        8 => {
            let n = dice.below(30) + 1;
            ip(&format!("addr del 10.1.0.{n}/32 dev eth0"));
        }
        9 => ip("route del 203.0.113.0/24"),
        10 => {
            run.freeze();
            sleep_ms(dice.below(400));
            run.thaw();
        }
        _ => {
            run.signal(Signal::SIGUSR1);
            run.signal(Signal::SIGUSR2);
        }
    }
}

/// Restores everything and waits until the routers have converged.
fn peace(routers: &[Router; 2]) -> Vec<State> {
    for router in routers {
        router.node.carrier_up();
        let _ = fs::remove_file(&router.names[1]);
        fs::write(&router.names[0], "0\n").expect("a number");
        let text = configuration(&router.node.name, router.strong, 0);
        router.run.reload(&text);
    }
    calm(routers, false);
    // Longer than the slowest retry and the second burst of gratuitous ARP, and until no script
    // runs.
    sleep_ms(6000);
    calm(routers, false);
    let quiet = |router: &Router| {
        let mut best = router.state();
        for _ in 0..200 {
            let next = router.state();
            if next.children < best.children {
                best = next;
            }
            if best.children == 0 {
                break;
            }
            sleep_ms(7);
        }
        best
    };
    routers.iter().map(quiet).collect()
}

/// Waits until the router with the higher priority has everything and the other nothing.
fn calm(routers: &[Router; 2], first: bool) {
    let when = if first {
        "at the start"
    } else {
        "after the war"
    };
    let what = format!("r1 has everything and r2 nothing, {when}");
    wait_until(PEACE, &what, || {
        routers[0].has_everything() && routers[1].has_nothing()
    });
}
