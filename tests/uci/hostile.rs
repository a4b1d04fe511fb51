//! Hostile UCI input: no panic, no hang, and never a result that vrrpd cannot parse.

use std::fmt::Write;
use std::fs;
use std::time::{Duration, Instant};

use vrrpd::config::Severity;
use vrrpd::uci::{Converted, convert};

use crate::check::{check, check_converted};
use crate::golden_files::files;
use crate::host::has_syntax_error;
use crate::rng::Rng;

/// Tokens of UCI, and text with a meaning in keepalived.conf.
const PIECES: &[&str] = &[
    "'",
    "\"",
    "\\",
    "#",
    ";",
    "\n",
    "\t",
    " ",
    "}",
    "{",
    "!",
    "$X",
    "~SEQ(a,1,9)",
    "@host ",
    "\0",
    "é",
    "“",
    "config ",
    "option ",
    "list ",
    "option name 'LAN'\n",
    "option enabled '0'\n",
    "config vrrp_instance\n",
    "include /etc/passwd",
    "${_ENV HOME}",
    "{{ x }}",
];

#[test]
fn mutated_uci_never_panics_or_gives_unreadable_output() {
    let seeds: Vec<String> = files()
        .iter()
        .map(|path| fs::read_to_string(path).expect("golden file"))
        .collect();
    let mut rng = Rng::new(1);
    let runs = if cfg!(miri) { 20 } else { 4000 };
    for run in 0..runs {
        let mut text = seeds[rng.below(seeds.len())].clone();
        for _ in 0..=rng.below(6) {
            let mut at = rng.below(text.len());
            while !text.is_char_boundary(at) {
                at -= 1;
            }
            match rng.below(4) {
                0 => text.truncate(at),
                1 => {
                    let rest = text.split_off(at);
                    text.extend(rest.chars().skip(rng.below(40)));
                }
                _ => text.insert_str(at, PIECES[rng.below(PIECES.len())]),
            }
        }
        let done = convert("x", text.clone().into_bytes());
        let Some(conf) = done.text.clone() else {
            continue;
        };
        // Values may be invalid, but the block structure must be intact.
        let (report, worst) = check(&conf);
        assert!(
            worst != Some(Severity::Fatal) && !has_syntax_error(&report),
            "run {run}: {report}\nfrom:\n{text}\nto:\n{conf}"
        );
        positions_are_in_order(&done);
        let (mapped, same) = check_converted(done);
        assert_eq!(worst, same, "{mapped}");
        assert!(!mapped.contains("made.conf"), "{mapped}");
    }
}

/// Each word of the result is from a later offset than the one before, and from the UCI file.
fn positions_are_in_order(done: &Converted) {
    let length = done.text.as_ref().map_or(0, String::len);
    let mut before = None;
    for mark in &done.marks {
        assert!(
            before < Some(mark.start) && (mark.start as usize) < length,
            "{mark:?}"
        );
        before = Some(mark.start);
        if let Some(at) = mark.at {
            assert!(done.sources.position(at).is_some(), "{at:?}");
        }
    }
}

#[test]
fn uci_with_invalid_bytes_is_rejected() {
    for bytes in [b"config \0".to_vec(), vec![b'#'; 5 << 20]] {
        let done = convert("x", bytes);
        assert!(done.text.is_none());
        assert_eq!(done.diags.worst(), Some(Severity::Fatal));
    }
    let done = convert(
        "x",
        b"config globals\n\toption router_id 'a\xff'\n".to_vec(),
    );
    assert!(done.text.expect("a result").contains("router_id a\u{fffd}"));
}

#[test]
fn large_uci_files_take_seconds_at_most() {
    let mut many_sections = String::new();
    let mut references = String::from("config vrrp_instance 'v'\n");
    for n in 0..30_000 {
        let _ = writeln!(
            many_sections,
            "config ipaddress 'a{n}'\n\toption address 10.0.0.1"
        );
        let _ = writeln!(references, "\tlist virtual_ipaddress 'a{n}'");
    }
    let mut servers = String::from("config url 'u'\n\toption path '/'\n\toption digest 'd'\n");
    servers +=
        "config real_server 's'\n\toption ipaddr 'a'\n\toption port '1'\n\toption weight '1'\n";
    servers += "\toption check 'HTTP_GET'\n";
    servers += &"\tlist url 'u'\n".repeat(900);
    for _ in 0..50 {
        servers += "config virtual_server\n\toption ipaddr 'a'\n\toption port '1'\n";
        servers += &"\tlist real_server 's'\n".repeat(900);
    }
    let quotes = "option a '\"\n".repeat(100_000);
    for text in [
        many_sections.clone() + &references,
        "'".repeat(1 << 20),
        "\"\\".repeat(1 << 20),
        quotes,
        servers,
        "config a\n".repeat(300_000),
    ] {
        let start = Instant::now();
        let conf = convert("x", text.into_bytes()).text.expect("a result");
        assert!(conf.len() < 5 << 20, "{}", conf.len());
        let took = start.elapsed();
        assert!(took < Duration::from_secs(20), "{took:?}");
    }
}
