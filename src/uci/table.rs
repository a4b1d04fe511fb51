//! What a section may hold and what becomes of it: one row for each option.

use super::parse::{Section, Word};
use crate::config::diag::{Diags, Severity};
use crate::config::schema::nearest_word;

/// What becomes of an option.
#[derive(Clone, Copy, Debug)]
pub(super) enum How {
    /// Nothing by itself: it is read with another one, or by the init script.
    Part,
    /// `name value`, one word.
    Word,
    /// `name value value`.
    Words,
    /// `name "command"`.
    Command,
    /// `name`, if it is on.
    Flag,
    /// `name { value … }`.
    Block,
    /// `name { … }` with a line for each section named; these types are looked through.
    Refs(&'static [&'static str]),
    /// `authentication { … }`, together with `auth_pass`.
    Auth,
    /// Known and without effect; this is why.
    Gone(&'static str),
    /// As `Gone` for what the keepalived package itself does not read: this is what to do.
    Instead(&'static str),
    /// Read by other programs.
    Foreign,
}

use How::*;

/// A type of section.
#[derive(Debug)]
pub(super) struct Kind {
    pub(super) name: &'static str,
    /// Without one of these the section is left out.
    needs: &'static [&'static str],
    pub(super) options: &'static [(&'static str, How)],
    /// `TYPE` in notifications, and what is notified.
    pub(super) notify: (&'static str, &'static [&'static str]),
}

const SILENT: (&str, &[&str]) = ("", &[]);

const fn kind(
    name: &'static str,
    needs: &'static [&'static str],
    options: &'static [(&'static str, How)],
) -> Kind {
    Kind {
        name,
        needs,
        options,
        notify: SILENT,
    }
}

const HOTPLUG: &str =
    "put the script into /etc/hotplug.d/keepalived: it gets ACTION, TYPE and NAME";

#[rustfmt::skip] // a table: one option, one line
static KINDS: &[Kind] = &[
    kind("globals", &[], &[
        ("enabled", Part),
        ("alt_config_file", Part),
        ("linkbeat_use_polling", Gone("the kernel reports link changes by itself")),
        ("notification_email", Block),
        ("notification_email_from", Word),
        ("smtp_server", Words),
        ("smtp_connect_timeout", Word),
        ("router_id", Word),
        ("vrrp_mcast_group4", Word),
        ("vrrp_mcast_group6", Word),
        ("vrrp_startup_delay", Word),
    ]),
    kind("ipaddress", &["name", "address"], &[
        ("name", Part),
        ("address", Part),
        ("device", Part),
        ("label_suffix", Part),
        ("scope", Part),
    ]),
    kind("static_ipaddress", &[], &[
        ("address", Refs(&["ipaddress"])),
    ]),
    kind("route", &["name", "address"], &[
        ("name", Part),
        ("address", Part),
        ("blackhole", Part),
        ("src_addr", Part),
        ("gateway", Part),
        ("device", Part),
        ("scope", Part),
        ("table", Part),
    ]),
    kind("static_routes", &[], &[
        ("route", Refs(&["route"])),
    ]),
    kind("interface_up_down_delays", &["device", "down_delay"], &[
        ("device", Part),
        ("down_delay", Part),
        ("up_delay", Part),
    ]),
    kind("vrrp_script", &["name"], &[
        ("name", Part),
        ("script", Command),
        ("interval", Word),
        ("timeout", Word),
        ("weight", Word),
        ("direction", Part),
        ("fall", Word),
        ("rise", Word),
    ]),
    kind("track_script", &["name", "value"], &[
        ("name", Part),
        ("value", Part),
        ("weight", Part),
        ("direction", Part),
    ]),
    kind("track_interface", &["name", "value"], &[
        ("name", Part),
        ("value", Part),
        ("weight", Part),
    ]),
    kind("bfd_instance", &["name"], &[
        ("name", Part),
        ("weight", Part),
        ("neighbor_ip", Word),
        ("source_ip", Word),
        ("min_rx", Word),
        ("min_tx", Word),
        ("idle_tx", Word),
        ("hoplimit", Word),
        ("max_hops", Word),
    ]),
    kind("peer", &["name", "address"], &[
        ("name", Part),
        ("address", Part),
        ("min_ttl", Part),
        ("max_ttl", Part),
        ("sync", Foreign),
        ("sync_mode", Foreign),
        ("sync_dir", Foreign),
        ("sync_list", Foreign),
        ("ssh_port", Foreign),
        ("ssh_key", Foreign),
        ("ssh_pubkey", Foreign),
        ("last_sync_time", Foreign),
        ("last_sync_status", Foreign),
    ]),
    Kind {
        name: "vrrp_sync_group",
        needs: &["name", "group"],
        notify: ("GROUP", &["notify_backup", "notify_master", "notify_fault", "notify"]),
        options: &[
            ("name", Part),
            ("group", Part),
            ("smtp_alert", Flag),
            ("global_tracking", Gone("write the tracking into the group")),
            ("track_script", Refs(&["track_script", "vrrp_script"])),
            ("track_interface", Refs(&["track_interface"])),
            ("notify_backup", Instead(HOTPLUG)),
            ("notify_master", Instead(HOTPLUG)),
            ("notify_fault", Instead(HOTPLUG)),
            ("notify", Instead(HOTPLUG)),
        ],
    },
    Kind {
        name: "vrrp_instance",
        needs: &["name"],
        notify: ("INSTANCE", &["notify_backup", "notify_master", "notify_fault", "notify_stop"]),
        options: &[
            ("name", Part),
            ("auth_type", Auth),
            ("auth_pass", Part),
            ("state", Word),
            ("interface", Word),
            ("mcast_src_ip", Word),
            ("unicast_src_ip", Word),
            ("virtual_router_id", Word),
            ("version", Word),
            ("priority", Word),
            ("advert_int", Word),
            ("preempt_delay", Word),
            ("debug", Gone("what is logged is chosen by the options of vrrpd")),
            ("lvs_sync_daemon_interface", Word),
            ("garp_master_delay", Word),
            ("garp_master_refresh", Word),
            ("garp_master_repeat", Word),
            ("garp_master_refresh_repeat", Word),
            ("vmac_xmit_base", Flag),
            ("native_ipv6", Flag),
            ("accept", Flag),
            ("no_accept", Flag),
            ("dont_track_primary", Flag),
            ("smtp_alert", Flag),
            ("nopreempt", Flag),
            ("use_vmac", Flag),
            ("virtual_ipaddress", Refs(&["ipaddress"])),
            ("virtual_ipaddress_excluded", Refs(&["ipaddress"])),
            ("virtual_routes", Refs(&["route"])),
            ("track_script", Refs(&["track_script", "vrrp_script"])),
            ("track_interface", Refs(&["track_interface"])),
            ("track_bfd", Refs(&["bfd_instance"])),
            ("unicast_peer", Refs(&["peer"])),
            ("notify_backup", Instead(HOTPLUG)),
            ("notify_master", Instead(HOTPLUG)),
            ("notify_fault", Instead(HOTPLUG)),
            ("notify_stop", Instead(HOTPLUG)),
            ("notify", Instead(HOTPLUG)),
        ],
    },
    kind("url", &["name", "path", "digest"], &[
        ("name", Part),
        ("path", Word),
        ("digest", Word),
    ]),
    Kind {
        name: "real_server",
        needs: &["name", "weight", "ipaddr", "port"],
        notify: ("REAL_SERVER", &["notify_up", "notify_down"]),
        options: &[
            ("enabled", Part),
            ("name", Part),
            ("ipaddr", Part),
            ("port", Part),
            ("weight", Word),
            ("check", Part),
            ("connect_timeout", Part),
            ("connect_port", Part),
            ("nb_get_retry", Part),
            ("delay_before_retry", Part),
            ("misc_path", Part),
            ("url", Part),
            ("retry", Instead("write `nb_get_retry`")),
        ],
    },
    kind("virtual_server", &["ipaddr", "port"], &[
        ("enabled", Part),
        ("ipaddr", Part),
        ("port", Part),
        ("fwmark", Gone("the service is the one of ipaddr and port")),
        ("delay_loop", Word),
        ("lb_algo", Part),
        ("lb_kind", Word),
        ("persistence_timeout", Word),
        ("persistence_granularity", Word),
        ("virtualhost", Word),
        ("protocol", Word),
        ("sorry_server_ip", Part),
        ("sorry_server_port", Part),
        ("real_server", Part),
    ]),
];

