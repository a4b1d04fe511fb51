//! Tiny and huge values of the configuration.

use vrrpd_lab::noise;
use vrrpd_lab::{Capture, Conf, Inst, Lab, MS, Ns, now, process, sleep_ms, wait_until};

use crate::support::{INTERVAL, SOON, VIP};
use crate::{Ctx, Outcome, Test};

pub(crate) const TESTS: &[Test] = &[Test::new(
    "tiny_intervals_of_scripts_and_checks_leave_time_for_adverts",
    tiny,
)
.keepalived_fails("takes them as they are")];

/// The shortest intervals that can be written, of everything that is repeated.
fn tiny(ctx: &Ctx) -> Outcome {
    let lab = Lab::new();
    let node = lab.node("r1", &["10.0.0.1/24"]);
    let instance = Inst::new(51, 255, "10.0.0.100/24")
        .line("garp_master_refresh 0.000001")
        .line("garp_master_refresh_repeat 4000000000")
        .line("track_script {\n        tiny\n    }");
    let text = format!(
        "vrrp_script tiny {{
    script \"/bin/true\"
    interval 0.000001
    timeout 0.000001
    weight 1
}}
{}
virtual_server 10.9.9.9 80 {{
    protocol TCP
    delay_loop 0.001
    real_server 10.0.0.1 9 {{
        TCP_CHECK {{
            retry 4000000000
            delay_before_retry 0.000001
        }}
    }}
}}
",
        Conf::of(&[instance]).global("script_user root").text()
    );
    let cap = Capture::start(&lab);
    let run = ctx.daemon.start_text(&node, &text, &[]);
    wait_until(SOON, "master", || node.has(VIP));
    let (since, used) = (now(), process::cpu(&[run.pid()]));
    sleep_ms(2_000);
    let used = process::cpu(&[run.pid()]).saturating_sub(used);
    let frames = cap.adverts(&node, 0, since);
    let gaps = frames.windows(2).map(|pair| pair[1].0 - pair[0].0);
    let worst = gaps.max().unwrap_or(Ns::MAX);
    assert!(
        worst < INTERVAL + 60 * MS + noise::since(since),
        "{} ms between two adverts",
        worst / MS
    );
    assert!(
        used < 300 * 1_000_000,
        "{} ms of CPU in 2 s",
        used / 1_000_000
    );
    Outcome::Passed
}
