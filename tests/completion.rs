//! The completion of bash, run by bash.

#[path = "man/completion.rs"]
mod completion;
#[path = "support/process.rs"]
mod process;

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;

use process::{Scratch, has_program};
use vrrpd::ctl::reference;
use vrrpd::ctl::request::{COMMANDS, Names};

/// Sources the file and completes a line.
const COMPLETE: &str = r#"
    . "$1"
    COMP_LINE=$2 COMP_POINT=${#2} COMP_WORDBREAKS=' :='
    _vrrpd vrrpd
    printf '%s\n' "${COMPREPLY[@]}"
"#;

/// What a running daemon answers to `dump data`; nothing else is asked.
const DAEMON: &str = r#"#!/bin/sh
echo "$*" >>"$0.calls"
case "$*" in
'dump data' | 'dump data -p /run/other.pid') ;;
*) exit 2 ;;
esac
cat <<'END'
 VRRP Instance = LAN
   State = MASTER
 VRRP Instance = LAN2
 VRRP Instance = a $(touch made) b
 VRRP Sync Group = G, MASTER
     LAN
 VS GROUP = [web]:0
   RIP = 192.0.2.11, RPORT = 80, WEIGHT = 8 EFF WEIGHT = 8
 VS VIP = 2001:db8::1, VPORT = 53
   RIP = 2001:db8::11, RPORT = 5353, WEIGHT = 1 EFF WEIGHT = 1
END
"#;

struct Shell {
    scratch: Scratch,
}

impl Shell {
    /// With a daemon that answers this script.
    fn new(name: &str, daemon: &str) -> Self {
        let scratch = Scratch::new(name);
        fs::write(scratch.0.join("completion"), completion::bash()).expect("write");
        let program = scratch.0.join("vrrpd");
        fs::write(&program, daemon).expect("write");
        fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).expect("chmod");
        fs::write(scratch.0.join("a file"), "").expect("write");
        Shell { scratch }
    }

    #[track_caller]
    fn complete(&self, line: &str) -> Vec<String> {
        let output = Command::new("bash")
            .args(["--norc", "-c", COMPLETE, "bash"])
            .arg(self.scratch.0.join("completion"))
            .arg(line)
            .current_dir(&self.scratch.0)
            .env(
                "PATH",
                format!("{}:/usr/bin:/bin", self.scratch.0.display()),
            )
            .output()
            .expect("bash");
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert_eq!(stderr, "", "{line}");
        let text = String::from_utf8_lossy(&output.stdout);
        let words = text.lines().filter(|word| !word.is_empty());
        words.map(str::to_owned).collect()
    }
}

#[test]
fn every_command_is_completed_with_its_options_and_names() {
    if !has_program(
        "every_command_is_completed_with_its_options_and_names",
        "bash",
    ) {
        return;
    }
    let shell = Shell::new("completion", DAEMON);
    let names: Vec<&str> = COMMANDS.iter().map(|row| row.name).collect();
    assert_eq!(shell.complete("vrrpd "), names);
    let instances = ["LAN", "LAN2", "a\\ \\$\\(touch\\ made\\)\\ b", "G"];
    for row in COMMANDS {
        let name = row.name;
        let (first, _) = name.split_at(name.len() - 1);
        let line = format!("vrrpd {first}");
        assert!(shell.complete(&line).iter().any(|word| word == name));
        let options = shell.complete(&format!("vrrpd {name} -"));
        for option in [reference::options(row), reference::common_options()].concat() {
            let equals = if option.value.is_empty() { "" } else { "=" };
            let long = format!("{}{equals}", option.long);
            assert!(options.contains(&long), "{name}: {options:?}");
        }
        let objects = shell.complete(&format!("vrrpd {name} "));
        match row.names {
            Names::None => assert_eq!(objects, [""; 0], "{name}"),
            Names::Choice => assert_eq!(objects.join("|"), row.usage),
            Names::Exactly(2) => {
                let servers = ["\\[web\\]:0", "\\[2001:db8::1\\]:53"];
                assert!(
                    servers
                        .iter()
                        .all(|one| objects.contains(&(*one).to_owned()))
                );
            }
            Names::Any | Names::Exactly(_) => {
                assert_eq!(objects[..4], instances, "{name}");
            }
        }
    }
    assert!(!shell.scratch.0.join("made").exists(), "a name was run");
}

#[test]
fn values_and_parts_of_words_are_completed() {
    if !has_program("values_and_parts_of_words_are_completed", "bash") {
        return;
    }
    let shell = Shell::new("completion-values", DAEMON);
    for (line, want) in [
        ("vrrpd status LAN2", &["LAN2"][..]),
        ("vrrpd status --json -p /run/other.pid L", &["LAN", "LAN2"]),
        ("vrrpd demote a", &["a\\ \\$\\(touch\\ made\\)\\ b", "all"]),
        ("vrrpd demote LAN --for 3", &["30m"]),
        ("vrrpd demote LAN --for=1", &["10m", "1h", "1d"]),
        ("vrrpd -f a", &["a file"]),
        ("vrrpd diff --use-file=a", &["a file"]),
        ("vrrpd --config-test-format=j", &["json"]),
        ("vrrpd --config-test-s", &["--config-test-strict"]),
        ("vrrpd events --fo", &["--follow"]),
        ("vrrpd events -n ", &[]),
        ("vrrpd dump d", &["data"]),
        ("vrrpd -n s", &[]),
        // As readline replaces what follows the last colon.
        ("vrrpd drain [2001:db8:", &[":1\\]:53", ":11\\]:5353"]),
        ("vrrpd drain [web]:0 192", &["192.0.2.11:80"]),
        ("vrrpd drain \\[2001:db8::11", &["11\\]:5353"]),
    ] {
        assert_eq!(shell.complete(line), want, "{line}");
    }
}

#[test]
fn without_a_daemon_there_are_no_names_and_no_messages() {
    if !has_program(
        "without_a_daemon_there_are_no_names_and_no_messages",
        "bash",
    ) {
        return;
    }
    let program = env!("CARGO_BIN_EXE_vrrpd");
    let none = format!("#!/bin/sh\nexec {program} \"$@\" --socket=/nowhere/vrrpd.sock\n");
    let shell = Shell::new("completion-none", &none);
    assert_eq!(shell.complete("vrrpd status "), [""; 0]);
    assert_eq!(shell.complete("vrrpd demote "), ["all"]);
}

#[test]
fn shellcheck_finds_nothing_in_the_completion() {
    if !has_program("shellcheck_finds_nothing_in_the_completion", "shellcheck") {
        return;
    }
    let shell = Shell::new("completion-lint", "");
    let file: &Path = &shell.scratch.0.join("completion");
    let output = Command::new("shellcheck")
        .args(["-s", "bash"])
        .arg(file)
        .output();
    let output = output.expect("shellcheck");
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stdout)
    );
}
