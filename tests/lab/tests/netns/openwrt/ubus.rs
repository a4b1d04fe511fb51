//! The ubus object `keepalived`, and the scripts of notifications.

use std::fs;

use super::router::{Router, missing, stand_ins};
use crate::{Ctx, Outcome};

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
