//! The Debian package under the real dpkg in a root directory of its own: installed, upgraded,
//! removed, purged. Its scripts run in BusyBox's shell, with stand-ins for the service tools that
//! record their arguments.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use vrrpd_lab::private::DIR;

use crate::{Ctx, Outcome, Test};

pub(crate) const TESTS: &[Test] = &[
    Test::new("debian_package_installs_upgrades_and_purges", package).keepalived_fails(OURS),
    Test::new(
        "debian_package_takes_the_place_of_keepalived",
        in_place_of_keepalived,
    )
    .keepalived_fails(OURS),
];

const OURS: &str = "the package belongs to vrrpd";

const CONFIGS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../configs");

/// The query whether the administrator has disabled the service.
const STAND_IN: &str = "#!/bin/sh
echo \"${0##*/} $*\" >>/log
case $* in *was-enabled*) [ ! -e /disabled ] ;; esac
";

struct Machine(PathBuf);

impl Machine {
    fn new() -> Self {
        let machine = Machine(Path::new(DIR).join("debian"));
        for directory in ["bin", "dev", "var/lib/dpkg/info", "var/lib/dpkg/updates"] {
            fs::create_dir_all(machine.at(directory)).expect("mkdir");
        }
        machine.write("var/lib/dpkg/status", "");
        machine.write("dev/null", "");
        let find = ["-c", "command -v busybox"];
        let busybox = String::from_utf8(run(Command::new("sh").args(find))).expect("a path");
        fs::copy(busybox.trim(), machine.at("bin/sh")).expect("busybox");
        for name in [
            "deb-systemd-helper",
            "deb-systemd-invoke",
            "invoke-rc.d",
            "systemctl",
            "update-rc.d",
        ] {
            let path = format!("bin/{name}");
            machine.write(&path, STAND_IN);
            let mode = fs::Permissions::from_mode(0o755);
            fs::set_permissions(machine.at(&path), mode).expect("chmod");
        }
        machine
    }

    fn at(&self, path: &str) -> PathBuf {
        self.0.join(path)
    }

    fn write(&self, path: &str, text: &str) {
        fs::write(self.at(path), text).expect("write");
    }

    /// How the service tools were called meanwhile.
    fn dpkg(&self, action: &str, what: &Path) -> Vec<String> {
        self.write("log", "");
        let mut dpkg = Command::new("dpkg");
        dpkg.arg(format!("--root={}", self.0.display()))
            .args(["--log=/dev/null", "--force-unsafe-io,confdef,confold"])
            .arg(action)
            .arg(what);
        run(dpkg.env("DEBIAN_FRONTEND", "noninteractive"));
        let log = fs::read_to_string(self.at("log")).expect("read");
        log.lines().map(str::to_owned).collect()
    }
}

