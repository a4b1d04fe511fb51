//! Telling others of a change: scripts, FIFOs, mails, in this order (`semantics.md` §6).
//!
//! ```text
//! Transition ─ told ─┬─ notify_<state>, notify → notify::Queue ─┐
//!                    ├─ FIFO line, at once (fifos.rs)           ├─ TimerKey::Notify: a few at a time → children
//!                    └─ letter (letters.rs) ────────────────────┘
//! ```
//! Nothing here takes time in the turn of the change itself but the line of the FIFO: processes are started in
//! turns of their own, a few in each, so that hundreds of instances that change together stay punctual.

use crate::engine::cx::Cx;
use core::time::Duration;
use std::io;

use crate::config::model::{Command, Fifo, Global, Notify};
use crate::engine::Engine;
use crate::engine::notify::children::{Children, GRACE, Owner};
use crate::engine::notify::fifo::{About, Fifos};
use crate::engine::notify::mail_queue::MailQueue;
use crate::engine::shared::Shared;
use crate::engine::system::{Exit, System};
#[cfg(feature = "lvs")]
use crate::notify::mail::Email;
use crate::notify::queue::{Queue, QueueId, RunningScript, ScriptRun};
use crate::notify::{NotifyEvent, ObjectKind, lines};
use crate::types::{Instant, VrrpState};

/// Scripts started in one turn, and how long adverts have the stage before the next ones.
const STARTS: usize = 4;
const PAUSE: Duration = Duration::from_millis(1);
/// What scripts get when the daemon ends.
const LAST_WORDS: Duration = Duration::from_secs(1);
/// Of that, from SIGTERM to SIGKILL for one that the next waits for.
const LAST_GRACE: Duration = Duration::from_millis(250);
/// What readers of a FIFO get then, to take in its last line.
const LAST_LINES: Duration = Duration::from_millis(100);

/// What has happened to whom.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Notification<'a> {
    pub(crate) kind: ObjectKind,
    pub(crate) name: &'a str,
    pub(crate) word: NotifyEvent,
    /// Effective priority; 0 for groups.
    pub(crate) priority: u8,
    pub(crate) notify: &'a Notify,
}

/// A change of a virtual or real server.
#[cfg(feature = "lvs")]
#[derive(Debug)]
pub(crate) struct ServerNotification<'a> {
    pub(crate) kind: ObjectKind,
    /// Scripts of one name run one after another.
    pub(crate) name: &'a str,
    pub(crate) event: NotifyEvent,
    pub(crate) script: Option<ScriptRun>,
    pub(crate) fifo_line: &'a str,
    pub(crate) email: Option<Email>,
}

/// All that tells others.
#[derive(Debug, Default)]
pub(crate) struct Notifier {
    queue: Queue,
    fifos: Fifos,
    letters: MailQueue,
    /// Processes have been started; adverts have the stage until then.
    rest: Instant,
    /// The end has begun.
    ending: Option<Instant>,
}

impl Notifier {
    /// Something has happened. Scripts and mails follow in turns of their own.
    pub(crate) fn tell(&mut self, cx: &mut Cx<'_>, news: &Notification<'_>, global: &Global) {
        let Notification {
            kind,
            name,
            notify,
            priority,
            ..
        } = *news;
        let mut word = news.word;
        if word == NotifyEvent::Deleted && !notify.report_deleted {
            // Whoever has not asked for the difference is told of a fault, as by keepalived.
            word = NotifyEvent::Fault;
        }
        self.enqueue(kind, name, word, runs(&Notification { word, ..*news }));
        if !self.fifos.is_empty() {
            let line = lines::fifo_line(kind, name, word, priority);
            self.fifos.write(cx, About::Vrrp, &line);
        }
        self.letters
            .tell(cx.now, &Notification { word, ..*news }, global);
    }

