//! `authentication` and `auth_hmac`.

use core::fmt;

use super::fields::Fields;
use super::instance::InstanceBlock;
use super::{Lowering, first, number};
use crate::config::Access;
use crate::config::diag::Severity;
use crate::config::model::{Auth, Hmac, HmacKey, HmacMode, Password, Secret};
use crate::config::tree::{Node, Word};
use crate::types::{Centis, Version};

/// Length of a key in bytes.
const KEY_LEN: core::ops::RangeInclusive<usize> = 32..=64;

/// Why a key is not valid. The text does not show any part of the key.
#[derive(PartialEq, Eq, Debug)]
enum KeyError {
    /// The file cannot be read: path and reason.
    File(String),
    OddDigits,
    NotHexadecimal,
    /// Length in bytes.
    Length(usize),
}

impl fmt::Display for KeyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            KeyError::File(why) => f.write_str(why),
            KeyError::OddDigits => f.write_str("it has an odd number of hexadecimal digits"),
            KeyError::NotHexadecimal => {
                f.write_str("it contains characters that are not hexadecimal digits")
            }
            KeyError::Length(length) => write!(f, "it has {length} bytes instead of 32 to 64"),
        }
    }
}

impl Lowering<'_> {
    /// The authentication of an instance; `None` if it must not run because a key is missing.
    pub(super) fn auth(
        &mut self,
        block: &InstanceBlock<'_>,
        version: Version,
        interval: Centis,
    ) -> Option<Auth> {
        let password = block.fields.last("authentication");
        let Some(node) = block.fields.last("auth_hmac") else {
            return match password {
                Some(node) => self.password(block, node, version),
                None => Some(Auth::None),
            };
        };
        if let Some(password) = password {
            let message = "`auth_hmac` replaces `authentication`, which is ignored";
            self.warn(password.keyword.span, message);
        }
        self.hmac(block, node, interval)
    }

    /// Whether `state MASTER` is allowed. With AH, an instance that is not the owner first learns
    /// the peers' sequence numbers.
    pub(super) fn may_start_as_master(&mut self, block: &InstanceBlock<'_>, auth: &Auth) -> bool {
        if !matches!(auth, Auth::Ah(_)) {
            return true;
        }
        if let Some(node) = block.fields.last("state") {
            let message = format!(
                "`{}` starts as BACKUP: with `auth_type AH` it must learn the sequence numbers of its peers first",
                block.name
            );
            self.warn(node.keyword.span, message);
        }
        false
    }

    // ---- authentication ----

    /// The password of an instance; `None` if AH has none.
    fn password(
        &mut self,
        block: &InstanceBlock<'_>,
        node: &Node,
        version: Version,
    ) -> Option<Auth> {
        let inner = Fields::inside(node);
        let span = node.keyword.span;
        let refused = match (version, block.strict) {
            (Version::V3, _) => Some("VRRP version 3 has no authentication"),
            (Version::V2, true) => Some("strict mode has no authentication"),
            (Version::V2, false) => None,
        };
        if let Some(why) = refused {
            self.warn(span, format!("{why}; `authentication` ignored"));
            return Some(Auth::None);
        }
        let is_ah = inner.word("auth_type") == Some("AH");
        let (true, Some(pass)) = (inner.has("auth_type"), inner.last("auth_pass")) else {
            // keepalived sends no password without `auth_type`, and does not report it.
            let (severity, missing) = match inner.has("auth_type") {
                true => (Severity::Error, "auth_pass"),
                false => (Severity::Note, "auth_type"),
            };
            let range = inner.removed(missing);
            let object = format!("`{}`", block.name);
            if !is_ah && self.follows(range, Severity::Note, "without a password", object) {
                return Some(Auth::None);
            }
            let effect = match is_ah {
                true => "the instance is left out",
                false => {
                    "it runs without a password, and routers with a password discard its adverts"
                }
            };
            let message = format!(
                "`authentication` of `{}` has no `{missing}`; {effect}",
                block.name
            );
            let help = format!("write `{missing}` in `authentication`, or remove the block");
            self.diags.report_with_help(severity, span, message, help);
            return (!is_ah).then_some(Auth::None);
        };
        let password = self.auth_pass(pass);
        if !is_ah {
            return Some(Auth::Pass(password));
        }
        let message = "`auth_type AH` uses MD5 with a key of 8 bytes, and a router that has just started accepts \
                       replayed adverts";
        let help = "use `auth_hmac` if all routers support it (keepalived since 2.4)";
        self.note_with_help(span, message, help);
        Some(Auth::Ah(password))
    }

    fn auth_pass(&mut self, node: &Node) -> Password {
        let text = first(node).unwrap_or_default().as_bytes();
        let mut bytes = [0; 8];
        for (to, from) in bytes.iter_mut().zip(text) {
            *to = *from;
        }
        if text.len() > bytes.len() {
            let message = "`auth_pass` is longer than 8 bytes; the first 8 are used";
            let span = node.keyword.span;
            match text {
                // It may be a placeholder, but also a password.
                [b'%', .., b'%'] | [b'@', .., b'@'] => {
                    self.warn_with_help(span, message, "if it is a placeholder, fill it in");
                }
                _ => self.warn(span, message),
            }
        }
        Password(bytes)
    }

    // ---- auth_hmac ----

    fn hmac(&mut self, block: &InstanceBlock<'_>, node: &Node, interval: Centis) -> Option<Auth> {
        let inner = Fields::inside(node);
        let mut keys = self.keys(&inner);
        let span = node.keyword.span;
        let active: Option<u8> = inner.int("active_key");
        let position = match active {
            Some(id) => keys.iter().position(|key| key.id == id),
            None => None,
        };
        // A single key is active without `active_key`.
        let Some(position) = position.or((active.is_none() && keys.len() == 1).then_some(0)) else {
            let missing = match active {
                Some(id) if !keys.is_empty() => format!("no valid key {id}"),
                Some(_) | None if keys.is_empty() => "no valid key".to_owned(),
                Some(_) | None => "no `active_key`".to_owned(),
            };
            let message = format!(
                "`auth_hmac` of `{}` has {missing}; the instance is left out, because its peers would discard \
                 unsigned adverts and there would be two masters",
                block.name
            );
            let help = "write `key N hex:…`, `key N file:PATH` or `key N TEXT`, and `active_key N`";
            self.error(span, message, help);
            return None;
        };
        keys.swap(0, position);
        let mut mode = match inner.word("mode") {
            Some("permissive") => HmacMode::Permissive,
            Some("receive-only") => HmacMode::ReceiveOnly,
            _ => HmacMode::Enforce,
        };
        if block.strict && mode != HmacMode::Enforce {
            self.warn(
                span,
                "strict mode discards unsigned adverts; mode `enforce` is used",
            );
            mode = HmacMode::Enforce;
        }
        let time_window = self.time_window(&inner, interval);
        Some(Auth::Hmac(Box::new(Hmac {
            keys,
            mode,
            time_window,
        })))
    }

    fn time_window(&mut self, inner: &Fields<'_>, interval: Centis) -> Option<u32> {
        let node = inner.last("time_window");
        if inner.word("anti_replay") == Some("monotonic") {
            if let Some(node) = node {
                let message =
                    "`anti_replay monotonic` does not use the time; `time_window` ignored";
                self.note(node.keyword.span, message);
            }
            return None;
        }
        let three_intervals = u32::from(interval.0).saturating_mul(3).div_ceil(100);
        let window = inner.int("time_window").unwrap_or(three_intervals.max(5));
        if let Some(node) = node.filter(|_| window < three_intervals) {
            let message = format!(
                "`time_window` {window} is shorter than three advert intervals; adverts of routers whose clocks differ \
                 by more are discarded"
            );
            self.note(node.keyword.span, message);
        }
        Some(window)
    }

    fn keys(&mut self, inner: &Fields<'_>) -> Vec<HmacKey> {
        let mut keys: Vec<HmacKey> = Vec::new();
        for node in inner.all("key") {
            let (Some(id), Some(word)) = (first(node).and_then(number), node.args.get(1)) else {
                continue;
            };
            if keys.iter().any(|key| key.id == id) {
                let message = format!("key {id} is already defined; line ignored");
                self.warn(node.keyword.span, message);
                continue;
            }
            match self.secret(word) {
                Ok(secret) => keys.push(HmacKey { id, secret }),
                Err(why) => {
                    let message = format!("key {id} is not valid: {why}; it is ignored");
                    let help = "write `hex:` and 64 to 128 hexadecimal digits, text of 32 to 64 bytes, or `file:PATH` of a \
                                file with one of these; `openssl rand -hex 32` creates one";
                    self.error(word.span, message, help);
                }
            }
        }
        keys
    }

    /// The key a word stands for.
    fn secret(&self, word: &Word) -> Result<Secret, KeyError> {
        let text: &str = &word.text;
        let bytes = match text.strip_prefix("file:") {
            Some(path) => {
                let contents = self
                    .host
                    .read_protected(path, Access::Any)
                    .map_err(|why| KeyError::File(format!("{path}: {why}")))?;
                let contents = contents.trim_ascii_end();
                match contents.strip_prefix(b"hex:") {
                    Some(digits) => hex(digits)?,
                    None => contents.to_vec(),
                }
            }
            None => match text.strip_prefix("hex:") {
                Some(digits) => hex(digits.as_bytes())?,
                None => text.as_bytes().to_vec(),
            },
        };
        if KEY_LEN.contains(&bytes.len()) {
            Ok(Secret(bytes))
        } else {
            Err(KeyError::Length(bytes.len()))
        }
    }
}

fn hex(digits: &[u8]) -> Result<Vec<u8>, KeyError> {
    let (pairs, odd) = digits.as_chunks::<2>();
    if !odd.is_empty() {
        return Err(KeyError::OddDigits);
    }
    let digit = |c: u8| {
        char::from(c)
            .to_digit(16)
            .and_then(|d| u8::try_from(d).ok())
    };
    let byte = |[high, low]: &[u8; 2]| Some(digit(*high)? << 4 | digit(*low)?);
    let bytes: Option<Vec<u8>> = pairs.iter().map(byte).collect();
    bytes.ok_or(KeyError::NotHexadecimal)
}

#[cfg(test)]
mod tests {
    use super::{KeyError, hex};

    #[test]
    fn hexadecimal_digits_are_read_in_both_cases() {
        assert_eq!(hex(b"00ff7A"), Ok(vec![0, 255, 0x7a]));
        assert_eq!(hex(b""), Ok(Vec::new()));
        assert_eq!(hex(b"0"), Err(KeyError::OddDigits));
        assert_eq!(hex(b"0g"), Err(KeyError::NotHexadecimal));
        assert!(hex("ä".as_bytes()).is_err());
    }
}
