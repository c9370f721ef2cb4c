//! RTP headers (RFC 3550 §5.1), header extensions (RFC 8285) and 64-bit sequence numbers.

use std::fmt;

use crate::bytes::{u16_at, u32_at};

const FIXED: usize = 12;
const ONE_BYTE: u16 = 0xBEDE;
const TWO_BYTE: u16 = 0x1000;

/// What an RTP packet's header says. The payload is `d[header_len..d.len() - padding]`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Header {
    /// Marker bit: last packet of a video frame, first of a talk spurt.
    pub marker: bool,
    /// Payload type, 0–127.
    pub pt: u8,
    /// The sequence number of the packet.
    pub seq: u16,
    /// Timestamp in the payload type's clock.
    pub ts: u32,
    /// Synchronisation source.
    pub ssrc: u32,
    /// Bytes before the payload, CSRC list and header extension included.
    pub header_len: usize,
    /// Bytes behind the payload, the count byte included; 0 from [`parse_protected`].
    pub padding: usize,
    /// Header extension: profile, where its elements start in the packet, their length in bytes.
    pub ext: Option<(u16, usize, usize)>,
}

/// Why a datagram is no RTP packet. Always the sender's fault.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum RtpError {
    /// The version is not 2.
    Version(u8),
    /// Ends inside the header, its CSRC list or its extension.
    Truncated,
    /// The padding count is zero or reaches into the header.
    Padding,
}

impl fmt::Display for RtpError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Version(v) => write!(f, "RTP: version {v} is not 2"),
            Self::Truncated => write!(f, "RTP: the packet ends inside its header"),
            Self::Padding => write!(f, "RTP: the padding does not fit the packet"),
        }
    }
}

impl std::error::Error for RtpError {}

/// Reads the header of a clear packet and checks its padding.
pub fn parse(d: &[u8]) -> Result<Header, RtpError> {
    let mut h = parse_protected(d)?;
    if d[0] & 0x20 != 0 {
        h.padding = usize::from(d[d.len() - 1]);
        if h.padding == 0 || h.padding > d.len() - h.header_len {
            return Err(RtpError::Padding);
        }
    }
    Ok(h)
}

/// Reads the header of an SRTP packet, whose padding count is still ciphertext: `padding` stays 0.
pub fn parse_protected(d: &[u8]) -> Result<Header, RtpError> {
    let fixed: &[u8; FIXED] = d.first_chunk().ok_or(RtpError::Truncated)?;
    if fixed[0] >> 6 != 2 {
        return Err(RtpError::Version(fixed[0] >> 6));
    }
    let mut header_len = FIXED + 4 * usize::from(fixed[0] & 0x0F);
    let mut ext = None;
    if fixed[0] & 0x10 != 0 {
        let profile = u16_at(d, header_len).ok_or(RtpError::Truncated)?;
        let len = 4 * usize::from(u16_at(d, header_len + 2).ok_or(RtpError::Truncated)?);
        ext = Some((profile, header_len + 4, len));
        header_len += 4 + len;
    }
    if header_len > d.len() {
        return Err(RtpError::Truncated);
    }
    Ok(Header {
        marker: fixed[1] & 0x80 != 0,
        pt: fixed[1] & 0x7F,
        seq: u16::from_be_bytes([fixed[2], fixed[3]]),
        ts: u32_at(fixed, 4).unwrap_or(0),
        ssrc: u32_at(fixed, 8).unwrap_or(0),
        header_len,
        padding: 0,
        ext,
    })
}

/// The elements of the header extension: none if there is no extension or its profile is neither form of RFC 8285.
/// Stops quietly at the first element that is cut off, as RFC 8285 wants of a reader.
pub fn extensions<'a>(d: &'a [u8], h: &Header) -> ExtIter<'a> {
    let (two_byte, rest) = match h.ext {
        Some((ONE_BYTE, start, len)) => (false, d.get(start..start + len)),
        Some((p, start, len)) if p & 0xFFF0 == TWO_BYTE => (true, d.get(start..start + len)),
        _ => (false, None),
    };
    ExtIter { two_byte, rest: rest.unwrap_or_default() }
}

/// Header extension elements: id and value.
#[derive(Clone, Debug)]
pub struct ExtIter<'a> {
    two_byte: bool,
    rest: &'a [u8],
}

impl<'a> ExtIter<'a> {
    fn element(&mut self, id: u8, len: usize, header: usize) -> Option<(u8, &'a [u8])> {
        let value = self.rest.get(header..header + len);
        self.rest = if value.is_some() { &self.rest[header + len..] } else { &[] };
        value.map(|v| (id, v))
    }
}

