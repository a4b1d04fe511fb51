//! The FIFOs of `notify_fifo`, `vrrp_notify_fifo` and `lvs_notify_fifo`, and the scripts that read
//! them.

use core::fmt::Arguments;
use core::mem;
use std::io;

use crate::config::model::Fifo;
use crate::engine::cx::Cx;
use crate::engine::events::{EventKind, Object};
use crate::engine::notify::children::{ChildCommand, Children, Owner};
use crate::engine::system::{Exit, error_text};
use crate::log::Level;

/// Keyword of each FIFO. An index of a FIFO is one into this list.
const KEYWORDS: [&str; 3] = ["notify_fifo", "vrrp_notify_fifo", "lvs_notify_fifo"];

/// Subject of a line. Each is written to `notify_fifo` and to a FIFO of its own.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum About {
    /// Instances and groups.
    Vrrp,
    /// Virtual and real servers.
    #[cfg(feature = "lvs")]
    Lvs,
}

impl About {
    /// Indexes of the FIFOs that lines about this are written to.
    const fn fifos(self) -> [usize; 2] {
        match self {
            About::Vrrp => [0, 1],
            #[cfg(feature = "lvs")]
            About::Lvs => [0, 2],
        }
    }
}

/// The FIFOs, in the order of [`KEYWORDS`].
#[derive(Debug, Default)]
pub(crate) struct Fifos([Option<Pipe>; 3]);

#[derive(Debug)]
struct Pipe {
    conf: Fifo,
    open: bool,
    /// Why lines cannot be written, as last logged.
    failure: Option<String>,
    /// Lines lost since writing failed.
    lost: u32,
    /// Lines written since the last one was lost.
    written: u32,
}

/// Lines written without a loss after which a FIFO counts as working again: in an almost full pipe
/// a short line may still fit where the next long one does not.
const RECOVERED_AFTER: u32 = 16;

impl Fifos {
    /// The number of keywords.
    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether no FIFO is configured.
    pub(crate) fn is_empty(&self) -> bool {
        self.0.iter().all(Option::is_none)
    }

