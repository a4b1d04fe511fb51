//! What the small flavor says to configurations that need more.
#![cfg(not(any(feature = "json", feature = "lvs", feature = "mail")))]

#[path = "support/host.rs"]
mod host;

use host::FakeHost;
use vrrpd::config::{Severity, load};

#[test]
fn all_that_is_not_there_is_named_with_its_line() {
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
    let said: Vec<(u32, &str, &str)> = loaded
        .diags
        .list()
        .iter()
        .map(|diag| {
            assert_eq!(diag.severity, Severity::Unsupported, "{}", diag.message);
            let at = diag.span.and_then(|span| loaded.sources.position(span));
            let help = diag.help.as_deref().unwrap_or_default();
            let part = help.rsplit_once("--features ").expect("says what to build");
            (
                at.map_or(0, |at| at.line),
                diag.message.split('`').nth(1).expect("a keyword"),
                part.1.trim_end_matches('`'),
            )
        })
        .collect();
    assert_eq!(
        said,
        [
            (3, "notification_email", "mail"),
            (6, "smtp_server", "mail"),
            (8, "lvs_flush", "lvs"),
            (9, "json_version", "json"),
            // A setting once, a service every time: one that is not balanced is an outage.
            (14, "smtp_alert", "mail"),
            (27, "virtual_server_group", "lvs"),
            (30, "virtual_server", "lvs"),
            (36, "virtual_server", "lvs"),
            (39, "SSL", "lvs"),
        ]
    );
    assert!(loaded.config.lvs.virtual_servers.is_empty());
    assert!(loaded.config.global.smtp.is_none());
    assert_eq!(loaded.config.instances.len(), 2);
}
