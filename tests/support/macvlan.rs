//! Macvlans of the fake kernel: parses link requests.

use vrrpd::netlink::Attrs;
use vrrpd::types::Mac;
use vrrpd::types::errno::{EEXIST, ENODEV};

use super::kernel::{FakeLink, Kernel};

const RTM_NEWLINK: u16 = 16;
const IFLA_MASTER: u16 = 10;
const RTM_DELLINK: u16 = 17;
const EOPNOTSUPP: i32 = 95;
const EADDRINUSE: i32 = 98;
const ENETDOWN: i32 = 100;

impl Kernel {
    /// Applies a link request; `None` if the batch is something else.
    pub(super) fn link_request(&mut self, bytes: &[u8]) -> Option<i32> {
        let kind = u16::from_ne_bytes([*bytes.get(4)?, *bytes.get(5)?]);
        let number = |at: usize| {
            let field = bytes[at..at + 4].try_into().expect("four bytes");
            u32::from_ne_bytes(field)
        };
        Some(match (kind, bytes.get(20..24)?) {
            (RTM_NEWLINK, [0, 0, 0, 0]) => self.create(&bytes[32..]),
            (RTM_NEWLINK, _) if bytes.len() > 32 => self.set_master(number(20), &bytes[32..]),
            (RTM_NEWLINK, _) => self.set_link_up(number(20), number(24) & 1 != 0),
            (RTM_DELLINK, _) => {
                self.log.push(format!("del link {}", number(20)));
                self.drop_link(number(20));
                0
            }
            _ => return None,
        })
    }

    fn create(&mut self, attrs: &[u8]) -> i32 {
        let (mut name, mut mac, mut base) = (String::new(), Mac::default(), 0);
        let (mut kind, mut group) = ("", 0);
        for attr in Attrs::new(attrs).map(|attr| attr.expect("well formed")) {
            match attr.kind {
                1 => mac = attr.mac().expect("an Ethernet address"),
                3 => name = attr.text().expect("a name").into(),
                5 => base = attr.u32_ne().expect("a number"),
                27 => group = attr.u32_ne().expect("a number"),
                18 => kind = self::kind(&attr),
                _ => {}
            }
        }
        if self.no_links.contains(&kind) {
            self.log.push(format!("{kind} {name} refused"));
            return EOPNOTSUPP;
        }
        if self.links.iter().any(|link| link.name == name) {
            return EEXIST;
        }
        if !self.links.iter().any(|link| link.index == base) {
            return ENODEV;
        }
        if let Some(errno) = self.reject_create {
            self.log.push(format!("{kind} {name} refused"));
            return errno;
        }
        if kind == "ipvlan" {
            self.log.push(format!("ipvlan {name} on {base}"));
        } else {
            self.log.push(format!("macvlan {name} {mac} on {base}"));
        }
        // Macvlans are not stacked.
        let below = self.links.iter().find(|link| link.index == base);
        let below = below.and_then(|link| link.parent);
        let mut base = below.map_or(base, |(index, _)| index);
        if let Some(other) = self.wrong_base {
            base = other;
        }
        let highest = self.links.iter().map(|link| link.index).max();
        let link = FakeLink {
            index: highest.unwrap_or(0).max(9) + 1,
            name,
            up: false,
            parent: Some((base, mac)),
            kind: (kind == "ipvlan").then_some("ipvlan"),
            master: None,
            group,
        };
        self.links.push(link.clone());
        self.push_link_event(link, true);
        0
    }

    fn set_master(&mut self, index: u32, attrs: &[u8]) -> i32 {
        let attr = Attrs::new(attrs).next().expect("an attribute");
        let attr = attr.expect("well formed");
        assert_eq!(attr.kind, IFLA_MASTER);
        let master = attr.u32_ne().expect("a number");
        self.log.push(format!("{index} master {master}"));
        if self.reject_master {
            return EOPNOTSUPP;
        }
        self.enslave(index, (master != 0).then_some(master));
        0
    }

    /// Moves a link to a VRF or bridge, or out of one.
    pub fn enslave(&mut self, index: u32, master: Option<u32>) {
        let link = self.links.iter_mut().find(|link| link.index == index);
        let link = link.expect("it exists");
        link.master = master;
        let link = link.clone();
        self.push_link_event(link, true);
    }

    /// Sets a link up or down.
    pub fn set_link_up(&mut self, index: u32, on: bool) -> i32 {
        let up = |base| self.links.iter().any(|link| link.index == base && link.up);
        let Some(index_in_list) = self.links.iter().position(|link| link.index == index) else {
            return ENODEV;
        };
        let base = self.links[index_in_list].parent.map_or(0, |(base, _)| base);
        if on && self.reject_up == Some(index) {
            self.log.push(format!("{index} refused"));
            return EADDRINUSE;
        }
        if on && !up(base) {
            return ENETDOWN;
        }
        self.links[index_in_list].up = on;
        let word = if on { "up" } else { "down" };
        self.log.push(format!("{index} {word}"));
        let link = self.links[index_in_list].clone();
        self.push_link_event(link, true);
        0
    }
}

fn kind(info: &vrrpd::netlink::Attr<'_>) -> &'static str {
    let mut inner = info
        .nested()
        .expect("nested")
        .map(|attr| attr.expect("well formed"));
    match inner.next().expect("a type").text().expect("text") {
        "macvlan" => "macvlan",
        "ipvlan" => "ipvlan",
        other => panic!("{other}"),
    }
}
