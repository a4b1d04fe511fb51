//! Who is told of servers and quorums: the log, scripts, FIFO, mail, in this order (`semantics.md` §6, §14).

use crate::engine::cx::Cx;
use std::borrow::Cow;

use crate::config::model::Command;
use crate::config::model::lvs::{CheckKind, RealServer, VirtualServer};
use crate::engine::Engine;
use crate::lvs::state::{Change, Removal, VirtualServerState, threshold};
use crate::notify::mail::Email;
use crate::notify::queue::ScriptRun;
use crate::notify::{NotifyEvent, ObjectKind, lines};
use crate::types::Instant;
use crate::types::ipvs::ServerName;

/// Why somebody is told.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Why {
    /// This check has found out.
    Check(usize),
    /// The configuration has it so.
    Config,
    /// A reload has removed it.
    Removed,
    /// The daemon ends.
    End,
}

impl Why {
    fn word(self, up: bool) -> NotifyEvent {
        match (self, up) {
            (_, true) => NotifyEvent::Up,
            (Why::End, false) => NotifyEvent::DownAtEnd,
            (Why::Check(_) | Why::Config | Why::Removed, false) => NotifyEvent::Down,
        }
    }
}

fn name_of(service: &VirtualServer, server: &RealServer) -> ServerName {
    ServerName {
        addr: server.addr,
        protocol: service.protocol,
        port: server.port,
    }
}

impl Engine {
    /// Writes to the log what happens to a virtual server and its servers, and tells all who want to know.
    pub(crate) fn notify_changes(&mut self, cx: &mut Cx<'_>, service: usize, changes: &[Change]) {
        for change in changes {
            let lvs = &self.lvs;
            if let (Some(conf), Some(farm)) =
                (lvs.conf.virtual_servers.get(service), lvs.pool.get(service))
            {
                report(conf, farm, *change);
            }
            match *change {
                Change::Weight { .. } | Change::Sorry(_) => {}
                Change::Server { server, up, check } => {
                    let why = check.map_or(Why::Config, Why::Check);
                    self.tell_of_server(cx, (service, server), up, why);
                }
                Change::Quorum { up, first, weight } => {
                    let conf = lvs.conf.virtual_servers.get(service);
                    let sum = conf.map_or(String::new(), |conf| quorum(conf, up, first, weight));
                    let body = Cow::Owned(format!("=> {sum} <="));
                    self.tell_of_service(cx, (service, up), Why::Config.word(up), (cx.now, body));
                }
            }
        }
    }

    /// A server or all of a service is taken out, for another reason than its checks.
    pub(crate) fn notify_removal(&mut self, cx: &mut Cx<'_>, left: Removal, end: bool) {
        let Some(conf) = self.lvs.conf.virtual_servers.get(left.service) else {
            return;
        };
        let (why, omega) = match end {
            true => (Why::End, conf.omega),
            // The other servers of its service, or other services, go on: that is news.
            false => (Why::Removed, true),
        };
        let name = &conf.name;
        let verb = match end {
            true => "Shutting down",
            false => "Removing",
        };
        let server = left.server.and_then(|place| conf.real_servers.get(place));
        match (server, end) {
            (Some(server), _) => {
                let server = name_of(conf, server);
                log::info!(target: "check", "{verb} service {server} from VS {name}");
            }
            (None, true) => log::info!(target: "check", "{verb} VS {name}"),
            (None, false) => log::info!(target: "check", "{verb} Virtual Server {name}"),
        }
        if !omega {
            return;
        }
        match left.server {
            Some(server) => self.tell_of_server(cx, (left.service, server), false, why),
            None => {
                let body = last_words(why).into();
                self.tell_of_service(cx, (left.service, false), why.word(false), (cx.now, body));
            }
        }
    }

    fn tell_of_server(
        &mut self,
        cx: &mut Cx<'_>,
        (service, server): (usize, usize),
        up: bool,
        why: Why,
    ) {
        let Some(of) = self.lvs.conf.virtual_servers.get(service) else {
            return;
        };
        let Some(conf) = of.real_servers.get(server) else {
            return;
        };
        let word = why.word(up);
        let (name, of_name) = (name_of(of, conf).to_string(), &of.name);
        let line = lines::lvs_line(ObjectKind::RealServer, &[&name, of_name], word);
        let subject = format!("Realserver {name} of virtual server {of_name}");
        let letter = conf.smtp_alert.then(|| {
            let body = match why {
                Why::Check(check) => {
                    let kind = conf.checks.get(check).map(|check| &check.kind);
                    found(kind, up)
                }
                Why::Config | Why::Removed | Why::End => last_words(why),
            };
            self.letter(cx.now, &subject, word, body.into())
        });
        let run = match up {
            true => run("notify_up", conf.notify_up.as_ref()),
            false => run("notify_down", conf.notify_down.as_ref()),
        };
        let lane = format!("{name} of {of_name}");
        let whose = (ObjectKind::RealServer, lane.as_str(), word);
        let letter = letter.flatten();
        self.shared
            .notifier
            .tell_of_server(cx, whose, run, &line, letter);
        self.set_notify_timer(cx.now);
    }

