//! The log: facade `log`, and behind it up to three destinations.
//!
//! * standard error, in the foreground with `-l` (or when there is no other place): on a terminal through
//!   simple_logger, into a pipe or file through our own [`Sink`];
//! * syslog, unless `-G`;
//! * a file, with `-g`.
//!
//! Invariants: a log line never blocks and never panics, whatever its reader does; it is one line of
//! printable text, whatever a peer or a script put into it; it has a bounded length.
//!
//! simple_logger prints with `eprintln!`, which panics when the other side is gone, and a panic here means
//! a master that keeps its addresses while dead. So a terminal is asked before each line whether it takes
//! one, and anything else does not go that way at all.

use std::fmt::{self, Write as _};
use std::io::IsTerminal;
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};
use std::sync::Mutex;

use log::{Level, LevelFilter, Log, Metadata, Record};
use nix::time::{ClockId, clock_gettime};
use simple_logger::SimpleLogger;

use super::log_sink::{Lost, Sink, writable};
use super::syslog::{DEV_LOG, Syslog};
use crate::engine::system::error_text;
use crate::sys;

/// What to log, and where to.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Settings {
    /// Info as a rule, Debug with `-D`, Trace with `--debug`.
    pub level: LevelFilter,
    /// Standard error stays open (`-n`).
    pub foreground: bool,
    /// `-l`.
    pub console: bool,
    /// Not `-G`.
    pub syslog: bool,
    /// `-S`.
    pub facility: Option<u8>,
    /// `-g`.
    pub file: Option<PathBuf>,
}

/// Starts logging. The answer is a remark for the user when the lines will not go where they would expect.
///
/// # Errors
/// The log file cannot be written.
pub fn init(settings: &Settings) -> Result<Option<String>, String> {
    let (sinks, remark) = Sinks::open(settings, Path::new(DEV_LOG))?;
    let logger = Logger {
        level: settings.level,
        sinks: Mutex::new(sinks),
    };
    // Lives as long as the process. A second call changes nothing.
    if log::set_logger(Box::leak(Box::new(logger))).is_ok() {
        log::set_max_level(settings.level);
        std::panic::set_hook(Box::new(|info| log::error!("bug: {info}")));
    }
    Ok(remark)
}

/// Target of lines that were written to standard error already, as plain sentences.
pub const SAID: &str = "said";

struct Logger {
    level: LevelFilter,
    sinks: Mutex<Sinks>,
}

impl Log for Logger {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.level() <= self.level
    }

    fn log(&self, record: &Record<'_>) {
        if !self.enabled(record.metadata()) {
            return;
        }
        // Only a panic while logging could hold the lock: its own message must not wait for itself.
        if let Ok(mut sinks) = self.sinks.try_lock() {
            let said = record.target() == SAID;
            sinks.line(record.level(), &LocalTime::now(), *record.args(), said);
        }
    }

    fn flush(&self) {}
}

#[derive(Default)]
struct Sinks {
    terminal: Option<Terminal>,
    console: Option<Sink>,
    file: Option<Sink>,
    syslog: Option<Syslog>,
}

impl Sinks {
    fn open(settings: &Settings, dev_log: &Path) -> Result<(Self, Option<String>), String> {
        let mut sinks = Self::default();
        let mut remark = None;
        if let Some(path) = &settings.file {
            let file = Sink::file(path).map_err(|error| {
                let why = error_text(&error);
                format!("cannot write the log file {}: {why}", path.display())
            })?;
            sinks.file = Some(file);
        }
        let mut silent = sinks.file.is_none();
        if settings.syslog {
            let (syslog, outcome) = Syslog::new(dev_log, settings.facility);
            sinks.syslog = Some(syslog);
            match outcome {
                Ok(()) => silent = false,
                Err(error) if silent && !settings.console => {
                    let why = error_text(&error);
                    remark = Some(format!(
                        "no syslog here ({}: {why}), {}",
                        dev_log.display(),
                        if settings.foreground {
                            "logging to standard error"
                        } else {
                            "log lines are lost until there is; -g logs to a file"
                        }
                    ));
                }
                Err(_) => {}
            }
        }
        if settings.foreground && (settings.console || silent) {
            sinks.open_console();
        }
        Ok((sinks, remark))
    }

    fn open_console(&mut self) {
        let stderr = std::io::stderr();
        if stderr.is_terminal() {
            self.terminal = Some(Terminal::default());
        } else {
            // No standard error at all: then there is nobody to tell.
            self.console = Sink::shared(stderr.as_fd()).ok();
        }
    }