    /// Replaces the configured FIFOs. One with the same path stays open, even if it has moved to
    /// another keyword. Scripts start again, because many read their configuration only then.
    pub(crate) fn replace(
        &mut self,
        cx: &mut Cx<'_>,
        wanted: [Option<&Fifo>; 3],
        children: &mut Children,
    ) {
        for (to, wanted) in wanted.into_iter().enumerate() {
            let path = wanted.map(|fifo| &fifo.path);
            let has_path = |pipe: &Option<Pipe>| pipe.as_ref().map(|pipe| &pipe.conf.path) == path;
            if let Some(from) = self.0.iter().position(has_path).filter(|_| path.is_some()) {
                self.swap(cx, from, to, children);
            }
        }
        for (index, (slot, wanted)) in self.0.iter_mut().zip(wanted).enumerate() {
            let old = slot.as_ref().map(|pipe| &pipe.conf);
            let has_script = wanted.is_some_and(|fifo| fifo.script.is_some());
            if old == wanted && !has_script {
                continue;
            }
            let terminate_script = &mut |owner| (owner != Owner::Fifo(index)).then_some(owner);
            children.reassign(cx, terminate_script);
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
                pipe.start(cx, index, children);
            }
        }
    }

    /// Swaps two FIFOs together with their scripts.
    fn swap(&mut self, cx: &mut Cx<'_>, one: usize, other: usize, children: &mut Children) {
        if one == other {
            return;
        }
        self.0.swap(one, other);
        let moved = &mut |owner| {
            Some(match owner {
                Owner::Fifo(index) if index == one => Owner::Fifo(other),
                Owner::Fifo(index) if index == other => Owner::Fifo(one),
                Owner::Fifo(_)
                | Owner::Script(_)
                | Owner::Notify(_)
                | Owner::Mail
                | Owner::Check(_)
                | Owner::None => owner,
            })
        };
        children.reassign(cx, moved);
    }

    /// Writes a line to `notify_fifo` and to the FIFO of its subject.
    pub(crate) fn write(&mut self, cx: &mut Cx<'_>, about: About, line: &str) {
        for index in about.fifos() {
            if let Some((Some(pipe), keyword)) = self.0.get_mut(index).zip(KEYWORDS.get(index)) {
                pipe.write(cx, keyword, line);
            }
        }
    }

    /// The script that reads a FIFO has ended.
    pub(crate) fn script_ended(&mut self, cx: &Cx<'_>, index: usize, how: Exit) {
        let keyword = KEYWORDS.get(index).unwrap_or(&"");
        let pipe = self.0.get(index).and_then(Option::as_ref);
        let script = pipe.and_then(|pipe| pipe.conf.script.as_ref());
        if let Some(program) = script.and_then(|script| script.argv.first()) {
            note(
                cx,
                Level::Warn,
                format_args!("{keyword}_script {program} {how}; it is not started again"),
            );
        }
    }

    /// Closes all FIFOs, so that their readers see the end of the file.
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
            failure: None,
            lost: 0,
            written: 0,
        }
    }

    /// Opens the FIFO and starts its script, unless the lines in it may be of another user.
    fn start(&mut self, cx: &mut Cx<'_>, index: usize, children: &mut Children) {
        let keyword = KEYWORDS.get(index).unwrap_or(&"");
        self.try_open(cx, keyword);
        let Some(script) = &self.conf.script else {
            return;
        };
        if !self.open {
            let text =
                format_args!("{keyword}_script is not started; reload when the FIFO can be used");
            return note(cx, Level::Warn, text);
        }
        let command = ChildCommand {
            command: script,
            extra_args: &[&self.conf.path],
        };
        if let Err(error) = children.run(cx, Owner::Fifo(index), command, None) {
            let program = script.argv.first().map_or("", String::as_str);
            let error = error_text(&error);
            note(
                cx,
                Level::Error,
                format_args!("cannot start {keyword}_script {program}: {error}"),
            );
        }
    }

    fn try_open(&mut self, cx: &mut Cx<'_>, keyword: &str) {
        if self.open {
            return;
        }
        match cx.system.fifo_open(&self.conf) {
            Ok(()) => self.open = true,
            Err(error) => self.failed(cx, keyword, &error_text(&error)),
        }
    }

    fn write(&mut self, cx: &mut Cx<'_>, keyword: &str, line: &str) {
        self.try_open(cx, keyword);
        if !self.open {
            return;
        }
        match cx.system.fifo_write(&self.conf.path, line) {
            Ok(()) => self.succeeded(cx, keyword),
            Err(error) => {
                self.lost = self.lost.saturating_add(1);
                self.written = 0;
                if error.kind() == io::ErrorKind::WouldBlock {
                    self.failed(cx, keyword, "full because nothing reads it; dropping lines");
                } else {
                    self.failed(cx, keyword, &error_text(&error));
                }
            }
        }
    }

    fn succeeded(&mut self, cx: &Cx<'_>, keyword: &str) {
        self.written = self.written.saturating_add(1);
        if self.failure.is_some() && self.written >= RECOVERED_AFTER {
            self.failure = None;
            let lost = mem::take(&mut self.lost);
            let path = &self.conf.path;
            note(
                cx,
                Level::Info,
                format_args!("{keyword} {path} works again; {lost} lines were lost"),
            );
        }
    }

    /// Logs a failure when its reason is new.
    fn failed(&mut self, cx: &Cx<'_>, keyword: &str, why: &str) {
        if self.failure.as_deref() != Some(why) {
            let path = &self.conf.path;
            note(cx, Level::Warn, format_args!("{keyword} {path}: {why}"));
            self.failure = Some(why.to_owned());
        }
    }
}

fn note(cx: &Cx<'_>, level: Level, text: Arguments<'_>) {
    cx.note(level, EventKind::Fifo, Object::DAEMON, text);
}
