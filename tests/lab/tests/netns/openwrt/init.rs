//! The init script.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use nix::sys::signal::Signal;
use serde_json::Value;
use vrrpd_lab::{Lab, wait_until};

use super::router::{Router, Service, UCI, missing, run};
use crate::support::SOON;
use crate::{Ctx, Outcome};

pub(super) fn init_script(ctx: &Ctx) -> Outcome {
    let Some(router) = Router::new(ctx, "owrt-init") else {
        return missing("busybox");
    };
    router.write("/etc/config/keepalived", UCI);
    let want = [
        "open_service vrrpd /etc/init.d/vrrpd",
        "open_instance ",
        "set_param command /usr/sbin/vrrpd -n -f /var/etc/vrrpd.conf -p /var/run/vrrpd.pid",
        "set_param file /var/etc/vrrpd.conf",
        "append_param netdev eth0",
        "set_param reload_signal 1",
        "set_param respawn 3600 5 0",
        "set_param stderr 1",
        "set_param term_timeout 15",
        "close_instance ",
        "add_reload_trigger keepalived vrrpd",
        "add_raw_trigger interface.*.up 2000 /etc/init.d/vrrpd reload",
        "close_service",
    ];
    for action in ["start", "reload"] {
        let (output, calls) = router.init(action);
        assert!(
            output.status.success() && output.stderr.is_empty() && output.stdout.is_empty(),
            "{output:?}"
        );
        assert_eq!(calls, want, "{action}");
    }
    let conf = router.read("/var/etc/vrrpd.conf");
    assert!(
        conf.contains("10.0.0.100/24 dev eth0 label eth0:vip"),
        "{conf}"
    );
    let mode = fs::metadata(router.at("/var/etc/vrrpd.conf")).expect("the result");
    assert_eq!(mode.permissions().mode() & 0o777, 0o600, "it has passwords");
    let (_, calls) = router.init("stop");
    assert_eq!(calls, ["kill vrrpd "]);
    // With procd-ujail installed: fewer capabilities.
    router.write("/sbin/ujail", "");
    let mode = fs::Permissions::from_mode(0o755);
    fs::set_permissions(router.at("/sbin/ujail"), mode).expect("chmod");
    let (_, calls) = router.init("start");
    let jail = [
        "add_jail vrrpd",
        "set_param capabilities /etc/capabilities/vrrpd.json",
    ];
    assert_eq!(calls[9..11], jail, "{calls:?}");
    Outcome::Passed
}

pub(super) fn choices(ctx: &Ctx) -> Outcome {
    let Some(router) = Router::new(ctx, "owrt-choices") else {
        return missing("busybox");
    };
    let started = |calls: &[String]| calls.iter().any(|line| line.starts_with("open_instance"));
    // As installed, the service is disabled.
    let (output, calls) = router.init("start");
    assert!(output.status.success() && !started(&calls), "{calls:?}");
    // An error is reported, and the rest is applied.
    router.write(
        "/etc/config/keepalived",
        &UCI.replace("router_id", "ruter_id"),
    );
    let (output, calls) = router.init("start");
    let output = String::from_utf8_lossy(&output.stderr);
    assert!(
        output.contains("did you mean `router_id`?") && started(&calls),
        "{output}{calls:?}"
    );
    // A file that cannot be parsed leaves the configuration unchanged.
    let before = router.read("/var/etc/vrrpd.conf");
    router.write("/etc/config/keepalived", &format!("{UCI}\0"));
    let (output, calls) = router.init("reload");
    assert!(!output.stderr.is_empty() && started(&calls), "{output:?}");
    assert_eq!(router.read("/var/etc/vrrpd.conf"), before);
    // The user's own file, if it exists.
    let own = "option alt_config_file '/etc/own.conf'\n\toption enabled";
    router.write(
        "/etc/config/keepalived",
        &UCI.replace("option enabled", own),
    );
    router.init("reload");
    assert!(
        router
            .read("/var/etc/vrrpd.conf")
            .starts_with("! written by vrrpd")
    );
    router.write("/etc/own.conf", "vrrp_instance x {\n\tinterface eth0\n}\n");
    let (_, calls) = router.init("reload");
    let link = fs::read_link(router.at("/var/etc/vrrpd.conf")).expect("a link");
    assert!(
        link == Path::new("/etc/own.conf") && started(&calls),
        "{calls:?}"
    );
    let (output, _) = router.init("check");
    assert!(
        !output.status.success() && !output.stderr.is_empty(),
        "{output:?}"
    );
    // Back to UCI.
    router.write("/etc/config/keepalived", UCI);
    router.init("reload");
    assert!(
        router
            .read("/var/etc/vrrpd.conf")
            .starts_with("! written by vrrpd")
    );
    assert!(
        router.read("/etc/own.conf").starts_with("vrrp_instance x"),
        "nothing is written through the link"
    );
    let (output, _) = router.init("check");
    assert!(output.status.success(), "{output:?}");
    // /etc/config/vrrpd takes precedence.
    router.write("/etc/config/vrrpd", &UCI.replace("'150'", "'99'"));
    router.init("reload");
    assert!(router.read("/var/etc/vrrpd.conf").contains("priority 99"));
    Outcome::Passed
}

