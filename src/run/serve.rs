//! Runs the daemon once it has started: `startup_script`, the loop with its reloads,
//! `shutdown_script`.

use std::io;
use std::path::Path;
use std::time::{Duration, Instant};

use super::extra_pid_files::ExtraPidFiles;
use super::fail;
use super::load::Loader;
use crate::cli::Options;
use crate::config::model::{BlockingScript, Config, Global, ProcessSettings, Transport};
use crate::ctl::request::{Command, Setting};
use crate::engine::system::error_text;
use crate::engine::{self, Engine, ProcessEvent};
use crate::exit;
use crate::log;
use crate::os::blocking_script::{self, ReceivedRequests};
use crate::os::child;
use crate::os::control::server::Outcome;
use crate::os::daemon::Ready;
use crate::os::instance_lock::{self, InstanceLock};
use crate::os::logging;
use crate::os::open_file::Trusted;
use crate::os::privileges::{Missing, Plan, Privileges};
use crate::os::reactor::{ProcessRequest, Reactor};
use crate::os::restart::Successor;
use crate::os::sched;
use crate::os::sd_notify;
use crate::os::seccomp::Seccomp;
use crate::os::signals::Signals;
use crate::os::state_file::StateFile;
use crate::types::CalledAs;

/// Time that a reload may take in addition to several times that of the last one.
const RELOAD_MARGIN: Duration = Duration::from_millis(30);

/// How a run of the daemon ended.
pub(super) struct End {
    /// Exit code.
    pub(super) code: u8,
    /// Whether it has reported that it is up.
    pub(super) came_up: bool,
}

impl End {
    pub(super) fn not_up(code: u8) -> Self {
        let came_up = false;
        End { code, came_up }
    }

    fn was_up(code: u8) -> Self {
        let came_up = true;
        End { code, came_up }
    }
}

/// What the daemon runs with.
pub(super) struct Daemon<'a> {
    pub(super) options: &'a Options,
    pub(super) loader: Loader<'a>,
    pub(super) signals: &'a Signals,
    pub(super) successor: &'a Successor,
    /// What the successor keeps.
    pub(super) lock: Option<&'a InstanceLock>,
    pub(super) pid_file: Option<&'a Path>,
    pub(super) extra: ExtraPidFiles,
    /// As they were when the process started.
    pub(super) privileges: Privileges,
    pub(super) seccomp: Seccomp,
}

impl<'a> Daemon<'a> {
    /// Runs the daemon until it stops.
    pub(super) fn run(mut self, config: Config, mut state: StateFile, ready: Ready) -> End {
        log::info!("Starting vrrpd {}", env!("CARGO_PKG_VERSION"));
        if self.options.dump_conf {
            log_instances(&config);
        }
        let mut running = Running {
            umask: self.options.umask,
            called_as: self.options.called_as,
            shutdown: config.global.shutdown_script.clone(),
            identity: Identity::of(&config.global),
            reload_took: Duration::ZERO,
        };
        let process = &config.global.process;
        child::limits_at_start();
        sched::start(process, running.umask, running.called_as);
        let received = match &config.global.startup_script {
            // It has run before the predecessor started.
            Some(_) if instance_lock::is_successor() => ReceivedRequests::default(),
            // Nor again after a crash: other routers take over while it runs.
            Some(_) if state.may_resume() => {
                log::info!("startup_script is not run again: it has run before the crash");
                ReceivedRequests::default()
            }
            Some(script) => blocking_script::run("startup_script", script, self.signals),
            None => ReceivedRequests::default(),
        };
        let outcome = if received.stop {
            ready.failed(exit::OK);
            End::was_up(exit::OK)
        } else {
            let plan = self.plan(&config);
            self.extra.update(&config);
            match self.start_loop(config, state) {
                Ok(mut reactor) => {
                    reactor.listen(self.pid_file, Trusted::owner_of(self.loader.path.as_ref()));
                    self.give_up_rights(plan, &reactor.global().process);
                    self.run_loop(reactor, &mut running, received, ready)
                }
                Err(error) => {
                    let denied = error.kind() == io::ErrorKind::PermissionDenied;
                    let code = if denied {
                        exit::NO_PERMISSION
                    } else {
                        exit::FATAL
                    };
                    fail(&format!("cannot start: {}", error_text(&error)), code);
                    ready.failed(code);
                    End::not_up(code)
                }
            }
        };
        if let Some(script) = &running.shutdown {
            blocking_script::run("shutdown_script", script, self.signals);
        }
        if outcome.code == exit::OK {
            log::info!("Stopped vrrpd");
        }
        outcome
    }

