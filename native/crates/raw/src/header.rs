//! The headers before a burst of datagrams to one receiver. The kernel, or the network card, makes of them the headers of
//! each datagram, and its checksum (`PACKET_VNET_HDR` with UDP segmentation, virtio 1.2 §5.1.6).

use std::net::{IpAddr, SocketAddr};

/// An Ethernet address.
pub type Mac = [u8; 6];

const OFFLOAD: usize = 10;
const ETHERNET: usize = 14;
const UDP: usize = 8;
const V4: usize = 20;
const V6: usize = 40;
/// The longest headers: those of IPv6.
pub const MAX_HEADER: usize = OFFLOAD + ETHERNET + V6 + UDP;

/// virtio: the checksum is still to be made.
const NEEDS_CHECKSUM: u8 = 1;
/// virtio: UDP datagrams of equal length, of which the last may be shorter.
const SEGMENTS_OF_UDP: u8 = 5;
const DONT_FRAGMENT: u8 = 0x40;
/// As many as Linux gives by default.
const HOPS: u8 = 64;
const PROTOCOL_UDP: u8 = 17;

/// What all bursts of one way have in common. Lengths and checksums are filled in for each.
#[derive(Clone, Debug)]
pub struct Header {
    bytes: [u8; MAX_HEADER],
    v6: bool,
    /// Sums for the checksums of IPv4 and UDP, without the lengths.
    ip_sum: u32,
    udp_sum: u32,
}

impl Header {
    /// From one address to another, between these two devices. None: the two addresses are of different families.
    pub fn new(from: SocketAddr, to: SocketAddr, device: Mac, next: Mac) -> Option<Self> {
        let mut bytes = [0; MAX_HEADER];
        bytes[0] = NEEDS_CHECKSUM;
        let (ethernet, ip) = bytes[OFFLOAD..].split_at_mut(ETHERNET);
        ethernet[..6].copy_from_slice(&next);
        ethernet[6..12].copy_from_slice(&device);
        let addresses = match (from.ip(), to.ip()) {
            (IpAddr::V4(from), IpAddr::V4(to)) => {
                ethernet[12..].copy_from_slice(&[0x08, 0x00]);
                (ip[0], ip[6], ip[8], ip[9]) = (0x45, DONT_FRAGMENT, HOPS, PROTOCOL_UDP);
                ip[12..16].copy_from_slice(&from.octets());
                ip[16..20].copy_from_slice(&to.octets());
                12..20
            }
            (IpAddr::V6(from), IpAddr::V6(to)) => {
                ethernet[12..].copy_from_slice(&[0x86, 0xdd]);
                (ip[0], ip[6], ip[7]) = (0x60, PROTOCOL_UDP, HOPS);
                ip[8..24].copy_from_slice(&from.octets());
                ip[24..40].copy_from_slice(&to.octets());
                8..40
            }
            _ => return None,
        };
        let v6 = to.is_ipv6();
        let ip_len = if v6 { V6 } else { V4 };
        let udp_sum = sum(&ip[addresses]) + u32::from(PROTOCOL_UDP);
        let ip_sum = if v6 { 0 } else { sum(&ip[..V4]) };
        let udp = &mut ip[ip_len..ip_len + UDP];
        udp[..2].copy_from_slice(&from.port().to_be_bytes());
        udp[2..4].copy_from_slice(&to.port().to_be_bytes());
        let header = (ETHERNET + ip_len + UDP) as u16;
        // The kernel reads these in its own byte order.
        bytes[2..4].copy_from_slice(&header.to_ne_bytes());
        bytes[6..8].copy_from_slice(&(header - UDP as u16).to_ne_bytes());
        bytes[8..10].copy_from_slice(&6u16.to_ne_bytes());
        Some(Header { bytes, v6, ip_sum, udp_sum })
    }

    /// How many bytes the header takes.
    #[inline]
    #[allow(clippy::len_without_is_empty)]
    pub fn len(&self) -> usize {
        header_len(self.v6)
    }

    /// What a datagram has beside its payload on the network layer, which counts for the MTU.
    #[inline]
    pub fn overhead(&self) -> usize {
        self.len() - OFFLOAD - ETHERNET
    }