    fn enqueue(&mut self, kind: ObjectKind, name: &str, word: NotifyEvent, runs: Vec<ScriptRun>) {
        let skipped = self.queue.add(kind, name, word, runs);
        if skipped > 0 {
            log::warn!(
                target: "script",
                "({name}) notify scripts are slower than the changes they are told of; {skipped} runs \
                 for states that are history skipped"
            );
        }
    }

    /// Notifies of a change of a virtual or real server.
    #[cfg(feature = "lvs")]
    pub(crate) fn notify_server(&mut self, cx: &mut Cx<'_>, server: ServerNotification<'_>) {
        let runs = server.script.into_iter().collect();
        self.enqueue(server.kind, server.name, server.event, runs);
        self.fifos.write(cx, About::Lvs, server.fifo_line);
        if let Some(email) = server.email {
            self.letters.add(email);
        }
    }

    /// Starts what may start; ends what is in the way.
    fn work(&mut self, cx: &mut Cx<'_>, global: &Global, children: &mut Children) {
        if self.next_deadline().is_none_or(|at| at > cx.now) {
            return;
        }
        while let Some((ticket, running)) = self.queue.overdue(cx.now) {
            let RunningScript {
                name,
                keyword,
                program,
                ..
            } = running;
            log::warn!(
                target: "script",
                "({name}) {keyword} {program} is still not done and the next one waits; ended"
            );
            let grace = match self.ending {
                Some(_) => LAST_GRACE,
                None => GRACE,
            };
            children.end(cx, Owner::Notify(ticket), grace);
        }
        for _ in 0..STARTS {
            let Some((ticket, run)) = self.queue.next(cx.now) else {
                break;
            };
            let extra_args: Vec<&str> = run.extra_args.iter().map(String::as_str).collect();
            let owner = Owner::Notify(ticket);
            if let Err(error) = children.run(cx, owner, (&run.command, &extra_args), None) {
                self.not_started(ticket, &error);
            }
        }
        self.letters.post(cx, global.smtp.as_ref(), children);
        self.rest = cx.now.after(PAUSE);
    }

    fn not_started(&mut self, ticket: QueueId, error: &io::Error) {
        if let Some(RunningScript {
            name,
            keyword,
            program,
            ..
        }) = self.queue.ended(ticket)
        {
            log::error!(target: "script", "({name}) {keyword} {program} cannot be started: {error}");
        }
    }

    /// When [`Notifier::work`] has something to do.
    pub(crate) fn next_deadline(&self) -> Option<Instant> {
        if self.queue.can_start() || self.letters.can_post() {
            return Some(self.rest);
        }
        self.queue.next_deadline()
    }

    /// A notify script has ended.
    fn script_ended(&mut self, ticket: QueueId, how: Exit) {
        let Some(RunningScript {
            name,
            keyword,
            program,
            ..
        }) = self.queue.ended(ticket)
        else {
            return;
        };
        if how.is_success() {
            log::debug!(target: "script", "({name}) {keyword} {program} done");
        } else {
            log::warn!(target: "script", "({name}) {keyword} {program} {how}");
        }
    }
}

/// The scripts that are told, in order.
fn runs(news: &Notification<'_>) -> Vec<ScriptRun> {
    let Notification {
        kind,
        name,
        word,
        priority,
        notify,
    } = *news;
    let (keyword, own): (_, &Option<Command>) = match word {
        NotifyEvent::Master => ("notify_master", &notify.master),
        NotifyEvent::Backup => ("notify_backup", &notify.backup),
        NotifyEvent::Fault => ("notify_fault", &notify.fault),
        NotifyEvent::Stop => ("notify_stop", &notify.stop),
        NotifyEvent::Deleted => ("notify_deleted", &notify.deleted),
        NotifyEvent::LowerPriority => ("notify_master_rx_lower_pri", &notify.master_rx_lower_pri),
        NotifyEvent::MasterPriority
        | NotifyEvent::BackupPriority
        | NotifyEvent::Up
        | NotifyEvent::Down
        | NotifyEvent::DownAtEnd => ("", &None),
    };
    let state = !matches!(
        word,
        NotifyEvent::LowerPriority | NotifyEvent::MasterPriority | NotifyEvent::BackupPriority
    );
    let run = |keyword, command: &Command, more| ScriptRun {
        keyword,
        command: command.clone(),
        extra_args: more,
    };
    let own = own.iter().map(|command| run(keyword, command, Vec::new()));
    let any = notify.any.iter().filter(|_| state);
    let arguments = || lines::arguments(kind, name, word, priority);
    own.chain(any.map(|command| run("notify", command, arguments())))
        .collect()
}

