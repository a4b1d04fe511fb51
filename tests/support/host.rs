//! A machine for the reader of configurations: one text in every file, and every program and user there or none.

use vrrpd::config::model::User;
use vrrpd::config::{Host, Program};

pub(crate) struct Machine<'a> {
    pub(crate) text: &'a str,
    /// Whether what a configuration names exists.
    pub(crate) complete: bool,
}

impl Host for Machine<'_> {
    fn read(&self, _: &str) -> Result<Vec<u8>, String> {
        Ok(self.text.into())
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
            writable_by_others: None,
        })
    }
}
