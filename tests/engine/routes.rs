//! Routes and rules through the engine, against a kernel made of tables.

use crate::support::kernel::{Kernel, cidr, engine, instance, policy, route, run, start};
use vrrpd::config::model::{Config, Route, Rule, VrrpInstance};
use vrrpd::engine::{Engine, Options};
use vrrpd::types::{Instant, VrrpState};

const VIP: &str = "192.0.2.100/32";
const A: &str = "10.1.0.0/16";
const B: &str = "10.2.0.0/16";
const GATEWAY: Option<&str> = Some("192.0.2.254");
const FROM: &str = "192.0.2.100/32";

fn at(ms: u64) -> Instant {
    Instant::from_millis(1_000 + ms)
}

fn eth0() -> Kernel {
    Kernel::with(
        &[(1, "lo", true), (2, "eth0", true), (3, "eth1", true)],
        &[(1, "127.0.0.1/8"), (2, "192.0.2.1/24")],
    )
}

fn with(routes: Vec<Route>, rules: Vec<Rule>) -> VrrpInstance {
    VrrpInstance {
        routes,
        rules,
        ..instance(7, 100, &[VIP])
    }
}

/// The usual instance: two routes and a rule.
fn usual() -> VrrpInstance {
    with(
        vec![route(A, GATEWAY), route(B, None)],
        vec![policy(FROM, 100)],
    )
}

/// An engine with this instance, master, its log read.
fn master(kernel: &mut Kernel, instance: VrrpInstance) -> Engine {
    let mut engine = engine(vec![instance]);
    start(&mut engine, kernel, at(0));
    run(&mut engine, kernel, at(400));
    engine
}

#[test]
fn a_kernel_without_rules_is_no_reason_not_to_run() {
    let mut kernel = eth0();
    kernel.no_policy_rules = true;
    let mut engine = master(&mut kernel, usual());
    run(&mut engine, &mut kernel, at(60_000));
    let states: Vec<VrrpState> = engine.instances().map(|(_, state, _)| state).collect();
    assert_eq!(states, [VrrpState::Master]);
    assert!(kernel.has(VIP));
    assert_eq!(kernel.routes.len(), 2, "routes stay");
    kernel.no_policy_rules = false;
    run(&mut engine, &mut kernel, at(100_000));
    assert_eq!(kernel.rules.len(), 1, "tried again");
}

/// Before 4.17 such a rule would have been one for all packets, and to delete it would delete another one.
#[test]
fn what_an_old_kernel_would_not_read_is_not_asked_for() {
    type Change = fn(&mut VrrpInstance);
    let changes: [(&str, &str, Change); 5] = [
        ("4.16.18", "4.17.0", |one| one.rules[0].ip_proto = 6),
        ("4.16.18", "4.17.0", |one| one.rules[0].sport = Some((1, 9))),
        ("4.9.337", "4.17.0", |one| {
            one.rules[0].dport = Some((80, 80))
        }),
        ("4.9.337", "4.10.1", |one| one.rules[0].uids = Some((0, 99))),
        ("5.1.0", "5.2.0", |one| {
            one.rules.clear();
            one.routes[1].hops[0].via = Some("fe80::1".parse().unwrap());
        }),
    ];
    for (old, young, change) in changes {
        let mut conf = usual();
        change(&mut conf);
        let both = conf.routes.len() + conf.rules.len();
        let mut kernel = eth0();
        let release = "/proc/sys/kernel/osrelease";
        kernel.files.insert(release.into(), old.into());
        let mut engine = master(&mut kernel, conf.clone());
        run(&mut engine, &mut kernel, at(60_000));
        assert_eq!(state(&engine), VrrpState::Master, "{old}");
        let asked_for = asked(&mut kernel);
        assert_eq!(kernel.routes.len() + kernel.rules.len(), both - 1, "{old}");
        let rules = asked_for.iter().filter(|line| line.contains("rule"));
        assert_eq!(rules.count(), 0, "{old}: {asked_for:?}");
        engine.stop(at(60_001), &mut kernel);
        let asked_for = asked(&mut kernel);
        assert!(asked_for.iter().all(|line| !line.contains("rule")));
        let mut kernel = eth0();
        kernel.files.insert(release.into(), young.into());
        let _engine = master(&mut kernel, conf);
        assert_eq!(kernel.routes.len() + kernel.rules.len(), both, "{young}");
    }
}

