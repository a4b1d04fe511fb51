//! A fake kernel: implements the engine's `System` in memory. It parses netlink requests, keeps
//! links, addresses, routes and rules, and logs what happens, in order.

use std::collections::{BTreeMap, VecDeque};
use std::fmt;
use std::io;
use std::net::IpAddr;

use vrrpd::config::model::{Command, Fifo};
use vrrpd::engine::Engine;
use vrrpd::engine::instance::rx::Datagram;
use vrrpd::engine::system::{
    AdvertRoute, Kill, Listener, Pid, ProcessFields, Protocol, Reception, Scan, System,
};
use vrrpd::netlink::NLM_F_REPLACE;
use vrrpd::netlink::addr::{AddrFlags, FOREVER};
use vrrpd::netlink::link::LinkFlags;
use vrrpd::netlink::{self, Ack, Addr, Batch, Link, Message, Messages, rule};
use vrrpd::types::errno::{EEXIST, ENOENT, ESRCH};
use vrrpd::types::{Cidr, Family, IfIndex, IfName, Instant, Mac};
use vrrpd::wire::bpf::AdvertFilter;
use vrrpd::wire::{PseudoHeader, ah, arp, ether, ipv4, vrrp};

const RTM_GETLINK: u16 = 18;
const RTM_SETLINK: u16 = 19;
const RTM_GETADDR: u16 = 22;
const EADDRNOTAVAIL: i32 = 99;
const EOPNOTSUPP: i32 = 95;

pub use super::builders::*;

