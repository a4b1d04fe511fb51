//! Capabilities of the process (capabilities(7)): capget(2), capset(2), and the ambient set, which
//! only prctl(2) shows. All of these concern the calling thread, which is the
//! only one.

use nix::errno::Errno;

/// `_LINUX_CAPABILITY_VERSION_3`: two words for each set.
const VERSION_3: u32 = 0x2008_0522;
const WORDS: usize = 2;

/// A capability by its number in `linux/capability.h`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Cap(pub(crate) u8);

impl Cap {
    pub(crate) const NET_ADMIN: Cap = Cap(12);
    pub(crate) const NET_RAW: Cap = Cap(13);
    pub(crate) const SYS_ADMIN: Cap = Cap(21);

    /// All capabilities that the sets have room for; a kernel has fewer.
    fn all() -> impl Iterator<Item = Cap> {
        (0..64).map(Cap)
    }
}

/// A set of capabilities: bit N stands for capability N.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(crate) struct CapSet(pub(crate) u64);

impl CapSet {
    pub(crate) const EMPTY: CapSet = CapSet(0);

    pub(crate) const fn with(self, cap: Cap) -> Self {
        CapSet(self.0 | 1 << (cap.0 & 63))
    }

    pub(crate) const fn has(self, cap: Cap) -> bool {
        self.0 & 1 << (cap.0 & 63) != 0
    }

    pub(crate) const fn and(self, other: Self) -> Self {
        CapSet(self.0 & other.0)
    }

    #[cfg(test)]
    const fn is_empty(self) -> bool {
        self.0 == 0
    }
}

/// The three sets that capget(2) and capset(2) handle.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(crate) struct Caps {
    pub(crate) effective: CapSet,
    pub(crate) permitted: CapSet,
    pub(crate) inheritable: CapSet,
}

/// `struct __user_cap_header_struct`.
#[repr(C)]
struct Header {
    version: u32,
    pid: libc::c_int,
}

const HEADER: Header = Header {
    version: VERSION_3,
    pid: 0,
};

/// `struct __user_cap_data_struct`: 32 bits of each set, the low ones first.
#[repr(C)]
#[derive(Clone, Copy, Default)]
struct Word {
    effective: u32,
    permitted: u32,
    inheritable: u32,
}

/// The capabilities of the process.
pub(crate) fn get() -> nix::Result<Caps> {
    let mut header = HEADER;
    let mut words = [Word::default(); WORDS];
    // SAFETY: the kernel reads and writes the header, and writes two words of data for version 3.
    let result = unsafe { libc::syscall(libc::SYS_capget, &raw mut header, words.as_mut_ptr()) };
    Errno::result(result)?;
    let [low, high] = words;
    let set = |low: u32, high: u32| CapSet(u64::from(low) | u64::from(high) << 32);
    Ok(Caps {
        effective: set(low.effective, high.effective),
        permitted: set(low.permitted, high.permitted),
        inheritable: set(low.inheritable, high.inheritable),
    })
}

/// Changes the capabilities of the process. What is no longer permitted and inheritable leaves the
/// ambient set too.
pub(crate) fn set(caps: Caps) -> nix::Result<()> {
    let mut header = HEADER;
    let word = |shift: u32| {
        #[allow(clippy::cast_possible_truncation, reason = "32 bits of the set")]
        let part = |set: CapSet| (set.0 >> shift) as u32;
        Word {
            effective: part(caps.effective),
            permitted: part(caps.permitted),
            inheritable: part(caps.inheritable),
        }
    };
    let words = [word(0), word(32)];
    // SAFETY: the kernel reads the header, which it may write to, and two words of data.
    let result = unsafe { libc::syscall(libc::SYS_capset, &raw mut header, words.as_ptr()) };
    Errno::result(result).map(drop)
}

/// The capabilities that a program keeps although its file gives it none. Empty on kernels before
/// 4.3, which have no such set.
pub(crate) fn ambient() -> CapSet {
    members(|cap| ambient_request(libc::PR_CAP_AMBIENT_IS_SET, cap))
}

/// Whether root gets all capabilities of the bounding set when it executes a program (not with
/// SECBIT_NOROOT).
pub(crate) fn root_gains_by_exec() -> bool {
    const NO_ROOT: libc::c_int = 1;
    prctl(libc::PR_GET_SECUREBITS, 0, 0).is_ok_and(|bits| bits & NO_ROOT == 0)
}

/// Those capabilities for which `is_set` returns 1. A kernel refuses numbers that it does not know.
fn members(is_set: impl Fn(Cap) -> nix::Result<libc::c_int>) -> CapSet {
    let found = Cap::all().filter(|&cap| is_set(cap) == Ok(1));
    found.fold(CapSet::EMPTY, CapSet::with)
}

fn ambient_request(request: libc::c_int, cap: Cap) -> nix::Result<libc::c_int> {
    let request = libc::c_ulong::try_from(request).map_err(|_| Errno::EINVAL)?;
    prctl(libc::PR_CAP_AMBIENT, request, cap.0.into())
}

/// prctl(2) with two numbers as arguments.
fn prctl(
    option: libc::c_int,
    first: libc::c_ulong,
    second: libc::c_ulong,
) -> nix::Result<libc::c_int> {
    let unused: libc::c_ulong = 0;
    // SAFETY: the options used in this file take numbers only.
    Errno::result(unsafe { libc::prctl(option, first, second, unused, unused) })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A line of /proc/self/status in hexadecimal.
    fn status(name: &str) -> CapSet {
        let text = std::fs::read_to_string("/proc/thread-self/status").expect("readable");
        let line = text.lines().find_map(|line| line.strip_prefix(name));
        let hex = line.expect("a line of this name").trim();
        CapSet(u64::from_str_radix(hex, 16).expect("hexadecimal"))
    }

    #[test]
    fn the_sets_are_those_of_proc() {
        let caps = get().expect("capget");
        assert_eq!(caps.effective, status("CapEff:"));
        assert_eq!(caps.permitted, status("CapPrm:"));
        assert_eq!(caps.inheritable, status("CapInh:"));
        assert_eq!(ambient(), status("CapAmb:"));
    }

    #[test]
    fn a_thread_can_give_up_what_it_has_and_not_get_it_back() {
        // Capabilities belong to a thread, so other tests are not affected.
        std::thread::spawn(|| {
            let before = get().expect("capget");
            let some = before.permitted.and(CapSet::EMPTY.with(Cap::NET_RAW));
            let inheritable = Caps {
                inheritable: some,
                ..before
            };
            set(inheritable).expect("capset");
            if some.has(Cap::NET_RAW) {
                let raise = libc::PR_CAP_AMBIENT_RAISE;
                ambient_request(raise, Cap::NET_RAW).expect("permitted and inheritable");
                assert_eq!(ambient(), some);
            }
            set(Caps::default()).expect("capset");
            assert_eq!(get(), Ok(Caps::default()));
            assert!(ambient().is_empty(), "it follows");
            if !before.permitted.is_empty() {
                assert_eq!(set(before), Err(Errno::EPERM));
            }
        })
        .join()
        .expect("passed");
    }
}
