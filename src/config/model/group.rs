//! Sync groups.

use super::Notify;
use crate::types::InstanceId;

/// `vrrp_sync_group NAME { … }`. Objects tracked by the group are in
/// [`super::VrrpInstance::tracks`] of its members.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct SyncGroup {
    /// Name, as in logs and notifications.
    pub name: String,
    /// Indexes of its instances in [`super::Config::instances`].
    pub members: Vec<InstanceId>,
    /// The `notify*` and `smtp_alert` keywords.
    pub notify: Notify,
    /// `sync_group_tracking_weight`: weights of tracked objects change the members' priorities.
    pub tracking_weight: bool,
}
