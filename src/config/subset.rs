//! `-P` and `-C`: the part of a configuration that one of several processes uses.

use super::model::{Config, Lvs};
use crate::types::Subsystems;

/// Removes what `subsystems` does not select. Indexes into the lists that stay do not change. Returns how many instances
/// or virtual servers were removed.
pub fn keep(subsystems: Subsystems, config: &mut Config) -> usize {
    match subsystems {
        Subsystems::All => 0,
        Subsystems::Vrrp => {
            let lvs = core::mem::take(&mut config.lvs);
            config.lvs = Lvs {
                // Connection synchronization follows an instance.
                sync: lvs.sync,
                ..Lvs::default()
            };
            lvs.servers.len()
        }
        Subsystems::VirtualServers => {
            let whole = core::mem::take(config);
            *config = Config {
                global: whole.global,
                // FILE_CHECK refers to track files by index.
                files: whole.files,
                lvs: whole.lvs,
                ..Config::default()
            };
            config.global.vrrp_fifo = None;
            config.lvs.sync = None;
            whole.instances.len()
        }
    }
}