    fn tell_of_service(
        &mut self,
        cx: &mut Cx<'_>,
        (service, up): (usize, bool),
        word: NotifyEvent,
        (now, body): (Instant, Cow<'static, str>),
    ) {
        let Some(conf) = self.lvs.conf.virtual_servers.get(service) else {
            return;
        };
        let line = lines::lvs_line(ObjectKind::VirtualServer, &[&conf.name], word);
        let subject = format!("Virtualserver {}", conf.name);
        let letter = conf
            .smtp_alert
            .then(|| self.letter(now, &subject, word, body));
        let run = match up {
            true => run("quorum_up", conf.quorum_up.as_ref()),
            false => run("quorum_down", conf.quorum_down.as_ref()),
        };
        let whose = (ObjectKind::VirtualServer, conf.name.as_str(), word);
        let letter = letter.flatten();
        self.shared
            .notifier
            .tell_of_server(cx, whose, run, &line, letter);
        self.set_notify_timer(now);
    }

    /// `None`: nobody gets mails.
    fn letter(
        &self,
        at: Instant,
        whose: &str,
        word: NotifyEvent,
        body: Cow<'static, str>,
    ) -> Option<Email> {
        self.shared.global.smtp.as_ref()?;
        let (router, word) = (&self.shared.global.router_id, word.as_str());
        let subject = format!("[{router}] {whose} - {word}");
        Some(Email { at, subject, body })
    }
}

fn run(keyword: &'static str, command: Option<&Command>) -> Option<ScriptRun> {
    command.map(|command| ScriptRun {
        keyword,
        command: command.clone(),
        extra_args: Vec::new(),
    })
}

/// A line in the log.
fn report(conf: &VirtualServer, farm: &VirtualServerState, change: Change) {
    let name = &conf.name;
    match change {
        Change::Weight { server, from, to } => {
            let up = farm.servers.get(server).is_some_and(|server| server.up);
            let state = if up { "active" } else { "inactive" };
            if let Some(server) = conf.real_servers.get(server) {
                let server = name_of(conf, server);
                log::info!(
                    target: "check",
                    "Changing weight from {from} to {to} for {state} service {server} of VS {name}"
                );
            }
        }
        Change::Server { server, up, .. } => {
            let Some(conf_of) = conf.real_servers.get(server) else {
                return;
            };
            let server = name_of(conf, conf_of);
            let (verb, preposition) = match (up, conf_of.inhibit_on_failure) {
                (true, false) => ("Adding", "to"),
                (false, false) => ("Removing", "from"),
                (true, true) => ("Enabling", "of"),
                (false, true) => ("Disabling", "of"),
            };
            log::info!(target: "check", "{verb} service {server} {preposition} VS {name}");
        }
        Change::Quorum { up, first, weight } => {
            let words = quorum(conf, up, first && !up, weight);
            log::info!(target: "check", "{words} for VS {name}");
        }
        Change::Sorry(on) => report_sorry(conf, on),
    }
}

fn report_sorry(conf: &VirtualServer, on: bool) {
    let name = &conf.name;
    let pool = match on {
        true => "Removing alive servers from",
        false => "Adding alive servers to",
    };
    if let Some(sorry) = &conf.sorry_server {
        let (verb, preposition) = match (on, sorry.inhibit) {
            (true, false) => ("Adding", "to"),
            (false, false) => ("Removing", "from"),
            (true, true) => ("Enabling", "to"),
            (false, true) => ("Disabling", "from"),
        };
        let sorry = ServerName {
            addr: sorry.addr,
            protocol: conf.protocol,
            port: sorry.port,
        };
        log::info!(target: "check", "{verb} sorry server {sorry} {preposition} VS {name}");
    }
    log::info!(target: "check", "{pool} the pool for VS {name}");
}

/// The quorum's sum: `Gained quorum 2+1=3 <= 4`, `Lost quorum 2-1=1 > 0`.
fn quorum(conf: &VirtualServer, up: bool, first: bool, weight: u64) -> String {
    let VirtualServer {
        quorum, hysteresis, ..
    } = conf;
    let gain = up || first;
    let threshold = threshold(conf, gain);
    let what = match (up, first) {
        (true, false) => "Gained quorum",
        (false, false) => "Lost quorum",
        (true, true) => "Starting with quorum up",
        (false, true) => "Starting with quorum down",
    };
    let sign = if gain { '+' } else { '-' };
    let compare = if up { "<=" } else { ">" };
    format!("{what} {quorum}{sign}{hysteresis}={threshold} {compare} {weight}")
}

/// What a mail says about a server's check.
fn found(kind: Option<&CheckKind>, up: bool) -> &'static str {
    match (kind, up) {
        (Some(CheckKind::Tcp(_)), true) => "=> TCP CHECK succeed on service <=",
        (Some(CheckKind::Tcp(_)), false) => "=> TCP CHECK failed on service <=",
        (Some(CheckKind::Udp(..)), true) => "=> UDP CHECK succeed on service <=",
        (Some(CheckKind::Udp(..)), false) => "=> UDP CHECK failed on service <=",
        (Some(CheckKind::Ping(_)), true) => "=> ICMP CHECK succeed on service <=",
        (Some(CheckKind::Ping(_)), false) => "=> ICMP CHECK failed on service <=",
        (Some(CheckKind::Dns { .. }), true) => "=> DNS_CHECK: succeed on service <=",
        (Some(CheckKind::Dns { .. }), false) => "=> DNS_CHECK: failed on service <=",
        (Some(CheckKind::Misc { .. }), true) => "=> MISC CHECK succeeded on service <=",
        (Some(CheckKind::Misc { .. }), false) => "=> MISC CHECK failed on service <=",
        (Some(CheckKind::Http(..)), false) => "=> CHECK failed on service : HTTP request failed <=",
        (_, true) => "=> CHECK succeed on service <=",
        (_, false) => "=> CHECK failed on service <=",
    }
}

fn last_words(why: Why) -> &'static str {
    match why {
        Why::End => "=> Shutting down <=",
        Why::Removed => "=> Removing <=",
        Why::Config | Why::Check(_) => "=> Configuration changed <=",
    }
}
