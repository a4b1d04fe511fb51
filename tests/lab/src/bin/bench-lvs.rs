//! The part of `make bench` that needs IPVS: vrrpd and keepalived alternately in one guest. `bench`
//! runs it and makes rows of the values that it prints, one in a line. Arguments: what to measure,
//! and how many runs of each daemon.
//!
//! The guest's processor is emulated and several times slower than a real one, for both alike:
//! only the ratio is significant. One node has the addresses of all real servers.

use std::fmt::Write;
use std::fs;
use std::net::TcpListener;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::process::exit;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use vrrpd_lab::{Daemon, Lab, Node, guest, private, process, sleep_ms, wait_for};

/// Nanoseconds of a tick of /proc/stat.
const TICK: u64 = 10_000_000;
/// Limit for every wait.
const LIMIT: Duration = Duration::from_secs(60);

fn main() {
    if !guest::inside() {
        match guest::run_again() {
            Ok(true) => return,
            Ok(false) => eprintln!("bench-lvs: the guest failed"),
            Err(why) => eprintln!("bench-lvs: skipped: {why}"),
        }
        exit(1);
    }
    let Some(ours) = Daemon::subject() else {
        eprintln!("bench-lvs: VRRPD_BIN is not set; run `make bench`");
        exit(1);
    };
    if private::enter().is_err() {
        exit(private::SKIP);
    }
    vrrpd_lab::plain_panics();
    let words: Vec<String> = std::env::args().skip(1).collect();
    let measure: fn(&Daemon, Round) -> Values = match words.first().map(String::as_str) {
        Some("servers") => servers,
        Some("checks") => checks,
        _ => {
            eprintln!("bench-lvs: needs `servers` or `checks`, and a number of runs");
            exit(1);
        }
    };
    let count: usize = words.get(1).and_then(|n| n.parse().ok()).unwrap_or(1);
    let daemons = [ours, Daemon::Keepalived];
    for n in 0..count {
        let round = Round {
            first: n == 0,
            last: n + 1 == count,
        };
        for who in [n % 2, 1 - n % 2] {
            let daemon = &daemons[who];
            let values = catch_unwind(AssertUnwindSafe(|| measure(daemon, round)));
            for (kind, value) in values.unwrap_or_else(|_| vec![("failed", Some(1))]) {
                let value = value.map_or_else(|| "never".into(), |value| value.to_string());
                println!("value\t{kind}\t{}\t{value}", daemon.name());
            }
        }
    }
}

/// Which of all rounds one is.
#[derive(Clone, Copy)]
struct Round {
    first: bool,
    last: bool,
}

