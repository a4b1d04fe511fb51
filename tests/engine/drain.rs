//! Drained real servers: the IPVS table, quorum and sorry server, reload and restart.

use std::time::Duration;

use crate::lvs::{Setup, config, rs, servers, sorry, vs};
use crate::support::kernel::{at, run, start};
use vrrpd::config::model::lvs::VirtualServer;
use vrrpd::ctl::Clock;
use vrrpd::engine::{Engine, Maintenance, Options};

const VS: &str = "[198.51.100.1]:tcp:80";
const GENTLE: Maintenance<'_> = Maintenance {
    time: None,
    reason: "",
    force: false,
};
const FORCED: Maintenance<'_> = Maintenance {
    force: true,
    ..GENTLE
};

fn drain(
    setup: &mut Setup,
    ms: u64,
    server: &str,
    what: &Maintenance<'_>,
) -> Result<String, String> {
    setup
        .engine
        .drain(at(ms), [VS, server], what, &mut setup.kernel)
}

fn drained(setup: &Setup) -> Vec<String> {
    let clock = Clock {
        now: at(0),
        wall: Duration::ZERO,
        utc_offset: 0,
    };
    let snapshot = setup.engine.snapshot(clock, None);
    let servers = snapshot.services.iter().flat_map(|one| &one.servers);
    let held = servers.filter(|server| server.maintenance.is_some());
    held.map(|server| server.conf.addr.to_string()).collect()
}

#[test]
fn a_drained_server_has_weight_0_whatever_its_checks_say() {
    let mut conf = servers(3);
    conf.real_servers[0].inhibit_on_failure = true;
    let mut setup = Setup::started(&config(vec![conf]));
    setup.run_until(1_000);
    setup.notifications();
    for server in ["[10.0.0.1]:tcp:80", "10.0.0.2"] {
        drain(&mut setup, 1_000, server, &GENTLE).expect("one is left");
    }
    assert_eq!(setup.table(), "1:0 2:0 3:1");
    assert_eq!(drained(&setup), ["10.0.0.1", "10.0.0.2"]);
    setup.fail_servers(&[1, 2], 25_000);
    assert_eq!(setup.table(), "1:0 3:1", "a failed one is removed as ever");
    setup.fail_servers(&[], 40_000);
    assert_eq!(setup.table(), "1:0 2:0 3:1");
    let undrain = |setup: &mut Setup, server| {
        setup
            .engine
            .undrain(at(40_000), [VS, server], &mut setup.kernel)
    };
    undrain(&mut setup, "10.0.0.1:80").expect("known");
    assert_eq!(setup.table(), "1:1 2:0 3:1");
    assert_eq!(
        undrain(&mut setup, "10.0.0.1"),
        Ok("not in maintenance\n".to_owned())
    );
    let notifications = setup.notifications();
    assert!(!notifications.contains(&vs("DOWN")), "{notifications:?}");
}

#[test]
fn a_drain_ends_with_its_time() {
    let mut setup = Setup::started(&config(vec![servers(2)]));
    setup.run_until(1_000);
    let minute = Maintenance {
        time: Some(Duration::from_secs(60)),
        ..GENTLE
    };
    let text = drain(&mut setup, 1_000, "10.0.0.1", &minute).expect("one is left");
    assert_eq!(
        text,
        "[10.0.0.1]:tcp:80 of [198.51.100.1]:tcp:80: weight 0 for 1 min; it gets no new connections\n"
    );
    setup.run_until(60_950);
    assert_eq!(setup.table(), "1:0 2:1");
    setup.run_until(61_000);
    assert_eq!(setup.table(), "1:1 2:1");
    assert_eq!(drained(&setup), [""; 0]);
}

