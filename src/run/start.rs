//! Starts the daemon step by step. A step that fails prints one message and exits with keepalived's
//! exit code.
//!
//! ```text
//! log → configuration → permissions → background → signals → pid file → serve
//! ```
//! What a user can get wrong is checked before the process detaches, the rest before it reports
//! that it is up: the exit code of the command tells the outcome.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use ::log::LevelFilter;
use nix::sys::stat::Mode;

use super::extra_pid_files::ExtraPidFiles;
use super::load::Loader;
use super::serve::{Daemon, End};
use super::{cannot_read, config_path, fail, notify_user};
use crate::cli::{self, Options};
use crate::config::model::Global;
use crate::engine::system::{errno_text, error_text};
use crate::exit;
use crate::log;
use crate::os::daemon::{self, Ready, Role};
use crate::os::host;
use crate::os::instance_lock;
use crate::os::logging;
use crate::os::open_file::Trusted;
use crate::os::pid_file::{PidFile, default_directory};
use crate::os::privileges::Privileges;
use crate::os::respawn;
use crate::os::restart::Successor;
use crate::os::sched;
use crate::os::seccomp::Seccomp;
use crate::os::signals::Signals;
use crate::os::state_file::StateFile;
use crate::types::CalledAs;

/// A daemon that fails within this time is assumed to fail the next time too.
const BRIEF: Duration = Duration::from_secs(10);

/// Why a start failed.
struct Failure {
    message: String,
    code: u8,
}

impl Failure {
    fn fatal(message: String) -> Self {
        Failure {
            message,
            code: exit::FATAL,
        }
    }

    /// Reports it and returns the exit code. A successor removes what its predecessor has left,
    /// unless another copy runs, which has done so.
    fn give_up(&self, options: &Options) -> u8 {
        let code = fail(&self.message, self.code);
        if !instance_lock::is_successor() {
            return code;
        }
        match code {
            exit::ALREADY_RUNNING => exit::FATAL,
            _ => {
                clean_up(options);
                code
            }
        }
    }
}

/// Runs the daemon; returns the exit code.
pub(super) fn start(options: &Options) -> u8 {
    let start = Instant::now();
    let outcome = launch(options);
    let End { code, came_up } =
        outcome.unwrap_or_else(|failure| End::not_up(failure.give_up(options)));
    let gave_up = code == exit::FATAL && start.elapsed() < BRIEF;
    if (!came_up || gave_up) && options.foreground {
        let path = options.config.as_deref();
        respawn::delay_exit_under_init(path.unwrap_or(cli::DEFAULT_CONFIG));
    }
    code
}

fn launch(options: &Options) -> Result<End, Failure> {
    // For the log file; the configuration may set another umask.
    let mask = options.umask.unwrap_or(0o022).into();
    nix::sys::stat::umask(Mode::from_bits_truncate(mask));
    let notice = open_log(options).map_err(Failure::fatal)?;
    // Made absolute here, because the daemon runs in `/`.
    let path = absolute(&config_path(options));
    check_access(&path)?;
    let mut loader = Loader::new(options, &path);
    let config = loader.load_at_start().map_err(|message| Failure {
        message,
        code: exit::CONFIG,
    })?;
    if let Some(namespace) = &config.global.process.net_namespace {
        sched::enter_namespace(namespace).map_err(Failure::fatal)?;
    }
    let pid_file = pid_file_path(options, &config.global);
    let successor = Successor::new(relative_paths(options));
    let trusted = Trusted::owner_of(path.as_ref());
    let extra = ExtraPidFiles::new(options, trusted);
    let ready = match detach(options)? {
        Role::Parent(code) => return Ok(End::not_up(code)),
        Role::Daemon(ready) => ready,
    };
    // Signals are blocked before there is a file that a signal would leave behind.
    let prepared = block_signals().and_then(|signals| {
        let pid_file = take_pid_file(pid_file, options.called_as, trusted)?;
        Ok((signals, pid_file))
    });
    let (signals, pid_file) = match prepared {
        Ok(prepared) => prepared,
        Err(failure) => {
            let code = failure.give_up(options);
            ready.failed(code);
            return Ok(End::not_up(code));
        }
    };
    if let Some(notice) = notice {
        notify_user(&notice);
    }
    let held = pid_file.as_ref();
    let state = held.map(|held| StateFile::beside(held.path(), trusted));
    let daemon = Daemon {
        options,
        loader,
        signals: &signals,
        successor: &successor,
        lock: pid_file.as_ref().map(PidFile::lock),
        pid_file: pid_file.as_ref().map(PidFile::path),
        extra,
        privileges: Privileges::at_start(),
        seccomp: Seccomp::at_start(),
    };
    Ok(daemon.run(config, state.unwrap_or_default(), ready))
}

/// Removes what the predecessor of this process has left in the kernel: two routers would answer
/// for its addresses. Without a configuration, the state file names the addresses.
fn clean_up(options: &Options) {
    log::info!("removing addresses, routes and services of the former program");
    let path = absolute(&config_path(options));
    let mut loader = Loader::new(options, &path);
    let config = loader.load_at_start().unwrap_or_default();
    let pid_file = pid_file_path(options, &config.global)
        .unwrap_or_else(|| default_pid_file(options.called_as));
    let Ok(signals) = Signals::block() else {
        return;
    };
    let daemon = Daemon {
        options,
        loader,
        signals: &signals,
        successor: &Successor::new(Vec::new()),
        lock: None,
        pid_file: None,
        extra: ExtraPidFiles::new(options, Trusted::default()),
        privileges: Privileges::at_start(),
        seccomp: Seccomp::at_start(),
    };
    // Whoever owns the directory: the configuration may be gone, and with it its owner.
    let directory = pid_file.parent().unwrap_or(&pid_file);
    let trusted = Trusted::owner_of(directory);
    daemon.clean_up(config, StateFile::beside(&pid_file, trusted));
}

