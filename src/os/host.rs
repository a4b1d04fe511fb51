//! The machine as the configuration reader sees it (files, users, programs), and the capabilities
//! of the process.

use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use nix::errno::Errno;
use nix::unistd::{self, Uid};

use super::linux::Linux;
use super::{atomic_file, clock, executable, instance_lock, open_file};
use crate::config::model::{Global, User};
use crate::config::{self, Access, Program};
use crate::engine;
use crate::engine::system::error_text;
use crate::sys;
use crate::types::{Cidr, IfName, sorted};

/// Size limit of a configuration file, to protect the memory of a router.
const MAX_FILE: u64 = 16 << 20;
/// Maximum number of files that one `include` reads.
const MAX_MATCHES: usize = 1024;

/// The machine that the daemon runs on.
#[derive(Clone, Debug, Default)]
pub struct Host {
    /// Option `-i`.
    pub config_id: Option<String>,
    /// The daemon runs in another network namespace than this process: option `-s`.
    pub other_namespace: bool,
    /// The pid file of the daemon, if its configuration is tested.
    pub tested: Option<PathBuf>,
}

impl config::Host for Host {
    fn interfaces(&self) -> Option<Vec<String>> {
        if self.other_namespace {
            return None;
        }
        let list = nix::net::if_::if_nameindex().ok()?;
        let names = list
            .into_iter()
            .map(|one| one.name().to_string_lossy().into_owned());
        Some(names.collect())
    }

    // `interfaces` reads the addresses of all interfaces with musl.
    fn has_interface(&self, name: &str) -> bool {
        self.other_namespace || nix::net::if_::if_nametoindex(name) != Err(Errno::ENODEV)
    }

    fn foreign_addresses(&self) -> Vec<(IfName, Cidr)> {
        let tested = self.tested.as_deref().filter(|_| !self.other_namespace);
        let Some(pid_file) = tested else {
            return Vec::new();
        };
        // Not for the daemon: to close a packet socket takes some 15 ms.
        let Ok(mut linux) = Linux::open() else {
            return Vec::new();
        };
        let state = instance_lock::beside(pid_file, "state");
        let state = read_all(open_file::for_reading(&state)).unwrap_or_default();
        engine::foreign_addresses(clock::now(), &mut linux, &state)
    }

    fn read(&self, path: &str) -> Result<Vec<u8>, String> {
        read_all(open_file::for_reading(path.as_ref()))
    }

    fn read_protected(&self, path: &str, from: Access) -> Result<Vec<u8>, String> {
        let opened = match from {
            Access::Write => open_file::trusted(path.as_ref()),
            Access::Any => open_file::secret(path.as_ref()),
        };
        read_all(opened)
    }

    fn is_writable_by_everyone(&self, path: &str) -> bool {
        open_file::is_writable_by_everyone(path.as_ref())
    }

    fn glob(&self, pattern: &str) -> Vec<String> {
        let mut found = vec![String::from(if pattern.starts_with('/') {
            "/"
        } else {
            ""
        })];
        for part in pattern.split('/').filter(|part| !part.is_empty()) {
            found = matches_below(&found, part);
        }
        found.retain(|path| {
            let data = fs::metadata(path);
            data.is_ok_and(|data| data.is_file() && data.mode() & 0o111 == 0)
        });
        found = sorted(found);
        found.truncate(MAX_MATCHES);
        found
    }

    fn env(&self, name: &str) -> Option<String> {
        std::env::var(name).ok()
    }

    fn config_id(&self) -> String {
        if let Some(id) = &self.config_id {
            return id.clone();
        }
        let name = host_name();
        name.split('.').next().unwrap_or_default().to_owned()
    }

    fn random(&self) -> u32 {
        sys::random().unwrap_or_else(|| {
            // In the first moments after boot. Good enough to spread delays.
            let since = SystemTime::now().duration_since(UNIX_EPOCH);
            since.map_or(0, |since| since.subsec_nanos()) ^ std::process::id()
        })
    }

    fn user(&self, name: &str) -> Option<User> {
        let found = match name.parse() {
            Ok(uid) => unistd::User::from_uid(Uid::from_raw(uid)),
            Err(_) => unistd::User::from_name(name),
        };
        found.ok().flatten().map(|user| User {
            uid: user.uid.as_raw(),
            gid: user.gid.as_raw(),
        })
    }

    fn group(&self, name: &str) -> Option<u32> {
        name.parse().ok().or_else(|| {
            let found = unistd::Group::from_name(name).ok().flatten();
            found.map(|group| group.gid.as_raw())
        })
    }

    fn own_user(&self) -> User {
        own_user()
    }

