//! Elections: takeover times, preemption, and frozen routers.

use std::time::Duration;

use vrrpd_lab::noise;
use vrrpd_lab::{
    Capture, Conf, Inst, Lab, MS, Node, Running, down_interval, now, skew, sleep_ms, wait_until,
};

use crate::support::{INTERVAL, SOON, VIP, conf, pair};
use crate::{Ctx, Outcome, Test};

pub(crate) const TESTS: &[Test] = &[
    Test::new("backup_takes_over_after_kill_9", kill9),
    Test::new(
        "backup_takes_over_when_the_masters_link_goes_down",
        link_down,
    ),
    Test::new(
        "term_resigns_with_priority_0_and_backup_follows_within_skew",
        term,
    ),
    Test::new("stronger_router_preempts_when_it_returns", preempts),
    Test::new("nopreempt_leaves_the_vip_with_the_weaker_master", nopreempt),
    Test::new("preempt_delay_postpones_preemption", preempt_delay),
    Test::new("ring_of_three_nodes_holds_exactly_its_own_addresses", ring),
    Test::new("frozen_backup_does_not_take_over_on_sigcont", frozen_backup),
    Test::new(
        "frozen_weaker_master_sends_no_advert_on_sigcont",
        frozen_weak,
    ),
    Test::new(
        "frozen_stronger_master_overlaps_for_milliseconds",
        frozen_strong,
    )
    .exclusive("measures an overlap of milliseconds"),
];

fn kill9(ctx: &Ctx) -> Outcome {
    let mut p = pair(ctx, &[]);
    let at = p.run_a.kill9();
    p.assert_takeover(VIP, down_interval(3, 100, INTERVAL), at);
    assert!(
        p.a.has(VIP),
        "the address of a killed daemon stays: the test's premise"
    );
    Outcome::Passed
}

fn link_down(ctx: &Ctx) -> Outcome {
    let p = pair(ctx, &[]);
    let at = now();
    p.a.carrier_down();
    p.assert_takeover(VIP, down_interval(3, 100, INTERVAL), at);
    wait_until(SOON, "the old master gives the address up", || {
        !p.a.has(VIP)
    });
    let back = now();
    p.a.carrier_up();
    p.assert_preempted(VIP, back);
    Outcome::Passed
}

fn term(ctx: &Ctx) -> Outcome {
    let mut p = pair(ctx, &[]);
    let at = p.run_a.term();
    p.assert_takeover(VIP, skew(3, 100, INTERVAL), at);
    let last = p
        .cap
        .adverts(&p.a, 51, at)
        .last()
        .expect("a resignation")
        .1
        .clone();
    assert_eq!(last.priority, 0, "the resignation has priority 0");
    let status = p.run_a.wait_exit(SOON).expect("it ends");
    assert!(status.success(), "exit status {status}");
    assert!(!p.a.has(VIP), "the address is removed at the end");
    assert!(p.run_b.alive());
    Outcome::Passed
}

fn preempts(ctx: &Ctx) -> Outcome {
    let mut p = pair(ctx, &[]);
    let at = p.run_a.term();
    p.assert_takeover(VIP, skew(3, 100, INTERVAL), at);
    p.run_a.wait_exit(SOON).expect("it ends");
    p.run_a = ctx.daemon.start(&p.a, &conf(200, &[]));
    let start = p.run_a.started;
    p.assert_preempted(VIP, start);
    let (first, _) = p.cap.advert_of(&p.a, start, SOON);
    let waited = first - start;
    let down = down_interval(3, 200, INTERVAL);
    assert!(
        waited > down - 5 * MS,
        "listened for {} ms only before taking over",
        waited / MS
    );
    assert!(
        waited < down + 500 * MS + noise::since(start),
        "needed {} ms",
        waited / MS
    );
    Outcome::Passed
}

fn nopreempt(ctx: &Ctx) -> Outcome {
    let mut p = pair(ctx, &["nopreempt"]);
    let at = p.run_a.term();
    p.assert_takeover(VIP, skew(3, 100, INTERVAL), at);
    p.run_a.wait_exit(SOON).expect("it ends");
    p.run_a = ctx.daemon.start(&p.a, &conf(200, &["nopreempt"]));
    let start = p.run_a.started;
    sleep_ms(1500);
    assert!(
        p.b.has(VIP) && !p.a.has(VIP),
        "the weaker router keeps the address"
    );
    assert!(
        p.cap.adverts(&p.a, 51, start).is_empty(),
        "the stronger router sends no advert"
    );
    // nopreempt prevents preemption of a live master, not a takeover from a dead one.
    p.run_b.kill9();
    wait_until(
        SOON,
        "the stronger router takes over from a dead one",
        || p.a.has(VIP),
    );
    Outcome::Passed
}

