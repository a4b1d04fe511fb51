//! Routers of other machines, under the user-mode emulator, against one of this machine.
//!
//! `VRRPD_DIST` is the directory with the binaries (`make test-emulated`); without it there is nothing to do. What is
//! seen here beyond the tests of this machine's own binary: adverts, signatures, netlink, packet sockets and clocks of
//! 32-bit programs.
//!
//! Big-endian MIPS is left out: the emulator (QEMU 7.2) turns the numbers of netlink messages round, but not those of an
//! empty attribute at the end, with which kernels of today describe their links. A link that ends in an attribute of
//! 1,024 bytes is none for the daemon. Nor does the emulator know netfilter and generic netlink. For 64-bit machines it takes
//! `ip_mreqn` to be four bytes longer than it is, so that they cannot join the group of IPv4 adverts: they speak IPv6 only.

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

/// A binary for another machine and the program that runs it.
struct Emulated {
    emulator: &'static str,
    binary: PathBuf,
}

/// First parts of the names of targets, and their emulators.
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

/// Those that can join a group of IPv4.
fn all_of_32_bits() -> Vec<Emulated> {
    let mut all = Emulated::all();
    all.retain(|emulated| !emulated.emulator.contains("64"));
    all
}

/// For each binary: it takes over from ours when that is killed, gives way when it returns, and ours takes over from it.
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
        wait_until(SOON, "ours is master", || a.has(vip));
        let theirs = emulated.start(&b, &conf(100));
        wait_until(SOON, "the emulated one is backup", || {
            theirs.log().contains("Entering BACKUP")
        });
        let killed = ours.kill9();
        took_over(&cap, &b, vip, killed);
        let back = now();
        ours = ctx.daemon.start(&a, &conf(200));
        took_over(&cap, &a, vip, back);
        wait_until(SOON, "the emulated one gives the address up", || {
            !b.has(vip)
        });
        drop((ours, theirs));
        // And with the roles changed.
        let mut theirs = emulated.start(&b, &conf(200));
        wait_until(SOON, "the emulated one is master", || b.has(vip));
        let ours = ctx.daemon.start(&a, &conf(100));
        wait_until(SOON, "ours is backup", || {
            ours.log().contains("Entering BACKUP")
        });
        let asked = theirs.term();
        took_over(&cap, &a, vip, asked);
        theirs.wait_exit(SOON).expect("the emulated one ends");
        assert!(!b.has(vip), "the emulated one takes its address away");
    }
    Outcome::Passed
}

/// The node has the address, advertises and announces it, after `since`.
#[track_caller]
fn took_over(cap: &Capture, node: &Node, vip: &str, since: i64) {
    cap.advert_of(node, since, SOON);
    wait_until(SOON, "the address is set", || node.has(vip));
    let address = vip.parse().expect("an address");
    wait_until(SOON, "the address is announced", || {
        !cap.announcements(node, address, since).is_empty()
    });
}

/// Twenty years ahead, in seconds that 32 bits cannot count. The clock of the emulator is changed, not that of the
/// machine; intervals are measured by the other clock, which stays.
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
        wait_until(SOON, "ours is master", || a.has("10.0.0.100"));
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
