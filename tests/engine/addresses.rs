//! Addresses of vrrpd and of others: one of another program that equals a virtual address is never
//! removed, and one that a killed daemon has left always is.

use std::time::Duration;

use crate::support::kernel::{
    Kernel, Moment, address, advert, at, cidr, engine, engine_with, eth0, instance, receive, run,
    start,
};
use vrrpd::config::model::{Config, VrrpInstance};
use vrrpd::engine::instance::state_record;
use vrrpd::engine::{Engine, Options, foreign_addresses};
use vrrpd::types::{Instant, VrrpState};

const OWN: &str = "192.0.2.1/24";
const VIP: &str = "192.0.2.100/32";
const OTHER: &str = "192.0.2.101/32";
const STATIC: &str = "198.51.100.7/32";

/// The router's only address is the virtual one.
fn only_vip() -> Kernel {
    Kernel::with(
        &[(1, "lo", true), (2, "eth0", true)],
        &[(1, "127.0.0.1/8"), (2, OWN)],
    )
}

/// With and without `IFA_PROTO`; an address of the kernel's own has one from the start.
fn kernels(kernel: impl Fn() -> Kernel) -> [Kernel; 2] {
    let mut new = kernel();
    let own = new.addrs.iter_mut().find(|addr| addr.index == 1);
    own.expect("an address of lo").proto = Some(1);
    let mut old = kernel();
    old.no_proto = true;
    [new, old]
}

fn config(instances: Vec<VrrpInstance>) -> Config {
    Config {
        instances,
        ..Config::default()
    }
}

fn state(engine: &Engine) -> VrrpState {
    engine.instances().next().expect("one").1
}

fn deletions(kernel: &mut Kernel) -> Vec<String> {
    let mut log = kernel.take_log();
    log.retain(|line| line.starts_with("del "));
    log
}

fn recorded(kernel: &Kernel) -> usize {
    state_record::addresses(&kernel.state).count()
}

/// A master of higher priority is heard.
fn yield_to_another(engine: &mut Engine, kernel: &mut Kernel, now: Instant) {
    let packet = advert(7, 254, "192.0.2.9", "224.0.0.18", &[]);
    receive(engine, kernel, now, 2, &packet);
    run(engine, kernel, now);
    assert_eq!(state(engine), VrrpState::Backup);
}

#[test]
fn only_address_of_the_router_survives_being_a_virtual_address() {
    for mut kernel in kernels(only_vip) {
        let conf = || instance(7, 200, &[OWN]);
        let mut one = engine(vec![conf()]);
        start(&mut one, &mut kernel, at(0));
        assert_eq!(state(&one), VrrpState::Backup, "it is the source address");
        run(&mut one, &mut kernel, at(500));
        assert_eq!(state(&one), VrrpState::Master);
        yield_to_another(&mut one, &mut kernel, at(510));
        run(&mut one, &mut kernel, at(3_000));
        assert_eq!(state(&one), VrrpState::Master);
        one.reload(
            at(3_010),
            config(vec![instance(7, 150, &[OWN])]),
            &mut kernel,
        );
        kernel.deliver(&mut one, at(3_010));
        assert_eq!(state(&one), VrrpState::Master);
        // It is killed and resumes; another one is killed and does not resume.
        for ms in [3_020, 60_000] {
            one = engine(vec![conf()]);
            start(&mut one, &mut kernel, at(ms));
            run(&mut one, &mut kernel, at(ms + 1_000));
            assert_eq!(state(&one), VrrpState::Master);
        }
        // No longer configured.
        one.reload(
            at(61_010),
            config(vec![instance(8, 150, &[VIP])]),
            &mut kernel,
        );
        kernel.deliver(&mut one, at(61_010));
        one.reload(at(61_020), config(vec![conf()]), &mut kernel);
        run(&mut one, &mut kernel, at(62_000));
        one.stop(at(62_010), &mut kernel);
        kernel.deliver(&mut one, at(62_010));
        assert!(kernel.has(OWN));
        let removed = deletions(&mut kernel);
        assert!(
            removed.iter().all(|line| !line.contains("192.0.2.1/")),
            "{removed:?}"
        );
        assert!(!kernel.has(VIP));
    }
}

