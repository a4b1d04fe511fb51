//! `vrrpd sniff`: live on a network, with captures of keepalived, and compared with tshark.
//!
//! With `UPDATE_GOLDEN=1` the captures become those of `tests/golden/sniff`.

use std::fs;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::Value;
use vrrpd_lab::forge::{Packet, Stream};
use vrrpd_lab::private::DIR;
use vrrpd_lab::{Conf, Daemon, Inst, Lab, Node, wait_for, wait_until};

use crate::support::{SOON, ip};
use crate::{Ctx, Outcome, Test};

const OURS: &str = "is a command of vrrpd";

pub(crate) const TESTS: &[Test] = &[
    Test::new("sniff_decodes_keepalived_as_tshark_does", keepalived).keepalived_fails(OURS),
    Test::new("sniff_agrees_with_tshark_on_broken_adverts", broken).keepalived_fails(OURS),
    Test::new("sniff_names_the_line_on_which_routers_disagree", disagree).keepalived_fails(OURS),
    Test::new("sniff_summarizes_two_masters_at_sigint", two_masters).keepalived_fails(OURS),
    Test::new("sniff_ends_when_nobody_reads_and_without_rights", ends).keepalived_fails(OURS),
    Test::new("sniff_sees_vlan_tags", vlan).keepalived_fails(OURS),
];

fn command(ctx: &Ctx, args: &[&str]) -> Command {
    let mut cmd = Command::new(ctx.daemon.path());
    cmd.arg("sniff").args(args).env("TZ", "UTC");
    cmd
}

fn sniff(ctx: &Ctx, node: &Node, args: &[&str]) -> (String, String) {
    let Output {
        status,
        stdout,
        stderr,
    } = node.output(&mut command(ctx, args));
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let (out, err) = (text(&stdout), text(&stderr));
    assert!(status.success(), "{args:?}: {out}{err}");
    (out, err)
}

fn goldens() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../golden/sniff")
}

/// Fields of tshark, in this order.
const FIELDS: [&str; 12] = [
    "vrrp.version",
    "vrrp.type",
    "vrrp.virt_rtr_id",
    "vrrp.prio",
    "vrrp.addr_count",
    "vrrp.short_adver_int",
    "vrrp.adver_int",
    "vrrp.checksum.status",
    "ip.ttl",
    "ipv6.hlim",
    "vrrp.ip_addr",
    "vrrp.ipv6_addr",
];

/// Compares every frame of a capture with tshark; returns how many values were compared, or `None`
/// without tshark.
fn compare(ctx: &Ctx, node: &Node, path: &str) -> Option<usize> {
    let mut cmd = Command::new("tshark");
    cmd.args(["-n", "-r", path, "-T", "fields", "-E", "occurrence=a"]);
    FIELDS.iter().for_each(|field| {
        cmd.args(["-e", field]);
    });
    let output = cmd.env("HOME", DIR).output().ok()?;
    let theirs = String::from_utf8_lossy(&output.stdout).into_owned();
    let (ours, _) = sniff(ctx, node, &["--json", "-r", path]);
    let mut compared = 0;
    let (theirs, ours): (Vec<&str>, Vec<&str>) = (theirs.lines().collect(), ours.lines().collect());
    assert_eq!(theirs.len(), ours.len(), "{path}: frames");
    for (nth, (theirs, ours)) in theirs.iter().zip(ours).enumerate() {
        let ours: Value = serde_json::from_str(ours).unwrap_or_else(|e| panic!("{e}: {ours}"));
        let theirs: Vec<&str> = theirs.split('\t').collect();
        if theirs[0].is_empty() || ours["version"].is_null() {
            continue;
        }
        let number = |name: &str| ours[name].as_u64().map(|n| n.to_string());
        let centis = theirs[6]
            .parse::<u64>()
            .ok()
            .map(|secs| (secs * 100).to_string());
        let is_known = matches!(theirs[0], "2" | "3");
        let interval = match theirs[5] {
            _ if !is_known => None,
            "" => centis,
            short => Some(short.to_owned()),
        };
        let length = rules(&ours, "VRRP length");
        let pairs = [
            (Some(theirs[0].to_owned()), number("version"), "version"),
            (Some(theirs[1].to_owned()), number("type"), "type"),
            (Some(theirs[2].to_owned()), number("vrid"), "vrid"),
            (Some(theirs[3].to_owned()), number("priority"), "priority"),
            (Some(theirs[4].to_owned()), number("count"), "count"),
            (interval, number("interval_centiseconds"), "interval"),
            (Some([theirs[8], theirs[9]].concat()), number("ttl"), "ttl"),
            (
                Some([theirs[10], theirs[11]].concat()).filter(|_| is_known && !length),
                ours["addresses"].as_array().map(|all| {
                    let all: Vec<&str> = all.iter().filter_map(Value::as_str).collect();
                    all.join(",")
                }),
                "addresses",
            ),
        ];
        for (theirs, ours, name) in pairs {
            if let (Some(theirs), Some(ours)) = (theirs.filter(|text| !text.is_empty()), ours) {
                assert_eq!(ours, theirs, "{path}: frame {}: {name}", nth + 1);
                compared += 1;
            }
        }
        // tshark knows only the form with pseudo-header, and no signatures.
        let form = ours["checksum"].as_str().expect("a form");
        let other_form = (theirs[0] == "3" && form == "plain") || form == "old_unicast";
        let signed = rules(&ours, "signature")
            || ours["authentication"]
                .as_str()
                .is_some_and(|text| text.starts_with("HMAC"));
        match theirs[7] {
            "1" => assert_ne!(form, "wrong", "{path}: frame {}", nth + 1),
            "0" if is_known && form != "unknown" && !other_form && !signed => {
                assert_eq!(form, "wrong", "{path}: frame {}", nth + 1);
            }
            _ => continue,
        }
        compared += 1;
    }
    Some(compared)
}

