//! Commands for the running daemon, and the line by which a client asks for one.
//!
//! ```text
//! vrrpd/1<TAB>status<TAB>--json<TAB>VI_1<LF>
//! ```
//! The words are those of the command line without the options that concern the client alone. Client
//! and daemon read them with the same function. At most [`MAX_LINE`] bytes; none is a control
//! character.

use core::time::Duration;

use super::{Escaped, Style};

/// First word of a request: the version of the protocol.
pub const PROTOCOL: &str = "vrrpd/1";
/// Longest request in bytes, with its line feed.
pub const MAX_LINE: usize = 4096;

/// A command.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Command {
    /// States of instances, groups, trackers and virtual servers.
    Status,
    /// Why an object is in its state.
    Explain,
    /// Recent changes.
    Events,
    /// Prometheus text.
    Metrics,
    /// keepalived's dumps.
    Dump,
    /// Changes that a reload would make.
    Diff,
    /// Reads the configuration again.
    Reload,
    /// Executes the new version of the program.
    Restart,
    /// Ends the daemon.
    Stop,
    /// Maintenance: hands over and stays backup.
    Demote,
    /// Ends maintenance.
    Promote,
    /// Holds a real server at weight 0.
    Drain,
    /// Ends that.
    Undrain,
}

/// An option without value.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Flag {
    /// `--json`.
    Json,
    /// `--color`: set by the client.
    Color,
    /// `-q`: one word.
    Quiet,
    /// `--check`: as a Nagios plugin.
    Check,
    /// `--force`.
    Force,
    /// `--follow`: continue.
    Follow,
    /// `--watch`: of the client.
    Watch,
}

/// An option with a value.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Setting {
    /// `--width`: set by the client.
    Width,
    /// `-n`: number of events.
    Count,
    /// `--for`: a duration.
    For,
    /// `--reason`.
    Reason,
    /// `-f`: configuration.
    File,
    /// `-o`: of the client: file to write to.
    Output,
    /// `--listen`: of the client.
    Listen,
    /// `--user`: of the client.
    User,
    /// `--socket`: of the client.
    Socket,
    /// `-p`: of the client: the daemon's pid file.
    PidFile,
}

/// The names that a command takes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Names {
    /// None.
    None,
    /// Any number.
    Any,
    /// This many.
    Exactly(usize),
    /// One of the words of [`Row::usage`], which `|` separates.
    Choice,
}

/// Everything about a command.
#[derive(PartialEq, Eq, Debug)]
pub struct Row {
    /// The command.
    pub command: Command,
    /// Its name.
    pub name: &'static str,
    /// Names of objects after it.
    pub names: Names,
    /// Its arguments in the help text.
    pub usage: &'static str,
    /// Options without value.
    pub flags: &'static [Flag],
    /// Options with a value.
    pub settings: &'static [Setting],
    /// Whether it changes something, which only root and the daemon's user may do.
    pub changes: bool,
    /// One line for the help text.
    pub help: &'static str,
}

/// The commands, in the order of the help text.
#[rustfmt::skip]
pub static COMMANDS: &[Row] = &[
    Row { command: Command::Status, name: "status", names: Names::Any, usage: "[NAME...]",
        flags: &[Flag::Json, Flag::Color, Flag::Quiet, Flag::Check, Flag::Watch], settings: &[Setting::Width], changes: false,
        help: "states, problems first; -q: one word,\n--check: for Nagios, --json, --watch" },
    Row { command: Command::Explain, name: "explain", names: Names::Any, usage: "[NAME...]",
        flags: &[Flag::Color, Flag::Watch], settings: &[Setting::Width], changes: false,
        help: "why it is in its state, what would change it" },
    Row { command: Command::Events, name: "events", names: Names::Any, usage: "[NAME...]",
        flags: &[Flag::Json, Flag::Color, Flag::Follow], settings: &[Setting::Count], changes: false,
        help: "recent changes; --follow, --json, -n COUNT" },
    Row { command: Command::Metrics, name: "metrics", names: Names::None, usage: "",
        flags: &[], settings: &[Setting::Output, Setting::Listen, Setting::User], changes: false,
        help: "Prometheus text; -o FILE,\n--listen ADDRESS:PORT" },
    Row { command: Command::Dump, name: "dump", names: Names::Choice, usage: "data|stats|json",
        flags: &[], settings: &[], changes: false,
        help: "keepalived's dumps, without files in /tmp" },
    Row { command: Command::Diff, name: "diff", names: Names::None, usage: "[-f FILE]",
        flags: &[], settings: &[Setting::File], changes: true,
        help: "what a reload would change" },
    Row { command: Command::Reload, name: "reload", names: Names::None, usage: "",
        flags: &[], settings: &[], changes: true,
        help: "read the configuration again" },
    Row { command: Command::Restart, name: "restart", names: Names::None, usage: "",
        flags: &[], settings: &[], changes: true,
        help: "continue with the program as it is on disk" },
    Row { command: Command::Stop, name: "stop", names: Names::None, usage: "",
        flags: &[], settings: &[], changes: true,
        help: "end the daemon" },
    Row { command: Command::Demote, name: "demote", names: Names::Exactly(1), usage: "NAME|all",
        flags: &[Flag::Force], settings: &[Setting::For, Setting::Reason], changes: true,
        help: "hand over and stay backup until promote;\n--for 30m, --reason TEXT, --force" },
    Row { command: Command::Promote, name: "promote", names: Names::Exactly(1), usage: "NAME|all",
        flags: &[], settings: &[], changes: true,
        help: "end demote" },
    Row { command: Command::Drain, name: "drain", names: Names::Exactly(2), usage: "VS RS",
        flags: &[Flag::Force], settings: &[Setting::For, Setting::Reason], changes: true,
        help: "hold a real server at weight 0;\n--for, --reason, --force" },
    Row { command: Command::Undrain, name: "undrain", names: Names::Exactly(2), usage: "VS RS",
        flags: &[], settings: &[], changes: true,
        help: "end drain" },
];

