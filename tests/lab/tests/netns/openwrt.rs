//! configs/openwrt as on a router: installed by its package definition into a root directory of its
//! own and run by BusyBox, with stand-ins for OpenWrt's programs (`openwrt/stand-ins/`).

use crate::Test;

mod init;
mod package;
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
    Test::new("client_openwrt_keepalived_sync", ubus::keepalived_sync).keepalived_fails(OURS),
];

const OURS: &str = "the package belongs to vrrpd";
