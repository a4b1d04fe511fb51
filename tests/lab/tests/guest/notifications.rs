//! Notifications of servers by FIFO, scripts and mail are the same as keepalived's.
//!
//! Both daemons go through the same events. After each, keepalived's notifications are collected
//! until no more arrive; then vrrpd's must be the same: lines of the FIFO, in order for each
//! service; calls of scripts and mails, in any order, because keepalived runs them in parallel.

use std::fs::{self, File, OpenOptions};
use std::io::Read;
use std::os::unix::fs::OpenOptionsExt;
use std::time::{Duration, Instant};

use nix::fcntl::OFlag;
use nix::sys::stat::Mode;
use nix::unistd::mkfifo;
use vrrpd_lab::peers::MailServer;
use vrrpd_lab::private::DIR;
use vrrpd_lab::{Daemon, sleep_ms, wait_for, wait_until};

use crate::checkers::{self, Clinic};
use crate::checks::Notified;
use crate::network::{Network, SOON, table};
use crate::{Ctx, Outcome, Test};

pub(crate) const TESTS: &[Test] = &[Test::new("notifications_match_keepalived", same)];

/// An event is complete if no notification arrives for so long.
const SILENCE: Duration = Duration::from_millis(800);
/// Time limit for scripts on shutdown, sufficient for an emulated machine.
const LAST_WORDS: Duration = Duration::from_millis(900);

/// The events, in order.
#[derive(Clone, Copy, Debug)]
enum Event {
    Start,
    OneFallsIll,
    AnotherDies,
    ItIsBack,
    AllAreWell,
    Stop,
}

/// The event with the resulting destinations of the service with a sorry server and of the one
/// without.
const EVENTS: [(Event, &[&str], &[&str]); 6] = [
    (
        Event::Start,
        &["11:80=1", "12:80=2", "13:80=1"],
        &["11:80=1", "12:80=1"],
    ),
    (Event::OneFallsIll, &["12:80=2", "13:80=1"], &["12:80=1"]),
    (Event::AnotherDies, &["13:81=1"], &[]),
    (Event::ItIsBack, &["13:81=1"], &["12:80=1"]),
    (
        Event::AllAreWell,
        &["11:80=1", "12:80=2", "13:80=1"],
        &["11:80=1", "12:80=1"],
    ),
    (Event::Stop, &[], &[]),
];

/// Notifications of an event.
#[derive(Default, Debug)]
struct Record {
    fifo: Vec<String>,
    scripts: Vec<String>,
    at_start: bool,
    /// Shutdown ended before all scripts had run.
    cut_off: bool,
}

impl Record {
    fn sort(&mut self) {
        // The service is the second to last word: `RS [10.0.0.11]:tcp:80 [10.0.0.100]:tcp:80 UP`.
        self.fifo
            .sort_by_key(|line| line.split(' ').rev().nth(1).map(str::to_owned));
        if self.at_start {
            // Two servers of a service come up in either order.
            self.fifo.sort();
        }
        self.scripts.sort();
    }

    fn is(&self, other: &Record) -> bool {
        (&self.fifo, &self.scripts) == (&other.fifo, &other.scripts)
    }

    fn len(&self) -> usize {
        self.fifo.len() + self.scripts.len()
    }
}

/// Entries of only one of the lists.
fn differences(what: &str, a: &[String], b: &[String]) -> String {
    let mut text = String::new();
    for (sign, list, rest) in [('-', a, b), ('+', b, a)] {
        let mut rest = rest.to_vec();
        for line in list {
            match rest.iter().position(|other| other == line) {
                Some(place) => drop(rest.remove(place)),
                None => text += &format!("\n      {sign} {what}: {line}"),
            }
        }
    }
    if a != b && text.is_empty() {
        text = format!("\n      {what}: in another order: {a:?}, {b:?}");
    }
    text
}

/// Receivers of all notifications.
struct Recorder {
    fifo: File,
    path: String,
    half: String,
    scripts: Notified,
    seen: usize,
    mail_server: MailServer,
}

impl Recorder {
    fn new(network: &Network) -> Self {
        let path = format!("{DIR}/notify.fifo");
        let _ = fs::remove_file(&path);
        mkfifo(path.as_str(), Mode::from_bits_truncate(0o600)).expect("a FIFO");
        let mut options = OpenOptions::new();
        options.read(true).write(true);
        options.custom_flags(OFlag::O_NONBLOCK.bits());
        Self {
            fifo: options.open(&path).expect("a FIFO"),
            path,
            half: String::new(),
            scripts: Notified::new(),
            seen: 0,
            mail_server: MailServer::open(&network.director),
        }
    }

