//! Missing permissions and features: read-only sysctls, no inotify, no IPv6. Each is reported once,
//! and the rest runs.

use std::fs;

use vrrpd_lab::{Conf, Inst, Lab, Node, sleep_ms, wait_until};

use crate::support::{SOON, VIP, conf};
use crate::{Ctx, Outcome, Test};

const OTHER_WORDS: &str = "has other words, or none";

pub(crate) const TESTS: &[Test] = &[
    Test::new("unwritable_sysctls_are_one_warning", read_only_settings)
        .keepalived_fails(OTHER_WORDS),
    Test::new("track_file_is_polled_without_inotify", no_watches).keepalived_fails(OTHER_WORDS),
    Test::new("disabled_ipv6_is_reported", ipv6_switched_off).keepalived_fails(OTHER_WORDS),
];

fn count(log: &str, words: &str) -> usize {
    log.matches(words).count()
}

fn read_only_settings(ctx: &Ctx) -> Outcome {
    let world =
        "mount --bind /proc/sys /proc/sys && mount -o remount,bind,ro /proc/sys && exec \"$@\"";
    let prefix = ["unshare", "-m", "sh", "-c", world, "sh"];
    let own = |vrid, vip| {
        Inst::new(vrid, 200, vip)
            .line("use_vmac")
            .line("promote_secondaries")
    };
    let text = Conf::of(&[own(51, VIP), own(52, "10.0.0.101")]).text();
    let there = |a: &Node| {
        let all = a.ip("-o addr show");
        all.contains("10.0.0.100") && all.contains("10.0.0.101")
    };
    let lab = Lab::new();
    let a = lab.node("r1", &["10.0.0.1/24"]);
    let mut run = ctx.daemon.start_text(&a, &text, &prefix);
    wait_until(SOON, "it is master", || there(&a));
    run.reload(&text);
    let log = run.log();
    assert_eq!(count(&log, "/proc/sys is read-only"), 1, "{log}");
    assert_eq!(count(&log, " not set on "), 0, "{log}");
    run.term();
    assert!(run.wait_exit(SOON).expect("it ends").success());

    // No warning if the values are already as needed.
    for (key, value) in [
        ("arp_ignore", "1"),
        ("arp_announce", "2"),
        ("rp_filter", "2"),
        ("promote_secondaries", "1"),
    ] {
        for interface in ["default", "eth0"] {
            a.sysctl(&format!("net/ipv4/conf/{interface}/{key}"), value);
        }
    }
    let run = ctx.daemon.start_text(&a, &text, &prefix);
    wait_until(SOON, "it is master again", || there(&a));
    let log = run.log();
    assert_eq!(count(&log, "/proc/sys"), 0, "{log}");
    Outcome::Passed
}

/// The limit belongs to a user namespace, so the daemon runs in a new one with a network of its
/// own.
const NO_WATCHES: &str = "echo 0 >/proc/sys/user/max_inotify_instances &&
    ip link set lo up && ip link add eth0 type veth peer name eth1 &&
    ip link set eth0 up && ip link set eth1 up && ip addr add 10.0.0.1/24 dev eth0 && exec \"$@\"";

fn no_watches(ctx: &Ctx) -> Outcome {
    let lab = Lab::new();
    let a = lab.node("r1", &["10.0.0.1/24"]);
    let file = format!("/run/lab/{}.flag", a.id());
    fs::write(&file, "0\n").expect("write");
    let text = conf(100, &["track_file {\n        flag weight 1\n    }"])
        .top(&format!("track_file flag {{\n    file {file}\n}}"))
        .text();
    let prefix = ["unshare", "-Urn", "sh", "-c", NO_WATCHES, "sh"];
    let mut run = ctx.daemon.start_text(&a, &text, &prefix);
    let has = |run: &vrrpd_lab::Running, words: &str| run.log().contains(words);
    wait_until(SOON, "it is master", || has(&run, "Entering MASTER STATE"));
    for number in [7, 8] {
        fs::write(&file, format!("{number}\n")).expect("write");
        wait_until(SOON, "the change is noticed", || {
            has(&run, &format!("track_file flag is {number}"))
        });
    }
    run.reload(&text);
    sleep_ms(1200);
    let log = run.log();
    assert_eq!(count(&log, "cannot watch tracked files"), 1, "{log}");
    assert_eq!(count(&log, "limits of fs.inotify"), 1, "{log}");
    run.term();
    assert!(run.wait_exit(SOON).expect("it ends").success());
    Outcome::Passed
}

fn ipv6_switched_off(ctx: &Ctx) -> Outcome {
    let lab = Lab::new();
    let a = lab.node("r1", &["10.0.0.1/24"]);
    a.sysctl("net/ipv6/conf/eth0/disable_ipv6", "1");
    let v6 = |vrid, vip| Inst::new(vrid, 200, vip);
    let instances = [
        Inst::new(51, 200, "10.0.0.100/24"),
        v6(52, "fe80::100/64"),
        v6(53, "fe80::101/64"),
    ];
    let run = ctx.daemon.start(&a, &Conf::of(&instances));
    wait_until(SOON, "IPv4 runs", || a.has(VIP));
    let log = run.log();
    assert_eq!(count(&log, "IPv6 is disabled on eth0"), 1, "{log}");
    assert!(!a.has("fe80::100"));
    a.sysctl("net/ipv6/conf/eth0/disable_ipv6", "0");
    wait_until(SOON, "switched on, IPv6 runs too", || {
        a.has("fe80::100") && a.has("fe80::101")
    });
    Outcome::Passed
}
