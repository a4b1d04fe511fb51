//! Health checks of real servers.

use super::row::{Arg, Keyword, LONGEST, MANY, Options, SHORTEST, Schema, row};
use super::{Feature, Reason};

/// `SSL { … }`.
pub(super) static SSL: Schema = Schema::of_feature(Feature::Lvs, "SSL", &[SSL_ROWS]);

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

/// Interval between checks.
const INTERVAL: Arg = Arg::Span(SHORTEST, LONGEST);
/// Time limit of a step.
const LIMIT: Arg = Arg::Span(10, 3_600_000);
const COUNT: Arg = Arg::Count;

/// The checks a real server may have, each any number of times.
#[rustfmt::skip]
pub(super) static CHECKERS: &[Keyword] = &[
    row!("TCP_CHECK", [], S, "", "Check that a TCP connection can be established").block(&TCP_CHECK).repeat(),
    row!("HTTP_GET", [], S, "", "Check status code, digest and content of HTTP pages").block(&HTTP_GET).repeat(),
    row!("SSL_GET", [], S, "", "Check status code, digest and content of pages over TLS").block(&SSL_GET).repeat(),
    row!("SMTP_CHECK", [], S, "", "Check that an SMTP server answers HELO").block(&SMTP_CHECK).repeat(),
    row!("MISC_CHECK", [], S, "", "Check that a command exits with status 0").block(&MISC_CHECK).repeat(),
    row!("DNS_CHECK", [], A, "", "Check that a DNS server answers a query").block(&DNS_CHECK).repeat(),
    row!("PING_CHECK", [], A, "", "Check that the host answers an ICMP echo request").block(&PING_CHECK).repeat(),
    row!("UDP_CHECK", [], A, "", "Check that a UDP datagram is not rejected, or is answered").block(&UDP_CHECK).repeat(),
    row!("FILE_CHECK", [], B, "", "Take state and weight from a track_file").block(&FILE_CHECK).repeat(),
    row!("BFD_CHECK", [], B, "", "Take the state from a BFD session").block(&BFD_CHECK).repeat().unimplemented(Reason::BfdAssumedUp),
];

#[rustfmt::skip]
static SSL_ROWS: &[Keyword] = &[
    row!("password", [Arg::Str], B, "", "Password of the private key"),
    row!("ca", [Arg::Str], B, "", "File with the trusted CA certificates, in PEM format; without it certificates are not verified, and without a server name (enable_sni, sni_name) not for which name"),
    row!("certificate", [Arg::Str], B, "", "File with the client certificate, in PEM format"),
    row!("key", [Arg::Str], B, "", "File with the private key, in PEM format"),
];

#[rustfmt::skip]
static CONNECT: &[Keyword] = &[
    row!("connect_ip", [Arg::Ip], A, "", "Address to connect to; default: the address of the real server"),
    row!("connect_port", [Arg::Port], S, "", "Port to connect to; default: the port of the real server"),
    row!("bindto", [Arg::Ip], S, "", "Source address of the connection"),
    row!("bind_port", [Arg::Port], B, "", "Source port of the connection"),
    row!("bind_if", [Arg::If], A, "", "Interface that the connection is bound to; required for link-local addresses"),
    row!("connect_timeout", [LIMIT], S, "5", "Time in seconds to wait for a connection"),
    row!("fwmark", [COUNT], B, "0", "Firewall mark of the packets that are sent"),
];

#[rustfmt::skip]
static RETRY: &[Keyword] = &[
    row!("retry", [Arg::Most(0, MANY)], S, "1", "Number of retries before the server counts as down; default of MISC_CHECK: 0, of DNS_CHECK: 3"),
    row!("delay_before_retry", [Arg::Time(SHORTEST, LONGEST)], S, "1", "Time in seconds between retries; 0 counts as 0.1; default of HTTP_GET and SSL_GET: 3, of DNS_CHECK: delay_loop"),
    row!("delay_loop", [INTERVAL], A, "", "Interval between checks in seconds; default: delay_loop of the real server"),
    row!("warmup", [Arg::Time(1, LONGEST)], B, "", "Time in seconds within which the first check runs; default: delay_loop"),
    row!("alpha", [Arg::Bool], A, "", "Count the server as down until the first check succeeds"),
    row!("log_all_failures", [Arg::Bool], B, "", "Log every failed check; default: checker_log_all_failures"),
];

#[rustfmt::skip]
static RETRY_ALIAS: &[Keyword] = &[
    row!("nb_get_retry" = "retry", [Arg::Most(0, MANY)], S).old(),
];

#[rustfmt::skip]
static HTTP_ROWS: &[Keyword] = &[
    row!("url", [], S, "", "A page to request").block(&URL).repeat(),
    row!("virtualhost", [Arg::Str], S, "", "Value of the Host header of all requests of the check"),
    row!("http_protocol", [Arg::Choice(&"1.0 1.0C 1.0c 1.1")], A, "1.0", "HTTP version of the requests: 1.0, 1.0C (with Connection: close) or 1.1"),
    row!("enable_sni", [Arg::Bool], A, "off", "Send the server name in the TLS handshake (SNI); with `ca`, the certificate must be valid for it; default: on with sni_name"),
    row!("sni_name", [Arg::Str], A, "", "Server name of the handshake, or the address that the certificate must be valid for; default with enable_sni: virtualhost without a port"),
    row!("tls_compliant", [], C, "", "As in `url`").no_effect(Reason::TlsClose),
    row!("fast_recovery", [Arg::Bool], B, "off", "Count the server as up as soon as one page is correct"),
];

