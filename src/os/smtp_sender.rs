//! Delivers mail by SMTP, in a child process.
//!
//! ```text
//! daemon   fork ── continues ──────────────────────── SIGCHLD ── reads the result from a pipe
//!            └── child: closes all but the pipe, resolves, connects, speaks SMTP, writes the result, exits
//! ```
//! The daemon never waits for a name server or a mail server, so neither can delay an advert. The
//! child may block, within limits: each step takes at most `smtp_connect_timeout`, an alarm limits
//! the whole, and the child gets SIGTERM when the daemon dies. It runs in this binary; nothing is
//! executed.

use std::io::{self, BufRead, BufReader, PipeReader, PipeWriter, Read, Write};
use std::net::{SocketAddr, TcpStream, ToSocketAddrs};
use std::os::fd::AsRawFd;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use nix::unistd::alarm;

use super::child::Children;
use super::child_privileges;
use super::clock;
use super::host::own_user;
use super::linux::Linux;
use crate::config::model::SmtpSettings;
use crate::engine::system::mail::MailSystem;
use crate::engine::system::{Exit, Pid, error_text};
use crate::notify::mail::{self, Email};
use crate::notify::smtp::{DeliveryReport, NextStep, SmtpSession};
use crate::sys;
use crate::wire::smtp::{Reply, ReplyReader};

/// Maximum length of a result, in bytes.
const RESULT: u64 = 1024;
/// A delivery may take this many times `smtp_connect_timeout`: for the name, the connection, and a
/// slow dialogue.
const STEPS: u32 = 4;

/// The child that delivers a mail, and the pipe for its result. There is at most one.
#[derive(Debug, Default)]
pub(super) struct SmtpSender(Option<(Pid, PipeReader)>);

impl MailSystem for Linux {
    fn send_mail(&mut self, settings: &SmtpSettings, email: &Email) -> io::Result<Pid> {
        self.smtp.send(settings, email, &self.children)
    }

    fn delivery_result(&mut self, child: Pid) -> Option<String> {
        self.smtp.result(child)
    }
}

impl SmtpSender {
    fn send(
        &mut self,
        settings: &SmtpSettings,
        email: &Email,
        children: &Children,
    ) -> io::Result<Pid> {
        if self.0.is_some() {
            return Err(io::ErrorKind::ResourceBusy.into());
        }
        // The child allocates and locks: see `sys::fork_child`.
        if !sys::is_single_threaded() {
            return Err(io::ErrorKind::Unsupported.into());
        }
        let message = mail::message(settings, email, epoch(email));
        let (reader, writer) = io::pipe()?;
        let pid = children.start(own_user(), &|| {
            sys::close_all_but(writer.as_raw_fd());
            let most = settings.timeout.saturating_mul(STEPS).as_secs().max(10);
            alarm::set(u32::try_from(most).unwrap_or(u32::MAX));
            run(settings, &message, &writer)
        })?;
        self.0 = Some((pid, reader));
        Ok(pid)
    }

    fn result(&mut self, child: Pid) -> Option<String> {
        let (_, pipe) = self.0.take_if(|(pid, _)| *pid == child)?;
        // The child has exited and closed its end, so this does not block.
        let mut bytes = Vec::new();
        let _ = pipe.take(RESULT).read_to_end(&mut bytes);
        let text = String::from_utf8_lossy(&bytes).into_owned();
        Some(text).filter(|text| !text.is_empty())
    }
}

/// When the mail was written, in seconds since 1970.
fn epoch(email: &Email) -> i64 {
    let age = clock::now().since(email.at);
    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    let then = now.unwrap_or_default().saturating_sub(age);
    i64::try_from(then.as_secs()).unwrap_or(0)
}

// ---- in the child ----

/// Delivers a mail, writes the result to the pipe and returns the exit code.
fn run(settings: &SmtpSettings, message: &str, mut result: &PipeWriter) -> u8 {
    let (text, code) = match deliver(settings, message) {
        Ok(DeliveryReport {
            accepted,
            refused: 0,
            ..
        }) => (format!("{accepted} recipients"), 0),
        Ok(DeliveryReport {
            refused, reason, ..
        }) => (
            format!(
                "{} refuses {refused} of the recipients: {reason}",
                settings.server
            ),
            1,
        ),
        Err(why) => (why, 1),
    };
    let _ = result.write_all(text.as_bytes());
    code
}

fn deliver(settings: &SmtpSettings, message: &str) -> Result<DeliveryReport, String> {
    // What servers reply is read by a process that could do nothing with the daemon's rights.
    child_privileges::drop_all().map_err(|errno| Exit::NotConfined(errno as i32).to_string())?;
    let limit = settings.timeout.max(Duration::from_secs(1));
    let mut stream = BufReader::with_capacity(512, connect(settings, limit)?);
    let mut session = SmtpSession::new(settings, message);
    let mut replies = ReplyReader::default();
    loop {
        let outcome = reply(&mut stream, &mut replies, limit);
        let next = match outcome {
            Ok(reply) => session.handle_reply(&reply),
            Err(why) => {
                if let Some(delivery) = session.delivered() {
                    return Ok(delivery.clone());
                }
                let SmtpSettings { server, port, .. } = settings;
                return Err(format!(
                    "{server} port {port}, at {}: {why}",
                    session.stage()
                ));
            }
        };
        match next {
            NextStep::Done(result) => {
                return result
                    .map_err(|why| format!("{} port {}: {why}", settings.server, settings.port));
            }
            NextStep::Send(text) => {
                // After a failed write there is no reply either, which is reported.
                let stream = stream.get_mut();
                let _ = stream.set_write_timeout(Some(limit));
                let _ = stream.write_all(text.as_bytes());
            }
        }
    }
}

