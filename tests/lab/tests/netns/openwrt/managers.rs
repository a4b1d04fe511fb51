//! Installing, removing and upgrading, with a stand-in for opkg and apk: in place of keepalived, over
//! a configuration of the owner's.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use super::router::{Router, UCI, missing, run};
use crate::{Ctx, Outcome};

/// With a stand-in for rpcd, and packages in /tmp: ours, and others that have to do with it.
fn router(ctx: &Ctx, name: &str) -> Option<Router> {
    let router = Router::bare(ctx, name)?;
    router.make_package();
    script(&router, "/etc/init.d/rpcd", "echo \"$1\" >>/tmp/rpcd\n");
    keepalived(&router);
    router.write("/tmp/luci/CONTROL/control", LUCI);
    router.write("/tmp/luci/www/keepalived.js", "");
    Some(router)
}

/// Depends on keepalived, or what provides it.
const LUCI: &str = "Package: luci-app-keepalived\nDepends: libc, keepalived\n";

fn script(router: &Router, path: &str, text: &str) {
    router.write(path, &format!("#!/bin/sh\n{text}"));
    let mode = fs::Permissions::from_mode(0o755);
    fs::set_permissions(router.at(path), mode).expect("chmod");
}

/// As OpenWrt's package: its files, and how its service works.
fn keepalived(router: &Router) {
    let at = |path: &str| format!("/tmp/keepalived{path}");
    for path in ["/usr/sbin/keepalived", "/usr/libexec/rpcd/keepalived"] {
        script(router, &at(path), "");
    }
    let init = at("/etc/init.d/keepalived");
    script(router, &init, "");
    router.write(
        &init,
        "#!/bin/sh /etc/rc.common
START=70
USE_PROCD=1
start_service() {
	procd_open_instance
	procd_set_param command /usr/sbin/keepalived -n -f /tmp/keepalived.conf
	procd_close_instance
}
",
    );
    let sample = "config globals 'globals'\n";
    router.write(&at("/etc/config/keepalived"), sample);
    router.write(&at("/etc/keepalived.user"), "#!/bin/sh\n");
    router.write(
        &at("/CONTROL/control"),
        "Package: keepalived\nDepends: libc\n",
    );
    let conffiles = "/etc/config/keepalived\n/etc/keepalived.user\n";
    router.write(&at("/CONTROL/conffiles"), conffiles);
}

#[track_caller]
fn sh(router: &Router, command: &str) -> String {
    let _ = fs::remove_file(router.at("/tmp/procd"));
    run(&mut router.command(&["/bin/sh", "-c", command]))
}

/// The output of a command that fails.
#[track_caller]
fn fails(router: &Router, command: &str) -> String {
    let output = router.command(&["/bin/sh", "-c", command]).output();
    let output = output.expect("a shell");
    assert!(!output.status.success(), "{command}: {output:?}");
    String::from_utf8_lossy(&output.stderr).into_owned()
}

pub(super) fn upgrade(ctx: &Ctx) -> Outcome {
    let Some(router) = router(ctx, "owrt-upgrade") else {
        return missing("busybox");
    };
    sh(&router, "opkg install /tmp/vrrpd");
    // What an owner has written, according to the README.
    let own = UCI.replace(
        "option enabled",
        "option alt_config_file '/etc/keepalived/keepalived.conf'\n\toption enabled",
    );
    router.write("/etc/config/keepalived", &own);
    let conf = "vrrp_instance x {\n\tinterface eth0\n\tvirtual_router_id 1\n\tvirtual_ipaddress {\n\t\t10.0.0.100\n\t}\n}\n";
    router.write("/etc/keepalived/keepalived.conf", conf);
    let written = [
        "/etc/capabilities/vrrpd.json",
        "/etc/config/vrrpd",
        "/etc/keepalived.user",
        "/etc/keepalived/scripts/check.sh",
    ];
    for path in written {
        router.write(path, "# mine\n");
    }
    let kept = sh(&router, "sysupgrade -l");
    let files = ["/etc/config/keepalived", "/etc/keepalived/keepalived.conf"];
    for path in written.iter().chain(&files) {
        assert!(kept.lines().any(|line| line == *path), "{path}: {kept}");
    }
    // On the new system: its package, and the files that were kept.
    fs::remove_file(router.at("/etc/config/vrrpd")).expect("rm");
    sh(
        &router,
        "sysupgrade -l >/tmp/kept; tar -czf /tmp/kept.tgz $(cat /tmp/kept)",
    );
    sh(
        &router,
        "opkg remove vrrpd; rm -r /etc/keepalived /etc/config; opkg install /tmp/vrrpd",
    );
    sh(&router, "tar -C / -xzf /tmp/kept.tgz");
    let checked = sh(&router, "/etc/init.d/vrrpd check");
    assert!(!checked.contains("alt_config_file"), "{checked}");
    let (output, calls) = router.init("start");
    assert!(
        calls.iter().any(|call| call.starts_with("open_instance")),
        "{output:?}"
    );
    let conf = router.read("/var/etc/vrrpd.conf");
    assert!(conf.contains("/etc/keepalived/keepalived.conf"), "{conf}");
    Outcome::Passed
}

