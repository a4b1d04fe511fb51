//! What instances track besides interfaces (`semantics.md` §5): verdicts, and what they mean for a priority.
//!
//! ```text
//! exit status ─ script.rs ─┐
//! processes ── process.rs ─┼→ good or bad ─ weight ─→ Effect
//! contents ─── file.rs ────┘ (a file: number × weight)
//! ```

pub mod file;
pub mod process;
pub mod script;

use super::priority::contribution;

/// What a tracked object means for an instance.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Effect {
    /// So much is added to its priority.
    Add(i32),
    /// It must not run.
    Fault,
    /// It must not begin yet: nothing is known so far.
    Pending,
}

/// The effect of a verdict; `None`: there is none yet. `reverse` turns round what weight 0 forbids, and the sign
/// of what another weight adds.
#[must_use]
pub fn effect(verdict: Option<bool>, weight: i16, reverse: bool) -> Effect {
    match verdict {
        Some(good) if weight != 0 => {
            let summand = contribution(weight, good);
            Effect::Add(if reverse {
                summand.saturating_neg()
            } else {
                summand
            })
        }
        Some(good) if good == reverse => Effect::Fault,
        Some(_) => Effect::Add(0),
        None if weight == 0 => Effect::Pending,
        None => Effect::Add(0),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn weight_0_decides_between_running_and_not_others_change_the_priority() {
        for (verdict, weight, reverse, want) in [
            (None, 0, false, Effect::Pending),
            (Some(true), 0, false, Effect::Add(0)),
            (Some(false), 0, false, Effect::Fault),
            (Some(true), 0, true, Effect::Fault),
            (Some(false), 0, true, Effect::Add(0)),
            (None, 20, false, Effect::Add(0)),
            (None, -20, true, Effect::Add(0)),
            (Some(true), 20, false, Effect::Add(20)),
            (Some(false), 20, false, Effect::Add(0)),
            (Some(true), -20, false, Effect::Add(0)),
            (Some(false), -20, false, Effect::Add(-20)),
            // As keepalived 2.2.7 does it.
            (Some(true), 20, true, Effect::Add(-20)),
            (Some(false), 20, true, Effect::Add(0)),
            (Some(true), -20, true, Effect::Add(0)),
            (Some(false), -20, true, Effect::Add(20)),
        ] {
            let got = effect(verdict, weight, reverse);
            assert_eq!(got, want, "{verdict:?} weight {weight} reverse {reverse}");
        }
    }
}
