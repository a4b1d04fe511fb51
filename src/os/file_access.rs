//! What the owner and the mode of a file allow this process: what it could do with the file without
//! capabilities. (Access control lists count as their mask, which is the mode of the group.)

use std::fs::{self, Metadata};
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use nix::unistd::{getegid, geteuid, getgroups};

const WRITE: u32 = 0o2;
/// To execute a file, or to search a directory.
pub(super) const EXECUTE: u32 = 0o1;

/// The user and the groups of this process.
#[derive(Debug)]
pub(super) struct Identity {
    uid: u32,
    gids: Vec<u32>,
}

impl Identity {
    pub(super) fn own() -> Self {
        let groups = getgroups().unwrap_or_default();
        let gids = groups.into_iter().chain([getegid()]);
        Identity {
            uid: geteuid().as_raw(),
            gids: gids.map(nix::unistd::Gid::as_raw).collect(),
        }
    }

    /// Whether the mode of this file grants all of `bits`.
    pub(super) fn may(&self, data: &Metadata, bits: u32) -> bool {
        let shift = if data.uid() == self.uid {
            6
        } else if self.gids.contains(&data.gid()) {
            3
        } else {
            0
        };
        data.mode() >> shift & bits == bits
    }

    /// Whether it may search all directories on the way to a file.
    fn may_reach(&self, path: &Path) -> bool {
        let search = |path: &Path| {
            let mut directories = path.ancestors().skip(1);
            directories.all(|one| fs::metadata(one).is_ok_and(|data| self.may(&data, EXECUTE)))
        };
        // Links on the way, too, lead to directories.
        search(path) && fs::canonicalize(path).map_or(true, |real| search(&real))
    }

    /// Whether it may create and remove files beside this one.
    pub(super) fn may_replace(&self, path: &Path) -> bool {
        let parent = path.parent().unwrap_or(path);
        let writable = |data: Metadata| self.may(&data, WRITE | EXECUTE);
        self.may_reach(path) && fs::metadata(parent).is_ok_and(writable)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::os::testing::Scratch;
    use std::os::unix::fs::PermissionsExt;

    fn mode(path: &Path, mode: u32) {
        fs::set_permissions(path, fs::Permissions::from_mode(mode)).expect("chmod");
    }

    #[test]
    fn the_mode_decides_for_owner_group_and_others() {
        let scratch = Scratch::new("access-mode");
        let file = scratch.path("file");
        fs::write(&file, "").expect("write");
        mode(&file, 0o740);
        let data = fs::metadata(&file).expect("metadata");
        let (uid, gid) = (data.uid(), data.gid());
        for (name, uid, gid, want) in [
            ("owner", uid, gid + 1, [true, true, true]),
            ("group", uid + 1, gid, [true, false, false]),
            ("others", uid + 1, gid + 1, [false, false, false]),
        ] {
            let identity = Identity {
                uid,
                gids: vec![gid],
            };
            let got = [0o4, WRITE, EXECUTE].map(|bits| identity.may(&data, bits));
            assert_eq!(got, want, "{name}");
        }
    }

    #[test]
    fn directories_on_the_way_count_also_behind_a_link() {
        let scratch = Scratch::new("access-way");
        let own = Identity::own();
        let (closed, open) = (scratch.path("closed"), scratch.path("open"));
        for path in [&closed, &open] {
            fs::create_dir(path).expect("mkdir");
            fs::write(path.join("file"), "").expect("write");
        }
        let link = open.join("link");
        std::os::unix::fs::symlink(closed.join("file"), &link).expect("link");
        assert!(own.may_reach(&link) && own.may_replace(&link));
        mode(&closed, 0o600);
        assert!(!own.may_reach(&closed.join("file")));
        // Without capabilities the link cannot be resolved, and is not known to be a problem.
        assert!(!own.may_reach(&link) || !nix::unistd::geteuid().is_root());
        mode(&open, 0o500);
        assert!(own.may_reach(&open.join("file")) && !own.may_replace(&open.join("file")));
        mode(&closed, 0o700);
        mode(&open, 0o700);
    }
}
