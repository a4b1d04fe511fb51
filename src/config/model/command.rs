//! Programs to run, resolved and checked when the configuration was read.

/// A program with its arguments.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Command {
    /// The absolute path of the program, then its arguments.
    pub argv: Vec<String>,
    /// User and group it runs as.
    pub user: User,
    /// It runs only while others can change neither the program nor the way to it
    /// (`enable_script_security`, for programs with the rights of root or of the daemon's user).
    pub secure: bool,
}

/// A user and a group, by number.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct User {
    /// User id.
    pub uid: u32,
    /// Group id.
    pub gid: u32,
}
