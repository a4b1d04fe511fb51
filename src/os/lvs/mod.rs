//! The part of the system that virtual servers use: IPVS, sockets of health checks, `vrrpd
//! genhash`.

mod check_sockets;
mod exchange;
pub mod genhash;
mod ipvs_socket;

use core::time::Duration;
use std::io;

use check_sockets::CheckSockets;
use exchange::Exchanges;
use ipvs_socket::IpvsSocket;

use super::clock;
use super::linux::Linux;
use super::reactor::Reactor;
use crate::check::{NetworkCheck, ProbeTransport};
use crate::config::model::lvs::Target;
use crate::engine::system::lvs::LvsSystem;
use crate::engine::system::{Ended, Pid};
use crate::netlink::{Ack, Batch};

/// Time per iteration of the loop for the sockets of all health checks together: a flood of answers
/// must not delay adverts. The longest step of a check comes on top: 16 KiB of a page, hashed.
const SLICE: Duration = Duration::from_micros(500);

/// IPVS and the sockets of health checks.
#[derive(Debug, Default)]
pub(super) struct Lvs {
    ipvs: IpvsSocket,
    pub(super) checks: CheckSockets,
    exchanges: Exchanges,
}

impl Lvs {
    /// A child has ended, which may be that of a check.
    pub(super) fn child_ended(&mut self, child: Pid) {
        self.exchanges.ended(child);
    }
}

impl LvsSystem for Linux {
    fn ipvs_family(&mut self) -> io::Result<u16> {
        self.lvs.ipvs.family()
    }

    fn request_ipvs(&mut self, batch: &Batch, refused: &mut dyn FnMut(&Ack<'_>)) -> io::Result<()> {
        self.lvs.ipvs.request(batch, refused)
    }

    fn dump_ipvs(&mut self, batch: &Batch, each: &mut dyn FnMut(&[u8])) -> io::Result<()> {
        self.lvs.ipvs.dump(batch, each)
    }

    fn open_check(
        &mut self,
        check: usize,
        transport: ProbeTransport,
        target: &Target,
    ) -> io::Result<()> {
        self.lvs.checks.open(check, transport, target)
    }

    fn send_check(&mut self, check: usize, bytes: &[u8]) -> io::Result<()> {
        self.lvs.checks.send(check, bytes)
    }

    fn has_event(&mut self, check: usize) -> bool {
        self.lvs.checks.has_event(check)
    }

    fn pause_check(&mut self, check: usize) {
        self.lvs.checks.pause(check);
    }

    fn run_check(&mut self, check: usize, network: &mut NetworkCheck) -> io::Result<Pid> {
        let stream = self.lvs.checks.take(check)?;
        self.lvs.exchanges.start(&self.children, &stream, network)
    }

    fn check_result(&mut self, ended: Ended) -> Result<(), String> {
        self.lvs.exchanges.result(ended)
    }

    fn close_check(&mut self, check: usize) {
        self.lvs.checks.close(check);
    }
}

impl Reactor<'_> {
    /// How long the loop may wait at most for the sake of health checks. To be called before each
    /// poll.
    pub(super) fn check_wait_limit(&mut self) -> Option<Duration> {
        self.linux.lvs.checks.wait_limit(clock::now)
    }

    /// Passes the events of health check sockets to the engine, as many as there is time for.
    pub(super) fn read_checks(&mut self) {
        if !self.linux.lvs.checks.has_events() {
            return;
        }
        let buffer = &mut self.event_buffer;
        let mut now = clock::now();
        let until = now.after(SLICE);
        while now < until
            && let Some((check, event)) = self.linux.lvs.checks.next(buffer)
        {
            let event = event.map(|len| buffer.get(..len).unwrap_or_default());
            self.engine.probe(now, check, event, &mut self.linux);
            now = clock::now();
        }
    }
}
