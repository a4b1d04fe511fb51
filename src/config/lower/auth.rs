//! `authentication` and `auth_hmac`.

use super::fields::Fields;
use super::instance::Draft;
use super::{Lowering, first};
use crate::config::diag::Severity;
use crate::config::model::{Auth, Hmac, HmacKey, HmacMode, Password, Secret};
use crate::config::tree::{Node, Word};
use crate::types::{Centis, Version};

/// Bytes of a key.
const KEY_LEN: core::ops::RangeInclusive<usize> = 32..=64;

impl Lowering<'_> {
    /// How adverts are proven; `None` when the instance must not run for want of a key.
    pub(super) fn auth(
        &mut self,
        draft: &Draft<'_>,
        version: Version,
        interval: Centis,
    ) -> Option<Auth> {
        let password = draft.fields.last("authentication");
        let Some(node) = draft.fields.last("auth_hmac") else {
            return Some(password.map_or(Auth::None, |node| self.password(draft, node, version)));
        };
        if let Some(password) = password {
            let message = "`auth_hmac` takes the place of `authentication`, which is ignored";
            self.warn(password.keyword.span, message);
        }
        self.hmac(draft, node, interval)
    }

    /// AH does not let an instance begin as master: it must hear the others' numbers first. An owner waits for nobody.
    pub(super) fn may_begin_as_master(&mut self, draft: &Draft<'_>, auth: &Auth) -> bool {
        if !matches!(auth, Auth::Ah(_)) {
            return true;
        }
        if let Some(node) = draft.fields.last("state") {
            let message = format!(
                "`{}` begins as BACKUP: with auth_type AH it must hear the numbers of the others' adverts first",
                draft.name
            );
            self.warn(node.keyword.span, message);
        }
        false
    }

    // ---- authentication ----

    fn password(&mut self, draft: &Draft<'_>, node: &Node, version: Version) -> Auth {
        let inner = Fields::inside(node);
        let span = node.keyword.span;
        let refused = match (version, draft.strict) {
            (Version::V3, _) => Some("version 3 has no passwords"),
            (Version::V2, true) => Some("strict mode has no passwords"),
            (Version::V2, false) => None,
        };
        if let Some(why) = refused {
            self.warn(span, format!("{why}: `authentication` ignored"));
            return Auth::None;
        }
        let (true, Some(pass)) = (inner.has("auth_type"), inner.last("auth_pass")) else {
            // Without a type keepalived sends no password and says nothing; it must be said.
            let (severity, missing) = match inner.has("auth_type") {
                true => (Severity::Error, "auth_pass"),
                false => (Severity::Note, "auth_type"),
            };
            let message = format!(
                "`authentication` of `{}` has no {missing}: it runs without a password, \
                 and routers with one discard its adverts",
                draft.name
            );
            let help = format!("write `{missing}` in it, or remove it");
            self.diags.report_with_help(severity, span, message, help);
            return Auth::None;
        };
        let password = self.eight_bytes(pass);
        if inner.word("auth_type") != Some("AH") {
            return Auth::Pass(password);
        }
        let message = "`auth_type AH` is MD5 with a key of 8 bytes, and a router that has just started takes old \
                       adverts for new";
        let help = "where all routers know `auth_hmac` (keepalived does from 2.4 on), use that";
        self.diags
            .report_with_help(Severity::Note, span, message, help);
        Auth::Ah(password)
    }

    fn eight_bytes(&mut self, node: &Node) -> Password {
        let text = first(node).unwrap_or_default().as_bytes();
        let mut bytes = [0; 8];
        for (to, from) in bytes.iter_mut().zip(text) {
            *to = *from;
        }
        if text.len() > bytes.len() {
            let message = "`auth_pass` is longer than 8 bytes; the first 8 are used";
            self.warn(node.keyword.span, message);
        }
        Password(bytes)
    }

    // ---- auth_hmac ----

    fn hmac(&mut self, draft: &Draft<'_>, node: &Node, interval: Centis) -> Option<Auth> {
        let inner = Fields::inside(node);
        let mut keys = self.keys(&inner);
        let span = node.keyword.span;
        let active: Option<u8> = inner.int("active_key");
        let place = match active {
            Some(id) => keys.iter().position(|key| key.id == id),
            None => None,
        };
        // With a single key there is nothing to choose.
        let Some(place) = place.or((active.is_none() && keys.len() == 1).then_some(0)) else {
            let what = match active {
                Some(id) if !keys.is_empty() => format!("no usable key {id}"),
                Some(_) | None if keys.is_empty() => "no usable key".to_owned(),
                Some(_) | None => "no active_key".to_owned(),
            };
            let message = format!(
                "`auth_hmac` of `{}` has {what}; the instance is left out, because its peers \
                 would discard unsigned adverts and two masters would result",
                draft.name
            );
            let help = "write `key N hex:…`, `key N file:PATH` or `key N TEXT`, and `active_key N`";
            self.error(span, message, help);
            return None;
        };
        keys.swap(0, place);
        let mut mode = match inner.word("mode") {
            Some("permissive") => HmacMode::Permissive,
            Some("receive-only") => HmacMode::ReceiveOnly,
            _ => HmacMode::Enforce,
        };
        if draft.strict && mode != HmacMode::Enforce {
            self.warn(span, "strict mode: unsigned adverts are discarded");
            mode = HmacMode::Enforce;
        }
        let window = self.window(&inner, interval);
        Some(Auth::Hmac(Box::new(Hmac {
            keys,
            mode,
            time_window: window,
        })))
    }

    fn window(&mut self, inner: &Fields<'_>, interval: Centis) -> Option<u32> {
        let node = inner.last("time_window");
        if inner.word("anti_replay") == Some("monotonic") {
            if let Some(node) = node {
                let message =
                    "`anti_replay monotonic` does not look at the time: `time_window` ignored";
                self.note(node.keyword.span, message);
            }
            return None;
        }
        let three = u32::from(interval.0).saturating_mul(3).div_ceil(100);
        let window = inner.int("time_window").unwrap_or(three.max(5));
        if let Some(node) = node.filter(|_| window < three) {
            let message = format!(
                "`time_window` {window} is less than three intervals; \
                 clocks of routers must not differ by more than that"
            );
            self.note(node.keyword.span, message);
        }
        Some(window)
    }

    fn keys(&mut self, inner: &Fields<'_>) -> Vec<HmacKey> {
        let mut keys: Vec<HmacKey> = Vec::new();
        for node in inner.all("key") {
            let (Some(id), Some(word)) = (inner_int(node), node.args.get(1)) else {
                continue;
            };
            if keys.iter().any(|key| key.id == id) {
                let message = format!("there is a key {id} already; line ignored");
                self.warn(node.keyword.span, message);
                continue;
            }
            match self.secret(word) {
                Ok(secret) => keys.push(HmacKey { id, secret }),
                Err(why) => {
                    let message = format!("key {id} cannot be used: {why}");
                    let help = "a key is `hex:` and 64 to 128 digits, or text of 32 to 64 bytes, \
                                or `file:PATH` of a file with one of these; \
                                `openssl rand -hex 32` makes one";
                    self.error(word.span, message, help);
                }
            }
        }
        keys
    }

    /// The key a word stands for. What is wrong is told without telling the key.
    fn secret(&self, word: &Word) -> Result<Secret, String> {
        let text: &str = &word.text;
        let bytes = match text.strip_prefix("file:") {
            Some(path) => {
                let contents = self
                    .host
                    .read(path)
                    .map_err(|why| format!("{path}: {why}"))?;
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
            Err(format!("it has {} bytes, 32 to 64 are needed", bytes.len()))
        }
    }
}

