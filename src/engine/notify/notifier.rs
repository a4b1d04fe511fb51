//! Notifies others of a transition: scripts, FIFOs and mail, in this order.
//!
//! ```text
//! Transition ─ notify ─┬─ notify_<state>, notify → notify::Queue ─┐
//!                      ├─ FIFO line, at once (fifo.rs)            ├─ TimerKey::Notify: a few at a time → children
//!                      └─ mail (mail_queue.rs) ───────────────────┘
//! ```
//! Only the FIFO line is written while the transition is handled. Processes are started later, a
//! few at a time, so that adverts stay punctual when hundreds of instances change together.

use core::fmt::Display;
use core::time::Duration;

use crate::config::model::{Command, Fifo, Global, Notify};
use crate::engine::Engine;
use crate::engine::cx::Cx;
use crate::engine::events::{EventKind, Object};
use crate::engine::instance::router::Router;
use crate::engine::notify::children::{ChildCommand, Children, GRACE, Owner};
use crate::engine::notify::fifo::{About, Fifos};
use crate::engine::notify::mail_queue::MailQueue;
use crate::engine::shared::Shared;
use crate::engine::sync_group::Group;
use crate::engine::system::{Exit, Pid, System, error_text};
use crate::log::{self, Level};
#[cfg(feature = "lvs")]
use crate::notify::mail::Email;
use crate::notify::queue::{Queue, QueueId, RunningScript, SUPERSEDED_LIMIT, ScriptRun};
use crate::notify::{NotifyEvent, ObjectKind, lines};
use crate::types::{Instant, VrrpState};

/// Scripts started at once.
const STARTS: usize = 4;
/// Time for adverts before the next scripts are started.
const START_INTERVAL: Duration = Duration::from_millis(1);
/// Time limit of scripts and mails at exit.
const EXIT_LIMIT: Duration = Duration::from_secs(1);
/// At exit: time from SIGTERM to SIGKILL for a script that another one waits for.
const EXIT_GRACE: Duration = Duration::from_millis(250);
/// How long FIFO readers may run at exit, to read the last line.
const EXIT_READER_LIMIT: Duration = Duration::from_millis(100);

/// An event of an instance or group.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Notification<'a> {
    pub(crate) kind: ObjectKind,
    pub(crate) name: &'a str,
    pub(crate) event: NotifyEvent,
    /// Effective priority; 0 for groups.
    pub(crate) priority: u8,
    pub(crate) notify: &'a Notify,
}

/// An event of a virtual or real server.
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

/// The queues of scripts and mails, and the FIFOs.
#[derive(Debug, Default)]
pub(crate) struct Notifier {
    queue: Queue,
    fifos: Fifos,
    mail_queue: MailQueue,
    /// No process is started before this.
    next_start: Instant,
    /// When the daemon began to shut down.
    exit_since: Option<Instant>,
}

impl Notifier {
    /// Writes the FIFO line of an event and queues its scripts and mail.
    fn notify(&mut self, cx: &mut Cx<'_>, notification: &Notification<'_>, global: &Global) {
        let mut notification = *notification;
        let Notification {
            kind,
            name,
            priority,
            ..
        } = notification;
        if notification.event == NotifyEvent::Deleted && !notification.notify.report_deleted {
            // As keepalived without notify_deleted.
            notification.event = NotifyEvent::Fault;
        }
        let event = notification.event;
        self.enqueue(cx, kind, name, event, runs(&notification));
        if !self.fifos.is_empty() {
            let line = lines::fifo_line(kind, name, event, priority);
            self.fifos.write(cx, About::Vrrp, &line);
        }
        self.mail_queue.notify(cx.now, &notification, global);
    }

