//! Hostile configuration texts are parsed, or rejected with one diagnostic, within a limit of CPU
//! time that is generous because tests are debug builds and may run on slow machines.

use std::time::Duration;

use vrrpd::config::tree::Block;
use vrrpd::config::{Diags, Parsed, Severity, render};

use crate::cpu;
use crate::rng::Rng;
use crate::support::{FakeHost, brief};

const CPU_LIMIT: Duration = Duration::from_secs(20);

fn run(host: &FakeHost) -> (Parsed, Diags) {
    let before = cpu::thread_time();
    let (parsed, diags) = host.parse("k.conf");
    let text = render::render_text(&diags, &parsed.sources);
    #[cfg(feature = "json")]
    let json = vrrpd::config::json::render_json(&diags, &parsed.sources);
    #[cfg(not(feature = "json"))]
    let json = "";
    let took = cpu::thread_time() - before;
    assert!(took < CPU_LIMIT, "took {took:?}");
    assert!(text.len() < 1_000_000 && json.len() < 1_000_000);
    let (statements, depth) = size(&parsed.root);
    assert!(
        statements <= 150_000 && depth <= 33,
        "{statements} statements, depth {depth}"
    );
    (parsed, diags)
}

/// Number of statements and depth. Not recursive: the depth is what is tested.
fn size(root: &Block) -> (usize, usize) {
    let mut todo = vec![(root, 1)];
    let mut count = 0;
    let mut deepest = 0;
    while let Some((block, depth)) = todo.pop() {
        count += block.nodes.len();
        deepest = deepest.max(depth);
        let inner = block.nodes.iter().filter_map(|node| node.block.as_ref());
        todo.extend(inner.map(|block| (block, depth + 1)));
    }
    (count, deepest)
}

fn random_bytes(len: usize) -> Vec<u8> {
    let mut random = Rng::new(1);
    (0..len).map(|_| random.byte()).collect()
}

const TOO_MUCH: &str = "definitions and sequences expand to too much text; reading stops here";

