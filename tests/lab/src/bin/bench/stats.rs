//! Statistics of measured values.

use vrrpd_lab::Ns;

/// Adverts after one by which it is decided whether the daemon has returned to its grid.
const FOLLOWING: usize = 16;

/// The smallest of the values that at least `percent` of all do not exceed (nearest rank; the
/// largest for 100).
pub(crate) fn percentile(values: &[i64], percent: usize) -> Option<i64> {
    let mut sorted = values.to_vec();
    sorted.sort_unstable();
    let rank = (sorted.len() * percent).div_ceil(100).max(1);
    sorted.get(rank - 1).copied()
}

/// The value in the middle, or the mean of both values in the middle.
pub(crate) fn median(values: &[i64]) -> Option<i64> {
    let mut sorted = values.to_vec();
    sorted.sort_unstable();
    let upper = *sorted.get(sorted.len() / 2)?;
    if sorted.len() % 2 == 1 {
        return Some(upper);
    }
    let lower = *sorted.get(sorted.len() / 2 - 1)?;
    Some(lower + (upper - lower) / 2)
}

/// The largest value.
pub(crate) fn worst(values: &[i64]) -> Option<i64> {
    values.iter().copied().max()
}

/// Median of what `pick` takes from the runs of each daemon.
pub(crate) fn medians<T>(runs: &[Vec<T>; 2], pick: impl Fn(&T) -> i64) -> [Option<i64>; 2] {
    each(runs, pick, median)
}

/// Worst of what `pick` takes from the runs of each daemon.
pub(crate) fn worsts<T>(runs: &[Vec<T>; 2], pick: impl Fn(&T) -> i64) -> [Option<i64>; 2] {
    each(runs, pick, worst)
}

/// Sum of what `pick` takes from the runs of each daemon.
pub(crate) fn sums<T>(runs: &[Vec<T>; 2], pick: impl Fn(&T) -> i64) -> [Option<i64>; 2] {
    each(runs, pick, |values| Some(values.iter().sum()))
}

fn each<T>(
    runs: &[Vec<T>; 2],
    pick: impl Fn(&T) -> i64,
    of: fn(&[i64]) -> Option<i64>,
) -> [Option<i64>; 2] {
    runs.each_ref().map(|runs| {
        let values: Vec<i64> = runs.iter().map(&pick).collect();
        of(&values)
    })
}

/// Times between adverts.
pub(crate) fn gaps(times: &[Ns]) -> Vec<Ns> {
    times.windows(2).map(|pair| pair[1] - pair[0]).collect()
}

/// How much each time between adverts differs from the interval. An advert that is late and caught
/// up counts twice: the time before it is too long, the time after it too short.
pub(crate) fn deviations(times: &[Ns], interval: Ns) -> Vec<Ns> {
    let off = |gap: &Ns| (gap - interval).abs();
    gaps(times).iter().map(off).collect()
}

/// How late each advert is on the daemon's own grid. An advert was due one interval after the one
/// before it, or earlier, if one of the [`FOLLOWING`] is on an earlier grid: then the daemon keeps
/// absolute deadlines and the one before it was late as well. An advert that is caught up is on
/// time. The grid of a daemon that counts from its last advert moves with each late one, and each
/// counts once. The last adverts, which too few follow, have no value.
pub(crate) fn lateness(times: &[Ns], interval: Ns) -> Vec<Ns> {
    let offset = |(time, grid): (&Ns, Ns)| time - grid;
    let offsets: Vec<Ns> = times
        .iter()
        .zip((0..).map(|n| n * interval))
        .map(offset)
        .collect();
    let around = offsets.windows(2 + FOLLOWING);
    let late = around.map(|around| {
        let others = around[..1].iter().chain(&around[2..]);
        around[1] - others.min().expect("several")
    });
    late.map(|late| late.max(0)).collect()
}

/// Adverts that were due between the first and the last one, and not sent. None is missing from an
/// interval that is too long by less than a half.
pub(crate) fn skipped(times: &[Ns], interval: Ns) -> i64 {
    let [first, .., last] = times else { return 0 };
    let due = (last - first + interval / 2) / interval;
    let sent = i64::try_from(times.len() - 1).expect("few");
    (due - sent).max(0)
}

