//! The `vrrpd` command.

use std::process::ExitCode;

fn main() -> ExitCode {
    ExitCode::from(vrrpd::run::run(std::env::args_os()))
}
