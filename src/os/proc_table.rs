//! The process table, from /proc, one process at a time.

use std::fmt::Write;
use std::fs::File;
use std::io::{self, Read};
use std::os::fd::AsFd;

use crate::engine::system::{ProcessFields, Scan};
use crate::sys;

/// Number of bytes read from a command line.
const MAX_LINE: usize = 4096;
/// Size of the buffer for directory entries, in bytes. The kernel looks up every process that it
/// lists: about 40 of them.
const MAX_ENTRIES: usize = 1024;
/// Offsets of `d_reclen` and `d_name` in `struct linux_dirent64`.
const RECORD_LEN: usize = 16;
const NAME: usize = 19;

/// A scan of the process table, which continues where the last call has ended.
#[derive(Debug, Default)]
pub(super) struct ProcTable {
    /// /proc, while a scan is in progress.
    dir: Option<File>,
    entries: Vec<u8>,
    /// The part of `entries` that has not been processed.
    rest: core::ops::Range<usize>,
    path: String,
    stat: Vec<u8>,
    line: Vec<u8>,
}

impl ProcTable {
    /// See [`crate::engine::system::System::start_process_scan`].
    pub(super) fn start(&mut self) -> io::Result<()> {
        self.entries.resize(MAX_ENTRIES, 0);
        self.stat.resize(512, 0);
        self.rest = 0..0;
        self.dir = Some(File::open("/proc")?);
        Ok(())
    }

    /// See [`crate::engine::system::System::next_process`]. Zombies are left out.
    pub(super) fn next(
        &mut self,
        fields: ProcessFields,
        each: &mut dyn FnMut(&[u8], &[u8]),
    ) -> io::Result<Scan> {
        let Some(pid) = self.next_pid()? else {
            self.dir = None;
            return Ok(Scan::Complete);
        };
        // A process that cannot be read has ended meanwhile.
        let stat = read(&mut self.path, pid, "stat", &mut self.stat);
        let Some(comm) = stat.and_then(alive) else {
            return Ok(Scan::Unfinished);
        };
        let line = match fields {
            ProcessFields::NameAndCommandLine => {
                self.line.resize(MAX_LINE, 0);
                read(&mut self.path, pid, "cmdline", &mut self.line)
            }
            ProcessFields::Name => None,
        };
        each(comm, line.unwrap_or_default());
        Ok(Scan::Unfinished)
    }

    /// The next process; `None` after the last one.
    fn next_pid(&mut self) -> io::Result<Option<u32>> {
        loop {
            let Some(dir) = &self.dir else {
                return Ok(None);
            };
            if self.rest.is_empty() {
                self.rest = 0..sys::directory_entries(dir.as_fd(), &mut self.entries)?;
                if self.rest.is_empty() {
                    return Ok(None);
                }
            }
            let entries = self.entries.get(self.rest.clone()).unwrap_or_default();
            let len = entries.get(RECORD_LEN..).and_then(|len| len.first_chunk());
            let len = usize::from(len.map_or(0, |len| u16::from_ne_bytes(*len)));
            let name = entries.get(NAME..len).unwrap_or_default();
            self.rest.start = match len {
                0 => self.rest.end,
                len => self.rest.start.saturating_add(len),
            };
            if let Some(pid) = number(name) {
                return Ok(Some(pid));
            }
        }
    }
}

/// The number that a name, padded with NUL, consists of.
fn number(name: &[u8]) -> Option<u32> {
    let name = name.split(|byte| *byte == 0).next()?;
    core::str::from_utf8(name).ok()?.parse().ok()
}

fn read<'a>(path: &mut String, pid: u32, what: &str, into: &'a mut [u8]) -> Option<&'a [u8]> {
    path.clear();
    let _ = write!(path, "/proc/{pid}/{what}");
    let len = File::open(path).and_then(|mut file| file.read(into)).ok()?;
    into.get(..len)
}

/// The name in `PID (NAME) STATE …` (proc_pid_stat(5)); `None` for a zombie. The name may contain
/// any byte.
fn alive(stat: &[u8]) -> Option<&[u8]> {
    let start = stat.iter().position(|byte| *byte == b'(')?.checked_add(1)?;
    let end = stat.iter().rposition(|byte| *byte == b')')?;
    let state = stat.get(end.checked_add(2)?)?;
    let comm = stat.get(start..end)?;
    (!b"ZXx".contains(state)).then_some(comm)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_name_is_what_the_outer_parentheses_enclose() {
        for (stat, want) in [
            (&b"1 (init) S 0 1"[..], Some(&b"init"[..])),
            (b"7 (a) b (c)) R 1", Some(b"a) b (c)")),
            (b"9 (zombie) Z 1", None),
            (b"9 (gone", None),
            (b"9 (gone)", None),
            (b"9 )gone( S", None),
            (b"", None),
        ] {
            let text = String::from_utf8_lossy(stat);
            assert_eq!(alive(stat), want, "{text}");
        }
    }

    #[test]
    fn this_process_is_listed() {
        let own = std::fs::read("/proc/self/cmdline").expect("proc");
        let mut table = ProcTable::default();
        let mut scan = |fields, each: &mut dyn FnMut(&[u8], &[u8])| {
            table.start().expect("proc");
            while table.next(fields, each).expect("proc") == Scan::Unfinished {}
        };
        let mut found = 0;
        scan(ProcessFields::NameAndCommandLine, &mut |_, line| {
            found += u32::from(line == own);
        });
        // Other tests fork, and their children have the same command line for a moment.
        assert!(found > 0);
        let (mut all, mut lines) = (0, 0);
        scan(ProcessFields::Name, &mut |comm, line| {
            all += comm.len().min(1);
            lines += line.len();
        });
        assert!(all > 0);
        assert_eq!(lines, 0);
    }

    #[test]
    fn a_scan_that_was_not_started_is_complete() {
        let mut table = ProcTable::default();
        let next = table.next(ProcessFields::Name, &mut |_, _| {});
        assert_eq!(next.expect("nothing is read"), Scan::Complete);
    }
}
