//! Writes keepalived.conf, in the order in which OpenWrt's package writes it.

mod servers;

use core::net::IpAddr;

use super::parse::{Section, Word};
use super::table::{named_by, switch};
use crate::config::diag::{Diags, Severity, Span};
use crate::config::schema::nearest_word;
use crate::config::source::Mark;

/// The head of every file. The scripts are those of OpenWrt: they run as root, and only if no other
/// user can write to them.
const HEAD: &str = "! written by vrrpd uci2conf; make changes in the UCI file
global_defs {
\tscript_user root
\tenable_script_security
\tstartup_script \"/bin/busybox env -i ACTION=startup /sbin/hotplug-call keepalived\"
\tstartup_script_timeout 10
\tshutdown_script \"/bin/busybox env -i ACTION=shutdown /sbin/hotplug-call keepalived\"
\tshutdown_script_timeout 10
";

/// Maximum length of a value, in bytes.
const MAX_VALUE: usize = 1000;
/// Maximum size of the result in bytes, as a section can be referred to any number of times. It is
/// the maximum that a configuration may have.
const MAX_RESULT: usize = 4 * 1024 * 1024;
/// Maximum length of the label of an address, in bytes (`IFNAMSIZ` - 1).
const MAX_LABEL: usize = 15;

/// A keepalived.conf, and the places in the UCI file that its words are from.
pub(super) struct Written {
    pub(super) text: String,
    pub(super) marks: Vec<Mark>,
}

/// A word to be written, and where it is from.
#[derive(Clone, Copy)]
struct Piece<'t> {
    text: &'t str,
    at: Span,
}

impl<'t> Piece<'t> {
    fn of(word: &'t Word) -> Self {
        Piece {
            text: &word.text,
            at: word.span,
        }
    }
}

/// Words that are from one place.
fn pieces<'t>(words: &[&'t str], at: Span) -> Vec<Piece<'t>> {
    words.iter().map(|text| Piece { text, at }).collect()
}

/// Writes checked sections.
pub(super) fn write(sections: &[Section], diags: &mut Diags) -> Written {
    let mut writer = Writer {
        sections,
        diags,
        out: HEAD.into(),
        marks: vec![Mark { start: 0, at: None }],
        depth: 1,
    };
    for section in writer.of("globals") {
        writer.options(section);
    }
    writer.close();
    for (kind, option) in [("static_ipaddress", "address"), ("static_routes", "route")] {
        let start = writer.open(&pieces(&[kind], writer.first(kind)));
        for section in writer.of(kind) {
            writer.refs(section, option, false);
        }
        writer.close_unless_empty(start);
    }
    let kind = "interface_up_down_delays";
    let start = writer.open(&pieces(&[kind], writer.first(kind)));
    for section in writer.of(kind) {
        let names = [("", "device"), ("", "down_delay"), ("", "up_delay")];
        writer.gathered(section, &[], &names);
    }
    writer.close_unless_empty(start);
    for kind in [
        "vrrp_script",
        "bfd_instance",
        "vrrp_sync_group",
        "vrrp_instance",
    ] {
        for section in writer.of(kind) {
            writer.named(section);
        }
    }
    for section in writer.of("virtual_server") {
        writer.virtual_server(section);
    }
    Written {
        text: writer.out,
        marks: writer.marks,
    }
}

struct Writer<'a, 'd> {
    sections: &'a [Section],
    diags: &'d mut Diags,
    out: String,
    marks: Vec<Mark>,
    depth: usize,
}

