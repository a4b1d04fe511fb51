//! Maintenance that an operator has asked for: instances that stay backup, and real servers that get
//! no new connections.
//!
//! A hold is in the state file before anything follows from it, and outlives a reload, a restart in
//! place and a crash; an orderly stop removes the file. The protocol machine and the virtual servers
//! know only whether they are held; reason and time limit are kept here.

mod demote;
#[cfg(feature = "lvs")]
mod drain;

#[cfg(feature = "lvs")]
pub(crate) use drain::Drainable;

use core::fmt;
use core::time::Duration;

use crate::config::model::VrrpInstance;
use crate::ctl;
use crate::engine::Engine;
use crate::engine::cx::Cx;
use crate::engine::events::{self, EventKind};
use crate::engine::instance::state_record::StateRecords;
use crate::engine::instance::state_text;
use crate::engine::timers::TimerKey;
use crate::log::Level;
use crate::types::{InstanceId, Instant, sorted};
use crate::vrrp::Event;

/// Why maintenance ends with its object.
const GONE: &str = "ended, no longer configured";
/// Longest reason in bytes.
const MAX_REASON: usize = 128;

/// Maintenance of one object.
#[derive(Debug)]
pub(crate) struct Hold {
    object: Object,
    since: Instant,
    until: Option<Instant>,
    reason: String,
    /// Its records in the state file.
    slots: Vec<usize>,
}

/// An object in maintenance.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Object {
    /// It stays backup.
    Instance(InstanceId),
    /// It has weight 0.
    Server(ServerNames),
}

/// Names of a virtual server and of one of its real servers.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct ServerNames {
    pub(crate) service: String,
    pub(crate) server: String,
}

/// A request for maintenance.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Maintenance<'a> {
    /// For how long; `None`: until it is ended.
    pub time: Option<Duration>,
    /// Why, in the operator's words.
    pub reason: &'a str,
    /// Even if nothing shows that another router or server is there.
    pub force: bool,
}

impl Maintenance<'_> {
    fn check(&self) -> Result<(), String> {
        if self.reason.len() > MAX_REASON {
            return Err(format!("the reason is longer than {MAX_REASON} bytes"));
        }
        if self.reason.contains(char::is_control) {
            return Err("the reason contains a control character".to_owned());
        }
        Ok(())
    }
}

/// Text for an operator, or why nothing was changed.
type Outcome = Result<String, String>;

impl Hold {
    fn is(&self, id: InstanceId) -> bool {
        self.object == Object::Instance(id)
    }

    /// For the state file; ends with a name, which is not empty.
    fn encode(&self, name: &str) -> Vec<u8> {
        let until = self.until.unwrap_or(Instant::NEVER);
        let mut bytes = Vec::new();
        for time in [self.since, until] {
            bytes.extend(time.as_nanos().to_be_bytes());
        }
        bytes.extend(self.reason.as_bytes());
        bytes.push(0);
        bytes.extend(name.as_bytes());
        if let Object::Server(names) = &self.object {
            bytes.push(0);
            bytes.extend(names.server.as_bytes());
        }
        bytes
    }

    fn show(&self) -> ctl::Maintenance<'_> {
        ctl::Maintenance {
            since: self.since,
            until: self.until,
            reason: &self.reason,
        }
    }
}

/// A hold as in the state file.
struct Recorded<'a> {
    since: Instant,
    until: Option<Instant>,
    reason: &'a str,
    name: &'a str,
    server: Option<&'a str>,
}

impl<'a> Recorded<'a> {
    fn decode(bytes: &'a [u8]) -> Option<Self> {
        let (since, rest) = bytes.split_first_chunk()?;
        let (until, text) = rest.split_first_chunk()?;
        let [since, until] =
            [since, until].map(|time| Instant::from_nanos(u64::from_be_bytes(*time)));
        let mut words = core::str::from_utf8(text).ok()?.split('\0');
        Some(Recorded {
            since,
            until: Some(until).filter(|at| *at < Instant::NEVER),
            reason: words.next()?,
            name: words.next()?,
            server: words.next(),
        })
    }
}

/// The time limit.
struct Left(Option<Duration>);

impl fmt::Display for Left {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Some(time) => write!(f, "for {}", ctl::Span(time)),
            None => f.write_str("without time limit"),
        }
    }
}

// ---- instances ----