pub(super) fn plugin(ctx: &Ctx) -> Outcome {
    let Some(router) = router(ctx, "owrt-rpcd") else {
        return missing("busybox");
    };
    for (install, remove) in [("opkg install", "opkg remove"), ("apk add", "apk del")] {
        for command in [format!("{install} /tmp/vrrpd"), format!("{remove} vrrpd")] {
            let _ = fs::remove_file(router.at("/tmp/rpcd"));
            sh(&router, &command);
            assert_eq!(router.read("/tmp/rpcd"), "reload\n", "{command}");
        }
    }
    // While an image is built nothing of it runs; without LuCI there may be no rpcd.
    let postinst = "sh /tmp/vrrpd/CONTROL/postinst-pkg; sh /tmp/vrrpd/CONTROL/postrm";
    let _ = fs::remove_file(router.at("/tmp/rpcd"));
    sh(&router, &format!("export IPKG_INSTROOT=/tmp; {postinst}"));
    assert_eq!(router.read("/tmp/rpcd"), "");
    fs::remove_file(router.at("/etc/init.d/rpcd")).expect("rm");
    assert_eq!(sh(&router, postinst), "");
    Outcome::Passed
}

/// keepalived runs with the owner's configuration, and LuCI's application depends on it.
fn before(router: &Router, install: &str) {
    sh(
        router,
        &format!("{install} /tmp/keepalived && {install} /tmp/luci"),
    );
    router.write("/etc/config/keepalived", UCI);
    router.write("/etc/keepalived.user", "# mine\n");
    assert!(router.at("/etc/rc.d/S70keepalived").exists());
}

/// vrrpd has taken the place.
fn after(router: &Router, new: &str) {
    let calls = router.read("/tmp/procd");
    assert!(calls.contains("kill keepalived"), "{calls}");
    let started = "set_param command /usr/sbin/vrrpd -n -f /var/etc/vrrpd.conf";
    let at = |line: &str| calls.find(line);
    assert!(
        at("kill keepalived") < at(started),
        "one after another: {calls}"
    );
    assert!(at(started).is_some(), "{calls}");
    let gone = [
        "/etc/rc.d/S70keepalived",
        "/etc/init.d/keepalived",
        "/usr/sbin/keepalived",
    ];
    for path in gone {
        assert!(fs::symlink_metadata(router.at(path)).is_err(), "{path}");
    }
    assert!(router.at("/etc/rc.d/S70vrrpd").exists(), "enabled");
    // The owner's files stay, and the sample is beside.
    assert_eq!(router.read("/etc/config/keepalived"), UCI);
    assert_eq!(router.read("/etc/keepalived.user"), "# mine\n");
    let sample = router.read(&format!("/etc/config/keepalived{new}"));
    assert!(sample.contains("option enabled '0'"), "{sample}");
    let conf = router.read("/var/etc/vrrpd.conf");
    assert!(conf.contains("10.0.0.100/24"), "{conf}");
    assert!(router.read("/tmp/rpcd").contains("reload"));
}

pub(super) fn opkg(ctx: &Ctx) -> Outcome {
    let Some(router) = router(ctx, "owrt-opkg") else {
        return missing("busybox");
    };
    before(&router, "opkg install");
    // Both cannot be installed, on a router or in an image.
    let error = fails(&router, "opkg install /tmp/vrrpd");
    assert!(
        error.contains("already provided by package  * keepalived"),
        "{error}"
    );
    let init = router.read("/etc/init.d/keepalived");
    assert!(init.contains("/usr/sbin/keepalived"), "nothing was changed");
    let error = fails(&router, "opkg remove keepalived");
    assert!(
        error.contains("depended upon by packages: luci-app-keepalived"),
        "{error}"
    );
    sh(
        &router,
        "opkg remove --force-depends keepalived && opkg install /tmp/vrrpd",
    );
    after(&router, "-opkg");
    // And back.
    let error = fails(&router, "opkg install /tmp/keepalived");
    assert!(
        error.contains("already provided by package  * vrrpd"),
        "{error}"
    );
    sh(
        &router,
        "opkg remove --force-depends vrrpd && opkg install /tmp/keepalived",
    );
    assert_eq!(router.read("/etc/config/keepalived"), UCI);
    Outcome::Passed
}

pub(super) fn apk(ctx: &Ctx) -> Outcome {
    let Some(router) = router(ctx, "owrt-apk") else {
        return missing("busybox");
    };
    before(&router, "apk add");
    let output = sh(&router, "apk add /tmp/vrrpd");
    assert!(output.contains("Purging keepalived\n"), "{output}");
    after(&router, ".apk-new");
    Outcome::Passed
}
