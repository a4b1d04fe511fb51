//! The root directory of a router, and what runs there.

use std::ffi::OsStr;
use std::fs::{self, File};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};

use nix::mount::{MntFlags, MsFlags, mount, umount2};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::Value;
use vrrpd_lab::private::DIR;
use vrrpd_lab::{Daemon, Node};

use crate::{Ctx, Outcome};

/// The project's directory.
pub(super) fn source() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

pub(super) fn stand_ins() -> PathBuf {
    source().join("tests/lab/tests/netns/openwrt/stand-ins")
}

#[track_caller]
pub(super) fn run(command: &mut Command) -> String {
    let output = command.output().expect("starting it");
    let both = [output.stdout, output.stderr].concat();
    let text = String::from_utf8_lossy(&both).into_owned();
    assert!(output.status.success(), "{command:?}: {text}");
    text
}

/// The root directory of a router with the package, BusyBox and the stand-ins.
pub(super) struct Router {
    root: PathBuf,
    /// vrrpd.
    binary: PathBuf,
}

impl Router {
    /// `None`: a program is missing.
    pub(super) fn new(ctx: &Ctx, name: &str) -> Option<Self> {
        Self::with_options(ctx, name, &[])
    }

    /// With these options of the package.
    pub(super) fn with_options(ctx: &Ctx, name: &str, options: &[&str]) -> Option<Self> {
        let router = Self::bare(ctx, name)?;
        router.make(&[&["install"], options].concat());
        Some(router)
    }

