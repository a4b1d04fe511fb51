//! UCI's syntax: `config TYPE [NAME]`, `option NAME VALUE`, `list NAME VALUE`, one statement a line or divided by `;`.
//!
//! `'…'` takes everything as it stands, `"…"` and bare words know a backslash; quotes may go on over lines and may
//! be glued together. `#` outside quotes starts a comment, even inside a word. Statements may be cut down to their
//! first letter. As in libuci, a second `config` with the same name continues the first, an option given again
//! replaces what was there, and `list` adds to it.

use super::table::{Kind, find, switch};
use crate::config::diag::{Diags, Severity, Span};
use crate::config::source::span;

/// More sections, and more lines in one, than any router has: looking names up stays cheap.
const MAX_SECTIONS: usize = 2000;
const MAX_ENTRIES: usize = 1000;

/// Part of the text after quotes are taken away.
#[derive(Clone, Debug)]
pub(super) struct Word {
    pub(super) text: String,
    pub(super) span: Span,
}

/// `config`, and what follows up to the next.
#[derive(Debug)]
pub(super) struct Section {
    pub(super) typed: Word,
    /// What that is; `None` for a type nobody knows.
    pub(super) known: Option<&'static Kind>,
    /// The name in the `config` line.
    pub(super) own_name: Option<Word>,
    /// Options and elements of lists: name and value.
    pub(super) entries: Vec<(Word, Word)>,
}

impl Section {
    /// The elements given under a name; an option is one element.
    pub(super) fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a Word> {
        let found = self
            .entries
            .iter()
            .filter(move |entry| entry.0.text == name);
        found
            .map(|entry| &entry.1)
            .filter(|word| !word.text.is_empty())
    }

    /// The value of an option; of a list the last element.
    pub(super) fn get<'a>(&'a self, name: &'a str) -> Option<&'a Word> {
        self.all(name).last()
    }

    /// Its type, under today's name.
    pub(super) fn kind(&self) -> &'static str {
        self.known.map_or("", |kind| kind.name)
    }

    /// Switched off, as servers can be.
    pub(super) fn off(&self) -> bool {
        let enabled = self.get("enabled");
        self.kind().ends_with("_server")
            && enabled.is_some_and(|value| switch(&value.text) == Some(false))
    }

    /// What others call it.
    pub(super) fn title(&self) -> Option<&Word> {
        self.get("name").or(self.own_name.as_ref())
    }
}

/// Reads a whole file.
pub(super) fn parse(text: &str, diags: &mut Diags) -> Vec<Section> {
    let mut sections = Vec::new();
    let mut current = None;
    let mut reader = Reader { text, at: 0 };
    while let Some(words) = reader.statement(diags) {
        let Some(first) = words.first() else {
            continue;
        };
        let verb = STATEMENTS.iter().find(|verb| short(&first.text, verb));
        match (verb.copied().unwrap_or(""), words.len()) {
            ("package", _) => {}
            ("config", 2 | 3) => current = open(&mut sections, words, diags),
            (verb @ ("option" | "list"), 3) => {
                let section = current.and_then(|nth: usize| sections.get_mut(nth));
                add(section, verb, words, diags);
            }
            (verb, _) => {
                // What there is too much of, or the statement.
                let extra = words.get(3).filter(|_| !verb.is_empty());
                let at = extra.unwrap_or(first).span;
                let (message, help) = match verb {
                    "" => (
                        "this is no UCI statement; line ignored",
                        "write config, option or list",
                    ),
                    "config" => (WORDS, "write config TYPE or config TYPE 'NAME'"),
                    _ => (WORDS, "write a name and one value, quoted if it has blanks"),
                };
                diags.report_with_help(Severity::Error, at, message, help);
            }
        }
    }
    sections
}

const STATEMENTS: [&str; 4] = ["config", "option", "list", "package"];
const WORDS: &str = "wrong number of words; line ignored";