#[test]
fn hostile_texts_are_rejected_with_one_diagnostic() {
    let many = "more than 150000 statements; reading stops here";
    let instances = "$VI=\\\nvrrp_instance V_${A}_${B} { \\\ninterface eth0 \\\nvirtual_ipaddress { \\\n\
        10.0.0.1 \\\n} \\\n}\n~SEQ(A,0,255) ~SEQ(B,1,254) $VI\n";
    let multiply = |depth: usize, last: &str, times: usize| {
        let chain = |i| format!("$A{i}=${{A{}}}${{A{}}}\n", i + 1, i + 1);
        let chain: String = (0..depth).map(chain).collect();
        format!("{chain}$A{depth}={last}\n{}", "x ${A0}\n".repeat(times))
    };
    let bodies = |i| format!("$A{i}=\\\n$A{} \\\n$A{}\n", i + 1, i + 1);
    let bodies: String = (0..30).map(bodies).collect::<String>() + "$A30=x\n$A0\n";
    let definitions: String = (0..20_000).map(|i| format!("$A{i}=x\n")).collect();
    for (name, text, severity, message) in [
        (
            "ten megabytes",
            vec![b'#'; 10 << 20],
            Severity::Fatal,
            "k.conf makes the configuration larger than 4194304 bytes; the configuration is not used",
        ),
        (
            "random bytes",
            random_bytes(2 << 20),
            Severity::Fatal,
            "NUL byte: not a text file; the configuration is not used",
        ),
        (
            "100,000 open braces",
            vec![b'{'; 100_000],
            Severity::Error,
            "line of 100000 bytes exceeds the maximum of 4096; ignored",
        ),
        (
            "100,000 open braces in lines",
            b"{\n".repeat(100_000),
            Severity::Error,
            "unexpected `{` without a keyword before it; ignored",
        ),
        (
            "100,000 nested blocks",
            b"a {\n".repeat(100_000),
            Severity::Fatal,
            "blocks are nested deeper than 32; reading stops here",
        ),
        (
            "100,000 closing braces",
            b"}\n".repeat(100_000),
            Severity::Error,
            "`}` without an open block; ignored",
        ),
        (
            "one line of five megabytes",
            vec![b'x'; 5 << 20],
            Severity::Fatal,
            "k.conf makes the configuration larger than 4194304 bytes; the configuration is not used",
        ),
        (
            "a definition of itself",
            b"$IF=$IF\ninterface $IF".to_vec(),
            Severity::Error,
            "the definition of $IF refers to itself; line ignored",
        ),
        (
            "mutual definitions",
            b"$A=${B}\n$B=${A}\nx $A y".to_vec(),
            Severity::Error,
            "the definition of ${A} refers to itself; line ignored",
        ),
        (
            "growing definition",
            b"$A=${A}${A}\nx $A".to_vec(),
            Severity::Error,
            "${A} makes the line longer than 4096 bytes; line ignored",
        ),
        (
            "multiplying definitions",
            multiply(20, "y", 1).into(),
            Severity::Error,
            "${A9} makes the line longer than 4096 bytes; line ignored",
        ),
        (
            "definitions multiplying nothing",
            multiply(8, "", 2000).into(),
            Severity::Fatal,
            TOO_MUCH,
        ),
        (
            "lines that contain themselves",
            b"$A=\\\nx \\\n$A\n$A".to_vec(),
            Severity::Error,
            "the definition $A contains itself; line ignored",
        ),
        (
            "lines that multiply",
            bodies.into(),
            Severity::Fatal,
            TOO_MUCH,
        ),
        (
            "65,024 instances with blocks",
            instances.into(),
            Severity::Fatal,
            TOO_MUCH,
        ),
        (
            "endless sequence of nothing",
            b"~SEQ(A,1,2000000000)".to_vec(),
            Severity::Fatal,
            TOO_MUCH,
        ),
        (
            "too many definitions",
            definitions.into(),
            Severity::Fatal,
            "more than 10000 definitions; reading stops here",
        ),
        (
            "too many words",
            "a b c d e f g h\n".repeat(100_000).into(),
            Severity::Fatal,
            "more than 500000 words; reading stops here",
        ),
        (
            "too many statements",
            "a\n".repeat(200_000).into(),
            Severity::Fatal,
            many,
        ),
        (
            "sequences in sequences",
            ("~SEQ(A,1,2) ".repeat(100) + "x").into(),
            Severity::Fatal,
            "definitions, sequences and includes are nested too deeply; reading stops here",
        ),
        (
            "too many alternatives",
            ("include ".to_owned() + &"{a,b}".repeat(40)).into(),
            Severity::Error,
            "more than 256 alternatives; nothing is included",
        ),
    ] {
        let (parsed, diags) = run(&FakeHost::new(&[("k.conf", &text)]));
        let messages = brief(&parsed, &diags);
        assert_eq!(messages.len(), 1, "{name}: {:?}", messages.first());
        assert!(
            messages[0].ends_with(&format!("{}: {message}", severity.word())),
            "{name}: {}",
            messages[0]
        );
        assert_eq!(diags.worst(), Some(severity), "{name}");
    }
}

#[test]
fn hostile_but_valid_texts_are_parsed() {
    let line = "~SEQ(A,0,255) ~SEQ(B,1,254) vrrp_instance V_${A}_${B} { state BACKUP }";
    for (name, text, statements) in [
        ("65,024 one-line instances", line.to_owned(), 2 * 65_024),
        ("four megabytes of comments", "# x\n".repeat(1 << 20), 0),
        ("four megabytes of empty lines", "\n".repeat(4 << 20), 0),
        ("lines of dollars", ("$".repeat(4000) + "\n").repeat(20), 20),
        (
            "lines of half references in quotes",
            format!("\"{}\"\n", "${a ".repeat(1000)).repeat(20),
            20,
        ),
        (
            "lines of tags that never end",
            format!("\"{}\" {}\n", "{% ".repeat(500), "}} ".repeat(500)).repeat(2),
            2,
        ),
    ] {
        let (parsed, diags) = run(&FakeHost::new(&[("k.conf", text.as_bytes())]));
        assert_ne!(
            diags.worst(),
            Some(Severity::Fatal),
            "{name}: {:?}",
            diags.list()
        );
        assert_eq!(size(&parsed.root).0, statements, "{name}");
    }
}

