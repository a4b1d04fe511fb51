//! `vrrpd uci2conf`: converts OpenWrt's UCI configuration into a keepalived.conf, or checks it.
//! Diagnostics go to standard error.

use std::cell::RefCell;
use std::ffi::OsString;
use std::fs::File;
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

use nix::sys::stat::{self, Mode};

use super::atomic_file;
use super::host::Host;
use super::ubus;
use crate::config::model::User;
use crate::config::render::render_text;
use crate::config::source::Origin;
use crate::config::{self, Access, Diags, Host as _, Program, Severity};
use crate::engine::system::error_text;
use crate::types::{Cidr, IfName};
use crate::uci::{self, Networks};

const DEFAULT: &str = "/etc/config/keepalived";
const USAGE: &str = "usage: vrrpd uci2conf [FILE|-] [-o FILE | --check]";
/// Number of bytes read from standard input: more than `uci::convert` accepts.
const MAX_INPUT: u64 = 5 << 20;

/// Result of the command.
#[derive(Debug)]
pub enum Done {
    /// Text to print.
    Text(String),
    /// The converted configuration is to be tested.
    Check(Checked),
}

/// A UCI file that was converted to be tested.
#[derive(Debug)]
pub struct Checked {
    /// The name of the UCI file.
    pub name: String,
    /// The worst that the conversion reported.
    pub worst: Option<Severity>,
    /// The machine on which that file is the keepalived.conf.
    pub host: ConvertedHost,
}

/// Runs the command.
///
/// # Errors
/// A message: wrong arguments, or a file that cannot be read or written.
pub fn run(args: Vec<OsString>) -> Result<Done, String> {
    let mut input = None;
    let mut output = None;
    let mut check = false;
    let mut args = args.into_iter();
    while let Some(arg) = args.next() {
        match arg.to_str() {
            Some("-o") => output = Some(args.next().ok_or("-o needs a file")?),
            Some("--check") => check = true,
            Some(path) if input.is_none() && (path == "-" || !path.starts_with('-')) => {
                input = Some(path.to_owned());
            }
            _ => return Err(USAGE.to_owned()),
        }
    }
    if check && output.is_some() {
        return Err(USAGE.to_owned());
    }
    let name = input.unwrap_or_else(|| DEFAULT.to_owned());
    let bytes = read(&name).map_err(|why| format!("cannot read {name}: {why}"))?;
    let networks = networks(&name);
    let done = uci::convert_on(&networks, &name, bytes);
    let report = render_text(&done.diags, &done.sources);
    // Standard error may be closed.
    let _ = io::stderr().write_all(report.as_bytes());
    let text = done.text.ok_or("nothing was written")?;
    if check {
        let reported = networks.confused_names().map(str::to_owned);
        let origin = Origin {
            sources: done.sources,
            marks: done.marks,
        };
        let host = ConvertedHost {
            inner: Host {
                tested: Some(pid_file()),
                ..Host::default()
            },
            name: name.clone(),
            text,
            reported: reported.collect(),
            origin: RefCell::new(Some(Box::new(origin))),
        };
        let worst = Diags::worst(&done.diags);
        return Ok(Done::Check(Checked { name, worst, host }));
    }
    let Some(output) = output else {
        return Ok(Done::Text(text));
    };
    // The file may contain passwords.
    stat::umask(Mode::from_bits_truncate(0o077));
    let write = atomic_file::replace(Path::new(&output), text.as_bytes());
    write.map_err(|error| format!("cannot write {}: {}", output.display(), error_text(&error)))?;
    Ok(Done::Text(String::new()))
}

/// The pid file of the daemon, by the name that it is called. The state file beside it says which
/// addresses are its own.
fn pid_file() -> PathBuf {
    let [keepalived, own] = ubus::PID_FILES.map(PathBuf::from);
    if keepalived.exists() { keepalived } else { own }
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

/// The networks in the file `network` beside a UCI file. There may be none.
fn networks(beside: &str) -> Networks {
    let beside = if beside == "-" { DEFAULT } else { beside };
    let path = Path::new(beside).with_file_name("network");
    let path = path.to_string_lossy();
    let host = Host::default();
    let bytes = host.read(&path).unwrap_or_default();
    Networks::read(&path, bytes, host.interfaces().unwrap_or_default())
}

/// The machine, with a converted configuration in place of its UCI file.
#[derive(Debug)]
pub struct ConvertedHost {
    inner: Host,
    name: String,
    text: String,
    /// Names that were reported because they are no devices.
    reported: Vec<String>,
    origin: RefCell<Option<Box<Origin>>>,
}

impl config::Host for ConvertedHost {
    fn read(&self, path: &str) -> Result<Vec<u8>, String> {
        if path == self.name {
            return Ok(self.text.clone().into_bytes());
        }
        self.inner.read(path)
    }

    fn origin(&self) -> Option<Box<Origin>> {
        self.origin.take()
    }

    fn interfaces(&self) -> Option<Vec<String>> {
        let mut names = self.inner.interfaces()?;
        names.extend_from_slice(&self.reported);
        Some(names)
    }

    fn foreign_addresses(&self) -> Vec<(IfName, Cidr)> {
        self.inner.foreign_addresses()
    }

    fn read_protected(&self, path: &str, from: Access) -> Result<Vec<u8>, String> {
        self.inner.read_protected(path, from)
    }

    fn is_writable_by_everyone(&self, path: &str) -> bool {
        self.inner.is_writable_by_everyone(path)
    }

    fn glob(&self, pattern: &str) -> Vec<String> {
        self.inner.glob(pattern)
    }

    fn env(&self, name: &str) -> Option<String> {
        self.inner.env(name)
    }

    fn config_id(&self) -> String {
        self.inner.config_id()
    }

    fn random(&self) -> u32 {
        self.inner.random()
    }

    fn user(&self, name: &str) -> Option<User> {
        self.inner.user(name)
    }

    fn group(&self, name: &str) -> Option<u32> {
        self.inner.group(name)
    }

    fn own_user(&self) -> User {
        self.inner.own_user()
    }

    fn program(&self, name: &str, user: User) -> Result<Program, String> {
        self.inner.program(name, user)
    }
}
