//! A router of the soak: its daemon, its scripts, its configuration, and what must be as before.

use std::fs;
use std::process::Command;
use std::time::Duration;

use vrrpd_lab::private::DIR;
use vrrpd_lab::{Daemon, Lab, Node, Running, process, sleep_ms, wait_for, wait_until};

pub(crate) struct Router {
    pub(crate) node: Node,
    pub(crate) run: Running,
    daemon: Daemon,
    /// The kernel's objects before the daemon was started.
    bare: String,
    strong: bool,
    variant: u8,
    /// The file that decides the priority.
    pub(crate) number: String,
    /// While this file exists, scripts misbehave.
    pub(crate) bad: String,
    /// A small file system with the pid file, the state file, dumps and the log file.
    pub(crate) disk: String,
}

/// What must not grow.
pub(crate) struct State {
    pub(crate) pid: u32,
    pub(crate) kernel: String,
    /// What each descriptor refers to, sorted.
    pub(crate) descriptors: Vec<String>,
    pub(crate) children: usize,
    pub(crate) memory: u64,
}

impl Router {
    pub(crate) fn start(lab: &Lab, daemon: &Daemon, name: &str) -> Self {
        let strong = name == "r1";
        let host = if strong { 1 } else { 2 };
        let own = [format!("10.0.0.{host}/24"), format!("fd00::{host}/64")];
        let node = lab.node(name, &[&own[0], &own[1]]);
        node.ip("link add name dum0 type veth peer name dum1");
        node.ip("link set dum0 up");
        node.ip("link set dum1 up");
        node.ip(&format!("addr add 10.9.0.{host}/24 dev dum0"));
        // Wait first: the kernel itself adds and removes objects after the setup.
        sleep_ms(300);
        scripts(name);
        let disk = small_disk(name);
        let bare = kernel(&node);
        let run = launch(daemon, &node, &configuration(name, strong, 0), &disk);
        Router {
            number: format!("{DIR}/{name}-file"),
            bad: format!("{DIR}/{name}-bad"),
            node,
            run,
            daemon: daemon.clone(),
            bare,
            strong,
            variant: 0,
            disk,
        }
    }

    /// Kills the daemon with SIGKILL and starts it again at once.
    pub(crate) fn kill_and_start(&mut self) {
        self.run.kill9();
        let text = configuration(&self.node.name, self.strong, self.variant);
        self.run = launch(&self.daemon, &self.node, &text, &self.disk);
    }

    /// Asks the daemon to replace itself by its own program, and waits until it has or has
    /// refused.
    pub(crate) fn restart(&self) {
        let output = Command::new(self.daemon.path())
            .arg("--signum=RESTART")
            .output();
        let number = String::from_utf8(output.expect("a number").stdout).expect("text");
        let signal = format!("-{}", number.trim());
        let pid = self.run.pid().to_string();
        let before = self.run.log_len();
        let _ = Command::new("kill").args([&signal, &pid]).status();
        let _ = wait_for(Duration::from_secs(10), || {
            let log = self.run.log_from(before);
            let ended = log.contains("Starting vrrpd") || log.contains("restart refused");
            ended.then_some(())
        });
    }

    /// Reloads one of the variants of the configuration.
    pub(crate) fn reload(&mut self, variant: u8) {
        self.variant = variant;
        let text = configuration(&self.node.name, self.strong, variant);
        self.run.reload(&text);
    }

    pub(crate) fn state(&self) -> State {
        let pids = self.run.pids();
        State {
            pid: self.run.pid(),
            kernel: kernel(&self.node),
            descriptors: self.descriptors(),
            children: pids.len() - 1,
            memory: process::memory(&[self.run.pid()]).anonymous,
        }
    }

    /// /proc is open only while the process table is read, in slices.
    fn descriptors(&self) -> Vec<String> {
        let settled = wait_for(Duration::from_secs(10), || {
            let all = descriptors(self.run.pid());
            (!all.iter().any(|target| target == "/proc")).then_some(all)
        });
        settled.expect("the process table is read and closed")
    }

    pub(crate) fn end(&mut self) {
        let name = &self.node.name;
        self.run.term();
        let status = self.run.wait_exit(Duration::from_secs(10));
        assert!(status.is_some_and(|s| s.success()), "{name}: {status:?}");
        crate::same_objects(&self.bare, &kernel(&self.node), name);
    }

