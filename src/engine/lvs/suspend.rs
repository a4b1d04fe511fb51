//! `ha_suspend`: the checks of a virtual server pause while none of its addresses is on this host. Another router has
//! them then, and checks the servers; what was known last stays.

use crate::engine::cx::Cx;
use core::net::IpAddr;

use crate::config::model::lvs::VirtualServer;
use crate::engine::Engine;
use crate::engine::lvs::Lvs;
use crate::types::ipvs::ServiceKey;

impl Lvs {
    /// Whether checks may pause or go on when this address comes or goes.
    pub(crate) fn concerns(&self, addr: IpAddr) -> bool {
        let mut servers = self
            .conf
            .virtual_servers
            .iter()
            .filter(|one| one.ha_suspend);
        servers.any(|one| addresses(one).any(|own| own == addr))
    }
}

fn addresses(server: &VirtualServer) -> impl Iterator<Item = IpAddr> {
    server.services.iter().filter_map(|key| match key {
        ServiceKey::Address { addr, .. } => Some(*addr),
        ServiceKey::Mark { .. } => None,
    })
}

impl Engine {
    /// Addresses may have come or gone.
    pub(crate) fn refresh_lvs_addresses(&mut self, cx: &mut Cx<'_>) {
        if !self
            .lvs
            .conf
            .virtual_servers
            .iter()
            .any(|one| one.ha_suspend)
            && !self.lvs.suspended.contains(&true)
        {
            return;
        }
        let links = self.shared.interfaces.all();
        let present = links.flat_map(|link| link.addrs.iter().map(|one| one.cidr.addr));
        let present: Vec<IpAddr> = crate::types::sorted(present.collect());
        let here = |addr: IpAddr| present.binary_search(&addr).is_ok();
        let mut changed = Vec::new();
        for (place, server) in self.lvs.conf.virtual_servers.iter().enumerate() {
            let pause = server.ha_suspend && !addresses(server).any(here);
            let Some(known) = self.lvs.suspended.get_mut(place) else {
                continue;
            };
            if core::mem::replace(known, pause) == pause {
                continue;
            }
            let name = &server.name;
            if pause {
                log::info!(
                    target: "check",
                    "Suspending healthcheckers for VS {name}: its address is not on this host"
                );
            } else {
                log::info!(target: "check", "Activating healthcheckers for VS {name}");
            }
            changed.push((place, pause));
        }
        for (place, pause) in changed {
            self.suspend_checks(cx, place, pause);
        }
    }
}
