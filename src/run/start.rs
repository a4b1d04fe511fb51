//! Starting the daemon, step by step; every step that fails says one sentence and gives keepalived's exit code.
//!
//! ```text
//! log → configuration → permissions → background → signals → pid file → serve
//! ```
//! What can be wrong for a human is checked before the process detaches, the rest before it reports
//! that it is up: whoever starts us learns the outcome from the exit code.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use log::LevelFilter;
use nix::sys::stat::Mode;

use super::load::Loader;
use super::serve::serve;
use super::{cannot_read, config_path, fail, say};
use crate::cli::{self, Options};
use crate::config::model::Global;
use crate::engine::system::error_text;
use crate::exit;
use crate::os::daemon::{self, Ready, Role};
use crate::os::host;
use crate::os::logging;
use crate::os::pid_file::{PidFile, PidFileError};
use crate::os::respawn;
use crate::os::restart::{self, Successor};
use crate::os::sched;
use crate::os::signals::Signals;
use crate::os::state_file::StateFile;

/// Who gives up within this time would do so again.
const BRIEF: Duration = Duration::from_secs(10);

pub(super) fn start(options: &Options) -> u8 {
    let begun = Instant::now();
    let mut up = false;
    let code = begin(options, &mut up);
    let gave_up = code == exit::FATAL && begun.elapsed() < BRIEF;
    if (!up || gave_up) && options.foreground {
        let path = options.config.as_deref();
        respawn::delay_exit_under_init(path.unwrap_or(cli::DEFAULT_CONFIG));
    }
    code
}

/// From here to the end; `up`: it came as far as being up.
fn begin(options: &Options, up: &mut bool) -> u8 {
    // Until the configuration says which, for the log file.
    let mask = options.umask.unwrap_or(0o022).into();
    nix::sys::stat::umask(Mode::from_bits_truncate(mask));
    let remark = match open_log(options) {
        Ok(remark) => remark,
        Err(sentence) => return fail(&sentence, exit::FATAL),
    };
    // Resolved here, because the daemon lives in `/`.
    let path = absolute(&config_path(options));
    let pid_file = options.pid_file.as_deref().map(absolute);
    if let Err(why) = host::check_readable(&path) {
        return fail(&cannot_read(&path, &why), exit::NO_CONFIG);
    }
    let missing = host::missing_capabilities();
    if !missing.is_empty() {
        let names = missing.join(" and ");
        let sentence = format!("permission missing: run vrrpd as root or give it {names}");
        return fail(&sentence, exit::NO_PERMISSION);
    }
    let mut loader = Loader::new(options, &path);
    let config = match loader.first() {
        Ok(config) => config,
        Err(sentence) => return fail(&sentence, exit::CONFIG),
    };
    if let Some(namespace) = &config.global.process.net_namespace
        && let Err(sentence) = sched::enter_namespace(namespace)
    {
        return fail(&sentence, exit::FATAL);
    }
    let pid_file = pid_file.or_else(|| named_pid_file(&config.global));
    let successor = Successor::new(relative_paths(options));
    let ready = if options.foreground || restart::is_successor() {
        Ready::foreground()
    } else {
        match daemon::detach() {
            Err(error) => {
                let why = error_text(&error);
                return fail(&format!("cannot fork: {why}"), exit::FATAL);
            }
            Ok(Role::Parent(code)) => return code,
            Ok(Role::Daemon(ready)) => ready,
        }
    };
    match prepare(pid_file) {
        Ok((pid_file, signals)) => {
            if let Some(remark) = remark {
                say(&remark);
            }
            let state = pid_file.as_ref().map(|held| StateFile::beside(held.path()));
            let state = state.unwrap_or_default();
            let code = serve(
                options,
                &mut loader,
                config,
                (&signals, &successor, state),
                (ready, up),
            );
            drop(pid_file);
            code
        }
        Err((sentence, code)) => {
            fail(&sentence, code);
            ready.failed(code);
            code
        }
    }
}

/// First of all, so that syslog learns too why a daemon started by init does not come up. The answer is a
/// remark for the user, once the daemon is up.
fn open_log(options: &Options) -> Result<Option<String>, String> {
    let remark = logging::init(&logging::Settings {
        level: match (options.log_packets, options.log_detail) {
            (true, _) => LevelFilter::Trace,
            (false, true) => LevelFilter::Debug,
            (false, false) => LevelFilter::Info,
        },
        foreground: options.foreground,
        console: options.log_console,
        syslog: !options.no_syslog,
        facility: options.log_facility,
        file: options.log_file.clone().map(PathBuf::from),
    })?;
    for sentence in &options.ignored {
        log::debug!("{sentence}");
    }
    Ok(remark)
}

/// The last steps that can fail in the background.
fn prepare(pid_file: Option<String>) -> Result<(Option<PidFile>, Signals), (String, u8)> {
    // Before anything is in place that a signal would leave behind.
    let signals = Signals::block().map_err(|errno| {
        (
            format!("cannot receive signals: {errno} (CONFIG_SIGNALFD)"),
            exit::FATAL,
        )
    })?;
    Ok((take_pid_file(pid_file)?, signals))
}

/// `instance`, `use_pid_dir` and `net_namespace`: several copies side by side each have a pid file of their own.
fn named_pid_file(global: &Global) -> Option<String> {
    let namespace = &global.process.net_namespace;
    let in_directory = global.use_pid_dir || namespace.is_some();
    let name = match &global.instance {
        None if !in_directory => return None,
        None => "vrrpd.pid".to_owned(),
        // A file, not a way into another directory.
        Some(instance) => format!("vrrpd_{}.pid", instance.replace('/', "_")),
    };
    let path = PidFile::default_path();
    let path = match in_directory {
        true => path
            .with_file_name("vrrpd")
            .join(namespace.as_deref().unwrap_or_default())
            .join(name),
        false => path.with_file_name(name),
    };
    path.into_os_string().into_string().ok()
}

/// Without `-p`, a place that an unprivileged user cannot write to is no reason not to run.
fn take_pid_file(wanted: Option<String>) -> Result<Option<PidFile>, (String, u8)> {
    let given = wanted.is_some();
    let path = wanted.map_or_else(|| PidFile::default_path().to_owned(), PathBuf::from);
    match PidFile::take(&path) {
        Ok(held) => Ok(Some(held)),
        Err(refusal @ PidFileError::Running { .. }) => {
            Err((refusal.to_string(), exit::ALREADY_RUNNING))
        }
        Err(refusal @ PidFileError::System { .. }) if given => {
            Err((refusal.to_string(), exit::FATAL))
        }
        Err(refusal @ PidFileError::System { .. }) => {
            say(&format!("{refusal}; running without one"));
            Ok(None)
        }
    }
}

/// Options with paths that mean another place in the daemon's directory, as they are meant.
fn relative_paths(options: &Options) -> Vec<String> {
    let given = [
        ("-f", &options.config),
        ("-p", &options.pid_file),
        ("-g", &options.log_file),
    ];
    let mut words = Vec::new();
    for (option, path) in given {
        if let Some(path) = path.as_deref().filter(|path| !path.starts_with('/')) {
            words.push(format!("{option}{}", absolute(path)));
        }
    }
    words
}

fn absolute(path: &str) -> String {
    let made = std::path::absolute(path).ok();
    let text = made.and_then(|path| path.into_os_string().into_string().ok());
    text.unwrap_or_else(|| path.to_owned())
}
