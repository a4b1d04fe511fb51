//! CPU time of the current thread, for time limits that hold on a busy machine.

use std::time::Duration;

use nix::time::{ClockId, clock_gettime};

pub(crate) fn thread_time() -> Duration {
    let clock = clock_gettime(ClockId::CLOCK_THREAD_CPUTIME_ID);
    clock
        .expect("every kernel has CLOCK_THREAD_CPUTIME_ID")
        .into()
}
