//! Answers to health checks.

use vrrpd::check::dns::Question;
use vrrpd::check::http::Pages;
use vrrpd::check::smtp::Mailer;
use vrrpd::check::{News, Step};
use vrrpd::config::model::lvs::{Http, HttpProtocol, Target, Url};

fn target() -> Target {
    Target {
        remote: ([192, 0, 2, 1], 80).into(),
        from: None,
        from_port: 0,
        interface: None,
        mark: 0,
        timeout: core::time::Duration::from_secs(1),
    }
}

/// What was said, and how the run ended: with a verdict, or with this.
type Ending = (Vec<u8>, Option<Result<(), String>>);

/// A run in which the peer sends this in pieces and then no more.
fn play<'a>(
    mut turn: impl FnMut(News<'_>, &mut Vec<u8>) -> Step,
    pieces: impl Iterator<Item = &'a [u8]>,
    last: News<'_>,
) -> Ending {
    let mut out = Vec::new();
    let mut step = turn(News::Connected, &mut out);
    let mut pieces = pieces.fuse();
    loop {
        match step {
            Step::Wait(_) => {}
            Step::Again => return (out, None),
            Step::Done(end) => {
                if let Err(why) = &end {
                    let fit = why.bytes().all(|byte| (b' '..=b'~').contains(&byte));
                    assert!(fit && why.len() < 400, "{why}");
                }
                return (out, Some(end));
            }
        }
        assert!(out.len() < 1000, "it says more and more");
        step = match pieces.next() {
            Some(piece) => turn(News::Received(piece), &mut out),
            None => turn(last, &mut out),
        };
    }
}

/// A web server's answer: every run ends, its sentences are printable, and the pieces do not matter.
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
        tls: false,
        urls: vec![url; usize::from(choice >> 1 & 1) + 1],
        protocol: HttpProtocol::V1_1,
        sni: None,
        fast_recovery: false,
    };
    let last = if choice & 4 != 0 {
        News::End
    } else {
        News::TimeOut
    };
    let run = |size: usize| {
        let mut pages = Pages::new(&target(), &http).hashing();
        pages.begin();
        let ending = play(|news, out| pages.turn(news, out), answer.chunks(size), last);
        if let Some(Ok(())) = ending.1 {
            let seen = pages.seen().expect("it has seen a page");
            assert!(seen.length <= answer.len() as u64);
            assert!(matches!(seen.status, 200..300 | 404));
        }
        ending
    };
    let whole = run(answer.len().max(1));
    assert_eq!(run(1), whole);
}

/// A mail server's replies to `SMTP_CHECK`.
pub fn smtp_check(data: &[u8]) {
    let run = |size: usize| {
        let mut mailer = Mailer::new(&target(), "r1");
        mailer.begin();
        play(
            |news, out| mailer.turn(news, out),
            data.chunks(size),
            News::End,
        )
    };
    let whole = run(data.len().max(1));
    assert!(whole.1.is_some());
    assert_eq!(run(1), whole);
    assert_eq!(run(5), whole);
}

/// A name server's datagrams: those that follow the first byte, which says whether they have our number.
pub fn dns_reply(data: &[u8]) {
    let (choice, answer) = data.split_first().unwrap_or((&0, &[]));
    let mut question = Question::new(&target(), 6, "example.org");
    question.begin();
    let mut out = Vec::new();
    let mut step = question.turn(News::Connected, &mut out);
    let mut datagram = answer.to_vec();
    if let (Some(room), Some(id)) = (datagram.get_mut(..2), out.get(..2))
        && choice & 1 == 0
    {
        room.copy_from_slice(id);
    }
    let mut tries = 0;
    while let Step::Wait(_) = step {
        step = question.turn(News::Received(&datagram), &mut out);
        tries += 1;
        assert!(tries < 20, "it waits for ever");
    }
    if step == Step::Done(Ok(())) {
        assert!(datagram.len() >= 4 && datagram[2] & 0x80 != 0 && datagram[3] & 15 == 0);
    }
}
