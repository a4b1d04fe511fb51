//! Replies to health checks.

use vrrpd::check::dns::DnsCheck;
use vrrpd::check::http::HttpCheck;
use vrrpd::check::smtp::SmtpCheck;
use vrrpd::check::{CheckMachine, SocketEvent, Step};
use vrrpd::config::model::lvs::{Http, HttpProtocol, Target, Url};

fn target() -> Target {
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

/// HTTP replies: every run ends, error texts are printable, and segmentation does not matter.
pub fn http_reply(data: &[u8]) {
    let (choice, answer) = data.split_first().unwrap_or((&0, &[]));
    let url = Url {
        pattern: None,
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
}

/// SMTP replies to `SMTP_CHECK`.
pub fn smtp_check(data: &[u8]) {
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
}

/// DNS replies. The first byte decides whether they have the id of the query.
pub fn dns_reply(data: &[u8]) {
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
}