#[test]
fn address_that_appears_while_an_instance_waits_for_one_is_its_source_address_and_stays() {
    for mut kernel in
        kernels(|| Kernel::with(&[(1, "lo", true), (2, "eth0", true)], &[(1, "127.0.0.1/8")]))
    {
        let mut engine = engine(vec![instance(7, 200, &[OWN])]);
        start(&mut engine, &mut kernel, at(0));
        assert_eq!(state(&engine), VrrpState::Fault);
        kernel.add(2, OWN);
        kernel.deliver(&mut engine, at(100));
        run(&mut engine, &mut kernel, at(1_000));
        assert_eq!(state(&engine), VrrpState::Master);
        // Its network is restarted, as by netifd.
        kernel.remove(2, cidr(OWN));
        kernel.deliver(&mut engine, at(1_010));
        assert_eq!(state(&engine), VrrpState::Fault);
        assert!(!kernel.has(OWN), "it is not ours");
        kernel.replace(2, OWN);
        kernel.deliver(&mut engine, at(1_100));
        run(&mut engine, &mut kernel, at(2_000));
        assert_eq!(state(&engine), VrrpState::Master);
        engine.stop(at(2_010), &mut kernel);
        assert!(kernel.has(OWN));
        assert_eq!(deletions(&mut kernel), [""; 0]);
    }
}

#[test]
fn foreign_address_that_stays_away_is_reinstalled_by_a_master_and_then_ours() {
    for mut kernel in kernels(eth0) {
        kernel.add(2, VIP);
        let mut engine = engine(vec![instance(7, 200, &[VIP])]);
        start(&mut engine, &mut kernel, at(0));
        run(&mut engine, &mut kernel, at(500));
        assert_eq!(recorded(&kernel), 0);
        kernel.remove(2, cidr(VIP));
        kernel.deliver(&mut engine, at(510));
        run(&mut engine, &mut kernel, at(10_500));
        assert!(!kernel.has(VIP), "its program may set it again");
        run(&mut engine, &mut kernel, at(10_520));
        assert!(kernel.has(VIP), "ten seconds are over");
        assert_eq!(recorded(&kernel), 1);
        yield_to_another(&mut engine, &mut kernel, at(10_530));
        assert!(!kernel.has(VIP));
        assert_eq!(recorded(&kernel), 0);
        engine.stop(at(10_540), &mut kernel);
    }
}

/// As netifd does with the addresses of a network, whose interface may have others.
#[test]
fn foreign_address_that_returns_soon_is_still_not_ours() {
    for mut kernel in kernels(eth0) {
        kernel.add(2, VIP);
        let mut engine = engine(vec![instance(7, 200, &[VIP])]);
        start(&mut engine, &mut kernel, at(0));
        run(&mut engine, &mut kernel, at(500));
        for moment in [510, 20_000] {
            kernel.remove(2, cidr(VIP));
            kernel.deliver(&mut engine, at(moment));
            run(&mut engine, &mut kernel, at(moment + 9_000));
            kernel.replace(2, VIP);
            kernel.deliver(&mut engine, at(moment + 9_010));
            run(&mut engine, &mut kernel, at(moment + 11_000));
        }
        assert_eq!(state(&engine), VrrpState::Master);
        engine.stop(at(32_000), &mut kernel);
        assert!(kernel.has(VIP));
        assert_eq!(deletions(&mut kernel), [""; 0]);
    }
}

