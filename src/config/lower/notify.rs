//! `notify*` and `smtp_alert` of instances and groups, and the FIFOs.

use super::Lowering;
use super::fields::Fields;
use crate::config::diag::Severity;
use crate::config::model::{Command, Fifo, Notify};

impl Lowering<'_> {
    /// The notifications of an instance or sync group.
    pub(super) fn notify(&mut self, fields: &Fields<'_>) -> Notify {
        let on = |name: &str, default: bool| fields.boolean(name).unwrap_or(default);
        Notify {
            master: self.notify_command(fields, "notify_master"),
            backup: self.notify_command(fields, "notify_backup"),
            fault: self.notify_command(fields, "notify_fault"),
            stop: self.notify_command(fields, "notify_stop"),
            deleted: self.notify_command(fields, "notify_deleted"),
            report_deleted: fields.has("notify_deleted"),
            any: self.notify_command(fields, "notify"),
            master_rx_lower_pri: self.notify_command(fields, "notify_master_rx_lower_pri"),
            priority_changes: on("notify_priority_changes", self.defaults.priority_changes),
            smtp_alert: on("smtp_alert", self.defaults.smtp_alert),
        }
    }

    /// The command of a `notify_*` or `quorum_*` statement.
    pub(super) fn notify_command(&mut self, fields: &Fields<'_>, name: &str) -> Option<Command> {
        let node = fields.last(name).filter(|node| !node.args.is_empty())?;
        self.command(node)
    }

    /// `notify_fifo` and `vrrp_notify_fifo`.
    pub(super) fn fifos(&mut self, global_defs: &Fields<'_>) -> [Option<Fifo>; 2] {
        let all = self.fifo(global_defs, "notify_fifo", "notify_fifo_script");
        let vrrp = self.fifo(global_defs, "vrrp_notify_fifo", "vrrp_notify_fifo_script");
        let path = |fifo: &Option<Fifo>| fifo.as_ref().map(|fifo| fifo.path.clone());
        if vrrp.is_some()
            && path(&all) == path(&vrrp)
            && let Some(node) = global_defs.last("vrrp_notify_fifo")
        {
            let message = "`vrrp_notify_fifo` is the same FIFO as `notify_fifo`, which receives all lines; ignored";
            self.tolerated(node.span(), message);
            return [all, None];
        }
        [all, vrrp]
    }

    /// `lvs_notify_fifo`.
    #[cfg(feature = "lvs")]
    pub(super) fn lvs_fifo(&mut self, global_defs: &Fields<'_>) -> Option<Fifo> {
        let fifo = self.fifo(global_defs, "lvs_notify_fifo", "lvs_notify_fifo_script")?;
        if let Some(node) = global_defs.last("lvs_notify_fifo")
            && global_defs.word("notify_fifo") == Some(&*fifo.path)
        {
            let message = "`lvs_notify_fifo` is the same FIFO as `notify_fifo`, which receives all lines; ignored";
            self.tolerated(node.span(), message);
            return None;
        }
        Some(fifo)
    }

    fn fifo(&mut self, global_defs: &Fields<'_>, name: &str, script: &str) -> Option<Fifo> {
        let Some(node) = global_defs.last(name) else {
            if let Some(node) = global_defs.last(script) {
                let message = format!("`{script}` is not run: there is no `{name}`");
                let help = format!("write `{name} PATH`");
                self.diags
                    .report_with_help(Severity::ToleratedError, node.span(), message, help);
            }
            return None;
        };
        let mut words = node.args.iter().map(|word| &*word.text);
        let path = words.next()?.to_owned();
        if !path.starts_with('/') {
            let message = format!("`{path}` is not an absolute path; the FIFO is ignored");
            let help = "write a path that starts with `/`";
            self.diags
                .report_with_help(Severity::ToleratedError, node.span(), message, help);
            return None;
        }
        let user = match words.next() {
            Some(name) => {
                self.user_named(name, words.next(), node.span(), Severity::ToleratedError)?
            }
            None => self.default_user()?,
        };
        let script = self.notify_command(global_defs, script);
        Some(Fifo { path, user, script })
    }
}
