//! Loads a converted configuration and returns its diagnostics.

use vrrpd::config::render::render_text;
use vrrpd::config::{self, Severity};

use crate::host::FakeHost;

/// Diagnostics of a configuration, and the worst severity.
pub(crate) fn check(conf: &str) -> (String, Option<Severity>) {
    let loaded = config::load(
        "made.conf",
        &FakeHost {
            text: conf,
            complete: true,
        },
    );
    (
        render_text(&loaded.diags, &loaded.sources),
        loaded.diags.worst(),
    )
}
