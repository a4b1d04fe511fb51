//! Why a keyword of keepalived has no effect, or what happens instead. Many keywords share a
//! reason, and a row of the table holds one byte for it.

/// A reason why a keyword has no effect.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[expect(missing_docs, reason = "each variant is documented by its text")]
pub enum Reason {
    ScriptPaths,
    ScriptGroups,
    MulticastMembership,
    NoAcceptByNftables,
    MatchByName,
    SocketBuffers,
    NoSeed,
    AddressRanges,
    ReloadTime,
    CheckedBeforeUse,
    NoCopies,
    OneProcess,
    Taskset,
    NoLimit,
    NoSnmp,
    NoDbus,
    NatMask,
    BfdAssumedUp,
    LinkEvents,
    Namespace,
    NoChildren,
    TrackedAssumedUp,
    LogDetail,
    NoVrf,
    SetByKernel,
    TlsClose,
    NoMatcherStack,
    MembersDeleted,
}

impl Reason {
    /// The reason as a clause, to follow a colon.
    #[must_use]
    pub fn text(self) -> &'static str {
        match self {
            Reason::ScriptPaths => "paths of scripts are used as written",
            Reason::ScriptGroups => "scripts run with the group of their user only",
            Reason::MulticastMembership => "multicast groups are always joined",
            Reason::NoAcceptByNftables => "no_accept is enforced by an nftables table",
            Reason::MatchByName => "interfaces are matched by name",
            Reason::SocketBuffers => "the daemon chooses the sizes of its socket buffers",
            Reason::NoSeed => "the random number generator cannot be seeded",
            Reason::AddressRanges => "each address of a range is an IPVS service of its own",
            Reason::ReloadTime => "send SIGHUP at that time, for example from cron",
            Reason::CheckedBeforeUse => {
                "a configuration is read and checked completely before it is used"
            }
            Reason::NoCopies => "copies of the configuration are not kept",
            Reason::OneProcess => "the daemon is a single process",
            Reason::Taskset => "use taskset",
            Reason::NoLimit => "this limit is not set",
            Reason::NoSnmp => "SNMP is not supported",
            Reason::NoDbus => "D-Bus is not supported",
            Reason::NatMask => {
                "IPVS has no such setting; persistence_granularity sets the mask of clients"
            }
            Reason::BfdAssumedUp => "the neighbor counts as reachable",
            Reason::LinkEvents => "the kernel reports link changes by itself",
            Reason::Namespace => "IPVS is set up in the network namespace of the daemon",
            Reason::NoChildren => "the daemon is a single process without children to wait for",
            Reason::TrackedAssumedUp => "the instance runs as if the session were up",
            Reason::LogDetail => "the command line option --log-detail selects what is logged",
            Reason::NoVrf => "the VRF is that of the interface, and none without an interface",
            Reason::SetByKernel => "the kernel sets this flag by itself",
            Reason::TlsClose => "a complete page counts, however the TLS session ends",
            Reason::NoMatcherStack => "the matcher needs no stack",
            Reason::MembersDeleted => "its members have a notify_deleted of their own",
        }
    }
}
