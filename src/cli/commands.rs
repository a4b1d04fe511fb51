//! Commands for the running daemon, on the command line and in the help text. `ctl::request` has their
//! table.

use std::ffi::OsString;
use std::fmt::Write as _;

use super::Request;
use crate::ctl::request as control;

/// Reads a command for the running daemon.
pub(super) fn parse(args: impl Iterator<Item = OsString>) -> Request {
    let words: Result<Vec<String>, _> = args.map(OsString::into_string).collect();
    let words = words.map_err(|_| "an argument is not valid UTF-8".to_owned());
    let request = words.and_then(|words| control::parse(words.iter().map(String::as_str)));
    request.map_or_else(Request::WrongCommand, Request::Control)
}

/// Adds the commands that are built in to the help text.
pub(super) fn add_help(out: &mut String) {
    out.push_str("\nCommands for the running daemon (-p PIDFILE or --socket PATH: which one):\n");
    for row in control::COMMANDS
        .iter()
        .filter(|row| row.command.is_built_in())
    {
        let names = [row.name, " ", row.usage].concat();
        for (number, line) in row.help.lines().enumerate() {
            let left = if number == 0 { names.as_str() } else { "" };
            // Writing to a String cannot fail.
            let _ = writeln!(out, "  {left:<23} {line}");
        }
    }
}
