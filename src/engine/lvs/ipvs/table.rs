//! IPVS services and destinations, one slice of work at a time.
//!
//! ```text
//! recheck ─ list services ─→ missing: add with all servers ──────────────┐
//!              │ └─ differing: change; formerly desired: delete ─────────┼→ queue ─ 64 in one sendmsg ─→ refusals
//!              └─→ walk: for each present service, list servers, diff ───┘
//! ```
//! The queue is emptied before the walk continues, so that lists include the effect of all previous
//! edits. A change of the desired state is appended to the queue at any time.

use std::collections::VecDeque;
use std::io;

use crate::engine::kernel::addresses::reason;
use crate::engine::lvs::ipvs::IpvsConn;
use crate::lvs::desired::DesiredService;
use crate::lvs::diff::{Diff, Edit, EditOp};
use crate::netlink::ipvs::{self, Command, Message, ServiceEntry};
use crate::netlink::{Ack, Batch};
use crate::types::errno::{EEXIST, EINVAL, ENOENT, ESRCH};
use crate::types::ipvs::{Destination, Service, ServiceKey};
use crate::types::{Family, sorted};

/// Requests per `sendmsg`; as many refusals fit into the socket's receive buffer.
const CHUNK: usize = 64;
/// Cost of a slice in requests: about two milliseconds. Requests for a service with more than
/// [`LARGE`] servers cost more, because the kernel searches its servers linearly.
const BUDGET: usize = 256;
const LARGE: usize = 1000;
/// Cost of listing the servers of a service, in requests.
const LIST_COST: usize = 4;
/// Listed servers that cost as much as one request.
const LISTED_PER_REQUEST: usize = 16;

/// The kernel refuses the one while it has the other.
pub(crate) const MIXED: &str = "the kernel does not support lvs_sync_daemon together with real \
                                servers of another address family than their service";

/// State of a service in the kernel.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum State {
    Missing,
    Present,
    Refused,
}

#[derive(Debug)]
struct Entry {
    service: Service,
    servers: Vec<Destination>,
    state: State,
}

impl Entry {
    fn new(service: &Service, servers: &[Destination]) -> Self {
        Entry {
            service: service.clone(),
            servers: servers.to_vec(),
            state: State::Missing,
        }
    }
}

/// The desired services, and the progress of bringing them into the kernel.
#[derive(Debug, Default)]
pub(crate) struct Table {
    /// The desired services, sorted by key.
    entries: Vec<Entry>,
    /// Services of ours that are to be deleted.
    removed: Vec<ServiceKey>,
    /// The kernel's services must be listed.
    recheck: bool,
    /// The next entry whose servers are compared.
    walk: Option<usize>,
    queue: VecDeque<Edit>,
    /// The kernel's table has changed since it was listed: list it again, once.
    stale: bool,
    listed_again: bool,
    /// Schedulers that the kernel has, and that it lacks, as found in this round. Each request for
    /// a missing one may make the kernel run modprobe and wait for it.
    known_schedulers: Vec<String>,
    unknown_schedulers: Vec<String>,
    /// Edits done in this round, and a description of the first.
    edits: usize,
    first_edit: Option<String>,
    /// Requests refused in this round, and a description of the first.
    pub(crate) refused: usize,
    pub(crate) first_refused: Option<String>,
    /// Buffer for listed servers.
    actual: Vec<Destination>,
    diff: Diff,
}

impl Table {
    pub(crate) fn is_empty(&self) -> bool {
        self.entries.is_empty() && self.removed.is_empty()
    }

    /// Numbers of desired services and servers.
    pub(crate) fn count(&self) -> (usize, usize) {
        let servers = self.entries.iter().map(|entry| entry.servers.len());
        (self.entries.len(), servers.sum())
    }

    pub(crate) fn has(&self, key: &ServiceKey) -> bool {
        self.find(key).is_ok()
    }

    /// Whether a service has servers of the other address family.
    pub(crate) fn is_mixed(&self) -> bool {
        self.entries.iter().any(|entry| {
            let own = entry.service.key.family();
            entry
                .servers
                .iter()
                .any(|server| Family::of(server.addr) != own)
        })
    }

    fn find(&self, key: &ServiceKey) -> Result<usize, usize> {
        let entries = &self.entries;
        entries.binary_search_by(|entry| entry.service.key.cmp(key))
    }

    fn entry(&mut self, key: &ServiceKey) -> Option<&mut Entry> {
        let index = self.find(key).ok()?;
        self.entries.get_mut(index)
    }

    // ---- desired state ----

