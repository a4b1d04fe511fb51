//! Startup and shutdown.

use core::time::Duration;
use std::io;

use crate::engine::Engine;
use crate::engine::cx::Cx;
use crate::engine::events::{EventKind, Events};
use crate::engine::instance::messages;
use crate::engine::instance::router::Router;
use crate::engine::instance::state_record;
use crate::engine::kernel::interfaces::Interfaces;
use crate::engine::shared::Shared;
use crate::engine::system::{System, error_text};
use crate::log::{self, Level};
use crate::netlink::{Batch, addr, link};
use crate::types::{Cidr, Family, IfName, InstanceId, Instant, sorted};
use crate::vrrp::{Event, Reason};

/// Exists if the kernel supports modules.
const MODULES: &str = "/proc/modules";
/// Exists while the module is loaded.
const NF_TABLES: &str = "/sys/module/nf_tables/initstate";

/// Lists the kernel's netlink sockets, among them its own: one for each protocol it has.
const NETLINK_SOCKETS: &str = "/proc/net/netlink";
/// Number of the protocol `NETLINK_NETFILTER`.
const NETFILTER: &[u8] = b"12";
/// Of a longer list only the beginning is read ([`System::read_file`]).
const LONGEST: usize = 4096;

/// Whether instances were master a moment ago and continue.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Masters {
    Resume,
    Elected,
}

/// Whether the kernel is known to have no packet filter, neither built in nor loaded.
fn lacks_netfilter(cx: &mut Cx<'_>) -> bool {
    let is_it = |line: &[u8]| {
        let words = line.split(|byte| *byte == b' ');
        words.filter(|word| !word.is_empty()).nth(1) == Some(NETFILTER)
    };
    let list = cx.system.read_file(NETLINK_SOCKETS);
    list.is_ok_and(|list| list.len() < LONGEST && !list.split(|byte| *byte == b'\n').any(is_it))
}

impl Engine {
    /// Reads interfaces and addresses, lets instances continue that were master a moment ago,
    /// removes what a killed process has left otherwise, and starts.
    ///
    /// # Errors
    /// The kernel does not list its interfaces and addresses.
    pub fn start(&mut self, now: Instant, system: &mut dyn System) -> io::Result<()> {
        let cx = &mut Cx::new(now, system, &self.shared.events);
        self.shared.counters.started = now;
        let uptime = cx.system.uptime();
        let global = &self.shared.global;
        let after_boot = global.delay_after_boot.saturating_sub(uptime);
        let startup_delay = global.startup_delay.max(after_boot);
        self.dump_interfaces(cx)?;
        self.restore(cx, startup_delay);
        self.create_vmacs(cx)?;
        self.remove_leftovers(cx)?;
        self.replace_no_accept(cx);
        self.promote_secondaries(cx);
        self.warn_if_ipv6_disabled(cx);
        let fifo = self.lvs.as_ref().and_then(|lvs| lvs.fifo().cloned());
        self.shared.open_fifos(cx, fifo.as_ref());
        self.statics.install(cx.now);
        self.finish_kernel_work(cx);
        self.start_tracking(cx);
        self.static_routes.install();
        self.finish_kernel_work(cx);
        self.shared.dirty = true;
        self.refresh_if_dirty(cx);
        // Resuming instances received no adverts during the startup.
        let elapsed = cx.system.uptime().saturating_sub(uptime);
        for router in self.routers.iter_mut() {
            router.machine.extend_listening(elapsed);
            router.rearm(&mut self.shared);
        }
        self.with_lvs(|lvs, shared, routers| lvs.start(cx, shared, routers));
        if !startup_delay.is_zero() {
            log::info!(target: "vrrp", "instances start in {} ms", startup_delay.as_millis());
        }
        let all: Vec<InstanceId> = self.routers.ids().collect();
        self.start_instances(cx, &all, startup_delay);
        Ok(())
    }

    /// Starts instances as soon as all objects they must not run without have a first result. All
    /// owners advertise before the first sets its addresses.
    pub(crate) fn start_instances(
        &mut self,
        cx: &mut Cx<'_>,
        ids: &[InstanceId],
        startup_delay: Duration,
    ) {
        for &id in ids {
            let fresh = |router: &&mut Router| !router.machine.is_resuming();
            if let Some(router) = self.routers.get_mut(id).filter(fresh) {
                router.start_at = Some(cx.now.after(startup_delay));
                router.since = router.since.or(Some((cx.now, Reason::Startup)));
                self.start_if_ready(cx, id);
            }
        }
        self.flush(cx);
        for &id in ids {
            self.report_awaited(id);
        }
    }

