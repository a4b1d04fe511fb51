//! OpenWrt's configuration files.

use vrrpd::config::model::User;
use vrrpd::config::render::render_text;
use vrrpd::config::{self, Host, Program, Severity};
use vrrpd::uci;

/// A machine on which there is nothing but this file.
struct Machine(String);

impl Host for Machine {
    fn read(&self, path: &str) -> Result<Vec<u8>, String> {
        if path.contains("/iproute2/") {
            return Err(String::new());
        }
        assert_eq!(path, "made.conf", "nothing is included");
        Ok(self.0.clone().into_bytes())
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
        Err(String::new())
    }
}

/// Any bytes may be converted. Whatever values are wrong then, the blocks are where they belong: no value is taken
/// for a word of the language.
pub fn uci(data: &[u8]) {
    let Some(text) = uci::convert("fuzz", data.to_vec()).text else {
        return;
    };
    let loaded = config::load("made.conf", &Machine(text.clone()));
    let said = render_text(&loaded.diags, &loaded.sources);
    let torn = [
        "never closed",
        "unexpected",
        "brace",
        "unknown keyword",
        "does not belong",
    ];
    assert!(
        loaded.diags.worst() < Some(Severity::Fatal)
            && !torn.iter().any(|words| said.contains(words)),
        "{said}\n{text}"
    );
}
