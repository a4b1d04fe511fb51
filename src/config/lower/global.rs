//! `global_defs`: settings of the process, and the defaults it sets for instances.

use core::net::IpAddr;

use super::fields::Fields;
use super::garp::GarpDefaults;
use super::lease::Lease;
use super::{interface, strict};
use crate::config::diag::{Diags, Severity};
use crate::config::model::{
    GarpGroup, Global, Nft, Settings, Transport, UpDownDelay, VrrpInstance,
};
use crate::config::schema::value;
use crate::config::span_map::SpanMap;
use crate::types::{Centis, IfName, Version};

/// Defaults of instances, from `global_defs`.
#[derive(Debug)]
pub(super) struct Defaults {
    pub(super) group4: IpAddr,
    pub(super) group6: IpAddr,
    pub(super) version: Version,
    pub(super) garp: GarpDefaults,
    pub(super) down_timer_adverts: u8,
    pub(super) lower_prio_no_advert: bool,
    pub(super) higher_prio_send_advert: bool,
    pub(super) strict: bool,
    pub(super) skip_check_adv_addr: bool,
    pub(super) check_unicast_src: bool,
    pub(super) owner_ignore_adverts: bool,
    pub(super) v3_checksum_as_v2: bool,
    pub(super) lease: Lease,
    /// `smtp_alert_vrrp`, or `smtp_alert`.
    pub(super) smtp_alert: bool,
    /// `vrrp_notify_priority_changes`.
    pub(super) priority_changes: bool,
    /// `default_interface`; eth0 unless configured. `None` if it is not a valid name.
    pub(super) interface: Option<IfName>,
    /// `vmac_prefix`.
    pub(super) vmac_prefix: String,
    /// `vmac_addr_prefix`.
    pub(super) vmac_addr_prefix: String,
}

impl Defaults {
    pub(super) fn from(fields: &Fields<'_>, diags: &mut Diags) -> Self {
        let default = Settings::default();
        let on = |name: &str| fields.boolean(name).unwrap_or(false);
        let strict = on("vrrp_strict");
        let vmac_prefix = fields.word("vmac_prefix").unwrap_or("vrrp");
        if let Some(node) = fields.last("vrrp_strict").filter(|_| strict) {
            strict::warn_strict_mode(node.keyword.span, diags);
        }
        Defaults {
            group4: fields
                .ip("vrrp_mcast_group4")
                .unwrap_or(Transport::GROUP_V4),
            group6: fields
                .ip("vrrp_mcast_group6")
                .unwrap_or(Transport::GROUP_V6),
            version: match fields.int::<u8>("vrrp_version") {
                Some(3) => Version::V3,
                _ => default.version,
            },
            garp: GarpDefaults::from(fields),
            down_timer_adverts: fields
                .int("vrrp_down_timer_adverts")
                .unwrap_or(default.down_timer_adverts),
            lower_prio_no_advert: on("vrrp_lower_prio_no_advert"),
            higher_prio_send_advert: on("vrrp_higher_prio_send_advert"),
            strict,
            skip_check_adv_addr: on("vrrp_skip_check_adv_addr"),
            check_unicast_src: on("vrrp_check_unicast_src"),
            owner_ignore_adverts: on("vrrp_owner_ignore_adverts"),
            v3_checksum_as_v2: on("v3_checksum_as_v2"),
            lease: Lease::of(fields, diags).unwrap_or(Lease::Off),
            smtp_alert: fields
                .boolean("smtp_alert_vrrp")
                .unwrap_or(on("smtp_alert")),
            priority_changes: on("vrrp_notify_priority_changes"),
            interface: match fields.last("default_interface") {
                Some(node) => interface(node),
                None => IfName::new("eth0"),
            },
            vmac_addr_prefix: fields
                .word("vmac_addr_prefix")
                .unwrap_or(vmac_prefix)
                .to_owned(),
            vmac_prefix: vmac_prefix.to_owned(),
        }
    }
}

/// The settings of `global_defs` and the top level that need no other part of the model.
pub(super) fn plain_settings(
    top: &Fields<'_>,
    global_defs: &Fields<'_>,
    instances: &[VrrpInstance],
    diags: &mut Diags,
) -> Global {
    Global {
        router_id: global_defs.word("router_id").unwrap_or_default().to_owned(),
        instance: top.word("instance").map(str::to_owned),
        use_pid_dir: top.has("use_pid_dir"),
        startup_delay: global_defs
            .seconds("vrrp_startup_delay")
            .unwrap_or_default(),
        delay_after_boot: global_defs
            .seconds("vrrp_delay_after_boot")
            .unwrap_or_default(),
        log_unknown_vrids: global_defs.has("log_unknown_vrids"),
        fifo_states_on_reload: global_defs.has("fifo_write_vrrp_states_on_reload"),
        notify_supersede_timeout: global_defs.seconds("notify_supersede_timeout"),
        event_history: global_defs.int("event_history"),
        garp_groups: garp_groups(top, diags),
        up_down_delays: up_down_delays(top, instances, diags),
        nft: nft(global_defs),
        ..Global::default()
    }
}

