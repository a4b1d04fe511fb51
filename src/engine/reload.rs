//! Applies another configuration at run time.
//!
//! An instance is the same if interface, address family and VRID are (with several such instances,
//! its name tells): it keeps its state, timers,
//! counters and every address it still has, and its protocol machine gets the new parameters.
//! Instances that are gone resign and clean up first; then everything that is no longer configured
//! is removed; then what is new is added, so that an address can move from one instance to another.
//! The caller has validated the configuration: nothing here can fail halfway.

use core::time::Duration;
use std::io;

use crate::config::model::{Address, Config, Lvs, RunningInstance, SyncGroup, VrrpInstance};
use crate::engine::Engine;
use crate::engine::cx::Cx;
use crate::engine::events::{EventKind, Object};
use crate::engine::instance::actions::GarpChange;
use crate::engine::instance::messages;
use crate::engine::instance::router::{Position, Router};
use crate::engine::kernel::addresses::{self, Kind};
use crate::engine::kernel::vmac_base;
use crate::engine::system::{System, error_text};
use crate::engine::tracking::TrackedObjects;
use crate::log::Level;
use crate::types::{Cidr, InstanceId, Instant, VrrpState, sorted};
use crate::vrrp::{self, Event};

impl Engine {
    /// Lets every master send an advert whose next one may be due while a configuration is read and
    /// applied, which takes `time` at most: on a small machine, longer than an interval.
    pub fn before_reload(&mut self, now: Instant, time: Duration, system: &mut dyn System) {
        let cx = &mut Cx::new(now, system, &self.shared.events);
        self.advertise_before(cx, now.after(time));
    }

    /// Lets every master send an advert whose next one is due before `end`.
    pub(crate) fn advertise_before(&mut self, cx: &mut Cx<'_>, end: Instant) {
        self.emit_all_logs_and_notifications(cx);
        for router in self.routers.iter_mut() {
            let due = router.machine.next_deadline();
            if router.machine.state() == VrrpState::Master && due.is_none_or(|at| at < end) {
                let priority = router.machine.effective_priority();
                router.send_advert(cx, &mut self.shared, priority);
            }
        }
        self.shared.state_records.write(cx);
    }

    /// Applies `config`.
    pub fn reload(&mut self, now: Instant, config: Config, system: &mut dyn System) {
        let cx = &mut Cx::new(now, system, &self.shared.events);
        let Config {
            global,
            mut instances,
            sync_groups,
            static_addresses,
            scripts,
            track_files,
            track_processes,
            track_groups,
            static_routes,
            static_rules,
            lvs,
            ..
        } = config;
        self.configuration = self.configuration.wrapping_add(1);
        self.emit_all_logs_and_notifications(cx);
        for conf in &mut instances {
            let addresses = [&mut *conf.vips, &mut *conf.excluded_vips];
            vmac_base::strip_vmacs(&mut conf.settings.vmacs, addresses, &self.shared.no_links);
        }
        let configured = configured(&instances, &static_addresses);
        let continued = self.match_instances(cx, &instances);
        self.remove_missing(cx, &continued, &configured);
        self.shared.events.set_limit(global.event_history);
        self.shared.global = global;
        let tracked = TrackedObjects {
            scripts,
            files: track_files,
            processes: track_processes,
        };
        self.replace_tracking(cx, tracked);
        self.shared.open_fifos(cx, lvs.notify_fifo.as_ref());
        // A static address that has become virtual is removed before an instance adopts it.
        let statics = static_addresses.into_iter();
        let known = self.shared.known();
        self.statics
            .replace(cx, statics, Kind::Static, known, &configured);
        self.shared.kernel_work = true;
        let new = self.change_instances(
            cx,
            instances.into_iter().zip(continued),
            sync_groups,
            &configured,
        );
        self.work_on_changes(cx);
        self.track_groups = track_groups;
        self.static_routes
            .replace(cx, static_routes, static_rules, &self.shared.interfaces);
        self.rebuild_tables();
        self.apply_maintenance(cx);
        if let Err(error) = self.remove_leftovers_of(cx, &new) {
            let error = error_text(&error);
            let text = format_args!("cannot read interfaces and addresses: {error}");
            cx.note(Level::Warn, EventKind::Refused, Object::DAEMON, text);
        }
        self.find_foreign_addresses(now);
        self.recheck_everything();
        self.refresh_if_dirty(cx);
        self.start_instances(cx, &new, Duration::ZERO);
        self.sync_all_groups(cx);
        self.replace_services(cx, lvs);
        self.restore_base_settings(cx);
        self.promote_secondaries(cx);
        self.warn_if_ipv6_disabled(cx);
        self.finish_reload(cx);
    }

