//! Gratuitous ARP settings: those of the instance, else of `global_defs`, else keepalived's
//! defaults.

use core::time::Duration;

use super::fields::Fields;
use crate::config::model::Garp;
use crate::config::schema::value;

/// Defaults from `global_defs`. `None`: the value of `garp_master_*` in the instance is used.
#[derive(Debug)]
pub(super) struct GarpDefaults {
    delay: Duration,
    repeat: u16,
    refresh: Duration,
    refresh_repeat: u16,
    lower_prio_delay: Option<Duration>,
    lower_prio_repeat: Option<u16>,
    interval: Duration,
    gna_interval: Duration,
    extra: Extra,
}

/// `garp_extra_if`.
#[derive(Clone, Copy, Debug, Default)]
struct Extra {
    interval: Duration,
    all: bool,
}

/// Its old name is an alias in the table of keywords.
fn extra(fields: &Fields<'_>, name: &str) -> Option<Extra> {
    let node = fields.last(name)?;
    let (last, before) = node.args.split_last()?;
    let micros = value::micros(&last.text)?;
    Some(Extra {
        interval: Duration::from_micros(micros),
        all: !before.is_empty(),
    })
}

impl GarpDefaults {
    /// `vrrp_min_garp` changes keepalived's defaults only, not configured values.
    pub(super) fn from(fields: &Fields<'_>) -> Self {
        let minimal = Garp {
            delay: Duration::ZERO,
            repeat: 1,
            ..Garp::default()
        };
        let default = match fields.boolean("vrrp_min_garp") {
            Some(true) => minimal,
            Some(false) | None => Garp::default(),
        };
        GarpDefaults {
            delay: fields
                .seconds("vrrp_garp_master_delay")
                .unwrap_or(default.delay),
            repeat: count(fields, "vrrp_garp_master_repeat").unwrap_or(default.repeat),
            refresh: fields
                .seconds("vrrp_garp_master_refresh")
                .unwrap_or_default(),
            refresh_repeat: count(fields, "vrrp_garp_master_refresh_repeat")
                .unwrap_or(default.refresh_repeat),
            lower_prio_delay: fields.seconds("vrrp_garp_lower_prio_delay"),
            lower_prio_repeat: count(fields, "vrrp_garp_lower_prio_repeat"),
            interval: fields.seconds("vrrp_garp_interval").unwrap_or_default(),
            gna_interval: fields.seconds("vrrp_gna_interval").unwrap_or_default(),
            extra: extra(fields, "vrrp_garp_extra_if").unwrap_or_default(),
        }
    }

    /// The settings of an instance with these statements.
    pub(super) fn of(&self, fields: &Fields<'_>) -> Garp {
        let delay = fields.seconds("garp_master_delay").unwrap_or(self.delay);
        let repeat = count(fields, "garp_master_repeat")
            .unwrap_or(self.repeat)
            .max(1);
        let refresh_repeat = count(fields, "garp_master_refresh_repeat");
        let lower_prio_delay = fields.seconds("garp_lower_prio_delay");
        let lower_prio_repeat = count(fields, "garp_lower_prio_repeat");
        let extra = extra(fields, "garp_extra_if").unwrap_or(self.extra);
        Garp {
            repeat,
            delay,
            refresh: fields
                .seconds("garp_master_refresh")
                .unwrap_or(self.refresh),
            refresh_repeat: refresh_repeat.unwrap_or(self.refresh_repeat).max(1),
            lower_prio_repeat: lower_prio_repeat
                .or(self.lower_prio_repeat)
                .unwrap_or(repeat),
            lower_prio_delay: lower_prio_delay.or(self.lower_prio_delay).unwrap_or(delay),
            interval: self.interval,
            gna_interval: self.gna_interval,
            extra: extra.interval,
            extra_all: extra.all,
        }
    }
}

/// A number of packets, at most `u16::MAX`.
fn count(fields: &Fields<'_>, name: &str) -> Option<u16> {
    let value: i64 = fields.int(name)?;
    Some(u16::try_from(value).unwrap_or(u16::MAX))
}
