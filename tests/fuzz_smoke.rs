//! The fuzz targets without a fuzzer: seeded mutations of golden bytes, the same in every run, on a
//! stable toolchain. The fuzzer in `tests/fuzz` starts from the same inputs.
//!
//! * `FUZZ_RUNS=N`: so many executions of a fast target, and a table (`-- --nocapture`).
//! * `FUZZ_SEED=N`: other mutations.
//! * `FUZZ_CORPUS=DIR`: writes the seeds to DIR/TARGET; further files there are seeds too.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

#[path = "support/hex.rs"]
#[allow(dead_code, reason = "every test takes what it needs")]
mod hex;
#[path = "fuzz/mutate.rs"]
mod mutate;
#[path = "support/rng.rs"]
mod rng;
#[path = "fuzz/seeds.rs"]
mod seeds;
#[path = "fuzz/src/lib.rs"]
#[allow(unreachable_pub, reason = "it is a crate of its own elsewhere")]
mod targets;

use rng::Rng;
use targets::{Reach, TARGETS, Target};

/// Executions of a fast target: enough to reach every check many times, few enough for every
/// `cargo test`.
const RUNS: u64 = if cfg!(miri) { 200 } else { 200_000 };

fn number(variable: &str) -> Option<u64> {
    std::env::var(variable).ok()?.parse().ok()
}

/// Prints the input when a target panics.
struct Shown<'a>(&'a [u8]);

impl Drop for Shown<'_> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let hex: String = self.0.iter().map(|byte| format!("{byte:02x}")).collect();
            eprintln!("input: {hex}\n{:?}", String::from_utf8_lossy(self.0));
        }
    }
}

fn execute(target: &Target, bytes: &[u8]) -> Reach {
    let _shown = Shown(bytes);
    (target.run)(bytes)
}

/// The result of a target.
struct Row {
    runs: u64,
    accepted: u64,
    took: Duration,
}

fn run(target: &Target, runs: u64) -> Row {
    let (mut seeds, format) = seeds::of(target.name);
    if let Some(corpus) = std::env::var_os("FUZZ_CORPUS") {
        let folder = Path::new(&corpus).join(target.name);
        write_corpus(&folder, &seeds);
        seeds = read_corpus(&folder);
    }
    let seed = number("FUZZ_SEED").unwrap_or(0x1234_5678_9abc_def1);
    // A sequence of its own for each target.
    let name = target.name.bytes().fold(seed, |sum, byte| {
        sum.wrapping_mul(0x100_0000_01b3) ^ u64::from(byte)
    });
    let mut rng = Rng::new(name);
    let start = Instant::now();
    let mut accepted = 0;
    let mut count = |reach| accepted += u64::from(reach == Reach::Accepted);
    for bytes in seeds.iter().map(Vec::as_slice).chain([&[][..]]) {
        count(execute(target, bytes));
    }
    let mut bytes = Vec::new();
    for _ in 0..runs {
        mutate::mutation(&mut rng, &seeds, &format, &mut bytes);
        count(execute(target, &bytes));
    }
    Row {
        runs: runs + seeds.len() as u64 + 1,
        accepted,
        took: start.elapsed(),
    }
}

fn write_corpus(folder: &Path, seeds: &[Vec<u8>]) {
    std::fs::create_dir_all(folder).unwrap();
    for (i, bytes) in seeds.iter().enumerate() {
        std::fs::write(folder.join(format!("golden-{i}")), bytes).unwrap();
    }
}

fn read_corpus(folder: &Path) -> Vec<Vec<u8>> {
    let entries = std::fs::read_dir(folder).expect("a corpus");
    let mut paths: Vec<PathBuf> = entries.flatten().map(|entry| entry.path()).collect();
    paths.sort();
    let read = |path| std::fs::read(path).expect("a seed");
    paths.iter().map(read).collect()
}

/// Runs a target; the seeds must pass its first checks.
fn survives(name: &str) {
    let target = targets::by_name(name);
    let usual = number("FUZZ_RUNS").unwrap_or(RUNS);
    let row = run(&target, (usual / u64::from(target.cost)).max(1));
    let ms = u64::try_from(row.took.as_millis()).unwrap().max(1);
    println!(
        "| {name} | {} | {}.{} | {} | {} % |",
        row.runs,
        ms / 1000,
        ms % 1000 / 100,
        row.runs * 1000 / ms,
        row.accepted * 100 / row.runs,
    );
    assert!(row.accepted > 0, "{name}: no input is accepted");
}

macro_rules! survivors {
    ($($(#[$when:meta])* $test:ident: $name:literal,)*) => {
        $(
            #[test]
            $(#[$when])*
            fn $test() {
                survives($name);
            }
        )*

        /// Names of the tests' targets.
        const TESTED: &[&str] = &[$($(#[$when])* $name,)*];
    };
}

survivors! {
    vrrp_survives_mutations_and_round_trips: "vrrp",
    ipv4_survives_mutations_and_round_trips: "ipv4_vrrp",
    arp_survives_mutations_and_round_trips: "arp",
    ndisc_survives_mutations_and_round_trips: "ndisc",
    netlink_survives_mutations_and_round_trips: "netlink_msg",
    state_survives_mutations_and_round_trips: "state",
    track_file_survives_mutations_and_round_trips: "track_file",
    smtp_survives_mutations: "smtp_reply",
    packets_without_the_key_change_counters_only: "receive",
    config_survives_mutations: "config",
    command_survives_mutations_and_round_trips: "command",
    #[cfg(feature = "lvs")]
    ipvs_survives_mutations_and_round_trips: "ipvs_reply",
    #[cfg(feature = "lvs")]
    http_survives_mutations: "http_reply",
    #[cfg(feature = "lvs")]
    smtp_check_survives_mutations: "smtp_check",
    #[cfg(feature = "lvs")]
    dns_survives_mutations: "dns_reply",
    #[cfg(feature = "lvs")]
    udp_and_ping_survive_mutations: "datagram_check",
    #[cfg(all(feature = "lvs", feature = "tls"))]
    tls_survives_mutations: "tls_server",
    #[cfg(all(feature = "lvs", feature = "tls"))]
    tls_files_survive_mutations: "tls_files",
    #[cfg(feature = "sniff")]
    captures_survive_mutations: "sniff",
    #[cfg(feature = "uci")]
    uci_survives_mutations: "uci",
}

#[test]
fn every_reader_of_bytes_has_a_target_and_a_test() {
    let names: Vec<&str> = TARGETS.iter().map(|target| target.name).collect();
    let mut tested = TESTED.to_vec();
    tested.sort_unstable();
    let mut sorted = names.clone();
    sorted.sort_unstable();
    assert_eq!(tested, sorted);
    let manifest = include_str!("fuzz/Cargo.toml");
    for name in names {
        assert!(
            manifest.contains(&format!("\nname = \"{name}\"\n")),
            "{name}"
        );
    }
}
