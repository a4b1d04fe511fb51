//! Hot restart: instances that continue as master after their process died or was replaced.
//!
//! ```text
//! advert ─ record_advert ─→ StateRecords ─ end of the event ─→ state file ─→ restore ─→ Event::Resume
//! no longer master ─→ StateRecords ─ at once, before anything is sent or logged ─→ state file
//! ```
//! The file never claims more than is true: the age of an advert counts from before it was sent,
//! and mastership ends in the file before it ends on the wire. If the process dies between two
//! steps, its successor may stay master for too short a time, never for too long.
//!
//! Addresses, routes and interfaces of an instance that may continue are left in the kernel at
//! startup, and removed as leftovers if it does not. A sync group continues as a whole or not at
//! all. Addresses of the previous process are those that the kernel marks as ours; before Linux 5.18
//! those that the file says it had set. Those no longer configured are removed, and virtual
//! interfaces if they still have the Ethernet address that they had.

use core::time::Duration;

use crate::config::model::Vmac;
use crate::engine::Engine;
use crate::engine::cx::Cx;
use crate::engine::events::{EventKind, Object};
use crate::engine::instance::router::Router;
use crate::engine::instance::state_record::{self, Record, StateRecords};
use crate::engine::kernel::ownership;
use crate::engine::shared::Shared;
use crate::engine::system::System;
use crate::engine::timers::TimerKey;
use crate::log::Level;
use crate::types::{IfIndex, Instant, Priority, VrrpState, sorted};
use crate::vrrp::{self, Actions, Event};

/// Restarts in quick succession after which an instance does not continue as master: a router whose
/// daemon keeps dying should not stay master.
const MAX_QUICK_RESUMES: u8 = 3;
/// A process that lived for this long did not die in quick succession.
const QUICK: Duration = Duration::from_secs(60);

/// The last advert as master.
#[derive(Clone, Copy, Debug)]
struct LastAdvert {
    /// Since boot.
    at: Duration,
    /// How long after it no peer takes over.
    grace: Duration,
    priority: Priority,
    /// Its record is that of an earlier advert.
    is_pending: bool,
}

/// How much time is left to continue as master.
#[derive(Clone, Copy, Debug)]
struct ResumeWindow {
    /// Until a peer may take over.
    left: Duration,
    /// Until a peer of lower priority may.
    until: Duration,
    /// The advert interval: how long to listen for another master.
    interval: Duration,
}

impl ResumeWindow {
    /// The window for two members of a sync group.
    fn intersect(self, other: ResumeWindow) -> ResumeWindow {
        ResumeWindow {
            left: self.left.min(other.left),
            until: self.until.min(other.until),
            interval: self.interval.max(other.interval),
        }
    }
}

/// What an instance has from the previous process, and leaves to the next.
#[derive(Debug, Default)]
pub(crate) struct ResumeState {
    /// It may continue as master; the kernel still has its addresses.
    pub(crate) resuming: bool,
    /// When it started to listen.
    since: Instant,
    /// Age of the last advert at `since`; once it has resumed, at that time.
    pub(crate) silence: Duration,
    /// Its priority stays as it was until all tracked objects have a first result.
    pub(crate) keep_priority: bool,
    /// Restarts in quick succession.
    quick_resumes: u8,
    /// When it resumed, since boot.
    resumed_at: Duration,
    last_advert: Option<LastAdvert>,
}

/// Why a recorded master may not continue; `None`: it was no master.
type Refusal = Option<&'static str>;

