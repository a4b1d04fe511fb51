//! Packets that no correct router sends, and their transmission from a node.
//!
//! The encoder shares no code with the daemon's: [`Packet`] is an advert whose fields can all be
//! set, including those of the IP header. [`all_kinds`] returns invalid packets of every kind; none
//! may have any effect.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::os::fd::{AsRawFd, OwnedFd};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use nix::ifaddrs::getifaddrs;
use nix::sys::socket::{AddressFamily, LinkAddr, MsgFlags, SockFlag, SockType, sendto, socket};

use crate::frame::{checksum, pseudo};
use crate::net::Node;

/// The fields of an advert; valid as constructed.
#[derive(Clone, Debug)]
pub struct Packet {
    pub from: IpAddr,
    pub to: IpAddr,
    pub ttl: u8,
    pub proto: u8,
    pub options: Vec<u8>,
    pub fragment: u16,
    pub version: u8,
    pub kind: u8,
    pub vrid: u8,
    pub priority: u8,
    /// Count of addresses, if not the actual one.
    pub count: Option<u8>,
    /// v2: type and seconds; v3: the 16 bits of the interval.
    pub word: u16,
    pub addresses: Vec<IpAddr>,
    /// v2: authentication data. v3: trailing bytes.
    pub tail: Vec<u8>,
    /// Added to the correct checksum.
    pub checksum_error: u16,
    /// Number of bytes removed from the end after the checksum was computed.
    pub cut: usize,
    /// Added to the length in the IP header.
    pub claim: u16,
}

impl Packet {
    /// A correct v3 advert with an interval of 100 ms.
    #[must_use]
    pub fn v3(from: IpAddr, vrid: u8, priority: u8, addresses: &[IpAddr]) -> Self {
        let to = match from {
            IpAddr::V4(_) => Ipv4Addr::new(224, 0, 0, 18).into(),
            IpAddr::V6(_) => Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 0, 0x12).into(),
        };
        Self {
            from,
            to,
            ttl: 255,
            proto: 112,
            options: Vec::new(),
            fragment: 0,
            version: 3,
            kind: 1,
            vrid,
            priority,
            count: None,
            word: 10,
            addresses: addresses.to_vec(),
            tail: Vec::new(),
            checksum_error: 0,
            cut: 0,
            claim: 0,
        }
    }

    /// A correct v2 advert with an interval of 1 s; `auth`: none, or a plain password.
    #[must_use]
    pub fn v2(
        from: IpAddr,
        vrid: u8,
        priority: u8,
        addresses: &[IpAddr],
        auth: Option<&str>,
    ) -> Self {
        let mut tail = auth.unwrap_or("").as_bytes().to_vec();
        tail.resize(8, 0);
        let word = if auth.is_some() { 0x0101 } else { 0x0001 };
        Self {
            version: 2,
            word,
            tail,
            ..Self::v3(from, vrid, priority, addresses)
        }
    }

    fn body(&self) -> Vec<u8> {
        let count = self
            .count
            .unwrap_or(u8::try_from(self.addresses.len()).unwrap_or(255));
        let mut b = vec![
            self.version << 4 | self.kind,
            self.vrid,
            self.priority,
            count,
        ];
        b.extend(self.word.to_be_bytes());
        b.extend([0, 0]);
        for a in &self.addresses {
            match a {
                IpAddr::V4(a) => b.extend(a.octets()),
                IpAddr::V6(a) => b.extend(a.octets()),
            }
        }
        b.extend(&self.tail);
        let header = if self.version == 2 {
            Vec::new()
        } else {
            pseudo(self.from, self.to, self.proto, b.len())
        };
        let sum = checksum(&[&header, &b]).wrapping_add(self.checksum_error);
        b[6..8].copy_from_slice(&sum.to_be_bytes());
        b.truncate(b.len().saturating_sub(self.cut));
        b
    }

    /// The Ethernet frame.
    #[must_use]
    pub fn frame(&self, source_mac: [u8; 6]) -> Vec<u8> {
        let body = self.body();
        let mut f = match self.to {
            IpAddr::V4(a) if a.is_multicast() => {
                let o = a.octets();
                vec![1, 0, 0x5e, o[1] & 0x7f, o[2], o[3]]
            }
            IpAddr::V6(a) if a.is_multicast() => {
                let mut m = vec![0x33, 0x33];
                m.extend(&a.octets()[12..]);
                m
            }
            _ => vec![0xff; 6],
        };
        f.extend(source_mac);
        match (self.from, self.to) {
            (IpAddr::V4(from), IpAddr::V4(to)) => f.extend(self.ipv4(from, to, &body)),
            (IpAddr::V6(from), IpAddr::V6(to)) => {
                f.extend([0x86, 0xdd, 0x60, 0, 0, 0]);
                let len = u16::try_from(body.len())
                    .unwrap_or(u16::MAX)
                    .wrapping_add(self.claim);
                f.extend(len.to_be_bytes());
                f.extend([self.proto, self.ttl]);
                f.extend(from.octets());
                f.extend(to.octets());
            }
            _ => panic!("one family, please"),
        }
        f.extend(body);
        f
    }

    fn ipv4(&self, from: Ipv4Addr, to: Ipv4Addr, body: &[u8]) -> Vec<u8> {
        let words = 5 + u8::try_from(self.options.len().div_ceil(4)).unwrap_or(10);
        let mut options = self.options.clone();
        options.resize(usize::from(words - 5) * 4, 0);
        let header = usize::from(words) * 4;
        let total = u16::try_from(header + body.len())
            .unwrap_or(u16::MAX)
            .wrapping_add(self.claim);
        let mut h = vec![0x40 | words, 0xc0];
        h.extend(total.to_be_bytes());
        h.extend([0x12, 0x34]);
        h.extend(self.fragment.to_be_bytes());
        h.extend([self.ttl, self.proto, 0, 0]);
        h.extend(from.octets());
        h.extend(to.octets());
        h.extend(options);
        let sum = checksum(&[&h]);
        h[10..12].copy_from_slice(&sum.to_be_bytes());
        [vec![8, 0], h].concat()
    }
}