    /// Writes the header for `len` bytes in datagrams of `segment` bytes each, the last of which may be shorter. `room` is
    /// as long as `len()` says. Called once for each burst.
    #[inline]
    pub fn write(&self, room: &mut [u8], len: usize, segment: usize) {
        let header = self.len();
        let Some(room) = room.get_mut(..header) else { return };
        room.copy_from_slice(&self.bytes[..header]);
        if len > segment {
            room[1] = SEGMENTS_OF_UDP;
            room[4..6].copy_from_slice(&(segment as u16).to_ne_bytes());
        }
        let udp_len = (UDP + len) as u16;
        let ip = &mut room[OFFLOAD + ETHERNET..];
        let udp = if self.v6 {
            ip[4..6].copy_from_slice(&udp_len.to_be_bytes());
            V6
        } else {
            let total = V4 as u16 + udp_len;
            ip[2..4].copy_from_slice(&total.to_be_bytes());
            ip[10..12].copy_from_slice(&(!folded(self.ip_sum + u32::from(total))).to_be_bytes());
            V4
        };
        ip[udp + 4..udp + 6].copy_from_slice(&udp_len.to_be_bytes());
        // Of the pseudo header alone: whoever sends adds the rest.
        ip[udp + 6..udp + 8].copy_from_slice(&folded(self.udp_sum + u32::from(udp_len)).to_be_bytes());
    }
}

/// How many bytes the header of either family takes.
#[inline]
pub fn header_len(v6: bool) -> usize {
    OFFLOAD + ETHERNET + UDP + if v6 { V6 } else { V4 }
}

/// The sum of the 16-bit words, for a checksum (RFC 1071). An even number of bytes.
fn sum(bytes: &[u8]) -> u32 {
    bytes.chunks_exact(2).map(|w| u32::from(u16::from_be_bytes([w[0], w[1]]))).sum()
}

#[inline]
fn folded(sum: u32) -> u16 {
    let sum = (sum & 0xffff) + (sum >> 16);
    ((sum & 0xffff) + (sum >> 16)) as u16
}

#[cfg(test)]
mod tests {
    use super::*;
    use etherparse::{NetSlice, SlicedPacket, TransportSlice};
    use proptest::prelude::*;

    const US: Mac = [2, 0, 0, 0, 0, 1];
    const GATEWAY: Mac = [2, 0, 0, 0, 0, 2];

    /// What whoever sends the frame makes of it: whole frames, as the kernel's own description of the offload says.
    fn segments(frame: &[u8]) -> Vec<Vec<u8>> {
        let word = |at: usize| usize::from(u16::from_ne_bytes([frame[at], frame[at + 1]]));
        assert_eq!(frame[0], NEEDS_CHECKSUM);
        let (header, start, offset) = (word(2), word(6), word(8));
        let (head, payload) = frame[OFFLOAD..].split_at(header);
        let size = if frame[1] == SEGMENTS_OF_UDP { word(4) } else { payload.len() };
        let v6 = head[12..14] == [0x86, 0xdd];
        payload
            .chunks(size)
            .map(|part| {
                let mut whole = [head, part].concat();
                let ip = ETHERNET;
                let (all, this) = (UDP + payload.len(), UDP + part.len());
                if v6 {
                    whole[ip + 4..ip + 6].copy_from_slice(&(this as u16).to_be_bytes());
                } else {
                    whole[ip + 2..ip + 4].copy_from_slice(&((V4 + this) as u16).to_be_bytes());
                    whole[ip + 10..ip + 12].fill(0);
                    let check = !folded(sum(&whole[ip..ip + V4]));
                    whole[ip + 10..ip + 12].copy_from_slice(&check.to_be_bytes());
                }
                whole[start + 4..start + 6].copy_from_slice(&(this as u16).to_be_bytes());
                // The sum of the pseudo header is for all of it: the difference of the lengths comes off.
                let pseudo = u32::from(u16::from_be_bytes([whole[start + offset], whole[start + offset + 1]]));
                let pseudo = folded(pseudo + u32::from(!(all as u16)) + this as u32);
                whole[start + offset..start + offset + 2].copy_from_slice(&pseudo.to_be_bytes());
                let mut covered = whole[start..].to_vec();
                covered.resize(covered.len().next_multiple_of(2), 0);
                let check = !folded(sum(&covered));
                whole[start + offset..start + offset + 2].copy_from_slice(&check.to_be_bytes());
                whole
            })
            .collect()
    }

