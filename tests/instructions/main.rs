//! Instruction counts of what runs often or with many instances, so that a regression shows on any
//! machine, however busy.
//!
//! Each scenario is a test that drives the engine against the fake kernel. The test
//! `no_scenario_needs_more_instructions_than_its_limit` runs the others under callgrind and compares
//! the counts with the file `limits`. What counts are the instructions of this program (engine,
//! configuration and the standard library) between the start and the end of [`counted`], without
//! those of the fake kernel and of the C library, whose functions differ with the processor:
//! `memcpy` and `malloc` are not included.
//!
//! The profile is that of all tests (`dev`: optimized a little, with debug assertions), which costs
//! no build of its own. Counts of the release profile are smaller, by about the same factor
//! everywhere.

#[path = "../support/host.rs"]
mod host;
#[path = "../support/process.rs"]
mod process;
#[path = "../support/mod.rs"]
mod support;

mod callgrind;

use std::fmt::Write;
use std::time::Duration;

use host::FakeHost;
use support::kernel::{address, advert, at, engine, eth0, instance, receive, run, start};
use support::lvs::{check, service, target};
use vrrpd::check::SocketEvent;
use vrrpd::config::model::lvs::{Check, CheckKind, Lvs};
use vrrpd::config::model::{Config, VrrpInstance};
use vrrpd::engine::{Engine, Options};
use vrrpd::types::VrrpState;

/// Scenarios, and how many times each does what is counted.
const SCENARIOS: [(&str, u64); 6] = [
    ("advert_in", 1_000),
    ("advert_out", 1_000),
    ("check_passes", 1_000),
    ("read_255", 1),
    ("start_255", 1),
    ("reload_250", 1),
];

/// The part of a scenario that counts.
#[inline(never)]
fn counted(what: &mut dyn FnMut()) {
    what();
    // Not a tail call: callgrind must see the end.
    std::hint::black_box(());
}

fn states(engine: &Engine, wanted: VrrpState) -> usize {
    let states = engine.instances().map(|(_, state, _)| state);
    states.filter(|state| *state == wanted).count()
}

#[test]
fn advert_in() {
    let mut kernel = eth0();
    let mut engine = engine(vec![instance(7, 100, &["192.0.2.100"])]);
    start(&mut engine, &mut kernel, at(0));
    kernel.quiet = true;
    let packet = advert(7, 200, "192.0.2.2", "224.0.0.18", &["192.0.2.100"]);
    let mut receive_until = |from: u64, to: u64| {
        for ms in (from..to).step_by(100) {
            receive(&mut engine, &mut kernel, at(ms), 2, &packet);
            run(&mut engine, &mut kernel, at(ms + 99));
        }
    };
    receive_until(0, 1_000);
    counted(&mut || receive_until(1_000, 101_000));
    assert_eq!(states(&engine, VrrpState::Backup), 1);
    let received: Vec<u64> = engine
        .instances()
        .map(|(_, _, stats)| stats.advert_rcvd)
        .collect();
    assert_eq!(received, [1_010]);
}

#[test]
fn advert_out() {
    let mut kernel = eth0();
    let mut engine = engine(vec![instance(7, 255, &["192.0.2.100"])]);
    start(&mut engine, &mut kernel, at(0));
    kernel.quiet = true;
    run(&mut engine, &mut kernel, at(999));
    let before = kernel.adverts;
    counted(&mut || run(&mut engine, &mut kernel, at(100_999)));
    assert_eq!(kernel.adverts - before, 1_000);
}

