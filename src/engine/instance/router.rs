//! One `vrrp_instance` at run time: the protocol machine together with what it acts on.

use crate::engine::cx::Cx;
use core::net::IpAddr;
use core::time::Duration;

use crate::config::model::{self, Address, Tracked, Transport, VrrpInstance};
use crate::engine::instance::auth;
use crate::engine::instance::resume::ResumeState;
use crate::engine::kernel::addresses::{AddressSet, Kind};
use crate::engine::kernel::interfaces::Interfaces;
use crate::engine::kernel::routes::RouteSet;
use crate::engine::kernel::vmac;
use crate::engine::log_limit::LogLimit;
use crate::engine::system::Listener;
use crate::engine::tracking::Tracking;
use crate::types::{Family, IfIndex, IfName, Instant, Mac, Priority, VrrpState};
use crate::vrrp::{self, Action, Instance, Reason, garp, priority};
use crate::wire::vrrp::ChecksumForm;

/// What the machine was last told about its surroundings.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Readiness {
    Ready(IpAddr),
    Missing(Reason),
}

/// A virtual router.
#[derive(Debug)]
pub(crate) struct Router {
    pub(crate) conf: VrrpInstance,
    pub(crate) machine: Instance,
    pub(crate) garp: garp::Schedule,
    /// Place of an announcement that must wait for its interface's gap until `garp_after`.
    pub(crate) garp_held: Option<usize>,
    pub(crate) garp_after: Instant,
    /// VIPs first, then excluded VIPs.
    pub(crate) addresses: AddressSet,
    /// Something static that it needs is missing (`track_group`).
    pub(crate) static_missing: bool,
    /// `virtual_routes` and `virtual_rules`.
    pub(crate) routes: RouteSet,
    /// The advertised addresses.
    pub(crate) vips: Vec<IpAddr>,
    pub(crate) ifindex: Option<IfIndex>,
    /// When it may begin; `None` once it has.
    pub(crate) start_at: Option<Instant>,
    /// From the former process, for the next.
    pub(crate) resume: ResumeState,
    /// The interface of its own (`use_vmac`).
    pub(crate) vmac: vmac::Own,
    pub(crate) reported: Option<Readiness>,
    /// When and why its state last changed.
    pub(crate) since: Option<(Instant, Reason)>,
    pub(crate) reported_priority: Priority,
    /// One of its addresses may have been removed by somebody else.
    pub(crate) recheck: bool,
    /// IPv4 identification of the next advert, never 0.
    pub(crate) ip_id: u16,
    /// Why adverts cannot be sent, when they cannot.
    pub(crate) send_errno: Option<i32>,
    /// How the others compute their checksum, once seen.
    pub(crate) checksum: Option<ChecksumForm>,
    pub(crate) notices: LogLimit,
}

impl Router {
    /// Whether its addresses belong into the kernel: it is master, or resumes as master.
    pub(crate) fn is_master(&self) -> bool {
        self.resume.resuming || self.machine.state() == VrrpState::Master
    }

    /// The `nth` of `count`.
    pub(crate) fn new(mut conf: VrrpInstance, nth: usize, count: usize) -> Self {
        let vips = advertised(&conf);
        let routes = core::mem::take(&mut conf.routes);
        let rules = core::mem::take(&mut conf.rules);
        let mut set = AddressSet::new(addresses(&conf), kind(&conf));
        set.set_lease(conf.vip_lease);
        Router {
            machine: Instance::new(params(&conf, &vips, stagger(&conf, nth, count))),
            garp: garp::Schedule::new(garp_params(&conf), set.len()),
            garp_held: None,
            garp_after: Instant::ZERO,
            addresses: set,
            static_missing: false,
            routes: RouteSet::new(routes, rules),
            vips,
            ifindex: None,
            start_at: None,
            resume: ResumeState::default(),
            vmac: vmac::Own::default(),
            reported: None,
            since: None,
            reported_priority: conf.priority,
            recheck: false,
            ip_id: 0,
            send_errno: None,
            checksum: None,
            notices: LogLimit::default(),
            conf,
        }
    }

    /// Whether this is the router that `conf` describes.
    pub(crate) fn is(&self, conf: &VrrpInstance) -> bool {
        let own = &self.conf;
        own.vrid == conf.vrid
            && own.family == conf.family
            && own.interface == conf.interface
            && own.vmac == conf.vmac
    }

    /// A reload: takes the new configuration of the same virtual router and lets go of what is in it no more.
    /// Tells what the machine must be told.
    pub(crate) fn reconfigure(
        &mut self,
        cx: &mut Cx<'_>,
        mut conf: VrrpInstance,
        (nth, count): (usize, usize),
        links: &Interfaces,
    ) -> vrrp::Params {
        if conf.name != self.conf.name {
            log::info!(target: "vrrp", "({}) was called {}", conf.name, self.conf.name);
        }
        let routes = core::mem::take(&mut conf.routes);
        let rules = core::mem::take(&mut conf.rules);
        self.routes.replace(cx, routes, rules, links);
        self.addresses
            .replace(cx, addresses(&conf), kind(&conf), links);
        self.addresses.set_lease(conf.vip_lease);
        self.vips = advertised(&conf);
        self.garp
            .reconfigure(garp_params(&conf), self.addresses.len());
        self.garp_held = None;
        self.conf = conf;
        params(&self.conf, &self.vips, stagger(&self.conf, nth, count))
    }

