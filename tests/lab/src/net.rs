//! A switch and the nodes on it, each in a network namespace of its own.
//!
//! ```text
//!   namespace sw:   br0 ── r1 ── r2 ── client …      one port per node, named after it
//!                           │     │      │
//!   namespace r1:         eth0  eth0   eth0
//! ```
//! The switch has no forwarding delay and no multicast snooping. IPv6 addresses are usable at
//! once: no duplicate address detection.

use std::fs::{self, File};
use std::process::{Child, Command, Output, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};

use nix::mount::{MntFlags, umount2};
use nix::sched::{CloneFlags, setns};

/// A switch with its nodes; dropping it removes their namespaces.
#[derive(Debug)]
pub struct Lab {
    sw: Node,
}

/// A network namespace; each but the switch's has an interface `eth0` on the switch.
#[derive(Clone, Debug)]
pub struct Node {
    /// Its name in the test, and the name of its port on the switch.
    pub name: String,
    /// Name of the namespace, unique in this process.
    ns: String,
    sw: String,
}

static COUNTER: AtomicU32 = AtomicU32::new(1);

impl Lab {
    /// A switch without nodes.
    #[must_use]
    pub fn new() -> Self {
        let sw = Node::namespace("sw", "");
        sw.ip("link add br0 type bridge mcast_snooping 0 forward_delay 0");
        sw.sysctl("net.ipv6.conf.br0.disable_ipv6", "1");
        sw.ip("link set br0 promisc on up");
        Self { sw }
    }

    /// Adds a node whose `eth0` is up and has these addresses (`10.0.0.1/24`, `fd00::1/64`).
    #[must_use]
    pub fn node(&self, name: &str, addresses: &[&str]) -> Node {
        let node = Node::namespace(name, &self.sw.ns);
        node.add_interface();
        if !addresses.is_empty() {
            let lines: Vec<String> = addresses.iter().map(|a| adding(a)).collect();
            node.ip_batch(&lines.join("\n"));
        }
        node
    }

    /// The namespace of the switch.
    #[must_use]
    pub fn switch(&self) -> &Node {
        &self.sw
    }
}

impl Default for Lab {
    fn default() -> Self {
        Self::new()
    }
}

impl Drop for Lab {
    fn drop(&mut self) {
        let all = fs::read_dir("/run/netns").into_iter().flatten().flatten();
        let prefix = format!("{}-", self.sw.ns);
        for e in all {
            let name = e.file_name().to_string_lossy().into_owned();
            if name == self.sw.ns || name.starts_with(&prefix) {
                // As `ip netns del` does.
                let _ = umount2(&e.path(), MntFlags::MNT_DETACH);
                let _ = fs::remove_file(e.path());
            }
        }
    }
}

impl Node {
    fn namespace(name: &str, sw: &str) -> Self {
        let ns = if sw.is_empty() {
            format!("{name}{}", COUNTER.fetch_add(1, Ordering::Relaxed))
        } else {
            format!("{sw}-{name}")
        };
        let node = Self {
            name: name.to_string(),
            ns,
            sw: sw.to_string(),
        };
        check(
            &format!("ip netns add {}", node.ns),
            Command::new("ip").args(["netns", "add", &node.ns]),
        );
        node.sysctl("net.ipv6.conf.default.accept_dad", "0");
        node.sysctl("net.ipv6.conf.default.dad_transmits", "0");
        node.sysctl("net.ipv6.conf.default.router_solicitations", "0");
        node.ip("link set lo up");
        node
    }

    // ---- commands ----

    /// Runs `f` with this thread in the node's network namespace. Sockets opened by `f` and
    /// processes started by it stay there.
    pub fn inside<T>(&self, f: impl FnOnce() -> T) -> T {
        let home = File::open("/proc/thread-self/ns/net").expect("own network namespace");
        let there = File::open(format!("/run/netns/{}", self.ns)).expect("the node's namespace");
        setns(&there, CloneFlags::CLONE_NEWNET).expect("entering the node's namespace");
        let result = f();
        setns(&home, CloneFlags::CLONE_NEWNET).expect("returning from the node's namespace");
        result
    }

    /// Runs `ip ARGS` in the node; words are separated by spaces.
    #[track_caller]
    pub fn ip(&self, args: &str) -> String {
        let mut cmd = Command::new("ip");
        cmd.args(["-n", &self.ns]).args(args.split_whitespace());
        check(&format!("ip -n {} {args}", self.name), &mut cmd)
    }

    /// Runs many `ip` commands at once.
    #[track_caller]
    pub fn ip_batch(&self, lines: &str) {
        let file = format!("{}/{}.batch", crate::private::DIR, self.ns);
        fs::write(&file, lines).expect("writing the batch");
        check(
            "ip -batch",
            Command::new("ip").args(["-n", &self.ns, "-batch", &file]),
        );
    }

