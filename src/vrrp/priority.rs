//! Effective priority: the configured one plus the weights of tracked objects (keepalived.conf(5),
//! "weight").
//!
//! `engine` collects the states of tracked objects, calls [`effective`] and delivers the result as
//! `Event::Priority`. It is always computed from the configured priority: a running sum would drift
//! when a reload changes a weight.

use crate::types::Priority;

/// What one tracked object adds: a positive weight while it is up, a negative one while it is down.
/// Weight 0 adds nothing; such an object decides between FAULT and ready instead.
#[must_use]
pub fn contribution(weight: i16, up: bool) -> i32 {
    match (weight > 0, up) {
        (true, true) | (false, false) => i32::from(weight),
        (true, false) | (false, true) => 0,
    }
}

/// The sum of `base` and the contributions, limited to 1–254. Tracking does not change an owner's
/// 255.
#[must_use]
pub fn effective(base: Priority, contributions: impl IntoIterator<Item = i32>) -> Priority {
    if base.is_owner() {
        return base;
    }
    let sum = contributions
        .into_iter()
        .fold(i32::from(base.0), i32::saturating_add);
    clamp(sum)
}

/// Limits the sum to the priorities of a router that does not own the addresses.
fn clamp(sum: i32) -> Priority {
    Priority(u8::try_from(sum.clamp(1, 254)).unwrap_or(1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_weight_counts_in_one_state_of_its_object_only() {
        for (weight, up, adds) in [
            (20, true, 20),
            (20, false, 0),
            (-20, true, 0),
            (-20, false, -20),
            (0, true, 0),
            (0, false, 0),
            (i16::MIN, false, -32768),
        ] {
            assert_eq!(contribution(weight, up), adds, "{weight} up={up}");
        }
    }

    #[test]
    fn the_sum_stays_between_1_and_254_and_the_owner_keeps_255() {
        for (name, base, parts, want) in [
            ("nothing tracked", 100, &[][..], 100),
            ("sum", 100, &[20, -5][..], 115),
            ("floor", 100, &[-254, -254][..], 1),
            ("ceiling", 200, &[253, 253][..], 254),
            ("clamped once, at the end", 200, &[253, -253][..], 200),
            ("no overflow", 100, &[i32::MAX, i32::MAX][..], 254),
            ("owner", 255, &[-100][..], 255),
        ] {
            let got = effective(Priority(base), parts.iter().copied());
            assert_eq!(got, Priority(want), "{name}");
        }
    }
}
