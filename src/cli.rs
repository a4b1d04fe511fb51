//! The command line. Its options are keepalived's, so that unit files and scripts continue to work.
//!
//! One table has everything about an option: names, value, effect, help. Options that have no
//! meaning in a single process are accepted, collected in [`Options::ignored`], and logged with
//! `-D`. An option that would run another program is refused. Values are written as for getopt: an
//! optional one must be attached (`-tFILE`, `--config-test=FILE`); short options can be combined
//! (`-nlD`), long ones abbreviated.

use std::ffi::OsString;
use std::fmt::Write as _;
use std::path::Path;

use lexopt::{Arg, Parser};

use crate::ctl::reference::OptionText;
use crate::ctl::request as control;
use crate::types::{CalledAs, Strictness, Subsystems, umask};

/// The configuration without `-f`, unless called `keepalived`.
pub const DEFAULT_CONFIG: &str = "/etc/vrrpd.conf";
/// The configuration without `-f` if called `keepalived`, or if [`DEFAULT_CONFIG`] does not exist.
pub const FALLBACK_CONFIG: &str = "/etc/keepalived/keepalived.conf";
/// The log file of `-g` without a value.
pub const DEFAULT_LOG_FILE: &str = "/var/log/vrrpd.log";

/// The command to run.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Request {
    /// Run the daemon.
    Run(Options),
    /// `-t`: check the configuration.
    ConfigTest(Options),
    /// `--signum`: print the number of the signal with this name.
    Signum(String),
    /// `-h`.
    Help(CalledAs),
    /// `-v`.
    Version(CalledAs),
    /// `uci2conf`, with its arguments.
    Uci(Vec<OsString>),
    /// `ubus`, with its arguments.
    #[cfg(feature = "uci")]
    Ubus(Vec<OsString>),
    /// A command for the running daemon.
    Control(control::Request),
    /// One that is written wrongly: what is wrong with it.
    WrongCommand(String),
    /// `sniff`, with its arguments.
    Sniff(Vec<OsString>),
    /// `genhash`, as the name of the program or the first argument, or `-T` as the first option,
    /// with its arguments.
    Genhash(Vec<OsString>),
}

/// Output format of `-t`.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Format {
    /// `file:line:col: severity: message`, source line, caret.
    #[default]
    Text,
    /// JSON, for editors and CI.
    #[cfg(feature = "json")]
    Json,
}

/// The options of a command line.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Options {
    /// The name that the program was called by.
    pub called_as: CalledAs,
    /// `-f`; `None`: [`DEFAULT_CONFIG`], else [`FALLBACK_CONFIG`].
    pub config: Option<String>,
    /// `-n`: stay in the foreground.
    pub foreground: bool,
    /// `-l`: log to standard error too (with `-n` only).
    pub log_console: bool,
    /// `-D`: log details.
    pub log_detail: bool,
    /// `--debug`: log every packet.
    pub log_packets: bool,
    /// `-S`: number of the syslog facility.
    pub log_facility: Option<u8>,
    /// `-G`: do not log to syslog.
    pub no_syslog: bool,
    /// `-g`: log to this file too.
    pub log_file: Option<String>,
    /// `-t=FILE`: write the diagnostics to this file instead of standard error.
    pub test_report: Option<String>,
    /// `--config-test-format`.
    pub test_format: Format,
    /// `--config-test-strict`.
    pub test_strictness: Strictness,
    /// `-d`: log the instances at the start.
    pub dump_conf: bool,
    /// `-p`.
    pub pid_file: Option<String>,
    /// `-r`: pid file for programs that look for keepalived's VRRP process.
    pub vrrp_pid_file: Option<String>,
    /// `-c`: the same for its process of health checks.
    pub checkers_pid_file: Option<String>,
    /// `-i`: the id that selects `@ID` lines.
    pub config_id: Option<String>,
    /// `-V`: leave addresses in place when stopping.
    pub dont_release_vrrp: bool,
    /// `-I`: leave virtual services in the kernel when stopping.
    pub dont_release_ipvs: bool,
    /// `-P` or `-C`: the part of the configuration that is used.
    pub subsystems: Subsystems,
    /// `--all`: write both even if that part has no configuration.
    pub all: bool,
    /// `-u`: file mode creation mask.
    pub umask: Option<u16>,
    /// `--seccomp`: allow only the system calls that the daemon uses.
    pub seccomp: bool,
    /// `-s`: the network namespace to run in.
    pub namespace: Option<String>,
    /// A message for each option that was accepted without effect.
    pub ignored: Vec<String>,

    vrrp: bool,
    check: bool,
    test: bool,
    signum: Option<String>,
    help: bool,
    version: bool,
}

