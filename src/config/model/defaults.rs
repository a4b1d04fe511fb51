//! keepalived's defaults, and placeholders for what a configuration must say.
//!
//! `lower` starts from these values, tests fill them in, and golden models print only what differs
//! from them. tests/golden/defaults.model lists them all.

use core::net::{IpAddr, Ipv4Addr, SocketAddr};
use core::time::Duration;

use super::lvs::{
    Check, CheckKind, Http, HttpProtocol, RealServer, SorryServer, Target, Udp, Url, VirtualServer,
};
use super::{
    Address, AddressOptions, Auth, BlockingScript, Command, Garp, NextHop, Nft, ParamMatch,
    ProcessSettings, Route, Rule, Script, Settings, SmtpSettings, TrackProcess, Transport,
    VrrpInstance,
};
use crate::types::ipvs::Forward;
use crate::types::{
    Centis, Cidr, Family, IfName, Priority, Rare, RouteInsert, Usual, Version, Vrid,
};

/// 0.0.0.0, where a configuration must name an address.
const ANY: IpAddr = IpAddr::V4(Ipv4Addr::UNSPECIFIED);
const NONE: Duration = Duration::ZERO;
const SECOND: Duration = Duration::from_secs(1);
const FIVE_SECONDS: Duration = Duration::from_secs(5);

impl Default for VrrpInstance {
    fn default() -> Self {
        VrrpInstance {
            name: String::new(),
            interface: IfName::default(),
            vrid: Vrid::MIN,
            priority: Priority::DEFAULT,
            vips: Vec::new(),
            excluded_vips: Vec::new(),
            routes: Vec::new(),
            rules: Vec::new(),
            settings: Settings::default(),
        }
    }
}

impl Default for Settings {
    fn default() -> Self {
        Settings {
            version: Version::V2,
            family: Family::V4,
            initial_master: false,
            advert_int: Centis::SECOND,
            nopreempt: false,
            preempt_delay: NONE,
            auth: Auth::None,
            src_ip: None,
            track_src_ip: false,
            transport: Transport::default(),
            skip_check_adv_addr: false,
            v3_checksum_as_v2: false,
            old_unicast_checksum: false,
            strict: false,
            lower_prio_no_advert: false,
            higher_prio_send_advert: false,
            owner_ignore_adverts: false,
            down_timer_adverts: 3,
            timer_expired_backup: None,
            garp: Rare::default(),
            accept: true,
            vmacs: Vec::new(),
            vip_lease: None,
            sync_group: None,
            tracks: Vec::new(),
            notify: Rare::default(),
            track_primary: true,
            promote_secondaries: false,
            unicast_fault_no_peer: false,
        }
    }
}

impl Default for Transport {
    fn default() -> Self {
        Transport::Multicast {
            group: Transport::GROUP_V4,
        }
    }
}

impl Usual for Garp {
    /// Unless configured, `garp_lower_prio_*` follow `garp_master_*`.
    const USUAL: &'static Self = &Garp {
        repeat: 5,
        delay: FIVE_SECONDS,
        refresh: NONE,
        refresh_repeat: 1,
        lower_prio_repeat: 5,
        lower_prio_delay: FIVE_SECONDS,
        interval: NONE,
        gna_interval: NONE,
        extra: NONE,
        extra_all: false,
    };
}

impl Default for Garp {
    fn default() -> Self {
        *Garp::USUAL
    }
}

impl Default for Address {
    fn default() -> Self {
        Address {
            cidr: Cidr::host(ANY),
            dev: IfName::default(),
            preferred_lft: None,
            options: Rare::default(),
        }
    }
}

impl Usual for AddressOptions {
    const USUAL: &'static Self = &AddressOptions {
        broadcast: None,
        scope: 0,
        label: None,
        peer: None,
        nodad: false,
        home: false,
        mngtmpaddr: false,
        noprefixroute: false,
        autojoin: false,
        no_track: false,
        track_group: None,
    };
}

impl Default for AddressOptions {
    fn default() -> Self {
        Self::USUAL.clone()
    }
}

// ---- routes and rules ----

impl Default for Route {
    fn default() -> Self {
        Route {
            kind: Route::UNICAST,
            dst: Cidr {
                addr: ANY,
                prefix: 0,
            },
            from: None,
            src: None,
            hops: Vec::new(),
            table: Route::MAIN_TABLE,
            metric: 0,
            scope: 0,
            protocol: Route::PROTOCOL,
            tos: 0,
            realms: 0,
            metrics: Vec::new(),
            congestion: None,
            preference: 0,
            expires: None,
            insert: RouteInsert::Prepend,
            no_track: false,
            track_group: None,
        }
    }
}

impl Default for NextHop {
    fn default() -> Self {
        NextHop {
            via: None,
            dev: None,
            weight: 1,
            onlink: false,
        }
    }
}

