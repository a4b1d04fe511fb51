//! From the command line to a running daemon, step by step; every step that fails says one sentence and
//! gives keepalived's exit code.
//!
//! ```text
//! options → log → configuration → permissions → background → signals → pid file → serve
//! ```
//! What can be wrong for a human is checked before the process detaches, the rest before it reports
//! that it is up: whoever starts us learns the outcome from the exit code.

use std::ffi::OsString;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use log::{Level, LevelFilter};
use nix::sys::stat::Mode;

#[cfg(feature = "lvs")]
use crate::cli::Only;
use crate::cli::{self, Format, Options, Request};
#[cfg(feature = "lvs")]
use crate::config::half::{self, Half};
#[cfg(feature = "json")]
use crate::config::json::render_json;
use crate::config::model::{Bounded, Config, Global, Process, Transport};
use crate::config::render::{exit_code_for_test, render_text};
use crate::config::schema::Feature;
use crate::config::source::Position;
use crate::config::{self, Loaded, Severity};
use crate::engine::{self, Engine};
use crate::exit;
use crate::os::bounded::{self, Told};
use crate::os::daemon::{self, Ready, Role};
#[cfg(feature = "lvs")]
use crate::os::genhash;
use crate::os::host::{self, Host};
use crate::os::logging;
use crate::os::pidfile::{PidFile, Refusal};
use crate::os::process;
use crate::os::reactor::{Reactor, Wanted};
use crate::os::respawn;
use crate::os::restart::{self, Successor};
use crate::os::service;
use crate::os::signals::{self, Signals};
use crate::os::statefile::StateFile;
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
        Ok(Request::Run(options)) => start(&options),
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
    let absence = Feature::Lvs.absence();
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
    let absence = Feature::Uci.absence();
    fail(&format!("uci2conf: {absence}"), exit::FATAL)
}

/// The parts of this build, for `-v`.
fn features() -> String {
    let here = Feature::ALL.into_iter().filter(|part| part.is_here());
    let names: Vec<&str> = here.map(Feature::name).collect();
    names.join(" ")
}

// ---- testing the configuration ----

