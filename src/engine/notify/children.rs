//! Child processes, their owners, and the termination of those that exceed their time limit.
//!
//! ```text
//! run ── time limit ── SIGTERM ── two seconds ── SIGKILL       always to the whole process group
//!  └──── ended ───────────┴──────────────┴── the owner handles the exit status; the group of a
//!                                            terminated child is killed
//! ```

use core::time::Duration;
use std::io;

use crate::config::model::Command;
use crate::engine::Engine;
use crate::engine::cx::Cx;
use crate::engine::system::{Ended, Exit, Kill, Pid, System};
use crate::notify::queue::QueueId;
use crate::types::Instant;

/// Time from SIGTERM to SIGKILL.
pub(crate) const GRACE: Duration = Duration::from_secs(2);
/// Children at one time. Every owner has few; the limit protects the process table from a mistake.
const MAX_CHILDREN: usize = 1024;

/// What a child process is for; decides who handles its exit status.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Owner {
    /// A `vrrp_script`, by its position.
    Script(usize),
    /// A notify script.
    Notify(QueueId),
    /// The reader of a FIFO, by the FIFO's position.
    Fifo(usize),
    /// The sender of a mail.
    Mail,
    /// A `MISC_CHECK`, by its position.
    #[cfg_attr(
        not(feature = "lvs"),
        expect(dead_code, reason = "there are no checks")
    )]
    Check(usize),
    /// The exit status is ignored.
    None,
}

/// A program to run.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ChildCommand<'a> {
    pub(crate) command: &'a Command,
    /// Appended to its arguments.
    pub(crate) extra_args: &'a [&'a str],
}

impl<'a> ChildCommand<'a> {
    /// A program with its configured arguments alone.
    pub(crate) fn plain(command: &'a Command) -> Self {
        ChildCommand {
            command,
            extra_args: &[],
        }
    }
}

#[derive(Clone, Copy, Debug)]
struct Child {
    pid: Pid,
    owner: Owner,
    /// When it is signaled next.
    due: Option<Instant>,
    /// SIGTERM has been sent.
    terminated: bool,
}

/// All child processes.
#[derive(Debug, Default)]
pub(crate) struct Children(Vec<Child>);

impl Children {
    /// Starts a program; it is terminated after `limit`.
    ///
    /// # Errors
    /// The kernel's refusal, or there are too many children.
    pub(crate) fn run(
        &mut self,
        cx: &mut Cx<'_>,
        owner: Owner,
        command: ChildCommand<'_>,
        limit: Option<Duration>,
    ) -> io::Result<()> {
        self.start(cx, owner, limit, |cx| {
            cx.system.spawn(command.command, command.extra_args)
        })
    }

