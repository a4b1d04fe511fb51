//! The daemons under test, started in the foreground on a node, each with its own log and pid file.

use std::fs::{self, File};
use std::io::{Read, Seek, SeekFrom};
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::sys::wait::waitpid;
use nix::unistd::Pid;

use crate::conf::Conf;
use crate::net::Node;
use crate::private::DIR;
use crate::{Ns, now, process, wait_for, wait_until};

/// A daemon program.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Daemon {
    /// vrrpd at this path.
    Vrrpd(PathBuf),
    /// Debian's keepalived.
    Keepalived,
}

impl Daemon {
    /// The daemon to be tested: `VRRPD_BIN`, or keepalived with `LAB_DAEMON=keepalived`, to
    /// test the tests themselves.
    #[must_use]
    pub fn subject() -> Option<Self> {
        if std::env::var("LAB_DAEMON").is_ok_and(|d| d == "keepalived") {
            return Some(Self::Keepalived);
        }
        std::env::var_os("VRRPD_BIN").map(|p| Self::Vrrpd(p.into()))
    }

    /// `vrrpd` or `keepalived`.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Self::Vrrpd(_) => "vrrpd",
            Self::Keepalived => "keepalived",
        }
    }

    /// Whether the program can be run at all.
    #[must_use]
    pub fn available(&self) -> bool {
        Command::new(self.path())
            .arg("-v")
            .output()
            .is_ok_and(|o| o.status.success())
    }

    /// Starts it on `node` with this configuration.
    #[must_use]
    pub fn start(&self, node: &Node, conf: &Conf) -> Running {
        self.start_text(node, &conf.text(), &[])
    }

    /// Starts it with a configuration as text, through a command such as `setpriv …` if given.
    #[must_use]
    pub fn start_text(&self, node: &Node, conf: &str, prefix: &[&str]) -> Running {
        self.start_in(node, conf, prefix, DIR, &[])
    }

    /// Starts it with its pid file, and so its state file, in this directory, and further options.
    #[must_use]
    pub fn start_in(
        &self,
        node: &Node,
        conf: &str,
        prefix: &[&str],
        run_directory: &str,
        options: &[&str],
    ) -> Running {
        static COUNTER: AtomicU32 = AtomicU32::new(1);
        let n = COUNTER.fetch_add(1, Ordering::Relaxed);
        let name = format!("{}-{}", node.id(), self.name());
        let (base, pid_file) = (
            format!("{DIR}/{name}"),
            format!("{run_directory}/{name}.pid"),
        );
        let (conf_file, log) = (
            format!("{base}.conf"),
            PathBuf::from(format!("{base}.{n}.log")),
        );
        fs::write(&conf_file, conf).expect("writing the configuration");
        let mut words: Vec<String> = prefix.iter().map(ToString::to_string).collect();
        words.push(self.path());
        words.extend(["-n", "-l", "-D", "-f", &conf_file, "-p", &pid_file].map(String::from));
        words.extend(options.iter().map(ToString::to_string));
        if *self == Self::Keepalived {
            // Each of its three processes has a pid file, and it would also write to syslog.
            for (flag, what) in [("-r", "vrrp"), ("-c", "check"), ("-b", "bfd")] {
                words.extend([flag.into(), format!("{base}.{what}.pid")]);
            }
            words.push("-G".into());
        }
        launch(node, &words, log, pid_file.into(), conf_file.into())
    }

    /// Starts it with exactly these arguments.
    #[must_use]
    pub fn start_args(&self, node: &Node, args: &[&str]) -> Running {
        let mut words = vec![self.path()];
        words.extend(args.iter().map(ToString::to_string));
        let base = format!("{DIR}/{}-{}", node.id(), self.name());
        launch(
            node,
            &words,
            format!("{base}.args.log").into(),
            format!("{base}.pid").into(),
            PathBuf::new(),
        )
    }

    /// Path or name of the program.
    #[must_use]
    pub fn path(&self) -> String {
        match self {
            Self::Vrrpd(path) => path.display().to_string(),
            Self::Keepalived => "keepalived".into(),
        }
    }
}

/// Starts a command on a node with its output in a log file.
fn launch(
    node: &Node,
    words: &[String],
    log: PathBuf,
    pid_file: PathBuf,
    conf_file: PathBuf,
) -> Running {
    let file = File::create(&log).expect("creating the log");
    let mut cmd = Command::new(&words[0]);
    cmd.args(&words[1..])
        .stdin(Stdio::null())
        .stdout(file.try_clone().expect("a descriptor"))
        .stderr(file)
        .process_group(0);
    let started = now();
    let child = node.spawn(&mut cmd);
    // Another program may start it.
    let program = words.iter().find(|word| word.contains("vrrpd"));
    Running {
        child,
        program: program.unwrap_or(&words[0]).clone(),
        log,
        pid_file,
        conf_file,
        started,
    }
}

/// What a command printed, and its exit code.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Answer {
    pub code: Option<i32>,
    pub out: String,
    pub err: String,
}

