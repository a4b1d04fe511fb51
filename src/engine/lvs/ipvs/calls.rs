//! What the rest of the engine asks of IPVS: five calls, and modprobe for those who have not got it.

use crate::engine::cx::Cx;
use core::time::Duration;

use crate::config::model::{Command, User};
use crate::engine::Engine;
use crate::engine::lvs::ipvs::Module;
use crate::engine::lvs::ipvs::sync::Roles;
use crate::engine::notify::children::Owner;
use crate::engine::timers::TimerKey;
use crate::netlink::ipvs::Role;
use crate::types::ipvs::{Destination, Service};

/// How long modprobe may take.
const LOADING_LIMIT: Duration = Duration::from_secs(30);
/// Where the kernel tells which modprobe it uses itself.
const MODPROBE_SETTING: &str = "/proc/sys/kernel/modprobe";
const MODPROBE: &str = "/sbin/modprobe";

/// Services with their servers.
type Desired<'a> = &'a [(Service, Vec<Destination>)];

impl Engine {
    /// The daemon begins.
    pub(crate) fn start_ipvs(&mut self, cx: &mut Cx<'_>, desired: Desired<'_>) {
        // Who goes on as master has connections to keep.
        let goes_on = self.routers.iter().any(|router| router.resume.resuming);
        self.lvs.kernel.flush = self.lvs.conf.flush && !goes_on;
        self.renew_ipvs(cx, desired);
    }

    /// Another configuration, or another idea of what all services should be.
    pub(crate) fn renew_ipvs(&mut self, cx: &mut Cx<'_>, desired: Desired<'_>) {
        self.lvs.kernel.limits.set(self.lvs.conf.timeouts);
        self.follow_instance();
        self.lvs.kernel.reconcile(cx, desired);
        self.set_ipvs_timer(cx);
    }

    /// One service should be another.
    pub(crate) fn change_ipvs(
        &mut self,
        cx: &mut Cx<'_>,
        (service, servers): (&Service, &[Destination]),
    ) {
        self.lvs.kernel.change(cx, service, servers);
        self.set_ipvs_timer(cx);
    }

    /// Does what is due.
    pub(crate) fn run_ipvs(&mut self, cx: &mut Cx<'_>) {
        self.lvs.kernel.expire(cx);
        self.set_ipvs_timer(cx);
    }

    /// The daemon ends.
    pub(crate) fn stop_ipvs(&mut self, cx: &mut Cx<'_>) {
        let all = self.lvs.conf.flush_on_stop;
        self.lvs.kernel.withdraw(cx, all);
    }

    fn set_ipvs_timer(&mut self, cx: &mut Cx<'_>) {
        if self.lvs.kernel.module == Module::Wanted {
            self.lvs.kernel.module = Module::Loading(0);
            self.load_ipvs(cx);
        }
        self.shared
            .set_timer(TimerKey::Ipvs, self.lvs.kernel.next_deadline());
    }

    /// Starts modprobe. Whether it helped is seen by looking.
    fn load_ipvs(&mut self, cx: &mut Cx<'_>) {
        let setting = cx.system.read_file(MODPROBE_SETTING).unwrap_or_default();
        let setting = core::str::from_utf8(&setting).unwrap_or_default().trim();
        let program = Some(setting).filter(|path| path.starts_with('/'));
        let command = Command {
            argv: vec![program.unwrap_or(MODPROBE).into(), "ip_vs".into()],
            user: User::default(),
        };
        let limit = Some(LOADING_LIMIT);
        let run = self
            .shared
            .children
            .run(cx, Owner::Nobody, (&command, &[]), limit);
        if let Err(error) = run {
            log::debug!(target: "lvs", "modprobe ip_vs: {error}");
        }
        self.set_children_timer();
    }

    /// An instance has another state: connection synchronization may have to turn round.
    pub(crate) fn sync_lvs_with_instance(&mut self, cx: &mut Cx<'_>, instance: usize) {
        let sync = self.lvs.conf.sync_daemon.as_ref();
        if self.shared.stopping || sync.is_none_or(|sync| sync.instance != Some(instance)) {
            return;
        }
        self.follow_instance();
        if self.lvs.kernel.is_reachable() {
            self.lvs.kernel.turn(cx);
        }
        self.set_ipvs_timer(cx);
    }

    /// Notes which halves of connection synchronization should run.
    fn follow_instance(&mut self) {
        let sync = self.lvs.conf.sync_daemon.as_ref();
        let wanted = sync.map(|sync| {
            let roles: Roles = match sync.instance.map(|place| self.is_master(place)) {
                Some(true) => &[Role::Master],
                Some(false) => &[Role::Backup],
                None => &[Role::Master, Role::Backup],
            };
            (sync, roles)
        });
        self.lvs.kernel.sync.set(wanted);
    }
}
