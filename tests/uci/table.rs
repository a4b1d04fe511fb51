//! Every option of every section: the line it adds to the result.

use std::collections::BTreeSet;

use vrrpd::config::Severity;
use vrrpd::config::render::render_text;
use vrrpd::uci::{convert, options};

use crate::check::check;

/// A UCI file that ends with a minimal section of type `kind`, to which the option is appended.
fn base(kind: &str) -> &'static str {
    match kind {
        "globals" => "config globals 'globals'\n",
        "ipaddress" => {
            "config static_ipaddress\n\tlist address 'a'\n\tlist address 'b'\n\
             config ipaddress\n\toption name 'a'\n\toption address '192.0.2.1/24'\n\toption device 'eth0'\n"
        }
        "static_ipaddress" => {
            "config ipaddress\n\toption name 'a'\n\toption address '192.0.2.1/24'\nconfig static_ipaddress\n"
        }
        "route" => {
            "config static_routes\n\tlist route 'r'\n\tlist route 's'\n\
             config route\n\toption name 'r'\n\toption address '198.51.100.0/24'\n\toption gateway '192.0.2.9'\n"
        }
        "static_routes" => {
            "config route\n\toption name 'r'\n\toption address '198.51.100.0/24'\n\toption gateway '192.0.2.9'\n\
             config static_routes\n"
        }
        "interface_up_down_delays" => {
            "config interface_up_down_delays\n\toption device 'eth0'\n\toption down_delay '2'\n"
        }
        "vrrp_script" => {
            "config vrrp_instance\n\toption name 'v'\n\toption interface 'eth0'\n\toption virtual_router_id '1'\n\
             \tlist virtual_ipaddress '192.0.2.1'\n\tlist track_script 's'\n\
             config vrrp_script\n\toption name 's'\n\toption weight '5'\n\toption script '/bin/true'\n"
        }
        "track_script" => {
            "config vrrp_script\n\toption name 's'\n\toption script '/bin/true'\n\
             config vrrp_script\n\toption name 's2'\n\toption script '/bin/false'\n\
             config vrrp_instance\n\toption name 'v'\n\toption interface 'eth0'\n\toption virtual_router_id '1'\n\
             \tlist virtual_ipaddress '192.0.2.1'\n\tlist track_script 't'\n\tlist track_script 'u'\n\
             config track_script\n\toption name 't'\n\toption value 's'\n\toption weight '4'\n"
        }
        "track_interface" => {
            "config vrrp_instance\n\toption name 'v'\n\toption interface 'eth0'\n\toption virtual_router_id '1'\n\
             \tlist virtual_ipaddress '192.0.2.1'\n\tlist track_interface 't'\n\tlist track_interface 'u'\n\
             config track_interface\n\toption name 't'\n\toption value 'eth1'\n"
        }
        "bfd_instance" => {
            "config vrrp_instance\n\toption name 'v'\n\toption interface 'eth0'\n\toption virtual_router_id '1'\n\
             \tlist virtual_ipaddress '192.0.2.1'\n\tlist track_bfd 'f'\n\
             config bfd_instance\n\toption name 'f'\n"
        }
        "peer" => {
            "config vrrp_instance\n\toption name 'v'\n\toption interface 'eth0'\n\toption virtual_router_id '1'\n\
             \tlist virtual_ipaddress '192.0.2.1'\n\tlist unicast_peer 'p'\n\tlist unicast_peer 'q'\n\
             config peer\n\toption name 'p'\n\toption address '192.0.2.7'\n"
        }
        "vrrp_sync_group" => {
            "config vrrp_instance\n\toption name 'v'\n\toption interface 'eth0'\n\toption virtual_router_id '1'\n\
             \tlist virtual_ipaddress '192.0.2.1'\n\
             config vrrp_instance\n\toption name 'w'\n\toption interface 'eth0'\n\toption virtual_router_id '2'\n\
             \tlist virtual_ipaddress '192.0.2.2'\n\
             config vrrp_script\n\toption name 's'\n\toption script '/bin/true'\n\
             config track_interface\n\toption name 't'\n\toption value 'eth1'\n\toption weight '3'\n\
             config vrrp_sync_group\n\toption name 'G'\n\tlist group 'v'\n"
        }
        "vrrp_instance" => {
            "config ipaddress\n\toption name 'a'\n\toption address '192.0.2.3/24'\n\toption device 'eth0'\n\
             config route\n\toption name 'r'\n\toption address '198.51.100.0/24'\n\toption gateway '192.0.2.9'\n\
             config vrrp_script\n\toption name 's'\n\toption script '/bin/true'\n\
             config track_interface\n\toption name 't'\n\toption value 'eth1'\n\
             config bfd_instance\n\toption name 'f'\n\toption neighbor_ip '192.0.2.8'\n\
             config peer\n\toption name 'p'\n\toption address '192.0.2.7'\n\
             config vrrp_instance\n\toption name 'v'\n\toption interface 'eth0'\n\toption virtual_router_id '1'\n\
             \toption auth_type 'PASS'\n\toption auth_pass 'x'\n\tlist virtual_ipaddress '192.0.2.1'\n"
        }
        "url" => {
            "config virtual_server\n\toption ipaddr '192.0.2.1'\n\toption port '80'\n\tlist real_server 'R'\n\
             config real_server\n\toption name 'R'\n\toption ipaddr '192.0.2.2'\n\toption port '80'\n\
             \toption weight '1'\n\toption check 'HTTP_GET'\n\tlist url 'u'\n\tlist url 'u2'\n\
             config url\n\toption name 'u'\n\toption path '/'\n\toption digest '9b3a0c85a887a256d6939da88aabd8cd'\n"
        }
        "real_server" => {
            "config url\n\toption name 'u'\n\toption path '/u'\n\toption digest '9b3a0c85a887a256d6939da88aabd8cd'\n\
             config virtual_server\n\toption ipaddr '192.0.2.1'\n\toption port '80'\n\tlist real_server 'R'\n\
             \tlist real_server 'S'\n\
             config real_server\n\toption name 'R'\n\toption ipaddr '192.0.2.2'\n\toption port '80'\n\
             \toption weight '1'\n\toption check 'HTTP_GET'\n"
        }
        "virtual_server" => {
            "config real_server\n\toption name 'R'\n\toption ipaddr '192.0.2.2'\n\toption port '80'\n\toption weight '1'\n\
             config virtual_server\n\toption ipaddr '192.0.2.1'\n\toption port '80'\n\
             \toption sorry_server_ip '192.0.2.5'\n\toption sorry_server_port '80'\n\tlist real_server 'R'\n"
        }
        other => panic!("no base for {other}"),
    }
}

