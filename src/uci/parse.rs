//! The syntax of UCI: `config TYPE [NAME]`, `option NAME VALUE`, `list NAME VALUE`, one statement
//! per line.
//!
//! It is read as libuci does when it is not strict, which is how `config_load` of OpenWrt's scripts
//! reads it. What libuci refuses when it is strict (`uci`, LuCI) is an error here: those programs
//! read nothing of such a file.
//!
//! | text | meaning |
//! |---|---|
//! | `'…'` | literal, may span lines |
//! | `"…"` and words without quotes | a backslash takes the next character literally; before a line break, both are nothing |
//! | `a'b'"c"` | one word |
//! | `#` | outside quotes, a comment, even within a word |
//! | `;` | a statement may follow; after a word without quotes only if there is a blank before it: otherwise the rest of the line is lost |
//! | `c`, `o`, `l`, `p` | abbreviations of `config`, `option`, `list`, `package`; these are never quoted |
//! | `config`, a known name | the section continues; another type replaces its type |
//! | `option`, a known name | replaces the value or list; an empty value changes nothing |
//! | `list`, a known name | appends, also to the value of `option` |
//! | names | letters, digits and `_`; a type is of visible ASCII characters |
//! | surplus words | are lost, with the rest of the line |
//!
//! Two things are not libuci's: a quote that is not closed ends with its line instead of taking a
//! part of the next statements, and the options below a `config` line with an error are ignored
//! instead of becoming options of the section before it.

use super::table::{SectionType, find, switch};
use crate::config::diag::{Diags, Severity, Span};
use crate::config::source::span;

/// Limits far beyond any router, which keep the cost of looking up names low.
const MAX_SECTIONS: usize = 2000;
const MAX_ENTRIES: usize = 1000;

/// A word without its quotes.
#[derive(Clone, Debug)]
pub(super) struct Word {
    pub(super) text: String,
    pub(super) span: Span,
}

/// A section: a `config` line and its options.
#[derive(Debug)]
pub(super) struct Section {
    pub(super) typed: Word,
    /// Its type in the table; `None` for an unknown type.
    pub(super) known: Option<&'static SectionType>,
    /// The name in the `config` line.
    pub(super) own_name: Option<Word>,
    /// Options and list elements: name and value.
    pub(super) entries: Vec<(Word, Word)>,
}

impl Section {
    /// The options of this name that have a value.
    fn named<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a (Word, Word)> {
        let all = self.entries.iter();
        all.filter(move |(given, value)| given.text == name && !value.text.is_empty())
    }

    /// The elements of a list; an option has one element.
    pub(super) fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a Word> {
        self.named(name).map(|(_, value)| value)
    }

    /// An option and its value; the last element of a list.
    pub(super) fn entry<'a>(&'a self, name: &'a str) -> Option<&'a (Word, Word)> {
        self.named(name).last()
    }

    /// The value of an option; the last element of a list.
    pub(super) fn get<'a>(&'a self, name: &'a str) -> Option<&'a Word> {
        self.entry(name).map(|(_, value)| value)
    }

    /// The current name of its type; empty if unknown.
    pub(super) fn kind(&self) -> &'static str {
        self.known.map_or("", |kind| kind.name)
    }

    /// True for a server with `enabled` off.
    pub(super) fn off(&self) -> bool {
        let enabled = self.get("enabled");
        self.kind().ends_with("_server")
            && enabled.is_some_and(|value| switch(&value.text) == Some(false))
    }

    /// The name by which other sections refer to it.
    pub(super) fn title(&self) -> Option<&Word> {
        self.get("name").or(self.own_name.as_ref())
    }
}

/// Reads a whole file.
pub(super) fn parse(text: &str, diags: &mut Diags) -> Vec<Section> {
    let mut parser = Parser {
        reader: Reader { text, at: 0 },
        diags,
        sections: Vec::new(),
        current: Current::None,
    };
    while parser.reader.peek().is_some() {
        if parser.line().is_none() {
            parser.reader.skip_line();
        }
        parser.reader.next();
    }
    parser.sections
}

