//! configs/openwrt as on a router: installed by its package definition into a root directory of its
//! own and run by BusyBox, with stand-ins for OpenWrt's programs (`openwrt/stand-ins/`).

use crate::Test;

mod init;
mod managers;
mod package;
mod procd;
mod router;
mod ubus;

pub(crate) const TESTS: &[Test] = &[
    Test::new("openwrt_package_installs_its_files", package::package).keepalived_fails(OURS),
    Test::new("openwrt_scripts_pass_shellcheck", package::clean).keepalived_fails(OURS),
    Test::new(
        "openwrt_init_script_registers_with_procd",
        init::init_script,
    )
    .keepalived_fails(OURS),
    Test::new(
        "openwrt_init_script_respects_enabled_and_config_file",
        init::choices,
    )
    .keepalived_fails(OURS),
    Test::new("openwrt_router_runs_from_uci", init::runs).keepalived_fails(OURS),
    Test::new(
        "openwrt_package_takes_the_name_of_keepalived",
        package::named,
    )
    .keepalived_fails(OURS),
    Test::new(
        "openwrt_stop_is_not_undone_by_a_pending_trigger",
        init::stopped,
    )
    .keepalived_fails(OURS),
    Test::new(
        "openwrt_killed_master_resumes_before_the_peer_notices",
        init::respawned,
    )
    .keepalived_fails(OURS),
    Test::new(
        "openwrt_failing_start_is_not_repeated_every_second",
        init::failing_start,
    )
    .keepalived_fails(OURS),
    Test::new(
        "openwrt_enabled_counts_in_any_globals_section",
        init::disabled,
    )
    .keepalived_fails(OURS),
    Test::new(
        "openwrt_missing_alt_config_file_is_an_error",
        init::missing_file,
    )
    .keepalived_fails(OURS),
    Test::new(
        "openwrt_interface_events_run_no_script",
        init::interface_events,
    )
    .keepalived_fails(OURS),
    Test::new("openwrt_net_namespace_runs_without_a_jail", init::no_jail).keepalived_fails(OURS),
    Test::new(
        "openwrt_sysupgrade_keeps_what_an_owner_writes",
        managers::upgrade,
    )
    .keepalived_fails(OURS),
    Test::new("openwrt_rpcd_finds_the_plugin", managers::plugin).keepalived_fails(OURS),
    Test::new("openwrt_opkg_replaces_keepalived", managers::opkg).keepalived_fails(OURS),
    Test::new("openwrt_apk_replaces_keepalived", managers::apk).keepalived_fails(OURS),
    Test::new("openwrt_ubus_dump_is_the_answer_of_the_daemon", ubus::dump).keepalived_fails(OURS),
    Test::new("openwrt_ubus_status_is_that_of_the_daemon", ubus::status).keepalived_fails(OURS),
    Test::new(
        "openwrt_check_reports_lines_of_the_uci_file",
        init::checks_on_the_router,
    )
    .keepalived_fails(OURS),
    Test::new("client_openwrt_keepalived_sync", ubus::keepalived_sync).keepalived_fails(OURS),
];

const OURS: &str = "the package belongs to vrrpd";
