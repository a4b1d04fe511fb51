//! configs/openwrt as a router has it: installed by its own package definition into a root of its own, run by BusyBox
//! as the shell, with stand-ins for rc.common and procd (`openwrt/`) that write down what they are asked for.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use serde_json::Value;
use vrrpd_lab::private::DIR;
use vrrpd_lab::{Daemon, Lab, Node, wait_until};

use crate::support::SOON;
use crate::{Ctx, End, Test};

pub(crate) const TESTS: &[Test] = &[
    ("openwrt_package_installs_what_it_should", OURS, package),
    ("openwrt_scripts_are_clean", OURS, clean),
    ("openwrt_init_script_tells_procd", OURS, init_script),
    ("openwrt_init_script_keeps_to_the_switch_and_the_file_of_the_user", OURS, choices),
    ("openwrt_router_runs_from_uci", OURS, runs),
];

const OURS: &str = "the package is ours";
