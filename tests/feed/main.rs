//! The OpenWrt package as a part of the feed `packages`: its description is processed as OpenWrt's build system does, with
//! the stand-ins of the lab.

#[path = "../support/process.rs"]
mod process;

mod kconfig;
mod readme;

use std::collections::BTreeSet;
use std::fs;
use std::path::PathBuf;
use std::process::{Command, Output};

use kconfig::{Kconfig, Package};
use process::{Scratch, has_program, skip};

const TOP: &str = env!("CARGO_MANIFEST_DIR");
const VERSION: &str = env!("CARGO_PKG_VERSION");

/// A feed that has the package and, if wanted, lang/rust.
struct Feed(Scratch);

impl Feed {
    fn new(name: &str) -> Self {
        let feed = Self::without_rust(name);
        let rust = feed.at("lang/rust");
        fs::create_dir_all(&rust).expect("a directory");
        let stand_in = stand_ins().join("rust-package.mk");
        fs::copy(stand_in, rust.join("rust-package.mk")).expect("copy");
        feed
    }

    fn without_rust(name: &str) -> Self {
        let feed = Self(Scratch::new(name));
        fs::create_dir_all(feed.at("net")).expect("a directory");
        let mut copy = Command::new("cp");
        copy.arg("-R").arg(format!("{TOP}/configs/openwrt"));
        run(copy.arg(feed.at("net/vrrpd")));
        fs::write(feed.at("binary"), "compiled\n").expect("write");
        feed
    }

    fn at(&self, path: &str) -> PathBuf {
        self.0.0.join(path)
    }

