//! Writes JSON text.

use core::fmt::{self, Display, Write};

/// A JSON text under construction. Writing to memory cannot fail.
#[derive(Debug, Default)]
pub(crate) struct Json {
    pub(crate) text: String,
    /// A value precedes on the same level.
    comma: bool,
}

impl Json {
    fn separate(&mut self) {
        if core::mem::replace(&mut self.comma, true) {
            self.text.push(',');
        }
    }

    #[inline(never)]
    pub(crate) fn key(&mut self, name: &str) {
        self.separate();
        let _ = write!(self.text, "\"{name}\":");
        self.comma = false;
    }

    /// A number, boolean or `null`.
    #[inline(never)]
    pub(crate) fn number(&mut self, name: &str, value: &dyn Display) {
        self.key(name);
        let _ = write!(self.text, "{value}");
        self.comma = true;
    }

    #[inline(never)]
    pub(crate) fn string(&mut self, name: &str, value: &dyn Display) {
        self.key(name);
        self.quote(value);
        self.comma = true;
    }

    #[inline(never)]
    fn quote(&mut self, value: &dyn Display) {
        self.text.push('"');
        let _ = write!(JsonEscaper(&mut self.text), "{value}");
        self.text.push('"');
    }

    /// Without values the key is omitted, as in keepalived's JSON.
    pub(crate) fn strings<T: Display>(&mut self, name: &str, values: &[T]) {
        if values.is_empty() {
            return;
        }
        self.key(name);
        self.list(values, |out, value| {
            out.separate();
            out.quote(value);
        });
    }

    pub(crate) fn object(&mut self, inside: impl FnOnce(&mut Self)) {
        self.separate();
        self.text.push('{');
        self.comma = false;
        inside(self);
        self.text.push('}');
        self.comma = true;
    }

    pub(crate) fn list<T>(&mut self, values: &[T], each: impl Fn(&mut Self, &T)) {
        self.separate();
        self.text.push('[');
        self.comma = false;
        for value in values {
            each(self, value);
        }
        self.text.push(']');
        self.comma = true;
    }
}

/// Escapes what is written through it.
struct JsonEscaper<'a>(&'a mut String);

impl fmt::Write for JsonEscaper<'_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        for character in text.chars() {
            match character {
                '"' | '\\' => {
                    self.0.push('\\');
                    self.0.push(character);
                }
                // JSON requires it for the first 32; the other control characters would reach a
                // terminal.
                control if control.is_control() => write!(self.0, "\\u{:04x}", u32::from(control))?,
                other => self.0.push(other),
            }
        }
        Ok(())
    }
}
