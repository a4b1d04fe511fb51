//! Logs to syslog: datagrams to `/dev/log` in the format of RFC 3164, without the host name.
//!
//! Sending never blocks. What the syslog daemon has not read yet waits in the kernel, which holds ten
//! lines by default (`net.unix.max_dgram_qlen`), and then here: a burst, as when many instances change
//! state together, is over before the daemon runs. After a restart of the syslog daemon the next line
//! reconnects; while it is missing, there is at most one attempt per second.

use std::collections::VecDeque;
use std::io;
use std::os::unix::net::UnixDatagram;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use log::Level;

use super::log_sink::LostLines;
use super::logging::LocalTime;

/// The socket of the syslog daemon.
pub(super) const DEV_LOG: &str = "/dev/log";
/// LOG_DAEMON.
const DEFAULT_FACILITY: u8 = 3;
const RETRY: Duration = Duration::from_secs(1);
/// Maximum number of lines that wait here.
const MAX_WAITING: usize = 1024;
/// When to try again to send what waits; twice as long after each attempt that sends nothing, up to
/// [`RETRY`].
const FIRST_PAUSE: Duration = Duration::from_millis(10);

/// Outcome of sending a line.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Sent {
    Yes,
    /// The daemon has not read yet.
    Full,
    /// There is no daemon.
    Missing,
}

#[derive(Debug)]
pub(super) struct Syslog {
    path: PathBuf,
    facility: u8,
    socket: Option<UnixDatagram>,
    retry_at: Option<Instant>,
    waiting: VecDeque<String>,
    pause: Duration,
    lost: LostLines,
}

impl Syslog {
    /// Connects. If that fails, later lines try again.
    pub(super) fn new(path: &Path, facility: Option<u8>) -> (Self, io::Result<()>) {
        let (socket, outcome) = match connect(path) {
            Ok(socket) => (Some(socket), Ok(())),
            Err(error) => (None, Err(error)),
        };
        let syslog = Self {
            path: path.to_owned(),
            facility: facility.unwrap_or(DEFAULT_FACILITY),
            socket,
            retry_at: None,
            waiting: VecDeque::new(),
            pause: FIRST_PAUSE,
            lost: LostLines::default(),
        };
        (syslog, outcome)
    }

    /// Sends a line of the program `tag` now or later, or counts it as lost.
    pub(super) fn line(&mut self, tag: &str, level: Level, time: &LocalTime, text: &str) {
        self.send_waiting();
        if let Some(notice) = self.lost.notice() {
            if !self.put(tag, Level::Warn, time, &notice) {
                self.lost.count_one();
                return;
            }
            self.lost.clear();
        }
        if !self.put(tag, level, time, text) {
            self.lost.count_one();
        }
    }

    fn put(&mut self, tag: &str, level: Level, time: &LocalTime, text: &str) -> bool {
        let priority = self.facility * 8 + severity(level);
        let pid = std::process::id();
        let message = format!("<{priority}>{} {tag}[{pid}]: {text}", time.rfc3164());
        if self.waiting.is_empty() {
            match self.send(&message) {
                Sent::Yes => return true,
                Sent::Missing => return false,
                Sent::Full => self.pause = FIRST_PAUSE,
            }
        }
        let has_room = self.waiting.len() < MAX_WAITING;
        if has_room {
            self.waiting.push_back(message);
        }
        has_room
    }

    /// Sends what waits; returns when to try again if there is still something.
    pub(super) fn flush(&mut self) -> Option<Duration> {
        let before = self.waiting.len();
        self.send_waiting();
        let pause = self.pause;
        self.pause = match self.waiting.len() < before {
            true => FIRST_PAUSE,
            false => (pause * 2).min(RETRY),
        };
        (!self.waiting.is_empty()).then_some(pause)
    }

    fn send_waiting(&mut self) {
        while let Some(message) = self.waiting.pop_front() {
            if self.send(&message) != Sent::Yes {
                self.waiting.push_front(message);
                return;
            }
        }
    }

    fn send(&mut self, message: &str) -> Sent {
        // The second attempt is for a daemon that was restarted, which the first one detects.
        for _ in 0..2 {
            if self.socket.is_none() && !self.reconnect() {
                return Sent::Missing;
            }
            let Some(socket) = &self.socket else {
                return Sent::Missing;
            };
            match socket.send(message.as_bytes()) {
                Ok(_) => return Sent::Yes,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Sent::Full,
                Err(_) => self.socket = None,
            }
        }
        Sent::Missing
    }

    fn reconnect(&mut self) -> bool {
        let now = Instant::now();
        if self.retry_at.is_some_and(|at| now < at) {
            return false;
        }
        self.socket = connect(&self.path).ok();
        self.retry_at = if self.socket.is_none() {
            Some(now + RETRY)
        } else {
            None
        };
        self.socket.is_some()
    }
}

/// A non-blocking datagram socket connected to this path.
pub(super) fn connect(path: &Path) -> io::Result<UnixDatagram> {
    let socket = UnixDatagram::unbound()?;
    socket.set_nonblocking(true)?;
    socket.connect(path)?;
    Ok(socket)
}

