//! Finds programs, and checks whether users other than root can change a program that root will
//! run.

use std::ffi::OsString;
use std::fs::{self, Metadata};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use super::open_file::require_regular;
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
    let dirs = std::env::var_os("PATH").unwrap_or_else(|| OsString::from(DEFAULT_PATH));
    let mut why = "no such program in the PATH".to_owned();
    for dir in std::env::split_paths(&dirs) {
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

fn check(path: &Path, user: User) -> Result<Program, String> {
    let data = fs::metadata(path).map_err(|error| error_text(&error))?;
    require_regular(&data).map_err(|error| error_text(&error))?;
    if !may_execute(&data, user) {
        return Err("it is not executable for its user".to_owned());
    }
    let text = path.to_str().ok_or("its path is not UTF-8")?;
    Ok(Program {
        path: text.to_owned(),
        writable_by_others: writable_by_others(path),
    })
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

/// The first component of the path, as written and with links resolved, that users other than root
/// can change.
fn writable_by_others(path: &Path) -> Option<String> {
    let real = fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
    let parts = |path: &Path| {
        path.ancestors()
            .map(Path::to_owned)
            .collect::<Vec<PathBuf>>()
    };
    let mut all = parts(path)
        .into_iter()
        .rev()
        .chain(parts(&real).into_iter().rev());
    all.find(|part| fs::metadata(part).is_ok_and(|data| is_writable_by_others(&data)))
        .map(|part| part.display().to_string())
}

fn is_writable_by_others(data: &Metadata) -> bool {
    // In a directory with the sticky bit others can create files, but not replace them.
    let sticky = data.is_dir() && data.mode() & 0o1000 != 0;
    let by_group = data.mode() & 0o020 != 0 && data.gid() != 0;
    let by_others = data.mode() & 0o002 != 0;
    data.uid() != 0 || ((by_group || by_others) && !sticky)
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
        let data = |name: &str, mode| fs::metadata(file(&scratch, name, mode)).expect("metadata");
        let root = nix::unistd::geteuid().is_root();
        for (mode, want) in [(0o755, !root), (0o757, true), (0o700, !root)] {
            assert_eq!(is_writable_by_others(&data("x", mode)), want, "{mode:o}");
        }
        if root {
            let link = scratch.path("link");
            let open = file(&scratch, "open", 0o777);
            std::os::unix::fs::symlink(&open, &link).expect("link");
            let link = link.to_str().expect("UTF-8");
            assert_eq!(
                find(link, ROOT).expect("found").writable_by_others,
                Some(link.to_owned())
            );
        }
    }
}
