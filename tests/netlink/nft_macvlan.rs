//! Requests for nftables and macvlans equal those of nft(8) and ip(8), apart from details without
//! meaning.

use vrrpd::netlink::macvlan::NewLink;
use vrrpd::netlink::nft::{self, Element, Table};
use vrrpd::netlink::{Attrs, Batch, macvlan};
use vrrpd::types::{Family, IfIndex, IfName, Mac, VirtualLink};

use crate::hex::golden;
use crate::request;

const NEWTABLE: u16 = 0xa00;
const DELTABLE: u16 = 0xa02;
const NEWSET: u16 = 0xa09;
/// Display hints of nft(8), which the kernel ignores.
const SET_USERDATA: u16 = 13;

/// A message without its sequence number: type, flags, fixed header, attributes.
type Request = (u16, u16, Vec<u8>, Vec<(u16, Vec<u8>)>);

fn requests(bytes: &[u8]) -> Vec<Request> {
    let mut list = Vec::new();
    let mut rest = bytes;
    while !rest.is_empty() {
        let len = u32::from_le_bytes(rest[..4].try_into().unwrap());
        let len = usize::try_from(len).unwrap();
        let (kind, flags) = ([rest[4], rest[5]], [rest[6], rest[7]]);
        let kind = u16::from_le_bytes(kind);
        let attrs = Attrs::new(&rest[20..len]).map(Result::unwrap);
        let attrs = attrs.filter(|attr| (kind, attr.kind) != (NEWSET, SET_USERDATA));
        let attrs = attrs.map(|attr| (attr.kind, attr.value.to_vec())).collect();
        let fixed = rest[16..20].to_vec();
        list.push((kind, u16::from_le_bytes(flags), fixed, attrs));
        rest = &rest[len.next_multiple_of(4).min(rest.len())..];
    }
    list
}

fn table(family: Family, counters: bool) -> Table<'static> {
    Table {
        family,
        name: "keepalived",
        priority: -1,
        counters,
    }
}

#[test]
fn nft_tables_are_created_like_nft_8_does() {
    let eth0 = IfName::new("eth0").unwrap();
    let all = ["10.0.0.100", "fd00::100", "fe80::100"];
    let elements = all.map(|addr| Element {
        addr: addr.parse().unwrap(),
        dev: &eth0,
    });
    for (family, counters, name) in [
        (Family::V4, true, "requests/nft-ipv4"),
        (Family::V6, false, "requests/nft-ipv6"),
    ] {
        let mut batch = Batch::new(1);
        nft::begin_batch(&mut batch);
        table(family, counters).create(&mut batch);
        table(family, counters).add(&mut batch, &elements);
        nft::end_batch(&mut batch);
        let mut ours = requests(batch.bytes());
        let first: Vec<u16> = ours[1..4].iter().map(|request| request.0).collect();
        assert_eq!(first, [NEWTABLE, DELTABLE, NEWTABLE], "a table is replaced");
        ours.drain(1..3);
        let mut wanted = requests(&golden(name));
        assert_eq!(ours.first(), wanted.first(), "begin");
        assert_eq!(ours.last(), wanted.last(), "end");
        ours.sort();
        wanted.sort();
        assert_eq!(ours, wanted, "{name}");
    }
}

#[test]
fn nft_rules_are_in_the_order_of_nft_8() {
    let mut batch = Batch::new(1);
    table(Family::V6, false).create(&mut batch);
    let rules = |list: Vec<Request>| -> Vec<Request> {
        list.into_iter().filter(|one| one.0 == 0xa06).collect()
    };
    let wanted = rules(requests(&golden("requests/nft-ipv6")));
    assert_eq!(rules(requests(batch.bytes())), wanted);
}

#[test]
fn nft_tables_are_deleted_like_nft_8_does_even_if_missing() {
    let mut batch = Batch::new(1);
    nft::begin_batch(&mut batch);
    table(Family::V4, false).delete(&mut batch);
    nft::end_batch(&mut batch);
    let mut ours = requests(batch.bytes());
    assert_eq!(ours.remove(1).0, NEWTABLE);
    assert_eq!(ours, requests(&golden("requests/nft-delete")));
}

