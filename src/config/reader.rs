//! Turns files into logical lines: resolves comments, conditions (`@ID`), definitions, sequences
//! and includes. Every part of a line keeps its span.
//!
//! All sources of further lines are on one stack: files, bodies of multi-line definitions,
//! sequences, pending includes. No recursion. Depth, number of files, text and work are bounded; a
//! bound that is exceeded is reported and ends the reading ([`Aborted`]).

use super::diag::{Aborted, Diag, Diags, Recurring, Severity, Span};
use super::expand::{Context, Definitions, Expanded, MultiLine, Value};
use super::host::Host;
use super::ids::ConfigId;
use super::include::{self, MAX_ALTERNATIVES, Policy};
use super::line::{Line, identifier, is_blank};
use super::physical_lines::PhysicalLines;
use super::sequence::{self, Sequence, SequenceError};
use super::source::{MAX_FILES, MAX_TEXT, SourceError, Sources, span};

/// Maximum nesting of includes.
const MAX_INCLUDES: usize = 16;
/// Maximum nesting of files, multi-line definitions, sequences and includes together.
const MAX_DEPTH: usize = 64;

/// Reads the logical lines of a configuration.
pub(crate) struct Reader<'h> {
    host: &'h dyn Host,
    config_id: ConfigId,
    pub(crate) sources: Sources,
    pub(crate) definitions: Definitions,
    policy: Policy,
    stack: Vec<LineSource>,
}

/// A source of lines.
enum LineSource {
    File(PhysicalLines),
    /// The lines of a multi-line definition.
    Definition {
        definition: MultiLine,
        /// Index of the next line.
        next: usize,
        /// File of the lines.
        file: u16,
        /// View of the file that the lines get; `None` when there are no more views.
        view: Option<u16>,
    },
    Sequence(Box<Sequence>),
    /// Files that are still to be included.
    Includes {
        paths: std::vec::IntoIter<String>,
        at: Span,
    },
}

/// What became of a line when it was processed.
enum Processed {
    /// It is a statement.
    Statement,
    /// It was a definition, directive or condition; nothing is left of it.
    Consumed,
    /// It was replaced and must be processed again.
    Changed,
}

impl<'h> Reader<'h> {
    pub(crate) fn new(host: &'h dyn Host) -> Self {
        Self {
            host,
            config_id: ConfigId::new(host.config_id()),
            sources: Sources::default(),
            definitions: Definitions::default(),
            policy: Policy::default(),
            stack: Vec::new(),
        }
    }

    /// Opens the main file.
    pub(crate) fn open_main(&mut self, path: &str, diags: &mut Diags) -> Result<(), Aborted> {
        match self.host.read(path) {
            Ok(bytes) => self.open(path, bytes, None, diags),
            Err(reason) => {
                let message = format!("cannot read {path}: {reason}");
                diags.push(Diag::new(Severity::Fatal, None, message));
                Err(Aborted)
            }
        }
    }

    /// The next logical line that is not empty; false at the end.
    pub(crate) fn next(&mut self, line: &mut Line, diags: &mut Diags) -> Result<bool, Aborted> {
        while self.next_line(line, diags)? {
            // Expansion may turn a line into a condition or a sequence; the number of times is
            // bounded.
            for _ in 0..8 {
                match self.process(line, diags)? {
                    Processed::Statement => return Ok(true),
                    Processed::Consumed => break,
                    Processed::Changed => {}
                }
            }
        }
        Ok(false)
    }

    /// Reports what is known at the end only.
    pub(crate) fn finish(&mut self, diags: &mut Diags) {
        self.config_id.report(&mut self.definitions, diags);
    }

    // ---- lines from the top of the stack ----

