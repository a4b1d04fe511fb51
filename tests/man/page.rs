//! Prints vrrpd.conf(5), with the argument `8` vrrpd(8), and with `bash` the completion of that shell:
//! `make man`.
//!
//! The prose is in `vrrpd.conf.5.roff` and `vrrpd.8.roff`. A line `.\" @name@` in them is replaced:
//! `@options@` by the options of `-h`, `@command NAME@` by the head and options of a command, with
//! `common` in place of the name by the options that all have, `@keywords@` by the keyword table, `@support@` by what is
//! supported of each keyword, `@example FILE@` by that configuration from `examples/`. Tests load
//! the examples.

use std::fmt::Write as _;

use vrrpd::cli;
use vrrpd::config::schema::{
    Alias, Arg, Body, Items, Keyword, OWN, Options, ROOT, Repeat, Schema, Support, value, visit,
};
use vrrpd::ctl::reference::{self, OptionText};
use vrrpd::ctl::request::{COMMANDS, find};

#[path = "completion.rs"]
mod completion;

const PROGRAM: &str = include_str!("vrrpd.8.roff");
const CONFIGURATION: &str = include_str!("vrrpd.conf.5.roff");

macro_rules! examples {
    ($($name:literal)*) => {
        &[$(($name, include_str!(concat!("examples/", $name)))),*]
    };
}

/// File name and text of each example.
const EXAMPLES: &[(&str, &str)] = examples! {
    "auth.conf" "ipv6.conf" "lease.conf" "lvs-nat.conf" "notify.conf" "pair.conf" "routes.conf"
    "sync-group.conf" "syntax.conf" "tracking.conf" "unicast.conf" "vrrpd.d/guest.conf"
};

fn main() {
    let page = match std::env::args().nth(1).as_deref() {
        Some("bash") => return print!("{}", completion::bash()),
        Some("8") => PROGRAM,
        _ => CONFIGURATION,
    };
    let mut out = String::new();
    for line in page.lines() {
        let insert = line
            .strip_prefix(".\\\" @")
            .and_then(|rest| rest.strip_suffix('@'));
        match insert.map(|what| what.split_once(' ').unwrap_or((what, ""))) {
            None => {
                out.push_str(line);
                out.push('\n');
            }
            Some(("options", _)) => options(&cli::help(), &mut out),
            Some(("command", "common")) => command_options(&reference::common_options(), &mut out),
            Some(("command", name)) => command(name, &mut out),
            Some(("keywords", _)) => keywords(&mut out),
            Some(("support", _)) => support(&mut out),
            Some(("example", name)) => example(name, &mut out),
            Some((other, _)) => panic!("unknown insertion {other}"),
        }
    }
    if page == PROGRAM {
        for row in COMMANDS {
            let line = format!(".\\\" @command {}@\n", row.name);
            assert!(page.contains(&line), "vrrpd.8.roff lacks {line}");
        }
    }
    print!("{out}");
}

/// The heading of a command, what it is for, and its options. The prose follows in the page.
fn command(name: &str, out: &mut String) {
    let row = find(name).unwrap_or_else(|| panic!("no command {name}"));
    let head = format!("{name} {}", row.usage);
    let _ = writeln!(out, ".SS {}", escape(head.trim_end()));
    command_options(&reference::options(row), out);
}

fn command_options(options: &[OptionText], out: &mut String) {
    for option in options {
        let OptionText {
            short, long, value, ..
        } = option;
        let comma = if short.is_empty() { "" } else { ", " };
        let equals = if value.is_empty() { "" } else { "=" };
        let names = [short.as_str(), comma, long, equals, value].concat();
        let (names, text) = (escape(&names), escape(option.text));
        let _ = writeln!(out, ".TP\n.B {names}\n{text}");
    }
    out.push_str(".PP\n");
}

