//! Virtual servers, their real servers and checks.

use super::{Writer, elements, pieces};
use crate::config::diag::Severity;
use crate::uci::parse::{Section, Word};

/// The checks, and the options of a `real_server` that they use.
#[rustfmt::skip]
static CHECKS: &[(&str, &[&str])] = &[
    ("PING_CHECK", &[]),
    ("TCP_CHECK", &["connect_timeout", "connect_port"]),
    ("MISC_CHECK", &["misc_path"]),
    ("HTTP_GET", &["connect_timeout", "connect_port", "nb_get_retry", "retry", "delay_before_retry", "url"]),
    ("SSL_GET", &["connect_timeout", "connect_port", "nb_get_retry", "retry", "delay_before_retry", "url"]),
];

impl<'a> Writer<'a, '_> {
    pub(super) fn virtual_server(&mut self, section: &'a Section) {
        let address = [("", "ipaddr"), ("", "port")];
        let first = pieces(&["virtual_server"], section.typed.span);
        if !self.gathered(section, &first, &address) {
            return;
        }
        self.brace();
        self.options(section);
        if section.get("lb_algo").is_none() {
            self.put(&pieces(&["lb_algo", "rr"], section.typed.span));
        }
        let sorry = [
            ("sorry_server", "sorry_server_ip"),
            ("", "sorry_server_port"),
        ];
        if sorry
            .iter()
            .all(|(_, option)| section.get(option).is_some())
        {
            self.gathered(section, &[], &sorry);
        }
        for name in elements(section, "real_server") {
            if let Some(server) = self.find(name, &["real_server"]) {
                self.real_server(server);
            }
        }
        self.close();
    }

    fn real_server(&mut self, section: &'a Section) {
        let Some(name) = section.title().filter(|_| !section.off()) else {
            return;
        };
        let address = [("", "ipaddr"), ("", "port")];
        let first = pieces(&["real_server"], section.typed.span);
        if !self.is_name(name) || !self.gathered(section, &first, &address) {
            return;
        }
        self.brace();
        self.options(section);
        self.notify(section, name);
        if let Some(check) = section.get("check") {
            self.check(section, check);
        }
        self.close();
    }

    fn check(&mut self, section: &'a Section, check: &Word) {
        let Some((name, options)) = CHECKS.iter().find(|row| row.0 == check.text) else {
            let known: Vec<&str> = CHECKS.iter().map(|row| row.0).collect();
            let message = "unknown check; the server is not checked";
            let help = ["write one of ", &known.join(", ")].concat();
            self.diags
                .report_with_help(Severity::Warning, check.span, message, help);
            return;
        };
        self.open(&pieces(&[name], check.span));
        for option in *options {
            match *option {
                "misc_path" => self.command(section, option),
                "url" => {
                    for name in elements(section, option) {
                        if let Some(page) = self.find(name, &["url"]) {
                            self.open(&pieces(&["url"], page.typed.span));
                            self.options(page);
                            self.close();
                        }
                    }
                }
                // The name before version 2 of keepalived.
                "nb_get_retry" => self.value(section, "retry", option),
                "retry" if section.get("nb_get_retry").is_some() => {}
                _ => self.value(section, option, option),
            }
        }
        self.close();
    }
}