/// Whether a broken rule's text has this in it.
fn rules(frame: &Value, text: &str) -> bool {
    let breaches = frame["breaches"].as_array().into_iter().flatten();
    let mut texts = breaches.filter_map(|breach| breach["text"].as_str());
    texts.any(|one| one.contains(text))
}

fn keepalived(ctx: &Ctx) -> Outcome {
    if !Daemon::Keepalived.available() {
        return Outcome::Skipped("keepalived is not installed".into());
    }
    let v4 = || Inst::new(51, 150, "10.0.0.100/24");
    let cases = [
        (
            "v2-pass",
            &Daemon::Keepalived,
            v4().v2().pass("s3cret"),
            "PASS",
        ),
        (
            "v2-ah",
            &Daemon::Keepalived,
            v4().v2().ah("s3cret"),
            "AH seq",
        ),
        (
            "v3",
            &Daemon::Keepalived,
            v4().vip("10.0.0.101/24"),
            "no auth",
        ),
        (
            "v3-ipv6",
            &Daemon::Keepalived,
            Inst::new(52, 150, "fe80::100/64").vip("fd00::100/64"),
            "no auth",
        ),
        ("v3-hmac", &ctx.daemon, v4().signed(""), "HMAC key 1"),
    ];
    for (name, daemon, inst, auth) in cases {
        let lab = Lab::new();
        let a = lab.node("r1", &["10.0.0.1/24", "fd00::1/64"]);
        let b = lab.node("r2", &["10.0.0.2/24", "fd00::2/64"]);
        let run = daemon.start(&a, &Conf::of(&[inst]));
        let path = format!("{DIR}/{name}-{}.pcap", a.id());
        let (out, err) = sniff(ctx, &b, &["-i", "eth0", "-c", "3", "-w", &path]);
        drop(run);
        assert_eq!(out.lines().count(), 3, "{name}: {out}");
        for line in out.lines() {
            assert!(line.contains(&format!(" {auth}")), "{name}: {line}");
            assert!(line.contains(" cksum ok "), "{name}: {line}");
            assert!(
                !line.contains(" ! ") && !line.contains(" ? "),
                "{name}: {line}"
            );
        }
        assert!(
            err.contains("3 adverts, priority 150, every "),
            "{name}: {err}"
        );
        if compare(ctx, &b, &path).is_none() {
            return Outcome::Skipped("tshark is not installed".into());
        }
        if std::env::var_os("UPDATE_GOLDEN").is_some() {
            fs::copy(&path, goldens().join(format!("{name}.pcap"))).expect("a golden capture");
        }
        let _ = fs::remove_file(path);
    }
    Outcome::Passed
}

