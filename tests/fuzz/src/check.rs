//! Replies to health checks.

use std::sync::LazyLock;

use vrrpd::check::dns::DnsCheck;
use vrrpd::check::http::HttpCheck;
use vrrpd::check::smtp::SmtpCheck;
use vrrpd::check::{CheckMachine, NetworkCheckBuilder, SocketEvent, Step};
use vrrpd::config::model::lvs::{CheckKind, Http, HttpProtocol, Pattern, Ssl, Target, Udp, Url};

use super::Reach;
use super::config::host::FakeHost;

pub(super) fn target() -> Target {
    Target {
        remote: ([192, 0, 2, 1], 80).into(),
        connect_timeout: core::time::Duration::from_secs(1),
        ..Target::default()
    }
}

/// The bytes sent, and the result of the check if it has finished.
type RunResult = (Vec<u8>, Option<Result<(), String>>);

/// Runs a check whose peer sends `data` in pieces and then closes the connection.
fn run_check<'a>(
    mut handle: impl FnMut(SocketEvent<&[u8]>, &mut Vec<u8>) -> Step,
    pieces: impl Iterator<Item = &'a [u8]>,
    last: SocketEvent<&[u8]>,
) -> RunResult {
    let mut out = Vec::new();
    let mut step = handle(SocketEvent::Connected, &mut out);
    let mut pieces = pieces.fuse();
    loop {
        match step {
            Step::Wait(_) => {}
            Step::Reconnect => return (out, None),
            Step::Done(end) => {
                if let Err(error) = &end {
                    let fit = error.bytes().all(|byte| (b' '..=b'~').contains(&byte));
                    assert!(fit && error.len() < 400, "{error}");
                }
                return (out, Some(end));
            }
        }
        assert!(out.len() < 1000, "the request does not end");
        step = match pieces.next() {
            Some(piece) => handle(SocketEvent::Received(piece), &mut out),
            None => handle(last, &mut out),
        };
    }
}

/// Patterns as a configuration has them; `None` for 0 and in a build without patterns.
fn pattern(choice: u8) -> Option<Pattern> {
    static PATTERNS: LazyLock<Vec<Pattern>> = LazyLock::new(|| {
        let regexes = [
            "[a-z]{0,20}y",
            "^<h1>.* up</h1>$",
            "(?i)UP|^$",
            "\\w+\\s{1,3}\\d",
            ".{3}$",
        ];
        let url = |regex| format!("url {{\npath /\nregex \"{regex}\"\nregex_min_offset 1\n}}\n");
        let urls: String = regexes.iter().map(url).collect();
        let text = format!(
            "virtual_server 192.0.2.1 80 {{\nprotocol TCP\nlb_algo rr\nlb_kind NAT\nreal_server 192.0.2.2 80 {{\n\
             HTTP_GET {{\n{urls}}}\n}}\n}}\n"
        );
        let host = FakeHost {
            text: &text,
            complete: true,
        };
        let loaded = vrrpd::config::load("patterns.conf", &host);
        let services = loaded.config.lvs.virtual_servers.iter();
        let servers = services.flat_map(|service| &service.real_servers);
        let checks = servers.flat_map(|server| &server.checks);
        let pages = checks.filter_map(|check| match &check.kind {
            CheckKind::Http(_, http) => Some(&http.urls),
            CheckKind::Tcp(_)
            | CheckKind::Smtp { .. }
            | CheckKind::Dns { .. }
            | CheckKind::Udp(..)
            | CheckKind::Ping(_)
            | CheckKind::Misc { .. }
            | CheckKind::File { .. } => None,
        });
        let urls = pages.flatten().cloned();
        let patterns: Vec<Pattern> = urls.filter_map(|url| url.pattern).collect();
        assert_eq!(
            patterns.len(),
            regexes.len() * usize::from(cfg!(feature = "regex"))
        );
        patterns
    });
    PATTERNS
        .get(usize::from(choice & 7).checked_sub(1)?)
        .cloned()
}

