//! Tests on a live kernel, in private network namespaces. `make test` runs them; no root is needed.

mod adopt;
mod auth;
mod checks;
mod clients;
mod control;
mod debian;
mod dumps;
mod events;
mod forged;
mod groups;
mod init;
mod kernel;
mod lease;
mod mail;
mod maintenance;
mod metrics;
mod missing_features;
mod no_accept;
mod notify;
mod openwrt;
mod process;
mod process_settings;
mod reload;
mod repair;
mod restart;
mod routes;
mod scripts;
mod servers;
mod services;
mod side_by_side;
mod sniff;
mod support;
mod takeover;
mod transports;
mod views;
mod vmac;
mod wakeups;
mod wire;

use vrrpd_lab::suite;
pub(crate) use vrrpd_lab::suite::{Ctx, Outcome, Test};

fn main() {
    let tests = [
        takeover::TESTS,
        transports::TESTS,
        kernel::TESTS,
        missing_features::TESTS,
        views::TESTS,
        vmac::TESTS,
        wakeups::TESTS,
        wire::TESTS,
        auth::TESTS,
        forged::TESTS,
        lease::TESTS,
        groups::TESTS,
        restart::TESTS,
        init::TESTS,
        no_accept::TESTS,
        process::TESTS,
        notify::TESTS,
        debian::TESTS,
        openwrt::TESTS,
        clients::TESTS,
        mail::TESTS,
        maintenance::TESTS,
        dumps::TESTS,
        control::TESTS,
        metrics::TESTS,
        events::TESTS,
        process_settings::TESTS,
        reload::TESTS,
        repair::TESTS,
        adopt::TESTS,
        scripts::TESTS,
        routes::TESTS,
        checks::TESTS,
        servers::TESTS,
        services::TESTS,
        side_by_side::TESTS,
        sniff::TESTS,
    ]
    .concat();
    suite::main(&tests);
}
