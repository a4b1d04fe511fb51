//! configs/openwrt/README.md: what it tells first-time users to do works, and the names in it exist.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;
use std::fs;
use std::path::Path;
use std::process::Command;

use super::process::{Scratch, has_program};
use super::{Feed, TOP, run};

fn readme() -> String {
    fs::read_to_string(format!("{TOP}/configs/openwrt/README.md")).expect("read")
}

/// The commands, block by block.
fn blocks(text: &str) -> Vec<&str> {
    let mut found = Vec::new();
    for block in text.split("\n```sh\n").skip(1) {
        found.push(block.split_once("```").expect("its end").0);
    }
    found
}

/// What `uci batch` makes of these commands: the file of a package, as `uci export` prints it.
fn uci(package: &str, commands: &str) -> String {
    let mut sections: Vec<&str> = Vec::new();
    let mut types = BTreeMap::from([("globals", "globals")]);
    let mut options: Vec<(&str, String)> = Vec::new();
    for line in commands.lines() {
        let Some((verb, rest)) = line.split_once(' ') else {
            continue;
        };
        let keyword = match verb {
            "set" => "option",
            "add_list" => "list",
            _ => continue,
        };
        let name = rest
            .strip_prefix(package)
            .and_then(|rest| rest.strip_prefix('.'));
        let (name, value) = name.and_then(|name| name.split_once('=')).expect(line);
        match name.split_once('.') {
            Some((section, option)) => {
                options.push((section, format!("\t{keyword} {option} {value}\n")));
                if !sections.contains(&section) {
                    sections.push(section);
                }
            }
            None => drop(types.insert(name, value)),
        }
    }
    let mut text = String::new();
    for section in sections {
        let kind = types
            .get(section)
            .unwrap_or_else(|| panic!("{section} has no type"));
        writeln!(text, "config {kind} '{section}'").expect("a string");
        for (of, option) in &options {
            if *of == section {
                text += option;
            }
        }
    }
    text
}

#[test]
fn the_first_configuration_is_accepted() {
    let text = readme();
    let block = blocks(&text).into_iter();
    let block = block.filter(|block| block.contains("=vrrp_instance"));
    let [block] = block.collect::<Vec<_>>()[..] else {
        panic!("one block")
    };
    let scratch = Scratch::new("readme-uci");
    let (from, to) = (scratch.0.join("keepalived"), scratch.0.join("vrrpd.conf"));
    fs::write(&from, uci("keepalived", block)).expect("write");
    let vrrpd = || Command::new(env!("CARGO_BIN_EXE_vrrpd"));
    let output = vrrpd()
        .arg("uci2conf")
        .arg(&from)
        .arg("-o")
        .arg(&to)
        .output();
    let output = output.expect("vrrpd");
    assert!(
        output.status.success() && output.stderr.is_empty(),
        "{output:?}"
    );
    let output = vrrpd()
        .arg("-t")
        .arg("-f")
        .arg(&to)
        .output()
        .expect("vrrpd");
    assert!(output.status.success(), "{output:?}");
    let conf = fs::read_to_string(&to).expect("read");
    for want in [
        "192.168.1.254/24 dev br-lan",
        "virtual_router_id 51",
        "priority 150",
    ] {
        assert!(conf.contains(want), "{want}: {conf}");
    }
    // Not what a router has from the factory.
    assert!(!conf.contains("192.168.1.1/"), "{conf}");
    // DHCP gives clients that address only.
    for option in text
        .lines()
        .filter_map(|line| line.split_once("dhcp_option='"))
    {
        assert!(option.1.contains(",192.168.1.254'"), "{}", option.1);
    }
}

