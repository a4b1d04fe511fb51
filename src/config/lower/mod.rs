//! Turns the tree into the model: fills in defaults, hands global settings down to the instances,
//! resolves names, and reports and repairs contradictions. Expects a tree from [`super::check`]:
//! every statement is known and in its block, and every argument has its type.
//!
//! An object that cannot run is left out with an error; the rest of the configuration is used.

mod address;
mod auth;
mod command;
mod fields;
mod garp;
mod global;
mod group;
mod insecure;
mod instance;
mod lease;
#[cfg(feature = "lvs")]
mod lvs;
#[cfg(feature = "mail")]
mod mail;
mod metric;
mod names;
mod notify;
mod process;
mod route;
mod rule;
mod strict;
mod track;
mod transport;
mod vmac;

use super::Host;
use super::diag::{Diags, Severity, Span};
use super::model::{Address, Config, Global, VrrpInstance};
use super::source::Sources;
use super::span_map::{NameIndex, SpanMap};
use super::tree::{Block, Node, Word};
use crate::types::{Cidr, IfName, InstanceId, Vrid};
use address::AddressList;
use command::ScriptDefaults;
use fields::{Fields, first, interface, number, seconds};
use global::Defaults;
use names::Names;
use rule::NextPriority;
use track::TrackedObjects;

/// Turns a checked tree into the model.
#[must_use]
pub(crate) fn lower(root: &Block, host: &dyn Host, sources: &Sources, diags: &mut Diags) -> Config {
    let top = Fields::of(root);
    let global_defs = Fields::merged(top.all("global_defs"));
    let defaults = Defaults::from(&global_defs, diags);
    let mut lowering = Lowering {
        diags,
        host,
        sources,
        defaults,
        addresses: 0,
        routes: 0,
        next_priority: NextPriority::default(),
        names: Names::new(host, &global_defs),
        track_groups: track_groups(&top),
        objects: TrackedObjects::default(),
        vmacs: SpanMap::default(),
        ipvlan_addresses: Vec::new(),
        foreign: match top.has("net_namespace") {
            true => Vec::new(),
            false => host.foreign_addresses(),
        },
        scripts: ScriptDefaults::default(),
    };
    lowering.script_defaults(&global_defs);
    lowering.collect_objects(&top);
    let (mut instances, spans) = lowering.instances(&top);
    lowering.compare_instances(&instances, &spans);
    lowering.report_insecure(&instances, &spans);
    let sync_groups = lowering.groups(&top, &mut instances);
    #[cfg(feature = "lvs")]
    let lvs = lowering.lvs(&top, &global_defs, &instances);
    #[cfg(not(feature = "lvs"))]
    let lvs = super::model::Lvs::default();
    lowering.report_untracked_objects();
    #[cfg(feature = "mail")]
    let smtp = lowering.smtp_settings(&global_defs, &top);
    #[cfg(not(feature = "mail"))]
    let smtp = None;
    let global = Global {
        smtp,
        ..lowering.global(&top, &global_defs, &instances)
    };
    let track_groups = lowering.track_groups(&top, &instances);
    let mut static_addresses = lowering.static_addresses(&top);
    static_addresses.append(&mut lowering.ipvlan_addresses);
    let static_routes = lowering.routes(top.items("static_routes"));
    let static_rules = lowering.rules(top.items("static_rules"));
    let TrackedObjects {
        scripts,
        files,
        processes,
        ..
    } = lowering.objects;
    Config {
        global,
        instances,
        sync_groups,
        scripts,
        track_files: files,
        track_processes: processes,
        track_groups,
        lvs,
        static_addresses,
        static_routes,
        static_rules,
    }
}

/// Most instances. A mistake in a `~SEQ` must not exhaust the router's memory.
const MAX_INSTANCES: usize = 8192;
/// Most addresses, of all instances together.
const MAX_ADDRESSES: u32 = 32_768;

/// The state of lowering: what has been read so far, and where to report.
struct Lowering<'a> {
    diags: &'a mut Diags,
    host: &'a dyn Host,
    sources: &'a Sources,
    defaults: Defaults,
    /// Addresses so far.
    addresses: u32,
    /// Routes and rules so far.
    routes: u32,
    /// Priorities of rules without `priority`.
    next_priority: NextPriority,
    /// Names of routing tables, realms and so on.
    names: Names<'a>,
    /// Positions of the `track_group` blocks.
    track_groups: NameIndex,
    /// Names of the virtual interfaces so far.
    vmacs: SpanMap,
    /// Addresses that other programs have set on this machine.
    foreign: Vec<(IfName, Cidr)>,
    /// Own addresses of ipvlan interfaces.
    ipvlan_addresses: Vec<Address>,
    /// Objects that can be tracked.
    objects: TrackedObjects<'a>,
    /// User of scripts, and whether insecure ones are refused.
    scripts: ScriptDefaults,
}

