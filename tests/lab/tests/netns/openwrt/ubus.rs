//! The ubus object `keepalived`, and the scripts of notifications.

use std::fs;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use nix::sys::signal::Signal;
use serde_json::{Value, json};
use vrrpd_lab::{Lab, wait_until};

use super::router::{Router, Service, UCI, missing, stand_ins};
use crate::support::SOON;
use crate::{Ctx, Outcome};

/// `dump` must not take longer: LuCI asks every few seconds. BusyBox of OpenWrt sleeps whole seconds
/// only.
const QUICK: Duration = Duration::from_millis(100);

fn no_answer() -> Value {
    json!({})
}

pub(super) fn dump(ctx: &Ctx) -> Outcome {
    let Some(router) = Router::new(ctx, "owrt-dump") else {
        return missing("busybox");
    };
    let lab = Lab::new();
    let node = lab.node("r1", &["10.0.0.1/24"]);
    router.write("/etc/config/keepalived", UCI);

    // Nothing runs. Neither is a file that is there an answer, nor does another process that has
    // the pid by now get a signal, which would end it.
    router.write("/tmp/keepalived.json", "[ \"old\" ]");
    assert_eq!(router.ubus("dump"), no_answer());
    let mut other = Command::new("sleep");
    let mut other = other.arg("600").spawn().expect("a process");
    for name in ["keepalived", "vrrpd"] {
        let pid_file = format!("/var/run/{name}.pid");
        router.write(&pid_file, &other.id().to_string());
        assert_eq!(router.ubus("dump"), no_answer());
        assert!(
            other.try_wait().expect("its state").is_none(),
            "it got a signal"
        );
    }
    other.kill().expect("it lives");
    other.wait().expect("its end");
    assert_eq!(router.ubus("dump"), no_answer());

    // The pid file of keepalived is still there.
    let service = Service::start(&router, &node);
    wait_until(SOON, "the router has the address", || {
        node.has("10.0.0.100")
    });
    wait_until(SOON, "an answer without delay", || {
        let start = Instant::now();
        let dump = router.ubus("dump");
        let took = start.elapsed();
        assert_eq!(dump["status"][0]["data"]["iname"], "LAN", "{dump}");
        took < QUICK
    });

    // Nothing is written there.
    assert_eq!(router.read("/tmp/keepalived.json"), "[ \"old\" ]");

    // Several at a time.
    let calls: Vec<_> = (0..8)
        .map(|_| {
            let mut call = router.command(&["/usr/libexec/rpcd/keepalived", "call", "dump"]);
            call.stdout(Stdio::piped()).spawn().expect("the plugin")
        })
        .collect();
    for call in calls {
        let output = call.wait_with_output().expect("its end");
        let dump: Value = serde_json::from_slice(&output.stdout).expect("JSON");
        assert_eq!(dump["status"][0]["data"]["iname"], "LAN", "{dump}");
    }
    drop(service);
    assert_eq!(router.ubus("dump"), no_answer(), "it was killed");
    Outcome::Passed
}

/// Names and notifications of what `ubus call keepalived status` lists.
fn listed(router: &Router, what: &str) -> Vec<(String, String)> {
    let status = router.ubus("status");
    let of = |one: &Value, key: &str| one[key].as_str().expect("a text").to_owned();
    let list = status[what].as_array().expect("a list").iter();
    list.map(|one| {
        assert!(one["event"].as_u64() > Some(1_000_000), "{status}");
        (of(one, "name"), of(one, "status"))
    })
    .collect()
}

