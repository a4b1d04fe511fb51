//! Packet sockets that receive (packet(7)).

use std::os::fd::{AsRawFd, BorrowedFd};
use std::ptr;

use nix::errno::Errno;
use socket2::SockAddr;

/// All protocols (`ETH_P_ALL`), in network order.
const ALL_PROTOCOLS: u16 = 0x0003_u16.to_be();
const SOL_PACKET: libc::c_int = 263;

/// The address that a packet socket is bound to, to receive all frames of an interface.
pub(crate) fn all_frames(interface: u32) -> SockAddr {
    super::packet_address(interface, ALL_PROTOCOLS)
}

/// Makes an interface receive all multicast while the socket is open.
pub(crate) fn receive_all_multicast(socket: BorrowedFd<'_>, interface: u32) -> nix::Result<()> {
    let request = libc::packet_mreq {
        mr_ifindex: interface.cast_signed(),
        mr_type: u16::try_from(libc::PACKET_MR_ALLMULTI).unwrap_or(0),
        mr_alen: 0,
        mr_address: [0; 8],
    };
    let len = libc::socklen_t::try_from(size_of::<libc::packet_mreq>()).unwrap_or(0);
    let name = libc::PACKET_ADD_MEMBERSHIP;
    let at = ptr::from_ref(&request).cast();
    // SAFETY: `at` points to a request that is valid for the call, `len` is its size.
    let result = unsafe { libc::setsockopt(socket.as_raw_fd(), SOL_PACKET, name, at, len) };
    Errno::result(result).map(drop)
}

/// Makes the kernel report the VLAN tag that it has removed from a frame.
pub(crate) fn report_vlan(socket: BorrowedFd<'_>) -> nix::Result<()> {
    super::set_int_option(socket, SOL_PACKET, libc::PACKET_AUXDATA, 1)
}

/// Frames that were dropped since the last call because the receive buffer was full.
pub(crate) fn dropped(socket: BorrowedFd<'_>) -> nix::Result<u32> {
    // `struct tpacket_stats`: packets, drops.
    let mut stats = [0_u32; 2];
    let mut len = libc::socklen_t::try_from(size_of_val(&stats)).unwrap_or(0);
    let name = libc::PACKET_STATISTICS;
    let at = ptr::from_mut(&mut stats).cast();
    // SAFETY: `at` points to two words that are valid for the call, `len` is their size.
    let result =
        unsafe { libc::getsockopt(socket.as_raw_fd(), SOL_PACKET, name, at, &raw mut len) };
    Errno::result(result).map(|_| stats[1])
}

/// The VLAN tag in a control message (`struct tpacket_auxdata`): TCI and TPID.
pub(crate) fn vlan_tag(level: libc::c_int, kind: libc::c_int, data: &[u8]) -> Option<(u16, u16)> {
    const VLAN_VALID: u32 = 1 << 4;
    const TPID_VALID: u32 = 1 << 6;
    if level != SOL_PACKET || kind != libc::PACKET_AUXDATA {
        return None;
    }
    let word = |at: usize| Some(u16::from_ne_bytes(*data.get(at..)?.first_chunk()?));
    let status = u32::from_ne_bytes(*data.first_chunk()?);
    let tpid = match status & TPID_VALID {
        0 => 0x8100,
        _ => word(18)?,
    };
    (status & VLAN_VALID != 0).then_some((word(16)?, tpid))
}
