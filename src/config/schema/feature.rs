//! Parts of the program that a build may lack, as Cargo's features.

/// A part.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Feature {
    /// Virtual servers: IPVS and health checks.
    Lvs,
    /// `SSL_GET`.
    Tls,
    /// Patterns that pages must match.
    Regex,
    /// Mails about changes.
    Mail,
    /// The state as JSON.
    Json,
    /// OpenWrt's configuration.
    Uci,
}

impl Feature {
    /// All of them.
    pub const ALL: [Feature; 6] = [
        Feature::Lvs,
        Feature::Tls,
        Feature::Regex,
        Feature::Mail,
        Feature::Json,
        Feature::Uci,
    ];

    /// As `cargo build --features` wants it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Feature::Lvs => "lvs",
            Feature::Tls => "tls",
            Feature::Regex => "regex",
            Feature::Mail => "mail",
            Feature::Json => "json",
            Feature::Uci => "uci",
        }
    }

    /// Whether this build has it.
    #[must_use]
    pub const fn is_built_in(self) -> bool {
        match self {
            Feature::Lvs => cfg!(feature = "lvs"),
            Feature::Tls => cfg!(feature = "tls"),
            Feature::Regex => cfg!(feature = "regex"),
            Feature::Mail => cfg!(feature = "mail"),
            Feature::Json => cfg!(feature = "json"),
            Feature::Uci => cfg!(feature = "uci"),
        }
    }

    /// What to do about its absence.
    #[must_use]
    pub fn how_to_get(self) -> String {
        let flavor = match self {
            Feature::Uci => "openwrt",
            Feature::Lvs | Feature::Tls | Feature::Regex | Feature::Mail | Feature::Json => "full",
        };
        let name = self.name();
        format!("install the {flavor} flavor, or build with `--features {name}`")
    }

    /// To whoever asks for it by command or signal.
    #[must_use]
    pub fn not_built_in(self) -> String {
        format!("this vrrpd was built without it; {}", self.how_to_get())
    }
}
