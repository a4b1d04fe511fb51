//! Things instances track: interfaces, scripts, processes, files, BFD sessions.

use super::Reason;
use super::row::{Arg, Items, Keyword, Options, Schema, row};
use super::vrrp::MEMBERS;

/// `track_group NAME { … }`.
pub(super) static TRACK_GROUP: Schema = Schema {
    name: "track_group",
    tables: &[TRACK_GROUP_ROWS],
};

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
    what: "interface",
    args: &[Arg::If, Arg::Options(&WEIGHT_253)],
    several: false,
};

static TRACKED_253: Items = Items {
    what: "name",
    args: &[Arg::Name(255), Arg::Options(&WEIGHT_253)],
    several: false,
};

static TRACKED_254: Items = Items {
    what: "name",
    args: &[Arg::Name(255), Arg::Options(&WEIGHT_254)],
    several: false,
};

static WEIGHT_253: Options = Options {
    what: "tracked objects",
    rows: WEIGHT_253_OPTIONS,
    bare: None,
    repeats: false,
};

static WEIGHT_254: Options = Options {
    what: "tracked objects",
    rows: WEIGHT_254_OPTIONS,
    bare: None,
    repeats: false,
};

#[rustfmt::skip]
static WEIGHT_253_OPTIONS: &[Keyword] = &[
    row!("weight", [Arg::Int(-253, 253)], S, "", "change of priority, -253 to 253; 0: FAULT"),
    row!("reverse", [], A, "", "good counts as bad"),
    row!("noreverse", [], B, "", "not reversed, whatever the object says"),
];

#[rustfmt::skip]
static WEIGHT_254_OPTIONS: &[Keyword] = &[
    row!("weight", [Arg::Int(-254, 254)], A, "", "change of priority, -254 to 254; 0: FAULT"),
    row!("reverse", [], A, "", "good counts as bad"),
    row!("noreverse", [], B, "", "not reversed, whatever the object says"),
];

const REVERSE: Arg = Arg::Opt(&Arg::Choice(&"reverse noreverse"));

/// Tracking of an instance.
#[rustfmt::skip]
pub(super) static TRACKING: &[Keyword] = &[
    row!("track_interface", [], S, "", "interfaces that must be up: IF [weight N [reverse]]; weight 0: FAULT when down").items(&TRACKED_INTERFACES).repeat(),
    row!("dont_track_primary", [], S, "", "ignore the state of the instance's own interface"),
    row!("linkbeat_use_polling", [], C, "", "poll the driver for its link state").no_effect(Reason::LinkEvents),
    row!("track_script", [], S, "", "scripts that must succeed: NAME [weight N [reverse]]").items(&TRACKED_253).repeat(),
    row!("track_file", [], A, "", "files whose numbers count: NAME [weight N [reverse]]").items(&TRACKED_254).repeat(),
    row!("track_process", [], A, "", "processes that must run: NAME [weight N [reverse]]").items(&TRACKED_254).repeat(),
    row!("track_bfd", [], B, "", "BFD sessions that must be up: NAME [weight N [reverse]]").items(&TRACKED_253).repeat().unimplemented(Reason::AllWell),
];

/// Tracking of a sync group.
#[rustfmt::skip]
pub(super) static TRACKING_COMMON: &[Keyword] = &[
    row!("track_interface", [], A, "", "interfaces every member tracks").items(&TRACKED_INTERFACES).repeat(),
    row!("track_script", [], A, "", "scripts every member tracks").items(&TRACKED_253).repeat(),
    row!("track_file", [], A, "", "files every member tracks").items(&TRACKED_254).repeat(),
    row!("track_process", [], A, "", "processes every member tracks").items(&TRACKED_254).repeat(),
    row!("track_bfd", [], B, "", "BFD sessions every member tracks").items(&TRACKED_253).repeat().unimplemented(Reason::AllWell),
];

#[rustfmt::skip]
static TRACK_GROUP_ROWS: &[Keyword] = &[
    row!("group", [], B, "", "instances of the group").items(&MEMBERS).repeat(),
];

