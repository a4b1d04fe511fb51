//! `notify*` and `smtp_alert` of instances and groups, and the FIFOs.

use super::Lowering;
use super::fields::Fields;
use crate::config::model::{Command, Fifo, Notify};

impl Lowering<'_> {
    /// Who is told of changes of an instance or group.
    pub(super) fn notify(&mut self, fields: &Fields<'_>) -> Notify {
        let on = |name: &str, default: bool| fields.boolean(name).unwrap_or(default);
        Notify {
            master: self.handler(fields, "notify_master"),
            backup: self.handler(fields, "notify_backup"),
            fault: self.handler(fields, "notify_fault"),
            stop: self.handler(fields, "notify_stop"),
            deleted: self.handler(fields, "notify_deleted"),
            // With a command, the others are told DELETED as well.
            report_deleted: fields.has("notify_deleted"),
            any: self.handler(fields, "notify"),
            master_rx_lower_pri: self.handler(fields, "notify_master_rx_lower_pri"),
            priority_changes: on("notify_priority_changes", self.defaults.priority_changes),
            smtp_alert: on("smtp_alert", self.defaults.mail),
        }
    }

    pub(super) fn handler(&mut self, fields: &Fields<'_>, name: &str) -> Option<Command> {
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
            let message =
                "`vrrp_notify_fifo` is `notify_fifo`, which gets all lines anyway; ignored";
            self.warn(node.span(), message);
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
            let message =
                "`lvs_notify_fifo` is `notify_fifo`, which gets all lines anyway; ignored";
            self.warn(node.span(), message);
            return None;
        }
        Some(fifo)
    }

    fn fifo(&mut self, global_defs: &Fields<'_>, name: &str, script: &str) -> Option<Fifo> {
        let Some(node) = global_defs.last(name) else {
            if let Some(node) = global_defs.last(script) {
                let message = format!("there is no `{name}`, so `{script}` is not run");
                let help = format!("write `{name} PATH`");
                self.error(node.span(), message, help);
            }
            return None;
        };
        let mut words = node.args.iter().map(|word| &*word.text);
        let path = words.next()?.to_owned();
        if !path.starts_with('/') {
            let message = format!("`{path}` is relative, and a daemon lives in `/`; ignored");
            self.error(node.span(), message, "write the whole path");
            return None;
        }
        let user = match words.next() {
            Some(name) => self.user_named(name, words.next(), node.span())?,
            None => self.scripts.user?,
        };
        let script = self.handler(global_defs, script);
        Some(Fifo { path, user, script })
    }
}