    /// Adds new notifications.
    fn listen(&mut self, record: &mut Record) {
        let mut buf = [0; 4096];
        while let Ok(len @ 1..) = self.fifo.read(&mut buf) {
            self.half += &String::from_utf8_lossy(&buf[..len]);
        }
        while let Some((line, rest)) = self.half.split_once('\n') {
            record.fifo.push(line.to_owned());
            self.half = rest.to_owned();
        }
        let lines = self.scripts.lines();
        record.scripts.extend_from_slice(&lines[self.seen..]);
        self.seen = lines.len();
        record.sort();
    }

    /// Mails so far, sorted.
    fn mails(&self) -> Vec<String> {
        let mut mails: Vec<String> = self
            .mail_server
            .mails()
            .iter()
            .map(|text| essence(text))
            .collect();
        mails.sort();
        mails
    }
}

/// A mail without variable parts and without differences in keepalived's wording:
///
/// * in mails it writes sums as `3+1=2 <= 1`, in its log as `3-1=2 > 1`; vrrpd writes the latter in
///   both;
/// * its mail contains the reason why an `SMTP_CHECK` failed; both daemons log it.
fn essence(text: &str) -> String {
    let lines = text.lines().filter(|line| {
        let mut odd = ["Date: ", "X-Mailer: ", "HELO "].iter();
        !odd.any(|head| line.starts_with(head)) && !line.is_empty()
    });
    let lines = lines.map(|line| {
        if line.starts_with("=> Lost quorum") {
            line.replace('-', "+").replace(" > ", " <= ")
        } else if let Some((head, _)) = line.split_once(" : Could not connect to server ") {
            format!("{head} <=")
        } else {
            line.to_owned()
        }
    });
    lines.collect::<Vec<_>>().join(" | ")
}

/// Mails of vrrpd only: those of a `FILE_CHECK`, which keepalived lacks, and the last ones, before
/// which it exits.
fn is_ours_alone(mail: &str) -> bool {
    mail.contains("Realserver [10.0.0.11]:tcp:80 of virtual server [10.0.0.100]:tcp:9008")
        || mail.contains("=> Shutting down <=")
}

/// The mail of keepalived only: at the first result of a `misc_dynamic`, although nothing changes.
fn is_theirs_alone(mail: &str) -> bool {
    mail.contains("[10.0.0.100]:tcp:9009 - UP")
        && mail.contains("=> MISC CHECK succeeded on service <=")
}

/// Slow answers on a busy machine are retried.
const CHECK: &str = "TCP_CHECK {\n connect_timeout 4\n retry 1\n delay_before_retry 0.3\n }";

fn conf(recorder: &Recorder) -> String {
    let script = &recorder.scripts.path;
    let quorum =
        format!("quorum_up \"{script} PORT enough\" root\n quorum_down \"{script} PORT few\" root");
    let notify =
        format!("notify_up \"{script} PORT up\" root\n notify_down \"{script} PORT down\" root");
    let global = format!(
        "global_defs {{\n router_id lab\n lvs_notify_fifo {}\n notification_email {{\n a@example.org\n b@example.org\n }}\n \
         notification_email_from lvs@example.org\n smtp_server 127.0.0.1 {}\n smtp_alert\n}}\n",
        recorder.path, recorder.mail_server.port
    );
    let server = |n: u8, weight: u8, more: &str| {
        format!(
            "real_server 10.0.0.1{n} 80 {{\n weight {weight}\n {notify}\n {more}\n {CHECK}\n }}\n"
        )
    };
    let service = |port: &str, more: &str, servers: &[String]| {
        let text = format!(
            "virtual_server 10.0.0.100 {port} {{\n delay_loop 0.5\n warmup 0\n protocol TCP\n lb_kind NAT\n \
             lb_algo rr\n {quorum}\n {more}\n {}}}\n",
            servers.concat()
        );
        text.replace("PORT", port)
    };
    let three = [server(1, 1, ""), server(2, 2, ""), server(3, 1, "")];
    let sorry = "quorum 3\n hysteresis 1\n sorry_server 10.0.0.13 81";
    let two = [server(1, 1, "inhibit_on_failure"), server(2, 1, "")];
    let quiet = [server(1, 1, "smtp_alert 0"), server(2, 1, "")];
    [
        global,
        checkers::conf(&quorum, &notify),
        service("9101", sorry, &three),
        service(
            "9102",
            "omega\n quorum 2\n sorry_server 10.0.0.13 81\n sorry_server_inhibit",
            &two,
        ),
        service("9103", "alpha\n omega", &quiet),
    ]
    .concat()
}

/// Collects the notifications of a daemon for one event after the other.
struct Story {
    records: Vec<Record>,
    mails: Vec<String>,
}

