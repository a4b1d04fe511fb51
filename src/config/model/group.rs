//! Sync groups.

use super::Notify;

/// `vrrp_sync_group NAME { … }`; what it tracks stands in its members.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct SyncGroup {
    /// Its name.
    pub name: String,
    /// Places of its instances in [`super::Config::instances`].
    pub members: Vec<usize>,
    /// Who is told of the group's changes.
    pub notify: Notify,
    /// `sync_group_tracking_weight`: weights of members count.
    pub tracking_weight: bool,
}
