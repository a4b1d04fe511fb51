//! Virtual servers as the rest of the engine sees them. A build without the feature `lvs` has none.

use core::fmt::Debug;
use core::net::IpAddr;
use core::ops::Range;

use crate::config::model::{self, Fifo};
use crate::ctl;
use crate::engine::Engine;
use crate::engine::cx::Cx;
use crate::engine::instance::router::Routers;
use crate::engine::maintenance::ServerNames;
use crate::engine::shared::Shared;
use crate::engine::system::{Ended, System};
use crate::types::InstanceId;

/// `virtual_server` blocks at run time. `Lvs` implements it.
pub(crate) trait VirtualServices: Debug {
    /// Whether there is nothing to do: no virtual server and no sync daemon.
    fn is_idle(&self) -> bool;

    /// Whether there are virtual servers.
    fn has_services(&self) -> bool;

    /// `lvs_notify_fifo`.
    fn fifo(&self) -> Option<&Fifo>;

    /// Whether checks are suspended or resumed when this address is added or removed.
    fn depends_on_address(&self, addr: IpAddr) -> bool;

    /// The daemon starts. Addresses are known; no instance has started.
    fn start(&mut self, cx: &mut Cx<'_>, shared: &mut Shared, routers: &Routers);

    /// The daemon stops.
    fn stop(&mut self, cx: &mut Cx<'_>, shared: &mut Shared);

    /// Another configuration. States of checks and connections are kept.
    fn replace(&mut self, cx: &mut Cx<'_>, shared: &mut Shared, routers: &Routers, new: model::Lvs);

    /// Does what is due.
    fn expire(&mut self, cx: &mut Cx<'_>, shared: &mut Shared);

    /// Addresses of this host may have changed.
    fn addresses_changed(&mut self, cx: &mut Cx<'_>, shared: &mut Shared);

    /// Tracked files have changed (`FILE_CHECK`).
    fn files_changed(&mut self, cx: &mut Cx<'_>, shared: &mut Shared);

    /// An instance has changed its state (`lvs_sync_daemon`).
    fn instance_changed(
        &mut self,
        cx: &mut Cx<'_>,
        shared: &mut Shared,
        routers: &Routers,
        instance: InstanceId,
    );

    /// Something happened to the socket of a check.
    #[cfg(feature = "lvs")]
    fn socket_event(
        &mut self,
        cx: &mut Cx<'_>,
        shared: &mut Shared,
        check: usize,
        event: crate::check::SocketEvent<&[u8]>,
    );

    /// The child process of a check has ended.
    fn check_child_ended(
        &mut self,
        cx: &mut Cx<'_>,
        shared: &mut Shared,
        check: usize,
        ended: Ended,
    );

    /// The child process of a check has exceeded its time limit and was sent SIGTERM.
    fn check_child_overdue(&mut self, cx: &mut Cx<'_>, shared: &mut Shared, check: usize);

    /// Writes what another configuration would change.
    fn diff(&self, new: &model::Lvs, changes: &mut ctl::Changes, out: &mut ctl::Output);

    /// Whether this real server is configured.
    fn has_server(&self, names: &ServerNames) -> bool;

    /// What is drained may have changed.
    fn update_drains(&mut self, cx: &mut Cx<'_>, shared: &mut Shared);

    /// The real server that an operator means.
    #[cfg(feature = "lvs")]
    fn find_server(
        &self,
        service: &str,
        server: &str,
    ) -> Result<crate::engine::maintenance::Drainable, String>;

    /// Number of virtual servers.
    fn services(&self) -> usize;

    /// Whether there is one with this name.
    fn has_service(&self, name: &str) -> bool;

    /// State of some virtual servers. `system`: to read the kernel's counters.
    fn snapshot(
        &self,
        wanted: Range<usize>,
        system: Option<&mut dyn System>,
    ) -> Vec<ctl::Service<'_>>;
}

/// `None`: this build has no virtual servers.
pub(crate) fn new(conf: model::Lvs) -> Option<Box<dyn VirtualServices>> {
    #[cfg(feature = "lvs")]
    return Some(Box::new(crate::engine::lvs::Lvs::new(conf)));
    #[cfg(not(feature = "lvs"))]
    {
        drop(conf);
        None
    }
}

impl Engine {
    /// Calls a method of the virtual servers, if this build has them.
    pub(crate) fn with_lvs(
        &mut self,
        call: impl FnOnce(&mut dyn VirtualServices, &mut Shared, &Routers),
    ) {
        if let Some(lvs) = &mut self.lvs {
            call(lvs.as_mut(), &mut self.shared, &self.routers);
        }
    }

    /// Something happened to the socket of a check.
    #[cfg(feature = "lvs")]
    pub fn probe(
        &mut self,
        now: crate::types::Instant,
        check: usize,
        event: crate::check::SocketEvent<&[u8]>,
        system: &mut dyn System,
    ) {
        let cx = &mut Cx::new(now, system, &self.shared.events);
        self.with_lvs(|lvs, shared, _| lvs.socket_event(cx, shared, check, event));
    }
}
