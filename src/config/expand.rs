//! Definitions (`$NAME=value`) and their use (`$NAME`, `${NAME}`), and what is defined from the start.
//!
//! Values are expanded where they are used, so a definition may name others that come later: a line is gone
//! through again until nothing is left to replace. Rounds, length of the line and the work of the whole
//! configuration are bounded, so definitions that contain themselves end in a message.

use std::collections::BTreeMap;
use std::rc::Rc;

use super::diag::{Diags, Severity, Span};
use super::line::{Line, MAX_LINE, blank, name};
use super::{Host, Stop};

/// Most definitions at a time.
const MAX_DEFINITIONS: usize = 10_000;
/// Most text made by definitions and sequences, with [`STEP`] bytes counted for every single step, so
/// that steps that make nothing are bounded too.
const MAX_WORK: usize = 12 * 1024 * 1024;
const STEP: usize = 32;
/// Longest arguments of `${_ENV NAME}` and its like.
const MAX_ARGUMENTS: usize = 64;
/// Deepest nesting of definitions within one line.
const MAX_ROUNDS: u32 = 32;

/// What a name stands for.
#[derive(Clone, Debug)]
pub(crate) enum Value {
    /// Text within a line.
    Text(Rc<str>),
    /// Lines.
    Lines(Rc<[Line]>),
}

/// A multi-line definition whose lines follow the expanded one.
#[derive(Debug)]
pub(crate) struct Body {
    pub(crate) name: Rc<str>,
    pub(crate) lines: Rc<[Line]>,
    /// The reference.
    pub(crate) via: Span,
}

/// The names defined, and how much has been made of them.
#[derive(Debug, Default)]
pub(crate) struct Definitions {
    map: BTreeMap<Rc<str>, Value>,
    work: usize,
}

/// What predefined names tell about.
#[derive(Clone, Copy)]
pub(crate) struct Context<'a> {
    pub(crate) host: &'a dyn Host,
    pub(crate) config_id: &'a str,
    /// Directory of the current file.
    pub(crate) directory: &'a str,
}

/// `$NAME`, `${NAME}` or `${NAME arguments}`.
struct Reference<'a> {
    /// The bytes of the line it takes.
    start: usize,
    end: usize,
    name: &'a str,
    arguments: &'a str,
    /// False for a `$NAME` with something behind it that keeps it from being replaced.
    ends_well: bool,
}

impl Definitions {
    /// Sets a name; the latest value counts.
    pub(crate) fn define(
        &mut self,
        name: &str,
        value: Value,
        at: Span,
        diags: &mut Diags,
    ) -> Result<(), Stop> {
        if let Some(old) = self.map.get_mut(name) {
            *old = value;
            return Ok(());
        }
        if self.map.len() >= MAX_DEFINITIONS {
            let text = format!("more than {MAX_DEFINITIONS} definitions; reading stops here");
            diags.report(Severity::Fatal, at, text);
            return Err(Stop);
        }
        self.map.insert(name.into(), value);
        Ok(())
    }

    /// Whether a name is defined.
    pub(crate) fn has(&self, name: &str) -> bool {
        self.map.contains_key(name)
    }

    /// Counts text made; this bound makes every configuration end.
    pub(crate) fn spend(&mut self, bytes: usize, at: Span, diags: &mut Diags) -> Result<(), Stop> {
        self.work = self.work.saturating_add(bytes).saturating_add(STEP);
        if self.work <= MAX_WORK {
            return Ok(());
        }
        diags.report_with_help(
            Severity::Fatal,
            at,
            "definitions and sequences make too much text; reading stops here",
            "shorten the ~SEQ ranges, or look for definitions that multiply each other",
        );
        Err(Stop)
    }

    /// Replaces the references in a line. `None`: reported, to be left out. The flag tells whether
    /// anything was replaced, the body which lines come next.
    pub(crate) fn expand(
        &mut self,
        line: &mut Line,
        context: Context<'_>,
        diags: &mut Diags,
    ) -> Result<Option<(bool, Option<Body>)>, Stop> {
        let mut body = None;
        for round in 0..=MAX_ROUNDS {
            let mut out = Line::default();
            let (found, again) = self.round(line, context, &mut out, diags)?;
            body = body.or(found);
            if !again {
                self.leftovers(line, diags);
                return Ok(Some((round > 0, body)));
            }
            out.indent = line.indent;
            out.swallowed = line.swallowed;
            let first = references(&line.text).next();
            let (start, end) = first.map_or((0, 0), |first| (first.start, first.end));
            if out.text.len() > MAX_LINE || round == MAX_ROUNDS {
                let what = line.text.get(start..end).unwrap_or("");
                let message = if out.text.len() > MAX_LINE {
                    format!("{what} makes the line longer than {MAX_LINE} bytes; line left out")
                } else {
                    format!("the definition of {what} leads back to itself; line left out")
                };
                diags.report(Severity::Error, line.span(start, end), message);
                return Ok(None);
            }
            *line = out;
        }
        Ok(None)
    }