/// Every row.
pub(super) fn options() -> impl Iterator<Item = (&'static str, &'static str)> {
    KINDS
        .iter()
        .flat_map(|kind| kind.options.iter().map(|row| (kind.name, row.0)))
}

/// What a section is; `global_defs` is what old versions of the package called `globals`.
pub(super) fn find(name: &str) -> Option<&'static Kind> {
    let name = match name {
        "global_defs" => "globals",
        name => name,
    };
    KINDS.iter().find(|kind| kind.name == name)
}

/// Names what is unknown, lacking or without effect. False: the section is left out.
pub(super) fn check(section: &Section, diags: &mut Diags) -> bool {
    let Some(kind) = section.known else {
        unknown(
            &section.typed,
            "type of section",
            KINDS.iter().map(|kind| kind.name),
            diags,
        );
        return false;
    };
    for (name, _) in &section.entries {
        let row = kind.options.iter().find(|row| row.0 == name.text);
        match row.map(|row| row.1) {
            None => {
                let message = format!("option of `{}`", kind.name);
                unknown(name, &message, kind.options.iter().map(|row| row.0), diags);
            }
            Some(Gone(why)) => {
                let message = format!("`{}` has no effect: {why}", name.text);
                diags.say(Severity::Note, name.span, message);
            }
            Some(Instead(what)) => {
                let message = format!("`{}` is not read; ignored", name.text);
                diags.help(
                    Severity::Warning,
                    name.span,
                    message,
                    format!("write {what}"),
                );
            }
            Some(Part | Word | Words | Command | Flag | Block | Refs(_) | Auth | Foreign) => {}
        }
    }
    if section.off() {
        return true;
    }
    let given = |name: &str| match name {
        "name" => section.title().is_some(),
        name => section.get(name).is_some(),
    };
    match kind.needs.iter().find(|name| !given(name)) {
        None => true,
        Some(name) => {
            let message = format!("this `{}` has no `{name}`; it is left out", kind.name);
            diags.help(
                Severity::Warning,
                section.typed.span,
                message,
                format!("add option {name} '…'"),
            );
            false
        }
    }
}

fn unknown(
    word: &Word,
    what: &str,
    known: impl Iterator<Item = &'static str> + Clone,
    diags: &mut Diags,
) {
    let help = match nearest_word(known.clone(), &word.text) {
        Some(near) => format!("did you mean `{near}`?"),
        None => {
            let known: Vec<&str> = known.collect();
            format!("known are {}", known.join(", "))
        }
    };
    let message = format!("`{}` is no {what}; ignored", word.text);
    diags.help(Severity::Warning, word.span, message, help);
}

/// UCI's switches.
pub(super) fn switch(value: &str) -> Option<bool> {
    match value {
        "1" | "on" | "true" | "yes" | "enabled" => Some(true),
        "0" | "off" | "false" | "no" | "disabled" => Some(false),
        _ => None,
    }
}
