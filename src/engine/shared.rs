//! State that all instances share: interfaces, timers, outputs, and pending actions.

use crate::config::model::Global;
use crate::engine::Options;
use crate::engine::events::Events;
use crate::engine::instance::actions::{PENDING_KEPT, PendingAction};
use crate::engine::instance::garp_pacing::GarpPacing;
use crate::engine::instance::state_record::StateRecords;
use crate::engine::kernel::addresses::Known;
use crate::engine::kernel::interfaces::Interfaces;
use crate::engine::kernel::no_accept::NoAccept;
use crate::engine::kernel::secondaries::ForeignSecondary;
use crate::engine::kernel::sysctl::SysctlErrors;
use crate::engine::kernel::vmac_base;
use crate::engine::log_limit::LogLimit;
use crate::engine::maintenance::Hold;
use crate::engine::notify::children::Children;
use crate::engine::notify::notifier::Notifier;
use crate::engine::slice::Slice;
use crate::engine::timers::{TimerKey, Timers};
use crate::engine::tracking::Tracking;
use crate::netlink::Batch;
use crate::types::{DaemonCounters, Instant};

/// Largest packet: an IPv6 advert of 255 addresses with its IP header and signature.
const PACKET_BUF_LEN: usize = 40 + 8 + 255 * 16 + 28;

/// State that belongs to no single instance. A function of one instance takes it as a parameter.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) options: Options,
    pub(crate) events: Events,
    pub(crate) global: Global,
    /// What operators read about the process.
    pub(crate) counters: DaemonCounters,
    pub(crate) interfaces: Interfaces,
    pub(crate) tracking: Tracking,
    pub(crate) timers: Timers,
    pub(crate) children: Children,
    pub(crate) notifier: Notifier,
    pub(crate) no_accept: NoAccept,
    pub(crate) garp_pacing: GarpPacing,
    pub(crate) state_records: StateRecords,
    /// What operators hold.
    pub(crate) maintenance: Vec<Hold>,
    /// Interfaces below virtual interfaces.
    pub(crate) vmac_bases: Vec<vmac_base::Base>,
    /// Types of virtual interfaces that the kernel does not have.
    pub(crate) no_links: Vec<&'static str>,
    pub(crate) sysctl_errors: SysctlErrors,
    pub(crate) unknown_vrid_log: LogLimit,
    /// Actions of instances, carried out when all timers that are due have fired.
    pub(crate) pending_actions: Vec<PendingAction>,
    /// Since when the actions that change the kernel wait for takeovers.
    pub(crate) held_since: Option<Instant>,
    /// Sets of addresses or routes have passes in progress.
    pub(crate) kernel_work: bool,
    /// The last slice of it has left something to do.
    pub(crate) kernel_backlog: bool,
    /// The announcements of this turn of the loop, since the first.
    pub(crate) announcing: Option<Slice>,
    /// Something has changed that [`crate::engine::Engine::refresh`] must react to.
    pub(crate) dirty: bool,
    /// Every owner has a source address that is not virtual. Otherwise a virtual address that was set
    /// may change what an owner sends from.
    pub(crate) owners_have_source: bool,
    /// Static addresses must be compared with the kernel's.
    pub(crate) recheck_static_addresses: bool,
    /// Addresses that a virtual address may be primary to.
    pub(crate) foreign_secondaries: Vec<ForeignSecondary>,
    /// When virtual addresses may be reinstalled again behind such an address.
    pub(crate) reorder_after: Instant,
    /// The daemon is shutting down.
    pub(crate) stopping: bool,
    /// Buffer for one outgoing packet or frame.
    pub(crate) packet_buf: Vec<u8>,
    /// Buffer for netlink requests that are built repeatedly.
    pub(crate) batch: Batch,
}

impl Shared {
    pub(crate) fn new(options: Options, global: Global, tracking: Tracking) -> Self {
        Shared {
            options,
            events: Events::new(global.event_history),
            global,
            counters: DaemonCounters::default(),
            interfaces: Interfaces::default(),
            tracking,
            timers: Timers::new(0),
            children: Children::default(),
            notifier: Notifier::default(),
            no_accept: NoAccept::default(),
            garp_pacing: GarpPacing::default(),
            state_records: StateRecords::default(),
            maintenance: Vec::new(),
            vmac_bases: Vec::new(),
            no_links: Vec::new(),
            sysctl_errors: SysctlErrors::default(),
            unknown_vrid_log: LogLimit::default(),
            pending_actions: Vec::with_capacity(PENDING_KEPT),
            held_since: None,
            kernel_work: false,
            kernel_backlog: false,
            announcing: None,
            dirty: false,
            owners_have_source: false,
            recheck_static_addresses: false,
            foreign_secondaries: Vec::new(),
            reorder_after: Instant::ZERO,
            stopping: false,
            packet_buf: vec![0; PACKET_BUF_LEN],
            batch: Batch::new(1),
        }
    }

    /// The interfaces, and the records of addresses in the state file.
    pub(crate) fn known(&mut self) -> Known<'_> {
        Known {
            links: &self.interfaces,
            records: &mut self.state_records,
        }
    }

    /// Sets the timer of child processes.
    pub(crate) fn set_children_timer(&mut self) {
        self.set_timer(TimerKey::Children, self.children.next_deadline());
    }

    /// Sets the timer of notify scripts and mails.
    pub(crate) fn set_notify_timer(&mut self, now: Instant) {
        let at = self.notifier.next_deadline().map(|at| at.max(now));
        self.set_timer(TimerKey::Notify, at);
    }

    /// Sets or clears the deadline of a timer that belongs to no instance.
    pub(crate) fn set_timer(&mut self, key: TimerKey, at: Option<Instant>) {
        self.timers.set(key.index(), at);
    }
}