/// What was asked about routes and rules since the last time.
fn asked(kernel: &mut Kernel) -> Vec<String> {
    let log = kernel.take_log();
    let ours = log
        .into_iter()
        .filter(|line| line.contains("rout") || line.contains("rule"));
    ours.collect()
}

fn state(engine: &Engine) -> VrrpState {
    engine.instances().next().expect("one").1
}

fn there(kernel: &Kernel) -> (usize, usize) {
    (kernel.routes.len(), kernel.rules.len())
}

#[test]
fn a_takeover_sets_routes_and_rules_between_addresses_and_announcements() {
    let mut kernel = eth0();
    let mut engine = engine(vec![usual()]);
    start(&mut engine, &mut kernel, at(0));
    kernel.take_log();
    run(&mut engine, &mut kernel, at(400));
    let wanted = [
        "advert 7 prio 100 to 224.0.0.18",
        "add 2 192.0.2.100/32",
        "add route 10.1.0.0/16",
        "add route 10.2.0.0/16",
        "add rule 100",
        "garp 2 192.0.2.100",
    ];
    assert_eq!(kernel.take_log()[..6], wanted);
    engine.stop(at(450), &mut kernel);
    let wanted = [
        "advert 7 prio 0 to 224.0.0.18",
        "del rule 100",
        "del route 10.2.0.0/16",
        "del route 10.1.0.0/16",
        "del 2 192.0.2.100/32",
    ];
    assert_eq!(kernel.take_log(), wanted);
}

#[test]
fn leftovers_go_at_start_and_what_others_have_stays() {
    let mut kernel = eth0();
    let mut killed = master(&mut kernel, usual());
    let _ = &mut killed;
    let mut others = kernel.routes[0];
    others.protocol = 4;
    kernel.routes.push(others);
    let mut engine = engine(vec![usual()]);
    start(&mut engine, &mut kernel, at(1000));
    assert_eq!(state(&engine), VrrpState::Backup);
    assert_eq!(kernel.routes, [others]);
    assert!(kernel.rules.is_empty());
}

#[test]
fn what_somebody_deletes_is_put_back_and_nothing_else_is_asked_for() {
    let mut kernel = eth0();
    let mut engine = master(&mut kernel, usual());
    asked(&mut kernel);
    kernel.remove_route(B);
    kernel.deliver(&mut engine, at(450));
    assert_eq!(asked(&mut kernel), ["add route 10.2.0.0/16"]);
    kernel.remove_rule(100);
    kernel.deliver(&mut engine, at(460));
    assert_eq!(asked(&mut kernel), ["add rule 100"]);
    assert_eq!(state(&engine), VrrpState::Master);
}

#[test]
fn what_is_not_tracked_may_be_deleted() {
    let mut kernel = eth0();
    let untracked = Route {
        no_track: true,
        ..route(A, GATEWAY)
    };
    let mut engine = master(&mut kernel, with(vec![untracked], Vec::new()));
    asked(&mut kernel);
    kernel.remove_route(A);
    kernel.deliver(&mut engine, at(450));
    assert!(asked(&mut kernel).is_empty());
}

#[test]
fn routes_are_asked_for_again_after_the_loss_of_an_interface_or_address() {
    let mut kernel = eth0();
    let mut engine = master(&mut kernel, usual());
    kernel.add(3, "198.51.100.1/24");
    kernel.deliver(&mut engine, at(410));
    asked(&mut kernel);
    for (name, event) in [
        (
            "address",
            (|kernel| kernel.remove(3, cidr("198.51.100.1/24"))) as fn(&mut Kernel),
        ),
        ("interface", |kernel| kernel.set_link(3, "eth1", false)),
    ] {
        // The kernel says nothing about these.
        kernel.routes.clear();
        event(&mut kernel);
        kernel.deliver(&mut engine, at(450));
        assert_eq!(there(&kernel), (2, 1), "{name}");
        asked(&mut kernel);
    }
    kernel.add(3, "198.51.100.1/24");
    kernel.deliver(&mut engine, at(460));
    assert!(
        asked(&mut kernel).is_empty(),
        "a new address takes nothing away"
    );
}

