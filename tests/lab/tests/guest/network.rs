//! A director, servers behind it and a client, on one switch.
//!
//! ```text
//!   client    10.0.0.50  10.1.0.50   fd00::50  fd01::50
//!   director  10.0.0.1   10.1.0.1    fd00::1   fd01::1     and the virtual addresses 10.0.0.100, fd00::100
//!   rs1 …     10.0.0.11 …            fd00::11 …            default route by the director
//! ```
//! Servers answer the client's addresses NEAR directly (DR, TUN), its addresses FAR only through
//! the director, as NAT requires.

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::net::{IpAddr, SocketAddr, TcpStream, UdpSocket};
use std::ops::{Deref, DerefMut};
use std::process::Command;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU16, Ordering};
use std::time::Duration;

use socket2::{Domain, Socket, Type};
use vrrpd_lab::{Lab, Node, Running, wait_until};

use crate::Ctx;
use crate::server::{Mode, Server};

/// The virtual addresses, static on the director.
pub(crate) const VIP: &str = "10.0.0.100";
pub(crate) const VIP6: &str = "fd00::100";
/// Source addresses of the client.
pub(crate) const NEAR: &str = "10.0.0.50";
pub(crate) const FAR: &str = "10.1.0.50";
pub(crate) const FAR6: &str = "fd01::50";
/// Limit for anything that should happen immediately, on an emulated machine.
pub(crate) const SOON: Duration = Duration::from_secs(30);
/// Timeout of a request.
const TIMEOUT: Duration = Duration::from_millis(1500);
/// Source port of the next connection. Each is used once: the kernel keeps the entry of a connection
/// for minutes, and a new connection from its port would go to its server without being scheduled.
static PORT: AtomicU16 = AtomicU16::new(20_000);

/// Tests share it: setting one up takes seconds on an emulated machine.
static SHARED: Mutex<Option<Network>> = Mutex::new(None);

/// The network, borrowed by a test and cleaned up when dropped.
pub(crate) struct Loan(Option<Network>);

impl Deref for Loan {
    type Target = Network;
    fn deref(&self) -> &Network {
        self.0.as_ref().expect("there until dropped")
    }
}

impl DerefMut for Loan {
    fn deref_mut(&mut self) -> &mut Network {
        self.0.as_mut().expect("there until dropped")
    }
}

impl Drop for Loan {
    fn drop(&mut self) {
        // After a failed test the network is dropped, not reused.
        if let Some(mut network) = self.0.take().filter(|_| !std::thread::panicking()) {
            network.tidy();
            *SHARED.lock().expect("no panic") = Some(network);
        }
    }
}

pub(crate) struct Network {
    pub(crate) client: Node,
    pub(crate) director: Node,
    pub(crate) servers: Vec<Server>,
    // Last, so that it is dropped after what runs in it.
    pub(crate) lab: Lab,
}

impl Network {
    /// The shared network with three servers.
    pub(crate) fn borrow() -> Loan {
        let shared = SHARED.lock().expect("no panic").take();
        Loan(Some(shared.unwrap_or_else(|| Self::new(3))))
    }

    /// Restores the initial state.
    fn tidy(&mut self) {
        ipvsadm(&self.director, "-C");
        for server in &mut self.servers {
            server.set(Mode::Good);
            server.stop();
            server.resume();
            server.node.carrier_up();
            if server.node.ip("-o addr show dev lo").contains(VIP) {
                let lines = [VIP, VIP6].map(|vip| format!("addr del {vip} dev lo"));
                server.node.ip_batch(&lines.join("\n"));
            }
        }
    }