    /// Replaces all desired services.
    pub(crate) fn replace(&mut self, desired: &[DesiredService]) {
        let keys = desired.iter().map(|one| one.service.key);
        let order = sorted(keys.zip(0_usize..).collect());
        let mut entries: Vec<Entry> = order
            .into_iter()
            .filter_map(|(_, index)| desired.get(index))
            .map(|one| Entry::new(&one.service, &one.destinations))
            .collect();
        entries.dedup_by_key(|entry| entry.service.key);
        for old in core::mem::replace(&mut self.entries, entries) {
            self.removed.push(old.service.key);
        }
        let mut removed = core::mem::take(&mut self.removed);
        removed.retain(|key| self.find(key).is_err());
        self.removed = removed;
        self.recheck();
    }

    /// Replaces one desired service.
    pub(crate) fn change(&mut self, desired: &DesiredService) {
        let (service, servers) = (&desired.service, desired.destinations.as_slice());
        let key = service.key;
        let index = match self.find(&key) {
            Ok(index) => index,
            Err(index) => {
                self.removed.retain(|removed| *removed != key);
                self.entries.insert(index, Entry::new(service, servers));
                self.recheck();
                return;
            }
        };
        let Some(entry) = self.entries.get_mut(index) else {
            return;
        };
        if entry.service != *service {
            entry.service.clone_from(service);
            if entry.state == State::Present {
                self.queue.push_back(Edit::new(key, EditOp::SetService));
            }
        }
        let old = core::mem::replace(&mut entry.servers, servers.to_vec());
        match entry.state {
            State::Present => {}
            // It may be queued to be added with its old servers.
            State::Missing => return self.recheck(),
            // The next round uses the new state.
            State::Refused => return,
        }
        let (desired, queue) = (&entry.servers, &mut self.queue);
        self.diff.servers(key, desired, &old, queue);
    }

    /// The kernel's table may have changed.
    pub(crate) fn recheck(&mut self) {
        self.recheck = true;
    }

    // ---- work ----

    /// Whether there is something to do.
    pub(crate) fn is_busy(&self) -> bool {
        self.recheck || self.walk.is_some() || !self.queue.is_empty()
    }

    /// Works for one slice.
    ///
    /// # Errors
    /// IPVS cannot be reached; [`Table::abort`] must be called.
    pub(crate) fn work(&mut self, conn: &mut IpvsConn<'_>) -> io::Result<()> {
        let mut left = BUDGET;
        while left > 0 {
            let cost = if self.recheck {
                self.list_services(conn)?
            } else if !self.queue.is_empty() {
                self.send(conn)?
            } else if let Some(index) = self.walk {
                self.compare(index, conn)?
            } else if self.stale && !self.listed_again {
                self.listed_again = true;
                self.list_services(conn)?
            } else {
                break;
            };
            left = left.saturating_sub(cost);
        }
        Ok(())
    }

    /// Ends a round: the number of edits, and a description of the first.
    pub(crate) fn finish_round(&mut self) -> (usize, Option<String>) {
        if core::mem::take(&mut self.stale) {
            self.refuse(|| "another program changes the services at the same time".into());
        }
        self.listed_again = false;
        (core::mem::take(&mut self.edits), self.first_edit.take())
    }

    /// IPVS could not be reached: the next round starts from the beginning.
    pub(crate) fn abort(&mut self) {
        self.queue.clear();
        self.walk = None;
        self.recheck = true;
        self.stale = false;
        self.listed_again = false;
    }

    /// Lists the services.
    fn list_services(&mut self, conn: &mut IpvsConn<'_>) -> io::Result<usize> {
        self.queue.clear();
        self.stale = false;
        self.known_schedulers.clear();
        self.unknown_schedulers.clear();
        (self.refused, self.first_refused) = (0, None);
        for entry in &mut self.entries {
            entry.state = State::Missing;
        }
        let mut listed = 0_usize;
        let family = conn.family;
        ipvs::list_services(conn.batch(), family);
        conn.list(Family::V4, &mut |message| {
            if let Message::Service(service) = message {
                listed = listed.saturating_add(1);
                self.compare_service(service);
            }
        })?;
        self.recheck = false;
        self.walk = Some(0);
        // Services first: a refused one is known before its servers are requested.
        let missing = self
            .entries
            .iter()
            .filter(|entry| entry.state == State::Missing);
        let keys = missing.clone().map(|entry| entry.service.key);
        self.queue
            .extend(keys.map(|key| Edit::new(key, EditOp::AddService)));
        for entry in missing {
            let key = entry.service.key;
            let servers = entry.servers.iter();
            self.queue
                .extend(servers.map(|server| Edit::new(key, EditOp::Add(*server))));
        }
        Ok(listed / LISTED_PER_REQUEST + LIST_COST)
    }

