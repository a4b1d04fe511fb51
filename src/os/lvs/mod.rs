//! The part of the system that virtual servers use: IPVS, sockets of health checks, `vrrpd
//! genhash`.

mod check_sockets;
pub mod genhash;
mod ipvs_socket;

use std::io;

use check_sockets::CheckSockets;
use ipvs_socket::IpvsSocket;

use super::clock;
use super::reactor::{Backlog, Reactor};
use crate::check::ProbeTransport;
use crate::config::model::lvs::Target;
use crate::engine::system::lvs::LvsSystem;
use crate::netlink::{Ack, Batch};

/// IPVS and the sockets of health checks.
#[derive(Debug, Default)]
pub(super) struct Lvs {
    ipvs: IpvsSocket,
    pub(super) checks: CheckSockets,
}

impl LvsSystem for Lvs {
    fn ipvs_family(&mut self) -> io::Result<u16> {
        self.ipvs.family()
    }

    fn request_ipvs(&mut self, batch: &Batch, refused: &mut dyn FnMut(&Ack<'_>)) -> io::Result<()> {
        self.ipvs.request(batch, refused)
    }

    fn dump_ipvs(&mut self, batch: &Batch, each: &mut dyn FnMut(&[u8])) -> io::Result<()> {
        self.ipvs.dump(batch, each)
    }

    fn open_check(
        &mut self,
        check: usize,
        transport: ProbeTransport,
        target: &Target,
    ) -> io::Result<()> {
        self.checks.open(check, transport, target)
    }

    fn send_check(&mut self, check: usize, bytes: &[u8]) -> io::Result<()> {
        self.checks.send(check, bytes)
    }

    fn close_check(&mut self, check: usize) {
        self.checks.close(check);
    }
}

impl Reactor<'_> {
    /// Passes the events of health check sockets to the engine.
    pub(super) fn read_checks(&mut self, backlog: Backlog) {
        // In bytes. A flood of answers must not delay the adverts; after a stall no check may time
        // out whose answer has arrived.
        let mut budget = match backlog {
            Backlog::Usual => 64 << 10,
            Backlog::AfterStall => 4 << 20,
        };
        let buffer = &mut self.event_buffer;
        while let Some((check, event)) = self.linux.lvs.checks.next(buffer, &mut budget) {
            let event = event.map(|len| buffer.get(..len).unwrap_or_default());
            self.engine
                .probe(clock::now(), check, event, &mut self.linux);
        }
    }
}