/// The virtual router under attack.
#[derive(Clone, Debug)]
pub struct Target {
    /// The attacker's own address.
    pub from: IpAddr,
    /// The master's address, for packets with a forged source.
    pub master: IpAddr,
    pub vrid: u8,
    pub vip: IpAddr,
    pub version: u8,
    /// v2: the password, if there is one.
    pub password: Option<&'static str>,
}

impl Target {
    /// A valid advert of a router with a higher priority.
    #[must_use]
    pub fn good(&self) -> Packet {
        match self.version {
            2 => Packet::v2(self.from, self.vrid, 254, &[self.vip], self.password),
            _ => Packet::v3(self.from, self.vrid, 254, &[self.vip]),
        }
    }
}

/// Named packets, each wrong in one way, each of which would preempt the master if accepted.
#[must_use]
pub fn all_kinds(t: &Target) -> Vec<(String, Packet)> {
    let good = t.good();
    let mut all: Vec<(String, Packet)> = Vec::new();
    let mut add = |name: &str, change: &dyn Fn(&mut Packet)| {
        let mut p = good.clone();
        change(&mut p);
        all.push((name.to_string(), p));
    };
    add("checksum off by one", &|p| p.checksum_error = 1);
    add("checksum garbage", &|p| p.checksum_error = 0x5a5a);
    for ttl in [0, 1, 64, 254] {
        add(&format!("ttl {ttl}"), &|p| p.ttl = ttl);
    }
    for version in [0, 1, 4, 15, 5 - t.version] {
        add(&format!("version {version}"), &|p| p.version = version);
    }
    for kind in [0, 2, 15] {
        add(&format!("type {kind}"), &|p| p.kind = kind);
    }
    for count in [2, 20, 255] {
        add(&format!("claims {count} addresses, has 1"), &|p| {
            p.count = Some(count)
        });
    }
    for cut in [1, 2, 4, 8, 11] {
        add(&format!("cut short by {cut}"), &|p| p.cut = cut);
    }
    add("no VRRP at all", &|p| p.cut = 1000);
    add("virtual router 0", &|p| p.vrid = 0);
    add("another virtual router", &|p| {
        p.vrid = p.vrid.wrapping_add(1)
    });
    add("the master's own address as source", &|p| p.from = t.master);
    add("IP length beyond the packet", &|p| p.claim = 40);
    add("protocol 51 without an AH header", &|p| p.proto = 51);
    if t.from.is_ipv4() {
        add("sent to the subnet's broadcast", &|p| {
            p.to = Ipv4Addr::BROADCAST.into()
        });
        add("first fragment", &|p| p.fragment = 0x2000);
        add("later fragment", &|p| p.fragment = 4);
        add("IP options and a bad checksum", &|p| {
            p.options = vec![1; 8];
            p.checksum_error = 1;
        });
        add("40 bytes of IP options and a short packet", &|p| {
            p.options = vec![1; 40];
            p.cut = 6;
        });
        add("source 0.0.0.0", &|p| {
            p.from = Ipv4Addr::UNSPECIFIED.into();
            p.checksum_error = 1;
        });
        add("multicast source", &|p| {
            p.from = Ipv4Addr::new(224, 0, 0, 18).into()
        });
    }
    if t.version == 2 {
        add("interval of 2 s", &|p| p.word = p.word & 0xff00 | 2);
        add("interval of 0", &|p| p.word &= 0xff00);
        add("authentication of unknown type", &|p| {
            p.word = p.word & 0xff | 0x0700
        });
        add("authentication type AH without AH", &|p| {
            p.word = p.word & 0xff | 0x0200
        });
        add("no authentication data", &|p| p.tail.clear());
        if t.password.is_some() {
            add("wrong password", &|p| p.tail = b"guessing".to_vec());
            add("no authentication", &|p| {
                p.word &= 0xff;
                p.tail = vec![0; 8];
            });
        } else {
            add("a password where none is configured", &|p| {
                p.word |= 0x0100;
                p.tail = b"secret\0\0".to_vec();
            });
        }
    }
    all
}

