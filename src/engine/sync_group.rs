//! Synchronization groups at run time: `vrrp::group` decides, this delivers the decision to the
//! members.
//!
//! Two rules tie members together. If a member lacks something, all lack it:
//! [`Engine::refresh_groups`] finds this out before the readiness of any member is evaluated. What
//! a member becomes, all become: [`Engine::sync_group`] follows every request and every transition,
//! and the adverts of all members leave before the first address changes. The state of the group
//! itself is derived from its members and reported after theirs.

use crate::config::model::SyncGroup;
use crate::ctl::StateChange;
use crate::engine::Engine;
use crate::engine::cx::Cx;
use crate::engine::events::{EventKind, Object, Report};
use crate::engine::instance::router::{Readiness, Router};
use crate::engine::log_limit::LogLimit;
use crate::log::{self, Level};
use crate::types::{GroupId, InstanceId, VrrpState};
use crate::vrrp::group::{self, Decision, MemberState};
use crate::vrrp::{Burst, Event, Notice, Reason};

/// A `vrrp_sync_group`.
#[derive(Debug)]
pub(crate) struct Group {
    pub(crate) conf: SyncGroup,
    /// Its state as last logged and notified.
    pub(crate) reported: VrrpState,
    /// A member has changed since.
    recheck: bool,
    /// The first member that is not ready.
    not_ready: Option<InstanceId>,
    /// Limits the log messages about changes of state.
    transitions: LogLimit<60>,
    /// Changes of state in an hour that need not be caused by others.
    own_transitions: LogLimit<8, 3600>,
}

impl Group {
    pub(crate) fn new(conf: SyncGroup) -> Self {
        Group {
            conf,
            reported: VrrpState::Init,
            recheck: false,
            not_ready: None,
            transitions: LogLimit::default(),
            own_transitions: LogLimit::default(),
        }
    }

    fn report_transition(&mut self, cx: &Cx<'_>, change: StateChange) {
        let suppressed = self.transitions.allow(cx.now);
        let is_minor = self.own_transitions.allow(cx.now).is_none();
        let name = &self.conf.name;
        if let Some(suppressed @ 1..) = suppressed {
            log::warn!(target: "vrrp", "VRRP_Group({name}) {suppressed} changes of state were not logged");
        }
        let (level, phrase) = match change.to {
            VrrpState::Init => (Level::Info, "Stopped"),
            VrrpState::Fault => (Level::Warn, "Syncing instances to FAULT state"),
            VrrpState::Backup => (Level::Info, "Syncing instances to BACKUP state"),
            VrrpState::Master => (Level::Info, "Syncing instances to MASTER state"),
        };
        let report = Report {
            level: suppressed.map(|_| level),
            is_minor,
            phrase,
            change: Some(change),
            ..Report::new(level, EventKind::Transition, Object::group(name))
        };
        cx.report(&report, format_args!(""));
    }
}

impl Engine {
    /// Takes the groups of a new configuration. Those that existed before keep their reported
    /// state.
    pub(crate) fn replace_groups(&mut self, groups: Vec<SyncGroup>) {
        let old = core::mem::take(&mut self.groups);
        for conf in groups {
            let mut group = Group::new(conf);
            group.recheck = true;
            if let Some(known) = old.iter().find(|known| known.conf.name == group.conf.name) {
                group.reported = known.reported;
            }
            self.groups.push(group);
        }
    }

    /// Finds the member of each group that is not ready.
    pub(crate) fn refresh_groups(&mut self) {
        for id in (0..self.groups.len()).map(GroupId) {
            let not_ready = self
                .members(id)
                .find(|router| matches!(self.readiness(router), Readiness::Missing(_)));
            let not_ready = not_ready.map(|router| router.id);
            if let Some(group) = self.groups.get_mut(id.0) {
                group.not_ready = not_ready;
            }
        }
    }

    /// The readiness of a member within its group, given its `own`.
    pub(crate) fn group_readiness(&self, router: &Router, own: Readiness) -> Readiness {
        let group = self.group_of(router);
        match own {
            Readiness::Ready(_) if group.is_some_and(|group| group.not_ready.is_some()) => {
                Readiness::Missing(Reason::GroupFault)
            }
            Readiness::Ready(_) | Readiness::Missing(_) => own,
        }
    }

    /// Lets the group of an instance follow what this member has requested or become.
    pub(crate) fn sync_group(&mut self, cx: &mut Cx<'_>, id: InstanceId) {
        let router = self.routers.get(id);
        if let Some(group) = router.and_then(|router| router.conf.sync_group) {
            self.decide_group(cx, group);
        }
    }

    fn decide_group(&mut self, cx: &mut Cx<'_>, id: GroupId) {
        if let Some(group) = self.groups.get_mut(id.0) {
            group.recheck = true;
        }
        let states = self.members(id).map(|router| router.machine.member_state());
        match group::decide(states) {
            Decision::Unchanged => {}
            Decision::AllMaster => self.deliver_to_members(cx, id, Event::GroupMaster),
            Decision::AllBackup => self.deliver_to_members(cx, id, Event::GroupBackup),
        }
    }