    /// Removes what the predecessor of this process has left in the kernel: starts and stops.
    pub(super) fn clean_up(&self, config: Config, state: StateFile) {
        match self.start_loop(config, state) {
            Ok(mut reactor) => reactor.stop(),
            Err(error) => {
                let why = error_text(&error);
                log::error!("cannot remove addresses, routes and services: {why}");
            }
        }
    }

    /// To be called once the daemon is up.
    fn give_up_rights(&mut self, plan: Plan, process: &ProcessSettings) {
        if self.options.seccomp {
            self.seccomp.install(plan.first_program.as_deref());
        }
        let needs = self.privileges.needs(plan);
        self.privileges.keep(needs, process);
    }

    fn plan(&self, config: &Config) -> Plan {
        Plan::new(config, self.pid_file)
    }

    fn start_loop(&self, config: Config, state: StateFile) -> io::Result<Reactor<'a>> {
        let options = engine::Options {
            dont_release: self.options.dont_release_vrrp,
            dont_release_ipvs: self.options.dont_release_ipvs,
        };
        let engine = Engine::new(config, options);
        let mut reactor = Reactor::new(engine, self.signals, self.successor, state)?;
        let how = match instance_lock::is_successor() {
            true => "continues after a restart in place",
            false => "starts",
        };
        let version = env!("CARGO_PKG_VERSION");
        reactor.log_event(ProcessEvent::Started, format_args!("vrrpd {version} {how}"));
        match reactor.start() {
            Ok(()) => Ok(reactor),
            Err(error) => {
                // What it has set, or its predecessor.
                reactor.stop();
                Err(error)
            }
        }
    }

    /// Runs the loop until it stops, or until the new version of the program cannot be executed.
    fn run_loop(
        &mut self,
        mut reactor: Reactor<'_>,
        running: &mut Running,
        received: ReceivedRequests,
        ready: Ready,
    ) -> End {
        if reactor.is_idle() {
            log::warn!("the configuration has nothing to run; waiting for a signal");
        }
        reactor.test_code = self.loader.test_code;
        reactor.config_applied(self.loader.path, self.loader.errors());
        ready.up();
        if received.reload {
            self.reload(&mut reactor, running, ReloadReason::Request);
        }
        let end = loop {
            match reactor.run() {
                Ok(ProcessRequest::Reload) => {
                    self.reload(&mut reactor, running, ReloadReason::Request);
                }
                Ok(ProcessRequest::Restart) => {
                    // Only this process can remove what the new configuration no longer has.
                    let reloaded = self.reload(&mut reactor, running, ReloadReason::Restart);
                    if reloaded == Reload::Refused || running.would_move(reactor.global()) {
                        reactor.refuse_restart("restart refused, this version continues");
                        continue;
                    }
                    reactor.prepare_restart();
                    logging::flush();
                    break Err(self.successor.exec(self.lock, &self.seccomp));
                }
                Ok(ProcessRequest::Diff) => {
                    let loader = &self.loader;
                    reactor.answer_in_children(Command::Diff, &mut |engine, request, out| {
                        loader.diff(request.setting(Setting::File), engine, out);
                    });
                }
                Ok(ProcessRequest::Stop) => break Ok(()),
                Err(error) => break Err(error),
            }
        };
        sd_notify::send(sd_notify::STOPPING);
        reactor.stop();
        End::was_up(match end {
            Ok(()) => exit::OK,
            Err(error) => fail(
                &format!("cannot continue: {}", error_text(&error)),
                exit::FATAL,
            ),
        })
    }

    /// Reads the configuration again and applies all of it, or nothing if it has a new error.
    fn reload(
        &mut self,
        reactor: &mut Reactor<'_>,
        running: &mut Running,
        reason: ReloadReason,
    ) -> Reload {
        log::info!("Reloading ... {}", self.loader.path);
        sd_notify::reloading();
        let start = Instant::now();
        // A longer configuration takes longer.
        let time = self.loader.took.max(running.reload_took);
        reactor.before_reload(time.saturating_mul(4).saturating_add(RELOAD_MARGIN));
        let outcome = self
            .loader
            .reload()
            .and_then(|config| self.apply(reactor, running, config, reason));
        let outcome = outcome.unwrap_or_else(|why| {
            let refusal = format!("reload refused, the running configuration stays: {why}");
            reactor.log_event(ProcessEvent::ReloadRefused, format_args!("{refusal}"));
            let refusal = [&self.loader.problems, &refusal, "\n"].concat();
            reactor.reload_refused(&why);
            reactor.report(Command::Reload, Outcome::Refused(&refusal));
            Reload::Refused
        });
        self.loader.rest = None;
        running.reload_took = start.elapsed();
        sd_notify::send(sd_notify::READY);
        outcome
    }

    /// Applies a configuration. One that needs capabilities which were given up waits for a restart;
    /// before the restart itself, the part that this process can do is applied.
    fn apply(
        &mut self,
        reactor: &mut Reactor<'_>,
        running: &mut Running,
        mut config: Config,
        reason: ReloadReason,
    ) -> Result<Reload, String> {
        let mut plan = self.plan(&config);
        let (old, new) = (&reactor.global().process, &config.global.process);
        self.seccomp.check(plan.first_program.as_deref())?;
        plan.add_change(old, new);
        let needs = self.privileges.needs(plan);
        match self.privileges.missing(&needs) {
            Missing::Nothing => {}
            Missing::UntilRestart(_) if reason == ReloadReason::Restart => {
                config.global.process = new.without_more_rights(old);
            }
            Missing::UntilRestart(what) => {
                let why = format!(
                    "The new configuration needs {what}, which was given up: restarting in place\n"
                );
                reactor.log_event(ProcessEvent::Reload, format_args!("{}", why.trim_end()));
                reactor.report(Command::Reload, Outcome::Restarting(&why));
                // The test reads the new configuration, whose messages are not the running one's.
                reactor.test_code = self.loader.test_code;
                reactor.test_successor();
                return Ok(Reload::Postponed);
            }
            Missing::UntilStart(what) => {
                return Err(format!(
                    "it needs {what}, which was given up at the start; stop and start vrrpd to apply it"
                ));
            }
        }
        running.change(reactor.global(), &config.global);
        self.extra.update(&config);
        let process = config.global.process.clone();
        let moves = reactor.global().control != config.global.control;
        reactor.reload(config);
        reactor.config_applied(self.loader.path, self.loader.errors());
        if moves || !reactor.has_socket() {
            reactor.listen(self.pid_file, Trusted::owner_of(self.loader.path.as_ref()));
        }
        reactor.test_code = self.loader.test_code;
        if reason == ReloadReason::Request {
            self.privileges.keep(needs, &process);
        }
        reactor.log_event(ProcessEvent::Reload, format_args!("Reload complete"));
        let report = [&self.loader.problems, "reload complete\n"].concat();
        reactor.report(Command::Reload, Outcome::Done(&report));
        Ok(Reload::Applied)
    }
}