    /// Logs what a start waits for.
    fn report_awaited(&self, id: InstanceId) {
        let waits = |router: &&Router| router.start_at.is_some();
        let Some(router) = self.routers.get(id).filter(waits) else {
            return;
        };
        let Shared {
            tracking,
            interfaces,
            ..
        } = &self.shared;
        if let Some(awaited) = tracking.awaited(&router.conf.tracks, interfaces) {
            let name = &router.conf.name;
            log::info!(target: "vrrp", "({name}) starts after the first result of {awaited}");
        }
    }

    /// Starts an instance that is to start, unless a tracked object has no result yet.
    pub(crate) fn start_if_ready(&mut self, cx: &mut Cx<'_>, id: InstanceId) {
        let Some(router) = self.routers.get_mut(id) else {
            return;
        };
        let Some(at) = router.start_at else { return };
        let Shared {
            tracking,
            interfaces,
            ..
        } = &self.shared;
        if tracking.is_pending(&router.conf.tracks, interfaces) {
            return;
        }
        router.start_at = None;
        let startup_delay = at.since(cx.now);
        self.deliver(cx, id, Event::Start { startup_delay });
    }

    /// Reads interfaces and addresses from the kernel.
    pub(crate) fn dump_interfaces(&mut self, cx: &mut Cx<'_>) -> io::Result<()> {
        let mut links = self.shared.interfaces.fresh();
        dump(cx, &mut links)?;
        self.shared.interfaces.adopt(cx.now, links);
        Ok(())
    }

    /// Removes what a killed process has left: its addresses must not be used before an election,
    /// and not as source addresses.
    fn remove_leftovers(&mut self, cx: &mut Cx<'_>) -> io::Result<()> {
        let (mut removed, mut resuming) = (0, false);
        for router in self.routers.iter_mut() {
            if router.resume.resuming {
                resuming = true;
                continue;
            }
            router.remove_leftover_routes(cx, &self.shared);
            removed += router.remove_leftover_addresses(cx, &mut self.shared);
        }
        let masters = if resuming {
            Masters::Resume
        } else {
            Masters::Elected
        };
        self.remove_leftover_no_accept(cx, removed, masters);
        if removed > 0 {
            self.dump_interfaces(cx)
        } else {
            Ok(())
        }
    }

    /// Removes the packet filter rules that a killed process has left. If it left no addresses,
    /// only where asking the kernel loads no module, and not if the rules may belong to another
    /// running instance. A kernel without the protocol has no rules: asking it would run modprobe
    /// twice, which took longer than the rest of the start.
    fn remove_leftover_no_accept(&mut self, cx: &mut Cx<'_>, removed: usize, masters: Masters) {
        let Shared {
            no_accept, global, ..
        } = &mut self.shared;
        let mut exists = |path| cx.system.read_file(path).is_ok();
        let harmless = global.instance.is_none() && (exists(NF_TABLES) || !exists(MODULES));
        let resuming = masters == Masters::Resume;
        if resuming && self.routers.iter().any(|router| !router.conf.accept) {
            // There must be no moment at which their addresses accept packets.
            no_accept.adopt(&global.nft);
        } else if (removed > 0 || resuming || harmless) && !lacks_netfilter(cx) {
            no_accept.remove_leftovers(cx, &global.nft);
        }
    }

    pub(crate) fn promote_secondaries(&mut self, cx: &mut Cx<'_>) {
        let wanted = |router: &&Router| router.conf.promote_secondaries;
        for router in self.routers.iter().filter(wanted) {
            let Some(interface) = router.conf.own_interface() else {
                continue;
            };
            let name = format_args!("net/ipv4/conf/{interface}/promote_secondaries");
            if let Err(error) = cx.system.set_sysctl(name, "1")
                && self.shared.sysctl_errors.is_new(cx, &error)
            {
                let error = error_text(&error);
                cx.note(
                    Level::Warn,
                    EventKind::Refused,
                    router.object(),
                    format_args!("cannot set promote_secondaries on {interface}: {error}"),
                );
            }
        }
    }

    /// Warns about IPv6 instances on an interface where IPv6 is disabled: they would wait for an
    /// address that never appears. One message for neighboring instances of an interface.
    pub(crate) fn warn_if_ipv6_disabled(&self, cx: &mut Cx<'_>) {
        let mut previous = None;
        for router in self.routers.iter() {
            let interface = router.conf.interface.as_str();
            if router.conf.family == Family::V4 || previous == Some(interface) {
                continue;
            }
            previous = Some(interface);
            let path = format!("/proc/sys/net/ipv6/conf/{interface}/disable_ipv6");
            if cx
                .system
                .read_file(&path)
                .is_ok_and(|value| value == b"1\n")
            {
                log::warn!(target: "vrrp", "IPv6 is disabled on {interface} ({path})");
            }
        }
    }