    fn deliver_to_members(&mut self, cx: &mut Cx<'_>, id: GroupId, event: Event<'_>) {
        let Some(group) = self.groups.get(id.0) else {
            return;
        };
        for member in &group.conf.members {
            if let Some(router) = self.routers.get_mut(*member) {
                router.deliver(cx, &mut self.shared, event);
                router.rearm(&mut self.shared);
            }
        }
    }

    /// An advert of lower priority in one network is answered with announcements in the networks of
    /// all masters of the group: neighbors may have learned wrong addresses there as well.
    pub(crate) fn announce_group(&mut self, cx: &mut Cx<'_>, id: InstanceId) {
        let router = self.routers.get(id);
        let Some(group) = router.and_then(|router| router.conf.sync_group) else {
            return;
        };
        for router in self.routers.iter_mut() {
            let master = router.machine.state() == VrrpState::Master;
            if router.id != id && router.conf.sync_group == Some(group) && master {
                router.start_announcing(cx, &mut self.shared, Burst::LowerPrio);
                router.rearm(&mut self.shared);
            }
        }
    }

    /// Logs and notifies the groups whose state has changed, after their members.
    pub(crate) fn report_groups(&mut self, cx: &mut Cx<'_>) {
        for id in (0..self.groups.len()).map(GroupId) {
            // After its members: what they have become is complete.
            if self.members(id).any(Router::is_busy) {
                continue;
            }
            let recheck = |group: &mut Group| core::mem::take(&mut group.recheck);
            if !self.groups.get_mut(id.0).is_some_and(recheck) {
                continue;
            }
            let states = self.members(id).map(|router| router.machine.state());
            let Some(state) = group::state(states) else {
                continue;
            };
            if let Some(group) = self.groups.get_mut(id.0)
                && group.reported != state
            {
                let from = core::mem::replace(&mut group.reported, state);
                group.report_transition(cx, StateChange { from, to: state });
                group.notify_state(cx, &mut self.shared);
            }
        }
    }

    /// After a reload: brings together members that were not in one group before.
    pub(crate) fn sync_all_groups(&mut self, cx: &mut Cx<'_>) {
        for id in (0..self.groups.len()).map(GroupId) {
            self.decide_group(cx, id);
        }
        self.flush(cx);
        self.report_groups(cx);
    }

    fn group_of(&self, router: &Router) -> Option<&Group> {
        router.conf.sync_group.and_then(|id| self.groups.get(id.0))
    }

    fn members(&self, id: GroupId) -> impl Iterator<Item = &Router> {
        let members = self.groups.get(id.0).map(|group| &group.conf.members);
        let ids = members.into_iter().flatten();
        ids.filter_map(|id| self.routers.get(*id))
    }

    // ---- texts ----

    /// Why a member follows its group.
    pub(crate) fn explain_group(&self, router: &Router, why: Reason) -> String {
        let Some(group) = self.group_of(router) else {
            return String::from("with its sync group");
        };
        let name = &group.conf.name;
        if why == Reason::GroupFault
            && let Some(member) = group.not_ready.and_then(|id| self.routers.get(id))
            && let Some(cause) = member.machine.fault()
            && cause != Reason::GroupFault
        {
            let cause = self.explain(member, cause, None);
            return format!("in sync group {name}, {}: {cause}", member.conf.name);
        }
        let others = group.conf.members.iter();
        let mut others = others.filter_map(|id| self.routers.get(*id));
        if why == Reason::GroupBackup
            && let Some(other) = others.find(|other| other.machine.master().is_some())
        {
            let member = &other.conf.name;
            return format!("in sync group {name}, {member} is no longer master");
        }
        format!("with the other instances of sync group {name}")
    }

    /// Reports which member keeps an instance from becoming master.
    pub(crate) fn report_held_by_group(&self, cx: &Cx<'_>, id: InstanceId) {
        if let Some(router) = self.routers.get(id)
            && let Some(why) = self.held_by(router)
        {
            let report = Report {
                reason: Notice::HeldByGroup.as_str(),
                ..Report::new(Level::Info, EventKind::Notice, router.object())
            };
            cx.report(&report, format_args!("would be master, but {why}"));
        }
    }

    /// The first other member of the sync group that does not take over, and why.
    pub(crate) fn held_by(&self, router: &Router) -> Option<String> {
        let id = router.conf.sync_group?;
        let group = &self.groups.get(id.0)?.conf.name;
        let holds = |other: &&Router| {
            let state = other.machine.member_state();
            let ready = matches!(state, MemberState::ReadyToTakeOver | MemberState::Master);
            !ready && other.id != router.id
        };
        let other = self.members(id).find(holds)?;
        let name = &other.conf.name;
        Some(match other.machine.master() {
            Some(master) => format!(
                "{name} of sync group {group} follows master {} (priority {})",
                master.addr, master.priority
            ),
            None => format!("{name} of sync group {group} is not ready"),
        })
    }
}
