//! Inputs to start from: golden bytes, dialogues, configurations.

use std::path::Path;
use std::time::Duration;

use vrrpd::engine::instance::state_record::Record;
use vrrpd::types::{Family, IfIndex, IfName, Priority};

use crate::hex;
use crate::mutate::{Format, ipv4_length, netlink_length};

/// The seeds of a target, and what a mutator should know about them.
pub(crate) fn of(target: &str) -> (Vec<Vec<u8>>, Format) {
    let plain = Format::default();
    let tokens = |tokens| Format { tokens, ..plain };
    let fixed = |fix_length: fn(&mut [u8])| Format {
        fix_length: Some(fix_length),
        ..plain
    };
    match target {
        "vrrp" => (adverts(), plain),
        "ipv4_vrrp" => (packets(|_| 0), fixed(ipv4_length)),
        "receive" => (received(), plain),
        "arp" | "ndisc" => (packets(|_| 0), plain),
        "netlink_msg" => (messages("netlink"), fixed(netlink_length)),
        "ipvs_reply" => (messages("ipvs"), fixed(netlink_length)),
        "state" => (states(), plain),
        "track_file" => (
            texts(&["1\n", "-20 \n", "99999999999", "+7"]),
            tokens(DIGITS),
        ),
        "smtp_reply" => (texts(MAIL_DIALOGUES), tokens(SMTP)),
        "smtp_check" => (texts(SMTP_DIALOGUES), tokens(SMTP)),
        "http_reply" => (texts(HTTP_REPLIES), tokens(HTTP)),
        "dns_reply" => (bytes(DNS_REPLIES), plain),
        "datagram_check" => (bytes(DATAGRAMS), plain),
        "config" => (files(&["conf", "lang", "seeds"], "conf"), tokens(CONFIG)),
        "command" => (texts(COMMANDS), tokens(QUOTES)),
        "sniff" => (captures(), plain),
        "uci" => (files(&["uci"], "uci"), tokens(UCI)),
        "tls_server" => (bytes(TLS_RUNS), tokens(HTTP)),
        "tls_files" => (pem_files(), tokens(PEM)),
        _ => panic!("no seeds for {target}"),
    }
}

fn bytes(all: &[&[u8]]) -> Vec<Vec<u8>> {
    all.iter().map(|one| one.to_vec()).collect()
}

fn texts(all: &[&str]) -> Vec<Vec<u8>> {
    all.iter().map(|text| text.as_bytes().to_vec()).collect()
}

// ---- packets and messages ----

/// Golden packets without their first `strip(packet)` bytes.
fn packets(strip: fn(&[u8]) -> usize) -> Vec<Vec<u8>> {
    hex::goldens("packets")
        .into_iter()
        .filter(|(_, bytes)| bytes.len() < 1000)
        .map(|(_, bytes)| bytes[strip(&bytes).min(bytes.len())..].to_vec())
        .collect()
}

/// Golden captures, and their frames.
fn captures() -> Vec<Vec<u8>> {
    let mut seeds = Vec::new();
    for whole in files(&["sniff"], "pcap") {
        let mut rest = whole.get(24..).unwrap_or_default();
        while let Some((header, after)) = rest.split_first_chunk::<16>() {
            let len = usize::from(u16::from_le_bytes([header[8], header[9]]));
            let (frame, others) = after.split_at(len);
            seeds.push(frame.to_vec());
            rest = others;
        }
        seeds.push(whole);
    }
    seeds
}

fn adverts() -> Vec<Vec<u8>> {
    let mut seeds = packets(|bytes| match bytes[0] >> 4 {
        4 => usize::from(bytes[0] & 15) * 4,
        6 => 40,
        _ => 14,
    });
    seeds.extend(hex::goldens("signed").into_iter().map(|(_, bytes)| bytes));
    seeds
}