    /// Adds the child that `start` starts; it is terminated after `limit`.
    ///
    /// # Errors
    /// The kernel's refusal, or there are too many children.
    pub(crate) fn start(
        &mut self,
        cx: &mut Cx<'_>,
        owner: Owner,
        limit: Option<Duration>,
        start: impl FnOnce(&mut Cx<'_>) -> io::Result<Pid>,
    ) -> io::Result<()> {
        if self.0.len() >= MAX_CHILDREN {
            return Err(io::ErrorKind::ResourceBusy.into());
        }
        let pid = start(cx)?;
        self.adopt(cx.now, owner, pid, limit);
        Ok(())
    }

    /// Adds a child that was started elsewhere.
    pub(crate) fn adopt(&mut self, now: Instant, owner: Owner, pid: Pid, limit: Option<Duration>) {
        self.0.push(Child {
            pid,
            owner,
            due: limit.map(|limit| now.after(limit)),
            terminated: false,
        });
    }

    /// Removes a child that has ended, and returns its owner.
    pub(crate) fn ended(&mut self, cx: &mut Cx<'_>, pid: Pid) -> Option<Owner> {
        let index = self.0.iter().position(|child| child.pid == pid)?;
        let child = self.0.swap_remove(index);
        if child.terminated {
            // Its own children may have ignored SIGTERM.
            cx.system.kill(pid, Kill::Kill);
        }
        Some(child.owner)
    }

    /// When [`Children::expire`] has something to do.
    pub(crate) fn next_deadline(&self) -> Option<Instant> {
        self.0.iter().filter_map(|child| child.due).min()
    }

    /// Signals one child that has exceeded its time limit. Returns its owner if this was SIGTERM.
    pub(crate) fn expire(&mut self, cx: &mut Cx<'_>) -> Option<Owner> {
        let is_due = |child: &&mut Child| child.due.is_some_and(|due| due <= cx.now);
        let child = self.0.iter_mut().find(is_due)?;
        if child.terminated {
            child.due = None;
            cx.system.kill(child.pid, Kill::Kill);
            return None;
        }
        child.terminate(cx);
        Some(child.owner)
    }

    /// Terminates a child; its owner handles the exit status as usual.
    pub(crate) fn end(&mut self, cx: &mut Cx<'_>, owner: Owner, grace: Duration) {
        let mut wanted = self.0.iter_mut().filter(|child| child.owner == owner);
        if let Some(child) = wanted.find(|child| !child.terminated) {
            child.terminate(cx);
            child.due = Some(cx.now.after(grace));
        }
    }

    /// At exit: terminates all children, and kills those that were terminated before.
    pub(crate) fn end_all(&mut self, cx: &mut Cx<'_>) {
        for child in &mut self.0 {
            if child.terminated {
                cx.system.kill(child.pid, Kill::Kill);
            } else {
                child.terminate(cx);
            }
        }
    }

    /// The program is about to be replaced: terminates children that would not end by themselves,
    /// or whose result has no receiver any longer. Notify scripts are left to finish.
    pub(crate) fn hand_over(&mut self, cx: &mut Cx<'_>) {
        for child in &self.0 {
            if let Owner::Script(_) | Owner::Fifo(_) | Owner::Check(_) = child.owner {
                cx.system.kill(child.pid, Kill::Term);
            }
        }
    }

    /// Whether this owner has a child.
    pub(crate) fn has(&self, owner: Owner) -> bool {
        self.0.iter().any(|child| child.owner == owner)
    }

    /// Kills all tracked scripts.
    pub(crate) fn kill_scripts(&mut self, cx: &mut Cx<'_>) {
        for child in &mut self.0 {
            if let Owner::Script(_) = child.owner {
                child.owner = Owner::None;
                child.due = None;
                cx.system.kill(child.pid, Kill::Kill);
            }
        }
    }

    /// Gives every child a new owner; terminates those that get none.
    pub(crate) fn reassign(
        &mut self,
        cx: &mut Cx<'_>,
        new: &mut dyn FnMut(Owner) -> Option<Owner>,
    ) {
        for child in &mut self.0 {
            if child.owner == Owner::None {
                continue;
            }
            match new(child.owner) {
                Some(owner) => child.owner = owner,
                None => {
                    child.owner = Owner::None;
                    if !child.terminated {
                        child.terminate(cx);
                    }
                }
            }
        }
    }
}

impl Child {
    fn terminate(&mut self, cx: &mut Cx<'_>) {
        self.terminated = true;
        self.due = Some(cx.now.after(GRACE));
        cx.system.kill(self.pid, Kill::Term);
    }
}

impl Engine {
    /// A child has ended.
    pub fn child_ended(&mut self, now: Instant, pid: Pid, how: Exit, system: &mut dyn System) {
        let cx = &mut Cx::new(now, system, &self.shared.events);
        match self.shared.children.ended(cx, pid) {
            Some(Owner::Script(index)) => self.script_ended(cx, index, how),
            Some(owner @ (Owner::Notify(_) | Owner::Fifo(_) | Owner::Mail)) => {
                self.shared.notify_ended(cx, owner, pid, how);
            }
            Some(Owner::Check(nth)) => {
                self.with_lvs(|lvs, shared, _| {
                    lvs.check_child_ended(cx, shared, nth, Ended { child: pid, how });
                });
            }
            Some(Owner::None) | None => {}
        }
        self.shared.set_children_timer();
    }

    /// Terminates a child of `os` after `limit`.
    pub fn watch_child(&mut self, now: Instant, pid: Pid, limit: Duration) {
        self.shared
            .children
            .adopt(now, Owner::None, pid, Some(limit));
        self.shared.set_children_timer();
    }

    /// Terminates children that exceed their time limit.
    pub(crate) fn expire_children(&mut self, cx: &mut Cx<'_>) {
        match self.shared.children.expire(cx) {
            Some(Owner::Script(index)) => self.script_overdue(cx, index),
            Some(Owner::Check(nth)) => {
                self.with_lvs(|lvs, shared, _| lvs.check_child_overdue(cx, shared, nth));
            }
            // These have no time limit.
            Some(Owner::Notify(_) | Owner::Fifo(_) | Owner::Mail | Owner::None) | None => {}
        }
        self.shared.set_children_timer();
    }
}
