//! What several tests share: a pair of routers, and the sentences asserted about it.

use std::net::IpAddr;
use std::time::Duration;

use vrrpd_lab::noise;
use vrrpd_lab::{Capture, Conf, Daemon, Inst, Lab, MS, Node, Ns, Running, sleep_ms, wait_until};

use crate::Ctx;

/// One tenth of a second between adverts unless a test says otherwise.
pub(crate) const INTERVAL: Ns = 100 * MS;
/// Milliseconds after which a master that was killed does not go on where it was, at that interval.
pub(crate) const FORGOTTEN: u64 = 400;
/// The address two routers share.
pub(crate) const VIP: &str = "10.0.0.100";
/// Long enough for anything that should happen at once, on a busy machine.
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
    // Last, so that it goes after what lives in it.
    pub(crate) lab: Lab,
}

/// The usual pair: `a` (200) master, `b` (100) backup, both with these further lines, settled.
pub(crate) fn pair(ctx: &Ctx, lines: &[&str]) -> Pair {
    pair_of(
        &ctx.daemon,
        &conf(200, lines),
        &ctx.daemon,
        &conf(100, lines),
        VIP,
    )
}

/// A settled pair: `strong` runs on `a` and is master, `weak` on `b` is backup.
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
        "the weaker router stays silent"
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
    /// Asserts that `b` advertises not before, and soon after, `expected` past the last advert of `a`,
    /// and then has and announces `vip`.
    #[track_caller]
    pub(crate) fn taken_over(&self, vip: &str, expected: Ns, event: Ns) {
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
        let allowed = 60 * MS + noise::since(event - expected);
        assert!(excess < allowed, "took over {} ms too late", excess / MS);
        wait_until(SOON, "the new master has the address", || self.b.has(vip));
        wait_until(SOON, "the new master announces the address", || {
            !self.cap.announcements(&self.b, ip(vip), event).is_empty()
        });
    }

    /// Asserts that `a` is master again after `event` and `b` has fallen silent.
    #[track_caller]
    pub(crate) fn given_back(&self, vip: &str, event: Ns) {
        let (first, _) = self.cap.advert_of(&self.a, event, SOON);
        wait_until(SOON, "the stronger router has the address", || {
            self.a.has(vip)
        });
        wait_until(SOON, "the weaker router gives it up", || !self.b.has(vip));
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

    /// Asserts that `a` has been master without a break since `since`: it has the address, no advert
    /// was late by more than `slack`, and `b` has said nothing.
    #[track_caller]
    pub(crate) fn undisturbed(&self, vip: &str, interval: Ns, slack: Ns, since: Ns) {
        let times: Vec<Ns> = self
            .cap
            .adverts(&self.a, 0, since)
            .iter()
            .map(|a| a.0)
            .collect();
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
            "silent for {} ms at the end",
            late / MS
        );
        assert!(
            worst <= interval + slack,
            "{} ms between two adverts",
            worst / MS
        );
        let said = self.cap.adverts(&self.b, 0, since).len();
        assert_eq!(said, 0, "the backup sent adverts");
        assert!(
            self.a.has(vip) && !self.b.has(vip),
            "the address stays where it is"
        );
    }
}