/// All single-bit flips of the valid packet after the Ethernet header.
#[must_use]
pub fn bit_flips(t: &Target, source_mac: [u8; 6]) -> Vec<Vec<u8>> {
    let good = t.good().frame(source_mac);
    (14 * 8..good.len() * 8)
        .map(|bit| {
            let mut f = good.clone();
            f[bit / 8] ^= 0x80 >> (bit % 8);
            f
        })
        .collect()
}

/// Random bytes after a correct IP header, from a seed.
#[must_use]
pub fn noise(t: &Target, source_mac: [u8; 6], seed: u64, n: usize) -> Vec<Vec<u8>> {
    let mut state = seed | 1;
    let mut next = move || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state
    };
    (0..n)
        .map(|_| {
            let len = usize::try_from(next() % 60).unwrap_or(0);
            let mut p = t.good();
            // A wrong checksum, so that no random packet is valid.
            p.checksum_error = 1;
            p.addresses.clear();
            p.tail = (0..len).map(|_| next().to_le_bytes()[3]).collect();
            let [a, b, c, ..] = next().to_le_bytes();
            (p.kind, p.count, p.word) = (a & 15, Some(b), u16::from(c));
            p.frame(source_mac)
        })
        .collect()
}

/// A packet socket on a node's `eth0`.
#[derive(Debug)]
pub struct Injector {
    fd: OwnedFd,
    to: LinkAddr,
    /// The MAC address of `eth0`.
    pub mac: [u8; 6],
}

impl Injector {
    /// Opens the socket on `node`.
    #[must_use]
    pub fn on(node: &Node) -> Self {
        node.inside(|| {
            let to = getifaddrs()
                .expect("the node's interfaces")
                .filter(|i| i.interface_name == "eth0")
                .find_map(|i| i.address.and_then(|a| a.as_link_addr().copied()))
                .expect("eth0 on the node");
            let fd = socket(
                AddressFamily::Packet,
                SockType::Raw,
                SockFlag::SOCK_CLOEXEC,
                None,
            )
            .expect("a packet socket");
            let mac = to.addr().expect("an Ethernet interface");
            Self { fd, to, mac }
        })
    }

    /// Sends one frame.
    pub fn send(&self, frame: &[u8]) {
        let _ = sendto(self.fd.as_raw_fd(), frame, &self.to, MsgFlags::empty());
    }
}

/// Sends frames round-robin at a constant rate until dropped.
#[derive(Debug)]
pub struct Stream {
    sent: Arc<AtomicU64>,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Stream {
    /// `rate` frames per second from `node`.
    #[must_use]
    pub fn start(node: &Node, frames: Vec<Vec<u8>>, rate: u32) -> Self {
        let injector = Injector::on(node);
        let stop = Arc::new(AtomicBool::new(false));
        let sent = Arc::new(AtomicU64::new(0));
        let (end, count) = (stop.clone(), sent.clone());
        let thread = std::thread::spawn(move || {
            let start = Instant::now();
            for frame in frames.iter().cycle() {
                if end.load(Ordering::Relaxed) {
                    break;
                }
                injector.send(frame);
                let n = count.fetch_add(1, Ordering::Relaxed) + 1;
                let due = start + Duration::from_secs(n) / rate.max(1);
                // Waits below 1 ms are skipped: the flood comes in bursts.
                let wait = due.saturating_duration_since(Instant::now());
                if wait > Duration::from_millis(1) {
                    std::thread::sleep(wait);
                }
            }
        });
        Self {
            sent,
            stop,
            thread: Some(thread),
        }
    }

    /// Frames sent so far.
    #[must_use]
    pub fn sent(&self) -> u64 {
        self.sent.load(Ordering::Relaxed)
    }
}

impl Drop for Stream {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(t) = self.thread.take() {
            let _ = t.join();
        }
    }
}