fn broken(ctx: &Ctx) -> Outcome {
    let lab = Lab::new();
    let a = lab.node("r1", &[]);
    let mut captures = 0;
    for entry in fs::read_dir(goldens()).expect("goldens").flatten() {
        let path = entry.path();
        if path.extension().is_none_or(|end| end != "pcap") {
            continue;
        }
        let path = path.to_str().expect("UTF-8");
        match compare(ctx, &a, path) {
            None => return Outcome::Skipped("tshark is not installed".into()),
            Some(compared) => assert!(compared >= 20, "{path}: {compared} values"),
        }
        captures += 1;
    }
    assert!(captures >= 6, "{captures} captures");
    Outcome::Passed
}

/// The configuration of the listening router, with a line number for each keyword.
fn router(name: &str, change: &[(&str, &str)]) -> String {
    let mut text = "\
vrrp_instance lan {
    interface eth0
    virtual_router_id 51
    priority 100
    version 2
    advert_int 1
    authentication {
        auth_type PASS
        auth_pass s3cret
    }
    virtual_ipaddress {
        10.0.0.100/24
    }
}
"
    .to_owned();
    for (from, to) in change {
        assert!(text.contains(from), "{name}: {from}");
        text = text.replace(from, to);
    }
    text
}

fn disagree(ctx: &Ctx) -> Outcome {
    let lab = Lab::new();
    let a = lab.node("r1", &["10.0.0.1/24"]);
    let b = lab.node("r2", &["10.0.0.2/24"]);
    let sender = Inst::new(51, 150, "10.0.0.100/24").v2().pass("s3cret");
    let _run = ctx.daemon.start(&a, &Conf::of(&[sender]));
    wait_until(SOON, "it is master", || a.has("10.0.0.100"));
    /// Name, replacements in the configuration, and what is said.
    type Case<'a> = (&'a str, &'a [(&'a str, &'a str)], &'a str);
    let cases: [Case<'_>; 9] = [
        ("nothing", &[], "lan: accepted"),
        (
            "password",
            &[("auth_pass s3cret", "auth_pass other")],
            "lan: rejected: CONF:9: auth_pass differs from that of 10.0.0.1",
        ),
        (
            "interval",
            &[("advert_int 1", "advert_int 2")],
            "lan: rejected: CONF:6: advert_int 2 → 1, as 10.0.0.1 sends",
        ),
        (
            "version",
            &[("version 2", "version 3")],
            "lan: rejected: CONF:5: version 3 → 2, as 10.0.0.1 sends",
        ),
        (
            "VIP list",
            &[("10.0.0.100/24", "10.0.0.100/24\n        10.0.0.101/24")],
            "lan: accepted: CONF:11: virtual_ipaddress has 10.0.0.101, which 10.0.0.1 lacks; \
             keepalived before 2.3.3 rejects it",
        ),
        (
            "authentication type",
            &[("PASS", "AH")],
            "lan: rejected: CONF:8: auth_type AH → PASS, as 10.0.0.1 sends",
        ),
        (
            "no authentication",
            &[(
                "    authentication {\n        auth_type PASS\n        auth_pass s3cret\n    }\n",
                "",
            )],
            "lan: rejected: CONF:1: add `authentication` with auth_type PASS and the auth_pass of \
             10.0.0.1",
        ),
        (
            "group",
            &[(
                "    priority 100\n",
                "    priority 100\n    mcast_dst_ip 224.0.0.99\n",
            )],
            "lan: rejected: CONF:5: mcast_dst_ip 224.0.0.99 → 224.0.0.18, as 10.0.0.1 sends",
        ),
        (
            "unicast",
            &[(
                "    priority 100\n",
                "    priority 100\n    unicast_peer {\n        10.0.0.1\n    }\n",
            )],
            "lan: rejected: CONF:5: 10.0.0.1 sends multicast; remove `unicast_peer`, or add it there",
        ),
    ];
    for (name, change, want) in cases {
        let path = format!("{DIR}/{}.conf", b.id());
        fs::write(&path, router(name, change)).expect("a configuration");
        let (out, _) = sniff(ctx, &b, &["-i", "eth0", "-c", "1", "-f", &path]);
        let _ = fs::remove_file(&path);
        let said = out.lines().nth(1).unwrap_or_default().trim_start();
        assert_eq!(said, want.replace("CONF", &path), "{name}");
        for secret in ["s3cret", "other\n"] {
            assert!(!out.contains(secret), "{name}: {out}");
        }
    }
    Outcome::Passed
}

