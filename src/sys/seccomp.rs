//! seccomp(2).

use std::ptr;

use nix::errno::Errno;

/// `SECCOMP_SET_MODE_FILTER` and `SECCOMP_MODE_FILTER`.
const SET_FILTER: libc::c_uint = 1;
const FILTER: libc::c_ulong = 2;
/// `SECCOMP_FILTER_FLAG_LOG`, since Linux 4.14.
const LOG: libc::c_uint = 2;

/// Installs a filter for this thread and its children, for good. What it refuses is reported to the
/// audit log where the kernel can do that.
pub(crate) fn install(program: &[libc::sock_filter]) -> nix::Result<()> {
    let program = libc::sock_fprog {
        len: u16::try_from(program.len()).map_err(|_| Errno::E2BIG)?,
        filter: program.as_ptr().cast_mut(),
    };
    let at = ptr::from_ref(&program);
    // The filter of a service manager may know prctl(2) only.
    if mode() == Ok(0) {
        // SAFETY: the kernel copies the program, which is valid for the call.
        let result = unsafe { libc::syscall(libc::SYS_seccomp, SET_FILTER, LOG, at) };
        if result == 0 {
            return Ok(());
        }
    }
    let unused: libc::c_ulong = 0;
    // SAFETY: as above.
    let result = unsafe { libc::prctl(libc::PR_SET_SECCOMP, FILTER, at, unused, unused) };
    Errno::result(result).map(drop)
}

/// 0: this thread has no filter.
fn mode() -> nix::Result<libc::c_int> {
    let unused: libc::c_ulong = 0;
    // SAFETY: takes no pointers.
    let mode = unsafe { libc::prctl(libc::PR_GET_SECCOMP, unused, unused, unused, unused) };
    Errno::result(mode)
}
