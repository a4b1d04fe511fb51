//! Stand-in for procd: the table of services (of one here), its triggers, and the process of an
//! instance, with the behavior that init scripts depend on.
//!
//! * A trigger runs its script after a delay; another event in the meantime starts the delay again.
//! * A stopped service is in the table until its process has ended, and a trigger whose delay has
//!   started still runs its script.
//! * A service that is set again keeps its process, which gets `reload_signal` if a parameter or a
//!   file has changed. Without an instance, its process is stopped.
//! * A process that ends is started again after the time-out of `respawn`.
//!
//! Init scripts reach it by the stand-in of `ubus`.

use std::collections::VecDeque;
use std::fs::{self, File, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, Sender, TryRecvError, channel};
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use vrrpd_lab::{Node, wait_until};

use super::router::{Router, chroot};
use crate::support::SOON;

const PAUSE: Duration = Duration::from_millis(5);
/// Of `procd_add_reload_trigger`.
const RELOAD_DELAY: Duration = Duration::from_secs(1);

pub(super) struct Procd {
    events: Option<Sender<Event>>,
    shared: Arc<Mutex<Shared>>,
    thread: Option<JoinHandle<()>>,
}

/// What tests can see.
#[derive(Default)]
struct Shared {
    /// Of the instance.
    pid: Option<u32>,
    registered: bool,
    /// Events that are not yet handled, delays and scripts.
    pending: usize,
    sent: usize,
    /// The scripts that triggers have started.
    scripts: Vec<String>,
}

/// `interface.update` with `interface` = `lan`, for example.
struct Event {
    name: &'static str,
    key: &'static str,
    value: &'static str,
}

impl Procd {
    /// Processes run in the namespace of `node`.
    pub(super) fn start(router: &Router, node: &Node) -> Self {
        let (events, received) = channel();
        let shared = Arc::new(Mutex::new(Shared::default()));
        fs::create_dir_all(router.at("/tmp/ubus")).expect("mkdir");
        let mut table = Table {
            root: router.at("/"),
            namespace: node.id().to_owned(),
            service: None,
            due: Vec::new(),
            scripts: VecDeque::new(),
            script: None,
            shared: Arc::clone(&shared),
        };
        let thread = thread::spawn(move || table.run(&received));
        Procd {
            events: Some(events),
            shared,
            thread: Some(thread),
        }
    }

    fn shared<T>(&self, read: impl FnOnce(&mut Shared) -> T) -> T {
        read(&mut self.shared.lock().expect("procd runs"))
    }

    pub(super) fn event(&self, name: &'static str, key: &'static str, value: &'static str) {
        self.shared(|shared| shared.sent += 1);
        let event = Event { name, key, value };
        let events = self.events.as_ref().expect("procd runs");
        events.send(event).expect("procd runs");
    }

    /// `reload_config` after a change of /etc/config/keepalived.
    pub(super) fn reload_config(&self) {
        self.event("config.change", "package", "keepalived");
    }

    /// Waits for the scripts of all triggers; returns those that ran since the last call.
    pub(super) fn settle(&self) -> Vec<String> {
        wait_until(SOON, "the triggers have run", || {
            self.shared(|shared| shared.sent == 0 && shared.pending == 0)
        });
        self.shared(|shared| std::mem::take(&mut shared.scripts))
    }

    /// The process of the instance.
    pub(super) fn pid(&self) -> Option<u32> {
        self.shared(|shared| shared.pid)
    }

    pub(super) fn is_registered(&self) -> bool {
        self.shared(|shared| shared.registered)
    }
}

