//! `vip_lease`: addresses that expire unless they are renewed, so that those of a daemon that was killed or stands
//! still disappear by themselves.
//!
//! The kernel is told a lifetime with each address. As long as all is well it is renewed whenever a quarter has
//! passed, with up to 16 addresses in one request; nothing is announced or logged then. A renewal takes the kernel
//! about 0.03 ms for an IPv4 address and 0.12 ms for an IPv6 address, and adverts go out between two requests.
//!
//! Lifetimes are whole seconds, and the kernel looks for expired addresses at leisure: measured on Linux 6.18,
//! they are gone 0.04 to 0.5 s after their end, IPv4 and IPv6 alike. So when the daemon stops renewing, an address
//! stays for three quarters of the lease at least, and for the lease and half a second at most.
//!
//! After a standstill the loop reads the packets first, then the kernel's news. If we are still master then, what
//! has expired is put back and announced like any address that somebody has removed. A renewal so late that it may
//! have made an address again instead (the kernel does not tell) is announced too.

use crate::engine::cx::Cx;
use core::time::Duration;

use crate::engine::kernel::addresses::{AddressSet, Held, Slot};
use crate::engine::kernel::interfaces::Interfaces;
use crate::netlink::{Batch, addr};
use crate::types::Instant;

/// How exactly the kernel keeps lifetimes: it may be this much early.
const MARGIN: Duration = Duration::from_secs(1);

/// Addresses in one request: no advert is kept waiting for longer than 2 ms.
const CHUNK: usize = 16;

/// From one chunk to the next.
const PAUSE: Duration = Duration::from_millis(1);

/// What a set knows about lifetimes.
#[derive(Debug, Default)]
pub(crate) struct Lease {
    /// In seconds; `None`: addresses stay.
    pub(crate) seconds: Option<u32>,
    /// When to renew.
    pub(crate) due: Option<Instant>,
}

impl Lease {
    fn span(&self) -> Duration {
        Duration::from_secs(self.seconds.unwrap_or(0).into())
    }

    /// From one renewal to the next.
    fn period(&self) -> Duration {
        self.span() / 4
    }
}

impl Slot {
    /// When its lifetime must be set anew; `None`: never.
    fn due(&self, lease: &Lease) -> Option<Instant> {
        if self.held != Held::Ours {
            return None;
        }
        match (lease.seconds, self.renewed) {
            (Some(_), Some(at)) => Some(at.after(lease.period())),
            // Was there before, or the lease has come, changed or gone.
            (Some(_), None) => Some(Instant::ZERO),
            (None, Some(_)) => Some(Instant::ZERO),
            (None, None) => None,
        }
    }

    /// Whether it may have expired.
    pub(crate) fn may_be_over(&self, now: Instant, lease: &Lease) -> bool {
        let safe = lease.span().saturating_sub(MARGIN);
        let old = |at: Instant| now.since(at) >= safe;
        lease.seconds.is_some() && self.renewed.is_some_and(old)
    }

    /// Seconds it is still preferred: what is configured counts from when it was set, and cannot exceed the lease.
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
    /// From now on addresses have this lifetime. Those that are there get it with the next renewal, which is due.
    pub(crate) fn set_lease(&mut self, lease: Option<Duration>) {
        let seconds = lease.map(|span| u32::try_from(span.as_secs()).unwrap_or(u32::MAX));
        if seconds != self.lease.seconds && seconds.is_some() {
            self.slots.iter_mut().for_each(|slot| slot.renewed = None);
        }
        self.lease.seconds = seconds;
        self.plan();
    }

    /// When [`AddressSet::renew`] has something to do.
    pub(crate) fn renewal(&self) -> Option<Instant> {
        self.lease.due
    }

    /// Finds out when the next renewal is due.
    pub(crate) fn plan(&mut self) {
        let due = self.slots.iter().filter_map(|slot| slot.due(&self.lease));
        self.lease.due = due.min().filter(|_| self.wanted);
    }

    /// Renews what is due, one chunk at most. True when an address may have been gone, which
    /// the neighbors should be told.
    pub(crate) fn renew(&mut self, cx: &mut Cx<'_>, links: &Interfaces, batch: &mut Batch) -> bool {
        let mut gone = false;
        let mut count = 0;
        batch.clear();
        for place in 0..self.slots.len() {
            let (kind, lease) = (self.kind, &self.lease);
            let Some(slot) = self.slots.get_mut(place) else {
                break;
            };
            if slot.due(lease).is_none_or(|at| at > cx.now) {
                continue;
            }
            if let Some(link) = links.by_name(&slot.address.dev) {
                let spec = slot.spec(link.index, kind, cx.now, lease);
                addr::replace(batch, &spec);
            }
            gone |= slot.may_be_over(cx.now, lease);
            slot.renewed = lease.seconds.map(|_| cx.now);
            count += 1;
            if count == CHUNK {
                break;
            }
        }
        if !batch.is_empty() {
            let sent = cx.system.request(batch, &mut |ack| {
                log::debug!(target: "netlink", "address not renewed: {}", crate::engine::kernel::addresses::reason(ack));
            });
            if let Err(error) = sent {
                log::debug!(target: "netlink", "addresses not renewed: {error}");
            }
        }
        self.plan();
        // The rest when packets have been looked at.
        self.lease.due = self.lease.due.map(|at| at.max(cx.now.after(PAUSE)));
        gone
    }

    /// `--dont-release-vrrp`: what is there stays for good.
    pub(crate) fn keep(&mut self, cx: &mut Cx<'_>, links: &Interfaces) {
        self.set_lease(None);
        let mut batch = Batch::new(1);
        while self.renewal().is_some() {
            self.renew(cx, links, &mut batch);
        }
    }
}