fn preempt_delay(ctx: &Ctx) -> Outcome {
    let mut p = pair(ctx, &["preempt_delay 1"]);
    let at = p.run_a.term();
    p.assert_takeover(VIP, skew(3, 100, INTERVAL), at);
    p.run_a.wait_exit(SOON).expect("it ends");
    p.run_a = ctx.daemon.start(&p.a, &conf(200, &["preempt_delay 1"]));
    let start = p.run_a.started;
    p.assert_preempted(VIP, start);
    let waited = p.cap.advert_of(&p.a, start, SOON).0 - start;
    assert!(
        waited >= 1000 * MS,
        "pre-empted after {} ms already",
        waited / MS
    );
    assert!(
        waited < 2200 * MS + noise::since(start),
        "pre-empted after {} ms only",
        waited / MS
    );
    Outcome::Passed
}

/// Three nodes, each master of one address and backup of its neighbor's; VRRPv2 with
/// passwords, one advert per second.
fn ring(ctx: &Ctx) -> Outcome {
    let lab = Lab::new();
    let _cap = Capture::start(&lab);
    let vips = ["192.168.20.187", "192.168.20.188", "192.168.20.189"];
    let inst = |vrid: u8, strong: bool| {
        let n = usize::from(vrid - 191);
        let pass = ["1111", "2222", "3333"][n];
        let i = Inst::new(vrid, if strong { 201 } else { 101 }, vips[n])
            .v2()
            .pass(pass);
        if strong { i.master() } else { i }
    };
    let globals = |c: Conf| {
        c.global("vrrp_skip_check_adv_addr")
            .global("vrrp_garp_interval 0")
            .global("vrrp_gna_interval 0")
    };
    // Node 1 backs up 193, node 2 backs up 191, node 3 backs up 192.
    let confs = [(191, 193), (192, 191), (193, 192)]
        .map(|(own, other)| globals(Conf::of(&[inst(own, true), inst(other, false)])));
    let nodes: Vec<Node> = (1..=3)
        .map(|i| lab.node(&format!("r{i}"), &[&format!("192.168.20.19{i}/24")]))
        .collect();
    let mut running: Vec<Running> = nodes
        .iter()
        .zip(&confs)
        .map(|(n, c)| ctx.daemon.start(n, c))
        .collect();
    // holders[i]: the node that has address i, if exactly one has it.
    let holders = || {
        vips.map(|v| {
            let with: Vec<usize> = (0..3).filter(|i| nodes[*i].has(v)).collect();
            (with.len() == 1).then(|| with[0])
        })
    };
    let own = [Some(0), Some(1), Some(2)];
    let limit = Duration::from_secs(8);
    wait_until(limit, "each node holds exactly its own address", || {
        holders() == own
    });
    for stopped in 0..3 {
        running[stopped].term();
        running[stopped].wait_exit(SOON).expect("it ends");
        let successor = (stopped + 1) % 3;
        let mut want = own;
        want[stopped] = Some(successor);
        wait_until(
            limit,
            &format!("node {} inherits from node {}", successor + 1, stopped + 1),
            || holders() == want,
        );
        running[stopped] = ctx.daemon.start(&nodes[stopped], &confs[stopped]);
        wait_until(limit, "the address goes home", || holders() == own);
    }
    Outcome::Passed
}

/// The master's adverts are queued in the socket; they must be read before the down timer fires.
fn frozen_backup(ctx: &Ctx) -> Outcome {
    let p = pair(ctx, &[]);
    let since = now();
    for _ in 0..3 {
        p.run_b.freeze();
        sleep_ms(1200);
        p.run_b.thaw();
        sleep_ms(300);
    }
    p.assert_undisturbed(VIP, INTERVAL, 30 * MS, since);
    Outcome::Passed
}

fn frozen_weak(ctx: &Ctx) -> Outcome {
    let mut p = pair(ctx, &[]);
    p.run_a.term();
    p.run_a.wait_exit(SOON).expect("it ends");
    wait_until(SOON, "the weaker router is master", || p.b.has(VIP));
    sleep_ms(200);
    p.run_b.freeze();
    p.run_a = ctx.daemon.start(&p.a, &conf(200, &[]));
    wait_until(SOON, "the stronger router is master", || p.a.has(VIP));
    sleep_ms(1500);
    let thawed = p.run_b.thaw();
    wait_until(SOON, "the resumed router removes the address", || {
        !p.b.has(VIP)
    });
    sleep_ms(1000);
    let adverts = p.cap.adverts(&p.b, 51, thawed).len();
    assert_eq!(
        adverts, 0,
        "the resumed router sent adverts before it had read those of the master"
    );
    Outcome::Passed
}

fn frozen_strong(ctx: &Ctx) -> Outcome {
    let p = pair(ctx, &[]);
    for _ in 0..3 {
        let at = p.run_a.freeze();
        p.assert_takeover(VIP, down_interval(3, 100, INTERVAL), at);
        sleep_ms(1000);
        let thawed = p.run_a.thaw();
        let (first, _) = p.cap.advert_of(&p.a, thawed, SOON);
        assert!(
            first - thawed < 150 * MS + noise::since(thawed),
            "the stronger router sends its advert late"
        );
        sleep_ms(400);
        let last = p.cap.adverts(&p.b, 51, first).last().map_or(first, |l| l.0);
        assert!(
            last - first < 20 * MS + noise::since(thawed),
            "two masters for {} ms",
            (last - first) / MS
        );
        assert!(!p.b.has(VIP), "the weaker router removes the address");
    }
    Outcome::Passed
}
