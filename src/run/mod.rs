//! Runs what the command line asks for: a text to print, a test of the configuration, or the
//! daemon.

mod extra_pid_files;
mod load;
mod serve;
mod start;

use std::ffi::OsString;
use std::io::{self, Write};
use std::path::Path;

use crate::cli::{self, Format, Options, Request};
use crate::config::model::Global;
use crate::config::render::{exit_code_for_test, render_text};
use crate::config::schema::Feature;
use crate::config::{self, Diag, Loaded, Severity};
use crate::engine::system::error_text;
use crate::exit;
use crate::log;
use crate::os::control::client;
use crate::os::host::{self, Host};
use crate::os::logging;
use crate::os::open_file::Trusted;
use crate::os::pid_file::PidFile;
use crate::os::signals;
use crate::types::{CalledAs, Strictness};

/// Runs the command with these arguments, of which the first is the program name; returns the exit
/// code.
pub fn run(args: impl IntoIterator<Item = OsString>) -> u8 {
    match cli::parse(args) {
        Err(message) => fail(&message, exit::FATAL),
        Ok(Request::Help(called_as)) => print_for(called_as, &cli::help()),
        Ok(Request::Version(called_as)) => {
            print_for(called_as, &cli::version(called_as, &features()))
        }
        Ok(Request::Signum(name)) => match signals::number(&name) {
            Some(number) => print(&format!("{number}\n")),
            None => fail(&format!("--signum: no signal {name}"), exit::FATAL),
        },
        #[cfg(feature = "lvs")]
        Ok(Request::Genhash(args)) => print_outcome("genhash", crate::os::lvs::genhash::run(args)),
        #[cfg(not(feature = "lvs"))]
        Ok(Request::Genhash(_)) => print_outcome("genhash", Err(Feature::Lvs.not_built_in())),
        #[cfg(feature = "uci")]
        Ok(Request::Uci(args)) => uci2conf(args),
        #[cfg(feature = "uci")]
        Ok(Request::Ubus(args)) => print_outcome("ubus", crate::os::ubus::run(&args)),
        #[cfg(feature = "sniff")]
        Ok(Request::Sniff(args)) => {
            let host = config_host(&Options::default());
            print_outcome("sniff", crate::os::sniff::run(args, &host))
        }
        #[cfg(not(feature = "sniff"))]
        Ok(Request::Sniff(_)) => print_outcome("sniff", Err(Feature::Sniff.not_built_in())),
        #[cfg(not(feature = "uci"))]
        Ok(Request::Uci(_)) => print_outcome("uci2conf", Err(Feature::Uci.not_built_in())),
        Ok(Request::ConfigTest(options)) => {
            let given = start::pid_file_path(&options, &Global::default());
            let host = Host {
                tested: given.or_else(|| Some(start::default_pid_file(options.called_as))),
                ..config_host(&options)
            };
            config_test(&options, &host)
        }
        Ok(Request::WrongCommand(message)) => fail(&message, exit::USAGE),
        Ok(Request::Control(mut request)) => client::run(&mut request),
        Ok(Request::Run(options)) => {
            let code = start::start(&options);
            logging::finish();
            code
        }
    }
}

/// Prints what a command returns, or its error.
fn print_outcome(command: &str, outcome: Result<String, String>) -> u8 {
    match outcome {
        Ok(text) => print(&text),
        Err(message) => fail(&format!("{command}: {message}"), exit::FATAL),
    }
}

#[cfg(feature = "uci")]
fn uci2conf(args: Vec<OsString>) -> u8 {
    use crate::os::uci2conf::{self, Done};
    let checked = match uci2conf::run(args) {
        Ok(Done::Check(checked)) => checked,
        Ok(Done::Text(text)) => return print_outcome("uci2conf", Ok(text)),
        Err(message) => return print_outcome("uci2conf", Err(message)),
    };
    let options = Options::default();
    let code = test_file(&options, &checked.name, &checked.host);
    let conversion = exit_code_for_test(checked.worst, options.test_strictness);
    if code == exit::OK { conversion } else { code }
}

/// The features of this build, for `-v`.
fn features() -> String {
    let here = Feature::ALL.into_iter().filter(|part| part.is_built_in());
    let names: Vec<&str> = here.map(Feature::name).collect();
    names.join(" ")
}

// ---- testing the configuration ----

