//! `notification_email*`, `smtp_*` of `global_defs`.

use core::time::Duration;

use super::Lowering;
use super::fields::Fields;
use crate::config::model::SmtpSettings;
use crate::config::schema::value;
use crate::config::span_map::SpanMap;

impl Lowering<'_> {
    /// The mail settings; `None` if they are incomplete, which is reported if an `smtp_alert` needs
    /// them.
    pub(super) fn smtp_settings(
        &mut self,
        global_defs: &Fields<'_>,
        top: &Fields<'_>,
    ) -> Option<SmtpSettings> {
        let items = global_defs.items("notification_email");
        let words = items.flat_map(|item| core::iter::once(&item.keyword).chain(&item.args));
        let mut to: Vec<String> = Vec::new();
        let mut known = SpanMap::default();
        for word in words {
            if known.earlier_or_insert(&word.text, word.span).is_none() {
                to.push(word.text.to_string());
            }
        }
        let server = global_defs.last("smtp_server");
        let Some(server) = server.filter(|_| !to.is_empty()) else {
            let missing = if to.is_empty() {
                "notification_email"
            } else {
                "smtp_server"
            };
            self.report_no_mail(global_defs, top, missing);
            return None;
        };
        let default = SmtpSettings::default();
        let mut words = server.args.iter().map(|word| &*word.text);
        let timeout = global_defs
            .seconds("smtp_connect_timeout")
            .unwrap_or(default.timeout);
        let word = |name: &str| global_defs.word(name).unwrap_or_default().to_owned();
        Some(SmtpSettings {
            to,
            from: word("notification_email_from"),
            server: words.next()?.to_owned(),
            port: words
                .next()
                .and_then(value::int)
                .and_then(|port| u16::try_from(port).ok())
                .unwrap_or(default.port),
            helo_name: word("smtp_helo_name"),
            timeout: timeout.max(Duration::from_secs(1)),
            no_email_faults: global_defs.boolean("no_email_faults") == Some(true),
        })
    }

    /// Reports, once, an `smtp_alert` that cannot be sent.
    fn report_no_mail(&mut self, global_defs: &Fields<'_>, top: &Fields<'_>, missing: &str) {
        let blocks = ["vrrp_instance", "vrrp_sync_group", "virtual_server"];
        let blocks = blocks.iter().flat_map(|name| top.all(name));
        let own = blocks.filter_map(|node| Fields::inside(node).last("smtp_alert"));
        let default = global_defs.last_of(&["smtp_alert", "smtp_alert_vrrp", "smtp_alert_checker"]);
        let on = |node: &&crate::config::tree::Node| {
            super::first(node).and_then(value::boolean) != Some(false)
        };
        let mut enabled = own.chain(default).filter(on);
        if let Some(node) = enabled.next() {
            let message = format!("no mail is sent: `global_defs` has no `{missing}`");
            let help = match missing {
                "smtp_server" => "write `smtp_server HOST [PORT]` in `global_defs`",
                _ => "write `notification_email { ADDRESS … }` in `global_defs`",
            };
            self.note_with_help(node.span(), message, help);
        }
    }
}
