//! `vrrpd ubus dump` and `vrrpd ubus status`: what the methods of the ubus object `keepalived` answer
//! on OpenWrt. They ask the running daemon for a dump and wait until it is there.

use std::ffi::OsString;
use std::fs::Metadata;
use std::io::{self, Read};
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use super::{instance_lock, lock_holder, open_file, signals};
use crate::{sys, uci};

/// Where the daemon has its pid, by the name that it is called.
pub(super) const PID_FILES: [&str; 2] = ["/var/run/keepalived.pid", "/var/run/vrrpd.pid"];
/// Without an answer in this time, the daemon counts as stopped.
const PATIENCE: Duration = Duration::from_secs(2);
/// A dump takes a few milliseconds.
const PAUSE: Duration = Duration::from_millis(1);
/// More than the dump of any configuration.
const MAX_DUMP: u64 = 64 << 20;

/// Answers a method.
///
/// # Errors
/// The usage, for another method.
pub fn run(args: &[OsString]) -> Result<String, String> {
    let method = args.first().and_then(|method| method.to_str());
    match (method, args.len()) {
        (Some("dump"), 1) => {
            let dump = request("JSON", "keepalived.json").filter(|dump| !dump.trim().is_empty());
            Ok(match dump {
                Some(dump) => ["{ \"status\": ", dump.trim_end(), " }\n"].concat(),
                None => "{}\n".to_owned(),
            })
        }
        (Some("status"), 1) => {
            let dump = request("DATA", "keepalived.data").unwrap_or_default();
            Ok(uci::status(&dump))
        }
        _ => Err("usage: vrrpd ubus dump|status".to_owned()),
    }
}

/// Has the daemon write a dump, and returns it.
fn request(signal: &str, file: &str) -> Option<String> {
    if signal == "JSON" && !cfg!(feature = "json") {
        return None;
    }
    let daemon = PID_FILES.iter().find_map(|path| daemon(Path::new(path)))?;
    let path = std::env::temp_dir().join(file);
    let before = open(&path).ok().map(|(_, data)| identity(&data));
    sys::send_signal(daemon, signals::number(signal)?).ok()?;
    let deadline = Instant::now() + PATIENCE;
    while Instant::now() < deadline {
        if let Ok((file, data)) = open(&path)
            && before != Some(identity(&data))
        {
            let mut dump = String::new();
            file.take(MAX_DUMP).read_to_string(&mut dump).ok()?;
            return Some(dump);
        }
        thread::sleep(PAUSE);
    }
    None
}

/// The pid of the daemon with this pid file. A process that has its pid by now gets no signal: it
/// does not have the lock.
fn daemon(pid_file: &Path) -> Option<i32> {
    let pid = lock_holder::named_in(pid_file)?;
    let lock = instance_lock::beside(pid_file, "lock");
    lock_holder::has_open(pid, &lock).then(|| i32::try_from(pid).ok())?
}

/// Opens a dump. It appears complete, by rename; /tmp may have a file of another user there, which
/// the daemon replaces.
fn open(path: &Path) -> io::Result<(std::fs::File, Metadata)> {
    let file = open_file::written_by_us(path)?;
    let data = file.metadata()?;
    Ok((file, data))
}

/// Differs for each file that is renamed to a path.
fn identity(data: &Metadata) -> (u64, u64, i64, i64) {
    (data.dev(), data.ino(), data.ctime(), data.ctime_nsec())
}
