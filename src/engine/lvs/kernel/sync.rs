//! Connection synchronization: the master tells of its connections, the backup listens.
//!
//! One half runs at a time, as the instance that is followed is master or not; both where none is followed. The
//! kernel is asked what runs, what should not run is stopped, then what is missing is started.

use std::io;

use super::Line;
use crate::config::model::lvs::SyncDaemon;
use crate::engine::addresses::reason;
use crate::netlink::ipvs::{self, Daemon, Message, Role};
use crate::types::Family;

const ESRCH: i32 = 3;

/// See the top of the file.
#[derive(Debug, Default)]
pub(super) struct Sync {
    /// The role is missing when both run.
    wanted: Option<(SyncDaemon, Option<Role>)>,
    /// What runs may be another than what should run.
    doubt: bool,
    /// It runs with settings that are no longer wanted.
    outdated: bool,
    /// One was wanted since we began.
    ours: bool,
    /// Why it does not run.
    pub(super) refused: Option<String>,
}

impl Sync {
    pub(super) fn is_wanted(&self) -> bool {
        self.wanted.is_some()
    }

    pub(super) fn is_busy(&self) -> bool {
        self.doubt
    }

    pub(super) fn set(&mut self, wanted: Option<(&SyncDaemon, Option<Role>)>) {
        let old = self.wanted.as_ref().map(|(conf, _)| conf);
        self.outdated |= self.ours && old != wanted.map(|(conf, _)| conf);
        self.wanted = wanted.map(|(conf, role)| (conf.clone(), role));
        self.ours |= self.wanted.is_some();
        self.suspect();
    }

    pub(super) fn suspect(&mut self) {
        self.doubt |= self.ours;
    }

    /// Stops and starts.
    ///
    /// # Errors
    /// When the kernel does not answer.
    pub(super) fn work(&mut self, line: &mut Line<'_>) -> io::Result<()> {
        if !self.doubt {
            return Ok(());
        }
        self.refused = None;
        let wanted = |role| {
            let (conf, only) = self.wanted.as_ref()?;
            let runs = only.is_none_or(|only| only == role);
            runs.then(|| daemon(conf, role))
        };
        let mut wrong: heapless::Vec<Role, 2> = heapless::Vec::new();
        let mut right: heapless::Vec<Role, 2> = heapless::Vec::new();
        let family = line.family;
        ipvs::list_daemons(line.batch(), family);
        line.list(Family::V4, &mut |message| {
            let Message::Daemon(seen) = message else {
                return;
            };
            let fits = wanted(seen.role).is_some_and(|wanted| is_same(&wanted, seen));
            // There are no more than two.
            let _ = match fits && !self.outdated {
                true => right.push(seen.role),
                false => wrong.push(seen.role),
            };
        })?;
        let batch = line.batch();
        for role in &wrong {
            ipvs::delete_daemon(batch, family, *role);
        }
        let mut started = false;
        for role in [Role::Master, Role::Backup] {
            if let Some(wanted) = wanted(role).filter(|_| !right.contains(&role)) {
                ipvs::add_daemon(batch, family, &wanted);
                started = true;
            }
        }
        let changed = started || !wrong.is_empty();
        if !batch.is_empty() {
            let mut refused = None;
            line.request(&mut |ack| {
                if ack.errno != ESRCH {
                    refused.get_or_insert_with(|| reason(ack));
                }
            })?;
            let interface = self.wanted.as_ref();
            let interface = interface.map_or("", |(conf, _)| conf.interface.as_str());
            self.refused = refused.map(|why| format!("sync daemon on {interface}: {why}"));
        }
        self.doubt = false;
        self.outdated = false;
        self.ours = self.wanted.is_some();
        if self.refused.is_none() && changed {
            self.say();
        }
        Ok(())
    }

    fn say(&self) {
        match &self.wanted {
            Some((conf, None)) => log::info!(
                target: "lvs",
                "sync daemon on {}: connections are told to others, and theirs are learned",
                conf.interface
            ),
            Some((conf, Some(Role::Master))) => log::info!(
                target: "lvs",
                "sync daemon on {}: master, connections are told to others",
                conf.interface
            ),
            Some((conf, Some(Role::Backup))) => log::info!(
                target: "lvs",
                "sync daemon on {}: backup, connections of others are learned",
                conf.interface
            ),
            None => log::info!(target: "lvs", "sync daemon stopped"),
        }
    }

    /// Stops what we have started.
    pub(super) fn withdraw(&mut self, line: &mut Line<'_>) -> io::Result<()> {
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
