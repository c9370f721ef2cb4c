//! RTCP: compound packets read one by one (RFC 3550 §6, RFC 4585 §6, RFC 5104 §4.3), and written likewise.
//!
//! A reader goes over [`packets`]; each [`Packet`] borrows its lists from the datagram as iterators.

mod lists;
mod write;

use std::fmt;

use crate::bytes::{u16_at, u32_at, u64_at};
pub use lists::{FirEntries, NackSeqs, Report, Reports, Ssrcs};
pub use write::{write_bye, write_fir, write_nack, write_pli, write_remb, write_rr, write_sdes_cname, write_sr};

const SR: u8 = 200;
const RR: u8 = 201;
const SDES: u8 = 202;
const BYE: u8 = 203;
const RTPFB: u8 = 205;
const PSFB: u8 = 206;

const FMT_NACK: u8 = 1;
const FMT_TWCC: u8 = 15;
const FMT_PLI: u8 = 1;
const FMT_FIR: u8 = 4;
const FMT_APPLICATION: u8 = 15;

/// One packet of a compound.
#[derive(Clone, Debug)]
pub enum Packet<'a> {
    /// A sender report (RFC 3550 §6.4.1).
    Sr {
        /// The SSRC of the one who sends.
        ssrc: u32,
        /// NTP time of the report, 32.32 fixed point.
        ntp: u64,
        /// The instant of `ntp`, on the RTP clock.
        rtp_ts: u32,
        /// RTP packets sent so far.
        packets: u32,
        /// Payload bytes sent so far.
        octets: u32,
        /// What it receives itself.
        reports: Reports<'a>,
    },
    /// A receiver report (RFC 3550 §6.4.2).
    Rr {
        /// The SSRC of the one who reports.
        ssrc: u32,
        /// What it receives.
        reports: Reports<'a>,
    },
    /// These sources end.
    Bye {
        /// The SSRCs that have ended.
        ssrcs: Ssrcs<'a>,
    },
    /// Generic NACK: resend these.
    Nack {
        /// The SSRC of the one who asks.
        sender: u32,
        /// The SSRC whose packets are missing.
        media: u32,
        /// The sequence numbers of the missing packets.
        seqs: NackSeqs<'a>,
    },
    /// Picture loss: a keyframe, please.
    Pli {
        /// The SSRC of the one who asks.
        sender: u32,
        /// The SSRC whose keyframe is wanted.
        media: u32,
    },
    /// Full intra request.
    Fir {
        /// The SSRC of the one who asks.
        sender: u32,
        /// Of which sources, each with the request's number.
        media: FirEntries<'a>,
    },
    /// Receiver estimated maximum bitrate (draft-alvestrand-rmcat-remb-03).
    Remb {
        /// The SSRC of the one who estimates.
        sender: u32,
        /// Sum over `ssrcs`; `u64::MAX` if told more.
        bitrate_bps: u64,
        /// What it holds for.
        ssrcs: Ssrcs<'a>,
    },
    /// Transport-wide feedback (draft-holmer-rmcat-transport-wide-cc-extensions-01), left unread.
    Twcc {
        /// The SSRC of the one who reports.
        sender: u32,
        /// A source of the transport.
        media: u32,
        /// From the base sequence number on.
        body: &'a [u8],
    },
    /// Source description; nothing in it is needed.
    Sdes,
    /// A packet of any other type.
    Other {
        /// The packet type (PT).
        pt: u8,
        /// The five bits that are a count or a feedback message type.
        fmt: u8,
    },
}

/// Why a datagram is no RTCP from here on. Always the sender's fault.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum RtcpError {
    /// The version is not 2.
    Version(u8),
    /// The packet's length reaches beyond the datagram.
    Truncated,
    /// The padding count is zero, not a multiple of four or larger than the packet.
    Padding,
    /// A packet of this type is too short for what it announces.
    Body(u8),
}

impl fmt::Display for RtcpError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Version(v) => write!(f, "RTCP: version {v} is not 2"),
            Self::Truncated => write!(f, "RTCP: a packet is longer than its datagram"),
            Self::Padding => write!(f, "RTCP: the padding does not fit the packet"),
            Self::Body(pt) => write!(f, "RTCP: a packet of type {pt} is too short for its contents"),
        }
    }
}

impl std::error::Error for RtcpError {}

/// The packets of a compound (or of reduced-size RTCP, RFC 5506). Ends after the first error, since nobody knows where
/// the next packet would start.
pub fn packets(d: &[u8]) -> Packets<'_> {
    Packets { rest: d }
}

