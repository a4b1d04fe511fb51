//! The options of each type of section, and what they are converted to.
//!
//! The table is text, which is its smallest form: 150 options in 3 KB. A mark before the name says
//! that the section is ignored without this option; a mark after it says what is written:
//!
//! | mark | written | |
//! |---|---|---|
//! | `*x` | | required |
//! | `x` | nothing | used with another option, or by other programs |
//! | `x=` | `x VALUE` | one word |
//! | `x+` | `x WORD WORD` | |
//! | `x$` | `x "VALUE"` | a command |
//! | `x!` | `x` | if it is switched on |
//! | `x{` | `x { WORD … }` | |
//! | `x@` | `x { … }` | a line for each section that it names, see [`named_by`] |
//! | `x&` | `authentication { … }` | with `auth_pass` |
//! | `x-` | nothing | no effect, see [`reason_without_effect`] |

use super::parse::{Section, Word};
use crate::config::diag::{Diags, Severity};
use crate::config::schema::nearest_word;

/// A type of section.
#[derive(Debug)]
pub(super) struct SectionType {
    pub(super) name: &'static str,
    options: &'static str,
    /// Notifications of this type of section.
    pub(super) notify: Notifications,
}

/// The notifications of a type of section.
#[derive(Debug)]
pub(super) struct Notifications {
    /// `TYPE` in the environment of the script.
    pub(super) object: &'static str,
    /// The `notify…` keywords, separated by blanks.
    pub(super) events: &'static str,
}

const fn section(name: &'static str, options: &'static str) -> SectionType {
    SectionType {
        name,
        options,
        notify: Notifications {
            object: "",
            events: "",
        },
    }
}

static SECTION_TYPES: &[SectionType] = &[
    section(
        "globals",
        "enabled alt_config_file linkbeat_use_polling- notification_email{ notification_email_from= \
         smtp_server+ smtp_connect_timeout= router_id= vrrp_mcast_group4= vrrp_mcast_group6= \
         vrrp_startup_delay=",
    ),
    section("ipaddress", "*name *address device label_suffix scope"),
    section("static_ipaddress", "address"),
    section(
        "route",
        "*name *address blackhole src_addr gateway device scope table",
    ),
    section("static_routes", "route"),
    section("interface_up_down_delays", "*device *down_delay up_delay"),
    section(
        "vrrp_script",
        "*name script$ interval= timeout= weight= direction fail fall= rise=",
    ),
    section("track_script", "*name *value weight direction"),
    section("track_interface", "*name *value weight"),
    section(
        "bfd_instance",
        "*name weight neighbor_ip= source_ip= min_rx= min_tx= idle_tx= hoplimit= max_hops=",
    ),
    section(
        "peer",
        "*name *address min_ttl max_ttl sync sync_mode sync_dir sync_list ssh_port ssh_key ssh_pubkey \
         last_sync_time last_sync_status",
    ),
    SectionType {
        name: "vrrp_sync_group",
        options: "*name *group smtp_alert! global_tracking! track_script@ track_interface@ \
                  notify_backup- notify_master- notify_fault- notify-",
        notify: Notifications {
            object: "GROUP",
            events: "notify_backup notify_master notify_fault notify",
        },
    },
    SectionType {
        name: "vrrp_instance",
        options: "*name auth_type& auth_pass state= interface= mcast_src_ip= unicast_src_ip= \
                  virtual_router_id= version= priority= advert_int= preempt_delay= debug- \
                  lvs_sync_daemon_interface= garp_master_delay= garp_master_refresh= \
                  garp_master_repeat= garp_master_refresh_repeat= vmac_xmit_base! native_ipv6! accept! \
                  no_accept! dont_track_primary! smtp_alert! nopreempt! use_vmac! virtual_ipaddress@ \
                  virtual_ipaddress_excluded@ virtual_routes@ track_script@ track_interface@ track_bfd@ \
                  unicast_peer@ notify_backup- notify_master- notify_fault- notify_stop- notify-",
        notify: Notifications {
            object: "INSTANCE",
            events: "notify_backup notify_master notify_fault notify_stop",
        },
    },
    section("url", "*name *path= *digest="),
    SectionType {
        name: "real_server",
        options: "enabled *name *ipaddr *port *weight= check connect_timeout connect_port nb_get_retry \
                  retry delay_before_retry misc_path url",
        notify: Notifications {
            object: "REAL_SERVER",
            events: "notify_up notify_down",
        },
    },
    section(
        "virtual_server",
        "enabled *ipaddr *port fwmark- delay_loop= lb_algo= lb_kind= persistence_timeout= \
         persistence_granularity= virtualhost= protocol= sorry_server_ip sorry_server_port real_server \
         rise- fall-",
    ),
];