/// How much longer than configured the mean interval is, in parts per million: how far the adverts
/// have moved against an ideal grid from the first third of them to the last. Medians, so that one
/// advert that was late for another reason does not count.
pub(crate) fn drift(times: &[Ns], interval: Ns) -> i64 {
    let Some(first) = times.first() else { return 0 };
    let ideal = (0..).map(|n| first + n * interval);
    let off: Vec<Ns> = times.iter().zip(ideal).map(|(t, grid)| t - grid).collect();
    let third = (off.len() / 3).max(1);
    let (head, tail) = (&off[..third], &off[off.len() - third..]);
    let moved = median(tail).expect("several") - median(head).expect("several");
    let grids = i64::try_from(off.len() - third).expect("few");
    moved * 1_000_000 / (grids * interval).max(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEN: Ns = 10_000_000;
    const MS: Ns = 1_000_000;

    /// Times of adverts that are due every 10 ms, each late by the value for it.
    fn absolute(late: &[Ns]) -> Vec<Ns> {
        let due = (0..).map(|n| 5_000 * MS + n * TEN);
        due.zip(late).map(|(due, late)| due + late).collect()
    }

    /// Times of adverts of a daemon that counts from its last advert.
    fn relative(late: &[Ns]) -> Vec<Ns> {
        let step = |time: &mut Ns, late: &Ns| {
            *time += TEN + late;
            Some(*time)
        };
        late.iter().scan(0, step).collect()
    }

    /// Forty adverts on time but for these.
    fn forty(exceptions: &[(usize, Ns)]) -> Vec<Ns> {
        let mut late = vec![0; 40];
        for (at, by) in exceptions {
            late[*at] = *by;
        }
        late
    }

    #[test]
    fn percentiles_are_of_the_nearest_rank() {
        let hundred: Vec<i64> = (1..=100).rev().collect();
        for (percent, value) in [(0, 1), (1, 1), (50, 50), (99, 99), (100, 100)] {
            assert_eq!(percentile(&hundred, percent), Some(value), "p{percent}");
        }
        let many: Vec<i64> = (1..=255).collect();
        assert_eq!(percentile(&many, 99), Some(253));
        assert_eq!(percentile(&[7], 99), Some(7));
        assert_eq!(percentile(&[], 50), None);
    }

    #[test]
    fn medians_of_odd_and_even_counts() {
        assert_eq!(median(&[9, 1, 5]), Some(5));
        assert_eq!(median(&[9, 1, 5, 7]), Some(6));
        assert_eq!(median(&[-4, -2]), Some(-3));
        assert_eq!(median(&[]), None);
    }

    #[test]
    fn runs_are_combined_for_each_daemon() {
        let runs = [vec![3, 1, 2], vec![30, 10]];
        assert_eq!(medians(&runs, |run| run * 2), [Some(4), Some(40)]);
        assert_eq!(worsts(&runs, |run| *run), [Some(3), Some(30)]);
        assert_eq!(sums(&runs, |run| *run), [Some(6), Some(40)]);
        assert_eq!(medians(&[vec![], vec![1]], |run| *run), [None, Some(1)]);
    }

    #[test]
    fn a_late_advert_that_is_caught_up_deviates_twice_and_is_late_once() {
        let times = absolute(&forty(&[(10, 2 * MS)]));
        let deviating = deviations(&times, TEN);
        assert_eq!(deviating.iter().filter(|off| **off > 0).count(), 2);
        let late = lateness(&times, TEN);
        assert_eq!(late.iter().sum::<Ns>(), 2 * MS);
        assert_eq!(late[9], 2 * MS, "the tenth after the first");
        assert_eq!(skipped(&times, TEN), 0);
    }

    #[test]
    fn adverts_that_are_late_one_after_the_other_all_count() {
        let times = absolute(&forty(&[(10, 5 * MS), (11, 6 * MS), (12, 3 * MS)]));
        let late = lateness(&times, TEN);
        assert_eq!(late[9..12], [5 * MS, 6 * MS, 3 * MS]);
        assert_eq!(late.iter().sum::<Ns>(), 14 * MS);
    }

    #[test]
    fn a_burst_after_a_stall_is_late_by_less_and_less() {
        let times = absolute(&forty(&[(10, 21 * MS), (11, 11 * MS), (12, MS)]));
        assert_eq!(lateness(&times, TEN)[9..13], [21 * MS, 11 * MS, MS, 0]);
        assert_eq!(skipped(&times, TEN), 0);
    }

    #[test]
    fn an_advert_after_skipped_ones_is_late_once() {
        let mut times = absolute(&forty(&[]));
        times[10] += 21 * MS;
        times.drain(11..13);
        let late = lateness(&times, TEN);
        assert_eq!(late[9], 21 * MS);
        assert_eq!(late.iter().sum::<Ns>(), 21 * MS);
        assert_eq!(skipped(&times, TEN), 2);
    }

    #[test]
    fn the_grid_of_a_daemon_that_counts_from_its_last_advert_moves_with_it() {
        let times = relative(&forty(&[(10, 5 * MS), (11, 6 * MS)]));
        let late = lateness(&times, TEN);
        assert_eq!(late[9..12], [5 * MS, 6 * MS, 0]);
        let always = relative(&[MS / 5; 40]);
        assert!(lateness(&always, TEN).iter().all(|late| *late == MS / 5));
        let deviating = deviations(&times, TEN);
        assert_eq!(deviating.iter().filter(|off| **off > 0).count(), 2);
    }

    #[test]
    fn an_advert_that_is_early_is_not_late_and_few_adverts_have_no_lateness() {
        let times = absolute(&forty(&[(10, -MS)]));
        let late = lateness(&times, TEN);
        assert_eq!(late[9], 0);
        // Those before it could have been as early, by the same clock.
        assert!(late.iter().all(|late| *late <= MS));
        assert!(lateness(&absolute(&[0; 10]), TEN).is_empty());
    }

    #[test]
    fn a_long_interval_lacks_an_advert_from_half_an_interval_on() {
        let times = |last| [0, TEN, 2 * TEN, last];
        assert_eq!(skipped(&times(34 * MS), TEN), 0);
        assert_eq!(skipped(&times(36 * MS), TEN), 1);
        assert_eq!(skipped(&times(52 * MS), TEN), 2);
        assert_eq!(skipped(&[], TEN), 0);
        assert_eq!(skipped(&[5], TEN), 0);
    }

    #[test]
    fn drift_is_that_of_the_grid_and_not_of_one_late_advert() {
        assert_eq!(drift(&absolute(&[0; 30]), TEN), 0);
        assert_eq!(drift(&absolute(&forty(&[(39, 5 * MS)])), TEN), 0);
        // 0.1 ms of 10 ms.
        assert_eq!(drift(&relative(&[MS / 10; 30]), TEN), 10_000);
        assert_eq!(drift(&relative(&[-MS / 10; 30]), TEN), -10_000);
        assert_eq!(drift(&[], TEN), 0);
    }
}