/// The section that options belong to.
#[derive(Clone, Copy)]
enum Current {
    /// There was no `config` line.
    None,
    /// The `config` line has an error, which was reported.
    Invalid,
    /// The index of the section.
    Section(usize),
}

struct Parser<'a, 'd> {
    reader: Reader<'a>,
    diags: &'d mut Diags,
    sections: Vec<Section>,
    current: Current,
}

const TOO_FEW: &str = "a word is missing; line ignored";

impl Parser<'_, '_> {
    /// Reads the statements of a line, up to its line break. `None`: the rest of it is ignored.
    fn line(&mut self) -> Option<()> {
        let mut separator = None;
        self.reader.skip_blanks();
        loop {
            let verb = self.reader.verb();
            let what = STATEMENTS.iter().find(|what| verb.is(what));
            let message = match (verb.text.as_str(), what) {
                ("", _) => {
                    let Some(at) = separator else {
                        return Some(());
                    };
                    return self.refuse(at, "no statement after `;`", "remove it");
                }
                (text, _) if text.starts_with('#') => return None,
                (_, None) => "not a UCI statement; line ignored",
                (_, Some(&"config")) => {
                    separator = self.config(&verb)?;
                    continue;
                }
                (_, Some(&"package")) => {
                    separator = self.package(&verb)?;
                    continue;
                }
                (_, Some(what)) => {
                    separator = self.option(&verb, what)?;
                    continue;
                }
            };
            return self.refuse(verb.span, message, "write config, option or list");
        }
    }

    /// Reports an error; the rest of the line is ignored.
    fn refuse<T>(&mut self, at: Span, message: &str, help: &str) -> Option<T> {
        let message = [message, "; `uci` and LuCI refuse the whole file"].concat();
        self.diags
            .report_with_help(Severity::Error, at, message, help);
        None
    }

    /// The next word of a statement.
    fn word(&mut self) -> Option<Word> {
        self.reader.skip_blanks();
        match self.reader.peek() {
            None | Some('\n' | '#') => None,
            Some(';') => {
                self.reader.next();
                None
            }
            Some(_) => Some(self.reader.word(self.diags)).filter(|word| !word.text.is_empty()),
        }
    }

    /// The next word, which is a name.
    fn name(&mut self, after: &Word, help: &str) -> Option<Word> {
        let Some(name) = self.word() else {
            return self.refuse(after.span, TOO_FEW, help);
        };
        self.valid(name, "a name has only letters, digits and `_`", is_name)
    }

    /// The word if all its bytes are valid.
    fn valid(&mut self, word: Word, rule: &str, fits: fn(u8) -> bool) -> Option<Word> {
        if word.text.bytes().all(fits) {
            return Some(word);
        }
        let message = ["`", &word.text, "` is not valid here; line ignored"].concat();
        self.refuse(word.span, &message, rule)
    }

    /// Reads up to the end of a statement. Returns the position of the `;` after which another one
    /// may follow.
    fn end(&mut self, help: &str) -> Option<Option<Span>> {
        self.reader.skip_blanks();
        let at = span(0, self.reader.at, 1);
        match self.reader.peek() {
            None | Some('\n') => Some(None),
            Some('#') => None,
            Some(';') => {
                self.reader.next();
                Some(Some(at))
            }
            Some(_) => {
                let surplus = self.reader.word(self.diags);
                if surplus.text.is_empty() {
                    // A backslash at the end of the line: a statement may follow.
                    return Some(None);
                }
                let message = "surplus word; it and the rest of the line are ignored";
                self.refuse(surplus.span, message, help)
            }
        }
    }

    /// `package NAME`, which has no meaning in a file of a package.
    fn package(&mut self, verb: &Word) -> Option<Option<Span>> {
        let help = "remove the line";
        let Some(name) = self.word() else {
            return self.refuse(verb.span, TOO_FEW, help);
        };
        let fits = |byte| is_name(byte) || byte == b'-';
        self.valid(name, help, fits)?;
        self.end(help)
    }

