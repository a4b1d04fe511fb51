//! All programs that a configuration runs.

use super::lvs::CheckKind;
use super::{Command, Config, Fifo, Notify};

/// What a command is configured for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Purpose<'a> {
    /// The keyword.
    pub keyword: &'static str,
    /// The name of its object; empty for a setting of the whole process.
    pub name: &'a str,
}

impl core::fmt::Display for Purpose<'_> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str(self.keyword)?;
        if self.name.is_empty() {
            return Ok(());
        }
        write!(f, " {}", self.name)
    }
}

impl Config {
    /// Calls `each` for every command of the configuration.
    pub fn each_program<'a>(&'a self, each: &mut dyn FnMut(Purpose<'a>, &'a Command)) {
        let mut one = |keyword, name: &'a str, command: Option<&'a Command>| {
            if let Some(command) = command {
                each(Purpose { keyword, name }, command);
            }
        };
        for script in &self.scripts {
            one("vrrp_script", &script.name, Some(&script.command));
        }
        let instances = self.instances.iter().map(|one| (&one.name, &*one.notify));
        let groups = self.sync_groups.iter().map(|one| (&one.name, &one.notify));
        for (name, notify) in instances.chain(groups) {
            for (keyword, command) in notify.commands() {
                one(keyword, name, command);
            }
        }
        for (keyword, fifo) in self.fifos() {
            one(keyword, "", fifo.script.as_ref());
        }
        let global = &self.global;
        for (keyword, script) in [
            ("startup_script", &global.startup_script),
            ("shutdown_script", &global.shutdown_script),
        ] {
            one(keyword, "", script.as_ref().map(|script| &script.command));
        }
        if cfg!(not(feature = "lvs")) {
            return;
        }
        for service in &self.lvs.virtual_servers {
            one("quorum_up", &service.name, service.quorum_up.as_ref());
            one("quorum_down", &service.name, service.quorum_down.as_ref());
            for server in &service.real_servers {
                one("notify_up", &service.name, server.notify_up.as_ref());
                one("notify_down", &service.name, server.notify_down.as_ref());
                for check in &server.checks {
                    if let CheckKind::Misc { command, .. } = &check.kind {
                        one("misc_path", &service.name, Some(command));
                    }
                }
            }
        }
    }

    /// The FIFOs, each with the keyword of its script.
    pub fn fifos(&self) -> impl Iterator<Item = (&'static str, &Fifo)> {
        let all = [
            ("notify_fifo_script", &self.global.notify_fifo),
            ("vrrp_notify_fifo_script", &self.global.vrrp_notify_fifo),
            ("lvs_notify_fifo_script", &self.lvs.notify_fifo),
        ];
        let set = all.into_iter();
        set.filter_map(|(keyword, fifo)| Some((keyword, fifo.as_ref()?)))
    }
}

impl Notify {
    /// Its commands with their keywords.
    fn commands(&self) -> [(&'static str, Option<&Command>); 7] {
        [
            ("notify", &self.any),
            ("notify_master", &self.master),
            ("notify_backup", &self.backup),
            ("notify_fault", &self.fault),
            ("notify_stop", &self.stop),
            ("notify_deleted", &self.deleted),
            ("notify_master_rx_lower_pri", &self.master_rx_lower_pri),
        ]
        .map(|(keyword, command)| (keyword, command.as_ref()))
    }
}
