//! The checks' doors: what the rest of the engine, and the loop, tell them.

use crate::check::SocketEvent;
use crate::engine::lvs::Lvs;
use crate::engine::lvs::checks::Did;
use crate::engine::notify::children::{GRACE, Owner};
use crate::engine::system::{Exit, System};
use crate::engine::{Engine, TimerKey};
use crate::lvs::reload_match::ServiceMatch;
use crate::types::Instant;

/// Sockets opened, and deadlines looked at, in a turn of the loop.
const PER_TURN: u32 = 16;

impl Engine {
    /// Checks begin; files are looked at already.
    pub(crate) fn start_checks(&mut self, now: Instant, system: &mut dyn System) {
        let Lvs { conf, checks, .. } = &mut self.lvs;
        checks.start(now, conf);
        self.remind_of_checks(now);
        self.look_at_lvs_files(now, system);
    }

    /// Nothing is checked any more.
    pub(crate) fn stop_checks(&mut self, now: Instant, system: &mut dyn System) {
        let Engine { lvs, children, .. } = self;
        for place in lvs.checks.running() {
            children.end(now, Owner::Check(place), GRACE, system);
        }
        lvs.checks.stop(system);
        self.remind_of_checks(now);
    }

    /// The configuration is another one now; checks that have been there before keep their verdict.
    pub(crate) fn replace_checks(
        &mut self,
        now: Instant,
        matches: &[ServiceMatch],
        system: &mut dyn System,
    ) {
        let Engine { lvs, children, .. } = self;
        let Lvs {
            conf,
            checks,
            suspended,
            ..
        } = lvs;
        checks.replace(now, (conf, matches), (children, system));
        // New checks of a service that pauses pause, too.
        for (service, pause) in suspended.iter().enumerate() {
            checks.suspend((service, *pause), now, conf, (children, system));
        }
        self.remind_of_checks(now);
        self.remind_of_children();
        self.look_at_lvs_files(now, system);
    }

    /// `ha_suspend`: the checks of a service pause, or go on; its servers stay as they are meanwhile.
    pub(crate) fn suspend_checks(
        &mut self,
        service: usize,
        pause: bool,
        now: Instant,
        system: &mut dyn System,
    ) {
        let Engine { lvs, children, .. } = self;
        let Lvs { conf, checks, .. } = lvs;
        checks.suspend((service, pause), now, conf, (children, system));
        self.remind_of_checks(now);
        self.remind_of_children();
    }

    /// The turns that have come.
    pub(crate) fn work_on_checks(&mut self, now: Instant, system: &mut dyn System) {
        for _ in 0..PER_TURN {
            let Engine { lvs, children, .. } = self;
            let Lvs { conf, checks, .. } = lvs;
            match checks.expire(now, conf, (children, system)) {
                Did::Nothing | Did::Enough => break,
                Did::Something => {}
                Did::Judged(id, verdict) => self.judged(id, verdict, now, system),
            }
        }
        self.remind_of_children();
        self.remind_of_checks(now);
    }

    fn remind_of_checks(&mut self, now: Instant) {
        self.remind(TimerKey::Checks, self.lvs.checks.next_deadline(now));
    }

    /// Something happened to the socket of a check.
    pub fn probe(
        &mut self,
        now: Instant,
        probe: usize,
        news: SocketEvent<'_>,
        system: &mut dyn System,
    ) {
        let Lvs { conf, checks, .. } = &mut self.lvs;
        if let Some((id, verdict)) = checks.news(probe, now, conf, news, system) {
            self.judged(id, verdict, now, system);
        }
        self.remind_of_checks(now);
    }

    /// The program of a `MISC_CHECK` has ended.
    pub(crate) fn check_ended(
        &mut self,
        check: usize,
        now: Instant,
        how: Exit,
        system: &mut dyn System,
    ) {
        let Lvs { conf, checks, .. } = &mut self.lvs;
        if let Some((id, verdict)) = checks.ended(check, now, conf, how) {
            self.judged(id, verdict, now, system);
        }
        self.remind_of_checks(now);
    }

    /// It takes too long, and has been told to end.
    pub(crate) fn check_overdue(&mut self, check: usize, now: Instant, system: &mut dyn System) {
        let Lvs { conf, checks, .. } = &mut self.lvs;
        if let Some((id, verdict)) = checks.overdue(check, now, conf) {
            self.judged(id, verdict, now, system);
        }
        self.remind_of_checks(now);
    }

    /// Tracked files have other numbers (`FILE_CHECK`).
    pub(crate) fn look_at_lvs_files(&mut self, now: Instant, system: &mut dyn System) {
        for place in 0..self.lvs.checks.len() {
            let Engine { lvs, tracking, .. } = self;
            let Lvs { conf, checks, .. } = lvs;
            let number = |file| tracking.file_number(file);
            if let Some((id, verdict)) = checks.look_at_file(place, now, conf, &number) {
                self.judged(id, verdict, now, system);
            }
        }
    }
}
