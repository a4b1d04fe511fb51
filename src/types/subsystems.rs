//! The parts of the daemon that one process runs.

/// What `-P` and `-C` select: two daemons may share one configuration file, each running its part
/// of it.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Subsystems {
    /// VRRP and virtual servers.
    #[default]
    All,
    /// `-P`: VRRP only.
    Vrrp,
    /// `-C`: virtual servers and their health checks only.
    VirtualServers,
}
