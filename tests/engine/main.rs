//! The engine against a fake kernel: adverts, netlink events and exit statuses in; packets, netlink
//! requests, notifications and log lines out. One program, because linking one per file would take
//! longer than running the tests.

#[path = "../support/mod.rs"]
mod support;

mod addresses;
mod auth;
#[cfg(feature = "lvs")]
mod checks;
mod counters;
#[cfg(feature = "lvs")]
mod drain;
mod events;
mod groups;
mod growth;
mod instance;
#[cfg(feature = "lvs")]
mod ipvs;
mod lease;
#[cfg(feature = "lvs")]
mod lvs;
mod maintenance;
mod no_accept;
mod notify;
mod outlook;
mod reading;
mod reload;
mod repair;
mod resume;
mod routes;
mod secondaries;
mod state_file;
mod suspend;
mod together;
mod track;
mod transport;
mod vmac;
mod vmac_repair;
