//! Which child is whose, and the end of those that take too long.
//!
//! ```text
//! run ── its time is up ── SIGTERM ── two seconds ── SIGKILL       always to the whole process group
//!  └──────── ended ──────────┴──────────────┴── its owner is told; once told to end, its group is killed
//! ```

use crate::engine::cx::Cx;
use core::time::Duration;
use std::io;

use crate::config::model::Command;
use crate::engine::Engine;
use crate::engine::system::{Exit, Kill, Pid, System};
use crate::notify::queue::QueueId;
use crate::types::Instant;

/// From SIGTERM to SIGKILL.
pub(crate) const GRACE: Duration = Duration::from_secs(2);
/// Children at one time. Every owner has few; this keeps a mistake from filling the process table.
const MOST: usize = 1024;

/// Who is told of a child's end.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Owner {
    /// The run of a `vrrp_script`, by its place.
    Script(usize),
    /// A notify script.
    Notify(QueueId),
    /// What reads a FIFO, by the FIFO's place.
    Fifo(usize),
    /// Whoever delivers a mail.
    #[cfg_attr(
        not(feature = "mail"),
        expect(dead_code, reason = "nobody is written to")
    )]
    Mail,
    /// The run of a `MISC_CHECK`, by the check's place.
    #[cfg_attr(not(feature = "lvs"), expect(dead_code, reason = "nothing is checked"))]
    Check(usize),
    /// Nobody any more: it is only waited for.
    Nobody,
}

#[derive(Clone, Copy, Debug)]
struct Child {
    pid: Pid,
    owner: Owner,
    /// When it is signaled next.
    due: Option<Instant>,
    /// It has been told to end.
    told: bool,
}

/// All children there are.
#[derive(Debug, Default)]
pub(crate) struct Children(Vec<Child>);

impl Children {
    /// Starts a program. With a `limit`, it is ended when it takes longer.
    ///
    /// # Errors
    /// The kernel's refusal, or there are too many children.
    pub(crate) fn run(
        &mut self,
        cx: &mut Cx<'_>,
        owner: Owner,
        (command, more): (&Command, &[&str]),
        limit: Option<Duration>,
    ) -> io::Result<()> {
        if self.0.len() >= MOST {
            return Err(io::ErrorKind::ResourceBusy.into());
        }
        let pid = cx.system.spawn(command, more)?;
        self.adopt(cx.now, owner, pid, limit);
        Ok(())
    }

    /// Takes care of a child that has been started already.
    pub(crate) fn adopt(&mut self, now: Instant, owner: Owner, pid: Pid, limit: Option<Duration>) {
        self.0.push(Child {
            pid,
            owner,
            due: limit.map(|limit| now.after(limit)),
            told: false,
        });
    }

    /// A child has ended: whose it was.
    pub(crate) fn ended(&mut self, cx: &mut Cx<'_>, pid: Pid) -> Option<Owner> {
        let place = self.0.iter().position(|child| child.pid == pid)?;
        let child = self.0.swap_remove(place);
        if child.told {
            // Those it has started need not have listened.
            cx.system.kill(pid, Kill::Kill);
        }
        Some(child.owner)
    }

    /// When [`Children::expire`] has something to do.
    pub(crate) fn next_deadline(&self) -> Option<Instant> {
        self.0.iter().filter_map(|child| child.due).min()
    }

    /// Signals one child whose time is up. The answer is its owner if this was its first signal.
    pub(crate) fn expire(&mut self, cx: &mut Cx<'_>) -> Option<Owner> {
        let is_due = |child: &&mut Child| child.due.is_some_and(|due| due <= cx.now);
        let child = self.0.iter_mut().find(is_due)?;
        if child.told {
            child.due = None;
            cx.system.kill(child.pid, Kill::Kill);
            return None;
        }
        child.tell(cx);
        Some(child.owner)
    }

    /// Tells a child to end; its owner is told of the end as usual.
    pub(crate) fn end(&mut self, cx: &mut Cx<'_>, owner: Owner, grace: Duration) {
        let mut wanted = self.0.iter_mut().filter(|child| child.owner == owner);
        if let Some(child) = wanted.find(|child| !child.told) {
            child.tell(cx);
            child.due = Some(cx.now.after(grace));
        }
    }

