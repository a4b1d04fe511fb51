//! `vrrpd sniff -r`: golden output of captures, and of one frame for each broken rule.
//!
//! `UPDATE_GOLDEN=1` rewrites the expected texts and the capture of broken frames. The captures of
//! keepalived and of signed adverts are made by `tests/lab/tests/netns/sniff.rs`.

#[path = "../support/golden.rs"]
mod golden;
mod kinds;
mod packet;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::time::Duration;

use vrrpd::sniff::frame::{Captured, decode};
use vrrpd::sniff::pcap;
use vrrpd::sniff::rule::{Breach, Severity};

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/sniff")
}

fn captured(bytes: &[u8]) -> Captured<'_> {
    Captured {
        at: Duration::from_secs(1_700_000_000),
        interface: "eth0",
        outgoing: false,
        bytes,
        sent: bytes.len(),
    }
}

/// A capture of these frames, one each second.
fn capture(frames: &[Vec<u8>]) -> Vec<u8> {
    let mut file = pcap::header().to_vec();
    for (nth, frame) in (0..).zip(frames) {
        let at = Duration::from_secs(1_700_000_000 + nth);
        file.extend(pcap::record(at, frame.len()));
        file.extend(frame);
    }
    file
}

#[test]
fn every_broken_rule_is_named() {
    let kinds = kinds::all();
    let broken = kinds.iter().filter(|kind| !kind.rules.is_empty());
    assert!(broken.count() >= 30);
    let mut wrong = Vec::new();
    for kind in &kinds {
        let frame = kind.packet.frame();
        let Some(seen) = decode(captured(&frame)) else {
            wrong.push(format!("{}: no VRRP", kind.name));
            continue;
        };
        let rules: Vec<&str> = seen.breaches.iter().map(Breach::name).collect();
        if rules != kind.rules {
            wrong.push(format!("{}: {:?}", kind.name, seen.breaches));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// Whatever is cut off or changed: no packet is called malformed that the daemon would process,
/// and none that it refuses is called well-formed.
#[test]
fn what_the_daemon_refuses_is_called_malformed_and_nothing_else() {
    for kind in kinds::all() {
        let whole = kind.packet.frame();
        for len in 14..=whole.len() {
            agree(&whole[..len], kind.name);
        }
        for bit in 0..whole.len() * 8 {
            let mut changed = whole.clone();
            changed[bit / 8] ^= 1 << (bit % 8);
            agree(&changed, kind.name);
        }
    }
}

fn agree(frame: &[u8], name: &str) {
    use vrrpd::wire::{ParseError, ah, ipv4, vrrp};
    let Some(seen) = decode(captured(frame)) else {
        return;
    };
    let is_malformed = |breach: &Breach| matches!(breach, Breach::Malformed(_));
    let ours = seen.breaches.iter().any(is_malformed);
    let theirs = match (ipv4::parse(seen.packet), seen.net.src.is_ipv4()) {
        (Ok(packet), true) if packet.header.protocol == 51 => {
            ah::parse(packet.payload).and_then(|(_, message)| vrrp::parse(message, &seen.net))
        }
        (Ok(packet), true) => vrrp::parse(packet.payload, &seen.net),
        (Err(error), true) => Err(error),
        // The kernel checks the header.
        (_, false) if ours && seen.packet[0] >> 4 != 6 => return,
        (_, false) if ours && length(seen.packet) + 40 > seen.packet.len() => return,
        (_, false) if seen.packet[6] == 44 => Err(ParseError::Fragment),
        (_, false) => vrrp::parse(seen.payload, &seen.net),
    };
    assert_eq!(
        ours,
        theirs.is_err(),
        "{name}: {:?}, {theirs:?}",
        seen.breaches
    );
    assert!(!ours || seen.is_discarded());
    assert_eq!(
        seen.is_discarded(),
        seen.breaches
            .iter()
            .any(|breach| breach.severity() == Severity::Discarded)
    );
}

/// The payload length of an IPv6 packet.
fn length(packet: &[u8]) -> usize {
    u16::from_be_bytes([packet[4], packet[5]]).into()
}

fn sniff(args: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_vrrpd"))
        .arg("sniff")
        .args(args)
        .current_dir(folder())
        .env("TZ", "UTC")
        .output()
        .expect("the binary runs")
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

#[test]
fn captures_are_explained_as_before() {
    let frames: Vec<_> = kinds::all()
        .iter()
        .map(|kind| kind.packet.frame())
        .collect();
    let broken = capture(&frames);
    let path = folder().join("broken.pcap");
    let mut mismatches = Vec::new();
    if golden::update() && fs::read(&path).is_ok_and(|old| old != broken) {
        fs::write(&path, &broken).expect("write");
    }
    assert!(
        fs::read(&path).expect("broken.pcap") == broken,
        "UPDATE_GOLDEN=1 writes broken.pcap"
    );
    let entries = fs::read_dir(folder()).expect("goldens").flatten();
    let mut captures: Vec<PathBuf> = entries.map(|entry| entry.path()).collect();
    captures.retain(|path| path.extension().is_some_and(|end| end == "pcap"));
    captures.sort();
    assert!(golden::update() || captures.len() >= 6, "{captures:?}");
    for path in captures {
        let size = fs::metadata(&path).expect("a capture").len();
        assert!(size < 10_000, "{}: {size} bytes", path.display());
        let name = path
            .file_name()
            .and_then(|name| name.to_str())
            .expect("a name");
        let mut args = vec!["-r", name];
        let conf = path.with_extension("conf");
        let conf_name = name.replace(".pcap", ".conf");
        if conf.exists() {
            args.extend(["-f", &conf_name]);
        }
        let output = sniff(&args);
        assert!(output.status.success(), "{name}: {}", text(&output.stderr));
        let got = format!("{}---\n{}", text(&output.stdout), text(&output.stderr));
        golden::compare(&path.with_extension("txt"), &got, &mut mismatches);
    }
    assert!(mismatches.is_empty(), "{}", mismatches.join("\n"));
}

#[test]
fn what_is_not_a_capture_is_refused_with_a_sentence() {
    let scratch = std::env::temp_dir().join(format!("vrrpd-sniff-{}", std::process::id()));
    fs::create_dir_all(&scratch).expect("a directory");
    let path = scratch.join("file");
    let name = path.to_str().expect("UTF-8");
    let mut link_type = pcap::header();
    link_type[20] = 113;
    let mut long = pcap::header().to_vec();
    long.extend([0xff; 16]);
    for (bytes, want) in [
        (&b""[..], "it is not a pcap file"),
        (&[b'x'; 100], "it is not a pcap file"),
        (
            b"\n\r\r\n\x1c\0\0\0\x4d\x3c\x2b\x1a\x01\0\0\0\xff\xff\xff\xff",
            "it is not a pcap file",
        ),
        (&link_type, "link type 113, expected 1 (Ethernet)"),
        (&long, "a frame of 4294967295 bytes: the file is damaged"),
    ] {
        fs::write(&path, bytes).expect("write");
        let output = sniff(&["-r", name]);
        assert_eq!(output.status.code(), Some(1));
        let want = format!("vrrpd: sniff: cannot read {name}: {want}\n");
        assert_eq!(text(&output.stderr), want);
        assert!(output.stdout.is_empty());
    }
    let output = sniff(&["-r", "/nonexistent"]);
    let want = "vrrpd: sniff: cannot read /nonexistent: no such file or directory\n";
    assert_eq!(text(&output.stderr), want);
    fs::remove_dir_all(&scratch).expect("remove");
}

#[test]
fn a_capture_that_is_written_can_be_read_and_only_by_its_owner() {
    use std::os::unix::fs::PermissionsExt;
    let scratch = std::env::temp_dir().join(format!("vrrpd-sniff-w-{}", std::process::id()));
    fs::create_dir_all(&scratch).expect("a directory");
    let path = scratch.join("copy.pcap");
    let output = sniff(&["-r", "broken.pcap", "-w", path.to_str().expect("UTF-8")]);
    assert!(output.status.success(), "{}", text(&output.stderr));
    let read = |path: &Path| fs::read(path).expect("a capture");
    assert!(read(&path) == read(&folder().join("broken.pcap")));
    let mode = fs::metadata(&path).expect("a file").permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    let output = sniff(&["-r", "broken.pcap", "-w", "-"]);
    assert!(output.stdout == read(&path));
    fs::remove_dir_all(&scratch).expect("remove");
}

#[test]
fn count_and_unique_limit_the_lines() {
    let lines = |args: &[&str]| text(&sniff(args).stdout).lines().count();
    let kinds = kinds::all().len();
    assert_eq!(lines(&["-r", "broken.pcap"]), kinds);
    assert_eq!(lines(&["-r", "broken.pcap", "-c", "3"]), 3);
    let frame = packet::Packet::v3().frame();
    let other = packet::Packet {
        priority: 0,
        ..packet::Packet::v3()
    };
    let scratch = std::env::temp_dir().join(format!("vrrpd-sniff-u-{}", std::process::id()));
    fs::create_dir_all(&scratch).expect("a directory");
    let path = scratch.join("file");
    let frames = [frame.clone(), frame.clone(), frame, other.frame()];
    fs::write(&path, capture(&frames)).expect("write");
    let output = sniff(&["-u", "-r", path.to_str().expect("UTF-8")]);
    let out = text(&output.stdout);
    assert_eq!(out.lines().count(), 2, "{out}");
    assert!(out.ends_with("(the previous one 2 more times)\n"), "{out}");
    fs::remove_dir_all(&scratch).expect("remove");
}
