//! Fills [`ctl::Snapshot`]: translates what the engine's parts know into plain values.
//!
//! A complete one allocates without limit, so `os/dumps.rs` asks for it in a child process. The
//! control socket is answered from pages.

use core::ops::Range;
use std::io;

use crate::config::model::{Address, Global};
use crate::ctl::{
    self, Clock, Daemon, Finding, InstallStatus, ManagedItem, Objects, Page, RefusedReload,
    Snapshot, Totals,
};
use crate::engine::Engine;
use crate::engine::instance::messages;
use crate::engine::instance::router::{Readiness, Router};
use crate::engine::kernel::addresses::{AddressSet, AddressState};
use crate::engine::kernel::repair_limit::RepairLimit;
use crate::engine::kernel::routes::RouteState;
use crate::engine::shared::Shared;
use crate::engine::sync_group::Group;
use crate::engine::system::System;
use crate::types::{Family, Instant, MasterInfo, Outlook, VrrpCounters};
use crate::vrrp::{Notice, Reason};

impl Engine {
    /// Everything as it is now. `kernel`: to be asked what virtual servers have done; another one
    /// than the engine's own, if this is a child.
    #[must_use]
    pub fn snapshot(&self, clock: Clock, kernel: Option<&mut dyn System>) -> Snapshot<'_> {
        Snapshot {
            services: self.services(0..usize::MAX, kernel),
            instances: self
                .routers
                .iter()
                .map(|one| self.instance(one, clock.now))
                .collect(),
            interfaces: self.interfaces(),
            ..self.shared_state(clock)
        }
    }

    /// Some of the objects, and with [`Objects::None`] what belongs to none of them. Without
    /// interfaces and traffic.
    #[must_use]
    pub fn page(&self, clock: Clock, objects: Objects, wanted: Range<usize>) -> Snapshot<'_> {
        let page = Page {
            first: wanted.start,
            total: self.count(objects),
        };
        match objects {
            Objects::None => self.shared_state(clock),
            Objects::Instances => {
                let routers = self.routers.iter();
                let some = routers.skip(wanted.start).take(wanted.len());
                Snapshot {
                    page,
                    instances: some.map(|one| self.instance(one, clock.now)).collect(),
                    groups: self.show_groups(),
                    ..self.no_state(clock)
                }
            }
            Objects::Services => Snapshot {
                page,
                services: self.services(wanted, None),
                ..self.no_state(clock)
            },
        }
    }

    /// Whether an instance, a group, a tracked object or a virtual server has this name.
    pub(crate) fn has_object(&self, name: &str) -> bool {
        self.routers.iter().any(|one| one.conf.name == name)
            || self.groups.iter().any(|one| one.conf.name == name)
            || self.shared.tracking.has_object(name)
            || self.lvs.as_ref().is_some_and(|lvs| lvs.has_service(name))
    }

    /// Number of objects in all pages.
    pub(crate) fn count(&self, objects: Objects) -> usize {
        match objects {
            Objects::None => 0,
            Objects::Instances => self.routers.len(),
            Objects::Services => self.lvs.as_ref().map_or(0, |lvs| lvs.services()),
        }
    }

    fn services(
        &self,
        wanted: Range<usize>,
        kernel: Option<&mut dyn System>,
    ) -> Vec<ctl::Service<'_>> {
        let Some(lvs) = self.lvs.as_ref() else {
            return Vec::new();
        };
        #[allow(unused_mut, reason = "without virtual servers there are none to drain")]
        let mut all = lvs.snapshot(wanted, kernel);
        #[cfg(feature = "lvs")]
        self.show_drains(&mut all);
        all
    }

    /// The objects that belong to no instance and no virtual server, without interfaces.
    fn shared_state(&self, clock: Clock) -> Snapshot<'_> {
        let files = self.shared.tracking.show_files();
        Snapshot {
            groups: self.show_groups(),
            scripts: self.shared.tracking.show_scripts().collect(),
            files: files
                .map(|(conf, value)| ctl::File { conf, value })
                .collect(),
            processes: self.shared.tracking.show_processes().collect(),
            addresses: items(&self.statics).collect(),
            routes: self.static_routes.routes().map(item).collect(),
            rules: self.static_routes.rules().map(item).collect(),
            ..self.no_state(clock)
        }
    }

    fn no_state(&self, clock: Clock) -> Snapshot<'_> {
        let Shared {
            global, counters, ..
        } = &self.shared;
        Snapshot {
            totals: self.totals(),
            page: Page {
                first: 0,
                total: self.routers.len(),
            },
            ..Snapshot::empty(clock, global, counters, &self.daemon)
        }
    }

    /// Sets the process id that operators see.
    pub fn set_pid(&mut self, pid: u32) {
        self.daemon.pid = pid;
    }

    fn totals(&self) -> Totals {
        let mut totals = Totals {
            services: self.count(Objects::Services),
            ..Totals::default()
        };
        for router in self.routers.iter() {
            let conf = &router.conf;
            let state = usize::from(router.machine.state().number());
            if let Some(count) = totals.states.get_mut(state) {
                *count = count.saturating_add(1);
            }
            totals.name = totals.name.max(conf.name.chars().count());
            totals.interface = totals.interface.max(conf.interface.as_str().len());
            totals.ipv6 |= conf.family == Family::V6;
        }
        totals
    }

    fn show_groups(&self) -> Vec<ctl::Group<'_>> {
        let group = |group: &'_ Group| {
            let members = group.conf.members.iter();
            let members = members.filter_map(|id| self.routers.get(*id));
            members
                .map(|router| ctl::Member {
                    name: &router.conf.name,
                    state: router.machine.state(),
                })
                .collect()
        };
        let all = self.groups.iter().map(|one| ctl::Group {
            conf: &one.conf,
            state: one.reported,
            members: group(one),
        });
        all.collect()
    }

    /// Settings of the process, as of the last reload.
    #[must_use]
    pub fn global(&self) -> &Global {
        &self.shared.global
    }

    /// The configuration was applied; it has this many errors.
    pub fn config_applied(&mut self, now: Instant, path: &str, errors: usize) {
        self.daemon = Daemon {
            pid: self.daemon.pid,
            config: path.to_owned(),
            refused: None,
        };
        let config = &mut self.shared.counters.config;
        (config.applied_at, config.errors) = (now, errors);
        config.last_refused = false;
    }

    /// A reload was refused; the running configuration stays.
    pub fn reload_refused(&mut self, now: Instant, why: &str) {
        // What the log has above it, it does not show.
        let why = why.replace(" (see above)", "");
        self.daemon.refused = Some(RefusedReload { at: now, why });
        let config = &mut self.shared.counters.config;
        config.refused_reloads = config.refused_reloads.saturating_add(1);
        config.last_refused = true;
    }

    /// Resets the counters of all instances.
    pub fn clear_stats(&mut self) {
        for router in self.routers.iter_mut() {
            *router.machine.counters_mut() = VrrpCounters::default();
        }
    }

    fn instance<'a>(&'a self, router: &'a Router, now: Instant) -> ctl::Instance<'a> {
        let Router { conf, machine, .. } = router;
        let held_by = match machine.outlook() {
            Outlook::Backup(_) => self.held_by(router),
            Outlook::Nothing | Outlook::Resuming { .. } | Outlook::Master(_) => None,
        };
        let mut vips: Vec<ManagedItem<'a, Address>> = items(&router.addresses).collect();
        let excluded = vips.split_off(conf.vip_count().min(vips.len()));
        let missing = match router.reported {
            Some(Readiness::Missing(why)) => Some(ctl::Missing {
                kind: why.as_str(),
                detail: self.explain(router, why, None),
            }),
            Some(Readiness::Ready(_)) | None => None,
        };
        let errno = router.send_errno;
        ctl::Instance {
            conf,
            state: machine.state(),
            last_transition: router.since.map(|(at, why)| ctl::Transition {
                at,
                reason: why.as_str(),
            }),
            why: self.why(router),
            missing,
            awaited: router.start_at.and_then(|_| {
                let Shared {
                    tracking,
                    interfaces,
                    ..
                } = &self.shared;
                tracking.awaited(&conf.tracks, interfaces)
            }),
            heard: machine.last_heard(),
            senders: machine
                .conspicuous(now)
                .map(|(at, notice)| sender(router, at, notice))
                .collect(),
            outlook: machine.outlook(),
            startup_delay_end: machine.startup_delay_end(),
            held_by,
            hold_until: router.hold_until(),
            retry_at: router.retry_at(),
            yields_to_owner: machine.yields_to_owner(),
            skew: machine.skew(),
            source: router.source(),
            master: machine.master(),
            priority: machine.effective_priority(),
            priority_parts: conf
                .tracks
                .iter()
                .map(|track| self.shared.tracking.show(track, &self.shared.interfaces))
                .collect(),
            maintenance: self.maintenance(router.id),
            deadline: machine.next_deadline(),
            down_interval: machine.down_interval(),
            no_accept_missing: !conf.accept && self.shared.no_accept.is_missing(),
            send_error: errno.map(errno_description),
            vips,
            excluded,
            routes: router.routes.routes().map(item).collect(),
            rules: router.routes.rules().map(item).collect(),
            counters: machine.counters().clone(),
        }
    }

    /// The reason of the last transition. The log has that of an election in a line before it.
    fn why(&self, router: &Router) -> String {
        let Some((_, why)) = router.since else {
            return String::new();
        };
        match (why, router.since_master) {
            (Reason::HigherPriority, Some(MasterInfo { addr, priority, .. })) => {
                format!("{addr} has the higher priority {priority}")
            }
            (Reason::HigherAddress, Some(MasterInfo { addr, .. })) => {
                format!("{addr} has the same priority and a higher address")
            }
            (_, master) => self.explain(router, why, master),
        }
    }

    fn interfaces(&self) -> Vec<ctl::Interface<'_>> {
        let links = self.shared.interfaces.all();
        let interfaces = links.map(|link| {
            let (down_delay, up_delay) = self.shared.interfaces.delays(&link.name);
            ctl::Interface {
                name: &link.name,
                index: link.index.0,
                mac: link.mac,
                mtu: link.mtu,
                flags: link.flags.0,
                up: link.is_up(),
                addresses: link.addrs.iter().map(|present| present.cidr).collect(),
                down_delay,
                up_delay,
            }
        });
        interfaces.collect()
    }
}

