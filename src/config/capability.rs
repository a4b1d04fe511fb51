//! Which capabilities (capabilities(7)) a configuration needs, and what for.
//!
//! The daemon gives up all others once it is up, and the service units grant exactly those of
//! [`Capability::ALL`]. Programs that run as root are not restricted by this.

use super::model::{Config, ProcessSettings, User};

/// A capability that some configuration needs, with its number in `linux/capability.h`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u8)]
pub enum Capability {
    /// Owner of a notify FIFO.
    Chown = 0,
    /// Files and directories of the configuration that belong to another user.
    DacOverride = 1,
    /// Configuration and tracked files that belong to another user.
    DacReadSearch = 2,
    /// Signals to programs.
    Kill = 5,
    /// Programs of another user or group.
    SetGid = 6,
    /// Programs of another user.
    SetUid = 7,
    /// `bind_port` below 1024.
    NetBindService = 10,
    /// Addresses, routes, macvlans, packet filter, IPVS, sysctls.
    NetAdmin = 12,
    /// Adverts, gratuitous ARP, pings.
    NetRaw = 13,
    /// `vrrp_no_swap`.
    IpcLock = 14,
    /// `vrrp_track_process` where /proc is mounted with `hidepid`.
    SysPtrace = 19,
    /// `net_namespace`, at the start only.
    SysAdmin = 21,
    /// Priorities of the process.
    SysNice = 23,
}

impl Capability {
    /// All of them, by number.
    pub const ALL: [Capability; 13] = [
        Capability::Chown,
        Capability::DacOverride,
        Capability::DacReadSearch,
        Capability::Kill,
        Capability::SetGid,
        Capability::SetUid,
        Capability::NetBindService,
        Capability::NetAdmin,
        Capability::NetRaw,
        Capability::IpcLock,
        Capability::SysPtrace,
        Capability::SysAdmin,
        Capability::SysNice,
    ];

    /// What starting and ending programs of other users takes.
    pub const FOR_PROGRAMS: [Capability; 3] =
        [Capability::Kill, Capability::SetGid, Capability::SetUid];

    /// The number.
    #[must_use]
    pub const fn number(self) -> u8 {
        self as u8
    }

    /// The name: `CAP_NET_ADMIN`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Capability::Chown => "CAP_CHOWN",
            Capability::DacOverride => "CAP_DAC_OVERRIDE",
            Capability::DacReadSearch => "CAP_DAC_READ_SEARCH",
            Capability::Kill => "CAP_KILL",
            Capability::SetGid => "CAP_SETGID",
            Capability::SetUid => "CAP_SETUID",
            Capability::NetBindService => "CAP_NET_BIND_SERVICE",
            Capability::NetAdmin => "CAP_NET_ADMIN",
            Capability::NetRaw => "CAP_NET_RAW",
            Capability::IpcLock => "CAP_IPC_LOCK",
            Capability::SysPtrace => "CAP_SYS_PTRACE",
            Capability::SysAdmin => "CAP_SYS_ADMIN",
            Capability::SysNice => "CAP_SYS_NICE",
        }
    }
}

/// A capability, and the first keyword found that needs it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Need {
    /// The capability.
    pub capability: Capability,
    /// For messages: `vrrp_script chk`.
    pub purpose: String,
}

impl core::fmt::Display for Need {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "{} ({})", self.capability.name(), self.purpose)
    }
}

/// What is needed, each capability once.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Needs {
    list: Vec<Need>,
    /// A program that runs as root like the daemon, and gets all capabilities.
    pub program_of_root: Option<String>,
}

impl Needs {
    /// What the daemon needs as long as it runs this configuration, as the user `own`.
    #[must_use]
    pub fn to_run(config: &Config, own: User) -> Self {
        let mut needs = Needs::default();
        needs.add(Capability::NetAdmin, &"addresses and interfaces");
        needs.add(Capability::NetRaw, &"adverts and gratuitous ARP");
        config.each_program(&mut |purpose, command| {
            let other = command.user != own;
            // What a program of root starts may run as another user.
            if own.uid == 0 {
                needs.add(Capability::Kill, &purpose);
                if command.user.uid == 0 {
                    let program = &mut needs.program_of_root;
                    program.get_or_insert_with(|| purpose.to_string());
                }
            }
            if other {
                for one in Capability::FOR_PROGRAMS {
                    needs.add(one, &purpose);
                }
            }
        });
        if config.fifos().any(|(_, fifo)| fifo.user != own) {
            needs.add(Capability::Chown, &"owner of a notify FIFO");
        }
        let control = &config.global.control;
        let owner = (control.uid, control.gid);
        if owner != (None, None) && owner != (Some(own.uid), Some(own.gid)) {
            needs.add(Capability::Chown, &"owner of the control socket");
        }
        if cfg!(feature = "lvs") {
            let services = config.lvs.virtual_servers.iter();
            let mut servers = services.flat_map(|service| &service.real_servers);
            let low = |port: u16| (1..1024).contains(&port);
            if servers.any(|server| server.checks.iter().any(|check| low(check.bind_port()))) {
                needs.add(Capability::NetBindService, &"bind_port below 1024");
            }
        }
        let process = &config.global.process;
        if process.max_auto_priority.is_some_and(|max| max > 0) {
            needs.add(Capability::SysNice, &"max_auto_priority");
        }
        if process.no_swap {
            needs.add(Capability::IpcLock, &"vrrp_no_swap");
        }
        needs
    }

    /// Adds what is needed once, at the start.
    pub fn add_to_start(&mut self, process: &ProcessSettings) {
        self.add_to_change(&ProcessSettings::default(), process);
        if process.net_namespace.is_some() {
            self.add(Capability::SysAdmin, &"net_namespace");
        }
    }

    /// Adds what is needed once, to change the settings of the process at a reload.
    pub fn add_to_change(&mut self, old: &ProcessSettings, new: &ProcessSettings) {
        if new.nice.unwrap_or(0) < old.nice.unwrap_or(0) {
            self.add(Capability::SysNice, &"vrrp_priority");
        }
        if new.rt_priority > old.rt_priority {
            self.add(Capability::SysNice, &"vrrp_rt_priority");
        }
    }

    /// Adds a capability, unless it is needed for something else already.
    pub fn add(&mut self, capability: Capability, purpose: &dyn core::fmt::Display) {
        if !self.list.iter().any(|need| need.capability == capability) {
            let purpose = purpose.to_string();
            let need = Need {
                capability,
                purpose,
            };
            self.list.push(need);
        }
    }

    /// All needs.
    pub fn iter(&self) -> core::slice::Iter<'_, Need> {
        self.list.iter()
    }
}

impl ProcessSettings {
    /// These settings, with those of `old` where a change would need a capability.
    #[must_use]
    pub fn without_more_rights(&self, old: &ProcessSettings) -> ProcessSettings {
        let mut settings = self.clone();
        if settings.nice.unwrap_or(0) < old.nice.unwrap_or(0) {
            settings.nice = old.nice;
        }
        if settings.rt_priority > old.rt_priority {
            settings.rt_priority = old.rt_priority;
        }
        settings.no_swap &= old.no_swap;
        settings
    }
}

#[cfg(test)]
mod tests;