    fn burst(from: SocketAddr, to: SocketAddr, len: usize, segment: usize) -> Vec<u8> {
        let header = Header::new(from, to, US, GATEWAY).unwrap();
        let mut frame = vec![0xee; header.len()];
        frame.extend((0..len).map(|i| (i / segment) as u8));
        header.write(&mut frame[..header.len()], len, segment);
        frame
    }

    fn addresses() -> impl Strategy<Value = (SocketAddr, SocketAddr)> {
        let v4 = any::<([u8; 4], u16, [u8; 4], u16)>().prop_map(|(a, p, b, q)| ((a, p).into(), (b, q).into()));
        let v6 = any::<([u8; 16], u16, [u8; 16], u16)>().prop_map(|(a, p, b, q)| ((a, p).into(), (b, q).into()));
        prop_oneof![v4, v6]
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(if cfg!(miri) { 8 } else { 512 }))]

        #[test]
        fn another_parser_finds_every_datagram_whole((from, to) in addresses(), segment in 1usize..1473, rest in 0usize..1473, full in 0usize..16) {
            let rest = rest.min(segment);
            let len = full * segment + rest;
            prop_assume!(len > 0);
            let frame = burst(from, to, len, segment);
            let found = segments(&frame);
            prop_assert_eq!(found.len(), len.div_ceil(segment));
            for (i, one) in found.iter().enumerate() {
                let parsed = SlicedPacket::from_ethernet(one).unwrap();
                let Some(TransportSlice::Udp(udp)) = parsed.transport else { panic!("no UDP") };
                let check = match parsed.net {
                    Some(NetSlice::Ipv4(ip)) => {
                        let h = ip.header().to_header();
                        prop_assert_eq!(h.header_checksum, h.calc_header_checksum());
                        prop_assert!(h.dont_fragment && h.time_to_live == 64);
                        prop_assert_eq!((IpAddr::from(h.source), IpAddr::from(h.destination)), (from.ip(), to.ip()));
                        udp.to_header().calc_checksum_ipv4_raw(h.source, h.destination, udp.payload()).unwrap()
                    }
                    Some(NetSlice::Ipv6(ip)) => {
                        let h = ip.header().to_header();
                        prop_assert_eq!((IpAddr::from(h.source), IpAddr::from(h.destination)), (from.ip(), to.ip()));
                        udp.to_header().calc_checksum_ipv6_raw(h.source, h.destination, udp.payload()).unwrap()
                    }
                    _ => panic!("no IP"),
                };
                // 0 and 0xffff are the same in such a sum; UDP sends the second (RFC 768).
                let ours = udp.checksum();
                prop_assert_eq!(if ours == 0 { 0xffff } else { ours }, if check == 0 { 0xffff } else { check });
                prop_assert_eq!((udp.source_port(), udp.destination_port()), (from.port(), to.port()));
                prop_assert_eq!(udp.payload().len(), segment.min(len - i * segment));
                prop_assert!(udp.payload().iter().all(|b| *b == i as u8), "bytes of another datagram");
            }
        }
    }

    #[test]
    fn one_datagram_is_no_burst() {
        let (from, to) = ("10.0.0.1:5000".parse().unwrap(), "10.0.0.2:6000".parse().unwrap());
        let frame = burst(from, to, 100, 100);
        assert_eq!((frame[1], &frame[4..6]), (0, &[0, 0][..]));
        assert_eq!(&frame[10..24], &[2, 0, 0, 0, 0, 2, 2, 0, 0, 0, 0, 1, 8, 0]);
    }

    #[test]
    fn families_are_not_mixed_and_short_room_is_left_alone() {
        let v4: SocketAddr = "10.0.0.1:5000".parse().unwrap();
        assert!(Header::new(v4, "[::1]:5000".parse().unwrap(), US, GATEWAY).is_none());
        let header = Header::new(v4, v4, US, GATEWAY).unwrap();
        let mut room = [7; 51];
        header.write(&mut room, 100, 100);
        assert_eq!(room, [7; 51]);
        assert_eq!((header.len(), header.overhead()), (52, 28));
    }
}