    /// Resigns everywhere and removes what was added.
    pub fn stop(&mut self, now: Instant, system: &mut dyn System) {
        let cx = &mut Cx::new(now, system, &self.shared.events);
        self.shared.stopping = true;
        self.shared.stop_scripts(cx);
        // The last adverts of all instances, before the first address is removed.
        for id in self.routers.ids() {
            self.deliver(cx, id, Event::Stop);
        }
        self.flush(cx);
        self.finish_kernel_work(cx);
        self.emit_all_logs_and_notifications(cx);
        self.with_lvs(|lvs, shared, _| lvs.stop(cx, shared));
        let Shared {
            interfaces,
            state_records,
            ..
        } = &mut self.shared;
        self.static_routes.withdraw_now(cx, interfaces);
        self.statics.withdraw_now(cx, interfaces, state_records);
        if !self.shared.options.dont_release {
            self.remove_vmacs(cx);
            self.shared.no_accept.remove(cx);
        }
    }
}

/// Reads interfaces and addresses from the kernel into an empty table.
fn dump(cx: &mut Cx<'_>, links: &mut Interfaces) -> io::Result<()> {
    let mut batch = Batch::new(1);
    let requests: [fn(&mut Batch) -> u32; 2] = [link::dump, addr::dump];
    for request in requests {
        batch.clear();
        request(&mut batch);
        cx.system.dump(&batch, &mut |message| {
            links.apply(cx.now, message);
        })?;
    }
    Ok(())
}

/// The addresses that other programs have set. `state`: contents of the state file.
pub fn foreign_addresses(
    now: Instant,
    system: &mut dyn System,
    state: &[u8],
) -> Vec<(IfName, Cidr)> {
    let mut links = Interfaces::default();
    let read = dump(&mut Cx::new(now, system, &Events::default()), &mut links);
    let recorded = sorted(state_record::addresses(state).collect());
    let mut found = Vec::new();
    for link in links.all().filter(|_| read.is_ok()) {
        for present in link.addrs.iter() {
            let address = (link.name.clone(), present.cidr);
            let recorded = recorded.binary_search(&address).is_ok();
            if !links.is_ours(present, recorded) {
                found.push(address);
            }
        }
    }
    found
}

impl Router {
    /// Removes routes and rules that an earlier run has left.
    pub(crate) fn remove_leftover_routes(&mut self, cx: &mut Cx<'_>, shared: &Shared) {
        let routes = self.routes.get_mut();
        let count = routes.map_or(0, |set| set.remove_leftovers(cx, &shared.interfaces));
        if count > 0 {
            cx.note(
                Level::Info,
                EventKind::Repair,
                self.object(),
                format_args!("removed {count} routes and rules left over from an earlier run"),
            );
        }
    }

    /// The same, in steps.
    pub(crate) fn withdraw_leftover_addresses(&mut self, cx: &Cx<'_>, shared: &mut Shared) {
        let count = self.adopt_addresses(cx.now, shared);
        if count > 0 {
            self.addresses.withdraw(cx.now);
            shared.kernel_work = true;
            self.report_leftover_addresses(cx, count);
        }
    }

    /// Removes addresses that an earlier run has left, and returns their number.
    fn remove_leftover_addresses(&mut self, cx: &mut Cx<'_>, shared: &mut Shared) -> usize {
        let count = self.adopt_addresses(cx.now, shared);
        if count > 0 {
            self.addresses
                .withdraw_now(cx, &shared.interfaces, &mut shared.state_records);
            self.report_leftover_addresses(cx, count);
        }
        count
    }

    /// Adopts addresses that an earlier run has left, and returns their number.
    pub(crate) fn adopt_addresses(&mut self, now: Instant, shared: &mut Shared) -> usize {
        self.find_foreign_addresses(now, shared, None);
        let Shared {
            interfaces,
            state_records,
            ..
        } = shared;
        self.addresses.adopt(interfaces, state_records)
    }

    /// Finds addresses that another program has set, all or one.
    pub(crate) fn find_foreign_addresses(
        &mut self,
        now: Instant,
        shared: &mut Shared,
        which: Option<Cidr>,
    ) {
        let Shared {
            interfaces,
            state_records,
            ..
        } = shared;
        let outcome = self
            .addresses
            .find_foreign(interfaces, state_records, which);
        messages::report_addresses(&shared.events, now, self.object(), &outcome);
    }

    fn report_leftover_addresses(&self, cx: &Cx<'_>, count: usize) {
        cx.note(
            Level::Info,
            EventKind::Repair,
            self.object(),
            format_args!("removed {count} addresses left over from an earlier run"),
        );
    }
}
