//! Connection synchronization: the master tells of its connections, the backup listens.
//!
//! One half runs at a time, as the instance that is followed is master or not; both run where none is followed. The
//! kernel is asked what runs, what should not run is stopped, then what is missing is started.

use std::io;

use crate::config::model::lvs::SyncDaemon;
use crate::engine::kernel::addresses::reason;
use crate::engine::lvs::ipvs::Line;
use crate::engine::lvs::ipvs::table::{MIXED, Table};
use crate::netlink::ipvs::{self, Daemon, Message, Role};
use crate::types::Family;
use crate::types::errno::{EINVAL, ESRCH};

/// The halves that should run.
pub(crate) type Roles = &'static [Role];

/// See the top of the file.
#[derive(Debug, Default)]
pub(crate) struct Sync {
    wanted: Option<(SyncDaemon, Roles)>,
    /// What runs may be another than what should run.
    doubt: bool,
    /// It runs with settings that are no longer wanted.
    outdated: bool,
    /// One was wanted since we began.
    ours: bool,
    /// Why it does not run.
    pub(crate) refused: Option<String>,
}

impl Sync {
    pub(crate) fn is_wanted(&self) -> bool {
        self.wanted.is_some()
    }

    pub(crate) fn is_busy(&self) -> bool {
        self.doubt
    }

    pub(crate) fn set(&mut self, wanted: Option<(&SyncDaemon, Roles)>) {
        let old = self.wanted.as_ref().map(|(conf, _)| conf);
        self.outdated |= self.ours && old != wanted.map(|(conf, _)| conf);
        self.wanted = wanted.map(|(conf, role)| (conf.clone(), role));
        self.ours |= self.wanted.is_some();
        self.suspect();
    }

    pub(crate) fn suspect(&mut self) {
        self.doubt |= self.ours;
    }

    /// Stops and starts.
    ///
    /// # Errors
    /// When the kernel does not answer.
    pub(crate) fn work(&mut self, table: &Table, line: &mut Line<'_>) -> io::Result<()> {
        if !self.doubt {
            return Ok(());
        }
        self.refused = None;
        let (mut stop, mut run) = (Halves::new(), Halves::new());
        let family = line.family;
        ipvs::list_daemons(line.batch(), family);
        line.list(Family::V4, &mut |message| {
            let Message::Daemon(seen) = message else {
                return;
            };
            let fits = self.wanted.as_ref().is_some_and(|(conf, roles)| {
                roles.contains(&seen.role) && is_same(&daemon(conf, seen.role), seen)
            });
            let good = fits && !self.outdated;
            // There are no more than two.
            let _ = if good { &mut run } else { &mut stop }.push(seen.role);
        })?;
        let batch = line.batch();
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
            line.request(&mut |ack| {
                if ack.errno != ESRCH {
                    refused.get_or_insert_with(|| (ack.errno, reason(ack)));
                }
            })?;
            self.refused = refused.map(|(errno, why)| match errno {
                EINVAL if table.is_mixed() => format!("sync daemon: {why}: {MIXED}"),
                _ => format!("sync daemon: {why}"),
            });
        }
        self.doubt = false;
        self.outdated = false;
        self.ours = self.wanted.is_some();
        if changes && self.refused.is_none() {
            self.say();
        }
        Ok(())
    }

    fn say(&self) {
        let Some((conf, roles)) = &self.wanted else {
            return log::info!(target: "lvs", "sync daemon stopped");
        };
        let what = match roles {
            [Role::Master] => "master, connections are told to others",
            [Role::Backup] => "backup, connections of others are learned",
            _ => "connections are told to others and learned from them",
        };
        log::info!(target: "lvs", "sync daemon on {}: {what}", conf.interface);
    }

    /// Stops what we have started.
    pub(crate) fn withdraw(&mut self, line: &mut Line<'_>) -> io::Result<()> {
        if !core::mem::take(&mut self.ours) {
            return Ok(());
        }
        let family = line.family;
        let batch = line.batch();
        for role in [Role::Master, Role::Backup] {
            ipvs::delete_daemon(batch, family, role);
        }
        line.request(&mut |_| ())
    }
}

type Halves = heapless::Vec<Role, 2>;

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

/// Whether that one is running. The kernel fits the length of messages to the interface, so it is not compared.
fn is_same(wanted: &Daemon<'_>, seen: &Daemon<'_>) -> bool {
    wanted.role == seen.role
        && wanted.interface == seen.interface
        && wanted.id == seen.id
        && (wanted.group.is_none() || wanted.group == seen.group)
        && (wanted.port.is_none() || wanted.port == seen.port)
        && (wanted.ttl.is_none() || wanted.ttl == seen.ttl)
}
