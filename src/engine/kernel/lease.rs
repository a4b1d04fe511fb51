//! `vip_lease`: addresses that expire unless they are renewed, so that those of a killed or frozen
//! daemon disappear by themselves.
//!
//! Each address is installed with a lifetime and renewed after every quarter of it, up to 16
//! addresses in one request, without announcement or log message. A renewal takes the kernel about
//! 0.03 ms for an IPv4 address and 0.12 ms for an IPv6 address; adverts are sent between two
//! requests.
//!
//! Lifetimes are whole seconds, and the kernel removes expired addresses with a delay: measured on
//! Linux 6.18, 0.04 to 0.5 s, IPv4 and IPv6 alike. When the daemon stops renewing, an address stays
//! for at least three quarters of the lease, and at most for the lease and half a second.
//!
//! After a freeze the loop reads packets first, then netlink events. If the instance is still
//! master then, expired addresses are reinstalled and announced like externally removed ones. A
//! renewal that is so late that it may have reinstalled an expired address (the kernel does not
//! tell) is announced too.

use core::time::Duration;

use crate::engine::cx::Cx;
use crate::engine::kernel::addresses::{AddressSet, AddressState, Slot, reason};
use crate::engine::kernel::interfaces::Interfaces;
use crate::engine::system::error_text;
use crate::log;
use crate::netlink::{Batch, addr};
use crate::types::Instant;

/// The kernel may remove an address up to this much before its lifetime ends.
const MARGIN: Duration = Duration::from_secs(1);

/// Addresses in one request: no advert is delayed by more than 2 ms.
const CHUNK: usize = 16;

/// Time between two requests.
const REQUEST_INTERVAL: Duration = Duration::from_millis(1);

/// Lifetimes of the addresses of a set.
#[derive(Debug, Default)]
pub(crate) struct Lease {
    /// Lifetime in seconds; `None`: no lease.
    pub(crate) seconds: Option<u32>,
    /// When the next renewal is due.
    pub(crate) due: Option<Instant>,
}

impl Lease {
    fn span(&self) -> Duration {
        Duration::from_secs(self.seconds.unwrap_or(0).into())
    }

    /// Time between renewals.
    fn period(&self) -> Duration {
        self.span() / 4
    }
}

impl Slot {
    /// When its lifetime must be set again; `None`: never.
    fn due(&self, lease: &Lease) -> Option<Instant> {
        if self.state != AddressState::Installed {
            return None;
        }
        match (lease.seconds, self.renewed) {
            (Some(_), Some(at)) => Some(at.after(lease.period())),
            // It existed before, or the lease was configured, changed or removed.
            (Some(_), None) => Some(Instant::ZERO),
            (None, Some(_)) => Some(Instant::ZERO),
            (None, None) => None,
        }
    }

    /// Whether it may have expired.
    fn may_have_expired(&self, now: Instant, lease: &Lease) -> bool {
        let safe = lease.span().saturating_sub(MARGIN);
        let old = |at: Instant| now.since(at) >= safe;
        lease.seconds.is_some() && self.renewed.is_some_and(old)
    }

    /// Remaining preferred lifetime in seconds: the configured one counts from the installation and
    /// cannot exceed the lease.
    pub(crate) fn preferred(&self, now: Instant, lease: &Lease) -> Option<u32> {
        let configured = self.address.preferred_lft?;
        let Some(most) = lease.seconds.filter(|_| configured != addr::FOREVER) else {
            return lease.seconds.or(Some(configured));
        };
        let passed = self.since.map_or(Duration::ZERO, |since| now.since(since));
        let passed = u32::try_from(passed.as_secs()).unwrap_or(u32::MAX);
        Some(configured.saturating_sub(passed).min(most))
    }
}

impl AddressSet {
    /// Sets the lifetime. Installed addresses get it with the next renewal, which is due at once.
    pub(crate) fn set_lease(&mut self, lease: Option<Duration>) {
        let seconds = lease.map(|span| u32::try_from(span.as_secs()).unwrap_or(u32::MAX));
        if seconds != self.lease.seconds && seconds.is_some() {
            self.slots.iter_mut().for_each(|slot| slot.renewed = None);
        }
        self.lease.seconds = seconds;
        self.plan_renewal();
    }

    /// When [`AddressSet::renew`] has something to do.
    pub(crate) fn renewal(&self) -> Option<Instant> {
        self.lease.due
    }

    /// Determines when the next renewal is due.
    pub(crate) fn plan_renewal(&mut self) {
        let due = self.slots.iter().filter_map(|slot| slot.due(&self.lease));
        self.lease.due = due.min().filter(|_| self.wanted);
    }

    /// Renews addresses that are due, one request at most. Returns whether an address may have
    /// expired, so that it must be announced.
    pub(crate) fn renew(&mut self, cx: &mut Cx<'_>, links: &Interfaces, batch: &mut Batch) -> bool {
        let mut expired = false;
        let mut count = 0;
        batch.clear();
        for nth in 0..self.slots.len() {
            let (kind, lease) = (self.kind, &self.lease);
            let Some(slot) = self.slots.get_mut(nth) else {
                break;
            };
            if slot.due(lease).is_none_or(|at| at > cx.now) {
                continue;
            }
            if let Some(link) = links.by_name(&slot.address.dev) {
                let address = slot.desired(link.index, kind, cx.now, lease);
                addr::replace(batch, &address);
            }
            expired |= slot.may_have_expired(cx.now, lease);
            slot.renewed = lease.seconds.map(|_| cx.now);
            count += 1;
            if count == CHUNK {
                break;
            }
        }
        if !batch.is_empty() {
            let sent = cx.system.request(batch, &mut |ack| {
                log::debug!(target: "netlink", "address not renewed: {}", reason(ack));
            });
            if let Err(error) = sent {
                log::debug!(target: "netlink", "addresses not renewed: {}", error_text(&error));
            }
        }
        self.plan_renewal();
        // The rest after packets have been read.
        self.lease.due = self
            .lease
            .due
            .map(|at| at.max(cx.now.after(REQUEST_INTERVAL)));
        expired
    }

    /// `--dont-release-vrrp`: removes the lifetimes, so that the addresses stay after exit.
    pub(crate) fn keep(&mut self, cx: &mut Cx<'_>, links: &Interfaces) {
        self.pass = None;
        self.set_lease(None);
        let mut batch = Batch::new(1);
        while self.renewal().is_some() {
            self.renew(cx, links, &mut batch);
        }
    }
}
