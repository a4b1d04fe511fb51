//! From files to logical lines: comments, conditions (`@id`), definitions, sequences and includes are gone
//! when a line leaves here, and every part of it knows where it stands.
//!
//! Whatever still has lines to give is on one stack: files being read, bodies of multi-line definitions,
//! sequences. Nothing recurses; depth, files, text and work are bounded, and the bound that is hit says so
//! and ends the reading ([`Stop`]).

use super::diag::{Diags, Severity, Span};
use super::expand::{Body, Context, Definitions, Value};
use super::file::File;
use super::include::{self, MAX_ALTERNATIVES, Policy};
use super::line::{Line, blank, name};
use super::sequence::{self, Sequence};
use super::source::{MAX_FILES, MAX_TEXT, SourceError, Sources, span};
use super::{Host, Stop};

/// Deepest nesting of includes.
const MAX_INCLUDES: usize = 16;
/// Deepest nesting of files, bodies and sequences together.
const MAX_DEPTH: usize = 64;

/// Gives the lines of a configuration, one after the other.
pub(crate) struct Reader<'h> {
    host: &'h dyn Host,
    config_id: String,
    pub(crate) sources: Sources,
    pub(crate) definitions: Definitions,
    policy: Policy,
    stack: Vec<Origin>,
}

/// Something that has lines to give.
enum Origin {
    File(File),
    Body {
        body: Body,
        next: usize,
        from: u16,
        to: Option<u16>,
    },
    Each(Box<Sequence>),
    Includes {
        paths: std::vec::IntoIter<String>,
        at: Span,
    },
}

/// What to do with a line.
enum Digested {
    /// It is a statement.
    Keep,
    /// It is used up.
    Gone,
    /// It changed such that it must be looked at again.
    Again,
}

impl<'h> Reader<'h> {
    pub(crate) fn new(host: &'h dyn Host) -> Self {
        Self {
            host,
            config_id: host.config_id(),
            sources: Sources::default(),
            definitions: Definitions::default(),
            policy: Policy::default(),
            stack: Vec::new(),
        }
    }

    /// Opens the main file.
    pub(crate) fn open_main(&mut self, path: &str, diags: &mut Diags) -> Result<(), Stop> {
        match self.host.read(path) {
            Ok(bytes) => self.open(path, bytes, None, diags),
            Err(reason) => {
                diags.push(super::Diag {
                    severity: Severity::Fatal,
                    span: None,
                    message: format!("cannot read {path}: {reason}"),
                    help: None,
                });
                Err(Stop)
            }
        }
    }

    /// The next logical line that is not empty; false at the end.
    pub(crate) fn next(&mut self, line: &mut Line, diags: &mut Diags) -> Result<bool, Stop> {
        while self.fetch(line, diags)? {
            // A line may turn into a condition or a sequence when expanded, but not over and over.
            for _ in 0..8 {
                match self.digest(line, diags)? {
                    Digested::Keep => return Ok(true),
                    Digested::Gone => break,
                    Digested::Again => {}
                }
            }
        }
        Ok(false)
    }

    // ---- lines from the top of the stack ----

    /// Puts the next line into `line`, comment and outer blanks gone; false at the end of everything.
    fn fetch(&mut self, line: &mut Line, diags: &mut Diags) -> Result<bool, Stop> {
        loop {
            line.clear();
            let Some(top) = self.stack.last_mut() else {
                return Ok(false);
            };
            match top {
                Origin::File(file) => {
                    if file.line(&self.sources, line, diags) {
                        return Ok(true);
                    }
                }
                Origin::Body {
                    body,
                    next,
                    from,
                    to,
                } => {
                    if let Some(text) = body.lines.get(*next) {
                        *next = next.saturating_add(1);
                        self.definitions.spend(text.text.len(), body.via, diags)?;
                        line.clone_from(text);
                        match to {
                            Some(to) => line.refile(*from, *to),
                            None => line.blame(body.via),
                        }
                        return Ok(true);
                    }
                }
                Origin::Each(sequence) => {
                    if let Some(values) = sequence.step() {
                        let at = sequence.rest.span(0, sequence.rest.text.len());
                        line.clone_from(&sequence.rest);
                        self.definitions.spend(line.text.len(), at, diags)?;
                        for (name, value) in values {
                            let value = Value::Text((*value).into());
                            self.definitions.define(&name, value, at, diags)?;
                        }
                        return Ok(true);
                    }
                }
                Origin::Includes { paths, at } => {
                    let at = *at;
                    if let Some(path) = paths.next() {
                        self.include_file(&path, at, diags)?;
                        continue;
                    }
                }
            }
            self.stack.pop();
        }
    }

