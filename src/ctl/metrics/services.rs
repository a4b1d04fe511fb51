//! Families about virtual servers.

use super::writer::Lines;
use crate::ctl::lvs::subject;
use crate::ctl::{Server, Service};
use crate::types::ipvs::ServerName;

pub(super) fn quorum(service: &Service<'_>, lines: &mut Lines<'_>) {
    of(service, lines, u64::from(service.quorum));
}

pub(super) fn weight(service: &Service<'_>, lines: &mut Lines<'_>) {
    of(service, lines, service.weight);
}

pub(super) fn sorry(service: &Service<'_>, lines: &mut Lines<'_>) {
    of(service, lines, u64::from(service.sorry));
}

fn of(service: &Service<'_>, lines: &mut Lines<'_>, value: u64) {
    lines.sample(&[("virtual_server", &service.conf.name)], &value);
}

pub(super) fn servers_up(service: &Service<'_>, lines: &mut Lines<'_>) {
    each_server(service, lines, |server| u32::from(server.up));
}

pub(super) fn server_weights(service: &Service<'_>, lines: &mut Lines<'_>) {
    each_server(service, lines, |server| server.weight);
}

fn each_server(service: &Service<'_>, lines: &mut Lines<'_>, pick: fn(&Server<'_>) -> u32) {
    for server in &service.servers {
        let name = name(service, server);
        let labels: [(_, &dyn core::fmt::Display); 2] = [
            ("virtual_server", &service.conf.name),
            ("real_server", &name),
        ];
        lines.sample(&labels, &pick(server));
    }
}

/// Checks of one type are distinguished by their number, counted from 1.
pub(super) fn checks(service: &Service<'_>, lines: &mut Lines<'_>) {
    for server in &service.servers {
        let name = name(service, server);
        for (number, check) in (1..).zip(&server.checks) {
            let number: u32 = number;
            let (kind, _) = subject(&check.conf.kind);
            lines.sample(
                &[
                    ("virtual_server", &service.conf.name),
                    ("real_server", &name),
                    ("check", &number),
                    ("type", &kind),
                ],
                &u8::from(check.up),
            );
        }
    }
}

fn name(service: &Service<'_>, server: &Server<'_>) -> ServerName {
    ServerName {
        addr: server.conf.addr,
        protocol: service.conf.protocol,
        port: server.conf.port,
    }
}
