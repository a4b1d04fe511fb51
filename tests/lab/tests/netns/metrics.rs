//! `vrrpd metrics` of a running daemon: accepted by Prometheus's own checker, written to a file, and
//! served to scrapers by a process without rights.

use std::fs;
use std::io::{Read, Write};
use std::net::{Shutdown, TcpStream};
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use nix::sys::signal::Signal;
use vrrpd_lab::{Node, now, wait_until};

use crate::support::{INTERVAL, Pair, SOON, VIP, conf, pair};
use crate::{Ctx, Outcome, Test};

pub(crate) const TESTS: &[Test] = &[
    test("metrics_satisfy_promtool", checker),
    test("metrics_file_is_never_stale", file),
    test("metrics_are_served_without_rights", http),
];

const fn test(name: &'static str, run: fn(&Ctx) -> Outcome) -> Test {
    Test::new(name, run).keepalived_fails("needs an exporter")
}

/// Names of keepalived-exporter that a router has without virtual_ipaddress_excluded and scripts.
const EXPORTER: [&str; 17] = [
    "keepalived_up",
    "keepalived_vrrp_state",
    "keepalived_gratuitous_arp_delay_total",
    "keepalived_advertisements_received_total",
    "keepalived_advertisements_sent_total",
    "keepalived_become_master_total",
    "keepalived_release_master_total",
    "keepalived_packet_length_errors_total",
    "keepalived_advertisements_interval_errors_total",
    "keepalived_ip_ttl_errors_total",
    "keepalived_invalid_type_received_total",
    "keepalived_address_list_errors_total",
    "keepalived_authentication_invalid_total",
    "keepalived_authentication_mismatch_total",
    "keepalived_authentication_failure_total",
    "keepalived_priority_zero_received_total",
    "keepalived_priority_zero_sent_total",
];

/// The value of a sample.
fn value(text: &str, series: &str) -> Option<f64> {
    let rest = text.lines().find_map(|line| line.strip_prefix(series));
    rest.and_then(|rest| rest.trim().parse().ok())
}

fn state(text: &str, state: &str) -> Option<f64> {
    let labels = "iname=\"VI_51\",intf=\"eth0\",vrid=\"51\"";
    value(
        text,
        &format!("vrrpd_instance_state{{{labels},state=\"{state}\"}}"),
    )
}

