//! In a child: becomes the user of the program, and gives up what only the daemon may do.
//!
//! | The program runs as | It gets |
//! |---|---|
//! | another user than the daemon | no capability, and `no_new_privs`: nor can it get one by a set-user-ID program or file capabilities; no terminal, no priority over others |
//! | the daemon's user, root | what that user gets when it executes a program |
//! | the daemon's user, not root | of the daemon's capabilities those to configure the network |
//!
//! Nothing is believed: user, groups and capabilities are read back. System calls only, with
//! values that were prepared before the fork.

use nix::errno::Errno;
use nix::fcntl::{OFlag, open};
use nix::sys::prctl::{get_no_new_privs, set_no_new_privs};
use nix::sys::stat::Mode;
use nix::unistd::{self, Gid, Uid, chdir, setgid, setgroups, setuid};

use crate::config::model::User;
use crate::sys;
use crate::sys::caps::{self, Cap, CapSet, Caps};

/// What a program keeps that runs as the daemon's user, if that is not root: `ip` is of no use to
/// a notify script without them. Not among them: to become another user.
const NETWORK: CapSet = CapSet::EMPTY.with(Cap::NET_ADMIN).with(Cap::NET_RAW);

/// Why the program must not run.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Refusal {
    /// The process is not the user and group that it should be.
    User(Errno),
    /// It has, or could get, rights that it should not have.
    Privileges(Errno),
}

/// Makes the process `user`, as a child of a daemon that runs as `daemon`.
pub(super) fn settle(user: User, daemon: User) -> Result<(), Refusal> {
    if user != daemon {
        become_user(user).map_err(Refusal::User)?;
    }
    if user.uid != daemon.uid {
        leave_terminal()
            .and_then(|()| chdir(c"/"))
            .and_then(|()| sys::drop_priority())
            .and_then(|()| drop_all())
            .map_err(Refusal::Privileges)
    } else if user.uid != 0 {
        keep(NETWORK).map_err(Refusal::Privileges)
    } else {
        Ok(())
    }
}

/// Gives up all capabilities for good.
pub(super) fn drop_all() -> nix::Result<()> {
    keep(CapSet::EMPTY)?;
    set_no_new_privs()?;
    verify(get_no_new_privs()?)
}

/// Changes user and group for good, supplementary groups first.
fn become_user(User { uid, gid }: User) -> nix::Result<()> {
    let (uid, gid) = (Uid::from_raw(uid), Gid::from_raw(gid));
    setgroups(&[gid])?;
    setgid(gid)?;
    setuid(uid)?;
    let users = unistd::getresuid()?;
    let groups = unistd::getresgid()?;
    verify([users.real, users.effective, users.saved] == [uid; 3])?;
    verify([groups.real, groups.effective, groups.saved] == [gid; 3])?;
    verify(sys::has_only_group(gid))
}

/// Gives up all capabilities but these. The ambient set follows the others.
fn keep(kept: CapSet) -> nix::Result<()> {
    let is_within = |set: CapSet| set.and(kept) == set;
    let before = caps::get()?;
    caps::set(Caps {
        effective: before.effective.and(kept),
        permitted: before.permitted.and(kept),
        inheritable: before.inheritable.and(kept),
    })?;
    let now = caps::get()?;
    let sets = [
        now.effective,
        now.permitted,
        now.inheritable,
        caps::ambient(),
    ];
    verify(sets.into_iter().all(is_within))
}

/// Gives up the controlling terminal: a program could type into the shell that the daemon was
/// started from (TIOCSTI).
fn leave_terminal() -> nix::Result<()> {
    match open(c"/dev/tty", OFlag::O_RDWR | OFlag::O_CLOEXEC, Mode::empty()) {
        Ok(terminal) => sys::detach_from_terminal(&terminal),
        // There is none, or it is out of reach for the program too (EPERM: of the device cgroup).
        Err(Errno::ENXIO | Errno::ENOENT | Errno::EACCES | Errno::EPERM) => Ok(()),
        Err(errno) => Err(errno),
    }
}

/// Refuses what is not as it was asked for, although no call failed.
fn verify(is_as_asked: bool) -> nix::Result<()> {
    match is_as_asked {
        true => Ok(()),
        false => Err(Errno::EPERM),
    }
}
