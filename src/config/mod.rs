//! Reads keepalived.conf: text in, typed model and diagnostics out. No I/O: files are read through
//! [`Host`].
//!
//! ```text
//! bytes → source, physical_lines → reader (include, @ID, $NAME, ~SEQ, ~LST: logical lines)
//!       → lexer (words and braces with spans) → build (nested statements: tree)
//!       → check (against schema) → validate (names) → lower (tree → model)
//! diag → render (text), json
//! ```
//! Reading does not stop at the first error and never panics; every error is a [`Diag`] with a
//! position.
//!
//! ```
//! use vrrpd::config::{Access, Host, Program, Severity, load, model::User, render::render_text};
//!
//! /// A host with one file. The daemon uses `os::host::Host`.
//! struct OneFile(&'static str);
//!
//! impl Host for OneFile {
//!     fn read(&self, _: &str) -> Result<Vec<u8>, String> { Ok(self.0.into()) }
//!     fn read_protected(&self, path: &str, _: Access) -> Result<Vec<u8>, String> { self.read(path) }
//!     fn is_writable_by_everyone(&self, _: &str) -> bool { false }
//!     fn glob(&self, _: &str) -> Vec<String> { Vec::new() }
//!     fn env(&self, _: &str) -> Option<String> { None }
//!     fn config_id(&self) -> String { "router1".into() }
//!     fn random(&self) -> u32 { 4 }
//!     fn user(&self, _: &str) -> Option<User> { None }
//!     fn group(&self, _: &str) -> Option<u32> { None }
//!     fn own_user(&self) -> User { User::default() }
//!     fn program(&self, _: &str, _: User) -> Result<Program, String> { Err("not found".into()) }
//! }
//!
//! let text = "\
//! vrrp_instance lan {
//!     interface eth0
//!     virtual_router_id 51
//!     prority 200
//!     virtual_ipaddress { 192.0.2.1/24 }
//! }
//! ";
//! let loaded = load("vrrpd.conf", &OneFile(text));
//!
//! let lan = &loaded.config.instances[0];
//! assert_eq!((lan.name.as_str(), lan.vrid.get()), ("lan", 51));
//! assert_eq!(loaded.diags.worst(), Some(Severity::Error));
//! assert_eq!(
//!     render_text(&loaded.diags, &loaded.sources),
//!     "vrrpd.conf:4:5: error: unknown keyword `prority`; ignored
//!         prority 200
//!         ^^^^^^^
//!   help: did you mean `priority`?
//! ",
//! );
//! ```

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
pub mod capability;
mod check;
pub mod command;
pub mod diag;
mod expand;
pub mod host;
mod ids;
mod include;
mod interfaces;
#[cfg(feature = "json")]
pub mod json;
mod lexer;
mod line;
mod lower;
pub mod model;
#[cfg(feature = "regex")]
mod pcre;
mod physical_lines;
#[cfg(feature = "sniff")]
pub mod places;
mod reader;
pub mod render;
pub mod schema;
mod sequence;
pub mod source;
mod span_map;
pub mod subset;
pub mod tree;
mod validate;

pub use build::OpensBlock;
use diag::Aborted;
pub use diag::{Diag, Diags, Severity};
pub use host::{Access, Host, Program};
pub use model::Config;
pub use source::Sources;
use tree::Block;

/// A configuration and the diagnostics of its text.
#[derive(Debug)]
pub struct Loaded {
    /// The model; the default if a diagnostic is fatal.
    pub config: Config,
    /// The diagnostics, in the order of the text.
    pub diags: Diags,
    /// The source files, to render the diagnostics.
    pub sources: Sources,
    /// The statements that the model was made of, without invalid ones.
    pub statements: Block,
}

/// Reads a configuration, checks it and lowers it to the model. Errors are reported as diagnostics.
#[must_use]
pub fn load(path: &str, host: &dyn Host) -> Loaded {
    let mut diags = Diags::default();
    let Parsed { sources, mut root } = parse(path, host, schema::opens_block, &mut diags);
    let config = if diags.worst() == Some(Severity::Fatal) {
        // The tree is incomplete; diagnostics about it would be misleading.
        Config::default()
    } else {
        let interfaces = check::check(&mut root, &sources, &mut diags);
        validate::validate(&mut root, &sources, &mut diags);
        let config = lower::lower(&root, host, &sources, &mut diags);
        interfaces::report_missing(&interfaces, &config, host, &mut diags);
        config
    };
    // Lines of a multi-line definition are sorted at its reference.
    diags.finish(&|span| sources.reference(span), &|span| sources.place(span));
    Loaded {
        config,
        diags,
        sources,
        statements: root,
    }
}

/// The source files of a configuration, and its statements.
#[derive(Debug)]
pub struct Parsed {
    /// The source files, to render the diagnostics.
    pub sources: Sources,
    /// The statements at the top level; after a fatal diagnostic those before it.
    pub root: Block,
}

/// Reads a configuration and the files it includes. `opens_block` says which keywords open blocks,
/// for the case that a brace is missing.
pub fn parse(path: &str, host: &dyn Host, opens_block: OpensBlock, diags: &mut Diags) -> Parsed {
    let mut reader = reader::Reader::new(host);
    #[cfg(feature = "uci")]
    reader.sources.set_origin(host.origin());
    let mut builder = build::Builder::new(opens_block);
    let root = match read(path, &mut reader, &mut builder, diags) {
        Ok(()) => builder.finish(&reader.sources, diags),
        Err(Aborted) => builder.into_root(),
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
) -> Result<(), Aborted> {
    let mut lexer = lexer::Lexer::default();
    let mut line = line::Line::default();
    let mut tokens = Vec::new();
    reader.open_main(path, diags)?;
    while reader.next(&mut line, diags)? {
        if line.skipped {
            builder.skip(&line);
            continue;
        }
        lexer.lex(&line, &mut reader.definitions, &mut tokens, diags);
        builder.line(&line, &mut tokens, &reader.sources, diags)?;
    }
    reader.finish(diags);
    Ok(())
}
