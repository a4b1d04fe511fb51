//! keepalived.conf: text in, typed model and diagnostics out. No I/O: files come through [`Host`].
//!
//! ```text
//! bytes → source (files, include, @cond) → expand ($def, ~SEQ, ~LST) → lexer (words with spans)
//!       → tree (nested statements) → check against schema → lower (tree → model) → validate
//! ```
//! Parsing never stops at the first problem and never panics; every problem is a [`Diag`] with a place.
#![cfg_attr(not(test), deny(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, clippy::arithmetic_side_effects))]

mod check;
pub mod diag;
mod lower;
pub mod model;
pub mod schema;
pub mod tree;
mod validate;

pub use diag::{Diag, Diags, Severity};
pub use model::Config;

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
}