    /// Remembers when and why its state has changed, if it has.
    pub(crate) fn note(&mut self, now: Instant, actions: &[Action]) {
        for action in actions {
            if let Action::Transition { why, .. } = action {
                self.since = Some((now, *why));
            }
        }
    }

    pub(crate) fn next_deadline(&self) -> Option<Instant> {
        let announcement = match self.garp_held {
            Some(_) => Some(self.garp_after),
            None => self.garp.next_deadline(),
        };
        let all = [
            self.machine.next_deadline(),
            announcement,
            self.addresses.next_deadline(),
            self.addresses.renewal(),
            self.routes.next_deadline(),
        ];
        all.into_iter().flatten().min()
    }

    /// Smallest gap between two announcements on an interface.
    pub(crate) fn gap(&self, family: Family) -> Duration {
        match family {
            Family::V4 => self.conf.garp.interval,
            Family::V6 => self.conf.garp.gna_interval,
        }
    }

    /// The address adverts are sent from, while there is one.
    pub(crate) fn source(&self) -> Option<IpAddr> {
        match self.reported {
            Some(Readiness::Ready(source)) => Some(source),
            Some(Readiness::Missing(_)) | None => None,
        }
    }

    /// The receive sockets it needs: its own, and with AH also the plain one, so as to say why adverts
    /// without AH are not heard. The other way round would bring us a copy of all IPsec traffic.
    pub(crate) fn listeners(&self) -> impl Iterator<Item = Listener> {
        let own = self.listener();
        let plain = own
            .map(Listener::without_protocol)
            .filter(|plain| own != Some(*plain));
        own.into_iter().chain(plain)
    }

    /// The receive socket its adverts come by.
    pub(crate) fn listener(&self) -> Option<Listener> {
        let interface = match self.conf.transport {
            Transport::Multicast { .. } => Some(self.ifindex?),
            Transport::Unicast { .. } => None,
        };
        Some(Listener {
            family: self.conf.family,
            interface,
            protocol: auth::protocol(&self.conf),
        })
    }

    /// Interface and address of its own that multicast adverts are sent with, if it has them.
    pub(crate) fn own(&self) -> Option<(IfIndex, Mac)> {
        let vmac = self.conf.vmac.as_ref().filter(|vmac| !vmac.xmit_base)?;
        Some((self.vmac.index?, vmac.mac))
    }

    /// Whether this is the interface of its own, and there: it is up when the router is master.
    pub(crate) fn has_own(&self, dev: &IfName) -> bool {
        let vmac = self.conf.vmac.as_ref();
        self.vmac.index.is_some() && vmac.is_some_and(|vmac| vmac.name == *dev)
    }

    /// Takes the addresses of the configuration anew; none may be set.
    pub(crate) fn renew_set(&mut self) {
        self.addresses = AddressSet::new(addresses(&self.conf), kind(&self.conf));
    }

    pub(crate) fn group(&self) -> Option<IpAddr> {
        match self.conf.transport {
            Transport::Multicast { group } => Some(group),
            Transport::Unicast { .. } => None,
        }
    }

    /// Whether all it needs is there; `virtual_` as in [`crate::engine::kernel::interfaces::Interface::source`].
    pub(crate) fn surroundings(
        &self,
        links: &Interfaces,
        tracking: &Tracking,
        virtual_: impl Fn(&crate::types::Cidr) -> bool,
    ) -> Readiness {
        let conf = &self.conf;
        let Some(link) = links.by_name(&conf.interface) else {
            return Readiness::Missing(Reason::InterfaceMissing);
        };
        if conf.track_primary && !link.is_up() {
            return Readiness::Missing(Reason::InterfaceDown);
        }
        if conf.vmac.is_some() && self.vmac.index.is_none() {
            return Readiness::Missing(Reason::InterfaceMissing);
        }
        let tracked = || tracking.fault(&conf.tracks, links);
        if let Some(reason) = self.missing_link(links).or_else(tracked) {
            return Readiness::Missing(reason);
        }
        if let Transport::Unicast { peers, .. } = &conf.transport
            && peers.is_empty()
            && conf.unicast_fault_no_peer
        {
            return Readiness::Missing(Reason::NoPeer);
        }
        let source = match conf.src_ip {
            Some(source) if conf.track_src_ip && links.owner_of(source).is_none() => None,
            Some(source) => Some(source),
            // An owner's virtual address may be the only one the interface has.
            None => link.source(conf.family, virtual_).or_else(|| {
                let own = |_: &crate::types::Cidr| false;
                conf.priority
                    .is_owner()
                    .then(|| link.source(conf.family, own))
                    .flatten()
            }),
        };
        source.map_or(Readiness::Missing(Reason::NoSource), Readiness::Ready)
    }

