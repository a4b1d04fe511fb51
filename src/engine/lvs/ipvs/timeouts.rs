//! `lvs_timeouts`: set at the start, put back at the end.

use std::io;

use crate::engine::kernel::addresses::reason;
use crate::engine::lvs::ipvs::Line;
use crate::netlink::ipvs::{self, Message, Timeouts};
use crate::types::Family;

/// See the top of the file. A timeout of 0 is left as it is.
#[derive(Debug, Default)]
pub(crate) struct Limits {
    wanted: Timeouts,
    /// Those that are others than they were, because of us.
    changed: [bool; 3],
    /// As they were.
    before: Option<Timeouts>,
    doubt: bool,
    /// Why they are not as they should be.
    pub(crate) refused: Option<String>,
}

impl Limits {
    pub(crate) fn is_wanted(&self) -> bool {
        self.wanted != Timeouts::default()
    }

    pub(crate) fn is_busy(&self) -> bool {
        self.doubt
    }

    pub(crate) fn set(&mut self, wanted: Timeouts) {
        self.doubt |= self.wanted != wanted;
        self.wanted = wanted;
    }

    /// Refused ones are to be tried again.
    pub(crate) fn retry(&mut self) {
        self.doubt |= self.refused.is_some();
    }

    /// Sets those that are wanted, and puts back those that are no longer.
    ///
    /// # Errors
    /// When the kernel does not answer.
    pub(crate) fn work(&mut self, line: &mut Line<'_>) -> io::Result<()> {
        if !self.doubt {
            return Ok(());
        }
        let before = match self.before {
            Some(before) => before,
            None => *self.before.insert(read(line)?),
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
        self.refused = write(target, line)?;
        self.doubt = false;
        Ok(())
    }

    /// Puts back what was before.
    pub(crate) fn withdraw(&mut self, line: &mut Line<'_>) -> io::Result<()> {
        self.set(Timeouts::default());
        if self.before.is_some() {
            self.work(line)?;
        }
        Ok(())
    }
}

fn read(line: &mut Line<'_>) -> io::Result<Timeouts> {
    let mut found = Timeouts::default();
    let family = line.family;
    ipvs::get_timeouts(line.batch(), family);
    line.list(Family::V4, &mut |message| {
        if let Message::Timeouts(timeouts) = message {
            found = *timeouts;
        }
    })?;
    Ok(found)
}

fn write(target: Timeouts, line: &mut Line<'_>) -> io::Result<Option<String>> {
    let mut refused = None;
    let family = line.family;
    ipvs::set_timeouts(line.batch(), family, target);
    line.request(&mut |ack| {
        refused.get_or_insert_with(|| format!("timeouts: {}", reason(ack)));
    })?;
    Ok(refused)
}