    fn push(&mut self, origin: Origin, at: Span, diags: &mut Diags) -> Result<(), Stop> {
        if self.stack.len() >= MAX_DEPTH {
            let text =
                "definitions, sequences and includes are nested too deep; reading stops here";
            diags.report(Severity::Fatal, at, text);
            return Err(Stop);
        }
        self.stack.push(origin);
        Ok(())
    }

    // ---- what a line is ----

    fn digest(&mut self, line: &mut Line, diags: &mut Diags) -> Result<Digested, Stop> {
        if let Some(rest) = line.text.strip_prefix('@') {
            match self.condition(rest) {
                Some(used) => line.drop_front(used.saturating_add(1)),
                None => return Ok(Digested::Gone),
            }
        }
        if line.text.is_empty() {
            return Ok(Digested::Gone);
        }
        if let Some((name, value)) = definition(&line.text) {
            let name = name.to_owned();
            self.define(&name, value, line, diags)?;
            return Ok(Digested::Gone);
        }
        if let Some((len, right)) = spaced_definition(&line.text) {
            diags.report_with_help(
                Severity::Error,
                line.span(0, len),
                "a blank in front of `=` keeps this from being a definition; line left out",
                format!("write {right}"),
            );
            return Ok(Digested::Gone);
        }
        if let Some(head) = sequence::head(&line.text) {
            self.sequence(head, line, diags)?;
            return Ok(Digested::Gone);
        }
        if line.text.contains('$') {
            let Some((changed, body)) = self.expand(line, diags)? else {
                return Ok(Digested::Gone);
            };
            if let Some(body) = body {
                self.enter(body, line, diags)?;
                return Ok(Digested::Again);
            }
            if changed {
                // `${_HASH}` makes a comment.
                line.tidy();
                if line.text.is_empty() {
                    return Ok(Digested::Gone);
                }
                if line.text.starts_with(['@', '~']) {
                    return Ok(Digested::Again);
                }
            }
        }
        let gone = self.directive(line, diags)?;
        Ok(if gone { Digested::Gone } else { Digested::Keep })
    }

    /// Text behind the `@` of a condition: the bytes the condition takes if it holds.
    fn condition(&self, rest: &str) -> Option<usize> {
        let end = rest.find(blank).unwrap_or(rest.len());
        let id = rest.get(..end)?;
        let holds = match id.strip_prefix('^') {
            Some(id) => id != self.config_id,
            None => id == self.config_id,
        };
        let behind = rest.get(end..)?;
        let blanks = behind
            .len()
            .saturating_sub(behind.trim_start_matches(blank).len());
        holds.then_some(end.saturating_add(blanks))
    }

    fn expand(
        &mut self,
        line: &mut Line,
        diags: &mut Diags,
    ) -> Result<Option<(bool, Option<Body>)>, Stop> {
        let context = Context {
            host: self.host,
            config_id: &self.config_id,
            directory: current(&self.stack).map_or(".", |file| include::directory(&file.path)),
        };
        self.definitions.expand(line, context, diags)
    }

    // ---- definitions and sequences ----

    /// `$NAME=value` at `value` of `line`, with the lines that follow a trailing backslash.
    fn define(
        &mut self,
        name: &str,
        value: usize,
        line: &mut Line,
        diags: &mut Diags,
    ) -> Result<(), Stop> {
        let at = line.span(0, value);
        line.drop_front(value);
        line.tidy();
        if !continues(line) {
            let value = Value::Text(line.text.as_str().into());
            return self.definitions.define(name, value, at, diags);
        }
        let mut lines = Vec::new();
        let mut more = true;
        loop {
            if !line.text.is_empty() {
                lines.push(std::mem::take(line));
            }
            if !more {
                break;
            }
            // Only a file can have more: the lines of a body have lost their backslashes.
            let Some(Origin::File(file)) = self.stack.last_mut() else {
                break;
            };
            line.clear();
            if !file.line(&self.sources, line, diags) {
                break;
            }
            more = continues(line);
        }
        let value = if lines.is_empty() {
            Value::Text("".into())
        } else {
            Value::Lines(lines.into())
        };
        self.definitions.define(name, value, at, diags)
    }