    fn program(&self, name: &str, user: User) -> Result<Program, String> {
        executable::find(name, user)
    }
}

fn read_all(file: io::Result<File>) -> Result<Vec<u8>, String> {
    let file = file.map_err(|error| error_text(&error))?;
    // The size in the inode may not be true (files in /proc).
    let size = file.metadata().map_or(0, |data| data.len()).min(MAX_FILE);
    let mut bytes = Vec::with_capacity(usize::try_from(size).unwrap_or(0).saturating_add(32));
    // One byte more than the limit, to notice longer ones.
    file.take(MAX_FILE + 1)
        .read_to_end(&mut bytes)
        .map_err(|error| error_text(&error))?;
    if u64::try_from(bytes.len()).is_ok_and(|length| length <= MAX_FILE) {
        Ok(bytes)
    } else {
        Err(format!("larger than {} MiB", MAX_FILE >> 20))
    }
}

/// The user that the daemon runs as.
pub(super) fn own_user() -> User {
    User {
        uid: unistd::geteuid().as_raw(),
        gid: unistd::getegid().as_raw(),
    }
}

fn host_name() -> String {
    let name = unistd::gethostname().unwrap_or_default();
    name.to_string_lossy().into_owned()
}

/// The files in these directories whose names match one part of a pattern, as in a shell: `*` does not
/// match a leading dot.
fn matches_below(dirs: &[String], part: &str) -> Vec<String> {
    let join = |dir: &str, name: &str| match dir {
        "" | "/" => format!("{dir}{name}"),
        _ => format!("{dir}/{name}"),
    };
    if !part.contains(['*', '?', '[']) {
        return dirs.iter().map(|dir| join(dir, part)).collect();
    }
    let Ok(pattern) = glob::Pattern::new(part) else {
        return Vec::new();
    };
    let options = glob::MatchOptions {
        require_literal_leading_dot: true,
        ..glob::MatchOptions::new()
    };
    let mut found = Vec::new();
    for dir in dirs {
        let Ok(entries) = fs::read_dir(if dir.is_empty() { "." } else { dir }) else {
            continue;
        };
        for entry in entries.flatten() {
            let name = entry.file_name();
            let name = name
                .to_str()
                .filter(|name| pattern.matches_with(name, options));
            found.extend(name.map(|name| join(dir, name)));
        }
    }
    found
}

/// Sets `router_id`, `smtp_helo_name` and `notification_email_from` from the host name, where the
/// configuration does not set them.
pub fn set_name_defaults(global: &mut Global) {
    let name = host_name();
    if global.router_id.is_empty() {
        global.router_id.clone_from(&name);
    }
    let Some(mail) = &mut global.smtp else {
        return;
    };
    if mail.helo_name.is_empty() {
        mail.helo_name.clone_from(&name);
    }
    if mail.from.is_empty() {
        let user = unistd::User::from_uid(Uid::effective()).ok().flatten();
        let user = user.map_or_else(|| "root".to_owned(), |user| user.name);
        mail.from = format!("{user}@{name}");
    }
}

/// Checks whether the configuration file can be read.
///
/// # Errors
/// The reason for a message.
pub fn check_readable(path: &str) -> Result<(), String> {
    open_file::for_reading(path.as_ref())
        .map(drop)
        .map_err(|error| error_text(&error))
}

/// Writes a file that the user has named for output; see [`open_file`] for when it is replaced.
///
/// # Errors
/// A system call failed.
pub fn write_output(path: &Path, bytes: &[u8]) -> io::Result<()> {
    match open_file::for_output(path)? {
        Some(mut file) => file.write_all(bytes),
        None => atomic_file::replace(path, bytes),
    }
}

// ---- permissions ----

/// Bit and name of the capabilities that the daemon cannot run without (`linux/capability.h`).
const NEEDED: [(u32, &str); 2] = [(12, "CAP_NET_ADMIN"), (13, "CAP_NET_RAW")];

/// Names of the required capabilities that this process does not have. Empty if /proc cannot be
/// read.
#[must_use]
pub fn missing_capabilities() -> Vec<&'static str> {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    missing_in(&status)
}

/// Whether this process has the capability with this bit. True if /proc cannot be read.
pub(super) fn has_capability(bit: u32) -> bool {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    effective_in(&status).is_none_or(|effective| effective & (1 << bit) != 0)
}

fn effective_in(status: &str) -> Option<u64> {
    status
        .lines()
        .find_map(|line| line.strip_prefix("CapEff:"))
        .and_then(|hex| u64::from_str_radix(hex.trim(), 16).ok())
}

