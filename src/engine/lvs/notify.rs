//! Notifications about servers and quorums: log, scripts, FIFO and e-mail, in this order.

use std::borrow::Cow;

use crate::config::model::Command;
use crate::config::model::lvs::{RealServer, VirtualServer};
use crate::engine::cx::Cx;
use crate::engine::lvs::{Lvs, messages};
use crate::engine::notify::notifier::ServerNotification;
use crate::engine::shared::Shared;
use crate::lvs::state::{Change, Removal};
use crate::notify::mail::Email;
use crate::notify::queue::ScriptRun;
use crate::notify::{NotifyEvent, ObjectKind, lines};
use crate::types::Instant;
use crate::types::ipvs::ServerName;

/// The reason of a removal other than a failed check.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum RemovalReason {
    /// The configuration has changed.
    Reload,
    /// The daemon stops.
    Shutdown,
}

/// The cause of a change of a server or quorum.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Cause {
    /// The result of the real server's check with this index.
    Check(usize),
    /// The configuration.
    Config,
    /// It is removed.
    Removed(RemovalReason),
}

impl Cause {
    fn event(self, up: bool) -> NotifyEvent {
        match (self, up) {
            (_, true) => NotifyEvent::Up,
            (Cause::Removed(RemovalReason::Shutdown), false) => NotifyEvent::DownAtEnd,
            (Cause::Check(_) | Cause::Config | Cause::Removed(RemovalReason::Reload), false) => {
                NotifyEvent::Down
            }
        }
    }
}

/// `[192.0.2.1]:tcp:80`
pub(super) fn server_name(service: &VirtualServer, server: &RealServer) -> ServerName {
    ServerName {
        addr: server.addr,
        protocol: service.protocol,
        port: server.port,
    }
}

impl Lvs {
    /// Reports the changes of a virtual server and notifies of them.
    pub(super) fn notify_changes(
        &self,
        cx: &mut Cx<'_>,
        shared: &mut Shared,
        service: usize,
        changes: &[Change],
    ) {
        let conf = self.conf.virtual_servers.get(service);
        let (Some(conf), Some(state)) = (conf, self.servers.get(service)) else {
            return;
        };
        for change in changes {
            messages::report_change(cx, conf, state, *change);
            match *change {
                Change::Weight { .. } | Change::SorryServer(_) => {}
                Change::Server { server, up, check } => {
                    let cause = check.map_or(Cause::Config, Cause::Check);
                    if let Some(server) = conf.real_servers.get(server) {
                        notify_server(cx, shared, conf, server, up, cause);
                    }
                }
                Change::Quorum { up, first, weight } => {
                    let text = messages::quorum_text(conf, up, first, weight);
                    let body = format!("=> {text} <=").into();
                    notify_quorum(cx, shared, conf, up, Cause::Config, body);
                }
            }
        }
    }

    /// A server, or all of a virtual server, is removed for another reason than its checks.
    pub(super) fn notify_removal(
        &self,
        cx: &mut Cx<'_>,
        shared: &mut Shared,
        removed: Removal,
        reason: RemovalReason,
    ) {
        let Some(conf) = self.conf.virtual_servers.get(removed.service()) else {
            return;
        };
        let name = &conf.name;
        let (verb, virtual_server) = match reason {
            RemovalReason::Shutdown => ("Shutting down", "VS"),
            RemovalReason::Reload => ("Removing", "Virtual Server"),
        };
        // At shutdown only `omega` asks for notifications; a reload is always notified, because
        // other servers stay.
        let notify = reason == RemovalReason::Reload || conf.omega;
        let cause = Cause::Removed(reason);
        match removed {
            Removal::RealServer { server, .. } => {
                let Some(server) = conf.real_servers.get(server) else {
                    return;
                };
                let server_name = server_name(conf, server);
                let text = format_args!("{verb} service {server_name} from VS {name}");
                messages::note_server(cx, server_name, conf, text);
                if notify {
                    notify_server(cx, shared, conf, server, false, cause);
                }
            }
            Removal::VirtualServer { .. } => {
                messages::note_service(cx, conf, format_args!("{verb} {virtual_server} {name}"));
                if notify {
                    let body = messages::cause_email_body(cause).into();
                    notify_quorum(cx, shared, conf, false, cause, body);
                }
            }
        }
    }
}

fn notify_server(
    cx: &mut Cx<'_>,
    shared: &mut Shared,
    conf: &VirtualServer,
    server: &RealServer,
    up: bool,
    cause: Cause,
) {
    let event = cause.event(up);
    let (name, service) = (server_name(conf, server).to_string(), &conf.name);
    let body = match cause {
        Cause::Check(check) => {
            let kind = server.checks.get(check).map(|check| &check.kind);
            messages::check_email_body(kind, up)
        }
        Cause::Config | Cause::Removed(_) => messages::cause_email_body(cause),
    };
    let subject = format!("Realserver {name} of virtual server {service}");
    let email = match server.smtp_alert {
        true => email(cx.now, shared, &subject, event, body.into()),
        false => None,
    };
    let script = match up {
        true => script_run("notify_up", server.notify_up.as_ref()),
        false => script_run("notify_down", server.notify_down.as_ref()),
    };
    let notification = ServerNotification {
        kind: ObjectKind::RealServer,
        name: &format!("{name} of {service}"),
        event,
        script,
        fifo_line: &lines::lvs_line(ObjectKind::RealServer, &[&name, service], event),
        email,
    };
    shared.notifier.notify_server(cx, notification);
    shared.set_notify_timer(cx.now);
}

fn notify_quorum(
    cx: &mut Cx<'_>,
    shared: &mut Shared,
    conf: &VirtualServer,
    up: bool,
    cause: Cause,
    body: Cow<'static, str>,
) {
    let event = cause.event(up);
    let subject = format!("Virtualserver {}", conf.name);
    let email = match conf.smtp_alert {
        true => email(cx.now, shared, &subject, event, body),
        false => None,
    };
    let script = match up {
        true => script_run("quorum_up", conf.quorum_up.as_ref()),
        false => script_run("quorum_down", conf.quorum_down.as_ref()),
    };
    let notification = ServerNotification {
        kind: ObjectKind::VirtualServer,
        name: &conf.name,
        event,
        script,
        fifo_line: &lines::lvs_line(ObjectKind::VirtualServer, &[&conf.name], event),
        email,
    };
    shared.notifier.notify_server(cx, notification);
    shared.set_notify_timer(cx.now);
}

/// `None`: no mail server is configured.
fn email(
    at: Instant,
    shared: &Shared,
    object: &str,
    event: NotifyEvent,
    body: Cow<'static, str>,
) -> Option<Email> {
    shared.global.smtp()?;
    let (router, event) = (&shared.global.router_id, event.as_str());
    let subject = format!("[{router}] {object} - {event}");
    Some(Email { at, subject, body })
}

fn script_run(keyword: &'static str, command: Option<&Command>) -> Option<ScriptRun> {
    command.map(|command| ScriptRun {
        keyword,
        command: command.clone(),
        extra_args: Vec::new(),
    })
}