/// A running daemon, killed when dropped.
#[derive(Debug)]
pub struct Running {
    child: Child,
    program: String,
    log: PathBuf,
    /// Its pid file.
    pub pid_file: PathBuf,
    /// Its configuration file; empty after [`Daemon::start_args`].
    pub conf_file: PathBuf,
    /// Time just before exec.
    pub started: Ns,
}

impl Running {
    /// Its processes.
    #[must_use]
    pub fn pids(&self) -> Vec<u32> {
        process::tree(self.child.id())
    }

    /// Pid of the process that was started.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Whether it still runs.
    pub fn alive(&mut self) -> bool {
        matches!(self.child.try_wait(), Ok(None))
    }

    /// Kills all of its processes and returns the time just before. They are stopped first, so that
    /// no process notices the death of another and resigns.
    pub fn kill9(&mut self) -> Ns {
        let pids = self.pids();
        let at = now();
        if pids.len() > 1 {
            signal_all(&pids, Signal::SIGSTOP);
        }
        signal_all(&pids, Signal::SIGKILL);
        let _ = self.child.wait();
        // Orphans are children of this process, which is process 1: a zombie would count as a
        // running daemon.
        for pid in pids.iter().filter(|p| **p != self.child.id()) {
            let _ = waitpid(Pid::from_raw(i32::try_from(*pid).unwrap_or(i32::MAX)), None);
        }
        at
    }

    /// Reloads this configuration and waits until it is applied or refused; returns the time just
    /// before.
    #[track_caller]
    pub fn reload(&self, conf: &str) -> Ns {
        let before = self.log_len();
        fs::write(&self.conf_file, conf).expect("writing the configuration");
        let at = self.signal(Signal::SIGHUP);
        wait_until(Duration::from_secs(10), "the reload ends", || {
            let log = self.log_from(before);
            ["Reload complete", "reload refused"].map(|end| log.contains(end)) != [false; 2]
        });
        at
    }

    /// Runs a command of the program for this daemon, such as `status -q`.
    #[must_use]
    pub fn ask(&self, words: &[&str]) -> Answer {
        let mut command = Command::new(&self.program);
        command.args(words).arg("-p").arg(&self.pid_file);
        let output = command.stdin(Stdio::null()).output().expect("the program");
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        Answer {
            code: output.status.code(),
            out: text(&output.stdout),
            err: text(&output.stderr),
        }
    }

    /// Path of its control socket.
    #[must_use]
    pub fn socket(&self) -> PathBuf {
        self.pid_file.with_extension("sock")
    }

    /// Sends a signal to the process that was started; returns the time just before.
    pub fn signal(&self, signal: Signal) -> Ns {
        let at = now();
        signal_all(&[self.child.id()], signal);
        at
    }

    /// Sends SIGSTOP to all of its processes; returns the time just before.
    pub fn freeze(&self) -> Ns {
        let at = now();
        signal_all(&self.pids(), Signal::SIGSTOP);
        at
    }

    /// Sends SIGCONT to all of its processes; returns the time just before.
    pub fn thaw(&self) -> Ns {
        let at = now();
        signal_all(&self.pids(), Signal::SIGCONT);
        at
    }

    /// Sends SIGTERM; returns the time just before.
    pub fn term(&self) -> Ns {
        self.signal(Signal::SIGTERM)
    }

    /// Waits until it exits.
    pub fn wait_exit(&mut self, limit: Duration) -> Option<ExitStatus> {
        wait_for(limit, || self.child.try_wait().ok().flatten())
    }

    /// Its log.
    #[must_use]
    pub fn log(&self) -> String {
        String::from_utf8_lossy(&fs::read(&self.log).unwrap_or_default()).into_owned()
    }

    /// Its log from this offset on.
    #[must_use]
    pub fn log_from(&self, offset: u64) -> String {
        let mut bytes = Vec::new();
        if let Ok(mut file) = File::open(&self.log)
            && file.seek(SeekFrom::Start(offset)).is_ok()
        {
            let _ = file.read_to_end(&mut bytes);
        }
        String::from_utf8_lossy(&bytes).into_owned()
    }

    /// Size of its log in bytes.
    #[must_use]
    pub fn log_len(&self) -> u64 {
        fs::metadata(&self.log).map_or(0, |m| m.len())
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if self.alive() {
            self.kill9();
        }
        if std::thread::panicking() {
            let log = self.log();
            let lines: Vec<&str> = log.lines().collect();
            eprintln!("--- end of {}", self.log.display());
            let shown = std::env::var("LAB_LOG_LINES").ok();
            let shown = shown.and_then(|count| count.parse().ok()).unwrap_or(15);
            for l in lines.iter().skip(lines.len().saturating_sub(shown)) {
                eprintln!("    {l}");
            }
        }
    }
}

fn signal_all(pids: &[u32], signal: Signal) {
    for pid in pids {
        let _ = kill(
            Pid::from_raw(i32::try_from(*pid).unwrap_or(i32::MAX)),
            signal,
        );
    }
}
