//! Health checks of real servers.

use super::row::{Arg, Keyword, Options, Schema, row};
use super::{Feature, Reason};

/// `SSL { … }`.
pub(super) static SSL: Schema = Schema {
    name: "SSL",
    tables: &[SSL_ROWS],
};

macro_rules! schemas {
    ($($ident:ident $name:literal [$($table:ident),*];)*) => {
        $(
            #[doc = concat!("`", $name, " { … }`.")]
            pub(super) static $ident: Schema = Schema { name: $name, tables: &[$($table),*] };
        )*
    };
}

schemas! {
    TCP_CHECK "TCP_CHECK" [CONNECT, RETRY, RETRY_ALIAS];
    HTTP_GET "HTTP_GET" [HTTP_ROWS, CONNECT, RETRY, RETRY_ALIAS];
    SSL_GET "SSL_GET" [HTTP_ROWS, CONNECT, RETRY, RETRY_ALIAS];
    URL "url" [URL_ROWS];
    SMTP_CHECK "SMTP_CHECK" [SMTP_ROWS, CONNECT, RETRY, RETRY_ALIAS];
    HOST "host" [CONNECT];
    MISC_CHECK "MISC_CHECK" [MISC_ROWS, RETRY, RETRY_ALIAS];
    DNS_CHECK "DNS_CHECK" [DNS_ROWS, CONNECT, RETRY, RETRY_ALIAS];
    PING_CHECK "PING_CHECK" [CONNECT, RETRY, RETRY_ALIAS];
    UDP_CHECK "UDP_CHECK" [UDP_ROWS, CONNECT, RETRY, RETRY_ALIAS];
    FILE_CHECK "FILE_CHECK" [FILE_ROWS];
    BFD_CHECK "BFD_CHECK" [BFD_ROWS];
}

const SECONDS: Arg = Arg::Secs(0, u32::MAX);
/// Seconds that must pass.
const SPAN: Arg = Arg::Secs(1, u32::MAX);
const COUNT: Arg = Arg::Count;

/// The checks a real server may have, each any number of times.
#[rustfmt::skip]
pub(super) static CHECKERS: &[Keyword] = &[
    row!("TCP_CHECK", [], S, "", "can connect").block(&TCP_CHECK).repeat(),
    row!("HTTP_GET", [], S, "", "pages have the right status and digest").block(&HTTP_GET).repeat(),
    row!("SSL_GET", [], S, "", "the same over TLS").block(&SSL_GET).repeat(),
    row!("SMTP_CHECK", [], S, "", "a mail server answers").block(&SMTP_CHECK).repeat(),
    row!("MISC_CHECK", [], S, "", "a command succeeds").block(&MISC_CHECK).repeat(),
    row!("DNS_CHECK", [], A, "", "a name server answers").block(&DNS_CHECK).repeat(),
    row!("PING_CHECK", [], A, "", "the host answers a ping").block(&PING_CHECK).repeat(),
    row!("UDP_CHECK", [], A, "", "a UDP port is not refused").block(&UDP_CHECK).repeat(),
    row!("FILE_CHECK", [], B, "", "a tracked file decides").block(&FILE_CHECK).repeat(),
    row!("BFD_CHECK", [], B, "", "a BFD session decides").block(&BFD_CHECK).repeat().unimplemented(Reason::BfdUp),
];

#[rustfmt::skip]
static SSL_ROWS: &[Keyword] = &[
    row!("password", [Arg::Str], B, "", "password of the key"),
    row!("ca", [Arg::Str], B, "", "file with certificates of authorities"),
    row!("certificate", [Arg::Str], B, "", "file with the certificate"),
    row!("key", [Arg::Str], B, "", "file with the key"),
];

#[rustfmt::skip]
static CONNECT: &[Keyword] = &[
    row!("connect_ip", [Arg::Ip], A, "", "address to connect to; the real server's without it"),
    row!("connect_port", [Arg::Port], S, "", "port to connect to; the real server's without it"),
    row!("bindto", [Arg::Ip], S, "", "address to connect from"),
    row!("bind_port", [Arg::Port], B, "", "port to connect from"),
    row!("bind_if", [Arg::If], A, "", "interface to connect by; needed for link-local addresses"),
    row!("connect_timeout", [SPAN], S, "5", "seconds to wait for a connection"),
    row!("fwmark", [COUNT], B, "0", "firewall mark of the packets"),
];

#[rustfmt::skip]
static RETRY: &[Keyword] = &[
    row!("retry", [COUNT], S, "1", "further tries before the server is down; MISC_CHECK 0, DNS_CHECK 3"),
    row!("delay_before_retry", [SECONDS], S, "1", "seconds between tries; HTTP_GET and SSL_GET 3"),
    row!("delay_loop", [SPAN], A, "", "seconds from check to check; the real server's without it"),
    row!("warmup", [SECONDS], B, "", "the first check comes within so many seconds; delay_loop without it"),
    row!("alpha", [Arg::Bool], A, "", "the server is down until the first check succeeds"),
    row!("log_all_failures", [Arg::Bool], B, "", "log every failure; checker_log_all_failures without it"),
];

