//! The kernel's objects that the engine keeps as configured: interfaces, addresses, routes, rules,
//! macvlans, packet filter rules, receive sockets and settings.

mod address_pass;
pub(crate) mod addresses;
pub(crate) mod backoff;
pub(crate) mod interfaces;
pub(crate) mod lease;
pub(crate) mod no_accept;
pub(crate) mod ownership;
pub(crate) mod present;
pub(crate) mod repair_limit;
pub(crate) mod route_item;
mod route_pass;
pub(crate) mod routes;
pub(crate) mod secondaries;
pub(crate) mod sockets;
pub(crate) mod static_objects;
pub(crate) mod sysctl;
pub(crate) mod vmac;
pub(crate) mod vmac_base;
mod vmac_request;
mod vmac_settings;
