//! What the reader of configurations says about a result.

use vrrpd::config::render::render_text;
use vrrpd::config::{self, Severity};

use crate::machine::Machine;

/// What vrrpd has to say about a configuration, and how bad it is.
pub(crate) fn check(conf: &str) -> (String, Option<Severity>) {
    let loaded = config::load(
        "made.conf",
        &Machine {
            text: conf,
            complete: true,
        },
    );
    (
        render_text(&loaded.diags, &loaded.sources),
        loaded.diags.worst(),
    )
}
