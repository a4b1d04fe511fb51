//! Refused kernel settings. Each causes a warning, but a read-only /proc/sys, as in containers,
//! only one.

use std::io;

use crate::engine::cx::Cx;
use crate::engine::events::{EventKind, Object};
use crate::log::Level;

/// Which refusals were logged.
#[derive(Debug, Default)]
pub(crate) struct SysctlErrors {
    read_only: bool,
}

impl SysctlErrors {
    /// Whether a refusal has to be logged by the caller. That /proc/sys is read-only is logged
    /// here.
    pub(crate) fn is_new(&mut self, cx: &Cx<'_>, error: &io::Error) -> bool {
        if error.kind() != io::ErrorKind::ReadOnlyFilesystem {
            return true;
        }
        if !core::mem::replace(&mut self.read_only, true) {
            cx.note(
                Level::Warn,
                EventKind::Refused,
                Object::DAEMON,
                format_args!(
                    "/proc/sys is read-only: the settings of use_vmac and promote_secondaries are not applied"
                ),
            );
        }
        false
    }
}
