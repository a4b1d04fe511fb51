//! The fuzz targets without a fuzzer: seeded mutations of the golden files, the same in every run,
//! on a stable toolchain. The fuzzer in `tests/fuzz` starts from the same inputs:
//! ```text
//! FUZZ_CORPUS=tests/fuzz/corpus cargo test --test fuzz_smoke
//! cargo +nightly fuzz run --fuzz-dir tests/fuzz vrrp
//! ```

use std::path::Path;
use std::time::Duration;

use vrrpd::engine::instance::state_record::Record;
use vrrpd::types::{Family, IfIndex, IfName, Priority};

#[path = "support/hex.rs"]
#[allow(dead_code, reason = "every test takes what it needs")]
mod hex;
#[path = "support/rng.rs"]
mod rng;
#[path = "fuzz/src/lib.rs"]
#[allow(unreachable_pub, reason = "it is a crate of its own elsewhere")]
mod targets;

use rng::Rng;

/// Mutations per target: enough to reach every check many times, few enough for every `cargo test`.
const RUNS: usize = if cfg!(miri) { 200 } else { 200_000 };

/// Any byte, half of the time one that often is a boundary.
fn interesting_byte(rng: &mut Rng) -> u8 {
    let boundaries = [
        0, 1, 3, 4, 5, 16, 20, 0x21, 0x31, 0x40, 0x7f, 0x80, 0xfe, 0xff,
    ];
    match rng.below(2) {
        0 => rng.pick(&boundaries),
        _ => rng.byte(),
    }
}

fn mutate(rng: &mut Rng, bytes: &mut Vec<u8>) {
    let at = rng.below(bytes.len());
    match rng.below(8) {
        0..3 if !bytes.is_empty() => bytes[at] ^= 1 << rng.below(8),
        3..5 if !bytes.is_empty() => bytes[at] = interesting_byte(rng),
        5 => bytes.truncate(at),
        6 => {
            let byte = interesting_byte(rng);
            bytes.resize(bytes.len() + rng.below(9), byte);
        }
        _ => {
            let part = bytes[at..bytes.len().min(at + rng.below(16))].to_vec();
            let to = rng.below(bytes.len());
            bytes.splice(to..to, part);
        }
    }
}

fn run(name: &str, seed: u64, seeds: &[Vec<u8>], target: fn(&[u8])) {
    run_some(RUNS, name, seed, seeds, target);
}

fn run_some(runs: usize, name: &str, seed: u64, seeds: &[Vec<u8>], target: fn(&[u8])) {
    if let Some(corpus) = std::env::var_os("FUZZ_CORPUS") {
        let folder = Path::new(&corpus).join(name);
        std::fs::create_dir_all(&folder).unwrap();
        for (i, bytes) in seeds.iter().enumerate() {
            std::fs::write(folder.join(format!("golden-{i}")), bytes).unwrap();
        }
    }
    let mut rng = Rng::new(seed);
    for bytes in seeds {
        target(bytes);
    }
    target(&[]);
    for _ in 0..runs {
        let mut bytes = seeds[rng.below(seeds.len())].clone();
        for _ in 0..=rng.below(4) {
            mutate(&mut rng, &mut bytes);
        }
        target(&bytes);
    }
}

/// Golden packets without their first `strip(packet)` bytes.
fn packets(strip: fn(&[u8]) -> usize) -> Vec<Vec<u8>> {
    hex::goldens("packets")
        .into_iter()
        .filter(|(_, bytes)| bytes.len() < 1000)
        .map(|(_, bytes)| bytes[strip(&bytes).min(bytes.len())..].to_vec())
        .collect()
}

#[test]
fn vrrp_survives_mutations_and_round_trips() {
    let header = |bytes: &[u8]| match bytes[0] >> 4 {
        4 => usize::from(bytes[0] & 15) * 4,
        6 => 40,
        _ => 14,
    };
    let mut seeds = packets(header);
    seeds.extend(hex::goldens("signed").into_iter().map(|(_, bytes)| bytes));
    run("vrrp", 0x1234_5678_9abc_def1, &seeds, targets::vrrp);
}

#[test]
fn ipv4_survives_mutations_and_round_trips() {
    run(
        "ipv4_vrrp",
        0x2345_6789_abcd_ef12,
        &packets(|_| 0),
        targets::ipv4_vrrp,
    );
}

#[test]
fn state_survives_mutations_and_round_trips() {
    let record = Record {
        interface: IfName::new("eth0").unwrap(),
        family: Family::V4,
        vrid: 51,
        priority: Priority(100),
        returns: 1,
        index: IfIndex(2),
        sent: Duration::from_secs(1_000),
        grace: Duration::from_secs(3),
        number: 1_800_000_000,
    };
    let one = record.encode().to_vec();
    let seeds = [one.clone(), [one.clone(), vec![0; 64], one].concat()];
    run("state", 0xabcd_ef12_3456_789a, &seeds, targets::state);
}