/// `-t`: checks the configuration and prints its diagnostics.
pub fn config_test(options: &Options, host: &dyn config::Host) -> u8 {
    let path = config_path(options);
    if let Err(why) = host::check_readable(&path) {
        let message = format!("vrrpd: {}\n", cannot_read(&path, &why));
        // As keepalived: a file that does not exist may follow.
        let tolerated =
            options.test_strictness == Strictness::Keepalived && !Path::new(&path).exists();
        let code = if tolerated {
            exit::OK
        } else {
            exit::TEST_CANNOT_RUN
        };
        return write_report(options, &message, code);
    }
    test_file(options, &path, host)
}

/// Checks a file that can be read.
fn test_file(options: &Options, path: &str, host: &dyn config::Host) -> u8 {
    let Loaded {
        mut diags,
        sources,
        config,
        ..
    } = config::load(path, host);
    let pid_file = start::pid_file_path(options, &config.global);
    let pid_file = pid_file.unwrap_or_else(|| start::default_pid_file(options.called_as));
    if let Err(error) = PidFile::check(&pid_file, Trusted::owner_of(path.as_ref())) {
        diags.push(Diag::new(Severity::Fatal, None, error.to_string()));
    }
    let report = match options.test_format {
        Format::Text => render_text(&diags, &sources),
        #[cfg(feature = "json")]
        Format::Json => config::json::render_json(&diags, &sources),
    };
    write_report(
        options,
        &report,
        exit_code_for_test(diags.worst(), options.test_strictness),
    )
}

/// Writes a report to the file given with `-t`, else text to standard error and JSON to standard
/// output.
fn write_report(options: &Options, report: &str, code: u8) -> u8 {
    let bytes = report.as_bytes();
    let Some(path) = &options.test_report else {
        // The other end may be closed.
        let _ = match options.test_format == Format::Text {
            true => io::stderr().write_all(bytes),
            false => io::stdout().write_all(bytes),
        };
        return code;
    };
    match host::write_output(Path::new(path), bytes) {
        Ok(()) => code,
        Err(error) => {
            let why = error_text(&error);
            fail(
                &format!("cannot write the report {path}: {why}"),
                exit::FATAL,
            )
        }
    }
}

fn config_host(options: &Options) -> Host {
    Host {
        config_id: options.config_id.clone(),
        other_namespace: options.namespace.is_some(),
        tested: None,
    }
}

/// The path of the configuration. Without `-f`, keepalived's is used if vrrpd's does not exist.
fn config_path(options: &Options) -> String {
    if let Some(path) = &options.config {
        return path.clone();
    }
    if options.called_as == CalledAs::Keepalived {
        return cli::FALLBACK_CONFIG.to_owned();
    }
    let exists = |path: &str| Path::new(path).exists();
    let fallback = exists(cli::FALLBACK_CONFIG) && !exists(cli::DEFAULT_CONFIG);
    let path = if fallback {
        cli::FALLBACK_CONFIG
    } else {
        cli::DEFAULT_CONFIG
    };
    if fallback {
        notify_user(&format!(
            "{} does not exist, using {path}",
            cli::DEFAULT_CONFIG
        ));
    }
    path.to_owned()
}

fn cannot_read(path: &str, why: &str) -> String {
    format!("cannot read the configuration {path}: {why}")
}

// ---- output ----

/// Prints to standard output, which may be closed: `println!` panics in `vrrpd -h | head -1`.
fn print(text: &str) -> u8 {
    let _ = io::stdout().write_all(text.as_bytes());
    exit::OK
}

/// Prints where keepalived does if the program was called so: to standard error.
fn print_for(called_as: CalledAs, text: &str) -> u8 {
    match called_as {
        CalledAs::Vrrpd => print(text),
        CalledAs::Keepalived => {
            let _ = io::stderr().write_all(text.as_bytes());
            exit::OK
        }
    }
}

/// Prints a message for the user on standard error, and logs it.
fn notify_user(message: &str) {
    let _ = writeln!(io::stderr(), "vrrpd: {message}");
    log::warn!(target: logging::ON_STDERR, "{message}");
}

/// Prints and logs why the command fails; returns the exit code.
fn fail(message: &str, code: u8) -> u8 {
    let _ = writeln!(io::stderr(), "vrrpd: {message}");
    log::error!(target: logging::ON_STDERR, "{message}");
    code
}
