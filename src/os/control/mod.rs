//! The control socket: the daemon's side and the client's. `ctl::request` and `ctl::reply` have the
//! protocol.

pub mod client;
mod clients;
mod connection;
mod listener;
pub mod server;
