//! Exit codes. They are keepalived's, which service managers and scripts know.

/// Success, including an orderly stop.
pub const OK: u8 = 0;
/// Another copy is running. A success, as for keepalived.
pub const ALREADY_RUNNING: u8 = 0;
/// Wrong option, or the kernel refused something that the daemon cannot run without.
pub const FATAL: u8 = 1;
/// The configuration was read, but has an error that prevents the start.
pub const CONFIG: u8 = 2;
/// CAP_NET_ADMIN or CAP_NET_RAW is missing.
pub const NO_PERMISSION: u8 = 4;
/// The configuration file is missing or cannot be read.
pub const NO_CONFIG: u8 = 6;
/// A bug in vrrpd.
pub const INTERNAL: u8 = 70;

/// `-t`: the daemon would not start with this configuration.
pub const TEST_CANNOT_RUN: u8 = 4;
/// `-t`: the configuration has errors; what they concern is left out, the rest would run.
pub const TEST_ERRORS: u8 = 5;
/// `-t`: the worst is that scripts run as root without `enable_script_security`.
pub const TEST_INSECURE: u8 = 6;

/// `status` and the other commands: the daemon refuses it.
pub const REFUSED: u8 = 1;
/// The same: wrong usage.
pub const USAGE: u8 = 2;
/// The same: no daemon answers.
pub const NOT_RUNNING: u8 = 3;
