//! A reply of the control socket is written in sections, and those about instances or virtual
//! servers in pages of a few at a time, so that adverts go out in between and the queue of a client
//! stays small.

use super::Snapshot;

/// A reply as a list of its sections, in order.
pub type View = &'static [Section];

/// A part of a reply.
#[derive(Clone, Copy, Debug)]
pub struct Section {
    /// The objects that it goes through.
    pub objects: Objects,
    /// Appends it, or one page of it, to the output.
    pub write: fn(&Snapshot<'_>, &Style, &mut Output),
}

/// The objects that a section goes through a page at a time.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Objects {
    /// None: it is written once, and has everything but instances, services and interfaces.
    None,
    /// The instances of a page, [`Snapshot::page`]. The last page may be empty.
    Instances,
    /// The virtual servers of a page.
    Services,
}

/// The form that the client asks for.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Style {
    /// Columns of the terminal; 0: not limited.
    pub width: u16,
    /// With colors.
    pub color: bool,
    /// As JSON.
    pub json: bool,
    /// Only objects with these names; empty: all.
    pub names: Vec<String>,
}

impl Style {
    /// Whether an object with this name is wanted.
    #[must_use]
    pub fn wants(&self, name: &str) -> bool {
        self.names.is_empty() || self.names.iter().any(|one| one == name)
    }
}

/// The part of a reply that was written so far.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Output {
    /// The text that is not sent yet.
    pub text: String,
    /// The exit code of the command.
    pub code: u8,
    /// Counts over all pages.
    pub sums: Sums,
    /// Lines to be written at the end.
    pub held: String,
}

/// Counts over all pages.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Sums {
    /// Instances in each state, by number of [`crate::types::VrrpState`].
    pub states: [u32; 4],
    /// Virtual servers that have their quorum.
    pub services_up: u32,
    /// Virtual servers that lack it.
    pub services_down: u32,
    /// Problems found.
    pub problems: u32,
    /// Objects written in this section or list: whether a comma is needed.
    pub written: u32,
}

/// The objects that a page has.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Page {
    /// Number of the first.
    pub first: usize,
    /// Number of objects in all pages.
    pub total: usize,
}

/// Writes all sections, each in one page.
#[must_use]
pub fn render(view: View, snapshot: &Snapshot<'_>, style: &Style) -> Output {
    let mut out = Output::default();
    for section in view {
        (section.write)(snapshot, style, &mut out);
    }
    out
}
