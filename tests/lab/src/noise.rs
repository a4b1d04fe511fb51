//! How late the machine itself was.
//!
//! A test that allows a daemon so many milliseconds must not fail because the machine did something else
//! meanwhile. A thread that sleeps and looks how late it is woken knows.

use std::sync::Mutex;
use std::time::{Duration, Instant};

use crate::{MS, Ns, now};

/// When, and how late.
static LATE: Mutex<Vec<(Ns, Ns)>> = Mutex::new(Vec::new());
const NAP: Duration = Duration::from_millis(3);

/// Begins to watch; once, when the namespaces have been entered.
pub fn watch() {
    std::thread::spawn(|| {
        loop {
            let begin = Instant::now();
            std::thread::sleep(NAP);
            let late = begin.elapsed().saturating_sub(NAP);
            let late = Ns::try_from(late.as_nanos()).unwrap_or(Ns::MAX);
            if late > MS
                && let Ok(mut list) = LATE.lock()
            {
                list.push((now(), late));
            }
        }
    });
}

/// What to allow for that has happened since: as much as it was late by in all within the worst half
/// second, for a daemon and its peer may be late one after the other.
#[must_use]
pub fn since(begin: Ns) -> Ns {
    let Ok(list) = LATE.lock() else { return 0 };
    let recent = list.iter().filter(|(at, _)| *at >= begin);
    let mut worst = 0;
    for (from, _) in recent.clone() {
        let window = recent
            .clone()
            .filter(|(at, _)| (0..500 * MS).contains(&(at - from)));
        worst = worst.max(window.map(|(_, late)| late).sum());
    }
    worst
}