#[test]
fn nft_elements_of_the_other_family_are_skipped() {
    let eth0 = IfName::new("eth0").unwrap();
    let elements = [Element {
        addr: "10.0.0.1".parse().unwrap(),
        dev: &eth0,
    }];
    let mut batch = Batch::new(1);
    table(Family::V6, false).add(&mut batch, &elements);
    assert!(batch.is_empty());
}

#[test]
fn a_full_chunk_of_nft_elements_fits_in_one_message() {
    let long = IfName::new("fifteen-bytes-x").unwrap();
    let elements = [Element {
        addr: "fe80::1".parse().unwrap(),
        dev: &long,
    }; nft::MAX_ELEMENTS];
    let mut batch = Batch::new(1);
    table(Family::V6, false).add(&mut batch, &elements);
    let list = requests(batch.bytes());
    let [(.., attrs)] = list.as_slice() else {
        panic!("{} messages", list.len());
    };
    let (_, bytes) = attrs.last().unwrap();
    assert_eq!(
        Attrs::new(bytes).map(Result::unwrap).count(),
        nft::MAX_ELEMENTS
    );
}

// ---- macvlans ----

#[test]
fn macvlan_requests_equal_those_of_ip_8() {
    let mut create = Batch::new(1);
    let mac = Mac([0, 0, 0x5e, 0, 1, 7]);
    let new = NewLink {
        name: "vrrp.7",
        base: IfIndex(3),
        group: 0,
        link: VirtualLink::Macvlan(mac),
    };
    macvlan::create(&mut create, &new);
    let wanted = request("requests/macvlan-create");
    assert_eq!(link(create.bytes()), link(&wanted));
    for (kind, name) in [
        (new.link, "macvlan-group"),
        (VirtualLink::Ipvlan(1), "ipvlan-create"),
    ] {
        let mut create = Batch::new(1);
        let new = NewLink {
            group: 5,
            link: kind,
            ..new
        };
        macvlan::create(&mut create, &new);
        let wanted = request(&format!("requests/{name}"));
        assert_eq!(link(create.bytes()), link(&wanted), "{name}");
    }

    let mut up = Batch::new(1);
    macvlan::set_up(&mut up, IfIndex(4));
    assert_eq!(up.bytes(), request("requests/macvlan-up"));
    let mut down = Batch::new(1);
    macvlan::set_down(&mut down, IfIndex(4));
    assert_eq!(down.bytes(), request("requests/macvlan-down"));
    let mut delete = Batch::new(1);
    macvlan::delete(&mut delete, IfIndex(4));
    assert_eq!(delete.bytes(), request("requests/macvlan-delete"));
    for (master, name) in [(Some(IfIndex(5)), "vrf"), (None, "no-vrf")] {
        let mut set = Batch::new(1);
        macvlan::set_master(&mut set, IfIndex(4), master);
        assert_eq!(set.bytes(), request(&format!("requests/macvlan-{name}")));
    }
}

/// Headers of a link request, its attributes sorted by type, and the attributes of IFLA_LINKINFO.
/// (ip(8) does not set NLA_F_NESTED.)
type LinkRequest = (Vec<u8>, Vec<(u16, Vec<u8>)>, Vec<(u16, Vec<u8>)>);

fn link(bytes: &[u8]) -> LinkRequest {
    const LINKINFO: u16 = 18;
    const INFO_DATA: u16 = 2;
    let (fixed, rest) = bytes.split_at(16 + 16);
    let (mut plain, mut kind) = (Vec::new(), Vec::new());
    for attr in Attrs::new(rest).map(Result::unwrap) {
        if attr.kind != LINKINFO {
            plain.push((attr.kind, attr.value.to_vec()));
            continue;
        }
        for inner in attr.nested().unwrap().map(Result::unwrap) {
            if inner.kind == INFO_DATA {
                let mode = inner.nested().unwrap().map(Result::unwrap);
                kind.extend(mode.map(|mode| (100 + mode.kind, mode.value.to_vec())));
            } else {
                // The terminating NUL is optional.
                kind.push((inner.kind, inner.text().unwrap().into()));
            }
        }
    }
    plain.sort();
    let len = usize::from(bytes[0]);
    assert_eq!(len, bytes.len(), "{len}");
    (fixed[4..].to_vec(), plain, kind)
}
