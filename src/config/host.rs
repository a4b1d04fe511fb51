//! What the configuration reader needs from the host.

use super::model::User;
use crate::types::{Cidr, IfName};

/// What reading a configuration needs from the host. `os` implements it; tests use a fake.
pub trait Host {
    /// The bytes of a file.
    ///
    /// # Errors
    /// The text for the message, such as "no such file or directory".
    fn read(&self, path: &str) -> Result<Vec<u8>, String>;

    /// The bytes of a file that must be protected from this access of other users.
    ///
    /// # Errors
    /// As for [`Host::read`], or how to protect the file.
    fn read_protected(&self, path: &str, from: Access) -> Result<Vec<u8>, String>;

    /// Whether every user can write to a file.
    fn is_writable_by_everyone(&self, path: &str) -> bool;

    /// Regular, non-executable files that match a pattern with `*`, `?` and `[…]`, sorted.
    fn glob(&self, pattern: &str) -> Vec<String>;

    /// An environment variable, for `${_ENV NAME}`.
    fn env(&self, name: &str) -> Option<String>;

    /// The ID that `@ID` lines are compared with: that of option `-i`, else the host name up to its
    /// first dot.
    fn config_id(&self) -> String;

    /// A random number for `${_RANDOM}`, a new one with each call.
    fn random(&self) -> u32;

    /// The user with this name or number, and its group.
    fn user(&self, name: &str) -> Option<User>;

    /// The ID of the group with this name or number.
    fn group(&self, name: &str) -> Option<u32>;

    /// The user that the daemon runs as.
    fn own_user(&self) -> User;

    /// The names of the interfaces that exist now; `None`: unknown, because the daemon runs in
    /// another network namespace.
    fn interfaces(&self) -> Option<Vec<String>> {
        None
    }

    /// Whether an interface exists now; true if that is unknown.
    fn has_interface(&self, name: &str) -> bool {
        let list = self.interfaces();
        list.is_none_or(|list| list.iter().any(|one| one == name))
    }

    /// The text that the configuration was converted from; `None`: it is as the user wrote it.
    #[cfg(feature = "uci")]
    fn origin(&self) -> Option<Box<super::source::Origin>> {
        None
    }

    /// The addresses that other programs have set on the interfaces of this machine, to be compared with
    /// virtual ones; none unless a configuration is tested.
    fn foreign_addresses(&self) -> Vec<(IfName, Cidr)> {
        Vec::new()
    }

    /// Finds a program that the user may execute; a name without a slash is searched in PATH.
    ///
    /// # Errors
    /// The text for the message, such as "no such file or directory" or "not executable for its
    /// user".
    fn program(&self, name: &str, user: User) -> Result<Program, String>;
}

/// What other users must not be able to do with a file.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Access {
    /// To change it: a certificate.
    Write,
    /// To read or change it: a key.
    Any,
}

/// A program that can be executed.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Program {
    /// Its absolute path.
    pub path: String,
    /// The first directory or link on the way to it, or the program itself, that users can change
    /// who are neither root nor, for a program of its own user, the daemon.
    pub exposed: Option<String>,
    /// It is set-user-ID or set-group-ID.
    pub set_id: bool,
}
