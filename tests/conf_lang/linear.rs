//! The time to read a configuration grows with its length, not with the square of it.

use std::time::Duration;

use vrrpd::config::load;

use crate::cpu;
use crate::host::FakeHost;

/// Statements of the small configuration; the large one has [`FACTOR`] times as many.
const FEW: u32 = 1_000;
const FACTOR: u32 = 8;
/// Time of the large configuration in times of the small one: 8 for a linear reader, 64 for a
/// quadratic one.
const MOST: u32 = 24;

fn time(text: &str) -> Duration {
    let host = FakeHost {
        text,
        complete: true,
    };
    let before = cpu::thread_time();
    let loaded = load("memory", &host);
    let took = cpu::thread_time() - before;
    assert!(loaded.diags.list().len() <= 500);
    took
}

fn lines(count: u32, line: impl Fn(u32) -> String) -> String {
    (0..count).map(line).collect()
}

fn instance(name: &str, nth: u32, inside: &str) -> String {
    let (vrid, interface) = (nth % 255 + 1, nth / 255);
    let (high, low) = (nth >> 8, nth & 255);
    format!(
        "vrrp_instance {name} {{\ninterface eth{interface}\nvirtual_router_id {vrid}\n\
         virtual_ipaddress {{\n10.1.{high}.{low}\n}}\n{inside}}}\n"
    )
}

#[cfg(feature = "lvs")]
fn balanced(what: &str, servers: &str) -> String {
    format!("virtual_server {what} {{\nprotocol TCP\nlb_algo rr\nlb_kind NAT\n{servers}}}\n")
}

#[cfg(feature = "lvs")]
fn server(nth: u32, check: &str) -> String {
    let (high, low) = (nth >> 8, nth & 255);
    format!("real_server 10.0.{high}.{low} 80 {{\n{check}}}\n")
}

/// A configuration with this number of statements of one kind.
type Case = (&'static str, fn(u32) -> String);

const CASES: &[Case] = &[
    ("tracked scripts", |count| {
        let block = |i| format!("vrrp_script s{i} {{\nscript /bin/true\n}}\n");
        let list = format!(
            "track_script {{\n{}}}\n",
            lines(count, |i| format!("s{i}\n"))
        );
        lines(count, block) + &instance("V", 0, &list)
    }),
    ("tracked files", |count| {
        let block = |i| format!("track_file f{i} {{\nfile /tmp/{i}\n}}\n");
        let list = format!("track_file {{\n{}}}\n", lines(count, |i| format!("f{i}\n")));
        lines(count, block) + &instance("V", 0, &list)
    }),
    ("tracked interfaces", |count| {
        let list = lines(count, |i| format!("i{i}\n"));
        instance("V", 0, &format!("track_interface {{\n{list}}}\n"))
    }),
    ("instances in groups", |count| {
        let group = |i| format!("vrrp_sync_group G{i} {{\ngroup {{\nV{i}\n}}\n}}\n");
        let all = lines(count / 4, |i| instance(&format!("V{i}"), i, ""));
        all + &lines(count / 4, group)
    }),
    ("track groups", |count| {
        let group = |i| format!("track_group T{i} {{\ngroup {{\nV\n}}\n}}\n");
        let routes = |i| format!("10.2.{}.{} dev eth0 track_group T{i}\n", i >> 8, i & 255);
        let routes = format!("static_routes {{\n{}}}\n", lines(count, routes));
        lines(count, group) + &instance("V", 0, "") + &routes
    }),
    ("addresses, routes and rules", |count| {
        let address = |i: u32| format!("10.2.{}.{}/32 dev eth1\n", i >> 8, i & 255);
        let rule = |i: u32| format!("from 10.2.{}.{} table 5\n", i >> 8, i & 255);
        let (addresses, rules) = (lines(count, address), lines(count, rule));
        let inside = format!(
            "virtual_ipaddress_excluded {{\n{addresses}}}\nvirtual_routes {{\n{addresses}}}\n\
             virtual_rules {{\n{rules}}}\n"
        );
        instance("V", 0, &inside)
    }),
    ("mail addresses", |count| {
        let list = lines(count, |i| format!("a{i}@example.org\n"));
        format!("global_defs {{\nsmtp_server 192.0.2.1\nnotification_email {{\n{list}}}\n}}\n")
    }),
    ("definitions", |count| {
        let names = lines(count / 4, |i| format!("$A{i}=e{i}\n"));
        let list = lines(count / 4, |i| format!("$A{i}\n"));
        names + &instance("V", 0, &format!("track_interface {{\n{list}}}\n"))
    }),
    ("errors", |count| {
        let inside = lines(count, |i| format!("unknown_{i} 1\npriority x{i}\n"));
        instance("V", 0, &inside)
    }),
    #[cfg(feature = "lvs")]
    ("real servers with files", |count| {
        let block = |i| format!("track_file f{i} {{\nfile /tmp/{i}\n}}\n");
        let check = |i| server(i, &format!("FILE_CHECK {{\ntrack_file f{i}\n}}\n"));
        lines(count, block) + &balanced("192.0.2.1 80", &lines(count, check))
    }),
    #[cfg(feature = "lvs")]
    ("virtual servers of groups", |count| {
        let group = |i| format!("virtual_server_group g{i} {{\nfwmark {}\n}}\n", i + 1);
        let service = |i| balanced(&format!("group g{i}"), &server(1, ""));
        lines(count / 2, group) + &lines(count / 2, service)
    }),
];

#[test]
fn reading_takes_time_in_proportion_to_the_length() {
    for (name, text) in CASES {
        let (small, large) = (text(FEW), text(FEW * FACTOR));
        let few = (0..3).map(|_| time(&small)).min().expect("three");
        // Once is enough unless something else was in the way.
        let many = (0..3).map(|_| time(&large));
        let many = many.take(3).find(|many| *many < few * MOST);
        assert!(many.is_some(), "{name}: {FEW} statements {few:?}");
    }
}
