//! Loads a converted configuration and returns its diagnostics.

use std::cell::RefCell;

use vrrpd::config::model::User;
use vrrpd::config::render::render_text;
use vrrpd::config::source::Origin;
use vrrpd::config::{self, Access, Host, Program, Severity};
use vrrpd::uci::Converted;

use crate::host::FakeHost;

/// Diagnostics of a configuration, and the worst severity.
pub(crate) fn check(conf: &str) -> (String, Option<Severity>) {
    let loaded = config::load(
        "made.conf",
        &FakeHost {
            text: conf,
            complete: true,
        },
    );
    (
        render_text(&loaded.diags, &loaded.sources),
        loaded.diags.worst(),
    )
}

/// As [`check`], with the positions of the UCI file.
pub(crate) fn check_converted(done: Converted) -> (String, Option<Severity>) {
    let text = done.text.expect("a result");
    let host = MappedHost {
        inner: FakeHost {
            text: &text,
            complete: true,
        },
        origin: RefCell::new(Some(Box::new(Origin {
            sources: done.sources,
            marks: done.marks,
        }))),
    };
    let loaded = config::load("made.conf", &host);
    (
        render_text(&loaded.diags, &loaded.sources),
        loaded.diags.worst(),
    )
}

struct MappedHost<'a> {
    inner: FakeHost<'a>,
    origin: RefCell<Option<Box<Origin>>>,
}

impl Host for MappedHost<'_> {
    fn origin(&self) -> Option<Box<Origin>> {
        self.origin.take()
    }

    fn read(&self, path: &str) -> Result<Vec<u8>, String> {
        self.inner.read(path)
    }

    fn read_protected(&self, path: &str, from: Access) -> Result<Vec<u8>, String> {
        self.inner.read_protected(path, from)
    }

    fn is_writable_by_everyone(&self, path: &str) -> bool {
        self.inner.is_writable_by_everyone(path)
    }

    fn glob(&self, pattern: &str) -> Vec<String> {
        self.inner.glob(pattern)
    }

    fn env(&self, name: &str) -> Option<String> {
        self.inner.env(name)
    }

    fn config_id(&self) -> String {
        self.inner.config_id()
    }

    fn random(&self) -> u32 {
        self.inner.random()
    }

    fn user(&self, name: &str) -> Option<User> {
        self.inner.user(name)
    }

    fn group(&self, name: &str) -> Option<u32> {
        self.inner.group(name)
    }

    fn own_user(&self) -> User {
        self.inner.own_user()
    }

    fn program(&self, name: &str, user: User) -> Result<Program, String> {
        self.inner.program(name, user)
    }
}
