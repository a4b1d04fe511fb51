//! The state machine, one behavior per test. Whole networks of routers: `tests/sim/`.

mod backup;
mod group;
mod maintenance;
mod master;
mod reception;
mod reload;
mod resume;
mod start;

use core::net::IpAddr;
use core::time::Duration;

use super::*;
use crate::types::{Centis, Family, Instant, Priority, Version, Vrid, VrrpState};
use crate::wire::vrrp::{Addresses, Advert, Auth};

/// A multicast instance with VIP 10.0.0.100.
pub(super) fn params(version: Version, priority: u8) -> Params {
    Params {
        vrid: Vrid::new(51).unwrap(),
        version,
        priority: Priority(priority),
        addresses: [IpAddr::from([10, 0, 0, 100])].into(),
        ..Params::default()
    }
}

// ---- a test bench for one instance ----

const OURS: &str = "10.0.0.5";
const LOWER: &str = "10.0.0.4";
const HIGHER: &str = "10.0.0.6";

/// One instance with a clock; every event is checked against the invariants.
struct Bench {
    machine: Instance,
    now: Instant,
    origin: Instant,
    installed: bool,
}

/// A received advert.
#[derive(Clone, Copy)]
struct From<'a> {
    addr: &'a str,
    priority: u8,
    interval: u16,
    vip: [u8; 4],
    ttl: u8,
    auth: Auth,
    auth_result: AuthResult,
}

fn from(addr: &str, priority: u8) -> From<'_> {
    From {
        addr,
        priority,
        interval: 100,
        vip: [10, 0, 0, 100],
        ttl: 255,
        auth: Auth::None,
        auth_result: AuthResult::None,
    }
}

impl Bench {
    /// Ready, not yet started, at an arbitrary time.
    fn new(params: Params) -> Self {
        let origin = Instant::from_nanos(7_654_321_987);
        let mut bench = Bench {
            machine: Instance::new(params),
            now: origin,
            origin,
            installed: false,
        };
        let source = OURS.parse().unwrap();
        assert_eq!(bench.on(Event::Ready { source }), []);
        bench
    }

    fn started(params: Params) -> Self {
        let mut bench = Bench::new(params);
        bench.start();
        bench
    }

    /// In MASTER.
    fn master(params: Params) -> Self {
        let mut bench = Bench::started(params);
        if bench.machine.state() != VrrpState::Master {
            bench.expire();
        }
        assert_eq!(bench.machine.state(), VrrpState::Master);
        bench
    }

    fn on(&mut self, event: Event<'_>) -> Vec<Action> {
        let mut out = Actions::new();
        self.machine.handle(self.now, event, &mut out);
        assert!(out.len() <= 8, "{out:?}");
        for action in &out {
            match action {
                Action::Install => assert!(!core::mem::replace(&mut self.installed, true)),
                Action::Withdraw => assert!(core::mem::replace(&mut self.installed, false)),
                Action::Transition { from, to, .. } => assert_ne!(from, to),
                Action::SendAdvert(_)
                | Action::Announce(_)
                | Action::StopAnnouncing
                | Action::RequestGroup
                | Action::Notice(_) => {}
            }
        }
        assert_eq!(self.installed, self.machine.state() == VrrpState::Master);
        out.to_vec()
    }

    fn start(&mut self) -> Vec<Action> {
        self.on(Event::Start {
            startup_delay: Duration::ZERO,
        })
    }

    fn hear(&mut self, advert: From<'_>) -> Vec<Action> {
        let version = self.machine.params().version;
        let received = Received {
            from: advert.addr.parse().unwrap(),
            multicast: true,
            ttl: advert.ttl,
            on_link: true,
            advert: Advert {
                version,
                vrid: Vrid::new(51).unwrap(),
                priority: Priority(advert.priority),
                interval: Centis(advert.interval),
                auth: advert.auth,
                addresses: Addresses {
                    family: Family::V4,
                    bytes: &advert.vip,
                },
            },
            auth_result: advert.auth_result,
        };
        self.on(Event::Advert(&received))
    }

    /// Advances the clock; no timer is served.
    fn pass(&mut self, micros: u64) -> &mut Self {
        self.now = self.now.after(Duration::from_micros(micros));
        self
    }

    fn timer(&mut self) -> Vec<Action> {
        let out = self.on(Event::Timer);
        assert!(self.machine.next_deadline().is_none_or(|at| at > self.now));
        out
    }

    /// Advances the clock to the next deadline and serves its timer.
    fn expire(&mut self) -> Vec<Action> {
        self.now = self.machine.next_deadline().expect("a timer runs");
        self.timer()
    }

    /// µs from now to the next deadline.
    fn due(&self) -> u128 {
        let deadline = self.machine.next_deadline().expect("a timer runs");
        deadline.since(self.now).as_micros()
    }

    /// µs since the start.
    fn elapsed(&self) -> u128 {
        self.now.since(self.origin).as_micros()
    }
}

fn transition(from: VrrpState, to: VrrpState, why: Reason) -> Action {
    Action::Transition { from, to, why }
}

fn taking_over(priority: u8, from: VrrpState, why: Reason) -> [Action; 4] {
    [
        Action::SendAdvert(Priority(priority)),
        Action::Install,
        Action::Announce(Burst::Master),
        transition(from, VrrpState::Master, why),
    ]
}

fn yielding(why: Reason) -> [Action; 3] {
    [
        Action::StopAnnouncing,
        Action::Withdraw,
        transition(VrrpState::Master, VrrpState::Backup, why),
    ]
}

/// Down interval of priority 100 at 1 s, in µs; the same in both versions.
const DOWN_100: u128 = 3_609_375;
const SKEW_100: u128 = 609_375;

fn v2() -> Params {
    params(Version::V2, 100)
}

fn v3() -> Params {
    params(Version::V3, 100)
}
