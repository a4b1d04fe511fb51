//! Attacks that cost a daemon time: floods, and pages that are costly to search.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, TcpListener};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use vrrpd_lab::forge::{Packet, Stream};
use vrrpd_lab::{Capture, Conf, Daemon, Inst, Lab, MS, Ns, now, process, sleep_ms, wait_until};

use crate::Bench;
use crate::hostile::pair;
use crate::report::{Goal, Row, Unit};

/// Packets per second.
const RATE: u32 = 10_000;
const INTERVAL: Ns = 100 * MS;

/// Packets that the usual pair receives at a high rate: with the TTL of a distant sender, and valid
/// adverts of lower priority.
pub(crate) fn flood(b: &Bench) -> Vec<Row> {
    let from = "10.0.0.66".parse().expect("an address");
    let vip = "10.0.0.100".parse().expect("an address");
    let weak = Packet::v3(from, 51, 1, &[vip]);
    let distant = ["10.0.0.1", "10.0.0.2"].map(|to| Packet {
        to: to.parse().expect("an address"),
        ttl: 47,
        priority: 254,
        ..weak.clone()
    });
    let mut rows = Vec::new();
    for (name, packets) in [
        ("unicast packets with TTL 47", distant.to_vec()),
        ("adverts of lower priority", vec![weak]),
    ] {
        let found = b.each(|daemon| one_flood(daemon, &packets, b.pick(4000, 1200)));
        let row = |what: &str, unit, i: usize, budget| {
            let name = format!("{RATE} {name} a second, {what}");
            Row::new(&name, unit, [Some(found[0][i]), Some(found[1][i])], budget)
        };
        rows.push(row(
            "latest advert late by",
            Unit::Time,
            0,
            Goal::AtMost(2 * MS),
        ));
        rows.push(row(
            "adverts of the backup",
            Unit::Count,
            1,
            Goal::AtMost(0),
        ));
        rows.push(row("CPU of the master", Unit::Cpu, 2, Goal::None));
        rows.push(row("CPU of the backup", Unit::Cpu, 3, Goal::None));
    }
    rows
}

/// Delay of adverts, adverts of the backup, nanoseconds of CPU per second of both routers.
fn one_flood(daemon: &Daemon, packets: &[Packet], ms: u64) -> [i64; 4] {
    let pair = pair(daemon);
    let attacker = pair.lab.node("attacker", &["10.0.0.66/24"]);
    let mac = attacker.mac();
    let frames = packets.iter().map(|packet| packet.frame(mac)).collect();
    sleep_ms(300);
    let pids = [&pair.run_a, &pair.run_b].map(|run| run.pids());
    let used = || [process::cpu(&pids[0]), process::cpu(&pids[1])];
    let (since, before) = (now(), used());
    let stream = Stream::start(&attacker, frames, RATE);
    sleep_ms(ms);
    let (late, intruded) = pair.disturbance(since);
    let (after, took) = (used(), (now() - since) / MS);
    assert!(stream.sent() > 0, "the flood has started");
    let cpu = |i: usize| {
        let ns = i64::try_from(after[i].saturating_sub(before[i])).expect("not that large");
        ns.saturating_mul(1000) / took.max(1)
    };
    [late, intruded, cpu(0), cpu(1)]
}

/// A master that checks eight real servers with a pattern, every 200 ms. Their page makes a search
/// take most of a second. Without IPVS keepalived does not check, so it is not measured.
pub(crate) fn page(b: &Bench) -> Vec<Row> {
    let lab = Lab::new();
    let router = lab.node("r1", &["10.0.0.1/24"]);
    let server = lab.node("s1", &["10.0.0.2/24"]);
    let stop = serve(&server);
    let cap = Capture::start(&lab);
    let run = b.daemons[0].start_text(&router, &checks(), &[]);
    wait_until(Duration::from_secs(10), "it is master", || {
        router.has("10.0.0.100")
    });
    sleep_ms(500);
    let since = now();
    sleep_ms(b.pick(8_000, 2000));
    let mut times = vec![since];
    times.extend(cap.adverts(&router, 51, since).iter().map(|one| one.0));
    times.push(now());
    let worst = times.windows(2).map(|pair| pair[1] - pair[0]).max();
    stop.store(true, Ordering::Relaxed);
    drop(run);
    vec![Row::new(
        "8 real servers with a page that is costly to search, latest advert late by",
        Unit::Time,
        [worst.map(|gap| (gap - INTERVAL).max(0)), None],
        Goal::AtMost(2 * MS),
    )]
}

/// Answers every request with 64 KB of one letter, until it is told to stop.
fn serve(server: &vrrpd_lab::Node) -> Arc<AtomicBool> {
    let at = (Ipv4Addr::UNSPECIFIED, 8080);
    let listener = server.inside(|| TcpListener::bind(at).expect("the port"));
    listener.set_nonblocking(true).expect("non-blocking");
    let stop = Arc::new(AtomicBool::new(false));
    let end = Arc::clone(&stop);
    std::thread::spawn(move || {
        while !end.load(Ordering::Relaxed) {
            let Ok((mut client, _)) = listener.accept() else {
                sleep_ms(2);
                continue;
            };
            std::thread::spawn(move || {
                let _ = client.set_nonblocking(false);
                let _ = client.read(&mut [0; 1024]);
                let _ = client.write_all(b"HTTP/1.0 200 OK\r\n\r\n");
                let _ = client.write_all(&vec![b'a'; 64 << 10]);
            });
        }
    });
    stop
}

fn checks() -> String {
    let mut text = Conf::of(&[Inst::new(51, 255, "10.0.0.100/24")]).text();
    text +=
        "virtual_server 10.9.9.9 80 {\n delay_loop 0.2\n protocol TCP\n lb_algo rr\n lb_kind NAT\n";
    for n in 1..=8 {
        text += &format!(
            "real_server 10.1.0.{n} 8080 {{\n warmup 0.2\n HTTP_GET {{\n connect_ip 10.0.0.2\n \
             connect_timeout 3\n retry 0\n url {{\n path /\n regex \"[a-z]{{0,200}}b\"\n }}\n }}\n }}\n"
        );
    }
    text + "}\n"
}