/// Whether an option takes a value, and its name in the help text.
#[derive(Clone, Copy)]
enum Value {
    None,
    Required(&'static str),
    Optional(&'static str),
}

/// What an option does.
enum Effect {
    /// Sets an option.
    Flag(fn(&mut Options)),
    /// Sets an option to the value, which is empty if none is given.
    Text(fn(&mut Options, &str)),
    /// The same for a value that may be wrong. The error is what is wrong with it.
    Parsed(fn(&mut Options, &str) -> Result<(), String>),
    /// Accepted without effect, for this reason.
    Ignored(&'static str),
    /// Refused, for this reason.
    Refused(&'static str),
}

struct Row {
    short: Option<char>,
    long: &'static str,
    value: Value,
    effect: Effect,
    help: &'static str,
}

const fn row(
    short: char,
    long: &'static str,
    value: Value,
    effect: Effect,
    help: &'static str,
) -> Row {
    let short = Some(short);
    Row {
        short,
        long,
        value,
        effect,
        help,
    }
}

const fn long_only(long: &'static str, value: Value, effect: Effect, help: &'static str) -> Row {
    let short = None;
    Row {
        short,
        long,
        value,
        effect,
        help,
    }
}

/// An option without help text.
const fn unused(short: Option<char>, long: &'static str, value: Value, effect: Effect) -> Row {
    let help = "";
    Row {
        short,
        long,
        value,
        effect,
        help,
    }
}

use Effect::{Flag, Ignored, Parsed, Refused, Text};
use Value::{Optional, Required};

#[rustfmt::skip] // a table: one option, one line
static TABLE: &[Row] = &[
    row('f', "use-file", Required("FILE"), Text(|o, v| o.config = Some(v.to_owned())),
        "configuration file (default\n/etc/vrrpd.conf; if it does not exist,\n/etc/keepalived/keepalived.conf)"),
    row('i', "config-id", Required("ID"), Text(|o, v| o.config_id = Some(v.to_owned())),
        "use the lines marked @ID (default: the\nshort host name)"),
    row('t', "config-test", Optional("FILE"), Text(|o, v| { o.test = true; o.test_report = given(v); }),
        "check the configuration, report to FILE or\nstandard error; exit code 0: no errors,\n4: cannot run, 5: errors, 6: insecure\nscripts"),
    long_only("config-test-format", Required("text|json"), Parsed(set_format),
        "output format of -t"),
    long_only("config-test-strict", Value::None, Flag(|o| o.test_strictness = Strictness::Strict),
        "with -t: exit code 5 for warnings about\nwhat may follow later too, such as scripts"),
    row('n', "dont-fork", Value::None, Flag(|o| o.foreground = true),
        "stay in the foreground"),
    row('l', "log-console", Value::None, Flag(|o| o.log_console = true),
        "with -n: log to standard error too"),
    row('D', "log-detail", Value::None, Flag(|o| o.log_detail = true),
        "log details"),
    long_only("debug", Optional("WHAT"), Flag(|o| o.log_packets = true),
        "log every packet"),
    row('g', "log-file", Optional("FILE"), Text(set_log_file),
        "log to a file too (default\n/var/log/vrrpd.log)"),
    row('G', "no-syslog", Value::None, Flag(|o| o.no_syslog = true),
        "do not log to syslog"),
    row('S', "log-facility", Required("0-7|NAME"), Parsed(set_facility),
        "syslog facility: local0 to local7, daemon,\nuser, ..."),
    row('d', "dump-conf", Value::None, Flag(|o| o.dump_conf = true),
        "log the instances at the start"),
    row('p', "pid", Required("FILE"), Text(|o, v| o.pid_file = Some(v.to_owned())),
        "pid file (default /run/vrrpd.pid)"),
    row('r', "vrrp_pid", Required("FILE"), Text(|o, v| o.vrrp_pid_file = given(v)),
        "another pid file, if VRRP is configured"),
    row('c', "checkers_pid", Required("FILE"), Text(|o, v| o.checkers_pid_file = given(v)),
        "another pid file, if virtual servers are"),
    row('u', "umask", Required("MASK"), Parsed(set_umask),
        "file mode creation mask: 0177, 0x7f, 127\nor IRWXG|IRWXO"),
    row('s', "namespace", Required("NAME"), Text(|o, v| o.namespace = Some(v.to_owned())),
        "network namespace to run in (ip-netns(8))"),
    long_only("seccomp", Value::None, Flag(|o| o.seccomp = true),
        "refuse system calls that vrrpd does not\nneed, if it has no programs to run"),
    row('V', "dont-release-vrrp", Value::None, Flag(|o| o.dont_release_vrrp = true),
        "leave virtual addresses in the kernel when\nstopping"),
    row('I', "dont-release-ipvs", Value::None, Flag(|o| o.dont_release_ipvs = true),
        "leave virtual services in the kernel when\nstopping"),
    row('P', "vrrp", Value::None, Flag(|o| o.vrrp = true),
        "run VRRP only, no virtual servers"),
    row('C', "check", Value::None, Flag(|o| o.check = true),
        "run virtual servers only, no VRRP"),
    long_only("all", Value::None, Flag(|o| o.all = true),
        "run both, and write the files of -r and -c\nwhatever is configured"),
    long_only("signum", Required("NAME"), Text(|o, v| o.signum = Some(v.to_owned())),
        "print the number of a signal: STOP,\nRELOAD, DATA, STATS, STATS_CLEAR, JSON,\nTDUMP, RESTART"),
    row('v', "version", Value::None, Flag(|o| o.version = true),
        "print the version"),
    row('h', "help", Value::None, Flag(|o| o.help = true),
        "print this help"),

    unused(Some('B'), "no_bfd", Value::None, Ignored("BFD is not part of this release")),
    unused(Some('R'), "dont-respawn", Value::None, Ignored("vrrpd has no child daemons to restart")),
    unused(Some('X'), "release-vips", Value::None, Ignored("addresses are always removed when stopping")),
    unused(Some('b'), "bfd_pid", Required("FILE"), Ignored("BFD is not part of this release")),
    unused(Some('a'), "address-monitoring", Value::None, Ignored("changes of other addresses are not logged")),
    unused(Some('x'), "snmp", Value::None, Ignored("SNMP is not part of vrrpd")),
    unused(Some('A'), "snmp-agent-socket", Required("FILE"), Ignored("SNMP is not part of vrrpd")),
    unused(Some('m'), "core-dump", Value::None, Ignored("set up core dumps with ulimit and core(5)")),
    unused(Some('M'), "core-dump-pattern", Optional("PATTERN"), Ignored("set up core dumps with ulimit and core(5)")),
    unused(Some('e'), "all-config", Value::None, Ignored("use include_check in global_defs")),
    unused(Some('L'), "mem-check-log", Value::None, Ignored("vrrpd has no memory checker")),
    unused(None, "no-mem-check", Value::None, Ignored("vrrpd has no memory checker")),
    unused(None, "flush-log-file", Value::None, Ignored("every line is written at once")),
    unused(None, "ignore-sigint", Value::None, Ignored("SIGINT stops the daemon")),
    unused(None, "perf", Optional("WHAT"), Ignored("run vrrpd under perf instead")),
    unused(Some('T'), "genhash", Value::None, Refused("must be the first option, followed by those of genhash")),
];

/// Reads the arguments, of which the first is the program name.
///
/// # Errors
/// The message to print.
pub fn parse(args: impl IntoIterator<Item = OsString>) -> Result<Request, String> {
    let mut args = args.into_iter().peekable();
    let program = args.next().unwrap_or_default();
    let program = Path::new(&program).file_name().unwrap_or_default();
    let genhash = ["genhash", "-T", "--genhash"];
    if program == "genhash"
        || args
            .next_if(|first| genhash.iter().any(|name| first == *name))
            .is_some()
    {
        return Ok(Request::Genhash(args.collect()));
    }
    if args.next_if(|first| first == "uci2conf").is_some() {
        return Ok(Request::Uci(args.collect()));
    }
    if args.next_if(|first| first == "sniff").is_some() {
        return Ok(Request::Sniff(args.collect()));
    }
    #[cfg(feature = "uci")]
    if args.next_if(|first| first == "ubus").is_some() {
        return Ok(Request::Ubus(args.collect()));
    }
    if program != "keepalived"
        && let Some(first) = args.peek().and_then(|first| first.to_str())
        && control::find(first).is_some()
    {
        return Ok(commands::parse(args));
    }
    let mut options = Options {
        called_as: match program == "keepalived" {
            true => CalledAs::Keepalived,
            false => CalledAs::Vrrpd,
        },
        ..Options::default()
    };
    let mut parser = Parser::from_args(args);
    while let Some(arg) = parser.next().map_err(|error| explain(&error))? {
        let (typed, row) = match arg {
            Arg::Short(letter) => (
                format!("-{letter}"),
                TABLE.iter().find(|row| row.short == Some(letter)),
            ),
            Arg::Long(name) => (format!("--{name}"), long(name)?),
            Arg::Value(word) => {
                let message = format!("unexpected argument '{}'", word.to_string_lossy());
                // keepalived runs without it.
                if options.called_as == CalledAs::Vrrpd {
                    return Err(message);
                }
                options.ignored.push(format!("{message}; ignored"));
                continue;
            }
        };
        let Some(row) = row else {
            return Err(format!("unknown option {typed}; -h lists the options"));
        };
        apply(&mut options, row, &typed, &mut parser)?;
    }
    decide(options)
}

/// The option with this long name, or the only one whose name starts with it, as for getopt_long(3).
///
/// # Errors
/// Several names begin with it.
fn long(name: &str) -> Result<Option<&'static Row>, String> {
    // keepalived uses both spellings (--no_bfd, --no-syslog); both are accepted for all.
    let name = name.replace('_', "-");
    let rows = || TABLE.iter().map(|row| (row, row.long.replace('_', "-")));
    if let Some((row, _)) = rows().find(|(_, long)| *long == name) {
        return Ok(Some(row));
    }
    // Ours must not make an abbreviation of one of keepalived's ambiguous.
    let mut found =
        rows().filter(|(_, long)| long.starts_with(&name) && !long.starts_with("config-test-"));
    let first = found.next();
    match (first, found.next()) {
        (Some((one, _)), Some((other, _))) => Err(format!(
            "--{name} may be --{} or --{}; write more of it",
            one.long, other.long
        )),
        (first, _) => Ok(first.map(|(row, _)| row)),
    }
}

fn apply(options: &mut Options, row: &Row, typed: &str, parser: &mut Parser) -> Result<(), String> {
    let value = match row.value {
        // An attached value (`--version=1`) makes the parser's next step fail.
        Value::None => String::new(),
        Required(_) => text(parser.value().map_err(|error| explain(&error))?, typed)?,
        Optional(_) => text(parser.optional_value().unwrap_or_default(), typed)?,
    };
    match row.effect {
        Flag(set) => set(options),
        Text(set) => set(options, &value),
        Parsed(set) => set(options, &value).map_err(|wrong| format!("{typed}: {wrong}"))?,
        Ignored(why) => options.ignored.push(format!("{typed}: {why}; ignored")),
        Refused(why) => return Err(format!("{typed}: {why}")),
    }
    Ok(())
}

/// Decides which command the options ask for. Help and version come first, for users who add `-h`
/// to a long line.
fn decide(mut options: Options) -> Result<Request, String> {
    if options.help {
        return Ok(Request::Help(options.called_as));
    }
    if options.version {
        return Ok(Request::Version(options.called_as));
    }
    if let Some(name) = options.signum.take() {
        return Ok(Request::Signum(name));
    }
    if options.test {
        return Ok(Request::ConfigTest(options));
    }
    options.subsystems = match (options.vrrp, options.check) {
        _ if options.all => Subsystems::All,
        (true, false) => Subsystems::Vrrp,
        (false, true) => Subsystems::VirtualServers,
        (true, true) | (false, false) => Subsystems::All,
    };
    if options.subsystems == Subsystems::VirtualServers && cfg!(not(feature = "lvs")) {
        // Running VRRP instead could take over addresses from another daemon.
        return Err("-C: this build has no virtual servers (feature lvs)".to_owned());
    }
    Ok(Request::Run(options))
}

fn text(value: OsString, typed: &str) -> Result<String, String> {
    value
        .into_string()
        .map_err(|_| format!("{typed}: the value is not valid UTF-8"))
}

/// The message of a lexopt error.
fn explain(error: &lexopt::Error) -> String {
    if let lexopt::Error::MissingValue { option: Some(name) } = error {
        format!("{name} needs a value")
    } else if let lexopt::Error::UnexpectedValue { option, .. } = error {
        format!("{option} takes no value")
    } else {
        error.to_string()
    }
}

fn given(value: &str) -> Option<String> {
    (!value.is_empty()).then(|| value.to_owned())
}

fn set_log_file(options: &mut Options, value: &str) {
    options.log_file = Some(given(value).unwrap_or_else(|| DEFAULT_LOG_FILE.to_owned()));
}

fn set_format(options: &mut Options, value: &str) -> Result<(), String> {
    options.test_format = match value {
        "text" => Format::Text,
        "json" if cfg!(not(feature = "json")) => {
            return Err(
                "this vrrpd was built without JSON; install the full flavor, or build with \
                `--features json`"
                    .to_owned(),
            );
        }
        #[cfg(feature = "json")]
        "json" => Format::Json,
        _ => return Err(format!("'{value}' is neither text nor json")),
    };
    Ok(())
}

fn set_umask(options: &mut Options, value: &str) -> Result<(), String> {
    options.umask = umask(value);
    match options.umask {
        Some(_) => Ok(()),
        None => Err(format!(
            "'{value}' is not a mask such as 0177 or IRGRP|IROTH"
        )),
    }
}

/// Syslog facilities from number 0 on (RFC 3164 section 4.1.1). `local0` is 16.
const FACILITIES: [&str; 12] = [
    "kern", "user", "mail", "daemon", "auth", "syslog", "lpr", "news", "uucp", "cron", "authpriv",
    "ftp",
];

fn set_facility(options: &mut Options, value: &str) -> Result<(), String> {
    let named = |name: &str| FACILITIES.iter().position(|known| *known == name);
    let local = |digit: &str| digit.parse().ok().filter(|number: &usize| *number <= 7);
    let lower = value.to_ascii_lowercase();
    let name = lower.strip_prefix("log_").unwrap_or(&lower);
    let number = named(name)
        .or_else(|| local(name.strip_prefix("local").unwrap_or(name)).map(|number| 16 + number))
        .and_then(|number| u8::try_from(number).ok());
    match number {
        Some(number) => options.log_facility = Some(number),
        None => return Err(format!("'{value}' is neither 0 to 7 nor a syslog facility")),
    }
    Ok(())
}

// ---- output ----

/// The text for `-h`.
#[must_use]
pub fn help() -> String {
    let mut out = String::from(
        "vrrpd: VRRP daemon for routers, configured with keepalived.conf\n\
         \n\
         usage: vrrpd [-f FILE] [-n] [options]\n\
         \x20      vrrpd -t [-f FILE]\n\
         \x20      vrrpd genhash [options]    print the MD5 of a page (genhash -h: options)\n",
    );
    if cfg!(feature = "sniff") {
        out.push_str(
            "       vrrpd sniff [options]      decode adverts on the wire (sniff -h: options)\n",
        );
    }
    if cfg!(feature = "uci") {
        out.push_str(
            "       vrrpd uci2conf [FILE|-]    convert OpenWrt's /etc/config/keepalived into\n\
             \x20                                 a keepalived.conf; -o FILE writes it,\n\
             \x20                                 --check tests it as -t does\n\
             \x20      vrrpd ubus dump|status     print what `ubus call keepalived` answers\n\
             \x20                                 on OpenWrt\n",
        );
    }
    commands::add_help(&mut out);
    out.push_str("\nOptions of the daemon:\n");
    let mut without_effect = Vec::new();
    for row in TABLE {
        let short = row.short.map(|letter| format!("-{letter}"));
        if row.help.is_empty() {
            if !matches!(row.effect, Refused(_)) {
                without_effect.push(short.unwrap_or_else(|| format!("--{}", row.long)));
            }
            continue;
        }
        let value = match row.value {
            Value::None => String::new(),
            Required(name) => format!("={name}"),
            Optional(name) => format!("[={name}]"),
        };
        let comma = if short.is_some() { ", " } else { "  " };
        let names = format!(
            "{:2}{comma}--{}{value}",
            short.unwrap_or_default(),
            row.long
        );
        for (number, line) in row.help.lines().enumerate() {
            let left = if number == 0 { names.as_str() } else { "" };
            // Writing to a String cannot fail.
            let _ = writeln!(out, "  {left:<35} {line}");
        }
    }
    out.push_str("\nAccepted without effect (options of keepalived):\n");
    for names in without_effect.chunks(12) {
        let _ = writeln!(out, "  {}", names.join(" "));
    }
    out.push_str("\nSIGHUP reloads the configuration, SIGTERM stops the daemon.\n");
    out
}

/// The options of the daemon that have help text; without the values that are optional.
#[must_use]
pub fn options() -> Vec<OptionText> {
    let rows = TABLE.iter().filter(|row| !row.help.is_empty());
    let option = |row: &Row| OptionText {
        short: row
            .short
            .map_or(String::new(), |letter| format!("-{letter}")),
        long: ["--", row.long].concat(),
        value: match row.value {
            Required(name) => name,
            Optional(_) | Value::None => "",
        },
        text: row.help,
    };
    rows.map(option).collect()
}

/// The text for `-v`, with the names of the features that are built in; for programs that expect
/// keepalived, in its form.
#[must_use]
pub fn version(called_as: CalledAs, features: &str) -> String {
    const VERSION: &str = env!("CARGO_PKG_VERSION");
    if called_as == CalledAs::Keepalived {
        let json = if cfg!(feature = "json") {
            " --enable-json"
        } else {
            ""
        };
        return format!("Keepalived v2.2.8 (vrrpd/{VERSION})\n\nconfigure options:{json}\n");
    }
    let features = if features.is_empty() {
        "none"
    } else {
        features
    };
    format!("vrrpd {VERSION}\nfeatures: {features}\nlicense: MIT OR Apache-2.0\n")
}

mod commands;
#[cfg(test)]
mod tests;
