//! The implementation of the `log` facade. It writes to up to three destinations:
//!
//! * standard error, in the foreground with `-l` (or if no other destination exists): a terminal
//!   through simple_logger, a pipe or file through our own [`Sink`];
//! * syslog, unless `-G`;
//! * a file, with `-g`.
//!
//! Invariants: logging never blocks and never panics, whatever the reader does; a log line is one
//! line of printable text, whatever a peer or a script put into it; its length is limited.
//!
//! simple_logger prints with `eprintln!`, which panics when the terminal is gone, and after a panic
//! the addresses of a dead master would stay. So the terminal is polled before each line.

use std::fmt::{self, Write as _};
use std::io::IsTerminal;
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use ::log::{Level, LevelFilter, Log, Metadata, Record};
use nix::time::{ClockId, clock_gettime};
use simple_logger::SimpleLogger;

use super::log_sink::{LostLines, Sink, writable};
use super::syslog::{DEV_LOG, Syslog};
use crate::engine::system::error_text;
use crate::log;
use crate::sys;
use crate::types::CalledAs;

/// Level and destinations of the log.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Settings {
    /// Info by default, Debug with `-D`, Trace with `--debug`.
    pub level: LevelFilter,
    /// `-n`: standard error stays open.
    pub foreground: bool,
    /// `-l`.
    pub console: bool,
    /// Not `-G`.
    pub syslog: bool,
    /// `-S`.
    pub facility: Option<u8>,
    /// `-g`.
    pub file: Option<PathBuf>,
    /// Chooses the program name for syslog.
    pub called_as: CalledAs,
}

/// Starts logging. Returns a notice for the user if syslog is missing and the log goes elsewhere.
///
/// # Errors
/// A message: the log file cannot be written.
pub fn init(settings: &Settings) -> Result<Option<String>, String> {
    let (sinks, notice) = Sinks::open(settings, Path::new(DEV_LOG))?;
    let logger = Logger {
        level: settings.level,
        called_as: settings.called_as,
        sinks: Mutex::new(sinks),
    };
    // Leaked because it lives as long as the process. A second call changes nothing.
    if ::log::set_logger(Box::leak(Box::new(logger))).is_ok() {
        ::log::set_max_level(settings.level);
        std::panic::set_hook(Box::new(|info| log::error!("bug: {info}")));
    }
    Ok(notice)
}

/// Log target of messages that have been written to standard error already.
pub const ON_STDERR: &str = "stderr";

struct Logger {
    level: LevelFilter,
    called_as: CalledAs,
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
        // The lock is held only if this line reports a panic while another line is written.
        if let Ok(mut sinks) = self.sinks.try_lock() {
            let line = Line {
                tag: tag(self.called_as, record.target()),
                level: record.level(),
                time: LocalTime::now(),
                text: printable(*record.args()),
            };
            if record.target() != ON_STDERR {
                sinks.write_to_stderr(&line);
            }
            sinks.write_to_others(&line);
        }
    }

    fn flush(&self) {
        if let Ok(mut sinks) = self.sinks.try_lock() {
            let pause = sinks.syslog.as_mut().and_then(Syslog::flush);
            let millis = pause.map_or(0, |pause| pause.as_millis());
            PAUSE.store(u32::try_from(millis).unwrap_or(0), Ordering::Relaxed);
        }
    }
}

/// Milliseconds until what waits should be sent again, 0 if nothing waits.
static PAUSE: AtomicU32 = AtomicU32::new(0);

/// Sends what syslog had no room for; returns when to call this again if there is still something.
pub fn flush() -> Option<Duration> {
    ::log::logger().flush();
    let millis = PAUSE.load(Ordering::Relaxed);
    (millis > 0).then(|| Duration::from_millis(millis.into()))
}

/// Sends what syslog had no room for before the process ends; gives up after a while.
pub fn finish() {
    for _ in 0..FINISH_ATTEMPTS {
        if flush().is_none() {
            return;
        }
        std::thread::sleep(FINISH_PAUSE);
    }
}