    /// The daemon ends: tells all children to end, and kills those that did not listen.
    pub(crate) fn end_all(&mut self, cx: &mut Cx<'_>) {
        for child in &mut self.0 {
            if child.told {
                cx.system.kill(child.pid, Kill::Kill);
            } else {
                child.tell(cx);
            }
        }
    }

    /// The program is replaced: ends what would run on and on, or answer somebody who is no more. Scripts that are
    /// told of something are left to end.
    pub(crate) fn hand_over(&mut self, cx: &mut Cx<'_>) {
        for child in &self.0 {
            if let Owner::Script(_) | Owner::Fifo(_) | Owner::Check(_) = child.owner {
                cx.system.kill(child.pid, Kill::Term);
            }
        }
    }

    /// Whether a child of this owner is there.
    pub(crate) fn has(&self, owner: Owner) -> bool {
        self.0.iter().any(|child| child.owner == owner)
    }

    /// Ends the runs of all scripts that are tracked: nobody asks for their results any more.
    pub(crate) fn kill_scripts(&mut self, cx: &mut Cx<'_>) {
        for child in &mut self.0 {
            if let Owner::Script(_) = child.owner {
                child.owner = Owner::Nobody;
                child.due = None;
                cx.system.kill(child.pid, Kill::Kill);
            }
        }
    }

    /// Gives every child its new owner; those that get none are told to end.
    pub(crate) fn reassign(
        &mut self,
        cx: &mut Cx<'_>,
        new: &mut dyn FnMut(Owner) -> Option<Owner>,
    ) {
        for child in &mut self.0 {
            if child.owner == Owner::Nobody {
                continue;
            }
            match new(child.owner) {
                Some(owner) => child.owner = owner,
                None => {
                    child.owner = Owner::Nobody;
                    if !child.told {
                        child.tell(cx);
                    }
                }
            }
        }
    }
}

impl Child {
    fn tell(&mut self, cx: &mut Cx<'_>) {
        self.told = true;
        self.due = Some(cx.now.after(GRACE));
        cx.system.kill(self.pid, Kill::Term);
    }
}

impl Engine {
    /// A child has ended.
    pub fn child_ended(&mut self, now: Instant, pid: Pid, how: Exit, system: &mut dyn System) {
        let cx = &mut Cx::new(now, system);
        match self.shared.children.ended(cx, pid) {
            Some(Owner::Script(place)) => self.script_ended(cx, place, how),
            Some(owner @ (Owner::Notify(_) | Owner::Fifo(_) | Owner::Mail)) => {
                self.notify_ended(cx, owner, (pid, how));
            }
            Some(Owner::Check(place)) => {
                self.with_lvs(|lvs, shared, _| lvs.program_ended(cx, shared, place, how))
            }
            Some(Owner::Nobody) | None => {}
        }
        self.set_children_timer();
    }

    /// A child that is not ours to know about is ended when it takes longer than `limit`.
    pub fn watch_child(&mut self, now: Instant, pid: Pid, limit: Duration) {
        self.shared
            .children
            .adopt(now, Owner::Nobody, pid, Some(limit));
        self.set_children_timer();
    }

    /// Ends what takes too long.
    pub(crate) fn expire_children(&mut self, cx: &mut Cx<'_>) {
        match self.shared.children.expire(cx) {
            Some(Owner::Script(place)) => self.script_overdue(cx, place),
            Some(Owner::Check(place)) => {
                self.with_lvs(|lvs, shared, _| lvs.program_overdue(cx, shared, place))
            }
            // Those have no limit of their own.
            Some(Owner::Notify(_) | Owner::Fifo(_) | Owner::Mail | Owner::Nobody) | None => {}
        }
        self.set_children_timer();
    }

    /// To be called when children have been started.
    pub(crate) fn set_children_timer(&mut self) {
        self.shared.set_children_timer();
    }
}
