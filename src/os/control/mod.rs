//! The control socket: the daemon's side and the client's. `ctl::request` and `ctl::reply` have the
//! protocol.

pub mod client;
mod connection;
mod listener;
mod reactor;
pub mod server;
