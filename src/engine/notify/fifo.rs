//! `notify_fifo`, `vrrp_notify_fifo` and `lvs_notify_fifo`, each with the script that reads it.

use crate::engine::cx::Cx;
use std::io;

use crate::config::model::Fifo;
use crate::engine::notify::children::{ChildCommand, Children, Owner};
use crate::engine::system::{Exit, error_text};

/// Their keywords; a FIFO's place is that in this list.
const NAMES: [&str; 3] = ["notify_fifo", "vrrp_notify_fifo", "lvs_notify_fifo"];

/// What a line is about; each kind has a FIFO besides the one for everything.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum About {
    /// Instances and groups.
    Vrrp,
    /// Virtual and real servers.
    #[cfg(feature = "lvs")]
    Lvs,
}

/// Place of the FIFO that is not told.
const fn not_for(about: About) -> usize {
    match about {
        About::Vrrp => 2,
        #[cfg(feature = "lvs")]
        About::Lvs => 1,
    }
}

/// See the top of the file.
#[derive(Debug, Default)]
pub(crate) struct Fifos([Option<Pipe>; 3]);

#[derive(Debug)]
struct Pipe {
    conf: Fifo,
    open: bool,
    /// What is wrong with it, as last said.
    trouble: Option<String>,
    /// Lines lost since.
    lost: u32,
    /// Lines written since the last one was lost.
    written: u32,
}

/// A short line may still fit where the next long one does not: only after so many is all well
/// again.
const WELL: u32 = 16;

impl Fifos {
    /// How many places there are.
    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there is none.
    pub(crate) fn is_empty(&self) -> bool {
        self.0.iter().all(Option::is_none)
    }

    /// These are wanted now. What stays the same is not touched: its readers notice nothing. That
    /// goes for one that has moved to the other keyword too; closed after it has been opened there,
    /// it would be gone.
    pub(crate) fn replace(
        &mut self,
        cx: &mut Cx<'_>,
        wanted: [Option<&Fifo>; 3],
        children: &mut Children,
    ) {
        for (to, wanted) in wanted.into_iter().enumerate() {
            let path = wanted.map(|fifo| &fifo.path);
            let at = |slot: &Option<Pipe>| slot.as_ref().map(|pipe| &pipe.conf.path) == path;
            if let Some(from) = self.0.iter().position(at).filter(|_| path.is_some()) {
                self.exchange(cx, (from, to), children);
            }
        }
        for (nth, (slot, wanted)) in self.0.iter_mut().zip(wanted).enumerate() {
            let old = slot.as_ref().map(|pipe| &pipe.conf);
            if old == wanted {
                continue;
            }
            let owner = Owner::Fifo(nth);
            let forget = &mut |theirs| Some(theirs).filter(|theirs| *theirs != owner);
            children.reassign(cx, forget);
            let same = |old: &Fifo, new: &Fifo| (&old.path, old.user) == (&new.path, new.user);
            let kept = old.zip(wanted).is_some_and(|(old, new)| same(old, new));
            if !kept && let Some(pipe) = slot.take() {
                cx.system.fifo_close(&pipe.conf.path);
            }
            let Some(conf) = wanted.cloned() else {
                continue;
            };
            match slot {
                Some(pipe) => pipe.conf = conf,
                None => *slot = Some(Pipe::new(conf)),
            }
            if let Some(pipe) = slot {
                pipe.begin(cx, nth, children);
            }
        }
    }

    /// Two of them, and their scripts, change places.
    fn exchange(&mut self, cx: &mut Cx<'_>, (one, other): (usize, usize), children: &mut Children) {
        if one == other {
            return;
        }
        self.0.swap(one, other);
        let moved = &mut |owner| {
            Some(match owner {
                Owner::Fifo(nth) if nth == one => Owner::Fifo(other),
                Owner::Fifo(nth) if nth == other => Owner::Fifo(one),
                Owner::Fifo(_)
                | Owner::Script(_)
                | Owner::Notify(_)
                | Owner::Mail
                | Owner::Check(_)
                | Owner::Nobody => owner,
            })
        };
        children.reassign(cx, moved);
    }

    /// Writes a line to those whom it concerns.
    pub(crate) fn write(&mut self, cx: &mut Cx<'_>, about: About, line: &str) {
        for (place, (pipe, name)) in self.0.iter_mut().zip(NAMES).enumerate() {
            if place != not_for(about)
                && let Some(pipe) = pipe
            {
                pipe.write(cx, name, line);
            }
        }
    }

    /// A script that should have gone on reading has ended.
    pub(crate) fn script_ended(&mut self, nth: usize, how: Exit) {
        let name = NAMES.get(nth).unwrap_or(&"");
        let pipe = self.0.get(nth).and_then(Option::as_ref);
        let script = pipe.and_then(|pipe| pipe.conf.script.as_ref());
        if let Some(program) = script.and_then(|script| script.argv.first()) {
            log::warn!(target: "script", "{name}_script {program} {how}; it is not started again");
        }
    }

    /// The end: readers see the end of the file.
    pub(crate) fn close(&mut self, cx: &mut Cx<'_>) {
        for pipe in self.0.iter_mut().filter_map(Option::take) {
            cx.system.fifo_close(&pipe.conf.path);
        }
    }
}

impl Pipe {
    fn new(conf: Fifo) -> Self {
        Pipe {
            conf,
            open: false,
            trouble: None,
            lost: 0,
            written: 0,
        }
    }

    /// Opens it and starts its script.
    fn begin(&mut self, cx: &mut Cx<'_>, nth: usize, children: &mut Children) {
        let name = NAMES.get(nth).unwrap_or(&"");
        self.try_open(cx, name);
        let Some(script) = &self.conf.script else {
            return;
        };
        let command = ChildCommand {
            command: script,
            extra_args: &[&self.conf.path],
        };
        if let Err(error) = children.run(cx, Owner::Fifo(nth), command, None) {
            let program = script.argv.first().map_or("", String::as_str);
            let error = error_text(&error);
            log::error!(target: "script", "cannot start {name}_script {program}: {error}");
        }
    }

    fn try_open(&mut self, cx: &mut Cx<'_>, name: &str) {
        if self.open {
            return;
        }
        match cx.system.fifo_open(&self.conf) {
            Ok(()) => self.open = true,
            Err(error) => self.failed(name, &error.to_string()),
        }
    }

    fn write(&mut self, cx: &mut Cx<'_>, name: &str, line: &str) {
        self.try_open(cx, name);
        if !self.open {
            return;
        }
        match cx.system.fifo_write(&self.conf.path, line) {
            Ok(()) => self.succeeded(name),
            Err(error) => {
                self.lost = self.lost.saturating_add(1);
                self.written = 0;
                if error.kind() == io::ErrorKind::WouldBlock {
                    self.failed(name, "it is full and nobody reads; lines are lost");
                } else {
                    self.failed(name, &error.to_string());
                }
            }
        }
    }

    fn succeeded(&mut self, name: &str) {
        self.written = self.written.saturating_add(1);
        if self.trouble.is_some() && self.written >= WELL {
            self.trouble = None;
            let lost = core::mem::take(&mut self.lost);
            let path = &self.conf.path;
            log::info!(target: "script", "{name} {path} is written again; {lost} lines were lost");
        }
    }

    /// Said once, until it changes.
    fn failed(&mut self, name: &str, why: &str) {
        if self.trouble.as_deref() != Some(why) {
            log::warn!(target: "script", "{name} {}: {why}", self.conf.path);
            self.trouble = Some(why.to_owned());
        }
    }
}
