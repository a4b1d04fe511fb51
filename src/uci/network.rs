//! The networks of `/etc/config/network`. Users write the name of a network (`lan`) where that of
//! its device (`br-lan`) belongs.

use super::parse::{self, Section};
use crate::config::diag::{Diags, Severity};
use crate::config::source::Sources;

/// Maximum number of references from network to network (`@lan`) that are followed.
const MAX_ALIASES: usize = 8;

/// The options whose value is a device, each with its type of section.
const DEVICES: &[(&str, &str)] = &[
    ("vrrp_instance", "interface"),
    ("vrrp_instance", "lvs_sync_daemon_interface"),
    ("ipaddress", "device"),
    ("route", "device"),
    ("track_interface", "value"),
    ("interface_up_down_delays", "device"),
];

/// The networks of a router, and the devices that exist.
#[derive(Debug, Default)]
pub struct Networks {
    file: String,
    sections: Vec<Section>,
    present: Vec<String>,
}

impl Networks {
    /// Reads `/etc/config/network`; `present` are the names of the devices that exist.
    #[must_use]
    pub fn read(file: &str, bytes: Vec<u8>, present: Vec<String>) -> Self {
        let mut sources = Sources::default();
        let mut sections = match sources.add(file, bytes) {
            Ok(number) => parse::parse(sources.text(number), &mut Diags::default()),
            Err(_) => Vec::new(),
        };
        sections.retain(|section| section.typed.text == "interface");
        let file = file.to_owned();
        Networks {
            file,
            sections,
            present,
        }
    }

    /// Reports options of a section that name a network instead of a device.
    pub(super) fn check(&self, section: &Section, diags: &mut Diags) {
        let kind = section.kind();
        let options = DEVICES.iter().filter(|row| row.0 == kind);
        for value in options.filter_map(|(_, option)| section.get(option)) {
            let name = value.text.as_str();
            let Some(network) = self.confused(name) else {
                continue;
            };
            let message = [
                "`",
                name,
                "` is a network of ",
                &self.file,
                ", not a device; nothing happens there until a device of that name exists",
            ];
            let help = match self.device(network, MAX_ALIASES) {
                Some(device) => ["write '", &device, "', the device of that network"].concat(),
                None => ["write its device, the l3_device in `ifstatus ", name, "`"].concat(),
            };
            diags.report_with_help(Severity::Error, value.span, message.concat(), help);
        }
    }

    /// The network of this name, if there is neither a device of that name nor will be one.
    fn confused(&self, name: &str) -> Option<&Section> {
        let network = self.get(name)?;
        let device = self.device(network, MAX_ALIASES);
        // A tunnel has the name of its network, or one that is derived from it.
        let own = device.as_deref() == Some(name) || (device.is_none() && !has_device(network));
        let exists = self.present.iter().any(|one| one == name);
        (!own && !exists).then_some(network)
    }

    /// The names that are reported wherever they are a device.
    pub fn confused_names(&self) -> impl Iterator<Item = &str> {
        self.sections.iter().filter_map(|section| {
            let name = section.own_name.as_ref()?;
            self.confused(&name.text).map(|_| name.text.as_str())
        })
    }

    fn get(&self, name: &str) -> Option<&Section> {
        let named = |section: &&Section| {
            let own = section.own_name.as_ref();
            own.is_some_and(|own| own.text == name)
        };
        self.sections.iter().find(named)
    }

    /// The device that addresses of a network are on; `None`: it is not in the file.
    fn device(&self, network: &Section, aliases: usize) -> Option<String> {
        let name = network.own_name.as_ref()?.text.as_str();
        let protocol = network.get("proto").map_or("none", |word| &word.text);
        if matches!(protocol, "pppoe" | "pppoa" | "pptp" | "3g") {
            return Some([protocol, "-", name].concat());
        }
        if !has_device(network) {
            return None;
        }
        // Before OpenWrt 21.02, a bridge was a network with a list of its ports.
        let kind = network.get("type");
        if kind.is_some_and(|kind| kind.text == "bridge") {
            return Some(["br-", name].concat());
        }
        let device = network.get("device").or(network.get("ifname"))?;
        let first = device.text.split_whitespace().next()?;
        match first.strip_prefix('@') {
            Some(other) => self.device(self.get(other)?, aliases.checked_sub(1)?),
            None => Some(first.to_owned()),
        }
    }
}

/// Whether a network is on a device that it names, and does not create one.
fn has_device(network: &Section) -> bool {
    let protocol = network.get("proto").map_or("none", |word| &word.text);
    matches!(protocol, "none" | "static" | "dhcp" | "dhcpv6")
}