    /// An interface tracked with weight 0, or one that carries an address, that is not up.
    fn missing_link(&self, links: &Interfaces) -> Option<Reason> {
        let conf = &self.conf;
        let own = &conf.interface;
        let tracked = conf.tracks.iter().filter(|track| track.weight == 0);
        let tracked = tracked.filter_map(|track| match &track.object {
            Tracked::Interface(name) => Some((name, track.reverse)),
            Tracked::Script(_) | Tracked::File(_) | Tracked::Process(_) => None,
        });
        let carriers = self
            .addresses
            .addresses()
            .filter(|address| !address.no_track);
        let carriers = carriers
            .map(|address| &address.dev)
            .chain(self.routes.tracked())
            .filter(|dev| *dev != own && !self.has_own(dev));
        for (name, reverse) in tracked.chain(carriers.map(|name| (name, false))) {
            match links.by_name(name) {
                None if !reverse => return Some(Reason::InterfaceMissing),
                Some(link) if link.is_up() == reverse => return Some(Reason::InterfaceDown),
                None | Some(_) => {}
            }
        }
        None
    }

    /// Base priority plus what tracked objects contribute.
    pub(crate) fn effective_priority(&self, links: &Interfaces, tracking: &Tracking) -> Priority {
        let parts = self.conf.tracks.iter();
        let parts = parts.map(|track| tracking.summand(track, links));
        priority::effective(self.conf.priority, parts)
    }
}

fn advertised(conf: &VrrpInstance) -> Vec<IpAddr> {
    conf.vips.iter().map(|address| address.cidr.addr).collect()
}

fn addresses(conf: &VrrpInstance) -> impl Iterator<Item = Address> {
    conf.vips.iter().chain(&conf.excluded_vips).cloned()
}

fn kind(conf: &VrrpInstance) -> Kind {
    if conf.priority.is_owner() {
        Kind::Owned
    } else {
        Kind::Virtual
    }
}

/// Instances are spread over the interval in this many steps. More would spread a takeover of hundreds still
/// finer, at the price of a wake-up for every advert.
const STEPS: usize = 8;

/// How much sooner than the interval the first periodic advert comes.
fn stagger(conf: &VrrpInstance, nth: usize, count: usize) -> Duration {
    let steps = u32::try_from(count.clamp(1, STEPS)).unwrap_or(1);
    let step = u32::try_from(nth).unwrap_or(0) % steps;
    conf.advert_int.duration().saturating_mul(step) / steps
}

fn params(conf: &VrrpInstance, vips: &[IpAddr], stagger: Duration) -> vrrp::Params {
    let (check_source, peers) = match &conf.transport {
        Transport::Multicast { .. } => (false, Vec::new()),
        Transport::Unicast {
            peers,
            check_source,
            ..
        } => (*check_source, peers.iter().map(peer).collect()),
    };
    vrrp::Params {
        vrid: conf.vrid,
        family: conf.family,
        version: conf.version,
        priority: conf.priority,
        initial_master: conf.initial_master,
        advert_int: conf.advert_int,
        stagger,
        nopreempt: conf.nopreempt,
        preempt_delay: conf.preempt_delay,
        down_timer_adverts: conf.down_timer_adverts,
        auth: auth::auth(&conf.auth),
        hmac: auth::hmac_policy(&conf.auth),
        multicast: matches!(conf.transport, Transport::Multicast { .. }),
        check_source,
        peers,
        lower_prio_no_advert: conf.lower_prio_no_advert,
        higher_prio_send_advert: conf.higher_prio_send_advert,
        owner_ignore_adverts: conf.owner_ignore_adverts,
        skip_check_adv_addr: conf.skip_check_adv_addr,
        timer_expired_backup: conf.timer_expired_backup,
        in_sync_group: conf.sync_group.is_some(),
        addresses: vips.to_vec(),
    }
}

fn peer(peer: &model::Peer) -> vrrp::Peer {
    vrrp::Peer {
        addr: peer.addr,
        min_ttl: peer.min_ttl,
        max_ttl: peer.max_ttl,
    }
}

/// Between two rounds of announcements.
const ROUND_GAP: Duration = Duration::from_millis(20);

fn garp_params(conf: &VrrpInstance) -> garp::Params {
    let garp = &conf.garp;
    garp::Params {
        repeat: garp.repeat,
        delay: garp.delay,
        refresh: garp.refresh,
        refresh_repeat: garp.refresh_repeat,
        lower_prio_repeat: garp.lower_prio_repeat,
        lower_prio_delay: garp.lower_prio_delay,
        round_gap: ROUND_GAP,
    }
}
