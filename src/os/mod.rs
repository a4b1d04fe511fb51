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
pub mod respawn;
pub mod restart;
pub mod service;
pub mod signals;
mod sink;
pub mod statefile;
mod syslog;
#[cfg(test)]
mod testing;
#[cfg(feature = "uci")]
pub mod uci2conf;
mod watch;
