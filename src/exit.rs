//! Exit codes. The numbers are keepalived's, because service managers and scripts already know them.

/// All went well, including an orderly stop.
pub const OK: u8 = 0;
/// A second copy was started: nothing to do. keepalived calls that a success, so do we.
pub const ALREADY_RUNNING: u8 = 0;
/// Wrong option, or something the daemon cannot run without was refused at run time.
pub const FATAL: u8 = 1;
/// The configuration was read, but nothing can run from it.
pub const CONFIG: u8 = 2;
/// A capability is missing.
pub const NO_PERMISSION: u8 = 4;
/// The configuration file is missing or cannot be read.
pub const NO_CONFIG: u8 = 6;
/// A bug of ours.
pub const INTERNAL: u8 = 70;

/// `-t`: nothing can run from this file.
pub const TEST_CANNOT_RUN: u8 = 4;
/// `-t`: something in the file is wrong and is left out; the rest runs.
pub const TEST_ERRORS: u8 = 5;
