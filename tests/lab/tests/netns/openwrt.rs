//! configs/openwrt as on a router: installed by its package definition into a root directory of its
//! own and run by BusyBox, with stand-ins for rc.common and procd (`openwrt/`) that record their
//! arguments.

use std::fs::{self, File};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};

use nix::mount::{MntFlags, MsFlags, mount, umount2};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::Value;
use vrrpd_lab::private::DIR;
use vrrpd_lab::{Daemon, Lab, Node, wait_until};

use crate::support::SOON;
use crate::{Ctx, Outcome, Test};

pub(crate) const TESTS: &[Test] = &[
    Test::new("openwrt_package_installs_its_files", package).keepalived_fails(OURS),
    Test::new("openwrt_scripts_pass_shellcheck", clean).keepalived_fails(OURS),
    Test::new("openwrt_init_script_registers_with_procd", init_script).keepalived_fails(OURS),
    Test::new(
        "openwrt_init_script_respects_enabled_and_config_file",
        choices,
    )
    .keepalived_fails(OURS),
    Test::new("openwrt_router_runs_from_uci", runs).keepalived_fails(OURS),
    Test::new("openwrt_package_takes_the_name_of_keepalived", named).keepalived_fails(OURS),
    Test::new("client_openwrt_keepalived_sync", keepalived_sync).keepalived_fails(OURS),
];

const OURS: &str = "the package belongs to vrrpd";

/// The project's directory.
fn source() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

fn stand_ins() -> PathBuf {
    source().join("tests/lab/tests/netns/openwrt")
}

#[track_caller]
fn run(command: &mut Command) -> String {
    let output = command.output().expect("starting it");
    let both = [output.stdout, output.stderr].concat();
    let text = String::from_utf8_lossy(&both).into_owned();
    assert!(output.status.success(), "{command:?}: {text}");
    text
}

/// The root directory of a router with the package, BusyBox and the stand-ins.
struct Router(PathBuf);

impl Router {
    /// `None`: a program is missing.
    fn new(ctx: &Ctx, name: &str) -> Option<Self> {
        Self::with_options(ctx, name, &[])
    }

    /// With these options of the package.
    fn with_options(ctx: &Ctx, name: &str, options: &[&str]) -> Option<Self> {
        let busybox = which("busybox")?;
        let Daemon::Vrrpd(binary) = &ctx.daemon else {
            return None;
        };
        let root = Path::new(DIR).join(name);
        for directory in ["bin", "sbin", "etc", "lib", "tmp", "var/run", "dev", "proc"] {
            fs::create_dir_all(root.join(directory)).expect("mkdir");
        }
        let router = Router(root);
        let binary_option = format!("VRRPD_BIN={}", binary.display());
        router.make(&[&["install", &binary_option], options].concat());
        fs::copy(busybox, router.at("/bin/busybox")).expect("busybox");
        for (from, to, mode) in [
            ("rc.common", "/etc/rc.common", 0o755),
            ("functions.sh", "/lib/functions.sh", 0o644),
            ("hotplug-call", "/sbin/hotplug-call", 0o755),
        ] {
            fs::copy(stand_ins().join(from), router.at(to)).expect("stand-in");
            let mode = fs::Permissions::from_mode(mode);
            fs::set_permissions(router.at(to), mode).expect("chmod");
        }
        router.write("/etc/passwd", "root:x:0:0:root:/root:/bin/ash\n");
        // The libraries of a dynamically linked program.
        let libraries = Command::new("ldd").arg(binary).output();
        let libraries = libraries.map_or(Vec::new(), |output| output.stdout);
        let libraries = String::from_utf8_lossy(&libraries).into_owned();
        for library in libraries
            .split_whitespace()
            .filter(|word| word.starts_with('/'))
        {
            let to = router.at(library);
            fs::create_dir_all(to.parent().expect("a directory")).expect("mkdir");
            fs::copy(library, to).expect("library");
        }
        let none: Option<&str> = None;
        for name in ["dev", "proc"] {
            let from = Path::new("/").join(name);
            let flags = MsFlags::MS_BIND | MsFlags::MS_REC;
            mount(Some(&from), &router.0.join(name), none, flags, none).expect("bind mount");
        }
        run(&mut router.command(&["/bin/busybox", "--install", "-s", "/bin"]));
        Some(router)
    }

    fn make(&self, args: &[&str]) -> String {
        let mut make = Command::new("make");
        make.arg("-s")
            .arg("-C")
            .arg(source().join("configs/openwrt"));
        make.arg(format!("TOPDIR={}", stand_ins().display()));
        make.arg(format!("DESTDIR={}", self.0.display())).args(args);
        // `make test` passes its own.
        make.env_remove("MAKEFLAGS").env_remove("MFLAGS");
        run(&mut make)
    }

