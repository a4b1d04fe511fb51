//! The layering of the sources: which room (top-level module) may use which, and what the pure
//! rooms must not use.
//!
//! Searches the sources as text, with comments and strings blanked and `use` trees expanded. Rules
//! that concern only the product skip test modules.

use std::fs;
use std::path::{Path, PathBuf};

/// Each room, and the rooms (or modules in them) that it may use; anything else is forbidden.
const ARROWS: &[(&str, &[&str])] = &[
    ("types", &[]),
    ("log", &[]),
    ("wire", &["types"]),
    ("netlink", &["types"]),
    ("config", &["types"]),
    ("vrrp", &["wire", "types"]),
    ("check", &["config::model", "wire", "types"]),
    ("lvs", &["config::model", "types"]),
    ("notify", &["config::model", "wire", "types"]),
    ("ctl", &["config::model", "types"]),
    (
        "engine",
        &[
            "ctl", "notify", "lvs", "check", "vrrp", "config", "netlink", "wire", "types",
        ],
    ),
    // `os` implements config::Host.
    (
        "os",
        &[
            "engine", "ctl", "notify", "check", "config", "netlink", "wire", "types", "exit",
            "sys", "uci", "sniff",
        ],
    ),
    ("uci", &["config"]),
    // Verdicts are those of the code that receives adverts.
    (
        "sniff",
        &[
            "engine::instance",
            "engine::system",
            "ctl::json_writer",
            "config",
            "vrrp",
            "wire",
            "types",
        ],
    ),
    ("sys", &[]),
    ("cli", &["ctl", "types"]),
    ("exit", &[]),
    (
        "run",
        &["cli", "os", "engine", "ctl", "config", "types", "exit"],
    ),
    ("main", &[]),
    ("lib", &[]),
];

/// Rooms without I/O and without a clock.
const PURE: &[&str] = &[
    "types", "wire", "netlink", "config", "vrrp", "check", "lvs", "notify", "ctl", "engine", "uci",
    "sniff",
];

/// What every room may use.
const EVERYWHERE: &str = "log";

/// Path prefixes that pure rooms must not use.
const IMPURE: &[&str] = &[
    "std::env",
    "std::fs",
    "std::io",
    "std::net::TcpListener",
    "std::net::TcpStream",
    "std::net::UdpSocket",
    "std::net::ToSocketAddrs",
    "std::os",
    "std::process",
    "std::thread",
    "std::time::Instant",
    "std::time::SystemTime",
    "libc",
    "nix",
    "socket2",
    "glob",
];

/// Rooms that do not log above debug: the caller decides what an operator should see.
const DEBUG_ONLY: &[&str] = &["types", "wire", "netlink", "config", "vrrp", "uci"];
const LOG_ABOVE_DEBUG: &[&str] = &["log::error", "log::warn", "log::info"];

#[test]
fn rooms_use_only_the_rooms_below_them() {
    let violations = search(|room, code| {
        let Some((_, allowed)) = ARROWS.iter().find(|(name, _)| *name == room) else {
            return vec![format!("room {room} has no row in ARROWS")];
        };
        let named = paths(&code.all, "crate");
        let forbidden = named.into_iter().filter(|path| {
            let target = path.strip_prefix("crate::").unwrap_or(path);
            let mut allowed = allowed.iter().chain([&room, &EVERYWHERE]);
            !allowed.any(|allowed| within(target, allowed))
        });
        forbidden.collect()
    });
    assert_eq!(violations, [""; 0]);
}

#[test]
fn pure_rooms_do_no_io_and_have_no_clock() {
    let violations = search(|room, code| {
        if !PURE.contains(&room) {
            return Vec::new();
        }
        let mut found = forbidden(&code.product, IMPURE);
        let exempt: &[&str] = match room {
            // Kernel errors reach the engine as values: io::Error and io::Result only.
            "engine" => &["std::io", "std::io::Result"],
            // The interface of rustls, in memory.
            "check" => &["std::io::Read", "std::io::Write"],
            _ => &[],
        };
        found.retain(|path| !exempt.contains(&path.as_str()));
        found
    });
    assert_eq!(violations, [""; 0]);
}

#[test]
fn pure_rooms_log_nothing_above_debug() {
    let violations = search(|room, code| {
        if !DEBUG_ONLY.contains(&room) {
            return Vec::new();
        }
        forbidden(&code.product, LOG_ABOVE_DEBUG)
    });
    assert_eq!(violations, [""; 0]);
}

/// The macros of crate `log` cost more bytes than those of `src/log.rs`.
#[test]
fn log_macros_are_the_projects_own() {
    let macros = [
        "log::log!",
        "log::error!",
        "log::warn!",
        "log::info!",
        "log::debug!",
    ];
    let violations = search(|room, code| {
        let imports = ["use crate::log;", "use crate::log::{self"];
        let own = room == "log" || imports.iter().any(|one| code.all.contains(one));
        let used = macros.iter().filter(|one| code.product.contains(*one));
        used.filter(|_| !own)
            .map(|one| format!("{one} without `use crate::log`"))
            .collect()
    });
    assert_eq!(violations, [""; 0]);
}