    /// Sets up a network with this many servers, at 10.0.0.11 and fd00::11 and following.
    pub(crate) fn new(servers: u8) -> Self {
        let lab = Lab::new();
        let legs = ["10.0.0.50/24", "10.1.0.50/24", "fd00::50/64", "fd01::50/64"];
        let client = lab.node("client", &legs);
        let director = director(&lab, "director", 1, &[VIP, VIP6]);
        let servers = (1..=servers).map(|n| {
            let legs = [
                format!("10.0.0.{}/24", 10 + n),
                format!("fd00::{}/64", 10 + n),
            ];
            let node = lab.node(&format!("rs{n}"), &[&legs[0], &legs[1]]);
            // Otherwise the director sends a redirect to the client. With IPv4 a sysctl prevents
            // that.
            node.sysctl("net.ipv6.conf.eth0.accept_redirects", "0");
            node.ip_batch("route add default via 10.0.0.1\nroute add default via fd00::1");
            Server::start(node, 80)
        });
        Self {
            servers: servers.collect(),
            client,
            director,
            lab,
        }
    }

    /// Configures the servers to accept packets to the virtual addresses without answering ARP for
    /// them.
    pub(crate) fn servers_own_the_vip(&self) {
        for server in &self.servers {
            for scope in ["all", "eth0", "lo"] {
                server
                    .node
                    .sysctl(&format!("net.ipv4.conf.{scope}.arp_ignore"), "1");
                server
                    .node
                    .sysctl(&format!("net.ipv4.conf.{scope}.arp_announce"), "2");
            }
            let lines = [VIP, VIP6].map(|vip| format!("addr add {vip} dev lo"));
            server.node.ip_batch(&lines.join("\n"));
        }
    }

    /// Configures the servers to decapsulate tunneled packets.
    pub(crate) fn servers_open_tunnels(&self) {
        for server in &self.servers {
            server.node.ip("link set tunl0 up");
            server.node.sysctl("net.ipv4.conf.tunl0.rp_filter", "0");
            server.node.sysctl("net.ipv4.conf.all.rp_filter", "0");
        }
    }

    /// The name of the server that answers the client's request from this address.
    pub(crate) fn ask(&self, from: &str, to: &str) -> Option<String> {
        let mut stream = self.connect(from, to)?;
        stream.write_all(b"GET / HTTP/1.0\r\n\r\n").ok()?;
        let mut text = String::new();
        stream.read_to_string(&mut text).ok()?;
        Some(text.split_once("\r\n\r\n")?.1.trim().to_owned())
    }

    /// A connection of the client to `address:port`.
    pub(crate) fn connect(&self, from: &str, to: &str) -> Option<TcpStream> {
        let (mut from, to) = ends(from, to);
        from.set_port(PORT.fetch_add(1, Ordering::Relaxed));
        let domain = Domain::for_address(to);
        let socket = self
            .client
            .inside(|| Socket::new(domain, Type::STREAM, None));
        let socket = socket.expect("a socket");
        socket.bind(&from.into()).expect("an address of the client");
        socket.connect_timeout(&to.into(), TIMEOUT).ok()?;
        let stream = TcpStream::from(socket);
        stream.set_read_timeout(Some(TIMEOUT)).ok()?;
        Some(stream)
    }

    /// The servers that answer this many datagrams from one port.
    pub(crate) fn ask_udp(&self, from: &str, to: &str, count: usize) -> Vec<String> {
        let (from, to) = ends(from, to);
        let socket = self.client.inside(|| UdpSocket::bind(from));
        let socket = socket.expect("a socket");
        socket.set_read_timeout(Some(TIMEOUT)).expect("a socket");
        let mut buf = [0; 64];
        let ask = |_| {
            socket.send_to(b"?", to).expect("a route");
            let n = socket.recv(&mut buf).unwrap_or(0);
            String::from_utf8_lossy(&buf[..n]).into_owned()
        };
        (0..count).map(ask).collect()
    }

    /// Number of answers by server for `count` requests; those without an answer count as "nobody".
    pub(crate) fn answers(&self, from: &str, to: &str, count: usize) -> BTreeMap<String, usize> {
        let mut all = BTreeMap::new();
        for _ in 0..count {
            let who = self.ask(from, to).unwrap_or_else(|| "nobody".into());
            *all.entry(who).or_default() += 1;
        }
        all
    }

