//! Adverts of senders that have no business on this segment.

use std::fs;
use std::net::Ipv4Addr;
use std::process::Command;

use vrrpd_lab::forge::Injector;
use vrrpd_lab::private::DIR;
use vrrpd_lab::{Capture, Conf, Inst, Lab, Ns, now, sleep_ms, wait_until};

use crate::support::{INTERVAL, SOON, VIP};
use crate::{Ctx, Outcome, Test};

const UNSIGNED: &str = "has no auth_hmac before 2.4";

pub(crate) const TESTS: &[Test] = &[
    Test::new("signed_advert_of_another_segment_has_no_effect", hmac).keepalived_fails(UNSIGNED),
    Test::new("ah_advert_of_another_segment_has_no_effect", ah)
        .keepalived_fails("it accepts any source"),
    Test::new(
        "insecure_settings_are_reported_with_the_line_to_write",
        messages,
    )
    .keepalived_fails("it does not report them"),
];

/// Where the adverts are captured: another network with the same VRID and key.
const ELSEWHERE: &str = "10.1.0";

/// A stronger router of another segment is captured, and its adverts are repeated here while they
/// are fresh. `vips`: the virtual address there.
fn repeat(ctx: &Ctx, inst: impl Fn(u8, &str) -> Inst, vips: &[&str], interval: Ns) -> Outcome {
    for vip in vips {
        let there = Lab::new();
        let strong = there.node("other", &[&format!("{ELSEWHERE}.1/24")]);
        let cap_there = Capture::start(&there);
        let here = Lab::new();
        let a = here.node("r1", &["10.0.0.1/24"]);
        let attacker = here.node("attacker", &["10.0.0.66/24"]);
        let injector = Injector::on(&attacker);
        let cap = Capture::start(&here);
        let run = ctx
            .daemon
            .start(&a, &Conf::of(&[inst(100, "10.0.0.100/24")]));
        wait_until(SOON, "the router here is master", || a.has(VIP));
        let _run = ctx.daemon.start(&strong, &Conf::of(&[inst(200, vip)]));
        let since = now();
        let mut repeated = 0;
        wait_until(SOON, "adverts to repeat", || {
            for frame in cap_there.since(since) {
                if frame.advert().is_some() {
                    injector.send(&frame.raw);
                    repeated += 1;
                }
            }
            sleep_ms(20);
            repeated > 3
        });
        wait_until(SOON, "the router has heard them", || {
            let log = run.log();
            log.contains(&format!("ignoring adverts from {ELSEWHERE}.1")) || yielded(&log)
        });
        let log = run.log();
        assert!(!yielded(&log), "{log}");
        assert_eq!(log.matches("ignoring adverts from").count(), 1, "{log}");
        let why = "adverts must come from a network of eth0 or from a unicast_peer";
        assert!(log.contains(why), "{log}");
        assert!(a.has(VIP), "it keeps the address");
        let after = now();
        wait_until(SOON, "it continues to advertise", || {
            cap.adverts(&a, 0, after).len() > 1 && now() > after + interval
        });
    }
    Outcome::Passed
}

/// It was master and has become BACKUP.
fn yielded(log: &str) -> bool {
    let after = log.split("Entering MASTER STATE").nth(1);
    after.is_some_and(|log| log.contains("Entering BACKUP STATE"))
}

fn hmac(ctx: &Ctx) -> Outcome {
    let vips = ["10.1.0.100/24", "10.0.0.100/24"];
    let inst = |p, vip: &str| Inst::new(7, p, vip).signed("");
    repeat(ctx, inst, &vips, INTERVAL)
}

fn ah(ctx: &Ctx) -> Outcome {
    let inst = |p, vip: &str| Inst::new(7, p, vip).v2().ah("s3cr3t");
    repeat(ctx, inst, &["10.0.0.100/24"], 10 * INTERVAL)
}

/// `-t` names each insecure setting with its position and the line to write, and ends with code 0.
fn messages(ctx: &Ctx) -> Outcome {
    let lab = Lab::new();
    let node = lab.node("r1", &["10.0.0.1/24"]);
    let test = |confs: &[Inst], globals: &str| {
        let path = format!("{DIR}/insecure-{}.conf", node.id());
        fs::write(&path, Conf::of(confs).global(globals).text()).expect("a file");
        let out = node.output(Command::new(ctx.daemon.path()).args(["-t", "-f", &path]));
        let text = String::from_utf8_lossy(&out.stderr).into_owned();
        assert_eq!(out.status.code(), Some(0), "{text}");
        let insecure = text.lines().filter(|line| line.contains(": insecure: "));
        assert!(
            insecure.clone().all(|line| line.starts_with(&path)),
            "{text}"
        );
        (insecure.count(), text)
    };
    let peer = Ipv4Addr::new(10, 0, 0, 2).to_string();
    let unicast = || Inst::new(51, 100, "10.0.0.100/24").unicast("10.0.0.1", &peer);
    for (confs, globals, count, words) in [
        (vec![unicast()], "", 1, "write `check_unicast_src`"),
        (vec![unicast().line("check_unicast_src")], "", 0, ""),
        (vec![unicast()], "vrrp_check_unicast_src", 0, ""),
        (vec![unicast().signed("")], "", 0, ""),
        (vec![Inst::new(51, 100, "10.0.0.100/24")], "", 0, ""),
        (
            vec![unicast().signed("mode permissive")],
            "",
            2,
            "write `mode enforce`",
        ),
    ] {
        let (found, text) = test(&confs, globals);
        assert_eq!(found, count, "{text}");
        assert!(text.contains(words), "{text}");
    }
    Outcome::Passed
}
