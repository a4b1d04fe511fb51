//! Both routers, a client, and two servers whose gateway is the second virtual address.
//!
//! ```text
//!   a, b      10.0.0.1, .2    10.1.0.1, .2     virtual: 10.0.0.100, 10.1.0.100
//!   client    10.0.0.50
//!   rs1, rs2                  10.1.0.11, .12   default route by 10.1.0.100
//! ```

use std::collections::BTreeSet;
use std::io::{Read, Write};
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::thread;
use std::time::Duration;

use vrrpd_lab::{Capture, Kind, Lab, Node, Ns, now, wait_until};

use crate::TIMEOUT;
use crate::router::Router;

/// The virtual address.
pub(crate) const VIP: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 100);
const SERVERS: [(&str, &str); 2] = [("rs1", "10.1.0.11"), ("rs2", "10.1.0.12")];

// Fields are in the order in which they must be dropped.
pub(crate) struct Network {
    /// The router with the higher priority.
    pub(crate) a: Router,
    pub(crate) b: Router,
    pub(crate) client: Node,
    pub(crate) capture: Capture,
    _lab: Lab,
}

/// The virtual server.
pub(crate) fn web() -> String {
    let servers = SERVERS.map(|(_, address)| {
        format!("    real_server {address} 80 {{\n        TCP_CHECK {{\n            connect_timeout 3\n        }}\n    }}\n")
    });
    format!(
        "virtual_server {VIP} 80 {{\n    delay_loop 2\n    lb_algo rr\n    lb_kind NAT\n    protocol TCP\n{}}}\n",
        servers.concat()
    )
}

/// The configuration of a router, its own addresses included.
fn conf(host: u8, priority: u8, services: &str) -> String {
    format!(
        "static_ipaddress {{
    10.0.0.{host}/24 dev eth0
    10.1.0.{host}/24 dev eth0
}}
vrrp_instance LAN {{
    state BACKUP
    interface eth0
    virtual_router_id 51
    priority {priority}
    advert_int 1
    virtual_ipaddress {{
        {VIP}/24
        10.1.0.100/24
    }}
}}
{services}"
    )
}

impl Network {
    /// Starts both routers with this daemon.
    pub(crate) fn start(daemon: &Path, services: &str) -> Self {
        let lab = Lab::new();
        let capture = Capture::start(&lab);
        let client = lab.node("client", &["10.0.0.50/24"]);
        for (name, address) in SERVERS {
            let node = lab.node(name, &[&format!("{address}/24")]);
            node.ip("route add default via 10.1.0.100");
            serve(&node);
        }
        let boot = |name, host: u8, priority| {
            let mac = format!("52:54:00:00:00:{host:02x}");
            Router::boot(&lab, name, &mac, daemon, &conf(host, priority, services))
        };
        let begin = now();
        let (mut a, mut b) = (boot("a", 1, 150), boot("b", 2, 100));
        a.awake();
        b.awake();
        println!("    both are up after {} ms", (now() - begin) / 1_000_000);
        Self {
            a,
            b,
            client,
            capture,
            _lab: lab,
        }
    }

    /// Waits until the last four adverts, of those after `since`, are all from a, and a alone has
    /// the address.
    pub(crate) fn a_is_master_alone(&mut self, since: Ns) {
        wait_until(TIMEOUT, "a alone sends adverts", || {
            self.capture.with(|frames| {
                let adverts = frames.iter().filter(|f| f.at >= since).rev();
                let last: Vec<&str> = adverts
                    .filter(|f| f.advert().is_some_and(|a| a.priority > 0))
                    .map(|f| &*f.node)
                    .take(4)
                    .collect();
                last == ["a"; 4]
            })
        });
        wait_until(TIMEOUT, "a has the address", || self.a.has(VIP));
        wait_until(TIMEOUT, "b does not have it", || !self.b.has(VIP));
    }

    /// The longest time between two adverts of a, starting with the last one before `since`.
    pub(crate) fn longest_silence_of_a(&self, since: Ns) -> Ns {
        let adverts = self.capture.adverts(&self.a.node, 0, 0);
        let before = adverts.iter().rposition(|(at, _)| *at < since);
        let adverts = &adverts[before.expect("it was master")..];
        let silences = adverts.windows(2).map(|two| two[1].0 - two[0].0);
        silences.max().expect("it is master")
    }

    /// Waits until the router answers a client's pings to the virtual address.
    pub(crate) fn answers_from(&self, router: &str, since: Ns) {
        let answer = |f: &vrrpd_lab::Frame| match f.kind {
            Kind::Echo {
                reply: true, from, ..
            } if from == IpAddr::from(VIP) => Some(f.node.to_string()),
            _ => None,
        };
        let who = self.capture.wait(since, TIMEOUT, answer);
        assert_eq!(who.as_deref(), Some(router), "who answers");
    }

    /// Waits until both servers have answered requests to the virtual address.
    pub(crate) fn both_servers_answer(&self) {
        let mut who = BTreeSet::new();
        wait_until(TIMEOUT, "both servers answer", || {
            who.extend(ask(&self.client));
            who.len() == SERVERS.len()
        });
    }
}

/// Starts a web server that answers with its name, until the program ends.
fn serve(node: &Node) {
    let listener = node.inside(|| TcpListener::bind("0.0.0.0:80"));
    let listener = listener.expect("a port");
    let page = format!("HTTP/1.0 200 OK\r\n\r\n{}\n", node.name);
    thread::spawn(move || {
        for mut stream in listener.incoming().flatten() {
            let page = page.clone();
            thread::spawn(move || {
                // A TCP check connects and sends nothing.
                if stream.read(&mut [0; 512]).is_ok_and(|n| n > 0) {
                    let _ = stream.write_all(page.as_bytes());
                }
            });
        }
    });
}

/// One request of the client: the name of the server that answers.
fn ask(client: &Node) -> Option<String> {
    let at = SocketAddr::from((VIP, 80));
    let patience = Duration::from_secs(3);
    let mut stream = client
        .inside(|| TcpStream::connect_timeout(&at, patience))
        .ok()?;
    stream.set_read_timeout(Some(patience)).ok()?;
    stream.write_all(b"GET / HTTP/1.0\r\n\r\n").ok()?;
    let mut text = String::new();
    stream.read_to_string(&mut text).ok()?;
    Some(text.split_once("\r\n\r\n")?.1.trim().to_owned())
}