/// Options without value: short name, long name.
static FLAGS: &[(Flag, &str, &str)] = &[
    (Flag::Json, "", "--json"),
    (Flag::Color, "", "--color"),
    (Flag::Quiet, "-q", "--quiet"),
    (Flag::Check, "", "--check"),
    (Flag::Force, "", "--force"),
    (Flag::Follow, "", "--follow"),
    (Flag::Watch, "-w", "--watch"),
];

/// Options with a value: short name, long name.
pub(super) static SETTINGS: &[(Setting, &str, &str)] = &[
    (Setting::Width, "", "--width"),
    (Setting::Count, "-n", "--count"),
    (Setting::For, "", "--for"),
    (Setting::Reason, "", "--reason"),
    (Setting::File, "-f", "--use-file"),
    (Setting::Output, "-o", "--output"),
    (Setting::Listen, "", "--listen"),
    (Setting::User, "", "--user"),
    (Setting::Socket, "", "--socket"),
    (Setting::PidFile, "-p", "--pid"),
];

/// Settings that every command has: which daemon it is for.
pub(super) const OF_ALL: [Setting; 2] = [Setting::Socket, Setting::PidFile];
/// Flags and settings that concern the client alone.
const CLIENT_FLAGS: [Flag; 1] = [Flag::Watch];
const CLIENT_SETTINGS: [Setting; 5] = [
    Setting::Output,
    Setting::Listen,
    Setting::User,
    Setting::Socket,
    Setting::PidFile,
];

/// The short name of an option without value, which may be empty, and the long one.
pub(super) fn flag_names(flag: Flag) -> (&'static str, &'static str) {
    let row = FLAGS.iter().find(|(one, ..)| *one == flag);
    row.map_or(("", ""), |(_, short, long)| (short, long))
}

/// The command with this name.
#[must_use]
pub fn find(name: &str) -> Option<&'static Row> {
    COMMANDS.iter().find(|row| row.name == name)
}

/// A command with its options and names.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Request {
    /// The command's row.
    pub row: &'static Row,
    flags: Vec<Flag>,
    settings: Vec<(Setting, String)>,
    /// Names of objects.
    pub names: Vec<String>,
}

impl Command {
    /// Whether this build has it.
    #[must_use]
    pub fn is_built_in(self) -> bool {
        match self {
            Self::Metrics => cfg!(feature = "json"),
            Self::Drain | Self::Undrain => cfg!(feature = "lvs"),
            Self::Status
            | Self::Explain
            | Self::Events
            | Self::Dump
            | Self::Diff
            | Self::Reload
            | Self::Restart
            | Self::Stop
            | Self::Demote
            | Self::Promote => true,
        }
    }

    /// Whether it concerns the whole process: the client waits until it is done.
    #[must_use]
    pub fn is_of_process(self) -> bool {
        matches!(self, Self::Reload | Self::Restart | Self::Stop)
    }
}

impl Request {
    /// Whether an option was given.
    #[must_use]
    pub fn has(&self, flag: Flag) -> bool {
        self.flags.contains(&flag)
    }

    /// The value of an option.
    #[must_use]
    pub fn setting(&self, setting: Setting) -> Option<&str> {
        let found = self.settings.iter().rev().find(|(one, _)| *one == setting);
        found.map(|(_, value)| value.as_str())
    }

    /// A value that is a number.
    fn number(&self, setting: Setting) -> Option<u32> {
        self.setting(setting)?.parse().ok()
    }

