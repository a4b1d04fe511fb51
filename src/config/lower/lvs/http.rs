//! `HTTP_GET` and `SSL_GET`.

use super::check::{Checker, Scheme};
use super::{first, number};
use crate::config::diag::Severity;
use crate::config::lower::Lowering;
use crate::config::lower::fields::Fields;
use crate::config::model::lvs::{CheckKind, Http, HttpProtocol, Target, Url};
use crate::config::tree::Node;
use crate::types::without_port;

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
        let host = checker.scopes.last("virtualhost");
        let mut urls: Vec<Url> = Vec::new();
        let mut first_host = None;
        for node in fields.all("url") {
            let fields = Fields::inside(node);
            let host = fields.last("virtualhost").or(host);
            if let Some(url) = url(&fields, host, &target) {
                if urls.is_empty() {
                    first_host = host;
                }
                #[cfg(feature = "regex")]
                let pattern = self.pattern(&fields);
                // The checker has reported `regex`.
                #[cfg(not(feature = "regex"))]
                let pattern = None;
                urls.push(Url { pattern, ..url });
            }
        }
        if urls.is_empty() {
            self.report_no_url(checker);
            return None;
        }
        let sni = match scheme {
            Scheme::Https => self.server_name(checker, first_host),
            Scheme::Http => None,
        };
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
                sni,
                fast_recovery: fields.boolean("fast_recovery").unwrap_or(false),
            }),
        ))
    }

    /// The name or address that the certificate must be valid for: `sni_name`, else `host`, the
    /// `virtualhost` of the first page. As in keepalived, `sni_name` implies `enable_sni`.
    fn server_name(&mut self, checker: &Checker<'_>, host: Option<&Node>) -> Option<String> {
        let fields = checker.fields;
        let own = fields.last("sni_name");
        if !fields.boolean("enable_sni").unwrap_or(own.is_some()) {
            return None;
        }
        let node = own.or(host)?;
        let name = without_port(first(node).unwrap_or_default());
        if is_server_name(name) {
            return Some(name.to_owned());
        }
        let help = "write a host name, international ones in ASCII (`xn--…`), or an address";
        if checker.server.shared.verify_certificates {
            let message =
                format!("a certificate cannot be verified for `{name}`; the check always fails");
            self.error(node.span(), message, help);
            return Some(name.to_owned());
        }
        let message = format!("`{name}` is not a host name; no server name is sent");
        self.diags
            .report_with_help(Severity::Unsupported, node.span(), message, help);
        None
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
fn url(fields: &Fields<'_>, host: Option<&Node>, target: &Target) -> Option<Url> {
    let statuses = fields.last("status_code");
    let ranges = statuses.iter().flat_map(|node| &node.args);
    let mut statuses: Vec<(u16, u16)> =
        ranges.filter_map(|word| status_range(&word.text)).collect();
    if statuses.is_empty() {
        statuses.push((200, 299));
    }
    let host = host.and_then(first);
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

/// Whether a certificate can be verified for this name.
#[cfg(feature = "tls")]
fn is_server_name(name: &str) -> bool {
    rustls::pki_types::ServerName::try_from(name).is_ok()
}

/// A build without TLS sends no name.
#[cfg(not(feature = "tls"))]
fn is_server_name(_: &str) -> bool {
    true
}
