//! `-P` and `-C`: the part of a configuration that one of several processes uses.

use super::model::{Config, Lvs};
use crate::types::Subsystems;

/// Removes what `subsystems` does not select. Indexes into the lists that stay do not change.
/// Returns how many instances or virtual servers were removed.
pub fn keep(subsystems: Subsystems, config: &mut Config) -> usize {
    match subsystems {
        Subsystems::All => 0,
        Subsystems::Vrrp => {
            let lvs = core::mem::take(&mut config.lvs);
            config.lvs = Lvs {
                // Connection synchronization follows an instance.
                sync_daemon: lvs.sync_daemon,
                ..Lvs::default()
            };
            lvs.virtual_servers.len()
        }
        Subsystems::VirtualServers => {
            let whole = core::mem::take(config);
            *config = Config {
                global: whole.global,
                // FILE_CHECK refers to track files by index.
                track_files: whole.track_files,
                lvs: whole.lvs,
                ..Config::default()
            };
            config.global.vrrp_notify_fifo = None;
            config.lvs.sync_daemon = None;
            whole.instances.len()
        }
    }
}
