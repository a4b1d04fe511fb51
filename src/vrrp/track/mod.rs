//! Tracked scripts, processes and files: whether each is up, and its effect on an instance
//! (keepalived.conf(5), `track_script`, `track_process`, `track_file`).
//!
//! ```text
//! exit status ─ script.rs ─┐
//! processes ── process.rs ─┼→ up or down ─ weight ─→ Effect
//! contents ─── file.rs ────┘ (a file: number × weight)
//! ```

pub mod file;
pub mod process;
pub mod script;

use super::priority::contribution;

/// `weight` of a tracked object.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Weight {
    /// 0: the object decides about FAULT instead of changing the priority.
    pub value: i16,
    /// `reverse`.
    pub reverse: bool,
}

/// Effect of a tracked object on an instance.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Effect {
    /// Adds to its priority.
    Add(i32),
    /// Puts it in FAULT.
    Fault,
    /// Delays its start: the object's state is not known yet.
    Pending,
}

/// The effect of an object that is up, down or (`None`) not known yet. `reverse` exchanges up and
/// down with weight 0, and changes the sign of what any other weight adds.
#[must_use]
pub fn effect(up: Option<bool>, weight: Weight) -> Effect {
    let Weight {
        value: weight,
        reverse,
    } = weight;
    match up {
        Some(up) if weight != 0 => {
            let summand = contribution(weight, up);
            Effect::Add(if reverse {
                summand.saturating_neg()
            } else {
                summand
            })
        }
        Some(up) if up == reverse => Effect::Fault,
        Some(_) => Effect::Add(0),
        None if weight == 0 => Effect::Pending,
        None => Effect::Add(0),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn weight_0_decides_about_fault_and_other_weights_change_the_priority() {
        for (up, weight, reverse, want) in [
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
            // As in keepalived 2.2.7.
            (Some(true), 20, true, Effect::Add(-20)),
            (Some(false), 20, true, Effect::Add(0)),
            (Some(true), -20, true, Effect::Add(0)),
            (Some(false), -20, true, Effect::Add(20)),
        ] {
            let value = weight;
            let got = effect(up, Weight { value, reverse });
            assert_eq!(got, want, "{up:?} weight {weight} reverse {reverse}");
        }
    }
}