fn inner_int(node: &Node) -> Option<u8> {
    first(node)?.parse().ok()
}

fn hex(digits: &[u8]) -> Result<Vec<u8>, String> {
    let (pairs, odd) = digits.as_chunks::<2>();
    if !odd.is_empty() {
        return Err("it has an odd number of hexadecimal digits".to_owned());
    }
    let digit = |c: u8| {
        char::from(c)
            .to_digit(16)
            .and_then(|d| u8::try_from(d).ok())
    };
    let byte = |[high, low]: &[u8; 2]| Some(digit(*high)? << 4 | digit(*low)?);
    let bytes: Option<Vec<u8>> = pairs.iter().map(byte).collect();
    bytes.ok_or_else(|| "it has other characters than hexadecimal digits".to_owned())
}

#[cfg(test)]
mod tests {
    use super::hex;

    #[test]
    fn hexadecimal_digits_of_both_cases_are_bytes() {
        assert_eq!(hex(b"00ff7A"), Ok(vec![0, 255, 0x7a]));
        assert_eq!(hex(b""), Ok(Vec::new()));
        assert!(hex(b"0").is_err_and(|why| why.contains("odd")));
        assert!(hex(b"0g").is_err_and(|why| why.contains("other")));
        assert!(hex("ä".as_bytes()).is_err());
    }
}
