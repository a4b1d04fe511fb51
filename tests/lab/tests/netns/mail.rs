//! Mails on state changes: their text and order, and that no failure of a mail server delays an
//! advert.

use std::fs;
use std::io::Write;
use std::net::TcpListener;
use std::thread;
use std::time::Duration;

use vrrpd_lab::noise;
use vrrpd_lab::peers::MailServer;
use vrrpd_lab::{Conf, Inst, Lab, MS, Node, now, process, sleep_ms, wait_for, wait_until};

use crate::support::{INTERVAL, SOON, VIP};
use crate::{Ctx, Outcome, Test};

pub(crate) const TESTS: &[Test] = &[
    Test::new("mail_text_matches_keepalived", arrives)
        .keepalived_fails("a refused recipient loses the mail of all"),
    Test::new("mail_server_failures_delay_nothing", odd)
        .keepalived_fails("takes a second to end, whatever there is to wait for"),
    Test::new("mail_of_many_changes_arrives_in_order", many),
];

/// Allowance for a busy machine. A daemon that waited for a mail server would be late by seconds.
const NOTHING: i64 = 100 * MS;

fn mailing(priority: u8, server: &str) -> Conf {
    let inst = Inst::new(51, priority, "10.0.0.100/24").line("smtp_alert");
    Conf::of(&[inst])
        .global("notification_email {\n a@example.org\n nobody@example.org b@example.org\n }")
        .global("notification_email_from vrrp@example.org")
        .global(&format!("smtp_server {server}"))
        .global("smtp_helo_name lab.example.org")
        .global("smtp_connect_timeout 2")
}

fn arrives(ctx: &Ctx) -> Outcome {
    let lab = Lab::new();
    let a = lab.node("r1", &["10.0.0.1/24"]);
    let post = MailServer::open(&a);
    let port = post.port;
    let mut run = ctx
        .daemon
        .start(&a, &mailing(100, &format!("127.0.0.1 {port}")));
    let subject = |what: &str| format!("\nSubject: [lab] VRRP Instance VI_51 - {what}\n");
    let mut next = 0;
    let mut until = |what: &str| {
        wait_until(SOON, what, || post.count() > next);
        let text = post.mails()[next].clone();
        assert!(text.contains(&subject(what)), "{what}: {text}");
        next += 1;
        text
    };
    until("Entering BACKUP state");
    let text = until("Entering MASTER state");
    let date = text.lines().find(|line| line.starts_with("Date: "));
    let date = date.expect("a date").to_owned();
    assert!(date.ends_with(" +0000") && date.len() > 30, "{date}");
    let mailer = text.lines().find(|line| line.starts_with("X-Mailer: "));
    let mailer = mailer.expect("a mailer").to_owned();
    assert_eq!(
        text,
        format!(
            "HELO lab.example.org\n\
             MAIL FROM:<vrrp@example.org>\n\
             RCPT TO:<a@example.org>\n\
             RCPT TO:<nobody@example.org>\n\
             RCPT TO:<b@example.org>\n\
             DATA\n\
             {date}\n\
             From: vrrp@example.org\n\
             Subject: [lab] VRRP Instance VI_51 - Entering MASTER state\n\
             {mailer}\n\
             To: a@example.org, nobody@example.org, b@example.org\n\
             \n\
             => VRRP Instance is now owning VRRP VIPs <=\n\
             \n\
             .\n\
             QUIT\n"
        )
    );
    let warned = || {
        run.log()
            .contains("refuses 1 of the recipients: 550 no such user")
    };
    wait_until(SOON, "the log names the refused recipient", warned);
    a.carrier_down();
    until("Entering FAULT state");
    run.term();
    assert!(run.wait_exit(SOON).is_some(), "it ends");
    Outcome::Passed
}

/// Sends the same invalid reply to every client.
fn oddity(node: &Node, what: &'static [u8], every: Duration) -> u16 {
    let listener = node.inside(|| TcpListener::bind("127.0.0.1:0").expect("loopback"));
    let port = listener.local_addr().expect("bound").port();
    thread::spawn(move || {
        for mut stream in listener.incoming().flatten() {
            thread::spawn(move || {
                while stream.write_all(what).is_ok() {
                    thread::sleep(every);
                }
            });
        }
    });
    port
}