/// `-t`: reports on the configuration.
pub fn config_test(options: &Options, host: &dyn config::Host) -> u8 {
    let path = config_path(options);
    if let Err(why) = host::readable(&path) {
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
            let why = host::sentence(&error);
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

// ---- starting ----

fn start(options: &Options) -> u8 {
    let mut up = false;
    let code = begin(options, &mut up);
    if !up && options.foreground {
        let path = options.config.as_deref();
        respawn::put_off_the_end(path.unwrap_or(cli::DEFAULT_CONFIG));
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
    if let Err(why) = host::readable(&path) {
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
    if let Some(namespace) = &config.global.process.namespace
        && let Err(sentence) = process::enter(namespace)
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
                let why = host::sentence(&error);
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
    let signals = Signals::take().map_err(|errno| {
        (
            format!("cannot receive signals: {errno} (CONFIG_SIGNALFD)"),
            exit::FATAL,
        )
    })?;
    Ok((take_pid_file(pid_file)?, signals))
}

/// `instance`, `use_pid_dir` and `net_namespace`: several copies side by side each have a pid file of their own.
fn named_pid_file(global: &Global) -> Option<String> {
    let namespace = &global.process.namespace;
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
        Err(refusal @ Refusal::Running { .. }) => Err((refusal.to_string(), exit::ALREADY_RUNNING)),
        Err(refusal @ Refusal::System { .. }) if given => Err((refusal.to_string(), exit::FATAL)),
        Err(refusal @ Refusal::System { .. }) => {
            say(&format!("{refusal}; running without one"));
            Ok(None)
        }
    }
}

/// Reads the configuration, as often as it is asked to.
struct Loader<'a> {
    options: &'a Options,
    path: &'a str,
    /// The errors of the running configuration, without their places.
    errors: Vec<String>,
    /// What `-t` makes of it.
    tested: u8,
}

impl<'a> Loader<'a> {
    fn new(options: &'a Options, path: &'a str) -> Self {
        Loader {
            options,
            path,
            errors: Vec::new(),
            tested: exit::OK,
        }
    }

    /// At the start, what can run does.
    fn first(&mut self) -> Result<Config, String> {
        let loaded = self.load();
        if loaded.diags.worst() == Some(Severity::Fatal) {
            let path = self.path;
            return Err(format!(
                "nothing can run from {path}; see `vrrpd -t -f {path}`"
            ));
        }
        Ok(self.adopt(loaded))
    }

    /// At a reload, a new error refuses all of it: a slip of the pen must not take down what runs. Those that the
    /// running configuration has too were there when it was started, and change nothing.
    fn again(&mut self) -> Result<Config, String> {
        let path = self.path;
        host::readable(path).map_err(|why| cannot_read(path, &why))?;
        let loaded = self.load();
        let found = errors(&loaded);
        let new = found.iter().filter(|error| !self.errors.contains(error));
        match new.count() {
            0 => Ok(self.adopt(loaded)),
            1 => Err("it has an error (see above)".to_owned()),
            count => Err(format!("it has {count} errors (see above)")),
        }
    }

    fn adopt(&mut self, loaded: Loaded) -> Config {
        self.errors = errors(&loaded);
        self.tested = exit_code_for_test(loaded.diags.worst());
        loaded.config
    }

    fn load(&self) -> Loaded {
        let mut loaded = config::load(self.path, &machine(self.options));
        host::fill_in(&mut loaded.config.global);
        log_diags(&loaded, self.path);
        // A build without virtual servers has one half only.
        #[cfg(feature = "lvs")]
        if let Some(only) = self.options.only {
            keep(only, &mut loaded.config);
        }
        if let Some(namespace) = &self.options.namespace {
            loaded.config.global.process.namespace = Some(namespace.clone());
        }
        loaded
    }
}

/// Leaves out what was not asked for on the command line.
#[cfg(feature = "lvs")]
fn keep(only: Only, config: &mut Config) {
    let (half, option, what) = match only {
        Only::Vrrp => (Half::Vrrp, "-P", "virtual servers"),
        Only::Check => (Half::Lvs, "-C", "instances"),
    };
    let count = half::keep(half, config);
    if count > 0 {
        log::info!(target: "config", "{option}: {count} {what} left out");
    }
}

fn errors(loaded: &Loaded) -> Vec<String> {
    let list = loaded.diags.list().iter();
    let list = list.filter(|diag| diag.severity >= Severity::Error);
    list.map(|diag| diag.message.to_string()).collect()
}

/// What there is to say about a configuration goes to the log, a line each.
fn log_diags(loaded: &Loaded, path: &str) {
    let Loaded { diags, sources, .. } = loaded;
    for diag in diags.list() {
        let place = diag.span.and_then(|span| sources.position(span));
        let place = match place {
            Some(Position {
                file, line, column, ..
            }) => format!("{file}:{line}:{column}: "),
            None => String::new(),
        };
        let help = diag
            .help
            .as_ref()
            .map_or(String::new(), |help| format!("; {help}"));
        let level = match diag.severity {
            Severity::Note => Level::Debug,
            Severity::Unsupported | Severity::Insecure | Severity::Warning => Level::Warn,
            Severity::Error | Severity::Fatal => Level::Error,
        };
        log::log!(target: "config", level, "{place}{}{help}", diag.message);
    }
    if diags.suppressed() > 0 {
        log::warn!(target: "config", "{} more messages about {path}", diags.suppressed());
    }
}

/// What is about to run, an instance a line.
fn show(config: &Config) {
    for instance in &config.instances {
        let to = match &instance.transport {
            Transport::Multicast { group } => group.to_string(),
            Transport::Unicast { peers, .. } => format!("{} unicast peers", peers.len()),
        };
        let mut addresses = instance.vips.iter().chain(&instance.excluded);
        let first = addresses
            .next()
            .map_or(String::new(), |one| format!(": {}", one.cidr));
        let more = addresses.next().map_or("", |_| ", ...");
        log::info!(
            "({}) {} VRID {} priority {} {}, adverts every {} to {to}, {} addresses{first}{more}",
            instance.name,
            instance.interface,
            instance.vrid,
            instance.priority,
            instance.version,
            instance.advert_int,
            instance.vips.len() + instance.excluded.len(),
        );
    }
}

/// The whole life of the daemon: the first script, everything, the last script.
fn serve(
    options: &Options,
    loader: &mut Loader<'_>,
    config: Config,
    (signals, successor, state): (&Signals, &Successor, StateFile),
    (ready, up): (Ready, &mut bool),
) -> u8 {
    log::info!("Starting vrrpd {}", env!("CARGO_PKG_VERSION"));
    if options.dump_conf {
        show(&config);
    }
    let mut running = Running {
        mask: options.umask,
        shutdown: config.global.shutdown.clone(),
        place: place(&config.global),
    };
    process::change(&Process::default(), &config.global.process, running.mask);
    let told = match &config.global.startup {
        // A successor goes on with what has been started.
        Some(script) if !restart::is_successor() => bounded::run("startup_script", script, signals),
        _ => Told::default(),
    };
    let code = if told.stop {
        ready.failed(exit::OK);
        *up = true;
        exit::OK
    } else {
        let engine_options = engine::Options {
            dont_release: options.dont_release_vrrp,
            dont_release_ipvs: options.dont_release_ipvs,
        };
        let engine = Engine::new(config, engine_options);
        if engine.is_idle() {
            log::warn!("the configuration has nothing to run; waiting for a signal");
        }
        let reactor = Reactor::new(engine, signals, successor, state);
        live(
            reactor,
            loader,
            &mut running,
            (successor, told),
            (ready, up),
        )
    };
    if let Some(script) = &running.shutdown {
        bounded::run("shutdown_script", script, signals);
    }
    if code == exit::OK {
        log::info!("Stopped vrrpd");
    }
    code
}

/// Runs until it is told to stop.
fn live(
    reactor: io::Result<Reactor<'_>>,
    loader: &mut Loader<'_>,
    running: &mut Running,
    (successor, told): (&Successor, Told),
    (ready, up): (Ready, &mut bool),
) -> u8 {
    let mut reactor = match reactor.and_then(|mut reactor| {
        reactor.start()?;
        Ok(reactor)
    }) {
        Ok(reactor) => reactor,
        Err(error) => {
            let denied = error.kind() == io::ErrorKind::PermissionDenied;
            let code = if denied {
                exit::NO_PERMISSION
            } else {
                exit::FATAL
            };
            fail(&format!("cannot start: {}", host::sentence(&error)), code);
            ready.failed(code);
            return code;
        }
    };
    reactor.tested = loader.tested;
    ready.up();
    *up = true;
    if told.reload {
        reload(&mut reactor, loader, running);
    }
    let end = loop {
        match reactor.run() {
            Ok(Wanted::Reload) => {
                reload(&mut reactor, loader, running);
            }
            Ok(Wanted::Restart) => {
                // What the new configuration has no more only we know of.
                let reloaded = reload(&mut reactor, loader, running);
                if !reloaded || running.is_elsewhere(reactor.global()) {
                    // Elsewhere it would know nothing of what we have here.
                    log::error!("restart refused, this version goes on");
                    continue;
                }
                reactor.hand_over();
                break Err(successor.take_over());
            }
            Ok(Wanted::Stop) => break Ok(()),
            Err(error) => break Err(error),
        }
    };
    service::tell(service::STOPPING);
    reactor.stop();
    match end {
        Ok(()) => exit::OK,
        Err(error) => fail(
            &format!("giving up: {}", host::sentence(&error)),
            exit::FATAL,
        ),
    }
}

/// What concerns the process as it runs now.
struct Running {
    /// `-u`.
    mask: Option<u16>,
    /// The last thing to do.
    shutdown: Option<Bounded>,
    /// Where it is.
    place: Place,
}

/// `net_namespace`, `instance`, `use_pid_dir`: where the process is and keeps its files.
type Place = (Option<String>, Option<String>, bool);

const ELSEWHERE: &str =
    "net_namespace, instance or use_pid_dir has changed; that takes a stop and a start";

fn place(global: &Global) -> Place {
    let Global {
        process, instance, ..
    } = global;
    (
        process.namespace.clone(),
        instance.clone(),
        global.use_pid_dir,
    )
}

impl Running {
    /// Changes over to other settings, as far as a running process can.
    fn change(&mut self, old: &Global, new: &Global) {
        process::change(&old.process, &new.process, self.mask);
        if self.is_elsewhere(new) {
            log::warn!("{ELSEWHERE}");
        }
        self.shutdown.clone_from(&new.shutdown);
    }

    /// Whether a start with these settings would be one in another place.
    fn is_elsewhere(&self, global: &Global) -> bool {
        place(global) != self.place
    }
}

/// Changes over to the configuration as it is now, all of it or nothing; tells which.
fn reload(reactor: &mut Reactor<'_>, loader: &mut Loader<'_>, running: &mut Running) -> bool {
    log::info!("Reloading {}", loader.path);
    service::reloading();
    reactor.before_reload();
    let config = loader.again();
    let good = config.is_ok();
    match config {
        Ok(config) => {
            running.change(reactor.global(), &config.global);
            reactor.reload(config);
            reactor.tested = loader.tested;
            log::info!("Reload finished");
        }
        Err(why) => log::error!("reload refused, the running configuration stays: {why}"),
    }
    service::tell(service::READY);
    good
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

// ---- talking to whoever started us ----

fn absolute(path: &str) -> String {
    let made = std::path::absolute(path).ok();
    let text = made.and_then(|path| path.into_os_string().into_string().ok());
    text.unwrap_or_else(|| path.to_owned())
}

/// Prints without minding whether anybody reads it: `println!` panics in `vrrpd -h | head -1`.
fn print(text: &str) -> u8 {
    let _ = io::stdout().write_all(text.as_bytes());
    exit::OK
}

/// One sentence for whoever started us, on standard error and in the log.
fn say(sentence: &str) {
    let _ = writeln!(io::stderr(), "vrrpd: {sentence}");
    log::warn!(target: logging::SAID, "{sentence}");
}

fn fail(sentence: &str, code: u8) -> u8 {
    let _ = writeln!(io::stderr(), "vrrpd: {sentence}");
    log::error!(target: logging::SAID, "{sentence}");
    code
}
