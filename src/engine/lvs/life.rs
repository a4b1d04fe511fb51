//! Checks begin, pause, go on, are replaced, end.

use crate::engine::cx::Cx;
use core::time::Duration;

use crate::config::model::lvs;
use crate::engine::lvs::CheckId;
use crate::engine::lvs::checks::{Checks, Phase, Run, Work, named, runs};
use crate::engine::notify::children::{Children, GRACE, Owner};
use crate::lvs::reload_match::ServiceMatch;
use crate::types::Instant;

/// After a pause (`ha_suspend`) checks go on within this time: not all at once, but the service is in use now.
const RESUME: Duration = Duration::from_secs(1);

impl Checks {
    /// The first run of each comes within its `warmup`.
    pub(crate) fn start(&mut self, now: Instant, conf: &lvs::Lvs) {
        self.begun = true;
        for place in 0..self.runs.len() {
            self.begin(place, now, None, conf);
        }
    }

    fn begin(&mut self, place: usize, now: Instant, within: Option<Duration>, conf: &lvs::Lvs) {
        let Some(run) = self.runs.get_mut(place) else {
            return;
        };
        let warmup = named(conf, run.id).map_or(Duration::ZERO, |one| one.check.warmup);
        let within = within.map_or(warmup, |most| warmup.min(most));
        if !matches!(run.work, Work::File) && self.begun && !run.suspended {
            run.schedule.start(now, within, place);
        }
        self.rearm(place);
    }

    /// Sets the deadline of a check that is at nothing.
    pub(crate) fn rearm(&mut self, place: usize) {
        let Some(run) = self.runs.get(place) else {
            return;
        };
        if run.phase == Phase::Idle {
            let due = Some(run.schedule.due());
            let runs = self.begun && !run.suspended;
            self.due.set(place, due.filter(|_| runs));
        }
    }

    /// What a check is at ends without a result.
    pub(crate) fn abandon(&mut self, cx: &mut Cx<'_>, place: usize) {
        let Some(run) = self.runs.get_mut(place) else {
            return;
        };
        match run.phase {
            Phase::Idle => {}
            Phase::Waiting => {
                self.probes.retain(|who| who != place);
                self.programs.retain(|who| who != place);
                run.phase = Phase::Idle;
            }
            Phase::Probing { .. } => {
                cx.system.lvs().close_check(place);
                self.probes.free();
                run.phase = Phase::Idle;
            }
            Phase::Running { .. } => run.phase = Phase::Running { overdue: true },
        }
        self.due.set(place, None);
    }

    /// `ha_suspend`: the checks of a service pause, or go on.
    pub(crate) fn suspend(
        &mut self,
        cx: &mut Cx<'_>,
        (service, pause): (usize, bool),
        conf: &lvs::Lvs,
        children: &mut Children,
    ) {
        for place in 0..self.runs.len() {
            let Some(run) = self.runs.get_mut(place) else {
                break;
            };
            if run.id.service != service || run.suspended == pause {
                continue;
            }
            run.suspended = pause;
            if !pause {
                self.begin(place, cx.now, Some(RESUME), conf);
                continue;
            }
            if let Phase::Running { .. } = run.phase {
                children.end(cx, Owner::Check(place), GRACE);
            }
            self.abandon(cx, place);
        }
    }

    /// All sockets are closed; nothing begins any more.
    pub(crate) fn stop(&mut self, cx: &mut Cx<'_>) {
        self.begun = false;
        for place in 0..self.runs.len() {
            self.abandon(cx, place);
        }
    }

    /// Another configuration. Checks that have been there before keep what they know, with the times and tries of the
    /// new configuration; those that are new begin as at the start.
    pub(crate) fn replace(
        &mut self,
        cx: &mut Cx<'_>,
        (new, matches): (&lvs::Lvs, &[ServiceMatch]),
        children: &mut Children,
    ) {
        let runs = runs(new);
        let mut before = core::mem::replace(self, Checks::of(runs));
        self.begun = before.begun;
        let moved = before.moved(&self.runs, matches);
        for (from, to) in moved.iter().enumerate() {
            let Some(was) = before.runs.get(from) else {
                break;
            };
            let runs = matches!(was.phase, Phase::Running { .. });
            if !runs {
                // Sockets go by the old number; whose they were asks again.
                before.abandon(cx, from);
            }
            let pair = (
                before.runs.get_mut(from),
                to.and_then(|to| self.runs.get_mut(to)),
            );
            if let (Some(was), Some(is)) = pair {
                core::mem::swap(&mut is.schedule, &mut was.schedule);
                core::mem::swap(&mut is.lines, &mut was.lines);
                is.weight = was.weight;
                is.suspended = was.suspended;
                is.phase = was.phase;
                if runs {
                    self.programs.adopt();
                }
            }
        }
        let mut kept = vec![false; self.runs.len()];
        for to in moved.iter().copied().flatten() {
            if let Some(kept) = kept.get_mut(to) {
                *kept = true;
            }
        }
        for (place, kept) in kept.into_iter().enumerate() {
            if kept {
                self.rearm(place);
            } else {
                self.begin(place, cx.now, None, new);
            }
        }
        let mut place = |owner| match owner {
            Owner::Check(from) => moved.get(from).copied().flatten().map(Owner::Check),
            Owner::Script(_) | Owner::Notify(_) | Owner::Fifo(_) | Owner::Mail | Owner::Nobody => {
                Some(owner)
            }
        };
        children.reassign(cx, &mut place);
    }

    /// Where each of these checks is among `new`.
    fn moved(&self, new: &[Run], matches: &[ServiceMatch]) -> Vec<Option<usize>> {
        let mut moved = vec![None; self.runs.len()];
        for (to, run) in new.iter().enumerate() {
            let Some(from) = origin(run.id, matches) else {
                continue;
            };
            // The list is in the order of the places.
            let key = |id: CheckId| (id.service, id.server, id.check);
            let found = self
                .runs
                .binary_search_by_key(&key(from), |run| key(run.id));
            if let Some(slot) = found.ok().and_then(|from| moved.get_mut(from)) {
                *slot = Some(to);
            }
        }
        moved
    }
}

/// What a check was in the configuration before.
fn origin(id: CheckId, matches: &[ServiceMatch]) -> Option<CheckId> {
    let service = matches.get(id.service)?;
    let server = service.servers.get(id.server)?;
    let check = server.checks.get(id.check)?;
    Some(CheckId {
        service: service.service?,
        server: server.server?,
        check: (*check)?,
    })
}
