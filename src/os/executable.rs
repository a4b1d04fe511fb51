//! Finds programs, and checks whether users other than root can change a program that root will
//! run.

use std::ffi::OsString;
use std::fs::{self, Metadata};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use super::host::own_user;
use super::open_file::{self, require_regular};
use super::path_check;
use crate::config::Program;
use crate::config::model::User;
use crate::engine::system::error_text;

/// Search path if the environment has no PATH.
const DEFAULT_PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// See [`crate::config::Host::program`].
pub(super) fn find(name: &str, user: User) -> Result<Program, String> {
    if name.contains('/') {
        let path = std::path::absolute(name).map_err(|error| error_text(&error))?;
        return check(&path, user);
    }
    let mut why = "no such program in the PATH".to_owned();
    for dir in std::env::split_paths(&search_path()) {
        let path = dir.join(name);
        // What a relative directory in PATH refers to depends on where the daemon was started.
        if !dir.is_absolute() || !path.exists() {
            continue;
        }
        match check(&path, user) {
            Ok(program) => return Ok(program),
            Err(reason) => why = reason,
        }
    }
    Err(why)
}

fn search_path() -> OsString {
    std::env::var_os("PATH").unwrap_or_else(|| OsString::from(DEFAULT_PATH))
}

/// The path of this program, which was called by this name: the one in the PATH if it leads here.
pub(super) fn own_path(name: &Path) -> io::Result<PathBuf> {
    let own = std::env::current_exe()?;
    let data = fs::metadata(&own)?;
    let is_own = |path: &PathBuf| fs::metadata(path).is_ok_and(|it| open_file::is_same(&it, &data));
    let dirs = search_path();
    Ok(std::env::split_paths(&dirs)
        .map(|dir| dir.join(name))
        .find(|path| path.is_absolute() && is_own(path))
        .unwrap_or(own))
}

fn check(path: &Path, user: User) -> Result<Program, String> {
    let data = fs::metadata(path).map_err(|error| error_text(&error))?;
    require_regular(&data).map_err(|error| error_text(&error))?;
    if !may_execute(&data, user) {
        return Err("it is not executable for its user".to_owned());
    }
    let text = path.to_str().ok_or("its path is not UTF-8")?;
    Ok(Program {
        path: text.to_owned(),
        exposed: exposed_part(text, user),
        set_id: data.mode() & 0o6000 != 0,
    })
}

fn exposed_part(path: &str, user: User) -> Option<String> {
    let outcome = path_check::check(path.as_bytes(), trusted_owner(user));
    outcome.err().and_then(|error| error.exposed())
}

fn may_execute(data: &Metadata, user: User) -> bool {
    let bits = match user.uid {
        0 => 0o111,
        owner if owner == data.uid() => 0o100,
        _ if user.gid == data.gid() => 0o010,
        _ => 0o001,
    };
    data.mode() & bits != 0
}

/// Which user besides root may own a program that runs as `user`, and the directories and links of
/// its path: the daemon's, for its own programs.
pub(super) fn trusted_owner(user: User) -> u32 {
    if user.uid == own_user().uid {
        user.uid
    } else {
        0
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::os::testing::Scratch;
    use std::os::unix::fs::PermissionsExt;

    const ROOT: User = User { uid: 0, gid: 0 };
    const OTHER: User = User {
        uid: 54_321,
        gid: 54_321,
    };

    fn file(scratch: &Scratch, name: &str, mode: u32) -> String {
        let path = scratch.path(name);
        fs::write(&path, "#!/bin/sh\n").expect("write");
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).expect("chmod");
        path.to_str().expect("UTF-8").to_owned()
    }

    #[test]
    fn programs_are_found_and_checked_for_their_user() {
        let scratch = Scratch::new("program");
        let everyone = file(&scratch, "everyone", 0o755);
        let owner = file(&scratch, "owner", 0o700);
        let not_executable = file(&scratch, "not-executable", 0o644);
        let dir = scratch.path("").to_str().expect("UTF-8").to_owned();
        let not = "it is not executable for its user";
        for (name, user, want) in [
            (everyone.as_str(), ROOT, Ok(everyone.as_str())),
            (&everyone, OTHER, Ok(&everyone)),
            (&owner, ROOT, Ok(&owner)),
            (&owner, OTHER, Err(not)),
            (&not_executable, ROOT, Err(not)),
            ("/no/such", ROOT, Err("no such file or directory")),
            (&dir, ROOT, Err("it is a directory")),
            ("/dev/null", ROOT, Err("it is not a regular file")),
            ("no-such-program", ROOT, Err("no such program in the PATH")),
        ] {
            let got = find(name, user).map(|program| program.path);
            let want = want.map(str::to_owned).map_err(str::to_owned);
            assert_eq!(got, want, "{name} {user:?}");
        }
        let shell = find("sh", OTHER).expect("a shell");
        assert!(shell.path.starts_with('/') && shell.path.ends_with("/sh"));
    }

    #[test]
    fn the_component_that_others_can_change_is_found() {
        let scratch = Scratch::new("program-exposed");
        let root = nix::unistd::geteuid().is_root();
        for (mode, want) in [(0o755, false), (0o757, true), (0o700, false)] {
            let path = file(&scratch, "x", mode);
            let program = find(&path, User::default()).expect("found");
            let want = (want && root).then(|| path.clone());
            if root {
                assert_eq!(program.exposed, want, "{mode:o}");
            }
            assert!(!program.set_id);
        }
        let path = file(&scratch, "set-user-id", 0o4755);
        assert!(find(&path, OTHER).expect("found").set_id);
    }
}