impl Engine {
    /// Finds the instances that were master a moment ago and lets them continue. Called before
    /// anything that they still have in the kernel is touched.
    pub(crate) fn restore(&mut self, cx: &mut Cx<'_>, startup_delay: Duration) {
        let old = cx.system.read_state();
        let uptime = cx.system.uptime();
        self.remove_stale(cx, &old);
        self.restore_maintenance(cx, &old);
        self.shared.state_records = self.records_without_masters(old.len());
        self.apply_maintenance(cx);
        let masters: Vec<Record> = state_record::records(&old).collect();
        let record_of = |router: &Router| masters.iter().find(|one| is_of(one, router)).cloned();
        let records: Vec<Option<Record>> = self.routers.iter().map(record_of).collect();
        let windows = self.resume_windows(&records, uptime);
        for ((id, record), window) in self.routers.ids().zip(records).zip(windows) {
            let (Some(record), Some(router)) = (record, self.routers.get_mut(id)) else {
                continue;
            };
            match window {
                Ok(ResumeWindow {
                    left,
                    until,
                    interval,
                }) => {
                    let listening = vrrp::resume_listen_time(interval, left);
                    let latest = vrrp::resume_listen_limit(interval, left);
                    let event = Event::Resume {
                        at: cx.now.after(listening),
                        latest: cx.now.after(latest),
                        until: cx.now.after(until),
                        startup_delay,
                    };
                    router.resume(cx.now, &mut self.shared, &record, uptime);
                    router.machine.handle(cx.now, event, &mut Actions::new());
                    router.report_resuming(cx, listening);
                    self.rearm(id);
                }
                Err(why) => router.report_not_resumed(cx, why.unwrap_or_default()),
            }
        }
        self.continue_maintenance(cx);
        self.shared.state_records.write(cx);
    }

    /// For each instance how long it may continue as master, or why it may not.
    fn resume_windows(
        &self,
        records: &[Option<Record>],
        uptime: Duration,
    ) -> Vec<Result<ResumeWindow, Refusal>> {
        let routers = self.routers.iter().zip(records);
        let mut windows: Vec<_> = routers
            .map(|(router, record)| router.resume_window(&self.shared, record.as_ref(), uptime))
            .collect();
        for group in &self.groups {
            let members = || group.conf.members.iter();
            let all = members().map(|id| windows.get(id.0).copied().and_then(Result::ok));
            let window = all.reduce(|one, other| Some(one?.intersect(other?)));
            let window = window
                .flatten()
                .ok_or(Some("another member of its sync group cannot"));
            for id in members() {
                if let Some(known) = windows.get_mut(id.0).filter(|known| known.is_ok()) {
                    *known = window;
                }
            }
        }
        windows
    }

    /// The contents of a state file in which no instance is master. `old_len`: length of the
    /// present file.
    fn records_without_masters(&mut self, old_len: usize) -> StateRecords {
        let mut records = StateRecords::new(self.routers.len());
        for slot in self.statics.ours() {
            slot.renumber(&mut records);
        }
        for router in self.routers.iter_mut() {
            for slot in router.addresses.ours() {
                slot.renumber(&mut records);
            }
            for vmac in &router.conf.vmacs {
                records.push_link(&vmac.name, vmac.mac());
            }
        }
        self.record_maintenance(&mut records);
        records.rewrite_over(old_len);
        records
    }

    /// Removes virtual interfaces and addresses of the previous process that are no longer
    /// configured.
    fn remove_stale(&mut self, cx: &mut Cx<'_>, old: &[u8]) {
        self.remove_stale_vmacs(cx, old);
        let all = state_record::addresses(old).map(|(dev, cidr)| (dev, cidr, false));
        let mut stale = sorted(all.collect());
        stale.dedup();
        for router in self.routers.iter_mut() {
            router.addresses.take_own_from(&mut stale);
        }
        self.statics.take_own_from(&mut stale);
        let count = ownership::remove_recorded(cx, &stale, &self.shared.interfaces);
        if count > 0 {
            cx.note(
                Level::Info,
                EventKind::Repair,
                Object::DAEMON,
                format_args!(
                    "removed {count} addresses of an earlier run that are no longer configured"
                ),
            );
        }
    }

    /// Writes the whole state file again: a reload may have changed the order of instances.
    pub(crate) fn rewrite_state_file(&mut self, cx: &mut Cx<'_>) {
        let mut records = self.records_without_masters(self.shared.state_records.len());
        let uptime = cx.system.uptime();
        for router in self.routers.iter() {
            records.set(router.id, router.record(uptime).as_ref());
        }
        self.shared.state_records = records;
        self.shared.state_records.write(cx);
    }