    /// A service is in the kernel's table.
    fn compare_service(&mut self, listed: &ServiceEntry<'_>) {
        let key = listed.key;
        let Some(entry) = self.entry(&key) else {
            if self.removed.contains(&key) {
                self.queue.push_back(Edit::new(key, EditOp::DeleteService));
            }
            return;
        };
        let known = core::mem::replace(&mut entry.state, State::Present) == State::Present;
        if !known && !listed.matches(&entry.service) {
            self.queue.push_back(Edit::new(key, EditOp::SetService));
        }
    }

    /// Lists and compares the servers of a service in the kernel's table.
    fn compare(&mut self, index: usize, conn: &mut IpvsConn<'_>) -> io::Result<usize> {
        let Some(entry) = self.entries.get(index) else {
            self.walk = None;
            return Ok(0);
        };
        self.walk = Some(index.saturating_add(1));
        if entry.state != State::Present {
            return Ok(0);
        }
        let key = entry.service.key;
        let actual = &mut self.actual;
        actual.clear();
        let family = conn.family;
        ipvs::list_servers(conn.batch(), family, &key);
        conn.list(key.family(), &mut |message| {
            if let Message::Server(server) = message {
                actual.push(server.server);
            }
        })?;
        let (desired, queue) = (&entry.servers, &mut self.queue);
        self.diff.servers(key, desired, actual, queue);
        Ok(actual.len() / LISTED_PER_REQUEST + LIST_COST)
    }

    // ---- edits ----

    /// Sends the next edits.
    fn send(&mut self, conn: &mut IpvsConn<'_>) -> io::Result<usize> {
        let mut chunk: heapless::Vec<Edit, CHUNK> = heapless::Vec::new();
        let family = conn.family;
        let batch = conn.batch();
        let first_seq = batch.next_seq();
        while let Some(&edit) = self.queue.front() {
            let batching = self.batching(&edit);
            let waits = matches!(batching, Batching::Alone | Batching::After) && !chunk.is_empty();
            if waits || chunk.is_full() {
                break;
            }
            self.queue.pop_front();
            if matches!(batching, Batching::Skip | Batching::After) {
                continue;
            }
            self.encode(&edit, batch, family);
            // The chunk is not full.
            let _ = chunk.push(edit);
            if batching == Batching::Alone {
                break;
            }
        }
        if chunk.is_empty() {
            return Ok(1);
        }
        let mut refused = [false; CHUNK];
        conn.request(&mut |ack| {
            let nth = usize::try_from(ack.seq.wrapping_sub(first_seq)).unwrap_or(usize::MAX);
            if let (Some(edit), Some(refused)) = (chunk.get(nth), refused.get_mut(nth)) {
                *refused = true;
                self.handle_refusal(edit, ack);
            }
        })?;
        for (edit, _) in chunk.iter().zip(refused).filter(|(_, refused)| !refused) {
            self.done(edit);
        }
        let first = chunk.first().and_then(|edit| self.entry(&edit.key));
        let servers = first.map_or(0, |entry| entry.servers.len());
        Ok(chunk
            .len()
            .saturating_mul((servers / LARGE).saturating_add(1)))
    }

    /// How an edit may be sent.
    fn batching(&mut self, edit: &Edit) -> Batching {
        if edit.op == EditOp::DeleteService {
            return Batching::Together;
        }
        let Ok(index) = self.find(&edit.key) else {
            return Batching::Skip;
        };
        let Some(entry) = self.entries.get_mut(index) else {
            return Batching::Skip;
        };
        if !matches!(edit.op, EditOp::AddService | EditOp::SetService) {
            return match entry.state {
                State::Present => Batching::Together,
                State::Missing => Batching::After,
                State::Refused => Batching::Skip,
            };
        }
        let scheduler = &entry.service.scheduler;
        if self.unknown_schedulers.contains(scheduler) {
            if edit.op == EditOp::AddService {
                entry.state = State::Refused;
            }
            self.refused = self.refused.saturating_add(1);
            return Batching::Skip;
        }
        if self.known_schedulers.contains(scheduler) {
            return Batching::Together;
        }
        Batching::Alone
    }

    fn encode(&self, edit: &Edit, batch: &mut Batch, family: u16) {
        let key = &edit.key;
        let how = match edit.op {
            EditOp::AddService | EditOp::Add(_) => Command::New,
            EditOp::SetService | EditOp::Set(_) | EditOp::DeleteService | EditOp::Delete(_) => {
                Command::Set
            }
        };
        match &edit.op {
            EditOp::AddService | EditOp::SetService => {
                let index = self.find(key).ok();
                if let Some(entry) = index.and_then(|index| self.entries.get(index)) {
                    ipvs::write_service(batch, family, how, &entry.service);
                }
            }
            EditOp::DeleteService => {
                ipvs::delete_service(batch, family, key);
            }
            EditOp::Add(server) | EditOp::Set(server) => {
                ipvs::write_server(batch, family, how, key, server);
            }
            EditOp::Delete(server) => {
                ipvs::delete_server(batch, family, key, server);
            }
        }
    }

