//! Checks the words of a statement against the arguments of its keyword.

use core::cmp::Ordering;

use super::checker::Checker;
use crate::config::diag::{Diag, Recurring, Severity, Span};
use crate::config::ids::report_undefined;
use crate::config::schema::{Arg, Keyword, Options, nearest_word, value};
use crate::config::tree::Word;

/// The keyword, option or item whose arguments are checked.
pub(super) struct ArgOwner<'a> {
    /// Name of the keyword or option, or what an item is ("address").
    pub(super) name: &'a str,
    /// Position of the keyword, option or item.
    pub(super) span: Span,
    pub(super) role: Role,
}

/// What arguments belong to.
#[derive(Clone, Copy)]
pub(super) enum Role {
    /// A statement or an option of it. The default replaces an invalid value; without one the
    /// statement is ignored.
    Statement(&'static Keyword),
    /// An item of a value block, which has no keyword that a message could name.
    Item,
    /// An option of an item.
    ItemOption,
    /// An option of an item that is ignored alone if it is invalid, not with the item: a number, or
    /// what only describes an address.
    ItemDetail,
}

/// Whether further arguments may follow an argument. A word that is not valid for an optional
/// argument can be that of the next one.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Position {
    NotLast,
    Last,
}

impl Position {
    /// The position of an argument that is followed by `rest`.
    fn before(rest: &[Arg]) -> Self {
        if rest.is_empty() {
            Self::Last
        } else {
            Self::NotLast
        }
    }
}

impl ArgOwner<'_> {
    /// What happens to an invalid statement, to be appended to a message.
    fn consequence(&self) -> String {
        match self.role {
            Role::Item | Role::ItemOption => "; line ignored".to_owned(),
            Role::Statement(keyword) if !keyword.default().is_empty() => {
                format!("; {} is used", keyword.default())
            }
            Role::Statement(_) | Role::ItemDetail => "; ignored".to_owned(),
        }
    }
}

