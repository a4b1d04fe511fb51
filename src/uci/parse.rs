//! The syntax of UCI: `config TYPE [NAME]`, `option NAME VALUE`, `list NAME VALUE`, one statement
//! per line or separated by `;`.
//!
//! `'…'` is literal; `"…"` and unquoted words know backslash escapes. A quoted text may span lines,
//! and quoted and unquoted parts may form one word. `#` outside quotes starts a comment, even
//! within a word. A statement may be abbreviated to its first letter. As in libuci, a second
//! `config` with the same name continues the first section, a repeated option replaces the earlier
//! one, and `list` appends.

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
    /// The elements of a list; an option has one element.
    pub(super) fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a Word> {
        let found = self
            .entries
            .iter()
            .filter(move |entry| entry.0.text == name);
        found
            .map(|entry| &entry.1)
            .filter(|word| !word.text.is_empty())
    }

    /// The value of an option; the last element of a list.
    pub(super) fn get<'a>(&'a self, name: &'a str) -> Option<&'a Word> {
        self.all(name).last()
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
    let mut sections = Vec::new();
    let mut current = None;
    let mut reader = Reader { text, at: 0 };
    while let Some(words) = reader.statement(diags) {
        let Some(first) = words.first() else {
            continue;
        };
        let verb = STATEMENTS
            .iter()
            .find(|verb| is_statement(&first.text, verb));
        match (verb.copied().unwrap_or(""), words.len()) {
            ("package", _) => {}
            ("config", 2 | 3) => current = open(&mut sections, words, diags),
            (verb @ ("option" | "list"), 3) => {
                let section = current.and_then(|nth: usize| sections.get_mut(nth));
                add(section, verb, words, diags);
            }
            (verb, _) => {
                // Position of the surplus word, or of the statement.
                let extra = words.get(3).filter(|_| !verb.is_empty());
                let at = extra.unwrap_or(first).span;
                let (message, help) = match verb {
                    "" => (
                        "not a UCI statement; line ignored",
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
        let message = "outside of a section; line ignored";
        diags.report_with_help(
            Severity::Error,
            name.span,
            message,
            "add a config line before it",
        );
        return;
    };
    if verb == "option" {
        section.entries.retain(|(given, _)| given.text != name.text);
    }
    if section.entries.len() < MAX_ENTRIES {
        section.entries.push((name, value));
    } else {
        let message = "too many options in one section; ignored";
        diags.report(Severity::Error, name.span, message);
    }
}

/// Whether a word is this statement or its first letter.
fn is_statement(typed: &str, known: &str) -> bool {
    typed == known || (typed.len() == 1 && known.starts_with(typed))
}

/// Handles `config TYPE [NAME]`. Returns the index of the section that the following options belong
/// to.
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

    /// Reads the words up to the end of a line or a `;`. Returns at most four, one more than a
    /// valid statement has. `None` at the end of the text.
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

    /// The character after a backslash, or the character itself.
    fn escaped(&mut self, character: char) -> char {
        match character {
            '\\' => self.next().unwrap_or(character),
            _ => character,
        }
    }

    /// Whether a statement starts here: the quote of the line before is missing.
    fn at_statement(&self) -> bool {
        let line = self.text.get(self.at..).unwrap_or("");
        let first = line.split_whitespace().next();
        let same_line = line.trim_start_matches([' ', '\t']);
        !same_line.starts_with('\n') && matches!(first, Some("config" | "option" | "list"))
    }

    /// Reads the text between quotes. An unclosed quote ends with its line, so that the rest of the
    /// file is read.
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
        let message = "unclosed quote; it ends with the line";
        let help = "add a quote where the value ends";
        diags.report_with_help(Severity::Error, span(0, start, 1), message, help);
        text.truncate(before);
        self.at = start;
        self.next();
        while self.peek().is_some_and(|next| next != '\n') {
            text.extend(self.next());
        }
    }
}
