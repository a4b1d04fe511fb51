//! The beginning and the end.

use core::time::Duration;
use std::io;

use crate::engine::Engine;
use crate::engine::instance::actions;
use crate::engine::instance::router::Router;
use crate::engine::system::System;
use crate::netlink::{Batch, addr, link};
use crate::types::{Family, Instant};
use crate::vrrp::Event;

/// There where the kernel has modules, and while this one is loaded.
const MODULES: &str = "/proc/modules";
const NF_TABLES: &str = "/sys/module/nf_tables/initstate";

impl Engine {
    /// Looks at the machine, goes on as master where a killed predecessor was until a moment ago, clears up
    /// after it elsewhere, and begins.
    ///
    /// # Errors
    /// When the kernel does not tell its links and addresses.
    pub fn start(&mut self, now: Instant, system: &mut dyn System) -> io::Result<()> {
        let uptime = system.uptime();
        let after_boot = self.global.delay_after_boot.saturating_sub(uptime);
        let hold = self.global.startup_delay.max(after_boot);
        self.survey(now, system)?;
        self.recall(now, hold, system);
        self.make_vmacs(now, system)?;
        self.clean(now, system)?;
        self.filter.replace(&self.global.nft, &self.routers, system);
        self.promote_secondaries(system);
        self.look_for_ipv6(system);
        let fifo = self.lvs.fifo();
        self.open_fifos(now, fifo.as_ref(), system);
        let outcome = self.statics.install(now, &self.links, system);
        actions::report("static_ipaddress", &outcome);
        self.start_tracking(now, system);
        self.install_static_routes(now, system);
        self.unsettled = true;
        self.settle(now, system);
        let deaf = system.uptime().saturating_sub(uptime);
        for id in 0..self.routers.len() {
            if let Some(router) = self.routers.get_mut(id) {
                router.machine.extend_listening(deaf);
                self.rearm(id);
            }
        }
        self.start_lvs(now, system);
        if !hold.is_zero() {
            log::info!(target: "vrrp", "instances start in {} ms", hold.as_millis());
        }
        for id in 0..self.routers.len() {
            self.begin(id, hold, now, system);
        }
        Ok(())
    }

    /// Starts an instance, as soon as all that it must not run without has been heard of.
    pub(crate) fn begin(
        &mut self,
        id: usize,
        hold: Duration,
        now: Instant,
        system: &mut dyn System,
    ) {
        let fresh = |router: &&mut Router| !router.machine.is_resuming();
        let Some(router) = self.routers.get_mut(id).filter(fresh) else {
            return;
        };
        router.begins = Some(now.after(hold));
        self.begin_if_known(id, now, system);
        self.conclude(now, system);
        let Some(router) = self.routers.get(id).filter(|one| one.begins.is_some()) else {
            return;
        };
        if let Some(awaited) = self.tracking.awaited(&router.conf.tracks, &self.links) {
            let name = &router.conf.name;
            log::info!(target: "vrrp", "({name}) begins when the first result of {awaited} is there");
        }
    }

    /// Starts an instance that is to begin, unless a tracked object has yet to give its first result.
    pub(crate) fn begin_if_known(&mut self, id: usize, now: Instant, system: &mut dyn System) {
        let Some(router) = self.routers.get(id) else {
            return;
        };
        let Some(at) = router.begins else { return };
        let tracks = &router.conf.tracks;
        if self.tracking.is_pending(tracks, &self.links) {
            return;
        }
        if let Some(router) = self.routers.get_mut(id) {
            router.begins = None;
        }
        let hold = at.since(now);
        self.put(
            id,
            now,
            Event::Start {
                startup_delay: hold,
            },
            system,
        );
    }

    /// Reads links and addresses from the kernel.
    pub(crate) fn survey(&mut self, now: Instant, system: &mut dyn System) -> io::Result<()> {
        let mut links = self.links.fresh();
        let mut batch = Batch::new(1);
        let requests: [fn(&mut Batch) -> u32; 2] = [link::dump, addr::dump];
        for request in requests {
            batch.clear();
            request(&mut batch);
            system.dump(&batch, &mut |message| {
                links.apply(now, message);
            })?;
        }
        self.links.adopt(now, links);
        Ok(())
    }

