//! The strictness of `-t`.

/// How strict a configuration test is.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Strictness {
    /// As a test by keepalived.
    #[default]
    Keepalived,
    /// Every warning counts.
    Strict,
}
