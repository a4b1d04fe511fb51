//! `vrrp_sync_group`: members by place, what the group tracks added to what they track, and what does not
//! go together with being a member.
//!
//! Members must keep the order of their priorities, or one of them would be master here and another there
//! if the group did not forbid it. Therefore keepalived lets weights count for all members (in the group) but
//! not for one: see [`Lowering::member_tracks`] for what it does with those, which is done here as well.

use super::fields::Fields;
use super::track::TrackLine;
use super::{Lowering, first};
use crate::config::diag::{Severity, Span};
use crate::config::model::{SyncGroup, Tracked, VrrpInstance};
use crate::config::tree::{Node, Word};
use crate::types::{GroupId, InstanceId};

impl Lowering<'_> {
    /// The groups; their members are told, and get what the group tracks.
    pub(super) fn groups(
        &mut self,
        top: &Fields<'_>,
        instances: &mut [VrrpInstance],
    ) -> Vec<SyncGroup> {
        let mut groups = Vec::new();
        for node in top.all("vrrp_sync_group") {
            groups.extend(self.sync_group(node, groups.len(), instances));
        }
        groups
    }

    /// The group that will have the place `nth`; `None` when nobody is in it.
    fn sync_group(
        &mut self,
        node: &Node,
        nth: usize,
        instances: &mut [VrrpInstance],
    ) -> Option<SyncGroup> {
        let fields = Fields::inside(node);
        let (name, span) = (first(node)?, node.keyword.span);
        let members = self.members(&fields, name, nth, instances);
        if members.is_empty() {
            let message = format!("sync group `{name}` has no member that runs; left out");
            let help = "name instances in it: `group { NAME … }`";
            self.error(span, message, help);
            return None;
        }
        let tracking_weight = fields.has("sync_group_tracking_weight");
        let lines = self.track_lines(&fields);
        for InstanceId(place) in members.iter().copied() {
            let Some(instance) = instances.get_mut(place) else {
                continue;
            };
            if !tracking_weight {
                self.member_tracks(instance, name, span);
            }
            self.group_tracks(instance, &lines);
        }
        if !tracking_weight {
            self.compare_members(name, span, &members, instances);
        }
        Some(SyncGroup {
            name: name.to_owned(),
            members,
            notify: self.notify(&fields),
            tracking_weight,
        })
    }

    /// Places of the instances in the group; that all names are defined has been checked.
    fn members(
        &mut self,
        fields: &Fields<'_>,
        name: &str,
        nth: usize,
        instances: &mut [VrrpInstance],
    ) -> Vec<InstanceId> {
        let mut members = Vec::new();
        for item in fields.items("group") {
            for Word { text, span, .. } in core::iter::once(&item.keyword).chain(&item.args) {
                let mut named = instances.iter_mut().enumerate();
                match named.find(|(_, instance)| *instance.name == **text) {
                    // In a group already, which has been said.
                    Some((_, instance)) if instance.sync_group.is_some() => {}
                    Some((position, instance)) => {
                        instance.sync_group = Some(GroupId(nth));
                        members.push(InstanceId(position));
                    }
                    None => {
                        let message =
                            format!("`{text}` is left out, and so it is of sync group `{name}`");
                        self.note(*span, message);
                    }
                }
            }
        }
        members
    }

    /// What the group tracks, every member tracks.
    fn group_tracks(&mut self, instance: &mut VrrpInstance, lines: &[TrackLine]) {
        let owner = instance.priority.is_owner();
        let own = instance.interface.clone();
        self.add_tracks(&mut instance.tracks, lines.to_vec(), &own, owner);
    }

    /// Weights of a single member. What becomes of them was observed with keepalived 2.2.7: a script with a
    /// weight is not tracked, the weight of a file becomes 0, those of an interface and a process count,
    /// though it says otherwise of interfaces.
    fn member_tracks(&mut self, instance: &mut VrrpInstance, group: &str, span: Span) {
        let scripts = &self.objects.scripts;
        let files = &self.objects.files;
        let processes = &self.objects.processes;
        let mut said: Vec<(Severity, String)> = Vec::new();
        let member = &instance.name;
        instance.tracks.retain_mut(|track| {
            if track.weight == 0 {
                return true;
            }
            let weight = track.weight;
            match &track.object {
                Tracked::Script(nth) => {
                    let name = scripts.get(*nth).map_or("", |script| &script.name);
                    said.push((
                        Severity::Warning,
                        format!(
                            "script `{name}` has weight {weight}, and `{member}` is a member of sync group \
                             `{group}`: it does not track it"
                        ),
                    ));
                    return false;
                }
                Tracked::File(nth) => {
                    let name = files.get(*nth).map_or("", |file| &file.name);
                    said.push((
                        Severity::Warning,
                        format!(
                            "file `{name}` has weight {weight}, and `{member}` is a member of sync group \
                             `{group}`: weight 0 is used, so any number but 0 in it means FAULT"
                        ),
                    ));
                    track.weight = 0;
                }
                Tracked::Interface(name) => {
                    said.push((Severity::Note, alone(name.as_str(), weight, member, group)));
                }
                Tracked::Process(nth) => {
                    let name = processes.get(*nth).map_or("", |process| &process.name);
                    said.push((Severity::Note, alone(name, weight, member, group)));
                }
            }
            true
        });
        for (severity, message) in said {
            let help = format!(
                "track it in `{group}`, where its weight counts for all members, or write \
                 `sync_group_tracking_weight` there"
            );
            self.diags.report_with_help(severity, span, message, help);
        }
    }

    /// Members of unlike priority let two routers each win in another network.
    fn compare_members(
        &mut self,
        name: &str,
        span: Span,
        members: &[InstanceId],
        instances: &[VrrpInstance],
    ) {
        let mut all = members.iter().filter_map(|place| instances.get(place.0));
        let Some(one) = all.next() else { return };
        let Some(other) = all.find(|other| other.priority != one.priority) else {
            return;
        };
        let message = format!(
            "members of sync group `{name}` have unlike priorities, `{}` {} and `{}` {}: a router with these \
             the other way round would neither take over nor give way",
            one.name, one.priority, other.name, other.priority
        );
        self.diags
            .report_with_help(Severity::Note, span, message, "give them the same priority");
    }
}

/// The weight of an object that one member tracks.
fn alone(name: &str, weight: i16, member: &str, group: &str) -> String {
    format!(
        "weight {weight} of `{name}` changes the priority of `{member}` alone, not of the other members of sync \
         group `{group}`"
    )
}
