//! The Cargo features that a build may lack.

/// A feature.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Feature {
    /// Virtual servers (IPVS) and health checks.
    Lvs,
    /// `SSL_GET`.
    Tls,
    /// `regex` in HTTP checks.
    Regex,
    /// Emails about changes.
    Mail,
    /// The state as JSON.
    Json,
    /// `uci2conf`: conversion of OpenWrt's UCI configuration.
    Uci,
    /// A filter of system calls.
    Seccomp,
    /// `sniff`: decodes adverts on the wire.
    Sniff,
}

impl Feature {
    /// All of them.
    pub const ALL: [Feature; 8] = [
        Feature::Lvs,
        Feature::Tls,
        Feature::Regex,
        Feature::Mail,
        Feature::Json,
        Feature::Uci,
        Feature::Seccomp,
        Feature::Sniff,
    ];

    /// The name as in `cargo build --features`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Feature::Lvs => "lvs",
            Feature::Tls => "tls",
            Feature::Regex => "regex",
            Feature::Mail => "mail",
            Feature::Json => "json",
            Feature::Uci => "uci",
            Feature::Seccomp => "seccomp",
            Feature::Sniff => "sniff",
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
            Feature::Seccomp => cfg!(feature = "seccomp"),
            Feature::Sniff => cfg!(feature = "sniff"),
        }
    }

    /// How to get a build with the feature.
    #[must_use]
    pub fn how_to_get(self) -> String {
        let flavor = match self {
            Feature::Uci => "openwrt",
            Feature::Lvs
            | Feature::Tls
            | Feature::Regex
            | Feature::Mail
            | Feature::Json
            | Feature::Seccomp
            | Feature::Sniff => "full",
        };
        let name = self.name();
        // A build for OpenWrt is a package with these options.
        let package = match self {
            _ if !cfg!(feature = "uci") => "",
            Feature::Lvs | Feature::Tls | Feature::Regex => {
                "build OpenWrt's package with VRRPD_LVS, "
            }
            Feature::Mail => "build OpenWrt's package with VRRPD_MAIL, ",
            Feature::Json | Feature::Uci | Feature::Seccomp | Feature::Sniff => "",
        };
        format!("{package}install the {flavor} flavor, or build with `--features {name}`")
    }

    /// Message for a command or signal that needs the feature.
    #[must_use]
    pub fn not_built_in(self) -> String {
        format!("not part of this build; {}", self.how_to_get())
    }
}
