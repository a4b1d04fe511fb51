//! Virtual servers without IPVS: notifications, and running VRRP or the checker alone.

use std::fs;
use std::path::Path;

use vrrpd_lab::private::DIR;
use vrrpd_lab::{Capture, Lab, now, sleep_ms, wait_until};

use crate::notify::{Reader, lines, script};
use crate::support::{SOON, VIP, conf};
use crate::{Ctx, Outcome, Test};

/// Its checker exits without IPVS.
const WITHOUT_IPVS: &str = "has no checker without IPVS";

pub(crate) const TESTS: &[Test] = &[
    Test::new("servers_notify_scripts_and_fifo", notify).keepalived_fails(WITHOUT_IPVS),
    Test::new("vrrp_and_checker_run_separately", halves).keepalived_fails(WITHOUT_IPVS),
];

/// A virtual server whose first real server is up while a file exists.
fn service(alive: &str, more: &str) -> String {
    format!(
        "
virtual_server 10.9.9.9 80 {{
    delay_loop 0.1
    protocol TCP
    lb_kind NAT
    quorum 2
    {more}
    real_server 10.0.0.11 80 {{
        notify_up \"{DIR}/notify-server.sh server up\"
        notify_down \"{DIR}/notify-server.sh server down\"
        MISC_CHECK {{
            misc_path \"/usr/bin/test -e {alive}\"
            retry 0
            warmup 0
        }}
    }}
    real_server 10.0.0.12 80 {{
    }}
}}
"
    )
}

fn notify(ctx: &Ctx) -> Outcome {
    let lab = Lab::new();
    let a = lab.node("r1", &["10.0.0.1/24"]);
    let (out, fifo) = (
        format!("{DIR}/notify-server"),
        format!("{DIR}/notify-server.fifo"),
    );
    let (alive, notify) = (format!("{out}.alive"), format!("{out}.sh"));
    assert_eq!(
        notify,
        script("notify-server", &format!("echo \"$*\" >> {out}"))
    );
    fs::write(&alive, "").expect("a file");
    let more = format!(
        "omega\n    quorum_up \"{notify} quorum up\"\n    quorum_down \"{notify} quorum down\"\n    \
         sorry_server 10.0.0.99 80"
    );
    let text = format!(
        "global_defs {{\n    script_user root\n    lvs_notify_fifo {fifo}\n}}\n{}",
        service(&alive, &more)
    );
    let mut run = ctx.daemon.start_text(&a, &text, &[]);
    let mut reader = Reader::open(&fifo);
    let mut fifo_lines = String::new();
    let mut until = |what: &str, scripts: usize| {
        wait_until(SOON, what, || {
            fifo_lines += &reader.take();
            fifo_lines.ends_with(&format!("{what}\n")) && lines(&out).len() == scripts
        });
    };
    let vs = "VS [10.9.9.9]:tcp:80";
    until(&format!("{vs} UP"), 1);
    fs::remove_file(&alive).expect("removed");
    until(&format!("{vs} DOWN"), 3);
    fs::write(&alive, "").expect("a file");
    until(&format!("{vs} UP"), 5);
    run.term();
    assert!(run.wait_exit(SOON).is_some(), "it ends");
    until(&format!("{vs} DOWN"), 7);
    let rs = "RS [10.0.0.11]:tcp:80 [10.9.9.9]:tcp:80";
    let other = "RS [10.0.0.12]:tcp:80 [10.9.9.9]:tcp:80";
    let want = [
        format!("{vs} UP"),
        format!("{rs} DOWN"),
        format!("{vs} DOWN"),
        format!("{rs} UP"),
        format!("{vs} UP"),
        format!("{rs} DOWN"),
        format!("{other} DOWN"),
        format!("{vs} DOWN"),
    ];
    assert_eq!(fifo_lines.lines().collect::<Vec<_>>(), want);
    // In order for each server; the servers run independently.
    for whose in ["server", "quorum"] {
        let all = lines(&out);
        let own: Vec<&String> = all.iter().filter(|line| line.starts_with(whose)).collect();
        let words = match whose {
            "server" => &["down", "up", "down"][..],
            _ => &["up", "down", "up", "down"],
        };
        let want: Vec<String> = words.iter().map(|word| format!("{whose} {word}")).collect();
        assert_eq!(own, want.iter().collect::<Vec<_>>());
    }
    let log = run.log();
    for words in [
        "Removing service [10.0.0.11]:tcp:80 from VS [10.9.9.9]:tcp:80",
        "Lost quorum 2-0=2 > 1 for VS [10.9.9.9]:tcp:80",
        "Adding sorry server [10.0.0.99]:tcp:80 to VS [10.9.9.9]:tcp:80",
        "Removing alive servers from the pool for VS [10.9.9.9]:tcp:80",
        "Adding service [10.0.0.11]:tcp:80 to VS [10.9.9.9]:tcp:80",
        "Gained quorum 2+0=2 <= 2 for VS [10.9.9.9]:tcp:80",
        "Shutting down service [10.0.0.11]:tcp:80 from VS [10.9.9.9]:tcp:80",
    ] {
        assert!(log.contains(words), "{words} not in:\n{log}");
    }
    assert!(!Path::new(&fifo).exists(), "the FIFO goes with the daemon");
    Outcome::Passed
}

fn halves(ctx: &Ctx) -> Outcome {
    let lab = Lab::new();
    let a = lab.node("r1", &["10.0.0.1/24"]);
    let cap = Capture::start(&lab);
    let (file, fifo) = (format!("{DIR}/halves.conf"), format!("{DIR}/halves.fifo"));
    script("notify-server", "exit 0");
    let text = conf(200, &[]);
    let text = text.global(&format!("lvs_notify_fifo {fifo}"));
    let text = text.global("script_user root").text();
    let text = text + &service("/nonexistent", "");
    fs::write(&file, text).expect("written");
    let pid = format!("{DIR}/halves.pid");
    let args = ["-n", "-l", "-f", &file, "-p", &pid];
    let since = now();
    let mut run = ctx.daemon.start_args(&a, &[&args[..], &["-C"]].concat());
    let mut reader = Reader::open(&fifo);
    let mut fifo_lines = String::new();
    wait_until(SOON, "the server is down", || {
        fifo_lines += &reader.take();
        fifo_lines.contains("RS [10.0.0.11]:tcp:80 [10.9.9.9]:tcp:80 DOWN\n")
    });
    // Longer than a takeover takes.
    sleep_ms(600);
    assert!(!a.has(VIP), "VRRP was not asked for");
    assert_eq!(cap.adverts(&a, 51, since).len(), 0);
    run.term();
    assert!(run.wait_exit(SOON).is_some());
    let run = ctx.daemon.start_args(&a, &[&args[..], &["-P"]].concat());
    wait_until(SOON, "VRRP runs", || a.has(VIP));
    sleep_ms(300);
    assert!(
        !Path::new(&fifo).exists(),
        "virtual servers were not asked for"
    );
    assert!(!run.log().contains("MISC"), "{}", run.log());
    assert!(run.log().contains("-P: 1 virtual servers left out"));
    Outcome::Passed
}
