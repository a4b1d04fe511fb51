//! What happens instead of what a keyword asks for, and why some never have an effect. Many keywords share
//! a reason; a row holds one byte of it.

/// A reason.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[expect(missing_docs, reason = "the text says it")]
pub enum Reason {
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

impl Reason {
    /// Its words, to follow a colon.
    #[must_use]
    pub fn text(self) -> &'static str {
        match self {
            Reason::ScriptPaths => "paths of scripts are used as written",
            Reason::ScriptGroups => "scripts get their user's own group only",
            Reason::NotRun => "it is not run",
            Reason::GarpInterfaces => "gratuitous ARP goes out on the interfaces of the addresses",
            Reason::Igmp => "groups are joined as usual",
            Reason::ByNft => "no_accept is enforced by nftables, in a table of its own",
            Reason::NoIpsets => "ipsets are not used",
            Reason::ByName => "interfaces are matched by name",
            Reason::Buffers => "socket buffers are sized by the daemon",
            Reason::Random => "nothing the daemon does depends on chance",
            Reason::Ranges => "each address of a range is a service of its own",
            Reason::ReloadTime => "send SIGHUP at that time, from cron for example",
            Reason::WholeFiles => "a configuration is checked whole before it is used",
            Reason::NoCopies => "no copies are kept",
            Reason::OneProcess => "there is one process only",
            Reason::Taskset => "use taskset",
            Reason::NoLimit => "no such limit is set",
            Reason::NoSnmp => "there is no SNMP agent",
            Reason::NoDbus => "there is no D-Bus interface",
            Reason::NatMask => {
                "IPVS has no such setting; persistence_granularity sets the mask of clients"
            }
            Reason::BfdUp => "the neighbor counts as reachable",
            Reason::LinkEvents => "the kernel reports link changes by itself",
            Reason::Namespace => "IPVS is that of the namespace the daemon runs in",
            Reason::NoChildren => "there is one process and no children to wait for",
            Reason::AllWell => "the instance runs as if all were well",
            Reason::LogDetail => "what is logged is chosen by the command line option --log-detail",
            Reason::RealMac => "the interface's own MAC address is used",
            Reason::NoIpvlan => "the interface itself is used",
            Reason::NoVrf => "the interface's own routing domain is used",
            Reason::ByAddress => "clients are told apart by their address",
            Reason::ByKernel => "the kernel sets this flag by itself",
            Reason::AnyEnd => "a page that is whole counts, however the session ends",
            Reason::NoStack => "the matcher needs no stack",
            Reason::GlobalTracking => "write the tracking into the group",
        }
    }
}
