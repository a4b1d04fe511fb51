//! Binaries for other machines under the user-mode emulator, with a native router as peer.
//!
//! `VRRPD_DIST` is the directory with the binaries (`make test-emulated`); without it no test runs.
//! They test adverts, authentication, netlink, packet sockets and clocks of 32-bit programs.
//!
//! Big-endian MIPS is left out: the emulator (QEMU 7.2) swaps the bytes of numbers in netlink
//! messages, but not in an empty attribute at the end, which current kernels send for links. The
//! daemon rejects a link message that ends in an attribute of 1,024 bytes. Nor does the emulator
//! support netfilter and generic netlink. For 64-bit machines it assumes a longer `ip_mreqn`, so
//! that they cannot join the multicast group of IPv4 adverts: they are tested with IPv6 only.

use std::path::{Path, PathBuf};
use std::time::Duration;

use vrrpd_lab::suite::{self, Ctx, Outcome, Test};
use vrrpd_lab::{Capture, Conf, Daemon, Inst, Lab, Node, Running, now, wait_until};

/// Under the emulator, on a busy machine.
const SOON: Duration = Duration::from_secs(30);

fn main() {
    if std::env::var_os("VRRPD_DIST").is_none() {
        return;
    }
    let tests: &[Test] = &[
        Test::new("emulated_routers_fail_over_with_native_ones", plain),
        Test::new(
            "emulated_routers_fail_over_with_native_ones_over_ipv6",
            ipv6,
        ),
        Test::new(
            "emulated_routers_fail_over_with_native_ones_with_ah",
            signed,
        ),
        Test::new("a_32_bit_router_works_after_2038", late),
    ];
    suite::main(tests);
}

/// A binary for another machine, and its emulator.
struct Emulated {
    emulator: &'static str,
    binary: PathBuf,
}

/// Prefixes of target names, and their emulators.
const EMULATORS: &[(&str, &str)] = &[
    ("aarch64-", "qemu-aarch64-static"),
    ("arm", "qemu-arm-static"),
    ("mipsel-", "qemu-mipsel-static"),
    ("riscv64gc-", "qemu-riscv64-static"),
];

impl Emulated {
    /// All of them in `VRRPD_DIST`.
    fn all() -> Vec<Self> {
        let dist = std::env::var_os("VRRPD_DIST").expect("VRRPD_DIST");
        let mut all = Vec::new();
        for entry in std::fs::read_dir(&dist).expect("VRRPD_DIST is a directory") {
            let binary = entry.expect("an entry of VRRPD_DIST").path();
            let name = binary
                .file_name()
                .unwrap_or_default()
                .to_string_lossy()
                .into_owned();
            let Some(target) = name.strip_prefix("vrrpd-") else {
                continue;
            };
            if let Some((_, emulator)) = EMULATORS
                .iter()
                .find(|(first, _)| target.starts_with(first))
            {
                all.push(Self { emulator, binary });
            }
        }
        assert!(
            !all.is_empty(),
            "no binary for another machine in {}",
            Path::new(&dist).display()
        );
        all.sort_by(|a, b| a.binary.cmp(&b.binary));
        all
    }

    fn start(&self, node: &Node, conf: &Conf) -> Running {
        Daemon::Vrrpd(self.binary.clone()).start_text(node, &conf.text(), &[self.emulator])
    }
}

fn plain(ctx: &Ctx) -> Outcome {
    with_all(ctx, &all_of_32_bits(), "10.0.0.100", |priority| {
        Inst::new(51, priority, "10.0.0.100/24")
    })
}

fn ipv6(ctx: &Ctx) -> Outcome {
    with_all(ctx, &Emulated::all(), "fe80::51", |priority| {
        Inst::new(51, priority, "fe80::51/64").vip("fd00::51/64")
    })
}

fn signed(ctx: &Ctx) -> Outcome {
    with_all(ctx, &all_of_32_bits(), "10.0.0.100", |priority| {
        Inst::new(51, priority, "10.0.0.100/24").v2().ah("secret")
    })
}

/// Those that can join an IPv4 multicast group.
fn all_of_32_bits() -> Vec<Emulated> {
    let mut all = Emulated::all();
    all.retain(|emulated| !emulated.emulator.contains("64"));
    all
}