#[test]
fn a_refused_route_is_tried_again_later_and_later_and_when_an_address_comes() {
    let mut kernel = eth0();
    kernel.reject_route = Some((cidr(A), 101, "Nexthop has invalid gateway"));
    let mut engine = master(&mut kernel, usual());
    assert_eq!(there(&kernel), (1, 1));
    asked(&mut kernel);
    run(&mut engine, &mut kernel, at(8_000));
    let tries = asked(&mut kernel);
    assert_eq!(tries, ["add route 10.1.0.0/16"; 3], "after 1, 3 and 7 s");
    assert_eq!(state(&engine), VrrpState::Master);
    kernel.reject_route = None;
    kernel.add(2, "203.0.113.1/24");
    kernel.deliver(&mut engine, at(8_010));
    assert_eq!(asked(&mut kernel), ["add route 10.1.0.0/16"]);
    assert_eq!(there(&kernel), (2, 1));
}

#[test]
fn a_route_waits_for_its_interface() {
    let mut kernel = eth0();
    let mut late = route(A, None);
    late.hops[0].dev = Some(crate::support::kernel::ifname("eth7"));
    late.no_track = true;
    let mut engine = master(&mut kernel, with(vec![late], Vec::new()));
    assert!(asked(&mut kernel).is_empty());
    kernel.set_link(7, "eth7", true);
    kernel.deliver(&mut engine, at(450));
    assert_eq!(asked(&mut kernel), ["add route 10.1.0.0/16"]);
}

#[test]
fn the_interface_of_a_tracked_route_is_needed() {
    for (name, instance) in [
        ("route", with(vec![through("eth1")], Vec::new())),
        ("rule", {
            let rule = Rule {
                iif: Some(crate::support::kernel::ifname("eth1")),
                ..policy(FROM, 100)
            };
            with(Vec::new(), vec![rule])
        }),
    ] {
        let mut kernel = eth0();
        let mut engine = master(&mut kernel, instance);
        assert_eq!(state(&engine), VrrpState::Master, "{name}");
        kernel.set_link(3, "eth1", false);
        kernel.deliver(&mut engine, at(450));
        assert_eq!(state(&engine), VrrpState::Fault, "{name}");
        assert_eq!(there(&kernel), (0, 0), "{name}");
    }
}

fn through(dev: &str) -> Route {
    through_to(A, dev)
}

fn through_to(to: &str, dev: &str) -> Route {
    let mut route = route(to, None);
    route.hops[0].dev = Some(crate::support::kernel::ifname(dev));
    route
}

#[test]
fn ways_of_an_ipv6_route_are_asked_for_one_by_one() {
    let mut kernel = eth0();
    let mut ways = route("2001:db8::/32", Some("fe80::1"));
    ways.hops[0].dev = Some(crate::support::kernel::ifname("eth0"));
    let mut second = ways.hops[0].clone();
    second.via = Some("fe80::2".parse().expect("an address"));
    ways.hops.push(second);
    let mut engine = master(&mut kernel, with(vec![ways], Vec::new()));
    assert_eq!(kernel.routes.len(), 2);
    asked(&mut kernel);
    kernel.remove_route("2001:db8::/32");
    kernel.deliver(&mut engine, at(450));
    assert_eq!(
        asked(&mut kernel).len(),
        2,
        "the one that is there is refused"
    );
    assert_eq!(kernel.routes.len(), 2);
}

#[test]
fn thousands_of_routes_go_in_bursts_and_none_is_forgotten() {
    let mut kernel = eth0();
    let many = (0..1000).map(|n| route(&format!("10.{}.{}.0/24", n / 250, n % 250), GATEWAY));
    let mut engine = master(&mut kernel, with(many.collect(), Vec::new()));
    assert_eq!(kernel.routes.len(), 1000);
    kernel.reject_route = Some((cidr("10.3.77.0/24"), 101, "no"));
    kernel.routes.clear();
    kernel.set_link(3, "eth1", false);
    kernel.deliver(&mut engine, at(450));
    assert_eq!(kernel.routes.len(), 999);
    kernel.reject_route = None;
    asked(&mut kernel);
    run(&mut engine, &mut kernel, at(2_000));
    assert_eq!(asked(&mut kernel), ["add route 10.3.77.0/24"]);
    engine.stop(at(2_100), &mut kernel);
    assert!(kernel.routes.is_empty());
}

fn config(instances: Vec<VrrpInstance>, statics: Vec<Route>, rules: Vec<Rule>) -> Config {
    Config {
        instances,
        static_routes: statics,
        static_rules: rules,
        ..Config::default()
    }
}

