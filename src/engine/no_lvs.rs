//! A build without IPVS: nothing to do. The configuration has said so, with file and line.

use core::net::IpAddr;

use crate::config::model::{self, Fifo};
use crate::engine::Engine;
use crate::engine::cx::Cx;
use crate::engine::system::Exit;

#[derive(Debug)]
pub(crate) struct Lvs;

impl Lvs {
    pub(crate) fn new(_: model::Lvs) -> Self {
        Lvs
    }

    #[expect(clippy::unused_self, reason = "as in a build with IPVS")]
    pub(crate) fn is_empty(&self) -> bool {
        true
    }

    #[expect(clippy::unused_self, reason = "as in a build with IPVS")]
    pub(crate) fn has_services(&self) -> bool {
        false
    }

    #[expect(clippy::unused_self, reason = "as in a build with IPVS")]
    pub(crate) fn fifo(&self) -> Option<Fifo> {
        None
    }

    #[expect(clippy::unused_self, reason = "as in a build with IPVS")]
    pub(crate) fn concerns(&self, _: IpAddr) -> bool {
        false
    }
}

#[expect(clippy::unused_self, reason = "as in a build with IPVS")]
impl Engine {
    pub(crate) fn start_lvs(&mut self, _: &mut Cx<'_>) {}
    pub(crate) fn stop_lvs(&mut self, _: &mut Cx<'_>) {}
    pub(crate) fn replace_lvs(&mut self, _: &mut Cx<'_>, _: model::Lvs) {}
    pub(crate) fn run_lvs(&mut self, _: &mut Cx<'_>) {}
    pub(crate) fn refresh_lvs_addresses(&mut self, _: &mut Cx<'_>) {}
    pub(crate) fn sync_lvs_with_instance(&mut self, _: &mut Cx<'_>, _: usize) {}
    pub(crate) fn check_ended(&mut self, _: &mut Cx<'_>, _: usize, _: Exit) {}
    pub(crate) fn check_overdue(&mut self, _: &mut Cx<'_>, _: usize) {}
    pub(crate) fn refresh_lvs_files(&mut self, _: &mut Cx<'_>) {}
}