/// The word for a state; `Init` is where both ends lead to.
pub(crate) fn word(state: VrrpState, stopping: bool) -> NotifyEvent {
    match state {
        VrrpState::Master => NotifyEvent::Master,
        VrrpState::Backup => NotifyEvent::Backup,
        VrrpState::Fault => NotifyEvent::Fault,
        VrrpState::Init if stopping => NotifyEvent::Stop,
        VrrpState::Init => NotifyEvent::Deleted,
    }
}

impl Engine {
    /// An instance has changed its state.
    pub(crate) fn notify_transition(
        &mut self,
        cx: &mut Cx<'_>,
        id: usize,
        from: VrrpState,
        to: VrrpState,
    ) {
        if from != to {
            self.notify_instance(cx, id, word(to, self.shared.stopping));
        }
    }

    /// A group has changed its state, after all its members have. That a reload has removed it is not told.
    pub(crate) fn notify_group(&mut self, cx: &mut Cx<'_>, nth: usize, state: VrrpState) {
        let word = word(state, self.shared.stopping);
        let Some(group) = self
            .groups
            .get(nth)
            .filter(|_| word != NotifyEvent::Deleted)
        else {
            return;
        };
        let news = Notification {
            kind: ObjectKind::Group,
            name: &group.conf.name,
            word,
            priority: 0,
            notify: &group.conf.notify,
        };
        self.shared.notifier.tell(cx, &news, &self.shared.global);
        self.set_notify_timer(cx.now);
    }

    /// An instance has heard a weaker master, and answered: so at most a few times per interval, whoever sends.
    pub(crate) fn notify_lower_prio_rx(&mut self, cx: &mut Cx<'_>, id: usize) {
        self.notify_instance(cx, id, NotifyEvent::LowerPriority);
    }

    /// An instance has another priority.
    pub(crate) fn notify_priority(&mut self, cx: &mut Cx<'_>, id: usize) {
        let Some(router) = self.routers.get(id) else {
            return;
        };
        let word = match router.machine.state() {
            _ if !router.conf.notify.priority_changes => return,
            // Not begun yet.
            VrrpState::Init => return,
            VrrpState::Master => NotifyEvent::MasterPriority,
            VrrpState::Backup | VrrpState::Fault => NotifyEvent::BackupPriority,
        };
        self.notify_instance(cx, id, word);
    }

    fn notify_instance(&mut self, cx: &mut Cx<'_>, id: usize, word: NotifyEvent) {
        let Some(router) = self.routers.get(id) else {
            return;
        };
        let news = Notification {
            kind: ObjectKind::Instance,
            name: &router.conf.name,
            word,
            priority: router.reported_priority.0,
            notify: &router.conf.notify,
        };
        self.shared.notifier.tell(cx, &news, &self.shared.global);
        self.set_notify_timer(cx.now);
    }

    // ---- turns ----

    /// Opens the FIFOs; before anything is told.
    pub(crate) fn open_fifos(&mut self, cx: &mut Cx<'_>, lvs: Option<&Fifo>) {
        let Shared {
            notifier,
            children,
            global,
            ..
        } = &mut self.shared;
        let wanted = [
            global.notify_fifo.as_ref(),
            global.vrrp_notify_fifo.as_ref(),
            lvs,
        ];
        notifier.fifos.replace(cx, wanted, children);
        self.set_children_timer();
    }

