//! Addresses and interfaces.

use core::fmt;
use core::net::IpAddr;

/// Ethernet address.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Hash, Default)]
pub struct Mac(pub [u8; 6]);

impl Mac {
    /// ff:ff:ff:ff:ff:ff.
    pub const BROADCAST: Mac = Mac([0xff; 6]);
}

impl fmt::Display for Mac {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [a, b, c, d, e, g] = self.0;
        write!(f, "{a:02x}:{b:02x}:{c:02x}:{d:02x}:{e:02x}:{g:02x}")
    }
}

/// The kernel's interface index; 0 is never used.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Hash)]
pub struct IfIndex(pub u32);

/// The host in `HOST`, `HOST:PORT`, `ADDRESS`, `[ADDRESS]` or `[ADDRESS]:PORT`; anything else is
/// returned as it is.
#[must_use]
pub fn without_port(text: &str) -> &str {
    let (host, port) = match text.split_once(']') {
        Some((host, port)) => (host.strip_prefix('[').unwrap_or(""), port),
        // Several colons: an IPv6 address.
        None if text.matches(':').count() == 1 => text.split_at(text.find(':').unwrap_or(0)),
        None => return text,
    };
    let digits = port.strip_prefix(':').unwrap_or(port);
    let valid = digits.bytes().all(|c| c.is_ascii_digit()) && !host.is_empty();
    if valid { host } else { text }
}

/// Address family.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Hash)]
pub enum Family {
    /// IPv4.
    V4,
    /// IPv6.
    V6,
}

impl Family {
    /// The family of an address.
    #[must_use]
    pub fn of(addr: IpAddr) -> Self {
        match addr {
            IpAddr::V4(_) => Family::V4,
            IpAddr::V6(_) => Family::V6,
        }
    }

    /// Prefix length of a single host: 32 or 128.
    #[must_use]
    pub const fn host_prefix(self) -> u8 {
        match self {
            Family::V4 => 32,
            Family::V6 => 128,
        }
    }

    /// Length of an address in bytes: 4 or 16.
    #[must_use]
    pub const fn addr_len(self) -> usize {
        match self {
            Family::V4 => 4,
            Family::V6 => 16,
        }
    }
}

impl fmt::Display for Family {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Family::V4 => "IPv4",
            Family::V6 => "IPv6",
        })
    }
}

/// An address with its prefix length.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Hash)]
pub struct Cidr {
    /// The address, including host bits.
    pub addr: IpAddr,
    /// Prefix length in bits.
    pub prefix: u8,
}

impl Cidr {
    /// A single host.
    #[must_use]
    pub fn host(addr: IpAddr) -> Self {
        Cidr {
            addr,
            prefix: Family::of(addr).host_prefix(),
        }
    }

    /// Whether the prefix is that of a single address.
    #[must_use]
    pub fn is_host(&self) -> bool {
        self.prefix == self.family().host_prefix()
    }

    /// Whether an address is in this network.
    #[must_use]
    pub fn contains(&self, addr: IpAddr) -> bool {
        let common = match (self.addr, addr) {
            (IpAddr::V4(ours), IpAddr::V4(theirs)) => {
                (ours.to_bits() ^ theirs.to_bits()).leading_zeros()
            }
            (IpAddr::V6(ours), IpAddr::V6(theirs)) => {
                (ours.to_bits() ^ theirs.to_bits()).leading_zeros()
            }
            (IpAddr::V4(_), IpAddr::V6(_)) | (IpAddr::V6(_), IpAddr::V4(_)) => return false,
        };
        common >= u32::from(self.prefix)
    }

    /// The address's family.
    #[must_use]
    pub fn family(&self) -> Family {
        Family::of(self.addr)
    }
}

impl fmt::Display for Cidr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.addr, self.prefix)
    }
}

/// Type of a virtual interface on top of another one.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum VirtualLink {
    /// Has this Ethernet address.
    Macvlan(Mac),
    /// Has that of the interface below; `IPVLAN_F_*`: 0 bridge, 1 private, 2 VEPA.
    Ipvlan(u16),
}