/// The first byte chooses the instance, see the target. From another router, for VRID 51.
fn received() -> Vec<Vec<u8>> {
    let mut seeds = Vec::new();
    for mut packet in packets(|_| 0) {
        let header_len = usize::from(packet[0] & 15) * 4;
        if packet[0] >> 4 != 4 {
            continue;
        }
        packet[12..16].copy_from_slice(&[192, 0, 2, 2]);
        // Behind the authentication header, if there is one.
        let message = header_len + if packet[9] == 51 { 24 } else { 0 };
        packet[message + 1] = 51;
        seeds.extend((0..8).map(|choice| [&[choice], packet.as_slice()].concat()));
    }
    seeds
}

/// The messages of golden datagrams, one by one: in a whole dump most mutations would hit ignored
/// attributes.
fn messages(folder: &str) -> Vec<Vec<u8>> {
    let mut seeds = Vec::new();
    for (_, mut bytes) in hex::goldens(folder) {
        while let Some(len) = bytes.first_chunk::<4>().map(|len| u32::from_le_bytes(*len)) {
            let len = usize::try_from(len).unwrap().next_multiple_of(4);
            let rest = bytes.split_off(len.min(bytes.len()));
            seeds.push(core::mem::replace(&mut bytes, rest));
        }
    }
    seeds
}

fn states() -> Vec<Vec<u8>> {
    let record = Record {
        interface: IfName::new("eth0").unwrap(),
        family: Family::V4,
        vrid: 51,
        priority: Priority(100),
        returns: 1,
        index: IfIndex(2),
        sent: Duration::from_secs(1_000),
        grace: Duration::from_secs(3),
        number: 1_800_000_000,
        name: 1,
    };
    let one = record.encode().to_vec();
    vec![one.clone(), [one.clone(), vec![0; 64], one].concat()]
}

// ---- replies ----

const SMTP: &[&[u8]] = &[
    b"\r\n", b"250 ", b"250-", b"354 ", b"421 ", b"220 ", b"550 ",
];

const MAIL_DIALOGUES: &[&str] = &[
    "220 hi\r\n250-r2\r\n250 HELP\r\n250 ok\r\n250 ok\r\n550 no such user\r\n354 go\r\n250 taken\r\n221 bye\r\n",
    "220-r2\r\n220 hi\r\n250 ok\r\n250 ok\r\n421 closing\r\n",
    "554 go away\r\n",
];

const SMTP_DIALOGUES: &[&str] = &[
    "220 hi\r\n250-r2\r\n250 HELP\r\n221 bye\r\n",
    "220-r2\r\n220 hi\r\n501 who?\r\n",
    "554 go away\r\n",
];

const HTTP: &[&[u8]] = &[
    b"\r\n",
    b"\r\n\r\n",
    b"\n",
    b"Content-Length: ",
    b"Transfer-Encoding: chunked\r\n",
    b"Connection: close\r\n",
    b"HTTP/1.1 ",
    b"HTTP/1.0 200 OK\r\n",
    b"100 ",
    b"0\r\n\r\n",
    b"ffffffffffffffff",
    b"18446744073709551616",
    b";",
    b",",
];

const HTTP_REPLIES: &[&str] = &[
    "\x05HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello",
    "\x04HTTP/1.0 404 Not Found\r\nServer: x\r\n\r\nnot here",
    "\x07HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n10;a=b\r\n0123456789abcdef\r\n0\r\nA: b\r\n\r\n",
    "\x00HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 204 No Content\r\n\r\n",
    "\x0dHTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nabcdxabcy",
    "\x31HTTP/1.0 200 OK\r\n\r\n<h1>\u{e4}\u{20ac} up</h1>\n",
    "\x02HTTP/1.1 302 Found\r\nLocation: https://example.org/\r\n\r\n",
];

const DNS_REPLIES: &[&[u8]] = &[
    b"\x00\x00\x00\x81\x80\x00\x01\x00\x00\x00\x00\x00\x00\x07example\x03org\x00\x00\x06\x00\x01",
    b"\x01\x00\x00\x81\x83\x00\x01\x00\x00\x00\x00\x00\x00",
];

/// The first byte chooses the check, see the target.
const DATAGRAMS: &[&[u8]] = &[
    b"\x01\x00\x00\xab\xcd\x12\x34\x00\x01vrrpd   ",
    b"\x52helloworld",
    b"\x06hello",
    b"\x00anything",
];