#[test]
fn address_that_is_set_by_hand_in_state_backup_stays() {
    for mut kernel in kernels(eth0) {
        let mut engine = engine(vec![instance(7, 200, &[VIP])]);
        start(&mut engine, &mut kernel, at(0));
        kernel.add(2, VIP);
        kernel.deliver(&mut engine, at(10));
        run(&mut engine, &mut kernel, at(500));
        assert_eq!(state(&engine), VrrpState::Master);
        yield_to_another(&mut engine, &mut kernel, at(510));
        assert!(kernel.has(VIP));
        // Removed by hand in state BACKUP: later it is ours.
        kernel.remove(2, cidr(VIP));
        kernel.deliver(&mut engine, at(520));
        assert!(!kernel.has(VIP));
        run(&mut engine, &mut kernel, at(3_000));
        assert!(kernel.has(VIP));
        engine.stop(at(3_010), &mut kernel);
        assert!(!kernel.has(VIP));
    }
}

#[test]
fn address_that_is_set_by_hand_before_its_event_is_read_stays() {
    for mut kernel in kernels(eth0) {
        let mut engine = engine(vec![instance(7, 200, &[VIP])]);
        start(&mut engine, &mut kernel, at(0));
        kernel.add(2, VIP);
        // The timer fires first; the kernel refuses the request with EEXIST.
        while state(&engine) != VrrpState::Master {
            let due = engine.next_deadline().expect("a timer");
            engine.expire(due, &mut kernel);
        }
        kernel.deliver(&mut engine, at(500));
        assert_eq!(recorded(&kernel), 0);
        engine.stop(at(510), &mut kernel);
        assert!(kernel.has(VIP));
    }
}

#[test]
fn virtual_address_that_another_program_sets_again_is_no_longer_ours() {
    let [mut kernel, _] = kernels(eth0);
    let mut engine = engine(vec![instance(7, 200, &[VIP])]);
    start(&mut engine, &mut kernel, at(0));
    run(&mut engine, &mut kernel, at(500));
    assert_eq!(recorded(&kernel), 1);
    kernel.replace(2, VIP);
    kernel.deliver(&mut engine, at(510));
    run(&mut engine, &mut kernel, at(2_000));
    assert_eq!(recorded(&kernel), 0);
    yield_to_another(&mut engine, &mut kernel, at(2_010));
    engine.stop(at(2_020), &mut kernel);
    assert!(kernel.has(VIP));
}

#[test]
fn virtual_address_that_is_set_again_before_the_event_is_read_stays() {
    let [mut kernel, _] = kernels(eth0);
    let mut engine = engine(vec![instance(7, 200, &[VIP])]);
    start(&mut engine, &mut kernel, at(0));
    run(&mut engine, &mut kernel, at(500));
    kernel.replace(2, VIP);
    kernel.deliver(&mut engine, at(510));
    engine.stop(at(520), &mut kernel);
    assert!(kernel.has(VIP));
}

#[test]
fn leftover_is_removed_where_the_kernel_or_the_state_file_proves_it() {
    for (marks, recorded, removed) in [
        (true, true, true),
        (true, false, true),
        (false, true, true),
        (false, false, false),
    ] {
        let [new, old] = kernels(eth0);
        let mut kernel = if marks { new } else { old };
        let mut killed = engine(vec![instance(7, 200, &[VIP])]);
        start(&mut killed, &mut kernel, at(0));
        run(&mut killed, &mut kernel, at(500));
        if !recorded {
            kernel.state.clear();
        }
        let mut next = engine(vec![instance(7, 200, &[VIP])]);
        start(&mut next, &mut kernel, at(60_000));
        assert_eq!(!kernel.has(VIP), removed, "{marks} {recorded}");
        run(&mut next, &mut kernel, at(61_000));
        assert_eq!(state(&next), VrrpState::Master);
        next.stop(at(61_010), &mut kernel);
        assert_eq!(!kernel.has(VIP), removed, "{marks} {recorded}");
    }
}