    /// `-n`.
    #[must_use]
    pub fn count(&self) -> Option<u32> {
        self.number(Setting::Count)
    }

    /// `--for`.
    #[must_use]
    pub fn duration(&self) -> Option<Duration> {
        duration(self.setting(Setting::For)?)
    }

    /// The form of the answer.
    #[must_use]
    pub fn style(&self) -> Style {
        let width = self.number(Setting::Width).unwrap_or(0);
        Style {
            width: u16::try_from(width).unwrap_or(u16::MAX),
            color: self.has(Flag::Color),
            json: self.has(Flag::Json),
            names: self.names.clone(),
        }
    }

    /// Adds an option that the client decides on, if the command has it.
    pub fn add(&mut self, flag: Flag) {
        if self.row.flags.contains(&flag) {
            self.flags.push(flag);
        }
    }

    /// Sets an option that the client decides on, if the command has it.
    pub fn set(&mut self, setting: Setting, value: String) {
        if self.row.settings.contains(&setting) {
            self.settings.push((setting, value));
        }
    }

    /// The line that asks for it.
    #[must_use]
    pub fn line(&self) -> String {
        let mut line = [PROTOCOL, "\t", self.row.name].concat();
        for (flag, _, long) in FLAGS {
            if self.has(*flag) && !CLIENT_FLAGS.contains(flag) {
                line.push('\t');
                line.push_str(long);
            }
        }
        for (setting, _, long) in SETTINGS {
            if let Some(value) = self.setting(*setting)
                && !CLIENT_SETTINGS.contains(setting)
            {
                line.push('\t');
                line.push_str(long);
                line.push('=');
                line.push_str(value);
            }
        }
        line.push_str("\t--");
        for name in &self.names {
            line.push('\t');
            line.push_str(name);
        }
        line.push('\n');
        line
    }
}

/// Reads the words of a command: its name, options and names of objects in any order.
///
/// # Errors
/// A message for the user.
pub fn parse<'a>(words: impl IntoIterator<Item = &'a str>) -> Result<Request, String> {
    let mut words = words.into_iter();
    let name = words.next().unwrap_or_default();
    let row = find(name).ok_or_else(|| format!("there is no command '{}'", Escaped(name)))?;
    let mut request = Request {
        row,
        flags: Vec::new(),
        settings: Vec::new(),
        names: Vec::new(),
    };
    let mut options = true;
    while let Some(word) = words.next() {
        if word.chars().any(char::is_control) {
            return Err(format!("control character in '{}'", Escaped(word)));
        }
        if options && word == "--" {
            options = false;
        } else if options && word.len() > 1 && word.starts_with('-') {
            parse_option(&mut request, word, &mut words)?;
        } else {
            request.names.push(word.to_owned());
        }
    }
    let given = request.names.len();
    let is_valid = match row.names {
        Names::None => given == 0,
        Names::Any => true,
        Names::Exactly(wanted) => given == wanted,
        Names::Choice => is_choice(row, &request.names),
    };
    if is_valid {
        Ok(request)
    } else {
        Err(usage(row))
    }
}

fn is_choice(row: &Row, names: &[String]) -> bool {
    matches!(names, [one] if row.usage.split('|').any(|word| word == one))
}

fn parse_option<'a>(
    request: &mut Request,
    word: &str,
    words: &mut impl Iterator<Item = &'a str>,
) -> Result<(), String> {
    let row = request.row;
    let (option, attached) = match word.split_once('=') {
        Some((option, value)) => (option, Some(value)),
        None => (word, None),
    };
    let flag = FLAGS
        .iter()
        .find(|(flag, short, long)| [*short, *long].contains(&option) && row.flags.contains(flag));
    if let Some((flag, ..)) = flag
        && attached.is_none()
    {
        request.flags.push(*flag);
        return Ok(());
    }
    let setting = SETTINGS.iter().find(|(setting, short, long)| {
        let known = row.settings.contains(setting) || OF_ALL.contains(setting);
        known && [*short, *long].contains(&option)
    });
    let Some((setting, ..)) = setting else {
        return Err(format!("'{word}' is no option of it; {}", usage(row)));
    };
    let value = attached.or_else(|| words.next());
    let value = value.ok_or_else(|| format!("{option} needs a value"))?;
    let (is_valid, wanted) = match setting {
        Setting::Width | Setting::Count => (value.parse::<u32>().is_ok(), "a number"),
        Setting::For => (
            duration(value).is_some(),
            "a duration such as 90s, 30m, 2h or 1d",
        ),
        Setting::Reason
        | Setting::File
        | Setting::Output
        | Setting::Listen
        | Setting::User
        | Setting::Socket
        | Setting::PidFile => {
            let is_text = !value.chars().any(char::is_control);
            (is_text, "a text without control characters")
        }
    };
    if !is_valid {
        return Err(format!("{option}: '{}' is not {wanted}", Escaped(value)));
    }
    request.settings.push((*setting, value.to_owned()));
    Ok(())
}

