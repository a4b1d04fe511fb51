//! Two emulated ARM routers with nothing but BusyBox and vrrpd (`make test-arm`).
//!
//! ```text
//!   switch of the lab:   a ── b ── client ── rs1 ── rs2
//!                        │    │
//!   cable.rs             emulated network cards: Debian's ARM kernel, BusyBox init, vrrpd, /etc/vrrpd.conf
//! ```
//! `VRRPD_BIN` and `VRRPD_SMALL` name both flavors, built for ARMv7. Client and servers are nodes
//! of the lab; its capture sees all packets. Limits are long: an emulated machine on a busy host is
//! slow.

mod cable;
mod network;
mod router;

use std::time::Duration;

use network::{Network, VIP};
use vrrpd_lab::client::Pinger;
use vrrpd_lab::suite::{self, Ctx, Outcome, Test};
use vrrpd_lab::{MS, down_interval, now, wait_until};

const LOAD: &str = "two emulated machines load both processors";
const TESTS: &[Test] = &[
    Test::new("small_flavor_elects_a_master", election).exclusive(LOAD),
    Test::new("init_respawns_a_killed_daemon", respawn).exclusive(LOAD),
    Test::new("power_failure_moves_vips_and_virtual_servers", power).exclusive(LOAD),
];
/// Limit for anything on an emulated machine.
pub(crate) const TIMEOUT: Duration = Duration::from_secs(90);
/// Budget for the PSS of one instance, in kilobytes. The program is on a file system in memory, whose pages
/// count as its own.
const PSS_MAX: u64 = 1000;

fn main() {
    suite::main_if(TESTS, router::ready);
}

/// The small flavor: one master, which has the address and answers for it.
fn election(_: &Ctx) -> Outcome {
    let Some(small) = std::env::var_os("VRRPD_SMALL") else {
        return Outcome::Skipped("VRRPD_SMALL is not set; `make test-arm` sets it".into());
    };
    let mut net = Network::start(small.as_ref(), "");
    net.a_is_master_alone(0);
    let _client = Pinger::start(&net.client, VIP, Duration::from_millis(200));
    net.answers_from("a", now());
    let memory = net.a.print_memory("small");
    assert!(memory.pss <= PSS_MAX, "over budget");
    Outcome::Passed
}

/// Afterwards a is the only master. Meanwhile b takes over if and only if
/// it has received no advert for its down interval.
fn respawn(ctx: &Ctx) -> Outcome {
    let mut net = Network::start(ctx.daemon.path().as_ref(), "");
    net.a_is_master_alone(0);
    let before = net.a.pid().expect("the daemon runs");
    let at = now();
    net.a.run("kill -9 $(pidof vrrpd)");
    let mut after = None;
    wait_until(TIMEOUT, "init starts the daemon again", || {
        after = net.a.pid();
        after.is_some_and(|pid| pid != before)
    });
    println!("    a new process after {} ms", (now() - at) / MS);
    net.a_is_master_alone(at);
    assert_eq!(net.a.pid(), after, "it stays");
    let meanwhile = net.capture.adverts(&net.b.node, 0, at).len();
    let silence = net.longest_silence_of_a(at);
    println!(
        "    b sent {meanwhile} adverts meanwhile, a sent none for {} ms",
        silence / MS
    );
    // With an allowance for the reception by b.
    if silence + 100 * MS < down_interval(2, 100, 1000 * MS) {
        assert_eq!(meanwhile, 0, "a was back in time");
    }
    let _client = Pinger::start(&net.client, VIP, Duration::from_millis(200));
    net.answers_from("a", now());
    Outcome::Passed
}

/// The master is powered off.
fn power(ctx: &Ctx) -> Outcome {
    let mut net = Network::start(ctx.daemon.path().as_ref(), &network::web());
    net.a_is_master_alone(0);
    net.both_servers_answer();
    net.a.print_memory("full, with virtual servers");

    let off = net.a.power_off();
    let (taken, advert) = net.capture.advert_of(&net.b.node, off, TIMEOUT);
    let last = net.capture.adverts(&net.a.node, 0, 0).pop();
    let (last, _) = last.expect("it was master");
    println!(
        "    b is master {} ms after the last advert of a",
        (taken - last) / MS
    );
    // Three intervals of 1 s and the skew time of priority 100.
    assert!(taken - last > 3500 * MS, "not before its time");
    assert!(last < off && advert.checksum_ok && advert.addresses.contains(&VIP.into()));
    wait_until(TIMEOUT, "b announces the address", || {
        !net.capture
            .announcements(&net.b.node, VIP.into(), off)
            .is_empty()
    });
    net.both_servers_answer();
    assert!(net.b.has(VIP));
    Outcome::Passed
}