#[test]
fn static_ones_are_there_whatever_the_state_and_go_at_the_end() {
    let mut kernel = eth0();
    let config = config(Vec::new(), vec![route(A, GATEWAY)], vec![policy(FROM, 100)]);
    let mut engine = Engine::new(config, Options::default());
    assert!(!engine.is_idle());
    assert!(engine.wants_route_events());
    start(&mut engine, &mut kernel, at(0));
    assert_eq!(there(&kernel), (1, 1));
    kernel.remove_rule(100);
    kernel.remove_route(A);
    kernel.deliver(&mut engine, at(100));
    assert_eq!(there(&kernel), (1, 1));
    engine.stop(at(200), &mut kernel);
    assert_eq!(there(&kernel), (0, 0));
}

#[test]
fn a_reload_touches_only_what_differs() {
    let mut kernel = eth0();
    let statics = || vec![route("10.9.0.0/16", GATEWAY)];
    let old = config(vec![usual()], statics(), vec![policy("10.9.0.0/16", 9)]);
    let mut engine = Engine::new(old, Options::default());
    start(&mut engine, &mut kernel, at(0));
    run(&mut engine, &mut kernel, at(400));
    assert_eq!(there(&kernel), (3, 2));
    kernel.take_log();
    let routes = vec![route("10.3.0.0/16", GATEWAY), route(A, GATEWAY)];
    let next = with(routes, vec![policy(FROM, 101), policy(FROM, 100)]);
    engine.reload(
        at(500),
        config(vec![next], statics(), Vec::new()),
        &mut kernel,
    );
    kernel.deliver(&mut engine, at(500));
    let log = asked(&mut kernel);
    let (gone, added): (Vec<String>, Vec<String>) =
        log.into_iter().partition(|line| line.starts_with("del"));
    assert_eq!(gone, ["del route 10.2.0.0/16", "del rule 9"]);
    assert!(
        added.contains(&"add route 10.3.0.0/16".to_owned()),
        "{added:?}"
    );
    assert!(added.contains(&"add rule 101".to_owned()), "{added:?}");
    assert_eq!(there(&kernel), (3, 2));
    // A reload to nothing removes all, without waiting for the end.
    engine.reload(
        at(600),
        config(vec![with(Vec::new(), Vec::new())], Vec::new(), Vec::new()),
        &mut kernel,
    );
    kernel.deliver(&mut engine, at(600));
    assert_eq!(there(&kernel), (0, 0));
    assert!(!engine.wants_route_events());
}

#[test]
fn instances_of_a_track_group_are_in_fault_without_its_static_items() {
    let mut kernel = eth0();
    kernel.reject_route = Some((cidr(A), 101, "Nexthop has invalid gateway"));
    let tagged = |route: Route| Route {
        track_group: Some(0),
        ..route
    };
    let statics = vec![
        tagged(route(A, GATEWAY)),
        tagged(through_to("10.5.0.0/16", "eth1")),
    ];
    let config = Config {
        track_groups: vec![vec![0]],
        ..config(
            vec![
                instance(7, 100, &[VIP]),
                instance(8, 100, &["192.0.2.101/32"]),
            ],
            statics,
            Vec::new(),
        )
    };
    let mut engine = Engine::new(config, Options::default());
    let states = |engine: &Engine| -> Vec<VrrpState> {
        engine.instances().map(|(_, state, _)| state).collect()
    };
    use VrrpState::{Fault, Master};
    start(&mut engine, &mut kernel, at(0));
    run(&mut engine, &mut kernel, at(900));
    assert_eq!(
        states(&engine),
        [Fault, Master],
        "the kernel refuses one of its routes"
    );
    kernel.reject_route = None;
    run(&mut engine, &mut kernel, at(2_000));
    assert_eq!(
        states(&engine),
        [Master, Master],
        "it takes it a second later"
    );
    kernel.remove_route(A);
    kernel.deliver(&mut engine, at(2_010));
    assert_eq!(
        states(&engine),
        [Master, Master],
        "what is put back at once is no loss"
    );
    kernel.set_link(3, "eth1", false);
    kernel.deliver(&mut engine, at(2_020));
    assert_eq!(states(&engine), [Fault, Master], "an interface is down");
    kernel.set_link(3, "eth1", true);
    kernel.deliver(&mut engine, at(2_030));
    run(&mut engine, &mut kernel, at(3_000));
    assert_eq!(states(&engine), [Master, Master]);
}