#[rustfmt::skip]
static RETRY_ALIAS: &[Keyword] = &[
    row!("nb_get_retry" = "retry", [COUNT], S).old(),
];

#[rustfmt::skip]
static HTTP_ROWS: &[Keyword] = &[
    row!("url", [], S, "", "a page to get").block(&URL).repeat(),
    row!("virtualhost", [Arg::Str], S, "", "Host of the requests"),
    row!("http_protocol", [Arg::Choice(&"1.0 1.0C 1.0c 1.1")], A, "1.0", "HTTP version: 1.0, 1.0C (with Connection: close) or 1.1"),
    row!("enable_sni", [Arg::Bool], A, "off", "name the server in the TLS handshake"),
    row!("sni_name", [Arg::Str], A, "", "that name; virtualhost without it"),
    row!("fast_recovery", [Arg::Bool], B, "off", "one good page is enough to come up"),
];

#[rustfmt::skip]
static URL_ROWS: &[Keyword] = &[
    row!("path", [Arg::Str], S, "/", "path of the page"),
    row!("digest", [Arg::Digest], S, "", "MD5 of the page in 32 hexadecimal digits"),
    row!("status_code", [Arg::Many(&Arg::Status)], S, "200-299", "good statuses: numbers and ranges, 100-599"),
    row!("virtualhost", [Arg::Str], A, "", "Host of this request"),
    row!("tls_compliant", [], C, "", "insist on a proper end of the TLS session").no_effect(Reason::AnyEnd),
    row!("regex", [Arg::Cmd], B, "", "pattern that the page must match, as PCRE2 reads it; in quotes, with `\\\\` for a backslash").requires(Feature::Regex),
    row!("regex_no_match", [], B, "", "the page must not match").requires(Feature::Regex),
    row!("regex_options", [Arg::Many(&Arg::Str)], B, "", "how the pattern is read: caseless, dotall, multiline, dollar_endonly").requires(Feature::Regex),
    row!("regex_min_offset", [COUNT], B, "0", "where a match may begin at the earliest, in bytes").requires(Feature::Regex),
    row!("regex_max_offset", [COUNT], B, "", "where a match may begin at the latest").requires(Feature::Regex),
    row!("regex_stack", [COUNT, COUNT], C, "", "memory of the matcher: first, most").no_effect(Reason::NoStack),
];

#[rustfmt::skip]
static SMTP_ROWS: &[Keyword] = &[
    row!("helo_name", [Arg::Str], S, "", "name given in HELO; smtp_helo_name without it"),
    row!("host", [], S, "", "a further server to check").block(&HOST).repeat(),
];

#[rustfmt::skip]
static MISC_ROWS: &[Keyword] = &[
    row!("misc_path", [Arg::Cmd], S, "", "the command; required"),
    row!("misc_timeout", [SECONDS], S, "", "seconds it may take; delay_loop without it"),
    row!("misc_dynamic", [], S, "", "exit status 2-255 sets the weight to status - 2"),
    row!("user", [Arg::User], A, "", "who runs it: user [group]; script_user without it"),
];

#[rustfmt::skip]
static DNS_ROWS: &[Keyword] = &[
    row!("type", [Arg::AnyCase(&"A NS CNAME SOA MX TXT AAAA RRSIG DNSKEY")], A, "SOA", "type of the question"),
    row!("name", [Arg::Str], A, ".", "name asked for"),
];

#[rustfmt::skip]
static UDP_ROWS: &[Keyword] = &[
    row!("payload", [Arg::Many(&Arg::Hex)], A, "", "bytes to send, hexadecimal"),
    row!("require_reply", [Arg::Opt(&Arg::Many(&Arg::Hex))], A, "", "an answer must come, and be these bytes; x stands for any digit"),
    row!("min_reply_length", [Arg::Int(0, 65_507)], A, "0", "least bytes of the answer"),
    row!("max_reply_length", [Arg::Int(0, 65_507)], A, "255", "most bytes of the answer"),
];

static FILE_WEIGHT: Options = Options {
    what: "weight",
    rows: FILE_WEIGHT_OPTIONS,
    bare: None,
    repeats: false,
};

#[rustfmt::skip]
static FILE_WEIGHT_OPTIONS: &[Keyword] = &[
    row!("reverse", [], B, "", "change the sign of the number"),
    row!("noreverse", [], B, "", "keep the sign of the number"),
];

#[rustfmt::skip]
static FILE_ROWS: &[Keyword] = &[
    row!("track_file", [Arg::Name(255)], B, "", "name of the track_file; required"),
    row!("weight", [Arg::Int(-2_147_483_647, i32::MAX), Arg::Options(&FILE_WEIGHT)], B, "", "factor of the number; 0: down unless the number is 0"),
];

#[rustfmt::skip]
static BFD_ROWS: &[Keyword] = &[
    row!("name", [Arg::Name(31)], B, "", "name of the bfd_instance; required"),
    row!("alpha", [Arg::Bool], B, "off", "the server is down until the session is up"),
];