/// Section type, option, value, and the expectation: a line of the result; `-` and a line that
/// disappears; `!` and a diagnostic; empty if the option is accepted without effect.
#[rustfmt::skip]
const CASES: &[(&str, &str, &str, &str)] = &[
    ("globals", "enabled", "0", ""),
    ("globals", "alt_config_file", "/etc/keepalived/keepalived.conf", ""),
    ("globals", "linkbeat_use_polling", "1", "!no effect: the kernel reports link changes by itself"),
    ("globals", "notification_email", "a@example.net", "a@example.net"),
    ("globals", "notification_email_from", "b@example.net", "notification_email_from b@example.net"),
    ("globals", "smtp_server", "192.0.2.25 2525", "smtp_server 192.0.2.25 2525"),
    ("globals", "smtp_connect_timeout", "30", "smtp_connect_timeout 30"),
    ("globals", "router_id", "north", "router_id north"),
    ("globals", "vrrp_mcast_group4", "224.0.0.19", "vrrp_mcast_group4 224.0.0.19"),
    ("globals", "vrrp_mcast_group6", "ff02::13", "vrrp_mcast_group6 ff02::13"),
    ("globals", "vrrp_startup_delay", "5.5", "vrrp_startup_delay 5.5"),
    ("ipaddress", "name", "other", "-192.0.2.1/24 dev eth0 label eth0:vip"),
    ("ipaddress", "address", "192.0.2.2/24", "192.0.2.2/24 dev eth0 label eth0:vip"),
    ("ipaddress", "device", "br-lan", "192.0.2.1/24 dev br-lan label br-lan:vip"),
    ("ipaddress", "label_suffix", "ha", "192.0.2.1/24 dev eth0 label eth0:ha"),
    ("ipaddress", "scope", "link", "192.0.2.1/24 dev eth0 label eth0:vip scope link"),
    ("static_ipaddress", "address", "a", "192.0.2.1/24"),
    ("route", "name", "other", "-198.51.100.0/24 via 192.0.2.9"),
    ("route", "address", "203.0.113.0/24", "203.0.113.0/24 via 192.0.2.9"),
    ("route", "blackhole", "1", "blackhole 198.51.100.0/24"),
    ("route", "src_addr", "192.0.2.4", "src 192.0.2.4 198.51.100.0/24 via 192.0.2.9"),
    ("route", "gateway", "192.0.2.10", "198.51.100.0/24 via 192.0.2.10"),
    ("route", "device", "eth1", "198.51.100.0/24 via 192.0.2.9 dev eth1"),
    ("route", "scope", "link", "198.51.100.0/24 via 192.0.2.9 scope link"),
    ("route", "table", "100", "198.51.100.0/24 via 192.0.2.9 table 100"),
    ("static_routes", "route", "r", "198.51.100.0/24 via 192.0.2.9"),
    ("interface_up_down_delays", "device", "eth1", "eth1 2"),
    ("interface_up_down_delays", "down_delay", "4", "eth0 4"),
    ("interface_up_down_delays", "up_delay", "3", "eth0 2 3"),
    ("vrrp_script", "name", "z", "vrrp_script z {"),
    ("vrrp_script", "script", "/bin/sh -c \"a b\"", "script \"/bin/sh -c \\\"a b\\\"\""),
    ("vrrp_script", "interval", "2", "interval 2"),
    ("vrrp_script", "timeout", "3", "timeout 3"),
    ("vrrp_script", "weight", "-20", "weight -20"),
    ("vrrp_script", "direction", "reverse", "s weight 5 reverse"),
    ("vrrp_script", "fall", "2", "fall 2"),
    ("vrrp_script", "fail", "2", "fall 2"),
    ("vrrp_script", "rise", "3", "rise 3"),
    ("track_script", "name", "other", "-s weight 4"),
    ("track_script", "value", "s2", "s2 weight 4"),
    ("track_script", "weight", "-30", "s weight -30"),
    ("track_script", "direction", "noreverse", "s weight 4 noreverse"),
    ("track_interface", "name", "other", "-eth1"),
    ("track_interface", "value", "eth2", "eth2"),
    ("track_interface", "weight", "-10", "eth1 weight -10"),
    ("bfd_instance", "name", "g", "bfd_instance g {"),
    ("bfd_instance", "weight", "50", "f weight 50"),
    ("bfd_instance", "neighbor_ip", "192.0.2.8", "neighbor_ip 192.0.2.8"),
    ("bfd_instance", "source_ip", "192.0.2.9", "source_ip 192.0.2.9"),
    ("bfd_instance", "min_rx", "300", "min_rx 300"),
    ("bfd_instance", "min_tx", "300", "min_tx 300"),
    ("bfd_instance", "idle_tx", "1000", "idle_tx 1000"),
    ("bfd_instance", "hoplimit", "64", "hoplimit 64"),
    ("bfd_instance", "max_hops", "2", "max_hops 2"),
    ("peer", "name", "other", "-192.0.2.7"),
    ("peer", "address", "192.0.2.8", "192.0.2.8"),
    ("peer", "min_ttl", "1", "192.0.2.7 min_ttl 1"),
    ("peer", "max_ttl", "255", "192.0.2.7 max_ttl 255"),
    ("peer", "sync", "1", ""),
    ("peer", "sync_mode", "send", ""),
    ("peer", "sync_dir", "/usr/share/keepalived/rsync", ""),
    ("peer", "sync_list", "/etc/hosts", ""),
    ("peer", "ssh_port", "22", ""),
    ("peer", "ssh_key", "/etc/keepalived/keys/id", ""),
    ("peer", "ssh_pubkey", "ssh-ed25519 AAAA", ""),
    ("peer", "last_sync_time", "1", ""),
    ("peer", "last_sync_status", "Successful", ""),
    ("vrrp_sync_group", "name", "H", "vrrp_sync_group H {"),
    ("vrrp_sync_group", "group", "w", "w"),
    ("vrrp_sync_group", "smtp_alert", "1", "smtp_alert"),
    ("vrrp_sync_group", "global_tracking", "1", "global_tracking"),
    ("vrrp_sync_group", "track_script", "s", "s"),
    ("vrrp_sync_group", "track_interface", "t", "eth1 weight 3"),
    ("vrrp_sync_group", "notify_backup", "/x", "!put the script into /etc/hotplug.d/keepalived"),
    ("vrrp_sync_group", "notify_master", "/x", "!put the script into /etc/hotplug.d/keepalived"),
    ("vrrp_sync_group", "notify_fault", "/x", "!put the script into /etc/hotplug.d/keepalived"),
    ("vrrp_sync_group", "notify", "/x", "!put the script into /etc/hotplug.d/keepalived"),
    ("vrrp_instance", "name", "w", "vrrp_instance w {"),
    ("vrrp_instance", "auth_type", "AH", "auth_type AH"),
    ("vrrp_instance", "auth_pass", "it#is!me", "auth_pass \"it#is!me\""),
    ("vrrp_instance", "state", "MASTER", "state MASTER"),
    ("vrrp_instance", "interface", "br-lan", "interface br-lan"),
    ("vrrp_instance", "mcast_src_ip", "192.0.2.4", "mcast_src_ip 192.0.2.4"),
    ("vrrp_instance", "unicast_src_ip", "192.0.2.4", "unicast_src_ip 192.0.2.4"),
    ("vrrp_instance", "virtual_router_id", "51", "virtual_router_id 51"),
    ("vrrp_instance", "version", "2", "version 2"),
    ("vrrp_instance", "priority", "150", "priority 150"),
    ("vrrp_instance", "advert_int", "1", "advert_int 1"),
    ("vrrp_instance", "preempt_delay", "300", "preempt_delay 300"),
    ("vrrp_instance", "debug", "2", "!no effect: the command line options"),
    ("vrrp_instance", "lvs_sync_daemon_interface", "eth0", "lvs_sync_daemon_interface eth0"),
    ("vrrp_instance", "garp_master_delay", "5", "garp_master_delay 5"),
    ("vrrp_instance", "garp_master_refresh", "60", "garp_master_refresh 60"),
    ("vrrp_instance", "garp_master_repeat", "5", "garp_master_repeat 5"),
    ("vrrp_instance", "garp_master_refresh_repeat", "2", "garp_master_refresh_repeat 2"),
    ("vrrp_instance", "vmac_xmit_base", "1", "vmac_xmit_base"),
    ("vrrp_instance", "native_ipv6", "1", "native_ipv6"),
    ("vrrp_instance", "accept", "1", "accept"),
    ("vrrp_instance", "no_accept", "1", "no_accept"),
    ("vrrp_instance", "dont_track_primary", "1", "dont_track_primary"),
    ("vrrp_instance", "smtp_alert", "1", "smtp_alert"),
    ("vrrp_instance", "nopreempt", "1", "nopreempt"),
    ("vrrp_instance", "use_vmac", "1", "use_vmac"),
    ("vrrp_instance", "virtual_ipaddress", "a", "192.0.2.3/24 dev eth0 label eth0:vip"),
    ("vrrp_instance", "virtual_ipaddress_excluded", "a", "192.0.2.3/24 dev eth0 label eth0:vip"),
    ("vrrp_instance", "virtual_routes", "r", "198.51.100.0/24 via 192.0.2.9"),
    ("vrrp_instance", "track_script", "s", "s"),
    ("vrrp_instance", "track_interface", "t", "eth1"),
    ("vrrp_instance", "track_bfd", "f", "f"),
    ("vrrp_instance", "unicast_peer", "p", "192.0.2.7"),
    ("vrrp_instance", "notify_backup", "/x", "!put the script into /etc/hotplug.d/keepalived"),
    ("vrrp_instance", "notify_master", "/x", "!put the script into /etc/hotplug.d/keepalived"),
    ("vrrp_instance", "notify_fault", "/x", "!put the script into /etc/hotplug.d/keepalived"),
    ("vrrp_instance", "notify_stop", "/x", "!put the script into /etc/hotplug.d/keepalived"),
    ("vrrp_instance", "notify", "/x", "!put the script into /etc/hotplug.d/keepalived"),
    ("url", "name", "other", "-path /"),
    ("url", "path", "/a?b=c#d", "path \"/a?b=c#d\""),
    ("url", "digest", "00000000000000000000000000000000", "digest 00000000000000000000000000000000"),
    ("real_server", "enabled", "0", "-real_server 192.0.2.2 80 {"),
    ("real_server", "name", "S", "notify_up \"/bin/busybox env -i ACTION=NOTIFY_UP TYPE=REAL_SERVER NAME=S /sbin/hotplug-call keepalived\""),
    ("real_server", "ipaddr", "192.0.2.3", "real_server 192.0.2.3 80 {"),
    ("real_server", "port", "81", "real_server 192.0.2.2 81 {"),
    ("real_server", "weight", "7", "weight 7"),
    ("real_server", "check", "SSL_GET", "SSL_GET {"),
    ("real_server", "check", "PING_CHECK", "PING_CHECK {"),
    ("real_server", "check", "TCP_CHECK", "TCP_CHECK {"),
    ("real_server", "check", "FTP_CHECK", "!unknown check; the server is not checked"),
    ("real_server", "connect_timeout", "3", "connect_timeout 3"),
    ("real_server", "connect_port", "8081", "connect_port 8081"),
    ("real_server", "nb_get_retry", "3", "retry 3"),
    ("real_server", "delay_before_retry", "2", "delay_before_retry 2"),
    ("real_server", "misc_path", "/x y'\n\toption check 'MISC_CHECK", "misc_path \"/x y\""),
    ("real_server", "url", "u", "path /u"),
    ("real_server", "retry", "3", "retry 3"),
    ("virtual_server", "enabled", "no", "-virtual_server 192.0.2.1 80 {"),
    ("virtual_server", "ipaddr", "192.0.2.9", "virtual_server 192.0.2.9 80 {"),
    ("virtual_server", "port", "443", "virtual_server 192.0.2.1 443 {"),
    ("virtual_server", "fwmark", "0x42", "!no effect: the service is that of ipaddr and port"),
    ("virtual_server", "delay_loop", "30", "delay_loop 30"),
    ("virtual_server", "lb_algo", "wlc", "lb_algo wlc"),
    ("virtual_server", "lb_kind", "NAT", "lb_kind NAT"),
    ("virtual_server", "persistence_timeout", "50", "persistence_timeout 50"),
    ("virtual_server", "persistence_granularity", "255.255.255.0", "persistence_granularity 255.255.255.0"),
    ("virtual_server", "virtualhost", "www.example.net", "virtualhost www.example.net"),
    ("virtual_server", "protocol", "UDP", "protocol UDP"),
    ("virtual_server", "sorry_server_ip", "192.0.2.6", "sorry_server 192.0.2.6 80"),
    ("virtual_server", "sorry_server_port", "81", "sorry_server 192.0.2.5 81"),
    ("virtual_server", "real_server", "R", "real_server 192.0.2.2 80 {"),
    ("virtual_server", "rise", "2", "!set `retry` in"),
    ("virtual_server", "fall", "2", "!set `retry` in"),
];

