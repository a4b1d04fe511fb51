//! Groups of instances: `vrrp_sync_group` and `track_group`.

use super::row::{Arg, Items, Keyword, Schema, row};
use super::track;
use super::{Feature, Reason};

/// `vrrp_sync_group NAME { … }`.
pub(super) static SYNC_GROUP: Schema = Schema {
    name: "vrrp_sync_group",
    tables: &[GROUP_ROWS, track::TRACKING_COMMON],
};

/// `track_group NAME { … }`.
pub(super) static TRACK_GROUP: Schema = Schema {
    name: "track_group",
    tables: &[TRACK_GROUP_ROWS],
};

/// Instance names of a group.
static MEMBERS: Items = Items {
    noun: "instance name",
    args: &[Arg::Name(255)],
    many_per_line: true,
};

#[rustfmt::skip]
static GROUP_ROWS: &[Keyword] = &[
    row!("group", [], S, "", "Instances of the group").items(&MEMBERS).repeat(),
    row!("notify_master", [Arg::Cmd], S, "", "Command that is run on transition of the group to MASTER state").first(),
    row!("notify_backup", [Arg::Cmd], S, "", "Command that is run on transition of the group to BACKUP state").first(),
    row!("notify_fault", [Arg::Cmd], S, "", "Command that is run on transition of the group to FAULT state").first(),
    row!("notify_stop", [Arg::Cmd], A, "", "Command that is run when the daemon stops").first(),
    row!("notify_deleted", [Arg::Opt(&Arg::Cmd)], C, "", "Command that is run when a reload removes the group").no_effect(Reason::MembersDeleted),
    row!("notify", [Arg::Cmd], S, "", "Command that is run on every transition of the group, with the arguments GROUP NAME STATE 0").first(),
    row!("smtp_alert", [Arg::Bool], S, "", "Send an email on every transition of the group; default: smtp_alert of global_defs").requires(Feature::Mail),
    row!("sync_group_tracking_weight", [], B, "", "Allow members to track with a weight of their own"),
    row!("global_tracking" = "sync_group_tracking_weight", [], C),
    row!("notify_priority_changes", [Arg::Bool], B, "", "Write changes of the effective priority of the members to the FIFOs; default: vrrp_notify_priority_changes"),
];

#[rustfmt::skip]
static TRACK_GROUP_ROWS: &[Keyword] = &[
    row!("group", [], B, "", "Instances of the group").items(&MEMBERS).repeat(),
];
