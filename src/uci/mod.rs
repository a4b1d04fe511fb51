//! Converts OpenWrt's `/etc/config/keepalived` to keepalived.conf, for routers that are configured
//! by UCI or LuCI.
//!
//! ```text
//! text → parse (sections with options and lists) → check against table → write (keepalived.conf)
//! ```
//! OpenWrt's keepalived package does this with a shell script at every start. Names of sections and
//! options, their meaning and the notifications by `/sbin/hotplug-call` are the same. What the
//! script ignores silently (unknown names, references to missing sections, incomplete sections) is
//! reported with file and line; it does not stop the conversion. vrrpd accepts more than the
//! package:
//!
//! * the name of a section without `option name` is that of its `config` line (`config peer 'r2'`);
//! * `list virtual_ipaddress` and `list unicast_peer` accept addresses and names of sections;
//! * `list track_script` may name a `vrrp_script` directly, and groups may track interfaces too;
//! * a switch with the value `0` is off.
//!
//! The syntax is libuci's; `parse` has two exceptions.
//!
//! No I/O: [`convert`] gets the bytes and returns text and diagnostics.

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

mod network;
mod parse;
mod status;
mod table;
mod write;

pub use network::Networks;
pub use status::status;

use crate::config::source::{Mark, SourceError};
use crate::config::{Diag, Diags, Severity, Sources};

/// Result of a conversion.
#[derive(Debug)]
pub struct Converted {
    /// The keepalived.conf; `None` if a diagnostic is fatal.
    pub text: Option<String>,
    /// Where its words are from.
    pub marks: Vec<Mark>,
    /// The diagnostics, in the order of the UCI file.
    pub diags: Diags,
    /// The UCI file, to render the diagnostics.
    pub sources: Sources,
}

/// All known options, each with the type of its section.
pub fn options() -> impl Iterator<Item = (&'static str, &'static str)> {
    table::options()
}

/// Converts a UCI file; `name` is its name in the diagnostics.
#[must_use]
pub fn convert(name: &str, bytes: Vec<u8>) -> Converted {
    convert_on(&Networks::default(), name, bytes)
}

/// Converts a UCI file of a router with these networks, whose names are reported where a device
/// belongs.
#[must_use]
pub fn convert_on(networks: &Networks, name: &str, bytes: Vec<u8>) -> Converted {
    let mut diags = Diags::default();
    let mut sources = Sources::default();
    let written = match sources.add(name, bytes) {
        Ok(file) => {
            let mut sections = parse::parse(sources.text(file), &mut diags);
            sections.retain(|section| table::check(section, &mut diags));
            for section in &sections {
                networks.check(section, &mut diags);
            }
            Some(write::write(&sections, &mut diags))
        }
        Err(why) => {
            let span = match why {
                SourceError::Binary(span) => Some(span),
                SourceError::TooManyFiles | SourceError::TooLarge => None,
            };
            diags.push(Diag::new(
                Severity::Fatal,
                span,
                "not a UCI file: not text, or too large".into(),
            ));
            None
        }
    };
    diags.finish(&|span| sources.place(span), &|span| sources.place(span));
    let (text, marks) = match written {
        Some(written) => (Some(written.text), written.marks),
        None => (None, Vec::new()),
    };
    Converted {
        text,
        marks,
        diags,
        sources,
    }
}