/// promtool has no complaint at all about the output, not even about keepalived-exporter's names.
fn checker(ctx: &Ctx) -> Outcome {
    let p = pair(ctx, &[]);
    let answer = p.run_a.ask(&["metrics"]);
    assert_eq!((answer.code, &*answer.err), (Some(0), ""), "{answer:?}");
    let text = &answer.out;
    assert_eq!(state(text, "MASTER"), Some(1.0), "{text}");
    assert_eq!(state(text, "BACKUP"), Some(0.0), "{text}");
    for name in EXPORTER {
        let samples = text.lines().filter(|line| {
            line.strip_prefix(name)
                .is_some_and(|rest| rest.starts_with(['{', ' ']))
        });
        assert!(samples.count() > 0, "{name}: {text}");
    }
    let count = value(text, "vrrpd_timer_lateness_seconds_count ");
    assert!(count.is_some_and(|count| count > 0.0), "{text}");
    let started = value(text, "vrrpd_start_time_seconds ").expect("a time");
    let wall = std::time::SystemTime::UNIX_EPOCH
        .elapsed()
        .expect("a time")
        .as_secs_f64();
    assert!(started <= wall && wall - started < 240.0, "{started}");

    let program = Command::new("promtool")
        .args(["check", "metrics"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn();
    let Ok(mut promtool) = program else {
        return Outcome::Skipped("there is no promtool (Debian: prometheus)".into());
    };
    let mut input = promtool.stdin.take().expect("piped");
    input.write_all(text.as_bytes()).expect("promtool reads");
    drop(input);
    let output = promtool.wait_with_output().expect("promtool ends");
    let complaints = [output.stdout, output.stderr].concat();
    let complaints = String::from_utf8_lossy(&complaints);
    assert_eq!(
        (output.status.success(), &*complaints),
        (true, ""),
        "{text}"
    );
    Outcome::Passed
}

fn file(ctx: &Ctx) -> Outcome {
    let mut p = pair(ctx, &[]);
    let dir = PathBuf::from("/run/lab/textfile");
    fs::create_dir(&dir).expect("a directory");
    let path = dir.join("vrrpd.prom");
    let name = path.to_str().expect("UTF-8").to_owned();
    let write = ["metrics", "-o", &*name];
    let read = || fs::read_to_string(&path).expect("the file");

    let answer = p.run_a.ask(&write);
    assert_eq!((answer.code, &*answer.out, &*answer.err), (Some(0), "", ""));
    assert_eq!(value(&read(), "vrrpd_up "), Some(1.0));
    assert_eq!(state(&read(), "MASTER"), Some(1.0));
    let mode = fs::metadata(&path).expect("the file").permissions().mode();
    assert_eq!(mode & 0o777, 0o644, "for node_exporter");

    p.run_a.kill9();
    let answer = p.run_a.ask(&write);
    assert_eq!(answer.code, Some(3), "{answer:?}");
    assert!(answer.err.contains("not running"), "{answer:?}");
    assert_eq!(value(&read(), "vrrpd_up "), Some(0.0));
    assert_eq!(value(&read(), "keepalived_up "), Some(0.0));
    assert_eq!(state(&read(), "MASTER"), None, "nothing that may be stale");
    assert_eq!(
        fs::read_dir(&dir).expect("it").count(),
        1,
        "no temporary file"
    );

    let usage = p.run_a.ask(&["metrics", "-o", &name, "--listen", ":9650"]);
    assert_eq!(usage.code, Some(2), "{usage:?}");
    let wrong = p.run_a.ask(&["metrics", "--listen", "localhost"]);
    assert_eq!(wrong.code, Some(2), "{wrong:?}");
    Outcome::Passed
}

/// Scrapers on `from`, of a server at 10.0.0.1:9650.
struct Scraper<'a>(&'a Node);

impl Scraper<'_> {
    fn connect(&self) -> Option<TcpStream> {
        let stream = self.0.inside(|| TcpStream::connect("10.0.0.1:9650"));
        let stream = stream.ok()?;
        stream.set_read_timeout(Some(SOON)).expect("a time-out");
        Some(stream)
    }

    /// Sends these bytes and reads the whole reply.
    fn send(&self, request: &[u8]) -> String {
        let mut stream = self.connect().expect("a connection");
        stream.write_all(request).expect("it reads");
        let mut reply = Vec::new();
        stream.read_to_end(&mut reply).expect("a reply");
        String::from_utf8(reply).expect("text")
    }

    fn metrics(&self) -> String {
        let reply = self.send(b"GET /metrics HTTP/1.1\r\nHost: r1\r\nAccept: text/plain\r\n\r\n");
        assert!(reply.starts_with("HTTP/1.1 200 OK\r\n"), "{reply}");
        let (head, body) = reply.split_once("\r\n\r\n").expect("a body");
        assert!(
            head.contains("Content-Type: text/plain; version=0.0.4"),
            "{head}"
        );
        assert!(
            head.contains(&format!("Content-Length: {}", body.len())),
            "{head}"
        );
        body.to_owned()
    }
}

/// The children of a process.
fn children(pid: u32) -> Vec<u32> {
    let list = fs::read_to_string(format!("/proc/{pid}/task/{pid}/children"));
    let list = list.unwrap_or_default();
    list.split_whitespace()
        .filter_map(|pid| pid.parse().ok())
        .collect()
}

/// A line of /proc/PID/status.
fn status(pid: u32, key: &str) -> String {
    let text = fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let line = text.lines().find_map(|line| line.strip_prefix(key));
    line.unwrap_or_default()
        .trim_start_matches(':')
        .trim()
        .to_owned()
}

/// Whether this user namespace has the user `nobody`.
fn has_nobody() -> bool {
    let map = fs::read_to_string("/proc/self/uid_map").unwrap_or_default();
    let counts = map
        .split_whitespace()
        .nth(2)
        .and_then(|count| count.parse().ok());
    counts.is_some_and(|count: u64| count > 65_534)
}

