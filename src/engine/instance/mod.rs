//! One `vrrp_instance` at run time: what it receives, sends, and does to the kernel.

pub(crate) mod actions;
pub(crate) mod auth;
pub(crate) mod garp_pacing;
#[cfg(feature = "sniff")]
pub mod judge;
pub(crate) mod messages;
pub(crate) mod resume;
pub(crate) mod router;
pub mod rx;
pub mod state_record;
pub(crate) mod state_text;
pub(crate) mod tx;
