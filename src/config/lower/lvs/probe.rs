//! `TCP_CHECK`, `SMTP_CHECK`, `DNS_CHECK`, `UDP_CHECK`, `MISC_CHECK` and `FILE_CHECK`.

use super::check::Checker;
use super::number;
use crate::config::diag::Severity;
use crate::config::lower::fields::Fields;
use crate::config::lower::{Lowering, first};
use crate::config::model::lvs::{CheckKind, Target, Udp};
use crate::config::tree::Node;

/// keepalived's default of `helo_name`.
const DEFAULT_HELO: &str = "smtpchecker.keepalived.org";

/// Types of DNS records (RFC 1035 §3.2.2, RFC 3596, RFC 4034).
static DNS_TYPES: [(&str, u16); 9] = [
    ("A", 1),
    ("NS", 2),
    ("CNAME", 5),
    ("SOA", 6),
    ("MX", 15),
    ("TXT", 16),
    ("AAAA", 28),
    ("RRSIG", 46),
    ("DNSKEY", 48),
];

/// Whether characters that are no hexadecimal digits match any digit.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Wildcards {
    Allowed,
    Refused,
}

impl Lowering<'_> {
    pub(super) fn tcp(&mut self, checker: &Checker<'_>) -> Option<CheckKind> {
        self.with_port(checker).map(CheckKind::Tcp)
    }

    /// A target that must have a port.
    fn with_port(&mut self, checker: &Checker<'_>) -> Option<Target> {
        let target = self.target(checker, checker.fields, 0)?;
        if target.remote.port() != 0 {
            return Some(target);
        }
        let message = format!(
            "{} has no port to connect to; left out",
            checker.node.keyword.text
        );
        self.error(
            checker.node.keyword.span,
            message,
            "write `connect_port PORT` in the check",
        );
        None
    }

    /// Each `host` is a check; its settings are by default those of the checker.
    pub(super) fn smtp(&mut self, checker: &Checker<'_>) -> Vec<CheckKind> {
        let fields = checker.fields;
        let helo = fields.word("helo_name").unwrap_or(DEFAULT_HELO);
        let hosts = fields.all("host").map(Fields::inside);
        let outer = fields.settings();
        let hosts: Vec<Fields<'_>> = hosts.map(|host| host.over(&outer)).collect();
        let targets: Vec<Option<Target>> = match hosts.as_slice() {
            [] => Vec::from([self.target(checker, fields, 25)]),
            hosts => {
                let targets = hosts.iter();
                targets.map(|host| self.target(checker, host, 25)).collect()
            }
        };
        let check = |target| CheckKind::Smtp {
            target,
            helo: helo.to_owned(),
        };
        targets.into_iter().flatten().map(check).collect()
    }

    pub(super) fn dns(&mut self, checker: &Checker<'_>) -> Option<CheckKind> {
        let fields = checker.fields;
        let target = self.target(checker, fields, 53)?;
        let kind = fields.word("type").unwrap_or("SOA");
        let mut types = DNS_TYPES.iter();
        let (_, kind) = types.find(|(name, _)| name.eq_ignore_ascii_case(kind))?;
        let name = fields.word("name").unwrap_or_default();
        Some(CheckKind::Dns {
            target,
            qtype: *kind,
            name: self.dns_name(fields.last("name"), name),
        })
    }

    /// A domain name without its final dot; the root if it is not valid.
    fn dns_name(&mut self, node: Option<&Node>, name: &str) -> String {
        let bare = name.strip_suffix('.').unwrap_or(name);
        let label = |label: &str| (1..=63).contains(&label.len());
        // With the lengths of the labels and of the root, at most 255 bytes (RFC 1035 §3.1).
        if bare.is_empty() || (bare.len() <= 253 && bare.split('.').all(label)) {
            return bare.to_owned();
        }
        if let Some(node) = node {
            let message = format!("`{name}` is not a domain name; the root is queried");
            let help = "write labels of 1 to 63 bytes and at most 253 bytes in total";
            self.error(node.span(), message, help);
        }
        String::new()
    }

    pub(super) fn udp(&mut self, checker: &Checker<'_>) -> Option<CheckKind> {
        let fields = checker.fields;
        let target = self.with_port(checker)?;
        let payload = self.bytes(fields.last("payload"), Wildcards::Refused);
        let reply = self.bytes(fields.last("require_reply"), Wildcards::Allowed);
        let min_length = fields.int("min_reply_length").unwrap_or(0);
        let mut max_length = fields.int("max_reply_length").unwrap_or(255);
        if min_length > max_length {
            let message = format!(
                "`min_reply_length` {min_length} exceeds `max_reply_length` {max_length}; `max_reply_length` {min_length} is used"
            );
            self.warn(checker.node.keyword.span, message);
            max_length = min_length;
        }
        Some(CheckKind::Udp(
            target,
            Box::new(Udp {
                payload: payload.iter().map(|(value, _)| *value).collect(),
                require_reply: fields.has("require_reply"),
                reply,
                min_length,
                max_length,
            }),
        ))
    }

    /// Hexadecimal digits as bytes and masks. Any other character is a wildcard. The last digit of a
    /// word with an odd number of digits is a byte.
    fn bytes(&mut self, node: Option<&Node>, wildcards: Wildcards) -> Vec<(u8, u8)> {
        let Some(node) = node else {
            return Vec::new();
        };
        let mut bytes = Vec::new();
        for word in &node.args {
            let mut high = None;
            for digit in word.text.chars() {
                let value = digit
                    .to_digit(16)
                    .and_then(|value| u8::try_from(value).ok());
                let mask = if value.is_some() { 0xf } else { 0 };
                if mask == 0 && wildcards == Wildcards::Refused {
                    let message =
                        format!("`{digit}` is not a hexadecimal digit; `payload` ignored");
                    self.error(node.span(), message, "write hexadecimal digits");
                    return Vec::new();
                }
                let low = (value.unwrap_or(0), mask);
                match high.take() {
                    None => high = Some(low),
                    Some((value, mask)) => bytes.push(((value << 4) | low.0, (mask << 4) | low.1)),
                }
            }
            // A single wildcard matches any byte.
            let single = |(value, mask)| (value, if mask == 0 { 0 } else { 0xff });
            bytes.extend(high.map(single));
        }
        bytes
    }

    pub(super) fn misc(&mut self, checker: &Checker<'_>) -> Option<CheckKind> {
        let fields = checker.fields;
        let node = fields.last("misc_path")?;
        let user = match fields.last("user") {
            Some(node) => self.user(node),
            None => self.default_user(),
        };
        let command = user.and_then(|user| self.command_as(node, user, Severity::Tolerated));
        let Some(command) = command else {
            // Why it cannot run was reported, here or at `script_user`.
            let object = "the server of this MISC_CHECK".to_owned();
            let range = Some(checker.node.whole());
            self.follows(
                range,
                Severity::Note,
                "up unless another check fails",
                object,
            );
            return None;
        };
        let timeout = fields
            .seconds("misc_timeout")
            .filter(|span| !span.is_zero());
        Some(CheckKind::Misc {
            command,
            timeout: timeout.unwrap_or(checker.interval),
            dynamic: fields.has("misc_dynamic"),
        })
    }

    pub(super) fn file_check(&mut self, checker: &Checker<'_>) -> Option<CheckKind> {
        let fields = checker.fields;
        let node = fields.last("track_file")?;
        let name = first(node)?;
        let Some((file, default)) = self.tracked_file(name) else {
            let message = format!("unknown track_file `{name}`; FILE_CHECK is left out");
            let help = format!("define `track_file {name} {{ file PATH }}`");
            self.error(node.span(), message, help);
            return None;
        };
        let own = fields.last("weight");
        let has =
            |word: &str| own.is_some_and(|node| node.args.iter().any(|own| &*own.text == word));
        let weight = own
            .and_then(first)
            .and_then(number)
            .unwrap_or(default.value);
        Some(CheckKind::File {
            file,
            weight,
            reverse: (default.reverse || has("reverse")) && !has("noreverse"),
        })
    }
}