/// The result, and the diagnostics of the UCI file.
fn converted(text: &str) -> (String, String) {
    let done = convert("table", text.as_bytes().to_vec());
    let diagnostics = render_text(&done.diags, &done.sources);
    (done.text.expect("a result"), diagnostics)
}

fn has(conf: &str, line: &str) -> bool {
    conf.lines().any(|found| found.trim() == line)
}

#[test]
fn every_uci_option_has_its_effect() {
    for (kind, option, value, want) in CASES {
        let base = base(kind);
        // An option replaces an earlier value, a list adds to it.
        let list = [
            "notification_email",
            "address",
            "route",
            "group",
            "real_server",
            "url",
        ];
        let list = list.contains(option) && !base.contains(&format!("option {option} '"));
        let verb = if list { "list" } else { "option" };
        let case = format!("{base}\t{verb} {option} '{value}'\n");
        let (without, _) = converted(base);
        let (conf, diagnostics) = converted(&case);
        let context = format!("{case}became\n{conf}{diagnostics}");
        if let Some(message) = want.strip_prefix('!') {
            assert!(
                diagnostics.contains(message),
                "{message} is missing: {context}"
            );
        } else if let Some(removed) = want.strip_prefix('-') {
            assert!(
                has(&without, removed),
                "{removed} was never there: {without}"
            );
            assert!(!has(&conf, removed), "{removed} is still there: {context}");
        } else if want.is_empty() {
            assert_eq!(conf, without, "{option}");
        } else {
            assert!(has(&conf, want), "{want} is missing: {context}");
            // The line comes from this option.
            let unique = !["name", "real_server"].contains(option);
            assert!(!unique || !has(&without, want), "{want} was there before");
        }
        let (report, worst) = check(&conf);
        let can_stay = *kind == "bfd_instance" || *option == "native_ipv6";
        let wrong = worst >= Some(Severity::Error) && !can_stay;
        let empty = report.contains("without a valid `");
        assert!(!wrong || empty, "{report}{context}");
    }
}

