//! The options of commands as the manual and the completion of a shell show them.

use super::request::{Flag, OF_ALL, Row, SETTINGS, Setting, flag_names};

/// An option of a command.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct OptionText {
    /// `-q`; may be empty.
    pub short: String,
    /// `--quiet`.
    pub long: String,
    /// The name of its value; empty if it has none.
    pub value: &'static str,
    /// Its effect.
    pub text: &'static str,
}

/// The options of a command, without those that all have.
#[must_use]
pub fn options(row: &Row) -> Vec<OptionText> {
    let flags = row.flags.iter().map(|flag| {
        let (short, long) = flag_names(*flag);
        OptionText {
            short: short.to_owned(),
            long: long.to_owned(),
            value: "",
            text: flag_text(*flag),
        }
    });
    flags.chain(settings(row.settings)).collect()
}

/// The options that all commands have.
#[must_use]
pub fn common_options() -> Vec<OptionText> {
    settings(&OF_ALL).collect()
}

fn settings(wanted: &[Setting]) -> impl Iterator<Item = OptionText> {
    let rows = SETTINGS.iter().filter(|(one, ..)| wanted.contains(one));
    rows.map(|(setting, short, long)| {
        let (value, text) = setting_text(*setting);
        OptionText {
            short: (*short).to_owned(),
            long: (*long).to_owned(),
            value,
            text,
        }
    })
}

fn flag_text(flag: Flag) -> &'static str {
    match flag {
        Flag::Json => "as JSON",
        Flag::Color => "with colors, on a terminal the default; not with NO_COLOR",
        Flag::Quiet => "the state of each instance and group as one word",
        Flag::Check => "one line and the exit code of a Nagios plugin",
        Flag::Force => "also if nothing takes over",
        Flag::Follow => "continue with each further event",
        Flag::Watch => "again every second",
    }
}

fn setting_text(setting: Setting) -> (&'static str, &'static str) {
    match setting {
        Setting::Width => (
            "COLUMNS",
            "width of the output; default: that of the terminal",
        ),
        Setting::Count => ("COUNT", "the last COUNT events"),
        Setting::For => ("DURATION", "end it after 90s, 30m, 2h or 1d"),
        Setting::Reason => ("TEXT", "shown wherever its effect is"),
        Setting::File => ("FILE", "another configuration than that of the daemon"),
        Setting::Output => ("FILE", "replace FILE atomically"),
        Setting::Listen => (
            "ADDRESS:PORT",
            "serve HTTP there, in an unprivileged process",
        ),
        Setting::User => (
            "NAME",
            "the user of that process if root starts it; default: nobody",
        ),
        Setting::Socket => ("PATH", "the control socket of the daemon"),
        Setting::PidFile => (
            "FILE",
            "the pid file of the daemon; its socket is beside it",
        ),
    }
}
