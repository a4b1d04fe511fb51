//! A kernel made of tables: the engine's `System` without Linux. It understands the netlink requests
//! it is sent, keeps links and addresses, and writes down what happens, in order.

use std::collections::{BTreeMap, VecDeque};
use std::fmt;
use std::io;
use std::net::IpAddr;

use vrrpd::config::model::{
    self, Address, Auth, Command, Config, Fifo, Garp, Notify, Transport, VrrpInstance,
};
use vrrpd::engine::instance::rx::Datagram;
use vrrpd::engine::system::{AdvertRoute, Kill, Listener, Pid, Protocol, System};
use vrrpd::engine::{Engine, Options};
use vrrpd::netlink::NLM_F_REPLACE;
use vrrpd::netlink::addr::{AddrFlags, FOREVER};
use vrrpd::netlink::link::LinkFlags;
use vrrpd::netlink::{self, Ack, Addr, Batch, Link, Message, Messages, rule};
use vrrpd::types::{Centis, Cidr, Family, IfIndex, IfName, Instant, Mac, Priority, Version, Vrid};
use vrrpd::wire::vrrp::{AdvertRepr, Auth as WireAuth, ChecksumForm};
use vrrpd::wire::{PseudoHeader, ah, arp, ether, ipv4, vrrp};

const RTM_GETLINK: u16 = 18;
const RTM_GETADDR: u16 = 22;
const EEXIST: i32 = 17;
const ESRCH: i32 = 3;
const EADDRNOTAVAIL: i32 = 99;
const EOPNOTSUPP: i32 = 95;
const ENOENT: i32 = 2;

#[derive(Clone, Debug)]
pub struct FakeLink {
    pub index: u32,
    pub name: String,
    pub up: bool,
    /// A macvlan: the interface below, and the address.
    pub upon: Option<(u32, Mac)>,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct FakeAddr {
    pub index: u32,
    pub cidr: Cidr,
    pub proto: Option<u8>,
    /// Added without duplicate address detection.
    pub nodad: bool,
}

#[derive(Debug, Default)]
pub struct Kernel {
    pub links: Vec<FakeLink>,
    pub addrs: Vec<FakeAddr>,
    /// What was asked of us, in order, one line each.
    pub log: Vec<String>,
    /// News not yet read by the engine.
    news: VecDeque<News>,
    /// Addresses that are refused, with errno and words.
    pub refuse: Option<(IpAddr, i32, &'static str)>,
    pub routes: Vec<netlink::Route>,
    /// Rules as they were asked for, by priority.
    pub rules: Vec<(u32, Vec<u8>)>,
    /// A route that is refused, with errno and words.
    pub refuse_route: Option<(Cidr, i32, &'static str)>,
    /// Listening is refused with this errno.
    pub deaf: Option<i32>,
    /// How long it takes until a socket is open.
    pub slow: std::time::Duration,
    /// The packet filter's table, if there is one: how often addresses were added to it.
    pub ruleset: Option<u32>,
    /// There is no nftables in this kernel.
    pub no_netfilter: bool,
    /// There are no macvlans in this kernel.
    pub no_macvlan: bool,
    /// There are no policy rules in this kernel.
    pub ruleless: bool,
    /// Settings cannot be written.
    pub read_only: bool,
    /// False: adverts and frames are counted, not written down.
    pub quiet: bool,
    pub adverts: usize,
    pub frames: usize,
    /// Children started so far; the pids are 1, 2, 3 and so on. Their end is for the test to tell.
    pub born: i32,
    /// Children are refused with this errno.
    pub childless: Option<i32>,
    pub files: BTreeMap<String, Vec<u8>>,
    /// Files cannot be watched.
    pub blind: bool,
    /// Names and command lines.
    pub processes: Vec<(String, String)>,
    /// Nobody reads the FIFOs.
    pub full: bool,
    /// The latest moment the engine was told.
    clock: Instant,
    /// Lifetimes set.
    pub renewals: usize,
    /// Time since 1970.
    pub wall: std::time::Duration,
    /// What a successor finds.
    pub state: Vec<u8>,
    /// True: that it is written to is written down.
    pub watch_state: bool,
    /// The last advert sent, with its IP header.
    pub last: Vec<u8>,
    #[cfg(feature = "lvs")]
    pub ipvs: super::ipvs::Ipvs,
    #[cfg(feature = "lvs")]
    pub probes: super::probes::Probes,
}

#[derive(Clone, Debug)]
enum News {
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
            upon: None,
        };
        self.links.push(link.clone());
        self.news.push_back(News::Link(link, true));
    }

