//! Reports interfaces that do not exist. They may come later, so everything is used as written.

use super::Host;
use super::diag::{Diags, Severity};
use super::model::Config;
use super::schema::nearest_word;
use super::span_map::SpanMap;

/// Reports those of `named` that neither exist nor are created by the configuration.
pub(super) fn report_missing(named: &SpanMap, config: &Config, host: &dyn Host, diags: &mut Diags) {
    if config.global.process.net_namespace.is_some() {
        return;
    }
    // Usually all exist.
    let mut present = None;
    let created = |name: &str| {
        let mut vmacs = config.instances.iter().flat_map(|one| &one.vmacs);
        vmacs.any(|vmac| vmac.name.as_str() == name)
    };
    for name in named.keys() {
        let Some(span) = named.get(name) else {
            continue;
        };
        if host.has_interface(name) || created(name) {
            continue;
        }
        let present = present.get_or_insert_with(|| host.interfaces().unwrap_or_default());
        let message = format!("interface {name} does not exist now");
        let near = nearest_word(present.iter().map(String::as_str), name);
        match near.map(|near| format!("did you mean `{near}`?")) {
            Some(help) => diags.report_with_help(Severity::Tolerated, span, message, help),
            None => diags.report(Severity::Note, span, message),
        }
    }
}
