//! `vip_lease`: ours, not keepalived's. How long an address outlives its daemon.

use core::time::Duration;

use super::Lowering;
use super::fields::Fields;
use super::first;
use super::instance::Draft;
use crate::config::diag::{Diags, Severity};
use crate::config::schema::value;
use crate::types::Centis;

/// What `vip_lease` says.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Lease {
    /// Addresses stay.
    Off,
    /// As long as others wait, and a little longer.
    Derived,
    /// So many seconds.
    Seconds(u32),
}

/// Shorter than this, one late renewal would be the end of it.
const LEAST: u32 = 2;
const MOST: u32 = 86_400;

impl Lease {
    /// `vip_lease` of a block; `None` where it does not occur.
    pub(super) fn of(fields: &Fields<'_>, diags: &mut Diags) -> Option<Self> {
        let node = fields.last("vip_lease")?;
        let Some(word) = first(node) else {
            return Some(Lease::Derived);
        };
        match (word.parse(), value::boolean(word)) {
            (Ok(0), _) | (Err(_), Some(false)) => Some(Lease::Off),
            (Ok(seconds @ LEAST..=MOST), _) => Some(Lease::Seconds(seconds)),
            (Err(_), Some(true)) => Some(Lease::Derived),
            (Ok(_) | Err(_), _) => {
                let message = format!(
                    "`vip_lease` wants {LEAST} to {MOST} seconds, 0 or off, or nothing; \
                     `{word}` is not, and the time is derived from the intervals"
                );
                let help = "write `vip_lease`";
                let span = node
                    .args
                    .first()
                    .map_or(node.keyword.span, |word| word.span);
                diags.report_with_help(Severity::Error, span, message, help);
                Some(Lease::Derived)
            }
        }
    }
}

impl Lowering<'_> {
    /// The lease of an instance.
    ///
    /// Addresses are renewed whenever a quarter of the lease has passed. A daemon that stands still must not lose
    /// them before another router may take over, so three quarters must be as long as the most patient
    /// router waits: its missed adverts and a skew of one interval. The kernel counts whole seconds.
    pub(super) fn lease(
        &mut self,
        draft: &Draft<'_>,
        interval: Centis,
        adverts: u8,
    ) -> Option<Duration> {
        let own = Lease::of(&draft.fields, self.diags);
        let patience = u32::from(interval.0).saturating_mul(u32::from(adverts).saturating_add(1));
        let enough = patience.saturating_mul(4).div_ceil(300).max(LEAST);
        let seconds = match own.unwrap_or(self.defaults.lease) {
            Lease::Off => return None,
            Lease::Derived => enough,
            Lease::Seconds(seconds) => seconds,
        };
        if seconds < enough {
            let message = format!(
                "`{}`: with `vip_lease` {seconds} a daemon that stands still loses its addresses \
                 before another router takes over",
                draft.name
            );
            let help = format!("write `vip_lease` without a number ({enough} seconds here)");
            let node = draft.fields.last("vip_lease");
            let span = node.map_or(draft.span, |node| node.keyword.span);
            self.diags
                .report_with_help(Severity::Note, span, message, help);
        }
        Some(Duration::from_secs(seconds.into()))
    }
}
