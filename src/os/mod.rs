//! The shell: the only place with file descriptors.

pub mod daemon;
pub mod host;
pub mod logging;
pub mod pidfile;
pub mod signals;
mod sink;
mod syslog;
#[cfg(test)]
mod testing;