    fn read(&self, path: &str) -> String {
        fs::read_to_string(self.at(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
    }

    fn make(&self, args: &[&str]) -> Output {
        let mut make = Command::new("make");
        make.arg("-s").arg("-C").arg(self.at("net/vrrpd"));
        make.arg(format!("TOPDIR={}", stand_ins().display()));
        for (variable, path) in [("BUILD_DIR", "build"), ("BINARY", "binary")] {
            make.arg(format!("{variable}={}", self.at(path).display()));
        }
        // `make test` passes its own.
        make.args(args).env_remove("MAKEFLAGS").env_remove("MFLAGS");
        make.output().expect("make")
    }

    /// Fields of the description, each with its name.
    fn description(&self) -> String {
        succeeded(&self.make(&["DUMP=1"]))
    }

    /// Builds with these options of .config; returns how cargo was called.
    fn build(&self, options: &[&str]) -> String {
        succeeded(&self.make(&[&["package"], options].concat()));
        self.read(&format!("build/vrrpd-{VERSION}/ipkg-install/cargo"))
    }
}

fn stand_ins() -> PathBuf {
    PathBuf::from(TOP).join("tests/lab/tests/netns/openwrt/stand-ins")
}

#[track_caller]
fn succeeded(output: &Output) -> String {
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{stderr}");
    String::from_utf8_lossy(&output.stdout).into_owned()
}

#[track_caller]
fn run(command: &mut Command) -> String {
    succeeded(&command.output().expect("it can be run"))
}

/// Packages of OpenWrt that have to do with ours: what matters of their descriptions.
const OTHERS: &str = "Package: keepalived
Depends: +libnl-genl +KEEPALIVED_VRRP:kmod-macvlan
Config:
if PACKAGE_keepalived
config KEEPALIVED_LVS
	bool
config KEEPALIVED_VRRP
	bool
endif
@@
Package: keepalived-sync
Depends: +keepalived +rsync
@@
Package: kmod-nf-ipvs
Depends: @IPV6 +kmod-nf-conntrack
@@
Package: luci-app-keepalived
Depends: +luci-base +keepalived +keepalived-sync
@@
";

fn kconfig(ours: &str) -> Kconfig {
    let mut packages = Package::parse_all(OTHERS);
    packages.extend(Package::parse_all(ours));
    Kconfig::of(&packages)
}

#[test]
fn menuconfig_has_no_recursive_dependency() {
    let feed = Feed::new("feed-kconfig");
    let ours = feed.description();
    let config = kconfig(&ours);
    assert_eq!(config.recursion(), None, "{}", config.text());
    // What it would find.
    let depends = "Depends: ";
    for (from, to) in [
        ("Conflicts:", "Conflicts: keepalived"),
        ("Conflicts:", "Default-Variant: any\nConflicts:"),
        (depends, "Depends: +VRRPD_LVS:kmod-nf-ipvs "),
    ] {
        let changed = kconfig(&ours.replacen(from, to, 1));
        assert!(changed.recursion().is_some(), "{to}: {}", changed.text());
    }
}

#[test]
fn luci_takes_vrrpd_for_keepalived() {
    let feed = Feed::new("feed-luci");
    let config = kconfig(&feed.description());
    let keepalived = "PACKAGE_keepalived".to_owned();
    let luci = "PACKAGE_luci-app-keepalived";
    let image = config.image(&["PACKAGE_vrrpd", luci]);
    assert!(!image.contains(&keepalived), "{image:?}");
    assert!(image.contains("PACKAGE_keepalived-sync"), "{image:?}");
    // Who did not choose vrrpd gets what the others ask for.
    let image = config.image(&[luci]);
    assert!(image.contains(&keepalived), "{image:?}");
    assert!(!image.contains("PACKAGE_vrrpd"), "{image:?}");
    // The module comes with the option that needs it.
    let lvs = config.image(&["PACKAGE_vrrpd", "VRRPD_LVS"]);
    assert!(lvs.contains("PACKAGE_kmod-nf-ipvs"), "{lvs:?}");
}

#[test]
fn the_package_has_what_the_feed_asks_for() {
    let feed = Feed::new("feed-fields");
    let description = feed.description();
    let field = |name: &str| {
        let mut lines = description.lines();
        let value = lines.find_map(|line| line.strip_prefix(name)?.strip_prefix(": "));
        value.unwrap_or_else(|| panic!("{name}: {description}"))
    };
    assert_eq!(field("Build-Depends"), "rust/host");
    assert_eq!(field("Section"), "net");
    assert_eq!(field("License"), env!("CARGO_PKG_LICENSE"));
    for name in field("LicenseFiles").split_whitespace() {
        assert!(PathBuf::from(TOP).join(name).is_file(), "{name}");
    }
    assert_eq!(field("Source"), format!("vrrpd-{VERSION}.tar.gz"));
    assert!(field("URL").starts_with("https://"));
    let control = fs::read_to_string(format!("{TOP}/configs/debian/vrrpd.control")).expect("read");
    let maintainer = format!("Maintainer: {}\n", field("Maintainer"));
    assert!(control.contains(&maintainer), "{maintainer}");
    // What the default build has.
    assert!(field("Title").len() < 60 && !field("Title").contains("LVS"));
    // Nothing outside OpenWrt's tree and this directory is read.
    let makefile = feed.read("net/vrrpd/Makefile");
    for word in ["CURDIR", "abspath", "VRRPD_BIN", "../../.."] {
        assert!(!makefile.contains(word), "{word}");
    }
    let include = "\ninclude ../../lang/rust/rust-package.mk\n";
    assert!(makefile.contains(include));
    for field in ["PKG_SOURCE_URL:=https://", "PKG_HASH:=", "PKG_RELEASE:="] {
        assert!(makefile.contains(&format!("\n{field}")), "{field}");
    }
}

#[test]
fn without_the_rust_of_the_feed_an_error_says_what_to_do() {
    let feed = Feed::without_rust("feed-no-rust");
    let output = feed.make(&["DUMP=1"]);
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(!output.status.success());
    for word in ["scripts/feeds install rust", "feeds/packages/net/vrrpd"] {
        assert!(stderr.contains(word), "{stderr}");
    }
}

#[test]
fn options_of_the_package_are_features_of_the_program() {
    let manifest = fs::read_to_string(format!("{TOP}/Cargo.toml")).expect("read");
    let feed = Feed::new("feed-features");
    for (options, want) in [
        (&[][..], "json uci"),
        (&["CONFIG_VRRPD_LVS=y"], "json uci lvs regex tls"),
        (&["CONFIG_VRRPD_MAIL=y"], "json uci mail"),
    ] {
        let cargo = feed.build(options);
        let features = format!(" --features \"{want}\" ");
        assert!(cargo.contains(&features), "{cargo}");
        for feature in want.split(' ') {
            assert!(manifest.contains(&format!("\n{feature} = [")), "{feature}");
        }
        for word in ["--locked", "--no-default-features"] {
            let mut words = cargo.split_whitespace();
            assert!(words.any(|one| one == word), "{word}: {cargo}");
        }
        // The shell takes the last value.
        let words = cargo.split_whitespace().rev();
        let panic = words.map(|word| word.strip_prefix("CARGO_PROFILE_RELEASE_PANIC="));
        let panic = panic.flatten().next();
        assert_eq!(panic, Some("abort"), "{cargo}");
        let control = feed.read("build/ipkg/CONTROL/control");
        let lvs = options.contains(&"CONFIG_VRRPD_LVS=y");
        assert_eq!(control.contains("kmod-nf-ipvs"), lvs, "{control}");
    }
    // Each option is known when it changes.
    let makefile = feed.read("net/vrrpd/Makefile");
    let line = makefile
        .lines()
        .find(|line| line.starts_with("PKG_CONFIG_DEPENDS"));
    let known: BTreeSet<&str> = line.expect("the line").split([' ', '=']).collect();
    for option in makefile
        .lines()
        .filter_map(|line| line.trim().strip_prefix("config "))
    {
        let option = format!("CONFIG_{option}");
        assert!(known.contains(option.as_str()), "{option}");
    }
}

#[test]
fn the_package_is_built_from_the_source_of_a_release() {
    let test = "the_package_is_built_from_the_source_of_a_release";
    if !has_program(test, "git") {
        return;
    }
    let mut git = Command::new("git");
    git.args(["-C", TOP, "show", "HEAD:Cargo.toml"]);
    let committed = git.output().expect("git");
    if !committed.status.success() {
        skip(test, "not a checkout");
        return;
    }
    let committed = String::from_utf8_lossy(&committed.stdout).into_owned();
    let feed = Feed::new("feed-source");
    let pack = |umask: &str, out: &str| {
        let script = format!("umask {umask} && exec {TOP}/configs/source \"$0\"");
        run(Command::new("sh").args(["-c", &script]).arg(feed.at(out)))
    };
    let lines = pack("022", "dl");
    assert_eq!(pack("077", "again"), lines, "reproducible");
    // As the maintainer of the package does.
    let line = |name: &str| {
        let line = lines.lines().find(|line| line.starts_with(name));
        line.unwrap_or_else(|| panic!("{name}: {lines}")).to_owned()
    };
    let mut makefile = feed.read("net/vrrpd/Makefile");
    for name in ["PKG_VERSION:=", "PKG_SOURCE:=", "PKG_HASH:="] {
        let old = makefile.lines().find(|line| line.starts_with(name));
        makefile = makefile.replace(
            &format!("{}\n", old.expect(name)),
            &format!("{}\n", line(name)),
        );
    }
    fs::write(feed.at("net/vrrpd/Makefile"), &makefile).expect("write");
    let dl = format!("DL_DIR={}", feed.at("dl").display());
    succeeded(&feed.make(&["package", &dl]));
    let version = line("PKG_VERSION:=").replace("PKG_VERSION:=", "");
    let built = format!("build/vrrpd-{version}");
    assert_eq!(feed.read(&format!("{built}/Cargo.toml")), committed);
    for name in ["Cargo.lock", "LICENSE-MIT", "LICENSE-APACHE", "src/main.rs"] {
        assert!(feed.at(&format!("{built}/{name}")).is_file(), "{name}");
    }
    // All targets that Cargo.toml names are there, and Cargo.lock is up to date.
    let mut metadata = Command::new(env!("CARGO"));
    metadata.args(["metadata", "--format-version=1", "--no-deps", "--locked"]);
    run(metadata
        .args(["--offline", "--manifest-path"])
        .arg(feed.at(&format!("{built}/Cargo.toml"))));
    // Another source than that of the hash.
    let other = makefile.replace(
        &line("PKG_HASH:="),
        &format!("PKG_HASH:={}", "0".repeat(64)),
    );
    fs::write(feed.at("net/vrrpd/Makefile"), other).expect("write");
    assert!(!feed.make(&["package", &dl]).status.success());
}

#[test]
fn shellcheck_finds_nothing_in_the_scripts_of_the_package() {
    if !has_program(
        "shellcheck_finds_nothing_in_the_scripts_of_the_package",
        "shellcheck",
    ) {
        return;
    }
    let feed = Feed::new("feed-scripts");
    feed.build(&[]);
    let mut check = Command::new("shellcheck");
    // The scripts of packages test variables of the shell that calls them.
    check.args(["-s", "sh", "-e", "SC2154"]);
    for name in ["postinst-pkg", "postrm"] {
        check.arg(feed.at(&format!("build/ipkg/CONTROL/{name}")));
    }
    run(&mut check);
    run(Command::new("shellcheck").arg(format!("{TOP}/configs/source")));
}
