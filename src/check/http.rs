//! `HTTP_GET`: retrieves pages, one after another, each on a connection of its own; all must be as
//! expected.
//!
//! ```text
//! Connected → GET /path HTTP/1.0 … → status and page → as expected? ─┬─→ the next page: Reconnect
//!                                                                    └─→ Done
//! ```
//! All pages belong to one run, where keepalived waits `delay_loop` between them unless
//! `fast_recovery` is set; here `fast_recovery` has no effect. A wrong status fails the check as
//! soon as the header is complete. Redirects are not followed; the log shows their target. Without
//! `digest` the first 64 KiB of a page are enough; with it, a page may have 16 MiB.
//!
//! Stricter than keepalived: a truncated page fails the check even without `digest`, and chunked
//! encoding is removed before hashing, because the server chooses the chunk sizes.
//!
//! The exchange for a page with a `regex` is costly ([`CheckMachine::is_costly`]), because the server
//! decides how long a search takes.

use core::time::Duration;

use super::http_reply::{End, Reply, printable};
use super::{CheckMachine, SocketEvent, Step, no_answer, pattern};
use crate::config::model::lvs::{Http, HttpProtocol, Target, Url};

/// The check of one web server.
#[derive(Clone, Debug)]
pub struct HttpCheck {
    http: Http,
    timeout: Duration,
    /// Index of the current page.
    page: usize,
    connected: bool,
    /// Pages are hashed even without a `digest` to compare.
    hash_all: bool,
    reply: Reply,
}

/// A retrieved page, as `genhash` prints it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct ResponseSummary {
    /// HTTP status.
    pub status: u16,
    /// Length of the page in bytes.
    pub length: u64,
    /// MD5 of the page.
    pub digest: [u8; 16],
}

impl HttpCheck {
    /// `http` has at least one page.
    #[must_use]
    pub fn new(target: &Target, http: &Http) -> Self {
        HttpCheck {
            http: http.clone(),
            timeout: target.connect_timeout,
            page: 0,
            connected: false,
            hash_all: false,
            reply: Reply::new(),
        }
    }

    /// The same, hashing every page, for [`CheckMachine::take_summary`].
    #[must_use]
    pub fn hashing(mut self) -> Self {
        self.hash_all = true;
        self
    }

    /// Judges what has been received so far. A wrong status ends the run without waiting for the
    /// page.
    fn judge(&mut self, end: End) -> Step {
        let Some(url) = self.http.urls.get(self.page) else {
            return Step::Done(Ok(()));
        };
        if let Some(status) = self.reply.status()
            && !is_in(status, &url.statuses)
        {
            let why = wrong_status(status, self.reply.location(), &url.statuses);
            return self.fail(&why);
        }
        match end {
            None => return Step::Wait(self.timeout),
            Some(Err(why)) => return self.fail(&why),
            Some(Ok(())) => {}
        }
        if let Some(expected) = url.digest
            && let Some(digest) = self.reply.digest()
            && digest != expected
        {
            let (digest, expected) = (hex(&digest), hex(&expected));
            return self.fail(&format!("body has MD5 {digest}, expected {expected}"));
        }
        if let Some(pattern) = &url.pattern
            && let Err(why) = pattern::verdict(pattern, self.reply.searched())
        {
            return self.fail(&why);
        }
        self.next_page()
    }

    /// The current page is as expected.
    fn next_page(&mut self) -> Step {
        self.page = self.page.saturating_add(1);
        self.connected = false;
        if self.page < self.http.urls.len() {
            return Step::Reconnect;
        }
        Step::Done(Ok(()))
    }

    /// Ends the run with a reason, preceded by the path of the page.
    pub(super) fn fail(&self, why: &str) -> Step {
        let path = self.http.urls.get(self.page).map_or("", |url| &url.path);
        let path = printable(path.as_bytes());
        Step::Done(Err(format!("{path}: {why}")))
    }
}

impl CheckMachine for HttpCheck {
    fn start(&mut self) {
        self.page = 0;
        self.connected = false;
    }

    fn handle(&mut self, event: SocketEvent<&[u8]>, out: &mut Vec<u8>) -> Step {
        let Some(url) = self.http.urls.get(self.page) else {
            return Step::Done(Ok(()));
        };
        match event {
            SocketEvent::Connected => {
                self.connected = true;
                let hash = self.hash_all || url.digest.is_some();
                self.reply.start(hash, url.pattern.is_some());
                request(url, self.http.protocol, out);
                Step::Wait(self.timeout)
            }
            SocketEvent::Received(bytes) => {
                let end = self.reply.take(bytes);
                self.judge(end)
            }
            SocketEvent::Closed => {
                let end = self.reply.end();
                self.judge(Some(end))
            }
            SocketEvent::Failed(_) if !self.connected => Step::Done(Err(String::new())),
            SocketEvent::Failed(_) => self.fail("connection lost"),
            SocketEvent::TimedOut if !self.connected => Step::Done(Err(no_answer(self.timeout))),
            SocketEvent::TimedOut => {
                let missing = self.reply.missing();
                self.fail(&format!("timed out waiting for {missing}"))
            }
        }
    }

