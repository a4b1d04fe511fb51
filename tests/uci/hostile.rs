//! Input that nobody means well with: no panic, no hang, and never a result that vrrpd cannot read.

use std::fmt::Write;
use std::fs;
use std::time::{Duration, Instant};

use vrrpd::config::Severity;
use vrrpd::uci::convert;

use crate::check::check;
use crate::golden::files;

/// Marsaglia's xorshift: a sequence that is the same everywhere.
struct Rng(u64);

impl Rng {
    fn below(&mut self, end: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 % u64::try_from(end.max(1)).unwrap()).unwrap()
    }
}

/// Pieces of the language, and what upsets the language that is written.
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
fn no_mutation_makes_it_panic_or_write_what_cannot_be_read() {
    let seeds: Vec<String> = files()
        .iter()
        .map(|path| fs::read_to_string(path).expect("golden file"))
        .collect();
    let mut rng = Rng(0x1234_5678_9abc_def1);
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
        let Some(conf) = convert("x", text.clone().into_bytes()).text else {
            continue;
        };
        // Whatever values are wrong, the blocks are where they belong.
        let (said, worst) = check(&conf);
        let torn = [
            "this quote is never closed",
            "unexpected",
            "brace",
            "unknown keyword",
            "does not belong",
        ];
        let torn = torn.iter().find(|words| said.contains(**words));
        assert!(
            worst != Some(Severity::Fatal) && torn.is_none(),
            "run {run}: {said}\nfrom:\n{text}\nto:\n{conf}"
        );
    }
}

#[test]
fn bytes_that_are_no_text_are_refused() {
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
fn size_costs_seconds_at_most() {
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
        let begin = Instant::now();
        let conf = convert("x", text.into_bytes()).text.expect("a result");
        assert!(conf.len() < 5 << 20, "{}", conf.len());
        let took = begin.elapsed();
        assert!(took < Duration::from_secs(20), "{took:?}");
    }
}