/// RFC 3164 section 4.1.1. Who asks for details with `-D` gets them where keepalived's go: many
/// syslog daemons drop what is below `info`.
fn severity(level: Level) -> u8 {
    match level {
        Level::Error => 3,
        Level::Warn => 4,
        Level::Info | Level::Debug => 6,
        Level::Trace => 7,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::os::testing::Scratch;

    fn receive(daemon: &UnixDatagram) -> Option<String> {
        let mut buffer = [0; 2048];
        let length = daemon.recv(&mut buffer).ok()?;
        Some(String::from_utf8_lossy(&buffer[..length]).into_owned())
    }

    fn listen(path: &Path) -> UnixDatagram {
        let _ = std::fs::remove_file(path);
        let daemon = UnixDatagram::bind(path).expect("bind");
        daemon.set_nonblocking(true).expect("fcntl");
        daemon
    }

    const TAG: &str = "vrrpd";

    const TIME: LocalTime = LocalTime {
        year: 2026,
        month: 2,
        day: 3,
        hour: 4,
        minute: 5,
        second: 6,
        milli: 789,
    };

    #[test]
    fn a_line_is_an_rfc_3164_datagram() {
        let scratch = Scratch::new("syslog-form");
        let path = scratch.path("log");
        let daemon = listen(&path);
        let pid = std::process::id();
        for (facility, level, priority) in [
            (None, Level::Info, 30),
            (Some(16), Level::Error, 131),
            (Some(23), Level::Warn, 188),
            (Some(1), Level::Debug, 14),
            (Some(1), Level::Trace, 15),
        ] {
            let (mut syslog, outcome) = Syslog::new(&path, facility);
            outcome.expect("connected");
            syslog.line(TAG, level, &TIME, "(VI_1) Entering MASTER STATE");
            let want =
                format!("<{priority}>Feb  3 04:05:06 vrrpd[{pid}]: (VI_1) Entering MASTER STATE");
            assert_eq!(receive(&daemon), Some(want));
        }
    }

    #[test]
    fn a_restarted_daemon_gets_the_very_next_line() {
        let scratch = Scratch::new("syslog-restart");
        let path = scratch.path("log");
        let first = listen(&path);
        let (mut syslog, _) = Syslog::new(&path, None);
        drop(first);
        let second = listen(&path);
        syslog.line(TAG, Level::Info, &TIME, "after the restart");
        let got = receive(&second).expect("a datagram");
        assert!(got.ends_with(": after the restart"), "{got}");
    }

    #[test]
    fn a_missing_daemon_is_tried_once_a_second_and_lost_lines_are_reported() {
        let scratch = Scratch::new("syslog-missing");
        let path = scratch.path("log");
        let (mut syslog, outcome) = Syslog::new(&path, None);
        assert!(outcome.is_err());
        syslog.line(TAG, Level::Info, &TIME, "one");
        let daemon = listen(&path);
        syslog.line(TAG, Level::Info, &TIME, "two");
        assert_eq!(receive(&daemon), None, "too early to connect again");
        syslog.retry_at = None;
        syslog.line(TAG, Level::Info, &TIME, "three");
        let notice = receive(&daemon).expect("notice");
        assert!(notice.starts_with("<28>"), "{notice}");
        assert!(notice.ends_with(": 2 log lines lost"), "{notice}");
        let line = receive(&daemon).expect("line");
        assert!(line.ends_with(": three"), "{line}");
    }

    #[test]
    fn a_daemon_that_does_not_read_does_not_block() {
        let scratch = Scratch::new("syslog-full");
        let path = scratch.path("log");
        let daemon = listen(&path);
        let (mut syslog, _) = Syslog::new(&path, None);
        // More than its queue and ours hold. If sending blocked, the test would hang.
        for _ in 0..4000 {
            syslog.line(TAG, Level::Info, &TIME, "flood");
        }
        assert!(syslog.lost.notice().is_some());
        while receive(&daemon).is_some() {}
        syslog.line(TAG, Level::Info, &TIME, "awake again");
        let lines = read_all(&mut syslog, &daemon);
        let [.., notice, last] = &lines[..] else {
            panic!("{lines:?}");
        };
        assert!(notice.ends_with("log lines lost"), "{notice}");
        assert!(last.ends_with(": awake again"), "{last}");
    }

    /// Reads until nothing waits.
    fn read_all(syslog: &mut Syslog, daemon: &UnixDatagram) -> Vec<String> {
        let mut lines = Vec::new();
        loop {
            let pause = syslog.flush();
            lines.extend(std::iter::from_fn(|| receive(daemon)));
            if pause.is_none() {
                return lines;
            }
        }
    }

    #[test]
    fn a_burst_that_the_daemon_reads_later_is_complete_and_in_order() {
        let scratch = Scratch::new("syslog-burst");
        let path = scratch.path("log");
        let daemon = listen(&path);
        let (mut syslog, _) = Syslog::new(&path, None);
        assert_eq!(syslog.flush(), None);
        let mut count = 0;
        while syslog.waiting.len() < MAX_WAITING {
            syslog.line(TAG, Level::Info, &TIME, &format!("line {count}"));
            count += 1;
        }
        // The longer it does not read, the less often it is tried.
        let pauses: Vec<_> = std::iter::repeat_with(|| syslog.flush()).take(9).collect();
        assert_eq!(pauses[0], Some(FIRST_PAUSE));
        assert_eq!(pauses[1], Some(FIRST_PAUSE * 2));
        assert_eq!(pauses[8], Some(RETRY));
        let lines = read_all(&mut syslog, &daemon);
        assert_eq!(lines.len(), count);
        for (number, line) in lines.iter().enumerate() {
            assert!(line.ends_with(&format!(": line {number}")), "{line}");
        }
    }
}
