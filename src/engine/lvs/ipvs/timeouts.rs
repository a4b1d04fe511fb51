//! `lvs_timeouts`: set at the start, restored at the end.

use std::io;

use crate::engine::kernel::addresses::reason;
use crate::engine::lvs::ipvs::IpvsConn;
use crate::netlink::ipvs::{self, Message, Timeouts};
use crate::types::Family;

/// Timeouts of IPVS connections. A configured timeout of 0 leaves the kernel's.
#[derive(Debug, Default)]
pub(crate) struct TimeoutSettings {
    wanted: Timeouts,
    /// Those that we have changed.
    changed: [bool; 3],
    /// The values before.
    before: Option<Timeouts>,
    pending: bool,
    /// The kernel's refusal.
    pub(crate) refused: Option<String>,
}

impl TimeoutSettings {
    pub(crate) fn is_wanted(&self) -> bool {
        self.wanted != Timeouts::default()
    }

    pub(crate) fn is_busy(&self) -> bool {
        self.pending
    }

    pub(crate) fn set(&mut self, wanted: Timeouts) {
        self.pending |= self.wanted != wanted;
        self.wanted = wanted;
    }

    /// Retries refused ones.
    pub(crate) fn retry(&mut self) {
        self.pending |= self.refused.is_some();
    }

    /// Sets configured timeouts, and restores those that are no longer configured.
    ///
    /// # Errors
    /// IPVS cannot be reached.
    pub(crate) fn work(&mut self, conn: &mut IpvsConn<'_>) -> io::Result<()> {
        if !self.pending {
            return Ok(());
        }
        let before = match self.before {
            Some(before) => before,
            None => *self.before.insert(read(conn)?),
        };
        self.refused = None;
        let mut target = self.wanted;
        for ((target, before), changed) in target.iter_mut().zip(before).zip(&mut self.changed) {
            let wanted = *target > 0;
            if *changed && !wanted {
                *target = before;
            }
            *changed = wanted;
        }
        self.refused = write(target, conn)?;
        self.pending = false;
        Ok(())
    }

    /// Restores the values before.
    pub(crate) fn withdraw(&mut self, conn: &mut IpvsConn<'_>) -> io::Result<()> {
        self.set(Timeouts::default());
        if self.before.is_some() {
            self.work(conn)?;
        }
        Ok(())
    }
}

fn read(conn: &mut IpvsConn<'_>) -> io::Result<Timeouts> {
    let mut found = Timeouts::default();
    let family = conn.family;
    ipvs::get_timeouts(conn.batch(), family);
    conn.list(Family::V4, &mut |message| {
        if let Message::Timeouts(timeouts) = message {
            found = *timeouts;
        }
    })?;
    Ok(found)
}

fn write(target: Timeouts, conn: &mut IpvsConn<'_>) -> io::Result<Option<String>> {
    let mut refused = None;
    let family = conn.family;
    ipvs::set_timeouts(conn.batch(), family, target);
    conn.request(&mut |ack| {
        refused.get_or_insert_with(|| format!("timeouts: {}", reason(ack)));
    })?;
    Ok(refused)
}
