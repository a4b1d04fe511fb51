//! A host for loading configurations: every file has the same text, and either every program, user
//! and group exists or none.

use vrrpd::config::model::User;
use vrrpd::config::{Access, Host, Program};

pub(crate) struct FakeHost<'a> {
    pub(crate) text: &'a str,
    /// Whether programs, users and groups exist.
    pub(crate) complete: bool,
}

impl Host for FakeHost<'_> {
    fn read(&self, path: &str) -> Result<Vec<u8>, String> {
        if path.contains("/iproute2/") {
            return Err("no such file or directory".to_owned());
        }
        Ok(self.text.into())
    }

    fn read_protected(&self, path: &str, _: Access) -> Result<Vec<u8>, String> {
        self.read(path)
    }

    fn is_writable_by_everyone(&self, _: &str) -> bool {
        false
    }

    fn glob(&self, _: &str) -> Vec<String> {
        Vec::new()
    }

    fn env(&self, _: &str) -> Option<String> {
        None
    }

    fn config_id(&self) -> String {
        String::new()
    }

    fn random(&self) -> u32 {
        0
    }

    fn user(&self, _: &str) -> Option<User> {
        self.complete.then(User::default)
    }

    fn group(&self, _: &str) -> Option<u32> {
        self.complete.then_some(0)
    }

    fn own_user(&self) -> User {
        User::default()
    }

    fn program(&self, name: &str, _: User) -> Result<Program, String> {
        if !self.complete {
            return Err("no such file or directory".to_owned());
        }
        Ok(Program {
            path: name.to_owned(),
            exposed: None,
            set_id: false,
        })
    }
}

/// Whether diagnostics report a broken block structure, as opposed to an invalid value.
#[allow(
    dead_code,
    reason = "used by the tests of converted configurations only"
)]
pub(crate) fn has_syntax_error(diagnostics: &str) -> bool {
    let syntax_errors = [
        "unclosed quote",
        "unexpected `",
        "without an open block",
        "missing `",
        "does not take a block",
        "unknown keyword",
        "is not valid in",
        "is not valid at",
    ];
    syntax_errors.iter().any(|text| diagnostics.contains(text))
}