    /// Does one slice of the work, beginning with an instance whose addresses have changed: the others
    /// only look whether something is missing.
    fn work_on_changes(&mut self, cx: &mut Cx<'_>) {
        let mut all = self.routers.iter();
        if let Some(nth) = all.position(|router| router.addresses.has_changed()) {
            self.next_set = nth;
            self.work_on_kernel(cx);
        }
    }

    /// The running instance that each new one continues; what is held follows it.
    fn match_instances(&mut self, cx: &Cx<'_>, new: &[VrrpInstance]) -> Vec<Option<InstanceId>> {
        let continued = self.continued(new);
        self.note_replaced(new, &continued);
        self.renumber_maintenance(cx, new, &continued);
        continued
    }

    fn replace_services(&mut self, cx: &mut Cx<'_>, new: Lvs) {
        self.with_lvs(|services, shared, routers| services.replace(cx, shared, routers, new));
        self.continue_maintenance(cx);
    }

    /// The running instance that each new one continues. Of several with one VRID on an interface,
    /// one of the same name is preferred, then one with the same group or peers.
    pub(crate) fn continued(&self, new: &[VrrpInstance]) -> Vec<Option<InstanceId>> {
        let mut free = vec![true; self.routers.len()];
        let mut continued = vec![None; new.len()];
        let alike: [fn(&RunningInstance, &VrrpInstance) -> bool; 3] = [
            |old, new| old.name == new.name,
            |old, new| old.transport == new.transport,
            |_, _| true,
        ];
        for alike in alike {
            // Most files have their instances in the same order as before.
            let mut next = 0;
            for (conf, slot) in new.iter().zip(&mut continued) {
                if slot.is_some() {
                    continue;
                }
                let same = |nth: &usize| {
                    let is_free = free.get(*nth) == Some(&true);
                    let router = self.routers.get(InstanceId(*nth));
                    is_free && router.is_some_and(|one| one.matches(conf) && alike(&one.conf, conf))
                };
                // Names are unique.
                let named = Some(next).filter(same);
                let named = named.filter(|nth| self.is_named(*nth, conf));
                let found = named.or_else(|| (0..self.routers.len()).find(same));
                if let Some((nth, free)) = found.and_then(|nth| Some((nth, free.get_mut(nth)?))) {
                    *free = false;
                    *slot = Some(InstanceId(nth));
                    next = nth.saturating_add(1);
                }
            }
        }
        continued
    }

    fn is_named(&self, nth: usize, conf: &VrrpInstance) -> bool {
        let router = self.routers.get(InstanceId(nth));
        router.is_some_and(|router| router.conf.name == conf.name)
    }

    /// Notes, for the log, which instances end only to start again.
    fn note_replaced(&mut self, new: &[VrrpInstance], continued: &[Option<InstanceId>]) {
        for (conf, _) in new.iter().zip(continued).filter(|(_, old)| old.is_none()) {
            let mut old = self.routers.iter_mut();
            let old =
                old.find(|old| old.conf.name == conf.name && !continued.contains(&Some(old.id)));
            if let Some(router) = old {
                router.replaced = Some(router.difference(conf));
            }
        }
    }

    /// Instances that are no longer configured resign and clean up.
    fn remove_missing(
        &mut self,
        cx: &mut Cx<'_>,
        continued: &[Option<InstanceId>],
        configured: &[Cidr],
    ) {
        let all = self.routers.ids();
        let gone: Vec<InstanceId> = all.filter(|id| !continued.contains(&Some(*id))).collect();
        for &id in &gone {
            self.handle_event(cx, id, Event::Stop);
            if let Some(router) = self.routers.get_mut(id) {
                if let Some(routes) = router.routes.get_mut() {
                    routes.withdraw_now(cx, &self.shared.interfaces);
                }
                router.remove_addresses(cx, self.shared.known(), configured);
                self.statics.retire(&mut router.addresses);
                router.remove_vmacs(cx, &mut self.shared);
            }
            self.emit_logs_and_notifications(cx);
        }
        // Only now, because sync groups refer to their members by id.
        self.routers.retain(|router| !gone.contains(&router.id));
    }

