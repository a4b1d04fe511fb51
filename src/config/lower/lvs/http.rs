//! `HTTP_GET` and `SSL_GET`.

use super::check::{Checker, Scheme};
use super::number;
use crate::config::diag::Severity;
use crate::config::lower::Lowering;
use crate::config::lower::fields::Fields;
use crate::config::model::lvs::{CheckKind, Http, HttpProtocol, Target, Url};

/// Whether this build supports TLS.
const TLS: bool = cfg!(feature = "tls");

impl Lowering<'_> {
    /// `HTTP_GET` or `SSL_GET`.
    pub(super) fn http(&mut self, checker: &Checker<'_>, scheme: Scheme) -> Option<CheckKind> {
        let fields = checker.fields;
        let tls = scheme == Scheme::Https;
        let port = if tls { 443 } else { 80 };
        let target = self.target(checker, fields, port)?;
        if tls && !TLS {
            let message =
                "this build has no TLS; SSL_GET succeeds if a TCP connection can be established";
            let help = "install the full flavor, which supports TLS";
            let span = checker.node.keyword.span;
            self.diags
                .report_with_help(Severity::Unsupported, span, message, help);
            return Some(CheckKind::Tcp(target));
        }
        let host = checker.scopes.word("virtualhost");
        let mut urls: Vec<Url> = Vec::new();
        for node in fields.all("url") {
            let fields = Fields::inside(node);
            if let Some(url) = url(&fields, host, &target) {
                #[cfg(feature = "regex")]
                let pattern = self.pattern(&fields);
                // The checker has reported `regex`.
                #[cfg(not(feature = "regex"))]
                let pattern = None;
                urls.push(Url { pattern, ..url });
            }
        }
        let Some(name) = urls.first().map(|url| url.host.clone()) else {
            self.report_no_url(checker);
            return None;
        };
        let sni = fields.boolean("enable_sni").unwrap_or(false) && tls;
        let sni = sni.then(|| fields.word("sni_name").map_or(name, str::to_owned));
        Some(CheckKind::Http(
            target,
            Box::new(Http {
                tls,
                urls,
                protocol: match fields.word("http_protocol") {
                    Some("1.1") => HttpProtocol::V1_1,
                    Some("1.0C" | "1.0c") => HttpProtocol::V1_0Close,
                    Some(_) | None => HttpProtocol::V1_0,
                },
                // An address is not allowed as a server name (RFC 6066 §3).
                sni: sni.filter(|name| !is_address(name)),
                fast_recovery: fields.boolean("fast_recovery").unwrap_or(false),
            }),
        ))
    }

    /// Reports that no `url` is valid. The checker has reported a missing `url`.
    fn report_no_url(&mut self, checker: &Checker<'_>) {
        if checker.fields.has("url") {
            let name = &checker.node.keyword.text;
            let message = format!("{name} has no valid `url`; left out");
            let span = checker.node.keyword.span;
            self.diags.report(Severity::Error, span, message);
        }
    }
}

/// A `url` without its pattern; `None` without `path`, which the checker has reported.
fn url(fields: &Fields<'_>, host: Option<&str>, target: &Target) -> Option<Url> {
    let statuses = fields.last("status_code");
    let ranges = statuses.iter().flat_map(|node| &node.args);
    let mut statuses: Vec<(u16, u16)> =
        ranges.filter_map(|word| status_range(&word.text)).collect();
    if statuses.is_empty() {
        statuses.push((200, 299));
    }
    let host = fields.word("virtualhost").or(host);
    Some(Url {
        path: fields.word("path")?.to_owned(),
        digest: fields.word("digest").and_then(digest),
        statuses,
        pattern: None,
        host: host.map_or_else(|| target.remote.to_string(), str::to_owned),
    })
}

/// `200` or `200-299`.
fn status_range(text: &str) -> Option<(u16, u16)> {
    let (from, to) = text.split_once('-').unwrap_or((text, text));
    Some((number(from)?, number(to)?))
}

/// 32 hexadecimal digits.
fn digest(text: &str) -> Option<[u8; 16]> {
    let mut digest = [0; 16];
    for (byte, digits) in digest.iter_mut().zip(text.as_bytes().chunks(2)) {
        *byte = u8::from_str_radix(core::str::from_utf8(digits).ok()?, 16).ok()?;
    }
    Some(digest)
}

/// Whether it is an address, with or without a port.
fn is_address(name: &str) -> bool {
    name.parse::<core::net::SocketAddr>().is_ok() || name.parse::<core::net::IpAddr>().is_ok()
}