fn usage(row: &Row) -> String {
    let gap = if row.usage.is_empty() { "" } else { " " };
    format!("usage: vrrpd {} [options]{gap}{}", row.name, row.usage)
}

/// `90s`, `30m`, `2h`, `1d`; a number alone is seconds. At most ten years.
fn duration(text: &str) -> Option<Duration> {
    const LONGEST: u64 = 10 * 366 * 86_400;
    let (number, unit) = match text.strip_suffix(['s', 'm', 'h', 'd']) {
        Some(number) => (number, text.get(number.len()..)?),
        None => (text, "s"),
    };
    let seconds = match unit {
        "s" => 1,
        "m" => 60,
        "h" => 3600,
        _ => 86_400,
    };
    let total = number.parse::<u64>().ok()?.checked_mul(seconds)?;
    (1..=LONGEST)
        .contains(&total)
        .then(|| Duration::from_secs(total))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(text: &str) -> Result<Request, String> {
        parse(text.split(' '))
    }

    #[test]
    fn a_request_survives_the_line() {
        for text in [
            "status",
            "status --json VI_1 VI_2",
            "status -q -- -strange",
            "events -n 5 --follow",
            "demote all --for 30m --reason=power --force",
            "drain 192.0.2.1:80 10.0.0.1:80 --for=1d",
            "diff -f /etc/vrrpd.conf",
            "dump json",
        ] {
            let first = words(text).unwrap();
            let line = first.line();
            let mut parts = line.trim_end_matches('\n').split('\t');
            assert_eq!(parts.next(), Some(PROTOCOL));
            let second = parse(parts).unwrap();
            assert_eq!(second.line(), line, "{text}");
            assert_eq!(second.names, first.names, "{text}");
            assert_eq!(second.flags, first.flags, "{text}");
        }
    }

    #[test]
    fn options_of_the_client_stay_there() {
        let request = words("status --watch --socket /run/x.sock VI_1").unwrap();
        assert_eq!(request.line(), "vrrpd/1\tstatus\t--\tVI_1\n");
        assert_eq!(request.setting(Setting::Socket), Some("/run/x.sock"));
        assert!(request.has(Flag::Watch));
    }

    #[test]
    fn a_terminal_changes_only_commands_with_its_options() {
        for row in COMMANDS {
            let names = match row.names {
                Names::Exactly(count) => vec!["x"; count],
                Names::Choice => row.usage.split('|').take(1).collect(),
                Names::None | Names::Any => Vec::new(),
            };
            let mut request = parse([row.name].into_iter().chain(names)).unwrap();
            request.set(Setting::Width, "80".to_owned());
            request.add(Flag::Color);
            let line = request.line();
            let words = line.trim_end_matches('\n').split('\t').skip(1);
            assert_eq!(parse(words).unwrap().line(), line, "{}", row.name);
        }
    }

    #[test]
    fn wrong_words_are_named() {
        for (text, wrong) in [
            ("statu", "there is no command 'statu'"),
            (
                "status --force",
                "'--force' is no option of it; usage: vrrpd status [options] [NAME...]",
            ),
            ("demote", "usage: vrrpd demote [options] NAME|all"),
            ("drain one", "usage: vrrpd drain [options] VS RS"),
            ("dump", "usage: vrrpd dump [options] data|stats|json"),
            ("dump all", "usage: vrrpd dump [options] data|stats|json"),
            (
                "dump data data",
                "usage: vrrpd dump [options] data|stats|json",
            ),
            ("reload x", "usage: vrrpd reload [options]"),
            ("demote x --for", "--for needs a value"),
            (
                "demote x --for 5x",
                "--for: '5x' is not a duration such as 90s, 30m, 2h or 1d",
            ),
            ("events -n many", "-n: 'many' is not a number"),
            ("status VI\u{7}", "control character in 'VI\\x07'"),
        ] {
            assert_eq!(words(text).unwrap_err(), wrong, "{text}");
        }
    }

    #[test]
    fn durations() {
        for (text, seconds) in [
            ("90", Some(90)),
            ("90s", Some(90)),
            ("30m", Some(1800)),
            ("2h", Some(7200)),
            ("1d", Some(86_400)),
            ("0", None),
            ("", None),
            ("m", None),
            ("-1", None),
            ("99999d", None),
            ("1.5h", None),
        ] {
            assert_eq!(duration(text), seconds.map(Duration::from_secs), "{text}");
        }
    }
}