    fn at(&self, path: &str) -> PathBuf {
        self.0.join(path.trim_start_matches('/'))
    }

    fn read(&self, path: &str) -> String {
        fs::read_to_string(self.at(path)).unwrap_or_default()
    }

    fn write(&self, path: &str, text: &str) {
        let path = self.at(path);
        fs::create_dir_all(path.parent().expect("a directory")).expect("mkdir");
        fs::write(path, text).expect("writing");
    }

    /// A command to be run on the router.
    fn command(&self, words: &[&str]) -> Command {
        let mut command = Command::new("busybox");
        command.arg("chroot").arg(&self.0).args(words);
        command
            .env_clear()
            .env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin");
        command
    }

    /// Runs the init script; returns its output and the calls of procd's functions.
    fn init(&self, action: &str) -> (Output, Vec<String>) {
        let service = ["/etc/init.d/vrrpd", "/etc/init.d/keepalived"];
        let service = service.into_iter().find(|path| self.at(path).exists());
        let _ = fs::remove_file(self.at("/tmp/procd"));
        let script = service.expect("an init script");
        let output = self.command(&[script, action]).output();
        let calls = self.read("/tmp/procd");
        let calls = calls.lines().map(str::to_owned).collect();
        (output.expect("the init script"), calls)
    }

    /// `ubus call keepalived METHOD`.
    fn ubus(&self, method: &str) -> Value {
        self.rpcd(&["call", method])
    }

    fn rpcd(&self, words: &[&str]) -> Value {
        let words = [&["/usr/libexec/rpcd/keepalived"], words].concat();
        let output = self.command(&words).output().expect("the plugin");
        serde_json::from_slice(&output.stdout)
            .unwrap_or_else(|error| panic!("{error}: {}", String::from_utf8_lossy(&output.stdout)))
    }
}

impl Drop for Router {
    fn drop(&mut self) {
        for name in ["dev", "proc"] {
            let _ = umount2(&self.0.join(name), MntFlags::MNT_DETACH);
        }
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn which(name: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    let found = std::env::split_paths(&path).map(|directory| directory.join(name));
    found.into_iter().find(|file| file.is_file())
}

fn missing(name: &str) -> Outcome {
    Outcome::Skipped(format!("there is no {name}"))
}

const UCI: &str = "config globals 'globals'
	option enabled '1'
	option router_id 'north'

config ipaddress
	option name 'lan'
	option address '10.0.0.100/24'
	option device 'eth0'

config vrrp_instance
	option name 'LAN'
	option interface 'eth0'
	option state 'BACKUP'
	option virtual_router_id '51'
	option priority '150'
	option advert_int '1'
	list virtual_ipaddress 'lan'
";

fn package(ctx: &Ctx) -> Outcome {
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

fn clean(_: &Ctx) -> Outcome {
    if which("shellcheck").is_none() {
        return missing("shellcheck");
    }
    let files = source().join("configs/openwrt/files");
    let mut check = Command::new("shellcheck");
    for name in ["vrrpd.init", "keepalived.hotplug", "keepalived.rpcd"] {
        check.arg(files.join(name));
    }
    for name in ["rc.common", "functions.sh", "hotplug-call", "jshn.sh"] {
        check.arg(stand_ins().join(name));
    }
    run(&mut check);
    Outcome::Passed
}

fn init_script(ctx: &Ctx) -> Outcome {
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

fn choices(ctx: &Ctx) -> Outcome {
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

/// The process that procd would run; killed when dropped.
struct Service(Child);

impl Service {
    fn start(router: &Router, node: &Node) -> Self {
        let (output, calls) = router.init("start");
        assert!(output.status.success(), "{output:?}");
        let command = calls
            .iter()
            .find_map(|line| line.strip_prefix("set_param command "));
        let words: Vec<&str> = command.expect("a command").split(' ').collect();
        let log = File::create(router.at("/tmp/log")).expect("a log");
        let mut command = router.command(&words);
        command
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log);
        Service(node.spawn(&mut command))
    }

    fn signal(&self, signal: Signal) {
        let pid = i32::try_from(self.0.id()).expect("a pid");
        kill(Pid::from_raw(pid), signal).expect("it lives");
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn runs(ctx: &Ctx) -> Outcome {
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

fn named(ctx: &Ctx) -> Outcome {
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
        "add_raw_trigger interface.*.up 2000 /etc/init.d/keepalived reload",
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

/// keepalived-sync adds a method of its own to the ubus object: a file of functions, of which
/// NAME_help adds to the list.
fn keepalived_sync(ctx: &Ctx) -> Outcome {
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