/// For each binary: it takes over when the native master is killed, becomes backup when that
/// returns; then the other way round.
fn with_all(ctx: &Ctx, emulated: &[Emulated], vip: &str, instance: fn(u8) -> Inst) -> Outcome {
    if emulated.is_empty() {
        return Outcome::Skipped("there is no binary for such a machine in VRRPD_DIST".into());
    }
    let conf = |priority| Conf::of(&[instance(priority)]);
    for emulated in emulated {
        println!("    {}", emulated.binary.display());
        let lab = Lab::new();
        let a = lab.node("r1", &["10.0.0.1/24", "fd00::1/64"]);
        let b = lab.node("r2", &["10.0.0.2/24", "fd00::2/64"]);
        let cap = Capture::start(&lab);
        let mut ours = ctx.daemon.start(&a, &conf(200));
        wait_until(SOON, "the native router is master", || a.has(vip));
        let theirs = emulated.start(&b, &conf(100));
        wait_until(SOON, "the emulated one is backup", || {
            theirs.log().contains("Entering BACKUP")
        });
        let killed = ours.kill9();
        took_over(&cap, &b, vip, killed);
        let back = now();
        ours = ctx.daemon.start(&a, &conf(200));
        took_over(&cap, &a, vip, back);
        wait_until(SOON, "the emulated one removes the address", || !b.has(vip));
        drop((ours, theirs));
        // With exchanged priorities.
        let mut theirs = emulated.start(&b, &conf(200));
        wait_until(SOON, "the emulated one is master", || b.has(vip));
        let ours = ctx.daemon.start(&a, &conf(100));
        wait_until(SOON, "the native router is backup", || {
            ours.log().contains("Entering BACKUP")
        });
        let asked = theirs.term();
        took_over(&cap, &a, vip, asked);
        theirs.wait_exit(SOON).expect("the emulated one ends");
        assert!(!b.has(vip), "the emulated one has removed the address");
    }
    Outcome::Passed
}

/// Waits until the node has the address and advertises and announces it, after `since`.
#[track_caller]
fn took_over(cap: &Capture, node: &Node, vip: &str, since: i64) {
    cap.advert_of(node, since, SOON);
    wait_until(SOON, "the address is set", || node.has(vip));
    let address = vip.parse().expect("an address");
    wait_until(SOON, "the address is announced", || {
        !cap.announcements(node, address, since).is_empty()
    });
}

/// Twenty years ahead, beyond 32-bit seconds. Only the emulator's wall clock is changed; intervals
/// are measured with the monotonic clock.
fn late(ctx: &Ctx) -> Outcome {
    const CLOCK: &[&str] = &[
        "env",
        "LD_PRELOAD=/usr/$LIB/faketime/libfaketime.so.1",
        "FAKETIME=+20y",
        "FAKETIME_DONT_FAKE_MONOTONIC=1",
        "qemu-arm",
    ];
    let mut all = Emulated::all();
    all.retain(|emulated| emulated.emulator == "qemu-arm-static");
    if all.is_empty() {
        return Outcome::Skipped("no 32-bit ARM binary in VRRPD_DIST".into());
    }
    let conf = |priority| Conf::of(&[Inst::new(51, priority, "10.0.0.100/24")]).text();
    for emulated in all {
        let lab = Lab::new();
        let a = lab.node("r1", &["10.0.0.1/24"]);
        let b = lab.node("r2", &["10.0.0.2/24"]);
        let cap = Capture::start(&lab);
        let mut ours = ctx.daemon.start_text(&a, &conf(200), &[]);
        wait_until(SOON, "the native router is master", || a.has("10.0.0.100"));
        let theirs = Daemon::Vrrpd(emulated.binary.clone()).start_text(&b, &conf(100), CLOCK);
        wait_until(SOON, "the late one is backup", || {
            theirs.log().contains("Entering BACKUP")
        });
        let log = theirs.log();
        let year = log.split('[').nth(1).and_then(|text| text.get(..4));
        let year = year.and_then(|year| year.parse::<u32>().ok());
        assert!(year > Some(2038), "the log is of the year {year:?}: {log}");
        let killed = ours.kill9();
        took_over(&cap, &b, "10.0.0.100", killed);
    }
    Outcome::Passed
}