fn start(node: &Node, cmd: &mut Command) -> Child {
    cmd.stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    node.spawn(cmd)
}

fn two_masters(ctx: &Ctx) -> Outcome {
    let lab = Lab::new();
    let nodes = [1, 2, 3].map(|n| lab.node(&format!("r{n}"), &[&format!("10.0.0.{n}/24")]));
    let [a, b, c] = &nodes;
    let conf = |password| Conf::of(&[Inst::new(51, 150, "10.0.0.100/24").v2().pass(password)]);
    let _runs = [
        ctx.daemon.start(a, &conf("one")),
        ctx.daemon.start(b, &conf("two")),
    ];
    wait_until(SOON, "both are master", || {
        a.has("10.0.0.100") && b.has("10.0.0.100")
    });
    let path = format!("{DIR}/{}.pcap", c.id());
    let child = start(c, &mut command(ctx, &["-i", "eth0", "-w", &path]));
    // Six adverts: a header, and 70 bytes for each.
    wait_until(SOON, "six adverts", || {
        fs::metadata(&path).is_ok_and(|data| data.len() >= 24 + 6 * 70)
    });
    let pid = Pid::from_raw(i32::try_from(child.id()).expect("a pid"));
    kill(pid, Signal::SIGINT).expect("it runs");
    let output = child.wait_with_output().expect("it ends");
    let _ = fs::remove_file(&path);
    assert!(output.status.success(), "{output:?}");
    let summary = String::from_utf8_lossy(&output.stderr);
    let want = "eth0 vrid 51 two masters at once: 10.0.0.1 (priority 150), 10.0.0.2 (priority 150)";
    assert!(summary.lines().any(|line| line == want), "{summary}");
    Outcome::Passed
}

fn ends(ctx: &Ctx) -> Outcome {
    let lab = Lab::new();
    let a = lab.node("r1", &["10.0.0.1/24"]);
    let b = lab.node("r2", &["10.0.0.2/24"]);
    let _run = ctx
        .daemon
        .start(&a, &Conf::of(&[Inst::new(51, 150, "10.0.0.100/24")]));
    let mut child = start(&b, &mut command(ctx, &["-i", "eth0"]));
    drop(child.stdout.take());
    let status = wait_for(SOON, || child.try_wait().expect("a child"));
    let status = status.expect("it ends when nobody reads");
    assert!(status.success(), "{status:?}, signal {:?}", status.signal());
    let mut cmd = Command::new("setpriv");
    cmd.args(["--bounding-set=-all", "--inh-caps=-all"]);
    cmd.arg(ctx.daemon.path()).args(["sniff", "-i", "eth0"]);
    let output = b.output(&mut cmd);
    let said = String::from_utf8_lossy(&output.stderr);
    let want = "vrrpd: sniff: cannot listen on eth0: run it as root, or with CAP_NET_RAW\n";
    assert_eq!((output.status.code(), &*said), (Some(1), want));
    let output = b.output(&mut command(ctx, &["-i", "eth7"]));
    let said = String::from_utf8_lossy(&output.stderr);
    let want = "vrrpd: sniff: eth7 is no Ethernet interface here\n";
    assert_eq!((output.status.code(), &*said), (Some(1), want));
    Outcome::Passed
}

fn vlan(ctx: &Ctx) -> Outcome {
    let lab = Lab::new();
    let a = lab.node("r1", &[]);
    let b = lab.node("r2", &[]);
    let addresses = [ip("10.7.0.100")];
    let packet = Packet::v3(ip("10.7.0.1"), 51, 150, &addresses);
    let mut frame = packet.frame(a.mac());
    frame.splice(12..12, [0x81, 0, 0, 7]);
    let path = format!("{DIR}/{}.pcap", b.id());
    let flood = Stream::start(&a, vec![frame], 50);
    let (out, _) = sniff(ctx, &b, &["-i", "eth0", "-c", "2", "-w", &path]);
    drop(flood);
    let want = " eth0 vlan 7 10.7.0.1 > 224.0.0.18 v3 vrid 51 ";
    assert!(out.lines().all(|line| line.contains(want)), "{out}");
    let (again, _) = sniff(ctx, &b, &["-r", &path]);
    assert!(
        again.lines().all(|line| line.contains(" vlan 7 10.7.0.1 ")),
        "{again}"
    );
    let _ = fs::remove_file(&path);
    Outcome::Passed
}