#[test]
fn every_uci_option_is_tested() {
    let tested: BTreeSet<_> = CASES.iter().map(|case| (case.0, case.1)).collect();
    let missing: Vec<_> = options().filter(|row| !tested.contains(row)).collect();
    assert_eq!(missing, []);
    let known: BTreeSet<_> = options().collect();
    let removed: Vec<_> = tested.difference(&known).collect();
    assert!(removed.is_empty(), "{removed:?}");
}

#[test]
fn uci_notifications_call_hotplug_like_the_keepalived_package() {
    let (conf, _) = converted(base("vrrp_sync_group"));
    for (event, kind, name) in [
        ("notify_master", "INSTANCE", "v"),
        ("notify_backup", "INSTANCE", "v"),
        ("notify_fault", "INSTANCE", "v"),
        ("notify_stop", "INSTANCE", "v"),
        ("notify_master", "GROUP", "G"),
        ("notify_backup", "GROUP", "G"),
        ("notify_fault", "GROUP", "G"),
        ("notify", "GROUP", "G"),
    ] {
        let upper = event.to_uppercase();
        let line = format!(
            "{event} \"/bin/busybox env -i ACTION={upper} TYPE={kind} NAME={name} /sbin/hotplug-call keepalived\""
        );
        assert!(has(&conf, &line), "{line} is missing in {conf}");
    }
    for which in ["startup", "shutdown"] {
        let line = format!(
            "{which}_script \"/bin/busybox env -i ACTION={which} /sbin/hotplug-call keepalived\""
        );
        assert!(has(&conf, &line), "{line} is missing in {conf}");
    }
}

