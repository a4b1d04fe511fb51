//! Tests on a live kernel, in private network namespaces. `make test` runs them; no root is needed.

mod auth;
mod checks;
mod debian;
mod dumps;
mod filter;
mod forged;
mod groups;
mod hotstart;
mod init;
mod kernel;
mod lacking;
mod lease;
mod mail;
mod notify;
mod openwrt;
mod own_process;
mod process;
mod reload;
mod routes;
mod scripts;
mod servers;
mod services;
mod support;
mod takeover;
mod transports;
mod vmac;
mod wire;

use vrrpd_lab::suite;
pub(crate) use vrrpd_lab::suite::{Ctx, Outcome, Test};

fn main() {
    let tests = [
        takeover::TESTS,
        transports::TESTS,
        kernel::TESTS,
        lacking::TESTS,
        vmac::TESTS,
        wire::TESTS,
        auth::TESTS,
        forged::TESTS,
        lease::TESTS,
        groups::TESTS,
        hotstart::TESTS,
        init::TESTS,
        filter::TESTS,
        process::TESTS,
        notify::TESTS,
        debian::TESTS,
        openwrt::TESTS,
        mail::TESTS,
        dumps::TESTS,
        own_process::TESTS,
        reload::TESTS,
        scripts::TESTS,
        routes::TESTS,
        checks::TESTS,
        servers::TESTS,
        services::TESTS,
    ]
    .concat();
    suite::main(&tests);
}
