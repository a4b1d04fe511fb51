//! The words of a statement against the arguments its keyword wants.

use super::Checker;
use crate::config::diag::{Severity, Span};
use crate::config::schema::{Arg, Keyword, Options, nearest_word, value};
use crate::config::tree::Word;

/// Whose words are checked.
pub(super) struct Subject<'a> {
    /// Keyword, or what an item is ("address").
    pub(super) name: &'a str,
    /// Where it stands.
    pub(super) span: Span,
    /// Used instead of a wrong value; empty: the statement is ignored.
    pub(super) default: &'static str,
    /// A line of a value block, or an option in one.
    pub(super) item: bool,
    /// The line itself, not an option: it has no keyword to name.
    pub(super) head: bool,
}

impl Subject<'_> {
    /// What happens to a wrong statement.
    fn consequence(&self) -> String {
        match (self.item, self.default) {
            (true, _) => "; line ignored".to_owned(),
            (false, "") => "; ignored".to_owned(),
            (false, default) => format!("; {default} is used"),
        }
    }
}

impl Checker<'_> {
    /// Checks `words` against `args`; false when the statement is no good.
    pub(super) fn words(
        &mut self,
        subject: &Subject<'_>,
        args: &'static [Arg],
        words: &mut Vec<Word>,
    ) -> bool {
        let mut at = 0;
        let mut rest = args.iter();
        while let Some(arg) = rest.next() {
            match self.argument(subject, arg, rest.as_slice().is_empty(), words, at) {
                Some(next) => at = next,
                None => return false,
            }
        }
        if let Some(extra) = words.get(at..) {
            let extra = extra.to_vec();
            self.extra(subject.name, &extra);
        }
        words.truncate(at);
        true
    }

    /// Checks one argument from word `at` on; the position after it, or `None` when it is wrong.
    #[expect(
        clippy::wildcard_enum_match_arm,
        reason = "all simple types are checked alike"
    )]
    fn argument(
        &mut self,
        subject: &Subject<'_>,
        arg: &'static Arg,
        last: bool,
        words: &mut Vec<Word>,
        at: usize,
    ) -> Option<usize> {
        match arg {
            Arg::Opt(inner) => match words.get(at) {
                None => Some(at),
                Some(word) if !last && !value::is_valid(inner, &word.text) => Some(at),
                Some(_) => self.argument(subject, inner, last, words, at),
            },
            Arg::Bool if words.get(at).is_none() => Some(at),
            Arg::Many(inner) => {
                let mut at = self.simple(subject, inner, words, at)?;
                while at < words.len() {
                    at = self.simple(subject, inner, words, at)?;
                }
                Some(at)
            }
            Arg::Cmd => {
                self.simple(subject, arg, words, at)?;
                Some(words.len())
            }
            Arg::User => {
                let next = self.simple(subject, arg, words, at)?;
                Some(next.saturating_add(1).min(words.len()))
            }
            Arg::Options(options) => self.options(subject, options, words, at),
            Arg::Service | Arg::GroupEntry => self.service(subject, arg, words, at),
            _ => self.simple(subject, arg, words, at),
        }
    }

    /// Checks one word of a simple type.
    fn simple(
        &mut self,
        subject: &Subject<'_>,
        arg: &Arg,
        words: &mut [Word],
        at: usize,
    ) -> Option<usize> {
        let next = at.saturating_add(1);
        let Some(word) = words.get_mut(at) else {
            let message = format!(
                "`{}` needs {}{}",
                subject.name,
                value::expected(arg),
                subject.consequence()
            );
            self.error(subject.span, message, None);
            return None;
        };
        if is_placeholder(&word.text) {
            let message = format!(
                "`{}` is a placeholder of the documentation{}",
                word.text,
                subject.consequence()
            );
            let help = format!("write {} in its place", value::expected(arg));
            self.error(word.span, message, Some(help));
            return None;
        }
        if is_undefined(&word.text) && !matches!(arg, Arg::Str | Arg::Cmd | Arg::User) {
            return None;
        }
        if value::is_valid(arg, &word.text) {
            return Some(next);
        }
        if let Some((severity, right, message)) = meant(subject, arg, &word.text) {
            let span = word.span;
            word.text = right;
            self.report(severity, span, message);
            return Some(next);
        }
        self.wrong(subject, arg, word);
        None
    }

    /// Says that a word is not what its argument wants.
    #[expect(
        clippy::wildcard_enum_match_arm,
        reason = "two types have words of their own"
    )]
    fn wrong(&mut self, subject: &Subject<'_>, arg: &Arg, word: &Word) {
        let text = word.text.as_ref();
        let consequence = subject.consequence();
        if let (Arg::Choice(_) | Arg::AnyCase(_), true) = (arg, text.contains('|')) {
            let message = format!("`{text}` is a list of alternatives: choose one{consequence}");
            return self.error(
                word.span,
                message,
                Some(format!("write {}", value::expected(arg))),
            );
        }
        let wanted = value::expected(arg);
        let definition = text.contains('$').then(|| {
            "definitions are replaced before a blank, `,` or `)`; elsewhere write `${NAME}`"
                .to_owned()
        });
        let (message, help) = match arg {
            Arg::Mail => (
                format!("`{text}` holds a backslash{consequence}"),
                Some(format!("did you mean `{}`?", text.replace('\\', ""))),
            ),
            Arg::Choice(choices) | Arg::AnyCase(choices) => (
                format!(
                    "`{}` must be {wanted}, not `{text}`{consequence}",
                    subject.name
                ),
                nearest_word(choices.split(' '), text)
                    .map(|near| format!("did you mean `{near}`?")),
            ),
            _ if subject.head => (format!("`{text}` is not {wanted}{consequence}"), definition),
            _ => (
                format!(
                    "`{}` needs {wanted}, not `{text}`{consequence}",
                    subject.name
                ),
                definition,
            ),
        };
        self.error(word.span, message, help);
    }

    /// Words that nobody asked for: mostly a comment without its `#`.
    pub(super) fn extra(&mut self, name: &str, words: &[Word]) {
        let Some(first) = words.first() else { return };
        let message = match words.len() {
            1 => format!("extra word after `{name}` ignored"),
            _ => format!("extra words after `{name}` ignored"),
        };
        self.report(Severity::Note, first.span, message);
    }

    // ---- named values ----

    /// Checks `name value …` up to the end of the line.
    fn options(
        &mut self,
        subject: &Subject<'_>,
        options: &'static Options,
        words: &mut Vec<Word>,
        mut at: usize,
    ) -> Option<usize> {
        let mut bare = options.bare.as_ref();
        while let Some(word) = words.get(at) {
            let row = options.rows.iter().find(|row| row.is(&word.text));
            if let Some(row) = row {
                let canonical = row.canonical_name();
                if !options.repeats && words.iter().take(at).any(|past| &*past.text == canonical) {
                    let message = format!("`{}` is given twice; the last one counts", row.name());
                    self.report(Severity::Warning, word.span, message);
                }
                at = self.option(subject, row, words, at)?;
                continue;
            }
            if let Some(arg) = bare
                && value::is_valid(arg, &word.text)
            {
                bare = bare.filter(|_| options.repeats);
                at = at.saturating_add(1);
                continue;
            }
            if !subject.item {
                break;
            }
            at = self.unknown_option(subject, options, words, at)?;
        }
        Some(at)
    }

    /// Checks one named value whose name is word `at`.
    fn option(
        &mut self,
        subject: &Subject<'_>,
        row: &'static Keyword,
        words: &mut Vec<Word>,
        at: usize,
    ) -> Option<usize> {
        if let Some(word) = words.get_mut(at) {
            word.text = row.canonical_name().into();
        }
        let inner = Subject {
            name: row.name(),
            span: words.get(at).map_or(subject.span, |word| word.span),
            default: if subject.item { "" } else { subject.default },
            item: subject.item,
            head: false,
        };
        let mut at = at.saturating_add(1);
        let mut rest = row.args().iter();
        while let Some(arg) = rest.next() {
            at = self.argument(&inner, arg, rest.as_slice().is_empty(), words, at)?;
        }
        Some(at)
    }

    /// A word in an item that is no option: placeholders spoil the line, others are left out.
    fn unknown_option(
        &mut self,
        subject: &Subject<'_>,
        options: &Options,
        words: &mut Vec<Word>,
        at: usize,
    ) -> Option<usize> {
        let word = words.get(at)?.clone();
        let text = word.text.as_ref();
        if is_placeholder(text) || is_undefined(text) {
            let arg = options.bare.unwrap_or(Arg::Ip);
            return self.simple(subject, &arg, words, at).or_else(|| {
                words.clear();
                None
            });
        }
        if let Some(arg) = options.bare.filter(|_| at == 0) {
            self.wrong(subject, &arg, &word);
            return None;
        }
        let names = options.rows.iter().map(Keyword::name);
        let help = nearest_word(names, text).map(|near| format!("did you mean `{near}`?"));
        // What follows the first unknown word is as unknown; one message is enough.
        let message = format!("`{text}` is no option of {}; ignored", options.what);
        match help {
            Some(help) => self
                .diags
                .report_with_help(Severity::Warning, word.span, message, help),
            None => self.report(Severity::Warning, word.span, message),
        }
        words.remove(at);
        while words
            .get(at)
            .is_some_and(|next| !options.rows.iter().any(|row| row.is(&next.text)))
        {
            words.remove(at);
        }
        Some(at)
    }

    /// `IP [PORT]`, `fwmark N [inet|inet6]` or `group NAME`.
    fn service(
        &mut self,
        subject: &Subject<'_>,
        arg: &'static Arg,
        words: &mut Vec<Word>,
        at: usize,
    ) -> Option<usize> {
        static MARK: Arg = Arg::Count;
        static FAMILY: Arg = Arg::Opt(&Arg::Choice(&"inet inet6"));
        static NAME: Arg = Arg::Name(255);
        static PORT: Arg = Arg::Opt(&Arg::Int(0, 65_535));
        let first = words.get(at).map(|word| word.text.clone());
        let next = self.simple(subject, arg, words, at)?;
        match (first.as_deref(), arg) {
            (Some("fwmark"), _) => {
                let next = self.simple(subject, &MARK, words, next)?;
                self.argument(subject, &FAMILY, false, words, next)
            }
            (Some("group"), Arg::Service) => self.simple(subject, &NAME, words, next),
            _ => self.argument(subject, &PORT, true, words, next),
        }
    }
}

