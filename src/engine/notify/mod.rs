//! Notifications of state changes: scripts, FIFOs and mail, and the child processes that deliver
//! them.

pub(crate) mod children;
pub(crate) mod fifo;
#[cfg_attr(not(feature = "mail"), path = "no_mail_queue.rs")]
pub(crate) mod mail_queue;
pub(crate) mod notifier;