/// What a reload is for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum ReloadReason {
    /// It was asked for.
    Request,
    /// This program is about to be replaced.
    Restart,
}

/// Outcome of a reload.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Reload {
    Applied,
    /// Until a restart, which has been requested.
    Postponed,
    Refused,
}

/// Settings of the process while it runs.
struct Running {
    /// `-u`.
    umask: Option<u16>,
    called_as: CalledAs,
    /// `shutdown_script` of the running configuration.
    shutdown: Option<BlockingScript>,
    identity: Identity,
    /// How long the last reload took.
    reload_took: Duration,
}

/// Which of several copies this process is: what decides on its namespace and its files, and cannot
/// change while it runs.
#[derive(PartialEq, Eq)]
struct Identity {
    namespace: Option<String>,
    instance: Option<String>,
    use_pid_dir: bool,
}

impl Identity {
    fn of(global: &Global) -> Self {
        Identity {
            namespace: global.process.net_namespace.clone(),
            instance: global.instance.clone(),
            use_pid_dir: global.use_pid_dir,
        }
    }
}

impl Running {
    /// Applies other settings, as far as that is possible while the process runs.
    fn change(&mut self, old: &Global, new: &Global) {
        sched::change(&old.process, &new.process, self.umask, self.called_as);
        if self.would_move(new) {
            log::warn!(
                "net_namespace, instance or use_pid_dir has changed; stop and start vrrpd to apply it"
            );
        }
        self.shutdown.clone_from(&new.shutdown_script);
    }

    /// Whether a process started with these settings would be another copy.
    fn would_move(&self, global: &Global) -> bool {
        Identity::of(global) != self.identity
    }
}

/// Logs the instances that are about to run (`-d`).
fn log_instances(config: &Config) {
    for instance in &config.instances {
        let to = match &instance.transport {
            Transport::Multicast { group } => group.to_string(),
            Transport::Unicast { peers, .. } => format!("{} unicast peers", peers.len()),
        };
        let mut addresses = instance.vips.iter().chain(&instance.excluded_vips);
        let first = addresses
            .next()
            .map_or(String::new(), |one| format!(": {}", one.cidr));
        let more = addresses.next().map_or("", |_| ", ...");
        log::info!(
            "({}) {} VRID {} priority {} {}, adverts every {} to {to}, {} addresses{first}{more}",
            instance.name,
            instance.interface.or_any(),
            instance.vrid,
            instance.priority,
            instance.version,
            instance.advert_int,
            instance.vips.len() + instance.excluded_vips.len(),
        );
    }
}
