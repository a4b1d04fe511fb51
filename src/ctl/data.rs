//! `keepalived.data`: the state dump as text.

use core::fmt::{self, Display};

use super::lines::{Escaped, Owned, Quoted};
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
    instance::sockets(&mut page, snapshot);
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
    page.title("Network namespace ipvs", &"(main namespace)");
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
    page.title("Dynamic interfaces", &true);
    for (label, script, fifo) in [
        (
            "Global notify fifo",
            "Global notify fifo script",
            &global.notify_fifo,
        ),
        (
            "VRRP notify fifo",
            "VRRP notify fifo script",
            &global.vrrp_notify_fifo,
        ),
    ] {
        if let Some(fifo) = fifo {
            page.title(label, &Owned(&Escaped(&fifo.path), fifo.user));
            if let Some(command) = &fifo.script {
                page.title(script, &Owned(&Quoted(command), command.user));
            }
        }
    }
    let repeat = global.fifo_states_on_reload;
    page.title("FIFO write vrrp states on reload", &repeat);
    of_process(page, global);
}

/// Settings of the packet filter and of the process.
fn of_process(page: &mut Page, global: &Global) {
    let process = &global.process;
    page.title("nftables table name", &Escaped(&global.nft.table));
    page.title("nftables base chain priority", &global.nft.priority);
    let counters = if global.nft.counters { "" } else { "out" };
    page.sentence(&format_args!("nftables with{counters} counters"));
    page.title("Max auto priority", &process.max_auto_priority.unwrap_or(0));
    let delay = process.min_auto_priority_delay.as_micros();
    page.title("Min auto priority delay", &format_args!("{delay} usecs"));
    // One process for both.
    for half in ["VRRP", "Checker"] {
        let nice = process.nice.unwrap_or(0);
        page.title(&format!("{half} process priority"), &nice);
        page.title(&format!("{half} don't swap"), &process.no_swap);
        let realtime = process.rt_priority.unwrap_or(0);
        page.title(&format!("{half} realtime priority"), &realtime);
    }
    for missing in [
        "SNMP vrrp",
        "SNMP checker",
        "SNMP RFCv2",
        "SNMP RFCv3",
        "SNMP traps",
        "DBus",
    ] {
        page.sentence(&format_args!("{missing} disabled"));
    }
    let umask = process.umask.unwrap_or(DEFAULT_UMASK);
    page.title("umask", &format_args!("0{umask:o}"));
    if global.log_unknown_vrids {
        page.sentence(&"log_unknown_vrids");
    }
}

/// As written without `umask` and `-u`.
const DEFAULT_UMASK: u16 = 0o177;

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
        page.pair("State", &Flags(interface));
        page.pair("Up debounce timer", &clock::Micros(interface.up_delay));
        page.pair("Down debounce timer", &clock::Micros(interface.down_delay));
        if let Some(mtu) = interface.mtu {
            page.pair("MTU", &mtu);
        }
        let kind = match interface.mac {
            _ if interface.flags & IFF_LOOPBACK != 0 => "LOOPBACK",
            Some(_) => "ETHERNET",
            None => "UNKNOWN",
        };
        page.pair("HW Type", &kind);
        page.line(&"NIC netlink status update");
        tracked::by_interface(page, interface, snapshot);
    }
}

// linux/if.h
const IFF_BROADCAST: u32 = 0x2;
const IFF_LOOPBACK: u32 = 0x8;
const IFF_POINTOPOINT: u32 = 0x10;
const IFF_NOARP: u32 = 0x80;
const IFF_MULTICAST: u32 = 0x1000;

/// `UP, RUNNING, no multicast`
struct Flags<'a>(&'a Interface<'a>);

impl fmt::Display for Flags<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Interface { up, flags, .. } = self.0;
        f.write_str(if *up {
            "UP, RUNNING"
        } else {
            "not UP or not RUNNING"
        })?;
        for (flag, shown, text) in [
            (IFF_BROADCAST, false, ", no broadcast"),
            (IFF_LOOPBACK, true, ", loopback"),
            (IFF_POINTOPOINT, true, ", point to point"),
            (IFF_NOARP, true, ", no arp"),
            (IFF_MULTICAST, false, ", no multicast"),
        ] {
            if (flags & flag != 0) == shown {
                f.write_str(text)?;
            }
        }
        Ok(())
    }
}

impl Interface<'_> {
    /// Whether it has this name.
    pub(super) fn is(&self, name: &crate::types::IfName) -> bool {
        self.name == name
    }
}