impl<'a> Writer<'a, '_> {
    /// The enabled sections of a type.
    fn of(&self, kind: &'static str) -> impl Iterator<Item = &'a Section> + use<'a> {
        let wanted = move |section: &&Section| section.kind() == kind && !section.off();
        self.sections.iter().filter(wanted)
    }

    /// The place of the first section of a type.
    fn first(&self, kind: &'static str) -> Span {
        self.of(kind)
            .next()
            .map_or_else(Span::default, |section| section.typed.span)
    }

    // ---- blocks ----

    /// `KIND NAME { … }`
    fn named(&mut self, section: &'a Section) {
        let Some(name) = section.title() else {
            return;
        };
        let kind = section.kind();
        let members = match kind {
            "vrrp_sync_group" => self.members(section),
            _ => Vec::new(),
        };
        if !self.is_name(name) || (kind == "vrrp_sync_group" && members.is_empty()) {
            return;
        }
        let at = section.typed.span;
        self.open(&[Piece { text: kind, at }, Piece::of(name)]);
        if let Some(first) = members.first() {
            self.open(&pieces(&["group"], first.at));
            for member in members {
                self.put(&[member]);
            }
            self.close();
        }
        self.options(section);
        self.notify(section, name);
        self.close();
    }

    /// The members of a group that exist.
    fn members(&mut self, section: &'a Section) -> Vec<Piece<'a>> {
        let named = elements(section, "group").into_iter();
        let found = named.filter_map(|name| {
            let title = self.find(name, &["vrrp_instance"])?.title()?;
            Some(Piece {
                text: &title.text,
                ..name
            })
        });
        found.collect()
    }

    fn options(&mut self, section: &'a Section) {
        let Some(kind) = section.known else {
            return;
        };
        for (name, mark) in kind.rows() {
            // LuCI uses another name than the package.
            let alias = if name == "fall" { "fail" } else { name };
            let Some((name_in, value)) = [name, alias]
                .into_iter()
                .find_map(|option| Some((option, section.get(option)?)))
            else {
                continue;
            };
            match mark {
                '=' => self.value(section, name, name_in),
                '$' => self.command(section, name),
                '!' => self.flag(name, value),
                '&' => self.authentication(section, value),
                '+' => {
                    let mut line = vec![name];
                    line.extend(value.text.split_whitespace());
                    self.line(&pieces(&line, value.span));
                }
                '{' | '@' => {
                    let start = self.open(&pieces(&[name], value.span));
                    self.refs(section, name, mark == '{');
                    self.close_unless_empty(start);
                }
                _ => {}
            }
        }
    }

    fn authentication(&mut self, section: &'a Section, kind: &Word) {
        if section.get("auth_pass").is_none() {
            let message = "`auth_type` without `auth_pass`; authentication is off";
            self.diags.report_with_help(
                Severity::Warning,
                kind.span,
                message,
                "add option auth_pass '…'",
            );
            return;
        }
        self.open(&pieces(&["authentication"], kind.span));
        self.value(section, "auth_type", "auth_type");
        self.value(section, "auth_pass", "auth_pass");
        self.close();
    }

    fn flag(&mut self, name: &str, value: &Word) {
        let what = match switch(&value.text) {
            Some(true) => "",
            Some(false) => "it is off; OpenWrt's keepalived package takes any value as on",
            None => "it is on; the value is not used",
        };
        if !what.is_empty() {
            let message = ["this is a switch: ", what].concat();
            self.diags.report_with_help(
                Severity::Note,
                value.span,
                message,
                "write '1', or leave it out",
            );
        }
        if switch(&value.text) != Some(false) {
            self.put(&pieces(&[name], value.span));
        }
    }

    fn notify(&mut self, section: &Section, name: &Word) {
        let Some(kind) = section.known else {
            return;
        };
        for event in kind.notify.events.split_whitespace() {
            self.indent(section.typed.span);
            for part in [
                event,
                " \"/bin/busybox env -i ACTION=",
                &event.to_ascii_uppercase(),
                " TYPE=",
                kind.notify.object,
                " NAME=",
                &name.text,
                " /sbin/hotplug-call keepalived\"\n",
            ] {
                self.out.push_str(part);
            }
        }
    }

    // ---- references ----

    /// Writes a line for each section that a list names, or for each of its words.
    fn refs(&mut self, section: &'a Section, option: &'a str, words: bool) {
        let kinds = named_by(option);
        let addresses = matches!(kinds, ["ipaddress" | "peer"]);
        for name in elements(section, option) {
            let literal =
                addresses && is_address(name.text) && self.lookup(name.text, kinds).is_none();
            if words || literal {
                self.line(&[name]);
            } else if let Some(found) = self.find(name, kinds) {
                self.item(found);
            }
        }
    }

    fn lookup(&self, name: &str, kinds: &[&str]) -> Option<&'a Section> {
        let named = |section: &&Section| section.title().is_some_and(|title| title.text == name);
        let mut of = kinds.iter().map(|kind| {
            let sections = self.sections.iter();
            sections
                .filter(|section| section.kind() == *kind)
                .find(named)
        });
        of.find_map(|found| found)
    }

    /// The section of this name; reports if there is none.
    fn find(&mut self, name: Piece<'_>, kinds: &[&str]) -> Option<&'a Section> {
        let Piece { text: name, at } = name;
        if self.out.len() > MAX_RESULT {
            let message = "the result is too large; ignored";
            self.diags.report(Severity::Error, at, message);
            return None;
        }
        let found = self.lookup(name, kinds);
        if found.is_none() {
            let of_kind = |section: &&Section| kinds.contains(&section.kind());
            let sections = self.sections.iter().filter(of_kind);
            let names = sections.filter_map(|section| Some(section.title()?.text.as_str()));
            let names: Vec<&str> = names.collect();
            let kinds = kinds.join(" or ");
            let help = match nearest_word(names.iter().copied(), name) {
                Some(near) => ["did you mean `", near, "`?"].concat(),
                None => ["add config ", &kinds, " '", name, "'"].concat(),
            };
            let message = [&kinds, " `", name, "` is not defined; ignored"].concat();
            self.diags
                .report_with_help(Severity::Warning, at, message, help);
        }
        found
    }

    /// Writes the line for a section that another one refers to.
    fn item(&mut self, section: &'a Section) {
        let direction = section.get("direction").map_or("", |word| &word.text);
        let direction = match direction {
            "reverse" | "noreverse" => direction,
            _ => "",
        };
        match section.kind() {
            "ipaddress" => self.address(section),
            "route" => self.route(section),
            "peer" => {
                let parts = [
                    ("", "address"),
                    ("min_ttl", "min_ttl"),
                    ("max_ttl", "max_ttl"),
                ];
                self.gathered(section, &[], &parts);
            }
            kind => {
                let mut line = Vec::new();
                let value = match kind {
                    "vrrp_script" | "bfd_instance" => section.title(),
                    _ => section.get("value"),
                };
                line.extend(value.map(Piece::of));
                // The weight of a script is in its own block, unless the direction is changed.
                if let Some(weight) = section.get("weight")
                    && (kind != "vrrp_script" || !direction.is_empty())
                {
                    let words = ["weight", &weight.text, direction];
                    let all = words
                        .len()
                        .saturating_sub(usize::from(direction.is_empty()));
                    line.extend(pieces(words.get(..all).unwrap_or_default(), weight.span));
                }
                self.line(&line);
            }
        }
    }

    fn address(&mut self, section: &'a Section) {
        let (address, device) = (section.get("address"), section.get("device"));
        let suffix = section.get("label_suffix").map_or("vip", |word| &word.text);
        let mut label = String::new();
        // IPv6 addresses have no label.
        if let (Some(device), Some(address)) = (device, address)
            && !address.text.contains(':')
        {
            label = [device.text.as_str(), suffix].join(":");
        }
        if section.get("label_suffix").is_none() && label.len() > MAX_LABEL {
            label.clear();
        }
        let mut line: Vec<Piece<'_>> = address.map(Piece::of).into_iter().collect();
        if let Some(device) = device {
            line.extend(pieces(&["dev", &device.text], device.span));
        }
        if !label.is_empty() {
            let from = section.get("label_suffix").or(device);
            let at = from.map_or(section.typed.span, |word| word.span);
            line.extend(pieces(&["label", &label], at));
        }
        if let Some(scope) = section.get("scope") {
            line.extend(pieces(&["scope", &scope.text], scope.span));
        }
        self.line(&line);
    }

    fn route(&mut self, section: &'a Section) {
        let blackhole = section.get("blackhole");
        if blackhole.is_some_and(|word| switch(&word.text) == Some(true)) {
            let first = pieces(&["blackhole"], section.typed.span);
            self.gathered(section, &first, &[("", "address")]);
            return;
        }
        if section.get("device").or(section.get("gateway")).is_none() {
            let message = "a route needs a device or a gateway; ignored";
            let help = "add option device '…'";
            self.diags
                .report_with_help(Severity::Warning, section.typed.span, message, help);
            return;
        }
        // LuCI's name of the main table.
        let main = section.get("table").is_some_and(|word| word.text == "Main");
        let parts = [
            ("src", "src_addr"),
            ("", "address"),
            ("via", "gateway"),
            ("dev", "device"),
            ("scope", "scope"),
            ("table", "table"),
        ];
        let all = parts.len().saturating_sub(usize::from(main));
        self.gathered(section, &[], parts.get(..all).unwrap_or_default());
    }

    // ---- lines ----

    /// Writes `KEYWORD VALUE` if the option has a value.
    fn value(&mut self, section: &'a Section, keyword: &str, option: &'static str) {
        self.gathered(section, &[], &[(keyword, option)]);
    }

    /// Writes a line of fixed words and of those options that are set, each after its keyword.
    /// False: no option is set.
    fn gathered(
        &mut self,
        section: &'a Section,
        first: &[Piece<'_>],
        parts: &[(&str, &str)],
    ) -> bool {
        let mut line = first.to_vec();
        let fixed = line.len();
        for (keyword, option) in parts {
            if let Some((name, value)) = section.entry(option) {
                let keyword = Piece {
                    text: keyword,
                    at: name.span,
                };
                line.extend(Some(keyword).filter(|word| !word.text.is_empty()));
                line.push(Piece::of(value));
            }
        }
        line.len() > fixed && self.line(&line)
    }

    /// Writes a line; false if a word of it cannot be represented.
    fn line(&mut self, words: &[Piece<'_>]) -> bool {
        let bad = |word: &&Piece<'_>| !writable(word.text) || word.text.contains('"');
        match words.iter().find(bad) {
            None => self.put(words),
            Some(word) => self.refuse(word.at),
        }
    }

    fn command(&mut self, section: &'a Section, option: &'static str) {
        let Some(value) = section.get(option) else {
            return;
        };
        if writable(&value.text) {
            self.indent(value.span);
            let text = value.text.replace('"', "\\\"");
            for part in [option, " \"", &text, "\"\n"] {
                self.out.push_str(part);
            }
        } else {
            self.refuse(value.span);
        }
    }

    fn refuse(&mut self, at: Span) -> bool {
        let message = "this value cannot be written to keepalived.conf; ignored";
        let help = "remove quotes, backslashes and line breaks, and use at most 1000 characters";
        self.diags
            .report_with_help(Severity::Error, at, message, help);
        false
    }

    /// Whether a name is valid. Names are part of commands too.
    fn is_name(&mut self, name: &Word) -> bool {
        let fits = |c: char| c.is_alphanumeric() || "_-.:+@/".contains(c);
        let good = name.text.len() <= MAX_VALUE && name.text.chars().all(fits);
        if !good {
            let message =
                "only letters, digits and _-.:+@/ are valid in a name; the section is ignored";
            self.diags.report(Severity::Error, name.span, message);
        }
        good
    }

    fn put(&mut self, words: &[Piece<'_>]) -> bool {
        for (nth, word) in words.iter().enumerate() {
            if nth == 0 {
                self.indent(word.at);
            } else {
                self.out.push(' ');
                self.mark(word.at);
            }
            let quote = if needs_quotes(word.text) { "\"" } else { "" };
            for part in [quote, word.text, quote] {
                self.out.push_str(part);
            }
        }
        self.out.push('\n');
        true
    }

    /// Records where the text is from that is written next.
    fn mark(&mut self, at: Span) {
        let start = u32::try_from(self.out.len()).unwrap_or(u32::MAX);
        let at = Some(at);
        self.marks.push(Mark { start, at });
    }

    fn indent(&mut self, at: Span) {
        self.mark(at);
        self.out.extend(core::iter::repeat_n('\t', self.depth));
    }

    /// Starts a block; returns its offset in the result.
    fn open(&mut self, words: &[Piece<'_>]) -> usize {
        let start = self.out.len();
        self.put(words);
        self.brace();
        start
    }

    /// Turns the line that was just written into the start of a block.
    fn brace(&mut self) {
        self.out.truncate(self.out.trim_end().len());
        self.out.push_str(" {\n");
        self.depth = self.depth.saturating_add(1);
    }

    fn close(&mut self) {
        self.depth = self.depth.saturating_sub(1);
        self.out.extend(core::iter::repeat_n('\t', self.depth));
        self.out.push_str("}\n");
    }

    fn close_unless_empty(&mut self, start: usize) {
        let empty = self.out.ends_with("{\n");
        self.close();
        if empty {
            self.out.truncate(start);
            let start = u32::try_from(start).unwrap_or(u32::MAX);
            self.marks.retain(|mark| mark.start < start);
        }
    }
}

/// The words of a list or option.
fn elements<'a>(section: &'a Section, option: &'a str) -> Vec<Piece<'a>> {
    let words = section.all(option).flat_map(|value| {
        let words = value.text.split_whitespace();
        words.map(|text| Piece {
            text,
            at: value.span,
        })
    });
    words.collect()
}

fn is_address(word: &str) -> bool {
    let address = word.split_once('/').map_or(word, |(address, _)| address);
    address.parse::<IpAddr>().is_ok()
}

/// Whether a text can be represented in keepalived.conf.
fn writable(text: &str) -> bool {
    text.len() <= MAX_VALUE && !text.chars().any(|c| c.is_control() || c == '\\')
}

fn needs_quotes(word: &str) -> bool {
    let special = |c: char| c.is_whitespace() || "#!{}$~".contains(c);
    word.is_empty() || word.starts_with('@') || word.chars().any(special)
}