#[test]
fn unsafe_code_is_in_sys_only() {
    let violations = search(|room, code| {
        let is_word = |at: usize, word: &str| {
            let before = code.all[..at].chars().next_back();
            let after = code.all[at + word.len()..].chars().next();
            !before.is_some_and(is_ident) && !after.is_some_and(is_ident)
        };
        let mut found = Vec::new();
        for (word, home) in [("unsafe", "sys"), ("unsafe_code", "lib")] {
            let at = code.all.match_indices(word);
            let here = at.filter(|(at, _)| is_word(*at, word)).count();
            if here > 0 && room != home {
                found.push(format!("{word}, {here} times"));
            }
        }
        found
    });
    assert_eq!(violations, [""; 0]);
}

// ---- searching ----

/// A source file prepared for searching.
struct Code {
    /// Without comments and string contents.
    all: String,
    /// Also without test modules.
    product: String,
}

/// Applies a rule to every source file; returns `file: violation`.
fn search(rule: impl Fn(&str, &Code) -> Vec<String>) -> Vec<String> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut files = Vec::new();
    collect(&root, &mut files);
    assert!(files.len() > 10, "the sources are not where they should be");
    let mut violations = Vec::new();
    for file in files {
        let inside = file.strip_prefix(&root).expect("found below it");
        let first = inside.iter().next().expect("a name");
        let room = Path::new(first)
            .file_stem()
            .expect("a name")
            .to_string_lossy();
        let text = fs::read_to_string(&file).expect("readable");
        let found = rule(&room, &read(&text, inside));
        violations.extend(
            found
                .into_iter()
                .map(|what| format!("{}: {what}", inside.display())),
        );
    }
    violations
}

fn collect(directory: &Path, files: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(directory).expect("a directory") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            collect(&path, files);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            files.push(path);
        }
    }
    files.sort();
}

fn read(text: &str, file: &Path) -> Code {
    let all = blank(text);
    let tests_only = file
        .iter()
        .any(|part| part == "tests" || part == "tests.rs");
    let product = if tests_only {
        String::new()
    } else {
        without_tests(&all)
    };
    Code { all, product }
}

fn forbidden(code: &str, prefixes: &[&str]) -> Vec<String> {
    let mut roots: Vec<&str> = prefixes
        .iter()
        .filter_map(|path| path.split("::").next())
        .collect();
    roots.dedup();
    let named = roots.into_iter().flat_map(|root| paths(code, root));
    named
        .filter(|path| prefixes.iter().any(|prefix| within(path, prefix)))
        .collect()
}

/// Whether `path` is the module `module` or something in it.
fn within(path: &str, module: &str) -> bool {
    path.strip_prefix(module)
        .is_some_and(|rest| rest.is_empty() || rest.starts_with("::"))
}

// ---- parsing Rust ----

fn is_ident(character: char) -> bool {
    character.is_alphanumeric() || character == '_'
}

/// Replaces comments and string contents by blanks.
fn blank(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        let skip = if rest.starts_with("//") {
            rest.find('\n').unwrap_or(rest.len())
        } else if rest.starts_with("/*") {
            rest.find("*/").map_or(rest.len(), |end| end + 2)
        } else if first == '"' {
            string_length(rest)
        } else if first == 'r' && !out.ends_with(is_ident) {
            raw_string_length(rest).unwrap_or(0)
        } else if first == '\'' {
            char_length(rest)
        } else {
            0
        };
        if skip == 0 {
            out.push(first);
            rest = &rest[first.len_utf8()..];
        } else {
            out.push(' ');
            rest = &rest[skip..];
        }
    }
    out
}

fn string_length(text: &str) -> usize {
    let mut escaped = false;
    for (at, character) in text.char_indices().skip(1) {
        match character {
            '"' if !escaped => return at + 1,
            '\\' => escaped = !escaped,
            _ => escaped = false,
        }
    }
    text.len()
}

fn raw_string_length(text: &str) -> Option<usize> {
    let hashes = text[1..].chars().take_while(|c| *c == '#').count();
    let body = text[1 + hashes..].strip_prefix('"')?;
    let end = format!("\"{}", "#".repeat(hashes));
    let length = body.find(&end).map_or(body.len(), |at| at + end.len());
    Some(2 + hashes + length)
}

/// Length of a character literal; 0 for a lifetime.
fn char_length(text: &str) -> usize {
    let mut characters = text.char_indices().skip(1);
    match characters.next() {
        // The character after the backslash may itself be a quote.
        Some((_, '\\')) => text
            .get(3..)
            .and_then(|rest| rest.find('\''))
            .map_or(0, |at| at + 4),
        Some(_) => match characters.next() {
            Some((at, '\'')) => at + 1,
            _ => 0,
        },
        None => 0,
    }
}