#[test]
fn the_last_server_and_the_quorum_are_drained_by_force_only() {
    for (with_sorry, then, table) in [
        (true, "the sorry server would take over", "1:0 2:0 99:1"),
        (false, "no server would get connections", "1:0 2:0"),
    ] {
        let mut setup = Setup::started(&config(vec![VirtualServer {
            sorry_server: sorry(false).filter(|_| with_sorry),
            ..servers(2)
        }]));
        setup.run_until(1_000);
        setup.notifications();
        drain(&mut setup, 1_000, "10.0.0.1", &GENTLE).expect("one is left");
        let why = drain(&mut setup, 1_000, "10.0.0.2", &GENTLE).unwrap_err();
        assert_eq!(
            why,
            format!(
                "[10.0.0.2]:tcp:80: it is the only server of {VS} that gets connections; {then}; \
                 nothing was changed, --force drains it anyway"
            )
        );
        assert_eq!(setup.notifications(), [""; 0]);
        drain(&mut setup, 1_000, "10.0.0.2", &FORCED).expect("forced");
        run(&mut setup.engine, &mut setup.kernel, at(1_005));
        assert_eq!(setup.notifications(), [vs("DOWN")]);
        assert_eq!(setup.table(), table, "connections of both finish");
    }
    let mut setup = Setup::started(&config(vec![VirtualServer {
        quorum: 2,
        ..servers(2)
    }]));
    setup.run_until(1_000);
    let why = drain(&mut setup, 1_000, "10.0.0.2", &GENTLE).unwrap_err();
    assert!(
        why.contains("would lose its quorum with weight 1 of 2 left"),
        "{why}"
    );
    // A server that is down carries nothing.
    setup.fail_servers(&[2], 25_000);
    drain(&mut setup, 25_000, "10.0.0.2", &GENTLE).expect("it is down");
}

#[test]
fn names_are_found_in_full_or_as_address_and_port() {
    let mut twice = servers(2);
    twice.real_servers[1].addr = twice.real_servers[0].addr;
    twice.real_servers[1].port = 81;
    let mut setup = Setup::started(&config(vec![twice]));
    let mut ask = |service: &str, server: &str| {
        let names = [service, server];
        setup
            .engine
            .drain(at(100), names, &FORCED, &mut setup.kernel)
    };
    for (service, server, want) in [
        (
            "198.51.100.2:80",
            "10.0.0.1",
            "there is no virtual server '198.51.100.2:80'",
        ),
        (
            "198.51.100.1:80",
            "10.0.0.3",
            "virtual server [198.51.100.1]:tcp:80 has no real server '10.0.0.3'",
        ),
        (
            "198.51.100.1:80",
            "10.0.0.1",
            "'10.0.0.1' may be [10.0.0.1]:tcp:80 or [10.0.0.1]:tcp:81",
        ),
    ] {
        assert_eq!(ask(service, server), Err(want.to_owned()));
    }
    ask("198.51.100.1:80", "10.0.0.1:81").expect("one server");
    assert_eq!(drained(&setup), ["10.0.0.1"]);
}

#[test]
fn drains_survive_reload_kill_and_restart_and_end_with_the_server() {
    let conf = |count, order: bool| {
        let mut conf = servers(count);
        if order {
            conf.real_servers.reverse();
        }
        config(vec![conf])
    };
    let mut setup = Setup::started(&conf(3, false));
    setup.run_until(1_000);
    setup.notifications();
    drain(&mut setup, 1_000, "10.0.0.1", &GENTLE).expect("two are left");
    setup.reload(2_000, &conf(3, true));
    assert_eq!(setup.table(), "1:0 2:1 3:1");
    setup.engine = Engine::new(conf(3, false), Options::default());
    start(&mut setup.engine, &mut setup.kernel, at(3_000));
    assert_eq!(setup.table(), "1:0 2:1 3:1", "killed");
    setup.engine.hand_over(at(4_000), &mut setup.kernel);
    setup.engine = Engine::new(conf(3, true), Options::default());
    start(&mut setup.engine, &mut setup.kernel, at(4_100));
    assert_eq!(setup.table(), "1:0 2:1 3:1", "executed again");
    assert_eq!(drained(&setup), ["10.0.0.1"]);
    let mut without = conf(3, false);
    without.lvs.virtual_servers[0].real_servers.remove(0);
    setup.reload(5_000, &without);
    assert_eq!(drained(&setup), [""; 0]);
    setup.reload(6_000, &conf(3, false));
    assert_eq!(setup.table(), "1:1 2:1 3:1", "it was forgotten");
    let notifications = setup.notifications();
    assert!(!notifications.contains(&rs(1, "UP")), "{notifications:?}");
}