impl Checker<'_> {
    /// Checks `words` against `args`. False: the statement is invalid.
    pub(super) fn words(
        &mut self,
        owner: &ArgOwner<'_>,
        args: &'static [Arg],
        words: &mut Vec<Word>,
    ) -> bool {
        let mut at = 0;
        let mut rest = args.iter();
        while let Some(arg) = rest.next() {
            match self.argument(owner, arg, Position::before(rest.as_slice()), words, at) {
                Some(next) => at = next,
                None => return false,
            }
        }
        if let Some(extra) = words.get(at..) {
            let extra = extra.to_vec();
            self.unexpected_words(owner.name, &extra);
        }
        words.truncate(at);
        true
    }

    /// Checks one argument that starts at word `at`. Returns the index after it; `None`: invalid.
    #[expect(
        clippy::wildcard_enum_match_arm,
        reason = "all single-word types are checked alike"
    )]
    fn argument(
        &mut self,
        owner: &ArgOwner<'_>,
        arg: &'static Arg,
        position: Position,
        words: &mut Vec<Word>,
        at: usize,
    ) -> Option<usize> {
        match arg {
            Arg::Opt(inner) => match words.get(at) {
                None => Some(at),
                Some(word)
                    if position == Position::NotLast && !value::is_valid(inner, &word.text) =>
                {
                    Some(at)
                }
                Some(_) => self.argument(owner, inner, position, words, at),
            },
            Arg::Bool if words.get(at).is_none() => Some(at),
            Arg::Many(inner) => {
                let mut at = self.simple(owner, inner, words, at)?;
                while at < words.len() {
                    at = self.simple(owner, inner, words, at)?;
                }
                Some(at)
            }
            Arg::Cmd => {
                self.simple(owner, arg, words, at)?;
                Some(words.len())
            }
            Arg::User => {
                let next = self.simple(owner, arg, words, at)?;
                Some(next.saturating_add(1).min(words.len()))
            }
            Arg::Umask => {
                // Blanks may be around `|`.
                let joined: String = words.iter().skip(at).map(|word| &*word.text).collect();
                if let Some(word) = words.get_mut(at).filter(|_| joined.contains('|')) {
                    word.text = joined.into();
                    words.truncate(at.saturating_add(1));
                }
                self.simple(owner, arg, words, at)
            }
            Arg::Options(options) => self.options(owner, options, words, at),
            Arg::Service | Arg::GroupEntry => self.service(owner, arg, words, at),
            _ => self.simple(owner, arg, words, at),
        }
    }

    /// Checks an argument that is a single word.
    fn simple(
        &mut self,
        owner: &ArgOwner<'_>,
        arg: &Arg,
        words: &mut [Word],
        at: usize,
    ) -> Option<usize> {
        let next = at.saturating_add(1);
        let Some(word) = words.get_mut(at) else {
            self.missing(owner, arg);
            return None;
        };
        let free = matches!(arg, Arg::Str | Arg::Cmd | Arg::User);
        // Almost no word has one of these bytes.
        let mut marked = false;
        for byte in word.text.bytes() {
            marked |= !free && matches!(byte, b'{' | b'<' | b'$');
        }
        if is_placeholder(&word.text) || (marked && is_template(&word.text)) {
            self.placeholder(owner, arg, word);
            return None;
        }
        if marked && let Some(name) = undefined(&word.text) {
            self.undefined(word.span, name);
            return None;
        }
        if value::is_valid(arg, &word.text) {
            if matches!(arg, Arg::If) {
                self.interfaces.earlier_or_insert(&word.text, word.span);
            }
            return Some(next);
        }
        if is_unfilled(arg, &word.text) {
            self.placeholder(owner, arg, word);
            return None;
        }
        if let Some(correction) = correction(owner, arg, &word.text) {
            let span = word.span;
            word.text = correction.right;
            let Correction {
                severity,
                message,
                help,
                ..
            } = correction;
            match help {
                Some(help) => self.diags.report_with_help(severity, span, message, help),
                None => self.report(severity, span, message),
            }
            return Some(next);
        }
        self.invalid(owner, arg, word);
        None
    }

    /// Reports that an argument is missing, perhaps because it starts with the character of a
    /// comment.
    fn missing(&mut self, owner: &ArgOwner<'_>, arg: &Arg) {
        let expected = value::expected(arg);
        let after = self.sources.line(owner.span).and_then(|(line, at)| {
            let end = at.saturating_add(usize::from(owner.span.len));
            Some(line.get(end..)?.trim())
        });
        let placeholder = after.and_then(|text| text.split_whitespace().next());
        let placeholder = placeholder.filter(|word| word.len() > 2 && word.ends_with('#'));
        let Some(word) = placeholder.filter(|word| word.starts_with('#')) else {
            let message = format!("`{}` needs {expected}{}", owner.name, owner.consequence());
            return self.error(owner.span, message, None);
        };
        let message = format!("`{word}` is a placeholder, and a comment because of the `#`");
        self.unfilled(owner.span, message, owner, &expected);
    }

    /// Reports a reference to an undefined name where the lexer has not, because text comes before
    /// it that a password could have too: `10.0.0.1$NAME`.
    fn undefined(&mut self, span: Span, name: &str) {
        if self.diags.cause_in(span).is_some() {
            return;
        }
        match self.diags.recurring(Recurring::OtherId) {
            Some(lines) => self.diags.again(lines, span),
            None => report_undefined(span, name, self.diags),
        }
    }

    /// Reports a placeholder.
    fn placeholder(&mut self, owner: &ArgOwner<'_>, arg: &Arg, word: &Word) {
        let message = format!("`{}` is a placeholder that was not filled in", word.text);
        self.unfilled(word.span, message, owner, &value::expected(arg));
    }

    /// The placeholders of a template have one cause, so they are reported once.
    fn unfilled(&mut self, span: Span, message: String, owner: &ArgOwner<'_>, expected: &str) {
        let message = message + &owner.consequence();
        let diag = Diag {
            help: Some(format!("replace it with {expected}")),
            ..Diag::new(Severity::Error, Some(span), message)
        };
        self.diags.report_recurring(Recurring::Placeholder, diag);
    }

    /// Reports a word that is not a valid value of its argument.
    #[expect(
        clippy::wildcard_enum_match_arm,
        reason = "two types have messages of their own"
    )]
    fn invalid(&mut self, owner: &ArgOwner<'_>, arg: &Arg, word: &Word) {
        let text = word.text.as_ref();
        let consequence = owner.consequence();
        if let (Arg::Choice(_) | Arg::AnyCase(_), true) = (arg, text.contains('|')) {
            let message = format!("`{text}` lists several values, one is needed{consequence}");
            return self.error(
                word.span,
                message,
                Some(format!("write {}", value::expected(arg))),
            );
        }
        let expected = value::expected(arg);
        let definition = text.contains('$').then(|| {
            "`$NAME` is replaced only before a blank, `,` or `)`; elsewhere write `${NAME}`"
                .to_owned()
        });
        let (message, help) = match arg {
            Arg::Mail => (
                format!("`{text}` contains a backslash{consequence}"),
                Some(format!("did you mean `{}`?", text.replace('\\', ""))),
            ),
            Arg::Choice(choices) | Arg::AnyCase(choices) => (
                format!(
                    "`{}` must be {expected}, not `{text}`{consequence}",
                    owner.name
                ),
                nearest_word(choices.split(' '), text)
                    .map(|near| format!("did you mean `{near}`?")),
            ),
            _ if matches!(owner.role, Role::Item) => (
                format!("`{text}` is not {expected}{consequence}"),
                definition,
            ),
            _ => (
                format!(
                    "`{}` needs {expected}, not `{text}`{consequence}",
                    owner.name
                ),
                definition,
            ),
        };
        self.error(word.span, message, help);
    }

    /// Reports words after the last argument, often a comment without its `#`.
    pub(super) fn unexpected_words(&mut self, name: &str, words: &[Word]) {
        let Some(first) = words.first() else { return };
        let message = match words.len() {
            1 => format!("unexpected word after `{name}`; ignored"),
            _ => format!("unexpected words after `{name}`; ignored"),
        };
        self.report(Severity::Note, first.span, message);
    }

    // ---- options ----

    /// Checks `NAME VALUE …` up to the end of the line.
    fn options(
        &mut self,
        owner: &ArgOwner<'_>,
        options: &'static Options,
        words: &mut Vec<Word>,
        mut at: usize,
    ) -> Option<usize> {
        let mut positional = options.positional.as_ref();
        while let Some(word) = words.get(at) {
            let row = options.rows.iter().find(|row| row.is(&word.text));
            if let Some(row) = row {
                let canonical = row.canonical_name();
                if !options.repeatable && words.iter().take(at).any(|past| &*past.text == canonical)
                {
                    let message = format!("`{}` is given twice; the last one is used", row.name());
                    self.report(Severity::Warning, word.span, message);
                }
                at = self.option(owner, row, words, at)?;
                continue;
            }
            if let Some(arg) = positional
                && value::is_valid(arg, &word.text)
            {
                positional = positional.filter(|_| options.repeatable);
                at = at.saturating_add(1);
                continue;
            }
            if matches!(owner.role, Role::Statement(_)) {
                break;
            }
            at = self.unknown_option(owner, options, words, at)?;
        }
        Some(at)
    }

    /// Checks the option whose name is word `at`.
    fn option(
        &mut self,
        owner: &ArgOwner<'_>,
        row: &'static Keyword,
        words: &mut Vec<Word>,
        at: usize,
    ) -> Option<usize> {
        if let Some(word) = words.get_mut(at) {
            word.text = row.canonical_name().into();
        }
        let is_detail = match row.args() {
            [Arg::Int(..) | Arg::Lifetime | Arg::Broadcast] | [Arg::Opt(_), Arg::Count] => true,
            [Arg::Scope | Arg::Name(15)] => owner.name == "address",
            _ => false,
        };
        let option = ArgOwner {
            name: row.name(),
            span: words.get(at).map_or(owner.span, |word| word.span),
            role: match owner.role {
                Role::Item if is_detail => Role::ItemDetail,
                Role::Item | Role::ItemOption | Role::ItemDetail => Role::ItemOption,
                Role::Statement(_) => owner.role,
            },
        };
        let name = at;
        let mut at = at.saturating_add(1);
        let mut rest = row.args().iter();
        while let Some(arg) = rest.next() {
            let next = self.argument(&option, arg, Position::before(rest.as_slice()), words, at);
            let Some(next) = next else {
                if !matches!(option.role, Role::ItemDetail) {
                    return None;
                }
                words.drain(name..at.saturating_add(1).min(words.len()));
                return Some(name);
            };
            at = next;
        }
        Some(at)
    }

    /// Reports a word that is not an option. A placeholder makes the line invalid; other words are
    /// removed.
    fn unknown_option(
        &mut self,
        owner: &ArgOwner<'_>,
        options: &Options,
        words: &mut Vec<Word>,
        at: usize,
    ) -> Option<usize> {
        let word = words.get(at)?.clone();
        let text = word.text.as_ref();
        if is_placeholder(text) || undefined(text).is_some() {
            let arg = options.positional.unwrap_or(Arg::Ip);
            return self.simple(owner, &arg, words, at).or_else(|| {
                words.clear();
                None
            });
        }
        if let Some(arg) = options.positional.filter(|_| at == 0 || text.contains('/')) {
            return self.simple(owner, &arg, words, at);
        }
        let names = options.rows.iter().map(Keyword::name);
        let help = nearest_word(names, text).map(|near| format!("did you mean `{near}`?"));
        // Words that follow it are unknown too; one message is enough.
        let message = format!("unknown {} option `{text}`; ignored", options.noun);
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
        owner: &ArgOwner<'_>,
        arg: &'static Arg,
        words: &mut Vec<Word>,
        at: usize,
    ) -> Option<usize> {
        static MARK: Arg = Arg::Count;
        static FAMILY: Arg = Arg::Opt(&Arg::Choice(&"inet inet6"));
        static NAME: Arg = Arg::Name(255);
        static PORT: Arg = Arg::Opt(&Arg::Exact(0, 65_535));
        let first = words.get(at).map(|word| word.text.clone());
        let next = self.simple(owner, arg, words, at)?;
        match (first.as_deref(), arg) {
            (Some("fwmark"), _) => {
                let next = self.simple(owner, &MARK, words, next)?;
                self.argument(owner, &FAMILY, Position::NotLast, words, next)
            }
            (Some("group"), Arg::Service) => self.simple(owner, &NAME, words, next),
            _ => self.argument(owner, &PORT, Position::Last, words, next),
        }
    }
}

