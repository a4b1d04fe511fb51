//! Tree to model: defaults are filled in, global settings reach the instances, combinations that make
//! no sense are settled and said. Works on a tree that [`super::check`] has passed: every statement left
//! in it is known, in its block, and its words are values of their type.
//!
//! What cannot run is left out with an error; everything else runs.

mod address;
mod auth;
mod command;
mod fields;
mod garp;
mod global;
mod group;
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
use super::model::{Address, Auth, Config, Global, VrrpInstance};
use super::schema::value;
use super::source::Sources;
use super::span_map::SpanMap;
use super::tree::{Block, Node, Word};
use crate::types::{IfName, InstanceId};
use address::AddressList;
use command::ScriptDefaults;
use fields::Fields;
use global::Defaults;
use names::Names;
use track::Objects;

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
        priorities: (rule::FIRST_PRIORITY, rule::FIRST_PRIORITY),
        names: Names::new(host, &global_defs),
        track_group_names: names_of_track_groups(&top),
        objects: Objects::default(),
        vmacs: SpanMap::default(),
        scripts: ScriptDefaults::default(),
    };
    lowering.script_defaults(&global_defs);
    lowering.read_objects(&top);
    let (mut instances, spans) = lowering.instances(&top);
    lowering.compare(&instances, &spans);
    let groups = lowering.groups(&top, &mut instances);
    #[cfg(feature = "lvs")]
    let lvs = lowering.lvs(&top, &global_defs, &instances);
    #[cfg(not(feature = "lvs"))]
    let lvs = super::model::Lvs::default();
    lowering.unused_objects();
    #[cfg(feature = "mail")]
    let mail = lowering.mail(&global_defs, &top);
    #[cfg(not(feature = "mail"))]
    let mail = None;
    let [fifo, vrrp_fifo] = lowering.fifos(&global_defs);
    let global = Global {
        smtp: mail,
        notify_fifo: fifo,
        vrrp_notify_fifo: vrrp_fifo,
        startup_script: lowering.bounded(&global_defs, "startup_script"),
        shutdown_script: lowering.bounded(&global_defs, "shutdown_script"),
        dumps: lowering.dumps(&global_defs),
        process: lowering.process(&top, &global_defs),
        ..global::global(&top, &global_defs, lowering.diags)
    };
    let track_groups = lowering.track_groups(&top, &instances);
    let static_addresses = lowering.static_addresses(&top);
    let static_routes = lowering.routes(top.items("static_routes"));
    let static_rules = lowering.rules(top.items("static_rules"));
    let Objects {
        scripts,
        files,
        processes,
        ..
    } = lowering.objects;
    Config {
        global,
        instances,
        sync_groups: groups,
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

/// More instances than this are not made: no router needs them, and a slip in a sequence must not
/// eat its memory.
const MAX_INSTANCES: usize = 8192;
/// The same for addresses, of all instances together.
const MAX_ADDRESSES: u32 = 32_768;

/// What lowering carries along.
struct Lowering<'a> {
    diags: &'a mut Diags,
    host: &'a dyn Host,
    sources: &'a Sources,
    defaults: Defaults,
    /// Addresses made so far.
    addresses: u32,
    /// Routes and rules made so far.
    routes: u32,
    /// What the next rule without priority gets, IPv4 and IPv6.
    priorities: (u32, u32),
    /// Numbers with names.
    names: Names<'a>,
    /// Names of the `track_group` blocks.
    track_group_names: Vec<Box<str>>,
    /// Names of macvlans taken so far.
    vmacs: SpanMap,
    /// What can be tracked.
    objects: Objects<'a>,
    /// Who runs scripts, and which are refused.
    scripts: ScriptDefaults,
}