/// The options in the text of `-h`, one entry each, and the line of those without effect.
fn options(help: &str, out: &mut String) {
    let paragraphs = help.split("\n\n");
    for paragraph in paragraphs {
        let mut lines = paragraph.lines().peekable();
        let _ = lines.next_if_eq(&"Options of the daemon:");
        if lines
            .peek()
            .is_some_and(|line| line.starts_with("Accepted without effect"))
        {
            let title = lines.next().unwrap_or_default();
            let names: Vec<&str> = lines.flat_map(str::split_whitespace).collect();
            let _ = writeln!(out, ".PP\n{}\n{}", escape(title), escape(&names.join(" ")));
        } else if lines
            .peek()
            .is_some_and(|line| line.trim_start().starts_with('-'))
        {
            for line in lines {
                let text = line.trim_start();
                // Two blanks or more separate the names from the text.
                if text.starts_with('-')
                    && let Some((names, text)) = text.split_once("  ")
                {
                    let _ = writeln!(out, ".TP\n.B {}", escape(names));
                    let _ = writeln!(out, "{}", escape(text.trim_start()));
                } else {
                    let _ = writeln!(out, "{}", escape(text));
                }
            }
        }
    }
}

/// One section for each block, in the order in which the table reaches them; some are reached more
/// than once.
fn keywords(out: &mut String) {
    let mut blocks: Vec<(&str, Vec<String>)> = Vec::new();
    visit(&ROOT, 0, &mut |keyword, schema| {
        let known = blocks.iter().position(|(name, _)| *name == schema.name);
        let index = known.unwrap_or_else(|| {
            blocks.push((schema.name, Vec::new()));
            blocks.len() - 1
        });
        let text = entry(keyword);
        if !blocks[index].1.contains(&text) {
            blocks[index].1.push(text);
        }
    });
    out.push_str(".SH KEYWORDS\n");
    for (name, entries) in blocks {
        let preposition = if name.starts_with("the ") { "At" } else { "In" };
        let _ = write!(
            out,
            ".SS {preposition} {}\n{}",
            escape(name),
            entries.concat()
        );
    }
}

/// A table for each block and each kind of line: what is supported of its keywords.
fn support(out: &mut String) {
    let mut places: Vec<(String, Vec<&Keyword>)> = Vec::new();
    let mut add = |place: String, keyword: &'static Keyword| {
        let known = places.iter().position(|(other, _)| *other == place);
        let index = known.unwrap_or_else(|| {
            places.push((place, Vec::new()));
            places.len() - 1
        });
        let rows = &mut places[index].1;
        if keyword.partial != OWN && rows.iter().all(|row| row.name() != keyword.name()) {
            rows.push(keyword);
        }
    };
    visit(&ROOT, 0, &mut |keyword, schema: &Schema| {
        let preposition = if schema.name.starts_with("the ") {
            "At"
        } else {
            "In"
        };
        add(format!("{preposition} {}", schema.name), keyword);
        let items: &[Arg] = match keyword.body {
            Body::Items(Items { args, .. }) => args,
            Body::None | Body::Block(_) => &[],
        };
        for arg in keyword.args().iter().chain(items) {
            if let Arg::Options(Options { noun, rows, .. }) = arg {
                rows.iter()
                    .for_each(|row| add(format!("Options: {noun}"), row));
            }
        }
    });
    for (place, rows) in places {
        let _ = writeln!(out, ".SS {}\n.TS\nlw(32n) lx.", escape(&place));
        for row in rows {
            let name = escape(row.name());
            let _ = writeln!(out, "{name}\tT{{\n.na\n{}\nT}}", escape(&degree(row)));
        }
        out.push_str(".TE\n");
    }
}

/// The extent to which a keyword is supported, with the reason for a limit.
fn degree(row: &Keyword) -> String {
    match row.support {
        Support::Supported | Support::NotBuilt(_) if row.partial.is_empty() => "full".to_owned(),
        Support::Supported | Support::NotBuilt(_) => format!("partial: {}", row.partial),
        Support::Unimplemented(why) => format!("not yet: {}", why.text()),
        Support::NoEffect(why) => format!("no effect: {}", why.text()),
    }
}