pub(super) fn runs(ctx: &Ctx) -> Outcome {
    let Some(router) = Router::new(ctx, "owrt-runs") else {
        return missing("busybox");
    };
    let lab = Lab::new();
    let node = lab.node("r1", &["10.0.0.1/24"]);
    router.write("/etc/config/keepalived", UCI);
    router.write(
        "/etc/keepalived.user",
        "echo $ACTION $TYPE $NAME >>/tmp/user\n",
    );
    let mut service = Service::start(&router, &node);
    wait_until(SOON, "the router has the address", || {
        node.has("10.0.0.100")
    });
    wait_until(SOON, "the user's script runs", || {
        router
            .read("/tmp/user")
            .contains("NOTIFY_MASTER INSTANCE LAN\n")
    });
    assert!(
        router.read("/tmp/user").starts_with("startup"),
        "{}",
        router.read("/tmp/user")
    );

    // What LuCI reads.
    let methods = run(&mut router.command(&["/usr/libexec/rpcd/keepalived", "list"]));
    assert_eq!(methods, "{ \"dump\": {}, \"status\": {} }\n");
    let dump = router.ubus("dump");
    let first = &dump["status"][0];
    assert_eq!(first["data"]["iname"], "LAN", "{dump}");
    assert_eq!(first["data"]["ifp_ifname"], "eth0", "{dump}");
    assert!(first["data"]["last_transition"].is_number(), "{dump}");
    assert_eq!(first["stats"]["become_master"], 1, "{dump}");
    assert!(first["stats"]["advert_sent"].as_u64() >= Some(1), "{dump}");
    let status = router.ubus("status");
    let instance = &status["instance"][0];
    assert_eq!(instance["name"], "LAN", "{status}");
    assert_eq!(instance["status"], "NOTIFY_MASTER", "{status}");
    assert!(instance["event"].as_u64() > Some(1_000_000), "{status}");
    assert_eq!(status["group"], Value::Array(Vec::new()), "{status}");

    // Another address: procd notices the changed file and sends the reload signal.
    router.write(
        "/etc/config/keepalived",
        &UCI.replace("10.0.0.100", "10.0.0.200"),
    );
    let (_, calls) = router.init("reload");
    assert!(
        calls.contains(&"set_param reload_signal 1".to_owned()),
        "{calls:?}"
    );
    service.signal(Signal::SIGHUP);
    wait_until(SOON, "the new address is there, the old one is not", || {
        node.has("10.0.0.200") && !node.has("10.0.0.100")
    });
    service.signal(Signal::SIGTERM);
    service.0.wait().expect("its end");
    assert!(!node.has("10.0.0.200"));
    let calls = router.read("/tmp/user");
    assert!(
        calls.contains("NOTIFY_STOP INSTANCE LAN\n") && calls.contains("shutdown"),
        "{calls}"
    );
    assert_eq!(router.ubus("dump"), Value::Object(serde_json::Map::new()));
    Outcome::Passed
}
