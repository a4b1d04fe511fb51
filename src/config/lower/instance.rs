//! `vrrp_instance`.

use core::net::IpAddr;
use core::time::Duration;

use super::address::AddressList;
use super::fields::Fields;
use super::vmac::{VmacProtocol, Vmacs, link_local_route};
use super::{Lowering, first, interface};
use crate::config::diag::{Severity, Span};
use crate::config::model::{Address, Garp, Settings, Transport, VrrpInstance};
use crate::config::schema::value;
use crate::config::tree::Node;
use crate::types::{Centis, Family, IfName, Priority, Version, Vrid};

/// A `vrrp_instance` block being lowered: what its other keywords depend on.
pub(super) struct InstanceBlock<'a> {
    pub(super) name: &'a str,
    pub(super) span: Span,
    pub(super) fields: Fields<'a>,
    pub(super) family: Family,
    pub(super) strict: bool,
}

/// Advertised and excluded addresses.
struct Addresses {
    vips: Vec<Address>,
    excluded: Vec<Address>,
}

/// Result of `state`, `priority`, `nopreempt` and `preempt_delay`, which depend on each other.
struct Election {
    priority: Priority,
    initial_master: bool,
    nopreempt: bool,
    preempt_delay: Duration,
}

impl Lowering<'_> {
    /// An instance; `None` if it cannot run, which has been reported.
    pub(super) fn instance(&mut self, node: &Node) -> Option<VrrpInstance> {
        let fields = Fields::inside(node);
        let name = first(node)?;
        let span = node.keyword.span;
        let family = self.family(&fields);
        let strict = self.is_strict(&fields);
        let interface = self.instance_interface(name, node, &fields);
        let vrid = fields.int("virtual_router_id").and_then(Vrid::new);
        if vrid.is_none() {
            self.left_out(
                node,
                "virtual_router_id",
                object(name),
                "write `virtual_router_id N` with N from 1 to 255",
            );
        }
        let interface = interface?;
        let protocol = VmacProtocol {
            family,
            vrid,
            strict,
        };
        // The interface of addresses without `dev`.
        let default = self.defaults.interface.clone();
        let own = Some(&interface).filter(|name| **name != IfName::default());
        let dev = own.or(default.as_ref()).unwrap_or(&interface);
        let mut vmacs = self.vmacs(name, &fields, dev, protocol);
        let addresses = self.addresses(name, &fields, &mut vmacs, family);
        let block = InstanceBlock {
            name,
            span,
            fields,
            family,
            strict,
        };
        self.build_instance(&block, interface, vrid?, addresses, vmacs)
    }

    fn build_instance(
        &mut self,
        block: &InstanceBlock<'_>,
        interface: IfName,
        vrid: Vrid,
        addresses: Addresses,
        vmacs: Vmacs,
    ) -> Option<VrrpInstance> {
        let fields = &block.fields;
        let version = self.version(block);
        if addresses.vips.is_empty() && !self.runs_without_address(block, version) {
            return None;
        }
        let advert_int = self.advert_int(block, version);
        let auth = self.auth(block, version, advert_int)?;
        let mut election = self.election(block);
        let owner = election.priority.is_owner();
        if election.initial_master && !owner {
            election.initial_master = self.may_start_as_master(block, &auth);
        }
        let src_ip = self.source(block).or(vmacs.source);
        let transport = self.transport(block, src_ip);
        if interface == IfName::default() && matches!(transport, Transport::Multicast { .. }) {
            let message = format!(
                "instance `{}` has no `interface` to send multicast on; left out",
                block.name
            );
            self.error(block.span, message, "write `interface IF`");
            return None;
        }
        let mut routes = self.routes(fields.items("virtual_routes"));
        for vmac in &vmacs.list {
            routes.extend(link_local_route(vmac, &addresses.vips));
        }
        let (garp, down_timer_adverts) = self.timing(block);
        self.report_strict_address(block, &addresses.vips);
        self.report_overruled(block);
        let settings = Settings {
            version,
            family: block.family,
            initial_master: election.initial_master,
            advert_int,
            nopreempt: election.nopreempt,
            preempt_delay: election.preempt_delay,
            auth,
            src_ip,
            transport,
            down_timer_adverts,
            timer_expired_backup: self.timer_expired(block, election.nopreempt),
            garp: garp.into(),
            accept: self.accept(block, version, owner),
            vmacs: vmacs.list,
            vip_lease: self.lease(block, advert_int, down_timer_adverts),
            tracks: self.tracks(block, &interface, owner),
            notify: self.notify(fields).into(),
            ..self.booleans(block, owner)
        };
        Some(VrrpInstance {
            name: block.name.to_owned(),
            interface,
            vrid,
            priority: election.priority,
            vips: addresses.vips,
            excluded_vips: addresses.excluded,
            routes,
            rules: self.rules(fields.items("virtual_rules")),
            settings,
        })
    }

    /// The boolean keywords that depend on no other part of the instance.
    fn booleans(&self, block: &InstanceBlock<'_>, owner: bool) -> Settings {
        let (fields, strict, defaults) = (&block.fields, block.strict, &self.defaults);
        let on = |name: &str, default: bool| fields.boolean(name).unwrap_or(default);
        let send_advert = defaults.higher_prio_send_advert;
        Settings {
            strict,
            track_src_ip: fields.has("track_src_ip"),
            track_primary: !fields.has("dont_track_primary"),
            promote_secondaries: fields.has("promote_secondaries"),
            unicast_fault_no_peer: fields.has("unicast_fault_no_peer"),
            skip_check_adv_addr: on("skip_check_adv_addr", defaults.skip_check_adv_addr),
            v3_checksum_as_v2: on("v3_checksum_as_v2", defaults.v3_checksum_as_v2),
            old_unicast_checksum: fields
                .last("old_unicast_checksum")
                .is_some_and(|node| first(node) != Some("never")),
            lower_prio_no_advert: strict
                || on("lower_prio_no_advert", defaults.lower_prio_no_advert),
            higher_prio_send_advert: !strict && on("higher_prio_send_advert", send_advert),
            owner_ignore_adverts: (strict && owner)
                || on("owner_ignore_adverts", defaults.owner_ignore_adverts),
            ..Settings::default()
        }
    }

    /// Settings of gratuitous ARP, and `down_timer_adverts`. Strict mode fixes both.
    fn timing(&self, block: &InstanceBlock<'_>) -> (Garp, u8) {
        let mut garp = self.defaults.garp.of(&block.fields);
        if block.strict {
            garp.lower_prio_repeat = 0;
            return (garp, 3);
        }
        let adverts = block.fields.int("down_timer_adverts");
        (garp, adverts.unwrap_or(self.defaults.down_timer_adverts))
    }

    /// `interface`; the empty name if the instance needs none, because adverts are routed.
    fn instance_interface(
        &mut self,
        name: &str,
        block: &Node,
        fields: &Fields<'_>,
    ) -> Option<IfName> {
        let node = fields.last("interface");
        let found = node.and_then(interface);
        let routed = |source: IpAddr| match source {
            IpAddr::V4(_) => true,
            IpAddr::V6(source) => !source.is_unicast_link_local(),
        };
        let is_unicast = (fields.has("unicast_peer") || fields.has("unicast_fault_no_peer"))
            && fields.removed("interface").is_none();
        match (&found, node) {
            (None, None) if is_unicast && fields.ip("unicast_src_ip").is_some_and(routed) => {
                self.report_without_interface(name, fields);
                Some(IfName::default())
            }
            (None, None) if is_unicast => {
                let message = format!(
                    "instance `{name}` has neither `interface` nor a `unicast_src_ip` that is not link-local; left out"
                );
                let range = fields.removed("unicast_src_ip");
                if !self.follows(range, Severity::Error, "left out", object(name)) {
                    let help = "write `interface IF` or `unicast_src_ip ADDRESS`";
                    self.error(block.keyword.span, message, help);
                }
                None
            }
            (Some(loopback), Some(node)) if loopback.as_str() == "lo" => {
                let message = format!(
                    "instance `{name}` cannot run on the loopback interface `lo`; left out"
                );
                self.error(
                    node.keyword.span,
                    message,
                    "write the `interface` of the network the addresses are in",
                );
                None
            }
            (None, _) => {
                self.left_out(block, "interface", object(name), "write `interface IF`");
                None
            }
            _ => found,
        }
    }

    /// Reports settings that need an interface, and where addresses without `dev` are added.
    fn report_without_interface(&mut self, name: &str, fields: &Fields<'_>) {
        if let Some(node) = fields.last("use_vmac") {
            let message =
                format!("`use_vmac` needs an `interface`, which `{name}` does not have; ignored");
            self.warn(node.keyword.span, message);
        }
        let lists = ["virtual_ipaddress", "virtual_ipaddress_excluded"];
        let mut lines = lists.iter().flat_map(|list| fields.items(list));
        let has_dev = |item: &Node| item.args.iter().any(|word| &*word.text == "dev");
        if let Some(item) = lines.find(|item| !has_dev(item)) {
            let message = match &self.defaults.interface {
                Some(dev) => format!(
                    "`{name}` has no `interface`; addresses without `dev` are added to `{dev}`, the default interface"
                ),
                None => format!("`{name}` has no `interface`, and this address no `dev`"),
            };
            let help = "write `dev IF` behind the address, or `interface` in the instance";
            self.warn_with_help(item.keyword.span, message, help);
        }
    }

    // ---- addresses ----

    /// Address family of the adverts: `native_ipv6`, else that of the first VIP, source address,
    /// peer or group.
    fn family(&self, fields: &Fields<'_>) -> Family {
        if fields.has("native_ipv6") {
            return Family::V6;
        }
        let vip = fields.items("virtual_ipaddress").next();
        let vip = vip
            .and_then(|item| value::cidr(&item.keyword.text))
            .map(|cidr| cidr.addr);
        let source = || {
            fields
                .ip("unicast_src_ip")
                .or_else(|| fields.ip("mcast_src_ip"))
        };
        let peer = || {
            fields
                .items("unicast_peer")
                .find_map(|item| value::ip(&item.keyword.text))
        };
        let any = vip
            .or_else(source)
            .or_else(peer)
            .or_else(|| fields.ip("mcast_dst_ip"));
        any.map_or(Family::V4, Family::of)
    }

    fn addresses(
        &mut self,
        name: &str,
        fields: &Fields<'_>,
        vmacs: &mut Vmacs,
        family: Family,
    ) -> Addresses {
        let mut list = AddressList::default();
        let mut first_surplus = None;
        let max = max_advertised(family, fields.has("auth_hmac"));
        let owner = fields.int("priority").map(Priority) == Some(Priority::OWNER);
        for item in fields.items("virtual_ipaddress") {
            let Some(address) = self.virtual_address(item, vmacs) else {
                continue;
            };
            if address.cidr.family() != family {
                let message = format!(
                    "{} is not an {family} address like the adverts of `{name}`; ignored",
                    address.cidr.addr
                );
                let help = "move it to `virtual_ipaddress_excluded`, or to another instance";
                self.error(item.keyword.span, message, help);
                continue;
            }
            if !owner {
                self.compare_with_machine(&address, vmacs, item);
            }
            self.add_unless_duplicate(&mut list, address, item);
            if list.addresses.len() > max {
                first_surplus = first_surplus.or(Some(item.keyword.span));
            }
        }
        if let Some(span) = first_surplus {
            let message = format!(
                "`{name}` has more than {max} addresses, the most that fit in an advert; the rest are \
                 installed but not advertised",
            );
            self.error(
                span,
                message,
                "move the rest to `virtual_ipaddress_excluded`",
            );
        }
        let advertised = list.addresses.len().min(max);
        for item in fields.items("virtual_ipaddress_excluded") {
            if let Some(address) = self.virtual_address(item, vmacs) {
                self.add_unless_duplicate(&mut list, address, item);
            }
        }
        let excluded = list.addresses.split_off(advertised);
        list.addresses.shrink_to_fit();
        Addresses {
            vips: list.addresses,
            excluded,
        }
    }

    /// Whether an instance without a virtual address runs: as in keepalived, with version 2 only,
    /// or if it says so. Its notifications may be all that is wanted of it.
    fn runs_without_address(&mut self, block: &InstanceBlock<'_>, version: Version) -> bool {
        if block.fields.has("no_virtual_ipaddress") {
            return true;
        }
        let runs = version == Version::V2 && !block.strict;
        let (severity, effect) = match (runs, block.strict) {
            (true, _) => (Severity::Warning, "it runs without one"),
            (false, true) => (Severity::Error, "strict mode requires one; left out"),
            (false, false) => (Severity::Error, "version 3 requires one; left out"),
        };
        let name = block.name;
        let range = block.fields.removed("virtual_ipaddress");
        let what = match runs {
            true => "without a virtual address",
            false => "left out",
        };
        if self.follows(range, severity, what, object(name)) {
            return runs;
        }
        let message =
            format!("instance `{name}` has no valid address in `virtual_ipaddress`; {effect}");
        let help =
            "write `virtual_ipaddress { ADDRESS }`, or `no_virtual_ipaddress` if it needs none";
        self.diags
            .report_with_help(severity, block.span, message, help);
        runs
    }

    // ---- protocol ----

    fn version(&mut self, block: &InstanceBlock<'_>) -> Version {
        let own: Option<u8> = block.fields.int("version");
        let asked = match own {
            Some(3) => Version::V3,
            Some(_) => Version::V2,
            None => self.defaults.version,
        };
        if block.family == Family::V4 {
            return asked;
        }
        if let (Some(2), Some(node)) = (own, block.fields.last("version")) {
            self.tolerated(
                node.keyword.span,
                "VRRP version 2 does not support IPv6; version 3 is used",
            );
        }
        Version::V3
    }

    fn advert_int(&mut self, block: &InstanceBlock<'_>, version: Version) -> Centis {
        let Some(node) = block.fields.last("advert_int") else {
            return Centis::SECOND;
        };
        let micros = first(node).and_then(value::micros).unwrap_or(1_000_000);
        let (unit, max, why) = match version {
            Version::V2 => (1_000_000, 255, "version 2 sends intervals in whole seconds"),
            Version::V3 => (
                10_000,
                4095,
                "version 3 sends intervals in hundredths of a second up to 40.95 s",
            ),
        };
        let steps = micros
            .saturating_add(unit / 2)
            .checked_div(unit)
            .unwrap_or(1)
            .clamp(1, max);
        let steps = u16::try_from(steps).unwrap_or(1);
        let centis = match version {
            Version::V2 => Centis(steps.saturating_mul(100)),
            Version::V3 => Centis(steps),
        };
        if u64::from(steps).checked_mul(unit) != Some(micros) {
            self.warn(node.keyword.span, format!("{why}; {centis} is used"));
        }
        centis
    }

    // ---- election ----

    fn election(&mut self, block: &InstanceBlock<'_>) -> Election {
        let fields = &block.fields;
        let state = fields.last("state");
        let asked_master = state.and_then(first) == Some("MASTER");
        let priority = match fields.int("priority").map(Priority) {
            Some(priority) => priority,
            None if asked_master => self.implied_owner(block),
            None => Priority::DEFAULT,
        };
        let mut master = asked_master || (state.is_none() && priority.is_owner());
        if block.strict && asked_master != priority.is_owner() {
            let initial = if priority.is_owner() {
                "MASTER"
            } else {
                "BACKUP"
            };
            let message = format!(
                "strict mode requires `state MASTER` with priority 255 and `state BACKUP` otherwise; `{}` starts as {initial}",
                block.name
            );
            if let Some(node) = state {
                self.warn(node.keyword.span, message);
            }
            master = priority.is_owner();
        }
        let nopreempt = self.nopreempt(block, master, priority);
        Election {
            priority,
            initial_master: master,
            nopreempt,
            preempt_delay: self.preempt_delay(block, master, nopreempt),
        }
    }

    /// Like keepalived, takes an instance with `state MASTER` and no `priority` for the address
    /// owner.
    fn implied_owner(&mut self, block: &InstanceBlock<'_>) -> Priority {
        let range = block.fields.removed("priority");
        let subject = format!("the priority of `{}`", block.name);
        let what = "255, that of the address owner";
        if self.follows(range, Severity::Note, what, subject) {
            return Priority::OWNER;
        }
        let message = format!(
            "`{}` has `state MASTER` and no `priority`; 255, the priority of the address owner, is used",
            block.name
        );
        let help = "write `priority N` with N from 1 to 254 unless the router owns the addresses";
        self.note_with_help(block.span, message, help);
        Priority::OWNER
    }

    fn nopreempt(&mut self, block: &InstanceBlock<'_>, master: bool, priority: Priority) -> bool {
        let Some(node) = block.fields.last("nopreempt") else {
            return false;
        };
        if let Some(other) = block.fields.last("preempt") {
            let last = block.fields.last_of(&["preempt", "nopreempt"]);
            let used = last.map_or("nopreempt", |node| &node.keyword.text);
            let message =
                format!("`preempt` contradicts `nopreempt`; the later one, `{used}`, is used");
            self.note(other.keyword.span, message);
            if used == "preempt" {
                return false;
            }
        }
        let why = if priority.is_owner() {
            "the address owner always preempts"
        } else if master {
            "`nopreempt` is incompatible with `state MASTER`"
        } else {
            return true;
        };
        let message = format!("{why}; `nopreempt` of `{}` ignored", block.name);
        let help = "write `state BACKUP` on all routers: then the current master stays master";
        self.warn_with_help(node.keyword.span, message, help);
        false
    }

    fn preempt_delay(
        &mut self,
        block: &InstanceBlock<'_>,
        master: bool,
        nopreempt: bool,
    ) -> Duration {
        let Some(node) = block.fields.last("preempt_delay") else {
            return Duration::ZERO;
        };
        let delay = super::seconds(node).unwrap_or_default();
        let why = if block.strict {
            "strict mode has no preempt delay"
        } else if nopreempt {
            "`nopreempt` rules out preemption"
        } else if master {
            "`preempt_delay` is incompatible with `state MASTER`"
        } else {
            return delay;
        };
        if !delay.is_zero() {
            self.warn(node.keyword.span, format!("{why}; `preempt_delay` ignored"));
        }
        Duration::ZERO
    }

    /// The highest priority of the other routers, from which the time to their takeover follows.
    fn timer_expired(&mut self, block: &InstanceBlock<'_>, nopreempt: bool) -> Option<Priority> {
        let node = block.fields.last("timer_expired_backup")?;
        if !nopreempt {
            let message = "`timer_expired_backup` requires `nopreempt`; ignored";
            self.warn(node.keyword.span, message);
            return None;
        }
        let highest = block.fields.int("timer_expired_backup").unwrap_or(254);
        Some(Priority(highest))
    }
}

/// An instance as the subject of a message.
fn object(name: &str) -> String {
    format!("instance `{name}`")
}

/// How many addresses fit in an advert: the count has 8 bits, and an IPv6 packet must fit in 1500
/// bytes.
fn max_advertised(family: Family, signed: bool) -> usize {
    match family {
        Family::V4 => 255,
        // (1500 - 40 IPv6 header - 8 VRRP header - 28 HMAC trailer) / 16
        Family::V6 if signed => 89,
        Family::V6 => 90,
    }
}
