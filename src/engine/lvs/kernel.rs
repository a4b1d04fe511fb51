//! The kernel's table of services, brought and kept in step with what is desired.

/// What is known of the kernel's IPVS.
#[derive(Debug, Default)]
pub(in crate::engine) struct Kernel {}
