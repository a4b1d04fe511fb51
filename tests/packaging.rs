//! Packages and service files: `configs/dist`, the Debian package, init scripts and systemd units.

#[path = "support/process.rs"]
mod process;

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::process::Command;

use process::{Scratch, has_program};
use vrrpd::config::Config;
use vrrpd::config::capability::{Capability, Needs};
use vrrpd::config::model::User;

const CONFIGS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/configs");
const VERSION: &str = env!("CARGO_PKG_VERSION");

/// Standard output of a command that succeeds.
#[track_caller]
fn run(command: &mut Command) -> String {
    let output = command.output().expect("it can be run");
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{command:?}: {stderr}");
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// Packages two fake binaries into `out` with this umask.
fn pack(scratch: &Scratch, out: &str, umask: &str) -> PathBuf {
    let (binaries, out) = (scratch.0.join("binaries"), scratch.0.join(out));
    fs::create_dir_all(&binaries).expect("a directory");
    for name in [
        "x86_64-unknown-linux-musl-full",
        "armv7-unknown-linux-musleabihf-small",
    ] {
        let path = binaries.join(format!("vrrpd-{name}"));
        fs::write(&path, format!("the binary {name}\n")).expect("write");
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).expect("chmod");
    }
    let man = scratch.0.join("man");
    fs::create_dir_all(&man).expect("a directory");
    for page in ["vrrpd.8", "vrrpd.conf.5", "vrrpd.bash"] {
        fs::write(man.join(page), ".TH VRRPD\n").expect("write");
    }
    let script = format!("umask {umask} && exec {CONFIGS}/dist \"$@\"");
    run(Command::new("sh")
        .args(["-c", &script, "sh"])
        .args([&binaries, &man, &out])
        .env("SOURCE_DATE_EPOCH", "1700000000"));
    out
}

fn names(directory: &Path) -> Vec<String> {
    let entries = fs::read_dir(directory).expect("a directory");
    let name = |entry: fs::DirEntry| entry.file_name().to_string_lossy().into_owned();
    let mut names: Vec<String> = entries.flatten().map(name).collect();
    names.sort();
    names
}

#[test]
fn packages_are_reproducible() {
    if !has_program("packages_are_reproducible", "dpkg-deb") {
        return;
    }
    let scratch = Scratch::new("pack");
    let (first, second) = (pack(&scratch, "one", "022"), pack(&scratch, "two", "077"));
    let small = format!("vrrpd-{VERSION}-armv7-unknown-linux-musleabihf-small.tar.gz");
    let full = format!("vrrpd-{VERSION}-x86_64-unknown-linux-musl-full.tar.gz");
    let package = format!("vrrpd_{VERSION}_amd64.deb");
    let keepalived = format!("vrrpd-keepalived_{VERSION}_all.deb");
    let want = ["SHA256SUMS", &small, &full, &keepalived, &package];
    assert_eq!(names(&first), want);
    for name in want {
        let read = |directory: &Path| fs::read(directory.join(name)).expect("read");
        assert!(read(&first) == read(&second), "{name} differs");
    }
    run(Command::new("sha256sum")
        .args(["--strict", "-c", "SHA256SUMS"])
        .current_dir(&first));

    let list = run(Command::new("tar").arg("tvzf").arg(first.join(&small)));
    let top = format!("vrrpd-{VERSION}-armv7-unknown-linux-musleabihf-small");
    for name in [
        "vrrpd",
        "vrrpd.8",
        "vrrpd.conf.5",
        "vrrpd.bash",
        "LICENSE-MIT",
        "configs/busybox/S50vrrpd",
        "configs/vrrpd.conf",
    ] {
        assert!(list.contains(&format!("{top}/{name}\n")), "{name}: {list}");
    }
    for line in list.lines() {
        let modes = ["drwxr-xr-x 0/0", "-rwxr-xr-x 0/0", "-rw-r--r-- 0/0"];
        assert!(modes.iter().any(|mode| line.starts_with(mode)), "{line}");
    }
}