    /// Writes what has changed, and from time to time when masters have sent their last adverts.
    pub(crate) fn write_state_file(&mut self, cx: &mut Cx<'_>) {
        let due = self.shared.state_records.next_update();
        if due.is_some_and(|at| at <= cx.now) {
            self.update_records(cx);
        }
        let next = self.shared.state_records.latest_update();
        self.shared.set_timer(TimerKey::StateFile, next);
        self.shared.state_records.write(cx);
    }

    fn update_records(&mut self, cx: &mut Cx<'_>) {
        let uptime = cx.system.uptime();
        let records = &mut self.shared.state_records;
        for router in self.routers.iter_mut() {
            router.update_record(records, uptime);
        }
        records.updated(cx.now);
    }

    /// The program is about to be replaced by another version of itself: every master sends an
    /// advert, and children that would not end by themselves are terminated.
    pub fn hand_over(&mut self, now: Instant, system: &mut dyn System) {
        let cx = &mut Cx::new(now, system, &self.shared.events);
        self.shared.close_fifos(cx);
        self.shared.children.hand_over(cx);
        for router in self.routers.iter_mut() {
            router.resume.quick_resumes = 0;
        }
        self.advertise_before(cx, Instant::NEVER);
        // Includes instances that are still listening and sent no advert.
        self.rewrite_state_file(cx);
        // Only this process knows the previous settings. A host that learns the wrong Ethernet
        // address from the base interface is corrected when the new program announces its
        // addresses.
        self.restore_all_base_settings(cx);
    }
}

impl Router {
    /// How long it may continue as master, or why it may not.
    fn resume_window(
        &self,
        shared: &Shared,
        record: Option<&Record>,
        uptime: Duration,
    ) -> Result<ResumeWindow, Refusal> {
        let record = record.ok_or(None)?;
        if self.conf.priority.is_owner() {
            return Err(Some("an address owner becomes master at once"));
        }
        if self.machine.in_maintenance() {
            return Err(Some("it is in maintenance"));
        }
        let vmac = self.conf.vmac();
        let dev = vmac.map_or(&self.conf.interface, |vmac| &vmac.name);
        let link = shared.interfaces.by_name(dev);
        let link = link.filter(|link| {
            vmac.and_then(Vmac::mac)
                .is_none_or(|mac| link.mac == Some(mac))
        });
        let index = link.map_or(IfIndex(0), |link| link.index);
        if index != record.index || (index.0 == 0 && self.conf.own_interface().is_some()) {
            return Err(Some("its interface was replaced"));
        }
        if record.returns >= MAX_QUICK_RESUMES {
            return Err(Some("the daemon keeps dying"));
        }
        let end = record.sent.saturating_add(record.grace);
        // Peers are probably configured like this router: with `nopreempt`, of any priority.
        let until = match self.conf.nopreempt {
            true => end,
            false => record.peers_take_over(),
        };
        let until = until.saturating_sub(uptime);
        // A record from the future is not ours.
        if until.is_zero() || record.sent > uptime {
            return Err(Some("a peer may have taken over in the meantime"));
        }
        Ok(ResumeWindow {
            left: end.saturating_sub(uptime),
            until,
            interval: self.conf.advert_int.duration(),
        })
    }

    /// Takes over from its record what the previous process knew.
    fn resume(&mut self, now: Instant, shared: &mut Shared, record: &Record, uptime: Duration) {
        // Stays in the file until an advert of this process is sent.
        shared.state_records.set(self.id, Some(record));
        self.resume = ResumeState {
            resuming: true,
            since: now,
            silence: uptime.saturating_sub(record.sent),
            keep_priority: true,
            quick_resumes: record.returns.saturating_add(1),
            resumed_at: uptime,
            last_advert: Some(LastAdvert {
                at: record.sent,
                grace: record.grace,
                priority: record.priority,
                is_pending: false,
            }),
        };
        // A reload before it resumes must be able to remove what is no longer configured.
        self.adopt_addresses(now, shared);
        self.adopt_routes();
        self.reported_priority = record.priority;
        self.machine.continue_sequence_after(record.number);
        let priority = Event::Priority(record.priority);
        self.machine.handle(now, priority, &mut Actions::new());
    }

