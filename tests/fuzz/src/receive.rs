//! The path of a packet from the socket to the state machine, in an engine with a fake kernel.

use core::time::Duration;

use vrrpd::config::model::{Auth, Hmac, HmacKey, HmacMode, Password, Secret, VrrpInstance};
use vrrpd::engine::system::Protocol;
use vrrpd::types::{Centis, Version};
use vrrpd::wire::checksum::Sum;

use super::support::kernel::{Kernel, at, engine, instance, receive_by, run, start};
use super::{Reach, with_checksum};

const VIP: &str = "192.0.2.100/32";

/// Instances with the VRID of the golden packets.
fn configuration(choice: u8, priority: u8) -> VrrpInstance {
    let mut conf = instance(51, priority, &[VIP]);
    conf.advert_int = Centis::SECOND;
    conf.auth = match choice & 3 {
        0 => return conf,
        1 => Auth::Pass(Password(*b"secret\0\0")),
        2 => Auth::Ah(Password(*b"k3y\0\0\0\0\0")),
        _ => {
            let key = HmacKey {
                id: 1,
                secret: Secret(vec![0xaa; 32]),
            };
            let hmac = Hmac {
                keys: vec![key],
                mode: HmacMode::Enforce,
                time_window: None,
            };
            conf.auth = Auth::Hmac(Box::new(hmac));
            return conf;
        }
    };
    conf.version = Version::V2;
    conf
}

/// The first byte chooses authentication, and master or backup. The rest is a packet, received as
/// it is and with valid checksums. Without the key it must not change anything but counters.
pub(crate) fn receive(data: &[u8]) -> Reach {
    let (choice, packet) = data.split_first().unwrap_or((&0, &[]));
    let priority = if choice & 4 != 0 { 255 } else { 100 };
    let mut kernel = Kernel::with(
        &[(1, "lo", true), (2, "eth0", true)],
        &[(1, "127.0.0.1/8"), (2, "192.0.2.1/24")],
    );
    kernel.wall_clock = Duration::from_secs(1_800_000_000);
    let mut engine = engine(vec![configuration(*choice, priority)]);
    start(&mut engine, &mut kernel, at(0));
    run(&mut engine, &mut kernel, at(100));
    let state = |engine: &vrrpd::engine::Engine| {
        let (_, state, counters) = engine.instances().next().expect("one");
        (state, counters.clone())
    };
    let (first, counters) = state(&engine);
    let due = engine.next_deadline();
    kernel.take_log();
    for bytes in [Some(packet.to_vec()), repaired(packet)]
        .into_iter()
        .flatten()
    {
        let protocol = match bytes.get(9) {
            Some(51) => Protocol::Ah,
            _ => Protocol::Vrrp,
        };
        receive_by(protocol, &mut engine, &mut kernel, at(200), 2, &bytes);
    }
    let (last, after) = state(&engine);
    let is_authenticated = choice & 3 >= 2;
    if is_authenticated {
        assert_eq!(first, last);
        assert_eq!(engine.next_deadline(), due, "a timer has been set");
        assert_eq!(kernel.take_log(), [""; 0]);
    }
    Reach::accepted_if(after != counters)
}

/// The packet with the checksums of IPv4 and of a VRRP message with and without pseudo header.
fn repaired(packet: &[u8]) -> Option<Vec<u8>> {
    let header_len = usize::from(packet.first()? & 15) * 4;
    let (header, payload) = packet.split_at_checked(header_len)?;
    let mut all = with_checksum(header, 10, Sum::new())?;
    match all.get(9) {
        Some(112) => all.extend(with_checksum(payload, 6, Sum::new())?),
        _ => all.extend(payload),
    }
    Some(all)
}
