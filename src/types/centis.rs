//! Advertisement intervals in centiseconds, the unit of VRRPv3.

use core::fmt;
use core::time::Duration;

/// Hundredths of a second. VRRPv3 has 12 bits for it (RFC 9568 §5.2.7); VRRPv2 has whole seconds.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Hash)]
pub struct Centis(pub u16);

impl Centis {
    /// One second, the default interval of both versions.
    pub const SECOND: Centis = Centis(100);
    /// Largest interval of VRRPv3: 40.95 s.
    pub const MAX_V3: Centis = Centis(4095);

    /// From whole seconds, the unit of VRRPv2.
    #[must_use]
    pub fn from_secs(secs: u8) -> Self {
        Centis(u16::from(secs).saturating_mul(100))
    }

    /// Whole seconds, rounded down, as in a VRRPv2 advert.
    #[must_use]
    pub fn as_secs(self) -> u8 {
        u8::try_from(self.0 / 100).unwrap_or(u8::MAX)
    }

    /// As a duration.
    #[must_use]
    pub fn duration(self) -> Duration {
        Duration::from_millis(u64::from(self.0).saturating_mul(10))
    }
}

impl fmt::Display for Centis {
    /// Seconds with as many decimals as needed: `1 s`, `0.25 s`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.0 / 100, self.0 % 100) {
            (secs, 0) => write!(f, "{secs} s"),
            (secs, rest) if rest % 10 == 0 => write!(f, "{secs}.{} s", rest / 10),
            (secs, rest) => write!(f, "{secs}.{rest:02} s"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn displays_seconds_with_as_many_decimals_as_needed() {
        for (value, text) in [
            (100, "1 s"),
            (25, "0.25 s"),
            (150, "1.5 s"),
            (1, "0.01 s"),
            (4095, "40.95 s"),
        ] {
            assert_eq!(Centis(value).to_string(), text);
        }
    }

    #[test]
    fn one_and_a_half_seconds_is_150() {
        assert_eq!(Centis(150).duration(), Duration::from_millis(1500));
        assert_eq!(Centis::from_secs(255).as_secs(), 255);
    }
}