impl<'a> Iterator for ExtIter<'a> {
    type Item = (u8, &'a [u8]);

    fn next(&mut self) -> Option<Self::Item> {
        let padding = self.rest.iter().take_while(|&&b| b == 0).count();
        self.rest = &self.rest[padding..];
        match *self.rest {
            [id, len, ..] if self.two_byte => self.element(id, usize::from(len), 2),
            // Ids 0 (with a length) and 15 end the extension, RFC 8285 §4.2.
            [head @ 0x10..=0xEF, ..] if !self.two_byte => self.element(head >> 4, usize::from(head & 0x0F) + 1, 1),
            _ => {
                self.rest = &[];
                None
            }
        }
    }
}

fn needs_two_byte(exts: &[(u8, &[u8])]) -> bool {
    exts.iter().any(|(id, value)| *id > 14 || !(1..=16).contains(&value.len()))
}

/// How many bytes [`write_header`] will write.
pub fn header_len(exts: &[(u8, &[u8])]) -> usize {
    if exts.is_empty() {
        return FIXED;
    }
    let head = if needs_two_byte(exts) { 2 } else { 1 };
    let body: usize = exts.iter().map(|(_, value)| head + value.len()).sum();
    FIXED + 4 + body.next_multiple_of(4)
}

/// Writes a header without CSRCs and says how long it is. Extensions take the one-byte form unless an id is above 14 or a
/// value is empty or longer than 16 bytes. Called per packet and viewer.
///
/// # Panics
/// On the caller's mistakes: `out` shorter than [`header_len`], `pt` above 127, an id of 0, a value above 255 bytes.
#[allow(clippy::too_many_arguments)] // The fields of the header, in its order.
pub fn write_header(
    out: &mut [u8],
    marker: bool,
    pt: u8,
    seq: u16,
    ts: u32,
    ssrc: u32,
    padding: bool,
    exts: &[(u8, &[u8])],
) -> usize {
    assert!(pt < 128, "RTP payload type {pt} does not fit 7 bits");
    out[0] = 0x80 | u8::from(padding) << 5 | u8::from(!exts.is_empty()) << 4;
    out[1] = u8::from(marker) << 7 | pt;
    out[2..4].copy_from_slice(&seq.to_be_bytes());
    out[4..8].copy_from_slice(&ts.to_be_bytes());
    out[8..12].copy_from_slice(&ssrc.to_be_bytes());
    if exts.is_empty() {
        return FIXED;
    }
    write_extensions(out, exts)
}

fn write_extensions(out: &mut [u8], exts: &[(u8, &[u8])]) -> usize {
    let two_byte = needs_two_byte(exts);
    let mut at = FIXED + 4;
    for &(id, value) in exts {
        assert!(id != 0 && value.len() <= 255, "RTP extension id {id} with {} bytes cannot be written", value.len());
        if two_byte {
            out[at..at + 2].copy_from_slice(&[id, value.len() as u8]);
            at += 2;
        } else {
            out[at] = id << 4 | (value.len() - 1) as u8;
            at += 1;
        }
        out[at..at + value.len()].copy_from_slice(value);
        at += value.len();
    }
    let end = at.next_multiple_of(4);
    out[at..end].fill(0);
    let profile = if two_byte { TWO_BYTE } else { ONE_BYTE };
    out[FIXED..FIXED + 2].copy_from_slice(&profile.to_be_bytes());
    out[FIXED + 2..FIXED + 4].copy_from_slice(&(((end - FIXED - 4) / 4) as u16).to_be_bytes());
    end
}

/// Makes 16-bit sequence numbers 64-bit: each is taken as the one nearest to the highest seen (RFC 3711 §3.3.1 does the
/// same for the rollover counter). The first is 65536 + seq, so that late packets can lie before it.
#[derive(Clone, Copy, Debug, Default)]
pub struct SeqUnwrapper {
    highest: Option<u64>,
}

impl SeqUnwrapper {
    /// Nothing seen yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// The 64-bit number of `seq`, which is remembered if it is the highest so far.
    pub fn unwrap(&mut self, seq: u16) -> u64 {
        let full = self.peek(seq);
        self.highest = Some(self.highest.map_or(full, |h| h.max(full)));
        full
    }

    /// Extends the sequence number without remembering it.
    pub fn peek(&self, seq: u16) -> u64 {
        match self.highest {
            None => 65_536 + u64::from(seq),
            // Highest is at least 65 536 and a step back at most 32 768.
            Some(h) => h.wrapping_add_signed(i64::from(seq.wrapping_sub(h as u16) as i16)),
        }
    }

    /// The highest number so far.
    pub fn highest(&self) -> Option<u64> {
        self.highest
    }
}
