//! The golden packets that carry VRRP, with their expected contents.

use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use vrrpd::types::{Centis, Priority, Version, Vrid};
use vrrpd::wire::PseudoHeader;
use vrrpd::wire::vrrp::{self, AdvertRepr, Auth, ChecksumForm};

use crate::hex::golden;

pub(crate) fn ip(text: &str) -> IpAddr {
    text.parse().unwrap()
}

pub(crate) fn v4(addr: IpAddr) -> Ipv4Addr {
    match addr {
        IpAddr::V4(addr) => addr,
        IpAddr::V6(addr) => panic!("{addr}"),
    }
}

/// A golden packet and its expected contents.
pub(crate) struct Sample {
    pub(crate) name: &'static str,
    /// IPv4 identification; `None` for an IPv6 packet.
    pub(crate) id: Option<u16>,
    /// Bytes of IP options or AH between the IP header and the VRRP message.
    pub(crate) before: usize,
    pub(crate) src: &'static str,
    pub(crate) dst: &'static str,
    pub(crate) version: Version,
    pub(crate) vrid: u8,
    pub(crate) priority: u8,
    pub(crate) interval: u16,
    pub(crate) auth: Auth,
    pub(crate) form: ChecksumForm,
    pub(crate) addresses: &'static [&'static str],
}

impl Sample {
    pub(crate) fn packet(&self) -> Vec<u8> {
        golden(&format!("packets/{}", self.name))
    }

    pub(crate) fn ip_header(&self) -> usize {
        if self.id.is_some() { 20 } else { 40 }
    }

    /// The VRRP message without the headers before it.
    pub(crate) fn message(&self) -> Vec<u8> {
        self.packet().split_off(self.ip_header() + self.before)
    }

    pub(crate) fn net(&self) -> PseudoHeader {
        PseudoHeader {
            src: ip(self.src),
            dst: ip(self.dst),
        }
    }

    pub(crate) fn addresses(&self) -> Vec<IpAddr> {
        self.addresses.iter().map(|text| ip(text)).collect()
    }

    pub(crate) fn out<'a>(&self, addresses: &'a [IpAddr]) -> AdvertRepr<'a> {
        AdvertRepr {
            version: self.version,
            vrid: Vrid::new(self.vrid).unwrap(),
            priority: Priority(self.priority),
            interval: Centis(self.interval),
            auth: self.auth,
            addresses,
        }
    }

    pub(crate) fn emit(&self) -> Vec<u8> {
        let mut buf = [0xaa; vrrp::MAX_LEN];
        let addresses = self.addresses();
        let len = vrrp::emit(
            &self.out(&addresses),
            Some(&self.net()),
            self.form,
            &mut buf,
        );
        buf[..len.unwrap()].to_vec()
    }
}

pub(crate) const V2: Sample = Sample {
    name: "v2-none",
    id: Some(1),
    before: 0,
    src: "192.0.2.1",
    dst: "224.0.0.18",
    version: Version::V2,
    vrid: 21,
    priority: 150,
    interval: 100,
    auth: Auth::None,
    form: ChecksumForm::Plain,
    addresses: &["192.0.2.101", "192.0.2.102", "192.0.2.103"],
};

pub(crate) const V3: Sample = Sample {
    name: "v3-ipv4",
    version: Version::V3,
    vrid: 31,
    priority: 200,
    interval: 25,
    form: ChecksumForm::PseudoHeader,
    addresses: &["192.0.2.130", "192.0.2.131"],
    ..V2
};

pub(crate) const V6: Sample = Sample {
    name: "v3-ipv6",
    id: None,
    src: "fe80::ff:fe00:1",
    dst: "ff02::12",
    vrid: 61,
    priority: 180,
    interval: 100,
    addresses: &["fe80::100", "2001:db8::100"],
    ..V3
};

pub(crate) const SAMPLES: &[Sample] = &[
    V2,
    Sample {
        name: "v2-resign",
        id: Some(6),
        priority: 0,
        ..V2
    },
    Sample {
        name: "v2-pass",
        vrid: 22,
        priority: 100,
        auth: Auth::Pass(*b"s3cr3t\0\0"),
        addresses: &["192.0.2.110"],
        ..V2
    },
    Sample {
        name: "v2-ah",
        before: 24,
        vrid: 23,
        priority: 255,
        auth: Auth::Ah,
        addresses: &["192.0.2.120"],
        ..V2
    },
    Sample {
        name: "v2-options",
        id: Some(0xbeef),
        before: 4,
        src: "198.51.100.7",
        vrid: 1,
        priority: 254,
        interval: 300,
        addresses: &["198.51.100.1", "198.51.100.2"],
        ..V2
    },
    V3,
    Sample {
        name: "v3-ipv4-unicast",
        dst: "192.0.2.2",
        vrid: 32,
        priority: 120,
        interval: 100,
        addresses: &["192.0.2.140"],
        ..V3
    },
    Sample {
        name: "v3-ipv4-old-unicast",
        dst: "192.0.2.2",
        vrid: 34,
        priority: 91,
        interval: 100,
        form: ChecksumForm::OldUnicast,
        addresses: &["192.0.2.160"],
        ..V3
    },
    Sample {
        name: "v3-ipv4-plain",
        id: Some(7),
        vrid: 33,
        priority: 100,
        interval: 100,
        form: ChecksumForm::Plain,
        addresses: &["192.0.2.150"],
        ..V3
    },
    V6,
    Sample {
        name: "v3-ipv6-unicast",
        src: "2001:db8::1",
        dst: "2001:db8::2",
        vrid: 62,
        priority: 99,
        interval: 200,
        addresses: &["2001:db8::200"],
        ..V6
    },
];

pub(crate) fn ipv6_net(packet: &[u8]) -> PseudoHeader {
    let addr = |at: usize| {
        let octets: [u8; 16] = packet[at..at + 16].try_into().unwrap();
        IpAddr::V6(Ipv6Addr::from(octets))
    };
    PseudoHeader {
        src: addr(8),
        dst: addr(24),
    }
}