/// A valid value in place of an invalid one.
struct Correction {
    severity: Severity,
    right: Box<str>,
    message: String,
    help: Option<String>,
}

/// The valid value that is used for an invalid word: without a final `;` as in other languages,
/// without the backquotes of Markdown, the nearest one where a number, a time or a prefix length is
/// beyond its limits, without the prefix length where an address is needed, or a weight without a
/// wrong `reverse`.
fn correction(owner: &ArgOwner<'_>, arg: &Arg, text: &str) -> Option<Correction> {
    let mut correction = Correction {
        severity: Severity::Warning,
        right: "".into(),
        message: String::new(),
        help: None,
    };
    let trimmed = text.trim_end_matches([';', ',', '.']).trim_matches('`');
    if trimmed.len() < text.len() && value::is_valid(arg, trimmed) {
        correction.message = format!("`{text}` is read as `{trimmed}`");
        correction.right = trimmed.into();
        return Some(correction);
    }
    if let (Some(order), Some((min, max))) = (value::beyond(arg, text), value::limits(arg)) {
        let (side, limit) = match order {
            Ordering::Less => ("below the minimum", min),
            Ordering::Equal | Ordering::Greater => ("above the maximum", max),
        };
        let name = owner.name;
        correction.message = format!("`{name} {text}` is {side} of {limit}; {limit} is used");
        correction.right = limit.into();
        return Some(correction);
    }
    if matches!(arg, Arg::Choice(words) if **words == "reverse noreverse") {
        correction.message = format!("`{text}` is not `reverse`; ignored");
        correction.right = "noreverse".into();
        return Some(correction);
    }
    let (addr, prefix) = text.split_once('/')?;
    if matches!(arg, Arg::Cidr | Arg::Prefix) {
        let right = value::cidr(addr)?.to_string();
        correction.message = format!("`{prefix}` is not a prefix length; {right} is used");
        correction.help =
            value::prefix_of_mask(prefix).map(|bits| format!("write `{addr}/{bits}`"));
        correction.right = right.into();
        return Some(correction);
    }
    let prefixed = matches!(arg, Arg::Ip | Arg::Ip4) && value::cidr(text).is_some();
    (prefixed && value::is_valid(arg, addr)).then(|| {
        correction.severity = Severity::Note;
        correction.message = format!(
            "`{}` does not take a prefix length; {addr} is used",
            owner.name
        );
        correction.right = addr.into();
        correction
    })
}

