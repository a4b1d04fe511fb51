//! One `vrrp_instance` at run time: the protocol machine and what it acts on.

use core::net::IpAddr;
use core::ops::{Deref, DerefMut};
use core::time::Duration;

use crate::config::model::{
    Address, NEAR, RunningInstance, Tracked, Transport, VmacRole, VrrpInstance,
};
use crate::engine::cx::Cx;
use crate::engine::events::Object;
use crate::engine::instance::auth;
use crate::engine::instance::params::{
    extra_garp, extra_garp_params, params, shared_garp_params, stagger,
};
use crate::engine::instance::resume::ResumeState;
use crate::engine::kernel::addresses::{AddressSet, Kind, Known};
use crate::engine::kernel::interfaces::{Interface, Interfaces};
use crate::engine::kernel::present::Present;
use crate::engine::kernel::routes::RouteSet;
use crate::engine::kernel::vmac::VirtualInterface;
use crate::engine::log_limit::LogLimit;
use crate::engine::shared::Shared;
use crate::engine::system::Listener;
use crate::log;
use crate::types::{
    Cidr, Family, IfIndex, IfName, InstanceId, Instant, Mac, MasterInfo, Priority, Rare, VrrpState,
};
use crate::vrrp::{self, Action, Instance, Reason, garp, priority};
use crate::wire::vrrp::ChecksumForm;

/// Whether an instance has everything it needs to run.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Readiness {
    /// It sends adverts from this address.
    Ready(IpAddr),
    /// It is in FAULT.
    Missing(Reason),
}

/// Position of an instance among all, which decides how adverts are spread over the interval.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Position {
    pub(crate) id: InstanceId,
    /// Number of instances.
    pub(crate) count: usize,
}

/// All instances in the order of the configuration.
#[derive(Debug, Default)]
pub(crate) struct Routers(Vec<Router>);

impl Routers {
    pub(crate) fn new(instances: Vec<VrrpInstance>) -> Self {
        let count = instances.len();
        let mut all = Routers(Vec::with_capacity(count));
        for (nth, conf) in instances.into_iter().enumerate() {
            let id = InstanceId(nth);
            all.add(conf, Position { id, count });
        }
        all
    }

    pub(crate) fn ids(&self) -> impl Iterator<Item = InstanceId> + use<> {
        (0..self.0.len()).map(InstanceId)
    }

    pub(crate) fn get(&self, id: InstanceId) -> Option<&Router> {
        self.0.get(id.0)
    }

    pub(crate) fn get_mut(&mut self, id: InstanceId) -> Option<&mut Router> {
        self.0.get_mut(id.0)
    }

    /// Appends a new instance; its id must be the next one.
    pub(crate) fn add(&mut self, conf: VrrpInstance, position: Position) {
        let router = Router::new(conf, position, self.last_few());
        self.0.push(router);
    }

    /// The instances that may have the same settings as the next one.
    pub(crate) fn last_few(&self) -> &[Router] {
        let first = self.0.len().saturating_sub(NEAR);
        self.0.get(first..).unwrap_or_default()
    }

    /// Appends an instance; its id must be the next one.
    pub(crate) fn push(&mut self, router: Router) {
        self.0.push(router);
    }

    pub(crate) fn retain(&mut self, keep: impl FnMut(&Router) -> bool) {
        self.0.retain(keep);
    }

    /// Removes and returns all.
    pub(crate) fn take(&mut self) -> Vec<Router> {
        core::mem::take(&mut self.0)
    }
}

impl Deref for Routers {
    type Target = [Router];

    fn deref(&self) -> &[Router] {
        &self.0
    }
}

impl DerefMut for Routers {
    fn deref_mut(&mut self) -> &mut [Router] {
        &mut self.0
    }
}

