//! Notifications of state changes: scripts, FIFOs and mail, and the child processes that deliver
//! them.

pub(crate) mod children;
pub(crate) mod fifo;
pub(crate) mod mail_queue;
pub(crate) mod notifier;
