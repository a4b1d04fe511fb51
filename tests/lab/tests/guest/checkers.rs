//! All checkers side by side, each with a service of its own that has `rs1` and `rs2`.
//!
//! ```text
//!   10.0.0.100:9001   HTTP_GET, status ─→ rs1: busybox httpd, openssl s_server, msmtpd, dnsmasq,
//!   10.0.0.100:9002   HTTP_GET, digest         a UDP socket; the director: a file, a script
//!   …                                  ─→ rs2: is not checked
//! ```
//! All checks of `rs1` fail at the same time, and recover. Clients are served on port 80 of both
//! all the time: only the IPVS table keeps them from a failed server.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::fs;
use std::net::{SocketAddr, TcpStream, UdpSocket};
use std::os::unix::fs::PermissionsExt;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use vrrpd_lab::peers::{Program, find};
use vrrpd_lab::private::DIR;
use vrrpd_lab::{Node, wait_for};

use crate::network::{FAR, Network, SOON, VIP, table};
use crate::{Ctx, Outcome, Test};

pub(crate) const TESTS: &[Test] = &[Test::new(
    "every_checker_removes_and_restores_a_server",
    every_kind,
)];

/// Programs that are checked.
pub(crate) const PROGRAMS: [&str; 3] = ["openssl", "msmtpd", "dnsmasq"];

/// Checkers and their blocks; the last is a `MISC_CHECK` whose service has weights. `DIR` stands
/// for the directory of files.
const KINDS: [(&str, &str); 9] = [
    (
        "status",
        "HTTP_GET {\n url {\n path /status\n status_code 200\n }\n connect_port 81",
    ),
    (
        "digest",
        "HTTP_GET {\n url {\n path /digest\n digest 2adf521149526dde524f030851c7f903\n }\n connect_port 81",
    ),
    (
        "tls",
        "SSL_GET {\n url {\n path /\n status_code 200\n }\n connect_port 443",
    ),
    (
        "mail",
        "SMTP_CHECK {\n helo_name lab.example.org\n connect_port 2525",
    ),
    (
        "names",
        "DNS_CHECK {\n type A\n name www.lab.example.org\n connect_port 53",
    ),
    ("ping", "PING_CHECK {"),
    (
        "datagram",
        "UDP_CHECK {\n payload 68656c6c6f\n require_reply\n connect_port 83",
    ),
    ("file", "FILE_CHECK {\n track_file ill"),
    (
        "script",
        "MISC_CHECK {\n misc_path DIR/kinds.sh\n misc_dynamic\n misc_timeout 10\n user root",
    ),
];

const FIRST_PORT: u16 = 9001;
/// The script's service, whose first server gets three of four connections while it is up.
const SCRIPT_PORT: u16 = 9009;

/// The port of each service.
fn ports() -> impl Iterator<Item = u16> {
    FIRST_PORT..=SCRIPT_PORT
}

/// All services, with these further lines in each and in each of the real servers `rs1`, where
/// `PORT` is that of the service.
pub(crate) fn conf(service: &str, server: &str) -> String {
    let mut text = format!("track_file ill {{\n file {DIR}/kinds.ill\n weight 0\n}}\n");
    for (port, (what, check)) in ports().zip(KINDS) {
        let check = check.replace("DIR", DIR);
        let timing = match what {
            "file" => "",
            "script" => "retry 0",
            // Slow answers on a busy machine are retried; pings are not answered while failed.
            "ping" => "connect_timeout 1\n retry 1\n delay_before_retry 0.3",
            _ => "connect_timeout 4\n retry 1\n delay_before_retry 0.3",
        };
        let _ = write!(
            text,
            "virtual_server {VIP} {port} {{\n delay_loop 0.5\n warmup 0\n protocol TCP\n lb_kind NAT\n \
             lb_algo wrr\n {service}\n \
             real_server 10.0.0.11 80 {{\n {server}\n {check}\n {timing}\n }}\n }}\n \
             real_server 10.0.0.12 80 {{\n }}\n}}\n"
        );
        text = text.replace("PORT", &port.to_string());
    }
    text
}

