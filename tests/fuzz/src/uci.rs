//! OpenWrt's UCI configuration.

use vrrpd::config::render::render_text;
use vrrpd::config::{self, Severity};
use vrrpd::uci;

#[path = "../../support/host.rs"]
mod host;

use host::{FakeHost, has_syntax_error};

/// Any bytes may be converted. Values may be invalid then, but the block structure must be intact:
/// no value is parsed as syntax.
pub fn uci(data: &[u8]) {
    let Some(text) = uci::convert("fuzz", data.to_vec()).text else {
        return;
    };
    let host = FakeHost {
        text: &text,
        complete: false,
    };
    let loaded = config::load("made.conf", &host);
    let report = render_text(&loaded.diags, &loaded.sources);
    assert!(
        loaded.diags.worst() < Some(Severity::Fatal) && !has_syntax_error(&report),
        "{report}\n{text}"
    );
}
