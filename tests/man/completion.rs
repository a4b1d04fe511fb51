//! The completion of bash, from the tables of options and commands: `make man`.

use std::fmt::Write as _;

use vrrpd::cli;
use vrrpd::ctl::reference::{self, OptionText};
use vrrpd::ctl::request::{COMMANDS, Names, Row};

/// What does not depend on the tables.
const FUNCTIONS: &str = include_str!("completion.bash");

/// The text of the file.
pub(crate) fn bash() -> String {
    let mut out = String::new();
    for row in COMMANDS {
        let options = [reference::options(row), reference::common_options()].concat();
        entry(row.name, &options, objects(row), &mut out);
    }
    entry("*", &cli::options(), "", &mut out);
    let names: Vec<&str> = COMMANDS.iter().map(|row| row.name).collect();
    let functions = FUNCTIONS.replace("    # @commands@\n", &out);
    functions.replace("@names@", &names.join(" "))
}

/// The words that a command takes; in upper case: names that the daemon has.
fn objects(row: &Row) -> &'static str {
    match row.names {
        Names::None => "",
        Names::Any | Names::Exactly(_) | Names::Choice => row.usage,
    }
}

/// A branch of `case`: options, those with a value, and further words.
fn entry(name: &str, options: &[OptionText], words: &str, out: &mut String) {
    let mut all = String::new();
    let mut values = String::new();
    for option in options {
        let equals = if option.value.is_empty() { "" } else { "=" };
        let _ = write!(all, " {} {}{equals}", option.short, option.long);
        if option.value.is_empty() {
            continue;
        }
        for name in [&option.short, &option.long] {
            if !name.is_empty() {
                let _ = write!(values, " {name}={}", option.value);
            }
        }
    }
    let all: Vec<&str> = all.split_whitespace().collect();
    let words = words.replace(['|', '[', ']'], " ").replace("...", "");
    let _ = write!(
        out,
        "    {name})\n        options='{}'\n        values='{}'\n        words='{}' ;;\n",
        all.join(" "),
        values.trim_start(),
        words.trim()
    );
}
