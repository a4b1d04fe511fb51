//! The beginning and the end.

use crate::engine::cx::Cx;
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
        let cx = &mut Cx::new(now, system);
        let uptime = cx.system.uptime();
        let after_boot = self.shared.global.delay_after_boot.saturating_sub(uptime);
        let hold = self.shared.global.startup_delay.max(after_boot);
        self.dump_interfaces(cx)?;
        self.restore(cx, hold);
        self.create_vmacs(cx)?;
        self.remove_leftovers(cx)?;
        self.shared
            .no_accept
            .replace(cx, &self.shared.global.nft, &self.routers);
        self.promote_secondaries(cx);
        self.warn_if_ipv6_disabled(cx);
        let fifo = self.lvs.as_ref().and_then(|lvs| lvs.fifo().cloned());
        self.open_fifos(cx, fifo.as_ref());
        let outcome = self.statics.install(cx, &self.shared.interfaces);
        actions::report("static_ipaddress", &outcome);
        self.start_tracking(cx);
        self.install_static_routes(cx);
        self.shared.dirty = true;
        self.refresh_if_dirty(cx);
        let deaf = cx.system.uptime().saturating_sub(uptime);
        for id in 0..self.routers.len() {
            if let Some(router) = self.routers.get_mut(id) {
                router.machine.extend_listening(deaf);
                self.rearm(id);
            }
        }
        self.with_lvs(|lvs, shared, routers| lvs.start(cx, shared, routers));
        if !hold.is_zero() {
            log::info!(target: "vrrp", "instances start in {} ms", hold.as_millis());
        }
        for id in 0..self.routers.len() {
            self.start_instance(cx, id, hold);
        }
        Ok(())
    }

    /// Starts an instance, as soon as all that it must not run without has been heard of.
    pub(crate) fn start_instance(&mut self, cx: &mut Cx<'_>, id: usize, hold: Duration) {
        let fresh = |router: &&mut Router| !router.machine.is_resuming();
        let Some(router) = self.routers.get_mut(id).filter(fresh) else {
            return;
        };
        router.start_at = Some(cx.now.after(hold));
        self.start_if_ready(cx, id);
        self.flush(cx);
        let Some(router) = self.routers.get(id).filter(|one| one.start_at.is_some()) else {
            return;
        };
        if let Some(awaited) = self
            .shared
            .tracking
            .awaited(&router.conf.tracks, &self.shared.interfaces)
        {
            let name = &router.conf.name;
            log::info!(target: "vrrp", "({name}) begins when the first result of {awaited} is there");
        }
    }

    /// Starts an instance that is to begin, unless a tracked object has yet to give its first result.
    pub(crate) fn start_if_ready(&mut self, cx: &mut Cx<'_>, id: usize) {
        let Some(router) = self.routers.get(id) else {
            return;
        };
        let Some(at) = router.start_at else { return };
        let tracks = &router.conf.tracks;
        if self
            .shared
            .tracking
            .is_pending(tracks, &self.shared.interfaces)
        {
            return;
        }
        if let Some(router) = self.routers.get_mut(id) {
            router.start_at = None;
        }
        let hold = at.since(cx.now);
        self.deliver(
            cx,
            id,
            Event::Start {
                startup_delay: hold,
            },
        );
    }

    /// Reads links and addresses from the kernel.
    pub(crate) fn dump_interfaces(&mut self, cx: &mut Cx<'_>) -> io::Result<()> {
        let mut links = self.shared.interfaces.fresh();
        let mut batch = Batch::new(1);
        let requests: [fn(&mut Batch) -> u32; 2] = [link::dump, addr::dump];
        for request in requests {
            batch.clear();
            request(&mut batch);
            cx.system.dump(&batch, &mut |message| {
                links.apply(cx.now, message);
            })?;
        }
        self.shared.interfaces.adopt(cx.now, links);
        Ok(())
    }

    /// Removes addresses that a killed daemon has left behind: nobody may use them before an election,
    /// and none may serve as source.
    fn remove_leftovers(&mut self, cx: &mut Cx<'_>) -> io::Result<()> {
        let (mut left, mut spared) = (0, false);
        for id in 0..self.routers.len() {
            if self.routers.get(id).is_some_and(|one| one.resume.resuming) {
                spared = true;
                continue;
            }
            self.remove_leftover_routes(cx, id);
            left += self.remove_leftover_addresses(cx, id);
        }
        // Where addresses were left behind, the packet filter may have been too. Left behind by a router that was
        // not master, or whose addresses have expired, it is alone; but the kernel is not asked where that would
        // load a module, and it may belong to another copy.
        let mut there = |path| cx.system.read_file(path).is_ok();
        let asked = self.shared.global.instance.is_none() && (there(NF_TABLES) || !there(MODULES));
        if spared && self.routers.iter().any(|router| !router.conf.accept) {
            // There must be no moment in which their addresses accept.
            self.shared.no_accept.adopt(&self.shared.global.nft);
        } else if left > 0 || spared || asked {
            self.shared.no_accept.clean(cx, &self.shared.global.nft);
        }
        if left > 0 {
            self.dump_interfaces(cx)
        } else {
            Ok(())
        }
    }

    /// The routes and rules of one instance.
    pub(crate) fn remove_leftover_routes(&mut self, cx: &mut Cx<'_>, id: usize) {
        let Some(router) = self.routers.get_mut(id) else {
            return;
        };
        let count = router.routes.clean(cx, &self.shared.interfaces);
        if count > 0 {
            let name = &router.conf.name;
            log::info!(
                target: "vrrp",
                "({name}) removed {count} routes and rules left over from an earlier run"
            );
        }
    }

    /// The addresses of one instance; tells how many there were.
    pub(crate) fn remove_leftover_addresses(&mut self, cx: &mut Cx<'_>, id: usize) -> usize {
        let Some(router) = self.routers.get_mut(id) else {
            return 0;
        };
        let count = router.addresses.clean(cx, &self.shared.interfaces);
        if count > 0 {
            let name = &router.conf.name;
            log::info!(
                target: "vrrp",
                "({name}) removed {count} addresses left over from an earlier run"
            );
        }
        count
    }

    pub(crate) fn promote_secondaries(&mut self, cx: &mut Cx<'_>) {
        for router in self
            .routers
            .iter()
            .filter(|router| router.conf.promote_secondaries)
        {
            let interface = &router.conf.interface;
            let name = format_args!("net/ipv4/conf/{interface}/promote_secondaries");
            if let Err(error) = cx.system.set_sysctl(name, "1")
                && self.shared.sysctl_errors.is_news(&error)
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
    pub(crate) fn warn_if_ipv6_disabled(&self, cx: &mut Cx<'_>) {
        let mut before = None;
        for router in &self.routers {
            let interface = router.conf.interface.as_str();
            if router.conf.family == Family::V4 || before == Some(interface) {
                continue;
            }
            before = Some(interface);
            let path = format!("/proc/sys/net/ipv6/conf/{interface}/disable_ipv6");
            if cx.system.read_file(&path).is_ok_and(|is| is == b"1\n") {
                log::warn!(target: "vrrp", "IPv6 is switched off on {interface} ({path})");
            }
        }
    }

    /// Resigns everywhere and removes what was added.
    pub fn stop(&mut self, now: Instant, system: &mut dyn System) {
        let cx = &mut Cx::new(now, system);
        self.shared.stopping = true;
        self.stop_scripts(cx);
        for id in 0..self.routers.len() {
            self.handle_event(cx, id, Event::Stop);
        }
        self.with_lvs(|lvs, shared, _| lvs.stop(cx, shared));
        self.static_routes.withdraw(cx, &self.shared.interfaces);
        self.statics.withdraw(cx, &self.shared.interfaces);
        if !self.shared.options.dont_release {
            self.remove_vmacs(cx);
            self.shared.no_accept.remove(cx);
        }
    }
}
