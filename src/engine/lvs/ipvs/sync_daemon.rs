//! Connection synchronization (`lvs_sync_daemon`): the kernel's daemon in role master sends
//! connections, the one in role backup receives them.
//!
//! If a VRRP instance is configured, its state decides which role runs; otherwise both run. Running
//! daemons are listed, wrong ones are stopped, then missing ones are started.

use std::io;

use crate::config::model::lvs::SyncDaemon;
use crate::engine::cx::Cx;
use crate::engine::instance::router::{Router, Routers};
use crate::engine::kernel::addresses::reason;
use crate::engine::lvs::Lvs;
use crate::engine::lvs::ipvs::IpvsConn;
use crate::engine::lvs::ipvs::table::{MIXED, Table};
use crate::engine::shared::Shared;
use crate::log;
use crate::netlink::ipvs::{self, Daemon, Message, Role};
use crate::types::Family;
use crate::types::InstanceId;
use crate::types::errno::{EINVAL, ESRCH};

/// The roles that should run.
pub(crate) type Roles = &'static [Role];

/// The kernel's sync daemons.
#[derive(Debug, Default)]
pub(crate) struct SyncDaemons {
    wanted: Option<(SyncDaemon, Roles)>,
    /// The kernel's daemons must be compared with the wanted ones.
    recheck: bool,
    /// They run with outdated settings.
    outdated: bool,
    /// One has been configured since the daemon started.
    ours: bool,
    /// The kernel's refusal.
    pub(crate) refused: Option<String>,
}

impl SyncDaemons {
    pub(crate) fn is_wanted(&self) -> bool {
        self.wanted.is_some()
    }

    pub(crate) fn is_busy(&self) -> bool {
        self.recheck
    }

    pub(crate) fn set(&mut self, wanted: Option<(&SyncDaemon, Roles)>) {
        let old = self.wanted.as_ref().map(|(conf, _)| conf);
        self.outdated |= self.ours && old != wanted.map(|(conf, _)| conf);
        self.wanted = wanted.map(|(conf, role)| (conf.clone(), role));
        self.ours |= self.wanted.is_some();
        self.recheck();
    }

    pub(crate) fn recheck(&mut self) {
        self.recheck |= self.ours;
    }

    /// Lists, stops and starts daemons.
    ///
    /// # Errors
    /// IPVS cannot be reached.
    pub(crate) fn work(&mut self, table: &Table, conn: &mut IpvsConn<'_>) -> io::Result<()> {
        if !self.recheck {
            return Ok(());
        }
        self.refused = None;
        let (mut stop, mut run) = (RoleList::new(), RoleList::new());
        let family = conn.family;
        ipvs::list_daemons(conn.batch(), family);
        conn.list(Family::V4, &mut |message| {
            let Message::Daemon(seen) = message else {
                return;
            };
            let fits = self.wanted.as_ref().is_some_and(|(conf, roles)| {
                roles.contains(&seen.role) && is_same(&daemon(conf, seen.role), seen)
            });
            let good = fits && !self.outdated;
            // The kernel has at most two.
            let _ = if good { &mut run } else { &mut stop }.push(seen.role);
        })?;
        let batch = conn.batch();
        for role in &stop {
            ipvs::delete_daemon(batch, family, *role);
        }
        if let Some((conf, roles)) = &self.wanted {
            for role in roles.iter().filter(|role| !run.contains(role)) {
                ipvs::add_daemon(batch, family, &daemon(conf, *role));
            }
        }
        let changes = !batch.is_empty();
        if changes {
            let mut refused = None;
            conn.request(&mut |ack| {
                if ack.errno != ESRCH {
                    refused.get_or_insert_with(|| (ack.errno, reason(ack)));
                }
            })?;
            self.refused = refused.map(|(errno, why)| match errno {
                EINVAL if table.is_mixed() => format!("sync daemon: {why}: {MIXED}"),
                _ => format!("sync daemon: {why}"),
            });
        }
        self.recheck = false;
        self.outdated = false;
        self.ours = self.wanted.is_some();
        if changes && self.refused.is_none() {
            self.log_roles();
        }
        Ok(())
    }

    fn log_roles(&self) {
        let Some((conf, roles)) = &self.wanted else {
            return log::info!(target: "lvs", "sync daemon stopped");
        };
        let activity = match roles {
            [Role::Master] => "master, sending connections",
            [Role::Backup] => "backup, receiving connections",
            _ => "sending and receiving connections",
        };
        log::info!(target: "lvs", "sync daemon on {}: {activity}", conf.interface);
    }

    /// Stops daemons that we have started.
    pub(crate) fn withdraw(&mut self, conn: &mut IpvsConn<'_>) -> io::Result<()> {
        if !core::mem::take(&mut self.ours) {
            return Ok(());
        }
        let family = conn.family;
        let batch = conn.batch();
        for role in [Role::Master, Role::Backup] {
            ipvs::delete_daemon(batch, family, role);
        }
        conn.request(&mut |_| ())
    }
}

impl Lvs {
    /// An instance has changed its state: starts and stops sync daemons if it is the configured
    /// one.
    pub(in crate::engine::lvs) fn follow_instance(
        &mut self,
        cx: &mut Cx<'_>,
        shared: &mut Shared,
        routers: &Routers,
        instance: InstanceId,
    ) {
        let sync = self.conf.sync_daemon.as_ref();
        if shared.stopping || sync.is_none_or(|sync| sync.instance != Some(instance)) {
            return;
        }
        self.set_sync_roles(routers);
        if self.ipvs.is_reachable() {
            self.ipvs.work(cx);
        }
        self.set_ipvs_timer(cx, shared);
    }

    /// Sets the roles that should run.
    pub(in crate::engine::lvs) fn set_sync_roles(&mut self, routers: &Routers) {
        let is_master = |id: InstanceId| routers.get(id).is_some_and(Router::is_master);
        let sync = self.conf.sync_daemon.as_ref();
        let wanted = sync.map(|sync| {
            let roles: Roles = match sync.instance.map(is_master) {
                Some(true) => &[Role::Master],
                Some(false) => &[Role::Backup],
                None => &[Role::Master, Role::Backup],
            };
            (sync, roles)
        });
        self.ipvs.sync.set(wanted);
    }
}

type RoleList = heapless::Vec<Role, 2>;

fn daemon(conf: &SyncDaemon, role: Role) -> Daemon<'_> {
    Daemon {
        role,
        interface: conf.interface.as_str(),
        id: conf.id,
        max_len: conf.max_len,
        group: conf.group,
        port: conf.port,
        ttl: conf.ttl,
    }
}

/// Whether a running daemon is as wanted. `max_len` is not compared: the kernel adapts it to the
/// interface.
fn is_same(wanted: &Daemon<'_>, seen: &Daemon<'_>) -> bool {
    wanted.role == seen.role
        && wanted.interface == seen.interface
        && wanted.id == seen.id
        && (wanted.group.is_none() || wanted.group == seen.group)
        && (wanted.port.is_none() || wanted.port == seen.port)
        && (wanted.ttl.is_none() || wanted.ttl == seen.ttl)
}
