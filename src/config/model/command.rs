//! Programs to run, resolved and checked when the configuration was read.

/// A program with its arguments.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Command {
    /// The absolute path of the program, then its arguments.
    pub argv: Vec<String>,
    /// User and group it runs as.
    pub user: User,
}

/// A user and a group, by number.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct User {
    /// User id.
    pub uid: u32,
    /// Group id.
    pub gid: u32,
}
