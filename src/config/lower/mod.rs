//! Tree to model: defaults are filled in, global settings reach the instances, combinations that make
//! no sense are settled and said. Works on a tree that [`super::check`] has passed: every statement left
//! in it is known, in its block, and its words are values of their type.
//!
//! What cannot run is left out with an error; everything else runs.

mod address;
mod fields;
mod garp;
mod global;
mod instance;
mod transport;

use super::check::Line;
use super::diag::{Diags, Severity, Span};
use super::model::{Auth, Config, VrrpInstance};
use super::schema::value;
use super::tree::{Block, Node};
use crate::types::IfName;
use fields::Fields;
use global::Defaults;

/// Turns a checked tree into the model.
#[must_use]
pub fn lower(root: &Block, line: Line<'_>, diags: &mut Diags) -> Config {
    let top = Fields::of(root);
    let global_defs = Fields::merged(top.all("global_defs"));
    let defaults = Defaults::from(&global_defs, diags);
    let mut lowering = Lowering {
        diags,
        line,
        defaults,
    };
    let (instances, spans) = lowering.instances(&top);
    lowering.compare(&instances, &spans);
    Config {
        global: global::global(&top, &global_defs, lowering.diags),
        static_addresses: lowering.static_addresses(&top),
        instances,
    }
}

/// What lowering carries along.
struct Lowering<'a> {
    diags: &'a mut Diags,
    line: Line<'a>,
    defaults: Defaults,
}

impl Lowering<'_> {
    fn warn(&mut self, span: Span, message: impl Into<String>) {
        self.diags.say(Severity::Warning, span, message);
    }

    fn error(&mut self, span: Span, message: impl Into<String>, help: impl Into<String>) {
        self.diags.help(Severity::Error, span, message, help);
    }

    /// All instances that can run, each with its place.
    fn instances(&mut self, top: &Fields<'_>) -> (Vec<VrrpInstance>, Vec<Span>) {
        let mut instances: Vec<VrrpInstance> = Vec::new();
        let mut spans: Vec<Span> = Vec::new();
        for node in top.all("vrrp_instance") {
            let Some(instance) = self.instance(node) else {
                continue;
            };
            let twin = instances.iter().zip(&spans).find(|(other, _)| {
                (&other.interface, other.family, other.vrid)
                    == (&instance.interface, instance.family, instance.vrid)
            });
            if let Some((other, span)) = twin {
                let message = format!(
                    "`{}` has virtual_router_id {} on {} like `{}` on line {}; left out",
                    instance.name,
                    instance.vrid,
                    instance.interface,
                    other.name,
                    (self.line)(*span)
                );
                let help = "give every virtual router of an interface a virtual_router_id of its own";
                self.error(node.keyword.span, message, help);
                continue;
            }
            spans.push(node.keyword.span);
            instances.push(instance);
        }
        (instances, spans)
    }

    /// Oddities between instances that can run all the same.
    fn compare(&mut self, instances: &[VrrpInstance], spans: &[Span]) {
        let mut told = false;
        for (index, (one, span)) in instances.iter().zip(spans).enumerate() {
            for (other, _) in instances.iter().zip(spans).take(index) {
                let same_password = matches!(one.auth, Auth::Pass(_)) && one.auth == other.auth;
                if same_password && one.interface == other.interface && !told {
                    told = true;
                    let message = format!(
                        "`{}` and `{}` have the same password, which cannot tell them apart then",
                        one.name, other.name
                    );
                    self.diags.say(Severity::Note, *span, message);
                }
                self.shared_address(one, other, *span);
            }
        }
    }

    /// The same address on the same interface in two instances: one removes it under the other's feet.
    fn shared_address(&mut self, one: &VrrpInstance, other: &VrrpInstance, span: Span) {
        let theirs = || other.vips.iter().chain(&other.excluded);
        let shared = one.vips.iter().chain(&one.excluded).find(|mine| {
            theirs().any(|their| their.cidr.addr == mine.cidr.addr && their.dev == mine.dev)
        });
        if let Some(shared) = shared {
            let message = format!(
                "`{}` and `{}` both have {}: when one of them gives it up the other loses it",
                one.name, other.name, shared.cidr.addr
            );
            self.warn(span, message);
        }
    }

    fn static_addresses(&mut self, top: &Fields<'_>) -> Vec<super::model::Address> {
        let dev = self.defaults.interface.clone();
        let mut list = Vec::new();
        for item in top.items("static_ipaddress") {
            if let Some(address) = self.address(item, dev.as_ref()) {
                self.add_unless_known(&mut list, address, item, "static_ipaddress");
            }
        }
        list
    }
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
