//! Things instances track: interfaces, scripts, processes, files, BFD sessions.

use super::Reason;
use super::row::{Arg, Items, Keyword, LONGEST, MANY, Options, SHORTEST, Schema, row};

/// `vrrp_script NAME { … }`.
pub(super) static SCRIPT: Schema = Schema {
    name: "vrrp_script",
    tables: &[SCRIPT_ROWS],
};

/// `vrrp_track_process NAME { … }`.
pub(super) static PROCESS: Schema = Schema {
    name: "vrrp_track_process",
    tables: &[PROCESS_ROWS],
};

/// `track_file NAME { … }`.
pub(super) static FILE: Schema = Schema {
    name: "track_file",
    tables: &[FILE_ROWS],
};

/// `bfd_instance NAME { … }`.
pub(super) static BFD: Schema = Schema {
    name: "bfd_instance",
    tables: &[BFD_ROWS],
};

static TRACKED_INTERFACES: Items = Items {
    noun: "interface",
    args: &[Arg::If, Arg::Options(&WEIGHT_253)],
    many_per_line: false,
};

static TRACKED_253: Items = Items {
    noun: "name",
    args: &[Arg::Name(255), Arg::Options(&WEIGHT_253)],
    many_per_line: false,
};

static TRACKED_254: Items = Items {
    noun: "name",
    args: &[Arg::Name(255), Arg::Options(&WEIGHT_254)],
    many_per_line: false,
};

static WEIGHT_253: Options = Options {
    noun: "tracking",
    rows: WEIGHT_253_OPTIONS,
    positional: None,
    repeatable: false,
};

static WEIGHT_254: Options = Options {
    noun: "tracking",
    rows: WEIGHT_254_OPTIONS,
    positional: None,
    repeatable: false,
};

#[rustfmt::skip]
static WEIGHT_253_OPTIONS: &[Keyword] = &[
    row!("weight", [Arg::Int(-253, 253)], S, "", "Change of the priority, -253 to 253: positive: added on success, negative: subtracted on failure; 0: FAULT state on failure"),
    row!("reverse", [], A, "", "Invert the weight: success counts as failure"),
    row!("noreverse", [], B, "", "Do not invert the weight, even if the tracked object says reverse"),
];

#[rustfmt::skip]
static WEIGHT_254_OPTIONS: &[Keyword] = &[
    row!("weight", [Arg::Int(-254, 254)], A, "", "Change of the priority, -254 to 254: positive: added on success, negative: subtracted on failure; 0: FAULT state on failure"),
    row!("reverse", [], A, "", "Invert the weight: success counts as failure"),
    row!("noreverse", [], B, "", "Do not invert the weight, even if the tracked object says reverse"),
];

const REVERSE: Arg = Arg::Opt(&Arg::Choice(&"reverse noreverse"));

/// Tracking of an instance.
#[rustfmt::skip]
pub(super) static TRACKING: &[Keyword] = &[
    row!("track_interface", [], S, "", "Interfaces that are tracked: IF [weight N [reverse]]; without a weight: FAULT state while the interface is down").items(&TRACKED_INTERFACES).repeat(),
    row!("dont_track_primary", [], S, "", "Do not go to FAULT state when the interface of the instance is down"),
    row!("linkbeat_use_polling", [], C, "", "Poll the driver of the interface for its link state").no_effect(Reason::LinkEvents),
    row!("track_script", [], S, "", "Scripts whose result is tracked: NAME [weight N [reverse]]").items(&TRACKED_253).repeat(),
    row!("track_file", [], A, "", "Files whose number is tracked: NAME [weight N [reverse]]").items(&TRACKED_254).repeat(),
    row!("track_process", [], A, "", "Processes that are tracked: NAME [weight N [reverse]]").items(&TRACKED_254).repeat(),
    row!("track_bfd", [], B, "", "BFD sessions that are tracked: NAME [weight N [reverse]]").items(&TRACKED_253).repeat().unimplemented(Reason::TrackedAssumedUp),
];

/// Tracking of a sync group.
#[rustfmt::skip]
pub(super) static TRACKING_COMMON: &[Keyword] = &[
    row!("track_interface", [], A, "", "Interfaces that every member tracks").items(&TRACKED_INTERFACES).repeat(),
    row!("track_script", [], A, "", "Scripts that every member tracks").items(&TRACKED_253).repeat(),
    row!("track_file", [], A, "", "Files that every member tracks").items(&TRACKED_254).repeat(),
    row!("track_process", [], A, "", "Processes that every member tracks").items(&TRACKED_254).repeat(),
    row!("track_bfd", [], B, "", "BFD sessions that every member tracks").items(&TRACKED_253).repeat().unimplemented(Reason::TrackedAssumedUp),
];

const COUNT: Arg = Arg::Most(1, MANY);

