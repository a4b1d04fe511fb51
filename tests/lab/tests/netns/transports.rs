//! Failover over every transport, between vrrpd routers and with Debian's keepalived as either
//! router.

use vrrpd_lab::{Conf, Inst, Kind, MS, Ns, down_interval, skew};

use crate::support::{INTERVAL, SOON, VIP, pair_of};
use crate::{Ctx, Outcome, Test};

pub(crate) const TESTS: &[Test] = &[
    Test::new("v2_with_password_fails_over_and_back", v2_alone),
    Test::new("v3_over_ipv6_fails_over_and_back", v6_alone),
    Test::new("unicast_pair_fails_over_and_back", unicast_alone),
    Test::new("unicast_over_ipv6_fails_over_and_back", unicast6_alone)
        .keepalived_fails("its hop limit is 64"),
    Test::new("keepalived_backs_up_vrrpd_v2_with_password", v2_strong),
    Test::new("vrrpd_backs_up_keepalived_v2_with_password", v2_weak),
    Test::new("keepalived_backs_up_vrrpd_v3", v3_strong),
    Test::new("vrrpd_backs_up_keepalived_v3", v3_weak),
    Test::new("keepalived_backs_up_vrrpd_v3_over_ipv6", v6_strong),
    Test::new("vrrpd_backs_up_keepalived_v3_over_ipv6", v6_weak),
    Test::new("keepalived_backs_up_vrrpd_unicast", unicast_strong),
    Test::new("vrrpd_backs_up_keepalived_unicast", unicast_weak),
    Test::new("ah_pair_fails_over_and_back", ah_alone),
    Test::new("keepalived_backs_up_vrrpd_with_ah", ah_strong),
    Test::new("vrrpd_backs_up_keepalived_with_ah", ah_weak),
    Test::new(
        "keepalived_backs_up_vrrpd_with_ah_unicast",
        ah_unicast_strong,
    ),
    Test::new("vrrpd_backs_up_keepalived_with_ah_unicast", ah_unicast_weak),
    Test::new("signed_pair_fails_over_and_back", signed_alone).keepalived_fails(UNSIGNED),
    Test::new("signed_pair_over_ipv6_fails_over_and_back", signed6_alone)
        .keepalived_fails(UNSIGNED),
    Test::new(
        "signed_unicast_pair_without_clocks_fails_over_and_back",
        monotonic_alone,
    )
    .keepalived_fails(UNSIGNED),
];

const UNSIGNED: &str = "has no auth_hmac before 2.4";

