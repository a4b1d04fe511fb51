//! Routes and rules: installed, reinstalled, retried and removed.

use crate::support::kernel::{Kernel, at, cidr, engine, instance, policy, route, run, start};
use vrrpd::config::model::{Config, Route, Rule, VrrpInstance};
use vrrpd::engine::{Engine, Options};
use vrrpd::types::{InstanceId, VrrpState};

const VIP: &str = "192.0.2.100/32";
const A: &str = "10.1.0.0/16";
const B: &str = "10.2.0.0/16";
const GATEWAY: Option<&str> = Some("192.0.2.254");
const FROM: &str = "192.0.2.100/32";

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

/// An instance with two routes and a rule.
fn default_instance() -> VrrpInstance {
    with(
        vec![route(A, GATEWAY), route(B, None)],
        vec![policy(FROM, 100)],
    )
}

/// An engine with this instance as master; the log is empty.
fn master(kernel: &mut Kernel, instance: VrrpInstance) -> Engine {
    let mut engine = engine(vec![instance]);
    start(&mut engine, kernel, at(0));
    run(&mut engine, kernel, at(400));
    engine
}

#[test]
fn kernel_without_policy_rules_still_runs_instances() {
    let mut kernel = eth0();
    kernel.no_policy_rules = true;
    let mut engine = master(&mut kernel, default_instance());
    run(&mut engine, &mut kernel, at(60_000));
    let states: Vec<VrrpState> = engine.instances().map(|(_, state, _)| state).collect();
    assert_eq!(states, [VrrpState::Master]);
    assert!(kernel.has(VIP));
    assert_eq!(kernel.routes.len(), 2, "routes stay");
    kernel.no_policy_rules = false;
    run(&mut engine, &mut kernel, at(100_000));
    assert_eq!(kernel.rules.len(), 1, "tried again");
}

/// Before Linux 4.17 such a rule would match all packets, and deleting it would delete another one.
#[test]
fn routes_and_rules_an_old_kernel_misreads_are_not_installed() {
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
        let mut conf = default_instance();
        change(&mut conf);
        let both = conf.routes.len() + conf.rules.len();
        let mut kernel = eth0();
        let release = "/proc/sys/kernel/osrelease";
        kernel.files.insert(release.into(), old.into());
        let mut engine = master(&mut kernel, conf.clone());
        run(&mut engine, &mut kernel, at(60_000));
        assert_eq!(state(&engine), VrrpState::Master, "{old}");
        let asked_for = route_log(&mut kernel);
        assert_eq!(kernel.routes.len() + kernel.rules.len(), both - 1, "{old}");
        let rules = asked_for.iter().filter(|line| line.contains("rule"));
        assert_eq!(rules.count(), 0, "{old}: {asked_for:?}");
        engine.stop(at(60_001), &mut kernel);
        let asked_for = route_log(&mut kernel);
        assert!(asked_for.iter().all(|line| !line.contains("rule")));
        let mut kernel = eth0();
        kernel.files.insert(release.into(), young.into());
        let _engine = master(&mut kernel, conf);
        assert_eq!(kernel.routes.len() + kernel.rules.len(), both, "{young}");
    }
}

/// New log lines about routes and rules.
fn route_log(kernel: &mut Kernel) -> Vec<String> {
    let log = kernel.take_log();
    let ours = log
        .into_iter()
        .filter(|line| line.contains("rout") || line.contains("rule"));
    ours.collect()
}

fn state(engine: &Engine) -> VrrpState {
    engine.instances().next().expect("one").1
}

fn installed(kernel: &Kernel) -> (usize, usize) {
    (kernel.routes.len(), kernel.rules.len())
}