    fn enqueue(
        &mut self,
        cx: &Cx<'_>,
        kind: ObjectKind,
        name: &str,
        event: NotifyEvent,
        runs: Vec<ScriptRun>,
    ) {
        let skipped = self.queue.add(cx.now, kind, name, event, runs);
        if skipped > 0 {
            cx.note(
                Level::Warn,
                EventKind::Notify,
                Object::notified(kind, name),
                format_args!("notify scripts cannot keep up; skipped {skipped} outdated runs"),
            );
        }
    }

    /// The same for an event of a server.
    #[cfg(feature = "lvs")]
    pub(crate) fn notify_server(&mut self, cx: &mut Cx<'_>, one: ServerNotification<'_>) {
        self.enqueue(
            cx,
            one.kind,
            one.name,
            one.event,
            one.script.into_iter().collect(),
        );
        self.fifos.write(cx, About::Lvs, one.fifo_line);
        if let Some(email) = one.email {
            self.mail_queue.add(email);
        }
    }

    /// Starts waiting scripts and mails, and terminates scripts that keep others waiting for too
    /// long.
    fn run(&mut self, cx: &mut Cx<'_>, global: &Global, children: &mut Children) {
        let limit = global.notify_supersede_timeout;
        self.queue.superseded_limit = limit.unwrap_or(SUPERSEDED_LIMIT);
        if self.next_deadline().is_none_or(|at| at > cx.now) {
            return;
        }
        while let Some((id, script)) = self.queue.overdue(cx.now) {
            let why = script.terminated.unwrap_or_default();
            report_script(
                cx,
                Level::Warn,
                &script,
                "",
                &format_args!("terminated: {why}"),
            );
            let grace = match self.exit_since {
                Some(_) => EXIT_GRACE,
                None => GRACE,
            };
            children.end(cx, Owner::Notify(id), grace);
        }
        for _ in 0..STARTS {
            let Some((id, run)) = self.queue.next(cx.now) else {
                break;
            };
            let extra_args: Vec<&str> = run.extra_args.iter().map(String::as_str).collect();
            let command = ChildCommand {
                command: &run.command,
                extra_args: &extra_args,
            };
            if let Err(error) = children.run(cx, Owner::Notify(id), command, None)
                && let Some(script) = self.queue.ended(id)
            {
                let error = error_text(&error);
                report_script(cx, Level::Error, &script, "cannot start ", &error);
            }
        }
        self.mail_queue.send(cx, global.smtp(), children);
        self.next_start = cx.now.after(START_INTERVAL);
    }

    /// When [`Notifier::run`] has something to do.
    pub(crate) fn next_deadline(&self) -> Option<Instant> {
        if self.queue.can_start() || self.mail_queue.can_send() {
            return Some(self.next_start);
        }
        self.queue.next_deadline()
    }

    /// A notify script has ended.
    fn script_ended(&mut self, cx: &Cx<'_>, id: QueueId, how: Exit) {
        let Some(script) = self.queue.ended(id) else {
            return;
        };
        if script.terminated.is_some() {
            // That has been reported.
        } else if how.is_success() {
            let RunningScript {
                name,
                keyword,
                program,
                ..
            } = script;
            log::debug!(target: "script", "({name}) {keyword} {program} succeeded");
        } else {
            report_script(cx, Level::Warn, &script, "", &how);
        }
    }

    fn has_readers(&self, children: &Children) -> bool {
        (0..self.fifos.len()).any(|nth| children.has(Owner::Fifo(nth)))
    }
}

/// Reports what is wrong with a notify script: `before`, its keyword and program, and `what`.
fn report_script(
    cx: &Cx<'_>,
    level: Level,
    script: &RunningScript,
    before: &str,
    what: &dyn Display,
) {
    let (keyword, program) = (script.keyword, &script.program);
    let colon = if before.is_empty() { "" } else { ":" };
    cx.note(
        level,
        EventKind::Notify,
        Object::notified(script.kind, &script.name),
        format_args!("{before}{keyword} {program}{colon} {what}"),
    );
}

