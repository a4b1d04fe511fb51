//! Checks that ask nobody over the network: programs (`MISC_CHECK`) and files (`FILE_CHECK`).

use crate::config::model::lvs::{CheckKind, Lvs};
use crate::engine::cx::Cx;
use crate::engine::lvs::CheckId;
use crate::engine::lvs::checks::{Checks, Phase, Work, named};
use crate::engine::notify::children::{Children, Owner};
use crate::engine::system::Exit;
use crate::lvs::state::CheckState;
use crate::types::Instant;

/// A product of number and weight below this is more than a weight can be: the server is down.
const LOWEST: i64 = -(i32::MAX as i64);

impl Checks {
    /// Number of all checks.
    pub(crate) fn len(&self) -> usize {
        self.runs.len()
    }

    /// Checks whose program runs.
    pub(crate) fn running(&self) -> impl Iterator<Item = usize> {
        let runs = self.runs.iter().enumerate();
        runs.filter_map(|(place, run)| matches!(run.phase, Phase::Running { .. }).then_some(place))
    }

    /// Starts the program of a check that has a place.
    pub(crate) fn spawn(
        &mut self,
        cx: &mut Cx<'_>,
        place: usize,
        conf: &Lvs,
        children: &mut Children,
    ) {
        let Some(run) = self.runs.get_mut(place) else {
            return;
        };
        let check = named(conf, run.id).map(|named| &named.check.kind);
        let Some(CheckKind::Misc {
            command, timeout, ..
        }) = check
        else {
            return;
        };
        let (owner, limit) = (Owner::Check(place), Some(*timeout));
        match children.run(cx, owner, (command, &[]), limit) {
            Ok(()) => run.phase = Phase::Running { overdue: false },
            Err(error) => {
                self.programs.free();
                self.put_off(place, cx.now, conf, &error);
            }
        }
    }

    /// A program has ended.
    pub(crate) fn ended(
        &mut self,
        place: usize,
        now: Instant,
        conf: &Lvs,
        how: Exit,
    ) -> Option<(CheckId, CheckState)> {
        let run = self.runs.get_mut(place)?;
        let Phase::Running { overdue } = run.phase else {
            return None;
        };
        run.phase = Phase::Idle;
        self.programs.free();
        if overdue {
            // It has had its result.
            self.rearm(place);
            return None;
        }
        let named = named(conf, run.id)?;
        let CheckKind::Misc { dynamic, .. } = named.check.kind else {
            return None;
        };
        let result = match how {
            Exit::Code(0) => Ok(0),
            // From 0 to 253, instead of the configured weight.
            Exit::Code(code @ 2..) if dynamic => {
                Ok(i64::from(code) - 2 - i64::from(named.server.weight))
            }
            Exit::Code(_) | Exit::Signal(_) | Exit::NotExecuted(_) | Exit::NotUser(_) => {
                Err(how.to_string())
            }
        };
        self.conclude(place, now, conf, result)
    }

    /// A program takes too long, and has been told to end.
    pub(crate) fn overdue(
        &mut self,
        place: usize,
        now: Instant,
        conf: &Lvs,
    ) -> Option<(CheckId, CheckState)> {
        let run = self.runs.get_mut(place)?;
        if run.phase != (Phase::Running { overdue: false }) {
            return None;
        }
        run.phase = Phase::Running { overdue: true };
        let kind = named(conf, run.id).map(|named| &named.check.kind);
        let limit = match kind {
            Some(CheckKind::Misc { timeout, .. }) => timeout.as_millis(),
            Some(_) | None => 0,
        };
        let why = format!("timed out after {limit} ms");
        self.conclude(place, now, conf, Err(why))
    }

    /// What a file's number means for the check at `place`, if that is one of files.
    pub(crate) fn look_at_file(
        &mut self,
        place: usize,
        now: Instant,
        conf: &Lvs,
        number: &dyn Fn(usize) -> i32,
    ) -> Option<(CheckId, CheckState)> {
        let run = self.runs.get(place)?;
        if !matches!(run.work, Work::File) || !self.begun {
            return None;
        }
        let named = named(conf, run.id)?;
        let CheckKind::File {
            file,
            weight,
            reverse,
        } = named.check.kind
        else {
            return None;
        };
        let number = number(file);
        let result = effect(number, weight, reverse);
        self.conclude(
            place,
            now,
            conf,
            result.ok_or_else(|| format!("the file says {number}")),
        )
    }
}

/// What is added to a server's weight; `None`: it is down.
fn effect(number: i32, weight: i32, reverse: bool) -> Option<i64> {
    if weight == 0 {
        return ((number == 0) != reverse).then_some(0);
    }
    let product = i64::from(number).saturating_mul(weight.into());
    let product = match reverse {
        true => product.saturating_neg(),
        false => product,
    };
    (product > LOWEST).then_some(product)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_takes_a_server_down_or_changes_its_weight() {
        let (low, high) = (i32::MIN, i32::MAX);
        for (number, weight, reverse, want) in [
            (0, 0, false, Some(0)),
            (1, 0, false, None),
            (-7, 0, false, None),
            (0, 0, true, None),
            (1, 0, true, Some(0)),
            (5, 2, false, Some(10)),
            (5, 2, true, Some(-10)),
            (5, -2, false, Some(-10)),
            (high, 1, false, Some(2_147_483_647)),
            (high, -1, false, None),
            (low, 1, false, None),
            (low + 2, 1, false, Some(-2_147_483_646)),
            (low, low, false, Some(4_611_686_018_427_387_904)),
            (low, low, true, None),
        ] {
            assert_eq!(
                effect(number, weight, reverse),
                want,
                "{number} × {weight} {reverse}"
            );
        }
    }
}
