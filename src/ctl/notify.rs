//! Notify scripts of an instance or group in the state dump.

use super::lines::{Owned, Quoted};
use super::page::{Page, yes};
use crate::config::model::Notify;

pub(super) fn notify(page: &mut Page, notify: &Notify) {
    page.pair("Using smtp notification", &yes(notify.smtp_alert));
    let deleted = notify.report_deleted || notify.deleted.is_some();
    page.pair("Notify deleted", &if deleted { "Deleted" } else { "Fault" });
    for (label, command) in [
        ("Backup state transition script", &notify.backup),
        ("Master state transition script", &notify.master),
        ("Fault state transition script", &notify.fault),
        ("Stop state transition script", &notify.stop),
        ("Deleted state transition script", &notify.deleted),
        (
            "Master rx lower pri state transition script",
            &notify.master_rx_lower_pri,
        ),
        ("Generic state transition script", &notify.any),
    ] {
        if let Some(command) = command {
            page.pair(label, &Owned(&Quoted(command), command.user));
        }
    }
    page.pair("Notify priority changes", &notify.priority_changes);
}
