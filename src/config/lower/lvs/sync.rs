//! `lvs_sync_daemon`, and the obsolete `lvs_sync_daemon_interface` of instances.

use super::{number, option};
use crate::config::lower::fields::Fields;
use crate::config::lower::{Lowering, first, interface};
use crate::config::model::VrrpInstance;
use crate::config::model::lvs::SyncDaemon;
use crate::config::schema::value;
use crate::config::tree::{Node, Word};
use crate::types::InstanceId;

impl Lowering<'_> {
    /// The sync daemon. vrrpd runs one; the first line is used.
    pub(super) fn sync_daemon(
        &mut self,
        top: &Fields<'_>,
        global: &Fields<'_>,
        instances: &[VrrpInstance],
    ) -> Option<SyncDaemon> {
        let mut daemon = None;
        for (nth, node) in global.all("lvs_sync_daemon").enumerate() {
            if nth > 0 {
                let message =
                    "only one `lvs_sync_daemon` is possible, and the first is used; ignored";
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
                let message = "there already is an `lvs_sync_daemon`; ignored";
                self.warn(node.span(), message);
                continue;
            }
            let Some(mut own) = plain(node) else {
                continue;
            };
            // The instance may have been left out.
            if follow(&mut own, name, instances).is_some() {
                let message = "`lvs_sync_daemon_interface` is obsolete; taken as `lvs_sync_daemon` of `global_defs`";
                let help = format!(
                    "write `lvs_sync_daemon {} {name}` in `global_defs`",
                    own.interface
                );
                self.note_with_help(node.span(), message, help);
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
                // The obsolete form has the id without `id`.
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
            "unknown vrrp_instance `{}`; `lvs_sync_daemon` ignored",
            name.text
        );
        self.error(
            name.span,
            message,
            "write the name of the instance whose state it follows",
        );
        None
    }
}

/// Makes a daemon follow the instance of this name and use its VRID as id; `None` if there is no
/// such instance.
fn follow(daemon: &mut SyncDaemon, name: &str, instances: &[VrrpInstance]) -> Option<()> {
    let index = instances.iter().position(|one| one.name == name)?;
    daemon.instance = Some(InstanceId(index));
    daemon.id = instances.get(index)?.vrid.get();
    Some(())
}

/// A daemon with defaults, on the interface that is the first argument.
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
