//! Suspend to RAM: the clock that timers use stands still, and nothing is received meanwhile.

use std::fs;

use vrrpd_lab::forge::{Injector, Stream, Target};
use vrrpd_lab::{Capture, Conf, Inst, Lab, MS, Ns, now, wait_until};

use crate::network::SOON;
use crate::{Ctx, Outcome, Test};

pub(crate) const TESTS: &[Test] = &[Test::new(
    "suspended_master_listens_before_it_announces_anything",
    suspended,
)
.keepalived_fails("it continues as master")];

const ALARM: &str = "/sys/class/rtc/rtc0/wakealarm";
const VIP: &str = "10.0.0.100";
/// Of the adverts.
const INTERVAL: Ns = 1000 * MS;

/// Suspends this machine until its clock wakes it after some seconds, more than a peer waits.
fn suspend() -> Result<(), String> {
    for (path, text) in [(ALARM, "0"), (ALARM, "+5"), ("/sys/power/state", "mem")] {
        fs::write(path, text).map_err(|error| format!("{path}: {error}"))?;
    }
    Ok(())
}

fn suspended(ctx: &Ctx) -> Outcome {
    let lab = Lab::new();
    let a = lab.node("r1", &["10.0.0.1/24"]);
    let attacker = lab.node("r2", &["10.0.0.66/24"]);
    let injector = Injector::on(&attacker);
    let cap = Capture::start(&lab);
    let inst = Inst::new(51, 100, "10.0.0.100/24").advert("1");
    let run = ctx
        .daemon
        .start(&a, &Conf::of(&[inst.line("garp_master_delay 0")]));
    wait_until(SOON, "it is master", || a.has(VIP));
    wait_until(SOON, "adverts", || cap.adverts(&a, 0, 0).len() > 2);

    // No other router: it announces its address again, after it has listened.
    if let Err(why) = suspend() {
        return Outcome::Skipped(why);
    }
    let resumed = now();
    let vip = VIP.parse().expect("an address");
    wait_until(SOON, "gratuitous ARP", || {
        !cap.announcements(&a, vip, resumed).is_empty()
    });
    let adverts = cap.adverts(&a, 0, 0);
    let after = adverts.iter().position(|(at, _)| *at > resumed);
    let after = after.expect("an advert after that");
    let silence = adverts[after].0 - adverts[after - 1].0;
    assert!(
        silence > INTERVAL * 14 / 10,
        "it listened for {} ms only",
        silence / MS
    );
    assert!(run.log().contains("the machine was suspended for"));
    assert!(a.has(VIP));

    // A stronger router became master meanwhile: it yields without an advert.
    if let Err(why) = suspend() {
        return Outcome::Skipped(why);
    }
    let target = Target {
        from: "10.0.0.66".parse().expect("an address"),
        master: "10.0.0.1".parse().expect("an address"),
        vrid: 51,
        vip,
        version: 3,
        password: None,
    };
    let resumed = now();
    let stream = Stream::start(&attacker, vec![target.good().frame(injector.mac)], 50);
    wait_until(SOON, "it yields", || !a.has(VIP));
    let sent = cap.adverts(&a, 0, resumed).len();
    assert_eq!(sent, 0, "{}", run.log());
    drop(stream);
    Outcome::Passed
}