/// What was plainly meant by a word that does not fit: without the `;` of other languages, or without a
/// prefix where an address is wanted.
fn meant(subject: &Subject<'_>, arg: &Arg, text: &str) -> Option<(Severity, Box<str>, String)> {
    let trimmed = text.trim_end_matches([';', ',', '.']);
    if trimmed.len() < text.len() && value::is_valid(arg, trimmed) {
        let message = format!("`{text}` is taken for `{trimmed}`");
        return Some((Severity::Warning, trimmed.into(), message));
    }
    let (addr, _) = text.split_once('/')?;
    let prefixed = matches!(arg, Arg::Ip | Arg::Ip4) && value::cidr(text).is_some();
    (prefixed && value::is_valid(arg, addr)).then(|| {
        let message = format!("`{}` has no use for a prefix; {addr} is used", subject.name);
        (Severity::Note, addr.into(), message)
    })
}

/// Text that stands in documentation for something to fill in: `<IPADDR>`, `...`.
pub(super) fn is_placeholder(text: &str) -> bool {
    if text.len() >= 3 && text.bytes().all(|byte| byte == b'.') {
        return true;
    }
    let Some(rest) = text.strip_prefix('<') else {
        return false;
    };
    rest.starts_with(|first: char| first.is_ascii_alphanumeric() || first == '-')
}

/// A definition that does not exist, `$NAME` or `${NAME}`: the lexer has said so.
fn is_undefined(text: &str) -> bool {
    text.match_indices('$').any(|(at, _)| {
        let rest = text.get(at.saturating_add(1)..).unwrap_or("");
        let (rest, braces) = match rest.strip_prefix('{') {
            Some(rest) => (rest, true),
            None => (rest, false),
        };
        let part = |c: char| c.is_ascii_alphanumeric() || c == '_';
        let behind = rest.trim_start_matches(part);
        let named = rest.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_');
        let whole = if braces {
            behind.starts_with('}')
        } else {
            behind.is_empty() || behind.starts_with([',', ')'])
        };
        named && whole
    })
}