/// Removes every `#[cfg(test)] mod … { … }`.
fn without_tests(code: &str) -> String {
    let mut out = String::new();
    let mut rest = code;
    while let Some(at) = rest.find("#[cfg(test)]") {
        out.push_str(&rest[..at]);
        let item = &rest[at..];
        let open = item.find('{').unwrap_or(item.len());
        let semicolon = item.find(';').unwrap_or(item.len());
        let end = if semicolon < open {
            semicolon
        } else {
            balanced(item, open)
        };
        rest = &item[end.min(item.len())..];
    }
    out.push_str(rest);
    out
}

/// The end of the block that opens at `open`.
fn balanced(text: &str, open: usize) -> usize {
    let mut depth = 0_usize;
    for (at, character) in text.char_indices().skip_while(|(at, _)| *at < open) {
        match character {
            '{' => depth += 1,
            '}' => depth -= 1,
            _ => {}
        }
        if depth == 0 {
            return at + 1;
        }
    }
    text.len()
}

/// Every path in the code that starts with `root::`, with `use` trees expanded.
fn paths(code: &str, root: &str) -> Vec<String> {
    let mut found = Vec::new();
    for (at, _) in code.match_indices(root) {
        let part_of_a_name = code[..at].ends_with(is_ident);
        // `::std::fs` is the same path, `x::nix::y` is not.
        let inner = code[..at]
            .trim_end()
            .strip_suffix("::")
            .is_some_and(|before| before.trim_end().ends_with(is_ident));
        let rest = &code[at + root.len()..];
        if !part_of_a_name && !inner && rest.trim_start().starts_with("::") {
            tree(rest, root, &mut found);
        }
    }
    found
}

/// Expands what follows `prefix`; returns the rest.
fn tree<'a>(text: &'a str, prefix: &str, found: &mut Vec<String>) -> &'a str {
    let Some(after) = text.trim_start().strip_prefix("::").map(str::trim_start) else {
        found.push(prefix.to_owned());
        return text;
    };
    if let Some(mut inside) = after.strip_prefix('{') {
        loop {
            inside = inside.trim_start().trim_start_matches(',').trim_start();
            if inside.is_empty() {
                return inside;
            }
            if let Some(rest) = inside.strip_prefix('}') {
                return rest;
            }
            let (name, rest) = inside.split_at(ident_length(inside).max(1));
            inside = tree(rest, &format!("{prefix}::{name}"), found);
            // `as other`
            let next = inside.find([',', '}']).unwrap_or(inside.len());
            inside = &inside[next..];
        }
    }
    let length = ident_length(after);
    if length == 0 {
        found.push(prefix.to_owned());
        return after;
    }
    tree(
        &after[length..],
        &format!("{prefix}::{}", &after[..length]),
        found,
    )
}

fn ident_length(text: &str) -> usize {
    text.find(|character| !is_ident(character))
        .unwrap_or(text.len())
}

// ---- tests of the search ----

#[test]
fn paths_are_found_in_every_form() {
    for (code, want) in [
        ("use crate::os;", &["crate::os"][..]),
        ("use crate::{exit, sys};", &["crate::exit", "crate::sys"]),
        (
            "use crate::a::{b::{C, d as e}, self};",
            &["crate::a::b::C", "crate::a::b::d", "crate::a::self"],
        ),
        ("let x = crate::os::now();", &["crate::os::now"]),
        ("pub(crate) fn f()", &[]),
        ("use crate :: os :: *;", &["crate::os"]),
        ("fn f(x: crate::types::Vrid) {}", &["crate::types::Vrid"]),
        ("mycrate::os::x", &[]),
    ] {
        assert_eq!(paths(code, "crate"), want, "{code}");
    }
}

#[test]
fn impure_paths_are_found_in_every_form() {
    for (code, want) in [
        ("use std::time::Duration;", &[][..]),
        (
            "use std::time::{Duration, Instant};",
            &["std::time::Instant"],
        ),
        ("use std::{fs, fmt};", &["std::fs"]),
        ("let x = ::std::fs::read(p);", &["std::fs::read"]),
        ("use std::net::IpAddr;", &[]),
        ("use nix::unistd;", &["nix::unistd"]),
        ("use crate::types::unix::nix::y;", &[]),
    ] {
        assert_eq!(forbidden(code, IMPURE), want, "{code}");
    }
}

#[test]
fn comments_strings_and_tests_do_not_count() {
    for (name, text, want) in [
        ("line comment", "a // crate::os\nb", "a  \nb"),
        ("block comment", "a /* crate::os */ b", "a   b"),
        ("string", r#"a("crate::os \" x") b"#, "a( ) b"),
        ("raw string", "a(r#\"crate::os \" x\"#) b", "a( ) b"),
        ("characters", r"'{' '\'' '\\' 'a", "      'a"),
        ("raw identifier", "r#type attr", "r#type attr"),
    ] {
        assert_eq!(blank(text), want, "{name}");
    }
    let code = "fn a() {}\n#[cfg(test)]\nmod tests { fn b() { {} } }\nfn c() {}";
    assert_eq!(without_tests(code), "fn a() {}\n\nfn c() {}");
    assert_eq!(
        without_tests("#[cfg(test)]\nmod tests;\nfn c() {}"),
        ";\nfn c() {}"
    );
}