/// Opens the log first of all, so that syslog too has the reason why a daemon started by init does
/// not come up. Returns a notice for the user, to be printed when the daemon is about to run.
fn open_log(options: &Options) -> Result<Option<String>, String> {
    let mut settings = logging::Settings {
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
        called_as: options.called_as,
    };
    let notice = match logging::init(&settings) {
        Err(why) if instance_lock::is_successor() => {
            // The addresses stay without it too.
            settings.file = None;
            logging::init(&settings)?;
            Some(format!("{why}; running without it"))
        }
        outcome => outcome?,
    };
    for message in &options.ignored {
        log::debug!("{message}");
    }
    Ok(notice)
}

/// Checks that the configuration can be read, and that the process has the capabilities it needs.
fn check_access(path: &str) -> Result<(), Failure> {
    host::check_readable(path).map_err(|why| Failure {
        message: cannot_read(path, &why),
        code: exit::NO_CONFIG,
    })?;
    let missing = host::missing_capabilities();
    if missing.is_empty() {
        return Ok(());
    }
    let names = missing.join(" and ");
    Err(Failure {
        message: format!("permission missing: run vrrpd as root or give it {names}"),
        code: exit::NO_PERMISSION,
    })
}

/// Goes into the background, unless `-n` is given. A successor is in the background already.
fn detach(options: &Options) -> Result<Role, Failure> {
    if options.foreground || instance_lock::is_successor() {
        return Ok(Role::Daemon(Ready::foreground()));
    }
    daemon::detach().map_err(|error| {
        let why = error_text(&error);
        Failure::fatal(format!("cannot fork: {why}"))
    })
}

fn block_signals() -> Result<Signals, Failure> {
    Signals::block().map_err(|errno| {
        let why = errno_text(errno as i32);
        Failure::fatal(format!("cannot receive signals: {why} (CONFIG_SIGNALFD)"))
    })
}

// ---- pid file ----

/// The pid file with `-p`, `instance`, `use_pid_dir` or `net_namespace`.
pub(super) fn pid_file_path(options: &Options, global: &Global) -> Option<PathBuf> {
    let given = options.pid_file.as_deref();
    given.map(|path| absolute(path).into()).or_else(|| {
        let default = default_pid_file(options.called_as);
        let named = named_pid_file(options.called_as, global, options.called_as.name());
        Some(named).filter(|named| *named != default)
    })
}

/// The pid file of a copy without any of these.
pub(super) fn default_pid_file(called_as: CalledAs) -> PathBuf {
    named_pid_file(called_as, &Global::default(), called_as.name())
}

/// The default path of a pid file. With `instance`, `use_pid_dir` or `net_namespace` each of several
/// copies has its own.
pub(super) fn named_pid_file(called_as: CalledAs, global: &Global, stem: &str) -> PathBuf {
    let namespace = &global.process.net_namespace;
    let (instance, keepalived) = (&global.instance, called_as == CalledAs::Keepalived);
    let in_directory =
        global.use_pid_dir || namespace.is_some() || (keepalived && instance.is_some());
    let mut path = default_directory().to_owned();
    if in_directory {
        path.push(called_as.name());
        path.push(namespace.as_deref().unwrap_or_default());
    }
    // A file name, not a path into another directory.
    let instance = instance.as_deref().map(|name| name.replace('/', "_"));
    let separator = if instance.is_some() { "_" } else { "" };
    let instance = instance.unwrap_or_default();
    path.push(format!("{stem}{separator}{instance}.pid"));
    path
}

/// Takes the pid file, at the default path if none is given. If the kernel refuses a file at the
/// default path, the daemon runs without one.
fn take_pid_file(
    path: Option<PathBuf>,
    called_as: CalledAs,
    trusted: Trusted,
) -> Result<Option<PidFile>, Failure> {
    let is_default = path.is_none();
    let path = path.unwrap_or_else(|| default_pid_file(called_as));
    PidFile::take(&path, trusted).map(Some).or_else(|error| {
        let message = error.to_string();
        if error.is_running() {
            let code = exit::ALREADY_RUNNING;
            return Err(Failure { message, code });
        }
        if is_default && error.is_of_kernel() {
            notify_user(&format!("{message}; running without one"));
            return Ok(None);
        }
        Err(Failure::fatal(message))
    })
}

// ---- paths ----

/// The options with relative paths, made absolute.
fn relative_paths(options: &Options) -> Vec<String> {
    let given = [
        ("-f", &options.config),
        ("-p", &options.pid_file),
        ("-r", &options.vrrp_pid_file),
        ("-c", &options.checkers_pid_file),
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

pub(super) fn absolute(path: &str) -> String {
    let absolute = std::path::absolute(path).ok();
    let text = absolute.and_then(|path| path.into_os_string().into_string().ok());
    text.unwrap_or_else(|| path.to_owned())
}
