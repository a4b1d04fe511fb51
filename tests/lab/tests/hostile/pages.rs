//! Real servers whose replies cost time.

use std::fs;
use std::io::{Read, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use vrrpd_lab::noise;
use vrrpd_lab::{Capture, Conf, Inst, Lab, MS, Node, now, sleep_ms, wait_until};

use crate::support::{INTERVAL, SOON, VIP};
use crate::{Ctx, Outcome, Test};

pub(crate) const TESTS: &[Test] = &[
    Test::new("pages_that_cost_a_search_delay_no_advert", searched)
        .keepalived_fails("does not check without IPVS"),
    Test::new("tls_servers_that_send_garbage_delay_no_advert", garbage)
        .keepalived_fails("does not check without IPVS"),
];

/// Real servers, each checked every 200 ms.
const SERVERS: usize = 8;
/// Longest part of a page that is searched.
const PAGE: usize = 64 << 10;

/// Answers every client in this way, from a server outside of the daemon's namespace.
fn serve(server: &Node, answer: fn(TcpStream)) -> Arc<AtomicUsize> {
    let at = (Ipv4Addr::UNSPECIFIED, 8080);
    let listener = server.inside(|| TcpListener::bind(at).expect("a free port"));
    let served = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&served);
    thread::spawn(move || {
        for client in listener.incoming().flatten() {
            count.fetch_add(1, Ordering::Relaxed);
            thread::spawn(move || answer(client));
        }
    });
    served
}

/// A master and many servers with this check.
fn conf(check: &str) -> String {
    let mut text = Conf::of(&[Inst::new(51, 255, "10.0.0.100/24")]).text();
    text.push_str("virtual_server 10.9.9.9 80 {\n    delay_loop 0.2\n    protocol TCP\n    lb_algo rr\n    lb_kind NAT\n");
    for nth in 1..=SERVERS {
        text.push_str(&format!(
            "    real_server 10.1.0.{nth} 8080 {{\n        warmup 0.2\n        {check}\n    }}\n"
        ));
    }
    text.push_str("}\n");
    text
}

/// Kilobytes of memory that a process has of its own.
fn private_kb(pid: u32) -> u64 {
    let text = fs::read_to_string(format!("/proc/{pid}/smaps_rollup")).unwrap_or_default();
    let of = |line: &str| line.split_whitespace().nth(1)?.parse::<u64>().ok();
    let own = text.lines().filter(|line| line.starts_with("Anonymous:"));
    own.filter_map(of).sum()
}

/// Runs a master with these servers, and compares its adverts with the interval.
fn adverts_are_on_time(ctx: &Ctx, check: &str, answer: fn(TcpStream), pages: usize) -> Outcome {
    let lab = Lab::new();
    let director = lab.node("r1", &["10.0.0.1/24"]);
    let server = lab.node("s1", &["10.0.0.2/24"]);
    let served = serve(&server, answer);
    let cap = Capture::start(&lab);
    let run = ctx.daemon.start_text(&director, &conf(check), &[]);
    wait_until(SOON, "master", || director.has(VIP));
    let before = private_kb(run.pid());
    let since = now();
    wait_until(SOON, "a check", || served.load(Ordering::Relaxed) > 0);
    sleep_ms(2_500);
    let until = now();
    let mut times = vec![since];
    times.extend(cap.adverts(&director, 0, since).iter().map(|one| one.0));
    times.push(until);
    let gaps = times.windows(2).map(|pair| pair[1] - pair[0]);
    let worst = gaps.max().unwrap_or(0);
    assert!(
        worst < INTERVAL + 60 * MS + noise::since(since),
        "{} ms between two adverts",
        worst / MS
    );
    wait_until(SOON, "the servers fail", || {
        run.log().matches(" (10.0.0.2:8080): ").count() >= SERVERS
    });
    let grown = private_kb(run.pid()).saturating_sub(before);
    assert!(grown < 600, "{grown} KB more after {pages} pages");
    Outcome::Passed
}

/// A pattern and pages for which a search takes most of a second.
fn searched(ctx: &Ctx) -> Outcome {
    let check = "HTTP_GET {
            connect_ip 10.0.0.2
            connect_timeout 3
            retry 0
            url {
                path /
                regex \"[a-z]{0,200}b\"
            }
        }";
    let answer = |mut client: TcpStream| {
        let _ = client.read(&mut [0; 1024]);
        let _ = client.write_all(b"HTTP/1.0 200 OK\r\n\r\n");
        let _ = client.write_all(&vec![b'a'; PAGE]);
    };
    adverts_are_on_time(ctx, check, answer, SERVERS)
}

/// Records that are not TLS, as many as the daemon reads.
fn garbage(ctx: &Ctx) -> Outcome {
    let check = "SSL_GET {
            connect_ip 10.0.0.2
            connect_timeout 3
            retry 0
            url {
                path /
            }
        }";
    let answer = |mut client: TcpStream| {
        let _ = client.read(&mut [0; 1024]);
        // A handshake record that claims a certificate of 16 MB, then its bytes.
        let mut record = vec![0x16, 3, 3, 0x40, 0, 0x0b, 0xff, 0xff, 0xff];
        record.resize(5 + 0x4000, b'a');
        while client.write_all(&record).is_ok() {}
    };
    adverts_are_on_time(ctx, check, answer, SERVERS)
}