    /// Has the lines of a definition read next; the first joins what stands before the reference.
    fn enter(&mut self, body: Body, line: &mut Line, diags: &mut Diags) -> Result<(), Stop> {
        let via = body.via;
        let same = |origin: &Origin| matches!(origin, Origin::Body { body: open, .. } if open.name == body.name);
        if self.stack.iter().any(same) {
            let text = format!(
                "the definition ${} contains itself; line left out",
                body.name
            );
            diags.report(Severity::Error, via, text);
            line.clear();
            return Ok(());
        }
        let from = body.lines.first().map_or(0, Line::file);
        let to = self.sources.view(from, via);
        self.push(
            Origin::Body {
                body,
                next: 0,
                from,
                to,
            },
            via,
            diags,
        )?;
        line.tidy();
        if !line.text.is_empty() {
            let mut first = Line::default();
            if self.fetch(&mut first, diags)? {
                line.push_made(" ", via);
                line.push_part(&first, 0, first.text.len());
            }
        }
        Ok(())
    }

    fn sequence(
        &mut self,
        head: Result<sequence::Head, &'static str>,
        line: &mut Line,
        diags: &mut Diags,
    ) -> Result<(), Stop> {
        let whole = line.span(0, line.text.len());
        let made = match head {
            Err(why) => Err(why.to_owned()),
            Ok(head) => {
                let mut arguments = Line::default();
                arguments.push_part(line, head.start, head.end);
                if self.expand(&mut arguments, diags)?.is_none() {
                    return Ok(());
                }
                line.drop_front(head.end.saturating_add(1));
                line.tidy();
                Sequence::new(head.form, &arguments.text, std::mem::take(line))
            }
        };
        match made {
            Ok(sequence) => self.push(Origin::Each(Box::new(sequence)), whole, diags),
            Err(why) => {
                diags.report_with_help(
                    Severity::Error,
                    whole,
                    format!("{why}; line left out"),
                    "the forms are ~SEQ(var, [start, [step,]] end), ~LST(var, a, b) and \
                     ~LST({v,w}, {a,1}, {b,2}), each before the line to repeat",
                );
                Ok(())
            }
        }
    }

    // ---- includes ----

    /// Carries out `include…` and takes note of `include_check`; true if nothing is left to do.
    fn directive(&mut self, line: &Line, diags: &mut Diags) -> Result<bool, Stop> {
        let text = line.text.as_str();
        if !text.starts_with("include") {
            return Ok(false);
        }
        let end = text.find(blank).unwrap_or(text.len());
        let (keyword, rest) = text.split_at_checked(end).unwrap_or((text, ""));
        let at = line.span(0, text.len());
        if keyword == "include_check" {
            if let Some(bad) = self.policy.check(rest.split_ascii_whitespace()) {
                let text = format!("include_check knows no `{bad}`; ignored");
                let help = "write readable, match, wildcard_match or brace_match";
                diags.report_with_help(Severity::Error, at, text, help);
            }
            return Ok(false);
        }
        let Some(strict) = Policy::of_keyword(keyword) else {
            return Ok(false);
        };
        let pattern = rest.trim_matches(blank).trim_matches('"');
        if pattern.is_empty() {
            diags.report(Severity::Error, at, format!("{keyword} needs a file name"));
        } else {
            self.include(pattern, self.policy.and(strict), at, diags)?;
        }
        Ok(true)
    }

    fn include(
        &mut self,
        pattern: &str,
        policy: Policy,
        at: Span,
        diags: &mut Diags,
    ) -> Result<(), Stop> {
        let Some(patterns) = include::alternatives(pattern) else {
            let text = format!("more than {MAX_ALTERNATIVES} alternatives; nothing is included");
            diags.report(Severity::Error, at, text);
            return Ok(());
        };
        let including = current(&self.stack).map_or("", |file| &file.path);
        let mut found = Vec::new();
        let mut missing = Vec::new();
        for pattern in &patterns {
            let files = self.host.glob(&include::relative_to(including, pattern));
            if files.is_empty() {
                missing.push(pattern.as_str());
            }
            found.extend(files);
        }
        report_missing(pattern, &missing, found.is_empty(), policy, at, diags);
        let paths = found.into_iter();
        self.push(Origin::Includes { paths, at }, at, diags)
    }