    /// Replaces every reference once; true if there was any.
    fn round(
        &mut self,
        line: &Line,
        context: Context<'_>,
        out: &mut Line,
        diags: &mut Diags,
    ) -> Result<(Option<Body>, bool), Stop> {
        let mut done = 0;
        let mut again = false;
        for reference in references(&line.text) {
            let Reference { start, end, .. } = reference;
            let via = line.span(start, end);
            let value = match predefined(&reference, context, via, diags) {
                Some(text) => Value::Text(text.into()),
                None => match self.map.get(reference.name) {
                    Some(value) if reference.ends_well => value.clone(),
                    Some(_) | None => continue,
                },
            };
            match value {
                Value::Text(text) => {
                    self.spend(text.len(), via, diags)?;
                    out.push_part(line, done, start);
                    out.push_made(&text, via);
                }
                Value::Lines(lines) if ends(line, end) => {
                    out.push_part(line, done, start);
                    let name = reference.name.into();
                    return Ok((Some(Body { name, lines, via }), true));
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

    /// Reports references to known names that could not be replaced.
    fn leftovers(&self, line: &Line, diags: &mut Diags) {
        for reference in references(&line.text) {
            let Reference {
                start, end, name, ..
            } = reference;
            let (message, help) = match self.map.get(name) {
                Some(Value::Text(_)) if !reference.ends_well => (
                    format!("${name} is not replaced here: only a blank, `,` or `)` may follow it"),
                    format!("write ${{{name}}}"),
                ),
                Some(Value::Lines(_)) => (
                    format!("${name} has several lines and is not replaced within a line"),
                    format!("put ${name} on a line of its own"),
                ),
                Some(Value::Text(_)) | None => continue,
            };
            diags.report_with_help(Severity::Warning, line.span(start, end), message, help);
        }
    }
}

fn ends(line: &Line, at: usize) -> bool {
    line.text.get(at..).unwrap_or("").chars().all(blank)
}

/// The references in a text, from left to right.
fn references(text: &str) -> impl Iterator<Item = Reference<'_>> {
    text.match_indices('$')
        .filter_map(|(at, _)| reference(text, at))
}

fn reference(text: &str, start: usize) -> Option<Reference<'_>> {
    let rest = text.get(start.checked_add(1)?..)?;
    let Some(inner) = rest.strip_prefix('{') else {
        let name = name(rest)?;
        let behind = rest.get(name.len()..)?.chars().next();
        return Some(Reference {
            start,
            end: start.saturating_add(1).saturating_add(name.len()),
            name,
            arguments: "",
            ends_well: behind.is_none_or(|c| blank(c) || c == ',' || c == ')'),
        });
    };
    let name = name(inner)?;
    let behind = inner.get(name.len()..)?;
    // Arguments are short; looking further would make a line full of `${a ` expensive.
    let len = behind
        .bytes()
        .take(MAX_ARGUMENTS)
        .position(|byte| byte == b'}')?;
    let arguments = behind.get(..len)?;
    if !arguments.is_empty() && !arguments.starts_with(blank) {
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
        ends_well: true,
    })
}

/// Names that are defined from the start.
fn predefined(
    reference: &Reference<'_>,
    context: Context<'_>,
    via: Span,
    diags: &mut Diags,
) -> Option<String> {
    if !reference.ends_well {
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
                let text = format!("environment variable `{name}` is not set; nothing is put here");
                diags.report(Severity::Warning, via, text);
                String::new()
            })
        }
        _ => return None,
    })
}

/// `[min [max]]`, both inclusive; else 0 to 32767.
fn random(arguments: &str, random: u32, via: Span, diags: &mut Diags) -> String {
    let mut numbers = arguments.split_ascii_whitespace().map(str::parse::<u32>);
    let bounds = match (numbers.next(), numbers.next(), numbers.next()) {
        (None, ..) => Some((0, 32767)),
        (Some(Ok(min)), None, _) => Some((min, min.max(32767))),
        (Some(Ok(min)), Some(Ok(max)), None) if min <= max => Some((min, max)),
        _ => None,
    };
    let (min, max) = bounds.unwrap_or_else(|| {
        let text = "_RANDOM takes a smallest and a largest number; 0 to 32767 is used";
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
                .map(|r| format!("{}{}:{}", r.name, r.arguments, r.ends_well))
                .collect();
            assert_eq!(found.join(" "), want, "{text}");
        }
    }

    #[test]
    fn a_reference_takes_exactly_its_bytes() {
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
