//! When the state file is written.

use crate::support::kernel::{Kernel, at, engine, eth0, instance, run, start};
use vrrpd::engine::Engine;
use vrrpd::types::Centis;

/// A master at 10 ms.
fn master() -> (Engine, Kernel) {
    let mut kernel = eth0();
    let mut conf = instance(7, 100, &["192.0.2.100/32"]);
    conf.advert_int = Centis(1);
    let mut engine = engine(vec![conf]);
    start(&mut engine, &mut kernel, at(0));
    run(&mut engine, &mut kernel, at(1000));
    kernel.log_state_writes = true;
    kernel.take_log();
    (engine, kernel)
}

fn count(log: &[String], start: &str) -> usize {
    log.iter().filter(|line| line.starts_with(start)).count()
}

#[test]
fn times_of_adverts_are_written_ten_times_a_second() {
    let (mut engine, mut kernel) = master();
    run(&mut engine, &mut kernel, at(3000));
    let log = kernel.take_log();
    assert_eq!(count(&log, "advert"), 200);
    let writes = count(&log, "state");
    assert!((19..=21).contains(&writes), "{writes}");
}

#[test]
fn end_of_mastership_is_written_at_once() {
    let (mut engine, mut kernel) = master();
    run(&mut engine, &mut kernel, at(1011));
    kernel.take_log();
    kernel.set_link(2, "eth0", false);
    kernel.deliver(&mut engine, at(1012));
    assert_eq!(
        kernel.take_log().first().map(String::as_str),
        Some("state 0")
    );
}
