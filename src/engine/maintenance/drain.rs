//! Real servers that get no new connections.

use super::{Hold, Left, Maintenance, Object, Outcome, ServerNames};
use crate::config::model::lvs::RealServer;
use crate::ctl;
use crate::engine::Engine;
use crate::engine::cx::Cx;
use crate::engine::system::System;
use crate::types::Instant;
use crate::types::ipvs::ServerName;

impl Engine {
    /// Holds a real server at weight 0: its connections finish, and it gets no new ones. `service`
    /// and `server`: names as in the log, or `ADDRESS:PORT`.
    ///
    /// # Errors
    /// Why nothing was changed.
    pub fn drain(
        &mut self,
        now: Instant,
        [service, server]: [&str; 2],
        what: &Maintenance<'_>,
        system: &mut dyn System,
    ) -> Outcome {
        let cx = &mut Cx::new(now, system, &self.shared.events);
        what.check()?;
        let found = self.find_server(service, server)?;
        let ServerNames { service, server } = &found.names;
        if let Some(obstacle) = found.obstacle.filter(|_| !what.force) {
            return Err(format!(
                "{server}: {obstacle}; nothing was changed, --force drains it anyway"
            ));
        }
        let left = Left(what.time);
        let text = format!("{server} of {service}: weight 0 {left}; it gets no new connections\n");
        self.hold(cx, Object::Server(found.names), what);
        self.shared.state_records.write(cx);
        self.drains_changed(cx);
        Ok(text)
    }

    /// Gives a real server its weight again.
    ///
    /// # Errors
    /// There is no such server.
    pub fn undrain(
        &mut self,
        now: Instant,
        [service, server]: [&str; 2],
        system: &mut dyn System,
    ) -> Outcome {
        let cx = &mut Cx::new(now, system, &self.shared.events);
        let object = Object::Server(self.find_server(service, server)?.names);
        let ended = self.release(cx, "ended by undrain", &|hold| hold.object == object);
        self.drains_changed(cx);
        Ok(match ended {
            0 => "not in maintenance\n",
            _ => "its weight is as configured and checked again\n",
        }
        .to_owned())
    }

    fn find_server(&self, service: &str, server: &str) -> Result<Drainable, String> {
        match &self.lvs {
            Some(lvs) => lvs.find_server(service, server),
            None => Err("there are no virtual servers".to_owned()),
        }
    }

    fn drains_changed(&mut self, cx: &mut Cx<'_>) {
        self.apply_maintenance(cx);
        self.with_lvs(|lvs, shared, _| lvs.update_drains(cx, shared));
    }

    /// Adds to a snapshot which real servers are drained.
    pub(crate) fn show_drains<'a>(&'a self, services: &mut [ctl::Service<'a>]) {
        for hold in &self.shared.maintenance {
            let Some(names) = hold.server() else { continue };
            for service in services
                .iter_mut()
                .filter(|one| one.conf.name == names.service)
            {
                let protocol = service.conf.protocol;
                let is_it = |server: &&mut ctl::Server<'_>| {
                    let RealServer { addr, port, .. } = *server.conf;
                    let name = ServerName {
                        addr,
                        protocol,
                        port,
                    };
                    name.to_string() == names.server
                };
                if let Some(server) = service.servers.iter_mut().find(is_it) {
                    server.maintenance = Some(hold.show());
                }
            }
        }
    }
}

/// A real server that can be drained.
#[derive(Debug)]
pub(crate) struct Drainable {
    pub(crate) names: ServerNames,
    /// The loss.
    pub(crate) obstacle: Option<String>,
}

impl Hold {
    /// The real server that is held.
    pub(crate) fn server(&self) -> Option<&ServerNames> {
        match &self.object {
            Object::Instance(_) => None,
            Object::Server(names) => Some(names),
        }
    }
}