/// Values by kind: times and CPU per second in nanoseconds, memory in kilobytes; none of what did not
/// happen.
type Values = Vec<(&'static str, Option<u64>)>;

/// A director and a node that has all addresses of 10.2.0.0/16.
fn world() -> (Lab, Node, Node) {
    let lab = Lab::new();
    let director = lab.node("director", &["10.0.0.1/24", "10.0.0.100/32"]);
    director.ip("route add 10.2.0.0/16 via 10.0.0.11");
    let server = lab.node("servers", &["10.0.0.11/24"]);
    server.ip("route add local 10.2.0.0/16 dev lo");
    (lab, director, server)
}

/// `count` servers in services of a hundred, with this check.
fn conf(count: usize, check: &str) -> String {
    let mut text = String::from("global_defs {\n router_id lab\n}\n");
    for service in 0..count / 100 {
        let _ = writeln!(
            text,
            "virtual_server 10.0.0.100 {} {{\n delay_loop 6\n lb_algo rr\n lb_kind NAT\n protocol TCP",
            1000 + service
        );
        for n in 0..100 {
            let _ = writeln!(
                text,
                " real_server 10.2.{service}.{} 80 {{\n {check}\n }}",
                n + 1
            );
        }
        text.push_str("}\n");
    }
    text
}

/// Real servers in the kernel's table.
fn present(node: &Node) -> usize {
    let table = node.inside(|| fs::read_to_string("/proc/thread-self/net/ip_vs"));
    let lines = table.unwrap_or_default();
    lines
        .lines()
        .filter(|l| l.starts_with("  -> ") && l.contains(':'))
        .count()
        .saturating_sub(1)
}

/// Nanoseconds until so many real servers are in the table; none if that takes too long.
fn until(node: &Node, count: usize) -> Option<u64> {
    let begin = Instant::now();
    wait_for(LIMIT, || (present(node) == count).then_some(()))?;
    Some(nanoseconds(begin))
}

fn nanoseconds(since: Instant) -> u64 {
    u64::try_from(since.elapsed().as_nanos()).expect("minutes")
}

/// Start and shutdown with ten thousand real servers.
fn servers(daemon: &Daemon, _round: Round) -> Values {
    let (_lab, director, _server) = world();
    let mut run = daemon.start_text(&director, &conf(10_000, ""), &[]);
    let begin = until(&director, 10_000);
    let at = Instant::now();
    run.term();
    let end = run.wait_exit(LIMIT).map(|_| nanoseconds(at));
    vec![
        ("start to the last one in the table", begin),
        ("SIGTERM to exit", end),
    ]
}

/// Accepts and closes connections until stopped.
fn accept(node: &Node, stop: &Arc<AtomicBool>) -> JoinHandle<()> {
    let listener = node
        .inside(|| TcpListener::bind("0.0.0.0:80"))
        .expect("a port");
    listener.set_nonblocking(true).expect("a socket");
    let stop = stop.clone();
    std::thread::spawn(move || {
        while !stop.load(Ordering::Relaxed) {
            while listener.accept().is_ok() {}
            sleep_ms(2);
        }
    })
}

/// Hundredths of a second that all processors have been busy since boot. The kernel accounts the
/// forwarding of a packet between nodes to any running process, so this is more significant than
/// the daemon's own CPU time.
fn busy() -> u64 {
    let stat = fs::read_to_string("/proc/stat").expect("a kernel with /proc");
    let line = stat.lines().next().expect("all processors");
    let numbers = line.split_whitespace().skip(1);
    let numbers = numbers.map(|word| word.parse::<u64>().expect("a number"));
    // The fourth and fifth are idle times; those after the eighth are included in others.
    let worked = numbers.take(8).enumerate();
    let worked = worked.filter(|(nth, _)| !matches!(nth, 3 | 4));
    worked.map(|(_, number)| number).sum()
}

/// Two thousand real servers, each checked every 6 s, which all die at the end of the first
/// of several rounds.
fn checks(daemon: &Daemon, round: Round) -> Values {
    // As long as each is checked once.
    const SECONDS: u64 = 6;
    let (_lab, director, server) = world();
    let stop = Arc::new(AtomicBool::new(false));
    let thread = accept(&server, &stop);
    let check = "TCP_CHECK {\n connect_timeout 1\n retry 0\n }";
    let run = daemon.start_text(&director, &conf(2_000, check), &[]);
    until(&director, 2_000);
    // Checks are spread over the first interval.
    sleep_ms(6_500);
    let pids = run.pids();
    let (before, busy, begin) = (process::cpu(&pids), busy(), Instant::now());
    let mut descriptors = 0;
    for _ in 0..SECONDS * 10 {
        sleep_ms(100);
        descriptors = descriptors.max(process::descriptors(&pids));
    }
    let milliseconds = nanoseconds(begin) / 1_000_000;
    let used = (process::cpu(&pids) - before) * 1000 / milliseconds;
    let all = (self::busy() - busy) * TICK * 1000 / milliseconds;
    let memory = process::memory(&pids).pss;
    let alive = present(&director);
    stop.store(true, Ordering::Relaxed);
    let _ = thread.join();
    let emptied = (round.first && !round.last)
        .then(|| until(&director, 0))
        .flatten();
    let count = |n: usize| u64::try_from(n).expect("few");
    vec![
        (
            "CPU of the daemon, each server checked every 6 s",
            Some(used),
        ),
        ("CPU of the machine, servers and switch included", Some(all)),
        ("PSS", Some(memory)),
        ("most descriptors", Some(count(descriptors))),
        ("still in the table", Some(count(alive))),
        (
            "all die together, the last one is out of the table after (one run)",
            emptied,
        ),
    ]
}
