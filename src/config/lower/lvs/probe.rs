//! `TCP_CHECK`, `SMTP_CHECK`, `DNS_CHECK`, `UDP_CHECK`, `MISC_CHECK` and `FILE_CHECK`.

use super::check::Checker;
use super::number;
use crate::config::diag::Severity;
use crate::config::lower::fields::Fields;
use crate::config::lower::{Lowering, first};
use crate::config::model::lvs::{CheckKind, Target, Udp};
use crate::config::tree::Node;

/// What `SMTP_CHECK` calls itself when nobody says how: keepalived's name, which mail servers know.
const HELO: &str = "smtpchecker.keepalived.org";

/// Types of DNS questions (RFC 1035 §3.2.2, 3596, 4034).
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
            "there is no port this {} could ask; it is left out",
            checker.node.keyword.text
        );
        self.error(
            checker.node.keyword.span,
            message,
            "write `connect_port PORT` in it",
        );
        None
    }

    /// Each `host` is a check of its own; what it does not say is as in the checker.
    pub(super) fn smtp(&mut self, checker: &Checker<'_>) -> Vec<CheckKind> {
        let fields = checker.fields;
        let global = checker.owner.shared.global;
        let helo = fields.word("helo_name").or(global.word("smtp_helo_name"));
        let helo = helo.unwrap_or(HELO);
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

    /// A name without its final dot; that of the root where no question can hold it.
    fn dns_name(&mut self, node: Option<&Node>, name: &str) -> String {
        let bare = name.strip_suffix('.').unwrap_or(name);
        let label = |label: &str| (1..=63).contains(&label.len());
        // With a length before each label and a 0 at the end, 255 bytes at the most.
        if bare.is_empty() || (bare.len() <= 253 && bare.split('.').all(label)) {
            return bare.to_owned();
        }
        if let Some(node) = node {
            let message = format!("`{name}` is no name of the DNS; the root is asked for");
            let help = "its parts are 1 to 63 bytes long, all of it 253 at the most";
            self.error(node.span(), message, help);
        }
        String::new()
    }

    pub(super) fn udp(&mut self, checker: &Checker<'_>) -> Option<CheckKind> {
        let fields = checker.fields;
        let target = self.with_port(checker)?;
        let payload = self.bytes(fields.last("payload"), false);
        let reply = self.bytes(fields.last("require_reply"), true);
        let min_length = fields.int("min_reply_length").unwrap_or(0);
        let mut max_length = fields.int("max_reply_length").unwrap_or(255);
        if min_length > max_length {
            let message = format!(
                "no reply is at least {min_length} and at most {max_length} bytes long; max_reply_length {min_length} is used"
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

    /// Hexadecimal digits as bytes and masks; `x` stands for any digit where that has a meaning.
    fn bytes(&mut self, node: Option<&Node>, any: bool) -> Vec<(u8, u8)> {
        let Some(node) = node else {
            return Vec::new();
        };
        let mut bytes = Vec::new();
        let mut high = None;
        for digit in node.args.iter().flat_map(|word| word.text.chars()) {
            let value = digit
                .to_digit(16)
                .and_then(|value| u8::try_from(value).ok());
            let mask = if value.is_some() { 0xf } else { 0 };
            if mask == 0 && !any {
                let message = format!("`{digit}` is no byte that could be sent; ignored");
                self.error(node.span(), message, "write hexadecimal digits");
                return Vec::new();
            }
            let low = (value.unwrap_or(0), mask);
            match high.take() {
                None => high = Some(low),
                Some((value, mask)) => bytes.push(((value << 4) | low.0, (mask << 4) | low.1)),
            }
        }
        if high.is_some() {
            let message = format!(
                "`{}` has half a byte at its end, which is ignored",
                node.keyword.text
            );
            self.warn(node.span(), message);
        }
        bytes
    }

    pub(super) fn misc(&mut self, checker: &Checker<'_>) -> Option<CheckKind> {
        let fields = checker.fields;
        let node = fields.last("misc_path")?;
        let user = match fields.last("user") {
            Some(node) => self.user(node),
            None => self.scripts.user,
        };
        let command = user.and_then(|user| self.command_as(node, user));
        let Some(command) = command else {
            let message =
                "this MISC_CHECK cannot run: its server counts as up as far as it is concerned";
            self.note(checker.node.keyword.span, message);
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
        let Some((file, (weight, reverse))) = self.tracked_file(name) else {
            let message = format!("there is no track_file `{name}`; this FILE_CHECK is left out");
            let help = format!("define `track_file {name} {{ file PATH }}`");
            self.diags
                .report_with_help(Severity::Error, node.span(), message, help);
            return None;
        };
        let own = fields.last("weight");
        let has =
            |word: &str| own.is_some_and(|node| node.args.iter().any(|own| &*own.text == word));
        let weight = own
            .and_then(first)
            .and_then(number)
            .unwrap_or(i32::from(weight));
        Some(CheckKind::File {
            file,
            weight,
            reverse: (reverse || has("reverse")) && !has("noreverse"),
        })
    }
}