    fn is_costly(&self) -> bool {
        let page = self.http.urls.get(self.page);
        page.is_some_and(|url| url.pattern.is_some())
    }

    fn connection_passed(&mut self) -> Step {
        self.next_page()
    }

    fn take_summary(&mut self) -> Option<ResponseSummary> {
        Some(ResponseSummary {
            status: self.reply.status()?,
            length: self.reply.page_length(),
            digest: self.reply.digest()?,
        })
    }
}

/// Appends keepalived's request, header order included.
fn request(url: &Url, protocol: HttpProtocol, out: &mut Vec<u8>) {
    let (version, close) = match protocol {
        HttpProtocol::V1_0 => ("1.0", ""),
        HttpProtocol::V1_0Close => ("1.0", "Connection: close\r\n"),
        HttpProtocol::V1_1 => ("1.1", "Connection: close\r\n"),
    };
    for part in [
        "GET ",
        &url.path,
        " HTTP/",
        version,
        "\r\nUser-Agent: KeepAliveClient\r\n",
        close,
        "Host: ",
        &url.host,
        "\r\n\r\n",
    ] {
        out.extend_from_slice(part.as_bytes());
    }
}

fn is_in(status: u16, ranges: &[(u16, u16)]) -> bool {
    let inside = |(from, to): &(u16, u16)| (*from..=*to).contains(&status);
    ranges.iter().any(inside)
}

fn wrong_status(status: u16, location: &[u8], ranges: &[(u16, u16)]) -> String {
    let mut text = format!("status {status}");
    if !location.is_empty() {
        text.push_str(" (redirect to ");
        text.push_str(&printable(location));
        text.push(')');
    }
    let mut separator = ", expected ";
    for (from, to) in ranges {
        text.push_str(separator);
        text.push_str(&from.to_string());
        if to != from {
            text.push('-');
            text.push_str(&to.to_string());
        }
        separator = ", ";
    }
    text
}

