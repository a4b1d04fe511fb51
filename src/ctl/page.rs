//! The layout of the text dumps.
//!
//! ```text
//! ------< VRRP Topology >------      heading
//!  VRRP Instance = VI_1              title
//!    State = MASTER                  pair
//!    Virtual IP (1):                 line
//!      192.0.2.10 dev eth0 …         item
//! ```
//! An exporter takes every item for a value of the pair or line before it, and there are pairs of which it
//! expects a number or a state: an item may follow a line only.

use core::fmt::{Display, Write};

/// A text in the making. Writing to memory cannot fail. Its parts are written in a hundred places, none of which
/// is in a hurry: hence no inlining, which would double the size of this room.
#[derive(Debug, Default)]
pub(super) struct Page(pub(super) String);

impl Page {
    #[inline(never)]
    pub(super) fn heading(&mut self, text: &str) {
        let _ = writeln!(self.0, "------< {text} >------");
    }

    #[inline(never)]
    pub(super) fn title(&mut self, label: &str, value: &dyn Display) {
        let _ = writeln!(self.0, " {label} = {value}");
    }

    /// A title without a value.
    #[inline(never)]
    pub(super) fn sentence(&mut self, text: &dyn Display) {
        let _ = writeln!(self.0, " {text}");
    }

    #[inline(never)]
    pub(super) fn pair(&mut self, label: &str, value: &dyn Display) {
        let _ = writeln!(self.0, "   {label} = {value}");
    }

    #[inline(never)]
    pub(super) fn line(&mut self, text: &dyn Display) {
        let _ = writeln!(self.0, "   {text}");
    }

    #[inline(never)]
    pub(super) fn item(&mut self, text: &dyn Display) {
        let _ = writeln!(self.0, "     {text}");
    }

    /// A line with items, unless there are none.
    pub(super) fn list<T: Display>(&mut self, text: &dyn Display, items: &[T]) {
        if items.is_empty() {
            return;
        }
        self.line(text);
        for item in items {
            self.item(item);
        }
    }
}

/// keepalived's words for a setting that is on or off.
pub(super) fn enabled(on: bool) -> &'static str {
    if on { "enabled" } else { "disabled" }
}

pub(super) fn yes(on: bool) -> &'static str {
    if on { "yes" } else { "no" }
}
