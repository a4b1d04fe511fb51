//! What the command line asks for: a word to print, a test of the configuration, or the daemon.

mod load;
mod serve;
mod start;

use std::ffi::OsString;
use std::io::{self, Write};
use std::path::Path;

use crate::cli::{self, Format, Options, Request};
#[cfg(feature = "json")]
use crate::config::json::render_json;
use crate::config::render::{exit_code_for_test, render_text};
use crate::config::schema::Feature;
use crate::config::{self, Loaded};
use crate::engine::system::error_text;
use crate::exit;
use crate::os::host::{self, Host};
use crate::os::logging;
#[cfg(feature = "lvs")]
use crate::os::lvs::genhash;
use crate::os::signals;
#[cfg(feature = "uci")]
use crate::os::uci2conf;

/// Does what the arguments (program name excluded) ask for; the answer is the exit code.
pub fn run(args: impl IntoIterator<Item = OsString>) -> u8 {
    match cli::parse(args) {
        Err(sentence) => fail(&sentence, exit::FATAL),
        Ok(Request::Help) => print(&cli::help()),
        Ok(Request::Version) => print(&cli::version(&features())),
        Ok(Request::Signum(name)) => match signals::number(&name) {
            Some(number) => print(&format!("{number}\n")),
            None => fail(&format!("--signum: no signal {name}"), exit::FATAL),
        },
        Ok(Request::Genhash(args)) => hash_page(args),
        Ok(Request::Uci(args)) => uci_to_conf(args),
        Ok(Request::ConfigTest(options)) => config_test(&options, &machine(&options)),
        Ok(Request::Run(options)) => start::start(&options),
    }
}

#[cfg(feature = "lvs")]
fn hash_page(args: Vec<OsString>) -> u8 {
    match genhash::run(args) {
        Ok(text) => print(&text),
        Err(sentence) => fail(&format!("genhash: {sentence}"), exit::FATAL),
    }
}

#[cfg(not(feature = "lvs"))]
fn hash_page(_: Vec<OsString>) -> u8 {
    let absence = Feature::Lvs.not_built_in();
    fail(&format!("genhash: {absence}"), exit::FATAL)
}

#[cfg(feature = "uci")]
fn uci_to_conf(args: Vec<OsString>) -> u8 {
    match uci2conf::run(args) {
        Ok(text) => print(&text),
        Err(sentence) => fail(&format!("uci2conf: {sentence}"), exit::FATAL),
    }
}

#[cfg(not(feature = "uci"))]
fn uci_to_conf(_: Vec<OsString>) -> u8 {
    let absence = Feature::Uci.not_built_in();
    fail(&format!("uci2conf: {absence}"), exit::FATAL)
}

/// The parts of this build, for `-v`.
fn features() -> String {
    let here = Feature::ALL.into_iter().filter(|part| part.is_built_in());
    let names: Vec<&str> = here.map(Feature::name).collect();
    names.join(" ")
}

// ---- testing the configuration ----

/// `-t`: reports on the configuration.
pub fn config_test(options: &Options, host: &dyn config::Host) -> u8 {
    let path = config_path(options);
    if let Err(why) = host::check_readable(&path) {
        let sentence = format!("vrrpd: {}\n", cannot_read(&path, &why));
        return deliver(options, &sentence, exit::TEST_CANNOT_RUN);
    }
    let Loaded { diags, sources, .. } = config::load(&path, host);
    let report = match options.test_format {
        Format::Text => render_text(&diags, &sources),
        #[cfg(feature = "json")]
        Format::Json => render_json(&diags, &sources),
    };
    deliver(options, &report, exit_code_for_test(diags.worst()))
}

/// Brings a report where `-t` wants it: a file, else standard error for people and standard output for
/// programs.
fn deliver(options: &Options, report: &str, code: u8) -> u8 {
    let bytes = report.as_bytes();
    let Some(path) = &options.test_report else {
        // Nobody may be reading.
        let _ = match options.test_format {
            Format::Text => io::stderr().write_all(bytes),
            #[cfg(feature = "json")]
            Format::Json => io::stdout().write_all(bytes),
        };
        return code;
    };
    match std::fs::write(path, bytes) {
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

fn machine(options: &Options) -> Host {
    Host {
        config_id: options.config_id.clone(),
    }
}

/// The file to use. Without `-f`, keepalived's counts when ours does not exist.
fn config_path(options: &Options) -> String {
    if let Some(path) = &options.config {
        return path.clone();
    }
    let ours = !Path::new(cli::FALLBACK_CONFIG).exists() || Path::new(cli::DEFAULT_CONFIG).exists();
    let path = if ours {
        cli::DEFAULT_CONFIG
    } else {
        cli::FALLBACK_CONFIG
    };
    if !ours {
        say(&format!(
            "there is no {}, using {path}",
            cli::DEFAULT_CONFIG
        ));
    }
    path.to_owned()
}

fn cannot_read(path: &str, why: &str) -> String {
    format!("cannot read the configuration {path}: {why}")
}

// ---- talking to whoever started us ----

/// Prints without minding whether anybody reads it: `println!` panics in `vrrpd -h | head -1`.
fn print(text: &str) -> u8 {
    let _ = io::stdout().write_all(text.as_bytes());
    exit::OK
}

/// One sentence for whoever started us, on standard error and in the log.
fn say(sentence: &str) {
    let _ = writeln!(io::stderr(), "vrrpd: {sentence}");
    log::warn!(target: logging::ON_STDERR, "{sentence}");
}

fn fail(sentence: &str, code: u8) -> u8 {
    let _ = writeln!(io::stderr(), "vrrpd: {sentence}");
    log::error!(target: logging::ON_STDERR, "{sentence}");
    code
}
