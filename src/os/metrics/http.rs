//! As much of HTTP/1.1 as scrapers need: one GET or HEAD for each connection.

use std::fmt::Write;

/// Longest request, with all of its header fields.
pub(super) const MAX_REQUEST: usize = 8 * 1024;

/// A request of a client.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Wanted {
    pub(super) page: Page,
    /// HEAD: without the body.
    pub(super) head: bool,
}

/// The pages.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Page {
    /// `/metrics`
    Metrics,
    /// `/`
    Index,
}

/// Status code and reason.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Status(pub(super) u16, pub(super) &'static str);

pub(super) const OK: Status = Status(200, "OK");
pub(super) const UNAVAILABLE: Status = Status(503, "Service Unavailable");
const BAD_REQUEST: Status = Status(400, "Bad Request");
const NOT_FOUND: Status = Status(404, "Not Found");
const NOT_ALLOWED: Status = Status(405, "Method Not Allowed");
const TOO_LARGE: Status = Status(431, "Request Header Fields Too Large");

/// The type of the text format of Prometheus.
pub(super) const METRICS: &str = "text/plain; version=0.0.4; charset=utf-8";
pub(super) const PLAIN: &str = "text/plain; charset=utf-8";
pub(super) const HTML: &str = "text/html; charset=utf-8";

pub(super) const INDEX: &str = "<!DOCTYPE html>\n<html lang=\"en\"><head><title>vrrpd</title></head>\
<body><h1>vrrpd</h1><p><a href=\"/metrics\">Metrics</a></p></body></html>\n";

/// Reads a request; `None`: more bytes are needed. The first line is checked as soon as it is there;
/// header fields are not needed, and the connection is closed after the reply.
pub(super) fn parse(bytes: &[u8]) -> Option<Result<Wanted, Status>> {
    let Some(end) = bytes.iter().position(|byte| *byte == b'\n') else {
        return (bytes.len() >= MAX_REQUEST).then_some(Err(TOO_LARGE));
    };
    let (line, rest) = bytes.split_at_checked(end)?;
    let wanted = match request_line(line) {
        Ok(wanted) => wanted,
        Err(status) => return Some(Err(status)),
    };
    let is_complete = rest.windows(2).any(|two| two == b"\n\n")
        || rest.windows(4).any(|four| four == b"\r\n\r\n")
        || rest.windows(3).any(|three| three == b"\n\r\n");
    match is_complete {
        true => Some(Ok(wanted)),
        false => (bytes.len() >= MAX_REQUEST).then_some(Err(TOO_LARGE)),
    }
}

fn request_line(line: &[u8]) -> Result<Wanted, Status> {
    let line = std::str::from_utf8(line).map_err(|_| BAD_REQUEST)?;
    let mut words = line.trim_end_matches('\r').split(' ');
    let (Some(method), Some(target), Some(version), None) =
        (words.next(), words.next(), words.next(), words.next())
    else {
        return Err(BAD_REQUEST);
    };
    if !version.starts_with("HTTP/1.") || method.is_empty() {
        return Err(BAD_REQUEST);
    }
    let head = match method {
        "GET" => false,
        "HEAD" => true,
        _ => return Err(NOT_ALLOWED),
    };
    let path = target.split_once('?').map_or(target, |(path, _)| path);
    let page = match path {
        "/metrics" => Page::Metrics,
        "/" => Page::Index,
        _ => return Err(NOT_FOUND),
    };
    Ok(Wanted { page, head })
}

/// A reply that ends the connection.
pub(super) fn reply(status: Status, kind: &str, body: &[u8], head: bool) -> Vec<u8> {
    let Status(code, reason) = status;
    let mut text = format!("HTTP/1.1 {code} {reason}\r\nContent-Type: {kind}\r\n");
    let allow = if status == NOT_ALLOWED {
        "Allow: GET, HEAD\r\n"
    } else {
        ""
    };
    let length = body.len();
    // Writing to memory cannot fail.
    let _ = write!(
        text,
        "{allow}Content-Length: {length}\r\nConnection: close\r\n\r\n"
    );
    let mut bytes = text.into_bytes();
    if !head {
        bytes.extend_from_slice(body);
    }
    bytes
}

/// The reply to a request that is refused.
pub(super) fn refusal(status: Status) -> Vec<u8> {
    let Status(code, reason) = status;
    reply(
        status,
        PLAIN,
        format!("{code} {reason}\n").as_bytes(),
        false,
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests() {
        let get = |page| Some(Ok(Wanted { page, head: false }));
        for (text, want) in [
            (
                "GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n",
                get(Page::Metrics),
            ),
            ("GET /metrics?name[]=x HTTP/1.1\r\n\r\n", get(Page::Metrics)),
            ("GET / HTTP/1.0\r\n\r\n", get(Page::Index)),
            ("GET / HTTP/1.0\n\n", get(Page::Index)),
            ("GET / HTTP/1.0\nHost: x\r\n\r\n", get(Page::Index)),
            (
                "HEAD /metrics HTTP/1.1\r\n\r\n",
                Some(Ok(Wanted {
                    page: Page::Metrics,
                    head: true,
                })),
            ),
            ("", None),
            ("GET /met", None),
            ("GET /metrics HTTP/1.1\r\n", None),
            ("GET /metrics HTTP/1.1\r\nHost: x\r\n", None),
            ("POST /metrics HTTP/1.1\r\n", Some(Err(NOT_ALLOWED))),
            ("get /metrics HTTP/1.1\r\n\r\n", Some(Err(NOT_ALLOWED))),
            ("GET /etc/passwd HTTP/1.1\r\n\r\n", Some(Err(NOT_FOUND))),
            ("GET /metrics/ HTTP/1.1\r\n\r\n", Some(Err(NOT_FOUND))),
            ("GET /metrics\r\n\r\n", Some(Err(BAD_REQUEST))),
            ("GET /metrics HTTP/2\r\n\r\n", Some(Err(BAD_REQUEST))),
            ("GET  /metrics HTTP/1.1\r\n\r\n", Some(Err(BAD_REQUEST))),
            ("\r\n", Some(Err(BAD_REQUEST))),
            ("\u{16}\u{3}\u{1}\n", Some(Err(BAD_REQUEST))),
        ] {
            assert_eq!(parse(text.as_bytes()), want, "{text:?}");
        }
        assert_eq!(parse(b"\xff\xfe\n"), Some(Err(BAD_REQUEST)));
    }

    #[test]
    fn requests_are_bounded() {
        let line = vec![b'a'; MAX_REQUEST];
        assert_eq!(parse(&line), Some(Err(TOO_LARGE)));
        assert_eq!(parse(&line[1..]), None);
        let mut fields = b"GET / HTTP/1.1\r\n".to_vec();
        fields.resize(MAX_REQUEST, b'x');
        assert_eq!(parse(&fields), Some(Err(TOO_LARGE)));
    }

    #[test]
    fn replies() {
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
        assert_eq!(
            text(reply(OK, METRICS, b"up 1\n", false)),
            "HTTP/1.1 200 OK\r\nContent-Type: text/plain; version=0.0.4; charset=utf-8\r\n\
             Content-Length: 5\r\nConnection: close\r\n\r\nup 1\n"
        );
        let head = text(reply(OK, METRICS, b"up 1\n", true));
        assert!(head.contains("Content-Length: 5\r\n") && head.ends_with("\r\n\r\n"));
        let refused = text(refusal(NOT_ALLOWED));
        assert!(refused.contains("Allow: GET, HEAD\r\n"), "{refused}");
    }
}
