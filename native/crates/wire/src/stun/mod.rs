//! STUN Binding messages as ICE uses them (RFC 8489, RFC 8445 §7): parse, check, write.
//!
//! A checking agent calls [`parse`], then [`verify_integrity`] with the password the username stands for, and only then
//! believes what the message says.

mod error;
mod write;

use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};

use hmac::{Hmac, KeyInit, Mac};
use sha1::Sha1;

use crate::bytes::{u16_at, u32_at, u64_at};
pub use error::StunError;
pub use write::{write_error, write_padded_request, write_request, write_success, write_unknown_attributes};

const HEADER: usize = 20;
const COOKIE: u32 = 0x2112_A442;
const FINGERPRINT_XOR: u32 = 0x5354_554E;

const MAPPED_ADDRESS: u16 = 0x0001;
const USERNAME: u16 = 0x0006;
const MESSAGE_INTEGRITY: u16 = 0x0008;
const ERROR_CODE: u16 = 0x0009;
const UNKNOWN_ATTRIBUTES: u16 = 0x000A;
const REALM: u16 = 0x0014;
const NONCE: u16 = 0x0015;
const XOR_MAPPED_ADDRESS: u16 = 0x0020;
const PRIORITY: u16 = 0x0024;
const USE_CANDIDATE: u16 = 0x0025;
const FINGERPRINT: u16 = 0x8028;
const ICE_CONTROLLED: u16 = 0x8029;
const ICE_CONTROLLING: u16 = 0x802A;
/// An attribute of ours, from the range whose unknown members are passed over and that IANA gives out on request.
/// RFC 5780's own PADDING has to be understood, so that agents which do not know it would refuse the check.
const PADDING: u16 = 0xFE5A;

/// What a Binding message is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Class {
    /// A connectivity check.
    Request,
    /// A response that grants what was asked.
    Success,
    /// A response that refuses what was asked.
    Error,
    /// A keep-alive; never answered.
    Indication,
}

/// A Binding message. Of an attribute that appears twice the first counts; whatever stands behind MESSAGE-INTEGRITY is
/// ignored (RFC 8489 §14.5), since nobody vouches for it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Binding<'a> {
    /// Request, answer or indication.
    pub class: Class,
    /// Echoed by the answer.
    pub transaction_id: [u8; 12],
    /// USERNAME: `<receiver's ufrag>:<sender's ufrag>` in ICE.
    pub username: Option<&'a str>,
    /// PRIORITY of the candidate the check would make peer-reflexive.
    pub priority: Option<u32>,
    /// USE-CANDIDATE: the controlling side nominates this pair.
    pub use_candidate: bool,
    /// ICE-CONTROLLING tie-breaker.
    pub controlling: Option<u64>,
    /// ICE-CONTROLLED tie-breaker.
    pub controlled: Option<u64>,
    /// XOR-MAPPED-ADDRESS, un-XORed.
    pub mapped: Option<SocketAddr>,
    /// ERROR-CODE, 300–699.
    pub error_code: Option<u16>,
    /// Comprehension-required attributes we do not know: answer 420 with [`write_unknown_attributes`] if not empty.
    pub unknown_required: UnknownRequired,
}

/// Up to eight distinct attribute types (more are not worth telling a peer).
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct UnknownRequired {
    types: [u16; 8],
    len: u8,
}

impl UnknownRequired {
    /// The types, in order of appearance.
    pub fn as_slice(&self) -> &[u16] {
        &self.types[..usize::from(self.len)]
    }

    /// Whether the message may be processed.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    fn push(&mut self, kind: u16) {
        if usize::from(self.len) < self.types.len() && !self.as_slice().contains(&kind) {
            self.types[usize::from(self.len)] = kind;
            self.len += 1;
        }
    }
}

