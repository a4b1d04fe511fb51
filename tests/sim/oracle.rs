//! Invariants of a simulated network, stated without knowledge of the state machine.
//!
//! A *disturbance* is a lost packet, a freeze, thaw, crash, start, stop, partition, link, address
//! or priority change. Forged packets, delays, duplicates and late timers are not: they must not
//! change anything. `D` is the longest packet delay plus the lateness of timers, `I` the longest
//! advert interval of any router, `down(i)` = `down_timer_adverts`·I + skew(i) the longest down
//! interval of router i. All bounds count from the later of the last disturbance and the start of
//! the condition.
//!
//! 1. **Two masters** in one partition for at most I + 2·D: the one of higher priority advertises
//!    within its own interval, and the other yields to the first advert received. Two address owners:
//!    the one that yields waits a down interval after it first received an advert of the other, which
//!    may have to be restarted once (after losses), plus an interval before and after.
//! 2. **No master** although a router is ready for at most min over i of hold(i) + down(i) + 2·D:
//!    the down timer of every ready router was last armed before the master was gone, or D after.
//! 3. **Wrong master**: a ready router i of higher priority that pre-empts takes over within
//!    hold(i) + preempt_delay(i) + I + down(i) + 2·D.
//! 4. **Stability**: after the time for all of this (`settle`) no state changes.
//! 5. An advert of higher priority makes a master yield immediately (`must_yield`).
//!
//! Each network has its own partitions and masters. Members of sync groups are exempt from 2 and 3,
//! because they may have to wait for another network; `liveness.rs` has their bounds.

use std::time::Duration;

use vrrpd::types::{Centis, Instant, Priority, Version};
use vrrpd::vrrp::Received;

use crate::liveness::Groups;
use crate::node::Node;
use crate::segment::Segment;

/// Indexes of instances.
type List = heapless::Vec<usize, 16>;

/// Most networks of a run.
pub const NETS: usize = 3;

/// Since when a condition has held in one partition.
type Since = Option<Instant>;

#[derive(Clone, Debug, Default)]
struct Part {
    two: Since,
    none: Since,
    /// The master, a router of higher priority that should pre-empt it, and since when.
    wrong: Option<(usize, usize, Instant)>,
}

#[derive(Clone, Debug)]
pub struct Oracle {
    pub disturbed_at: Instant,
    parts: [[Part; 2]; NETS],
    pub groups: Groups,
    /// Longest time with two masters in one partition after the last disturbance.
    pub longest_two: Duration,
}

impl Oracle {
    pub fn new(origin: Instant) -> Self {
        Oracle {
            disturbed_at: origin,
            parts: Default::default(),
            groups: Groups::default(),
            longest_two: Duration::ZERO,
        }
    }

    pub fn record_disturbance(&mut self, now: Instant) {
        self.disturbed_at = now;
    }

    /// Checks that a state change is not too long after the last disturbance.
    pub fn changed(segment: &Segment, who: &str) {
        let late = segment.now.since(segment.oracle.disturbed_at);
        let settle = Self::settle(segment);
        assert!(
            late <= settle,
            "{who} changed state {late:?} after the last disturbance"
        );
    }

    /// Whether a master must yield to this advert (RFC 9568, section 6.4.3).
    pub fn must_yield(&self, node: &Node, received: &Received<'_>) -> bool {
        let (ours, theirs) = (node.machine.effective_priority(), received.advert.priority);
        let owners = ours.is_owner() && theirs.is_owner();
        let ignores = node.params.owner_ignore_adverts && node.params.priority.is_owner();
        let (from, source) = (
            Some(octets(received.from)),
            node.machine.source().map(octets),
        );
        let preempting = theirs > ours || (theirs == ours && from > source);
        node.is_master() && preempting && !owners && !ignores && from != source
    }

    /// `down_timer_adverts`·I + skew in nanoseconds for instance `i` with its own advert interval,
    /// computed independently of the state machine.
    pub fn down_interval(&self, segment: &Segment, i: usize) -> Duration {
        // The interval in use: a frozen router has not reloaded yet.
        let interval = segment.nodes[i].machine.params().advert_int;
        self.down_in(segment, i, interval)
    }

    fn down_in(&self, segment: &Segment, i: usize, interval: Centis) -> Duration {
        let params = &segment.nodes[i].params;
        let centis = u64::from(interval.0);
        let steps = 256 - u64::from(segment.nodes[i].machine.effective_priority().0);
        let unit = match params.version {
            Version::V2 => 100,
            Version::V3 => centis,
        };
        let nanos = u64::from(params.down_timer_adverts) * centis * 10_000_000
            + steps * unit * 10_000_000 / 256;
        Duration::from_nanos(nanos)
    }

    /// The same for the longest advert interval of any master.
    pub fn longest_down(segment: &Segment, i: usize) -> Duration {
        (0..segment.nodes.len())
            .map(|master| segment.nodes[master].longest_interval)
            .map(|interval| segment.oracle.down_in(segment, i, interval))
            .max()
            .unwrap_or_default()
    }

    /// Checks the conditions since the last event, up to `segment.now`, then updates them.
    pub fn check(segment: &mut Segment) {
        segment.check_groups();
        let mut oracle = segment.oracle.clone();
        for net in 0..segment.nets {
            for part in 0..2 {
                oracle.check_part(segment, (net, part));
            }
        }
        oracle.groups.check(segment);
        segment.oracle = oracle;
    }