impl Lowering<'_> {
    fn note(&mut self, span: Span, message: impl Into<String>) {
        self.diags.report(Severity::Note, span, message);
    }

    fn warn(&mut self, span: Span, message: impl Into<String>) {
        self.diags.report(Severity::Warning, span, message);
    }

    fn error(&mut self, span: Span, message: impl Into<String>, help: impl Into<String>) {
        self.diags
            .report_with_help(Severity::Error, span, message, help);
    }

    /// All instances that can run, each with its place.
    fn instances(&mut self, top: &Fields<'_>) -> (Vec<VrrpInstance>, Vec<Span>) {
        let mut taken = SpanMap::default();
        let mut instances: Vec<VrrpInstance> = Vec::new();
        let mut spans: Vec<Span> = Vec::new();
        for node in top.all("vrrp_instance") {
            if instances.len() >= MAX_INSTANCES {
                let message = format!("more than {MAX_INSTANCES} instances; the rest is left out");
                self.diags
                    .report(Severity::Error, node.keyword.span, message);
                break;
            }
            let Some(instance) = self.instance(node) else {
                continue;
            };
            let span = node.keyword.span;
            let VrrpInstance {
                name,
                interface,
                family,
                vrid,
                ..
            } = &instance;
            if let Some(first) =
                taken.earlier_or_insert(&format!("{interface} {family} {vrid}"), span)
            {
                let at = self.sources.locate(first, span);
                let message = format!(
                    "`{name}` has virtual_router_id {vrid} on {interface} like the instance on {at}; left out"
                );
                let help =
                    "give every virtual router of an interface a virtual_router_id of its own";
                self.error(span, message, help);
                continue;
            }
            spans.push(span);
            instances.push(instance);
        }
        (instances, spans)
    }

    /// Oddities between instances that can run all the same.
    fn compare(&mut self, instances: &[VrrpInstance], spans: &[Span]) {
        let mut passwords = SpanMap::default();
        let mut addresses = SpanMap::default();
        let mut told = false;
        for (instance, span) in instances.iter().zip(spans) {
            let VrrpInstance {
                name, interface, ..
            } = instance;
            if let Auth::Pass(password) | Auth::Ah(password) = instance.auth {
                let key = format!("{interface} {:?}", password.0);
                let first = passwords.earlier_or_insert(&key, *span).filter(|_| !told);
                if let Some(first) = first {
                    told = true;
                    let at = self.sources.locate(first, *span);
                    let message = format!(
                        "`{name}` has the password of the instance on {at}, which cannot tell them apart then"
                    );
                    self.note(*span, message);
                }
            }
            let mut said = false;
            for address in instance.vips.iter().chain(&instance.excluded_vips) {
                let addr = address.cidr.addr;
                let first = addresses.earlier_or_insert(&format!("{addr} {}", address.dev), *span);
                let Some(first) = first.filter(|_| !said) else {
                    continue;
                };
                said = true;
                let at = self.sources.locate(first, *span);
                let message = format!(
                    "`{name}` and the instance on {at} both have {addr}: when one gives it up the other loses it"
                );
                self.note(*span, message);
            }
        }
    }

    /// The place of a `track_group` by its name.
    fn track_group(&mut self, word: &Word) -> Option<usize> {
        let mut names = self.track_group_names.iter();
        let place = names.position(|name| *name == word.text);
        if place.is_none() {
            let message = format!("no track_group is called `{}`; ignored", word.text);
            self.warn(word.span, message);
        }
        place
    }

    /// The instances in each `track_group`; that they are defined has been checked.
    fn track_groups(&self, top: &Fields<'_>, instances: &[VrrpInstance]) -> Vec<Vec<InstanceId>> {
        let members = |node| {
            let fields = Fields::inside(node);
            let items = fields.items("group");
            let words = items.flat_map(|item| core::iter::once(&item.keyword).chain(&item.args));
            let position = |word: &Word| instances.iter().position(|one| *one.name == *word.text);
            words.filter_map(position).map(InstanceId).collect()
        };
        top.all("track_group").map(members).collect()
    }

    fn static_addresses(&mut self, top: &Fields<'_>) -> Vec<Address> {
        let dev = self.defaults.interface.clone();
        let mut list = AddressList::default();
        for item in top.items("static_ipaddress") {
            if let Some(address) = self.address(item, dev.as_ref()) {
                self.add_unless_known(&mut list, address, item);
            }
        }
        list.addresses
    }
}

/// The names of the `track_group` blocks.
fn names_of_track_groups(top: &Fields<'_>) -> Vec<Box<str>> {
    top.all("track_group")
        .filter_map(first)
        .map(Box::from)
        .collect()
}

/// First word after a keyword.
fn first(node: &Node) -> Option<&str> {
    node.args.first().map(|word| &*word.text)
}

/// First word after a keyword as an interface.
fn interface(node: &Node) -> Option<IfName> {
    first(node).and_then(IfName::new)
}

/// First word after a keyword as a span of time.
fn seconds(node: &Node) -> Option<core::time::Duration> {
    first(node).and_then(value::duration)
}
