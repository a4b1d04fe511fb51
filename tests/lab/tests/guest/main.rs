//! Virtual servers on a kernel that has IPVS: real connections, real health checks, the kernel's own table.

mod checks;
mod compare;
mod failover;
mod farm;
mod kinds;
mod server;
mod table;
mod told;
mod traffic;

use vrrpd_lab::peers::find;
pub(crate) use vrrpd_lab::suite::{Ctx, Outcome, Test};

fn main() {
    let tests: Vec<Test> = [
        &[table::FIRST],
        traffic::TESTS,
        checks::TESTS,
        kinds::TESTS,
        table::TESTS,
        failover::TESTS,
        compare::TESTS,
        told::TESTS,
    ]
    .concat();
    let programs = kinds::PROGRAMS.into_iter().filter_map(find);
    let programs = programs.map(|path| path.to_string_lossy().into_owned());
    let files: Vec<String> = ["lvs".to_owned()].into_iter().chain(programs).collect();
    vrrpd_lab::guest::main(&tests, &files);
}
