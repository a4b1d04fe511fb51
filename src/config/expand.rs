//! Definitions (`$NAME=VALUE`), references to them (`$NAME`, `${NAME}`) and predefined names.
//!
//! A value is expanded where it is used, so it may refer to definitions that come later: references
//! in a line are replaced until none is left. The number of rounds, the length of the line and the
//! work for the whole configuration are bounded, so a definition that contains itself ends in a
//! message.

use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

use super::diag::{Aborted, Diags, Severity, Span};
use super::host::Host;
use super::line::{Line, MAX_LINE, identifier, is_blank};

/// Maximum number of definitions.
const MAX_DEFINITIONS: usize = 10_000;
/// Maximum number of bytes that definitions and sequences expand to. Every expansion counts at
/// least [`STEP`] bytes, so that empty ones are bounded too.
const MAX_WORK: usize = 12 * 1024 * 1024;
const STEP: usize = 32;
/// Maximum length of the arguments in `${_ENV NAME}`.
const MAX_ARGUMENTS: usize = 64;
/// Maximum nesting of definitions within one line.
const MAX_ROUNDS: u32 = 32;

/// The value of a definition.
#[derive(Clone, Debug)]
pub(crate) enum Value {
    /// Part of a line.
    Text(Rc<str>),
    /// Several lines.
    Lines(Rc<[Line]>),
}

/// A reference to a multi-line definition at the end of a line.
#[derive(Debug)]
pub(crate) struct MultiLine {
    pub(crate) name: Rc<str>,
    pub(crate) lines: Rc<[Line]>,
    /// The reference.
    pub(crate) via: Span,
}

/// Result of the expansion of a line.
#[derive(Debug)]
pub(crate) struct Expanded {
    /// A reference was replaced.
    pub(crate) changed: bool,
    /// The multi-line definition whose lines come next.
    pub(crate) multi_line: Option<MultiLine>,
}

/// The definitions, and the work done to expand them.
#[derive(Debug, Default)]
pub(crate) struct Definitions {
    map: BTreeMap<Rc<str>, Value>,
    work: usize,
    /// Names that lines for other configuration ids define.
    skipped: BTreeSet<Box<str>>,
    /// References to these names, with their text.
    pub(crate) skipped_references: Vec<(Span, Box<str>)>,
}

/// What predefined names refer to.
#[derive(Clone, Copy)]
pub(crate) struct Context<'a> {
    pub(crate) host: &'a dyn Host,
    pub(crate) config_id: &'a str,
    /// Directory of the current file.
    pub(crate) directory: &'a str,
}

/// `$NAME`, `${NAME}` or `${NAME arguments}`.
struct Reference<'a> {
    /// Its bytes in the line.
    start: usize,
    end: usize,
    name: &'a str,
    arguments: &'a str,
    /// False for a `$NAME` that is not replaced because of the character after it.
    replaceable: bool,
}

impl Definitions {
    /// Stores a definition; a later one replaces an earlier one.
    pub(crate) fn define(
        &mut self,
        name: &str,
        value: Value,
        at: Span,
        diags: &mut Diags,
    ) -> Result<(), Aborted> {
        if let Some(old) = self.map.get_mut(name) {
            *old = value;
            return Ok(());
        }
        if self.map.len() >= MAX_DEFINITIONS {
            let text = format!("more than {MAX_DEFINITIONS} definitions; reading stops here");
            diags.report(Severity::Fatal, at, text);
            return Err(Aborted);
        }
        self.map.insert(name.into(), value);
        Ok(())
    }

    /// Whether a name is defined.
    pub(crate) fn has(&self, name: &str) -> bool {
        self.map.contains_key(name)
    }

    /// Remembers a name that a line for another configuration id defines.
    pub(crate) fn skip(&mut self, name: &str) {
        if self.skipped.len() < MAX_DEFINITIONS {
            self.skipped.insert(name.into());
        }
    }

    /// Whether only lines for other configuration ids define a name.
    pub(crate) fn is_skipped(&self, name: &str) -> bool {
        self.skipped.contains(name)
    }

    /// Counts bytes of expanded text. This limit guarantees that reading ends.
    pub(crate) fn spend(
        &mut self,
        bytes: usize,
        at: Span,
        diags: &mut Diags,
    ) -> Result<(), Aborted> {
        self.work = self.work.saturating_add(bytes).saturating_add(STEP);
        if self.work <= MAX_WORK {
            return Ok(());
        }
        diags.report_with_help(
            Severity::Fatal,
            at,
            "definitions and sequences expand to too much text; reading stops here",
            "shorten the ~SEQ ranges, or look for definitions that multiply each other",
        );
        Err(Aborted)
    }