#[test]
fn recorded_address_that_another_program_has_set_since_is_left_alone() {
    let [mut kernel, _] = kernels(eth0);
    let mut killed = engine(vec![instance(7, 200, &[VIP, OTHER])]);
    start(&mut killed, &mut kernel, at(0));
    run(&mut killed, &mut kernel, at(500));
    kernel.replace(2, VIP);
    kernel.replace(2, OTHER);
    // One is still configured.
    let mut next = engine(vec![instance(7, 200, &[VIP])]);
    start(&mut next, &mut kernel, at(60_000));
    assert!(kernel.has(VIP) && kernel.has(OTHER));
    next.stop(at(60_010), &mut kernel);
    assert!(kernel.has(VIP) && kernel.has(OTHER));
}

#[test]
fn static_address_of_another_program_stays_and_one_of_a_killed_daemon_goes() {
    for mut kernel in kernels(eth0) {
        let config = || Config {
            static_addresses: vec![address(STATIC, "eth0"), address(OWN, "eth0")],
            ..Config::default()
        };
        let mut killed = Engine::new(config(), Options::default());
        start(&mut killed, &mut kernel, at(0));
        assert!(kernel.has(STATIC));
        assert_eq!(recorded(&kernel), 1);
        let mut next = Engine::new(config(), Options::default());
        start(&mut next, &mut kernel, at(100));
        next.stop(at(110), &mut kernel);
        assert!(!kernel.has(STATIC) && kernel.has(OWN));
        assert_eq!(recorded(&kernel), 0);
    }
}

/// Addresses and state file at each moment at which the process may be killed.
fn moments(mut kernel: Kernel) -> Vec<Moment> {
    kernel.moments = Some(Vec::new());
    kernel.add(2, OTHER);
    let mut engine = engine(vec![instance(7, 200, &[VIP, OTHER])]);
    start(&mut engine, &mut kernel, at(0));
    run(&mut engine, &mut kernel, at(500));
    yield_to_another(&mut engine, &mut kernel, at(510));
    run(&mut engine, &mut kernel, at(3_000));
    kernel.remove(2, cidr(VIP));
    kernel.deliver(&mut engine, at(3_010));
    let mut new = config(vec![
        instance(8, 200, &["192.0.2.103/32"]),
        instance(7, 200, &["192.0.2.102/32", VIP, OTHER]),
    ]);
    new.static_addresses = vec![address(STATIC, "eth0"), address(OWN, "eth0")];
    engine.reload(at(3_020), new, &mut kernel);
    run(&mut engine, &mut kernel, at(4_000));
    let new = config(vec![instance(7, 200, &[OTHER, "192.0.2.102/32"])]);
    engine.reload(at(4_010), new, &mut kernel);
    run(&mut engine, &mut kernel, at(5_000));
    engine.stop(at(5_010), &mut kernel);
    kernel.moments.take().expect("kept")
}

#[test]
fn process_that_is_killed_at_any_moment_leaves_what_the_next_one_removes() {
    for (nth, kernel) in kernels(eth0).into_iter().enumerate() {
        let (no_proto, links) = (kernel.no_proto, kernel.links.clone());
        let moments = moments(kernel);
        assert!(moments.len() > 20, "{}", moments.len());
        for (moment, late) in moments.iter().flat_map(|one| [(one, false), (one, true)]) {
            let mut kernel = Kernel::default();
            kernel.no_proto = no_proto;
            kernel.links = links.clone();
            kernel.addrs = moment.addrs.clone();
            kernel.state = moment.state.clone();
            let sent = state_record::records(&kernel.state).map(|record| record.sent);
            let sent = sent.max().unwrap_or(Duration::from_secs(2));
            let sent = Instant::ZERO.after(sent);
            let now = sent.after(Duration::from_millis(if late { 60_000 } else { 10 }));
            let mut next = engine(vec![instance(7, 200, &[VIP, OTHER])]);
            start(&mut next, &mut kernel, now);
            let context = format!("kernel {nth}, {moment:?}");
            if late {
                assert!(!kernel.has(VIP), "{context}");
            }
            let then = now.after(Duration::from_secs(1));
            run(&mut next, &mut kernel, then);
            next.stop(then, &mut kernel);
            kernel.deliver(&mut next, then);
            let mut left: Vec<_> = kernel.addrs.iter().map(|addr| addr.cidr).collect();
            left.sort();
            assert_eq!(
                left,
                [cidr("127.0.0.1/8"), cidr(OWN), cidr(OTHER)],
                "{context}"
            );
        }
    }
}