impl VirtualLink {
    /// `IFLA_INFO_KIND`.
    #[must_use]
    pub const fn kind(self) -> &'static str {
        match self {
            VirtualLink::Macvlan(_) => "macvlan",
            VirtualLink::Ipvlan(_) => "ipvlan",
        }
    }
}

/// Position of a new route among those with the same destination and metric.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum RouteInsert {
    /// `prepend`, the default: before them; IPv6: as another nexthop.
    Prepend,
    /// `append`: after them.
    Append,
    /// `add`: the kernel refuses it if there are others.
    Add,
}

/// Interface name: 1–15 bytes, without whitespace, `/` and control characters. [`Default`] is the
/// empty name, which no interface has.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct IfName(heapless::String<15, u8>);

impl IfName {
    /// `None` if the kernel does not accept this name for an interface.
    #[must_use]
    pub fn new(name: &str) -> Option<Self> {
        let bad = |c: char| c == '/' || c.is_whitespace() || c.is_control();
        if name.is_empty() || name == "." || name == ".." || name.contains(bad) {
            return None;
        }
        heapless::String::try_from(name).ok().map(IfName)
    }

    /// The name as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        self.0.as_str()
    }

    /// The name; `None` if it is the empty one ([`Default`]), which stands for no interface.
    #[must_use]
    pub fn non_empty(&self) -> Option<&IfName> {
        Some(self).filter(|name| !name.0.is_empty())
    }

    /// The name, or how messages call what an instance without an interface uses.
    #[must_use]
    pub fn or_any(&self) -> &str {
        self.non_empty().map_or("any interface", IfName::as_str)
    }
}

impl fmt::Display for IfName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

impl fmt::Debug for IfName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ports_are_removed_from_hosts() {
        for (text, want) in [
            ("www.example.org", "www.example.org"),
            ("www.example.org:8443", "www.example.org"),
            ("www.example.org:", "www.example.org"),
            ("www.example.org:https", "www.example.org:https"),
            ("192.0.2.1:443", "192.0.2.1"),
            ("2001:db8::1", "2001:db8::1"),
            ("[2001:db8::1]", "2001:db8::1"),
            ("[2001:db8::1]:443", "2001:db8::1"),
            ("[2001:db8::1]:x", "[2001:db8::1]:x"),
            ("[]:443", "[]:443"),
            ("2001:db8::1]:443", "2001:db8::1]:443"),
            (":443", ":443"),
            ("", ""),
        ] {
            assert_eq!(without_port(text), want, "{text}");
        }
    }

    #[test]
    fn a_network_contains_the_addresses_with_its_prefix() {
        for (network, prefix, addr, want) in [
            ("192.0.2.1", 24, "192.0.2.255", true),
            ("192.0.2.1", 24, "192.0.3.1", false),
            ("192.0.2.1", 32, "192.0.2.1", true),
            ("192.0.2.1", 32, "192.0.2.0", false),
            ("192.0.2.1", 0, "203.0.113.1", true),
            ("192.0.2.1", 0, "::1", false),
            ("2001:db8::1", 64, "2001:db8::ffff:0:0:1", true),
            ("2001:db8::1", 64, "2001:db8:0:1::1", false),
            ("2001:db8::1", 128, "2001:db8::1", true),
        ] {
            let network = Cidr {
                addr: network.parse().unwrap(),
                prefix,
            };
            let contains = network.contains(addr.parse().unwrap());
            assert_eq!(contains, want, "{network} {addr}");
        }
    }

    #[test]
    fn interface_names_are_what_the_kernel_accepts() {
        for (name, good) in [
            ("eth0", true),
            ("eno16777984", true),
            ("br-lan.10@x", true),
            ("fifteen-bytes-x", true),
            ("sixteen-bytes-xx", false),
            ("", false),
            ("..", false),
            ("a b", false),
            ("a/b", false),
        ] {
            assert_eq!(IfName::new(name).is_some(), good, "{name}");
        }
    }
}