    /// Brings the instances into the order of the new configuration, and gives those that stay
    /// their new parameters. Returns the instances that are new.
    fn change_instances(
        &mut self,
        cx: &mut Cx<'_>,
        new: impl ExactSizeIterator<Item = (VrrpInstance, Option<InstanceId>)>,
        groups: Vec<SyncGroup>,
        configured: &[Cidr],
    ) -> Vec<InstanceId> {
        let count = new.len();
        let ids: Vec<InstanceId> = self.routers.iter().map(|router| router.id).collect();
        let mut old: Vec<Option<Router>> = self.routers.take().into_iter().map(Some).collect();
        let mut added = Vec::new();
        let mut changes = Vec::new();
        for (nth, (conf, continued)) in new.enumerate() {
            let id = InstanceId(nth);
            let position = Position { id, count };
            let nth = continued.and_then(|id| ids.binary_search(&id).ok());
            let known = nth.and_then(|nth| old.get_mut(nth)?.take());
            let Some(mut router) = known else {
                added.push(id);
                self.routers.add(conf, position);
                continue;
            };
            let garp = if router.conf.garp == conf.garp {
                GarpChange::Unchanged
            } else {
                GarpChange::Changed
            };
            let known = self.shared.known();
            let params = router.reconfigure(
                cx,
                known,
                conf,
                position,
                configured,
                self.routers.last_few(),
            );
            changes.push(InstanceChange { id, params, garp });
            self.routers.push(router);
        }
        self.replace_no_accept(cx);
        self.replace_groups(groups);
        self.extend_maintenance();
        // Before anything is recorded of an instance that has another number now.
        self.rewrite_state_file(cx);
        for change in changes {
            self.apply_instance_change(cx, &change);
        }
        added
    }

    fn apply_instance_change(&mut self, cx: &mut Cx<'_>, change: &InstanceChange) {
        let InstanceChange { id, params, garp } = change;
        let Some(router) = self.routers.get_mut(*id) else {
            return;
        };
        let effective = router.effective_priority(&self.shared);
        let before = core::mem::replace(&mut router.reported_priority, effective);
        self.handle_event(cx, *id, Event::Params { params, effective });
        if before != effective
            && let Some(router) = self.routers.get(*id)
        {
            messages::report_priority(cx, router, &self.shared, before);
            router.notify_priority(cx, &mut self.shared);
        }
        if let Some(router) = self.routers.get_mut(*id) {
            router.install_new_addresses(cx, &mut self.shared, *garp);
        }
    }

    /// Creates the virtual interfaces of new instances, and removes addresses of theirs that were left
    /// over, before the election, as at startup.
    fn remove_leftovers_of(&mut self, cx: &mut Cx<'_>, new: &[InstanceId]) -> io::Result<()> {
        // Marks tell old entries of the table from addresses of other programs.
        if new.is_empty() && self.shared.interfaces.marks {
            return Ok(());
        }
        // Without the addresses that other instances have just removed.
        self.dump_interfaces(cx)?;
        self.create_vmacs(cx)?;
        for &id in new {
            if let Some(router) = self.routers.get_mut(id) {
                router.withdraw_leftover_addresses(cx, &mut self.shared);
            }
        }
        Ok(())
    }
}

/// The addresses of a configuration as the kernel lists them, sorted.
fn configured(instances: &[VrrpInstance], statics: &[Address]) -> Vec<Cidr> {
    let virtuals = instances
        .iter()
        .flat_map(|conf| conf.vips.iter().chain(&conf.excluded_vips));
    sorted(virtuals.chain(statics).map(addresses::listed).collect())
}

/// What a reload changes for an instance that stays.
struct InstanceChange {
    id: InstanceId,
    params: vrrp::Params,
    garp: GarpChange,
}