/// The checked programs of `rs1`.
pub(crate) struct Clinic {
    node: Node,
    web: Option<Program>,
    programs: Vec<Program>,
    echo: Option<Arc<AtomicBool>>,
}

impl Clinic {
    /// Sets up all programs in failed state. `Err`: what is missing.
    pub(crate) fn new(network: &Network) -> Result<Self, String> {
        if let Some(missing) = PROGRAMS.iter().find(|name| find(name).is_none()) {
            return Err(format!("there is no {missing}"));
        }
        let node = network.servers[0].node.clone();
        let pages = format!("{DIR}/kinds.pages");
        fs::create_dir_all(&pages).expect("a folder");
        let script = format!("{DIR}/kinds.sh");
        fs::write(
            &script,
            format!("#!/bin/sh\nexit $(cat {DIR}/kinds.code)\n"),
        )
        .expect("a file");
        fs::set_permissions(&script, fs::Permissions::from_mode(0o755)).expect("a file");
        certify(&node);
        let web = Program::start(&node, &format!("busybox httpd -f -p 81 -h {pages}"));
        let mut clinic = Self {
            node,
            web: Some(web),
            programs: Vec::new(),
            echo: None,
        };
        clinic.fall_ill();
        Ok(clinic)
    }

    pub(crate) fn fall_ill(&mut self) {
        let _ = fs::remove_file(format!("{DIR}/kinds.pages/status"));
        self.write("kinds.pages/digest", "other page\n");
        self.write("kinds.ill", "1\n");
        self.write("kinds.code", "1\n");
        self.node.sysctl("net.ipv4.icmp_echo_ignore_all", "1");
        self.programs.clear();
        if let Some(alive) = self.echo.take() {
            alive.store(false, Ordering::Relaxed);
            wait_for(SOON, || (Arc::strong_count(&alive) == 1).then_some(()));
        }
    }

    pub(crate) fn recover(&mut self) {
        self.write("kinds.pages/status", "page\n");
        self.write("kinds.pages/digest", "page\n");
        self.write("kinds.ill", "0\n");
        // Weight 3.
        self.write("kinds.code", "5\n");
        self.node.sysctl("net.ipv4.icmp_echo_ignore_all", "0");
        self.programs = [
            format!("openssl s_server -quiet -www -accept 443 -key {DIR}/kinds.key -cert {DIR}/kinds.pem"),
            "msmtpd --interface=10.0.0.11 --port=2525".into(),
            "dnsmasq -k -C /dev/null -R -h -u root -g root --pid-file= --address=/www.lab.example.org/192.0.2.1 \
             --listen-address=10.0.0.11 --bind-interfaces"
                .into(),
        ]
        .iter()
        .map(|line| Program::start(&self.node, line))
        .collect();
        self.echo = Some(echo(&self.node));
        // Wait until the programs have started; dnsmasq listens for TCP, too.
        for port in [443, 2525, 53] {
            let at = SocketAddr::from(([10, 0, 0, 11], port));
            let connect = || self.node.inside(|| TcpStream::connect(at)).ok();
            wait_for(SOON, connect).expect("a server");
        }
    }

    /// Replaces a file atomically.
    fn write(&self, name: &str, text: &str) {
        fs::write(format!("{DIR}/{name}"), text).expect("a file");
    }
}

impl Drop for Clinic {
    fn drop(&mut self) {
        self.fall_ill();
        self.web = None;
        self.node.sysctl("net.ipv4.icmp_echo_ignore_all", "0");
    }
}

/// Creates a key and a certificate for it.
fn certify(node: &Node) {
    let conf = format!("{DIR}/kinds.cnf");
    fs::write(&conf, "[req]\ndistinguished_name = d\n[d]\n").expect("a file");
    let request = format!(
        "req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 1 -subj /CN=lab \
         -config {conf} -keyout {DIR}/kinds.key -out {DIR}/kinds.pem"
    );
    let made = node.output(Command::new("openssl").args(request.split_whitespace()));
    let output = String::from_utf8_lossy(&made.stderr);
    assert!(made.status.success(), "openssl: {output}");
}