/// HTTP replies: every run ends, error texts are printable, and segmentation does not matter.
pub(crate) fn http_reply(data: &[u8]) -> Reach {
    let (choice, answer) = data.split_first().unwrap_or((&0, &[]));
    let url = Url {
        pattern: pattern(choice >> 3),
        path: "/".into(),
        digest: (choice & 1 != 0).then_some([0; 16]),
        statuses: vec![(200, 299), (404, 404)],
        host: "z.org".into(),
    };
    let http = Http {
        urls: vec![url; usize::from(choice >> 1 & 1) + 1],
        protocol: HttpProtocol::V1_1,
        ..Http::default()
    };
    let last = if choice & 4 != 0 {
        SocketEvent::Closed
    } else {
        SocketEvent::TimedOut
    };
    let run = |size: usize| {
        let mut check = HttpCheck::new(&target(), &http).hashing();
        check.start();
        let ending = run_check(
            |event, out| check.handle(event, out),
            answer.chunks(size),
            last,
        );
        if let Some(Ok(())) = ending.1 {
            let seen = check.take_summary().expect("it has seen a page");
            assert!(seen.length <= answer.len() as u64);
            assert!(matches!(seen.status, 200..300 | 404));
        }
        ending
    };
    let unsegmented = run(answer.len().max(1));
    assert_eq!(run(1), unsegmented);
    // A second request, or a verdict on a page.
    let second = unsegmented
        .0
        .windows(4)
        .filter(|end| end == b"\r\n\r\n")
        .count()
        > 1;
    Reach::accepted_if(second || unsegmented.1 == Some(Ok(())))
}

/// SMTP replies to `SMTP_CHECK`.
pub(crate) fn smtp_check(data: &[u8]) -> Reach {
    let run = |size: usize| {
        let mut smtp = SmtpCheck::new(target().connect_timeout, "r1");
        smtp.start();
        run_check(
            |event, out| smtp.handle(event, out),
            data.chunks(size),
            SocketEvent::Closed,
        )
    };
    let unsegmented = run(data.len().max(1));
    assert!(unsegmented.1.is_some());
    assert_eq!(run(1), unsegmented);
    assert_eq!(run(5), unsegmented);
    Reach::accepted_if(!unsegmented.0.is_empty())
}

/// DNS replies. The first byte decides whether they have the id of the query.
pub(crate) fn dns_reply(data: &[u8]) -> Reach {
    let (choice, answer) = data.split_first().unwrap_or((&0, &[]));
    let mut question = DnsCheck::new(target().connect_timeout, 6, "example.org");
    question.start();
    let mut out = Vec::new();
    let mut step = question.handle(SocketEvent::Connected, &mut out);
    let mut datagram = answer.to_vec();
    if let (Some(query_id), Some(id)) = (datagram.get_mut(..2), out.get(..2))
        && choice & 1 == 0
    {
        query_id.copy_from_slice(id);
    }
    let mut tries = 0;
    while let Step::Wait(_) = step {
        step = question.handle(SocketEvent::Received(&datagram), &mut out);
        tries += 1;
        assert!(tries < 20, "it waits for ever");
    }
    if step == Step::Done(Ok(())) {
        assert!(datagram.len() >= 4 && datagram[2] & 0x80 != 0 && datagram[3] & 15 == 0);
    }
    // The query was sent once more where it waited until the limit.
    Reach::accepted_if(tries == 1)
}

/// Datagrams for `UDP_CHECK` and `PING_CHECK`. The first bytes choose the check and what it
/// expects.
pub(crate) fn datagram_check(data: &[u8]) -> Reach {
    let (choice, rest) = data.split_first().unwrap_or((&0, &[]));
    let (expected, reply) = rest.split_at(rest.len().min(usize::from(choice >> 4)));
    let udp = Udp {
        payload: b"hello".to_vec(),
        require_reply: choice & 2 != 0,
        reply: expected.iter().map(|byte| (*byte, !choice)).collect(),
        min_length: u16::from(choice >> 2 & 3),
        max_length: 600,
    };
    let is_ping = choice & 1 != 0;
    let kind = match is_ping {
        true => CheckKind::Ping(target()),
        false => CheckKind::Udp(target(), Box::new(udp.clone())),
    };
    let ssl = Ssl::default();
    let mut check = NetworkCheckBuilder::new(&ssl)
        .build(&kind)
        .expect("a check");
    check.start();
    let (_, end) = run_check(
        |event, out| check.handle(event, out),
        [reply].into_iter(),
        SocketEvent::TimedOut,
    );
    let passed = end == Some(Ok(()));
    if passed && !is_ping && udp.require_reply {
        assert!(reply.len() >= usize::from(udp.min_length) && reply.len() <= 600);
        let mut pairs = reply.iter().zip(expected);
        assert!(pairs.all(|(found, want)| (found ^ want) & !choice == 0));
    }
    if passed && is_ping {
        assert_eq!((reply[0], reply[1]), (0, 0));
    }
    Reach::accepted_if(passed)
}
