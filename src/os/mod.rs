//! Everything that touches the kernel: the poll loop, all file descriptors, signals, processes and
//! files.
//!
//! [`reactor`] is the loop; `linux` implements the engine's `System`; the rest is one file per
//! kernel facility.

mod atomic_file;
mod auto_priority;
pub mod blocking_script;
pub mod child;
mod child_privileges;
mod clock;
pub mod control;
pub mod daemon;
mod dumps;
mod event_reader;
mod executable;
mod fifo;
mod file_access;
mod file_watch;
pub mod host;
pub mod instance_lock;
mod linux;
pub mod lock_holder;
mod log_sink;
pub mod logging;
#[cfg(feature = "lvs")]
pub mod lvs;
#[cfg(feature = "json")]
mod metrics;
mod netlink_socket;
pub mod open_file;
mod packets;
mod path_check;
pub mod pid_file;
pub mod privileges;
mod proc_table;
mod raw_socket;
pub mod reactor;
mod read_pause;
mod receive_clock;
mod resignations;
pub mod respawn;
pub mod restart;
pub mod sched;
pub mod sd_notify;
pub mod seccomp;
pub mod signals;
#[cfg(feature = "mail")]
mod smtp_sender;
#[cfg(feature = "sniff")]
pub mod sniff;
pub mod state_file;
mod syslog;
#[cfg(test)]
mod testing;
#[cfg(feature = "uci")]
pub mod ubus;
#[cfg(feature = "uci")]
pub mod uci2conf;