    pub fn drop_link(&mut self, index: u32) {
        let upon = |link: &&FakeLink| link.upon.is_some_and(|(base, _)| base == index);
        while let Some(above) = self.links.iter().find(upon).map(|link| link.index) {
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
        let Some(place) = self.links.iter().position(|link| link.index == index) else {
            return;
        };
        let link = self.links.remove(place);
        self.news.push_back(News::Link(link, false));
    }

    /// Somebody else adds an address.
    pub fn add(&mut self, index: u32, text: &str) {
        let addr = FakeAddr {
            index,
            cidr: cidr(text),
            proto: None,
            nodad: false,
        };
        self.addrs.push(addr);
        self.news.push_back(News::Addr(addr, true));
    }

    /// Somebody else removes an address.
    pub fn remove(&mut self, index: u32, cidr: Cidr) {
        self.addrs
            .retain(|addr| (addr.index, addr.cidr) != (index, cidr));
        self.news.push_back(News::Addr(
            FakeAddr {
                index,
                cidr,
                proto: None,
                nodad: false,
            },
            false,
        ));
    }

    pub fn has(&self, text: &str) -> bool {
        self.addrs.iter().any(|addr| addr.cidr == cidr(text))
    }

    pub fn take_log(&mut self) -> Vec<String> {
        std::mem::take(&mut self.log)
    }

    /// Lets the engine read all news and draw its consequences, until there are no more.
    pub fn deliver(&mut self, engine: &mut Engine, now: Instant) {
        self.clock = self.clock.max(now);
        while !self.news.is_empty() {
            while let Some(news) = self.news.pop_front() {
                match &news {
                    News::RouteGone(route) => engine.netlink_event(now, &Message::DelRoute(*route)),
                    News::RuleGone(bytes) => {
                        let envelope = Messages::new(bytes).next().expect("a rule");
                        engine.netlink_event(now, &envelope.expect("well formed").message);
                    }
                    News::Link(link, there) => {
                        let link = as_link(link);
                        let message = if *there {
                            Message::NewLink(link)
                        } else {
                            Message::DelLink(link)
                        };
                        engine.netlink_event(now, &message);
                    }
                    News::Addr(addr, there) => {
                        let addr = as_addr(addr);
                        let message = if *there {
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

    /// An interface has changed.
    pub(super) fn tell_link(&mut self, link: FakeLink, there: bool) {
        self.news.push_back(News::Link(link, there));
    }

    /// Somebody else deletes a route.
    pub fn remove_route(&mut self, dst: &str) {
        let dst = cidr(dst);
        let place = self.routes.iter().position(|route| route.dst == dst);
        let route = self.routes.remove(place.expect("it is there"));
        self.news.push_back(News::RouteGone(route));
    }

    /// Somebody else deletes a rule.
    pub fn remove_rule(&mut self, priority: u32) {
        let place = self.rules.iter().position(|(known, _)| *known == priority);
        let (_, mut bytes) = self.rules.remove(place.expect("it is there"));
        bytes[4..6].copy_from_slice(&rule::RTM_DELRULE.to_ne_bytes());
        self.news.push_back(News::RuleGone(bytes));
    }

    fn route(&mut self, route: &netlink::Route, add: bool) -> (i32, Option<&'static str>) {
        let verb = if add { "add" } else { "del" };
        self.log.push(format!("{verb} route {}", route.dst));
        if let Some((dst, errno, text)) = self.refuse_route
            && dst == route.dst
            && add
        {
            return (errno, Some(text));
        }
        // A deletion may leave the type open.
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
            (Some(place), false) => {
                let route = self.routes.remove(place);
                if route.protocol == 18 {
                    self.news.push_back(News::RouteGone(route));
                }
            }
            (None, false) => return (ESRCH, None),
        }
        (0, None)
    }

    fn rule(&mut self, rule: &netlink::Rule<'_>, bytes: &[u8], add: bool) -> i32 {
        if self.ruleless {
            return EOPNOTSUPP;
        }
        let verb = if add { "add" } else { "del" };
        self.log.push(format!("{verb} rule {}", rule.priority));
        // Behind header, sequence number and port.
        let same = |known: &(u32, Vec<u8>)| known.1[16..] == bytes[16..];
        match (self.rules.iter().position(same), add) {
            (Some(_), true) => return EEXIST,
            (None, true) => self.rules.push((rule.priority, bytes.to_vec())),
            (Some(place), false) => {
                let (_, mut bytes) = self.rules.remove(place);
                bytes[4..6].copy_from_slice(&rule::RTM_DELRULE.to_ne_bytes());
                self.news.push_back(News::RuleGone(bytes));
            }
            (None, false) => return ENOENT,
        }
        0
    }

    fn address(&mut self, addr: &Addr<'_>, add: bool) -> (i32, Option<&'static str>) {
        match self.refuse {
            Some((which, errno, text)) if add && which == addr.cidr.addr => (errno, Some(text)),
            _ => (self.carry_out(addr, add), None),
        }
    }

    /// Sets the lifetime of an address, or adds one that is not there.
    fn renew(&mut self, addr: &Addr<'_>) -> i32 {
        self.renewals += 1;
        let same = |a: &&FakeAddr| a.index == addr.index.0 && a.cidr == addr.cidr;
        let Some(known) = self.addrs.iter().find(same).copied() else {
            return self.carry_out(addr, true);
        };
        if !self.quiet {
            let life = life(addr);
            self.log
                .push(format!("renew {} {}{life}", addr.index.0, addr.cidr));
        }
        self.news.push_back(News::Addr(known, true));
        0
    }

    fn carry_out(&mut self, addr: &Addr<'_>, add: bool) -> i32 {
        let known = self
            .addrs
            .iter()
            .position(|a| a.index == addr.index.0 && a.cidr == addr.cidr);
        let verb = if add { "add" } else { "del" };
        let life = life(addr);
        self.log
            .push(format!("{verb} {} {}{life}", addr.index.0, addr.cidr));
        let entry = FakeAddr {
            index: addr.index.0,
            cidr: addr.cidr,
            proto: addr.proto,
            nodad: addr.flags.has(AddrFlags::NODAD),
        };
        match (known, add) {
            (Some(_), true) => EEXIST,
            (None, true) => {
                self.addrs.push(entry);
                self.news.push_back(News::Addr(entry, true));
                0
            }
            (Some(place), false) => {
                self.addrs.remove(place);
                self.news.push_back(News::Addr(entry, false));
                0
            }
            (None, false) => EADDRNOTAVAIL,
        }
    }
}

impl System for Kernel {
    fn request(&mut self, batch: &Batch, refused: &mut dyn FnMut(&Ack<'_>)) -> io::Result<()> {
        if let Some(errno) = self.link_request(batch.bytes()) {
            if errno != 0 {
                refused(&Ack {
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
                other @ (Message::NewLink(_)
                | Message::DelLink(_)
                | Message::Done(_)
                | Message::Ack(_)
                | Message::Noop
                | Message::Overrun
                | Message::Other(_)) => panic!("not a request: {other:?}"),
            };
            if errno != 0 {
                refused(&Ack {
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
        groups: &[IpAddr],
    ) -> io::Result<()> {
        if let Some(errno) = self.deaf {
            return Err(io::Error::from_raw_os_error(errno));
        }
        self.clock = self.clock.after(self.slow);
        let place = on
            .interface
            .map_or("any".into(), |index| index.0.to_string());
        let ah = if on.protocol == Protocol::Ah {
            "AH "
        } else {
            ""
        };
        self.log
            .push(format!("listen {ah}{place} {name:?} {groups:?}"));
        Ok(())
    }

    fn close_listener(&mut self, on: Listener) {
        let place = on
            .interface
            .map_or("any".into(), |index| index.0.to_string());
        self.log.push(format!("unlisten {place}"));
    }

    fn send_advert(&mut self, route: &AdvertRoute, packet: &[u8]) -> io::Result<()> {
        self.adverts += 1;
        self.last.clear();
        self.last.extend_from_slice(packet);
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
        self.log.push(format!(
            "advert{with} {} prio {} to {}",
            advert.vrid, advert.priority, route.dst
        ));
        Ok(())
    }

    fn send_frame(&mut self, interface: IfIndex, frame: &[u8]) -> io::Result<()> {
        self.frames += 1;
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
        self.wall
    }

    fn uptime(&mut self) -> std::time::Duration {
        std::time::Duration::from_nanos(self.clock.as_nanos())
    }

    fn read_state(&mut self) -> Vec<u8> {
        self.state.clone()
    }

    fn write_state(&mut self, at: usize, bytes: &[u8]) {
        if self.watch_state {
            self.log.push(format!("state {at}"));
        }
        let end = at + bytes.len();
        if self.state.len() < end {
            self.state.resize(end, 0);
        }
        self.state[at..end].copy_from_slice(bytes);
    }

    fn set_sysctl(&mut self, name: fmt::Arguments<'_>, value: &str) -> io::Result<()> {
        if self.read_only {
            return Err(io::ErrorKind::ReadOnlyFilesystem.into());
        }
        self.log.push(format!("sysctl {name}={value}"));
        Ok(())
    }

    fn request_netfilter(
        &mut self,
        batch: &Batch,
        refused: &mut dyn FnMut(&Ack<'_>),
    ) -> io::Result<()> {
        if self.no_netfilter {
            return Err(io::ErrorKind::Unsupported.into());
        }
        let mut ruleset = self.ruleset;
        for envelope in Messages::new(batch.bytes()) {
            // Begin and end look like broken messages of links.
            let Ok(header) = envelope.map(|envelope| envelope.header) else {
                continue;
            };
            // The order of tables and elements is all that matters here; the rest is told by the golden files.
            match header.kind {
                0xa00 => ruleset = ruleset.or(Some(0)),
                0xa02 => ruleset = None,
                0xa0c if ruleset.is_none() => {
                    refused(&Ack {
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
        if let Some(errno) = self.childless {
            return Err(io::Error::from_raw_os_error(errno));
        }
        self.born += 1;
        let pid = Pid(self.born);
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
        if self.blind {
            return Err(io::ErrorKind::Unsupported.into());
        }
        if !paths.is_empty() {
            self.log.push(format!("watch {}", paths.join(" ")));
        }
        Ok(())
    }

    fn list_processes(&mut self, full: bool, each: &mut dyn FnMut(&[u8], &[u8])) -> io::Result<()> {
        for (comm, line) in &self.processes {
            each(comm.as_bytes(), if full { line.as_bytes() } else { b"" });
        }
        Ok(())
    }

    // ---- FIFOs ----

    fn fifo_open(&mut self, fifo: &Fifo) -> io::Result<()> {
        self.log.push(format!("fifo open {}", fifo.path));
        Ok(())
    }

    fn fifo_write(&mut self, path: &str, line: &str) -> io::Result<()> {
        if self.full {
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
    fn mail(&mut self) -> &mut dyn vrrpd::engine::system::MailSystem {
        self
    }

    #[cfg(feature = "lvs")]
    fn lvs(&mut self) -> &mut dyn vrrpd::engine::system::LvsSystem {
        self
    }
}

/// How long an address stays, and is preferred if that is less.
fn life(addr: &Addr<'_>) -> String {
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
        mac: Some(link.upon.map_or(Mac([2, 0, a, b, c, d]), |(_, mac)| mac)),
        kind: link.upon.map(|_| "macvlan"),
        master: None,
        parent: link.upon.map(|(base, _)| IfIndex(base)),
    }
}

fn as_addr(addr: &FakeAddr) -> Addr<'_> {
    Addr {
        index: IfIndex(addr.index),
        cidr: addr.cidr,
        peer: None,
        broadcast: None,
        label: None,
        scope: 0,
        flags: AddrFlags::PERMANENT,
        proto: addr.proto,
        valid: u32::MAX,
        preferred: u32::MAX,
    }
}

// ---- values for tests ----

pub fn cidr(text: &str) -> Cidr {
    let (addr, prefix) = text.split_once('/').unwrap_or((text, "32"));
    Cidr {
        addr: addr.parse().expect("an address"),
        prefix: prefix.parse().expect("a prefix"),
    }
}

pub fn ifname(name: &str) -> IfName {
    IfName::new(name).expect("an interface name")
}

pub fn address(text: &str, dev: &str) -> Address {
    Address {
        cidr: cidr(text),
        dev: ifname(dev),
        broadcast: None,
        scope: 0,
        label: None,
        peer: None,
        preferred_lft: None,
        nodad: false,
        home: false,
        mngtmpaddr: false,
        noprefixroute: false,
        autojoin: false,
        no_track: false,
        track_group: None,
    }
}

/// A route as the line `TO via GATEWAY` makes it; without a gateway through eth0.
pub fn route(to: &str, via: Option<&str>) -> model::Route {
    let hop = model::NextHop {
        via: via.map(|via| via.parse().expect("an address")),
        dev: via.is_none().then(|| ifname("eth0")),
        ..model::NextHop::default()
    };
    model::Route {
        kind: 1,
        dst: cidr(to),
        from: None,
        src: None,
        hops: vec![hop],
        table: 254,
        metric: 0,
        scope: 0,
        protocol: 18,
        tos: 0,
        realms: 0,
        metrics: Vec::new(),
        congestion: None,
        preference: 0,
        expires: None,
        insert: model::RouteInsert::Prepend,
        no_track: false,
        track_group: None,
    }
}

/// The rule `from NET table 100 priority N`.
pub fn policy(from: &str, priority: u32) -> model::Rule {
    model::Rule {
        family: cidr(from).family(),
        not: false,
        from: Some(cidr(from)),
        to: None,
        iif: None,
        oif: None,
        fwmark: None,
        tos: 0,
        priority,
        action: 1,
        table: 100,
        target: 0,
        realms: 0,
        suppress_prefix: None,
        suppress_group: None,
        uids: None,
        ip_proto: 0,
        sport: None,
        dport: None,
        l3mdev: false,
        tunnel: 0,
        protocol: 18,
        no_track: false,
        track_group: None,
    }
}

/// A version 3 instance on eth0 with a tenth of a second between adverts.
pub fn instance(vrid: u8, priority: u8, vips: &[&str]) -> VrrpInstance {
    let seconds = std::time::Duration::from_secs;
    VrrpInstance {
        name: format!("VI_{vrid}"),
        interface: ifname("eth0"),
        vrid: Vrid::new(vrid).expect("not 0"),
        priority: Priority(priority),
        version: Version::V3,
        family: Family::V4,
        initial_master: false,
        advert_int: Centis(10),
        nopreempt: false,
        preempt_delay: seconds(0),
        auth: Auth::None,
        src_ip: None,
        track_src_ip: false,
        transport: Transport::Multicast {
            group: "224.0.0.18".parse().expect("an address"),
        },
        skip_check_adv_addr: false,
        v3_checksum_as_v2: false,
        old_unicast_checksum: false,
        strict: false,
        lower_prio_no_advert: false,
        higher_prio_send_advert: false,
        owner_ignore_adverts: false,
        down_timer_adverts: 3,
        timer_expired_backup: None,
        garp: Garp {
            repeat: 1,
            delay: seconds(0),
            refresh: seconds(0),
            refresh_repeat: 1,
            lower_prio_repeat: 1,
            lower_prio_delay: seconds(0),
            interval: seconds(0),
            gna_interval: seconds(0),
        },
        vips: vips.iter().map(|vip| address(vip, "eth0")).collect(),
        excluded_vips: Vec::new(),
        routes: Vec::new(),
        rules: Vec::new(),
        accept: true,
        vmac: None,
        vip_lease: None,
        sync_group: None,
        tracks: Vec::new(),
        notify: Notify::default(),
        track_primary: true,
        promote_secondaries: false,
        unicast_fault_no_peer: false,
    }
}

pub fn engine(instances: Vec<VrrpInstance>) -> Engine {
    Engine::new(
        Config {
            instances,
            ..Config::default()
        },
        Options::default(),
    )
}

/// Starts the engine at `now` and lets it read what the kernel has to tell.
pub fn start(engine: &mut Engine, kernel: &mut Kernel, now: Instant) {
    kernel.clock = kernel.clock.max(now);
    engine.start(now, kernel).expect("the fake kernel answers");
    kernel.deliver(engine, now);
}

/// Moves time from deadline to deadline up to `until`.
pub fn run(engine: &mut Engine, kernel: &mut Kernel, until: Instant) {
    while let Some(at) = engine.next_deadline().filter(|at| *at <= until) {
        // What is due at once may have a deadline long ago.
        let now = at.max(kernel.clock);
        kernel.clock = now;
        engine.expire(now, kernel);
        kernel.deliver(engine, now);
        while engine.has_more() {
            engine.expire(now, kernel);
        }
    }
}

/// An IPv4 packet with a version 3 advert.
pub fn advert(vrid: u8, priority: u8, from: &str, to: &str, vips: &[&str]) -> Vec<u8> {
    let addresses: Vec<IpAddr> = vips.iter().map(|vip| cidr(vip).addr).collect();
    let advert = AdvertRepr {
        version: Version::V3,
        vrid: Vrid::new(vrid).expect("not 0"),
        priority: Priority(priority),
        interval: Centis(10),
        auth: WireAuth::None,
        addresses: &addresses,
    };
    let (src, dst): (std::net::Ipv4Addr, std::net::Ipv4Addr) = (
        from.parse().expect("an address"),
        to.parse().expect("an address"),
    );
    let net = PseudoHeader {
        src: src.into(),
        dst: dst.into(),
    };
    let header = ipv4::Header {
        tos: 0xc0,
        id: 1,
        ttl: 255,
        protocol: 112,
        src,
        dst,
    };
    let mut packet = vec![0; 2048];
    let body = |room: &mut [u8]| vrrp::emit(&advert, Some(&net), ChecksumForm::PseudoHeader, room);
    let len = ipv4::emit(&header, &mut packet, body).expect("it fits");
    packet.truncate(len);
    packet
}

/// Hands the engine a packet as if it had arrived on the interface (0: the unicast socket).
pub fn receive(
    engine: &mut Engine,
    kernel: &mut Kernel,
    now: Instant,
    interface: u32,
    bytes: &[u8],
) {
    receive_by(Protocol::Vrrp, engine, kernel, now, interface, bytes);
}

/// The same by a protocol.
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
