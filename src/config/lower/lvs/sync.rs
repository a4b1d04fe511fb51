//! `lvs_sync_daemon`, and the old way to write it into an instance.

use super::{number, option};
use crate::config::diag::Severity;
use crate::config::lower::fields::Fields;
use crate::config::lower::{Lowering, first, interface};
use crate::config::model::VrrpInstance;
use crate::config::model::lvs::SyncDaemon;
use crate::config::schema::value;
use crate::config::tree::{Node, Word};
use crate::types::InstanceId;

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
            let Some(mut own) = plain(node) else {
                continue;
            };
            // An instance that is left out has nothing to share.
            if follow(&mut own, name, instances).is_some() {
                let message = "`lvs_sync_daemon_interface` is out of use; taken for `lvs_sync_daemon` in global_defs";
                let help = format!(
                    "write `lvs_sync_daemon {} {name}` in `global_defs`",
                    own.interface
                );
                self.diags
                    .report_with_help(Severity::Note, node.span(), message, help);
                daemon = Some(own);
            }
        }
        daemon
    }

    /// `lvs_sync_daemon IF [[inst] INSTANCE [ID]] [id N] …`.
    fn global_daemon(&mut self, node: &Node, instances: &[VrrpInstance]) -> Option<SyncDaemon> {
        let mut daemon = SyncDaemon {
            max_len: option(node, "maxlen").and_then(number),
            port: option(node, "port").and_then(number),
            ttl: option(node, "ttl").and_then(number),
            group: option(node, "group").and_then(value::ip),
            ..plain(node)?
        };
        let mut id = None;
        let mut words = node.args.iter().skip(1);
        while let Some(word) = words.next() {
            match &*word.text {
                "inst" => {}
                "id" | "maxlen" | "port" | "ttl" | "group" => _ = words.next(),
                name if daemon.instance.is_none() => {
                    follow(&mut daemon, name, instances).or_else(|| self.unknown_instance(word))?
                }
                // The old form has the id without its name.
                text => id = number(text).or(id),
            }
        }
        if let Some(id) = option(node, "id").and_then(number).or(id) {
            daemon.id = id;
        }
        Some(daemon)
    }

    fn unknown_instance<T>(&mut self, name: &Word) -> Option<T> {
        let message = format!(
            "there is no vrrp_instance `{}`; lvs_sync_daemon ignored",
            name.text
        );
        self.error(
            name.span,
            message,
            "name the instance whose state it follows",
        );
        None
    }
}

/// Lets a daemon follow the instance of this name, and take its number; `None` when there is no such instance.
fn follow(daemon: &mut SyncDaemon, name: &str, instances: &[VrrpInstance]) -> Option<()> {
    let place = instances.iter().position(|one| one.name == name)?;
    daemon.instance = Some(InstanceId(place));
    daemon.id = instances.get(place)?.vrid.get();
    Some(())
}

/// A daemon on the interface that is the first word.
fn plain(node: &Node) -> Option<SyncDaemon> {
    Some(SyncDaemon {
        interface: interface(node)?,
        instance: None,
        id: 0,
        max_len: None,
        port: None,
        ttl: None,
        group: None,
    })
}
