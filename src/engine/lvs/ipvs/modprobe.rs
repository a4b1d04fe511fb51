//! Loads the module `ip_vs`. Since Linux 5.16 the kernel loads it when its netlink family is looked
//! up; for older kernels modprobe is started, without waiting for it.

use core::time::Duration;

use crate::config::model::{Command, User};
use crate::engine::cx::Cx;
use crate::engine::notify::children::{ChildCommand, Owner};
use crate::engine::shared::Shared;
use crate::log;

/// Time limit of modprobe.
const TIME_LIMIT: Duration = Duration::from_secs(30);
/// The program that the kernel uses itself.
const MODPROBE_SETTING: &str = "/proc/sys/kernel/modprobe";
const MODPROBE: &str = "/sbin/modprobe";
/// From the start of modprobe to the first attempt to use IPVS; doubled for each further one.
const FIRST_WAIT: Duration = Duration::from_millis(100);
const MAX_ATTEMPTS: u32 = 4;

/// Progress of loading the module.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(super) enum Module {
    /// The module is loaded, or was not needed so far.
    #[default]
    Unneeded,
    /// modprobe is to be started.
    Needed,
    /// modprobe was started, and IPVS was looked for this many times since.
    Loading(u32),
    /// Loading had no effect.
    Missing,
}

impl Module {
    /// IPVS was not found: the time after which to look again; `None`: the module cannot be loaded.
    pub(super) fn wait_for_loading(&mut self) -> Option<Duration> {
        let (state, wait) = match *self {
            Module::Unneeded | Module::Needed => (Module::Needed, Some(FIRST_WAIT)),
            Module::Loading(attempts) if attempts < MAX_ATTEMPTS => {
                let attempts = attempts.saturating_add(1);
                let wait = FIRST_WAIT.saturating_mul(1_u32.wrapping_shl(attempts));
                (Module::Loading(attempts), Some(wait))
            }
            Module::Loading(_) | Module::Missing => (Module::Missing, None),
        };
        *self = state;
        wait
    }

    /// Whether modprobe is to be started now.
    pub(super) fn start_loading(&mut self) -> bool {
        let needed = *self == Module::Needed;
        if needed {
            *self = Module::Loading(0);
        }
        needed
    }
}

/// Starts modprobe.
pub(super) fn run(cx: &mut Cx<'_>, shared: &mut Shared) {
    let setting = cx.system.read_file(MODPROBE_SETTING).unwrap_or_default();
    let setting = core::str::from_utf8(&setting).unwrap_or_default().trim();
    let program = Some(setting).filter(|path| path.starts_with('/'));
    let command = Command {
        argv: vec![program.unwrap_or(MODPROBE).into(), "ip_vs".into()],
        user: User::default(),
        secure: false,
    };
    let limit = Some(TIME_LIMIT);
    let started = shared
        .children
        .run(cx, Owner::None, ChildCommand::plain(&command), limit);
    if let Err(error) = started {
        log::debug!(target: "lvs", "modprobe ip_vs: {error}");
    }
    shared.set_children_timer();
}
