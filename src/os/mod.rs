//! The shell: the only place with file descriptors.

mod atomic;
pub mod bounded;
mod child;
mod clock;
pub mod daemon;
mod dumps;
mod fifo;
#[cfg(feature = "lvs")]
pub mod genhash;
pub mod host;
#[cfg(feature = "lvs")]
mod ipvs;
mod linux;
pub mod logging;
mod nlsock;
pub mod pidfile;
#[cfg(feature = "mail")]
mod postman;
#[cfg(feature = "lvs")]
mod probes;
pub mod process;
mod procs;
mod program;
mod rawsock;
pub mod reactor;
pub mod signals;
mod sink;
mod syslog;
#[cfg(test)]
mod testing;
mod watch;
