//! OpenWrt's UCI configuration as a keepalived.conf: every option, every message, and no input that hurts.

mod check;
mod command;
mod golden;
mod hostile;
#[path = "../support/host.rs"]
mod machine;
mod table;
