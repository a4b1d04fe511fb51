//! Virtual servers on a kernel that has IPVS: real connections, real health checks, the kernel's own table.

mod checks;
mod compare;
mod failover;
mod farm;
mod server;
mod table;
mod traffic;

pub(crate) use vrrpd_lab::suite::{Ctx, End, Test};

fn main() {
    let tests: Vec<Test> = [
        &[table::FIRST],
        traffic::TESTS,
        checks::TESTS,
        table::TESTS,
        failover::TESTS,
        compare::TESTS,
    ]
    .concat();
    vrrpd_lab::guest::main(&tests, &["lvs"]);
}