/// A configuration as it is in its file.
fn example(name: &str, out: &mut String) {
    let known = EXAMPLES.iter().find(|(file, _)| *file == name);
    let (_, text) = known.unwrap_or_else(|| panic!("no example {name}"));
    out.push_str(".RS 4\n.EX\n");
    for line in text.lines() {
        // Literal text: no backslash, dot or quote has a meaning.
        let line = line.replace('\\', "\\e").replace('-', "\\-");
        let guard = if line.starts_with(['.', '\'']) {
            "\\&"
        } else {
            ""
        };
        let _ = writeln!(out, "{guard}{line}");
    }
    out.push_str(".EE\n.RE\n");
}

/// One keyword.
fn entry(keyword: &Keyword) -> String {
    let words: Vec<String> = keyword.args().iter().map(word).collect();
    let open = match keyword.body {
        Body::None => "",
        Body::Block(_) | Body::Items(_) => " { ... }",
    };
    let name = escape(keyword.name());
    let head = format!("{name} {}{open}", words.join(" "));
    let mut text = format!(".TP\n.B {}\n{}", head.trim_end(), escape(keyword.doc()));
    if !keyword.default().is_empty() {
        text.push_str(&format!(". Default: {}", escape(keyword.default())));
    }
    text.push_str(".\n");
    match keyword.support {
        Support::Supported | Support::NotBuilt(_) => {}
        Support::Unimplemented(why) => {
            text.push_str(&format!("Not supported yet: {}.\n", escape(why.text())));
        }
        Support::NoEffect(why) => text.push_str(&format!("No effect: {}.\n", escape(why.text()))),
    }
    for arg in keyword.args() {
        let shown = !matches!(arg, Arg::Most(..) | Arg::Int(..));
        if let Some((min, max)) = value::limits(arg).filter(|_| shown) {
            text.push_str(&format!("Limits: {min} to {max}.\n"));
        }
    }
    if matches!(keyword.alias, Alias::Old) {
        text.push_str("Obsolete spelling.\n");
    }
    if keyword.repeat == Repeat::All {
        text.push_str("May be repeated.\n");
    }
    if keyword.repeat == Repeat::FirstWins {
        text.push_str("Of several, the first is used.\n");
    }
    text
}

/// An argument as it stands in a synopsis; most by the name of their type.
#[expect(clippy::wildcard_enum_match_arm, reason = "a new type shows its name")]
fn word(arg: &Arg) -> String {
    match arg {
        Arg::Choice(words) | Arg::AnyCase(words) => escape(words).replace(' ', "|"),
        Arg::Int(from, i32::MAX) | Arg::Exact(from, i32::MAX) => format!("{from}\\-"),
        Arg::Int(from, to) | Arg::Exact(from, to) => format!("{from}\\-{to}"),
        Arg::Most(from, to) => format!("{from}\\-{to}"),
        Arg::Secs(..) | Arg::Span(..) | Arg::Time(..) => "SECONDS".into(),
        Arg::Bool => "[true|false]".into(),
        Arg::Opt(inner) => format!("[{}]", word(inner)),
        Arg::Many(inner) => format!("{} ...", word(inner)),
        Arg::Seq(list) => list.iter().map(word).collect::<Vec<_>>().join(" "),
        Arg::Options(options) => format!("{} options", options.noun),
        other => format!("{other:?}")
            .split('(')
            .next()
            .unwrap_or("")
            .to_uppercase(),
    }
}

/// Text as roff takes it literally.
fn escape(text: &str) -> String {
    let text = text
        .replace('\\', "\\e")
        .replace('-', "\\-")
        .replace('`', "")
        .replace('\'', "\\(aq");
    let mut out = String::new();
    for letter in text.chars() {
        if letter.is_ascii() {
            out.push(letter);
        } else {
            let _ = write!(out, "\\[u{:04X}]", u32::from(letter));
        }
    }
    out
}
