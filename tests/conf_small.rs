//! Diagnostics of the small flavor for keywords of missing features.
#![cfg(not(any(feature = "json", feature = "lvs", feature = "mail")))]

#[path = "support/host.rs"]
mod host;

use host::FakeHost;
use vrrpd::config::{Severity, load};

#[test]
fn keywords_of_missing_features_are_reported_with_line_and_feature() {
    let text = "global_defs {
    router_id a
    notification_email {
        noc@example.org
    }
    smtp_server 192.0.2.25
    smtp_alert_checker off
    lvs_flush
    json_version 2
}
vrrp_instance V {
    interface eth0
    virtual_router_id 1
    smtp_alert
    virtual_ipaddress {
        192.0.2.1
    }
}
vrrp_instance W {
    interface eth0
    virtual_router_id 2
    smtp_alert
    virtual_ipaddress {
        192.0.2.2
    }
}
virtual_server_group g {
    192.0.2.2 80
}
virtual_server 192.0.2.1 80 {
    real_server 10.0.0.1 80 {
        TCP_CHECK { }
        no_such_keyword
    }
}
virtual_server group g {
    real_server 10.0.0.1 80 { }
}
SSL {
    ca /etc/ssl/ca.pem
}
";
    let loaded = load(
        "test",
        &FakeHost {
            text,
            complete: false,
        },
    );
    let diagnostics: Vec<(u32, &str, &str)> = loaded
        .diags
        .list()
        .iter()
        .map(|diag| {
            assert_eq!(diag.severity, Severity::Unsupported, "{}", diag.message);
            let at = diag.span.and_then(|span| loaded.sources.position(span));
            let help = diag.help.as_deref().unwrap_or_default();
            let part = help.rsplit_once("--features ").expect("names the feature");
            (
                at.map_or(0, |at| at.line),
                diag.message.split('`').nth(1).expect("a keyword"),
                part.1.trim_end_matches('`'),
            )
        })
        .collect();
    assert_eq!(
        diagnostics,
        [
            (3, "notification_email", "mail"),
            (6, "smtp_server", "mail"),
            (8, "lvs_flush", "lvs"),
            (9, "json_version", "json"),
            // A setting is reported once, a virtual server every time: without it there is an
            // outage.
            (14, "smtp_alert", "mail"),
            (27, "virtual_server_group", "lvs"),
            (30, "virtual_server", "lvs"),
            (39, "SSL", "lvs"),
        ]
    );
    assert!(loaded.config.lvs.virtual_servers.is_empty());
    assert!(loaded.config.global.smtp.is_none());
    assert_eq!(loaded.config.instances.len(), 2);
}