#[test]
fn what_is_copied_by_hand_is_what_the_package_installs() {
    let feed = Feed::new("readme-files");
    feed.build(&[]);
    let mut copied = BTreeSet::new();
    for line in readme().lines() {
        let Some(words) = line.strip_prefix("scp -O ") else {
            continue;
        };
        let words: Vec<&str> = words.split_whitespace().collect();
        let to = words[1].strip_prefix("root@192.168.1.1:").expect(line);
        let installed = feed.read(&format!("build/ipkg{to}"));
        if !words[0].starts_with("DIR/") {
            let file = format!("{TOP}/configs/openwrt/files/{}", words[0]);
            let file = fs::read_to_string(&file).unwrap_or_else(|error| panic!("{file}: {error}"));
            assert_eq!(file, installed, "{to}");
        }
        copied.insert(to.to_owned());
    }
    let mut installed = BTreeSet::new();
    files(&feed.at("build/ipkg"), "", &mut installed);
    installed.retain(|path| !path.starts_with("/CONTROL/") && !path.starts_with("/lib/upgrade/"));
    assert_eq!(copied, installed);
}

fn files(directory: &Path, prefix: &str, found: &mut BTreeSet<String>) {
    for entry in fs::read_dir(directory).expect("a directory").flatten() {
        let name = format!("{prefix}/{}", entry.file_name().to_string_lossy());
        if entry.path().is_dir() {
            files(&entry.path(), &name, found);
        } else {
            found.insert(name);
        }
    }
}

#[test]
fn names_in_the_readme_exist() {
    let text = readme();
    let read =
        |path: &str| fs::read_to_string(format!("{TOP}/configs/openwrt/{path}")).expect("read");
    let (makefile, init) = (read("Makefile"), read("files/vrrpd.init"));
    // Options, in both directions.
    let names = |text: &str, prefix: &str| -> BTreeSet<String> {
        let is_name = |one: char| one.is_ascii_uppercase() || one == '_';
        let words = text
            .match_indices(prefix)
            .map(|(at, _)| &text[at + prefix.len()..]);
        words
            .map(|word| word.chars().take_while(|&one| is_name(one)).collect())
            .collect()
    };
    assert_eq!(
        names(&text, "CONFIG_VRRPD_"),
        names(&makefile, "config VRRPD_")
    );
    // What sysupgrade keeps.
    let (_, conffiles) = makefile.split_once("/conffiles\n").expect("conffiles");
    let (conffiles, _) = conffiles.split_once("endef").expect("its end");
    let (_, kept) = text.split_once("* sysupgrade keeps ").expect("the list");
    let (kept, _) = kept.split_once(". ").expect("its end");
    for path in conffiles.lines() {
        assert!(kept.contains(&format!("`{path}`")), "{path}: {kept}");
    }
    assert_eq!(
        kept.matches("`/").count(),
        conffiles.lines().count(),
        "{kept}"
    );
    // Actions of the service.
    let (_, own) = init.split_once("EXTRA_COMMANDS='").expect("own commands");
    let own = own.split('\'').next().unwrap_or_default().split(' ');
    let known = ["start", "stop", "restart", "reload", "enable", "disable"];
    let known: BTreeSet<&str> = known.into_iter().chain(own).collect();
    for (_, rest) in text
        .match_indices("service vrrpd ")
        .map(|(at, word)| text.split_at(at + word.len()))
    {
        let action = rest.split(|one: char| !one.is_ascii_lowercase()).next();
        assert!(known.contains(action.unwrap_or_default()), "{action:?}");
    }
}

#[test]
fn shellcheck_finds_nothing_in_the_commands_of_the_readme() {
    if !has_program(
        "shellcheck_finds_nothing_in_the_commands_of_the_readme",
        "shellcheck",
    ) {
        return;
    }
    let scratch = Scratch::new("readme-sh");
    let text = readme();
    let blocks = blocks(&text);
    assert!(blocks.len() > 5);
    for (number, block) in blocks.into_iter().enumerate() {
        let file = scratch.0.join(format!("{number}.sh"));
        fs::write(&file, block).expect("write");
        // Typed by hand: a failed `cd` is seen.
        run(Command::new("shellcheck")
            .args(["-s", "sh", "-e", "SC2164"])
            .arg(&file));
    }
}