/// The scripts to run for an event, in order.
fn runs(notification: &Notification<'_>) -> Vec<ScriptRun> {
    let Notification {
        kind,
        name,
        event,
        priority,
        notify,
    } = *notification;
    let (keyword, own): (_, &Option<Command>) = match event {
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
    let is_transition = !matches!(
        event,
        NotifyEvent::LowerPriority | NotifyEvent::MasterPriority | NotifyEvent::BackupPriority
    );
    let run = |keyword, command: &Command, extra_args| ScriptRun {
        keyword,
        command: command.clone(),
        extra_args,
    };
    let own = own.iter().map(|command| run(keyword, command, Vec::new()));
    let any = notify.any.iter().filter(|_| is_transition);
    let arguments = || lines::arguments(kind, name, event, priority);
    own.chain(any.map(|command| run("notify", command, arguments())))
        .collect()
}

/// The event for a state. `Init` is reached at exit and when an instance is removed.
fn event_of(state: VrrpState, stopping: bool) -> NotifyEvent {
    match state {
        VrrpState::Master => NotifyEvent::Master,
        VrrpState::Backup => NotifyEvent::Backup,
        VrrpState::Fault => NotifyEvent::Fault,
        VrrpState::Init if stopping => NotifyEvent::Stop,
        VrrpState::Init => NotifyEvent::Deleted,
    }
}

impl Router {
    /// Notifies a transition.
    pub(crate) fn notify_transition(
        &self,
        cx: &mut Cx<'_>,
        shared: &mut Shared,
        from: VrrpState,
        to: VrrpState,
    ) {
        if from != to {
            self.notify(cx, shared, event_of(to, shared.stopping));
        }
    }

    /// Notifies an advert of lower priority that was answered, ten times in ten seconds at most:
    /// whoever sends such adverts also starts the script.
    pub(crate) fn notify_lower_prio_rx(&mut self, cx: &mut Cx<'_>, shared: &mut Shared) {
        if self.lower_prio.allow(cx.now).is_some() {
            self.notify(cx, shared, NotifyEvent::LowerPriority);
        }
    }

    /// Notifies a changed priority, if that is configured and the instance has started.
    pub(crate) fn notify_priority(&self, cx: &mut Cx<'_>, shared: &mut Shared) {
        let event = match self.machine.state() {
            _ if !self.conf.notify.priority_changes => return,
            VrrpState::Init => return,
            VrrpState::Master => NotifyEvent::MasterPriority,
            VrrpState::Backup | VrrpState::Fault => NotifyEvent::BackupPriority,
        };
        self.notify(cx, shared, event);
    }

    fn notify(&self, cx: &mut Cx<'_>, shared: &mut Shared, event: NotifyEvent) {
        let notification = Notification {
            kind: ObjectKind::Instance,
            name: &self.conf.name,
            event,
            priority: self.reported_priority.0,
            notify: &self.conf.notify,
        };
        shared.notify(cx, &notification);
    }

    /// Writes the present state to the FIFOs.
    fn repeat_state(&self, cx: &mut Cx<'_>, fifos: &mut Fifos) {
        let state = self.machine.state();
        if state != VrrpState::Init {
            let (name, priority) = (&self.conf.name, self.reported_priority.0);
            let event = event_of(state, false);
            let line = lines::fifo_line(ObjectKind::Instance, name, event, priority);
            fifos.write(cx, About::Vrrp, &line);
        }
    }
}

impl Group {
    /// Notifies the state of a group, after those of its members. That a reload has removed it is
    /// not notified.
    pub(crate) fn notify_state(&self, cx: &mut Cx<'_>, shared: &mut Shared) {
        let event = event_of(self.reported, shared.stopping);
        if event == NotifyEvent::Deleted {
            return;
        }
        let notification = Notification {
            kind: ObjectKind::Group,
            name: &self.conf.name,
            event,
            priority: 0,
            notify: &self.conf.notify,
        };
        shared.notify(cx, &notification);
    }

    /// Writes the present state to the FIFOs.
    fn repeat_state(&self, cx: &mut Cx<'_>, fifos: &mut Fifos) {
        if self.reported != VrrpState::Init {
            let event = event_of(self.reported, false);
            let line = lines::fifo_line(ObjectKind::Group, &self.conf.name, event, 0);
            fifos.write(cx, About::Vrrp, &line);
        }
    }
}

impl Shared {
    fn notify(&mut self, cx: &mut Cx<'_>, notification: &Notification<'_>) {
        self.notifier.notify(cx, notification, &self.global);
        self.set_notify_timer(cx.now);
    }

    /// Starts waiting scripts and mails.
    pub(crate) fn run_notifications(&mut self, cx: &mut Cx<'_>) {
        self.notifier.run(cx, &self.global, &mut self.children);
        self.set_children_timer();
        self.set_notify_timer(cx.now);
    }

    /// A notify script, FIFO reader or mail sender has ended.
    pub(crate) fn notify_ended(&mut self, cx: &mut Cx<'_>, owner: Owner, pid: Pid, how: Exit) {
        match owner {
            Owner::Notify(id) => self.notifier.script_ended(cx, id, how),
            Owner::Fifo(nth) => self.notifier.fifos.script_ended(cx, nth, how),
            Owner::Mail => self.notifier.mail_queue.ended(cx, pid, how),
            Owner::Script(_) | Owner::Check(_) | Owner::None => {}
        }
        self.set_notify_timer(cx.now);
    }

    /// Opens the configured FIFOs and starts their readers; before the first notification.
    pub(crate) fn open_fifos(&mut self, cx: &mut Cx<'_>, lvs: Option<&Fifo>) {
        let global = &self.global;
        let wanted = [
            global.notify_fifo.as_ref(),
            global.vrrp_notify_fifo.as_ref(),
            lvs,
        ];
        self.notifier.fifos.replace(cx, wanted, &mut self.children);
        self.set_children_timer();
    }

    /// Closes the FIFOs, so that their readers see the end.
    pub(crate) fn close_fifos(&mut self, cx: &mut Cx<'_>) {
        self.notifier.fifos.close(cx);
    }
}

impl Engine {
    /// After a reload: repeats all states in the FIFOs if that is configured.
    pub(crate) fn finish_reload(&mut self, cx: &mut Cx<'_>) {
        if self.shared.global.fifo_states_on_reload {
            let fifos = &mut self.shared.notifier.fifos;
            for router in self.routers.iter() {
                router.repeat_state(cx, fifos);
            }
            for group in &self.groups {
                group.repeat_state(cx, fifos);
            }
        }
        self.shared.set_children_timer();
        self.shared.set_notify_timer(cx.now);
    }

    /// After [`Engine::stop`]: lets notify scripts and FIFO readers finish. To be called until it
    /// returns `None`; otherwise it returns when to call it again if no child ends before.
    pub fn drain_notifications(
        &mut self,
        now: Instant,
        system: &mut dyn System,
    ) -> Option<Instant> {
        let cx = &mut Cx::new(now, system, &self.shared.events);
        let notifier = &mut self.shared.notifier;
        let first = notifier.exit_since.is_none();
        let since = *notifier.exit_since.get_or_insert(now);
        if first {
            notifier.queue.start_shutdown(now);
            notifier.fifos.close(cx);
        }
        self.expire_children(cx);
        self.shared.run_notifications(cx);
        let Shared {
            notifier, children, ..
        } = &mut self.shared;
        let limit = if !notifier.queue.is_empty() || !notifier.mail_queue.is_empty() {
            EXIT_LIMIT
        } else if notifier.has_readers(children) {
            EXIT_READER_LIMIT
        } else {
            Duration::ZERO
        };
        let until = since.after(limit);
        if now >= until {
            children.end_all(cx);
            return None;
        }
        let next = [notifier.next_deadline(), children.next_deadline()];
        next.into_iter().flatten().chain([until]).min()
    }
}
