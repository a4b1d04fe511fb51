//! Tracked files: a file that contains a number.

use super::{Effect, Weight};

/// The number in a file; an empty file counts as 0. `None`: anything else.
#[must_use]
pub fn parse(contents: &[u8]) -> Option<i32> {
    let text = contents.trim_ascii();
    if text.is_empty() {
        return Some(0);
    }
    let text = core::str::from_utf8(text).ok()?;
    let number: i64 = text.parse().ok()?;
    Some(i32::try_from(number).unwrap_or(if number < 0 { i32::MIN } else { i32::MAX }))
}

/// The effect of a number. Weight 0: any number but 0 means FAULT (`reverse`: 0 does). Otherwise
/// number × weight is added, at most 253; below -253 means FAULT.
#[must_use]
pub fn effect(number: i32, weight: Weight) -> Effect {
    let Weight {
        value: weight,
        reverse,
    } = weight;
    if weight == 0 {
        return if (number == 0) == reverse {
            Effect::Fault
        } else {
            Effect::Add(0)
        };
    }
    let product = number.saturating_mul(i32::from(weight));
    let product = match reverse {
        true => product.saturating_neg(),
        false => product,
    };
    if product < -253 {
        Effect::Fault
    } else {
        Effect::Add(product.min(253))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_contains_one_decimal_number_or_nothing() {
        for (contents, want) in [
            (&b""[..], Some(0)),
            (b"\n", Some(0)),
            (b"1\n", Some(1)),
            (b"  -20 \n", Some(-20)),
            (b"+7", Some(7)),
            (b"99999999999", Some(i32::MAX)),
            (b"-99999999999", Some(i32::MIN)),
            (b"99999999999999999999", None),
            (b"1 2", None),
            (b"ten", None),
            (b"0x10", None),
            (b"\xff\n", None),
            (b"1\0", None),
        ] {
            let text = String::from_utf8_lossy(contents);
            assert_eq!(parse(contents), want, "{text:?}");
        }
    }

    #[test]
    fn a_number_times_the_weight_is_added_within_bounds() {
        for (number, weight, reverse, want) in [
            (0, 0, false, Effect::Add(0)),
            (1, 0, false, Effect::Fault),
            (-1, 0, false, Effect::Fault),
            (0, 0, true, Effect::Fault),
            (1, 0, true, Effect::Add(0)),
            (20, 1, false, Effect::Add(20)),
            (20, -2, false, Effect::Add(-40)),
            (20, 2, true, Effect::Add(-40)),
            (1000, 1, false, Effect::Add(253)),
            (253, -1, false, Effect::Add(-253)),
            (254, -1, false, Effect::Fault),
            (-254, 1, true, Effect::Add(253)),
            (254, 1, true, Effect::Fault),
            (i32::MIN, 254, false, Effect::Fault),
            (i32::MIN, -254, false, Effect::Add(253)),
            (i32::MIN, 1, true, Effect::Add(253)),
        ] {
            let value = weight;
            let got = effect(number, Weight { value, reverse });
            assert_eq!(got, want, "{number} weight {weight} reverse {reverse}");
        }
    }
}