#[test]
fn arp_survives_mutations_and_round_trips() {
    run("arp", 0x3456_789a_bcde_f123, &packets(|_| 0), targets::arp);
}

#[test]
fn ndisc_survives_mutations_and_round_trips() {
    run(
        "ndisc",
        0x4567_89ab_cdef_1234,
        &packets(|_| 0),
        targets::ndisc,
    );
}

/// The messages of golden datagrams, one by one: in a whole dump most mutations would hit ignored
/// attributes.
fn messages(folder: &str) -> Vec<Vec<u8>> {
    let mut seeds = Vec::new();
    for (_, mut bytes) in hex::goldens(folder) {
        while let Some(len) = bytes.first_chunk::<4>().map(|len| u32::from_le_bytes(*len)) {
            let len = usize::try_from(len).unwrap().next_multiple_of(4);
            let rest = bytes.split_off(len.min(bytes.len()));
            seeds.push(core::mem::replace(&mut bytes, rest));
        }
    }
    seeds
}

#[test]
fn netlink_survives_mutations_and_round_trips() {
    run(
        "netlink_msg",
        0x5678_9abc_def1_2345,
        &messages("netlink"),
        targets::netlink_msg,
    );
}

#[test]
#[cfg(feature = "lvs")]
fn ipvs_survives_mutations_and_round_trips() {
    run(
        "ipvs_reply",
        0x789a_bcde_f123_4567,
        &messages("ipvs"),
        targets::ipvs_reply,
    );
}

#[test]
fn smtp_survives_mutations() {
    let dialogues: [&[u8]; 3] = [
        b"220 hi\r\n250-r2\r\n250 HELP\r\n250 ok\r\n250 ok\r\n550 no such user\r\n354 go\r\n250 taken\r\n221 bye\r\n",
        b"220-r2\r\n220 hi\r\n250 ok\r\n250 ok\r\n421 closing\r\n",
        b"554 go away\r\n",
    ];
    let seeds = dialogues.map(<[u8]>::to_vec);
    run(
        "smtp_reply",
        0x6789_abcd_ef12_3456,
        &seeds,
        targets::smtp_reply,
    );
}

#[test]
#[cfg(feature = "lvs")]
fn http_survives_mutations() {
    let answers: [&[u8]; 5] = [
        b"\x05HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello",
        b"\x04HTTP/1.0 404 Not Found\r\nServer: x\r\n\r\nnot here",
        b"\x07HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n10;a=b\r\n0123456789abcdef\r\n0\r\nA: b\r\n\r\n",
        b"\x00HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 204 No Content\r\n\r\n",
        b"\x02HTTP/1.1 302 Found\r\nLocation: https://example.org/\r\n\r\n",
    ];
    let seeds = answers.map(<[u8]>::to_vec);
    run(
        "http_reply",
        0x789a_bcde_f123_4567,
        &seeds,
        targets::http_reply,
    );
}

#[test]
#[cfg(feature = "lvs")]
fn smtp_check_survives_mutations() {
    let dialogues: [&[u8]; 3] = [
        b"220 hi\r\n250-r2\r\n250 HELP\r\n221 bye\r\n",
        b"220-r2\r\n220 hi\r\n501 who?\r\n",
        b"554 go away\r\n",
    ];
    let seeds = dialogues.map(<[u8]>::to_vec);
    run(
        "smtp_check",
        0x89ab_cdef_1234_5678,
        &seeds,
        targets::smtp_check,
    );
}

#[test]
#[cfg(feature = "lvs")]
fn dns_survives_mutations() {
    let datagrams: [&[u8]; 2] = [
        b"\x00\x00\x00\x81\x80\x00\x01\x00\x00\x00\x00\x00\x00\x07example\x03org\x00\x00\x06\x00\x01",
        b"\x01\x00\x00\x81\x83\x00\x01\x00\x00\x00\x00\x00\x00",
    ];
    let seeds = datagrams.map(<[u8]>::to_vec);
    run(
        "dns_reply",
        0x9abc_def1_2345_6789,
        &seeds,
        targets::dns_reply,
    );
}

/// `tests/uci` also mutates tokens of the language.
#[test]
#[cfg(all(feature = "lvs", feature = "uci"))]
fn uci_survives_mutations() {
    let files = std::fs::read_dir("tests/golden/uci").expect("golden files");
    let paths = files.map(|file| file.expect("a file").path());
    let mut paths: Vec<_> = paths
        .filter(|path| path.extension().is_some_and(|it| it == "uci"))
        .collect();
    paths.sort();
    let read = |path| std::fs::read(path).expect("a golden file");
    let seeds: Vec<Vec<u8>> = paths.iter().map(read).collect();
    assert!(!seeds.is_empty());
    // Each run loads a whole configuration.
    run_some(
        RUNS / 100,
        "uci",
        0xcdef_1234_5678_9abc,
        &seeds,
        targets::uci,
    );
}
