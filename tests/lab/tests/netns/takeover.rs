//! Who is master, and how soon after the last one has gone.

use std::time::Duration;

use vrrpd_lab::{
    Capture, Conf, Inst, Lab, MS, Node, Running, down_interval, now, skew, sleep_ms, wait_until,
};

use crate::{Ctx, End, Test};

pub(crate) const TESTS: &[Test] = &[
    ("backup_takes_over_after_kill_9", "", kill9),
    (
        "backup_takes_over_when_the_masters_link_goes_down",
        "",
        link_down,
    ),
    (
        "term_resigns_with_priority_0_and_backup_follows_within_skew",
        "",
        term,
    ),
];

/// One tenth of a second between adverts unless a test says otherwise.
const INTERVAL: i64 = 100 * MS;
const VIP: &str = "10.0.0.100";
const SOON: Duration = Duration::from_secs(5);

/// Two routers on a segment, the first stronger, both running and settled.
struct Pair {
    a: Node,
    b: Node,
    run_a: Running,
    run_b: Running,
    cap: Capture,
    // Last, so that it goes after what lives in it.
    _lab: Lab,
}

fn conf(priority: u8, lines: &[&str]) -> Conf {
    let inst = Inst::new(51, priority, "10.0.0.100/24");
    Conf::of(&[lines.iter().fold(inst, |i, l| i.line(l))])
}

fn pair(ctx: &Ctx, lines: &[&str]) -> Pair {
    let lab = Lab::new();
    let a = lab.node("r1", &["10.0.0.1/24"]);
    let b = lab.node("r2", &["10.0.0.2/24"]);
    let cap = Capture::start(&lab);
    let run_a = ctx.daemon.start(&a, &conf(200, lines));
    wait_until(SOON, "the stronger router becomes master", || a.has(VIP));
    let run_b = ctx.daemon.start(&b, &conf(100, lines));
    sleep_ms(400);
    assert!(
        a.has(VIP) && !b.has(VIP),
        "exactly the stronger router has the address"
    );
    assert!(
        cap.adverts(&b, 51, 0).is_empty(),
        "the weaker router stays silent"
    );
    Pair {
        a,
        b,
        run_a,
        run_b,
        cap,
        _lab: lab,
    }
}

/// Asserts that `b` advertises not before, and soon after, `expected` past the last advert of `a`.
fn taken_over(p: &Pair, expected: i64, event: i64) {
    let (first, _) = p.cap.advert_of(&p.b, event, SOON);
    let last = p
        .cap
        .adverts(&p.a, 51, 0)
        .last()
        .expect("adverts of the old master")
        .0;
    let excess = first - last - expected;
    assert!(
        excess > -5 * MS,
        "took over {} µs too early",
        -excess / 1000
    );
    assert!(excess < 60 * MS, "took over {} ms too late", excess / MS);
    wait_until(SOON, "the new master has the address", || p.b.has(VIP));
    let vip = VIP.parse().expect("an address");
    wait_until(SOON, "the new master announces the address", || {
        !p.cap.announcements(&p.b, vip, event).is_empty()
    });
}

fn kill9(ctx: &Ctx) -> End {
    let mut p = pair(ctx, &[]);
    let at = p.run_a.kill9();
    taken_over(&p, down_interval(3, 100, INTERVAL), at);
    assert!(
        p.a.has(VIP),
        "nobody removes the address of a killed daemon: the test's premise"
    );
    End::Ok
}

fn link_down(ctx: &Ctx) -> End {
    let p = pair(ctx, &[]);
    let at = now();
    p.a.cable_out();
    taken_over(&p, down_interval(3, 100, INTERVAL), at);
    wait_until(SOON, "the old master gives the address up", || {
        !p.a.has(VIP)
    });
    let back = now();
    p.a.cable_in();
    p.cap.advert_of(&p.a, back, SOON);
    wait_until(SOON, "the stronger router has it again", || {
        p.a.has(VIP) && !p.b.has(VIP)
    });
    End::Ok
}

fn term(ctx: &Ctx) -> End {
    let mut p = pair(ctx, &[]);
    let at = p.run_a.term();
    taken_over(&p, skew(3, 100, INTERVAL), at);
    let last = p
        .cap
        .adverts(&p.a, 51, at)
        .last()
        .expect("a farewell")
        .1
        .clone();
    assert_eq!(last.priority, 0, "the farewell has priority 0");
    let status = p.run_a.wait_exit(SOON).expect("it ends");
    assert!(status.success(), "exit status {status}");
    assert!(!p.a.has(VIP), "the address is removed at the end");
    assert!(p.run_b.alive());
    End::Ok
}
