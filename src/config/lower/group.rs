//! `vrrp_sync_group`.

use super::Lowering;
use super::fields::Fields;
use crate::config::model::{SyncGroup, VrrpInstance};

impl Lowering<'_> {
    /// The groups; their members are told, and get what the group tracks.
    pub(super) fn groups(
        &mut self,
        _top: &Fields<'_>,
        _instances: &mut [VrrpInstance],
    ) -> Vec<SyncGroup> {
        Vec::new()
    }
}
