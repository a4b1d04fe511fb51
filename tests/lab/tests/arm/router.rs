//! An emulated router: power switch, network cable and serial console.

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::net::Ipv4Addr;
use std::path::Path;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{self, Receiver};
use std::thread;

use vrrpd_lab::private::DIR;
use vrrpd_lab::process::Memory;
use vrrpd_lab::suite::Outcome;
use vrrpd_lab::{Daemon, Lab, Node, Ns, now};

use crate::TIMEOUT;
use crate::cable::Cable;

const GUEST: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/guest/arm/boot");
const PREPARED: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../target/arm/stamp");

/// An emulated machine, running or powered off.
pub(crate) struct Router {
    /// Its node on the switch.
    pub(crate) node: Node,
    machine: Child,
    keys: ChildStdin,
    screen: Receiver<String>,
    /// Output of the serial console so far.
    printed: Vec<String>,
    _cable: Cable,
}

/// Checks whether everything needed to start a router is installed.
pub(crate) fn ready(daemon: &Daemon) -> Result<Outcome, String> {
    if !Path::new(PREPARED).exists() {
        return Ok(Outcome::Skipped(
            "no router to boot; `make test-arm` says why".into(),
        ));
    }
    for tool in ["qemu-system-arm", "setpriv", "busybox"] {
        if Command::new(tool).arg("--help").output().is_err() {
            return Ok(Outcome::Skipped(format!("there is no {tool}")));
        }
    }
    let path = daemon.path();
    fs::metadata(&path).map_or_else(|e| Err(format!("{path}: {e}")), |_| Ok(Outcome::Passed))
}

impl Router {
    /// Powers it on.
    pub(crate) fn boot(lab: &Lab, name: &str, mac: &str, daemon: &Path, conf: &str) -> Self {
        let node = lab.node(name, &[]);
        let path = format!("{DIR}/{}", node.id());
        let file = format!("{path}.conf");
        fs::write(&file, conf).expect("writing the configuration");
        let cable = Cable::plug(&node, &path);
        let mut machine = Command::new(GUEST)
            .arg(daemon)
            .args([&file, &path, mac])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("guest/arm/boot");
        let keys = machine.stdin.take().expect("piped");
        let mut lines = BufReader::new(machine.stdout.take().expect("piped"));
        let (sender, screen) = mpsc::channel();
        thread::spawn(move || {
            let mut line = Vec::new();
            while lines.read_until(b'\n', &mut line).is_ok_and(|n| n > 0) {
                let text = String::from_utf8_lossy(&line).trim_end().to_owned();
                if sender.send(text).is_err() {
                    break;
                }
                line.clear();
            }
        });
        Self {
            node,
            machine,
            keys,
            screen,
            printed: Vec::new(),
            _cable: cable,
        }
    }

    /// Waits until it has booted.
    #[track_caller]
    pub(crate) fn awake(&mut self) {
        self.until("READY");
    }

    /// Runs a command on it and returns its output.
    #[track_caller]
    pub(crate) fn run(&mut self, command: &str) -> String {
        writeln!(self.keys, "{command}").expect("a serial port");
        let answer = self.until("DONE");
        let lines = answer.iter().filter_map(|l| l.strip_prefix("> "));
        lines.map(|l| format!("{l}\n")).collect()
    }

    /// Waits for this line on the console and returns the lines before it.
    #[track_caller]
    fn until(&mut self, last: &str) -> Vec<String> {
        let begin = self.printed.len();
        loop {
            let Ok(line) = self.screen.recv_timeout(TIMEOUT) else {
                panic!(
                    "no output from {} within the limit; `{last}` is missing",
                    self.node.name
                );
            };
            self.printed.push(line);
            if self.printed.last().is_some_and(|l| l == last) {
                return self.printed[begin..].to_vec();
            }
        }
    }

    /// Process id of the daemon.
    pub(crate) fn pid(&mut self) -> Option<u32> {
        self.run("pidof vrrpd").trim().parse().ok()
    }

    /// Whether the address is on its network card.
    pub(crate) fn has(&mut self, address: Ipv4Addr) -> bool {
        let addresses = self.run("ip -4 -o addr show dev eth0");
        addresses.contains(&format!(" {address}/"))
    }

    /// Prints and returns the memory that the daemon uses.
    pub(crate) fn print_memory(&mut self, what: &str) -> Memory {
        let mut memory = Memory::default();
        memory.add(&self.run("cat /proc/$(pidof vrrpd)/smaps_rollup"));
        let Memory {
            pss,
            rss,
            anonymous,
            ..
        } = memory;
        assert!(rss > 0, "there is a process");
        let machine = self.run("uname -rm");
        let machine = machine.trim();
        println!("    {what}: PSS {pss} KB, RSS {rss} KB, of no file {anonymous} KB on {machine}");
        memory
    }

    /// Powers it off; returns the time just before.
    pub(crate) fn power_off(&mut self) -> Ns {
        let at = now();
        let _ = self.machine.kill();
        let _ = self.machine.wait();
        at
    }
}

impl Drop for Router {
    fn drop(&mut self) {
        self.power_off();
        if thread::panicking() {
            self.printed.extend(self.screen.try_iter());
            eprintln!("--- serial port of {}", self.node.name);
            for line in self
                .printed
                .iter()
                .skip(self.printed.len().saturating_sub(40))
            {
                eprintln!("    {line}");
            }
        }
    }
}
