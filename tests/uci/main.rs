//! Converting OpenWrt's UCI configuration to keepalived.conf: every option, every diagnostic, and
//! hostile input.

mod check;
mod command;
#[path = "../support/golden.rs"]
mod golden;
mod golden_files;
#[path = "../support/host.rs"]
mod host;
mod hostile;
mod network;
#[path = "../support/rng.rs"]
mod rng;
mod syntax;
mod table;
