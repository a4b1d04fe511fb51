//! What the package installs.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;

use serde_json::Value;
use vrrpd_lab::{Lab, wait_until};

use super::router::{Router, Service, UCI, missing, run, source, stand_ins, which};
use crate::support::SOON;
use crate::{Ctx, Outcome};

pub(super) fn package(ctx: &Ctx) -> Outcome {
    let Some(router) = Router::new(ctx, "owrt-package") else {
        return missing("busybox");
    };
    for (path, mode) in [
        ("/usr/sbin/vrrpd", 0o755),
        ("/usr/libexec/rpcd/keepalived", 0o755),
        ("/etc/init.d/vrrpd", 0o755),
        ("/etc/config/keepalived", 0o600),
        ("/etc/capabilities/vrrpd.json", 0o644),
        ("/etc/hotplug.d/keepalived/01-status", 0o644),
    ] {
        let found = fs::metadata(router.at(path)).unwrap_or_else(|error| panic!("{path}: {error}"));
        assert_eq!(found.permissions().mode() & 0o777, mode, "{path}");
    }
    // The same version in all files.
    let manifest = fs::read_to_string(source().join("Cargo.toml")).expect("Cargo.toml");
    let version = manifest
        .lines()
        .find_map(|line| line.strip_prefix("version = "));
    let version = version.expect("a version").trim_matches('"');
    assert_eq!(router.make(&["version"]).trim(), format!("vrrpd {version}"));
    let text = router.read("/etc/capabilities/vrrpd.json");
    let sets: Value = serde_json::from_str(&text).expect("capabilities are JSON");
    for set in ["bounding", "effective", "permitted"] {
        let has = |name: &str| {
            sets[set]
                .as_array()
                .is_some_and(|all| all.contains(&name.into()))
        };
        assert!(has("CAP_NET_ADMIN") && has("CAP_NET_RAW"), "{set}: {sets}");
    }
    Outcome::Passed
}

pub(super) fn clean(_: &Ctx) -> Outcome {
    if which("shellcheck").is_none() {
        return missing("shellcheck");
    }
    let files = source().join("configs/openwrt/files");
    let mut check = Command::new("shellcheck");
    for name in ["vrrpd.init", "keepalived.hotplug", "keepalived.rpcd"] {
        check.arg(files.join(name));
    }
    for name in [
        "rc.common",
        "functions.sh",
        "hotplug-call",
        "jshn.sh",
        "ubus",
        "sleep",
        "opkg",
        "sysupgrade",
    ] {
        check.arg(stand_ins().join(name));
    }
    run(&mut check);
    Outcome::Passed
}

pub(super) fn named(ctx: &Ctx) -> Outcome {
    let option = ["CONFIG_VRRPD_KEEPALIVED=y"];
    let Some(router) = Router::with_options(ctx, "owrt-named", &option) else {
        return missing("busybox");
    };
    let link = fs::read_link(router.at("/usr/sbin/keepalived")).expect("a link");
    assert_eq!(link, Path::new("vrrpd"));
    // Two services would start two daemons.
    assert!(!router.at("/etc/init.d/vrrpd").exists());
    let lab = Lab::new();
    let node = lab.node("r1", &["10.0.0.1/24"]);
    router.write("/etc/config/keepalived", UCI);
    let (_, calls) = router.init("start");
    for want in [
        "set_param command /usr/sbin/keepalived -n -f /var/etc/vrrpd.conf -p /var/run/keepalived.pid",
        "add_reload_trigger keepalived vrrpd",
    ] {
        assert!(calls.iter().any(|call| call == want), "{calls:?}");
    }
    let service = Service::start(&router, &node);
    wait_until(SOON, "the router has the address", || {
        node.has("10.0.0.100")
    });
    let pid = router.read("/var/run/keepalived.pid");
    assert_eq!(pid.trim(), service.0.id().to_string());
    let dump = router.ubus("dump");
    assert_eq!(dump["status"][0]["data"]["iname"], "LAN", "{dump}");
    Outcome::Passed
}
