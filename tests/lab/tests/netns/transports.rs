//! Failover over every transport, between vrrpd routers and with Debian's keepalived as either
//! router.

use vrrpd_lab::{
    Capture, Conf, Daemon, Inst, Kind, Lab, MS, Node, Ns, down_interval, now, skew, sleep_ms,
    wait_until,
};

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
    Test::new("vrrpd_pair_with_one_vrid_three_times", one_vrid_alone),
    Test::new(
        "keepalived_beside_vrrpd_with_one_vrid_three_times",
        one_vrid_strong,
    ),
    Test::new(
        "vrrpd_beside_keepalived_with_one_vrid_three_times",
        one_vrid_weak,
    ),
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

// ---- one VRID, several instances ----

/// Addresses of the instances with VRID 51: on the default group, on another one, and unicast.
const ONE_VRID: [&str; 3] = ["10.0.0.100", "10.0.0.101", "10.0.0.102"];

/// The configuration of router 1 or 2. The second instance has its master on the other router than
/// the rest, so an advert that counted for the wrong instance would be seen.
fn one_vrid(daemon: &Daemon, router: usize) -> String {
    let [usual, odd] = match router {
        1 => [200, 100],
        _ => [100, 200],
    };
    let (own, peer) = (router, 3 - router);
    // Version 2, since an instance without addresses needs it.
    let instance = |name: &str, priority: u8, lines: &str| {
        format!(
            "vrrp_instance {name} {{\n state BACKUP\n priority {priority}\n advert_int 1\n version 2\n {lines}\n}}\n"
        )
    };
    let with_vip = |name: &str, priority: u8, vip: &str, lines: &str| {
        let vip = format!("virtual_router_id 51\n virtual_ipaddress {{\n {vip}/24\n }}");
        instance(name, priority, &format!("{lines}\n {vip}"))
    };
    let interface = "interface eth0";
    let unicast = format!("unicast_src_ip 10.0.0.{own}\n unicast_peer {{\n 10.0.0.{peer}\n }}");
    let unicast = match daemon {
        Daemon::Vrrpd(_) => unicast,
        Daemon::Keepalived => format!("{interface}\n {unicast}"),
    };
    let [first, second, third] = ONE_VRID;
    [
        with_vip("USUAL", usual, first, interface),
        with_vip(
            "GROUP",
            odd,
            second,
            &format!("{interface}\n mcast_dst_ip 224.0.0.99"),
        ),
        with_vip("PEER", usual, third, &unicast),
        instance(
            "BARE",
            usual,
            &format!("{interface}\n virtual_router_id 52"),
        ),
    ]
    .concat()
}

fn one_vrid_alone(c: &Ctx) -> Outcome {
    play_one_vrid(&c.daemon, &c.daemon)
}

fn one_vrid_strong(c: &Ctx) -> Outcome {
    if !c.keepalived.available() {
        return Outcome::Skipped("keepalived is not installed".into());
    }
    play_one_vrid(&c.daemon, &c.keepalived)
}

fn one_vrid_weak(c: &Ctx) -> Outcome {
    if !c.keepalived.available() {
        return Outcome::Skipped("keepalived is not installed".into());
    }
    play_one_vrid(&c.keepalived, &c.daemon)
}

/// Each instance finds its own master, the second router takes all over when the first is gone, and
/// gives back its share.
fn play_one_vrid(first: &Daemon, second: &Daemon) -> Outcome {
    let lab = Lab::new();
    let a = lab.node("r1", &["10.0.0.1/24"]);
    let b = lab.node("r2", &["10.0.0.2/24"]);
    let cap = Capture::start(&lab);
    let start_a = || first.start_text(&a, &one_vrid(first, 1), &[]);
    let mut run_a = start_a();
    let run_b = second.start_text(&b, &one_vrid(second, 2), &[]);
    let has = |node: &Node| ONE_VRID.map(|vip| node.has(vip));
    let shared = || has(&a) == [true, false, true] && has(&b) == [false, true, false];
    wait_until(SOON, "each instance has its own master", shared);
    // As long as a backup waits, and a bit.
    let since = now();
    sleep_ms(4_000);
    assert!(shared(), "and keeps it");
    let sent = |node: &Node, vrid: u8, since: Ns| {
        let adverts = cap.adverts(node, vrid, since);
        let mut to: Vec<String> = adverts
            .iter()
            .map(|(_, advert)| advert.to.to_string())
            .collect();
        to.sort();
        to.dedup();
        to
    };
    assert_eq!(sent(&a, 51, since), ["10.0.0.2", "224.0.0.18"]);
    assert_eq!(sent(&b, 51, since), ["224.0.0.99"]);
    assert_eq!(
        [sent(&a, 52, since), sent(&b, 52, since)],
        [vec!["224.0.0.18".to_owned()], vec![]]
    );

    run_a.kill9();
    a.carrier_down();
    wait_until(SOON, "the other takes all over", || has(&b) == [true; 3]);
    wait_until(SOON, "also the one without addresses", || {
        run_b.log().contains("(BARE) Entering MASTER STATE")
    });
    a.delete_interface();
    a.add_interface();
    a.addr_add("10.0.0.1/24");
    run_a = start_a();
    wait_until(SOON, "and gives back what is not its own", shared);
    run_a.term();
    wait_until(SOON, "a resignation counts for each", || {
        has(&b) == [true; 3]
    });
    run_a.wait_exit(SOON).expect("it ends");
    assert_eq!(has(&a), [false; 3]);
    Outcome::Passed
}
