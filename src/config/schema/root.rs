//! The top level, and functions over the whole table.

use super::row::{Arg, Body, Keyword, Schema, row};
use super::{Feature, Reason};
use super::{address, checker, global, group, lvs, track, vrrp};

/// The top level of a file.
pub static ROOT: Schema = Schema {
    name: "the top level",
    tables: &[ROOT_ROWS],
};

#[rustfmt::skip]
static ROOT_ROWS: &[Keyword] = &[
    row!("global_defs", [], S, "", "Global settings, and defaults for all instances and virtual servers").block(&global::GLOBAL).repeat(),
    row!("vrrp_instance", [Arg::Name(255)], S, "", "One virtual router").block(&vrrp::INSTANCE).repeat(),
    row!("static_ipaddress", [], S, "", "Addresses that are installed while the daemon runs, whatever the state of the instances").items(&address::ADDRESSES).repeat(),
    row!("static_routes", [], S, "", "Routes that are installed while the daemon runs, whatever the state of the instances").items(&address::ROUTES).repeat(),
    row!("static_rules", [], A, "", "Policy routing rules that are installed while the daemon runs, whatever the state of the instances").items(&address::RULES).repeat(),
    row!("track_group", [Arg::Name(255)], B, "", "Instances that go to FAULT state when a static address, route or rule with this track_group is lost").block(&group::TRACK_GROUP).repeat(),
    row!("vrrp_sync_group", [Arg::Name(255)], S, "", "Instances that change state together").block(&group::SYNC_GROUP).repeat(),
    row!("vrrp_script", [Arg::Name(255)], S, "", "A command that is run periodically and whose result instances can track").block(&track::SCRIPT).repeat(),
    row!("vrrp_track_process", [Arg::Name(255)], A, "", "Processes whose number instances can track").block(&track::PROCESS).repeat(),
    row!("track_file", [Arg::Name(255)], A, "", "A file that holds a number, which instances can track").block(&track::FILE).repeat(),
    row!("vrrp_track_file" = "track_file", [Arg::Name(255)], A).block(&track::FILE).repeat().old(),
    row!("bfd_instance", [Arg::Name(31)], B, "", "A BFD session with a neighbor (RFC 5880)").block(&track::BFD).repeat().unimplemented(Reason::BfdAssumedUp),
    row!("garp_group", [], B, "", "Interfaces that share one rate limit for gratuitous ARP and unsolicited neighbor advertisements").block(&global::GARP_GROUP).repeat(),
    row!("interface_up_down_delays", [], A, "0", "Time in seconds an interface must stay down or up before the change counts: `INTERFACE DOWN [UP]`, 0-255; DOWN at most two advert intervals of its instances").items(&global::UP_DOWN_DELAYS).repeat(),
    row!("linkbeat_interfaces", [], C, "", "Interfaces whose driver is polled for its link state").items(&global::LINKBEAT_INTERFACES).repeat().no_effect(Reason::LinkEvents),
    row!("linkbeat_use_polling", [], C, "", "Poll the drivers of all interfaces for their link state").no_effect(Reason::LinkEvents),
    row!("virtual_server_group", [Arg::Name(255)], S, "", "Addresses or firewall marks that share the real servers of one virtual_server").items(&lvs::GROUP_ENTRIES).repeat().requires(Feature::Lvs),
    row!("virtual_server", [Arg::Service], S, "", "An IPVS service: `IP [PORT]`, `fwmark N` or `group NAME`").block(&lvs::VIRTUAL_SERVER).repeat().requires(Feature::Lvs),
    row!("SSL", [], B, "", "Client certificate, key and trusted authorities of SSL_GET checks").block(&checker::SSL).requires(Feature::Lvs),
    row!("net_namespace", [Arg::Name(255)], C, "", "Network namespace to run in, as named by `ip netns`"),
    row!("net_namespace_ipvs", [Arg::Opt(&Arg::Name(255))], C, "", "Network namespace of the IPVS services").no_effect(Reason::Namespace),
    row!("namespace_with_ipsets", [], C, "", "Use ipsets inside a network namespace").no_effect(Reason::NoAcceptByNftables),
    row!("use_pid_dir", [], B, "", "Put pid files into a directory of their own"),
    row!("instance", [Arg::Name(255)], B, "", "Name of this daemon among several on one host; suffix of its pid and dump files"),
    row!("child_wait_time", [Arg::Int(0, i32::MAX)], C, "5", "Time in seconds to wait for child processes when stopping").no_effect(Reason::NoChildren),
];

/// Every block except those of virtual servers, to find a block by the keyword that opens it.
pub(super) static BLOCKS: &[&Schema] = &[
    &global::GLOBAL,
    &global::GARP_GROUP,
    &vrrp::INSTANCE,
    &vrrp::AUTHENTICATION,
    &vrrp::HMAC,
    &group::SYNC_GROUP,
    &group::TRACK_GROUP,
    &track::SCRIPT,
    &track::PROCESS,
    &track::FILE,
    &track::BFD,
];

/// Whether `keyword` opens a block in the block that `parent` opens; at the top level if `parent`
/// is empty.
#[must_use]
pub fn opens_block(parent: &str, keyword: &str) -> bool {
    let around = match parent {
        "" => Some(&ROOT),
        "vrrp_track_file" => Some(&track::FILE),
        _ => {
            let mut blocks = BLOCKS.iter().chain(lvs::BLOCKS).copied();
            blocks.find(|schema| schema.name == parent)
        }
    };
    let row = around.and_then(|schema| schema.find(keyword));
    row.is_some_and(|row| row.body.expects_brace())
}

/// Calls `f` with every keyword of `schema` and of the blocks in it, and with the block that the
/// keyword is in.
pub fn visit(
    schema: &'static Schema,
    depth: u8,
    f: &mut dyn FnMut(&'static Keyword, &'static Schema),
) {
    for keyword in schema.keywords() {
        f(keyword, schema);
        if let Body::Block(inner) = keyword.body
            && depth < 6
        {
            visit(inner, depth.saturating_add(1), f);
        }
    }
}
