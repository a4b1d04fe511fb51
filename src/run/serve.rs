//! The whole life of the daemon once nothing can go wrong for a human any more: first script, loop, reloads, last script.

use std::io;

use super::fail;
use super::load::Loader;
use crate::cli::Options;
use crate::config::model::{BlockingScript, Config, Global, ProcessSettings, Transport};
use crate::engine::system::error_text;
use crate::engine::{self, Engine};
use crate::exit;
use crate::os::blocking_script::{self, ReceivedRequests};
use crate::os::daemon::Ready;
use crate::os::reactor::{ProcessRequest, Reactor};
use crate::os::restart::{self, Successor};
use crate::os::sched;
use crate::os::sd_notify;
use crate::os::signals::Signals;
use crate::os::state_file::StateFile;

/// What is about to run, an instance a line.
fn show(config: &Config) {
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
            instance.interface,
            instance.vrid,
            instance.priority,
            instance.version,
            instance.advert_int,
            instance.vips.len() + instance.excluded_vips.len(),
        );
    }
}

/// The whole life of the daemon: the first script, everything, the last script.
pub(super) fn serve(
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
        shutdown: config.global.shutdown_script.clone(),
        place: place(&config.global),
    };
    sched::change(
        &ProcessSettings::default(),
        &config.global.process,
        running.mask,
    );
    let told = match &config.global.startup_script {
        // A successor goes on with what has been started.
        Some(script) if !restart::is_successor() => {
            blocking_script::run("startup_script", script, signals)
        }
        _ => ReceivedRequests::default(),
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
        run_loop(
            reactor,
            loader,
            &mut running,
            (successor, told),
            (ready, up),
        )
    };
    if let Some(script) = &running.shutdown {
        blocking_script::run("shutdown_script", script, signals);
    }
    if code == exit::OK {
        log::info!("Stopped vrrpd");
    }
    code
}

/// Runs until it is told to stop.
fn run_loop(
    reactor: io::Result<Reactor<'_>>,
    loader: &mut Loader<'_>,
    running: &mut Running,
    (successor, told): (&Successor, ReceivedRequests),
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
            fail(&format!("cannot start: {}", error_text(&error)), code);
            ready.failed(code);
            return code;
        }
    };
    reactor.test_code = loader.tested;
    ready.up();
    *up = true;
    if told.reload {
        reload(&mut reactor, loader, running);
    }
    let end = loop {
        match reactor.run() {
            Ok(ProcessRequest::Reload) => {
                reload(&mut reactor, loader, running);
            }
            Ok(ProcessRequest::Restart) => {
                // What the new configuration has no more only we know of.
                let reloaded = reload(&mut reactor, loader, running);
                if !reloaded || running.is_elsewhere(reactor.global()) {
                    // Elsewhere it would know nothing of what we have here.
                    log::error!("restart refused, this version goes on");
                    continue;
                }
                reactor.prepare_restart();
                break Err(successor.exec());
            }
            Ok(ProcessRequest::Stop) => break Ok(()),
            Err(error) => break Err(error),
        }
    };
    sd_notify::send(sd_notify::STOPPING);
    reactor.stop();
    match end {
        Ok(()) => exit::OK,
        Err(error) => fail(&format!("giving up: {}", error_text(&error)), exit::FATAL),
    }
}

/// What concerns the process as it runs now.
struct Running {
    /// `-u`.
    mask: Option<u16>,
    /// The last thing to do.
    shutdown: Option<BlockingScript>,
    /// Where it is.
    place: Place,
}

/// `net_namespace`, `instance`, `use_pid_dir`: where the process is and keeps its files.
type Place = (Option<String>, Option<String>, bool);

fn place(global: &Global) -> Place {
    let namespace = global.process.net_namespace.clone();
    (namespace, global.instance.clone(), global.use_pid_dir)
}

impl Running {
    /// Changes over to other settings, as far as a running process can.
    fn change(&mut self, old: &Global, new: &Global) {
        sched::change(&old.process, &new.process, self.mask);
        if self.is_elsewhere(new) {
            log::warn!(
                "net_namespace, instance or use_pid_dir has changed; that takes a stop and a start"
            );
        }
        self.shutdown.clone_from(&new.shutdown_script);
    }

    /// Whether a start with these settings would be one in another place.
    fn is_elsewhere(&self, global: &Global) -> bool {
        place(global) != self.place
    }
}

/// Changes over to the configuration as it is now, all of it or nothing; tells which.
fn reload(reactor: &mut Reactor<'_>, loader: &mut Loader<'_>, running: &mut Running) -> bool {
    log::info!("Reloading {}", loader.path);
    sd_notify::reloading();
    reactor.before_reload();
    let config = loader.again();
    let good = config.is_ok();
    match config {
        Ok(config) => {
            running.change(reactor.global(), &config.global);
            reactor.reload(config);
            reactor.test_code = loader.tested;
            log::info!("Reload finished");
        }
        Err(why) => log::error!("reload refused, the running configuration stays: {why}"),
    }
    sd_notify::send(sd_notify::READY);
    good
}