    /// Replaces the references in a line. `None`: an error was reported, and the line is to be
    /// ignored.
    pub(crate) fn expand(
        &mut self,
        line: &mut Line,
        context: Context<'_>,
        diags: &mut Diags,
    ) -> Result<Option<Expanded>, Aborted> {
        let mut multi_line = None;
        for round in 0..=MAX_ROUNDS {
            let mut out = Line::default();
            let (found, again) = self.round(line, context, &mut out, diags)?;
            multi_line = multi_line.or(found);
            if !again {
                self.report_unreplaced(line, diags);
                return Ok(Some(Expanded {
                    changed: round > 0,
                    multi_line,
                }));
            }
            out.indent = line.indent;
            out.commented_brace = line.commented_brace;
            let first = references(&line.text).next();
            let (start, end) = first.map_or((0, 0), |first| (first.start, first.end));
            if out.text.len() > MAX_LINE || round == MAX_ROUNDS {
                let what = line.text.get(start..end).unwrap_or("");
                let message = if out.text.len() > MAX_LINE {
                    format!("{what} makes the line longer than {MAX_LINE} bytes; line ignored")
                } else {
                    format!("the definition of {what} refers to itself; line ignored")
                };
                diags.report(Severity::Error, line.span(start, end), message);
                return Ok(None);
            }
            *line = out;
        }
        Ok(None)
    }

    /// Replaces every reference once; true if there was one.
    fn round(
        &mut self,
        line: &Line,
        context: Context<'_>,
        out: &mut Line,
        diags: &mut Diags,
    ) -> Result<(Option<MultiLine>, bool), Aborted> {
        let mut done = 0;
        let mut again = false;
        for reference in references(&line.text) {
            let Reference { start, end, .. } = reference;
            let via = line.span(start, end);
            let value = match predefined(&reference, context, via, diags) {
                Some(text) => Value::Text(text.into()),
                None => match self.map.get(reference.name) {
                    Some(value) if reference.replaceable => value.clone(),
                    Some(_) | None => continue,
                },
            };
            match value {
                Value::Text(text) => {
                    self.spend(text.len(), via, diags)?;
                    out.push_part(line, done, start);
                    out.push_expanded(&text, via);
                }
                Value::Lines(lines) if is_at_end(line, end) => {
                    out.push_part(line, done, start);
                    let name = reference.name.into();
                    return Ok((Some(MultiLine { name, lines, via }), true));
                }
                Value::Lines(_) => continue,
            }
            done = end;
            again = true;
            if out.text.len() > MAX_LINE {
                return Ok((None, true));
            }
        }
        out.push_part(line, done, line.text.len());
        Ok((None, again))
    }

    /// Reports references to definitions that could not be replaced.
    fn report_unreplaced(&self, line: &Line, diags: &mut Diags) {
        for reference in references(&line.text) {
            let Reference {
                start, end, name, ..
            } = reference;
            let (message, help) = match self.map.get(name) {
                Some(Value::Text(_)) if !reference.replaceable => (
                    format!("${name} is not replaced here: only a blank, `,` or `)` may follow it"),
                    format!("write ${{{name}}}"),
                ),
                Some(Value::Lines(_)) => (
                    format!(
                        "${name} is a multi-line definition, which is not replaced within a line"
                    ),
                    format!("put ${name} on a line of its own"),
                ),
                Some(Value::Text(_)) | None => continue,
            };
            diags.report_with_help(Severity::Warning, line.span(start, end), message, help);
        }
    }
}

/// Whether only blanks follow byte `at`.
fn is_at_end(line: &Line, at: usize) -> bool {
    line.text.get(at..).unwrap_or("").chars().all(is_blank)
}

/// The references in a text, from left to right.
fn references(text: &str) -> impl Iterator<Item = Reference<'_>> {
    text.match_indices('$')
        .filter_map(|(at, _)| reference(text, at))
}

