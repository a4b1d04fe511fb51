//! OpenWrt's `/etc/config/keepalived` as a keepalived.conf, for those who configure their router by UCI or LuCI.
//!
//! ```text
//! text → parse (UCI: sections with options and lists) → check against table → write (keepalived.conf)
//! ```
//! What OpenWrt's keepalived package does with a shell script of several hundred lines at every start: same names of
//! sections and options, same meaning, same notifications by `/sbin/hotplug-call`. What it passes over in silence –
//! unknown names, references to nothing, sections that lack something – is named here with file and line; none of
//! it stops the conversion. The differences, all of them for more than the package does:
//!
//! * a section without `option name` goes by its own name (`config peer 'r2'`);
//! * `list virtual_ipaddress` and `list unicast_peer` take an address where they could name a section;
//! * `list track_script` may name a `vrrp_script` directly, and groups track interfaces too;
//! * a switch set to `0` is off.
//!
//! No I/O: [`convert`] gets the bytes and gives back text and messages.

#![cfg_attr(
    not(test),
    deny(
        clippy::unwrap_used,
        clippy::expect_used,
        clippy::panic,
        clippy::indexing_slicing,
        clippy::arithmetic_side_effects
    )
)]

mod parse;
mod table;
mod write;

use crate::config::source::SourceError;
use crate::config::{Diag, Diags, Severity, Sources};

/// What came out.
#[derive(Debug)]
pub struct Converted {
    /// The keepalived.conf; `None` when a message is fatal.
    pub text: Option<String>,
    /// What there is to say about the UCI file, in its order.
    pub diags: Diags,
    /// The UCI file, for showing places.
    pub sources: Sources,
}

/// Every option that is known, with the type of its section.
pub fn options() -> impl Iterator<Item = (&'static str, &'static str)> {
    table::options()
}

/// Converts a UCI file; `name` is for the messages.
#[must_use]
pub fn convert(name: &str, bytes: Vec<u8>) -> Converted {
    let mut diags = Diags::default();
    let mut sources = Sources::default();
    let text = match sources.add(name, bytes) {
        Ok(file) => {
            let mut sections = parse::parse(sources.text(file), &mut diags);
            sections.retain(|section| table::check(section, &mut diags));
            Some(write::write(&sections, &mut diags))
        }
        Err(why) => {
            let span = match why {
                SourceError::Binary(span) => Some(span),
                SourceError::TooManyFiles | SourceError::TooLarge => None,
            };
            diags.push(Diag {
                severity: Severity::Fatal,
                span,
                message: "this is no UCI file: it is not text, or too large".into(),
                help: None,
            });
            None
        }
    };
    diags.sort_by_key(|span| (span.file, span.start));
    Converted {
        text,
        diags,
        sources,
    }
}
