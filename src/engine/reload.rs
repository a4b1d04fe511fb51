//! Another configuration while running (`semantics.md` §11).
//!
//! An instance is the same if interface, family and VRID are: it keeps state, timers, counters and every
//! address it still has, and its machine is told what is new. Whoever is gone resigns and clears up first; then all
//! sets let go of what is in them no more; then what is new is added, so that an address may move from one
//! instance to another. The caller has checked the configuration: nothing here can fail half-way.

use crate::engine::cx::Cx;
use core::time::Duration;
use std::io;

use crate::config::model::{Config, SyncGroup, VrrpInstance};
use crate::engine::Engine;
use crate::engine::instance::actions;
use crate::engine::instance::router::Router;
use crate::engine::kernel::vmac;
use crate::engine::system::System;
use crate::types::{Instant, VrrpState};
use crate::vrrp::{Burst, Event};

impl Engine {
    /// Every master says that it lives: reading a large configuration on a small machine may take longer than
    /// what is left until its next advert.
    pub fn before_reload(&mut self, now: Instant, system: &mut dyn System) {
        let cx = &mut Cx::new(now, system);
        self.emit_logs_and_notifications(cx);
        for id in 0..self.routers.len() {
            let master = |router: &&Router| router.machine.state() == VrrpState::Master;
            let effective = |router: &Router| router.machine.effective_priority();
            if let Some(priority) = self.routers.get(id).filter(master).map(effective) {
                self.send_advert(cx, id, priority);
            }
        }
        self.shared.state_records.write(cx);
    }

    /// Changes over to `config`.
    pub fn reload(&mut self, now: Instant, config: Config, system: &mut dyn System) {
        let cx = &mut Cx::new(now, system);
        let Config {
            global,
            mut instances,
            sync_groups: groups,
            static_addresses,
            scripts,
            track_files: files,
            track_processes: processes,
            track_groups,
            static_routes,
            static_rules,
            lvs,
            ..
        } = config;
        self.emit_logs_and_notifications(cx);
        if self.shared.no_macvlan {
            for conf in &mut instances {
                vmac::strip(conf);
            }
        }
        self.remove_missing(cx, &instances);
        self.shared.global = global;
        self.replace_tracking(cx, (scripts, files, processes));
        self.open_fifos(cx, lvs.notify_fifo.as_ref());
        // What has become virtual must be let go of before an instance asks whether it is there.
        let statics = static_addresses.into_iter();
        self.statics.replace(
            cx,
            statics,
            crate::engine::Kind::Static,
            &self.shared.interfaces,
        );
        let fresh = self.change_instances(cx, instances, groups);
        self.track_groups = track_groups;
        self.static_routes
            .replace(cx, static_routes, static_rules, &self.shared.interfaces);
        self.rebuild_tables();
        self.rewrite_state_file(cx);
        if let Err(error) = self.remove_leftovers_of_new(cx, &fresh) {
            log::warn!(target: "netlink", "links and addresses cannot be read: {error}");
        }
        self.recheck_everything();
        self.refresh_if_dirty(cx);
        for id in fresh {
            self.start_instance(cx, id, Duration::ZERO);
        }
        self.sync_all_groups(cx);
        self.with_lvs(|services, shared, routers| services.replace(cx, shared, routers, lvs));
        self.restore_base_settings(cx, false);
        self.promote_secondaries(cx);
        self.warn_if_ipv6_disabled(cx);
        self.finish_reload(cx);
    }

    /// Instances that are configured no more resign and clear up.
    fn remove_missing(&mut self, cx: &mut Cx<'_>, new: &[VrrpInstance]) {
        let stays = |router: &Router| new.iter().any(|conf| router.is(conf));
        let gone: Vec<bool> = self.routers.iter().map(|router| !stays(router)).collect();
        for (id, _) in gone.iter().enumerate().filter(|(_, gone)| **gone) {
            self.handle_event(cx, id, Event::Stop);
            self.remove_vmac(cx, id);
        }
        // Not before all are reported: until then groups know their members by place.
        let mut gone = gone.into_iter();
        self.routers.retain(|_| !gone.next().unwrap_or(false));
    }

    /// Brings the instances into the order of the new configuration and tells those that stay what is new.
    /// Answers with the places of those that have yet to begin.
    fn change_instances(
        &mut self,
        cx: &mut Cx<'_>,
        new: Vec<VrrpInstance>,
        groups: Vec<SyncGroup>,
    ) -> Vec<usize> {
        let count = new.len();
        let mut old: Vec<Option<Router>> = core::mem::take(&mut self.routers)
            .into_iter()
            .map(Some)
            .collect();
        let mut fresh = Vec::new();
        let mut news = Vec::new();
        for (id, conf) in new.into_iter().enumerate() {
            let same = |slot: &&mut Option<Router>| slot.as_ref().is_some_and(|one| one.is(&conf));
            // In an unchanged file it is the one in the same place.
            let place = old.iter_mut().find(same).and_then(Option::take);
            let Some(mut router) = place else {
                fresh.push(id);
                self.routers.push(Router::new(conf, id, count));
                continue;
            };
            let garp = router.conf.garp;
            let params = router.reconfigure(cx, conf, (id, count), &self.shared.interfaces);
            news.push((id, params, garp != router.conf.garp));
            self.routers.push(router);
        }
        self.shared
            .no_accept
            .replace(cx, &self.shared.global.nft, &self.routers);
        self.replace_groups(groups);
        for (id, params, garp_changed) in news {
            let Some(router) = self.routers.get_mut(id) else {
                continue;
            };
            let effective =
                router.effective_priority(&self.shared.interfaces, &self.shared.tracking);
            let before = core::mem::replace(&mut router.reported_priority, effective);
            let params = &params;
            self.handle_event(cx, id, Event::Params { params, effective });
            if before != effective {
                self.log_priority(id, before, effective);
                self.notify_priority(cx, id);
            }
            self.install_new_addresses(cx, id, garp_changed);
        }
        fresh
    }

    /// Addresses of new instances that are there already, set by hand or left over, go before the election, as
    /// at the start.
    fn remove_leftovers_of_new(&mut self, cx: &mut Cx<'_>, fresh: &[usize]) -> io::Result<()> {
        if fresh.is_empty() {
            return Ok(());
        }
        // Without those that others have just let go of.
        self.dump_interfaces(cx)?;
        for &id in fresh {
            self.remove_leftover_addresses(cx, id);
        }
        Ok(())
    }

    /// Adds what is new to a master's addresses, and tells the neighbors.
    fn install_new_addresses(&mut self, cx: &mut Cx<'_>, id: usize, announce: bool) {
        let Some(router) = self.routers.get_mut(id) else {
            return;
        };
        let outcome = router.addresses.reconcile(cx, &self.shared.interfaces);
        actions::report(&actions::format_name(router), &outcome);
        let master = router.machine.state() == VrrpState::Master;
        if master && (announce || outcome.added > 0) {
            router.garp.start(cx.now, Burst::Master);
            self.announce(cx, id);
        }
    }
}