/// A transport: configurations of both routers, and the expected timing.
struct Way {
    strong: Conf,
    weak: Conf,
    vip: &'static str,
    version: u8,
    interval: Ns,
    to: [&'static str; 2],
}

fn v2() -> Way {
    let inst = |p| Conf::of(&[Inst::new(7, p, "10.0.0.100/24").v2().pass("s3cr3t")]);
    let to = ["224.0.0.18"; 2];
    Way {
        strong: inst(200),
        weak: inst(100),
        vip: VIP,
        version: 2,
        interval: 1000 * MS,
        to,
    }
}

fn v3() -> Way {
    let inst = |p| Conf::of(&[Inst::new(7, p, "10.0.0.100/24").vip("10.0.0.101/24")]);
    let to = ["224.0.0.18"; 2];
    Way {
        strong: inst(200),
        weak: inst(100),
        vip: VIP,
        version: 3,
        interval: INTERVAL,
        to,
    }
}

fn v6() -> Way {
    let inst = |p| Conf::of(&[Inst::new(7, p, "fe80::100/64").vip("fd00::100/64")]);
    let to = ["ff02::12"; 2];
    Way {
        strong: inst(200),
        weak: inst(100),
        vip: "fd00::100",
        version: 3,
        interval: INTERVAL,
        to,
    }
}

fn unicast() -> Way {
    let inst =
        |p, own: &str, peer: &str| Conf::of(&[Inst::new(7, p, "10.0.0.100/24").unicast(own, peer)]);
    let (strong, weak) = (
        inst(200, "10.0.0.1", "10.0.0.2"),
        inst(100, "10.0.0.2", "10.0.0.1"),
    );
    let to = ["10.0.0.2", "10.0.0.1"];
    Way {
        strong,
        weak,
        vip: VIP,
        version: 3,
        interval: INTERVAL,
        to,
    }
}

fn unicast6() -> Way {
    let inst =
        |p, own: &str, peer: &str| Conf::of(&[Inst::new(7, p, "fd00::100/64").unicast(own, peer)]);
    let (strong, weak) = (
        inst(200, "fd00::1", "fd00::2"),
        inst(100, "fd00::2", "fd00::1"),
    );
    let to = ["fd00::2", "fd00::1"];
    Way {
        strong,
        weak,
        vip: "fd00::100",
        version: 3,
        interval: INTERVAL,
        to,
    }
}

fn ah() -> Way {
    let inst = |p| Conf::of(&[Inst::new(7, p, "10.0.0.100/24").v2().ah("longer-than-8")]);
    Way {
        strong: inst(200),
        weak: inst(100),
        ..v2()
    }
}

fn ah_unicast() -> Way {
    let inst = |p, own: &str, peer: &str| {
        let inst = Inst::new(7, p, "10.0.0.100/24").v2().ah("s3cr3t");
        Conf::of(&[inst.unicast(own, peer)])
    };
    Way {
        strong: inst(200, "10.0.0.1", "10.0.0.2"),
        weak: inst(100, "10.0.0.2", "10.0.0.1"),
        to: ["10.0.0.2", "10.0.0.1"],
        ..v2()
    }
}

fn signed(vip: &str, lines: &str) -> [Conf; 2] {
    [200, 100].map(|p| Conf::of(&[Inst::new(7, p, vip).signed(lines)]))
}

/// The stronger router is killed and the weaker takes over on time; the stronger returns and
/// preempts, then resigns, and the weaker takes over within the skew time.
fn play(w: &Way, strong: &vrrpd_lab::Daemon, weak: &vrrpd_lab::Daemon) -> Outcome {
    let mut p = pair_of(strong, &w.strong, weak, &w.weak, w.vip);
    let at = p.run_a.kill9();
    p.a.carrier_down();
    p.assert_takeover(w.vip, down_interval(w.version, 100, w.interval), at);
    p.a.delete_interface();
    p.a.add_interface();
    p.a.addr_add("10.0.0.1/24");
    p.a.addr_add("fd00::1/64");
    p.run_a = strong.start(&p.a, &w.strong);
    p.assert_preempted(w.vip, p.run_a.started);
    let at = p.run_a.term();
    p.assert_takeover(w.vip, skew(w.version, 100, w.interval), at);
    p.run_a.wait_exit(SOON).expect("it ends");

    for (node, to, priority) in [(&p.a, w.to[0], 200), (&p.b, w.to[1], 100)] {
        for (_, a) in p.cap.adverts(node, 0, 0) {
            assert_eq!((a.version, a.kind, a.vrid, a.ttl), (w.version, 1, 7, 255));
            assert_eq!(a.to.to_string(), to, "destination of {}", node.name);
            assert!(
                a.priority == priority || a.priority == 0,
                "priority {}",
                a.priority
            );
            assert_eq!(Ns::from(a.interval) * 10 * MS, w.interval);
            assert!(a.checksum_ok, "checksum of {}", node.name);
        }
    }
    if w.vip.contains(':') {
        let mut nas = 0;
        for f in p.cap.since(0).iter().filter(|f| f.announces().is_some()) {
            if let Kind::Na { overrides, .. } = f.kind {
                assert!(overrides, "an unsolicited advertisement overrides");
                nas += 1;
            }
        }
        assert!(nas > 0, "neighbor advertisements");
    }
    Outcome::Passed
}

fn v2_alone(c: &Ctx) -> Outcome {
    play(&v2(), &c.daemon, &c.daemon)
}
fn v6_alone(c: &Ctx) -> Outcome {
    play(&v6(), &c.daemon, &c.daemon)
}
fn unicast_alone(c: &Ctx) -> Outcome {
    play(&unicast(), &c.daemon, &c.daemon)
}
fn unicast6_alone(c: &Ctx) -> Outcome {
    play(&unicast6(), &c.daemon, &c.daemon)
}

/// With keepalived as one of the routers; skipped if it is not installed.
fn with_other(c: &Ctx, w: &Way, we_are_strong: bool) -> Outcome {
    if !c.keepalived.available() {
        return Outcome::Skipped("keepalived is not installed".into());
    }
    if we_are_strong {
        play(w, &c.daemon, &c.keepalived)
    } else {
        play(w, &c.keepalived, &c.daemon)
    }
}

fn v2_strong(c: &Ctx) -> Outcome {
    with_other(c, &v2(), true)
}
fn v2_weak(c: &Ctx) -> Outcome {
    with_other(c, &v2(), false)
}
fn v3_strong(c: &Ctx) -> Outcome {
    with_other(c, &v3(), true)
}
fn v3_weak(c: &Ctx) -> Outcome {
    with_other(c, &v3(), false)
}
fn v6_strong(c: &Ctx) -> Outcome {
    with_other(c, &v6(), true)
}
fn v6_weak(c: &Ctx) -> Outcome {
    with_other(c, &v6(), false)
}
fn unicast_strong(c: &Ctx) -> Outcome {
    with_other(c, &unicast(), true)
}
fn unicast_weak(c: &Ctx) -> Outcome {
    with_other(c, &unicast(), false)
}

fn ah_alone(c: &Ctx) -> Outcome {
    play(&ah(), &c.daemon, &c.daemon)
}
fn ah_strong(c: &Ctx) -> Outcome {
    with_other(c, &ah(), true)
}
fn ah_weak(c: &Ctx) -> Outcome {
    with_other(c, &ah(), false)
}
fn ah_unicast_strong(c: &Ctx) -> Outcome {
    with_other(c, &ah_unicast(), true)
}
fn ah_unicast_weak(c: &Ctx) -> Outcome {
    with_other(c, &ah_unicast(), false)
}
fn signed_alone(c: &Ctx) -> Outcome {
    let [strong, weak] = signed("10.0.0.100/24", "");
    let w = Way {
        strong,
        weak,
        ..v3()
    };
    play(&w, &c.daemon, &c.daemon)
}
fn signed6_alone(c: &Ctx) -> Outcome {
    let [strong, weak] = signed("fd00::100/64", "");
    let w = Way {
        strong,
        weak,
        ..v6()
    };
    play(&w, &c.daemon, &c.daemon)
}
fn monotonic_alone(c: &Ctx) -> Outcome {
    let inst = |p, own: &str, peer: &str| {
        let inst = Inst::new(7, p, "10.0.0.100/24").signed("anti_replay monotonic");
        Conf::of(&[inst.unicast(own, peer)])
    };
    let w = Way {
        strong: inst(200, "10.0.0.1", "10.0.0.2"),
        weak: inst(100, "10.0.0.2", "10.0.0.1"),
        ..unicast()
    };
    play(&w, &c.daemon, &c.daemon)
}