    pub(crate) fn has_everything(&self) -> bool {
        let addresses = self.node.ip("-o -4 addr");
        (1..=30).all(|n| addresses.contains(&format!(" 10.1.0.{n}/")))
    }

    pub(crate) fn has_nothing(&self) -> bool {
        let addresses = self.node.ip("-o -4 addr");
        !addresses.contains(" 10.1.0.") && !addresses.contains(" 10.3.0.")
    }
}

/// A tmpfs of 256 KB. Its owner alone can enter it.
fn small_disk(name: &str) -> String {
    let path = format!("{DIR}/{name}-disk");
    fs::create_dir(&path).expect("mkdir");
    let options = ["-t", "tmpfs", "-o", "size=256k,mode=700", "none", &path];
    let mounted = Command::new("mount").args(options).status();
    assert!(
        mounted.expect("mount").success(),
        "mounting a tmpfs on {path}"
    );
    path
}

/// Starts the daemon and waits until signals no longer end it.
fn launch(daemon: &Daemon, node: &Node, text: &str, disk: &str) -> Running {
    let log = format!("--log-file={disk}/log");
    // Dumps are written there.
    let temporary = format!("TMPDIR={disk}");
    let run = daemon.start_in(node, text, &["env", &temporary], disk, &[&log]);
    wait_until(Duration::from_secs(20), "the daemon starts", || {
        run.log_from(0).contains("Starting vrrpd")
    });
    run
}

/// Scripts that misbehave on request: they fail, hang, write without end, start processes without
/// waiting for them.
fn scripts(name: &str) {
    let write = |file: &str, text: String| {
        let path = format!("{DIR}/{name}-{file}");
        fs::write(&path, text).expect("writing a script");
        let mode = std::os::unix::fs::PermissionsExt::from_mode(0o755);
        fs::set_permissions(&path, mode).expect("making it executable");
    };
    write(
        "check.sh",
        format!("#!/bin/sh\n[ ! -e {DIR}/{name}-bad ]\n"),
    );
    write(
        "hang.sh",
        format!(
            "#!/bin/sh\n[ ! -e {DIR}/{name}-bad ] || {{ trap '' TERM; sleep 30 & sleep 30; }}\n"
        ),
    );
    write(
        "talk.sh",
        format!(
            "#!/bin/sh\n[ ! -e {DIR}/{name}-bad ] || exec yes\nhead -c 100000 /dev/zero | tr '\\0' x\n"
        ),
    );
    write(
        "fork.sh",
        format!(
            "#!/bin/sh\n[ -e {DIR}/{name}-bad ] || exit 0\n\
             for i in 1 2 3 4 5 6 7 8 9 10; do (sleep 20 & sleep 20) & done\nwait\n"
        ),
    );
    write(
        "notified.sh",
        format!("#!/bin/sh\necho \"$@\" > {DIR}/{name}-notified\n"),
    );
    fs::write(format!("{DIR}/{name}-file"), "0\n").expect("writing the tracked file");
}

