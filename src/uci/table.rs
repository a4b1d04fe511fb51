//! What a section may hold and what becomes of it.
//!
//! The table is text, for it is the smallest form: 150 options in 3 KB. A mark in front says that the section is left
//! out without this option; the one behind says what is written for it:
//!
//! | mark | written | |
//! |---|---|---|
//! | `*x` | | needed |
//! | `x` | nothing | read together with another one, or by other programs |
//! | `x=` | `x VALUE` | one word |
//! | `x+` | `x WORD WORD` | |
//! | `x$` | `x "VALUE"` | a command |
//! | `x!` | `x` | if it is switched on |
//! | `x{` | `x { WORD … }` | |
//! | `x@` | `x { … }` | a line for each section it names, see [`named_by`] |
//! | `x&` | `authentication { … }` | with `auth_pass` |
//! | `x-` | nothing | see [`why_not`] |

use super::parse::{Section, Word};
use crate::config::diag::{Diags, Severity};
use crate::config::schema::nearest_word;

/// A type of section.
#[derive(Debug)]
pub(super) struct Kind {
    pub(super) name: &'static str,
    options: &'static str,
    /// `TYPE` in notifications, and what is notified.
    pub(super) notify: (&'static str, &'static str),
}

const fn kind(name: &'static str, options: &'static str) -> Kind {
    Kind {
        name,
        options,
        notify: ("", ""),
    }
}

static KINDS: &[Kind] = &[
    kind(
        "globals",
        "enabled alt_config_file linkbeat_use_polling- notification_email{ notification_email_from= \
         smtp_server+ smtp_connect_timeout= router_id= vrrp_mcast_group4= vrrp_mcast_group6= \
         vrrp_startup_delay=",
    ),
    kind("ipaddress", "*name *address device label_suffix scope"),
    kind("static_ipaddress", "address"),
    kind(
        "route",
        "*name *address blackhole src_addr gateway device scope table",
    ),
    kind("static_routes", "route"),
    kind("interface_up_down_delays", "*device *down_delay up_delay"),
    kind(
        "vrrp_script",
        "*name script$ interval= timeout= weight= direction fail fall= rise=",
    ),
    kind("track_script", "*name *value weight direction"),
    kind("track_interface", "*name *value weight"),
    kind(
        "bfd_instance",
        "*name weight neighbor_ip= source_ip= min_rx= min_tx= idle_tx= hoplimit= max_hops=",
    ),
    kind(
        "peer",
        "*name *address min_ttl max_ttl sync sync_mode sync_dir sync_list ssh_port ssh_key ssh_pubkey \
         last_sync_time last_sync_status",
    ),
    Kind {
        name: "vrrp_sync_group",
        options: "*name *group smtp_alert! global_tracking- track_script@ track_interface@ \
                  notify_backup- notify_master- notify_fault- notify-",
        notify: ("GROUP", "notify_backup notify_master notify_fault notify"),
    },
    Kind {
        name: "vrrp_instance",
        options: "*name auth_type& auth_pass state= interface= mcast_src_ip= unicast_src_ip= \
                  virtual_router_id= version= priority= advert_int= preempt_delay= debug- \
                  lvs_sync_daemon_interface= garp_master_delay= garp_master_refresh= \
                  garp_master_repeat= garp_master_refresh_repeat= vmac_xmit_base! native_ipv6! accept! \
                  no_accept! dont_track_primary! smtp_alert! nopreempt! use_vmac! virtual_ipaddress@ \
                  virtual_ipaddress_excluded@ virtual_routes@ track_script@ track_interface@ track_bfd@ \
                  unicast_peer@ notify_backup- notify_master- notify_fault- notify_stop- notify-",
        notify: (
            "INSTANCE",
            "notify_backup notify_master notify_fault notify_stop",
        ),
    },
    kind("url", "*name *path= *digest="),
    Kind {
        name: "real_server",
        options: "enabled *name *ipaddr *port *weight= check connect_timeout connect_port nb_get_retry \
                  retry delay_before_retry misc_path url",
        notify: ("REAL_SERVER", "notify_up notify_down"),
    },
    kind(
        "virtual_server",
        "enabled *ipaddr *port fwmark- delay_loop= lb_algo= lb_kind= persistence_timeout= \
         persistence_granularity= virtualhost= protocol= sorry_server_ip sorry_server_port real_server \
         rise- fall-",
    ),
];