#[rustfmt::skip]
static SCRIPT_ROWS: &[Keyword] = &[
    row!("script", [Arg::Cmd], S, "", "Command to run; exit status 0 is success; required"),
    row!("interval", [Arg::Time(SHORTEST, LONGEST)], S, "1", "Interval between runs in seconds; 0 counts as 1"),
    row!("timeout", [Arg::Time(10, LONGEST)], A, "", "Time limit of a run in seconds, after which it counts as failed; default: interval"),
    row!("weight", [Arg::Int(-253, 253), REVERSE], S, "0", "Change of the priority, -253 to 253: positive: added on success, negative: subtracted on failure; 0: FAULT state on failure"),
    row!("rise", [COUNT], A, "1", "Number of consecutive successes before the script counts as successful"),
    row!("fall", [COUNT], A, "1", "Number of consecutive failures before the script counts as failed"),
    row!("user", [Arg::User], A, "", "User that the script runs as: USER [GROUP]; default: script_user").partial("no supplementary groups (`:`), which is reported"),
    row!("init_fail", [], A, "", "Count the script as failed until it succeeds for the first time"),
];

#[rustfmt::skip]
static PROCESS_ROWS: &[Keyword] = &[
    row!("process", [Arg::Cmd], A, "", "Name of the process, with parameters if they are to be compared; required"),
    row!("param_match", [Arg::Opt(&Arg::Choice(&"initial partial"))], A, "", "Compare the parameters: no word: all; initial: the leading ones; partial: a consecutive part"),
    row!("weight", [Arg::Int(-254, 254), REVERSE], A, "0", "Change of the priority, -254 to 254: positive: added while the quorum is met, negative: subtracted while it is not; 0: FAULT state"),
    row!("quorum", [COUNT], A, "1", "Minimum number of processes"),
    row!("quorum_max", [Arg::Most(0, MANY)], A, "", "Maximum number of processes"),
    row!("delay", [Arg::Time(1, 3_600_000)], A, "", "Time in seconds that a change must last before it counts; sets terminate_delay and fork_delay"),
    row!("terminate_delay", [Arg::Time(1, 3_600_000)], A, "", "Time in seconds that a loss of the quorum must last before it counts"),
    row!("fork_delay", [Arg::Time(1, 3_600_000)], A, "", "Time in seconds that a gain of the quorum must last before it counts"),
    row!("full_command", [], A, "", "Compare the full command line instead of the process name"),
];

#[rustfmt::skip]
static FILE_ROWS: &[Keyword] = &[
    row!("file", [Arg::Str], A, "", "Path of the file, which holds one decimal number; required").first(),
    row!("weight", [Arg::Int(-2_147_483_647, i32::MAX), REVERSE], A, "1", "Factor by which the number is multiplied before it is added to the priority or weight; 0: FAULT state unless the number is 0").first(),
    row!("init_file", [Arg::Opt(&Arg::Str), Arg::Opt(&Arg::Choice(&"overwrite"))], A, "", "Create the file at start: [VALUE] [overwrite]"),
];

/// Decimal milliseconds up to 1000 seconds.
const MILLIS: Arg = Arg::Secs(1, 1_000_000_000);

#[rustfmt::skip]
static BFD_ROWS: &[Keyword] = &[
    row!("neighbor_ip", [Arg::Ip], B, "", "Address of the neighbor; required"),
    row!("neighbour_ip" = "neighbor_ip", [Arg::Ip], B),
    row!("source_ip", [Arg::Ip], B, "", "Source address of the session; default: chosen by the kernel"),
    row!("min_rx", [MILLIS], B, "10", "Required minimum receive interval, in milliseconds"),
    row!("min_tx", [MILLIS], B, "10", "Desired minimum transmit interval, in milliseconds"),
    row!("idle_tx", [MILLIS], B, "1000", "Transmit interval while the session is down, in milliseconds"),
    row!("multiplier", [Arg::Int(1, 255)], B, "5", "Detection multiplier: number of missed packets before the session goes down, 1-255"),
    row!("passive", [], B, "", "Passive role: send nothing until the neighbor has sent a packet"),
    row!("ttl", [Arg::Int(1, 255)], B, "255", "TTL of packets over IPv4"),
    row!("hoplimit", [Arg::Int(1, 255)], B, "64", "Hop limit of packets over IPv6"),
    row!("max_hops", [Arg::Int(-1, 255)], B, "0", "Maximum number of hops to the neighbor, -1 to 255; -1: unlimited"),
    row!("multihop", [Arg::Bool], B, "off", "Multihop session (RFC 5883, UDP port 4784)"),
    row!("weight", [Arg::Int(-253, 253), REVERSE], B, "0", "Change of the priority, -253 to 253: positive: added while the session is up, negative: subtracted while it is down; 0: FAULT state while down"),
    row!("vrrp", [], B, "", "Use the session for instances"),
    row!("checker", [], B, "", "Use the session for health checks"),
];