fn configuration(name: &str, strong: bool, variant: u8) -> String {
    let priority = if strong { 200 } else { 100 };
    let mut text = format!(
        "global_defs {{
    router_id {name}
    script_user root
    vrrp_notify_fifo {DIR}/{name}-fifo
    notification_email {{
        nobody@example.invalid
    }}
    smtp_server 127.0.0.1 9
    smtp_connect_timeout 1
}}
vrrp_script check {{
    script {DIR}/{name}-check.sh
    interval 0.2
    timeout 5
    weight -120
}}
vrrp_script hang {{
    script {DIR}/{name}-hang.sh
    interval 0.3
    timeout 0.2
    weight -5
}}
vrrp_script talk {{
    script {DIR}/{name}-talk.sh
    interval 0.5
    timeout 2
    weight 1
}}
vrrp_script fork {{
    script {DIR}/{name}-fork.sh
    interval 0.5
    timeout 0.3
    weight 1
}}
vrrp_track_process sleepers {{
    process sleep
    weight 1
}}
virtual_server 10.9.9.9 80 {{
    delay_loop 0.5
    protocol TCP
    lb_algo rr
    real_server 10.0.0.66 80 {{
        warmup 0
        connect_timeout 1
        HTTP_GET {{
            url {{
                path /
                status_code 200
                regex \"([a-z]{{1,5}}x){{1,5}}y\"
            }}
        }}
    }}
    real_server 10.0.0.66 81 {{
        warmup 0
        connect_timeout 1
        SSL_GET {{
            url {{
                path /
            }}
        }}
    }}
}}
track_file number {{
    file {DIR}/{name}-file
}}
static_routes {{
    198.51.100.0/24 dev dum0 table 50
}}
vrrp_sync_group both {{
    group {{
        VI_1
        VI_2
    }}
    notify {DIR}/{name}-notified.sh
}}
"
    );
    let count = 30 + u16::from(variant);
    for n in 1..=count {
        let extra = match n {
            3 => {
                "track_script {\n check\n hang\n talk\n fork\n }\n track_file {\n number weight 1\n }\n track_process {\n sleepers\n }"
            }
            4 => {
                "virtual_routes {\n 203.0.113.0/24 via 10.9.0.77 dev dum0\n 192.0.2.0/24 dev dum0 table 60 metric 7\n }\n virtual_rules {\n from 10.66.0.0/16 table 60 priority 666\n }"
            }
            5 => "use_vmac vrrp.5",
            6 => "no_accept",
            7 => "notify /bin/true\n smtp_alert",
            8 => "virtual_ipaddress_excluded {\n fd00:1::8/64\n }",
            _ => "garp_master_delay 1",
        };
        let moving = if n == 9 && variant > 0 {
            format!("10.3.0.{variant}/24")
        } else {
            String::new()
        };
        text += &format!(
            "vrrp_instance VI_{n} {{
    state BACKUP
    interface eth0
    virtual_router_id {n}
    priority {priority}
    advert_int 0.1
    version 3
    notify_master \"{DIR}/{name}-notified.sh master {n}\"
    virtual_ipaddress {{
        10.1.0.{n}/32
        {moving}
    }}
    {extra}
}}
"
        );
    }
    text
}

/// All kernel objects that such a daemon may change.
fn kernel(node: &Node) -> String {
    let mut text = String::new();
    for what in [
        "-o addr",
        "-4 route show table all",
        "-6 route show table all",
        "-4 rule",
        "-6 rule",
        "-o link",
        "-o maddr",
    ] {
        let out = node.ip(what);
        // Without counters, and sorted: reinstalled objects are in a different order.
        let mut lines: Vec<String> = out.lines().map(stable).collect();
        lines.sort();
        text += &format!("== {what}\n{}\n", lines.join("\n"));
    }
    let mut nft = Command::new("nft");
    if let Ok(out) = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        node.output(nft.args(["list", "ruleset"]))
    })) {
        text += &String::from_utf8_lossy(&out.stdout);
    }
    text
}

/// A line of `ip` without interface numbers, lifetimes and reference counts.
fn stable(line: &str) -> String {
    let mut words: Vec<&str> = line.split_whitespace().collect();
    if words.first().is_some_and(|word| word.ends_with(':')) {
        words.remove(0);
    }
    if let Some(at) = words.iter().position(|word| *word == "users") {
        words.truncate(at);
    }
    words.retain(|word| !word.starts_with("expires") && !word.ends_with("sec"));
    words.join(" ")
}

/// The open descriptors of a process, without inode numbers.
fn descriptors(pid: u32) -> Vec<String> {
    let entries = fs::read_dir(format!("/proc/{pid}/fd"))
        .into_iter()
        .flatten();
    let targets = entries
        .flatten()
        .filter_map(|entry| fs::read_link(entry.path()).ok());
    // The log of a process has its own name.
    let is_log = |target: &str| target.starts_with(DIR) && target.ends_with(".log");
    let targets = targets.map(|target| target.display().to_string());
    let kinds =
        targets
            .filter(|target| !is_log(target))
            .map(|target| match target.split_once(":[") {
                Some((kind, _)) => kind.to_owned(),
                None => target,
            });
    let mut kinds: Vec<String> = kinds.collect();
    kinds.sort();
    kinds
}

pub(crate) fn zombies(parent: u32) -> usize {
    let all = fs::read_dir("/proc").into_iter().flatten().flatten();
    let stat = all.filter_map(|entry| fs::read_to_string(entry.path().join("stat")).ok());
    let fields = stat.filter_map(|text| {
        let mut words = text.rsplit_once(')')?.1.split_whitespace();
        Some((words.next()? == "Z", words.next()?.parse::<u32>().ok()?))
    });
    fields
        .filter(|(zombie, ppid)| *zombie && *ppid == parent)
        .count()
}
