//! Memory, CPU and descriptors of a daemon, the sum of all its processes.

use std::fs;

/// `root` and its descendants that are still running.
#[must_use]
pub fn tree(root: u32) -> Vec<u32> {
    let mut parents = Vec::new();
    for e in fs::read_dir("/proc").into_iter().flatten().flatten() {
        let Ok(pid) = e.file_name().to_string_lossy().parse::<u32>() else {
            continue;
        };
        if let Some((ppid, state)) = stat(pid)
            && state != 'Z'
        {
            parents.push((pid, ppid));
        }
    }
    let mut found = vec![root];
    let mut next = 0;
    while let Some(&p) = found.get(next) {
        found.extend(
            parents
                .iter()
                .filter(|(_, pp)| *pp == p)
                .map(|(pid, _)| *pid),
        );
        next += 1;
    }
    found.retain(|p| parents.iter().any(|(pid, _)| pid == p));
    found
}

fn stat(pid: u32) -> Option<(u32, char)> {
    let text = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let mut words = text.rsplit_once(')')?.1.split_whitespace();
    let state = words.next()?.chars().next()?;
    Some((words.next()?.parse().ok()?, state))
}

/// Kilobytes: proportional (PSS), resident (RSS), the anonymous part of the latter, and the part
/// that was written and that no other process shares. Only the anonymous part shows leaks: the share
/// of a mapped file depends on other processes.
#[derive(Clone, Copy, Default, Debug)]
pub struct Memory {
    pub pss: u64,
    pub rss: u64,
    pub anonymous: u64,
    pub private: u64,
}

impl Memory {
    /// Adds the numbers of a `smaps_rollup` file.
    pub fn add(&mut self, text: &str) {
        for line in text.lines() {
            let mut words = line.split_whitespace();
            let (Some(key), Some(value)) = (words.next(), words.next()) else {
                continue;
            };
            let kb = value.parse().unwrap_or(0);
            match key {
                "Pss:" => self.pss += kb,
                "Rss:" => self.rss += kb,
                "Anonymous:" => self.anonymous += kb,
                "Private_Dirty:" => self.private += kb,
                _ => {}
            }
        }
    }
}

/// Memory of these processes.
#[must_use]
pub fn memory(pids: &[u32]) -> Memory {
    let mut sum = Memory::default();
    for pid in pids {
        sum.add(&fs::read_to_string(format!("/proc/{pid}/smaps_rollup")).unwrap_or_default());
    }
    sum
}

/// Nanoseconds of CPU, user and system, that these processes have used. From `schedstat`, which
/// counts nanoseconds where `stat` counts ticks of 10 ms.
#[must_use]
pub fn cpu(pids: &[u32]) -> u64 {
    let of = |pid: &u32| {
        let text = fs::read_to_string(format!("/proc/{pid}/schedstat")).ok()?;
        text.split_whitespace().next()?.parse::<u64>().ok()
    };
    pids.iter().filter_map(of).sum()
}

/// Open descriptors of these processes.
#[must_use]
pub fn descriptors(pids: &[u32]) -> usize {
    let of = |pid: &u32| fs::read_dir(format!("/proc/{pid}/fd")).map_or(0, Iterator::count);
    pids.iter().map(of).sum()
}

/// How often these processes have waited: voluntary context switches.
#[must_use]
pub fn waits(pids: &[u32]) -> u64 {
    let of = |pid: &u32| {
        let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
        let line = status.lines().find(|line| line.starts_with("voluntary_"));
        let number = line.and_then(|line| line.split_whitespace().nth(1)?.parse().ok());
        number.unwrap_or(0)
    };
    pids.iter().map(of).sum()
}