impl Drop for Procd {
    fn drop(&mut self) {
        drop(self.events.take());
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

struct Table {
    root: PathBuf,
    namespace: String,
    service: Option<Service>,
    /// Triggers whose delay has started.
    due: Vec<(Instant, Trigger)>,
    /// One runs at a time.
    scripts: VecDeque<Vec<String>>,
    script: Option<Child>,
    shared: Arc<Mutex<Shared>>,
}

#[derive(Default)]
struct Service {
    triggers: Vec<Trigger>,
    instance: Option<Instance>,
    deleted: bool,
}

#[derive(Clone, PartialEq)]
struct Trigger {
    event: String,
    /// Which value the event must have, if it matters.
    value: Option<String>,
    delay: Duration,
    script: Vec<String>,
}

impl Trigger {
    fn matches(&self, event: &Event) -> bool {
        // procd compares up to the first `.*`.
        let name = match self.event.split_once(".*") {
            Some((prefix, _)) => event.name.starts_with(prefix),
            None => event.name == self.event,
        };
        let value = self.value.as_deref();
        name && value.is_none_or(|value| {
            ["package", "interface"].contains(&event.key) && event.value == value
        })
    }
}

/// The parameters of an instance and the contents of its files.
#[derive(PartialEq)]
struct Parameters(Vec<String>, Vec<Option<Vec<u8>>>);

impl Parameters {
    fn words(&self, name: &str) -> Vec<&str> {
        let start = format!("set_param {name} ");
        let line = self.0.iter().find_map(|line| line.strip_prefix(&start));
        line.unwrap_or_default().split_whitespace().collect()
    }

    fn number(&self, name: &str, index: usize) -> Option<u64> {
        self.words(name).get(index)?.parse().ok()
    }
}

struct Instance {
    parameters: Parameters,
    process: Option<Child>,
    /// Is being stopped.
    halt: bool,
    /// To be started again when it has stopped.
    restart: bool,
    /// When it is started again or, if it is being stopped, killed.
    timeout: Option<Instant>,
}

impl Instance {
    fn signal(&self, signal: Signal) {
        if let Some(process) = &self.process {
            let pid = i32::try_from(process.id()).expect("a pid");
            kill(Pid::from_raw(pid), signal).expect("it is not yet waited for");
        }
    }

    fn stop(&mut self) {
        self.halt = true;
        self.restart = false;
        self.signal(Signal::SIGTERM);
        let seconds = self.parameters.number("term_timeout", 0).unwrap_or(5);
        self.timeout = Some(Instant::now() + Duration::from_secs(seconds));
    }
}

impl Table {
    fn run(&mut self, events: &Receiver<Event>) {
        loop {
            match events.try_recv() {
                Ok(event) => self.event(&event),
                Err(TryRecvError::Empty) => thread::sleep(PAUSE),
                Err(TryRecvError::Disconnected) => break,
            }
            self.requests();
            self.run_scripts();
            self.watch();
            self.publish();
        }
        let process = self
            .service
            .take()
            .and_then(|service| service.instance?.process);
        for mut child in self.script.take().into_iter().chain(process) {
            let _ = child.kill();
            let _ = child.wait();
        }
    }

    fn publish(&mut self) {
        let instance = self
            .service
            .as_ref()
            .and_then(|service| service.instance.as_ref());
        let mut shared = self.shared.lock().expect("the test runs");
        shared.pid = instance.and_then(|instance| Some(instance.process.as_ref()?.id()));
        shared.registered = self.service.is_some();
        shared.pending = self.due.len() + self.scripts.len() + usize::from(self.script.is_some());
    }

    fn event(&mut self, event: &Event) {
        for trigger in self.service.iter().flat_map(|service| &service.triggers) {
            if trigger.matches(event) {
                self.due.retain(|(_, one)| one != trigger);
                self.due
                    .push((Instant::now() + trigger.delay, trigger.clone()));
            }
        }
        self.publish();
        self.shared.lock().expect("the test runs").sent -= 1;
    }

    // ---- requests by ubus ----

    fn requests(&mut self) {
        let directory =
            fs::read_dir(self.root.join("tmp/ubus")).expect("the directory of requests");
        let paths = directory.filter_map(|entry| Some(entry.ok()?.path()));
        let requests: Vec<PathBuf> = paths
            .filter(|path| path.extension().is_some_and(|end| end == "request"))
            .collect();
        for path in requests {
            let text = fs::read_to_string(&path).expect("a request");
            fs::remove_file(&path).expect("a request");
            let (method, message) = text.split_once('\n').expect("a method");
            let reply = match method {
                "set" => self.set(message),
                "delete" => self.delete(),
                other => panic!("ubus call service {other}"),
            };
            self.publish();
            let pipe = OpenOptions::new()
                .write(true)
                .open(path.with_extension("reply"));
            pipe.and_then(|mut pipe| pipe.write_all(reply.as_bytes()))
                .expect("a reply");
        }
    }

    fn set(&mut self, message: &str) -> String {
        let lines = || message.lines();
        let new = lines()
            .any(|line| line.starts_with("open_instance"))
            .then(|| {
                let all = lines().skip_while(|line| !line.starts_with("open_instance"));
                let all = all.take_while(|line| !line.starts_with("close_instance"));
                let mut parameters = Parameters(all.map(str::to_owned).collect(), Vec::new());
                let files = parameters.words("file");
                let path = |file: &str| self.root.join(file.trim_start_matches('/'));
                let files = files.into_iter().map(|file| fs::read(path(file)).ok());
                parameters.1 = files.collect();
                parameters
            });
        let service = self.service.get_or_insert_default();
        service.deleted = false;
        service.triggers = triggers(message);
        // Those of the former message are replaced with it.
        self.due.clear();
        match (&mut service.instance, new) {
            (Some(old), Some(new)) if old.process.is_some() && !old.halt => {
                if old.parameters != new {
                    match old.parameters.number("reload_signal", 0) {
                        Some(1) => old.signal(Signal::SIGHUP),
                        _ => old.stop(),
                    }
                    old.restart = old.halt;
                }
                old.parameters = new;
            }
            (Some(old), Some(new)) if old.process.is_some() => {
                old.parameters = new;
                old.restart = true;
            }
            (instance, Some(parameters)) => {
                let process = spawn(&self.root, &self.namespace, &parameters);
                *instance = Some(Instance {
                    parameters,
                    process: Some(process),
                    halt: false,
                    restart: false,
                    timeout: None,
                });
            }
            (Some(old), None) => old.stop(),
            (None, None) => {}
        }
        String::new()
    }

    fn delete(&mut self) -> String {
        if let Some(service) = &mut self.service {
            service.deleted = true;
            if let Some(instance) = &mut service.instance {
                instance.stop();
            }
            String::new()
        } else {
            "Command failed: Not found\n".to_owned()
        }
    }

    // ---- processes ----

    fn run_scripts(&mut self) {
        let now = Instant::now();
        for (_, trigger) in self.due.extract_if(.., |(at, _)| *at <= now) {
            self.scripts.push_back(trigger.script);
        }
        if let Some(child) = &mut self.script
            && child.try_wait().expect("a child").is_some()
        {
            self.script = None;
        }
        if self.script.is_none()
            && let Some(words) = self.scripts.pop_front()
        {
            let mut shared = self.shared.lock().expect("the test runs");
            shared.scripts.push(words.join(" "));
            drop(shared);
            let mut command = chroot(&self.root, &words);
            self.script = Some(quiet(&mut command, None));
        }
    }

    /// What processes and time-outs bring.
    fn watch(&mut self) {
        let Some(service) = &mut self.service else {
            return;
        };
        if let Some(instance) = &mut service.instance {
            let now = Instant::now();
            let is_due = instance.timeout.is_some_and(|at| at <= now);
            let ended = match &mut instance.process {
                Some(process) => process.try_wait().expect("a child").is_some(),
                None => false,
            };
            if ended {
                instance.process = None;
                let seconds = instance.parameters.number("respawn", 1);
                let wait = if instance.halt { Some(0) } else { seconds };
                instance.timeout = wait.map(|seconds| now + Duration::from_secs(seconds));
            }
            if instance.halt && instance.process.is_some() && is_due {
                instance.signal(Signal::SIGKILL);
            } else if instance.process.is_none() && instance.halt && !instance.restart {
                service.instance = None;
            } else if instance.process.is_none() && (is_due || instance.restart) {
                let process = spawn(&self.root, &self.namespace, &instance.parameters);
                instance.process = Some(process);
                (instance.halt, instance.restart, instance.timeout) = (false, false, None);
            }
        }
        if service.deleted && service.instance.is_none() {
            self.service = None;
        }
    }
}

fn triggers(message: &str) -> Vec<Trigger> {
    let mut script = "";
    let mut all = Vec::new();
    for line in message.lines() {
        let words: Vec<&str> = line.split_whitespace().collect();
        match words[..] {
            ["open_service", _, path] => script = path,
            ["add_reload_trigger", ref packages @ ..] => {
                all.extend(packages.iter().map(|name| Trigger {
                    event: "config.change".to_owned(),
                    value: Some((*name).to_owned()),
                    delay: RELOAD_DELAY,
                    script: vec![script.to_owned(), "reload".to_owned()],
                }))
            }
            ["add_raw_trigger", event, delay, ref script @ ..] => all.push(Trigger {
                event: event.to_owned(),
                value: None,
                delay: Duration::from_millis(delay.parse().expect("milliseconds")),
                script: script.iter().map(|word| (*word).to_owned()).collect(),
            }),
            _ => assert!(!line.contains("_trigger "), "{line}: not known here"),
        }
    }
    all
}

fn spawn(root: &Path, namespace: &str, parameters: &Parameters) -> Child {
    let mut command = Command::new("ip");
    command.args(["netns", "exec", namespace, "busybox", "chroot"]);
    command.arg(root).args(parameters.words("command"));
    let variables = parameters.words("env");
    command.envs(variables.iter().filter_map(|word| word.split_once('=')));
    let log = root.join("tmp/log");
    let log = OpenOptions::new().create(true).append(true).open(log);
    quiet(&mut command, Some(log.expect("a log")))
}

fn quiet(command: &mut Command, log: Option<File>) -> Child {
    command.stdin(Stdio::null()).stdout(Stdio::null());
    command.stderr(log.map_or(Stdio::null(), Stdio::from));
    command.spawn().expect("starting it")
}
