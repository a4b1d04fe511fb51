//! What programs written for keepalived do with it: how they start it, find it, ask it and read its
//! answers. vrrpd is a link of the name `keepalived` here; with `LAB_DAEMON=keepalived` the tests
//! run the original.

mod cloud;
mod monitoring;
mod router;

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::{Command, Output};

use serde_json::Value;
use vrrpd_lab::private::DIR;
use vrrpd_lab::{Daemon, Node, wait_until};

use crate::support::SOON;
use crate::{Ctx, Test};

pub(crate) const TESTS: &[Test] = &[
    Test::new("client_neutron", cloud::neutron)
        .keepalived_fails("does not start over the files of killed processes"),
    Test::new("client_octavia", cloud::octavia).keepalived_fails(NO_IPVS),
    Test::new("client_kube_keepalived_vip", cloud::kube_keepalived_vip),
    Test::new("client_ansible_and_puppet", cloud::provisioning),
    Test::new(
        "client_ansible_and_puppet_before_the_scripts_exist",
        cloud::provisioning_in_any_order,
    ),
    Test::new("client_vyos", router::vyos),
    Test::new("client_supervisors_find_the_process", router::supervisors)
        .keepalived_fails("cannot restart in place"),
    Test::new("client_keepalived_exporter", monitoring::exporter),
    Test::new(
        "client_dashboard_of_an_instance_that_waits_for_its_script",
        monitoring::waiting_instance,
    ),
    Test::new("client_zabbix_checkmk_and_roxy_wi", monitoring::pid_files).keepalived_fails(NO_IPVS),
];

const NO_IPVS: &str = "ends in a network namespace without IPVS";

/// keepalived's default pid files.
const PID: &str = "/run/keepalived.pid";
const VRRP_PID: &str = "/run/vrrp.pid";
const CHECKERS_PID: &str = "/run/checkers.pid";

/// An instance with one address.
const INSTANCE: &str = "vrrp_instance VI_1 {
    interface eth0
    virtual_router_id 51
    priority 100
    advert_int 1
    virtual_ipaddress {
        10.0.0.100/24
    }
}
";

const VIRTUAL_SERVER: &str = "virtual_server 10.0.0.100 80 {
    lb_algo rr
    lb_kind NAT
    protocol TCP
    real_server 10.0.0.9 80 {
        weight 1
    }
}
";

/// A machine with `keepalived` in the PATH, and a directory for the files of a client.
struct Machine {
    node: Node,
    dir: String,
    path: String,
}

impl Machine {
    fn new(ctx: &Ctx, node: Node) -> Self {
        let dir = format!("{DIR}/{}-client", node.id());
        fs::create_dir_all(format!("{dir}/bin")).expect("mkdir");
        let mut path = std::env::var("PATH").unwrap_or_default();
        if let Daemon::Vrrpd(binary) = &ctx.daemon {
            let link = format!("{dir}/bin/keepalived");
            symlink(binary, link).expect("a link");
            path = format!("{dir}/bin:{path}");
        }
        Machine { node, dir, path }
    }

    /// A path in the directory.
    fn at(&self, name: &str) -> String {
        format!("{}/{name}", self.dir)
    }

    /// Writes a file in the directory; returns its path.
    fn write(&self, name: &str, text: &str) -> String {
        let path = self.at(name);
        fs::write(&path, text).expect("write");
        path
    }

    /// A command line as a client runs it, with the dumps in the directory.
    fn command(&self, words: &[&str]) -> Command {
        // The search is that of the new program.
        let mut command = Command::new("env");
        command
            .arg(format!("PATH={}", self.path))
            .arg(format!("TMPDIR={}", self.dir))
            .args(words);
        command
    }

    fn run(&self, words: &[&str]) -> Output {
        self.node.output(&mut self.command(words))
    }

    /// Runs a command that must succeed; returns its standard output.
    #[track_caller]
    fn ok(&self, words: &[&str]) -> String {
        let output = self.run(words);
        assert!(output.status.success(), "{words:?}: {output:?}");
        String::from_utf8_lossy(&output.stdout).trim().to_owned()
    }

    /// The version and the line of options that `-v` prints on standard error.
    fn version(&self) -> String {
        let output = self.run(&["keepalived", "-v"]);
        assert!(output.status.success(), "{output:?}");
        assert!(output.stdout.is_empty(), "{output:?}");
        String::from_utf8(output.stderr).expect("text")
    }

    fn has_vip(&self) -> bool {
        self.node.has("10.0.0.100")
    }

    #[track_caller]
    fn wait_for_vip(&self) {
        wait_until(SOON, "the address is there", || self.has_vip());
    }

    /// Sends a signal by number to the process of a pid file.
    #[track_caller]
    fn signal(&self, pid_file: &str, number: &str) {
        let pid = pid_of(pid_file).expect("a pid file").to_string();
        self.ok(&["kill", &format!("-{number}"), &pid]);
    }

    /// Sends the signal of this number and reads the JSON that appears.
    #[track_caller]
    fn json(&self, pid_file: &str, number: &str) -> Value {
        let dump = self.at("keepalived.json");
        let _ = fs::remove_file(&dump);
        self.signal(pid_file, number);
        let read = || serde_json::from_str(&fs::read_to_string(&dump).ok()?).ok();
        wait_until(SOON, "the JSON is complete", || {
            read().is_some_and(|_: Value| true)
        });
        read().expect("read a moment ago")
    }
}

/// The pid in a file, of a process that lives.
fn pid_of(path: &str) -> Option<u32> {
    let pid = fs::read_to_string(path).ok()?.trim().parse().ok()?;
    Path::new(&format!("/proc/{pid}/stat"))
        .exists()
        .then_some(pid)
}

/// The words that a process was started with.
fn command_line(pid: u32) -> Vec<String> {
    let bytes = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
    let words = bytes.split(|byte| *byte == 0).map(String::from_utf8_lossy);
    words.map(std::borrow::Cow::into_owned).collect()
}

#[track_caller]
fn wait_gone(paths: &[&str]) {
    for path in paths {
        wait_until(SOON, path, || !Path::new(path).exists());
    }
}
