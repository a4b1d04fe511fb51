//! vrrpd: keepalived's job in one small static binary. `main.rs` is a thin shell around this library
//! so that tests and fuzz targets can link it.
//!
//! Rooms and who may use whom: `run → cli, os`; `os → engine, notify, netlink, wire, types, sys`;
//! `engine → ctl, notify, lvs, check, vrrp, config, netlink, wire, types`; `ctl, notify, lvs, check → config::model, types`;
//! `vrrp → wire, types`; `config → types`; `uci → config, types`; `netlink, wire → types`. `tests/layers.rs` holds these arrows.

#[cfg(feature = "lvs")]
pub mod check;
pub mod cli;
pub mod config;
pub mod ctl;
pub mod engine;
pub mod exit;
#[cfg(feature = "lvs")]
pub mod lvs;
pub mod netlink;
pub mod notify;
pub mod os;
pub mod run;
#[allow(unsafe_code)]
mod sys;
pub mod types;
#[cfg(feature = "uci")]
pub mod uci;
pub mod vrrp;
pub mod wire;