fn http(ctx: &Ctx) -> Outcome {
    let mut p = pair(ctx, &[]);
    let pid_file = p.run_a.pid_file.to_str().expect("UTF-8").to_owned();
    let mut words = vec!["metrics", "--listen", ":9650", "-p", &pid_file];
    if !has_nobody() {
        words.extend(["--user", "root"]);
    }
    let mut command = Command::new(ctx.daemon.path());
    command.args(&words).stdin(Stdio::null());
    let mut server = p.a.spawn(&mut command);
    let scraper = Scraper(&p.b);
    wait_until(SOON, "it listens", || scraper.connect().is_some());

    let text = scraper.metrics();
    assert_eq!(state(&text, "MASTER"), Some(1.0), "{text}");
    let serving = children(server.id());
    assert_eq!(
        serving.len(),
        1,
        "a helper and the process that answers HTTP"
    );
    if has_nobody() {
        let uid = status(serving[0], "Uid");
        assert!(uid.split_whitespace().all(|uid| uid == "65534"), "{uid}");
        for set in ["CapInh", "CapPrm", "CapEff", "CapAmb"] {
            assert_eq!(status(serving[0], set), "0000000000000000", "{set}");
        }
        assert_eq!(
            status(serving[0], "Groups"),
            status(serving[0], "Gid")
                .split_whitespace()
                .next()
                .unwrap_or_default()
        );
        assert_eq!(status(serving[0], "NoNewPrivs"), "1");
    }

    requests(&scraper);
    hostile(&scraper);
    daemons(ctx, &mut p, &server.id());

    // It ends with its helper.
    nix::sys::signal::kill(
        nix::unistd::Pid::from_raw(server.id().cast_signed()),
        Signal::SIGTERM,
    )
    .expect("it runs");
    server.wait().expect("it ends");
    wait_until(SOON, "nobody listens", || Scraper(&p.b).connect().is_none());
    Outcome::Passed
}

fn requests(scraper: &Scraper<'_>) {
    let first_line = |request: &str| {
        let reply = scraper.send(request.as_bytes());
        reply.lines().next().unwrap_or_default().to_owned()
    };
    for (request, want) in [
        ("GET / HTTP/1.1\r\n\r\n", "HTTP/1.1 200 OK"),
        ("GET /x HTTP/1.1\r\n\r\n", "HTTP/1.1 404 Not Found"),
        (
            "PUT /metrics HTTP/1.1\r\n\r\n",
            "HTTP/1.1 405 Method Not Allowed",
        ),
        ("stop\n", "HTTP/1.1 400 Bad Request"),
        ("\u{16}\u{3}\u{1}\u{2}\n", "HTTP/1.1 400 Bad Request"),
    ] {
        assert_eq!(first_line(request), want, "{request:?}");
    }
    let head = scraper.send(b"HEAD /metrics HTTP/1.1\r\n\r\n");
    assert!(
        head.starts_with("HTTP/1.1 200 OK") && head.ends_with("\r\n\r\n"),
        "{head}"
    );
    let long = ["GET /metrics HTTP/1.1\r\nX: ", &"y".repeat(20_000)].concat();
    assert!(first_line(&long).contains("431"), "a long request");
}

/// Clients that send nothing, or half a request, or do not read, do not keep others waiting until their
/// time limit of 5 s.
fn hostile(scraper: &Scraper<'_>) {
    let idle: Vec<TcpStream> = (0..24).filter_map(|_| scraper.connect()).collect();
    for (nth, mut stream) in idle.iter().enumerate() {
        let request: &[u8] = match nth % 3 {
            0 => b"",
            1 => b"GET /met",
            _ => b"GET /metrics HTTP/1.1\r\n\r\n",
        };
        // It may be closed already, for a later one.
        let _ = stream.write_all(request);
    }
    assert_eq!(idle.len(), 24);
    let begin = Instant::now();
    let text = scraper.metrics();
    let took = begin.elapsed();
    assert!(took < Duration::from_secs(4), "{took:?}");
    assert_eq!(state(&text, "MASTER"), Some(1.0), "{text}");
    for stream in idle {
        let _ = stream.shutdown(Shutdown::Both);
    }
}

/// A daemon that is killed, and the next one.
fn daemons(ctx: &Ctx, p: &mut Pair, server: &u32) {
    let scraper = Scraper(&p.b);
    let since = now();
    while now() - since < 10 * INTERVAL {
        scraper.metrics();
    }
    p.assert_undisturbed(VIP, INTERVAL, INTERVAL, since);
    p.run_a.kill9();
    let down = scraper.metrics();
    assert_eq!(value(&down, "vrrpd_up "), Some(0.0), "{down}");
    assert_eq!(value(&down, "keepalived_up "), Some(0.0), "{down}");
    assert_eq!(state(&down, "MASTER"), None, "{down}");
    let _again = ctx.daemon.start(&p.a, &conf(200, &[]));
    wait_until(Duration::from_secs(20), "it asks the next daemon", || {
        state(&scraper.metrics(), "MASTER") == Some(1.0)
    });
    assert_eq!(children(*server).len(), 1, "the same process");
}