const FINISH_ATTEMPTS: u32 = 20;
const FINISH_PAUSE: Duration = Duration::from_millis(5);

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
        let mut notice = None;
        if let Some(path) = &settings.file {
            let file = Sink::file(path).map_err(|error| {
                let why = error_text(&error);
                format!("cannot write the log file {}: {why}", path.display())
            })?;
            sinks.file = Some(file);
        }
        let mut no_destination = sinks.file.is_none();
        if settings.syslog {
            let (syslog, outcome) = Syslog::new(dev_log, settings.facility);
            sinks.syslog = Some(syslog);
            match outcome {
                Ok(()) => no_destination = false,
                Err(error) if no_destination && !settings.console => {
                    let why = error_text(&error);
                    notice = Some(format!(
                        "no syslog here ({}: {why}), {}",
                        dev_log.display(),
                        if settings.foreground {
                            "logging to standard error"
                        } else {
                            "log lines are lost until it starts; -g logs to a file"
                        }
                    ));
                }
                Err(_) => {}
            }
        }
        if settings.foreground && (settings.console || no_destination) {
            sinks.open_console();
        }
        Ok((sinks, notice))
    }

    fn open_console(&mut self) {
        let stderr = std::io::stderr();
        if stderr.is_terminal() {
            self.terminal = Some(Terminal::default());
        } else {
            // Fails if standard error is closed; then there is no console.
            self.console = Sink::shared(stderr.as_fd()).ok();
        }
    }

    fn write_to_stderr(&mut self, line: &Line) {
        if let Some(terminal) = &mut self.terminal {
            terminal.write(line);
        }
        if let Some(console) = &mut self.console {
            console.line(&line.to_string());
        }
    }

    fn write_to_others(&mut self, line: &Line) {
        if let Some(file) = &mut self.file {
            file.line(&line.to_string());
        }
        if let Some(syslog) = &mut self.syslog {
            syslog.line(line.tag, line.level, &line.time, &line.text);
        }
    }
}

/// Standard error if it is a terminal.
#[derive(Default)]
struct Terminal {
    printer: SimpleLogger,
    lost: LostLines,
}

impl Terminal {
    fn write(&mut self, line: &Line) {
        // Not if the terminal was closed, or stopped with ^S.
        if !writable(std::io::stderr().as_fd()) {
            self.lost.count_one();
            return;
        }
        let time = line.time.to_string();
        let print = |level, text: &str| {
            let mut record = Record::builder();
            // simple_logger prints the target where we want the time.
            let record = record.level(level).target(&time);
            self.printer
                .log(&record.args(format_args!("{text}")).build());
        };
        if let Some(notice) = self.lost.notice() {
            print(Level::Warn, &notice);
            self.lost.clear();
        }
        print(line.level, &line.text);
    }
}

// ---- one line ----

/// A log line.
struct Line {
    /// Name of the program for syslog.
    tag: &'static str,
    level: Level,
    time: LocalTime,
    /// As of [`printable`].
    text: String,
}

impl fmt::Display for Line {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Line {
            level, time, text, ..
        } = self;
        write!(f, "{level:<5} [{time}] {text}")
    }
}

/// The program name for syslog, from the target of a line. keepalived is several processes, and
/// log rules select by their names.
fn tag(called_as: CalledAs, target: &str) -> &'static str {
    let is_of = |rooms: &[&str]| rooms.iter().any(|room| target.starts_with(room));
    match called_as {
        CalledAs::Vrrpd => "vrrpd",
        CalledAs::Keepalived if is_of(HEALTH_CHECKS) => "Keepalived_healthcheckers",
        CalledAs::Keepalived if is_of(PARENT) => "Keepalived",
        CalledAs::Keepalived => "Keepalived_vrrp",
    }
}

/// Targets of lines about virtual servers.
const HEALTH_CHECKS: &[&str] = &[
    "check",
    "lvs",
    "vrrpd::engine::lvs",
    "vrrpd::os::lvs",
    "vrrpd::check",
];
/// Targets of lines about the process and its configuration.
const PARENT: &[&str] = &["vrrpd::run", "vrrpd::os", "config", ON_STDERR];

/// Maximum length of the text in bytes: with priority, time and name it fits the 1,024 of a syslog
/// message.
const TEXT_MAX: usize = 900;

/// The text of a message with control characters as `\xNN`, cut at [`TEXT_MAX`].
fn printable(message: fmt::Arguments<'_>) -> String {
    let mut text = Printable(String::with_capacity(128));
    if text.write_fmt(message).is_err() {
        text.0.push_str("...");
    }
    text.0
}

/// Collects printable text; an error means that the limit is reached.
struct Printable(String);

impl fmt::Write for Printable {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        for character in text.chars() {
            let left = TEXT_MAX.saturating_sub(self.0.len());
            if character.is_control() {
                // Two bytes from U+0080 to U+009F, the C1 control characters.
                let mut utf8 = [0; 4];
                let bytes = character.encode_utf8(&mut utf8).as_bytes();
                if bytes.len() * 4 > left {
                    return Err(fmt::Error);
                }
                for byte in bytes {
                    write!(self.0, "\\x{byte:02x}")?;
                }
            } else if character.len_utf8() > left {
                return Err(fmt::Error);
            } else {
                self.0.push(character);
            }
        }
        Ok(())
    }
}

