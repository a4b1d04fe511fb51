//! Services and their servers, one turn of work at a time.
//!
//! ```text
//! doubt ─ list services ─→ new: added with all servers ─────────────┐
//!            │ └─ other properties: changed; once ours: deleted ────┼→ queue ─ 64 in one sendmsg ─→ refusals
//!            └─→ walk: each that is there, list its servers, diff ──┘
//! ```
//! The queue is emptied before the walk goes on: what is listed is what all edits so far have led to. A change from
//! outside is appended to the queue, whatever is under way.

use std::collections::VecDeque;
use std::io;

use crate::engine::kernel::addresses::reason;
use crate::engine::lvs::ipvs::Line;
use crate::lvs::diff::{Diff, Edit, EditOp};
use crate::netlink::ipvs::{self, Command, Message, ServiceEntry};
use crate::netlink::{Ack, Batch};
use crate::types::errno::{EEXIST, EINVAL, ENOENT, ESRCH};
use crate::types::ipvs::{Destination, Service, ServiceKey};
use crate::types::{Family, sorted};

/// Requests per `sendmsg`: as many refusals fit the socket's buffer with ease.
const CHUNK: usize = 64;
/// Requests per turn: about two milliseconds. Of a large service they cost more, because the kernel looks a server up by
/// going through all of them.
const BUDGET: usize = 256;
const LARGE: usize = 1000;
/// What it costs to list the servers of a service, in requests; more with many servers.
const LIST: usize = 4;
const LISTED: usize = 16;

/// Either is refused while there is the other.
pub(crate) const MIXED: &str = "the kernel synchronizes no connections (lvs_sync_daemon) as long as a service has \
                                servers of the other address family";

/// EditOp is known of a service.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum State {
    Missing,
    There,
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

/// See the top of the file.
#[derive(Debug, Default)]
pub(crate) struct Table {
    /// EditOp there should be, ordered by key.
    entries: Vec<Entry>,
    /// EditOp should not be any more, and was ours.
    gone: Vec<ServiceKey>,
    /// What may differ from what there is.
    doubt: bool,
    /// The next entry whose servers are looked at.
    walk: Option<usize>,
    queue: VecDeque<Edit>,
    /// The kernel's table is another than it was when we looked: look again, once.
    stale: bool,
    second: bool,
    /// Schedulers that work, and that the kernel has not got, found out in this round. Each attempt may make the
    /// kernel run modprobe, and wait for it.
    known: Vec<String>,
    unknown: Vec<String>,
    /// Edits carried out in this round, and the first of them in words.
    edits: usize,
    first: Option<String>,
    /// EditOp the kernel has refused since it was last looked at, and the first refusal in words.
    pub(crate) refused: usize,
    pub(crate) first_refused: Option<String>,
    // Room for lists.
    actual: Vec<Destination>,
    diff: Diff,
}

impl Table {
    pub(crate) fn is_empty(&self) -> bool {
        self.entries.is_empty() && self.gone.is_empty()
    }

