//! Checks without a network connection: programs (`MISC_CHECK`) and files (`FILE_CHECK`). Also the
//! ends of all child processes of checks.

use crate::config::model::lvs::{CheckKind, Lvs};
use crate::engine::cx::Cx;
use crate::engine::lvs::CheckChange;
use crate::engine::lvs::checks::{Checks, Method, OVERDUE, Phase, lookup};
use crate::engine::notify::children::{ChildCommand, Children, Owner};
use crate::engine::system::{Ended, Exit};

/// A product of number and weight at or below this exceeds every weight: the server is down.
const MIN_PRODUCT: i64 = -(i32::MAX as i64);

impl Checks {
    /// Number of all checks.
    pub(crate) fn len(&self) -> usize {
        self.runs.len()
    }

    /// Indexes of the checks whose program runs.
    pub(crate) fn running(&self) -> impl Iterator<Item = usize> {
        let runs = self.runs.iter().enumerate();
        runs.filter_map(|(index, run)| matches!(run.phase, Phase::Running { .. }).then_some(index))
    }

    /// Starts the program of a check within the limit.
    pub(crate) fn spawn(
        &mut self,
        cx: &mut Cx<'_>,
        index: usize,
        conf: &Lvs,
        children: &mut Children,
    ) {
        let Some(run) = self.runs.get_mut(index) else {
            return;
        };
        let check = lookup(conf, run.path).map(|one| &one.check.kind);
        let Some(CheckKind::Misc {
            command, timeout, ..
        }) = check
        else {
            return;
        };
        let (owner, limit) = (Owner::Check(index), Some(*timeout));
        match children.run(cx, owner, ChildCommand::plain(command), limit) {
            Ok(()) => run.phase = Phase::Running { overdue: false },
            Err(error) => {
                self.children.of(run.child_kind).release();
                self.postpone(cx, index, conf, &error);
            }
        }
    }

    /// The child process of a check has ended.
    pub(crate) fn child_ended(
        &mut self,
        cx: &mut Cx<'_>,
        index: usize,
        conf: &Lvs,
        ended: Ended,
    ) -> Option<CheckChange> {
        let run = self.runs.get_mut(index)?;
        let Phase::Running { overdue } = run.phase else {
            return None;
        };
        run.phase = Phase::Idle;
        self.children.of(run.child_kind).release();
        if overdue {
            // Its result was recorded when it exceeded the limit.
            self.rearm(index);
            return None;
        }
        if let Method::Network(_) = run.method {
            let result = cx.system.lvs().check_result(ended);
            return self.exchange_ended(cx, index, conf, result);
        }
        let check = lookup(conf, run.path)?;
        let CheckKind::Misc { dynamic, .. } = check.check.kind else {
            return None;
        };
        let how = ended.how;
        let result = match how {
            Exit::Code(0) => Ok(0),
            // misc_dynamic: 2 to 255 set the weight to 0 to 253.
            Exit::Code(code @ 2..) if dynamic => {
                Ok(i64::from(code) - 2 - i64::from(check.real_server.weight))
            }
            Exit::Code(_)
            | Exit::Signal(_)
            | Exit::NotExecuted(_)
            | Exit::NotUser(_)
            | Exit::NotConfined(_)
            | Exit::Exposed => Err(how.to_string()),
        };
        self.record(cx, index, conf, result)
    }

    /// The child process of a check has exceeded its time limit and was sent SIGTERM.
    pub(crate) fn child_overdue(
        &mut self,
        cx: &Cx<'_>,
        index: usize,
        conf: &Lvs,
    ) -> Option<CheckChange> {
        let run = self.runs.get_mut(index)?;
        if run.phase != (Phase::Running { overdue: false }) {
            return None;
        }
        run.phase = Phase::Running { overdue: true };
        let kind = lookup(conf, run.path).map(|one| &one.check.kind);
        let why = match kind {
            Some(CheckKind::Misc { timeout, .. }) => {
                format!("timed out after {} ms", timeout.as_millis())
            }
            Some(_) | None => OVERDUE.into(),
        };
        self.record(cx, index, conf, Err(why))
    }

    /// Evaluates the number in the file, if the check is a `FILE_CHECK`.
    pub(crate) fn evaluate_file(
        &mut self,
        cx: &Cx<'_>,
        index: usize,
        conf: &Lvs,
        number: &dyn Fn(usize) -> i32,
    ) -> Option<CheckChange> {
        let run = self.runs.get(index)?;
        if !matches!(run.method, Method::File) || !self.started {
            return None;
        }
        let check = lookup(conf, run.path)?;
        let CheckKind::File {
            file,
            weight,
            reverse,
        } = check.check.kind
        else {
            return None;
        };
        let number = number(file);
        let result = effect(number, weight, reverse);
        self.record(
            cx,
            index,
            conf,
            result.ok_or_else(|| format!("the file contains {number}")),
        )
    }
}

/// Added to the server's weight; `None`: the server is down.
fn effect(number: i32, weight: i32, reverse: bool) -> Option<i64> {
    if weight == 0 {
        return ((number == 0) != reverse).then_some(0);
    }
    let product = i64::from(number).saturating_mul(weight.into());
    let product = match reverse {
        true => product.saturating_neg(),
        false => product,
    };
    (product > MIN_PRODUCT).then_some(product)
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
