//! The shell: the only place with file descriptors.

mod atomic;
mod child;
mod clock;
pub mod daemon;
mod dumps;
pub mod host;
mod linux;
pub mod logging;
mod nlsock;
pub mod pidfile;
mod program;
mod rawsock;
pub mod reactor;
pub mod signals;
mod sink;
mod syslog;
#[cfg(test)]
mod testing;
