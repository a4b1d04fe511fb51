//! `lvs_sync_daemon`, and the old way to write it into an instance.

use super::{number, option};
use crate::config::diag::Severity;
use crate::config::lower::fields::Fields;
use crate::config::lower::{Lowering, first, interface};
use crate::config::model::VrrpInstance;
use crate::config::model::lvs::SyncDaemon;
use crate::config::schema::value;
use crate::config::tree::Node;

impl Lowering<'_> {
    /// The sync daemon; the kernel has one. The first line counts.
    pub(super) fn sync_daemon(
        &mut self,
        top: &Fields<'_>,
        global: &Fields<'_>,
        instances: &[VrrpInstance],
    ) -> Option<SyncDaemon> {
        let mut daemon = None;
        for (nth, node) in global.all("lvs_sync_daemon").enumerate() {
            if nth > 0 {
                let message = "there is one lvs_sync_daemon only, the first; this one is ignored";
                self.warn(node.span(), message);
            } else {
                daemon = self.global_daemon(node, instances);
            }
        }
        for block in top.all("vrrp_instance") {
            let fields = Fields::inside(block);
            let Some(node) = fields.last("lvs_sync_daemon_interface") else {
                continue;
            };
            let name = first(block).unwrap_or_default();
            if daemon.is_some() {
                let message = "there is an lvs_sync_daemon already; this one is ignored";
                self.warn(node.span(), message);
                continue;
            }
            daemon = instance_daemon(name, node, instances);
            if let Some(daemon) = &daemon {
                let message = "`lvs_sync_daemon_interface` is out of use; taken for `lvs_sync_daemon` in global_defs";
                let help = format!(
                    "write `lvs_sync_daemon {} {name}` in `global_defs`",
                    daemon.interface
                );
                self.diags.help(Severity::Note, node.span(), message, help);
            }
        }
        daemon
    }

    /// `lvs_sync_daemon IF [inst] INSTANCE [ID] [id N] …`.
    fn global_daemon(&mut self, node: &Node, instances: &[VrrpInstance]) -> Option<SyncDaemon> {
        let mut words = node.args.iter().skip(1).peekable();
        words.next_if(|word| &*word.text == "inst");
        let Some(name) = words.next() else {
            let message = "this lvs_sync_daemon follows no instance; ignored";
            let help =
                "write `lvs_sync_daemon IF INSTANCE`: as master it sends, as backup it receives";
            self.error(node.span(), message, help);
            return None;
        };
        let Some(mut daemon) = instance_daemon(&name.text, node, instances) else {
            let message = format!(
                "there is no vrrp_instance `{}`; lvs_sync_daemon ignored",
                name.text
            );
            self.error(
                name.span,
                message,
                "name the instance whose state it follows",
            );
            return None;
        };
        // The old form has the id without its name.
        let bare = words.next().and_then(|word| number(&word.text));
        if let Some(id) = option(node, "id").and_then(number).or(bare) {
            daemon.id = id;
        }
        daemon.max_len = option(node, "maxlen").and_then(number);
        daemon.port = option(node, "port").and_then(number);
        daemon.ttl = option(node, "ttl").and_then(number);
        daemon.group = option(node, "group").and_then(value::ip);
        Some(daemon)
    }
}

/// A daemon as one instance would have it; `None` when there is no such instance.
fn instance_daemon(name: &str, node: &Node, instances: &[VrrpInstance]) -> Option<SyncDaemon> {
    let place = instances.iter().position(|one| one.name == name)?;
    let id = instances.get(place)?.vrid.get();
    Some(SyncDaemon {
        interface: interface(node)?,
        instance: place,
        id,
        max_len: None,
        port: None,
        ttl: None,
        group: None,
    })
}