    /// Removes addresses that a killed daemon has left behind: nobody may use them before an election,
    /// and none may serve as source.
    fn clean(&mut self, now: Instant, system: &mut dyn System) -> io::Result<()> {
        let (mut left, mut spared) = (0, false);
        for id in 0..self.routers.len() {
            if self.routers.get(id).is_some_and(|one| one.past.resuming) {
                spared = true;
                continue;
            }
            self.clean_routes(id, system);
            left += self.clean_addresses(id, system);
        }
        // Where addresses were left behind, the packet filter may have been too. Left behind by a router that was
        // not master, or whose addresses have expired, it is alone; but the kernel is not asked where that would
        // load a module, and it may belong to another copy.
        let mut there = |path| system.read_file(path).is_ok();
        let asked = self.global.instance.is_none() && (there(NF_TABLES) || !there(MODULES));
        if spared && self.routers.iter().any(|router| !router.conf.accept) {
            // There must be no moment in which their addresses accept.
            self.filter.adopt(&self.global.nft);
        } else if left > 0 || spared || asked {
            self.filter.clean(&self.global.nft, system);
        }
        if left > 0 {
            self.survey(now, system)
        } else {
            Ok(())
        }
    }

    /// The routes and rules of one instance.
    pub(crate) fn clean_routes(&mut self, id: usize, system: &mut dyn System) {
        let Some(router) = self.routers.get_mut(id) else {
            return;
        };
        let count = router.routes.clean(&self.links, system);
        if count > 0 {
            let name = &router.conf.name;
            log::info!(
                target: "vrrp",
                "({name}) removed {count} routes and rules left over from an earlier run"
            );
        }
    }

    /// The addresses of one instance; tells how many there were.
    pub(crate) fn clean_addresses(&mut self, id: usize, system: &mut dyn System) -> usize {
        let Some(router) = self.routers.get_mut(id) else {
            return 0;
        };
        let count = router.set.clean(&self.links, system);
        if count > 0 {
            let name = &router.conf.name;
            log::info!(
                target: "vrrp",
                "({name}) removed {count} addresses left over from an earlier run"
            );
        }
        count
    }

    pub(crate) fn promote_secondaries(&mut self, system: &mut dyn System) {
        for router in self
            .routers
            .iter()
            .filter(|router| router.conf.promote_secondaries)
        {
            let interface = &router.conf.interface;
            let name = format_args!("net/ipv4/conf/{interface}/promote_secondaries");
            if let Err(error) = system.set_sysctl(name, "1")
                && self.settings.is_news(&error)
            {
                let instance = &router.conf.name;
                log::warn!(
                    target: "vrrp",
                    "({instance}) promote_secondaries not set on {interface}: {error}"
                );
            }
        }
    }

    /// An instance of IPv6 where that is switched off waits for an address that never comes: says so, once for
    /// neighboring instances of an interface.
    pub(crate) fn look_for_ipv6(&self, system: &mut dyn System) {
        let mut before = None;
        for router in &self.routers {
            let interface = router.conf.interface.as_str();
            if router.conf.family == Family::V4 || before == Some(interface) {
                continue;
            }
            before = Some(interface);
            let path = format!("/proc/sys/net/ipv6/conf/{interface}/disable_ipv6");
            if system.read_file(&path).is_ok_and(|is| is == b"1\n") {
                log::warn!(target: "vrrp", "IPv6 is switched off on {interface} ({path})");
            }
        }
    }

    /// Resigns everywhere and removes what was added.
    pub fn stop(&mut self, now: Instant, system: &mut dyn System) {
        self.stopping = true;
        self.stop_scripts(system);
        for id in 0..self.routers.len() {
            self.tell(id, now, Event::Stop, system);
        }
        self.stop_lvs(now, system);
        self.static_routes.withdraw(&self.links, system);
        self.statics.withdraw(&self.links, system);
        if !self.options.dont_release {
            self.remove_vmacs(system);
            self.filter.remove(system);
        }
    }
}