impl Default for Rule {
    fn default() -> Self {
        Rule {
            family: Family::V4,
            not: false,
            from: None,
            to: None,
            iif: None,
            oif: None,
            fwmark: None,
            tos: 0,
            priority: 0,
            action: 0,
            table: 0,
            target: 0,
            realms: 0,
            suppress_prefix: None,
            suppress_group: None,
            uids: None,
            ip_proto: 0,
            sport: None,
            dport: None,
            l3mdev: false,
            tunnel: 0,
            protocol: Route::PROTOCOL,
            no_track: false,
            track_group: None,
        }
    }
}

// ---- tracked objects ----

impl Default for Script {
    fn default() -> Self {
        Script {
            name: String::new(),
            command: Command::default(),
            interval: SECOND,
            timeout: SECOND,
            rise: 1,
            fall: 1,
            init_fail: false,
        }
    }
}

impl Default for TrackProcess {
    fn default() -> Self {
        TrackProcess {
            name: String::new(),
            process: String::new(),
            params: None,
            param_match: ParamMatch::Exact,
            full_command: false,
            quorum: 1,
            quorum_max: None,
            fork_delay: NONE,
            terminate_delay: NONE,
        }
    }
}

// ---- the process ----

impl Default for BlockingScript {
    fn default() -> Self {
        BlockingScript {
            command: Command::default(),
            timeout: Duration::from_secs(10),
        }
    }
}

impl Default for SmtpSettings {
    fn default() -> Self {
        SmtpSettings {
            to: Vec::new(),
            from: String::new(),
            server: String::new(),
            port: 25,
            helo_name: String::new(),
            timeout: Duration::from_secs(30),
            no_email_faults: false,
        }
    }
}

impl Default for ProcessSettings {
    fn default() -> Self {
        ProcessSettings {
            name: None,
            nice: None,
            no_swap: false,
            rt_priority: None,
            max_auto_priority: None,
            min_auto_priority_delay: SECOND,
            umask: None,
            net_namespace: None,
        }
    }
}

impl Default for Nft {
    fn default() -> Self {
        Nft {
            table: "keepalived".into(),
            priority: -1,
            counters: false,
        }
    }
}

// ---- virtual servers ----

impl Default for VirtualServer {
    fn default() -> Self {
        VirtualServer {
            name: String::new(),
            services: Vec::new(),
            group: None,
            protocol: None,
            family: Family::V4,
            scheduler: "wlc",
            scheduler_flags: 0,
            persistence_timeout: 0,
            persistence_granularity: VirtualServer::host_granularity(Family::V4),
            one_packet: false,
            sip: false,
            sorry_server: None,
            quorum: 1,
            hysteresis: 0,
            quorum_up: None,
            quorum_down: None,
            omega: false,
            ha_suspend: false,
            smtp_alert: false,
            real_servers: Vec::new(),
        }
    }
}

impl Default for RealServer {
    fn default() -> Self {
        RealServer {
            addr: ANY,
            port: 0,
            weight: 1,
            forward: Forward::Masquerade,
            uthreshold: 0,
            lthreshold: 0,
            inhibit_on_failure: false,
            notify_up: None,
            notify_down: None,
            smtp_alert: true,
            checks: Vec::new(),
        }
    }
}

impl Default for SorryServer {
    fn default() -> Self {
        SorryServer {
            addr: ANY,
            port: 0,
            forward: Forward::Masquerade,
            inhibit: false,
        }
    }
}

impl Check {
    /// `delay_loop`.
    pub const DEFAULT_INTERVAL: Duration = Duration::from_secs(60);

    /// A check of this kind with keepalived's defaults, which depend on the kind.
    #[must_use]
    pub fn new(kind: CheckKind) -> Self {
        let interval = Self::DEFAULT_INTERVAL;
        let (retry, delay_before_retry) = match kind {
            CheckKind::Misc { .. } => (0, SECOND),
            CheckKind::Dns { .. } => (3, interval),
            CheckKind::Http(..) => (1, Duration::from_secs(3)),
            CheckKind::Tcp(_)
            | CheckKind::Smtp { .. }
            | CheckKind::Udp(..)
            | CheckKind::Ping(_)
            | CheckKind::File { .. } => (1, SECOND),
        };
        Check {
            kind,
            retry,
            delay_before_retry,
            interval,
            warmup: interval,
            alpha: false,
            log_all_failures: false,
        }
    }
}

impl Default for Target {
    fn default() -> Self {
        Target {
            remote: SocketAddr::new(ANY, 0),
            bind_addr: None,
            bind_port: 0,
            bind_interface: None,
            fwmark: 0,
            connect_timeout: Duration::from_secs(5),
        }
    }
}

impl Default for Http {
    fn default() -> Self {
        Http {
            tls: false,
            urls: Vec::new(),
            protocol: HttpProtocol::V1_0,
            sni: None,
            fast_recovery: false,
        }
    }
}

impl Default for Url {
    fn default() -> Self {
        Url {
            path: String::new(),
            digest: None,
            statuses: Vec::from([(200, 299)]),
            pattern: None,
            host: String::new(),
        }
    }
}

impl Default for Udp {
    fn default() -> Self {
        Udp {
            payload: Vec::new(),
            require_reply: false,
            reply: Vec::new(),
            min_length: 0,
            max_length: 255,
        }
    }
}