#[test]
fn include_loops_and_deep_includes_terminate() {
    let numbered = |i: usize, depth: usize| {
        let text = format!("include {0}.conf\ninclude {0}.conf\n", i + 1);
        (
            format!("{i}.conf"),
            if i == depth {
                b"x".to_vec()
            } else {
                text.into_bytes()
            },
        )
    };
    for (name, main, depth, message) in [
        (
            "itself",
            "include k.conf\nx",
            0,
            "k.conf includes itself; not included again",
        ),
        (
            "too deep",
            "include 0.conf",
            40,
            "includes are nested deeper than 16; reading stops here",
        ),
        (
            "too many",
            "include 0.conf",
            12,
            "more than 256 files are included; the configuration is not used",
        ),
    ] {
        let mut host = FakeHost::new(&[("k.conf", main.as_bytes())]);
        host.files.extend((0..=depth).map(|i| numbered(i, depth)));
        let (parsed, diags) = run(&host);
        let messages = brief(&parsed, &diags);
        assert_eq!(messages.len(), 1, "{name}: {messages:?}");
        assert!(messages[0].ends_with(message), "{name}: {messages:?}");
    }
}

/// Tokens of the language, for random combinations.
const PIECES: &[&str] = &[
    "{",
    "}",
    "{\n",
    "\n}\n",
    "\n",
    " ",
    "\t",
    "\r\n",
    "#",
    "!",
    "\\#",
    "\\",
    "\\\n",
    "\"",
    "'",
    "“",
    "”",
    "$",
    "${",
    "$A",
    "${A}",
    "$A=",
    "$B=",
    "${B}",
    "$A= \\\n",
    "~SEQ(A, 1, 3) ",
    "~SEQ(",
    "~LST(A, x, y)",
    "~LST({A,B},{1,2})",
    "@low ",
    "@^low ",
    "include ",
    "include b.conf",
    "include {a,b}.conf\n",
    "${_RANDOM 1 2}",
    "${_ENV HOME}",
    "${_HASH}",
    "{{ x }}",
    "{% y %}",
    "vrrp_instance",
    "vrrp_instance a {\n",
    "virtual_server",
    "real_server",
    "authentication",
    "SMTP_CHECK\n",
    "host {",
    "10.0.0.1",
    "é",
    "日",
    "\u{a0}",
    "\u{feff}",
    "\0",
    ")",
    "(",
    ",",
    "=",
];

#[test]
fn random_texts_never_break_the_parser() {
    for seed in 1..=3000_u64 {
        let mut random = Rng::new(seed);
        let mut text = Vec::new();
        for _ in 0..random.below(80) {
            let piece = PIECES[random.below(PIECES.len())];
            // Sometimes half a token, sometimes a random byte.
            let end = if random.below(8) == 0 {
                random.below(piece.len())
            } else {
                piece.len()
            };
            text.extend(&piece.as_bytes()[..end]);
            if random.below(16) == 0 {
                text.push(random.byte());
            }
        }
        let other = text.split_at(random.below(text.len())).1.to_vec();
        let host = FakeHost::new(&[("k.conf", &text), ("b.conf", &other)]);
        let result = std::panic::catch_unwind(|| check_sound(&host));
        assert!(
            result.is_ok(),
            "seed {seed}: {:?}",
            String::from_utf8_lossy(&text)
        );
    }
}

/// Every span lies within its text, and parsing is deterministic.
fn check_sound(host: &FakeHost) {
    let (parsed, diags) = run(host);
    let (again, diags_again) = run(host);
    assert_eq!(parsed.root, again.root);
    assert_eq!(diags.list(), diags_again.list());
    for span in diags.list().iter().filter_map(|diag| diag.span) {
        assert!(
            parsed.sources.position(span).is_some(),
            "{span:?} of a message"
        );
    }
    let mut todo = vec![&parsed.root];
    while let Some(block) = todo.pop() {
        for node in &block.nodes {
            let words = std::iter::once(&node.keyword).chain(&node.args);
            for word in words {
                assert!(parsed.sources.position(word.span).is_some(), "{word:?}");
            }
            todo.extend(&node.block);
        }
    }
}
