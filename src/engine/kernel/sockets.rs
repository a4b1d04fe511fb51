//! Which receive sockets there must be, and opening them: one for each family and interface, shared by
//! all instances there, and one for each family of unicast adverts; the same again for AH where an instance
//! uses that.

use crate::engine::cx::Cx;
use core::net::IpAddr;
use std::io;

use crate::engine::Engine;
use crate::engine::kernel::interfaces::Interfaces;
use crate::engine::log_limit::LogLimit;
use crate::engine::system::{Listener, Protocol};
use crate::types::Family;
use crate::types::errno::EAFNOSUPPORT;

/// A receive socket and what it has joined.
#[derive(Debug)]
pub(crate) struct Socket {
    pub(crate) on: Listener,
    groups: Vec<IpAddr>,
    /// False: the kernel refused; tried again every second.
    pub(crate) works: bool,
    /// Log lines that malformed packets there may still cause.
    pub(crate) malformed: LogLimit,
}

impl Engine {
    /// Whether adverts can be received there.
    pub(crate) fn is_listening(&self, on: Listener) -> bool {
        self.sockets.iter().any(|open| open.on == on && open.works)
    }

    /// Opens the sockets that instances need now, also those that were refused before, and closes the others.
    pub(crate) fn open_sockets(&mut self, cx: &mut Cx<'_>) {
        let wanted = self.wanted_sockets();
        self.sockets.retain(|open| {
            let mut same = wanted.iter();
            let keep = same.any(|(on, groups)| *on == open.on && *groups == open.groups);
            if !keep {
                cx.system.close_listener(open.on);
            }
            keep
        });
        for (on, groups) in wanted {
            match self.sockets.iter_mut().find(|open| open.on == on) {
                Some(open) if open.works => {}
                Some(open) => {
                    open.works = listen(cx, &self.shared.interfaces, on, &groups, true);
                }
                None => {
                    let works = listen(cx, &self.shared.interfaces, on, &groups, false);
                    let malformed = LogLimit::default();
                    self.sockets.push(Socket {
                        on,
                        groups,
                        works,
                        malformed,
                    });
                }
            }
        }
    }

    /// Each socket with all groups that must be joined on it.
    fn wanted_sockets(&self) -> Vec<(Listener, Vec<IpAddr>)> {
        let mut wanted: Vec<(Listener, Vec<IpAddr>)> = Vec::new();
        for router in &self.routers {
            for on in router.listeners() {
                let place = wanted.iter().position(|(known, _)| *known == on);
                let place = place.unwrap_or(wanted.len());
                if place == wanted.len() {
                    wanted.push((on, Vec::new()));
                }
                if let (Some((_, groups)), Some(group)) = (wanted.get_mut(place), router.group())
                    && !groups.contains(&group)
                {
                    groups.push(group);
                }
            }
        }
        wanted
    }
}

/// Opens a socket; says so when that fails for the first time or works after all.
fn listen(
    cx: &mut Cx<'_>,
    links: &Interfaces,
    on: Listener,
    groups: &[IpAddr],
    failed_before: bool,
) -> bool {
    let link = on.interface.and_then(|index| links.get(index));
    let name = link.map(|link| &link.name);
    let place = name.map_or("any interface", |name| name.as_str());
    let family = match on.protocol {
        Protocol::Vrrp if on.family == Family::V4 => "IPv4",
        Protocol::Vrrp => "IPv6",
        Protocol::Ah => "AH",
    };
    match (cx.system.open_listener(on, name, groups), failed_before) {
        (Ok(()), true) => {
            log::info!(target: "vrrp", "{family} adverts on {place} can be received now");
            true
        }
        (Ok(()), false) => true,
        (Err(_), true) => false,
        (Err(error), false) => {
            log::warn!(
                target: "vrrp",
                "cannot receive {family} adverts on {place}: {error}{}; trying again every second",
                without(&error)
            );
            false
        }
    }
}

/// What to do about a kernel without IPv6; all others have what else adverts need.
fn without(error: &io::Error) -> &'static str {
    match error.raw_os_error() {
        Some(errno) if EAFNOSUPPORT.contains(&errno) => " (no IPv6: CONFIG_IPV6, ipv6.disable=1)",
        Some(_) | None => "",
    }
}