#[test]
fn debian_package_follows_debian_policy() {
    if !has_program("debian_package_follows_debian_policy", "dpkg-deb") {
        return;
    }
    let scratch = Scratch::new("deb");
    let out = pack(&scratch, "out", "022");
    let package = out.join(format!("vrrpd_{VERSION}_amd64.deb"));
    let dpkg = |what: &str| run(Command::new("dpkg-deb").arg(what).arg(&package));
    let info = dpkg("-I");
    for line in [
        " Package: vrrpd",
        &format!(" Version: {VERSION}"),
        " Architecture: amd64",
    ] {
        assert!(info.contains(line), "{line}: {info}");
    }
    let list = dpkg("-c");
    for (mode, name) in [
        ("-rwxr-xr-x", "usr/sbin/vrrpd"),
        ("-rwxr-xr-x", "etc/init.d/vrrpd"),
        ("-rw-r--r--", "etc/default/vrrpd"),
        ("-rw-r--r--", "lib/systemd/system/vrrpd.service"),
        ("-rw-r--r--", "usr/share/man/man5/vrrpd.conf.5.gz"),
        ("-rw-r--r--", "usr/share/man/man8/vrrpd.8.gz"),
        ("-rw-r--r--", "usr/share/bash-completion/completions/vrrpd"),
        ("-rw-r--r--", "usr/share/doc/vrrpd/copyright"),
        ("-rw-r--r--", "usr/share/doc/vrrpd/changelog.gz"),
        ("-rw-r--r--", "usr/share/doc/vrrpd/examples/vrrpd.conf"),
    ] {
        let line = |line: &&str| {
            line.starts_with(&format!("{mode} root/root")) && line.ends_with(&format!(" ./{name}"))
        };
        assert!(list.lines().any(|one| line(&one)), "{name}: {list}");
    }
    // Installing the package must not start a second VRRP router on a machine with keepalived.
    assert!(!list.contains(" ./etc/vrrpd.conf"), "{list}");
    let tree = scratch.0.join("tree");
    run(Command::new("dpkg-deb").arg("-R").arg(&package).arg(&tree));
    let conffiles = fs::read_to_string(tree.join("DEBIAN/conffiles")).expect("read");
    assert_eq!(conffiles, "/etc/default/vrrpd\n/etc/init.d/vrrpd\n");
    run(Command::new("md5sum")
        .args(["--strict", "-c", "DEBIAN/md5sums"])
        .current_dir(&tree));
    let copyright = fs::read_to_string(tree.join("usr/share/doc/vrrpd/copyright")).expect("read");
    assert!(copyright.contains("\nCopyright: 20") && copyright.contains("\n Permission is hereby"));
}

#[test]
fn dist_without_binaries_fails() {
    let scratch = Scratch::new("pack-none");
    let mut command = Command::new(format!("{CONFIGS}/dist"));
    let command = command
        .args([&scratch.0, Path::new("/dev/null"), &scratch.0.join("out")])
        .env("SOURCE_DATE_EPOCH", "0");
    let output = command.output().expect("it can be run");
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(
        !output.status.success() && stderr.contains("no binaries in "),
        "{stderr}"
    );
}

/// Adds the shell scripts below a directory.
fn scripts(directory: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(directory).expect("a directory").flatten() {
        let path = entry.path();
        if path.is_dir() {
            scripts(&path, found);
        } else if fs::read_to_string(&path).is_ok_and(|text| text.starts_with("#!/bin/sh\n")) {
            assert_ne!(
                path.metadata().expect("there").mode() & 0o100,
                0,
                "{path:?} cannot be run"
            );
            found.push(path);
        }
    }
}

#[test]
fn the_package_for_keepalived_takes_its_place() {
    if !has_program("the_package_for_keepalived_takes_its_place", "dpkg-deb") {
        return;
    }
    let scratch = Scratch::new("deb-keepalived");
    let package = pack(&scratch, "out", "022").join(format!("vrrpd-keepalived_{VERSION}_all.deb"));
    let dpkg = |what: &str| run(Command::new("dpkg-deb").arg(what).arg(&package));
    let info = dpkg("-I");
    for line in [
        " Package: vrrpd-keepalived",
        &format!(" Depends: vrrpd (= {VERSION})"),
        " Provides: keepalived",
        " Conflicts: keepalived",
        " Replaces: keepalived",
    ] {
        assert!(info.contains(&format!("{line}\n")), "{line}: {info}");
    }
    let list = dpkg("-c");
    for name in [
        "usr/sbin/keepalived -> vrrpd",
        "usr/bin/genhash -> ../sbin/vrrpd",
        "lib/systemd/system/keepalived.service",
        "etc/init.d/keepalived",
        "etc/default/keepalived",
    ] {
        assert!(list.contains(&format!(" ./{name}\n")), "{name}: {list}");
    }
    // The administrator's configuration is not a file of the package.
    assert!(!list.contains("keepalived.conf\n"), "{list}");
    let tree = scratch.0.join("tree");
    run(Command::new("dpkg-deb").arg("-R").args([&package, &tree]));
    let init = fs::read_to_string(tree.join("etc/init.d/keepalived")).expect("read");
    for line in [
        "# Provides:          keepalived",
        "DAEMON=${DAEMON:-/usr/sbin/keepalived}",
        "CONF=${CONF:-/etc/keepalived/keepalived.conf}",
        "PIDFILE=${PIDFILE:-/var/run/keepalived.pid}",
        "OPTIONS=\"$OPTIONS ${DAEMON_ARGS:-}\"",
    ] {
        assert!(init.lines().any(|one| one == line), "{line}: {init}");
    }
    if has_program("the_package_for_keepalived_takes_its_place", "shellcheck") {
        let mut found = vec![tree.join("etc/init.d/keepalived")];
        scripts(&tree.join("DEBIAN"), &mut found);
        run(Command::new("shellcheck").args(&found));
    }
}

