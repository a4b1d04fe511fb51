//! A pair of routers and assertions about it.

use std::net::IpAddr;
use std::time::Duration;

use vrrpd_lab::noise;
use vrrpd_lab::{Capture, Conf, Daemon, Inst, Lab, MS, Node, Ns, Running, sleep_ms, wait_until};

use crate::Ctx;

/// Advertisement interval unless a test sets another.
pub(crate) const INTERVAL: Ns = 100 * MS;
/// Milliseconds after which a killed master does not resume, at that interval.
pub(crate) const RESUME_LIMIT_MS: u64 = 400;
/// The virtual address.
pub(crate) const VIP: &str = "10.0.0.100";
/// Limit for anything that should happen immediately, on a busy machine.
pub(crate) const SOON: Duration = Duration::from_secs(20);

pub(crate) fn ip(text: &str) -> IpAddr {
    text.split('/')
        .next()
        .and_then(|a| a.parse().ok())
        .expect("an address")
}

/// One instance 51 with [`VIP`] and these further lines.
pub(crate) fn conf(priority: u8, lines: &[&str]) -> Conf {
    let inst = Inst::new(51, priority, "10.0.0.100/24");
    Conf::of(&[lines.iter().fold(inst, |i, l| i.line(l))])
}

/// Two routers on a segment.
pub(crate) struct Pair {
    pub(crate) a: Node,
    pub(crate) b: Node,
    pub(crate) run_a: Running,
    pub(crate) run_b: Running,
    pub(crate) cap: Capture,
    // Last, so that it is dropped after what runs in it.
    pub(crate) lab: Lab,
}

/// The usual pair: `a` (200) is master, `b` (100) backup, both with these further lines.
pub(crate) fn pair(ctx: &Ctx, lines: &[&str]) -> Pair {
    pair_of(
        &ctx.daemon,
        &conf(200, lines),
        &ctx.daemon,
        &conf(100, lines),
        VIP,
    )
}

/// A pair: `strong` runs on `a` and is master, `weak` runs on `b` and is backup.
pub(crate) fn pair_of(strong: &Daemon, ca: &Conf, weak: &Daemon, cb: &Conf, vip: &str) -> Pair {
    let lab = Lab::new();
    let a = lab.node("r1", &["10.0.0.1/24", "fd00::1/64"]);
    let b = lab.node("r2", &["10.0.0.2/24", "fd00::2/64"]);
    let cap = Capture::start(&lab);
    let run_a = strong.start(&a, ca);
    wait_until(SOON, "the stronger router becomes master", || a.has(vip));
    let run_b = weak.start(&b, cb);
    sleep_ms(500);
    assert!(
        a.has(vip) && !b.has(vip),
        "exactly the stronger router has the address"
    );
    assert!(
        cap.adverts(&b, 0, 0).is_empty(),
        "the weaker router sends no advert"
    );
    Pair {
        a,
        b,
        run_a,
        run_b,
        cap,
        lab,
    }
}

impl Pair {
    /// Asserts that `b` sends its first advert when `expected` has passed after the last advert of
    /// `a`, and that it then has and announces `vip`.
    #[track_caller]
    pub(crate) fn assert_takeover(&self, vip: &str, expected: Ns, event: Ns) {
        let (first, _) = self.cap.advert_of(&self.b, event, SOON);
        let last = self
            .cap
            .adverts(&self.a, 0, 0)
            .last()
            .expect("adverts of the old master")
            .0;
        let excess = first - last - expected;
        assert!(
            excess > -5 * MS,
            "took over {} µs too early",
            -excess / 1000
        );
        // One interval: less than the protocol itself tolerates; the bench measures how soon it is.
        let allowed = INTERVAL + noise::since(event - expected);
        assert!(excess < allowed, "took over {} ms too late", excess / MS);
        wait_until(SOON, "the new master has the address", || self.b.has(vip));
        wait_until(SOON, "the new master announces the address", || {
            !self.cap.announcements(&self.b, ip(vip), event).is_empty()
        });
    }

    /// Asserts that `a` is master again after `event` and that `b` sends no more adverts.
    #[track_caller]
    pub(crate) fn assert_preempted(&self, vip: &str, event: Ns) {
        let (first, _) = self.cap.advert_of(&self.a, event, SOON);
        wait_until(SOON, "the stronger router has the address", || {
            self.a.has(vip)
        });
        wait_until(SOON, "the weaker router removes it", || !self.b.has(vip));
        sleep_ms(150);
        let late = self
            .cap
            .adverts(&self.b, 0, first + 20 * MS + noise::since(event));
        assert!(
            late.is_empty(),
            "the weaker router still sent {} adverts",
            late.len()
        );
    }

    /// Asserts that `a` has been master without interruption since `since`: it has the address, no
    /// advert was late by more than `slack`, and `b` has sent none.
    #[track_caller]
    pub(crate) fn assert_undisturbed(&self, vip: &str, interval: Ns, slack: Ns, since: Ns) {
        let sent = || self.cap.adverts(&self.a, 0, since);
        // Less than an interval may have passed since then.
        wait_until(SOON, "an advert", || !sent().is_empty());
        let times: Vec<Ns> = sent().iter().map(|a| a.0).collect();
        let slack = slack + noise::since(since);
        let due = (vrrpd_lab::now() - since) / (interval + slack) - 1;
        let sent = Ns::try_from(times.len()).unwrap_or(Ns::MAX);
        assert!(
            sent >= due.max(1),
            "the master sent {sent} adverts, not {due}"
        );
        let worst = times.windows(2).map(|w| w[1] - w[0]).max().unwrap_or(0);
        let late = vrrpd_lab::now() - times.last().expect("not empty");
        assert!(
            late < interval + slack + 50 * MS,
            "no advert for {} ms at the end",
            late / MS
        );
        assert!(
            worst <= interval + slack,
            "{} ms between two adverts",
            worst / MS
        );
        let adverts = self.cap.adverts(&self.b, 0, since).len();
        assert_eq!(adverts, 0, "the backup sent adverts");
        assert!(
            self.a.has(vip) && !self.b.has(vip),
            "the address stays where it is"
        );
    }
}
