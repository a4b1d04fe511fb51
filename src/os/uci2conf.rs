//! `vrrpd uci2conf`: converts OpenWrt's UCI configuration into a keepalived.conf. Diagnostics go to
//! standard error.

use std::ffi::OsString;
use std::fs::File;
use std::io::{self, Read, Write};
use std::path::Path;

use nix::sys::stat::{self, Mode};

use super::atomic_file;
use super::host::Host;
use crate::config::Host as _;
use crate::config::render::render_text;
use crate::engine::system::error_text;
use crate::uci;

const DEFAULT: &str = "/etc/config/keepalived";
/// Number of bytes read from standard input: more than `uci::convert` accepts.
const MAX_INPUT: u64 = 5 << 20;

/// Runs the command; returns what to print.
///
/// # Errors
/// A message: wrong arguments, or a file that cannot be read or written.
pub fn run(args: Vec<OsString>) -> Result<String, String> {
    let mut input = None;
    let mut output = None;
    let mut args = args.into_iter();
    while let Some(arg) = args.next() {
        match arg.to_str() {
            Some("-o") => output = Some(args.next().ok_or("-o needs a file")?),
            Some(path) if input.is_none() && (path == "-" || !path.starts_with('-')) => {
                input = Some(path.to_owned());
            }
            _ => return Err("usage: vrrpd uci2conf [FILE|-] [-o FILE]".to_owned()),
        }
    }
    let name = input.as_deref().unwrap_or(DEFAULT);
    let bytes = read(name).map_err(|why| format!("cannot read {name}: {why}"))?;
    let done = uci::convert(name, bytes);
    let report = render_text(&done.diags, &done.sources);
    // Standard error may be closed.
    let _ = io::stderr().write_all(report.as_bytes());
    let text = done.text.ok_or("nothing was written")?;
    let Some(output) = output else {
        return Ok(text);
    };
    // The file may contain passwords.
    stat::umask(Mode::from_bits_truncate(0o077));
    let write = atomic_file::replace(Path::new(&output), text.as_bytes());
    write.map_err(|error| format!("cannot write {}: {}", output.display(), error_text(&error)))?;
    Ok(String::new())
}

fn read(name: &str) -> Result<Vec<u8>, String> {
    if name != "-" {
        return Host::default().read(name);
    }
    let mut bytes = Vec::new();
    File::open("/dev/stdin")
        .and_then(|input| input.take(MAX_INPUT).read_to_end(&mut bytes))
        .map_err(|error| error_text(&error))?;
    Ok(bytes)
}
