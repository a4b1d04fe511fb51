//! OpenWrt's UCI configuration as a keepalived.conf: every option, every message, and no input that hurts.

mod command;
mod golden;
mod host;
mod hostile;
mod table;
