//! Writes metric families.

use core::fmt::{self, Display, Write};

use crate::ctl::{InstallStatus, Instance, ManagedItem, Objects, Service, Snapshot};
use crate::types::VrrpCounters;

/// A metric family.
pub(super) struct Family {
    pub(super) name: &'static str,
    pub(super) kind: &'static str,
    pub(super) help: &'static str,
    pub(super) samples: Samples,
}

/// The objects of a family's samples, and the function that writes them.
#[derive(Clone, Copy)]
pub(super) enum Samples {
    /// The process, and all that is complete without pages.
    Daemon(fn(&Snapshot<'_>, &mut Lines<'_>)),
    /// Each instance.
    Instance(fn(&Instance<'_>, &Snapshot<'_>, &mut Lines<'_>)),
    /// Each instance: one of its counters.
    Counter(fn(&VrrpCounters) -> u64),
    /// Each virtual server.
    #[cfg_attr(not(feature = "lvs"), expect(dead_code, reason = "no virtual servers"))]
    Service(fn(&Service<'_>, &mut Lines<'_>)),
}

impl Samples {
    pub(super) const fn objects(&self) -> Objects {
        match self {
            Samples::Daemon(_) => Objects::None,
            Samples::Instance(_) | Samples::Counter(_) => Objects::Instances,
            Samples::Service(_) => Objects::Services,
        }
    }
}

impl Family {
    /// Appends a page. The first has the help text and the type.
    #[inline(never)]
    pub(super) fn write(&self, snapshot: &Snapshot<'_>, out: &mut String) {
        let Family {
            name, kind, help, ..
        } = self;
        if snapshot.page.first == 0 {
            let _ = write!(out, "# HELP {name} {help}\n# TYPE {name} {kind}\n");
        }
        let lines = &mut Lines { out, name };
        match self.samples {
            Samples::Daemon(write) => write(snapshot, lines),
            Samples::Instance(write) => {
                let instances = snapshot.instances.iter();
                instances.for_each(|instance| write(instance, snapshot, lines));
            }
            Samples::Counter(pick) => {
                for instance in &snapshot.instances {
                    lines.of(instance, &[], &pick(&instance.counters));
                }
            }
            Samples::Service(write) => {
                let services = snapshot.services.iter();
                services.for_each(|service| write(service, lines));
            }
        }
    }
}

/// Name and value of a label.
pub(super) type Label<'a> = (&'a str, &'a dyn Display);

/// The samples of a family.
pub(super) struct Lines<'a> {
    out: &'a mut String,
    name: &'static str,
}

impl Lines<'_> {
    /// A sample.
    #[inline(never)]
    pub(super) fn sample(&mut self, labels: &[Label<'_>], value: &dyn Display) {
        self.line("", [labels, &[]], value);
    }

    /// A sample without labels.
    pub(super) fn value(&mut self, value: &dyn Display) {
        self.sample(&[], value);
    }

    /// A sample of an instance, with keepalived-exporter's labels before others.
    #[inline(never)]
    pub(super) fn of(&mut self, instance: &Instance<'_>, more: &[Label<'_>], value: &dyn Display) {
        let conf = instance.conf;
        let intf: Label<'_> = (
            "intf",
            &conf.vmac().map_or(&conf.interface, |vmac| &vmac.name),
        );
        self.line(
            "",
            [&[("iname", &conf.name), intf, ("vrid", &conf.vrid)], more],
            value,
        );
    }

    /// A sample for each possible value of a label, of which the current one is 1.
    pub(super) fn one_of<T: Copy + PartialEq + Display>(
        &mut self,
        values: &[T],
        current: T,
        mut write: impl FnMut(&mut Self, &dyn Display, u8),
    ) {
        for value in values {
            write(self, value, u8::from(*value == current));
        }
    }

    /// A sample of a histogram: its name has a suffix.
    pub(super) fn part(&mut self, suffix: &str, labels: &[Label<'_>], value: &dyn Display) {
        self.line(suffix, [labels, &[]], value);
    }

    fn line(&mut self, suffix: &str, labels: [&[Label<'_>]; 2], value: &dyn Display) {
        let out = &mut *self.out;
        out.push_str(self.name);
        out.push_str(suffix);
        let mut separator = '{';
        for (name, value) in labels.into_iter().flatten() {
            let _ = write!(out, "{separator}{name}=\"");
            let _ = write!(LabelEscaper(out), "{value}");
            out.push('"');
            separator = ',';
        }
        let end = if separator == ',' { "}" } else { "" };
        let _ = writeln!(out, "{end} {value}");
    }
}

/// Escapes what is written through it. Names come from a file and may contain what would end the
/// label, or change the terminal.
struct LabelEscaper<'a>(&'a mut String);

impl fmt::Write for LabelEscaper<'_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        for character in text.chars() {
            match character {
                '"' | '\\' => {
                    self.0.push('\\');
                    self.0.push(character);
                }
                '\n' => self.0.push_str("\\n"),
                control if control.is_control() => {
                    write!(self.0, "\\\\x{:02x}", u32::from(control))?;
                }
                other => self.0.push(other),
            }
        }
        Ok(())
    }
}

/// Numbers of objects of one kind, by state.
#[derive(Clone, Copy, Default)]
pub(super) struct Installed {
    installed: usize,
    absent: usize,
    refused: usize,
}

impl Installed {
    pub(super) fn count<T>(mut self, items: &[ManagedItem<'_, T>]) -> Self {
        for item in items {
            let count = match item.status {
                InstallStatus::Installed => &mut self.installed,
                InstallStatus::Absent => &mut self.absent,
                InstallStatus::Refused(_) => &mut self.refused,
            };
            *count = count.saturating_add(1);
        }
        self
    }

    /// Calls `write` with each state, if there are any objects.
    pub(super) fn each(self, mut write: impl FnMut(&dyn Display, usize)) {
        let states = [
            ("installed", self.installed),
            ("absent", self.absent),
            ("refused", self.refused),
        ];
        if states.iter().any(|(_, count)| *count > 0) {
            states
                .iter()
                .for_each(|(state, count)| write(state, *count));
        }
    }
}
