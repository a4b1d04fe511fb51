//! `-P` and `-C`: one half of a configuration, for two daemons that share a file, or for one that has nothing else to do.

use super::model::{Config, Lvs};

/// Which half.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Half {
    /// Instances and what belongs to them; connection synchronization follows one of them.
    Vrrp,
    /// Virtual servers and their checks.
    Lvs,
}

/// Leaves out the other half. Places of what stays do not change. The answer is how many instances or virtual servers
/// there were in it.
pub fn keep(half: Half, config: &mut Config) -> usize {
    match half {
        Half::Vrrp => {
            let lvs = core::mem::take(&mut config.lvs);
            config.lvs = Lvs {
                sync: lvs.sync,
                ..Lvs::default()
            };
            lvs.servers.len()
        }
        Half::Lvs => {
            let whole = core::mem::take(config);
            *config = Config {
                global: whole.global,
                // FILE_CHECK names them by their place.
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
