//! Virtual servers in version 2 of the JSON, where keepalived has none.

use super::json_writer::Json;
use super::lvs::{Method, subject};
use super::{Service, Traffic};
use crate::types::ipvs::ServerName;

/// One virtual server.
pub(super) fn json(out: &mut Json, service: &Service<'_>) {
    let conf = service.conf;
    out.object(|out| {
        out.string("name", &conf.name);
        out.strings("services", &conf.services);
        out.string("lvs_sched", &conf.scheduler);
        out.number("quorum", &conf.quorum);
        out.number("hysteresis", &conf.hysteresis);
        out.number("quorum_up", &service.quorum);
        out.number("live_weight", &service.weight);
        out.number("sorry_server", &service.sorry);
        out.number("suspended", &service.suspended);
        traffic(out, service.traffic.as_ref());
        out.key("real_servers");
        out.list(&service.servers, |out, server| {
            out.object(|out| {
                let conf_of = server.conf;
                let name = ServerName {
                    addr: conf_of.addr,
                    protocol: conf.protocol,
                    port: conf_of.port,
                };
                out.string("name", &name);
                out.string("forwarding_method", &Method(conf_of.forward));
                out.number("alive", &server.up);
                out.number("weight", &server.weight);
                out.number("initial_weight", &conf_of.weight);
                if server.maintenance.is_some() {
                    out.number("drained", &true);
                }
                traffic(out, server.traffic.as_ref());
                out.key("checks");
                out.list(&server.checks, |out, check| {
                    out.object(|out| {
                        let (name, target) = subject(&check.conf.kind);
                        out.string("type", &name);
                        if let Some(target) = target {
                            out.string("target", &target.remote);
                        }
                        out.number("up", &check.up);
                        out.number("adds", &check.weight);
                    });
                });
            });
        });
    });
}

fn traffic(out: &mut Json, traffic: Option<&Traffic>) {
    let Some(Traffic {
        connections,
        counters,
    }) = traffic
    else {
        return;
    };
    if let Some(now) = connections {
        out.number("active_connections", &now.active);
        out.number("inactive_connections", &now.inactive);
        out.number("persistent_connections", &now.persistent);
    }
    for (name, count) in [
        ("connections", counters.connections),
        ("packets_in", counters.packets_in),
        ("packets_out", counters.packets_out),
        ("bytes_in", counters.bytes_in),
        ("bytes_out", counters.bytes_out),
    ] {
        out.number(name, &count);
    }
}