    fn adopt_routes(&mut self) {
        if let Some(routes) = self.routes.get_mut() {
            routes.adopt();
        }
    }

    fn report_resuming(&self, cx: &Cx<'_>, listening: Duration) {
        let listening = listening.as_millis();
        let ago = self.resume.silence.as_millis();
        cx.note(
            Level::Info,
            EventKind::Resume,
            self.object(),
            format_args!(
                "was master before the restart, last advert {ago} ms ago; will resume as MASTER unless another \
                 master is heard within {listening} ms"
            ),
        );
    }

    fn report_not_resumed(&self, cx: &Cx<'_>, why: &str) {
        cx.note(
            Level::Info,
            EventKind::Resume,
            self.object(),
            format_args!("was master before the restart, but does not resume: {why}"),
        );
    }

    /// After an event, before its actions are carried out: ends mastership in the state file if it
    /// has ended, and removes from the kernel what an instance has left that does not resume.
    pub(crate) fn sync_state_file(&mut self, cx: &mut Cx<'_>, shared: &mut Shared) {
        if self.machine.is_resuming() {
            return;
        }
        let was_resuming = core::mem::take(&mut self.resume.resuming);
        if self.machine.state() == VrrpState::Master {
            if was_resuming {
                let more = cx.now.since(self.resume.since);
                self.resume.silence = self.resume.silence.saturating_add(more);
            }
            return;
        }
        if self.resume.last_advert.take().is_some() {
            self.resume.keep_priority = false;
            shared.state_records.set(self.id, None);
            shared.state_records.write(cx);
        }
        if was_resuming {
            self.report_not_resumed(cx, "another router is master, or a requirement is not met");
            self.withdraw_leftover_addresses(cx, shared);
            self.adopt_routes();
            self.withdraw(cx, shared);
        }
    }

    /// Records that an advert was sent, not before `at` (since boot). The first as master and a
    /// sequence number, which must not be sent twice, are written at once.
    pub(crate) fn record_advert(&mut self, shared: &mut Shared, at: Duration, priority: Priority) {
        if self.machine.state() != VrrpState::Master || self.conf.priority.is_owner() {
            return;
        }
        let is_first = self
            .resume
            .last_advert
            .is_none_or(|last| last.at <= self.resume.resumed_at);
        let is_pending = !is_first && self.machine.last_sequence() == 0;
        let grace = self.machine.peer_down_interval_min();
        self.resume.last_advert = Some(LastAdvert {
            at,
            grace,
            priority,
            is_pending,
        });
        if is_pending {
            shared.state_records.outdated(grace);
        } else {
            shared.state_records.set(self.id, self.record(at).as_ref());
        }
    }

    /// Brings its record up to date.
    fn update_record(&mut self, records: &mut StateRecords, uptime: Duration) {
        if let Some(last) = self.resume.last_advert.as_mut()
            && core::mem::take(&mut last.is_pending)
        {
            records.set(self.id, self.record(uptime).as_ref());
        }
    }

    /// The record of a master; `None` for an instance that has sent no advert as master.
    fn record(&self, uptime: Duration) -> Option<Record> {
        let last = self.resume.last_advert?;
        let is_quick = uptime.saturating_sub(self.resume.resumed_at) <= QUICK;
        Some(Record {
            interface: self.conf.interface.clone(),
            family: self.conf.family,
            vrid: self.conf.vrid.get(),
            priority: last.priority,
            returns: if is_quick {
                self.resume.quick_resumes
            } else {
                0
            },
            index: match self.conf.own_interface() {
                Some(_) => self.vmac_index().or(self.ifindex)?,
                None => IfIndex(0),
            },
            sent: last.at,
            grace: last.grace,
            number: self.machine.last_sequence(),
            name: state_record::name_sum(&self.conf.name),
        })
    }
}

/// Whether a record is of this instance, as far as the record tells; see [`Router::matches`].
fn is_of(record: &Record, router: &Router) -> bool {
    let conf = &router.conf;
    record.interface == conf.interface
        && record.family == conf.family
        && record.vrid == conf.vrid.get()
        && [0, state_record::name_sum(&conf.name)].contains(&record.name)
}