fn odd(ctx: &Ctx) -> Outcome {
    for (name, greeting, every) in [
        ("closed port", None, 0),
        ("no host", None, 0),
        ("no such name", None, 0),
        ("silent", Some(&b""[..]), 1000),
        ("trickling", Some(b"2"), 200),
        ("endless lines", Some(b"220-more\r\n"), 0),
        ("endless line", Some(b"x"), 0),
        ("garbage", Some(b"\0\xff\r\n"), 10),
    ] {
        let server = |node: &Node| match (name, greeting) {
            ("no host", _) => "10.0.0.77 25".to_owned(),
            ("no such name", _) => "mail.does-not-exist.invalid".to_owned(),
            (_, None) => "127.0.0.1 9".to_owned(),
            (_, Some(greeting)) => {
                let port = oddity(node, greeting, Duration::from_millis(every));
                format!("127.0.0.1 {port}")
            }
        };
        undelayed(ctx, name, &server);
    }
    Outcome::Passed
}

/// A pair that sends mail to such a server fails over in time.
fn undelayed(ctx: &Ctx, name: &str, server: &dyn Fn(&Node) -> String) {
    let conf = |priority| mailing(priority, "SERVER").text();
    let lab = Lab::new();
    let a = lab.node("r1", &["10.0.0.1/24"]);
    let b = lab.node("r2", &["10.0.0.2/24"]);
    let cap = vrrpd_lab::Capture::start(&lab);
    let (sa, sb) = (server(&a), server(&b));
    let strong = conf(200).replace("SERVER", &sa);
    let weak = conf(100).replace("SERVER", &sb);
    let mut run_a = ctx.daemon.start_text(&a, &strong, &[]);
    wait_until(SOON, "the stronger router becomes master", || a.has(VIP));
    let since = now();
    let mut run_b = ctx.daemon.start_text(&b, &weak, &[]);
    sleep_ms(400);
    let times: Vec<_> = cap.adverts(&a, 51, since).iter().map(|a| a.0).collect();
    let worst = times
        .windows(2)
        .map(|w| w[1] - w[0])
        .max()
        .unwrap_or(i64::MAX);
    assert!(
        worst < INTERVAL + NOTHING + noise::since(since),
        "{name}: {} ms between two adverts",
        worst / MS
    );
    let at = run_a.kill9();
    let (first, _) = cap.advert_of(&b, at, SOON);
    let last = cap.adverts(&a, 51, 0).last().expect("adverts").0;
    let excess = first - last - vrrpd_lab::down_interval(3, 100, INTERVAL);
    assert!(
        excess < NOTHING + noise::since(since),
        "{name}: took over {} ms too late",
        excess / MS
    );
    let pids = run_b.pids();
    let at = run_b.term();
    assert!(run_b.wait_exit(SOON).is_some(), "it ends");
    // Less than smtp_connect_timeout, for which a daemon that waited would wait.
    assert!(
        now() - at < 1500 * MS + noise::since(at),
        "{name}: the end took {} ms",
        (now() - at) / MS
    );
    let gone = || pids.iter().all(|pid| !runs(*pid));
    assert!(
        wait_for(Duration::from_secs(1), || gone().then_some(())).is_some(),
        "{name}: a process stays"
    );
}

fn runs(pid: u32) -> bool {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    !stat.is_empty() && !stat.contains(") Z ")
}

fn many(ctx: &Ctx) -> Outcome {
    const COUNT: u8 = 100;
    let lab = Lab::new();
    let a = lab.node("r1", &["10.0.0.1/24"]);
    let post = MailServer::open(&a);
    let port = post.port;
    let inst = |vrid: u8| Inst::new(vrid, 100, &format!("10.0.1.{vrid}/32"));
    let insts: Vec<Inst> = (1..=COUNT).map(inst).collect();
    let conf = Conf::of(&insts)
        .global("notification_email {\n a@example.org\n }")
        .global(&format!("smtp_server 127.0.0.1 {port}"))
        .global("smtp_alert_vrrp");
    let mut run = ctx.daemon.start(&a, &conf);
    let want = usize::from(COUNT) * 2;
    wait_until(SOON, "all mails arrive", || post.count() == want);
    let all = post.mails();
    for vrid in 1..=COUNT {
        let name = format!("VI_{vrid} - ");
        let mine = all.iter().filter(|text| text.contains(&name));
        let mine: Vec<bool> = mine.map(|text| text.contains("Entering MASTER")).collect();
        assert_eq!(mine, [false, true], "backup first, then master");
    }
    assert!(
        process::tree(run.pid()).len() <= 2,
        "one process for mails at most"
    );
    run.term();
    assert!(run.wait_exit(SOON).is_some(), "it ends");
    Outcome::Passed
}