    fn check_part(&mut self, segment: &Segment, part: (usize, usize)) {
        let here = |i: &usize| {
            segment.nodes[*i].net == part.0
                && usize::from(segment.parts[*i]) == part.1
                && segment.nodes[*i].link_up
                && segment.nodes[*i].ready()
        };
        let ready: List = (0..segment.nodes.len()).filter(here).collect();
        let master = |i: &usize| segment.nodes[*i].is_master();
        let masters: List = ready.iter().copied().filter(master).collect();
        self.check_two(segment, part, &ready, masters.len() > 1);
        self.check_none(segment, part, &ready, masters.is_empty());
        let wrong = match masters[..] {
            [master] => Self::preempting(segment, &ready, master).map(|i| (master, i)),
            _ => None,
        };
        self.check_wrong(segment, part, wrong);
    }

    fn check_two(&mut self, segment: &Segment, part: (usize, usize), ready: &[usize], two: bool) {
        let now = segment.now;
        let state = &mut self.parts[part.0][part.1];
        state.two = two.then(|| state.two.unwrap_or(now));
        let Some(since) = state.two else {
            return;
        };
        let lasted = now.since(since.max(self.disturbed_at));
        let bound = Self::two_masters_bound(segment, ready) + Self::slack(segment);
        self.longest_two = self.longest_two.max(lasted);
        assert!(lasted <= bound, "two masters for {lasted:?} > {bound:?}");
    }

    fn check_none(&mut self, segment: &Segment, part: (usize, usize), ready: &[usize], none: bool) {
        let now = segment.now;
        let state = &mut self.parts[part.0][part.1];
        let free = |i: &&usize| !segment.nodes[**i].params.in_sync_group;
        let ready: List = ready.iter().filter(free).copied().collect();
        state.none = (none && !ready.is_empty()).then(|| state.none.unwrap_or(now));
        let Some(since) = state.none else {
            return;
        };
        let start = since.max(self.disturbed_at);
        let lasted = now.since(start);
        let wait =
            |i: &usize| hold_left(&segment.nodes[*i], start) + Self::longest_down(segment, *i);
        let bound = ready.iter().map(wait).min().unwrap_or_default() + Self::slack(segment);
        assert!(lasted <= bound, "no master for {lasted:?} > {bound:?}");
    }

    /// `wrong`: the only master, and the router of higher priority that should pre-empt it.
    fn check_wrong(
        &mut self,
        segment: &Segment,
        part: (usize, usize),
        wrong: Option<(usize, usize)>,
    ) {
        let now = segment.now;
        let state = &mut self.parts[part.0][part.1];
        state.wrong = wrong.map(|(master, i)| match state.wrong {
            Some((m, j, since)) if (m, j) == (master, i) => (m, j, since),
            _ => (master, i, now),
        });
        let Some((_, i, since)) = state.wrong else {
            return;
        };
        let start = since.max(self.disturbed_at);
        let (lasted, node) = (now.since(start), &segment.nodes[i]);
        let bound = hold_left(node, start)
            + node.params.preempt_delay
            + Self::longest_interval(segment)
            + Self::longest_down(segment, i)
            + Self::slack(segment);
        let name = node.name;
        assert!(lasted <= bound, "{name} waits for {lasted:?} > {bound:?}");
    }

    /// The ready router of highest priority that should pre-empt `master`.
    fn preempting(segment: &Segment, ready: &[usize], master: usize) -> Option<usize> {
        let priority = |i: usize| segment.nodes[i].machine.effective_priority();
        ready
            .iter()
            .copied()
            .filter(|i| priority(*i) > priority(master) && !segment.nodes[*i].params.nopreempt)
            .filter(|i| !segment.nodes[*i].params.in_sync_group)
            .max_by_key(|i| priority(*i))
    }

    /// 2·D.
    pub fn slack(segment: &Segment) -> Duration {
        (segment.faults.delay.1 + segment.faults.late) * 2
    }

    pub fn longest_interval(segment: &Segment) -> Duration {
        let interval = |node: &Node| node.longest_interval.duration();
        segment.nodes.iter().map(interval).max().unwrap_or_default()
    }

    fn two_masters_bound(segment: &Segment, ready: &[usize]) -> Duration {
        let interval = Self::longest_interval(segment);
        let owner = |i: &&usize| segment.nodes[**i].params.priority == Priority::OWNER;
        if ready.iter().filter(owner).count() < 2 {
            return interval;
        }
        let down = ready.iter().map(|i| Self::longest_down(segment, *i)).max();
        down.unwrap_or_default() * 2 + interval * 2
    }

    /// The time after which no state may change: startup and pre-emption delays are over, the right
    /// router is master, and one of two address owners has yielded.
    pub fn settle(segment: &Segment) -> Duration {
        let nodes = 0..segment.nodes.len();
        let holds = segment.nodes.iter().map(|n| n.hold).max();
        let delays: Duration = segment.nodes.iter().map(|n| n.params.preempt_delay).sum();
        let down = nodes.map(|i| Self::longest_down(segment, i)).max();
        // A group that had to yield waits again, sometimes more than once.
        let rounds = if segment.routers.iter().any(|r| r.grouped) {
            10
        } else {
            4
        };
        let down = down.unwrap_or_default();
        holds.unwrap_or_default() + delays + down * rounds + Self::slack(segment)
    }
}

/// Rest of the startup delay at `at`.
pub fn hold_left(node: &Node, at: Instant) -> Duration {
    node.started_at.after(node.hold).since(at)
}

/// An address as a number.
fn octets(addr: std::net::IpAddr) -> u128 {
    match addr {
        std::net::IpAddr::V4(v4) => u128::from(u32::from_be_bytes(v4.octets())),
        std::net::IpAddr::V6(v6) => u128::from_be_bytes(v6.octets()),
    }
}