/// 100 servers, each of which is checked ten times.
#[test]
fn check_passes() {
    let every_second = |nth| Check {
        interval: Duration::from_secs(1),
        warmup: Duration::from_secs(1),
        ..check(CheckKind::Tcp(target(&format!("10.0.0.{nth}:80"))))
    };
    let servers = (1..=100).map(|nth| vec![every_second(nth)]).collect();
    let lvs = Lvs {
        virtual_servers: vec![service("198.51.100.1:80", servers)],
        ..Lvs::default()
    };
    let mut kernel = eth0();
    let config = Config {
        lvs,
        ..Config::default()
    };
    let mut engine = Engine::new(config, Options::default());
    start(&mut engine, &mut kernel, at(0));
    kernel.quiet = true;
    let mut open = Vec::new();
    let mut pass = |from, to| {
        for ms in (from..to).step_by(20) {
            run(&mut engine, &mut kernel, at(ms));
            open.clear();
            open.extend(kernel.probes.open.iter().map(|(probe, ..)| *probe));
            for &probe in &open {
                kernel.socket_event(&mut engine, at(ms), probe, SocketEvent::Connected);
            }
        }
        kernel.probes.opened
    };
    let before = pass(0, 2_000);
    let mut opened = 0;
    counted(&mut || opened = pass(2_000, 12_000));
    assert_eq!(opened - before, 1_000);
}

fn text(instances: u32) -> String {
    let mut text = String::from("global_defs {\n router_id lab\n}\n");
    for nth in 1..=instances {
        let _ = writeln!(
            text,
            "vrrp_instance VI_{nth} {{\n state BACKUP\n interface eth0\n virtual_router_id {nth}\n \
             priority 100\n advert_int 1\n version 3\n virtual_ipaddress {{\n  10.1.0.{nth}/24\n }}\n}}"
        );
    }
    text
}

#[test]
fn read_255() {
    let text = text(255);
    let host = FakeHost {
        text: &text,
        complete: true,
    };
    let mut instances = 0;
    counted(&mut || {
        let loaded = vrrpd::config::load("/etc/vrrpd.conf", &host);
        instances = loaded.config.instances.len();
    });
    assert_eq!(instances, 255);
}

/// Owners of their addresses.
fn owners(count: u8) -> Vec<VrrpInstance> {
    let owner = |nth| instance(nth, 255, &[&format!("10.1.0.{nth}/24")]);
    (1..=count).map(owner).collect()
}

#[test]
fn start_255() {
    let config = Config {
        instances: owners(255),
        ..Config::default()
    };
    let mut config = Some(config);
    let mut kernel = eth0();
    kernel.quiet = true;
    let mut engine = None;
    counted(&mut || {
        let config = config.take().unwrap_or_default();
        let mut new = Engine::new(config, Options::default());
        start(&mut new, &mut kernel, at(0));
        run(&mut new, &mut kernel, at(90));
        engine = Some(new);
    });
    let engine = engine.expect("it has started");
    assert_eq!(states(&engine, VrrpState::Master), 255);
    assert!(kernel.has("10.1.0.255/24"), "the last address is set");
}

/// Each instance gets one address and loses another.
#[test]
fn reload_250() {
    let with = |last: &str| {
        let mut instances = owners(250);
        for (nth, instance) in instances.iter_mut().enumerate() {
            let more = format!("10.2.{}.{last}/32", nth + 1);
            instance.vips.push(address(&more, "eth0"));
        }
        Config {
            instances,
            ..Config::default()
        }
    };
    let mut kernel = eth0();
    kernel.quiet = true;
    let mut engine = Engine::new(with("1"), Options::default());
    start(&mut engine, &mut kernel, at(0));
    run(&mut engine, &mut kernel, at(550));
    assert!(kernel.has("10.2.250.1/32"));
    let mut new = Some(with("2"));
    counted(&mut || {
        let config = new.take().unwrap_or_default();
        engine.reload(at(560), config, &mut kernel);
        kernel.deliver(&mut engine, at(560));
        run(&mut engine, &mut kernel, at(640));
    });
    assert!(kernel.has("10.2.250.2/32") && !kernel.has("10.2.1.1/32"));
    assert_eq!(states(&engine, VrrpState::Master), 250);
}
