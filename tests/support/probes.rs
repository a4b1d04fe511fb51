//! Health check sockets of the fake kernel. The test supplies their events.

use std::io;
use std::net::SocketAddr;

use vrrpd::check::{NetworkCheck, ProbeTransport, SocketEvent};
use vrrpd::config::model::lvs::Target;
use vrrpd::engine::Engine;
use vrrpd::engine::system::lvs::LvsSystem;
use vrrpd::engine::system::{Ended, Pid};
use vrrpd::netlink::{Ack, Batch};
use vrrpd::types::Instant;

use super::kernel::Kernel;

/// All health check sockets.
#[derive(Debug, Default)]
pub struct Probes {
    /// Index, transport and peer of each open socket.
    pub open: Vec<(usize, ProbeTransport, SocketAddr)>,
    /// Number of sockets opened.
    pub opened: usize,
    /// Most sockets open at one time.
    pub peak: usize,
    /// Opening a socket fails with this errno.
    pub open_errno: Option<i32>,
    /// Most open sockets; beyond that opening fails with EMFILE.
    pub limit: Option<usize>,
    /// The last bytes sent.
    pub sent: Vec<u8>,
}

impl LvsSystem for Kernel {
    fn ipvs_family(&mut self) -> io::Result<u16> {
        if !self.ipvs.available {
            return Err(io::ErrorKind::NotFound.into());
        }
        Ok(super::ipvs::FAMILY)
    }

    fn request_ipvs(
        &mut self,
        batch: &Batch,
        rejected: &mut dyn FnMut(&Ack<'_>),
    ) -> io::Result<()> {
        self.ipvs.request(batch, rejected);
        Ok(())
    }

    fn dump_ipvs(&mut self, batch: &Batch, each: &mut dyn FnMut(&[u8])) -> io::Result<()> {
        let listed = self.ipvs.dump(batch, each);
        listed.map_err(io::Error::from_raw_os_error)
    }

    fn open_check(
        &mut self,
        probe: usize,
        transport: ProbeTransport,
        target: &Target,
    ) -> io::Result<()> {
        let probes = &mut self.probes;
        assert!(!probes.open.iter().any(|(known, ..)| *known == probe));
        let full = probes.limit.is_some_and(|most| probes.open.len() >= most);
        if let Some(errno) = probes.open_errno.or(full.then_some(24)) {
            return Err(io::Error::from_raw_os_error(errno));
        }
        probes.open.push((probe, transport, target.remote));
        probes.opened += 1;
        probes.peak = probes.peak.max(probes.open.len());
        if !self.quiet {
            let remote = target.remote;
            self.log
                .push(format!("probe {probe} {transport:?} {remote}"));
        }
        Ok(())
    }

    fn send_check(&mut self, _: usize, bytes: &[u8]) -> io::Result<()> {
        self.probes.sent.clear();
        self.probes.sent.extend_from_slice(bytes);
        Ok(())
    }

    fn has_event(&mut self, _: usize) -> bool {
        false
    }

    fn pause_check(&mut self, probe: usize) {
        assert!(self.probes.open.iter().any(|(known, ..)| *known == probe));
    }

    fn run_check(&mut self, probe: usize, _: &mut NetworkCheck) -> io::Result<Pid> {
        self.close_check(probe);
        if let Some(errno) = self.spawn_errno {
            return Err(io::Error::from_raw_os_error(errno));
        }
        self.spawned += 1;
        self.log.push(format!("run {} check {probe}", self.spawned));
        Ok(Pid(self.spawned))
    }

    fn check_result(&mut self, ended: Ended) -> Result<(), String> {
        match ended.how.is_success() {
            true => Ok(()),
            false => Err("body does not match".to_owned()),
        }
    }

    fn close_check(&mut self, probe: usize) {
        self.probes.open.retain(|(known, ..)| *known != probe);
    }
}

impl Kernel {
    /// Passes a socket event to the engine and delivers the netlink events it causes.
    pub fn socket_event(
        &mut self,
        engine: &mut Engine,
        now: Instant,
        probe: usize,
        event: SocketEvent<&[u8]>,
    ) {
        assert!(
            self.probes.open.iter().any(|(known, ..)| *known == probe),
            "{probe} is not open: {:?}",
            self.probes.open
        );
        engine.probe(now, probe, event, self);
        self.deliver(engine, now);
    }
}
