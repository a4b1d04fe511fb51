//! The strictness of `-t`.

/// Messages that count for the exit code of `-t`.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Strictness {
    /// As a test by keepalived.
    #[default]
    Keepalived,
    /// Every warning counts.
    Strict,
}