pub(super) fn status(ctx: &Ctx) -> Outcome {
    let Some(router) = Router::new(ctx, "owrt-status") else {
        return missing("busybox");
    };
    let lab = Lab::new();
    let node = lab.node("r1", &["10.0.0.1/24"]);
    let second = "
config vrrp_instance
	option name 'SECOND'
	option interface 'eth0'
	option state 'BACKUP'
	option virtual_router_id '52'
	option priority '100'
	option advert_int '1'
	list virtual_ipaddress '10.0.0.101/24'
";
    let group = "
config vrrp_sync_group
	option name 'GROUP'
	list group 'LAN'
	list group 'SECOND'
";
    router.write("/etc/config/keepalived", &[UCI, second, group].concat());
    let is = |what: &str, want: &[&str]| {
        let want: Vec<_> = want
            .iter()
            .map(|name| ((*name).to_owned(), "NOTIFY_MASTER".to_owned()))
            .collect();
        listed(&router, what) == want
    };
    let mut service = Service::start(&router, &node);
    wait_until(SOON, "all are listed as masters", || {
        is("instance", &["LAN", "SECOND"]) && is("group", &["GROUP"])
    });
    let files = ["LAN_INSTANCE", "SECOND_INSTANCE", "GROUP_GROUP"];
    let files = files.map(|name| format!("/var/run/keepalived/{name}/STATUS"));
    wait_until(SOON, "scripts can read the states in files", || {
        files
            .iter()
            .all(|path| router.read(path) == "NOTIFY_MASTER\n")
    });

    // Only the name changes: there is no transition, and no notification.
    let renamed = [UCI, second, group].concat().replace("'LAN'", "'HOME'");
    router.write("/etc/config/keepalived", &renamed);
    router.init("reload");
    service.signal(Signal::SIGHUP);
    wait_until(SOON, "the new name is listed, the old one is not", || {
        is("instance", &["HOME", "SECOND"]) && is("group", &["GROUP"])
    });

    router.write("/etc/config/keepalived", UCI);
    router.init("reload");
    service.signal(Signal::SIGHUP);
    wait_until(SOON, "what was removed is not listed", || {
        is("instance", &["LAN"]) && is("group", &[])
    });

    // `service vrrpd status`, also if procd alone knows that it runs.
    let code = || router.init("status").0.status.code();
    router.write("/tmp/running", "vrrpd\n");
    assert_eq!(code(), Some(0));
    fs::remove_file(router.at("/tmp/running")).expect("removed");

    let nothing = json!({ "instance": [], "group": [] });
    service.signal(Signal::SIGKILL);
    service.0.wait().expect("its end");
    assert_eq!(router.ubus("status"), nothing, "it was killed");
    assert_eq!(code(), Some(3), "it was killed");
    let mut service = Service::start(&router, &node);
    wait_until(SOON, "the instance is listed again", || {
        is("instance", &["LAN"])
    });
    service.signal(Signal::SIGTERM);
    service.0.wait().expect("its end");
    assert_eq!(router.ubus("status"), nothing, "it was stopped");
    for path in &files {
        assert!(!router.at(path).exists(), "{path}");
    }
    Outcome::Passed
}

/// keepalived-sync adds a method of its own to the ubus object: a file of functions, of which
/// NAME_help adds to the list.
pub(super) fn keepalived_sync(ctx: &Ctx) -> Outcome {
    let Some(router) = Router::new(ctx, "owrt-sync") else {
        return missing("busybox");
    };
    let own = serde_json::json!({ "dump": {}, "status": {} });
    assert_eq!(router.rpcd(&["list"]), own);
    fs::create_dir_all(router.at("/usr/share/libubox")).expect("mkdir");
    let jshn = router.at("/usr/share/libubox/jshn.sh");
    fs::copy(stand_ins().join("jshn.sh"), jshn).expect("stand-in");
    assert_eq!(router.rpcd(&["list"]), own);
    router.write(
        "/usr/libexec/keepalived/rpc/sync.sh",
        "#!/bin/sh
. /usr/share/libubox/jshn.sh
peers() { json_add_string north done; }
rsync_status() {
	json_init
	json_add_object peers
	peers
	json_close_object
	json_dump
}
sync_help() {
	json_add_object rsync_status
	json_close_object
}
",
    );
    router.write(
        "/usr/libexec/keepalived/rpc/plain.sh",
        "plain() { echo '{ \"plain\": true }'; }\n",
    );
    // Of OpenWrt's own package, with the names of our functions.
    router.write(
        "/usr/libexec/keepalived/rpc/status.sh",
        "dump() { echo wrong; }\nstatus() { echo wrong; }\n",
    );
    let all = serde_json::json!({ "dump": {}, "status": {}, "rsync_status": {}, "plain": {} });
    assert_eq!(router.rpcd(&["list"]), all);
    let want = serde_json::json!({ "peers": { "north": "done" } });
    assert_eq!(router.ubus("rsync_status"), want);
    assert_eq!(router.ubus("plain"), serde_json::json!({ "plain": true }));
    let want = serde_json::json!({ "instance": [], "group": [] });
    assert_eq!(router.ubus("status"), want);
    // Neither a program nor a function of another name.
    for method in ["reboot", "ls", "none"] {
        assert!(router.ubus(method)["error"].is_string(), "{method}");
    }
    Outcome::Passed
}