/// Connects to the first address of the server that accepts.
fn connect(settings: &SmtpSettings, limit: Duration) -> Result<TcpStream, String> {
    let SmtpSettings { server, port, .. } = settings;
    let addresses = (server.as_str(), *port).to_socket_addrs();
    let addresses: Vec<SocketAddr> = addresses
        .map_err(|error| {
            let why = error.to_string();
            let why = why.rsplit(": ").next().unwrap_or_default();
            format!("cannot resolve {server}: {why}")
        })?
        .collect();
    let mut why = "it has no address".to_owned();
    for address in addresses {
        match TcpStream::connect_timeout(&address, limit) {
            Ok(stream) => return Ok(stream),
            Err(error) => why = error_text(&error),
        }
    }
    Err(format!("cannot connect to {server} port {port}: {why}"))
}

/// Reads a whole reply within the time limit, even if the server sends it byte by byte.
fn reply(
    stream: &mut BufReader<TcpStream>,
    replies: &mut ReplyReader,
    limit: Duration,
) -> Result<Reply, String> {
    let start = Instant::now();
    loop {
        if stream.buffer().is_empty() {
            let left = limit.saturating_sub(start.elapsed());
            if left.is_zero() {
                return Err(format!("no answer within {} s", limit.as_secs()));
            }
            let _ = stream.get_ref().set_read_timeout(Some(left));
        }
        let byte = match stream.fill_buf() {
            Ok([]) => return Err("it closed the connection".into()),
            Ok([first, ..]) => *first,
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => continue,
            Err(error) => return Err(error_text(&error)),
        };
        stream.consume(1);
        if let Some(reply) = replies.push(byte) {
            return reply.map_err(|error| error.to_string());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::TcpListener;
    use std::thread;

    /// A server that sends these lines, each after one line of the client, and then nothing for
    /// `hold`.
    fn serve(
        lines: &'static [&'static str],
        hold: Duration,
    ) -> (SmtpSettings, thread::JoinHandle<String>) {
        let listener = TcpListener::bind("127.0.0.1:0").expect("loopback");
        let port = listener.local_addr().expect("bound").port();
        let server = thread::spawn(move || {
            let (mut stream, _) = listener.accept().expect("a client");
            let mut received = String::new();
            let mut client = BufReader::new(stream.try_clone().expect("a copy"));
            for (nth, line) in lines.iter().enumerate() {
                if nth > 0 {
                    let end = if received.ends_with("DATA\r\n") {
                        ".\r\n"
                    } else {
                        "\r\n"
                    };
                    let from = received.len();
                    while !received[from..].ends_with(end) {
                        client.read_line(&mut received).expect("a line");
                    }
                }
                stream.write_all(line.as_bytes()).expect("a reply");
            }
            thread::sleep(hold);
            received
        });
        let mail = SmtpSettings {
            to: vec!["a@x".into(), "b@y".into()],
            from: "me@z".into(),
            server: "127.0.0.1".into(),
            port,
            helo_name: "r1".into(),
            timeout: Duration::from_secs(1),
            no_email_faults: false,
        };
        (mail, server)
    }

    #[test]
    fn a_mail_is_delivered_to_a_server() {
        let lines = &[
            "220 hi\r\n",
            "250 a\r\n",
            "250 b\r\n",
            "250 c\r\n",
            "250 d\r\n",
            "354 e\r\n",
            "250 f\r\n",
        ];
        let (mail, server) = serve(lines, Duration::ZERO);
        // It hangs up instead of answering QUIT.
        let delivery = deliver(&mail, "Subject: x\r\n\r\nbody\r\n").expect("delivered");
        assert_eq!((delivery.accepted, delivery.refused), (2, 0));
        let received = server.join().expect("no panic");
        assert!(
            received.ends_with("DATA\r\nSubject: x\r\n\r\nbody\r\n.\r\n"),
            "{received}"
        );
    }

    #[test]
    fn every_failure_is_reported_within_the_time_limit() {
        let long = Duration::from_millis(1300);
        let start = Instant::now();
        for (lines, hold, want) in [
            (
                &["554 no\r\n"][..],
                Duration::ZERO,
                "greeting refused: 554 no",
            ),
            (&["220 hi\r\n"], Duration::ZERO, ", at HELO: "),
            (&["220-hi\r\n"], long, "at greeting: no answer within 1 s"),
            (
                &["SSH-2.0-x\r\n"],
                Duration::ZERO,
                "not an SMTP reply: `SSH-2.0-x`",
            ),
        ] {
            let (mail, server) = serve(lines, hold);
            let why = deliver(&mail, "x").expect_err("not delivered");
            assert!(
                why.starts_with("127.0.0.1 port ") && why.contains(want),
                "{why}"
            );
            drop(server);
        }
        let (mut mail, server) = serve(&[], Duration::ZERO);
        let _ = TcpStream::connect(("127.0.0.1", mail.port));
        server.join().expect("no panic");
        let why = deliver(&mail, "x").expect_err("not delivered");
        assert!(
            why.starts_with("cannot connect to ") && why.ends_with(": connection refused"),
            "{why}"
        );
        mail.server = "no such host".into();
        let why = deliver(&mail, "x").expect_err("not delivered");
        assert!(why.starts_with("cannot resolve no such host: "), "{why}");
        assert!(start.elapsed() < Duration::from_secs(30));
    }
}
