//! The kernel's objects that the engine keeps as configured: interfaces, addresses, routes, rules,
//! macvlans, packet filter rules, receive sockets and settings.

pub(crate) mod addresses;
pub(crate) mod backoff;
pub(crate) mod interfaces;
pub(crate) mod lease;
pub(crate) mod no_accept;
pub(crate) mod route_item;
pub(crate) mod routes;
pub(crate) mod sockets;
pub(crate) mod static_objects;
pub(crate) mod sysctl;
pub(crate) mod vmac;