/// The table that enforces `no_accept`.
fn nft(global_defs: &Fields<'_>) -> Nft {
    let default = Nft::default();
    Nft {
        table: global_defs
            .word("nftables")
            .map_or(default.table, str::to_owned),
        priority: global_defs
            .int("nftables_priority")
            .unwrap_or(default.priority),
        counters: global_defs.has("nftables_counters"),
    }
}

/// `garp_group { … }` blocks. An interface belongs to the first that names it.
fn garp_groups(top: &Fields<'_>, diags: &mut Diags) -> Vec<GarpGroup> {
    let mut groups: Vec<GarpGroup> = Vec::new();
    let mut known = SpanMap::default();
    for node in top.all("garp_group") {
        let fields = Fields::inside(node);
        let mut interfaces: Vec<IfName> = Vec::new();
        let single = fields.all("interface").flat_map(|node| node.args.first());
        let listed = fields.items("interfaces");
        let listed = listed.flat_map(|item| core::iter::once(&item.keyword).chain(&item.args));
        for word in single.chain(listed) {
            let Some(name) = IfName::new(&word.text) else {
                continue;
            };
            if known.earlier_or_insert(&word.text, word.span).is_none() {
                interfaces.push(name);
            } else {
                let message = format!("`{name}` is already in another garp_group; ignored");
                diags.report(Severity::Warning, word.span, message);
            }
        }
        let group = GarpGroup {
            garp_interval: fields.seconds("garp_interval").unwrap_or_default(),
            gna_interval: fields.seconds("gna_interval").unwrap_or_default(),
            interfaces,
        };
        let no_gap = group.garp_interval.is_zero() && group.gna_interval.is_zero();
        if no_gap || group.interfaces.is_empty() {
            let missing = if no_gap {
                "`garp_interval` or `gna_interval`"
            } else {
                "`interface`"
            };
            let message = format!("garp_group has no {missing}; ignored");
            diags.report(Severity::Warning, node.keyword.span, message);
        } else {
            groups.push(group);
        }
    }
    groups
}

/// Lines of `interface_up_down_delays`. As in keepalived, a single value delays only the transition
/// to down, although keepalived.conf(5) says that it delays both.
fn up_down_delays(
    top: &Fields<'_>,
    instances: &[VrrpInstance],
    diags: &mut Diags,
) -> Vec<UpDownDelay> {
    let mut delays = Vec::new();
    for item in top.items("interface_up_down_delays") {
        let Some(name) = IfName::new(&item.keyword.text) else {
            continue;
        };
        let mut values = item
            .args
            .iter()
            .map(|word| value::duration(&word.text).unwrap_or_default());
        let mut down = values.next().unwrap_or_default();
        let up = values.next();
        if let Some(longest) = longest_down_delay(&name, instances)
            && down > longest.duration()
        {
            let message = format!(
                "the transition of `{name}` to down is delayed by {longest} at most: after that, other routers may be \
                 master"
            );
            diags.report(Severity::Warning, item.keyword.span, message);
            down = longest.duration();
        }
        if up.is_none() {
            let message = format!(
                "only the transition of `{name}` to down is delayed; it counts as up at once"
            );
            let help = "write a second value to delay the transition to up too";
            diags.report_with_help(Severity::Note, item.keyword.span, message, help);
        }
        delays.push(UpDownDelay {
            interface: name,
            down,
            up: up.unwrap_or_default(),
        });
    }
    delays
}

/// How long the transition of an interface to down may be delayed: the last advert was sent up to
/// one interval before it, and the down interval of other routers starts there. A longer delay
/// would leave this router master, in its whole sync group, while another one is master too.
fn longest_down_delay(interface: &IfName, instances: &[VrrpInstance]) -> Option<Centis> {
    let there = instances.iter().filter(|one| one.interface == *interface);
    let longest = |one: &VrrpInstance| {
        let adverts = u16::from(one.down_timer_adverts.saturating_sub(1));
        Centis(one.advert_int.0.saturating_mul(adverts))
    };
    there.map(longest).min()
}
