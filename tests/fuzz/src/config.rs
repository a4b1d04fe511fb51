//! Configuration text, and commands in it.

use vrrpd::config::render::render_text;
use vrrpd::config::{self, Severity};

use super::Reach;

#[path = "../../support/host.rs"]
pub(crate) mod host;

/// Any text may be read: every diagnostic can be shown, without control characters of the text.
pub(crate) fn config(data: &[u8]) -> Reach {
    let text = String::from_utf8_lossy(data);
    let host = host::FakeHost {
        text: &text,
        complete: data.len().is_multiple_of(2),
    };
    let loaded = config::load("fuzz.conf", &host);
    let report = render_text(&loaded.diags, &loaded.sources);
    assert!(
        !report.contains(|c: char| c.is_control() && c != '\n'),
        "{report:?}"
    );
    Reach::accepted_if(loaded.diags.worst() < Some(Severity::Fatal))
}

/// Commands: words that are quoted are split into the same words.
pub(crate) fn command(data: &[u8]) -> Reach {
    let text = String::from_utf8_lossy(data);
    let Ok(words) = config::command::words(&text) else {
        return Reach::Rejected;
    };
    let quoted: Vec<String> = words
        .iter()
        .map(|word| format!("'{}'", word.replace('\\', "\\\\").replace('\'', "\\'")))
        .collect();
    assert_eq!(config::command::words(&quoted.join(" ")), Ok(words));
    let whole = config::command::split(&text);
    Reach::accepted_if(whole.is_ok())
}
