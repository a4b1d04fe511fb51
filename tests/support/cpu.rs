//! How much processor time this thread has used: limits on it hold on a machine that is busy with other things.

use std::time::Duration;

use nix::time::{ClockId, clock_gettime};

pub(crate) fn used() -> Duration {
    let clock = clock_gettime(ClockId::CLOCK_THREAD_CPUTIME_ID);
    clock.expect("every kernel has this clock").into()
}