    /// Runs a command in the node and returns its output; it may fail.
    #[must_use]
    pub fn output(&self, cmd: &mut Command) -> Output {
        self.inside(|| cmd.stdin(Stdio::null()).output())
            .unwrap_or_else(|e| panic!("{:?}: {e}", cmd.get_program()))
    }

    /// Starts a command in the node.
    #[must_use]
    pub fn spawn(&self, cmd: &mut Command) -> Child {
        self.inside(|| cmd.spawn())
            .unwrap_or_else(|e| panic!("{:?}: {e}", cmd.get_program()))
    }

    /// A name for files, unique in this process.
    #[must_use]
    pub fn id(&self) -> &str {
        &self.ns
    }

    /// Sets a kernel parameter of the namespace; parameters the kernel lacks are skipped.
    pub fn sysctl(&self, name: &str, value: &str) {
        let path = format!("/proc/sys/{}", name.replace('.', "/"));
        self.inside(|| {
            let _ = fs::write(path, value);
        });
    }

    // ---- the interface ----

    /// Creates `eth0`, up, on the switch.
    pub fn add_interface(&self) {
        self.switch_ip(&format!(
            "link add name {} master br0 up type veth peer name eth0 netns {}",
            self.name, self.ns
        ));
        self.ip("link set eth0 up");
    }

    /// Deletes `eth0`, as when a USB adapter is unplugged.
    pub fn delete_interface(&self) {
        self.ip("link del eth0");
    }

    /// Sets the switch's port down, so that `eth0` loses its carrier.
    pub fn carrier_down(&self) {
        self.switch_ip(&format!("link set dev {} down", self.name));
    }

    /// Sets the switch's port up again.
    pub fn carrier_up(&self) {
        self.switch_ip(&format!("link set dev {} up", self.name));
    }

    /// Adds an address to `eth0`.
    pub fn addr_add(&self, addr: &str) {
        self.ip(&adding(addr));
    }

    /// Removes an address from `eth0`.
    pub fn addr_del(&self, addr: &str) {
        self.ip(&format!("addr del {addr} dev eth0"));
    }

    /// Addresses on `eth0`, as `10.0.0.1/24`; empty if there is no such interface.
    #[must_use]
    pub fn addrs(&self) -> Vec<String> {
        let mut cmd = Command::new("ip");
        cmd.args(["-n", &self.ns, "-o", "addr", "show", "dev", "eth0"]);
        let out = cmd.stderr(Stdio::null()).output().expect("ip");
        String::from_utf8_lossy(&out.stdout)
            .lines()
            .filter_map(|l| {
                let mut w = l.split_whitespace().skip(2);
                let family = w.next()?;
                family
                    .starts_with("inet")
                    .then(|| w.next())
                    .flatten()
                    .map(str::to_string)
            })
            .collect()
    }

    /// Whether `addr` (with or without a mask) is on `eth0`.
    #[must_use]
    pub fn has(&self, addr: &str) -> bool {
        self.addrs()
            .iter()
            .any(|a| a == addr || a.split('/').next() == Some(addr))
    }

    /// The link-layer address of `eth0`.
    #[must_use]
    pub fn mac(&self) -> [u8; 6] {
        let text = self.ip("-o link show dev eth0");
        let mac = text
            .split("link/ether ")
            .nth(1)
            .expect("an Ethernet interface");
        let mut out = [0; 6];
        for (o, x) in out.iter_mut().zip(mac.split([':', ' '])) {
            *o = u8::from_str_radix(x, 16).expect("two hexadecimal digits");
        }
        out
    }

    /// Frames and packets the node's `eth0` has sent so far.
    #[must_use]
    pub fn tx_packets(&self) -> u64 {
        let text = self
            .inside(|| fs::read_to_string("/proc/thread-self/net/dev"))
            .expect("net/dev");
        let line = text
            .lines()
            .find(|l| l.trim_start().starts_with("eth0:"))
            .expect("eth0");
        line.split_whitespace()
            .nth(10)
            .and_then(|n| n.parse().ok())
            .expect("packet counter")
    }

    fn switch_ip(&self, args: &str) {
        let mut cmd = Command::new("ip");
        cmd.args(["-n", &self.sw]).args(args.split_whitespace());
        check(&format!("ip -n sw {args}"), &mut cmd);
    }
}

fn adding(addr: &str) -> String {
    let nodad = if addr.contains(':') { "nodad" } else { "" };
    format!("addr add {addr} dev eth0 {nodad}")
}

/// Runs a command that must succeed.
#[track_caller]
fn check(what: &str, cmd: &mut Command) -> String {
    let out = cmd
        .stdin(Stdio::null())
        .output()
        .unwrap_or_else(|e| panic!("{what}: {e}"));
    assert!(
        out.status.success(),
        "{what}: {}",
        String::from_utf8_lossy(&out.stderr).trim()
    );
    String::from_utf8_lossy(&out.stdout).into_owned()
}
