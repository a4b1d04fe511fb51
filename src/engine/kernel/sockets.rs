//! Receive sockets: one per address family and interface for multicast adverts, shared by all
//! instances there, and one per family for unicast adverts. Instances with AH have a second set.

use std::io;

use crate::config::model::{RunningInstance, Transport};
use crate::engine::Engine;
use crate::engine::cx::Cx;
use crate::engine::events::{EventKind, Object};
use crate::engine::kernel::interfaces::Interfaces;
use crate::engine::log_limit::LogLimit;
use crate::engine::system::{Listener, Protocol, error_text};
use crate::log::Level;
use crate::types::errno::EAFNOSUPPORT;
use crate::types::{Family, IfName};
use crate::wire::bpf::AdvertFilter;

/// A receive socket, the groups it has joined, and the packets it passes.
#[derive(Debug)]
pub(crate) struct Socket {
    pub(crate) on: Listener,
    filter: AdvertFilter,
    /// False if the kernel refused it; tried again every second.
    pub(crate) works: bool,
    /// Limits the log messages about malformed packets.
    pub(crate) malformed: LogLimit,
}

impl Engine {
    /// Whether adverts can be received on this socket.
    pub(crate) fn is_listening(&self, on: Listener) -> bool {
        self.sockets
            .iter()
            .any(|socket| socket.on == on && socket.works)
    }

    /// Opens the sockets that instances need, tries refused ones again, and closes the others.
    pub(crate) fn open_sockets(&mut self, cx: &mut Cx<'_>) {
        let wanted = self.wanted_sockets();
        self.sockets.retain(|socket| {
            let mut same = wanted.iter();
            let groups = socket.filter.groups();
            let keep = same.any(|(on, new)| *on == socket.on && new.groups() == groups);
            if !keep {
                cx.system.close_listener(socket.on);
            }
            keep
        });
        for (on, filter) in wanted {
            let interfaces = &self.shared.interfaces;
            let Some(socket) = self.sockets.iter_mut().find(|socket| socket.on == on) else {
                self.sockets.push(Socket {
                    works: open(cx, interfaces, on, &filter),
                    on,
                    filter,
                    malformed: LogLimit::default(),
                });
                continue;
            };
            if !socket.works {
                socket.works = reopen(cx, interfaces, on, &filter);
            } else if socket.filter != filter {
                cx.system.filter_listener(on, &filter);
            }
            socket.filter = filter;
        }
    }

    /// Each socket that is needed, with the packets to receive on it.
    fn wanted_sockets(&self) -> Vec<(Listener, AdvertFilter)> {
        let mut wanted: Vec<(Listener, AdvertFilter)> = Vec::new();
        for router in self.routers.iter() {
            for on in router.listeners() {
                if let Some((_, filter)) = wanted.iter_mut().find(|(known, _)| *known == on) {
                    pass_adverts(&router.conf, filter);
                    continue;
                }
                let mut filter = AdvertFilter::new(on.family, on.protocol == Protocol::Ah);
                if self.shared.global.log_unknown_vrids {
                    filter.pass_all_vrids();
                }
                pass_adverts(&router.conf, &mut filter);
                wanted.push((on, filter));
            }
        }
        wanted
    }
}

/// Makes the filter pass the adverts that an instance needs.
fn pass_adverts(conf: &RunningInstance, filter: &mut AdvertFilter) {
    filter.pass_vrid(conf.vrid);
    match &conf.transport {
        Transport::Multicast { group } => filter.pass_group(*group),
        Transport::Unicast {
            check_source: false,
            ..
        } => filter.pass_any_sender(),
        Transport::Unicast { peers, .. } => {
            for peer in peers {
                filter.pass_sender(peer.addr, peer.min_ttl, peer.max_ttl);
            }
        }
    }
}

/// Opens a socket, and logs if that fails.
fn open(cx: &mut Cx<'_>, interfaces: &Interfaces, on: Listener, filter: &AdvertFilter) -> bool {
    let name = interface_name(interfaces, on);
    let Err(error) = cx.system.open_listener(on, name, filter) else {
        return true;
    };
    let dev = name.map_or(ANY_INTERFACE, IfName::as_str);
    cx.note(
        Level::Warn,
        EventKind::Refused,
        Object::interface(dev),
        format_args!(
            "cannot receive {} adverts on {dev}: {}{}; retrying every second",
            protocol_name(on),
            error_text(&error),
            hint(&error)
        ),
    );
    false
}

/// Tries again to open a socket that failed before, and logs if it works.
fn reopen(cx: &mut Cx<'_>, interfaces: &Interfaces, on: Listener, filter: &AdvertFilter) -> bool {
    let name = interface_name(interfaces, on);
    let works = cx.system.open_listener(on, name, filter).is_ok();
    if works {
        let dev = name.map_or(ANY_INTERFACE, IfName::as_str);
        cx.note(
            Level::Info,
            EventKind::Recovered,
            Object::interface(dev),
            format_args!("receiving {} adverts on {dev}", protocol_name(on)),
        );
    }
    works
}

const ANY_INTERFACE: &str = "any interface";

fn interface_name(interfaces: &Interfaces, on: Listener) -> Option<&IfName> {
    let link = on.interface.and_then(|index| interfaces.get(index));
    link.map(|link| &link.name)
}

fn protocol_name(on: Listener) -> &'static str {
    match on.protocol {
        Protocol::Vrrp if on.family == Family::V4 => "IPv4",
        Protocol::Vrrp => "IPv6",
        Protocol::Ah => "AH",
    }
}

/// Advice for a kernel without IPv6; every kernel has the rest of what adverts need.
fn hint(error: &io::Error) -> &'static str {
    match error.raw_os_error() {
        Some(errno) if EAFNOSUPPORT.contains(&errno) => " (no IPv6: CONFIG_IPV6, ipv6.disable=1)",
        Some(_) | None => "",
    }
}