    /// `config TYPE [NAME]`
    fn config(&mut self, verb: &Word) -> Option<Option<Span>> {
        // Until the line is known to be right.
        self.current = Current::Invalid;
        let help = "write config TYPE or config TYPE 'NAME'";
        let Some(kind) = self.word() else {
            return self.refuse(verb.span, TOO_FEW, help);
        };
        let rule = "a type has no blanks and no characters beyond ASCII";
        let kind = self.valid(kind, rule, |byte| byte.is_ascii_graphic())?;
        let name = match self.word() {
            Some(name) => {
                let rule = "the name of a section has only letters, digits and `_`; \
                            write another name into `option name`";
                Some(self.valid(name, rule, is_name)?)
            }
            None => None,
        };
        self.open(kind, name);
        self.end(help)
    }

    /// Makes a section the current one.
    fn open(&mut self, kind: Word, own_name: Option<Word>) {
        if let Some(name) = &own_name {
            let same = |section: &Section| {
                let title = section.own_name.as_ref();
                title.is_some_and(|title| title.text == name.text)
            };
            if let Some(nth) = self.sections.iter().position(same)
                && let Some(section) = self.sections.get_mut(nth)
            {
                self.current = Current::Section(nth);
                if section.typed.text != kind.text {
                    let message = [
                        "the section `",
                        &name.text,
                        "` had the type ",
                        &section.typed.text,
                        "; it has this one now, with the options of both",
                    ]
                    .concat();
                    section.known = find(&kind.text);
                    section.typed = kind;
                    let _: Option<()> =
                        self.refuse(name.span, &message, "give each section its own name");
                }
                return;
            }
        }
        if self.sections.len() >= MAX_SECTIONS {
            let message = "too many sections; ignored";
            self.diags.report(Severity::Error, kind.span, message);
            return;
        }
        self.current = Current::Section(self.sections.len());
        self.sections.push(Section {
            known: find(&kind.text),
            typed: kind,
            own_name,
            entries: Vec::new(),
        });
    }

    /// `option NAME VALUE`, `list NAME VALUE`
    fn option(&mut self, verb: &Word, what: &str) -> Option<Option<Span>> {
        let help = "write a name and one value, quoted if it has blanks";
        if matches!(self.current, Current::None) {
            let message = "outside of a section; line ignored";
            return self.refuse(verb.span, message, "add a config line before it");
        }
        let name = self.name(verb, help)?;
        let value = self.value(&name);
        self.add(what, name, value);
        self.end(help)
    }

    /// The value of an option; none is an empty one.
    fn value(&mut self, name: &Word) -> Word {
        self.reader.skip_blanks();
        let none = matches!(self.reader.peek(), None | Some('\n' | '#'));
        self.word().unwrap_or_else(|| {
            if none {
                let message = "an option without a value has no effect";
                self.diags.report(Severity::Warning, name.span, message);
            }
            Word {
                text: String::new(),
                span: name.span,
            }
        })
    }

    fn add(&mut self, verb: &str, name: Word, value: Word) {
        let Current::Section(nth) = self.current else {
            return;
        };
        let Some(section) = self.sections.get_mut(nth) else {
            return;
        };
        if verb == "option" && !value.text.is_empty() {
            section.entries.retain(|(given, _)| given.text != name.text);
        }
        if section.entries.len() < MAX_ENTRIES {
            section.entries.push((name, value));
        } else {
            let message = "too many options in one section; ignored";
            self.diags.report(Severity::Error, name.span, message);
        }
    }
}

const STATEMENTS: [&str; 4] = ["config", "option", "list", "package"];

fn is_name(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_'
}

fn is_blank(character: char) -> bool {
    matches!(character, ' ' | '\t' | '\r' | '\x0b' | '\x0c')
}

impl Word {
    /// Whether it is this statement or its first letter.
    fn is(&self, known: &str) -> bool {
        self.text == known || (self.text.len() == 1 && known.starts_with(&self.text))
    }
}

/// The text and the current offset.
struct Reader<'a> {
    text: &'a str,
    at: usize,
}