#[test]
fn uci_booleans_accept_every_uci_spelling() {
    for (value, on) in [
        ("1", true),
        ("on", true),
        ("yes", true),
        ("true", true),
        ("enabled", true),
        ("eth0", true),
        ("0", false),
        ("off", false),
        ("no", false),
        ("false", false),
        ("disabled", false),
        ("", false),
    ] {
        let (conf, _) = converted(&format!(
            "{}\toption nopreempt '{value}'\n",
            base("vrrp_instance")
        ));
        assert_eq!(has(&conf, "nopreempt"), on, "{value}");
    }
}

#[test]
fn option_enabled_works_for_globals_and_servers_only() {
    for kind in ["vrrp_instance", "vrrp_script", "bfd_instance"] {
        let (with, diagnostics) = converted(&format!("{}\toption enabled '0'\n", base(kind)));
        assert_eq!(with, converted(base(kind)).0);
        assert!(
            diagnostics.contains("unknown option `enabled`; ignored"),
            "{diagnostics}"
        );
    }
}

#[test]
fn uci_errors_ignored_by_the_keepalived_package_are_reported_with_line() {
    for (text, position, message) in [
        (
            "config vrrp_instanc 'x'",
            "1:8",
            "unknown section type `vrrp_instanc`",
        ),
        (
            "config globals\n\toption ruter_id 'x'",
            "2:9",
            "did you mean `router_id`?",
        ),
        (
            "config vrrp_instance 'v'\n\tlist virtual_ipaddress 'lan'",
            "2:25",
            "ipaddress `lan` is not defined",
        ),
        (
            "config vrrp_sync_group 'g'\n\tlist group 'v'",
            "2:13",
            "vrrp_instance `v` is not defined",
        ),
        (
            "config vrrp_sync_group 'g'",
            "1:8",
            "section without `group`; ignored",
        ),
        (
            "config virtual_server\n\toption ipaddr '192.0.2.1'",
            "1:8",
            "section without `port`; ignored",
        ),
        (
            "config vrrp_script 's'\n\toption script 'a\\b'",
            "2:16",
            "cannot be written to keepalived.conf",
        ),
        ("config vrrp_script 'a b'", "1:20", "only letters, digits"),
        ("option a b", "1:1", "outside of a section"),
        (
            "config globals\n\toption router_id 'x\n\toption enabled '1'\n",
            "2:19",
            "unclosed quote",
        ),
        ("frobnicate", "1:1", "not a UCI statement"),
    ] {
        let (_, diagnostics) = converted(text);
        assert!(
            diagnostics.starts_with(&format!("table:{position}: ")),
            "{diagnostics}"
        );
        assert!(
            diagnostics.contains(message),
            "{message} is missing: {diagnostics}"
        );
    }
}