/// A virtual router.
#[derive(Debug)]
pub(crate) struct Router {
    pub(crate) id: InstanceId,
    pub(crate) conf: RunningInstance,
    pub(crate) machine: Instance,
    pub(crate) garp: garp::Schedule,
    /// `garp_extra_if`.
    pub(crate) extra_garp: Option<Box<garp::Schedule>>,
    /// Position in `addresses` of an announcement that waits for its interface until `garp_after`,
    /// or until the address is installed.
    pub(crate) garp_held: Option<usize>,
    pub(crate) garp_after: Instant,
    /// VIPs first, then excluded VIPs.
    pub(crate) addresses: AddressSet,
    /// A static address, route or rule it depends on is missing (`track_group`).
    pub(crate) static_missing: bool,
    /// `virtual_routes` and `virtual_rules`.
    pub(crate) routes: Rare<RouteSet>,
    pub(crate) ifindex: Option<IfIndex>,
    /// When it may start; `None` once it has.
    pub(crate) start_at: Option<Instant>,
    /// From the previous process, for the next one.
    pub(crate) resume: ResumeState,
    /// Its virtual interfaces, in the order of the configuration.
    pub(crate) vmacs: Vec<VirtualInterface>,
    /// The readiness and priority last passed to the protocol machine.
    pub(crate) reported: Option<Readiness>,
    pub(crate) reported_priority: Priority,
    /// When and why its state last changed.
    pub(crate) since: Option<(Instant, Reason)>,
    /// The master that was about.
    pub(crate) since_master: Option<MasterInfo>,
    /// One of its addresses may have been removed externally.
    pub(crate) recheck: bool,
    /// IPv4 identification of the next advert, never 0.
    pub(crate) ip_id: u16,
    /// Error number of the last advert, if it could not be sent.
    pub(crate) send_errno: Option<i32>,
    /// How peers compute their checksum, once known.
    pub(crate) checksum: Option<ChecksumForm>,
    pub(crate) notices: LogLimit,
    /// More than a link that flaps causes; others can cause more.
    pub(crate) transitions: LogLimit<60>,
    /// Changes of state in an hour that need not be caused by others.
    pub(crate) own_transitions: LogLimit<8, 3600>,
    /// Notifications of adverts of lower priority.
    pub(crate) lower_prio: LogLimit<10>,
    /// The setting that a reload changed, so that this instance ends and another of its name starts.
    pub(crate) replaced: Option<&'static str>,
}

impl Router {
    /// `near`: instances with which it shares settings that are equal.
    pub(crate) fn new(conf: VrrpInstance, position: Position, near: &[Router]) -> Self {
        let (conf, lists) = RunningInstance::split(conf, &mut near.iter().map(|one| &one.conf));
        let mut set = AddressSet::new(lists.addresses.into_iter(), kind(&conf));
        set.set_lease(conf.vip_lease);
        Router {
            id: position.id,
            machine: Instance::new(params(&conf, &set, stagger(&conf, position))),
            garp: garp::Schedule::new(shared_garp_params(&conf, near), set.len()),
            extra_garp: extra_garp(extra_garp_params(&conf), set.len()),
            garp_held: None,
            garp_after: Instant::ZERO,
            addresses: set,
            static_missing: false,
            routes: RouteSet::rare(lists.routes, lists.rules, false),
            ifindex: None,
            start_at: None,
            resume: ResumeState::default(),
            vmacs: conf
                .vmacs
                .iter()
                .cloned()
                .map(VirtualInterface::new)
                .collect(),
            reported: None,
            reported_priority: conf.priority,
            since: None,
            since_master: None,
            recheck: false,
            ip_id: 0,
            send_errno: None,
            checksum: None,
            notices: LogLimit::default(),
            transitions: LogLimit::default(),
            own_transitions: LogLimit::default(),
            lower_prio: LogLimit::default(),
            replaced: None,
            conf,
        }
    }

    /// The advertised addresses.
    pub(crate) fn vips(&self) -> &[IpAddr] {
        &self.machine.params().addresses
    }