/// True for text copied from documentation that is meant to be replaced: `<IPADDR>`, `...`.
pub(super) fn is_placeholder(text: &str) -> bool {
    // Few words start with one of these.
    if !matches!(text.as_bytes().first(), Some(b'.' | b'<')) {
        return false;
    }
    if text.len() >= 2 && text.bytes().all(|byte| byte == b'.') {
        return true;
    }
    let Some(rest) = text.strip_prefix('<') else {
        return false;
    };
    rest.starts_with(|first: char| first.is_ascii_alphanumeric() || first == '-')
}

/// True for text of a template that was not filled in: `{{ vip }}`, `{IP VIP}`. The first kind was
/// reported by the lexer; a command may contain it.
fn is_template(text: &str) -> bool {
    ["{{", "{%", "<%"].iter().any(|open| text.contains(open))
        || (text.starts_with('{') && text.ends_with('}'))
}

/// True for an invalid value that must be meant as a placeholder: `%VIP%`, `@VIP@`, `VIRTUAL_IP`,
/// `10.x.x.1`.
fn is_unfilled(arg: &Arg, text: &str) -> bool {
    let bare = text.split('/').next().unwrap_or(text);
    let mask = |part: &str| {
        !part.is_empty()
            && part
                .bytes()
                .all(|c| c.is_ascii_digit() || matches!(c, b'x' | b'X'))
    };
    if bare.split('.').count() == 4 && bare.split('.').all(mask) {
        return bare.contains(['x', 'X']);
    }
    let inner = text.trim_matches(['%', '@']);
    let quoted = inner.len() < text.len() && !inner.is_empty();
    let upper = inner.bytes().filter(u8::is_ascii_uppercase).count() > 1
        && inner.bytes().all(|c| {
            c.is_ascii_uppercase() || c.is_ascii_digit() || matches!(c, b'_' | b'/' | b'.' | b'-')
        });
    let choice = matches!(arg, Arg::Choice(_) | Arg::AnyCase(_) | Arg::Umask);
    quoted || (upper && (!choice || inner.contains('_') || inner.trim_matches('X').is_empty()))
}

/// A reference to an undefined name, `$NAME` or `${NAME}`.
fn undefined(text: &str) -> Option<&str> {
    let part = |c: char| c.is_ascii_alphanumeric() || c == '_';
    text.match_indices('$').find_map(|(at, _)| {
        let text = text.get(at..)?;
        let name = text.get(1..)?;
        let (name, braces) = match name.strip_prefix('{') {
            Some(name) => (name, true),
            None => (name, false),
        };
        let after = name.trim_start_matches(part);
        let named = name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_');
        let whole = if braces {
            after.starts_with('}')
        } else {
            after.is_empty() || after.starts_with([',', ')', '/', '.', ':'])
        };
        let len = text
            .len()
            .checked_sub(after.len())?
            .checked_add(usize::from(braces))?;
        text.get(..len).filter(|_| named && whole)
    })
}