/// `option NAME VALUE`, `list NAME VALUE`
fn add(section: Option<&mut Section>, verb: &str, mut words: Vec<Word>, diags: &mut Diags) {
    let (Some(value), Some(name)) = (words.pop(), words.pop()) else {
        return;
    };
    let Some(section) = section else {
        let message = "outside any section; line ignored";
        diags.report_with_help(Severity::Error, name.span, message, "write config first");
        return;
    };
    if verb == "option" {
        section.entries.retain(|(given, _)| given.text != name.text);
    }
    if section.entries.len() < MAX_ENTRIES {
        section.entries.push((name, value));
    } else {
        let message = "too many lines in one section; ignored";
        diags.report(Severity::Error, name.span, message);
    }
}

/// Is it the statement, or its first letter?
fn short(typed: &str, known: &str) -> bool {
    typed == known || (typed.len() == 1 && known.starts_with(typed))
}

/// `config TYPE [NAME]`: the section that the following options belong to.
fn open(sections: &mut Vec<Section>, words: Vec<Word>, diags: &mut Diags) -> Option<usize> {
    let mut words = words.into_iter().skip(1);
    let kind = words.next()?;
    let own_name = words.next().filter(|name| !name.text.is_empty());
    if let Some(name) = &own_name {
        let same = |section: &Section| {
            let title = section.own_name.as_ref();
            title.is_some_and(|title| title.text == name.text) && section.typed.text == kind.text
        };
        if let Some(nth) = sections.iter().position(same) {
            return Some(nth);
        }
    }
    if sections.len() >= MAX_SECTIONS {
        diags.report(Severity::Error, kind.span, "too many sections; ignored");
        return None;
    }
    sections.push(Section {
        known: find(&kind.text),
        typed: kind,
        own_name,
        entries: Vec::new(),
    });
    sections.len().checked_sub(1)
}

/// The text, and how far it is read.
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

    /// The words up to the end of a line or a `;`; at most four, more is wrong anyway. `None` at the end.
    fn statement(&mut self, diags: &mut Diags) -> Option<Vec<Word>> {
        let mut words = Vec::new();
        self.peek()?;
        while let Some(next) = self.peek() {
            match next {
                '\n' | ';' => {
                    self.next();
                    break;
                }
                '#' => self.skip_comment(),
                blank if blank.is_whitespace() => {
                    self.next();
                }
                _ => {
                    let word = self.word(diags);
                    if words.len() < 4 {
                        words.push(word);
                    }
                }
            }
        }
        Some(words)
    }

    fn skip_comment(&mut self) {
        while self.peek().is_some_and(|next| next != '\n') {
            self.next();
        }
    }

    fn word(&mut self, diags: &mut Diags) -> Word {
        let start = self.at;
        let mut text = String::new();
        while let Some(next) = self.peek() {
            match next {
                '\'' | '"' => self.quoted(next, &mut text, diags),
                '#' | ';' => break,
                blank if blank.is_whitespace() => break,
                _ => {
                    self.next();
                    text.push(self.escaped(next));
                }
            }
        }
        let length = self.at.saturating_sub(start);
        Word {
            text,
            span: span(0, start, length),
        }
    }

    /// The character behind a backslash, or the character itself.
    fn escaped(&mut self, character: char) -> char {
        match character {
            '\\' => self.next().unwrap_or(character),
            _ => character,
        }
    }

    /// Does a statement start here? Then a quote was forgotten, although the next one would close it.
    fn at_statement(&self) -> bool {
        let line = self.text.get(self.at..).unwrap_or("");
        let first = line.split_whitespace().next();
        let same_line = line.trim_start_matches([' ', '\t']);
        !same_line.starts_with('\n') && matches!(first, Some("config" | "option" | "list"))
    }

    /// What stands between quotes. One that is never closed ends with its line: the rest of the file still counts.
    fn quoted(&mut self, quote: char, text: &mut String, diags: &mut Diags) {
        let (start, before) = (self.at, text.len());
        self.next();
        while let Some(next) = self.next() {
            match next {
                next if next == quote => return,
                '\\' if quote == '"' => text.push(self.escaped(next)),
                '\n' if self.at_statement() => break,
                _ => text.push(next),
            }
        }
        let message = "this quote is never closed; it ends with the line";
        let help = "add another one where the value ends";
        diags.report_with_help(Severity::Error, span(0, start, 1), message, help);
        text.truncate(before);
        self.at = start;
        self.next();
        while self.peek().is_some_and(|next| next != '\n') {
            text.extend(self.next());
        }
    }
}
