//! What needs a machine of its own: virtual servers on a kernel with IPVS (connections, health checks,
//! and the kernel's table), VRFs and ipvlans, and suspension.

mod checkers;
mod checks;
mod compare;
mod failover;
mod network;
mod notifications;
mod server;
mod suspend;
mod table;
mod traffic;
mod vmac;

use vrrpd_lab::peers::find;
pub(crate) use vrrpd_lab::suite::{Ctx, Outcome, Test};

fn main() {
    let tests: Vec<Test> = [
        &[table::FIRST],
        traffic::TESTS,
        checks::TESTS,
        checkers::TESTS,
        table::TESTS,
        failover::TESTS,
        compare::TESTS,
        notifications::TESTS,
        suspend::TESTS,
        vmac::TESTS,
    ]
    .concat();
    let programs = checkers::PROGRAMS.into_iter().filter_map(find);
    let programs = programs.map(|path| path.to_string_lossy().into_owned());
    let files: Vec<String> = ["lvs".to_owned()].into_iter().chain(programs).collect();
    vrrpd_lab::guest::main(&tests, &files);
}