const SECONDS: Arg = Arg::Secs(0, u32::MAX);
const COUNT: Arg = Arg::Int(1, i32::MAX);

#[rustfmt::skip]
static SCRIPT_ROWS: &[Keyword] = &[
    row!("script", [Arg::Cmd], S, "", "the command; exit status 0 is success; required"),
    row!("interval", [SECONDS], S, "1", "seconds from run to run; 0 counts as 1"),
    row!("timeout", [SECONDS], A, "", "seconds a run may take; the interval without it"),
    row!("weight", [Arg::Int(-253, 253), REVERSE], S, "0", "change of priority, -253 to 253; 0: FAULT on failure"),
    row!("rise", [COUNT], A, "1", "successes in a row that count as success"),
    row!("fall", [COUNT], A, "1", "failures in a row that count as failure"),
    row!("user", [Arg::User], A, "", "who runs it: user [group]; script_user without it"),
    row!("init_fail", [], A, "", "counts as failed until its first success"),
];

#[rustfmt::skip]
static PROCESS_ROWS: &[Keyword] = &[
    row!("process", [Arg::Cmd], A, "", "name of the process, and its parameters; required"),
    row!("param_match", [Arg::Opt(&Arg::Choice(&"initial partial"))], A, "", "compare parameters: all of them, the first ones, or some of them"),
    row!("weight", [Arg::Int(-254, 254), REVERSE], A, "0", "change of priority, -254 to 254"),
    row!("quorum", [COUNT], A, "1", "at least so many processes"),
    row!("quorum_max", [Arg::Int(0, i32::MAX)], A, "", "at most so many processes"),
    row!("delay", [Arg::Secs(0, 3_600_000)], A, "", "seconds a change must last to be believed"),
    row!("terminate_delay", [Arg::Secs(0, 3_600_000)], A, "", "seconds a loss must last to be believed"),
    row!("fork_delay", [Arg::Secs(0, 3_600_000)], A, "", "seconds a gain must last to be believed"),
    row!("full_command", [], A, "", "compare the whole command line"),
];

#[rustfmt::skip]
static FILE_ROWS: &[Keyword] = &[
    row!("file", [Arg::Str], A, "", "path of the file, which holds one decimal number; required"),
    row!("weight", [Arg::Int(-254, 254), REVERSE], A, "1", "factor of the number, -254 to 254; 0: FAULT unless the number is 0"),
    row!("init_file", [Arg::Opt(&Arg::Str), Arg::Opt(&Arg::Choice(&"overwrite"))], A, "", "create the file at the start: [VALUE] [overwrite]"),
];

#[rustfmt::skip]
static BFD_ROWS: &[Keyword] = &[
    row!("neighbor_ip", [Arg::Ip], B, "", "the neighbor; required"),
    row!("neighbour_ip" = "neighbor_ip", [Arg::Ip], B),
    row!("source_ip", [Arg::Ip], B, "", "our address"),
    row!("min_rx", [Arg::Int(1, 1_000_000)], B, "10", "milliseconds between packets we can receive"),
    row!("min_tx", [Arg::Int(1, 1_000_000)], B, "10", "milliseconds between packets we send"),
    row!("idle_tx", [Arg::Int(1, 1_000_000)], B, "1000", "milliseconds between packets while the session is down"),
    row!("multiplier", [Arg::Int(1, 255)], B, "5", "missed packets before the session is down, 1-255"),
    row!("passive", [], B, "", "let the neighbor begin"),
    row!("ttl", [Arg::Int(1, 255)], B, "255", "TTL sent over IPv4"),
    row!("hoplimit", [Arg::Int(1, 255)], B, "64", "hop limit sent over IPv6"),
    row!("max_hops", [Arg::Int(-1, 255)], B, "0", "routers that may lie between, -1 to 255; -1: any number"),
    row!("multihop", [Arg::Bool], B, "off", "the neighbor is not on the link: port 4784"),
    row!("weight", [Arg::Int(-253, 253), REVERSE], B, "0", "change of priority, -253 to 253"),
    row!("vrrp", [], B, "", "instances use the session"),
    row!("checker", [], B, "", "checkers use the session"),
];
