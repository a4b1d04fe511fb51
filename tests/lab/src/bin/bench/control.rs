//! The control socket under load. keepalived has none, so it is not measured.

use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use vrrpd_lab::{Capture, Lab, MS, Ns, Running, now, process, sleep_ms, wait_until};

use crate::report::{Goal, Row, Unit};
use crate::{Bench, many};

/// Requests per second.
const RATE: u32 = 1000;
const INTERVAL: Ns = 100 * MS;
const SOON: Duration = Duration::from_secs(10);

/// Requests for the status of 1 and 255 instances at a high rate.
pub(crate) fn status(b: &Bench) -> Vec<Row> {
    let mut rows = Vec::new();
    for count in [1, 255] {
        let found = one_flood(b, count, b.pick(6_000, 1500));
        let row = |what: &str, unit, i: usize, budget| {
            let name = format!("{count} instance(s), {RATE} a second, {what}");
            Row::new(&name, unit, [Some(found[i]), None], budget)
        };
        rows.push(row("answers a second", Unit::Achieved, 0, Goal::None));
        let late = Goal::AtMost(MS);
        rows.push(row("latest advert late by", Unit::Time, 1, late));
        rows.push(row("CPU of the daemon", Unit::Cpu, 2, Goal::None));
        rows.push(row("growth of memory", Unit::Kb, 3, Goal::AtMost(64)));
    }
    rows
}

/// Answers a second, delay of adverts, nanoseconds of CPU per second, kilobytes.
fn one_flood(b: &Bench, count: u8, ms: u64) -> [i64; 4] {
    let lab = Lab::new();
    let node = lab.node("r1", &["10.0.0.1/24"]);
    let cap = Capture::start(&lab);
    let run = b.daemons[0].start(&node, &many(count, |inst| inst.master().advert("0.1")));
    wait_until(SOON, "all addresses are set", || {
        node.addrs().len() > usize::from(count) + 1
    });
    ask(&run);
    sleep_ms(1500);
    let pids = run.pids();
    let anonymous = || i64::try_from(process::memory(&pids).anonymous).expect("not that large");
    let (memory, cpu, since) = (anonymous(), process::cpu(&pids), now());
    let answers = requests(&run, ms);
    let took = (now() - since) / MS;
    let cpu = i64::try_from(process::cpu(&pids) - cpu).expect("seconds");
    let times: Vec<Ns> = cap
        .adverts(&node, 1, since)
        .iter()
        .map(|one| one.0)
        .collect();
    let gaps = times.windows(2).map(|two| two[1] - two[0]);
    let late = gaps.max().expect("adverts") - INTERVAL;
    [
        answers * 1000 / took.max(1),
        late,
        cpu * 1000 / took.max(1),
        anonymous() - memory,
    ]
}

/// Asks at [`RATE`] for a while; returns the number of answers.
fn requests(run: &Running, ms: u64) -> i64 {
    let (stop, count) = (AtomicBool::new(false), AtomicI64::new(0));
    let pause = Duration::from_secs(1) * 4 / RATE;
    thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                let mut due = Instant::now();
                while !stop.load(Ordering::Relaxed) {
                    ask(run);
                    count.fetch_add(1, Ordering::Relaxed);
                    due += pause;
                    thread::sleep(due.saturating_duration_since(Instant::now()));
                }
            });
        }
        sleep_ms(ms);
        stop.store(true, Ordering::Relaxed);
    });
    count.into_inner()
}

fn ask(run: &Running) {
    let mut stream = UnixStream::connect(run.socket()).expect("a connection");
    stream
        .write_all(b"vrrpd/1\tstatus\t--width=120\n")
        .expect("it is read");
    let mut text = String::new();
    stream.read_to_string(&mut text).expect("an answer");
    assert!(text.ends_with("end 0\n"), "{text}");
}
