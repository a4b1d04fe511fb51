//! Requests about virtual interfaces, and those that a killed process has left.

use crate::engine::Engine;
use crate::engine::cx::Cx;
use crate::engine::events::{EventKind, Object};
use crate::engine::instance::state_record;
use crate::engine::kernel::addresses::reason;
use crate::engine::kernel::interfaces::{Interface, LinkKind};
use crate::engine::system::error_text;
use crate::log::Level;
use crate::netlink::{Batch, macvlan};

impl Engine {
    /// Removes those of the previous process that are no longer configured.
    pub(crate) fn remove_stale_vmacs(&mut self, cx: &mut Cx<'_>, old: &[u8]) {
        let mut count = 0_usize;
        for (name, mac) in state_record::links(old) {
            let mut used = self.routers.iter().flat_map(|router| &router.conf.vmacs);
            let kind = match mac {
                Some(_) => LinkKind::Macvlan,
                None => LinkKind::Ipvlan,
            };
            let interfaces = &mut self.shared.interfaces;
            let same = |link: &&Interface| link.kind == kind && (mac.is_none() || link.mac == mac);
            if used.all(|vmac| vmac.name != name)
                && let Some(link) = interfaces.by_name(&name).filter(same)
            {
                let index = link.index;
                let _ = request(cx, |batch| macvlan::delete(batch, index));
                interfaces.forget(index);
                count = count.saturating_add(1);
            }
        }
        if count > 0 {
            cx.note(
                Level::Info,
                EventKind::Repair,
                Object::DAEMON,
                format_args!(
                    "removed {count} virtual interfaces of an earlier run that are no longer configured"
                ),
            );
        }
    }
}

/// The kernel's refusal of a request.
pub(super) struct Refusal {
    pub(super) errno: i32,
    pub(super) text: String,
}

/// Sends one request.
pub(super) fn request(
    cx: &mut Cx<'_>,
    fill: impl FnOnce(&mut Batch) -> u32,
) -> Result<(), Refusal> {
    let mut batch = Batch::new(1);
    fill(&mut batch);
    let mut refusal = None;
    let sent = cx.system.request(&batch, &mut |ack| {
        let (errno, text) = (ack.errno, reason(ack));
        refusal = Some(Refusal { errno, text });
    });
    sent.map_err(|error| Refusal {
        errno: error.raw_os_error().unwrap_or(0),
        text: error_text(&error),
    })?;
    refusal.map_or(Ok(()), Err)
}
