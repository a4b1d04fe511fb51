//! What happens instead of what a keyword asks for, and why some never have an effect. Many keywords share
//! a reason; a row holds one byte of it.

/// A reason.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[expect(missing_docs, reason = "the text says it")]
pub enum Why {
    ScriptPaths,
    ScriptGroups,
    NotRun,
    GarpInterfaces,
    Igmp,
    ByNft,
    NoIpsets,
    ByName,
    Buffers,
    Random,
    Ranges,
    ReloadTime,
    WholeFiles,
    NoCopies,
    OneProcess,
    Taskset,
    NoLimit,
    NoSnmp,
    NoDbus,
    NatMask,
    BfdUp,
    LinkEvents,
    Namespace,
    NoChildren,
    AllWell,
    LogDetail,
    RealMac,
    NoIpvlan,
    NoVrf,
    GlobalTracking,
    ByAddress,
    ByKernel,
    AnyEnd,
    NoStack,
}

impl Why {
    /// Its words, to follow a colon.
    #[must_use]
    pub fn text(self) -> &'static str {
        match self {
            Why::ScriptPaths => "paths of scripts are used as written",
            Why::ScriptGroups => "scripts get their user's own group only",
            Why::NotRun => "it is not run",
            Why::GarpInterfaces => "gratuitous ARP goes out on the interfaces of the addresses",
            Why::Igmp => "groups are joined as usual",
            Why::ByNft => "no_accept is enforced by nftables, in a table of its own",
            Why::NoIpsets => "ipsets are not used",
            Why::ByName => "interfaces are matched by name",
            Why::Buffers => "socket buffers are sized by the daemon",
            Why::Random => "nothing the daemon does depends on chance",
            Why::Ranges => "each address of a range is a service of its own",
            Why::ReloadTime => "send SIGHUP at that time, from cron for example",
            Why::WholeFiles => "a configuration is checked whole before it is used",
            Why::NoCopies => "no copies are kept",
            Why::OneProcess => "there is one process only",
            Why::Taskset => "use taskset",
            Why::NoLimit => "no such limit is set",
            Why::NoSnmp => "there is no SNMP agent",
            Why::NoDbus => "there is no D-Bus interface",
            Why::NatMask => {
                "IPVS has no such setting; persistence_granularity sets the mask of clients"
            }
            Why::BfdUp => "the neighbor counts as reachable",
            Why::LinkEvents => "the kernel reports link changes by itself",
            Why::Namespace => "IPVS is that of the namespace the daemon runs in",
            Why::NoChildren => "there is one process and no children to wait for",
            Why::AllWell => "the instance runs as if all were well",
            Why::LogDetail => "what is logged is chosen by the command line option --log-detail",
            Why::RealMac => "the interface's own MAC address is used",
            Why::NoIpvlan => "the interface itself is used",
            Why::NoVrf => "the interface's own routing domain is used",
            Why::ByAddress => "clients are told apart by their address",
            Why::ByKernel => "the kernel sets this flag by itself",
            Why::AnyEnd => "a page that is whole counts, however the session ends",
            Why::NoStack => "the matcher needs no stack",
            Why::GlobalTracking => "write the tracking into the group",
        }
    }
}