    /// Starts the daemon on the director.
    pub(crate) fn run(&self, ctx: &Ctx, conf: &str) -> Running {
        let conf = format!("global_defs {{\n    router_id lab\n}}\n{conf}");
        ctx.daemon.start_text(&self.director, &conf, &[])
    }

    /// Waits until these destinations, and no others, are in the director's table.
    #[track_caller]
    pub(crate) fn until(&self, what: &str, destinations: &[&str]) {
        wait_until(SOON, &format!("{what}: {}", destinations.join(" ")), || {
            self.destinations() == destinations
        });
    }

    /// Destinations with their weights, `10.0.0.11:80=1`, of all services, sorted.
    pub(crate) fn destinations(&self) -> Vec<String> {
        let table = table(&self.director);
        let mut all: Vec<String> = table.lines().filter_map(destination).collect();
        all.sort();
        all
    }
}

/// A director: a router between the two networks with these further addresses.
pub(crate) fn director(lab: &Lab, name: &str, host: u8, vips: &[&str]) -> Node {
    let legs = ["10.0.0.H/24", "10.1.0.H/24", "fd00::H/64", "fd01::H/64"];
    let legs = legs.map(|leg| leg.replace('H', &host.to_string()));
    let legs: Vec<&str> = legs.iter().map(String::as_str).collect();
    let node = lab.node(name, &[&legs, vips].concat());
    for (name, value) in [
        ("net.ipv4.ip_forward", "1"),
        ("net.ipv6.conf.all.forwarding", "1"),
        ("net.ipv4.conf.all.send_redirects", "0"),
        ("net.ipv4.conf.eth0.send_redirects", "0"),
        ("net.ipv4.conf.all.rp_filter", "0"),
        ("net.ipv4.conf.eth0.rp_filter", "0"),
    ] {
        node.sysctl(name, value);
    }
    node
}

/// The kernel's table on a node as `ipvsadm -Sn` prints it, sorted.
pub(crate) fn table(node: &Node) -> String {
    let out = node.output(Command::new("ipvsadm").arg("-Sn"));
    let text = String::from_utf8_lossy(&out.stdout);
    let mut lines: Vec<&str> = text.lines().map(str::trim_end).collect();
    lines.sort_unstable();
    lines.join("\n")
}

/// Runs `ipvsadm ARGS` on a node.
#[track_caller]
pub(crate) fn ipvsadm(node: &Node, args: &str) {
    let out = node.output(Command::new("ipvsadm").args(args.split_whitespace()));
    let output = String::from_utf8_lossy(&out.stderr);
    assert!(out.status.success(), "ipvsadm {args}: {output}");
}

/// `10.0.0.11:80=1` of `-a -t 10.0.0.100:80 -r 10.0.0.11:80 -m -w 1`.
fn destination(line: &str) -> Option<String> {
    let mut words = line.split_whitespace();
    (words.next() == Some("-a")).then_some(())?;
    let address = words.find(|w| *w == "-r").and_then(|_| words.next())?;
    let weight = words.find(|w| *w == "-w").and_then(|_| words.next())?;
    Some(format!("{address}={weight}"))
}

fn ends(from: &str, to: &str) -> (SocketAddr, SocketAddr) {
    let from: IpAddr = from.parse().expect("an address");
    (SocketAddr::new(from, 0), to.parse().expect("address:port"))
}

/// The server at the other end of the connection, if it still works.
pub(crate) fn ping(stream: &mut TcpStream) -> Option<String> {
    stream.write_all(b"PING\n").ok()?;
    let mut buf = [0; 64];
    let n = stream.read(&mut buf).ok().filter(|n| *n > 0)?;
    Some(String::from_utf8_lossy(&buf[..n]).trim().to_owned())
}