    /// Without the package.
    pub(super) fn bare(ctx: &Ctx, name: &str) -> Option<Self> {
        let busybox = which("busybox")?;
        let Daemon::Vrrpd(binary) = &ctx.daemon else {
            return None;
        };
        let root = Path::new(DIR).join(name);
        for directory in ["bin", "sbin", "etc", "lib", "tmp", "var/run", "dev", "proc"] {
            fs::create_dir_all(root.join(directory)).expect("mkdir");
        }
        let binary = binary.clone();
        let router = Router { root, binary };
        router.install_busybox(&busybox);
        for (from, to, mode) in [
            ("rc.common", "/etc/rc.common", 0o755),
            ("functions.sh", "/lib/functions.sh", 0o644),
            ("hotplug-call", "/sbin/hotplug-call", 0o755),
            ("ubus", "/bin/ubus", 0o755),
            ("sleep", "/bin/sleep", 0o755),
            ("opkg", "/bin/opkg", 0o755),
            ("opkg", "/usr/bin/apk", 0o755),
            ("sysupgrade", "/sbin/sysupgrade", 0o755),
        ] {
            let text = fs::read_to_string(stand_ins().join(from)).expect("stand-in");
            router.write(to, &text);
            let mode = fs::Permissions::from_mode(mode);
            fs::set_permissions(router.at(to), mode).expect("chmod");
        }
        router.write("/etc/passwd", "root:x:0:0:root:/root:/bin/ash\n");
        // The libraries of a dynamically linked program.
        let libraries = Command::new("ldd").arg(&router.binary).output();
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
            mount(Some(&from), &router.root.join(name), none, flags, none).expect("bind mount");
        }
        // What is there stays.
        run(&mut router.command(&["/bin/busybox", "--install", "-s", "/bin"]));
        Some(router)
    }

    /// The shell runs applets without looking for files, so one that is to be replaced needs
    /// another name, in the sorted list of names.
    fn install_busybox(&self, from: &Path) {
        let mut program = fs::read(from).expect("busybox");
        let (name, other) = (b"\0sleep\0", b"\0slee~\0");
        let mut places = program.windows(name.len()).enumerate();
        let place = places.find_map(|(at, bytes)| (bytes == name).then_some(at));
        let at = place.expect("busybox has an applet `sleep`");
        program[at..at + other.len()].copy_from_slice(other);
        let to = self.at("/bin/busybox");
        fs::write(&to, program).expect("busybox");
        fs::set_permissions(to, fs::Permissions::from_mode(0o755)).expect("chmod");
    }

    /// Runs make in the package's directory in a feed of its own.
    pub(super) fn make(&self, args: &[&str]) -> String {
        let feed = self.root.with_extension("feed");
        let (net, rust) = (feed.join("net"), feed.join("lang/rust"));
        for directory in [&net, &rust] {
            fs::create_dir_all(directory).expect("mkdir");
        }
        let package = source().join("configs/openwrt");
        let copy = ["-R", "-T"];
        run(Command::new("cp")
            .args(copy)
            .arg(package)
            .arg(net.join("vrrpd")));
        let name = "rust-package.mk";
        fs::copy(stand_ins().join(name), rust.join(name)).expect("stand-in");
        let mut make = Command::new("make");
        make.arg("-s").arg("-C").arg(net.join("vrrpd"));
        make.arg(format!("TOPDIR={}", stand_ins().display()));
        make.arg(format!("BUILD_DIR={}", feed.join("build").display()));
        make.arg(format!("BINARY={}", self.binary.display()));
        make.arg(format!("DESTDIR={}", self.root.display()))
            .args(args);
        // `make test` passes its own.
        make.env_remove("MAKEFLAGS").env_remove("MFLAGS");
        run(&mut make)
    }

    /// Makes the package and copies it to /tmp/vrrpd.
    pub(super) fn make_package(&self) {
        self.make(&["package"]);
        let package = self.root.with_extension("feed").join("build/ipkg");
        let to = self.at("/tmp/vrrpd");
        run(Command::new("cp").args(["-R", "-T"]).arg(package).arg(to));
    }

    pub(super) fn at(&self, path: &str) -> PathBuf {
        self.root.join(path.trim_start_matches('/'))
    }

    pub(super) fn read(&self, path: &str) -> String {
        fs::read_to_string(self.at(path)).unwrap_or_default()
    }

    pub(super) fn write(&self, path: &str, text: &str) {
        let path = self.at(path);
        fs::create_dir_all(path.parent().expect("a directory")).expect("mkdir");
        fs::write(path, text).expect("writing");
    }

    /// A command to be run on the router.
    pub(super) fn command(&self, words: &[&str]) -> Command {
        chroot(&self.root, words)
    }

    /// Runs the init script; returns its output and the calls of procd's functions.
    pub(super) fn init(&self, action: &str) -> (Output, Vec<String>) {
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
    pub(super) fn ubus(&self, method: &str) -> Value {
        self.rpcd(&["call", method])
    }

    pub(super) fn rpcd(&self, words: &[&str]) -> Value {
        let words = [&["/usr/libexec/rpcd/keepalived"], words].concat();
        let output = self.command(&words).output().expect("the plugin");
        serde_json::from_slice(&output.stdout)
            .unwrap_or_else(|error| panic!("{error}: {}", String::from_utf8_lossy(&output.stdout)))
    }
}

/// A command to be run in the root directory of a router.
pub(super) fn chroot<T: AsRef<OsStr>>(root: &Path, words: &[T]) -> Command {
    let mut command = Command::new("busybox");
    command.arg("chroot").arg(root).args(words);
    command
        .env_clear()
        .env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin");
    command
}

impl Drop for Router {
    fn drop(&mut self) {
        for name in ["dev", "proc"] {
            let _ = umount2(&self.root.join(name), MntFlags::MNT_DETACH);
        }
        for directory in [&self.root, &self.root.with_extension("feed")] {
            let _ = fs::remove_dir_all(directory);
        }
    }
}

pub(super) fn which(name: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    let found = std::env::split_paths(&path).map(|directory| directory.join(name));
    found.into_iter().find(|file| file.is_file())
}

pub(super) fn missing(name: &str) -> Outcome {
    Outcome::Skipped(format!("there is no {name}"))
}

pub(super) const UCI: &str = "config globals 'globals'
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

/// The process that procd would run; killed when dropped.
pub(super) struct Service(pub(super) Child);

impl Service {
    pub(super) fn start(router: &Router, node: &Node) -> Self {
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

    pub(super) fn signal(&self, signal: Signal) {
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