#[test]
fn shellcheck_finds_nothing_in_the_scripts() {
    if !has_program("shellcheck_finds_nothing_in_the_scripts", "shellcheck") {
        return;
    }
    let mut found = Vec::new();
    for directory in ["busybox", "debian"] {
        scripts(&Path::new(CONFIGS).join(directory), &mut found);
    }
    found.push(Path::new(CONFIGS).join("dist"));
    assert!(found.len() > 4, "{found:?}");
    run(Command::new("shellcheck").args(&found));
    // OpenRC uses the variables.
    run(Command::new("shellcheck")
        .args(["-s", "sh", "-e", "SC2034"])
        .arg(format!("{CONFIGS}/openrc/vrrpd")));
}

/// Defines OpenRC's functions, sources the script, and calls one of its functions.
const OPENRC: &str = "
    ebegin() { echo \"$*...\"; }
    eend() { return \"$1\"; }
    eerror() { echo \"error: $*\"; }
    PATH=$4:$PATH
    RC_SVCNAME=vrrpd vrrpd_options=\"-p $4/vrrpd.pid\"
    . \"$1\"
    command=$2 vrrpd_conf=$3
    shift 4
    \"$@\"";

#[test]
fn openrc_checks_the_configuration_before_start_and_restart() {
    let scratch = Scratch::new("openrc");
    let (good, bad) = (scratch.0.join("good"), scratch.0.join("bad"));
    let instance = "vrrp_instance A {\n interface eth0\n virtual_router_id 1\n virtual_ipaddress {\n  192.0.2.1\n }\n}\n";
    fs::write(&good, instance).expect("write");
    fs::write(&bad, "vrrp_instance A {\n}\n").expect("write");
    let (unusable, missing) = (scratch.0.join("hopeless"), scratch.0.join("none"));
    fs::write(&unusable, "block {\n".repeat(40)).expect("write");
    let supervisor = scratch.0.join("supervise-daemon");
    fs::write(&supervisor, "#!/bin/sh\necho \"$*\"\n").expect("write");
    fs::set_permissions(&supervisor, fs::Permissions::from_mode(0o755)).expect("chmod");
    for (name, verb, command, conf, want) in [
        ("start", "start_pre", "start", &good, (true, "")),
        (
            "start with an error in one instance",
            "start_pre",
            "start",
            &bad,
            (true, "error: "),
        ),
        (
            "start with an unusable file",
            "start_pre",
            "start",
            &unusable,
            (false, "error: "),
        ),
        (
            "start without a file",
            "start_pre",
            "start",
            &missing,
            (false, "no such file"),
        ),
        (
            "checkconfig",
            "checkconfig",
            "checkconfig",
            &bad,
            (false, "virtual_router_id"),
        ),
        (
            "reload",
            "reload",
            "reload",
            &good,
            (true, "--signal HUP --pidfile /run/vrrpd.supervisor.pid"),
        ),
        (
            "reload of a broken file",
            "reload",
            "reload",
            &bad,
            (false, "error: "),
        ),
        ("restart", "stop_pre", "restart", &good, (true, "")),
        (
            "restart with a broken file",
            "stop_pre",
            "restart",
            &bad,
            (false, "virtual_router_id"),
        ),
        (
            "restart without a file",
            "stop_pre",
            "restart",
            &missing,
            (false, "no such file"),
        ),
        (
            "stop with a broken file",
            "stop_pre",
            "stop",
            &bad,
            (true, ""),
        ),
    ] {
        let output = Command::new("sh")
            .args(["-c", OPENRC, "sh"])
            .arg(format!("{CONFIGS}/openrc/vrrpd"))
            .arg(env!("CARGO_BIN_EXE_vrrpd"))
            .args([conf, &scratch.0])
            .arg(verb)
            .env("RC_CMD", command)
            .output()
            .expect("a shell");
        let stderr = String::from_utf8_lossy(&output.stdout);
        assert_eq!(output.status.success(), want.0, "{name}: {stderr}");
        assert!(stderr.contains(want.1), "{name}: {stderr}");
    }
}

/// The words after `=` of all lines with this key, without those of lines before an empty one.
fn unit_setting(file: &str, key: &str) -> Vec<String> {
    let text = fs::read_to_string(format!("{CONFIGS}/{file}")).expect("read");
    let mut words = Vec::new();
    for line in text.lines() {
        match line
            .strip_prefix(key)
            .and_then(|rest| rest.strip_prefix('='))
        {
            Some("") => words.clear(),
            Some(list) => words.extend(list.split_whitespace().map(str::to_owned)),
            None => {}
        }
    }
    words
}

#[test]
fn services_grant_the_capabilities_that_vrrpd_may_need() {
    // What every configuration needs, without root.
    let user = User { uid: 1, gid: 1 };
    let needs = Needs::to_run(&Config::default(), user);
    let base: Vec<&str> = needs.iter().map(|need| need.capability.name()).collect();
    for key in ["CapabilityBoundingSet", "AmbientCapabilities"] {
        assert_eq!(unit_setting("systemd/strict.conf", key), base, "{key}");
    }
    let openrc = fs::read_to_string(format!("{CONFIGS}/openrc/vrrpd")).expect("read");
    let list = base.iter().map(|name| format!("^{}", name.to_lowercase()));
    let list = list.collect::<Vec<_>>().join(",");
    assert!(
        openrc.contains(&format!("capabilities=\"{list}\"")),
        "{list}"
    );

    // The default unit removes from scripts of root what vrrpd never needs, and nothing else.
    let removed = unit_setting("systemd/vrrpd.service", "CapabilityBoundingSet");
    assert!(removed.iter().any(|word| word == "~CAP_SYS_BOOT"));
    for one in Capability::ALL {
        let name = one.name();
        let is_removed = |word: &String| word.trim_start_matches('~') == name;
        assert!(!removed.iter().any(is_removed), "{name}");
    }

    // procd: all but those that would make a jail pointless.
    let text = fs::read_to_string(format!("{CONFIGS}/openwrt/files/vrrpd.json")).expect("read");
    let granted: Vec<&str> = Capability::ALL
        .iter()
        .filter(|one| !matches!(one, Capability::SysAdmin | Capability::SysPtrace))
        .map(|one| one.name())
        .collect();
    for set in ["bounding", "effective", "permitted"] {
        let start = format!("\t\"{set}\": [ ");
        let list = text.lines().find_map(|line| line.strip_prefix(&start));
        let list = list.expect(set).trim_end_matches([' ', ']', ',']);
        let names: Vec<&str> = list
            .split(", ")
            .map(|word| word.trim_matches('"'))
            .collect();
        assert_eq!(names, granted, "{set}");
    }
}

#[test]
fn systemd_analyze_accepts_the_units() {
    if !has_program("systemd_analyze_accepts_the_units", "systemd-analyze") {
        return;
    }
    let scratch = Scratch::new("unit");
    let read = |name| fs::read_to_string(format!("{CONFIGS}/systemd/{name}")).expect("read");
    // It checks that the program exists, and the manual pages, which are not installed here.
    let here = |text: &str| {
        let text = text.replace("Documentation=man:vrrpd(8) man:vrrpd.conf(5)\n", "");
        let text = text.replace("/usr/sbin/keepalived", "/usr/sbin/vrrpd");
        text.replace("/usr/sbin/vrrpd", env!("CARGO_BIN_EXE_vrrpd"))
    };
    fs::create_dir(scratch.0.join("vrrpd.service.d")).expect("a directory");
    for (name, drop_in) in [
        ("vrrpd.service", String::new()),
        ("vrrpd.service", here(&read("strict.conf"))),
        ("keepalived.service", String::new()),
        ("vrrpd-metrics.service", String::new()),
    ] {
        let path = scratch.0.join(name);
        fs::write(&path, here(&read(name))).expect("write");
        fs::write(scratch.0.join("vrrpd.service.d/strict.conf"), drop_in).expect("write");
        let mut command = Command::new("systemd-analyze");
        let output = command
            .arg("verify")
            .arg(&path)
            .output()
            .expect("it can be run");
        let stderr = String::from_utf8_lossy(&output.stderr);
        let about_us = stderr.lines().filter(|line| line.contains("vrrpd"));
        assert_eq!(about_us.collect::<Vec<_>>(), [""; 0], "{stderr}");
        assert!(output.status.success(), "{stderr}");
    }
}
