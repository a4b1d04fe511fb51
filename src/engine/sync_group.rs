//! Synchronization groups at run time: `vrrp::group` decides, this carries it to the members.
//!
//! Two things tie members together. What a member *misses*, all miss: [`Engine::refresh_groups`] notes it
//! before anybody is told of changed surroundings. What a member *becomes*, all become:
//! [`Engine::sync_group`] follows every request and every transition, and all members' adverts leave
//! before the first address is touched. The group's own state is derived, and spoken of after its members'.

use crate::config::model::SyncGroup;
use crate::engine::Engine;
use crate::engine::cx::Cx;
use crate::engine::instance::router::{Readiness, Router};
use crate::types::VrrpState;
use crate::vrrp::group::{self, Decision, MemberState};
use crate::vrrp::{Burst, Event, Reason};

/// A group.
#[derive(Debug)]
pub(crate) struct Group {
    pub(crate) conf: SyncGroup,
    /// Its state as last told.
    pub(crate) reported: VrrpState,
    /// A member has changed since.
    recheck: bool,
    /// The member that misses something, if one does.
    missing: Option<usize>,
}

impl Group {
    pub(crate) fn new(conf: SyncGroup) -> Self {
        Group {
            conf,
            reported: VrrpState::Init,
            recheck: false,
            missing: None,
        }
    }
}

impl Engine {
    /// A reload: these groups from now on. Those that were there before are in the state they were in.
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

    /// Notes for each group which member misses something.
    pub(crate) fn refresh_groups(&mut self) {
        for nth in 0..self.groups.len() {
            let missing = self
                .members(nth)
                .find(|(_, router)| matches!(self.readiness(router), Readiness::Missing(_)));
            let missing = missing.map(|(id, _)| id);
            if let Some(group) = self.groups.get_mut(nth) {
                group.missing = missing;
            }
        }
    }

    /// What a member is told of its surroundings, when by itself it has `own`.
    pub(crate) fn group_readiness(&self, router: &Router, own: Readiness) -> Readiness {
        let group = router.conf.sync_group.and_then(|nth| self.groups.get(nth));
        match own {
            Readiness::Ready(_) if group.is_some_and(|group| group.missing.is_some()) => {
                Readiness::Missing(Reason::GroupFault)
            }
            Readiness::Ready(_) | Readiness::Missing(_) => own,
        }
    }

    /// Lets the group follow what a member has asked for or become.
    pub(crate) fn sync_group(&mut self, cx: &mut Cx<'_>, id: usize) {
        let Some(nth) = self
            .routers
            .get(id)
            .and_then(|router| router.conf.sync_group)
        else {
            return;
        };
        if let Some(group) = self.groups.get_mut(nth) {
            group.recheck = true;
        }
        let states = self
            .members(nth)
            .map(|(_, router)| router.machine.member_state());
        match group::decide(states) {
            Decision::Unchanged => {}
            Decision::AllMaster => self.deliver_to_members(cx, nth, Event::GroupMaster),
            Decision::AllBackup => self.deliver_to_members(cx, nth, Event::GroupBackup),
        }
    }

    fn deliver_to_members(&mut self, cx: &mut Cx<'_>, nth: usize, event: Event<'_>) {
        let member = |engine: &Engine, place: usize| {
            let members = engine.groups.get(nth).map(|group| &group.conf.members);
            members.and_then(|members| members.get(place)).copied()
        };
        let mut place = 0;
        while let Some(id) = member(self, place) {
            self.handle(cx, id, event);
            self.rearm(id);
            place += 1;
        }
    }

    /// A weaker master in one network is met by announcements in all: neighbors may have learned
    /// wrong things there as well.
    pub(crate) fn announce_group(&mut self, cx: &mut Cx<'_>, id: usize) {
        let Some(nth) = self
            .routers
            .get(id)
            .and_then(|router| router.conf.sync_group)
        else {
            return;
        };
        for other in 0..self.routers.len() {
            let Some(router) = self.routers.get_mut(other) else {
                return;
            };
            let master = router.machine.state() == VrrpState::Master;
            if other != id && router.conf.sync_group == Some(nth) && master {
                router.garp.start(cx.now, Burst::LowerPrio);
                self.announce(cx, other);
                self.rearm(other);
            }
        }
    }