/// Local time.
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

    #[test]
    fn control_characters_cannot_forge_lines_or_reach_a_terminal() {
        for (name, input, want) in [
            (
                "plain",
                "(VI_1) Entering MASTER STATE",
                "(VI_1) Entering MASTER STATE",
            ),
            ("forged line", "a\nOct 1 vrrpd: b", "a\\x0aOct 1 vrrpd: b"),
            ("terminal", "\x1b[2J\x07\x7f", "\\x1b[2J\\x07\\x7f"),
            ("C1 control characters", "\u{9b}2J", "\\xc2\\x9b2J"),
            ("nul and return", "\0\r", "\\x00\\x0d"),
            ("other alphabets", "Zürich 東京", "Zürich 東京"),
        ] {
            assert_eq!(printable(format_args!("{input}")), want, "{name}");
        }
    }

    #[test]
    fn long_lines_are_cut_and_end_in_dots() {
        for (name, long) in [
            ("ASCII", "x".repeat(5000)),
            ("controls", "\n".repeat(5000)),
            ("wide", "東".repeat(5000)),
        ] {
            let got = printable(format_args!("{long} tail"));
            assert!(got.len() <= TEXT_MAX + 3, "{name}: {}", got.len());
            assert!(got.ends_with("..."), "{name}");
        }
        let fits = "x".repeat(TEXT_MAX);
        assert_eq!(printable(format_args!("{fits}")), fits);
    }

    #[test]
    fn syslog_is_told_which_process_of_keepalived_would_have_written_a_line() {
        use CalledAs::{Keepalived, Vrrpd};
        for (called_as, target, want) in [
            (Vrrpd, "vrrpd::engine::lvs::messages", "vrrpd"),
            (
                Keepalived,
                "vrrpd::engine::lvs::messages",
                "Keepalived_healthcheckers",
            ),
            (
                Keepalived,
                "vrrpd::engine::instance::messages",
                "Keepalived_vrrp",
            ),
            (Keepalived, "script", "Keepalived_vrrp"),
            (Keepalived, "check", "Keepalived_healthcheckers"),
            (Keepalived, "lvs", "Keepalived_healthcheckers"),
            (Keepalived, "vrrpd::run::serve", "Keepalived"),
            (Keepalived, "config", "Keepalived"),
        ] {
            assert_eq!(tag(called_as, target), want, "{target}");
        }
    }

    #[test]
    fn times_are_formatted_for_files_and_for_syslog() {
        let time = LocalTime {
            year: 2026,
            month: 11,
            day: 2,
            hour: 3,
            minute: 4,
            second: 5,
            milli: 6,
        };
        assert_eq!(time.to_string(), "2026-11-02 03:04:05.006");
        assert_eq!(time.rfc3164(), "Nov  2 03:04:05");
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
            called_as: CalledAs::Vrrpd,
        };
        let file = Some(scratch.path("file"));
        let console = |sinks: &Sinks| sinks.console.is_some() || sinks.terminal.is_some();
        let open = |settings: &Settings| Sinks::open(settings, &dev_log).expect("sinks");

        let (sinks, notice) = open(&settings);
        assert!(console(&sinks), "no syslog: standard error");
        let want = format!(
            "no syslog here ({}: no such file or directory), logging to standard error",
            dev_log.display()
        );
        assert_eq!(notice, Some(want));

        let daemon = Settings {
            foreground: false,
            ..settings.clone()
        };
        let (sinks, notice) = open(&daemon);
        assert!(!console(&sinks));
        assert!(notice.is_some_and(|notice| notice.contains("log lines are lost")));

        let (sinks, notice) = open(&Settings {
            file,
            ..settings.clone()
        });
        assert!(!console(&sinks) && notice.is_none(), "the file is enough");

        let _syslogd = std::os::unix::net::UnixDatagram::bind(&dev_log).expect("bind");
        for (name, console_option, syslog, want) in [
            ("-n", false, true, (false, true)),
            ("-n -l", true, true, (true, true)),
            ("-n -l -G", true, false, (true, false)),
            ("-n -G", false, false, (true, false)),
        ] {
            let (sinks, notice) = open(&Settings {
                console: console_option,
                syslog,
                ..settings.clone()
            });
            assert_eq!((console(&sinks), sinks.syslog.is_some()), want, "{name}");
            assert_eq!(notice, None, "{name}");
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
            called_as: CalledAs::Vrrpd,
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
        sinks.write_to_others(&Line {
            tag: "vrrpd",
            level: Level::Warn,
            time: LocalTime::default(),
            text: printable(format_args!("a\tb")),
        });
        let got = std::fs::read_to_string(&path).expect("read");
        assert_eq!(got, "WARN  [0000-00-00 00:00:00.000] a\\x09b\n");
    }
}
