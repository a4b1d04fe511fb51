//! Sockets of health checks in the fake kernel: what is open, and to whom. What they hear is for the test to tell.

use std::io;
use std::net::SocketAddr;

use vrrpd::check::{ProbeTransport, SocketEvent};
use vrrpd::config::model::lvs::Target;
use vrrpd::engine::Engine;
use vrrpd::engine::system::LvsSystem;
use vrrpd::netlink::{Ack, Batch};
use vrrpd::types::Instant;

use super::kernel::Kernel;

/// All of them.
#[derive(Debug, Default)]
pub struct Probes {
    /// Number, transport, peer.
    pub open: Vec<(usize, ProbeTransport, SocketAddr)>,
    /// Opened so far, and the most at one time.
    pub opened: usize,
    pub peak: usize,
    /// Opening is refused with this errno.
    pub refuse: Option<i32>,
    /// More than this are refused with EMFILE.
    pub limit: Option<usize>,
    /// What the last one sent.
    pub sent: Vec<u8>,
}

impl LvsSystem for Kernel {
    fn ipvs_family(&mut self) -> io::Result<u16> {
        if !self.ipvs.present {
            return Err(io::ErrorKind::NotFound.into());
        }
        Ok(super::ipvs::FAMILY)
    }

    fn request_ipvs(&mut self, batch: &Batch, refused: &mut dyn FnMut(&Ack<'_>)) -> io::Result<()> {
        self.ipvs.request(batch, refused);
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
        if let Some(errno) = probes.refuse.or(full.then_some(24)) {
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

    fn close_check(&mut self, probe: usize) {
        self.probes.open.retain(|(known, ..)| *known != probe);
    }
}

impl Kernel {
    /// A socket hears something, and the engine draws its consequences.
    pub fn hear(&mut self, engine: &mut Engine, now: Instant, probe: usize, news: SocketEvent<'_>) {
        assert!(
            self.probes.open.iter().any(|(known, ..)| *known == probe),
            "{probe} is not open: {:?}",
            self.probes.open
        );
        engine.probe(now, probe, news, self);
        self.deliver(engine, now);
    }
}