fn items(set: &AddressSet) -> impl Iterator<Item = ManagedItem<'_, Address>> {
    set.states().map(|(item, state)| ManagedItem {
        item,
        status: match state {
            AddressState::Installed | AddressState::Preexisting => InstallStatus::Installed,
            AddressState::Absent => InstallStatus::Absent,
            AddressState::Refused(errno) => InstallStatus::Refused(errno_description(errno)),
        },
    })
}

/// The C library's text for an error number, as dumps show it: with its capital letter.
fn errno_description(errno: i32) -> String {
    let mut text = io::Error::from_raw_os_error(errno).to_string();
    if let Some(at) = text.find(" (os error") {
        text.truncate(at);
    }
    text
}

fn item<T>((item, state): (&T, RouteState)) -> ManagedItem<'_, T> {
    let status = match state {
        RouteState::Installed => InstallStatus::Installed,
        RouteState::Absent | RouteState::Removed => InstallStatus::Absent,
        RouteState::Refused => InstallStatus::Refused(String::new()),
    };
    ManagedItem { item, status }
}

fn sender(router: &Router, at: Instant, notice: Notice) -> ctl::Sender {
    ctl::Sender {
        at,
        kind: match notice {
            Notice::Rejected { .. } => Finding::Rejected,
            Notice::LowerPriorityMaster { .. } => Finding::SecondMaster,
            Notice::SameAddress { .. } | Notice::TwoOwners { .. } => Finding::Conflict,
            Notice::Tolerated { .. } | Notice::AddressesDiffer { .. } => Finding::Tolerated,
            Notice::IntervalAdopted { .. }
            | Notice::Accepted { .. }
            | Notice::SilenceWithLoss
            | Notice::HeldByGroup
            | Notice::NoMasterInMaintenance => Finding::Adapted,
        },
        text: messages::notice_text(router, notice),
    }
}

impl Router {
    /// After a lost fight about addresses, routes or a virtual interface: when it tries again.
    fn hold_until(&self) -> Option<Instant> {
        let own = [&self.addresses.repairs, &self.routes.repairs];
        let vmacs = self.vmacs.iter().map(|vmac| &vmac.repairs);
        let all = own.into_iter().chain(vmacs);
        all.filter_map(RepairLimit::hold_until).max()
    }

    /// When addresses or routes that the kernel refused are set again.
    fn retry_at(&self) -> Option<Instant> {
        let both = [self.addresses.next_deadline(), self.routes.next_deadline()];
        both.into_iter().flatten().min()
    }
}
