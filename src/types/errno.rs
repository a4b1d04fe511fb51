//! Error numbers of the kernel that decide what happens next (`errno.h`). The low ones are the same
//! on every architecture; where MIPS has a number of its own, both are listed.

/// No such file or directory; of rules and IPVS destinations: no such object.
pub const ENOENT: i32 = 2;
/// No such process; of routes and IPVS services: no such object.
pub const ESRCH: i32 = 3;
/// Exec format error.
pub const ENOEXEC: i32 = 8;
/// Permission denied.
pub const EACCES: i32 = 13;
/// File exists; of addresses, routes, rules, links and IPVS objects: the object is already there.
pub const EEXIST: i32 = 17;
/// No such device.
pub const ENODEV: i32 = 19;
/// Invalid argument.
pub const EINVAL: i32 = 22;
/// Too many open files, in the system (`ENFILE`) or in the process (`EMFILE`).
pub const TOO_MANY_FILES: [i32; 2] = [23, 24];
/// Operation not supported: 95, on MIPS 122.
pub const EOPNOTSUPP: [i32; 2] = [95, 122];
/// Network is down: 100, on MIPS 127.
pub const ENETDOWN: [i32; 2] = [100, 127];
/// Address family not supported: 97, on MIPS 124. Without IPv6 in the kernel.
pub const EAFNOSUPPORT: [i32; 2] = [97, 124];
