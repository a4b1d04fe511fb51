//! Settings of instances that let others in where a user would expect to be protected. The
//! configuration is used as written.

use super::Lowering;
use crate::config::diag::Span;
use crate::config::model::{Auth, HmacMode, Transport, VrrpInstance};
use crate::config::span_map::SpanMap;

/// An insecure setting, and the line that makes it secure.
struct Finding {
    is_insecure: fn(&VrrpInstance) -> bool,
    what: &'static str,
    help: &'static str,
}

/// Each is reported once, with the number of instances.
const FINDINGS: &[Finding] = &[
    Finding {
        is_insecure: accepts_any_source,
        what: "unicast adverts from any address and any distance are accepted: whoever can send packets to this router \
               can become master",
        help: "write `check_unicast_src` in the instance (`vrrp_check_unicast_src` in global_defs for all), and \
               `PEER min_ttl 255` in unicast_peer if the peer is on the same link; or use `auth_hmac`",
    },
    Finding {
        is_insecure: |instance| matches!(&instance.auth, Auth::Hmac(hmac) if hmac.mode != HmacMode::Enforce),
        what: "adverts without a signature are accepted",
        help: "write `mode enforce` in auth_hmac when all routers sign their adverts",
    },
];

impl Lowering<'_> {
    /// Reports the insecure settings of all instances; `spans` are their positions.
    pub(super) fn report_insecure(&mut self, instances: &[VrrpInstance], spans: &[Span]) {
        for finding in FINDINGS {
            let all = instances.iter().zip(spans);
            let mut found = all.filter(|(instance, _)| (finding.is_insecure)(instance));
            let Some((first, span)) = found.next() else {
                continue;
            };
            let more = match found.count() {
                0 => String::new(),
                1 => " and 1 more instance".to_owned(),
                count => format!(" and {count} more instances"),
            };
            let message = format!("`{}`{more}: {}", first.name, finding.what);
            self.insecure(*span, message, finding.help);
        }
        self.report_shared_keys(instances, spans);
    }

    /// Instances of one VRID and family with a common key: adverts of one network are valid on the
    /// other.
    fn report_shared_keys(&mut self, instances: &[VrrpInstance], spans: &[Span]) {
        let mut known = SpanMap::default();
        for (instance, span) in instances.iter().zip(spans) {
            let keys: Vec<&[u8]> = match &instance.auth {
                Auth::Hmac(hmac) => hmac.keys.iter().map(|key| &*key.secret.0).collect(),
                Auth::Ah(password) => vec![&password.0],
                Auth::None | Auth::Pass(_) => continue,
            };
            let mut first = None;
            for key in keys {
                let key = format!("{} {} {key:?}", instance.family, instance.vrid);
                // An instance may have a key under two numbers.
                let other = known.earlier_or_insert(&key, *span);
                first = first.or(other.filter(|other| other != span));
            }
            let Some(first) = first else { continue };
            let at = self.sources.locate(first, *span);
            let message = format!(
                "`{}` and the instance on {at} have the same `virtual_router_id` and key: adverts of one network can be \
                 repeated on the other",
                instance.name
            );
            let help = "use another key for each network: `openssl rand -hex 32` creates one";
            self.insecure(*span, message, help);
            // Once: the same mistake is usually in many instances.
            return;
        }
    }
}

/// Unicast without a check of the source and without a key that an attacker would need.
fn accepts_any_source(instance: &VrrpInstance) -> bool {
    let keyed = match &instance.auth {
        Auth::Hmac(hmac) => hmac.mode == HmacMode::Enforce,
        Auth::Ah(_) => true,
        Auth::None | Auth::Pass(_) => false,
    };
    let checked = match instance.transport {
        Transport::Unicast { check_source, .. } => check_source,
        Transport::Multicast { .. } => true,
    };
    !keyed && !checked
}