#[rustfmt::skip]
static URL_ROWS: &[Keyword] = &[
    row!("path", [Arg::Str], S, "/", "Path of the page, with query string"),
    row!("digest", [Arg::Digest], S, "", "MD5 of the page as 32 hexadecimal digits, as printed by `vrrpd genhash`"),
    row!("status_code", [Arg::Many(&Arg::Status)], S, "200-299", "Status codes that are correct: numbers and ranges, 100-599"),
    row!("virtualhost", [Arg::Str], A, "", "Value of the Host header of this request"),
    row!("tls_compliant", [], C, "", "Require that the server closes the TLS session by the protocol (close_notify)").no_effect(Reason::TlsClose),
    row!("regex", [Arg::Cmd], B, "", "Regular expression (PCRE2 syntax) that the page must match; in quotes, with `\\\\` for a backslash").requires(Feature::Regex),
    row!("regex_no_match", [], B, "", "Invert regex: the page must not match").requires(Feature::Regex),
    row!("regex_options", [Arg::Many(&Arg::Str)], B, "", "Options of regex: caseless, dotall, multiline, dollar_endonly").requires(Feature::Regex),
    row!("regex_min_offset", [COUNT], B, "0", "Minimum offset of the start of a match in the page, in bytes").requires(Feature::Regex),
    row!("regex_max_offset", [COUNT], B, "", "Maximum offset of the start of a match in the page, in bytes").requires(Feature::Regex),
    row!("regex_stack", [COUNT, COUNT], C, "", "Initial and maximum size of the stack of the PCRE2 matcher").no_effect(Reason::NoMatcherStack),
];

#[rustfmt::skip]
static SMTP_ROWS: &[Keyword] = &[
    row!("helo_name", [Arg::Str], S, "smtpchecker.keepalived.org", "Name given in HELO"),
    row!("host", [], S, "", "An additional server to check").block(&HOST).repeat(),
];

#[rustfmt::skip]
static MISC_ROWS: &[Keyword] = &[
    row!("misc_path", [Arg::Cmd], S, "", "Command to run; required"),
    row!("misc_timeout", [Arg::Time(10, LONGEST)], S, "", "Time limit of the command in seconds; default: delay_loop"),
    row!("misc_dynamic", [], S, "", "Set the weight of the server from the exit status: 2-255 sets it to status - 2"),
    row!("user", [Arg::User], A, "", "User that the command runs as: USER [GROUP]; default: script_user").partial("no supplementary groups (`:`), which is reported"),
];

#[rustfmt::skip]
static DNS_ROWS: &[Keyword] = &[
    row!("type", [Arg::AnyCase(&"A NS CNAME SOA MX TXT AAAA RRSIG DNSKEY")], A, "SOA", "Record type of the query"),
    row!("name", [Arg::Str], A, ".", "Domain name of the query"),
];

#[rustfmt::skip]
static UDP_ROWS: &[Keyword] = &[
    row!("payload", [Arg::Many(&Arg::Hex)], A, "", "Datagram to send, as hexadecimal bytes"),
    row!("require_reply", [Arg::Opt(&Arg::Many(&Arg::Hex))], A, "", "Require a reply, optionally with these hexadecimal bytes; x matches any digit"),
    row!("min_reply_length", [Arg::Int(0, 65_507)], A, "0", "Minimum length of the reply, in bytes"),
    row!("max_reply_length", [Arg::Int(0, 65_507)], A, "255", "Maximum length of the reply, in bytes"),
];

static FILE_WEIGHT: Options = Options {
    noun: "weight",
    rows: FILE_WEIGHT_OPTIONS,
    positional: None,
    repeatable: false,
};

#[rustfmt::skip]
static FILE_WEIGHT_OPTIONS: &[Keyword] = &[
    row!("reverse", [], B, "", "Invert the sign of the number"),
    row!("noreverse", [], B, "", "Do not invert the sign of the number"),
];

#[rustfmt::skip]
static FILE_ROWS: &[Keyword] = &[
    row!("track_file", [Arg::Name(255)], B, "", "Name of the track_file; required"),
    row!("dynamic", [], B, "", "Add the number to the weight of the server; always so"),
    row!("weight", [Arg::Int(-2_147_483_647, i32::MAX), Arg::Options(&FILE_WEIGHT)], B, "", "Factor by which the number is multiplied before it is added to the weight; 0: down unless the number is 0"),
];

#[rustfmt::skip]
static BFD_ROWS: &[Keyword] = &[
    row!("name", [Arg::Name(31)], B, "", "Name of the bfd_instance; required"),
    row!("alpha", [Arg::Bool], B, "off", "Count the server as down until the session is up"),
];
