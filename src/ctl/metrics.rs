//! `vrrpd metrics`: the Prometheus text format, version 0.0.4.
//!
//! Each section of the reply is a metric family: a row of [`VIEW`] with its name, type, help text and
//! the function that writes its samples. The format wants all samples of a family together, so that
//! instances are gone through once for each family.
//!
//! Families `keepalived_*` have the names, labels and values of keepalived-exporter, for its
//! dashboards and alerts. Names of ours follow the conventions of Prometheus: base units, `_total` for
//! counters, `_info` for texts, and a state as one sample of each possible value, of which one is 1.

mod daemon;
mod instances;
mod keepalived;
#[cfg(feature = "lvs")]
mod services;
mod writer;

use super::{Section, View};
use writer::{Family, Samples};

/// The answer in place of a daemon that does not run.
pub const DOWN: &str = "\
# HELP vrrpd_up Whether vrrpd answers.
# TYPE vrrpd_up gauge
vrrpd_up 0
# HELP keepalived_up Whether the daemon answers.
# TYPE keepalived_up gauge
keepalived_up 0
";

/// Makes a section of each row: name, type, help, and what it has samples of.
macro_rules! families {
    ($($(#[$condition:meta])* ($name:literal, $kind:ident, $help:literal, $samples:expr),)*) => {
        &[$($(#[$condition])* {
            const FAMILY: Family = Family {
                name: $name,
                kind: stringify!($kind),
                help: $help,
                samples: $samples,
            };
            Section {
                objects: FAMILY.samples.objects(),
                write: |snapshot, _, out| FAMILY.write(snapshot, &mut out.text),
            }
        },)*]
    };
}

/// All families.
#[rustfmt::skip]
pub const VIEW: View = families![
    ("vrrpd_up", gauge, "Whether vrrpd answers.", Samples::Daemon(daemon::up)),
    ("vrrpd_build_info", gauge, "Version of the running program.", Samples::Daemon(daemon::build)),
    ("vrrpd_start_time_seconds", gauge, "Time of the start, or of the last restart in place, in Unix time.", Samples::Daemon(daemon::start_time)),
    ("vrrpd_config_errors", gauge, "Errors in the running configuration: statements that do not run.", Samples::Daemon(daemon::config_errors)),
    ("vrrpd_config_last_reload_successful", gauge, "Whether the last reload was accepted. 0: what runs is not what the file says.", Samples::Daemon(daemon::reload_successful)),
    ("vrrpd_config_last_reload_success_timestamp_seconds", gauge, "Time when the running configuration was applied, in Unix time.", Samples::Daemon(daemon::config_time)),
    ("vrrpd_config_refused_reloads_total", counter, "Reloads that were refused.", Samples::Daemon(daemon::refused_reloads)),
    ("vrrpd_timer_lateness_seconds", histogram, "How late the timers of instances were served: adverts, takeovers.", Samples::Daemon(daemon::lateness)),
    ("vrrpd_kernel_repairs_total", counter, "Objects reinstalled because another program had removed or changed them.", Samples::Daemon(daemon::repairs)),
    ("vrrpd_kernel_refusals_total", counter, "Requests that the kernel refused, each attempt counted.", Samples::Daemon(daemon::refusals)),
    ("vrrpd_static_objects", gauge, "Static addresses, routes and rules by their state in the kernel.", Samples::Daemon(daemon::static_objects)),
    ("vrrpd_sync_group_state", gauge, "State of a sync group: 1 for the current one.", Samples::Daemon(daemon::sync_groups)),
    ("vrrpd_track_file_value", gauge, "Number in a tracked file.", Samples::Daemon(daemon::files)),
    ("vrrpd_track_process_up", gauge, "Whether the number of processes is within the quorum.", Samples::Daemon(daemon::processes_up)),
    ("vrrpd_track_process_processes", gauge, "Running processes.", Samples::Daemon(daemon::processes)),

    ("vrrpd_instance_info", gauge, "Settings of an instance.", Samples::Instance(instances::info)),
    ("vrrpd_instance_state", gauge, "State of an instance: 1 for the current one.", Samples::Instance(instances::state)),
    ("vrrpd_instance_priority", gauge, "Effective priority, as in adverts.", Samples::Instance(instances::priority)),
    ("vrrpd_instance_base_priority", gauge, "Configured priority.", Samples::Instance(instances::base_priority)),
    ("vrrpd_instance_tracked_up", gauge, "Whether a tracked object is up, regardless of reverse.", Samples::Instance(instances::tracked_up)),
    ("vrrpd_instance_tracked_priority", gauge, "What a tracked object adds to the priority.", Samples::Instance(instances::tracked_priority)),
    ("vrrpd_instance_maintenance", gauge, "Whether an operator holds it in maintenance.", Samples::Instance(instances::maintenance)),
    ("vrrpd_instance_last_transition_timestamp_seconds", gauge, "Time of the last transition, in Unix time.", Samples::Instance(instances::transition_time)),
    ("vrrpd_instance_last_transition_info", gauge, "Reason of the last transition.", Samples::Instance(instances::transition_reason)),
    ("vrrpd_instance_fault_info", gauge, "What an instance in FAULT lacks.", Samples::Instance(instances::fault)),
    ("vrrpd_instance_master_info", gauge, "Address of the master, of this router if it is the master.", Samples::Instance(instances::master)),
    ("vrrpd_instance_master_priority", gauge, "Priority of the master.", Samples::Instance(instances::master_priority)),
    ("vrrpd_instance_advert_interval_seconds", gauge, "Configured interval of adverts.", Samples::Instance(instances::advert_interval)),
    ("vrrpd_instance_master_down_interval_seconds", gauge, "Time without adverts after which the master counts as down.", Samples::Instance(instances::down_interval)),
    ("vrrpd_instance_send_failing", gauge, "Whether the kernel refuses to send the adverts.", Samples::Instance(instances::send_failing)),
    ("vrrpd_instance_objects", gauge, "Virtual addresses, routes and rules by their state in the kernel.", Samples::Instance(instances::objects)),
    ("vrrpd_instance_rejected_adverts_total", counter, "Adverts discarded, by reason.", Samples::Instance(instances::rejected)),

    #[cfg(feature = "lvs")]
    ("vrrpd_virtual_server_up", gauge, "Whether a virtual server has its quorum.", Samples::Service(services::quorum)),
    #[cfg(feature = "lvs")]
    ("vrrpd_virtual_server_weight", gauge, "Sum of the weights of all real servers that are up.", Samples::Service(services::weight)),
    #[cfg(feature = "lvs")]
    ("vrrpd_virtual_server_sorry", gauge, "Whether the sorry server replaces all others.", Samples::Service(services::sorry)),
    #[cfg(feature = "lvs")]
    ("vrrpd_real_server_up", gauge, "Whether all checks of a real server succeed.", Samples::Service(services::servers_up)),
    #[cfg(feature = "lvs")]
    ("vrrpd_real_server_weight", gauge, "Weight of a real server.", Samples::Service(services::server_weights)),
    #[cfg(feature = "lvs")]
    ("vrrpd_check_up", gauge, "Whether a health check succeeds.", Samples::Service(services::checks)),

    ("keepalived_up", gauge, "Whether the daemon answers.", Samples::Daemon(daemon::up)),
    ("keepalived_vrrp_state", gauge, "State of the instance of a virtual address: 1 BACKUP, 2 MASTER, 3 FAULT.", Samples::Instance(keepalived::state)),
    ("keepalived_vrrp_excluded_state", gauge, "The same for virtual_ipaddress_excluded.", Samples::Instance(keepalived::excluded_state)),
    ("keepalived_advertisements_received_total", counter, "Adverts received.", Samples::Counter(|stats| stats.advert_rcvd)),
    ("keepalived_advertisements_sent_total", counter, "Adverts sent.", Samples::Counter(|stats| stats.advert_sent)),
    ("keepalived_become_master_total", counter, "Transitions to MASTER.", Samples::Counter(|stats| stats.become_master)),
    ("keepalived_release_master_total", counter, "Transitions out of MASTER.", Samples::Counter(|stats| stats.release_master)),
    ("keepalived_packet_length_errors_total", counter, "Packets of a wrong length.", Samples::Counter(|stats| stats.errors.packet_len_err)),
    ("keepalived_advertisements_interval_errors_total", counter, "Adverts with a wrong interval.", Samples::Counter(|stats| stats.errors.advert_interval_err)),
    ("keepalived_ip_ttl_errors_total", counter, "Adverts with a wrong TTL or hop limit.", Samples::Counter(|stats| stats.errors.ip_ttl_err)),
    ("keepalived_invalid_type_received_total", counter, "VRRP packets that are not adverts.", Samples::Counter(|stats| stats.errors.invalid_type_rcvd)),
    ("keepalived_address_list_errors_total", counter, "Adverts with other addresses than ours.", Samples::Counter(|stats| stats.errors.addr_list_err)),
    ("keepalived_authentication_invalid_total", counter, "Adverts with an unknown authentication type.", Samples::Counter(|stats| stats.errors.invalid_authtype)),
    ("keepalived_authentication_mismatch_total", counter, "Adverts with another authentication type than ours.", Samples::Counter(|stats| stats.errors.authtype_mismatch)),
    ("keepalived_authentication_failure_total", counter, "Adverts with a wrong password or AH signature.", Samples::Counter(|stats| stats.errors.auth_failure)),
    ("keepalived_priority_zero_received_total", counter, "Adverts received from masters that resigned.", Samples::Counter(|stats| stats.pri_zero_rcvd)),
    ("keepalived_priority_zero_sent_total", counter, "Adverts sent to resign.", Samples::Counter(|stats| stats.pri_zero_sent)),
    ("keepalived_gratuitous_arp_delay_total", counter, "garp_master_delay, in seconds.", Samples::Instance(keepalived::garp_delay)),
    ("keepalived_script_status", gauge, "Result of a tracked script: 0 BAD, 1 GOOD.", Samples::Daemon(keepalived::script_status)),
    ("keepalived_script_state", gauge, "Process of a tracked script: 0 idle, 1 running, 2 being terminated.", Samples::Daemon(keepalived::script_state)),
];
