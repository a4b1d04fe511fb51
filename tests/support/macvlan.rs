//! Macvlans of the fake kernel: parses link requests.

use vrrpd::netlink::Attrs;
use vrrpd::types::Mac;
use vrrpd::types::errno::{EEXIST, ENODEV};

use super::kernel::{FakeLink, Kernel};

const RTM_NEWLINK: u16 = 16;
const RTM_DELLINK: u16 = 17;
const EOPNOTSUPP: i32 = 95;
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
        for attr in Attrs::new(attrs).map(|attr| attr.expect("well formed")) {
            match attr.kind {
                1 => mac = attr.mac().expect("an Ethernet address"),
                3 => name = attr.text().expect("a name").into(),
                5 => base = attr.u32_ne().expect("a number"),
                _ => {}
            }
        }
        if self.no_macvlan {
            return EOPNOTSUPP;
        }
        if self.links.iter().any(|link| link.name == name) {
            return EEXIST;
        }
        if !self.links.iter().any(|link| link.index == base) {
            return ENODEV;
        }
        self.log.push(format!("macvlan {name} {mac} on {base}"));
        let highest = self.links.iter().map(|link| link.index).max();
        let link = FakeLink {
            index: highest.unwrap_or(0).max(9) + 1,
            name,
            up: false,
            parent: Some((base, mac)),
        };
        self.links.push(link.clone());
        self.push_link_event(link, true);
        0
    }

    /// Sets a link up or down.
    pub fn set_link_up(&mut self, index: u32, on: bool) -> i32 {
        let up = |base| self.links.iter().any(|link| link.index == base && link.up);
        let Some(index_in_list) = self.links.iter().position(|link| link.index == index) else {
            return ENODEV;
        };
        let base = self.links[index_in_list].parent.map_or(0, |(base, _)| base);
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
