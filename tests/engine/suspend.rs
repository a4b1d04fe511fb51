//! A machine that was suspended: the monotonic clock stood still, and nothing was received.

use std::time::Duration;

use crate::support::kernel::{Kernel, advert, at, engine, eth0, instance, receive, run, start};
use vrrpd::config::model::Garp;
use vrrpd::engine::Engine;
use vrrpd::types::{Rare, VrrpState};

const VIP: &str = "192.0.2.100/32";
const NIGHT: Duration = Duration::from_secs(8 * 3600);

/// A master at 500 ms that announces its address every 50 ms.
fn master() -> (Engine, Kernel) {
    let mut kernel = eth0();
    let mut conf = instance(7, 100, &[VIP]);
    conf.garp = Rare::new(Garp {
        refresh: Duration::from_millis(50),
        ..*conf.garp
    });
    let mut engine = engine(vec![conf]);
    start(&mut engine, &mut kernel, at(0));
    run(&mut engine, &mut kernel, at(500));
    assert_eq!(states(&engine), [VrrpState::Master]);
    kernel.take_log();
    (engine, kernel)
}

fn states(engine: &Engine) -> Vec<VrrpState> {
    engine.instances().map(|(_, state, _)| state).collect()
}

#[test]
fn suspended_master_that_hears_nobody_announces_its_address_again() {
    let (mut engine, mut kernel) = master();
    engine.suspended(at(510), NIGHT, &mut kernel);
    run(&mut engine, &mut kernel, at(600));
    assert_eq!(kernel.take_log(), [""; 0], "it listens");
    run(&mut engine, &mut kernel, at(700));
    let log = kernel.take_log();
    assert_eq!(log[0], "advert 7 prio 100 to 224.0.0.18");
    assert_eq!(log[1], "garp 2 192.0.2.100");
    assert_eq!(states(&engine), [VrrpState::Master]);
}

#[test]
fn suspended_master_that_hears_a_stronger_one_sends_nothing() {
    let (mut engine, mut kernel) = master();
    engine.suspended(at(510), NIGHT, &mut kernel);
    let packet = advert(7, 200, "192.0.2.2", "224.0.0.18", &[VIP]);
    receive(&mut engine, &mut kernel, at(590), 2, &packet);
    run(&mut engine, &mut kernel, at(595));
    assert_eq!(kernel.take_log(), ["del 2 192.0.2.100/32"]);
    assert_eq!(states(&engine), [VrrpState::Backup]);
}

#[test]
fn backup_waits_for_its_master_again_after_a_suspension() {
    let mut kernel = eth0();
    let mut engine = engine(vec![instance(7, 100, &[VIP])]);
    start(&mut engine, &mut kernel, at(0));
    run(&mut engine, &mut kernel, at(300));
    engine.suspended(at(310), NIGHT, &mut kernel);
    run(&mut engine, &mut kernel, at(600));
    assert_eq!(states(&engine), [VrrpState::Backup]);
    run(&mut engine, &mut kernel, at(700));
    assert_eq!(states(&engine), [VrrpState::Master]);
}