    /// Reads the next line, without comment and outer blanks; false at the end of all sources.
    fn next_line(&mut self, line: &mut Line, diags: &mut Diags) -> Result<bool, Aborted> {
        loop {
            line.clear();
            let Some(top) = self.stack.last_mut() else {
                return Ok(false);
            };
            match top {
                LineSource::File(file) => {
                    if file.read(&self.sources, line, diags) {
                        return Ok(true);
                    }
                }
                LineSource::Definition {
                    definition,
                    next,
                    file,
                    view,
                } => {
                    if let Some(text) = definition.lines.get(*next) {
                        *next = next.saturating_add(1);
                        self.definitions
                            .spend(text.text.len(), definition.via, diags)?;
                        line.clone_from(text);
                        match view {
                            Some(view) => line.replace_file(*file, *view),
                            None => line.set_span(definition.via),
                        }
                        return Ok(true);
                    }
                }
                LineSource::Sequence(sequence) => {
                    if let Some(values) = sequence.next_values() {
                        let at = sequence.template.span(0, sequence.template.text.len());
                        line.clone_from(&sequence.template);
                        self.definitions.spend(line.text.len(), at, diags)?;
                        for (name, value) in values {
                            let value = Value::Text((*value).into());
                            self.definitions.define(&name, value, at, diags)?;
                        }
                        return Ok(true);
                    }
                }
                LineSource::Includes { paths, at } => {
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

    fn push(&mut self, source: LineSource, at: Span, diags: &mut Diags) -> Result<(), Aborted> {
        if self.stack.len() >= MAX_DEPTH {
            let text =
                "definitions, sequences and includes are nested too deeply; reading stops here";
            diags.report(Severity::Fatal, at, text);
            return Err(Aborted);
        }
        self.stack.push(source);
        Ok(())
    }

    // ---- processing a line ----

    fn process(&mut self, line: &mut Line, diags: &mut Diags) -> Result<Processed, Aborted> {
        if line.text.starts_with('@') && !self.config_id.holds(line) {
            if let Some((name, _)) = definition(&line.text) {
                self.definitions.skip(name);
                return Ok(Processed::Consumed);
            }
            line.skipped = !line.text.is_empty();
            return Ok(match line.skipped {
                true => Processed::Statement,
                false => Processed::Consumed,
            });
        }
        if line.text.is_empty() {
            return Ok(Processed::Consumed);
        }
        let first = line.text.as_bytes().first();
        if first == Some(&b'$') {
            if let Some((name, value)) = definition(&line.text) {
                let name = name.to_owned();
                self.define(&name, value, line, diags)?;
                return Ok(Processed::Consumed);
            }
            if let Some((len, correct)) = spaced_definition(&line.text) {
                diags.report_with_help(
                    Severity::Error,
                    line.span(0, len),
                    "not a definition because of the blank before `=`; line ignored",
                    format!("write {correct}"),
                );
                return Ok(Processed::Consumed);
            }
        }
        if first == Some(&b'~')
            && let Some(head) = sequence::head(&line.text)
        {
            self.sequence(head, line, diags)?;
            return Ok(Processed::Consumed);
        }
        if line.text.contains('$') {
            let Some(expanded) = self.expand(line, diags)? else {
                return Ok(Processed::Consumed);
            };
            if let Some(definition) = expanded.multi_line {
                self.enter_definition(definition, line, diags)?;
                return Ok(Processed::Changed);
            }
            if expanded.changed {
                // `${_HASH}` may start a comment.
                line.trim();
                if line.text.is_empty() {
                    return Ok(Processed::Consumed);
                }
                if line.text.starts_with(['@', '~']) {
                    return Ok(Processed::Changed);
                }
            }
        }
        self.directive(line, diags)
    }

    fn expand(&mut self, line: &mut Line, diags: &mut Diags) -> Result<Option<Expanded>, Aborted> {
        let context = Context {
            host: self.host,
            config_id: &self.config_id.id,
            directory: current(&self.stack).map_or(".", |file| include::directory(&file.path)),
        };
        self.definitions.expand(line, context, diags)
    }

    // ---- definitions and sequences ----

    /// Stores the definition `$NAME=VALUE`, whose value starts at byte `value` of `line`, with the
    /// lines that follow a trailing backslash.
    fn define(
        &mut self,
        name: &str,
        value: usize,
        line: &mut Line,
        diags: &mut Diags,
    ) -> Result<(), Aborted> {
        let at = line.span(0, value);
        line.drop_front(value);
        line.trim();
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
            // Only lines of a file continue: those of a definition have lost their backslashes.
            let Some(LineSource::File(file)) = self.stack.last_mut() else {
                break;
            };
            line.clear();
            if !file.read(&self.sources, line, diags) {
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

    /// Makes the lines of a definition the next ones; the first is appended to the text before the
    /// reference.
    fn enter_definition(
        &mut self,
        definition: MultiLine,
        line: &mut Line,
        diags: &mut Diags,
    ) -> Result<(), Aborted> {
        let via = definition.via;
        let same = |source: &LineSource| matches!(source, LineSource::Definition { definition: open, .. } if open.name == definition.name);
        if self.stack.iter().any(same) {
            let text = format!(
                "the definition ${} contains itself; line ignored",
                definition.name
            );
            diags.report(Severity::Error, via, text);
            line.clear();
            return Ok(());
        }
        let file = definition.lines.first().map_or(0, Line::file);
        let view = self.sources.view(file, via);
        self.push(
            LineSource::Definition {
                definition,
                next: 0,
                file,
                view,
            },
            via,
            diags,
        )?;
        line.trim();
        if !line.text.is_empty() {
            let mut first = Line::default();
            if self.next_line(&mut first, diags)? {
                line.push_expanded(" ", via);
                line.push_part(&first, 0, first.text.len());
            }
        }
        Ok(())
    }

    fn sequence(
        &mut self,
        head: Result<sequence::Head, SequenceError>,
        line: &mut Line,
        diags: &mut Diags,
    ) -> Result<(), Aborted> {
        let whole = line.span(0, line.text.len());
        let sequence = match head {
            Err(why) => Err(why),
            Ok(head) => {
                let mut arguments = Line::default();
                arguments.push_part(line, head.start, head.end);
                if self.expand(&mut arguments, diags)?.is_none() {
                    return Ok(());
                }
                line.drop_front(head.end.saturating_add(1));
                line.trim();
                Sequence::new(head.form, &arguments.text, std::mem::take(line))
            }
        };
        match sequence {
            Ok(sequence) => self.push(LineSource::Sequence(Box::new(sequence)), whole, diags),
            Err(why) => {
                diags.report_with_help(
                    Severity::Error,
                    whole,
                    format!("{why}; line ignored"),
                    "write ~SEQ(var, [start, [step,]] end), ~LST(var, a, b) or \
                     ~LST({v,w}, {a,1}, {b,2}), followed by the line to repeat",
                );
                Ok(())
            }
        }
    }

    // ---- includes ----

    /// Executes `include…`, and applies `include_check`, which remains a statement.
    fn directive(&mut self, line: &Line, diags: &mut Diags) -> Result<Processed, Aborted> {
        let text = line.text.as_str();
        if !text.starts_with("include") {
            return Ok(Processed::Statement);
        }
        let end = text.find(is_blank).unwrap_or(text.len());
        let (keyword, rest) = text.split_at_checked(end).unwrap_or((text, ""));
        let at = line.span(0, text.len());
        if keyword == "include_check" {
            if let Some(bad) = self
                .policy
                .apply_include_check(rest.split_ascii_whitespace())
            {
                let text = format!("unknown include_check option `{bad}`; ignored");
                let help = "write readable, match, wildcard_match or brace_match";
                diags.report_with_help(Severity::Error, at, text, help);
            }
            return Ok(Processed::Statement);
        }
        let Some(strict) = Policy::of_keyword(keyword) else {
            return Ok(Processed::Statement);
        };
        let pattern = rest.trim_matches(is_blank).trim_matches('"');
        if pattern.is_empty() {
            diags.report(
                Severity::Error,
                at,
                format!("{keyword} needs a file name; ignored"),
            );
        } else {
            self.include(pattern, self.policy.union(strict), at, diags)?;
        }
        Ok(Processed::Consumed)
    }

    fn include(
        &mut self,
        pattern: &str,
        policy: Policy,
        at: Span,
        diags: &mut Diags,
    ) -> Result<(), Aborted> {
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
        self.push(LineSource::Includes { paths, at }, at, diags)
    }

    fn include_file(&mut self, path: &str, at: Span, diags: &mut Diags) -> Result<(), Aborted> {
        if files(&self.stack).any(|file| &*file.path == path) {
            let text = format!("{path} includes itself; not included again");
            diags.report(Severity::Error, at, text);
            return Ok(());
        }
        if files(&self.stack).count() >= MAX_INCLUDES {
            let text =
                format!("includes are nested deeper than {MAX_INCLUDES}; reading stops here");
            diags.report(Severity::Fatal, at, text);
            return Err(Aborted);
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

    /// Puts a file on the stack. `at`: the `include` statement.
    fn open(
        &mut self,
        path: &str,
        bytes: Vec<u8>,
        at: Option<Span>,
        diags: &mut Diags,
    ) -> Result<(), Aborted> {
        if self.host.is_writable_by_everyone(path) {
            let message = format!("every user can write to {path}, and have vrrpd run any program");
            diags.push(Diag {
                help: Some(format!("`chmod o-w {path}`")),
                ..Diag::new(Severity::InsecureSetting, at, message)
            });
        }
        let (at, message) = match self.sources.add(path, bytes) {
            Ok(number) => {
                let at = at.unwrap_or_else(|| span(number, 0, 0));
                let mut file = PhysicalLines::new(number, path);
                file.enter_here_document(&self.sources, diags);
                return self.push(LineSource::File(file), at, diags);
            }
            Err(SourceError::TooManyFiles) => {
                (at, format!("more than {MAX_FILES} files are included"))
            }
            Err(SourceError::TooLarge) => (
                at,
                format!("{path} makes the configuration larger than {MAX_TEXT} bytes"),
            ),
            Err(SourceError::Binary(at)) => (Some(at), "NUL byte: not a text file".into()),
        };
        let message = format!("{message}; the configuration is not used");
        diags.push(Diag::new(Severity::Fatal, at, message));
        Err(Aborted)
    }
}

/// The files that are being read, innermost first.
fn files(stack: &[LineSource]) -> impl Iterator<Item = &PhysicalLines> {
    stack.iter().rev().filter_map(|source| match source {
        LineSource::File(file) => Some(file),
        LineSource::Definition { .. } | LineSource::Sequence(_) | LineSource::Includes { .. } => {
            None
        }
    })
}

/// The file that the current line comes from.
fn current(stack: &[LineSource]) -> Option<&PhysicalLines> {
    files(stack).next()
}

/// Name of a definition, and the offset of its value.
fn definition(text: &str) -> Option<(&str, usize)> {
    let name = identifier(text.strip_prefix('$')?)?;
    let equals = name.len().checked_add(1)?;
    text.get(equals..)?.strip_prefix('=')?;
    Some((name, equals.saturating_add(1)))
}

/// Removes the backslash at the end of a line; true if there was one.
fn continues(line: &mut Line) -> bool {
    let continues = line.text.ends_with('\\');
    if continues {
        line.text.pop();
        let end = line.text.trim_end_matches(is_blank).len();
        line.text.truncate(end);
    }
    continues
}

/// For `$NAME =VALUE`: the length up to the value, and the correct form.
fn spaced_definition(text: &str) -> Option<(usize, String)> {
    let name = identifier(text.strip_prefix('$')?)?;
    let after = text.get(name.len().checked_add(1)?..)?;
    let value = after.trim_start_matches(is_blank).strip_prefix('=')?;
    let value = value.trim_matches(is_blank);
    Some((
        text.len().saturating_sub(value.len()),
        format!("${name}={value}"),
    ))
}

/// Reports patterns without a file, with the severity that the policy asks for.
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
        // An empty `conf.d` is usual.
        (None, Some(pattern)) if include::has_wildcard(pattern) && !policy.matches => {
            (Severity::Note, pattern)
        }
        (None, Some(pattern)) if !policy.matches => (Severity::ToleratedError, pattern),
        (None, Some(pattern)) => (Severity::Error, pattern),
        (None, None) => return,
    };
    let message = format!("no file matches {what}; nothing is included");
    diags.report(severity, at, message);
    diags.remember(Recurring::MissingFile);
}