impl Engine {
    /// Maintenance of an instance.
    pub(crate) fn maintenance(&self, id: InstanceId) -> Option<ctl::Maintenance<'_>> {
        let mut holds = self.shared.maintenance.iter();
        holds.find(|hold| hold.is(id)).map(Hold::show)
    }

    /// Lets the protocol machines follow what is held, members of groups together, and sets the
    /// timer.
    pub(crate) fn apply_maintenance(&mut self, cx: &mut Cx<'_>) {
        if !self.shared.pending_actions.is_empty() {
            self.emit_logs_and_notifications(cx);
        }
        let shared = &mut self.shared;
        let until = shared.maintenance.iter().filter_map(|hold| hold.until);
        let until = until.min();
        shared.set_timer(TimerKey::Maintenance, until);
        let ids = shared
            .maintenance
            .iter()
            .filter_map(|hold| match hold.object {
                Object::Instance(id) => Some(id),
                Object::Server(_) => None,
            });
        let held = sorted(ids.collect());
        let mut changed = false;
        for router in self.routers.iter_mut() {
            let hold = held.binary_search(&router.id).is_ok();
            if hold != router.machine.in_maintenance() {
                changed = true;
                let event = match hold {
                    true => Event::Demote,
                    false => Event::Promote,
                };
                router.deliver(cx, shared, event);
                router.rearm(shared);
            }
        }
        if changed {
            self.sync_all_groups(cx);
        }
    }

    /// The time limit of some maintenance may be over.
    pub(crate) fn expire_maintenance(&mut self, cx: &mut Cx<'_>) {
        let now = cx.now;
        let is_over = |hold: &Hold| hold.until.is_some_and(|at| at <= now);
        if self.shared.maintenance.iter().any(is_over) {
            self.release(cx, "ended, its time is over", &is_over);
            self.apply_maintenance(cx);
            self.with_lvs(|lvs, shared, _| lvs.update_drains(cx, shared));
        }
    }

    // ---- reload ----

    /// Before a reload: holds follow their instances to their new numbers, or else to the new
    /// instance of the same name.
    pub(crate) fn renumber_maintenance(
        &mut self,
        cx: &Cx<'_>,
        new: &[VrrpInstance],
        continued: &[Option<InstanceId>],
    ) {
        let mut holds = core::mem::take(&mut self.shared.maintenance);
        holds.retain_mut(|hold| {
            let Object::Instance(id) = &mut hold.object else {
                return true;
            };
            let name = self.routers.get(*id).map(|router| &router.conf.name);
            let of_same_name = || {
                let mut all = new.iter().zip(continued);
                all.position(|(conf, old)| old.is_none() && Some(&conf.name) == name)
            };
            let continues = continued.iter().position(|old| *old == Some(*id));
            let Some(nth) = continues.or_else(of_same_name) else {
                self.log_maintenance(cx, hold, format_args!("{GONE}"));
                return false;
            };
            *id = InstanceId(nth);
            true
        });
        self.shared.maintenance = holds;
    }

    /// After a reload: if a member of a group is held, all are, for as long as the one that is held
    /// longest.
    pub(crate) fn extend_maintenance(&mut self) {
        for group in &self.groups {
            let members = &group.conf.members;
            let of_member = |hold: &&Hold| members.iter().any(|id| hold.is(*id));
            let all = || self.shared.maintenance.iter().filter(of_member);
            let Some(longest) = all().max_by_key(|hold| hold.until.unwrap_or(Instant::NEVER))
            else {
                continue;
            };
            let (since, until, reason) = (longest.since, longest.until, longest.reason.clone());
            self.shared.maintenance.retain(|hold| !of_member(&hold));
            let extended = members.iter().map(|id| Hold {
                object: Object::Instance(*id),
                since,
                until,
                reason: reason.clone(),
                slots: Vec::new(),
            });
            self.shared.maintenance.extend(extended);
        }
    }

    /// At the end of a reload or start: forgets real servers that are no longer configured, and logs
    /// what continues.
    pub(crate) fn continue_maintenance(&mut self, cx: &mut Cx<'_>) {
        self.forget_removed_servers(cx);
        self.log_all_maintenance(cx);
    }

    fn forget_removed_servers(&mut self, cx: &mut Cx<'_>) {
        let lvs = self.lvs.take();
        self.release(cx, GONE, &|hold| match &hold.object {
            Object::Instance(_) => false,
            Object::Server(names) => !lvs.as_ref().is_some_and(|lvs| lvs.has_server(names)),
        });
        self.lvs = lvs;
    }

    // ---- state file ----

    /// Takes over what the state file of the previous process says.
    pub(crate) fn restore_maintenance(&mut self, cx: &mut Cx<'_>, old: &[u8]) {
        let now = cx.now;
        for text in state_text::texts(old) {
            let Some(recorded) = Recorded::decode(&text) else {
                continue;
            };
            let Recorded {
                since,
                until,
                reason,
                name,
                server,
            } = recorded;
            // One from the future is not ours.
            if since > now || until.is_some_and(|at| at <= now) || reason.contains(char::is_control)
            {
                continue;
            }
            let router = self.routers.iter().find(|router| router.conf.name == name);
            let object = match (router, server) {
                (Some(router), None) => Object::Instance(router.id),
                (None, None) => continue,
                (_, Some(server)) => Object::Server(ServerNames {
                    service: name.to_owned(),
                    server: server.to_owned(),
                }),
            };
            self.shared.maintenance.push(Hold {
                object,
                since,
                until,
                reason: reason.to_owned(),
                slots: Vec::new(),
            });
        }
        self.extend_maintenance();
    }

    /// Adds what is held to new contents of the state file.
    pub(crate) fn record_maintenance(&mut self, records: &mut StateRecords) {
        for hold in &mut self.shared.maintenance {
            let name = match &hold.object {
                Object::Instance(id) => self.routers.get(*id).map(|router| &router.conf.name),
                Object::Server(names) => Some(&names.service),
            };
            if let Some(name) = name {
                hold.slots = records.add_text(&hold.encode(name));
            }
        }
    }

    fn log_all_maintenance(&self, cx: &Cx<'_>) {
        for hold in &self.shared.maintenance {
            let left = Left(hold.until.map(|at| at.since(cx.now)));
            self.log_maintenance(
                cx,
                hold,
                format_args!("continues {left}{}", Because(&hold.reason)),
            );
        }
    }

    // ---- all objects ----

    /// Starts to hold an object, or holds it on other terms. The state file must be written before
    /// anything follows from it.
    fn hold(&mut self, cx: &Cx<'_>, object: Object, what: &Maintenance<'_>) {
        let old = self
            .shared
            .maintenance
            .iter()
            .position(|hold| hold.object == object);
        let old = old.map(|nth| self.shared.maintenance.swap_remove(nth));
        for slot in old.iter().flat_map(|hold| &hold.slots) {
            self.shared.state_records.remove(*slot);
        }
        let mut hold = Hold {
            object,
            since: old.map_or(cx.now, |hold| hold.since),
            until: what.time.map(|time| cx.now.after(time)),
            reason: what.reason.to_owned(),
            slots: Vec::new(),
        };
        let name = match &hold.object {
            Object::Instance(id) => self.routers.get(*id).map(|router| &router.conf.name),
            Object::Server(names) => Some(&names.service),
        };
        let text = hold.encode(name.map_or("", String::as_str));
        hold.slots = self.shared.state_records.add_text(&text);
        let left = Left(what.time);
        self.log_maintenance(
            cx,
            &hold,
            format_args!("started {left}{}", Because(what.reason)),
        );
        self.shared.maintenance.push(hold);
    }

    /// Ends holds and returns their number. `how`: for the log.
    fn release(&mut self, cx: &mut Cx<'_>, how: &str, which: &dyn Fn(&Hold) -> bool) -> usize {
        let all = core::mem::take(&mut self.shared.maintenance);
        let (ended, kept): (Vec<Hold>, Vec<Hold>) = all.into_iter().partition(which);
        self.shared.maintenance = kept;
        for hold in &ended {
            self.log_maintenance(cx, hold, format_args!("{how}"));
            for slot in &hold.slots {
                self.shared.state_records.remove(*slot);
            }
        }
        self.shared.state_records.write(cx);
        ended.len()
    }

    fn log_maintenance(&self, cx: &Cx<'_>, hold: &Hold, what: fmt::Arguments<'_>) {
        let object = match &hold.object {
            Object::Instance(id) => {
                let router = self.routers.get(*id);
                events::Object::instance(router.map_or("", |router| &router.conf.name))
            }
            #[cfg(feature = "lvs")]
            Object::Server(names) => events::Object::real_server(&names.server, &names.service),
            #[cfg(not(feature = "lvs"))]
            Object::Server(_) => events::Object::DAEMON,
        };
        let of = match &hold.object {
            Object::Instance(_) => String::new(),
            Object::Server(names) => format!(" of {} of VS {}", names.server, names.service),
        };
        let text = format_args!("Maintenance{of}: {what}");
        cx.note(Level::Info, EventKind::Maintenance, object, text);
    }
}

/// The reason in a log line, if there is one.
struct Because<'a>(&'a str);

impl fmt::Display for Because<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            "" => Ok(()),
            reason => write!(f, ": {reason}"),
        }
    }
}
