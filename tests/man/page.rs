//! Prints vrrpd.conf(5) from the keyword table, and with the argument `8` vrrpd(8) around the text of `-h`: `make man`.

use vrrpd::cli;
use vrrpd::config::schema::{Alias, Arg, Body, Keyword, ROOT, Support, visit};

const HEAD: &str = r#".TH VRRPD.CONF 5 "" "vrrpd" "File formats"
.SH NAME
vrrpd.conf \- configuration of vrrpd, in the language of keepalived.conf
.SH DESCRIPTION
Keywords stand at the beginning of a line, their values behind them; a block stands between braces. \fB#\fR and
\fB!\fR begin comments. \fBinclude PATTERN\fR reads other files, \fB$NAME=value\fR defines what \fB$NAME\fR and
\fB${NAME}\fR stand for, lines that begin with \fB@ID\fR count only where ID is the host's name or the value of
option \fB\-i\fR. \fB~SEQ(var, start, step, end)\fR and \fB~LST(var, a, b, ...)\fR repeat a line.
.PP
\fBvrrpd \-t \-f FILE\fR tells what is wrong with a file, where, and what to write instead.
"#;

const PROGRAM: &str = r#".TH VRRPD 8 "" "vrrpd" "System administration"
.SH NAME
vrrpd \- VRRP and IPVS for routers, configured as keepalived is
.SH DESCRIPTION
An address that survives the death of either of two routers, and servers behind it that survive the death of each other.
.SH SYNOPSIS AND OPTIONS
.nf
"#;

const PROGRAM_END: &str = r#".fi
.SH SIGNALS
.TP
.B HUP
read the configuration again; what runs goes on if the file has new errors
.TP
.B TERM, INT
give up every address and stop
.TP
.B USR1, USR2
write the state, the statistics to /tmp/keepalived.data, /tmp/keepalived.stats; \fB\-\-signum\fR knows the numbers of the others
.SH EXIT STATUS
0 stopped as asked; 1 something the daemon cannot run without is missing; 2 nothing can run from the configuration; 4 a
capability is missing; 6 the configuration cannot be read. Of \fB\-t\fR: 0 good, 4 nothing can run, 5 errors.
.SH FILES
/etc/vrrpd.conf, or where there is none /etc/keepalived/keepalived.conf; /run/vrrpd.pid; /run/vrrpd.state, from which a
copy that was killed goes on
.SH SEE ALSO
.BR vrrpd.conf (5)
"#;

fn main() {
    if std::env::args().nth(1).as_deref() == Some("8") {
        print!("{PROGRAM}{}{PROGRAM_END}", escape(&cli::help()));
        return;
    }
    // Blocks in the order in which they are met; some are met more than once.
    let mut blocks: Vec<(&str, Vec<String>)> = Vec::new();
    visit(&ROOT, 0, &mut |keyword, schema| {
        let place = blocks.iter().position(|(name, _)| *name == schema.name);
        let place = place.unwrap_or_else(|| {
            blocks.push((schema.name, Vec::new()));
            blocks.len() - 1
        });
        let text = entry(keyword);
        if !blocks[place].1.contains(&text) {
            blocks[place].1.push(text);
        }
    });
    print!("{HEAD}");
    for (name, entries) in blocks {
        print!(".SH {}\n{}", escape(name).to_uppercase(), entries.concat());
    }
    println!(".SH SEE ALSO\n.BR vrrpd (8)");
}

/// One keyword.
fn entry(keyword: &Keyword) -> String {
    let words: Vec<String> = keyword.args().iter().map(word).collect();
    let open = match keyword.body {
        Body::None => "",
        Body::Block(_) | Body::Items(_) => " { ... }",
    };
    let name = escape(keyword.name());
    let mut text = format!(
        ".TP\n.B {name} {}{open}\n{}",
        words.join(" "),
        escape(keyword.doc())
    );
    if !keyword.default().is_empty() {
        text.push_str(&format!("; default {}", escape(keyword.default())));
    }
    text.push_str(".\n");
    match keyword.support {
        Support::Supported | Support::NotBuilt(_) => {}
        Support::Unimplemented(why) => {
            text.push_str(&format!("Not supported yet: {}.\n", escape(why.text())));
        }
        Support::NoEffect(why) => text.push_str(&format!("No effect: {}.\n", escape(why.text()))),
    }
    if !matches!(keyword.alias, Alias::No) {
        text.push_str(&format!(
            "Another spelling of {}.\n",
            escape(keyword.canonical_name())
        ));
    }
    text
}

/// An argument as it stands in a synopsis; most by the name of their type.
#[expect(clippy::wildcard_enum_match_arm, reason = "a new type shows its name")]
fn word(arg: &Arg) -> String {
    match arg {
        Arg::Choice(words) | Arg::AnyCase(words) => escape(words).replace(' ', "|"),
        Arg::Int(from, i32::MAX) => format!("{from}\\-"),
        Arg::Int(from, to) => format!("{from}\\-{to}"),
        Arg::Secs(..) => "SECONDS".into(),
        Arg::Bool => "[true|false]".into(),
        Arg::Opt(inner) => format!("[{}]", word(inner)),
        Arg::Many(inner) => format!("{} ...", word(inner)),
        Arg::Seq(list) => list.iter().map(word).collect::<Vec<_>>().join(" "),
        Arg::Options(options) => format!("{} options", options.what),
        other => format!("{other:?}")
            .split('(')
            .next()
            .unwrap_or("")
            .to_uppercase(),
    }
}

/// Text as roff takes it literally.
fn escape(text: &str) -> String {
    text.replace('\\', "\\e")
        .replace('-', "\\-")
        .replace('`', "")
        .replace("'", "\\(aq")
}