    /// What events are about.
    pub(crate) fn object(&self) -> Object<'_> {
        Object::instance(&self.conf.name)
    }

    /// Whether `conf` describes this virtual router: a reload then keeps its state.
    pub(crate) fn matches(&self, conf: &VrrpInstance) -> bool {
        let own = &self.conf;
        own.vrid == conf.vrid
            && own.family == conf.family
            && own.interface == conf.interface
            && own.vmacs == conf.vmacs
    }

    /// Why `conf`, of the same name, describes another virtual router, for a message.
    pub(crate) fn difference(&self, conf: &VrrpInstance) -> &'static str {
        let own = &self.conf;
        if own.vrid != conf.vrid {
            "virtual_router_id"
        } else if own.interface != conf.interface {
            "interface"
        } else if own.vmacs != conf.vmacs {
            "use_vmac"
        } else {
            "address family"
        }
    }

    /// Takes the configuration of the same virtual router after a reload, and removes from the
    /// kernel what is no longer in it. Returns the new parameters of the protocol machine.
    pub(crate) fn reconfigure(
        &mut self,
        cx: &mut Cx<'_>,
        kernel: Known<'_>,
        conf: VrrpInstance,
        position: Position,
        configured: &[Cidr],
        near: &[Router],
    ) -> vrrp::Params {
        if conf.name != self.conf.name {
            log::info!(target: "vrrp", "({}) renamed, was {}", conf.name, self.conf.name);
        }
        self.id = position.id;
        let (conf, lists) = RunningInstance::split(conf, &mut near.iter().map(|one| &one.conf));
        let (routes, rules) = (lists.routes, lists.rules);
        match self.routes.get_mut() {
            Some(set) => set.replace(cx, routes, rules, kernel.links),
            None => self.routes = RouteSet::rare(routes, rules, self.addresses.wanted),
        }
        self.addresses.replace(
            cx,
            lists.addresses.into_iter(),
            kind(&conf),
            kernel,
            configured,
        );
        self.addresses.set_lease(conf.vip_lease);
        self.garp
            .reconfigure(shared_garp_params(&conf, near), self.addresses.len());
        let count = self.addresses.len();
        match (&mut self.extra_garp, extra_garp_params(&conf)) {
            (Some(schedule), Some(params)) => schedule.reconfigure(params, count),
            (schedule, params) => *schedule = extra_garp(params, count),
        }
        self.garp_held = None;
        self.conf = conf;
        params(&self.conf, &self.addresses, stagger(&self.conf, position))
    }

    /// The instance is no longer configured: removes its addresses as [`AddressSet::replace`] does.
    pub(crate) fn remove_addresses(
        &mut self,
        cx: &mut Cx<'_>,
        kernel: Known<'_>,
        configured: &[Cidr],
    ) {
        let none = core::iter::empty();
        let kind = self.addresses.kind;
        self.addresses.replace(cx, none, kind, kernel, configured);
    }

    /// Whether the kernel should have its addresses: it is master, or was until a moment ago and
    /// may continue.
    pub(crate) fn is_master(&self) -> bool {
        self.resume.resuming || self.machine.state() == VrrpState::Master
    }

    /// Remembers when and why the state changed, and the `master` that it is about, if it did.
    pub(crate) fn record_transition(
        &mut self,
        now: Instant,
        actions: &[Action],
        master: Option<MasterInfo>,
    ) {
        for action in actions {
            if let Action::Transition { why, .. } = action {
                self.since = Some((now, *why));
                self.since_master = master;
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
            self.extra_garp
                .as_deref()
                .and_then(garp::Schedule::next_deadline),
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

    /// The receive sockets it needs: its own, and with AH also that of plain VRRP, to log why
    /// adverts without AH are ignored. (An instance without AH does not open an AH socket: it would
    /// receive a copy of all IPsec traffic.)
    pub(crate) fn listeners(&self) -> impl Iterator<Item = Listener> {
        let own = self.listener();
        let plain = own
            .map(Listener::without_protocol)
            .filter(|plain| own != Some(*plain));
        own.into_iter().chain(plain)
    }

    /// The receive socket of its adverts; `None` while its interface does not exist.
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

    /// The macvlan that multicast adverts are sent from, and its Ethernet address.
    pub(crate) fn advert_vmac(&self) -> Option<(IfIndex, Mac)> {
        let vmac = self.conf.vmac()?;
        let mac = vmac.mac().filter(|_| vmac.role == VmacRole::Adverts)?;
        Some((self.vmac_index()?, mac))
    }

    /// Index of the virtual interface of `use_vmac` or `use_ipvlan`.
    pub(crate) fn vmac_index(&self) -> Option<IfIndex> {
        self.conf.vmac()?;
        self.vmacs.first()?.index
    }

    /// The virtual interface that another program keeps removing, after a lost fight.
    pub(crate) fn held_vmac(&self) -> Option<&VirtualInterface> {
        self.vmacs.iter().find(|vmac| vmac.repairs.is_held())
    }

    /// The virtual interface without which it cannot run: its own does not exist, or the kernel
    /// refuses to set one up.
    pub(crate) fn failed_vmac(&self) -> Option<&VirtualInterface> {
        let own = |nth| nth == 0 && self.conf.vmac().is_some();
        let mut all = self.vmacs.iter().enumerate();
        let failed = |(nth, vmac): &(usize, &VirtualInterface)| {
            vmac.is_blocked() || (own(*nth) && vmac.is_missing())
        };
        Some(all.find(failed)?.1)
    }

    /// The interface below `dev` if this is one of its virtual interfaces, which are up only while
    /// it is master; else `dev`.
    pub(crate) fn physical<'a>(&'a self, dev: &'a IfName) -> &'a IfName {
        let vmac = self.conf.vmacs.iter().find(|vmac| vmac.name == *dev);
        vmac.map_or(dev, |vmac| &vmac.base)
    }

    /// Takes these addresses; none may be installed.
    pub(crate) fn reset_addresses(&mut self, addresses: Vec<Address>) {
        self.addresses = AddressSet::new(addresses.into_iter(), kind(&self.conf));
        self.addresses.set_lease(self.conf.vip_lease);
        self.garp_held = None;
    }

    /// Looks up the instance's interface.
    pub(crate) fn find_interface(&mut self, interfaces: &Interfaces) {
        let link = interfaces.by_name(&self.conf.interface);
        self.ifindex = link.map(|link| link.index);
    }

    /// Ends the hold of a lost fight about addresses or routes, if it is due. Returns whether it
    /// was.
    pub(crate) fn end_hold(&mut self, now: Instant) -> bool {
        let routes = self.routes.get_mut();
        self.addresses.repairs.end_hold(now) | routes.is_some_and(|set| set.repairs.end_hold(now))
    }

    /// Whether interfaces, tracked objects, peers and the source address are as they must be.
    /// `excluded`: addresses that are no source addresses, first choice first.
    pub(crate) fn readiness(
        &self,
        shared: &Shared,
        excluded: [&dyn Fn(&Present) -> bool; 2],
    ) -> Readiness {
        let (conf, interfaces) = (&self.conf, &shared.interfaces);
        let link = interfaces.by_name(&conf.interface);
        if conf.own_interface().is_some() {
            match link {
                None => return Readiness::Missing(Reason::InterfaceMissing),
                Some(link) if conf.track_primary && !link.is_up() => {
                    return Readiness::Missing(Reason::InterfaceDown);
                }
                Some(_) => {}
            }
        }
        if self.held_vmac().is_some() {
            return Readiness::Missing(Reason::RemovedExternally);
        }
        if self.failed_vmac().is_some() {
            return Readiness::Missing(Reason::InterfaceMissing);
        }
        let tracked = || shared.tracking.fault(&conf.tracks, interfaces);
        if let Some(reason) = self.missing_interface(interfaces).or_else(tracked) {
            return Readiness::Missing(reason);
        }
        if self.addresses.repairs.is_held() || self.routes.repairs.is_held() {
            return Readiness::Missing(Reason::RemovedExternally);
        }
        if let Transport::Unicast { peers, .. } = &conf.transport
            && peers.is_empty()
            && conf.unicast_fault_no_peer
        {
            return Readiness::Missing(Reason::NoPeer);
        }
        let source = match conf.src_ip {
            Some(source) if conf.track_src_ip && interfaces.owner_of(source).is_none() => None,
            Some(source) => Some(source),
            None => link.and_then(|link| self.default_source(link, excluded)),
        };
        source.map_or(Readiness::Missing(Reason::NoSource), Readiness::Ready)
    }

    /// The first address of the interface that is not virtual. If it has no other than virtual ones,
    /// one of them that another program has set; of an owner, any.
    fn default_source(
        &self,
        link: &Interface,
        excluded: [&dyn Fn(&Present) -> bool; 2],
    ) -> Option<IpAddr> {
        let conf = &self.conf;
        let [virtuals, ours] = excluded;
        let last = |present: &Present| !conf.priority.is_owner() && ours(present);
        let all: [&dyn Fn(&Present) -> bool; 2] = [virtuals, &last];
        all.into_iter()
            .find_map(|one| link.source(conf.family, one))
    }

    /// An interface tracked with weight 0, or one that carries an address, that is not up.
    fn missing_interface(&self, interfaces: &Interfaces) -> Option<Reason> {
        let conf = &self.conf;
        let own = &conf.interface;
        let tracked = conf.tracks.iter().filter(|track| track.weight == 0);
        let tracked = tracked.filter_map(|track| match &track.object {
            Tracked::Interface(name) => Some((name, track.reverse)),
            Tracked::Script(_) | Tracked::File(_) | Tracked::Process(_) => None,
        });
        let of_addresses = self.addresses.iter().filter(|one| !one.options.no_track);
        let of_objects = of_addresses
            .map(|address| &address.dev)
            .chain(self.routes.tracked())
            .map(|dev| self.physical(dev))
            .filter(|dev| *dev != own);
        for (name, reverse) in tracked.chain(of_objects.map(|name| (name, false))) {
            match interfaces.by_name(name) {
                None if !reverse => return Some(Reason::InterfaceMissing),
                Some(link) if link.is_up() == reverse => return Some(Reason::InterfaceDown),
                None | Some(_) => {}
            }
        }
        None
    }

    /// Base priority plus what tracked objects contribute.
    pub(crate) fn effective_priority(&self, shared: &Shared) -> Priority {
        let parts = self.conf.tracks.iter();
        let parts = parts.map(|track| shared.tracking.summand(track, &shared.interfaces));
        priority::effective(self.conf.priority, parts)
    }
}

fn kind(conf: &RunningInstance) -> Kind {
    if conf.priority.is_owner() {
        Kind::Owned
    } else {
        Kind::Virtual
    }
}