    /// The kernel accepted an edit.
    fn done(&mut self, edit: &Edit) {
        match edit.op {
            EditOp::AddService | EditOp::SetService => {
                if let Some(entry) = self.entry(&edit.key) {
                    entry.state = State::Present;
                    let scheduler = entry.service.scheduler.clone();
                    if !self.known_schedulers.contains(&scheduler) {
                        self.known_schedulers.push(scheduler);
                    }
                }
            }
            EditOp::DeleteService => self.removed.retain(|key| *key != edit.key),
            EditOp::Add(_) | EditOp::Set(_) | EditOp::Delete(_) => {}
        }
        self.edits = self.edits.saturating_add(1);
        self.first_edit.get_or_insert_with(|| describe(edit));
    }

    /// The kernel refused an edit.
    fn handle_refusal(&mut self, edit: &Edit, ack: &Ack<'_>) {
        let key = edit.key;
        let mut replace_with = |op| {
            let retried = true;
            self.queue.push_front(Edit { key, op, retried });
        };
        match (edit.op, ack.errno) {
            (EditOp::DeleteService, ESRCH) => self.removed.retain(|removed| *removed != key),
            (EditOp::Delete(_), ENOENT | ESRCH) => {}
            (EditOp::Add(server), EEXIST) if !edit.retried => replace_with(EditOp::Set(server)),
            (EditOp::Set(server), ENOENT) if !edit.retried => replace_with(EditOp::Add(server)),
            (EditOp::AddService, EEXIST)
            | (EditOp::SetService | EditOp::Add(_) | EditOp::Set(_), ESRCH) => self.stale = true,
            (EditOp::AddService | EditOp::SetService, errno) => {
                self.refused_service(edit, errno, ack)
            }
            (EditOp::Add(server), EINVAL) if Family::of(server.addr) != key.family() => self
                .refuse(|| {
                    let (subject, why) = (subject(edit), reason(ack));
                    format!("{subject}: {why}: {MIXED}")
                }),
            (_, _) => {
                self.refuse(|| format!("{}: {}", subject(edit), reason(ack)));
            }
        }
    }

    fn refuse(&mut self, describe: impl FnOnce() -> String) {
        self.refused = self.refused.saturating_add(1);
        self.first_refused.get_or_insert_with(describe);
    }

    fn refused_service(&mut self, edit: &Edit, errno: i32, ack: &Ack<'_>) {
        let Some(entry) = self.entry(&edit.key) else {
            return;
        };
        if edit.op == EditOp::AddService {
            entry.state = State::Refused;
        }
        let name = entry.service.scheduler.clone();
        if errno != ENOENT {
            return self.refuse(|| format!("{}: {}", subject(edit), reason(ack)));
        }
        self.refuse(|| {
            format!(
                "{}: the kernel has no scheduler {name} \
                 (install the module ip_vs_{name}; OpenWrt: kmod-nf-ipvs)",
                edit.key
            )
        });
        self.unknown_schedulers.push(name);
    }

    // ---- end ----

    /// Deletes our services, with their servers.
    pub(crate) fn withdraw(&mut self, conn: &mut IpvsConn<'_>) -> io::Result<()> {
        self.queue.clear();
        let removed = self.removed.iter();
        self.queue
            .extend(removed.map(|key| Edit::new(*key, EditOp::DeleteService)));
        for entry in &self.entries {
            let edit = Edit::new(entry.service.key, EditOp::DeleteService);
            self.queue.push_back(edit);
        }
        while !self.queue.is_empty() {
            self.send(conn)?;
        }
        self.entries.clear();
        self.removed.clear();
        Ok(())
    }
}

/// How an edit may be sent.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Batching {
    /// Together with others.
    Together,
    /// Alone: others depend on whether the kernel has the scheduler.
    Alone,
    /// After the current chunk, if its service has been added by then.
    After,
    /// Not at all: it would be refused.
    Skip,
}

fn subject(edit: &Edit) -> String {
    let key = &edit.key;
    match edit.op {
        EditOp::AddService | EditOp::SetService | EditOp::DeleteService => key.to_string(),
        EditOp::Add(server) | EditOp::Set(server) | EditOp::Delete(server) => {
            format!("{server} of {key}")
        }
    }
}

fn describe(edit: &Edit) -> String {
    let verb = match edit.op {
        EditOp::AddService | EditOp::Add(_) => "added",
        EditOp::SetService | EditOp::Set(_) => "changed",
        EditOp::DeleteService | EditOp::Delete(_) => "removed",
    };
    format!("{} {verb}", subject(edit))
}