#[test]
fn state_file_does_not_grow_with_transitions_and_reloads() {
    let [mut kernel, _] = kernels(eth0);
    let conf = || vec![instance(7, 200, &[VIP, OTHER])];
    let mut engine = engine(conf());
    start(&mut engine, &mut kernel, at(0));
    for nth in 1..20 {
        let now = at(nth * 5_000);
        run(&mut engine, &mut kernel, now);
        assert_eq!(state(&engine), VrrpState::Master);
        assert_eq!(recorded(&kernel), 2);
        yield_to_another(&mut engine, &mut kernel, now);
        engine.reload(now, config(conf()), &mut kernel);
        kernel.deliver(&mut engine, now);
        assert_eq!(recorded(&kernel), 0);
    }
    assert_eq!(kernel.state.len(), 3 * 64);
}

#[test]
fn lan_address_is_the_source_address_although_a_macvlan_gets_it_too() {
    for mut kernel in kernels(only_vip) {
        let mut conf = crate::vmac::vmac_instance(200);
        conf.vips[0].cidr = cidr(OWN);
        let mut engine = engine(vec![conf]);
        start(&mut engine, &mut kernel, at(0));
        assert_eq!(state(&engine), VrrpState::Backup);
        run(&mut engine, &mut kernel, at(2_000));
        assert_eq!(state(&engine), VrrpState::Master);
        let on = |kernel: &Kernel| {
            let own = kernel.addrs.iter().filter(|addr| addr.cidr == cidr(OWN));
            own.map(|addr| addr.index != 2).collect::<Vec<bool>>()
        };
        assert_eq!(on(&kernel), [false, true]);
        // Its network is restarted.
        kernel.remove(2, cidr(OWN));
        kernel.deliver(&mut engine, at(2_010));
        assert_eq!(state(&engine), VrrpState::Fault);
        kernel.add(2, OWN);
        kernel.deliver(&mut engine, at(2_020));
        run(&mut engine, &mut kernel, at(4_000));
        assert_eq!(state(&engine), VrrpState::Master);
        engine.stop(at(4_010), &mut kernel);
        assert_eq!(on(&kernel), [false]);
    }
}

#[test]
fn config_test_knows_which_addresses_the_daemon_has_set() {
    for mut kernel in kernels(eth0) {
        let mut engine = engine(vec![instance(7, 200, &[VIP])]);
        start(&mut engine, &mut kernel, at(0));
        run(&mut engine, &mut kernel, at(500));
        let state = kernel.state.clone();
        let mut foreign = |state: &[u8]| {
            let found = foreign_addresses(at(510), &mut kernel, state);
            let on_eth0 = found.into_iter().filter(|(dev, _)| dev.as_str() == "eth0");
            on_eth0.map(|(_, cidr)| cidr).collect::<Vec<_>>()
        };
        assert_eq!(foreign(&state), [cidr(OWN)]);
        let without = foreign(&[]);
        assert_eq!(without.contains(&cidr(VIP)), kernel.no_proto);
    }
}

#[test]
fn address_that_was_not_released_is_ours_in_the_next_process() {
    for mut kernel in kernels(eth0) {
        let options = Options {
            dont_release: true,
            ..Options::default()
        };
        let mut one = engine_with(vec![instance(7, 200, &[VIP])], options);
        start(&mut one, &mut kernel, at(0));
        run(&mut one, &mut kernel, at(500));
        one.stop(at(510), &mut kernel);
        assert!(one.leaves_addresses() && kernel.has(VIP));
        assert_eq!(recorded(&kernel), 1);
        let mut two = engine(vec![instance(7, 200, &[VIP])]);
        start(&mut two, &mut kernel, at(600));
        assert_eq!(state(&two), VrrpState::Backup);
        assert!(!kernel.has(VIP), "left over");
    }
}