/// Reads one Binding message that fills the whole datagram. Checks cookie, lengths, attribute bounds and the FINGERPRINT
/// when there is one; does not check MESSAGE-INTEGRITY.
pub fn parse(d: &[u8]) -> Result<Binding<'_>, StunError> {
    let (class, transaction_id) = parse_header(d)?;
    let mut b = Binding {
        class,
        transaction_id,
        username: None,
        priority: None,
        use_candidate: false,
        controlling: None,
        controlled: None,
        mapped: None,
        error_code: None,
        unknown_required: UnknownRequired::default(),
    };
    let mut vouched = true;
    for attribute in Attributes::of(d) {
        let a = attribute?;
        match a.kind {
            FINGERPRINT => check_fingerprint(d, &a)?,
            MESSAGE_INTEGRITY if a.value.len() != 20 => return Err(StunError::AttributeLength(a.kind)),
            MESSAGE_INTEGRITY => vouched = false,
            _ if vouched => take(&mut b, &a)?,
            _ => {}
        }
    }
    Ok(b)
}

/// Whether the message carries a MESSAGE-INTEGRITY made with `key` (the ICE password). Compares in constant time.
pub fn verify_integrity(d: &[u8], key: &[u8]) -> bool {
    let found = Attributes::of(d).map_while(Result::ok).find(|a| a.kind == MESSAGE_INTEGRITY);
    found.is_some_and(|a| mac(&d[..a.at], key).verify_slice(a.value).is_ok())
}

/// HMAC-SHA1 over a message up to its MESSAGE-INTEGRITY, with the length field counting that attribute.
fn mac(before: &[u8], key: &[u8]) -> Hmac<Sha1> {
    let mut mac = Hmac::<Sha1>::new_from_slice(key).expect("HMAC takes a key of any length");
    // Wraps only for what is longer than any STUN message; `parse` refuses that.
    let len = (before.len() - HEADER + 24) as u16;
    mac.update(&before[..2]);
    mac.update(&len.to_be_bytes());
    mac.update(&before[4..]);
    mac
}

fn fingerprint(before: &[u8]) -> u32 {
    crc32fast::hash(before) ^ FINGERPRINT_XOR
}

fn parse_header(d: &[u8]) -> Result<(Class, [u8; 12]), StunError> {
    let header: &[u8; HEADER] = d.first_chunk().ok_or(StunError::Length)?;
    let kind = u16::from_be_bytes([header[0], header[1]]);
    if kind & 0xC000 != 0 || u32_at(header, 4) != Some(COOKIE) {
        return Err(StunError::NotStun);
    }
    let len = usize::from(u16::from_be_bytes([header[2], header[3]]));
    if len % 4 != 0 || HEADER + len != d.len() {
        return Err(StunError::Length);
    }
    let method = (kind & 0x3E00) >> 2 | (kind & 0x00E0) >> 1 | (kind & 0x000F);
    if method != 1 {
        return Err(StunError::Method(method));
    }
    let class = match (kind & 0x0100 != 0, kind & 0x0010 != 0) {
        (false, false) => Class::Request,
        (false, true) => Class::Indication,
        (true, false) => Class::Success,
        (true, true) => Class::Error,
    };
    let mut transaction_id = [0; 12];
    transaction_id.copy_from_slice(&header[8..]);
    Ok((class, transaction_id))
}

struct Attribute<'a> {
    kind: u16,
    /// Where the attribute's own header starts in the datagram.
    at: usize,
    value: &'a [u8],
}

/// Walks the attributes of a datagram; stops after the first that is cut off.
struct Attributes<'a> {
    d: &'a [u8],
    at: usize,
}

impl<'a> Attributes<'a> {
    fn of(d: &'a [u8]) -> Self {
        Self { d, at: HEADER }
    }
}

impl<'a> Iterator for Attributes<'a> {
    type Item = Result<Attribute<'a>, StunError>;