/// A digest in lower-case hexadecimal.
#[must_use]
pub fn hex(digest: &[u8; 16]) -> String {
    let mut text = String::with_capacity(32);
    for byte in digest {
        for digit in [byte >> 4, byte & 15] {
            text.push(char::from_digit(u32::from(digit), 16).unwrap_or('0'));
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check::testing::target;

    const DIGEST: &str = "5d41402abc4b2a76b9719d911017c592"; // of "hello"

    fn url(path: &str, digest: bool) -> Url {
        let digest = digest.then(|| u128::from_str_radix(DIGEST, 16).unwrap().to_be_bytes());
        Url {
            path: path.into(),
            digest,
            statuses: vec![(200, 299), (304, 304)],
            pattern: None,
            host: "192.0.2.1:80".into(),
        }
    }

    fn pages(urls: Vec<Url>, protocol: HttpProtocol) -> HttpCheck {
        let http = Http {
            urls,
            protocol,
            ..Http::default()
        };
        HttpCheck::new(&target("192.0.2.1:80"), &http)
    }

    /// One page, one response in pieces of `size` bytes, then the end of the connection.
    fn check(page: Url, answer: &[u8], size: usize) -> Result<(), String> {
        let mut pages = pages(vec![page], HttpProtocol::V1_1);
        let mut out = Vec::new();
        pages.start();
        assert_eq!(
            pages.handle(SocketEvent::Connected, &mut out),
            Step::Wait(target("192.0.2.1:80").connect_timeout)
        );
        for piece in answer.chunks(size) {
            match pages.handle(SocketEvent::Received(piece), &mut out) {
                Step::Wait(_) => {}
                Step::Done(end) => return end,
                Step::Reconnect => panic!("there is one page"),
            }
        }
        match pages.handle(SocketEvent::Closed, &mut out) {
            Step::Done(end) => end,
            step @ (Step::Wait(_) | Step::Reconnect) => panic!("{step:?}"),
        }
    }

    /// The same, whatever the pieces.
    fn always(page: &Url, answer: &[u8]) -> Result<(), String> {
        let whole = check(page.clone(), answer, usize::MAX);
        for size in [1, 2, 3, 7, 100, 1000] {
            if answer.len() < 100_000 || size > 100 {
                assert_eq!(check(page.clone(), answer, size), whole, "pieces of {size}");
            }
        }
        whole
    }

    #[test]
    fn requests_are_those_of_keepalived() {
        for (protocol, want) in [
            (
                HttpProtocol::V1_0,
                "GET /a?b HTTP/1.0\r\nUser-Agent: KeepAliveClient\r\nHost: 192.0.2.1:80\r\n\r\n",
            ),
            (
                HttpProtocol::V1_0Close,
                "GET /a?b HTTP/1.0\r\nUser-Agent: KeepAliveClient\r\nConnection: close\r\nHost: 192.0.2.1:80\r\n\r\n",
            ),
            (
                HttpProtocol::V1_1,
                "GET /a?b HTTP/1.1\r\nUser-Agent: KeepAliveClient\r\nConnection: close\r\nHost: 192.0.2.1:80\r\n\r\n",
            ),
        ] {
            let mut pages = pages(vec![url("/a?b", false)], protocol);
            let mut out = Vec::new();
            pages.start();
            let _ = pages.handle(SocketEvent::Connected, &mut out);
            assert_eq!(String::from_utf8(out).unwrap(), want);
        }
    }

    #[test]
    fn good_responses_in_every_framing() {
        let long = format!(
            "HTTP/1.1 200 OK\r\nX: {}\r\nContent-Length: 5\r\n\r\nhello",
            "x".repeat(9000)
        );
        for (name, answer) in [
            (
                "length",
                "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello",
            ),
            (
                "more than the length",
                "HTTP/1.1 200 OK\r\ncontent-length:5\r\n\r\nhello world",
            ),
            (
                "twice the same",
                "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 5\r\n\r\nhello",
            ),
            ("to the end", "HTTP/1.0 200 OK\r\nServer: x\r\n\r\nhello"),
            ("no reason", "HTTP/1.0 200\r\n\r\nhello"),
            (
                "plain newlines",
                "HTTP/1.0 203 OK\nContent-Length : 5\n\nhello",
            ),
            (
                "chunks",
                "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhe\r\n03;x=y\r\nllo\r\n0\r\n\r\n",
            ),
            (
                "trailers",
                "HTTP/1.1 200 OK\r\nTransfer-Encoding: x, Chunked\r\n\r\n5\r\nhello\r\n0\r\nA: b\r\n\r\nrest",
            ),
            (
                "both",
                "HTTP/1.1 200 OK\r\nContent-Length: 99\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
            ),
            (
                "interim",
                "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Hints\r\nLink: x\r\nContent-Length: 7\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello",
            ),
            (
                "odd lines",
                "HTTP/1.1 200 OK\r\nno colon\r\n folded\r\n: empty\r\nContent-Length: 5\r\n\r\nhello",
            ),
            ("long line", &long),
        ] {
            assert_eq!(always(&url("/", true), answer.as_bytes()), Ok(()), "{name}");
            assert_eq!(
                always(&url("/", false), answer.as_bytes()),
                Ok(()),
                "{name}"
            );
        }
        for answer in [
            "HTTP/1.1 204 No Content\r\n\r\n",
            "HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\n\r\n",
            "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n",
            "HTTP/1.1 200 OK\r\n\r\n",
        ] {
            assert_eq!(always(&url("/", false), answer.as_bytes()), Ok(()));
        }
    }

    #[test]
    fn failures_say_what_is_wrong_with_the_response() {
        let flood = format!("HTTP/1.1 200 OK\r\n{}", "X: y\r\n".repeat(10_000));
        let line = format!("HTTP/1.1 200 OK\r\nX: {}", "y".repeat(100_000));
        let interim = "HTTP/1.1 100 Continue\r\n\r\n".repeat(10_000);
        let garbage = "x".repeat(100_000);
        let sizes = format!("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n{garbage}");
        for (answer, want) in [
            ("", "connection closed without a response"),
            ("HTTP/1.1 200 O", "not an HTTP response: `HTTP/1.1 200 O`"),
            (
                "HTTP/1.1 200 OK\r\nA: b\r\n",
                "connection closed before the end of the header",
            ),
            (
                "HTTP/1.1 500 Oops\r\n\r\n",
                "status 500, expected 200-299, 304",
            ),
            (
                "HTTP/1.1 302 Found\r\nLocation: https://z.org/\x07\r\nContent-Length: 9\r\n\r\nno",
                "status 302 (redirect to https://z.org/?), expected 200-299, 304",
            ),
            (
                "HTTP/1.1 503 Busy\r\nTransfer-Encoding: chunked\r\n\r\nbroken\r\n",
                "status 503, expected 200-299, 304",
            ),
            (
                "SSH-2.0-OpenSSH_9.2\r\n",
                "not an HTTP response: `SSH-2.0-OpenSSH_9.2`",
            ),
            (
                "\x15\x03\x01\x00\x02\x02\n",
                "not an HTTP response: `??????`",
            ),
            ("HTTP/1.1\r\n\r\n", "not an HTTP response: `HTTP/1.1`"),
            (
                "HTTP/1.1 2000 OK\r\n\r\n",
                "not an HTTP response: `HTTP/1.1 2000 OK`",
            ),
            (
                "HTTP/1.1 +20 OK\r\n\r\n",
                "not an HTTP response: `HTTP/1.1 +20 OK`",
            ),
            ("\r\nHTTP/1.1 200 OK\r\n\r\n", "not an HTTP response: ``"),
            (
                "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nhello",
                "invalid Content-Length `6`",
            ),
            (
                "HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n",
                "invalid Content-Length `-1`",
            ),
            (
                "HTTP/1.1 200 OK\r\nContent-Length: 18446744073709551616\r\n\r\n",
                "invalid Content-Length `18446744073709551616`",
            ),
            (
                "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhello",
                "body ended after 5 of 100 bytes",
            ),
            (
                "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhel",
                "connection closed before the last chunk of the body",
            ),
            (
                "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nhello\r\n",
                "invalid chunked encoding: `hello` instead of a chunk size",
            ),
            (
                "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhello\r\n",
                "invalid chunked encoding: `llo` instead of an empty line",
            ),
            (
                "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n11111111111111111\r\nhello\r\n",
                "invalid chunked encoding: `11111111111111111` instead of a chunk size",
            ),
            (&flood, "endless header"),
            (&line, "endless header"),
            (&interim, "endless header"),
            (&garbage, "endless header"),
            (&sizes, "endless header"),
        ] {
            let got = always(&url("/x", false), answer.as_bytes());
            assert_eq!(got, Err(format!("/x: {want}")));
        }
    }

    #[test]
    fn a_wrong_digest_is_shown_with_the_expected_one() {
        let got = always(&url("/x", true), b"HTTP/1.0 200 OK\r\n\r\nworld");
        let want = "/x: body has MD5 7d793037a0760186574b0282f2f435e7, \
                    expected 5d41402abc4b2a76b9719d911017c592";
        assert_eq!(got, Err(want.to_owned()));
    }

    #[test]
    fn an_endless_page_passes_without_a_digest_and_fails_with_one() {
        let mut answer = b"HTTP/1.0 200 OK\r\n\r\n".to_vec();
        answer.resize(17 << 20, b'x');
        assert_eq!(always(&url("/", false), &answer), Ok(()));
        let why = "/: body exceeds 16 MiB, too large to hash".to_owned();
        assert_eq!(always(&url("/", true), &answer), Err(why));
    }

    #[test]
    fn every_page_has_its_own_connection_and_the_first_wrong_one_ends_the_run() {
        let urls = ["/a", "/b", "/c"].map(|path| url(path, false));
        let mut pages = pages(urls.to_vec(), HttpProtocol::V1_0);
        let good = SocketEvent::Received(&b"HTTP/1.0 200 OK\r\nContent-Length: 0\r\n\r\n"[..]);
        let wait = Step::Wait(target("192.0.2.1:80").connect_timeout);
        let mut out = Vec::new();
        for _ in 0..3 {
            pages.start();
            for (path, end) in [
                ("/a", Step::Reconnect),
                ("/b", Step::Reconnect),
                ("/c", Step::Done(Ok(()))),
            ] {
                out.clear();
                assert_eq!(pages.handle(SocketEvent::Connected, &mut out), wait);
                assert!(out.starts_with(format!("GET {path} ").as_bytes()));
                assert_eq!(pages.handle(good, &mut out), end);
            }
            pages.start();
            assert_eq!(pages.handle(SocketEvent::Connected, &mut out), wait);
            assert_eq!(pages.handle(good, &mut out), Step::Reconnect);
            let why = "no answer within 5000 ms".to_owned();
            assert_eq!(
                pages.handle(SocketEvent::TimedOut, &mut out),
                Step::Done(Err(why))
            );
        }
    }

    #[test]
    fn timeouts_say_what_is_missing() {
        let mut pages = pages(vec![url("/", true)], HttpProtocol::V1_0);
        for (received, want) in [
            ("", "/: timed out waiting for a response"),
            (
                "HTTP/1.0 200",
                "/: timed out waiting for the end of the header",
            ),
            (
                "HTTP/1.0 200 OK\r\n\r\nhel",
                "/: timed out waiting for the end of the body",
            ),
            (
                "HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n9\r\nhel",
                "/: timed out waiting for the last chunk of the body",
            ),
        ] {
            let mut out = Vec::new();
            pages.start();
            let _ = pages.handle(SocketEvent::Connected, &mut out);
            let _ = pages.handle(SocketEvent::Received(received.as_bytes()), &mut out);
            let end = Step::Done(Err(want.to_owned()));
            assert_eq!(pages.handle(SocketEvent::TimedOut, &mut out), end);
        }
    }
}