/// Why an option has no effect, and what to write instead.
fn why_not(option: &str) -> (&'static str, &'static str) {
    match option {
        "linkbeat_use_polling" => ("the kernel reports link changes by itself", ""),
        "global_tracking" => ("", "write the tracking into the group"),
        "debug" => ("what is logged is chosen by the options of vrrpd", ""),
        "fwmark" => ("the service is the one of ipaddr and port", ""),
        "rise" | "fall" => ("", "write `retry` into the sections of the servers"),
        _ => (
            "",
            "put the script into /etc/hotplug.d/keepalived: it gets ACTION, TYPE and NAME",
        ),
    }
}

/// The types of the sections that an option names.
pub(super) fn named_by(option: &str) -> &'static [&'static str] {
    match option {
        "track_script" => &["track_script", "vrrp_script"],
        "track_interface" => &["track_interface"],
        "track_bfd" => &["bfd_instance"],
        "unicast_peer" => &["peer"],
        "virtual_routes" | "route" => &["route"],
        _ => &["ipaddress"],
    }
}

impl Kind {
    /// Name and mark of every option; a blank for a mark where there is none.
    pub(super) fn rows(&self) -> impl Iterator<Item = (&'static str, char)> + use<> {
        self.options.split_whitespace().map(|word| {
            let name = word.trim_start_matches('*');
            let bare = name.trim_end_matches(|c: char| c.is_ascii_punctuation() && c != '_');
            let mark = name.get(bare.len()..).and_then(|mark| mark.chars().next());
            (bare, mark.unwrap_or(' '))
        })
    }
}

/// Every row.
pub(super) fn options() -> impl Iterator<Item = (&'static str, &'static str)> {
    KINDS
        .iter()
        .flat_map(|kind| kind.rows().map(|(name, _)| (kind.name, name)))
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
        let names: Vec<&str> = KINDS.iter().map(|kind| kind.name).collect();
        unknown(&section.typed, "type of section", &names, diags);
        return false;
    };
    for (name, _) in &section.entries {
        match kind.rows().find(|row| row.0 == name.text) {
            None => {
                let names: Vec<&str> = kind.rows().map(|row| row.0).collect();
                unknown(name, "option of this section", &names, diags);
            }
            Some((option, '-')) => {
                let (why, instead) = why_not(option);
                let message = "this has no effect";
                if instead.is_empty() {
                    diags.report(Severity::Note, name.span, [message, why].join(": "));
                } else {
                    diags.report_with_help(Severity::Warning, name.span, message, instead);
                }
            }
            Some(_) => {}
        }
    }
    if section.off() {
        return true;
    }
    let given = |name: &str| match name {
        "name" => section.title().is_some(),
        name => section.get(name).is_some(),
    };
    let mut needed = kind.options.split_whitespace();
    let lacking = needed.find_map(|word| {
        let name = word.strip_prefix('*')?.trim_end_matches('=');
        (!given(name)).then_some(name)
    });
    if let Some(name) = lacking {
        let message = ["this section has no `", name, "`; it is left out"].concat();
        let help = ["add option ", name].concat();
        diags.report_with_help(Severity::Warning, section.typed.span, message, help);
    }
    lacking.is_none()
}

fn unknown(word: &Word, what: &str, known: &[&str], diags: &mut Diags) {
    let help = match nearest_word(known.iter().copied(), &word.text) {
        Some(near) => ["did you mean `", near, "`?"].concat(),
        None => ["known are ", &known.join(", ")].concat(),
    };
    let message = ["`", &word.text, "` is no ", what, "; ignored"].concat();
    diags.report_with_help(Severity::Warning, word.span, message, help);
}

/// UCI's switches.
pub(super) fn switch(value: &str) -> Option<bool> {
    match value {
        "1" | "on" | "true" | "yes" | "enabled" => Some(true),
        "0" | "off" | "false" | "no" | "disabled" => Some(false),
        _ => None,
    }
}