/// Iterator of [`packets`].
#[derive(Clone, Debug)]
pub struct Packets<'a> {
    rest: &'a [u8],
}

impl<'a> Iterator for Packets<'a> {
    type Item = Result<Packet<'a>, RtcpError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.rest.is_empty() {
            return None;
        }
        let packet = split(self.rest).and_then(|(packet, rest)| {
            self.rest = rest;
            read(packet)
        });
        if packet.is_err() {
            self.rest = &[];
        }
        Some(packet)
    }
}

struct Raw<'a> {
    pt: u8,
    /// Report count, source count or feedback message type.
    count: u8,
    /// Behind the common header, without padding.
    body: &'a [u8],
}

fn split(d: &[u8]) -> Result<(Raw<'_>, &[u8]), RtcpError> {
    let head: &[u8; 4] = d.first_chunk().ok_or(RtcpError::Truncated)?;
    if head[0] >> 6 != 2 {
        return Err(RtcpError::Version(head[0] >> 6));
    }
    let len = 4 + 4 * usize::from(u16::from_be_bytes([head[2], head[3]]));
    let (packet, rest) = d.split_at_checked(len).ok_or(RtcpError::Truncated)?;
    let mut body = &packet[4..];
    if head[0] & 0x20 != 0 {
        let pad = body.last().map_or(0, |&b| usize::from(b));
        if pad == 0 || pad % 4 != 0 || pad > body.len() {
            return Err(RtcpError::Padding);
        }
        body = &body[..body.len() - pad];
    }
    Ok((Raw { pt: head[1], count: head[0] & 0x1F, body }, rest))
}

fn read(p: Raw<'_>) -> Result<Packet<'_>, RtcpError> {
    let short = RtcpError::Body(p.pt);
    match p.pt {
        SR => read_sr(&p).ok_or(short),
        RR => read_rr(&p).ok_or(short),
        SDES => Ok(Packet::Sdes),
        BYE => p.body.get(..4 * usize::from(p.count)).map(|b| Packet::Bye { ssrcs: Ssrcs(b) }).ok_or(short),
        RTPFB | PSFB => read_feedback(&p).ok_or(short),
        pt => Ok(Packet::Other { pt, fmt: p.count }),
    }
}

fn read_sr<'a>(p: &Raw<'a>) -> Option<Packet<'a>> {
    Some(Packet::Sr {
        ssrc: u32_at(p.body, 0)?,
        ntp: u64_at(p.body, 4)?,
        rtp_ts: u32_at(p.body, 12)?,
        packets: u32_at(p.body, 16)?,
        octets: u32_at(p.body, 20)?,
        reports: Reports::take(&p.body[24..], p.count)?,
    })
}

fn read_rr<'a>(p: &Raw<'a>) -> Option<Packet<'a>> {
    Some(Packet::Rr { ssrc: u32_at(p.body, 0)?, reports: Reports::take(&p.body[4..], p.count)? })
}

fn read_feedback<'a>(p: &Raw<'a>) -> Option<Packet<'a>> {
    let (sender, media, fci) = (u32_at(p.body, 0)?, u32_at(p.body, 4)?, &p.body[8..]);
    match (p.pt, p.count) {
        (RTPFB, FMT_NACK) => Some(Packet::Nack { sender, media, seqs: NackSeqs::new(fci) }),
        (RTPFB, FMT_TWCC) => Some(Packet::Twcc { sender, media, body: fci }),
        (PSFB, FMT_PLI) => Some(Packet::Pli { sender, media }),
        (PSFB, FMT_FIR) => Some(Packet::Fir { sender, media: FirEntries(fci) }),
        (PSFB, FMT_APPLICATION) if fci.starts_with(b"REMB") => read_remb(sender, fci),
        (pt, fmt) => Some(Packet::Other { pt, fmt }),
    }
}

fn read_remb(sender: u32, fci: &[u8]) -> Option<Packet<'_>> {
    let count = usize::from(*fci.get(4)?);
    let exponent = u32::from(fci.get(5)? >> 2);
    let mantissa = u64::from(fci[5] & 3) << 16 | u64::from(u16_at(fci, 6)?);
    let fits = mantissa == 0 || exponent <= mantissa.leading_zeros();
    let bitrate_bps = if fits { mantissa << exponent } else { u64::MAX };
    Some(Packet::Remb { sender, bitrate_bps, ssrcs: Ssrcs(fci.get(8..8 + 4 * count)?) })
}
