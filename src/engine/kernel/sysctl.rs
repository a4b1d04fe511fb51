//! Kernel settings that are refused. Each costs its own warning, except where all of them are refused, as in a container
//! whose /proc/sys is read-only: that is one.

use std::io;

/// What has been said.
#[derive(Debug, Default)]
pub(crate) struct SysctlErrors {
    read_only: bool,
}

impl SysctlErrors {
    /// A setting was refused. Whether that one is still to be said.
    pub(crate) fn is_news(&mut self, error: &io::Error) -> bool {
        if error.kind() != io::ErrorKind::ReadOnlyFilesystem {
            return true;
        }
        if !core::mem::replace(&mut self.read_only, true) {
            log::warn!(
                target: "vrrp",
                "/proc/sys is read-only: what use_vmac and promote_secondaries set there stays as it is"
            );
        }
        false
    }
}
