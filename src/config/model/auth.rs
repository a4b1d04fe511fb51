//! How adverts prove where they are from.

/// `authentication` or `auth_hmac`.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Auth {
    /// None.
    None,
    /// `auth_type PASS`: compared byte for byte.
    Pass(Password),
    /// `auth_type AH`: key of the authentication header.
    Ah(Password),
    /// `auth_hmac`.
    Hmac(Box<Hmac>),
}

/// Eight zero-padded bytes that never show in `Debug`.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Password(pub [u8; 8]);

impl core::fmt::Debug for Password {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("********")
    }
}

/// `auth_hmac { … }`.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Hmac {
    /// `key`: at least one, with numbers of their own. The first is `active_key`, with which we sign.
    pub keys: Vec<HmacKey>,
    /// `mode`.
    pub mode: HmacMode,
    /// `time_window` in seconds; `None`: `anti_replay monotonic`.
    pub time_window: Option<u32>,
}

impl Hmac {
    /// The key we sign with; `None`: we do not sign.
    #[must_use]
    pub fn active(&self) -> Option<&HmacKey> {
        self.keys
            .first()
            .filter(|_| self.mode != HmacMode::ReceiveOnly)
    }
}

/// A key of `auth_hmac`.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct HmacKey {
    /// Its number, 1–255.
    pub id: u8,
    /// Its bytes.
    pub secret: Secret,
}

/// 32 to 64 bytes that never show in `Debug`.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(pub Vec<u8>);

impl core::fmt::Debug for Secret {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("********")
    }
}

/// What happens to adverts without a good signature.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum HmacMode {
    /// They are discarded.
    Enforce,
    /// They are accepted, and noted.
    Permissive,
    /// The same, and we do not sign.
    ReceiveOnly,
}
