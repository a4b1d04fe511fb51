//! vrrpd: VRRP, virtual addresses, IPVS and health checks in one static binary, configured with
//! keepalived.conf.
//!
//! `main.rs` only calls [`run::run`], so that tests and fuzz targets can link everything else.
//! `tests/layers.rs` enforces which module may use which.

#![cfg_attr(
    not(test),
    warn(clippy::too_many_lines, clippy::fn_params_excessive_bools)
)]

#[cfg(feature = "lvs")]
pub mod check;
pub mod cli;
pub mod config;
pub mod ctl;
pub mod engine;
pub mod exit;
mod log;
#[cfg(feature = "lvs")]
pub mod lvs;
pub mod netlink;
pub mod notify;
pub mod os;
pub mod run;
#[cfg(feature = "sniff")]
pub mod sniff;
#[allow(unsafe_code)]
mod sys;
pub mod types;
#[cfg(feature = "uci")]
pub mod uci;
pub mod vrrp;
pub mod wire;
