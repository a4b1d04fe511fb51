//! OpenWrt's UCI configuration.

use vrrpd::config::render::render_text;
use vrrpd::config::{self, Severity};
use vrrpd::uci;

use super::Reach;
use super::config::host::{FakeHost, has_syntax_error};

/// Any bytes may be converted. Values may be invalid then, but the block structure must be intact:
/// no value is parsed as syntax.
pub(crate) fn uci(data: &[u8]) -> Reach {
    let Some(text) = uci::convert("fuzz", data.to_vec()).text else {
        return Reach::Rejected;
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
    Reach::Accepted
}