/// Answers datagrams to port 83 until stopped.
fn echo(node: &Node) -> Arc<AtomicBool> {
    let socket = node.inside(|| wait_for(SOON, || UdpSocket::bind("0.0.0.0:83").ok()));
    let socket = socket.expect("a port");
    let pause = Some(Duration::from_millis(20));
    socket.set_read_timeout(pause).expect("a socket");
    let alive = Arc::new(AtomicBool::new(true));
    let here = alive.clone();
    thread::spawn(move || {
        let mut buf = [0; 2048];
        while here.load(Ordering::Relaxed) {
            if let Ok((len, from)) = socket.recv_from(&mut buf) {
                let _ = socket.send_to(&buf[..len], from);
            }
        }
        drop(socket);
        drop(here);
    });
    alive
}

/// The destinations of each service, by port.
pub(crate) fn services(network: &Network) -> BTreeMap<u16, Vec<String>> {
    let mut all: BTreeMap<u16, Vec<String>> = ports().map(|port| (port, Vec::new())).collect();
    for line in table(&network.director).lines() {
        // -a -t 10.0.0.100:9001 -r 10.0.0.11:80 -m -w 1
        let words: Vec<&str> = line.split_whitespace().collect();
        if let ["-a", "-t", service, "-r", server, "-m", "-w", weight] = words[..]
            && let Some((VIP, port)) = service.split_once(':')
            && let Some(list) = port.parse().ok().and_then(|port: u16| all.get_mut(&port))
        {
            list.push(format!("{server}={weight}"));
        }
    }
    all
}

/// The destinations of all services while `rs1` is up, or failed.
fn expected(well: bool) -> BTreeMap<u16, Vec<String>> {
    let of = |port| {
        let weight = if port == SCRIPT_PORT { 3 } else { 1 };
        let first = well.then(|| format!("10.0.0.11:80={weight}"));
        first.into_iter().chain(["10.0.0.12:80=1".into()]).collect()
    };
    ports().map(|port| (port, of(port))).collect()
}

/// Waits until every service has these destinations.
#[track_caller]
pub(crate) fn until(network: &Network, well: bool) {
    let want = expected(well);
    if wait_for(SOON, || (services(network) == want).then_some(())).is_some() {
        return;
    }
    let got = services(network);
    let wrong = KINDS.iter().zip(&got).zip(&want);
    let wrong: Vec<String> = wrong
        .filter(|((_, got), want)| got != want)
        .map(|(((what, _), (_, list)), _)| format!("{what}: {}", list.join(" ")))
        .collect();
    let state = if well { "up" } else { "down" };
    panic!("rs1 is {state}, and the table has: {}", wrong.join("; "));
}

/// Sends each service as many requests as its weights add up to.
fn ask_all(network: &Network, well: bool) {
    for (port, (what, _)) in ports().zip(KINDS) {
        let shares = if port == SCRIPT_PORT { 4 } else { 2 };
        let answers = network.answers(FAR, &format!("{VIP}:{port}"), shares);
        let want: BTreeMap<String, usize> = match well {
            true => [("rs1".into(), shares - 1), ("rs2".into(), 1)].into(),
            false => [("rs2".into(), shares)].into(),
        };
        assert_eq!(answers, want, "{what}, well: {well}");
    }
}

fn every_kind(ctx: &Ctx) -> Outcome {
    let network = Network::borrow();
    let mut clinic = match Clinic::new(&network) {
        Ok(clinic) => clinic,
        Err(why) => return Outcome::Skipped(why),
    };
    let _run = network.run(ctx, &conf("", ""));
    // The first result takes effect immediately.
    until(&network, false);
    ask_all(&network, false);
    clinic.recover();
    until(&network, true);
    ask_all(&network, true);
    clinic.fall_ill();
    until(&network, false);
    ask_all(&network, false);
    Outcome::Passed
}
