//! Programs to run, found and checked when the configuration was read.

/// A program with its arguments.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Command {
    /// The words; the first is the absolute path of the program.
    pub argv: Vec<String>,
    /// Who runs it.
    pub user: User,
}

/// An identity, by number.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct User {
    /// User.
    pub uid: u32,
    /// Group.
    pub gid: u32,
}
