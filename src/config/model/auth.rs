//! Authentication of adverts: `authentication` and `auth_hmac`.

/// How adverts are authenticated.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Auth {
    /// Not at all.
    None,
    /// `auth_type PASS`: a plain-text password in every advert (RFC 2338).
    Pass(Password),
    /// `auth_type AH`: HMAC-MD5-96 in an IPsec authentication header (RFC 2403), with this key.
    Ah(Password),
    /// `auth_hmac`: HMAC-SHA-256 in a trailer.
    Hmac(Box<Hmac>),
}

/// `auth_pass`: eight bytes, padded with zeros. `Debug` does not show them.
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
    /// `key`: at least one, with unique ids. The first is `active_key`, which signs our adverts.
    pub keys: Vec<HmacKey>,
    /// `mode`.
    pub mode: HmacMode,
    /// `time_window` in seconds; `None`: `anti_replay monotonic`.
    pub time_window: Option<u32>,
}

impl Hmac {
    /// The key that signs our adverts; `None` in mode `receive-only`.
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
    /// Number, 1–255.
    pub id: u8,
    /// Secret bytes.
    pub secret: Secret,
}

/// 32 to 64 bytes. `Debug` does not show them.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(pub Vec<u8>);

impl core::fmt::Debug for Secret {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("********")
    }
}

/// `mode` of `auth_hmac`: what happens to adverts without a valid signature.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum HmacMode {
    /// They are discarded.
    Enforce,
    /// They are accepted and logged.
    Permissive,
    /// They are accepted and logged, and our own adverts are not signed.
    ReceiveOnly,
}