/// Why an option has no effect, and what to write instead; one of them may be empty.
fn reason_without_effect(option: &str) -> (&'static str, &'static str) {
    match option {
        "linkbeat_use_polling" => ("the kernel reports link changes by itself", ""),
        "debug" => (
            "the command line options of vrrpd select what is logged",
            "",
        ),
        "fwmark" => ("the service is that of ipaddr and port", ""),
        "rise" | "fall" => ("", "set `retry` in the sections of the real servers"),
        _ => (
            "",
            "put the script into /etc/hotplug.d/keepalived; it gets ACTION, TYPE and NAME",
        ),
    }
}

/// The types of the sections that an option refers to.
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

impl SectionType {
    /// Name and mark of every option; a blank if it has no mark.
    pub(super) fn rows(&self) -> impl Iterator<Item = (&'static str, char)> + use<> {
        self.options.split_whitespace().map(|word| {
            let name = word.trim_start_matches('*');
            let bare = name.trim_end_matches(|c: char| c.is_ascii_punctuation() && c != '_');
            let mark = name.get(bare.len()..).and_then(|mark| mark.chars().next());
            (bare, mark.unwrap_or(' '))
        })
    }
}

/// All options, each with its type of section.
pub(super) fn options() -> impl Iterator<Item = (&'static str, &'static str)> {
    SECTION_TYPES
        .iter()
        .flat_map(|kind| kind.rows().map(|(name, _)| (kind.name, name)))
}

/// The type of this name. Old versions of the package called `globals` `global_defs`.
pub(super) fn find(name: &str) -> Option<&'static SectionType> {
    let name = match name {
        "global_defs" => "globals",
        name => name,
    };
    SECTION_TYPES.iter().find(|kind| kind.name == name)
}

/// Reports options that are unknown, missing or without effect. False: the section is ignored.
pub(super) fn check(section: &Section, diags: &mut Diags) -> bool {
    let Some(kind) = section.known else {
        let names: Vec<&str> = SECTION_TYPES.iter().map(|kind| kind.name).collect();
        unknown(&section.typed, "section type", &names, diags);
        return false;
    };
    for (name, _) in &section.entries {
        match kind.rows().find(|row| row.0 == name.text) {
            None => {
                let names: Vec<&str> = kind.rows().map(|row| row.0).collect();
                unknown(name, "option", &names, diags);
            }
            Some((option, '-')) => {
                let (why, instead) = reason_without_effect(option);
                let message = "this option has no effect";
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
    let mut required = kind.options.split_whitespace();
    let missing = required.find_map(|word| {
        let name = word.strip_prefix('*')?.trim_end_matches('=');
        (!given(name)).then_some(name)
    });
    if let Some(name) = missing {
        let message = ["section without `", name, "`; ignored"].concat();
        let help = ["add option ", name].concat();
        diags.report_with_help(Severity::Warning, section.typed.span, message, help);
    }
    missing.is_none()
}

fn unknown(word: &Word, what: &str, known: &[&str], diags: &mut Diags) {
    let help = match nearest_word(known.iter().copied(), &word.text) {
        Some(near) => ["did you mean `", near, "`?"].concat(),
        None => ["write one of ", &known.join(", ")].concat(),
    };
    let message = ["unknown ", what, " `", &word.text, "`; ignored"].concat();
    diags.report_with_help(Severity::Warning, word.span, message, help);
}

/// The value of a UCI switch.
pub(super) fn switch(value: &str) -> Option<bool> {
    match value {
        "1" | "on" | "true" | "yes" | "enabled" => Some(true),
        "0" | "off" | "false" | "no" | "disabled" => Some(false),
        _ => None,
    }
}
