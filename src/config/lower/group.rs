//! `vrrp_sync_group`: resolves the members, and adds the objects the group tracks to those its
//! members track.
//!
//! If a tracked object changed the priority of one member only, each of two routers could win the
//! election of another member. Therefore keepalived applies weights to all members or to none; see
//! [`Lowering::restrict_member_weights`].

use super::fields::Fields;
use super::track::TrackLine;
use super::{Lowering, first};
use crate::config::diag::{Severity, Span};
use crate::config::model::{SyncGroup, Track, Tracked, VrrpInstance};
use crate::config::span_map::{NameIndex, SpanMap};
use crate::config::tree::{Block, Node, Word};
use crate::types::{GroupId, InstanceId};

impl Lowering<'_> {
    /// The sync groups. Sets `sync_group` and adds tracked objects in their members.
    pub(super) fn groups(
        &mut self,
        top: &Fields<'_>,
        instances: &mut [VrrpInstance],
    ) -> Vec<SyncGroup> {
        let mut groups = Vec::new();
        if !top.has("vrrp_sync_group") {
            return groups;
        }
        let names = NameIndex::of(instances.iter().map(|instance| &*instance.name));
        let mut decided = SpanMap::default();
        for node in top.all("vrrp_instance") {
            if Fields::inside(node).has("notify_priority_changes") {
                decided.earlier_or_insert(first(node).unwrap_or_default(), node.keyword.span);
            }
        }
        for node in top.all("vrrp_sync_group") {
            let group = self.sync_group(node, groups.len(), &names, instances);
            let Some(group) = group else { continue };
            // A setting of the group is the default of its members.
            if Fields::inside(node).has("notify_priority_changes") {
                for InstanceId(index) in group.members.iter().copied() {
                    if let Some(member) = instances.get_mut(index)
                        && decided.get(&member.name).is_none()
                    {
                        member.notify.priority_changes = group.notify.priority_changes;
                    }
                }
            }
            groups.push(group);
        }
        groups
    }

    /// The group that will have index `nth`; `None` if it has no member.
    fn sync_group(
        &mut self,
        node: &Node,
        nth: usize,
        names: &NameIndex,
        instances: &mut [VrrpInstance],
    ) -> Option<SyncGroup> {
        let fields = Fields::inside(node);
        let (name, span) = (first(node)?, node.keyword.span);
        let members = Self::members(&fields, names, |index| {
            let instance = instances.get_mut(index)?;
            // Already in another group, which has been reported.
            let free = instance.sync_group.is_none();
            free.then(|| instance.sync_group = Some(GroupId(nth)))
        });
        if members.is_empty() {
            // That they are not defined or left out was reported.
            let lists = fields.all("group").filter_map(|list| list.block.as_ref());
            let empty = |list: &Block| list.nodes.is_empty() && list.removed.is_empty();
            if { lists }.all(empty) {
                let help = "write the names of its instances: `group { NAME … }`";
                self.left_out(node, "group", format!("sync group `{name}`"), help);
            }
            self.ignore_tracked_by(node);
            return None;
        }
        let tracking_weight = fields.has("sync_group_tracking_weight");
        let lines = self.track_lines(&fields);
        for InstanceId(index) in members.iter().copied() {
            let Some(instance) = instances.get_mut(index) else {
                continue;
            };
            if !tracking_weight {
                self.restrict_member_weights(instance, name, span);
            }
            self.add_group_tracks(instance, &lines);
        }
        if !tracking_weight {
            self.compare_priorities(name, span, &members, instances);
        }
        Some(SyncGroup {
            name: name.to_owned(),
            members,
            notify: self.notify(&fields),
            tracking_weight,
        })
    }

    /// Indexes of the instances in the group.
    fn members(
        fields: &Fields<'_>,
        names: &NameIndex,
        mut join: impl FnMut(usize) -> Option<()>,
    ) -> Vec<InstanceId> {
        let mut members = Vec::new();
        for item in fields.items("group") {
            for Word { text, .. } in core::iter::once(&item.keyword).chain(&item.args) {
                // One that is missing was reported as not defined, or as left out.
                if let Some(index) = names.get(text) {
                    members.extend(join(index).map(|()| InstanceId(index)));
                }
            }
        }
        members
    }

    /// Adds the objects that the group tracks to those of a member.
    fn add_group_tracks(&mut self, instance: &mut VrrpInstance, lines: &[TrackLine]) {
        let owner = instance.priority.is_owner();
        // Its own interface is tracked anyway, unless the line says more.
        let own = instance.track_primary.then_some(&instance.interface);
        let tracked_anyway = |track: &Track| match &track.object {
            Tracked::Interface(name) => track.weight == 0 && Some(name) == own,
            Tracked::Script(_) | Tracked::File(_) | Tracked::Process(_) => false,
        };
        let mut lines = lines.to_vec();
        lines.retain(|line| !tracked_anyway(&line.track));
        self.add_tracks(&mut instance.tracks, lines, None, owner);
    }

    /// Applies keepalived's rules to objects with a weight that a single member tracks, as
    /// keepalived 2.2.7 behaves: a script is not tracked, nor is a file unless its weight is 1, the
    /// default, which becomes 0; an interface or process changes the priority of the member.
    fn restrict_member_weights(&mut self, instance: &mut VrrpInstance, group: &str, span: Span) {
        let scripts = &self.objects.scripts;
        let files = &self.objects.files;
        let processes = &self.objects.processes;
        let mut reports: Vec<(Severity, String)> = Vec::new();
        let member = &instance.name;
        instance.settings.tracks.retain_mut(|track| {
            if track.weight == 0 {
                return true;
            }
            let weight = track.weight;
            match &track.object {
                Tracked::Script(nth) => {
                    let name = scripts.get(*nth).map_or("", |script| &script.name);
                    reports.push((Severity::Warning, untracked("script", name, weight, member, group)));
                    return false;
                }
                Tracked::File(nth) if weight != 1 => {
                    let name = files.get(*nth).map_or("", |file| &file.name);
                    reports.push((Severity::Warning, untracked("file", name, weight, member, group)));
                    return false;
                }
                // 1 is the weight of a file without `weight`.
                Tracked::File(nth) => {
                    let name = files.get(*nth).map_or("", |file| &file.name);
                    reports.push((
                        Severity::Warning,
                        format!(
                            "weight {weight} of file `{name}` is ignored: `{member}` is a member of sync group \
                             `{group}`; weight 0 is used, so any number but 0 in the file means FAULT"
                        ),
                    ));
                    track.weight = 0;
                }
                Tracked::Interface(name) => {
                    reports.push((Severity::Note, member_weight(name.as_str(), weight, member, group)));
                }
                Tracked::Process(nth) => {
                    let name = processes.get(*nth).map_or("", |process| &process.name);
                    reports.push((Severity::Note, member_weight(name, weight, member, group)));
                }
            }
            true
        });
        for (severity, message) in reports {
            let help = format!(
                "track it in `{group}`, which applies the weight to all members, or write \
                 `sync_group_tracking_weight` there"
            );
            self.diags.report_with_help(severity, span, message, help);
        }
    }

    /// Reports members with different priorities: each of two routers might win the election of
    /// another member.
    fn compare_priorities(
        &mut self,
        name: &str,
        span: Span,
        members: &[InstanceId],
        instances: &[VrrpInstance],
    ) {
        let mut all = members.iter().filter_map(|index| instances.get(index.0));
        let Some(one) = all.next() else { return };
        let Some(other) = all.find(|other| other.priority != one.priority) else {
            return;
        };
        let message = format!(
            "members of sync group `{name}` have different priorities, {} of `{}` and {} of `{}`: two routers \
             may each win one election, and neither becomes master of all",
            one.priority, one.name, other.priority, other.name
        );
        self.note_with_help(span, message, "write the same `priority` in all members");
    }
}

/// Message about an object that a member does not track because of its weight.
fn untracked(kind: &str, name: &str, weight: i16, member: &str, group: &str) -> String {
    format!(
        "{kind} `{name}` with weight {weight} is not tracked: `{member}` is a member of sync group `{group}`"
    )
}

/// Message about the weight of an object that one member tracks.
fn member_weight(name: &str, weight: i16, member: &str, group: &str) -> String {
    format!(
        "weight {weight} of `{name}` changes only the priority of `{member}`, not of the other members of sync group \
         `{group}`"
    )
}
