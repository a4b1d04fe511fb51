//! Minimum interval between two announcements on an interface, of whichever instance
//! (`vrrp_garp_interval`, `vrrp_gna_interval`), or on several interfaces together (`garp_group`).
//!
//! Switches and hosts with slow tables lose gratuitous ARP packets that follow each other too fast.

use core::time::Duration;

use crate::config::model::GarpGroup;
use crate::types::{Family, IfName, Instant};

/// Interfaces that share their intervals.
#[derive(Debug)]
struct Gate {
    interfaces: Vec<IfName>,
    /// Intervals of a `garp_group` for IPv4 and IPv6; without a group those of the instance apply.
    gaps: Option<[Duration; 2]>,
    /// Earliest time of the next announcement for IPv4 and IPv6.
    next: [Instant; 2],
}

/// The intervals of all interfaces.
#[derive(Debug, Default)]
pub(crate) struct GarpPacing {
    gates: Vec<Gate>,
}

impl GarpPacing {
    /// `interfaces`: all that announcements are sent on.
    pub(crate) fn new<'a>(
        groups: &[GarpGroup],
        interfaces: impl Iterator<Item = &'a IfName>,
    ) -> Self {
        let next = [Instant::ZERO; 2];
        let group = |group: &GarpGroup| Gate {
            interfaces: group.interfaces.clone(),
            gaps: Some([group.garp_interval, group.gna_interval]),
            next,
        };
        let mut gates: Vec<Gate> = groups.iter().map(group).collect();
        for name in interfaces {
            if !gates.iter().any(|gate| gate.interfaces.contains(name)) {
                gates.push(Gate {
                    interfaces: vec![name.clone()],
                    gaps: None,
                    next,
                });
            }
        }
        GarpPacing { gates }
    }

    /// Allows one announcement on the interface now, or returns when to ask again. `own`: the
    /// interval of the instance.
    pub(crate) fn take(
        &mut self,
        now: Instant,
        interface: &IfName,
        family: Family,
        own: Duration,
    ) -> Result<(), Instant> {
        let mut gates = self.gates.iter_mut();
        let Some(gate) = gates.find(|gate| gate.interfaces.contains(interface)) else {
            return Ok(());
        };
        let [v4, v6] = &mut gate.next;
        let gaps = gate.gaps.unwrap_or([own; 2]);
        let (next, gap) = match family {
            Family::V4 => (v4, gaps[0]),
            Family::V6 => (v6, gaps[1]),
        };
        if *next > now {
            return Err(*next);
        }
        *next = now.after(gap);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn instances_share_the_interval_of_their_interface_and_interfaces_that_of_their_garp_group() {
        let name = |text| IfName::new(text).expect("a name");
        let ms = Duration::from_millis;
        let group = GarpGroup {
            garp_interval: ms(50),
            gna_interval: ms(0),
            interfaces: vec![name("eth1"), name("eth2")],
        };
        let names = ["eth0", "eth1"].map(name);
        let mut pacing = GarpPacing::new(&[group], names.iter());
        let (at, own) = (Instant::from_millis, ms(10));
        let mut ask = |t, dev, family| pacing.take(at(t), &name(dev), family, own);
        assert_eq!(ask(0, "eth0", Family::V4), Ok(()));
        assert_eq!(
            ask(5, "eth0", Family::V4),
            Err(at(10)),
            "another instance on the same interface"
        );
        assert_eq!(
            ask(5, "eth0", Family::V6),
            Ok(()),
            "IPv6 has its own interval"
        );
        assert_eq!(ask(10, "eth0", Family::V4), Ok(()));
        assert_eq!(ask(0, "eth1", Family::V4), Ok(()));
        assert_eq!(
            ask(20, "eth2", Family::V4),
            Err(at(50)),
            "the interval of the group"
        );
        assert_eq!(ask(20, "eth2", Family::V6), Ok(()));
        assert_eq!(ask(20, "eth2", Family::V6), Ok(()), "no interval");
    }
}
