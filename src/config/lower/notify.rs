//! `notify*` and `smtp_alert` of instances and groups, and the FIFOs.

use super::Lowering;
use super::fields::Fields;
use crate::config::model::Notify;

impl Lowering<'_> {
    /// Who is told of changes of an instance or group.
    pub(super) fn notify(&mut self, _fields: &Fields<'_>) -> Notify {
        Notify::default()
    }
}
