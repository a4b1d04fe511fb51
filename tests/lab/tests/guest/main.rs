//! Virtual servers on a kernel that has IPVS: real connections, real health checks, the kernel's own table.

mod checks;
mod farm;
mod server;
mod traffic;

pub(crate) use vrrpd_lab::suite::{Ctx, End, Test};

fn main() {
    let tests: Vec<Test> = [traffic::TESTS, checks::TESTS].concat();
    vrrpd_lab::guest::main(&tests, &["lvs"]);
}