    fn line(&mut self, level: Level, stamp: &LocalTime, message: fmt::Arguments<'_>, said: bool) {
        let text = Line::from(message);
        if let Some(terminal) = self.terminal.as_mut().filter(|_| !said) {
            terminal.line(level, stamp, &text.0);
        }
        if self.console.is_some() || self.file.is_some() {
            let line = format!("{level:<5} [{stamp}] {}", text.0);
            if let Some(console) = self.console.as_mut().filter(|_| !said) {
                console.line(&line);
            }
            if let Some(file) = &mut self.file {
                file.line(&line);
            }
        }
        if let Some(syslog) = &mut self.syslog {
            syslog.line(level, stamp, &text.0);
        }
    }
}

/// Standard error when it is a terminal.
#[derive(Default)]
struct Terminal {
    printer: SimpleLogger,
    lost: Lost,
}

impl Terminal {
    fn line(&mut self, level: Level, stamp: &LocalTime, text: &str) {
        // A terminal that was closed, or stopped with ^S.
        if !writable(std::io::stderr().as_fd()) {
            self.lost.one();
            return;
        }
        let stamp = stamp.to_string();
        let print = |level, text: &str| {
            let mut record = Record::builder();
            // simple_logger has a place for the target where we want the time.
            let record = record.level(level).target(&stamp);
            self.printer
                .log(&record.args(format_args!("{text}")).build());
        };
        if let Some(notice) = self.lost.notice() {
            print(Level::Warn, &notice);
            self.lost.told();
        }
        print(level, text);
    }
}

// ---- one line ----

/// Longest text of a line in bytes: with everything around it, it fits the 1,024 of a syslog message.
const TEXT_MAX: usize = 900;

/// Text made fit to print: control characters as `\xNN`, cut at [`TEXT_MAX`].
struct Line(String);

impl From<fmt::Arguments<'_>> for Line {
    fn from(message: fmt::Arguments<'_>) -> Self {
        let mut line = Self(String::with_capacity(128));
        if line.write_fmt(message).is_err() {
            line.0.push_str("...");
        }
        line
    }
}

impl fmt::Write for Line {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        for character in text.chars() {
            let room = TEXT_MAX.saturating_sub(self.0.len());
            if character.is_control() {
                // Two bytes for those between U+0080 and U+009F, the terminal's other control set.
                let mut utf8 = [0; 4];
                let bytes = character.encode_utf8(&mut utf8).as_bytes();
                if bytes.len() * 4 > room {
                    return Err(fmt::Error);
                }
                for byte in bytes {
                    write!(self.0, "\\x{byte:02x}")?;
                }
            } else if character.len_utf8() > room {
                return Err(fmt::Error);
            } else {
                self.0.push(character);
            }
        }
        Ok(())
    }
}

/// The local time of a line.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct LocalTime {
    pub(super) year: i32,
    pub(super) month: i32,
    pub(super) day: i32,
    pub(super) hour: i32,
    pub(super) minute: i32,
    pub(super) second: i32,
    pub(super) milli: i32,
}

impl LocalTime {
    fn now() -> Self {
        let Ok(now) = clock_gettime(ClockId::CLOCK_REALTIME) else {
            return Self::default();
        };
        let Some(local) = sys::local_time(now) else {
            return Self::default();
        };
        Self {
            year: local.tm_year + 1900,
            month: local.tm_mon + 1,
            day: local.tm_mday,
            hour: local.tm_hour,
            minute: local.tm_min,
            second: local.tm_sec,
            milli: i32::try_from(now.tv_nsec() / 1_000_000).unwrap_or(0),
        }
    }

    /// `Feb  3 04:05:06`
    pub(super) fn rfc3164(&self) -> String {
        const MONTHS: [&str; 12] = [
            "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec",
        ];
        let index = usize::try_from(self.month.saturating_sub(1)).ok();
        let month = index.and_then(|index| MONTHS.get(index)).unwrap_or(&"Jan");
        let (day, hour, minute, second) = (self.day, self.hour, self.minute, self.second);
        format!("{month} {day:2} {hour:02}:{minute:02}:{second:02}")
    }
}

