//! `vrrpd uci2conf` as a process: input, output, exit code.

use std::fs;
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::process::{Command, Output, Stdio};

fn vrrpd(args: &[&str], input: &str) -> Output {
    let mut child = Command::new(env!("CARGO_BIN_EXE_vrrpd"))
        .arg("uci2conf")
        .args(args)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("starting vrrpd");
    let mut stdin = child.stdin.take().expect("a pipe");
    // It may have exited already.
    let _ = stdin.write_all(input.as_bytes());
    drop(stdin);
    child.wait_with_output().expect("its end")
}

fn scratch(name: &str) -> PathBuf {
    let directory = std::env::temp_dir().join(format!("vrrpd-uci-{name}-{}", std::process::id()));
    fs::create_dir_all(&directory).expect("a directory");
    directory
}

const UCI: &str = "config globals\n\toption router_id 'north'\n\toption colour 'x'\n";

#[test]
fn uci2conf_reads_stdin_and_writes_stdout_and_stderr() {
    let done = vrrpd(&["-"], UCI);
    assert!(done.status.success(), "{done:?}");
    let text = String::from_utf8_lossy(&done.stdout);
    assert!(text.contains("\trouter_id north\n"), "{text}");
    let stderr = String::from_utf8_lossy(&done.stderr);
    assert!(
        stderr.starts_with("-:3:9: warning: unknown option `colour`"),
        "{stderr}"
    );
}

#[test]
fn uci2conf_replaces_its_output_file_atomically_with_mode_0600() {
    let directory = scratch("output");
    let (uci, conf) = (directory.join("uci"), directory.join("conf"));
    fs::write(&uci, UCI).expect("write");
    fs::write(&conf, "old").expect("write");
    let (uci, target) = (uci.to_string_lossy(), conf.to_string_lossy());
    let done = vrrpd(&[&uci, "-o", &target], "");
    assert!(done.status.success() && done.stdout.is_empty(), "{done:?}");
    let text = fs::read_to_string(&conf).expect("the result");
    assert!(text.contains("router_id north"), "{text}");
    let mode = fs::metadata(&conf).expect("the result").permissions();
    assert_eq!(mode.mode() & 0o777, 0o600);
    // Invalid input leaves the existing file unchanged.
    let done = vrrpd(&["-", "-o", &target], "config \0");
    assert_eq!(done.status.code(), Some(1), "{done:?}");
    assert_eq!(fs::read_to_string(&conf).expect("the result"), text);
    fs::remove_dir_all(&directory).expect("cleaning up");
}

#[test]
fn uci2conf_reports_wrong_arguments_and_missing_files() {
    for (args, words) in [
        (
            &["/nowhere/keepalived"][..],
            "cannot read /nowhere/keepalived: no such file",
        ),
        (&["-", "-o"], "-o needs a file"),
        (
            &["-", "-o", "/nowhere/conf"],
            "cannot write /nowhere/conf: no such file",
        ),
        (&["--help"], "usage: vrrpd uci2conf"),
        (&["a", "b"], "usage: vrrpd uci2conf"),
    ] {
        let done = vrrpd(args, UCI);
        let stderr = String::from_utf8_lossy(&done.stderr);
        assert_eq!(done.status.code(), Some(1), "{args:?}");
        assert!(stderr.contains(words), "{args:?}: {stderr}");
    }
}

#[test]
fn uci2conf_check_reports_positions_in_the_uci_file() {
    let directory = scratch("check");
    let uci = directory.join("keepalived");
    fs::write(
        directory.join("network"),
        "config interface 'lan'\n\toption device 'br-lan'\n",
    )
    .expect("write");
    let text = "config vrrp_instance 'LAN'\n\toption interface 'lan'\n\
                \toption virtual_router_id '51'\n\toption priority '300'\n\
                \tlist virtual_ipaddress '192.0.2.1/24'\n";
    fs::write(&uci, text).expect("write");
    let name = uci.to_string_lossy();
    let done = vrrpd(&[&name, "--check"], "");
    let report = String::from_utf8_lossy(&done.stderr);
    assert_eq!(done.status.code(), Some(5), "{report}");
    assert!(done.stdout.is_empty(), "{done:?}");
    let network = directory.join("network");
    let want = format!(
        "{name}:2:19: error: `lan` is a network of {}, not a device",
        network.display()
    );
    assert!(report.starts_with(&want), "{report}");
    assert!(report.contains("write 'br-lan'"), "{report}");
    let want = format!("{name}:4:18: error: `priority` needs a number from 1 to 255, not `300`");
    assert!(report.contains(&want), "{report}");
    assert_eq!(report.matches("error").count(), 2, "{report}");
    assert!(
        !report.contains("does not exist now"),
        "one cause: {report}"
    );
    // Nothing is written.
    assert_eq!(fs::read_dir(&directory).expect("it").count(), 2);

    let good = text.replace("'lan'", "'nowhere0'").replace("300", "200");
    let done = vrrpd(&["--check", "-"], &good);
    let report = String::from_utf8_lossy(&done.stderr);
    assert!(!report.contains("error"), "{report}");
    assert_eq!(done.status.code(), Some(0), "{report}");
    // A mistake that the conversion finds.
    let unknown = good.replace("option priority", "option prority");
    let done = vrrpd(&["--check", "-"], &unknown);
    assert_eq!(done.status.code(), Some(5), "{done:?}");
    for args in [&["-", "--check", "-o", "x"][..], &["--check", "/nowhere/x"]] {
        assert_eq!(vrrpd(args, &good).status.code(), Some(1), "{args:?}");
    }
    fs::remove_dir_all(&directory).expect("cleaning up");
}