fn missing_in(status: &str) -> Vec<&'static str> {
    let Some(effective) = effective_in(status) else {
        return Vec::new();
    };
    let lacks = |bit: &u32| effective & (1 << bit) == 0;
    let missing = NEEDED.iter().filter(|(bit, _)| lacks(bit));
    missing.map(|(_, name)| *name).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Host as _;
    use crate::os::testing::Scratch;
    use std::fs::File;
    use std::os::unix::fs::PermissionsExt;

    fn text(path: &std::path::Path) -> &str {
        path.to_str().expect("UTF-8")
    }

    #[test]
    fn only_regular_files_of_reasonable_size_are_read() {
        let scratch = Scratch::new("host-read");
        let file = scratch.path("conf");
        fs::write(&file, "vrrp_instance A {}").expect("write");
        let fifo = scratch.path("fifo");
        nix::unistd::mkfifo(&fifo, nix::sys::stat::Mode::S_IRWXU).expect("mkfifo");
        let large = scratch.path("large");
        File::create(&large)
            .and_then(|file| file.set_len(MAX_FILE + 1))
            .expect("sparse file");
        let fits = scratch.path("fits");
        File::create(&fits)
            .and_then(|file| file.set_len(MAX_FILE))
            .expect("sparse file");

        let host = Host::default();
        let read = |path: &std::path::Path| host.read(text(path)).map(|bytes| bytes.len());
        assert_eq!(read(&file), Ok(18));
        assert_eq!(read(&fits), Ok(16 << 20));
        for (path, want) in [
            (large, "larger than 16 MiB"),
            (fifo, "it is not a regular file"),
            (scratch.path(""), "it is a directory"),
            (scratch.path("none"), "no such file or directory"),
            (file.join("below"), "not a directory"),
        ] {
            assert_eq!(read(&path), Err(want.to_owned()), "{}", path.display());
        }
    }

    #[test]
    fn include_patterns_match_files_that_are_not_executable_in_sorted_order() {
        let scratch = Scratch::new("host-glob");
        for (name, mode) in [
            ("b.conf", 0o644),
            ("a.conf", 0o600),
            (".hidden.conf", 0o644),
            ("script.conf", 0o755),
            ("other.txt", 0o644),
        ] {
            let path = scratch.path(name);
            fs::write(&path, "").expect("write");
            fs::set_permissions(&path, fs::Permissions::from_mode(mode)).expect("chmod");
        }
        fs::create_dir(scratch.path("d.conf")).expect("mkdir");
        fs::write(scratch.path("d.conf/inner.conf"), "").expect("write");

        let host = Host::default();
        let names = |pattern: &str| {
            let found = host.glob(text(&scratch.path(pattern)));
            let name = |path: &String| path.rsplit('/').next().unwrap_or_default().to_owned();
            found.iter().map(name).collect::<Vec<_>>()
        };
        assert_eq!(names("*.conf"), ["a.conf", "b.conf"]);
        assert_eq!(names("[ab].conf"), ["a.conf", "b.conf"]);
        assert_eq!(names("?.txt"), [""; 0]);
        assert_eq!(names("other.txt"), ["other.txt"]);
        assert_eq!(names("[broken"), [""; 0]);
        assert_eq!(names("d.*/i*.conf"), ["inner.conf"]);
        assert_eq!(names("*/../a.conf"), ["a.conf"]);
        assert_eq!(names(".*.conf"), [".hidden.conf"]);
    }

    #[test]
    fn the_configuration_id_is_the_option_or_the_short_host_name() {
        let given = Host {
            config_id: Some("left.example".to_owned()),
            ..Host::default()
        };
        assert_eq!(given.config_id(), "left.example");
        let own = Host::default().config_id();
        assert!(!own.is_empty() && !own.contains('.'), "{own}");
    }

    #[test]
    fn random_numbers_differ() {
        let host = Host::default();
        let mut drawn: Vec<u32> = (0..8).map(|_| host.random()).collect();
        drawn.sort_unstable();
        drawn.dedup();
        assert!(drawn.len() > 4, "{drawn:?}");
    }

    #[test]
    fn missing_capabilities_are_named() {
        for (name, status, want) in [
            ("root", "CapEff:\t000001ffffffffff\n", &[][..]),
            ("both", "Name:\tx\nCapEff:\t0000000000003000\n", &[]),
            ("no raw", "CapEff:\t0000000000001000\n", &["CAP_NET_RAW"]),
            (
                "nothing",
                "CapPrm:\t3000\nCapEff:\t0000000000000000\n",
                &["CAP_NET_ADMIN", "CAP_NET_RAW"],
            ),
            ("no CapEff line", "", &[]),
        ] {
            assert_eq!(missing_in(status), want, "{name}");
        }
    }
}
