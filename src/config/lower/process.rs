//! Settings of the process, startup and shutdown scripts, and dump files.

use core::time::Duration;

use super::Lowering;
use super::fields::Fields;
use crate::config::Severity;
use crate::config::model::{BlockingScript, ControlSocket, DumpSettings, ProcessSettings};
use crate::config::tree::Node;
use crate::types::umask;

impl Lowering<'_> {
    /// The process settings of `global_defs`.
    pub(super) fn process(
        &mut self,
        top: &Fields<'_>,
        global_defs: &Fields<'_>,
    ) -> ProcessSettings {
        let name = global_defs.last("process_name");
        let delay = global_defs.int("min_auto_priority_delay");
        let delay = delay.map(Duration::from_micros);
        // One process: the strongest setting counts.
        let of_halves = |name: &str| {
            let nodes = ["vrrp_", "checker_", "bfd_"]
                .map(|half| global_defs.last(&format!("{half}{name}")));
            nodes.into_iter().flatten()
        };
        ProcessSettings {
            name: name.map(|node| super::first(node).unwrap_or("vrrpd").to_owned()),
            nice: of_halves("priority").filter_map(number_of).min(),
            no_swap: of_halves("no_swap").next().is_some(),
            rt_priority: of_halves("rt_priority").filter_map(number_of).max(),
            max_auto_priority: global_defs
                .last("max_auto_priority")
                .map(|node| super::first(node).map_or(99, |text| super::number(text).unwrap_or(0))),
            min_auto_priority_delay: delay
                .unwrap_or(ProcessSettings::default().min_auto_priority_delay),
            umask: global_defs.word("umask").and_then(umask),
            net_namespace: self.namespace(top),
        }
    }

    /// `net_namespace`: a file name, as for `ip netns`, that cannot lead out of /run/netns.
    fn namespace(&mut self, top: &Fields<'_>) -> Option<String> {
        let node = top.last("net_namespace")?;
        let name = super::first(node)?;
        if name.contains('/') || matches!(name, "." | "..") {
            let message = format!(
                "`{name}` is not a valid name of a network namespace; the current namespace is used"
            );
            let help = "write a name listed by `ip netns list`";
            self.error(node.span(), message, help);
            return None;
        }
        Some(name.to_owned())
    }

    /// `startup_script` or `shutdown_script`, and its timeout.
    pub(super) fn blocking_script(
        &mut self,
        global_defs: &Fields<'_>,
        name: &str,
    ) -> Option<BlockingScript> {
        let node = global_defs.last(name)?;
        let command = self.command(node)?;
        let timeout = global_defs.int(&format!("{name}_timeout"));
        Some(BlockingScript {
            command,
            timeout: timeout.map_or(BlockingScript::default().timeout, Duration::from_secs),
        })
    }
}

impl Lowering<'_> {
    /// `control_socket off`, or `control_socket PATH [USER [GROUP]]`.
    pub(super) fn control_socket(&mut self, global_defs: &Fields<'_>) -> ControlSocket {
        let mut socket = ControlSocket::default();
        let Some(node) = global_defs.last("control_socket") else {
            return socket;
        };
        let mut words = node.args.iter().map(|word| &*word.text);
        let path = words.next().unwrap_or_default();
        if path == "off" {
            socket.off = true;
            return socket;
        }
        if !path.starts_with('/') {
            let message = format!(
                "`{path}` is neither `off` nor an absolute path; the control socket is beside the pid file"
            );
            let help = "write a path that starts with `/`";
            self.diags
                .report_with_help(Severity::Error, node.span(), message, help);
            return socket;
        }
        socket.path = Some(path.to_owned());
        if let Some(name) = words.next() {
            let user = self.host.user(name);
            socket.uid = user.map(|user| user.uid);
            let group = words.next();
            socket.gid = group.and_then(|group| self.host.group(group));
            let missing = match group.filter(|_| socket.gid.is_none()) {
                Some(group) => Some(("group", group)),
                None => user.is_none().then_some(("user", name)),
            };
            if let Some((what, name)) = missing {
                let message =
                    format!("{what} `{name}` does not exist; without it, root may connect");
                let help = format!("create the {what}, or write another one");
                self.diags
                    .report_with_help(Severity::Error, node.span(), message, help);
            }
        }
        socket
    }
}

/// The argument as a number.
fn number_of<T: TryFrom<i64>>(node: &Node) -> Option<T> {
    super::first(node).and_then(super::number)
}

/// Paths and format of the dumps.
pub(super) fn dumps(global_defs: &Fields<'_>) -> DumpSettings {
    DumpSettings {
        state: global_defs.word("state_dump_file").map(str::to_owned),
        stats: global_defs.word("stats_dump_file").map(str::to_owned),
        json: global_defs.word("json_dump_file").map(str::to_owned),
        json_v2: global_defs.int("json_version") == Some(2_u8),
        use_instance: global_defs.boolean("data_use_instance").unwrap_or(false),
    }
}