impl Drop for Machine {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// Standard output of a command that must succeed.
#[track_caller]
fn run(command: &mut Command) -> Vec<u8> {
    let output = command.output().expect("starting it");
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{command:?}: {errors}");
    output.stdout
}

/// The two packages, with a dummy binary, labeled with this machine's architecture.
fn build() -> (PathBuf, PathBuf) {
    let arch = run(Command::new("dpkg").arg("--print-architecture"));
    let arch = String::from_utf8(arch).expect("a name");
    let out = Path::new(DIR).join("deb");
    fs::create_dir_all(&out).expect("mkdir");
    for name in ["file", "vrrpd.8", "vrrpd.conf.5", "vrrpd.bash"] {
        fs::write(out.join(name), "no binary\n").expect("write");
    }
    for (binary, arch) in [
        (out.join("file"), arch.trim()),
        (PathBuf::from("keepalived"), "all"),
    ] {
        run(Command::new(format!("{CONFIGS}/debian/build"))
            .arg(binary)
            .args([arch, "1.0"])
            .args([&out, &out])
            .env("SOURCE_DATE_EPOCH", "1700000000"));
    }
    (
        out.join(format!("vrrpd_1.0_{}.deb", arch.trim())),
        out.join("vrrpd-keepalived_1.0_all.deb"),
    )
}

/// A package of nothing but its control file, such as Debian's keepalived.
fn empty_package(name: &str) -> PathBuf {
    let tree = Path::new(DIR).join(format!("tree-{name}"));
    fs::create_dir_all(tree.join("DEBIAN")).expect("mkdir");
    let control = format!(
        "Package: {name}\nVersion: 1:2.2.7\nArchitecture: all\n\
         Maintainer: Nobody <nobody@example.org>\nDescription: nothing\n"
    );
    fs::write(tree.join("DEBIAN/control"), control).expect("write");
    let deb = Path::new(DIR).join(format!("{name}.deb"));
    run(Command::new("dpkg-deb").arg("-b").args([&tree, &deb]));
    deb
}

/// What is missing here to run dpkg.
fn missing() -> Option<Outcome> {
    let mut programs = ["dpkg", "dpkg-deb", "busybox"].into_iter();
    let program = programs.find(|name| Command::new(name).arg("--help").output().is_err())?;
    Some(Outcome::Skipped(format!("there is no {program}")))
}

fn package(_: &Ctx) -> Outcome {
    if let Some(skipped) = missing() {
        return skipped;
    }
    let (deb, _) = build();
    let machine = Machine::new();
    let name = Path::new("vrrpd");
    let was_enabled = [
        "deb-systemd-helper unmask vrrpd.service",
        "deb-systemd-helper --quiet was-enabled vrrpd.service",
    ];

    // The service is not started before it has a configuration.
    let enabled = [
        "deb-systemd-helper enable vrrpd.service",
        "update-rc.d vrrpd defaults",
    ];
    assert_eq!(machine.dpkg("-i", &deb), [was_enabled, enabled].concat());
    machine.write("etc/vrrpd.conf", "vrrp_instance A {\n}\n");
    let calls = machine.dpkg("-i", &deb);
    assert_eq!(calls.last().expect("a line"), "invoke-rc.d vrrpd restart");

    // With systemd, and with the service disabled by the administrator.
    machine.write("etc/default/vrrpd", "OPTIONS=-D\n");
    machine.write("disabled", "");
    fs::create_dir_all(machine.at("run/systemd/system")).expect("mkdir");
    let disabled = [
        "deb-systemd-helper update-state vrrpd.service",
        "update-rc.d vrrpd defaults",
        "systemctl --system daemon-reload",
        "deb-systemd-invoke restart vrrpd.service",
    ];
    let want = [&was_enabled[..], &disabled].concat();
    assert_eq!(machine.dpkg("-i", &deb), want);
    let options = fs::read_to_string(machine.at("etc/default/vrrpd")).expect("read");
    assert_eq!(options, "OPTIONS=-D\n");

    // The administrator may remove the init script.
    fs::remove_file(machine.at("etc/init.d/vrrpd")).expect("remove");
    let calls = machine.dpkg("-i", &deb);
    assert!(!calls.contains(&disabled[1].to_owned()), "{calls:?}");
    assert!(!machine.at("etc/init.d/vrrpd").exists());

    // Removing the package keeps its configuration files, and they start nothing.
    let stopped = [
        "deb-systemd-invoke stop vrrpd.service",
        "systemctl --system daemon-reload",
        "deb-systemd-helper mask vrrpd.service",
    ];
    assert_eq!(machine.dpkg("-r", name), stopped);
    assert!(!machine.at("usr/sbin/vrrpd").exists());
    assert!(machine.at("etc/default/vrrpd").exists());
    let forgotten = [
        "deb-systemd-helper purge vrrpd.service",
        "deb-systemd-helper unmask vrrpd.service",
        "update-rc.d vrrpd remove",
    ];
    assert_eq!(machine.dpkg("-P", name), forgotten);
    let left = run(Command::new("find")
        .arg(&machine.0)
        .args(["-name", "*vrrpd*"]));
    let left = String::from_utf8(left).expect("paths");
    let own = machine.at("etc/vrrpd.conf");
    assert_eq!(
        left.lines().collect::<Vec<_>>(),
        [own.to_str().expect("a path")]
    );
    Outcome::Passed
}

fn in_place_of_keepalived(_: &Ctx) -> Outcome {
    if let Some(skipped) = missing() {
        return skipped;
    }
    let (deb, keepalived) = build();
    let machine = Machine::new();
    machine.dpkg("-i", &deb);
    machine.dpkg("-i", &empty_package("keepalived"));
    let status = |machine: &Machine, name: &str| {
        let status = fs::read_to_string(machine.at("var/lib/dpkg/status")).expect("read");
        let entry = status
            .split("\n\n")
            .find(|entry| entry.contains(&format!("Package: {name}\n")))?;
        let line = entry.lines().find_map(|line| line.strip_prefix("Status: "));
        line.map(str::to_owned)
    };

    // dpkg does not remove a package by itself; apt does that first.
    machine.dpkg("-r", Path::new("keepalived"));
    let calls = machine.dpkg("-i", &keepalived);
    // The package that was removed has masked the service.
    assert_eq!(calls[0], "deb-systemd-helper unmask keepalived.service");
    let last = calls.last().expect("a line");
    assert_eq!(last, "update-rc.d keepalived defaults", "nothing to start");
    let installed = "install ok installed";
    assert_eq!(
        status(&machine, "vrrpd-keepalived").as_deref(),
        Some(installed)
    );
    for (link, target) in [
        ("usr/sbin/keepalived", "vrrpd"),
        ("usr/bin/genhash", "../sbin/vrrpd"),
    ] {
        let path = machine.at(link);
        assert_eq!(fs::read_link(&path).expect(link), Path::new(target));
        assert!(path.exists(), "{link} leads to the program");
    }

    // An upgrade with the administrator's configuration restarts the service by its name.
    machine.write("etc/keepalived/keepalived.conf", "vrrp_instance A {\n}\n");
    let calls = machine.dpkg("-i", &keepalived);
    assert_eq!(
        calls.last().expect("a line"),
        "invoke-rc.d keepalived restart"
    );
    machine.write("etc/default/keepalived", "DAEMON_ARGS=-D\n");

    assert_eq!(
        machine.dpkg("-r", Path::new("vrrpd-keepalived")),
        [
            "invoke-rc.d keepalived stop",
            "deb-systemd-helper mask keepalived.service"
        ]
    );
    assert!(!machine.at("usr/sbin/keepalived").exists());
    assert!(machine.at("usr/sbin/vrrpd").exists());
    assert!(machine.at("etc/keepalived/keepalived.conf").exists());
    let options = fs::read_to_string(machine.at("etc/default/keepalived")).expect("read");
    assert_eq!(options, "DAEMON_ARGS=-D\n");
    machine.dpkg("-P", Path::new("vrrpd-keepalived"));
    assert!(!machine.at("etc/default/keepalived").exists());
    assert!(
        machine.at("etc/keepalived/keepalived.conf").exists(),
        "not ours"
    );
    Outcome::Passed
}
