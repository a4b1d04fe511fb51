//! Instances that stay backup.

use super::{Hold, Left, Maintenance, Object, Outcome};
use crate::ctl::{self, Escaped};
use crate::engine::Engine;
use crate::engine::cx::Cx;
use crate::engine::instance::router::Router;
use crate::engine::system::System;
use crate::types::{InstanceId, Instant, Priority, VrrpState};

/// Instances listed in an answer.
const LISTED: usize = 20;

impl Engine {
    /// Lets instances hand over and stay backup: the one with this name, those of the sync group
    /// with this name, or all. A member of a group takes the whole group with it.
    ///
    /// # Errors
    /// Why nothing was changed.
    pub fn demote(
        &mut self,
        now: Instant,
        name: Option<&str>,
        what: &Maintenance<'_>,
        system: &mut dyn System,
    ) -> Outcome {
        let cx = &mut Cx::new(now, system, &self.shared.events);
        what.check()?;
        let ids = self.named(name)?;
        let routers = || ids.iter().filter_map(|id| self.routers.get(*id));
        let known = || routers().map(|router| (router, peer_evidence(router, now)));
        if !what.force
            && let Some((router, Err(why))) = known().find(|(_, evidence)| evidence.is_err())
        {
            return Err(format!(
                "{0}: {why}, so perhaps none can take over; nothing was changed, --force demotes {0} anyway",
                Escaped(&router.conf.name)
            ));
        }
        let mut text = String::new();
        for (router, evidence) in known().take(LISTED) {
            let (name, state) = (Escaped(&router.conf.name), router.machine.state());
            let evidence = evidence.unwrap_or_else(|why| why);
            text.push_str(&format!("{name}: was {state}; {evidence}\n"));
        }
        let left = Left(what.time);
        match ids.len().checked_sub(LISTED).filter(|more| *more > 0) {
            Some(more) => text.push_str(&format!("… and {more} more\nin maintenance {left}\n")),
            None => text.push_str(&format!("in maintenance {left}\n")),
        }
        for id in ids {
            self.hold(cx, Object::Instance(id), what);
        }
        self.shared.state_records.write(cx);
        self.apply_maintenance(cx);
        Ok(text)
    }

    /// Ends the maintenance of instances, named as for [`Engine::demote`].
    ///
    /// # Errors
    /// Nothing has this name.
    pub fn promote(
        &mut self,
        now: Instant,
        name: Option<&str>,
        system: &mut dyn System,
    ) -> Outcome {
        let cx = &mut Cx::new(now, system, &self.shared.events);
        let ids = self.named(name)?;
        let of_these = |hold: &Hold| ids.iter().any(|id| hold.is(*id));
        let ended = self.release(cx, "ended by promote", &of_these);
        self.apply_maintenance(cx);
        Ok(match ended {
            0 => "not in maintenance\n".to_owned(),
            _ => format!("instances that take part in the election again: {ended}\n"),
        })
    }

    /// The instances with this name, with all members of their groups.
    fn named(&self, name: Option<&str>) -> Result<Vec<InstanceId>, String> {
        let Some(name) = name else {
            return Ok(self.routers.ids().collect());
        };
        let router = self.routers.iter().find(|router| router.conf.name == name);
        let group = match router {
            Some(router) => router.conf.sync_group.and_then(|id| self.groups.get(id.0)),
            None => self.groups.iter().find(|group| group.conf.name == name),
        };
        match (router, group) {
            (_, Some(group)) => Ok(group.conf.members.clone()),
            (Some(router), None) => Ok(vec![router.id]),
            (None, None) => Err(format!("there is no instance or sync group '{name}'")),
        }
    }
}

/// The advert that shows that another router is there, or the reason why none does. Backups are silent, so a master
/// knows of another router only if that was master too since the start; one whose last advert was
/// a resignation may be gone.
fn peer_evidence(router: &Router, now: Instant) -> Outcome {
    let machine = &router.machine;
    let idle = matches!(machine.state(), VrrpState::Init | VrrpState::Fault);
    if machine.in_maintenance() {
        return Ok("in maintenance already".to_owned());
    }
    if idle && !router.is_master() {
        return Ok("had no addresses to hand over".to_owned());
    }
    let vrid = router.conf.vrid;
    let Some(heard) = machine.last_heard() else {
        return Err(format!(
            "no advert of another router for VRID {vrid} was accepted since the start (backups send none)"
        ));
    };
    let (master, ago) = (heard.master, ctl::Span(now.since(heard.at)));
    match master.priority {
        Priority::RESIGN => Err(format!(
            "the last router heard for VRID {vrid}, {}, resigned {ago} ago",
            master.addr
        )),
        priority => Ok(format!(
            "last advert of another router: {}, priority {priority}, {ago} ago",
            master.addr
        )),
    }
}