/// Notifications of all events. With `model`, an event is complete when they are the same as there.
fn story(daemon: &Daemon, model: Option<&Story>) -> Result<Story, String> {
    let mut network = Network::borrow();
    let mut clinic = Clinic::new(&network)?;
    clinic.recover();
    let mut recorder = Recorder::new(&network);
    let mut run = daemon.start_text(&network.director, &conf(&recorder), &[]);
    let mut records = Vec::new();
    let mut slow_end = false;
    for (nth, (event, sorry, plain)) in EVENTS.into_iter().enumerate() {
        match event {
            Event::Start => {}
            Event::OneFallsIll => {
                clinic.fall_ill();
                network.servers[0].stop();
            }
            Event::AnotherDies => network.servers[1].stop(),
            Event::ItIsBack => network.servers[1].resume(),
            Event::AllAreWell => {
                clinic.recover();
                network.servers[0].resume();
            }
            Event::Stop => {
                settle(SILENCE, || recorder.mail_server.count());
                let begin = Instant::now();
                run.term();
                run.wait_exit(SOON).ok_or("it does not end")?;
                slow_end = begin.elapsed() >= LAST_WORDS;
            }
        }
        match event {
            Event::OneFallsIll => checkers::until(&network, false),
            Event::AllAreWell => checkers::until(&network, true),
            Event::Start | Event::AnotherDies | Event::ItIsBack | Event::Stop => {}
        }
        let here = || [9101, 9103].map(|port| servers(&network, port));
        wait_until(SOON, &format!("{event:?}: the table"), || {
            here() == [sorry, plain]
        });
        let mut record = Record {
            at_start: matches!(event, Event::Start),
            cut_off: slow_end,
            ..Record::default()
        };
        if let Some(want) = model.and_then(|model| model.records.get(nth)) {
            wait_for(SOON / 6, || {
                recorder.listen(&mut record);
                record.is(want).then_some(())
            });
        } else {
            settle(SILENCE, || {
                recorder.listen(&mut record);
                record.len()
            });
        }
        records.push(record);
    }
    // Mail is slow, and superfluous notifications have to be noticed.
    sleep_ms(500);
    if let Some(last) = records.last_mut() {
        recorder.listen(last);
    }
    let mails = recorder.mails();
    Ok(Story { records, mails })
}

/// The destinations of a service without their common prefix.
fn servers(network: &Network, port: u16) -> Vec<String> {
    let service = format!("-a -t 10.0.0.100:{port} -r 10.0.0.");
    let lines = table(&network.director);
    let lines = lines.lines().filter_map(|line| line.strip_prefix(&service));
    lines.map(|line| line.replace(" -m -w ", "=")).collect()
}

/// Waits until the number has been constant for so long.
fn settle(silence: Duration, mut count: impl FnMut() -> usize) {
    let (mut last, mut since) = (count(), Instant::now());
    while since.elapsed() < silence {
        sleep_ms(20);
        let now = count();
        if now != last {
            (last, since) = (now, Instant::now());
        }
    }
}

/// Whether the scripts on shutdown are correct. keepalived's are killed with it at a random point:
/// vrrpd must send all of keepalived's notifications and may send more for services with `omega`.
fn last_words(theirs: &[String], ours: &Record) -> bool {
    let of_omega = |line: &String| line.starts_with("9102 ") || line.starts_with("9103 ");
    let complete = theirs.iter().all(|line| ours.scripts.contains(line));
    (complete || ours.cut_off) && ours.scripts.iter().all(of_omega)
}

fn same(ctx: &Ctx) -> Outcome {
    let both = story(&ctx.keepalived, None)
        .and_then(|model| Ok((story(&ctx.daemon, Some(&model))?, model)));
    let (ours, model) = match both {
        Ok(both) => both,
        Err(why) => return Outcome::Skipped(why),
    };
    let mut all = String::new();
    for (((event, ..), a), b) in EVENTS.iter().zip(&model.records).zip(&ours.records) {
        let fifo = differences("fifo", &a.fifo, &b.fifo);
        let mut scripts = differences("script", &a.scripts, &b.scripts);
        if matches!(event, Event::Stop) && last_words(&a.scripts, b) {
            scripts.clear();
        }
        if !fifo.is_empty() || !scripts.is_empty() {
            all += &format!("\n    {event:?}:{fifo}{scripts}");
        }
    }
    let mut theirs = model.mails;
    if let Some(first) = theirs.iter().position(|mail| is_theirs_alone(mail)) {
        theirs.remove(first);
    }
    let mut mails = ours.mails;
    mails.retain(|mail| !is_ours_alone(mail));
    all += &differences("mail", &theirs, &mails);
    let name = ctx.daemon.name();
    assert!(all.is_empty(), "keepalived -, {name} +{all}");
    Outcome::Passed
}