    /// Says which groups have changed, after their members have been spoken of.
    pub(crate) fn report_groups(&mut self, cx: &mut Cx<'_>) {
        for nth in 0..self.groups.len() {
            let suspect = |group: &mut Group| core::mem::take(&mut group.recheck);
            if !self.groups.get_mut(nth).is_some_and(suspect) {
                continue;
            }
            let states = self.members(nth).map(|(_, router)| router.machine.state());
            let Some(state) = group::state(states) else {
                continue;
            };
            if let Some(group) = self.groups.get_mut(nth)
                && group.reported != state
            {
                group.reported = state;
                self.group_changed(cx, nth, state);
            }
        }
    }

    /// A group is in another state than before.
    fn group_changed(&mut self, cx: &mut Cx<'_>, nth: usize, state: VrrpState) {
        let Some(group) = self.groups.get(nth) else {
            return;
        };
        let name = &group.conf.name;
        match state {
            VrrpState::Init => log::info!(target: "vrrp", "VRRP_Group({name}) Stopped"),
            VrrpState::Fault => {
                log::warn!(target: "vrrp", "VRRP_Group({name}) Syncing instances to FAULT state");
            }
            VrrpState::Backup | VrrpState::Master => {
                log::info!(target: "vrrp", "VRRP_Group({name}) Syncing instances to {state} state");
            }
        }
        self.notify_group(cx, nth, state);
    }

    /// A reload is over: brings together who is in one group now, and has not been before.
    pub(crate) fn sync_all_groups(&mut self, cx: &mut Cx<'_>) {
        for nth in 0..self.groups.len() {
            let first = self.members(nth).next().map(|(id, _)| id);
            if let Some(id) = first {
                self.sync_group(cx, id);
            }
        }
        self.flush(cx);
        self.report_groups(cx);
    }

    /// Members of a group with their places.
    fn members(&self, nth: usize) -> impl Iterator<Item = (usize, &Router)> {
        let members = self.groups.get(nth).map(|group| &group.conf.members);
        let ids = members.into_iter().flatten();
        ids.filter_map(|&id| Some((id, self.routers.get(id)?)))
    }

    // ---- words ----

    /// Why a member follows its group.
    pub(crate) fn explain_group(&self, router: &Router, why: Reason) -> String {
        let group = router.conf.sync_group.and_then(|nth| self.groups.get(nth));
        let Some(group) = group else {
            return String::from("with its sync group");
        };
        let name = &group.conf.name;
        let others = group.conf.members.iter();
        let mut others = others.filter_map(|&id| self.routers.get(id));
        if why == Reason::GroupFault
            && let Some(culprit) = group.missing.and_then(|id| self.routers.get(id))
            && let Some(cause) = culprit.machine.fault()
            && cause != Reason::GroupFault
        {
            let cause = self.explain(culprit, cause, None);
            return format!("in sync group {name}, {}: {cause}", culprit.conf.name);
        }
        let yielded = |other: &&Router| other.machine.master().is_some();
        if why == Reason::GroupBackup
            && let Some(culprit) = others.find(yielded)
        {
            let member = &culprit.conf.name;
            return format!("in sync group {name}, {member} is not master any more");
        }
        format!("with the other instances of sync group {name}")
    }

    /// Who keeps a member from being master.
    pub(crate) fn log_held(&self, id: usize) {
        let Some(router) = self.routers.get(id) else {
            return;
        };
        let Some(nth) = router.conf.sync_group else {
            return;
        };
        let (name, group) = (&router.conf.name, self.groups.get(nth));
        let group = group.map_or("", |group| &group.conf.name);
        let holds = |state| !matches!(state, MemberState::ReadyToTakeOver | MemberState::Master);
        let Some((_, other)) = self
            .members(nth)
            .find(|(_, other)| holds(other.machine.member_state()))
        else {
            return;
        };
        let other_name = &other.conf.name;
        match other.machine.master() {
            Some(seen) => log::info!(
                target: "vrrp",
                "({name}) would be master, but {other_name} of sync group {group} follows master {} \
                 (priority {})",
                seen.addr,
                seen.priority
            ),
            None => log::info!(
                target: "vrrp",
                "({name}) would be master, but {other_name} of sync group {group} is not ready for it"
            ),
        }
    }
}