    fn next(&mut self) -> Option<Self::Item> {
        let at = self.at;
        let kind = u16_at(self.d, at)?;
        let value = u16_at(self.d, at + 2).and_then(|len| self.d.get(at + 4..at + 4 + usize::from(len)));
        let Some(value) = value else {
            self.at = self.d.len();
            return Some(Err(StunError::AttributeLength(kind)));
        };
        self.at = at + 4 + value.len().next_multiple_of(4);
        Some(Ok(Attribute { kind, at, value }))
    }
}

fn check_fingerprint(d: &[u8], a: &Attribute<'_>) -> Result<(), StunError> {
    let told = u32_at(a.value, 0).filter(|_| a.value.len() == 4).ok_or(StunError::AttributeLength(a.kind))?;
    if a.at + 8 == d.len() && told == fingerprint(&d[..a.at]) {
        Ok(())
    } else {
        Err(StunError::Fingerprint)
    }
}

fn take<'a>(b: &mut Binding<'a>, a: &Attribute<'a>) -> Result<(), StunError> {
    match a.kind {
        USERNAME => {
            let text = std::str::from_utf8(a.value).map_err(|_| StunError::AttributeValue(a.kind))?;
            b.username.get_or_insert(text);
        }
        PRIORITY => {
            b.priority.get_or_insert(sized(a, 4, u32_at)?);
        }
        USE_CANDIDATE if a.value.is_empty() => b.use_candidate = true,
        USE_CANDIDATE => return Err(StunError::AttributeLength(a.kind)),
        ICE_CONTROLLING => {
            b.controlling.get_or_insert(sized(a, 8, u64_at)?);
        }
        ICE_CONTROLLED => {
            b.controlled.get_or_insert(sized(a, 8, u64_at)?);
        }
        XOR_MAPPED_ADDRESS => {
            let address = xor_address(a, &b.transaction_id)?;
            b.mapped.get_or_insert(address);
        }
        ERROR_CODE => {
            b.error_code.get_or_insert(error_code(a)?);
        }
        MAPPED_ADDRESS | UNKNOWN_ATTRIBUTES | REALM | NONCE => {}
        0..=0x7FFF => b.unknown_required.push(a.kind),
        _ => {}
    }
    Ok(())
}

fn sized<T>(a: &Attribute<'_>, len: usize, read: fn(&[u8], usize) -> Option<T>) -> Result<T, StunError> {
    read(a.value, 0).filter(|_| a.value.len() == len).ok_or(StunError::AttributeLength(a.kind))
}

fn xor_address(a: &Attribute<'_>, transaction_id: &[u8; 12]) -> Result<SocketAddr, StunError> {
    let bad = StunError::AttributeLength(a.kind);
    let (head, address) = a.value.split_first_chunk::<4>().ok_or(bad)?;
    let port = u16::from_be_bytes([head[2], head[3]]) ^ (COOKIE >> 16) as u16;
    match head[1] {
        1 => {
            let bits = u32::from_be_bytes(address.try_into().map_err(|_| bad)?);
            Ok(SocketAddr::from((Ipv4Addr::from(bits ^ COOKIE), port)))
        }
        2 => {
            let bits = u128::from_be_bytes(address.try_into().map_err(|_| bad)?);
            Ok(SocketAddr::from((Ipv6Addr::from(bits ^ v6_mask(transaction_id)), port)))
        }
        _ => Err(StunError::AttributeValue(a.kind)),
    }
}

fn v6_mask(transaction_id: &[u8; 12]) -> u128 {
    let mut mask = [0; 16];
    mask[..4].copy_from_slice(&COOKIE.to_be_bytes());
    mask[4..].copy_from_slice(transaction_id);
    u128::from_be_bytes(mask)
}

fn error_code(a: &Attribute<'_>) -> Result<u16, StunError> {
    let head: &[u8; 4] = a.value.first_chunk().ok_or(StunError::AttributeLength(a.kind))?;
    match (head[2] & 7, head[3]) {
        (class @ 3..=6, number @ 0..=99) => Ok(u16::from(class) * 100 + u16::from(number)),
        _ => Err(StunError::AttributeValue(a.kind)),
    }
}