/// The instances by VRID, of which only those with the same one need to be compared.
struct SameVrid {
    /// The last instance of each VRID.
    last: Vec<Option<usize>>,
    /// For each instance, the one before it with its VRID.
    before: Vec<Option<usize>>,
}

impl SameVrid {
    fn new() -> Self {
        SameVrid {
            last: vec![None; 256],
            before: Vec::new(),
        }
    }

    /// The first instance whose adverts cannot be distinguished from those of a new one.
    fn find(&self, instances: &[VrrpInstance], new: &VrrpInstance) -> Option<usize> {
        let mut first = None;
        let mut next = self.last.get(usize::from(new.vrid.get())).copied();
        while let Some(Some(nth)) = next {
            let one = instances.get(nth);
            if one.is_some_and(|one| one.is_ambiguous_with(new)) {
                first = Some(nth);
            }
            next = self.before.get(nth).copied();
        }
        first
    }

    /// Adds the next instance.
    fn push(&mut self, vrid: Vrid) {
        let nth = self.before.len();
        let last = self.last.get_mut(usize::from(vrid.get()));
        self.before.push(last.and_then(|last| last.replace(nth)));
    }
}

impl Lowering<'_> {
    fn note(&mut self, span: Span, message: impl Into<String>) {
        self.diags.report(Severity::Note, span, message);
    }

    fn warn(&mut self, span: Span, message: impl Into<String>) {
        self.diags.report(Severity::Warning, span, message);
    }

    fn tolerated(&mut self, span: Span, message: impl Into<String>) {
        self.diags.report(Severity::Tolerated, span, message);
    }

    fn tolerated_with_help(
        &mut self,
        span: Span,
        message: impl Into<String>,
        help: impl Into<String>,
    ) {
        self.diags
            .report_with_help(Severity::Tolerated, span, message, help);
    }

    fn note_with_help(&mut self, span: Span, message: impl Into<String>, help: impl Into<String>) {
        self.diags
            .report_with_help(Severity::Note, span, message, help);
    }

    fn warn_with_help(&mut self, span: Span, message: impl Into<String>, help: impl Into<String>) {
        self.diags
            .report_with_help(Severity::Warning, span, message, help);
    }

    fn unsupported(&mut self, span: Span, message: impl Into<String>) {
        self.diags.report(Severity::Unsupported, span, message);
    }

    /// Reports a setting that lets others in, with the line to write.
    fn insecure(&mut self, span: Span, message: impl Into<String>, help: impl Into<String>) {
        self.diags
            .report_with_help(Severity::InsecureSetting, span, message, help);
    }

    fn error(&mut self, span: Span, message: impl Into<String>, help: impl Into<String>) {
        self.diags
            .report_with_help(Severity::Error, span, message, help);
    }

    /// If something in `range` was reported, adds to it that `object` is `what`. False: it was not.
    fn follows(
        &mut self,
        range: Option<Span>,
        severity: Severity,
        what: &'static str,
        object: String,
    ) -> bool {
        let cause = range.and_then(|range| self.diags.cause_in(range));
        if let Some(cause) = cause {
            self.diags.add_consequence(cause, severity, what, object);
        }
        cause.is_some()
    }

    /// Reports that `object` is left out because its block has no valid `keyword`: as a consequence
    /// if an invalid one was reported, otherwise by a message with this help.
    fn left_out(&mut self, node: &Node, keyword: &str, object: String, help: &str) {
        let range = Fields::inside(node).removed(keyword);
        let message = format!("{object} has no valid `{keyword}`; left out");
        if !self.follows(range, Severity::Error, "left out", object) {
            self.error(node.keyword.span, message, help);
        }
    }

    /// The settings of the process, except those of mail.
    fn global(
        &mut self,
        top: &Fields<'_>,
        global_defs: &Fields<'_>,
        instances: &[VrrpInstance],
    ) -> Global {
        let [notify_fifo, vrrp_notify_fifo] = self.fifos(global_defs);
        let control = self.control_socket(global_defs);
        if let Some(file) = global_defs.word("reload_check_config") {
            let span = global_defs
                .last("reload_check_config")
                .map(|node| node.span());
            let message = format!("{file} is not written: what is wrong is logged at the reload");
            self.note(span.unwrap_or_default(), message);
        }
        Global {
            notify_fifo,
            vrrp_notify_fifo,
            startup_script: self.blocking_script(global_defs, "startup_script"),
            shutdown_script: self.blocking_script(global_defs, "shutdown_script"),
            control,
            dumps: process::dumps(global_defs),
            process: self.process(top, global_defs),
            ..global::plain_settings(top, global_defs, instances, self.diags)
        }
    }

    /// All instances that can run, and the position of each.
    fn instances(&mut self, top: &Fields<'_>) -> (Vec<VrrpInstance>, Vec<Span>) {
        let mut instances: Vec<VrrpInstance> = Vec::new();
        let mut spans: Vec<Span> = Vec::new();
        let mut same_vrid = SameVrid::new();
        for node in top.all("vrrp_instance") {
            if instances.len() >= MAX_INSTANCES {
                let message = format!("more than {MAX_INSTANCES} instances; the rest are left out");
                self.diags
                    .report(Severity::Error, node.keyword.span, message);
                break;
            }
            let Some(instance) = self.instance(node) else {
                self.ignore_tracked_by(node);
                continue;
            };
            let span = node.keyword.span;
            if let Some(first) = same_vrid.find(&instances, &instance) {
                let VrrpInstance { name, vrid, .. } = &instance;
                let first = spans.get(first).copied().unwrap_or_default();
                let at = self.sources.locate(first, span);
                let message = format!(
                    "adverts of instance `{name}` cannot be distinguished from those of the instance on {at}: both have virtual_router_id {vrid} on {}; left out",
                    instance.interface.or_any()
                );
                let help = "give each instance on an interface its own `virtual_router_id`, `mcast_dst_ip` or peers";
                let range = Fields::inside(node).removed("unicast_peer");
                let object = format!("instance `{name}`");
                if !self.follows(range, Severity::Error, "left out", object) {
                    self.error(span, message, help);
                }
                continue;
            }
            same_vrid.push(instance.vrid);
            spans.push(span);
            instances.push(instance);
        }
        (instances, spans)
    }

    /// Reports addresses that two instances share. Both instances run.
    fn compare_instances(&mut self, instances: &[VrrpInstance], spans: &[Span]) {
        let mut addresses = SpanMap::default();
        for (instance, span) in instances.iter().zip(spans) {
            let name = &instance.name;
            for vmac in &instance.vmacs {
                let Some(mac) = vmac.mac() else { continue };
                let key = format!("{mac} {}", vmac.base);
                if let Some(first) = addresses.earlier_or_insert(&key, *span) {
                    let at = self.sources.locate(first, *span);
                    let message = format!(
                        "`{name}` and the instance on {at} have the MAC address {mac} on `{}`, where only one macvlan can have it",
                        vmac.base
                    );
                    let help = "write another MAC address in `use_vmac` of one of them";
                    self.tolerated_with_help(*span, message, help);
                }
            }
            let mut reported = false;
            for address in instance.vips.iter().chain(&instance.excluded_vips) {
                let addr = address.cidr.addr;
                let first = addresses.earlier_or_insert(&format!("{addr} {}", address.dev), *span);
                let Some(first) = first.filter(|_| !reported) else {
                    continue;
                };
                reported = true;
                let at = self.sources.locate(first, *span);
                let message = format!(
                    "`{name}` and the instance on {at} both have {addr}: it is removed when either stops being master"
                );
                self.note(*span, message);
            }
        }
    }

    /// The index of a `track_group` by its name.
    fn track_group(&mut self, word: &Word) -> Option<usize> {
        let index = self.track_groups.get(&word.text);
        if index.is_none() {
            let message = format!("unknown track_group `{}`; ignored", word.text);
            self.warn(word.span, message);
        }
        index
    }

    /// The instances of each `track_group`. The checker has reported unknown names.
    fn track_groups(
        &mut self,
        top: &Fields<'_>,
        instances: &[VrrpInstance],
    ) -> Vec<Vec<InstanceId>> {
        for node in top.all("track_group") {
            if Fields::inside(node).items("group").next().is_none() {
                self.note(
                    node.keyword.span,
                    "track_group without `group` has no effect",
                );
            }
        }
        let names = NameIndex::of(instances.iter().map(|one| &*one.name));
        let members = |node| {
            let fields = Fields::inside(node);
            let items = fields.items("group");
            let words = items.flat_map(|item| core::iter::once(&item.keyword).chain(&item.args));
            words
                .filter_map(|word| names.get(&word.text))
                .map(InstanceId)
                .collect()
        };
        top.all("track_group").map(members).collect()
    }

    fn static_addresses(&mut self, top: &Fields<'_>) -> Vec<Address> {
        let dev = self.defaults.interface.clone();
        let mut list = AddressList::default();
        for item in top.items("static_ipaddress") {
            if let Some(word) = item.args.iter().find(|word| &*word.text == "use_vmac") {
                let message = "`use_vmac` is for virtual addresses; ignored";
                self.warn(word.span, message);
            }
            if let Some(address) = self.address(item, dev.as_ref()) {
                self.add_unless_duplicate(&mut list, address, item);
            }
        }
        list.addresses
    }
}

/// The positions of the `track_group` blocks.
fn track_groups(top: &Fields<'_>) -> NameIndex {
    NameIndex::of(top.all("track_group").filter_map(first))
}