impl Reader<'_> {
    fn peek(&self) -> Option<char> {
        self.text.get(self.at..)?.chars().next()
    }

    fn next(&mut self) -> Option<char> {
        let next = self.peek()?;
        self.at = self.at.saturating_add(next.len_utf8());
        Some(next)
    }

    fn skip_while(&mut self, fits: impl Fn(char) -> bool) {
        while self.peek().is_some_and(&fits) {
            self.next();
        }
    }

    fn skip_blanks(&mut self) {
        self.skip_while(is_blank);
    }

    /// Up to the line break.
    fn skip_line(&mut self) {
        self.skip_while(|next| next != '\n');
    }

    /// The text from `start`, and its position.
    fn since(&self, start: usize, text: String) -> Word {
        let length = self.at.saturating_sub(start);
        Word {
            text,
            span: span(0, start, length),
        }
    }

    /// The first word of a statement, which ends at a blank only.
    fn verb(&mut self) -> Word {
        self.skip_while(|next| matches!(next, ' ' | '\t'));
        let start = self.at;
        self.skip_while(|next| !matches!(next, ' ' | '\t' | '\n'));
        let text = self.text.get(start..self.at).unwrap_or("");
        let text = text.trim_end_matches(is_blank).to_owned();
        self.since(start, text)
    }

    fn word(&mut self, diags: &mut Diags) -> Word {
        let start = self.at;
        let mut text = String::new();
        while let Some(next) = self.peek() {
            match next {
                '\'' | '"' => self.quoted(next, &mut text, diags),
                ';' if text.len() == self.at.saturating_sub(start) => {
                    self.lose_rest(diags);
                    break;
                }
                '#' | ';' | '\n' => break,
                blank if is_blank(blank) => break,
                _ => {
                    self.next();
                    text.extend(self.escaped(next));
                }
            }
        }
        self.since(start, text)
    }

    /// After a word without quotes, libuci overwrites the `;` and takes it for the end of the line.
    fn lose_rest(&mut self, diags: &mut Diags) {
        let semicolon = span(0, self.at, 1);
        let rest = self.text.get(self.at..).unwrap_or("").lines().next();
        let rest = rest.unwrap_or("").trim_start_matches(';').trim_start();
        if !rest.is_empty() && !rest.starts_with('#') {
            let message = "a `;` after a word without quotes ends the line; the rest is ignored";
            let help = "write each statement on a line of its own";
            diags.report_with_help(Severity::Error, semicolon, message, help);
        }
        self.skip_line();
    }

    /// The character after a backslash, or the character itself; `None` if a line break was
    /// escaped.
    fn escaped(&mut self, character: char) -> Option<char> {
        if character != '\\' {
            return Some(character);
        }
        if self
            .text
            .get(self.at..)
            .is_some_and(|rest| rest.starts_with("\r\n"))
        {
            self.next();
        }
        self.next().filter(|next| *next != '\n')
    }

    /// Whether a statement starts here: the quote of the line before is missing.
    fn at_statement(&self, quote: char) -> bool {
        let rest = self.text.get(self.at..).unwrap_or("");
        let line = rest.lines().next().unwrap_or("");
        let first = line.split_whitespace().next();
        // An odd number of quotes: one of them ends the value.
        matches!(first, Some("config" | "option" | "list"))
            && line.matches(quote).count().is_multiple_of(2)
    }

    /// Reads the text between quotes. An unclosed quote ends with its line, so that the rest of the
    /// file is read.
    fn quoted(&mut self, quote: char, text: &mut String, diags: &mut Diags) {
        let (start, before) = (self.at, text.len());
        self.next();
        while let Some(next) = self.next() {
            match next {
                next if next == quote => return,
                '\\' if quote == '"' => text.extend(self.escaped(next)),
                '\n' if self.at_statement(quote) => break,
                _ => text.push(next),
            }
        }
        let message = "unclosed quote; it ends with the line";
        let help = "add a quote where the value ends";
        diags.report_with_help(Severity::Error, span(0, start, 1), message, help);
        text.truncate(before);
        self.at = start;
        self.next();
        let value = self.at;
        self.skip_line();
        text.push_str(
            self.text
                .get(value..self.at)
                .unwrap_or("")
                .trim_end_matches('\r'),
        );
    }
}
