//! keepalived.conf: text in, typed model and diagnostics out. No I/O: files come through [`Host`].
//!
//! ```text
//! bytes → source, file (texts, physical lines) → reader (include, @cond, $def, ~SEQ, ~LST: logical lines)
//!       → lexer (words and braces with spans) → build (nested statements: tree)
//!       → check against schema → lower (tree → model) → validate        diag → render (text), json
//! ```
//! Parsing never stops at the first problem and never panics; every problem is a [`Diag`] with a place.

#![cfg_attr(
    not(test),
    deny(
        clippy::unwrap_used,
        clippy::expect_used,
        clippy::panic,
        clippy::indexing_slicing,
        clippy::arithmetic_side_effects
    )
)]

mod build;
mod check;
pub mod command;
pub mod diag;
mod expand;
mod file;
mod include;
#[cfg(feature = "json")]
pub mod json;
mod lexer;
mod line;
mod lower;
pub mod model;
#[cfg(feature = "regex")]
mod pcre;
mod reader;
pub mod render;
pub mod schema;
mod sequence;
pub mod source;
mod span_map;
#[cfg(feature = "lvs")]
pub mod subset;
pub mod tree;
mod validate;

pub use build::OpensBlock;
pub use diag::{Diag, Diags, Severity};
pub use model::Config;
use model::User;
pub use source::Sources;
use tree::Block;

/// What the configuration reader may ask of the machine; `os` answers in earnest, tests from memory.
pub trait Host {
    /// The bytes of a file. The error is the sentence to show ("no such file or directory").
    ///
    /// # Errors
    /// The system's own words when the file cannot be read.
    fn read(&self, path: &str) -> Result<Vec<u8>, String>;

    /// Regular, non-executable files that match a pattern with `*`, `?` and `[…]`, sorted.
    fn glob(&self, pattern: &str) -> Vec<String>;

    /// An environment variable, for `${_ENV NAME}`.
    fn env(&self, name: &str) -> Option<String>;

    /// What `@ID` lines are compared with: option `-i`, else the host name up to its first dot.
    fn config_id(&self) -> String;

    /// A random number for `${_RANDOM}`; each call gives a new one.
    fn random(&self) -> u32;

    /// The user of this name or number, with its group.
    fn user(&self, name: &str) -> Option<User>;

    /// Number of the group of this name or number.
    fn group(&self, name: &str) -> Option<u32>;

    /// Who the daemon is.
    fn own_user(&self) -> User;

    /// Finds a program that this user may run; a name without a slash is looked for in the PATH.
    ///
    /// # Errors
    /// Why there is none: "no such file or directory", "not executable for its user".
    fn program(&self, name: &str, user: User) -> Result<Program, String>;
}

/// A program that can be run.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Program {
    /// Its absolute path.
    pub path: String,
    /// The first part of the path that others than root may change.
    pub writable_by_others: Option<String>,
}

/// A configuration, ready to run, and all there is to say about its text.
#[derive(Debug)]
pub struct Loaded {
    /// What can run; empty when a message is fatal.
    pub config: Config,
    /// The messages, in the order of the text.
    pub diags: Diags,
    /// The files, for showing places.
    pub sources: Sources,
}

/// Reads a configuration, checks it and makes the model. Never fails: what is wrong is in the messages.
#[must_use]
pub fn load(path: &str, host: &dyn Host) -> Loaded {
    let mut diags = Diags::default();
    let Parsed { sources, mut root } = parse(path, host, schema::opens_block, &mut diags);
    let locate = |span, here| sources.locate(span, here);
    let config = if diags.worst() == Some(Severity::Fatal) {
        // The tree ends somewhere in the middle: whatever was said about it would mislead.
        Config::default()
    } else {
        check::check(&mut root, &locate, &mut diags);
        validate::validate(&mut root, &locate, &mut diags);
        lower::lower(&root, host, &locate, &mut diags)
    };
    diags.sort_by_key(|span| {
        // What a multi-line definition brought in comes where it was used.
        let used = core::iter::successors(Some(span), |span| sources.via(*span)).last();
        used.map(|span| (span.file, span.start))
    });
    Loaded {
        config,
        diags,
        sources,
    }
}

/// A configuration as text: what was read and the statements found in it.
#[derive(Debug)]
pub struct Parsed {
    /// The files, for showing places.
    pub sources: Sources,
    /// The statements at top level. After a fatal message: those found before it.
    pub root: Block,
}

/// A fatal message was written; nothing more is read.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct Stop;

/// Reads a configuration and everything it includes. `opens_block` tells which keywords open blocks, for the
/// case that a brace is missing.
pub fn parse(path: &str, host: &dyn Host, opens_block: OpensBlock, diags: &mut Diags) -> Parsed {
    let mut reader = reader::Reader::new(host);
    let mut builder = build::Builder::new(opens_block);
    let root = match read(path, &mut reader, &mut builder, diags) {
        Ok(()) => builder.finish(&reader.sources, diags),
        Err(Stop) => builder.into_root(),
    };
    Parsed {
        sources: reader.sources,
        root,
    }
}

fn read(
    path: &str,
    reader: &mut reader::Reader<'_>,
    builder: &mut build::Builder,
    diags: &mut Diags,
) -> Result<(), Stop> {
    let mut lexer = lexer::Lexer::default();
    let mut line = line::Line::default();
    let mut tokens = Vec::new();
    reader.open_main(path, diags)?;
    while reader.next(&mut line, diags)? {
        lexer.lex(&line, &reader.definitions, &mut tokens, diags);
        builder.line(&line, &mut tokens, &reader.sources, diags)?;
    }
    Ok(())
}
