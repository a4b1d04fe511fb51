//! The init script.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::process::{Output, Stdio};
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::Value;
use vrrpd_lab::{Conf, Inst, Lab, sleep_ms, wait_until};

use super::procd::Procd;
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
        "set_param reload_signal 1",
        "set_param respawn 3600 1 0",
        "set_param env VRRPD_RESPAWN=1",
        "set_param term_timeout 15",
        "close_instance ",
        "add_reload_trigger keepalived vrrpd",
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
    assert_eq!(calls[8..10], jail, "{calls:?}");
    Outcome::Passed
}

pub(super) fn choices(ctx: &Ctx) -> Outcome {
    let Some(router) = Router::new(ctx, "owrt-choices") else {
        return missing("busybox");
    };
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
    // A file that cannot be parsed leaves the configuration unchanged; procd hears nothing.
    let before = router.read("/var/etc/vrrpd.conf");
    router.write("/etc/config/keepalived", &format!("{UCI}\0"));
    let (output, calls) = router.init("reload");
    assert!(!output.stderr.is_empty() && !output.status.success());
    assert_eq!(calls, ["open_service vrrpd /etc/init.d/vrrpd"]);
    assert_eq!(router.read("/var/etc/vrrpd.conf"), before);
    // The user's own file. Without it, procd hears nothing, so that what runs stays.
    let own = "option alt_config_file '/etc/own.conf'\n\toption enabled";
    router.write(
        "/etc/config/keepalived",
        &UCI.replace("option enabled", own),
    );
    let (output, calls) = router.init("reload");
    assert!(!output.status.success(), "{output:?}");
    assert_eq!(calls, ["open_service vrrpd /etc/init.d/vrrpd"]);
    router.write("/etc/own.conf", "vrrp_instance x {\n\tinterface eth0\n}\n");
    // Former versions made a link to it.
    fs::remove_file(router.at("/var/etc/vrrpd.conf")).expect("the result");
    symlink("/etc/own.conf", router.at("/var/etc/vrrpd.conf")).expect("a link");
    let (_, calls) = router.init("reload");
    let conf = router.read("/var/etc/vrrpd.conf");
    assert_eq!(conf, "include \"/etc/own.conf\"\n");
    let files = "set_param file /var/etc/vrrpd.conf /etc/own.conf";
    assert!(
        started(&calls) && calls.iter().any(|call| call == files),
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

/// The lines that an init script writes to standard error are those in the log.
fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

fn started(calls: &[String]) -> bool {
    calls.iter().any(|line| line.starts_with("open_instance"))
}

/// `ifdown wan; service vrrpd stop`, `reload_config; service vrrpd stop`: procd runs the trigger
/// after the stop.
pub(super) fn stopped(ctx: &Ctx) -> Outcome {
    let Some(router) = Router::new(ctx, "owrt-stop") else {
        return missing("busybox");
    };
    let lab = Lab::new();
    let node = lab.node("r1", &["10.0.0.1/24"]);
    router.write("/etc/config/keepalived", UCI);
    let procd = Procd::start(&router, &node);
    router.init("start");
    wait_until(SOON, "the router has the address", || {
        node.has("10.0.0.100")
    });
    procd.reload_config();
    procd.event("interface.down", "interface", "wan");
    router.init("stop");
    assert_eq!(procd.settle(), ["/etc/init.d/vrrpd reload"]);
    wait_until(SOON, "the service is gone", || !procd.is_registered());
    assert!(!node.has("10.0.0.100") && procd.pid().is_none());
    // A reload does not start a service that was not started.
    router.init("reload");
    assert!(!procd.is_registered());

    // The trigger's script runs while the process is still busy with its end.
    router.write(
        "/etc/keepalived.user",
        "[ \"$ACTION\" != shutdown ] || sleep 3\n",
    );
    router.init("start");
    wait_until(SOON, "the router has the address", || {
        node.has("10.0.0.100")
    });
    procd.reload_config();
    router.init("stop");
    assert_eq!(procd.settle(), ["/etc/init.d/vrrpd reload"]);
    assert!(procd.pid().is_some(), "the test's premise");
    wait_until(SOON, "the service is gone", || !procd.is_registered());
    fs::remove_file(router.at("/etc/keepalived.user")).expect("the script");

    // Started again, but disabled: without an instance, until it is enabled.
    let disabled = UCI.replace("enabled '1'", "enabled '0'");
    router.write("/etc/config/keepalived", &disabled);
    router.init("start");
    assert!(procd.is_registered() && procd.pid().is_none());
    router.write("/etc/config/keepalived", UCI);
    procd.reload_config();
    assert_eq!(procd.settle(), ["/etc/init.d/vrrpd reload"]);
    wait_until(SOON, "the router has the address", || {
        node.has("10.0.0.100")
    });
    let before = procd.pid();
    router.init("restart");
    wait_until(SOON, "a restart is a stop and a start", || {
        procd.pid().is_some_and(|pid| Some(pid) != before) && node.has("10.0.0.100")
    });
    router.write("/etc/config/keepalived", &disabled);
    procd.reload_config();
    wait_until(SOON, "disabled, it ends", || procd.pid().is_none());
    procd.settle();
    assert!(procd.is_registered() && !node.has("10.0.0.100"));
    Outcome::Passed
}

/// A killed master resumes before the other router notices.
pub(super) fn respawned(ctx: &Ctx) -> Outcome {
    let Some(router) = Router::new(ctx, "owrt-respawn") else {
        return missing("busybox");
    };
    let lab = Lab::new();
    let node = lab.node("r1", &["10.0.0.1/24"]);
    let peer = lab.node("r2", &["10.0.0.2/24"]);
    router.write("/etc/config/keepalived", UCI);
    let procd = Procd::start(&router, &node);
    router.init("start");
    wait_until(SOON, "the router has the address", || {
        node.has("10.0.0.100")
    });
    let backup = Inst::new(51, 100, "10.0.0.100/24").v2();
    let other = ctx.daemon.start(&peer, &Conf::of(&[backup]));
    wait_until(SOON, "the peer is backup", || {
        other.log().contains("Entering BACKUP STATE")
    });
    let before = procd.pid().expect("it runs");
    let pid = i32::try_from(before).expect("a pid");
    kill(Pid::from_raw(pid), Signal::SIGKILL).expect("it runs");
    let deadline = Instant::now() + Duration::from_secs(6);
    while Instant::now() < deadline {
        assert!(!peer.has("10.0.0.100"), "the peer took over");
        sleep_ms(10);
    }
    assert!(node.has("10.0.0.100") && procd.pid() != Some(before));
    Outcome::Passed
}

/// A start that fails is not repeated, and logged, every second; a correction counts at once.
pub(super) fn failing_start(ctx: &Ctx) -> Outcome {
    let Some(router) = Router::new(ctx, "owrt-fails") else {
        return missing("busybox");
    };
    let lab = Lab::new();
    let node = lab.node("r1", &["10.0.0.1/24"]);
    router.write(
        "/etc/config/keepalived",
        "config globals\n\toption alt_config_file '/etc/own.conf'\n",
    );
    router.write("/etc/own.conf", "\0");
    let procd = Procd::start(&router, &node);
    router.init("start");
    wait_until(SOON, "the start fails", || {
        router.read("/tmp/log").contains("delaying exit 30 s")
    });
    sleep_ms(2500);
    let log = router.read("/tmp/log");
    assert_eq!(log.matches("delaying").count(), 1, "{log}");
    let own = Conf::of(&[Inst::new(51, 100, "10.0.0.100/24")]);
    router.write("/etc/own.conf", &own.text());
    router.init("reload");
    wait_until(SOON, "the correction is used", || node.has("10.0.0.100"));
    // No delay for a stop either.
    router.write("/etc/own.conf", "\0");
    router.init("restart");
    wait_until(SOON, "the start fails", || {
        router.read("/tmp/log").matches("delaying").count() == 2
    });
    router.init("stop");
    wait_until(SOON, "the service is gone", || !procd.is_registered());
    Outcome::Passed
}

/// The section of `enabled` is called `globals`, has another name or none, or is the `global_defs`
/// of old versions.
pub(super) fn disabled(ctx: &Ctx) -> Outcome {
    let Some(router) = Router::new(ctx, "owrt-disabled") else {
        return missing("busybox");
    };
    let rest = UCI.split_once("config ipaddress").expect("sections").1;
    for (globals, want) in [
        ("config globals 'globals'\n\toption enabled '0'\n", false),
        ("config globals\n\toption enabled '0'\n", false),
        ("config globals 'main'\n\toption enabled 'off'\n", false),
        ("config global_defs\n\toption enabled '0'\n", false),
        (
            "config global_defs 'globals'\n\toption enabled '0'\n",
            false,
        ),
        ("config globals\n\toption enabled '1'\n", true),
        ("config globals\n\toption router_id 'north'\n", true),
        ("", true),
        // Of several, each can disable the service.
        (
            "config globals\n\toption enabled '0'\n\nconfig globals 'globals'\n\toption enabled '1'\n",
            false,
        ),
        (
            "config globals 'globals'\n\toption enabled '1'\n\nconfig globals\n\toption enabled '0'\n",
            false,
        ),
        (
            "config globals 'globals'\n\toption enabled '1'\n\nconfig globals\n\toption router_id 'a'\n",
            true,
        ),
    ] {
        let text = format!("{globals}\nconfig ipaddress{rest}");
        router.write("/etc/config/keepalived", &text);
        let (output, calls) = router.init("start");
        assert!(output.status.success(), "{output:?}");
        assert_eq!(started(&calls), want, "{globals}");
    }
    Outcome::Passed
}

/// The UCI sections never run in place of a keepalived.conf that is missing.
pub(super) fn missing_file(ctx: &Ctx) -> Outcome {
    let Some(router) = Router::new(ctx, "owrt-alt") else {
        return missing("busybox");
    };
    let lab = Lab::new();
    let node = lab.node("r1", &["10.0.0.1/24"]);
    let alt = "config globals\n\toption alt_config_file '/etc/own/own.conf'\n";
    let sections = UCI.split_once("config ipaddress").expect("sections").1;
    let uci = format!("{alt}\nconfig ipaddress{sections}");
    let own = "vrrp_instance own {\n\tinterface eth0\n\tvirtual_router_id 52\n\t\
               virtual_ipaddress {\n\t\t10.0.0.200/24\n\t}\n}\n";
    router.write("/etc/config/keepalived", &uci);
    let procd = Procd::start(&router, &node);
    // At the first start nothing else runs.
    let (output, calls) = router.init("start");
    let text = stderr(&output);
    assert!(
        text.contains("alt_config_file /etc/own/own.conf does not exist: not started."),
        "{text}"
    );
    assert!(!started(&calls) && procd.pid().is_none(), "{calls:?}");
    let (output, _) = router.init("check");
    let text = stderr(&output);
    assert!(!output.status.success(), "{output:?}");
    assert!(text.contains("/etc/own/own.conf does not exist"), "{text}");
    // The file is there.
    router.write("/etc/own/own.conf", "include own.d/*.conf\n");
    router.write("/etc/own/own.d/LAN.conf", own);
    router.init("reload");
    wait_until(SOON, "the user's file is used", || node.has("10.0.0.200"));
    assert!(!node.has("10.0.0.100"));
    let (output, _) = router.init("check");
    assert!(output.status.success(), "{output:?}");
    // It is gone: what runs stays, without another word from the daemon.
    let before = procd.pid();
    let log = router.read("/tmp/log");
    fs::remove_file(router.at("/etc/own/own.conf")).expect("the file");
    for action in ["reload", "start", "restart"] {
        let (output, _) = router.init(action);
        let text = stderr(&output);
        assert!(!output.status.success(), "{output:?}");
        assert!(text.contains("the running configuration stays"), "{text}");
        assert_eq!(text.matches("does not exist").count(), 1, "{text}");
    }
    sleep_ms(500);
    assert!(node.has("10.0.0.200") && procd.pid() == before);
    assert_eq!(router.read("/tmp/log"), log);
    // A running UCI configuration stays as well when the option is new.
    router.write("/etc/config/keepalived", UCI);
    router.init("reload");
    wait_until(SOON, "the UCI sections are used", || {
        node.has("10.0.0.100") && !node.has("10.0.0.200")
    });
    router.write("/etc/config/keepalived", &uci);
    router.init("reload");
    sleep_ms(500);
    assert!(node.has("10.0.0.100") && procd.pid() == before);
    // But it is not what starts next time.
    router.init("stop");
    wait_until(SOON, "the service is gone", || !procd.is_registered());
    router.init("start");
    assert!(procd.is_registered() && procd.pid().is_none());
    Outcome::Passed
}

/// netifd sends `interface.update` for every network and every change: DHCP renewals, router
/// advertisements, a carrier. vrrpd itself follows what happens to its interfaces.
pub(super) fn interface_events(ctx: &Ctx) -> Outcome {
    let Some(router) = Router::new(ctx, "owrt-events") else {
        return missing("busybox");
    };
    let lab = Lab::new();
    let node = lab.node("r1", &["10.0.0.1/24"]);
    node.delete_interface();
    // With a warning for each conversion.
    let uci = UCI.replace("option router_id", "option ruter_id");
    router.write("/etc/config/keepalived", &uci);
    let procd = Procd::start(&router, &node);
    let (output, _) = router.init("start");
    assert!(stderr(&output).contains("ruter_id"), "{output:?}");
    // Late, and another one of the same name.
    for _ in 0..2 {
        node.add_interface();
        node.addr_add("10.0.0.1/24");
        procd.event("interface.update", "interface", "lan");
        wait_until(SOON, "the interface is used", || node.has("10.0.0.100"));
        let none: [&str; 0] = [];
        assert_eq!(procd.settle(), none);
        node.delete_interface();
        procd.event("interface.down", "interface", "lan");
    }
    Outcome::Passed
}

/// The jail has no CAP_SYS_ADMIN, which entering a network namespace takes.
pub(super) fn no_jail(ctx: &Ctx) -> Outcome {
    let Some(router) = Router::new(ctx, "owrt-jail") else {
        return missing("busybox");
    };
    router.write("/sbin/ujail", "");
    let mode = fs::Permissions::from_mode(0o755);
    fs::set_permissions(router.at("/sbin/ujail"), mode).expect("chmod");
    router.write(
        "/etc/config/keepalived",
        "config globals\n\toption alt_config_file '/etc/own.conf'\n",
    );
    for (text, want) in [
        ("net_namespace blue\n", false),
        ("global_defs {\n}\n\tnet_namespace \"blue\"\n", false),
        ("# net_namespace blue\n", true),
        ("vrrp_instance net_namespace {\n\tinterface eth0\n}\n", true),
    ] {
        router.write("/etc/own.conf", text);
        let (_, calls) = router.init("start");
        let jail = calls.iter().any(|call| call == "add_jail vrrpd");
        let capabilities = calls.iter().any(|call| call.contains("capabilities"));
        assert!(started(&calls), "{calls:?}");
        assert_eq!([jail, capabilities], [want; 2], "{text}: {calls:?}");
    }
    Outcome::Passed
}

/// `check` sees the router: its networks and addresses. Messages name lines of the UCI file.
pub(super) fn checks_on_the_router(ctx: &Ctx) -> Outcome {
    let Some(router) = Router::new(ctx, "owrt-check") else {
        return missing("busybox");
    };
    let lab = Lab::new();
    let node = lab.node("r1", &["10.0.0.100/24"]);
    router.write(
        "/etc/config/network",
        "config interface 'lan'\n\toption device 'eth0'\n\toption proto 'static'\n",
    );
    let check = |uci: &str| {
        router.write("/etc/config/keepalived", uci);
        let mut command = router.command(&["/etc/init.d/vrrpd", "check"]);
        let child = node.spawn(command.stdout(Stdio::null()).stderr(Stdio::piped()));
        let output = child.wait_with_output().expect("its end");
        let report = String::from_utf8_lossy(&output.stderr).into_owned();
        (output.status.code(), report)
    };
    let (code, report) = check(UCI);
    assert_eq!(code, Some(0), "{report}");
    let line = 1 + UCI
        .lines()
        .take_while(|line| !line.contains("10.0.0.100"))
        .count();
    let place = format!("/etc/config/keepalived:{line}:");
    assert!(
        report.contains(&place) && report.contains("10.0.0.100"),
        "{report}"
    );

    let confused = UCI
        .replace("interface 'eth0'", "interface 'lan'")
        .replace("10.0.0.100", "10.0.0.200");
    let (code, report) = check(&confused);
    assert_eq!(code, Some(5), "{report}");
    let line = 1 + UCI
        .lines()
        .take_while(|line| !line.contains("interface 'eth0'"))
        .count();
    let start = format!("/etc/config/keepalived:{line}:19: error: `lan` is a network");
    assert!(report.starts_with(&start), "{report}");
    assert!(report.contains("write 'eth0'"), "{report}");
    assert!(!report.contains("/var/etc"), "{report}");
    Outcome::Passed
}