    /// A reload is over: goes on where it has been interrupted.
    pub(crate) fn finish_reload(&mut self, cx: &mut Cx<'_>) {
        if self.shared.global.fifo_states_on_reload {
            self.repeat_states(cx);
        }
        self.set_children_timer();
        self.set_notify_timer(cx.now);
    }

    /// All states again, to the FIFOs alone.
    fn repeat_states(&mut self, cx: &mut Cx<'_>) {
        for router in &self.routers {
            let state = router.machine.state();
            if state == VrrpState::Init {
                continue;
            }
            let (name, word) = (&router.conf.name, word(state, false));
            let line =
                lines::fifo_line(ObjectKind::Instance, name, word, router.reported_priority.0);
            self.shared.notifier.fifos.write(cx, About::Vrrp, &line);
        }
        for group in self
            .groups
            .iter()
            .filter(|one| one.reported != VrrpState::Init)
        {
            let word = word(group.reported, false);
            let line = lines::fifo_line(ObjectKind::Group, &group.conf.name, word, 0);
            self.shared.notifier.fifos.write(cx, About::Vrrp, &line);
        }
    }

    /// Starts scripts and mails that wait.
    pub(crate) fn run_notifications(&mut self, cx: &mut Cx<'_>) {
        let Shared {
            notifier,
            children,
            global,
            ..
        } = &mut self.shared;
        notifier.work(cx, global, children);
        self.set_children_timer();
        self.set_notify_timer(cx.now);
    }

    pub(crate) fn set_notify_timer(&mut self, now: Instant) {
        self.shared.set_notify_timer(now);
    }

    /// A child of ours has ended.
    pub(crate) fn notify_ended(
        &mut self,
        cx: &mut Cx<'_>,
        owner: Owner,
        (pid, how): (crate::engine::system::Pid, Exit),
    ) {
        match owner {
            Owner::Notify(ticket) => self.shared.notifier.script_ended(ticket, how),
            Owner::Fifo(nth) => self.shared.notifier.fifos.script_ended(nth, how),
            Owner::Mail => self.shared.notifier.letters.ended(cx, how, pid),
            Owner::Script(_) | Owner::Check(_) | Owner::Nobody => {}
        }
        self.set_notify_timer(cx.now);
    }

    // ---- the end ----

    /// Whoever reads FIFOs to the end sees the end.
    pub(crate) fn close_fifos(&mut self, cx: &mut Cx<'_>) {
        self.shared.notifier.fifos.close(cx);
    }

    /// What remains when everything has been withdrawn: scripts that are told of it, and readers of FIFOs. To be
    /// called until there is no answer; the answer is when to call again if no child ends before.
    pub fn drain_notifications(
        &mut self,
        now: Instant,
        system: &mut dyn System,
    ) -> Option<Instant> {
        let cx = &mut Cx::new(now, system);
        let begun = self.shared.notifier.ending.is_some();
        let since = *self.shared.notifier.ending.get_or_insert(cx.now);
        if !begun {
            self.shared.notifier.queue.start_shutdown(cx.now);
            // Whoever reads to the end sees the end.
            self.shared.notifier.fifos.close(cx);
        }
        self.expire_children(cx);
        self.run_notifications(cx);
        let scripts = !self.shared.notifier.queue.is_empty();
        let readers = (0..self.shared.notifier.fifos.len())
            .any(|nth| self.shared.children.has(Owner::Fifo(nth)));
        let limit = match (scripts, readers) {
            (true, _) => LAST_WORDS,
            (false, true) => LAST_LINES,
            (false, false) => Duration::ZERO,
        };
        let until = since.after(limit);
        if cx.now >= until {
            self.shared.children.end_all(cx);
            return None;
        }
        let next = [
            self.shared.notifier.next_deadline(),
            self.shared.children.next_deadline(),
        ];
        next.into_iter().flatten().chain([until]).min()
    }
}
