//! What a build without IPVS says to configurations that need it.
#![cfg(not(feature = "lvs"))]

use vrrpd::config::model::User;
use vrrpd::config::{Host, Program, Severity, load};

/// One file, nothing else.
struct Text(&'static str);

impl Host for Text {
    fn read(&self, _: &str) -> Result<Vec<u8>, String> {
        Ok(self.0.into())
    }

    fn glob(&self, _: &str) -> Vec<String> {
        Vec::new()
    }

    fn env(&self, _: &str) -> Option<String> {
        None
    }

    fn config_id(&self) -> String {
        String::new()
    }

    fn random(&self) -> u32 {
        0
    }

    fn user(&self, _: &str) -> Option<User> {
        None
    }

    fn group(&self, _: &str) -> Option<u32> {
        None
    }

    fn own_user(&self) -> User {
        User::default()
    }

    fn program(&self, _: &str, _: User) -> Result<Program, String> {
        Err("no such file or directory".to_owned())
    }
}

#[test]
fn every_virtual_server_and_setting_is_named_with_its_line() {
    let text = "global_defs {
    router_id a
    lvs_flush
}
virtual_server_group g {
    192.0.2.2 80
}
virtual_server 192.0.2.1 80 {
    real_server 10.0.0.1 80 {
        TCP_CHECK { }
    }
}
virtual_server group g {
    real_server 10.0.0.1 80 { }
}
";
    let loaded = load("test", &Text(text));
    let said: Vec<(u32, Severity, &str)> = loaded
        .diags
        .list()
        .iter()
        .map(|diag| {
            let at = diag.span.and_then(|span| loaded.sources.position(span));
            (
                at.map_or(0, |at| at.line),
                diag.severity,
                diag.message.as_str(),
            )
        })
        .collect();
    let want = |line, keyword| (line, Severity::Unsupported, keyword);
    assert_eq!(
        said,
        [
            want(3, "`lvs_flush` is not in this build; ignored"),
            want(8, "`virtual_server` is not in this build; ignored"),
            want(13, "`virtual_server` is not in this build; ignored"),
        ]
    );
    assert!(loaded.config.lvs.servers.is_empty());
}