    fn include_file(&mut self, path: &str, at: Span, diags: &mut Diags) -> Result<(), Stop> {
        if files(&self.stack).any(|file| &*file.path == path) {
            let text = format!("{path} includes itself; not included again");
            diags.report(Severity::Error, at, text);
            return Ok(());
        }
        if files(&self.stack).count() >= MAX_INCLUDES {
            let text =
                format!("includes are nested deeper than {MAX_INCLUDES}; reading stops here");
            diags.report(Severity::Fatal, at, text);
            return Err(Stop);
        }
        match self.host.read(path) {
            Ok(bytes) => self.open(path, bytes, Some(at), diags),
            Err(reason) => {
                diags.report(
                    Severity::Error,
                    at,
                    format!("cannot read {path}: {reason}; not included"),
                );
                Ok(())
            }
        }
    }

    /// Puts a file on the stack. `at`: the include.
    fn open(
        &mut self,
        path: &str,
        bytes: Vec<u8>,
        at: Option<Span>,
        diags: &mut Diags,
    ) -> Result<(), Stop> {
        let (at, message) = match self.sources.add(path, bytes) {
            Ok(number) => {
                let at = at.unwrap_or_else(|| span(number, 0, 0));
                let file = File {
                    number,
                    path: path.into(),
                    next: 0,
                    markdown: false,
                };
                return self.push(Origin::File(file), at, diags);
            }
            Err(SourceError::TooManyFiles) => {
                (at, format!("more than {MAX_FILES} files are included"))
            }
            Err(SourceError::TooLarge) => (
                at,
                format!("{path} makes the configuration larger than {MAX_TEXT} bytes"),
            ),
            Err(SourceError::Binary(at)) => {
                (Some(at), "a NUL byte: this is not a text file".into())
            }
        };
        diags.push(super::Diag {
            severity: Severity::Fatal,
            span: at,
            message: format!("{message}; nothing of it is used"),
            help: None,
        });
        Err(Stop)
    }
}

/// The files being read, innermost first.
fn files(stack: &[Origin]) -> impl Iterator<Item = &File> {
    stack.iter().rev().filter_map(|origin| match origin {
        Origin::File(file) => Some(file),
        Origin::Body { .. } | Origin::Each(_) | Origin::Includes { .. } => None,
    })
}

/// The file the current line comes from.
fn current(stack: &[Origin]) -> Option<&File> {
    files(stack).next()
}

/// Name of a definition, and where its value starts.
fn definition(text: &str) -> Option<(&str, usize)> {
    let name = name(text.strip_prefix('$')?)?;
    let equals = name.len().checked_add(1)?;
    text.get(equals..)?.strip_prefix('=')?;
    Some((name, equals.saturating_add(1)))
}

/// Takes the backslash off a line that continues.
fn continues(line: &mut Line) -> bool {
    let continues = line.text.ends_with('\\');
    if continues {
        line.text.pop();
        let end = line.text.trim_end_matches(blank).len();
        line.text.truncate(end);
    }
    continues
}

/// `$NAME =value`: the length up to the `=`, and how to write it.
fn spaced_definition(text: &str) -> Option<(usize, String)> {
    let name = name(text.strip_prefix('$')?)?;
    let behind = text.get(name.len().checked_add(1)?..)?;
    let value = behind.trim_start_matches(blank).strip_prefix('=')?;
    let value = value.trim_matches(blank);
    Some((
        text.len().saturating_sub(value.len()),
        format!("${name}={value}"),
    ))
}

/// Says which patterns found nothing, as severely as the policy wants.
fn report_missing(
    pattern: &str,
    missing: &[&str],
    nothing: bool,
    policy: Policy,
    at: Span,
    diags: &mut Diags,
) {
    let whole = nothing.then_some(pattern);
    let strict = missing.iter().copied().find(|alternative| {
        (policy.braces && pattern.contains('{'))
            || (policy.wildcards && include::has_wildcard(alternative))
    });
    let (severity, what) = match (strict, whole) {
        (Some(alternative), None) => (Severity::Error, alternative),
        (Some(_), Some(pattern)) => (Severity::Error, pattern),
        // An empty `conf.d` is nothing to worry about.
        (None, Some(pattern)) if include::has_wildcard(pattern) && !policy.matches => {
            (Severity::Note, pattern)
        }
        (None, Some(pattern)) => (Severity::Error, pattern),
        (None, None) => return,
    };
    diags.report(
        severity,
        at,
        format!("no file matches {what}; nothing is included for it"),
    );
}