impl fmt::Display for LocalTime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (year, month, day) = (self.year, self.month, self.day);
        let (hour, minute, second, milli) = (self.hour, self.minute, self.second, self.milli);
        write!(
            f,
            "{year:04}-{month:02}-{day:02} {hour:02}:{minute:02}:{second:02}.{milli:03}"
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::os::testing::Scratch;

    fn text(message: fmt::Arguments<'_>) -> String {
        Line::from(message).0
    }

    #[test]
    fn what_a_peer_wrote_cannot_leave_its_line() {
        for (name, input, want) in [
            (
                "plain",
                "(VI_1) Entering MASTER STATE",
                "(VI_1) Entering MASTER STATE",
            ),
            ("forged line", "a\nOct 1 vrrpd: b", "a\\x0aOct 1 vrrpd: b"),
            ("terminal", "\x1b[2J\x07\x7f", "\\x1b[2J\\x07\\x7f"),
            ("second control set", "\u{9b}2J", "\\xc2\\x9b2J"),
            ("nul and return", "\0\r", "\\x00\\x0d"),
            ("other scripts", "Zürich 東京", "Zürich 東京"),
        ] {
            assert_eq!(text(format_args!("{input}")), want, "{name}");
        }
    }

    #[test]
    fn a_line_has_a_bounded_length_and_shows_that_it_was_cut() {
        for (name, long) in [
            ("letters", "x".repeat(5000)),
            ("controls", "\n".repeat(5000)),
            ("wide", "東".repeat(5000)),
        ] {
            let got = text(format_args!("{long} tail"));
            assert!(got.len() <= TEXT_MAX + 3, "{name}: {}", got.len());
            assert!(got.ends_with("..."), "{name}");
        }
        let fits = "x".repeat(TEXT_MAX);
        assert_eq!(text(format_args!("{fits}")), fits);
    }

    #[test]
    fn stamps_are_readable_and_sortable() {
        let stamp = LocalTime {
            year: 2026,
            month: 11,
            day: 2,
            hour: 3,
            minute: 4,
            second: 5,
            milli: 6,
        };
        assert_eq!(stamp.to_string(), "2026-11-02 03:04:05.006");
        assert_eq!(stamp.rfc3164(), "Nov  2 03:04:05");
        assert!(LocalTime::now().year >= 2024);
    }

    #[test]
    fn lines_go_where_the_options_say() {
        let scratch = Scratch::new("logging-where");
        let dev_log = scratch.path("log");
        let settings = Settings {
            level: LevelFilter::Info,
            foreground: true,
            console: false,
            syslog: true,
            facility: None,
            file: None,
        };
        let file = Some(scratch.path("file"));
        let console = |sinks: &Sinks| sinks.console.is_some() || sinks.terminal.is_some();
        let open = |settings: &Settings| Sinks::open(settings, &dev_log).expect("sinks");

        let (sinks, remark) = open(&settings);
        assert!(console(&sinks), "nobody listens: standard error");
        let want = format!(
            "no syslog here ({}: no such file or directory), logging to standard error",
            dev_log.display()
        );
        assert_eq!(remark, Some(want));

        let daemon = Settings {
            foreground: false,
            ..settings.clone()
        };
        let (sinks, remark) = open(&daemon);
        assert!(!console(&sinks));
        assert!(remark.is_some_and(|remark| remark.contains("log lines are lost")));

        let (sinks, remark) = open(&Settings {
            file,
            ..settings.clone()
        });
        assert!(!console(&sinks) && remark.is_none(), "the file is enough");

        let _syslogd = std::os::unix::net::UnixDatagram::bind(&dev_log).expect("bind");
        for (name, console_option, syslog, want) in [
            ("-n", false, true, (false, true)),
            ("-n -l", true, true, (true, true)),
            ("-n -l -G", true, false, (true, false)),
            ("-n -G", false, false, (true, false)),
        ] {
            let (sinks, remark) = open(&Settings {
                console: console_option,
                syslog,
                ..settings.clone()
            });
            assert_eq!((console(&sinks), sinks.syslog.is_some()), want, "{name}");
            assert_eq!(remark, None, "{name}");
        }
    }

    #[test]
    fn a_log_file_that_cannot_be_written_is_an_error_before_the_start() {
        let settings = Settings {
            level: LevelFilter::Info,
            foreground: true,
            console: true,
            syslog: false,
            facility: None,
            file: Some(PathBuf::from("/proc/none/log")),
        };
        let error = Sinks::open(&settings, Path::new("/nowhere")).err();
        let want = "cannot write the log file /proc/none/log: no such file or directory";
        assert_eq!(error.as_deref(), Some(want));
    }

    #[test]
    fn a_file_gets_level_time_and_text() {
        let scratch = Scratch::new("logging-file");
        let path = scratch.path("log");
        let mut sinks = Sinks {
            file: Some(Sink::file(&path).expect("open")),
            ..Sinks::default()
        };
        sinks.line(
            Level::Warn,
            &LocalTime::default(),
            format_args!("a\tb"),
            false,
        );
        let got = std::fs::read_to_string(&path).expect("read");
        assert_eq!(got, "WARN  [0000-00-00 00:00:00.000] a\\x09b\n");
    }
}