#[test]
fn takeover_installs_vips_then_routes_and_rules_then_sends_garp() {
    let mut kernel = eth0();
    let mut engine = engine(vec![default_instance()]);
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
fn leftover_routes_and_rules_are_removed_at_start_and_foreign_ones_kept() {
    let mut kernel = eth0();
    let mut killed = master(&mut kernel, default_instance());
    let _ = &mut killed;
    let mut others = kernel.routes[0];
    others.protocol = 4;
    kernel.routes.push(others);
    let mut engine = engine(vec![default_instance()]);
    start(&mut engine, &mut kernel, at(1000));
    assert_eq!(state(&engine), VrrpState::Backup);
    assert_eq!(kernel.routes, [others]);
    assert!(kernel.rules.is_empty());
}

#[test]
fn deleted_routes_and_rules_are_reinstalled_and_nothing_else() {
    let mut kernel = eth0();
    let mut engine = master(&mut kernel, default_instance());
    route_log(&mut kernel);
    kernel.remove_route(B);
    kernel.deliver(&mut engine, at(450));
    assert_eq!(route_log(&mut kernel), ["add route 10.2.0.0/16"]);
    kernel.remove_rule(100);
    kernel.deliver(&mut engine, at(460));
    assert_eq!(route_log(&mut kernel), ["add rule 100"]);
    assert_eq!(state(&engine), VrrpState::Master);
}

#[test]
fn no_track_routes_and_rules_may_be_deleted() {
    let mut kernel = eth0();
    let untracked = Route {
        no_track: true,
        ..route(A, GATEWAY)
    };
    let mut engine = master(&mut kernel, with(vec![untracked], Vec::new()));
    route_log(&mut kernel);
    kernel.remove_route(A);
    kernel.deliver(&mut engine, at(450));
    assert!(route_log(&mut kernel).is_empty());
}

#[test]
fn routes_are_reinstalled_after_loss_of_an_interface_or_address() {
    let mut kernel = eth0();
    let mut engine = master(&mut kernel, default_instance());
    kernel.add(3, "198.51.100.1/24");
    kernel.deliver(&mut engine, at(410));
    route_log(&mut kernel);
    for (name, event) in [
        (
            "address",
            (|kernel| kernel.remove(3, cidr("198.51.100.1/24"))) as fn(&mut Kernel),
        ),
        ("interface", |kernel| kernel.set_link(3, "eth1", false)),
    ] {
        // The kernel sends no events for these.
        kernel.routes.clear();
        event(&mut kernel);
        kernel.deliver(&mut engine, at(450));
        assert_eq!(installed(&kernel), (2, 1), "{name}");
        route_log(&mut kernel);
    }
    kernel.add(3, "198.51.100.1/24");
    kernel.deliver(&mut engine, at(460));
    assert!(
        route_log(&mut kernel).is_empty(),
        "a new address takes nothing away"
    );
}

#[test]
fn rejected_route_is_retried_with_backoff_and_when_an_address_appears() {
    let mut kernel = eth0();
    kernel.reject_route = Some((cidr(A), 101, "Nexthop has invalid gateway"));
    let mut engine = master(&mut kernel, default_instance());
    assert_eq!(installed(&kernel), (1, 1));
    route_log(&mut kernel);
    run(&mut engine, &mut kernel, at(8_000));
    let tries = route_log(&mut kernel);
    assert_eq!(tries, ["add route 10.1.0.0/16"; 3], "after 1, 3 and 7 s");
    assert_eq!(state(&engine), VrrpState::Master);
    kernel.reject_route = None;
    kernel.add(2, "203.0.113.1/24");
    kernel.deliver(&mut engine, at(8_010));
    assert_eq!(route_log(&mut kernel), ["add route 10.1.0.0/16"]);
    assert_eq!(installed(&kernel), (2, 1));
}

#[test]
fn route_waits_for_its_interface() {
    let mut kernel = eth0();
    let mut late = route(A, None);
    late.hops[0].dev = Some(crate::support::kernel::ifname("eth7"));
    late.no_track = true;
    let mut engine = master(&mut kernel, with(vec![late], Vec::new()));
    assert!(route_log(&mut kernel).is_empty());
    kernel.set_link(7, "eth7", true);
    kernel.deliver(&mut engine, at(450));
    assert_eq!(route_log(&mut kernel), ["add route 10.1.0.0/16"]);
}

#[test]
fn missing_interface_of_a_tracked_route_is_a_fault() {
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
        assert_eq!(installed(&kernel), (0, 0), "{name}");
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
fn ipv6_multipath_nexthops_are_installed_one_by_one() {
    let mut kernel = eth0();
    let mut ways = route("2001:db8::/32", Some("fe80::1"));
    ways.hops[0].dev = Some(crate::support::kernel::ifname("eth0"));
    let mut second = ways.hops[0].clone();
    second.via = Some("fe80::2".parse().expect("an address"));
    ways.hops.push(second);
    let mut engine = master(&mut kernel, with(vec![ways], Vec::new()));
    assert_eq!(kernel.routes.len(), 2);
    route_log(&mut kernel);
    kernel.remove_route("2001:db8::/32");
    kernel.deliver(&mut engine, at(450));
    assert_eq!(
        route_log(&mut kernel).len(),
        2,
        "the one that is there is refused"
    );
    assert_eq!(kernel.routes.len(), 2);
}

#[test]
fn thousands_of_routes_are_installed_in_batches() {
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
    route_log(&mut kernel);
    run(&mut engine, &mut kernel, at(2_000));
    assert_eq!(route_log(&mut kernel), ["add route 10.3.77.0/24"]);
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
fn static_routes_and_rules_are_installed_in_every_state_until_stop() {
    let mut kernel = eth0();
    let config = config(Vec::new(), vec![route(A, GATEWAY)], vec![policy(FROM, 100)]);
    let mut engine = Engine::new(config, Options::default());
    assert!(!engine.is_idle());
    assert!(engine.wants_route_events());
    start(&mut engine, &mut kernel, at(0));
    assert_eq!(installed(&kernel), (1, 1));
    kernel.remove_rule(100);
    kernel.remove_route(A);
    kernel.deliver(&mut engine, at(100));
    assert_eq!(installed(&kernel), (1, 1));
    engine.stop(at(200), &mut kernel);
    assert_eq!(installed(&kernel), (0, 0));
}

#[test]
fn reload_changes_only_what_differs() {
    let mut kernel = eth0();
    let statics = || vec![route("10.9.0.0/16", GATEWAY)];
    let old = config(
        vec![default_instance()],
        statics(),
        vec![policy("10.9.0.0/16", 9)],
    );
    let mut engine = Engine::new(old, Options::default());
    start(&mut engine, &mut kernel, at(0));
    run(&mut engine, &mut kernel, at(400));
    assert_eq!(installed(&kernel), (3, 2));
    kernel.take_log();
    let routes = vec![route("10.3.0.0/16", GATEWAY), route(A, GATEWAY)];
    let next = with(routes, vec![policy(FROM, 101), policy(FROM, 100)]);
    engine.reload(
        at(500),
        config(vec![next], statics(), Vec::new()),
        &mut kernel,
    );
    kernel.deliver(&mut engine, at(500));
    let log = route_log(&mut kernel);
    let (gone, added): (Vec<String>, Vec<String>) =
        log.into_iter().partition(|line| line.starts_with("del"));
    assert_eq!(gone, ["del route 10.2.0.0/16", "del rule 9"]);
    assert!(
        added.contains(&"add route 10.3.0.0/16".to_owned()),
        "{added:?}"
    );
    assert!(added.contains(&"add rule 101".to_owned()), "{added:?}");
    assert_eq!(installed(&kernel), (3, 2));
    // A reload to an empty configuration removes all.
    engine.reload(
        at(600),
        config(vec![with(Vec::new(), Vec::new())], Vec::new(), Vec::new()),
        &mut kernel,
    );
    kernel.deliver(&mut engine, at(600));
    assert_eq!(installed(&kernel), (0, 0));
    assert!(!engine.wants_route_events());
}

#[test]
fn reload_gives_a_master_its_first_routes_and_rules() {
    let mut kernel = eth0();
    let of = |instance| config(vec![instance], Vec::new(), Vec::new());
    let without = of(with(Vec::new(), Vec::new()));
    let mut engine = Engine::new(without, Options::default());
    start(&mut engine, &mut kernel, at(0));
    run(&mut engine, &mut kernel, at(400));
    assert_eq!(
        (state(&engine), installed(&kernel)),
        (VrrpState::Master, (0, 0))
    );
    let next = with(vec![route(A, GATEWAY)], vec![policy(FROM, 100)]);
    engine.reload(at(500), of(next), &mut kernel);
    kernel.deliver(&mut engine, at(500));
    assert_eq!(installed(&kernel), (1, 1));
    run(&mut engine, &mut kernel, at(600));
    engine.stop(at(700), &mut kernel);
    assert_eq!(installed(&kernel), (0, 0), "and removes them");
}

#[test]
fn static_track_group_causes_fault_without_its_static_items() {
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
        track_groups: vec![vec![InstanceId(0)]],
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
        "a route reinstalled at once is no fault"
    );
    kernel.set_link(3, "eth1", false);
    kernel.deliver(&mut engine, at(2_020));
    assert_eq!(states(&engine), [Fault, Master], "an interface is down");
    kernel.set_link(3, "eth1", true);
    kernel.deliver(&mut engine, at(2_030));
    run(&mut engine, &mut kernel, at(3_000));
    assert_eq!(states(&engine), [Master, Master]);
}

#[test]
fn routes_that_stay_are_no_change() {
    let mut kernel = eth0();
    let engine = master(&mut kernel, default_instance());
    let diff = |conf| {
        let instances = vec![conf];
        engine.diff(Config {
            instances,
            ..Config::default()
        })
    };
    let text = diff(default_instance());
    assert!(text.contains("1 kept, 0 changed"), "{text}");
    let text = diff(with(vec![route(A, GATEWAY)], Vec::new()));
    assert!(
        text.contains("changes: virtual_routes, virtual_rules\n"),
        "{text}"
    );
}
