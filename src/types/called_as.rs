//! The name of the program.

/// The name that the program was called by.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum CalledAs {
    /// `vrrpd`, or any other name.
    #[default]
    Vrrpd,
    /// `keepalived`: other programs find what they expect of it.
    Keepalived,
}

impl CalledAs {
    /// The name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            CalledAs::Vrrpd => "vrrpd",
            CalledAs::Keepalived => "keepalived",
        }
    }
}
