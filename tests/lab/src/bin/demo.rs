//! `make demo`: two routers and a client on a live kernel; the master is killed, the backup takes
//! over.
//!
//! All times printed are the kernel's time stamps of captured packets. If something expected
//! does not happen, the demo ends with a message and exit code 1; 77 means that this machine does
//! not allow private namespaces.

use std::net::{IpAddr, Ipv4Addr};
use std::panic::catch_unwind;
use std::process::exit;
use std::time::Duration;

use vrrpd_lab::client::Pinger;
use vrrpd_lab::{
    Advert, Capture, Daemon, Frame, Kind, Lab, MS, Node, Ns, Running, down_interval, now, private,
    skew, sleep_ms, wait_until,
};

const VIP: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 254);
const PERIOD: Duration = Duration::from_millis(10);
const SOON: Duration = Duration::from_secs(6);

fn main() {
    let mut args = std::env::args().skip(1);
    let conf_a = args.next().unwrap_or_else(|| "configs/demo-a.conf".into());
    let conf_b = args.next().unwrap_or_else(|| "configs/demo-b.conf".into());
    if private::enter().is_err() {
        eprintln!("demo: skipped; nothing was changed on this machine");
        exit(private::SKIP);
    }
    let Some(daemon) = Daemon::subject() else {
        eprintln!("demo: VRRPD_BIN is not set; run `make demo`");
        exit(1);
    };
    vrrpd_lab::plain_panics();
    if catch_unwind(|| demo(&daemon, &conf_a, &conf_b)).is_err() {
        println!("\nFAILED: an expected event did not happen (see above).");
        exit(1);
    }
}

fn demo(daemon: &Daemon, conf_a: &str, conf_b: &str) {
    let read = |p: &str| std::fs::read_to_string(p).unwrap_or_else(|e| panic!("{p}: {e}"));
    let (text_a, text_b) = (read(conf_a), read(conf_b));
    println!(
        "Two routers running {} and a client, in private network namespaces:",
        daemon.name()
    );
    println!();
    for (name, address, what, tail) in [
        ("r1", "192.0.2.1", conf_a, "──┐"),
        ("r2", "192.0.2.2", conf_b, "──┼── switch"),
        ("client", "192.0.2.10", "", "──┘"),
    ] {
        println!("    {name:<8}{address:<12}{what:<22}{tail}");
    }
    println!();
    println!("The client uses {VIP}, which belongs to whichever router is master.");

    let lab = Lab::new();
    let r1 = lab.node("r1", &["192.0.2.1/24"]);
    let r2 = lab.node("r2", &["192.0.2.2/24"]);
    let client = lab.node("client", &["192.0.2.10/24"]);
    let wire = Capture::start(&lab);
    let _asking = Pinger::start(&client, VIP, PERIOD);

    println!("\n1. Both routers start.");
    let mut run1 = daemon.start_text(&r1, &text_a, &[]);
    let run2 = daemon.start_text(&r2, &text_b, &[]);
    settle(&wire, &r1, &r2, &[&run1, &run2], run1.started);
    sleep_ms(1610);
    println!("   r1 is master: it has {VIP}, advertises, and it answers the client.");

    println!("\n2. r1 loses power: SIGKILL to the daemon, carrier down. It sends no resignation.");
    let killed = run1.kill9();
    r1.carrier_down();
    takeover(&wire, &r1, &r2, killed);

    println!("\n3. r1 is powered on again: new interface, new daemon.");
    drop(run1);
    r1.delete_interface();
    r1.add_interface();
    r1.addr_add("192.0.2.1/24");
    let run1 = daemon.start_text(&r1, &text_a, &[]);
    preemption(&wire, &r1, &r2, &run1, &run2);

    for (name, mut run) in [("r1", run1), ("r2", run2)] {
        run.term();
        let status = run
            .wait_exit(SOON)
            .unwrap_or_else(|| panic!("{name} does not exit"));
        assert!(status.success(), "{name} ended with {status}");
    }
    assert!(
        !r1.has("192.0.2.254") && !r2.has("192.0.2.254"),
        "an address was left behind"
    );
    println!("\nBoth were stopped with SIGTERM and left nothing behind. Everything as expected.");
}

/// Waits until r1 is master, has the addresses and announces them, and r2 does none of that.
fn settle(wire: &Capture, r1: &Node, r2: &Node, running: &[&Running], since: Ns) {
    let vip = VIP.to_string();
    let what = "r1 is master: address, adverts, answers to the client";
    wait_until(SOON, what, || {
        r1.has(&vip)
            && !r2.has(&vip)
            && !wire.adverts(r1, 0, since).is_empty()
            && wire.find(since, |f| answer_by(f, r1)).is_some()
    });
    assert!(
        running.iter().all(|r| !r.pids().is_empty()),
        "both daemons run"
    );
}

