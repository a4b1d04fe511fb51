//! The process table, from /proc.

use std::fmt::Write;
use std::fs::{self, File};
use std::io::{self, Read};

use crate::engine::system::ProcessFields;

/// Number of bytes read from a command line.
const MAX_LINE: usize = 4096;

/// See [`crate::engine::system::System::list_processes`]. Zombies are left out.
pub(super) fn each(fields: ProcessFields, each: &mut dyn FnMut(&[u8], &[u8])) -> io::Result<()> {
    let command_lines = fields == ProcessFields::NameAndCommandLine;
    let mut path = String::new();
    let (mut stat, mut line) = ([0; 512], vec![0; if command_lines { MAX_LINE } else { 0 }]);
    for entry in fs::read_dir("/proc")? {
        let name = entry?.file_name();
        let pid = name
            .to_str()
            .filter(|name| name.starts_with(|c: char| c.is_ascii_digit()));
        let Some(pid) = pid else { continue };
        // A process that cannot be read has ended meanwhile.
        let Some(comm) = read(&mut path, pid, "stat", &mut stat).and_then(alive) else {
            continue;
        };
        let line = match command_lines {
            true => read(&mut path, pid, "cmdline", &mut line),
            false => Some(&[][..]),
        };
        each(comm, line.unwrap_or_default());
    }
    Ok(())
}

fn read<'a>(path: &mut String, pid: &str, what: &str, into: &'a mut [u8]) -> Option<&'a [u8]> {
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
        let own = fs::read("/proc/self/cmdline").expect("proc");
        let mut found = 0;
        each(ProcessFields::NameAndCommandLine, &mut |_, line| {
            found += u32::from(line == own)
        })
        .expect("proc");
        assert_eq!(found, 1);
        let mut lines = 0;
        each(ProcessFields::Name, &mut |comm, line| {
            lines += comm.len().min(1) * line.len()
        })
        .expect("proc");
        assert_eq!(lines, 0);
    }
}
