//! `vip_lease`, which keepalived does not have: how long the addresses stay if the daemon no longer
//! renews them.

use core::time::Duration;

use super::Lowering;
use super::fields::Fields;
use super::first;
use super::instance::InstanceBlock;
use crate::config::diag::{Diags, Severity};
use crate::config::schema::value;
use crate::types::Centis;

/// `vip_lease`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Lease {
    /// Addresses stay forever.
    Off,
    /// Derived from the instance's master down interval.
    Derived,
    /// This many seconds.
    Seconds(u32),
}

/// Shortest lease in seconds: it must survive one late renewal.
const MIN_SECONDS: u32 = 2;
/// Longest lease in seconds.
const MAX_SECONDS: u32 = 86_400;

impl Lease {
    /// `vip_lease` of a block; `None` if it does not occur.
    pub(super) fn of(fields: &Fields<'_>, diags: &mut Diags) -> Option<Self> {
        let node = fields.last("vip_lease")?;
        let Some(word) = first(node) else {
            return Some(Lease::Derived);
        };
        match (word.parse(), value::boolean(word)) {
            (Ok(0), _) | (Err(_), Some(false)) => Some(Lease::Off),
            (Ok(seconds @ MIN_SECONDS..=MAX_SECONDS), _) => Some(Lease::Seconds(seconds)),
            (Err(_), Some(true)) => Some(Lease::Derived),
            (Ok(_) | Err(_), _) => {
                let message = format!(
                    "`vip_lease {word}` is neither {MIN_SECONDS} to {MAX_SECONDS} seconds, nor 0 or off; the time is \
                     derived from the advert interval"
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
    /// Addresses are renewed after a quarter of the lease. If the daemon hangs right before a
    /// renewal they last for three quarters, which must cover the longest master down interval:
    /// `adverts` intervals and a skew of one. The kernel counts whole seconds.
    pub(super) fn lease(
        &mut self,
        block: &InstanceBlock<'_>,
        interval: Centis,
        adverts: u8,
    ) -> Option<Duration> {
        let own = Lease::of(&block.fields, self.diags);
        let master_down =
            u32::from(interval.0).saturating_mul(u32::from(adverts).saturating_add(1));
        let required = master_down.saturating_mul(4).div_ceil(300).max(MIN_SECONDS);
        let seconds = match own.unwrap_or(self.defaults.lease) {
            Lease::Off => return None,
            Lease::Derived => required,
            Lease::Seconds(seconds) => seconds,
        };
        if seconds < required {
            let message = format!(
                "`vip_lease` {seconds} of `{}` is shorter than the master down interval: if the daemon hangs, its \
                 addresses expire before another router takes over",
                block.name
            );
            let help = format!("write `vip_lease` without a number ({required} seconds here)");
            let node = block.fields.last("vip_lease");
            let span = node.map_or(block.span, |node| node.keyword.span);
            self.note_with_help(span, message, help);
        }
        Some(Duration::from_secs(seconds.into()))
    }
}