/// The time of the frame, if it is a reply of `node` to the client.
fn answer_by(f: &Frame, node: &Node) -> Option<Ns> {
    let mine = *f.node == *node.name;
    let answer =
        matches!(&f.kind, Kind::Echo { reply: true, from, .. } if *from == IpAddr::V4(VIP));
    (mine && answer).then_some(f.at)
}

fn takeover(wire: &Capture, r1: &Node, r2: &Node, killed: Ns) {
    let (first, advert) = wire.advert_of(r2, killed, SOON);
    let garp = wire
        .wait(killed, SOON, |f| {
            (*f.node == *r2.name && f.announces() == Some(VIP.into())).then_some(f.at)
        })
        .expect("r2 announces the address with a gratuitous ARP");
    let answer = wire
        .wait(killed, SOON, |f| answer_by(f, r2))
        .expect("r2 answers the client");
    let (last, before) = wire
        .adverts(r1, 0, 0)
        .pop()
        .expect("r1 advertised before it died");
    let lost = wire
        .with(|all| {
            all.iter()
                .filter(|f| f.at < answer)
                .filter_map(|f| answer_by(f, r1))
                .max()
        })
        .expect("r1 answered before it died");

    let interval = Ns::from(before.interval) * 10 * MS;
    let limit = last + down_interval(advert.version, advert.priority, interval);
    println!();
    println!("     since the kill   since r1's last advert");
    let after = |at: Ns| format!("{:>6} ms after the timer", ms(at - limit));
    let mut lines = [
        (last, "r1's last advert".to_string()),
        (
            killed,
            "r1's daemon is killed, then its carrier goes down".to_string(),
        ),
        (lost, "r1's last answer to the client".to_string()),
        (
            limit,
            format!("r2's down timer: {}", explain(&before, &advert, interval)),
        ),
        (
            first,
            format!("r2's first advert          {}", after(first)),
        ),
        (garp, format!("r2's first gratuitous ARP  {}", after(garp))),
        (
            answer,
            format!(
                "the client's first answer from r2 (it sends a request every {} ms)",
                PERIOD.as_millis()
            ),
        ),
    ];
    lines.sort_by_key(|l| l.0);
    for (at, text) in lines {
        println!(
            "    {:>11} ms   {:>14} ms   {text}",
            ms(at - killed),
            ms(at - last)
        );
    }
    println!();
    println!(
        "   The takeover took {} ms longer than the protocol requires.",
        ms(garp - limit)
    );
    assert!(
        first > limit - 5 * MS,
        "r2 took over before its down timer could expire"
    );
    assert!(
        garp - limit < 500 * MS,
        "r2 took far longer than its down timer"
    );
    let vip = VIP.to_string();
    wait_until(SOON, "r2 has the address", || r2.has(&vip));
}

fn explain(master: &Advert, backup: &Advert, interval: Ns) -> String {
    let skew = skew(backup.version, backup.priority, interval);
    let (each, p) = (ms(interval), backup.priority);
    format!(
        "3 × {each} ms (v{}) + skew {} ms (priority {p})",
        master.version,
        ms(skew)
    )
}

fn preemption(wire: &Capture, r1: &Node, r2: &Node, run1: &Running, run2: &Running) {
    let start = run1.started;
    let (first, _) = wire.advert_of(r1, start, SOON);
    settle(wire, r1, r2, &[run1, run2], start);
    let answer = wire
        .wait(first, SOON, |f| answer_by(f, r1))
        .expect("r1 answers the client again");
    sleep_ms(600);
    let last = wire.adverts(r2, 0, start).last().map(|(at, _)| *at);
    println!();
    println!("     since its start");
    let line = |at: Ns, text: &str| println!("    {:>11} ms   {text}", ms(at - start));
    if let Some(at) = last.filter(|at| *at < first) {
        line(at, "r2's last advert");
    }
    line(
        first,
        "r1's first advert: it has the higher priority and preempts",
    );
    if let Some(at) = last.filter(|at| *at >= first) {
        line(at, "r2's last advert");
    }
    line(answer, "the client's first answer from r1");
    assert!(
        last.is_none_or(|at| at < now() - 500 * MS),
        "r2 keeps advertising"
    );
    println!("\n   r1 is master again, r2 is backup.");
}

/// Milliseconds with two decimals.
fn ms(t: Ns) -> String {
    let sign = if t < 0 { "-" } else { "" };
    let c = (t.abs() + 5_000) / 10_000;
    format!("{sign}{}.{:02}", c / 100, c % 100)
}