fn reference(text: &str, start: usize) -> Option<Reference<'_>> {
    let rest = text.get(start.checked_add(1)?..)?;
    let Some(inner) = rest.strip_prefix('{') else {
        let name = identifier(rest)?;
        let after = rest.get(name.len()..)?.chars().next();
        return Some(Reference {
            start,
            end: start.saturating_add(1).saturating_add(name.len()),
            name,
            arguments: "",
            replaceable: after.is_none_or(|c| is_blank(c) || c == ',' || c == ')'),
        });
    };
    let name = identifier(inner)?;
    let after = inner.get(name.len()..)?;
    // The limit keeps the cost of a line full of `${a ` linear.
    let len = after
        .bytes()
        .take(MAX_ARGUMENTS)
        .position(|byte| byte == b'}')?;
    let arguments = after.get(..len)?;
    if !arguments.is_empty() && !arguments.starts_with(is_blank) {
        return None;
    }
    Some(Reference {
        start,
        end: start
            .saturating_add(3)
            .saturating_add(name.len())
            .saturating_add(len),
        name,
        arguments,
        replaceable: true,
    })
}

/// The value of a predefined name.
fn predefined(
    reference: &Reference<'_>,
    context: Context<'_>,
    via: Span,
    diags: &mut Diags,
) -> Option<String> {
    if !reference.replaceable {
        return None;
    }
    Some(match reference.name {
        "_HASH" => "#".into(),
        "_BANG" => "!".into(),
        "_PWD" => context.directory.into(),
        "_INSTANCE" => context.config_id.into(),
        "_RANDOM" => random(reference.arguments, context.host.random(), via, diags),
        "_ENV" => {
            let name = reference.arguments.trim();
            context.host.env(name).unwrap_or_else(|| {
                let text = format!("environment variable `{name}` is not set; replaced by nothing");
                diags.report(Severity::Warning, via, text);
                String::new()
            })
        }
        _ => return None,
    })
}

/// Value of `${_RANDOM [MIN [MAX]]}`, both inclusive; default: 0 to 32767.
fn random(arguments: &str, random: u32, via: Span, diags: &mut Diags) -> String {
    let mut numbers = arguments.split_ascii_whitespace().map(str::parse::<u32>);
    let bounds = match (numbers.next(), numbers.next(), numbers.next()) {
        (None, ..) => Some((0, 32767)),
        (Some(Ok(min)), None, _) => Some((min, min.max(32767))),
        (Some(Ok(min)), Some(Ok(max)), None) if min <= max => Some((min, max)),
        _ => None,
    };
    let (min, max) = bounds.unwrap_or_else(|| {
        let text = "_RANDOM takes a minimum and a maximum; 0 and 32767 are used";
        diags.report(Severity::Error, via, text);
        (0, 32767)
    });
    let count = u64::from(max)
        .saturating_sub(u64::from(min))
        .saturating_add(1);
    let offset = u64::from(random).checked_rem(count).unwrap_or(0);
    u64::from(min).saturating_add(offset).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn references_are_found_in_both_forms() {
        for (text, want) in [
            ("$A", "A:true"),
            ("x $A,$B)$C y", "A:true B:true C:true"),
            ("$A.x $A/24 \"$A\"", "A:false A:false A:false"),
            ("${A}x${_B1}", "A:true _B1:true"),
            ("${_ENV HOME}", "_ENV HOME:true"),
            ("$ $1 ${1} ${} ${A", ""),
            ("${A{B}", ""),
            ("$$A", "A:true"),
            ("$É", ""),
        ] {
            let found: Vec<String> = references(text)
                .map(|r| format!("{}{}:{}", r.name, r.arguments, r.replaceable))
                .collect();
            assert_eq!(found.join(" "), want, "{text}");
        }
    }

    #[test]
    fn a_reference_covers_exactly_its_bytes() {
        for (text, want) in [
            ("a $B c", "$B"),
            ("a${B}c", "${B}"),
            ("${_RANDOM 1 2}x", "${_RANDOM 1 2}"),
        ] {
            let found = references(text).next().map(|r| &text[r.start..r.end]);
            assert_eq!(found, Some(want));
        }
    }

    #[test]
    fn random_numbers_stay_within_their_bounds() {
        for (arguments, random_number, want) in [
            ("", 32768, "0"),
            (" 5", 0, "5"),
            (" 5 6", 7, "6"),
            (" 3 3", 9, "3"),
            (" 0 4294967295", u32::MAX, "4294967295"),
            (" 40000", 1, "40000"),
        ] {
            let mut diags = Diags::default();
            let got = random(arguments, random_number, Span::default(), &mut diags);
            assert_eq!(got, want, "{arguments}");
            assert!(diags.list().is_empty(), "{arguments}");
        }
        for arguments in [" 6 5", " x", " 1 2 3", " -1"] {
            let mut diags = Diags::default();
            random(arguments, 1, Span::default(), &mut diags);
            assert_eq!(diags.worst(), Some(Severity::Error), "{arguments}");
        }
    }
}
