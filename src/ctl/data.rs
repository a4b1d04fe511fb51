//! `keepalived.data`: the state dump as text.

use core::fmt::Display;

use super::lines::Escaped;
use super::page::Page;
use super::{Interface, Snapshot, clock, instance, tracked};
use crate::config::model::Global;
use crate::types::Family;

/// The state dump.
#[must_use]
pub fn data(snapshot: &Snapshot<'_>) -> String {
    let mut page = Page::default();
    global(&mut page, snapshot.global);
    static_items(&mut page, "Static Addresses", &snapshot.addresses);
    static_items(&mut page, "Static Routes", &snapshot.routes);
    static_items(&mut page, "Static Rules", &snapshot.rules);
    page.heading("VRRP Topology");
    for instance in &snapshot.instances {
        instance::show(&mut page, instance, snapshot);
    }
    // The heading is written even without groups: exporters must not take what follows for a part
    // of the last instance.
    tracked::groups(&mut page, snapshot);
    tracked::scripts(&mut page, snapshot);
    tracked::files(&mut page, snapshot);
    tracked::processes(&mut page, snapshot);
    interfaces(&mut page, snapshot);
    #[cfg(feature = "lvs")]
    super::lvs::show(&mut page, &snapshot.services);
    page.0
}

fn global(page: &mut Page, global: &Global) {
    page.heading("Global definitions");
    let process = &global.process;
    let namespace = process.net_namespace.as_deref().unwrap_or("(default)");
    page.title("Network namespace", &Escaped(namespace));
    for (label, text) in [
        ("Instance name", global.instance.as_deref()),
        ("VRRP process name", process.name.as_deref()),
        ("Router ID", Some(&*global.router_id)),
    ] {
        if let Some(text) = text {
            page.title(label, &Escaped(text));
        }
    }
    if let Some(mail) = &global.smtp {
        page.title("Smtp server", &Escaped(&mail.server));
        page.title("Smtp server port", &mail.port);
        page.title("Smtp HELO name", &Escaped(&mail.helo_name));
        page.title("Smtp server connection timeout", &mail.timeout.as_secs());
        page.title("Email notification from", &Escaped(&mail.from));
        page.sentence(&"Email notification to:");
        for recipient in &mail.to {
            page.line(&Escaped(recipient));
        }
    }
    for (label, fifo) in [
        ("Global notify fifo", &global.notify_fifo),
        ("VRRP notify fifo", &global.vrrp_notify_fifo),
    ] {
        if let Some(fifo) = fifo {
            page.title(label, &Escaped(&fifo.path));
        }
    }
    page.title("nftables table name", &Escaped(&global.nft.table));
    page.title("nftables base chain priority", &global.nft.priority);
    page.title("Max auto priority", &process.max_auto_priority);
    page.title("VRRP process priority", &process.nice.unwrap_or(0));
    page.title("VRRP don't swap", &process.no_swap);
    page.title("VRRP realtime priority", &process.rt_priority.unwrap_or(0));
}

fn static_items<T: Display>(page: &mut Page, heading: &str, items: &[T]) {
    if items.is_empty() {
        return;
    }
    page.heading(heading);
    for item in items {
        page.item(item);
    }
}

fn interfaces(page: &mut Page, snapshot: &Snapshot<'_>) {
    page.heading("Interfaces");
    for interface in &snapshot.interfaces {
        page.title("Name", &Escaped(interface.name.as_str()));
        page.pair("index", &interface.index);
        for (label, family) in [("IPv4 address", Family::V4), ("IPv6 address", Family::V6)] {
            let mut own = interface
                .addresses
                .iter()
                .filter(|cidr| cidr.family() == family);
            match own.next() {
                Some(cidr) => page.pair(label, &cidr.addr),
                None => page.pair(label, &"(none)"),
            }
        }
        if let Some(mac) = interface.mac {
            page.pair("MAC", &mac);
        }
        let state = if interface.up {
            "UP, RUNNING"
        } else {
            "not UP or not RUNNING"
        };
        page.pair("State", &state);
        page.pair("Up debounce timer", &clock::Micros(interface.up_delay));
        page.pair("Down debounce timer", &clock::Micros(interface.down_delay));
        tracked::by_interface(page, interface, snapshot);
    }
}

impl Interface<'_> {
    /// Whether it has this name.
    pub(super) fn is(&self, name: &crate::types::IfName) -> bool {
        self.name == name
    }
}