/// Version and verification, number of changes, changes, page.
const TLS_RUNS: &[&[u8]] = &[
    b"\x00\x00HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello",
    b"\x07\x00HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello",
    b"\x06\x01\x00\x05\x80HTTP/1.0 404 Not Found\r\n\r\nnot here",
    b"\x0f\x02\x00\x40\x01\x01\x00\xffHTTP/1.1 204 No Content\r\n\r\n",
];

const PEM: &[&[u8]] = &[
    b"-----BEGIN CERTIFICATE-----\n",
    b"-----END CERTIFICATE-----\n",
    b"-----BEGIN PRIVATE KEY-----\n",
    b"-----BEGIN EC PRIVATE KEY-----\n",
    b"-----",
    b"=",
    b"\n",
];

fn pem_files() -> Vec<Vec<u8>> {
    let [certificate, key] = ["server.crt", "server.key"].map(|name| {
        let path = format!("{}/tests/fuzz/tls/{name}", env!("CARGO_MANIFEST_DIR"));
        std::fs::read(path).expect("a PEM file")
    });
    let seed = |choice: u8, parts: &[&[u8]]| [&[choice], parts.concat().as_slice()].concat();
    vec![
        seed(0, &[&certificate]),
        seed(0, &[&certificate, &certificate]),
        seed(1, &[&certificate]),
        seed(2, &[&key]),
        seed(3, &[&certificate, &key]),
    ]
}

// ---- texts ----

const DIGITS: &[&[u8]] = &[b"-", b"+", b"0", b"9223372036854775808", b"\n", b" "];

const QUOTES: &[&[u8]] = &[
    b"\"", b"'", b"\\", b"\\x", b"\\0", b"\\c", b" ", b"\t", b"\\\"",
];

const COMMANDS: &[&str] = &[
    "/usr/bin/a b c",
    "\"/usr/bin/a 'b c' d\" nobody nogroup",
    "'/x/y\\x41\\101\\n' \"\" \\\\",
];

const UCI: &[&[u8]] = &[
    b"config ",
    b"\toption ",
    b"\tlist ",
    b"'",
    b"\"",
    b"\n",
    b"\\",
    b"\\\n",
    b"\\\r\n ",
    b" ; ",
    b"';",
    b"#",
    b"''",
    b"x-y",
    b"vrrp_instance",
    b"ipaddress",
    b"}",
    b"!",
];

const CONFIG: &[&[u8]] = &[
    b"{",
    b"}",
    b"\n",
    b"\"",
    b"'",
    b"\\\n",
    b"!",
    b"#",
    b"$A=",
    b"${A}",
    b"$A",
    b"~SEQ(A,1,3)",
    b"~LST(A,1,2)",
    b"@x ",
    b"@^x ",
    b"include ",
    b"${_PWD}",
    b"--",
    b"<<<",
    b">>>",
    b"global_defs {\n",
    b"vrrp_instance A {\n",
    b"vrrp_sync_group G {\n",
    b"vrrp_script S {\n",
    b"virtual_server 192.0.2.1 80 {\n",
    b"real_server 192.0.2.2 80 {\n",
    b"HTTP_GET {\n",
    b"url {\n",
    b"regex ",
    b"[a-z]{0,200}",
    b"(?i)",
    b"virtual_ipaddress {\n",
    b"virtual_routes {\n",
    b"unicast_peer {\n",
    b"track_script {\n",
    b"10.0.0.1/24 dev eth0",
    b"2001:db8::1/64",
    b"4294967296",
    b"-1",
    b"0.000001",
];

/// Golden files with this extension, of a usual size.
fn files(folders: &[&str], extension: &str) -> Vec<Vec<u8>> {
    let mut paths = Vec::new();
    for folder in folders {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("tests/golden/{folder}"));
        let entries = std::fs::read_dir(folder).expect("golden files");
        paths.extend(entries.map(|entry| entry.expect("a file").path()));
    }
    paths.retain(|path| path.extension().is_some_and(|it| it == extension));
    paths.sort();
    let read = |path| std::fs::read(path).expect("a golden file");
    let seeds: Vec<Vec<u8>> = paths.iter().map(read).collect();
    assert!(!seeds.is_empty());
    seeds
}