#[derive(Clone, Debug)]
pub struct FakeLink {
    pub index: u32,
    pub name: String,
    pub up: bool,
    /// Of a macvlan: index of the parent interface, and the MAC address.
    pub parent: Option<(u32, Mac)>,
    /// Type, if it is neither a macvlan nor an ordinary interface.
    pub kind: Option<&'static str>,
    /// Index of its VRF or bridge.
    pub master: Option<u32>,
    pub group: u32,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct FakeAddr {
    pub index: u32,
    pub cidr: Cidr,
    pub proto: Option<u8>,
    /// Added without duplicate address detection.
    pub nodad: bool,
    /// There was an address of the same network before it, on this interface.
    pub secondary: bool,
}

#[derive(Debug, Default)]
pub struct Kernel {
    pub links: Vec<FakeLink>,
    pub addrs: Vec<FakeAddr>,
    /// A kernel before 5.18: addresses have no `IFA_PROTO`.
    pub no_proto: bool,
    /// Addresses and state file before each request and each write of the state file, if they are
    /// to be kept.
    pub moments: Option<Vec<Moment>>,
    /// Interfaces whose `promote_secondaries` is set.
    pub promote_secondaries: Vec<u32>,
    /// Requests in order, one line each.
    pub log: Vec<String>,
    /// Netlink events not yet delivered to the engine.
    events: VecDeque<KernelEvent>,
    /// Address to reject, with errno and extended-ack text.
    pub reject_addr: Option<(IpAddr, i32, &'static str)>,
    pub routes: Vec<netlink::Route>,
    /// Priority and netlink message of each rule.
    pub rules: Vec<(u32, Vec<u8>)>,
    /// Route to reject, with errno and extended-ack text.
    pub reject_route: Option<(Cidr, i32, &'static str)>,
    /// Opening a VRRP socket fails with this errno.
    pub listen_errno: Option<i32>,
    /// Of every socket.
    pub reception: Reception,
    /// The filters of the sockets.
    pub filters: BTreeMap<Listener, AdvertFilter>,
    /// Time that opening a VRRP socket takes.
    pub listen_delay: std::time::Duration,
    /// The nftables table, if it exists: how often addresses were added to it.
    pub ruleset: Option<u32>,
    /// A kernel without nftables.
    pub no_netfilter: bool,
    /// A kernel without virtual interfaces of this type.
    pub no_links: Vec<&'static str>,
    /// Creating a virtual interface fails with this errno.
    pub reject_create: Option<i32>,
    /// Macvlans are attached to this interface instead of that of the request.
    pub wrong_base: Option<u32>,
    /// Interfaces cannot join a VRF.
    pub reject_master: bool,
    /// The link with this index cannot be set up, as if another had its Ethernet address.
    pub reject_up: Option<u32>,
    /// A kernel without policy rules.
    pub no_policy_rules: bool,
    /// Sysctls cannot be written.
    pub read_only_sysctl: bool,
    /// Adverts and frames are counted but not logged.
    pub quiet: bool,
    pub adverts: usize,
    pub frames: usize,
    /// Number of children started; their pids are 1, 2, 3 … The test reports their exit.
    pub spawned: i32,
    /// Starting a child fails with this errno.
    pub spawn_errno: Option<i32>,
    pub files: BTreeMap<String, Vec<u8>>,
    /// A kernel without inotify.
    pub no_inotify: bool,
    /// Name and command line of each process.
    pub processes: Vec<(String, String)>,
    /// Time that each netlink request takes.
    pub request_delay: std::time::Duration,
    /// Time that sending a frame takes.
    pub frame_delay: std::time::Duration,
    /// When each advert was sent, by which VRID and with which priority.
    pub sent: Vec<(Instant, u8, u8)>,
    /// Time that reading a process takes; scans are logged if it is not zero.
    pub process_delay: std::time::Duration,
    /// Number of processes read by the scan that is in progress.
    scanned: usize,
    /// Writing to a FIFO would block.
    pub fifo_full: bool,
    /// The latest time passed to the engine.
    clock: Instant,
    /// Number of address renewals.
    pub renewals: usize,
    /// Time since 1970.
    pub wall_clock: std::time::Duration,
    /// Contents of the state file.
    pub state: Vec<u8>,
    /// Writes to the state file are logged.
    pub log_state_writes: bool,
    /// The last advert sent, with its IP header.
    pub last_advert: Vec<u8>,
    /// When it was sent.
    advert_at: Instant,
    /// Longest time between two adverts, of whichever instances.
    pub longest_silence: std::time::Duration,
    #[cfg(feature = "lvs")]
    pub ipvs: super::ipvs::Ipvs,
    #[cfg(feature = "lvs")]
    pub probes: super::probes::Probes,
}

/// What a process leaves that is killed now.
#[derive(Clone, Debug)]
pub struct Moment {
    pub addrs: Vec<FakeAddr>,
    pub state: Vec<u8>,
}

#[derive(Clone, Debug)]
enum KernelEvent {
    RouteGone(netlink::Route),
    RuleGone(Vec<u8>),
    Link(FakeLink, bool),
    Addr(FakeAddr, bool),
}

impl Kernel {
    pub fn with(links: &[(u32, &str, bool)], addrs: &[(u32, &str)]) -> Self {
        let mut kernel = Kernel::default();
        kernel.files.insert("/proc/modules".into(), Vec::new());
        for (index, name, up) in links {
            kernel.set_link(*index, name, *up);
        }
        for (index, cidr) in addrs {
            kernel.add(*index, cidr);
        }
        kernel
    }

    pub fn set_link(&mut self, index: u32, name: &str, up: bool) {
        self.links.retain(|link| link.index != index);
        let link = FakeLink {
            index,
            name: name.into(),
            up,
            parent: None,
            kind: None,
            master: None,
            group: 0,
        };
        self.links.push(link.clone());
        self.events.push_back(KernelEvent::Link(link, true));
    }

    pub fn drop_link(&mut self, index: u32) {
        let parent = |link: &&FakeLink| link.parent.is_some_and(|(base, _)| base == index);
        while let Some(above) = self.links.iter().find(parent).map(|link| link.index) {
            self.drop_link(above);
        }
        let gone: Vec<FakeAddr> = self
            .addrs
            .iter()
            .copied()
            .filter(|addr| addr.index == index)
            .collect();
        for addr in gone {
            self.remove(addr.index, addr.cidr);
        }
        let Some(index) = self.links.iter().position(|link| link.index == index) else {
            return;
        };
        let link = self.links.remove(index);
        self.events.push_back(KernelEvent::Link(link, false));
    }

    /// Another program adds an address.
    pub fn add(&mut self, index: u32, text: &str) {
        let addr = FakeAddr {
            index,
            cidr: cidr(text),
            proto: None,
            nodad: false,
            secondary: false,
        };
        self.insert_address(addr);
    }

    /// A killed daemon has left an address.
    pub fn leave(&mut self, index: u32, text: &str) {
        self.add(index, text);
        let last = self.addrs.last_mut().expect("the address");
        last.proto = Some(18);
        let last = *last;
        self.events.pop_back();
        self.events.push_back(KernelEvent::Addr(last, true));
    }

    /// Another program sets an address (NLM_F_REPLACE, as netifd).
    pub fn replace(&mut self, index: u32, text: &str) {
        let same = |addr: &&mut FakeAddr| (addr.index, addr.cidr) == (index, cidr(text));
        let Some(known) = self.addrs.iter_mut().find(same) else {
            return self.add(index, text);
        };
        known.proto = None;
        self.events.push_back(KernelEvent::Addr(*known, true));
    }

    fn keep_moment(&mut self) {
        if let Some(moments) = &mut self.moments {
            let (addrs, state) = (self.addrs.clone(), self.state.clone());
            moments.push(Moment { addrs, state });
        }
    }

    /// Another program removes an address.
    pub fn remove(&mut self, index: u32, cidr: Cidr) {
        let same = |addr: &FakeAddr| (addr.index, addr.cidr) == (index, cidr);
        match self.addrs.iter().position(same) {
            Some(at) => self.erase_address(at),
            None => self.events.push_back(KernelEvent::Addr(
                FakeAddr {
                    index,
                    cidr,
                    proto: None,
                    nodad: false,
                    secondary: false,
                },
                false,
            )),
        }
    }

    pub fn has(&self, text: &str) -> bool {
        self.addrs.iter().any(|addr| addr.cidr == cidr(text))
    }

    pub(super) fn insert_address(&mut self, mut addr: FakeAddr) {
        let mut known = self.addrs.iter();
        addr.secondary = known.any(|known| !known.secondary && same_network(known, &addr));
        self.addrs.push(addr);
        self.events.push_back(KernelEvent::Addr(addr, true));
    }

    /// Removes an address; a primary one with all secondary ones, or it is succeeded by the first
    /// of them (`__inet_del_ifa` of Linux).
    pub(super) fn erase_address(&mut self, at: usize) {
        let gone = self.addrs.remove(at);
        let depends =
            |addr: &FakeAddr| !gone.secondary && addr.secondary && same_network(&gone, addr);
        let mut succeeded = None;
        if self.promote_secondaries.contains(&gone.index) {
            if let Some(next) = self.addrs.iter_mut().find(|addr| depends(addr)) {
                next.secondary = false;
                succeeded = Some(KernelEvent::Addr(*next, true));
            }
        } else {
            let lost = self.addrs.iter().filter(|addr| depends(addr));
            let lost = lost.map(|addr| KernelEvent::Addr(*addr, false));
            self.events.extend(lost.collect::<Vec<_>>());
            self.addrs.retain(|addr| !depends(addr));
        }
        self.events.push_back(KernelEvent::Addr(gone, false));
        self.events.extend(succeeded);
    }

    /// Applies RTM_SETLINK, which the engine uses for `promote_secondaries` alone.
    fn set_link_settings(&mut self, bytes: &[u8]) {
        let index = u32::from_ne_bytes(bytes[20..24].try_into().expect("an index"));
        // The value is the last attribute.
        let on = bytes[bytes.len() - 4] != 0;
        self.promote_secondaries.retain(|known| *known != index);
        if on {
            self.promote_secondaries.push(index);
        }
        let value = u8::from(on);
        self.log
            .push(format!("promote_secondaries {index} {value}"));
    }

    fn log_scan(&mut self, line: &str) {
        if !self.process_delay.is_zero() {
            self.log.push(line.into());
        }
    }

    pub fn take_log(&mut self) -> Vec<String> {
        std::mem::take(&mut self.log)
    }

    /// Delivers all pending netlink events, including those caused by the reaction of the engine.
    pub fn deliver(&mut self, engine: &mut Engine, now: Instant) {
        self.clock = self.clock.max(now);
        while !self.events.is_empty() {
            while let Some(event) = self.events.pop_front() {
                match &event {
                    KernelEvent::RouteGone(route) => {
                        engine.netlink_event(now, &Message::DelRoute(*route))
                    }
                    KernelEvent::RuleGone(bytes) => {
                        let envelope = Messages::new(bytes).next().expect("a rule");
                        engine.netlink_event(now, &envelope.expect("well formed").message);
                    }
                    KernelEvent::Link(link, present) => {
                        let link = as_link(link);
                        let message = if *present {
                            Message::NewLink(link)
                        } else {
                            Message::DelLink(link)
                        };
                        engine.netlink_event(now, &message);
                    }
                    KernelEvent::Addr(addr, present) => {
                        let addr = as_addr(addr);
                        let message = if *present {
                            Message::NewAddr(addr)
                        } else {
                            Message::DelAddr(addr)
                        };
                        engine.netlink_event(now, &message);
                    }
                }
            }
            engine.refresh(now, self);
        }
    }

    /// The events that wait are lost (ENOBUFS).
    pub fn lose_events(&mut self) {
        self.events.clear();
    }

    /// Queues a netlink event for an interface.
    pub(super) fn push_link_event(&mut self, link: FakeLink, present: bool) {
        self.events.push_back(KernelEvent::Link(link, present));
    }

    /// Another program deletes a route.
    pub fn remove_route(&mut self, dst: &str) {
        let dst = cidr(dst);
        let index = self.routes.iter().position(|route| route.dst == dst);
        let route = self.routes.remove(index.expect("it is there"));
        self.events.push_back(KernelEvent::RouteGone(route));
    }

    /// Another program deletes a rule.
    pub fn remove_rule(&mut self, priority: u32) {
        let index = self.rules.iter().position(|(known, _)| *known == priority);
        let (_, mut bytes) = self.rules.remove(index.expect("it is there"));
        bytes[4..6].copy_from_slice(&rule::RTM_DELRULE.to_ne_bytes());
        self.events.push_back(KernelEvent::RuleGone(bytes));
    }

    fn route(&mut self, route: &netlink::Route, add: bool) -> (i32, Option<&'static str>) {
        let verb = if add { "add" } else { "del" };
        self.log.push(format!("{verb} route {}", route.dst));
        if let Some((dst, errno, text)) = self.reject_route
            && dst == route.dst
            && add
        {
            return (errno, Some(text));
        }
        // A deletion may leave out the type.
        let same = |known: &netlink::Route| {
            let kind = if route.kind == 0 {
                known.kind
            } else {
                route.kind
            };
            *known == netlink::Route { kind, ..*route }
        };
        match (self.routes.iter().position(same), add) {
            (Some(_), true) => return (EEXIST, None),
            (None, true) => self.routes.push(*route),
            (Some(index), false) => {
                let route = self.routes.remove(index);
                if route.protocol == 18 {
                    self.events.push_back(KernelEvent::RouteGone(route));
                }
            }
            (None, false) => return (ESRCH, None),
        }
        (0, None)
    }

    fn rule(&mut self, rule: &netlink::Rule<'_>, bytes: &[u8], add: bool) -> i32 {
        if self.no_policy_rules {
            return EOPNOTSUPP;
        }
        let verb = if add { "add" } else { "del" };
        self.log.push(format!("{verb} rule {}", rule.priority));
        // Without header, sequence number and port id.
        let same = |known: &(u32, Vec<u8>)| known.1[16..] == bytes[16..];
        match (self.rules.iter().position(same), add) {
            (Some(_), true) => return EEXIST,
            (None, true) => self.rules.push((rule.priority, bytes.to_vec())),
            (Some(index), false) => {
                let (_, mut bytes) = self.rules.remove(index);
                bytes[4..6].copy_from_slice(&rule::RTM_DELRULE.to_ne_bytes());
                self.events.push_back(KernelEvent::RuleGone(bytes));
            }
            (None, false) => return ENOENT,
        }
        0
    }

    fn address(&mut self, addr: &Addr<'_>, add: bool) -> (i32, Option<&'static str>) {
        match self.reject_addr {
            Some((which, errno, text)) if add && which == addr.cidr.addr => (errno, Some(text)),
            _ => (self.apply_address(addr, add), None),
        }
    }

    /// Sets the lifetime of an address, or adds it if missing.
    fn renew(&mut self, addr: &Addr<'_>) -> i32 {
        self.renewals += 1;
        let same = |a: &&FakeAddr| a.index == addr.index.0 && a.cidr == addr.cidr;
        let Some(known) = self.addrs.iter().find(same).copied() else {
            return self.apply_address(addr, true);
        };
        if !self.quiet {
            let lifetime = lifetime(addr);
            self.log
                .push(format!("renew {} {}{lifetime}", addr.index.0, addr.cidr));
        }
        self.events.push_back(KernelEvent::Addr(known, true));
        0
    }

    fn apply_address(&mut self, addr: &Addr<'_>, add: bool) -> i32 {
        let known = self
            .addrs
            .iter()
            .position(|a| a.index == addr.index.0 && a.cidr == addr.cidr);
        self.keep_moment();
        let verb = if add { "add" } else { "del" };
        let lifetime = lifetime(addr);
        self.log
            .push(format!("{verb} {} {}{lifetime}", addr.index.0, addr.cidr));
        let entry = FakeAddr {
            index: addr.index.0,
            cidr: addr.cidr,
            proto: addr.proto.filter(|_| !self.no_proto),
            nodad: addr.flags.has(AddrFlags::NODAD),
            secondary: false,
        };
        match (known, add) {
            (Some(_), true) => EEXIST,
            (None, true) => {
                self.insert_address(entry);
                0
            }
            (Some(index), false) => {
                self.erase_address(index);
                0
            }
            (None, false) => EADDRNOTAVAIL,
        }
    }
}

impl System for Kernel {
    fn request(&mut self, batch: &Batch, rejected: &mut dyn FnMut(&Ack<'_>)) -> io::Result<()> {
        if let Some(errno) = self.link_request(batch.bytes()) {
            if errno != 0 {
                rejected(&Ack {
                    seq: 1,
                    errno,
                    text: None,
                    offset: None,
                });
            }
            return Ok(());
        }
        let mut rest = batch.bytes();
        for envelope in Messages::new(batch.bytes()) {
            self.clock = self.clock.after(self.request_delay);
            let envelope = envelope.expect("the engine sends well-formed requests");
            let len = u32::from_ne_bytes(rest[..4].try_into().expect("4 bytes"));
            let len = usize::try_from(len).expect("a length");
            let bytes = &rest[..len];
            rest = rest.get(len.next_multiple_of(4)..).unwrap_or_default();
            let (errno, text) = match envelope.message {
                Message::NewAddr(addr) if envelope.header.flags & NLM_F_REPLACE != 0 => {
                    (self.renew(&addr), None)
                }
                Message::NewAddr(addr) => self.address(&addr, true),
                Message::DelAddr(addr) => self.address(&addr, false),
                Message::NewRoute(route) => self.route(&route, true),
                Message::DelRoute(route) => self.route(&route, false),
                Message::NewRule(rule) => (self.rule(&rule, bytes, true), None),
                Message::DelRule(rule) => (self.rule(&rule, bytes, false), None),
                Message::Other(RTM_SETLINK) => {
                    self.set_link_settings(bytes);
                    (0, None)
                }
                other @ (Message::NewLink(_)
                | Message::DelLink(_)
                | Message::Done(_)
                | Message::Ack(_)
                | Message::Noop
                | Message::Overrun
                | Message::Other(_)) => panic!("not a request: {other:?}"),
            };
            if errno != 0 {
                rejected(&Ack {
                    seq: envelope.header.seq,
                    errno,
                    text,
                    offset: None,
                });
            }
        }
        Ok(())
    }

    fn dump(&mut self, batch: &Batch, each: &mut dyn FnMut(&Message<'_>)) -> io::Result<()> {
        let envelope = Messages::new(batch.bytes()).next().expect("a request");
        match envelope.expect("well formed").header.kind {
            RTM_GETLINK => self
                .links
                .iter()
                .for_each(|link| each(&Message::NewLink(as_link(link)))),
            RTM_GETADDR => self
                .addrs
                .iter()
                .for_each(|addr| each(&Message::NewAddr(as_addr(addr)))),
            other => panic!("not a dump of links or addresses: {other}"),
        }
        Ok(())
    }

    fn open_listener(
        &mut self,
        on: Listener,
        name: Option<&IfName>,
        filter: &AdvertFilter,
    ) -> io::Result<()> {
        if let Some(errno) = self.listen_errno {
            return Err(io::Error::from_raw_os_error(errno));
        }
        self.clock = self.clock.after(self.listen_delay);
        let index = on
            .interface
            .map_or("any".into(), |index| index.0.to_string());
        let ah = if on.protocol == Protocol::Ah {
            "AH "
        } else {
            ""
        };
        let groups = filter.groups();
        self.log
            .push(format!("listen {ah}{index} {name:?} {groups:?}"));
        self.filters.insert(on, filter.clone());
        Ok(())
    }

    fn reception(&mut self, _: Listener) -> Reception {
        self.reception
    }

    fn filter_listener(&mut self, on: Listener, filter: &AdvertFilter) {
        assert_eq!(filter.groups(), self.filters[&on].groups());
        self.filters.insert(on, filter.clone());
    }

    fn close_listener(&mut self, on: Listener) {
        let index = on
            .interface
            .map_or("any".into(), |index| index.0.to_string());
        self.log.push(format!("unlisten {index}"));
    }

    fn send_advert(&mut self, route: &AdvertRoute, packet: &[u8]) -> io::Result<()> {
        self.adverts += 1;
        let silence = self.clock.since(self.advert_at);
        self.longest_silence = self.longest_silence.max(silence);
        self.advert_at = self.clock;
        self.last_advert.clear();
        self.last_advert.extend_from_slice(packet);
        if self.quiet {
            return Ok(());
        }
        let packet = ipv4::parse(packet).expect("a well-formed packet");
        let net = PseudoHeader {
            src: packet.header.src.into(),
            dst: packet.header.dst.into(),
        };
        let (with, payload) = match packet.header.protocol {
            ah::PROTOCOL => (" AH", ah::parse(packet.payload).expect("well-formed").1),
            _ => ("", packet.payload),
        };
        let advert = vrrp::parse(payload, &net)
            .expect("a well-formed advert")
            .advert;
        let sent = (self.clock, advert.vrid.get(), advert.priority.0);
        self.sent.push(sent);
        self.log.push(format!(
            "advert{with} {} prio {} to {}",
            advert.vrid, advert.priority, route.dst
        ));
        Ok(())
    }

    fn send_frame(&mut self, interface: IfIndex, frame: &[u8]) -> io::Result<()> {
        self.frames += 1;
        self.clock = self.clock.after(self.frame_delay);
        let header = ether::parse(frame).expect("a frame");
        if header.ether_type == ether::IPV4 {
            let at = interface;
            let link = self.links.iter().find(|link| link.index == at.0);
            assert!(link.is_some_and(|link| link.up), "sent while down");
            self.log.push(format!("{} from {}", at.0, header.src));
            let dst = ipv4::parse(header.payload).expect("a packet").header.dst;
            let route = AdvertRoute {
                interface: Some(at),
                src: dst.into(),
                dst: dst.into(),
                ttl: 255,
            };
            return self.send_advert(&route, header.payload);
        }
        if !self.quiet {
            let arp = arp::parse(frame).expect("a gratuitous ARP");
            assert!(arp.is_gratuitous(), "{arp:?}");
            self.log
                .push(format!("garp {} {}", interface.0, arp.sender));
        }
        Ok(())
    }

    fn wall_clock(&mut self) -> std::time::Duration {
        self.wall_clock
    }

    fn uptime(&mut self) -> std::time::Duration {
        std::time::Duration::from_nanos(self.clock.as_nanos())
    }

    fn clock(&mut self) -> Instant {
        self.clock
    }

    fn read_state(&mut self) -> Vec<u8> {
        self.state.clone()
    }

    fn write_state(&mut self, at: usize, bytes: &[u8]) {
        if self.log_state_writes {
            self.log.push(format!("state {at}"));
        }
        self.keep_moment();
        let end = at + bytes.len();
        if self.state.len() < end {
            self.state.resize(end, 0);
        }
        self.state[at..end].copy_from_slice(bytes);
    }

    fn set_sysctl(&mut self, name: fmt::Arguments<'_>, value: &str) -> io::Result<()> {
        if self.read_only_sysctl {
            return Err(io::ErrorKind::ReadOnlyFilesystem.into());
        }
        self.log.push(format!("sysctl {name}={value}"));
        Ok(())
    }

    fn request_netfilter(
        &mut self,
        batch: &Batch,
        rejected: &mut dyn FnMut(&Ack<'_>),
    ) -> io::Result<()> {
        if self.no_netfilter {
            return Err(io::ErrorKind::Unsupported.into());
        }
        let mut ruleset = self.ruleset;
        for envelope in Messages::new(batch.bytes()) {
            // NFNL_MSG_BATCH_BEGIN and _END have the types of link messages, and fail to parse as
            // those.
            let Ok(header) = envelope.map(|envelope| envelope.header) else {
                continue;
            };
            // Only the order of tables and elements is checked here; golden files cover the rest.
            match header.kind {
                0xa00 => ruleset = ruleset.or(Some(0)),
                0xa02 => ruleset = None,
                0xa0c if ruleset.is_none() => {
                    rejected(&Ack {
                        seq: header.seq,
                        errno: ENOENT,
                        text: None,
                        offset: None,
                    });
                    return Ok(());
                }
                0xa0c => ruleset = ruleset.map(|count| count + 1),
                _ => {}
            }
        }
        self.ruleset = ruleset;
        let text = match ruleset {
            Some(count) => format!("filter of {count} additions"),
            None => "no filter".into(),
        };
        self.log.push(text);
        Ok(())
    }

    // ---- children ----

    fn spawn(&mut self, command: &Command, more: &[&str]) -> io::Result<Pid> {
        if let Some(errno) = self.spawn_errno {
            return Err(io::Error::from_raw_os_error(errno));
        }
        self.spawned += 1;
        let pid = Pid(self.spawned);
        let words = command.argv.iter().map(String::as_str);
        let words: Vec<&str> = words.chain(more.iter().copied()).collect();
        self.log.push(format!("run {} {}", pid.0, words.join(" ")));
        Ok(pid)
    }

    fn kill(&mut self, child: Pid, how: Kill) {
        self.log.push(format!("kill {} {how:?}", child.0));
    }

    // ---- files ----

    fn read_file(&mut self, path: &str) -> io::Result<Vec<u8>> {
        let contents = self.files.get(path).cloned();
        contents.ok_or_else(|| io::ErrorKind::NotFound.into())
    }

    fn write_file(&mut self, path: &str, contents: &[u8]) -> io::Result<()> {
        self.files.insert(path.to_owned(), contents.to_vec());
        Ok(())
    }

    fn watch_files(&mut self, paths: &[&str]) -> io::Result<()> {
        if self.no_inotify {
            return Err(io::ErrorKind::Unsupported.into());
        }
        if !paths.is_empty() {
            self.log.push(format!("watch {}", paths.join(" ")));
        }
        Ok(())
    }

    fn start_process_scan(&mut self) -> io::Result<()> {
        self.scanned = 0;
        self.log_scan("scan");
        Ok(())
    }

    fn next_process(
        &mut self,
        fields: ProcessFields,
        each: &mut dyn FnMut(&[u8], &[u8]),
    ) -> io::Result<Scan> {
        self.clock = self.clock.after(self.process_delay);
        let Some((comm, line)) = self.processes.get(self.scanned) else {
            self.log_scan("scanned");
            return Ok(Scan::Complete);
        };
        self.scanned += 1;
        let full = fields == ProcessFields::NameAndCommandLine;
        each(comm.as_bytes(), if full { line.as_bytes() } else { b"" });
        Ok(Scan::Unfinished)
    }

    // ---- FIFOs ----

    fn fifo_open(&mut self, fifo: &Fifo) -> io::Result<()> {
        self.log.push(format!("fifo open {}", fifo.path));
        Ok(())
    }

    fn fifo_write(&mut self, path: &str, line: &str) -> io::Result<()> {
        if self.fifo_full {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        self.log.push(format!("fifo {path} {}", line.trim_end()));
        Ok(())
    }

    fn fifo_close(&mut self, path: &str) {
        self.log.push(format!("fifo close {path}"));
    }

    // ---- optional parts ----

    #[cfg(feature = "mail")]
    fn mail(&mut self) -> Option<&mut dyn vrrpd::engine::system::mail::MailSystem> {
        Some(self)
    }

    #[cfg(feature = "lvs")]
    fn lvs(&mut self) -> &mut dyn vrrpd::engine::system::lvs::LvsSystem {
        self
    }
}

/// The valid lifetime of an address, and the preferred lifetime if it is shorter.
fn lifetime(addr: &Addr<'_>) -> String {
    match (addr.valid, addr.preferred) {
        (FOREVER, FOREVER) => String::new(),
        (FOREVER, preferred) => format!(" preferred {preferred}"),
        (valid, preferred) if valid == preferred => format!(" for {valid}"),
        (valid, preferred) => format!(" for {valid} preferred {preferred}"),
    }
}

fn as_link(link: &FakeLink) -> Link<'_> {
    let up = LinkFlags(LinkFlags::UP.0 | LinkFlags::RUNNING.0 | LinkFlags::LOWER_UP.0);
    let [a, b, c, d] = link.index.to_be_bytes();
    Link {
        index: IfIndex(link.index),
        name: &link.name,
        flags: if link.up { up } else { LinkFlags(0) },
        mtu: Some(1500),
        mac: Some(link.parent.map_or(Mac([2, 0, a, b, c, d]), |(_, mac)| mac)),
        kind: link.kind.or(link.parent.map(|_| "macvlan")),
        master: link.master.map(IfIndex),
        parent: link.parent.map(|(base, _)| IfIndex(base)),
        group: link.group,
        vrf_table: (link.kind == Some("vrf")).then_some(1000 + link.index),
    }
}

/// Whether the kernel counts both addresses to one network, with a primary address.
fn same_network(a: &FakeAddr, b: &FakeAddr) -> bool {
    let prefix = a.cidr.prefix == b.cidr.prefix && a.cidr.addr.is_ipv4();
    a.index == b.index && prefix && a.cidr.contains(b.cidr.addr)
}

fn as_addr(addr: &FakeAddr) -> Addr<'_> {
    let secondary = if addr.secondary {
        AddrFlags::SECONDARY
    } else {
        AddrFlags::NONE
    };
    Addr {
        index: IfIndex(addr.index),
        cidr: addr.cidr,
        peer: None,
        broadcast: None,
        label: None,
        scope: 0,
        flags: AddrFlags::PERMANENT.with(secondary),
        proto: addr.proto,
        valid: u32::MAX,
        preferred: u32::MAX,
    }
}

// ---- driving the engine ----

/// Starts the engine at `now` and delivers pending netlink events.
pub fn start(engine: &mut Engine, kernel: &mut Kernel, now: Instant) {
    kernel.clock = kernel.clock.max(now);
    engine.start(now, kernel).expect("the fake kernel answers");
    kernel.deliver(engine, now);
}

/// Runs the timers of the engine up to `until`.
pub fn run(engine: &mut Engine, kernel: &mut Kernel, until: Instant) {
    loop {
        // A deadline may be in the past.
        let now = match engine.next_deadline() {
            _ if engine.has_more() && kernel.clock <= until => kernel.clock,
            Some(at) if at <= until => at.max(kernel.clock),
            Some(_) | None => break,
        };
        kernel.clock = now;
        engine.expire(now, kernel);
        kernel.deliver(engine, kernel.clock);
    }
}

/// Passes a packet to the engine as received on an interface (0: the unicast socket).
pub fn receive(
    engine: &mut Engine,
    kernel: &mut Kernel,
    now: Instant,
    interface: u32,
    bytes: &[u8],
) {
    receive_by(Protocol::Vrrp, engine, kernel, now, interface, bytes);
}

/// The same for a given IP protocol.
pub fn receive_by(
    protocol: Protocol,
    engine: &mut Engine,
    kernel: &mut Kernel,
    now: Instant,
    interface: u32,
    bytes: &[u8],
) {
    let interface = (interface != 0).then_some(IfIndex(interface));
    let on = Listener {
        family: Family::V4,
        interface,
        protocol,
    };
    let (v6, wall) = (None, None);
    let datagram = Datagram {
        on,
        bytes,
        v6,
        wall,
    };
    kernel.clock = kernel.clock.max(now);
    engine.packet(now, &datagram, kernel);
    kernel.deliver(engine, now);
}
