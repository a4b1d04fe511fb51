//! The checks' doors: what the rest of the engine, and the loop, tell them.

use crate::check::SocketEvent;
use crate::engine::Engine;
use crate::engine::cx::Cx;
use crate::engine::lvs::Lvs;
use crate::engine::lvs::checks::Did;
use crate::engine::notify::children::{GRACE, Owner};
use crate::engine::system::{Exit, System};
use crate::engine::timers::TimerKey;
use crate::lvs::reload_match::ServiceMatch;
use crate::types::Instant;

/// Sockets opened, and deadlines looked at, in a turn of the loop.
const PER_TURN: u32 = 16;

impl Engine {
    /// Checks begin; files are looked at already.
    pub(crate) fn start_checks(&mut self, cx: &mut Cx<'_>) {
        let Lvs { conf, checks, .. } = &mut self.lvs;
        checks.start(cx.now, conf);
        self.set_check_timer(cx.now);
        self.refresh_lvs_files(cx);
    }

    /// Nothing is checked any more.
    pub(crate) fn stop_checks(&mut self, cx: &mut Cx<'_>) {
        let (lvs, children) = (&mut self.lvs, &mut self.shared.children);
        for place in lvs.checks.running() {
            children.end(cx, Owner::Check(place), GRACE);
        }
        lvs.checks.stop(cx);
        self.set_check_timer(cx.now);
    }

    /// The configuration is another one now; checks that have been there before keep their verdict.
    pub(crate) fn replace_checks(&mut self, cx: &mut Cx<'_>, matches: &[ServiceMatch]) {
        let (lvs, children) = (&mut self.lvs, &mut self.shared.children);
        let Lvs {
            conf,
            checks,
            suspended,
            ..
        } = lvs;
        checks.replace(cx, (conf, matches), children);
        // New checks of a service that pauses pause, too.
        for (service, pause) in suspended.iter().enumerate() {
            checks.suspend(cx, (service, *pause), conf, children);
        }
        self.set_check_timer(cx.now);
        self.set_children_timer();
        self.refresh_lvs_files(cx);
    }

    /// `ha_suspend`: the checks of a service pause, or go on; its servers stay as they are meanwhile.
    pub(crate) fn suspend_checks(&mut self, cx: &mut Cx<'_>, service: usize, pause: bool) {
        let (lvs, children) = (&mut self.lvs, &mut self.shared.children);
        let Lvs { conf, checks, .. } = lvs;
        checks.suspend(cx, (service, pause), conf, children);
        self.set_check_timer(cx.now);
        self.set_children_timer();
    }

    /// The turns that have come.
    pub(crate) fn run_checks(&mut self, cx: &mut Cx<'_>) {
        for _ in 0..PER_TURN {
            let (lvs, children) = (&mut self.lvs, &mut self.shared.children);
            let Lvs { conf, checks, .. } = lvs;
            match checks.expire(cx, conf, children) {
                Did::Nothing | Did::Enough => break,
                Did::Something => {}
                Did::Judged(id, verdict) => self.apply_check_state(cx, id, verdict),
            }
        }
        self.set_children_timer();
        self.set_check_timer(cx.now);
    }

    fn set_check_timer(&mut self, now: Instant) {
        self.shared
            .set_timer(TimerKey::Checks, self.lvs.checks.next_deadline(now));
    }

    /// Something happened to the socket of a check.
    pub fn probe(
        &mut self,
        now: Instant,
        probe: usize,
        news: SocketEvent<'_>,
        system: &mut dyn System,
    ) {
        let cx = &mut Cx::new(now, system);
        let Lvs { conf, checks, .. } = &mut self.lvs;
        if let Some((id, verdict)) = checks.news(cx, probe, conf, news) {
            self.apply_check_state(cx, id, verdict);
        }
        self.set_check_timer(cx.now);
    }

    /// The program of a `MISC_CHECK` has ended.
    pub(crate) fn check_ended(&mut self, cx: &mut Cx<'_>, check: usize, how: Exit) {
        let Lvs { conf, checks, .. } = &mut self.lvs;
        if let Some((id, verdict)) = checks.ended(check, cx.now, conf, how) {
            self.apply_check_state(cx, id, verdict);
        }
        self.set_check_timer(cx.now);
    }

    /// It takes too long, and has been told to end.
    pub(crate) fn check_overdue(&mut self, cx: &mut Cx<'_>, check: usize) {
        let Lvs { conf, checks, .. } = &mut self.lvs;
        if let Some((id, verdict)) = checks.overdue(check, cx.now, conf) {
            self.apply_check_state(cx, id, verdict);
        }
        self.set_check_timer(cx.now);
    }

    /// Tracked files have other numbers (`FILE_CHECK`).
    pub(crate) fn refresh_lvs_files(&mut self, cx: &mut Cx<'_>) {
        for place in 0..self.lvs.checks.len() {
            let (lvs, tracking) = (&mut self.lvs, &self.shared.tracking);
            let Lvs { conf, checks, .. } = lvs;
            let number = |file| tracking.file_number(file);
            if let Some((id, verdict)) = checks.look_at_file(place, cx.now, conf, &number) {
                self.apply_check_state(cx, id, verdict);
            }
        }
    }
}
