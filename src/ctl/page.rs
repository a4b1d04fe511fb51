//! The layout of the text dumps.
//!
//! ```text
//! ------< VRRP Topology >------      heading
//!  VRRP Instance = VI_1              title
//!    State = MASTER                  pair
//!    Virtual IP (1):                 line
//!      192.0.2.10 dev eth0 …         item
//! ```
//! Exporters take an item for a value of the pair or line before it, and expect a number or a state
//! in some pairs: an item may follow only a line or another item.

use core::fmt::{Display, Write};

/// A text under construction. Writing to memory cannot fail. Not inlined, because that would double
/// the size of `ctl`.
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

    /// A line and its items, if there are any.
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

/// keepalived's words for a boolean setting.
pub(super) fn enabled(on: bool) -> &'static str {
    if on { "enabled" } else { "disabled" }
}

pub(super) fn yes(on: bool) -> &'static str {
    if on { "yes" } else { "no" }
}