    /// Services and servers there should be.
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
        let place = self.find(key).ok()?;
        self.entries.get_mut(place)
    }

    // ---- what there should be ----

    /// Other services from now on.
    pub(crate) fn replace(&mut self, desired: &[(Service, Vec<Destination>)]) {
        let keys = desired.iter().map(|(service, _)| service.key);
        let order = sorted(keys.zip(0_usize..).collect());
        let mut entries: Vec<Entry> = order
            .into_iter()
            .filter_map(|(_, nth)| desired.get(nth))
            .map(|(service, servers)| Entry::new(service, servers))
            .collect();
        entries.dedup_by_key(|entry| entry.service.key);
        for old in core::mem::replace(&mut self.entries, entries) {
            self.gone.push(old.service.key);
        }
        let mut gone = core::mem::take(&mut self.gone);
        gone.retain(|key| self.find(key).is_err());
        self.gone = gone;
        self.suspect();
    }

    /// Another state of one service from now on.
    pub(crate) fn change(&mut self, service: &Service, servers: &[Destination]) {
        let key = service.key;
        let place = match self.find(&key) {
            Ok(place) => place,
            Err(place) => {
                self.gone.retain(|gone| *gone != key);
                self.entries.insert(place, Entry::new(service, servers));
                self.suspect();
                return;
            }
        };
        let Some(entry) = self.entries.get_mut(place) else {
            return;
        };
        if entry.service != *service {
            entry.service.clone_from(service);
            if entry.state == State::There {
                self.queue.push_back(Edit::new(key, EditOp::SetService));
            }
        }
        let old = core::mem::replace(&mut entry.servers, servers.to_vec());
        match entry.state {
            State::There => {}
            // It may be about to be added, with what it had.
            State::Missing => return self.suspect(),
            // The next attempt is another one.
            State::Refused => return,
        }
        let (desired, queue) = (&entry.servers, &mut self.queue);
        self.diff.servers(key, desired, &old, queue);
    }

    /// EditOp there is may be another than it should be.
    pub(crate) fn suspect(&mut self) {
        self.doubt = true;
    }

    // ---- work ----

    /// Whether there is something to do.
    pub(crate) fn is_busy(&self) -> bool {
        self.doubt || self.walk.is_some() || !self.queue.is_empty()
    }

    /// Works for a turn.
    ///
    /// # Errors
    /// When the kernel does not answer; then another look is needed.
    pub(crate) fn work(&mut self, line: &mut Line<'_>) -> io::Result<()> {
        let mut left = BUDGET;
        while left > 0 {
            let cost = if self.doubt {
                self.survey(line)?
            } else if !self.queue.is_empty() {
                self.send(line)?
            } else if let Some(place) = self.walk {
                self.compare(place, line)?
            } else if self.stale && !self.second {
                self.second = true;
                self.survey(line)?
            } else {
                break;
            };
            left = left.saturating_sub(cost);
        }
        Ok(())
    }

    /// All is done: how many edits there were, and the first.
    pub(crate) fn conclude(&mut self) -> (usize, Option<String>) {
        if core::mem::take(&mut self.stale) {
            self.refuse(|| "somebody else changes the services at the same time".into());
        }
        self.second = false;
        (core::mem::take(&mut self.edits), self.first.take())
    }

    /// The kernel did not answer.
    pub(crate) fn give_up(&mut self) {
        self.queue.clear();
        self.walk = None;
        self.doubt = true;
        self.stale = false;
        self.second = false;
    }

    /// Lists the services.
    fn survey(&mut self, line: &mut Line<'_>) -> io::Result<usize> {
        self.queue.clear();
        self.stale = false;
        self.known.clear();
        self.unknown.clear();
        (self.refused, self.first_refused) = (0, None);
        for entry in &mut self.entries {
            entry.state = State::Missing;
        }
        let mut listed = 0_usize;
        let family = line.family;
        ipvs::list_services(line.batch(), family);
        line.list(Family::V4, &mut |message| {
            if let Message::Service(service) = message {
                listed = listed.saturating_add(1);
                self.seen(service);
            }
        })?;
        self.doubt = false;
        self.walk = Some(0);
        // Services first: whatever is refused is known before its servers are asked for.
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
        Ok(listed / LISTED + LIST)
    }

    /// A service is there.
    fn seen(&mut self, listed: &ServiceEntry<'_>) {
        let key = listed.key;
        let Some(entry) = self.entry(&key) else {
            if self.gone.contains(&key) {
                self.queue.push_back(Edit::new(key, EditOp::DeleteService));
            }
            return;
        };
        let known = core::mem::replace(&mut entry.state, State::There) == State::There;
        if !known && !listed.matches(&entry.service) {
            self.queue.push_back(Edit::new(key, EditOp::SetService));
        }
    }

    /// Lists the servers of a service that was there.
    fn compare(&mut self, place: usize, line: &mut Line<'_>) -> io::Result<usize> {
        let Some(entry) = self.entries.get(place) else {
            self.walk = None;
            return Ok(0);
        };
        self.walk = Some(place.saturating_add(1));
        if entry.state != State::There {
            return Ok(0);
        }
        let key = entry.service.key;
        let actual = &mut self.actual;
        actual.clear();
        let family = line.family;
        ipvs::list_servers(line.batch(), family, &key);
        line.list(key.family(), &mut |message| {
            if let Message::Server(server) = message {
                actual.push(server.server);
            }
        })?;
        let (desired, queue) = (&entry.servers, &mut self.queue);
        self.diff.servers(key, desired, actual, queue);
        Ok(actual.len() / LISTED + LIST)
    }

    // ---- edits ----

    /// Sends the next edits.
    fn send(&mut self, line: &mut Line<'_>) -> io::Result<usize> {
        let mut chunk: heapless::Vec<Edit, CHUNK> = heapless::Vec::new();
        let family = line.family;
        let batch = line.batch();
        let first_seq = batch.next_seq();
        while let Some(&edit) = self.queue.front() {
            let risk = self.risk(&edit);
            let waits = matches!(risk, Risk::Unknown | Risk::Early) && !chunk.is_empty();
            if waits || chunk.is_full() {
                break;
            }
            self.queue.pop_front();
            if matches!(risk, Risk::Futile | Risk::Early) {
                continue;
            }
            self.encode(&edit, batch, family);
            // There is room.
            let _ = chunk.push(edit);
            if risk == Risk::Unknown {
                break;
            }
        }
        if chunk.is_empty() {
            return Ok(1);
        }
        let mut refused = [false; CHUNK];
        line.request(&mut |ack| {
            let nth = usize::try_from(ack.seq.wrapping_sub(first_seq)).unwrap_or(usize::MAX);
            if let (Some(edit), Some(refused)) = (chunk.get(nth), refused.get_mut(nth)) {
                *refused = true;
                self.judge(edit, ack);
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

    /// EditOp is to be expected of an edit.
    fn risk(&mut self, edit: &Edit) -> Risk {
        if edit.op == EditOp::DeleteService {
            return Risk::Small;
        }
        let Ok(place) = self.find(&edit.key) else {
            return Risk::Futile;
        };
        let Some(entry) = self.entries.get_mut(place) else {
            return Risk::Futile;
        };
        if !matches!(edit.op, EditOp::AddService | EditOp::SetService) {
            return match entry.state {
                State::There => Risk::Small,
                State::Missing => Risk::Early,
                State::Refused => Risk::Futile,
            };
        }
        let scheduler = &entry.service.scheduler;
        if self.unknown.contains(scheduler) {
            if edit.op == EditOp::AddService {
                entry.state = State::Refused;
            }
            self.refused = self.refused.saturating_add(1);
            return Risk::Futile;
        }
        if self.known.contains(scheduler) {
            return Risk::Small;
        }
        Risk::Unknown
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
                let place = self.find(key).ok();
                if let Some(entry) = place.and_then(|place| self.entries.get(place)) {
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

    /// The kernel has done it.
    fn done(&mut self, edit: &Edit) {
        match edit.op {
            EditOp::AddService | EditOp::SetService => {
                if let Some(entry) = self.entry(&edit.key) {
                    entry.state = State::There;
                    let scheduler = entry.service.scheduler.clone();
                    if !self.known.contains(&scheduler) {
                        self.known.push(scheduler);
                    }
                }
            }
            EditOp::DeleteService => self.gone.retain(|key| *key != edit.key),
            EditOp::Add(_) | EditOp::Set(_) | EditOp::Delete(_) => {}
        }
        self.edits = self.edits.saturating_add(1);
        self.first.get_or_insert_with(|| words(edit));
    }

    /// The kernel has not done it.
    fn judge(&mut self, edit: &Edit, ack: &Ack<'_>) {
        let key = edit.key;
        let mut instead = |op| {
            let second = true;
            self.queue.push_front(Edit { key, op, second });
        };
        match (edit.op, ack.errno) {
            (EditOp::DeleteService, ESRCH) => self.gone.retain(|gone| *gone != key),
            (EditOp::Delete(_), ENOENT | ESRCH) => {}
            (EditOp::Add(server), EEXIST) if !edit.second => instead(EditOp::Set(server)),
            (EditOp::Set(server), ENOENT) if !edit.second => instead(EditOp::Add(server)),
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
                let words = || format!("{}: {}", subject(edit), reason(ack));
                self.refuse(words);
            }
        }
    }

    fn refuse(&mut self, words: impl FnOnce() -> String) {
        self.refused = self.refused.saturating_add(1);
        self.first_refused.get_or_insert_with(words);
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
            let words = || format!("{}: {}", subject(edit), reason(ack));
            return self.refuse(words);
        }
        self.refuse(|| {
            format!(
                "{}: the kernel has no scheduler {name} \
                 (it needs the module ip_vs_{name}; OpenWrt: kmod-nf-ipvs)",
                edit.key
            )
        });
        self.unknown.push(name);
    }

    // ---- the end ----

    /// Removes all that is ours. The servers of a service go with it.
    pub(crate) fn withdraw(&mut self, line: &mut Line<'_>) -> io::Result<()> {
        self.queue.clear();
        let gone = self.gone.iter();
        self.queue
            .extend(gone.map(|key| Edit::new(*key, EditOp::DeleteService)));
        for entry in &self.entries {
            let edit = Edit::new(entry.service.key, EditOp::DeleteService);
            self.queue.push_back(edit);
        }
        while !self.queue.is_empty() {
            self.send(line)?;
        }
        self.entries.clear();
        self.gone.clear();
        Ok(())
    }
}

/// Whether an edit may be sent together with others.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Risk {
    /// Yes.
    Small,
    /// By itself: others depend on whether its scheduler is there.
    Unknown,
    /// After what is about to be sent, or not at all: its service is being added.
    Early,
    /// It is not worth sending.
    Futile,
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

fn words(edit: &Edit) -> String {
    let verb = match edit.op {
        EditOp::AddService | EditOp::Add(_) => "added",
        EditOp::SetService | EditOp::Set(_) => "changed",
        EditOp::DeleteService | EditOp::Delete(_) => "removed",
    };
    format!("{} {verb}", subject(edit))
}
