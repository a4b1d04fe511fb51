//! A machine on which every program exists and nothing else matters.

use vrrpd::config::model::User;
use vrrpd::config::render::render_text;
use vrrpd::config::{self, Host, Program, Severity};

struct Machine<'a>(&'a str);

impl Host for Machine<'_> {
    fn read(&self, _: &str) -> Result<Vec<u8>, String> {
        Ok(self.0.into())
    }

    fn glob(&self, _: &str) -> Vec<String> {
        Vec::new()
    }

    fn env(&self, _: &str) -> Option<String> {
        None
    }

    fn config_id(&self) -> String {
        "router".into()
    }

    fn random(&self) -> u32 {
        7
    }

    fn user(&self, _: &str) -> Option<User> {
        Some(User::default())
    }

    fn group(&self, _: &str) -> Option<u32> {
        Some(0)
    }

    fn own_user(&self) -> User {
        User::default()
    }

    fn program(&self, name: &str, _: User) -> Result<Program, String> {
        Ok(Program {
            path: name.to_owned(),
            exposed: None,
        })
    }
}

/// What vrrpd has to say about a configuration, and how bad it is.
pub(crate) fn check(conf: &str) -> (String, Option<Severity>) {
    let loaded = config::load("made.conf", &Machine(conf));
    (
        render_text(&loaded.diags, &loaded.sources),
        loaded.diags.worst(),
    )
}
