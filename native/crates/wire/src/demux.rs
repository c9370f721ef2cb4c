//! Which protocol a datagram on a shared media port belongs to (RFC 7983 §7, RFC 5761 §4).

/// What a datagram's first two bytes say it is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Kind {
    /// STUN: the first byte is 0 to 3.
    Stun,
    /// First byte 20–63.
    Dtls,
    /// First byte 128–191, second byte outside 192–223.
    Rtp,
    /// First byte 128–191, second byte 192–223.
    Rtcp,
    /// Anything else, TURN channels and ZRTP included; also RTP too short to tell from RTCP.
    Unknown,
}

/// Looks at two bytes only: call it first for every datagram, then let the protocol's own parser judge.
pub fn classify(d: &[u8]) -> Kind {
    match d {
        [0..=3, ..] => Kind::Stun,
        [20..=63, ..] => Kind::Dtls,
        [128..=191, 192..=223, ..] => Kind::Rtcp,
        [128..=191, _, ..] => Kind::Rtp,
        _ => Kind::Unknown,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_byte_picks_the_protocol_as_rfc_7983_draws_it() {
        for first in 0..=255u8 {
            let expected = match first {
                0..=3 => Kind::Stun,
                20..=63 => Kind::Dtls,
                128..=191 => Kind::Rtp,
                _ => Kind::Unknown,
            };
            assert_eq!(classify(&[first, 96]), expected, "first byte {first}");
        }
    }

    #[test]
    fn the_second_byte_parts_rtcp_from_rtp() {
        for second in 0..=255u8 {
            let expected = if (192..=223).contains(&second) { Kind::Rtcp } else { Kind::Rtp };
            assert_eq!(classify(&[0x80, second]), expected, "second byte {second}");
        }
    }

    #[test]
    fn too_little_to_tell_is_unknown() {
        assert_eq!(classify(&[]), Kind::Unknown);
        assert_eq!(classify(&[0x80]), Kind::Unknown);
    }
}
