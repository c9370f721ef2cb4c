//! STUN writers. Each appends one whole message to `out`.

use std::net::SocketAddr;

use hmac::Mac;

use super::*;
use crate::bytes::prefix;

/// RFC 8489 §14.3: fewer than 509 bytes.
const USERNAME_MAX: usize = 508;
/// RFC 8489 §14.8: fewer than 128 characters; we keep to as many bytes.
const REASON_MAX: usize = 127;
const ATTRIBUTE_HEADER: usize = 4;
const INTEGRITY_AND_FINGERPRINT: usize = 24 + 8;

/// A message being written; `start` is where it begins in `out`.
struct Message<'o> {
    out: &'o mut Vec<u8>,
    start: usize,
}

impl<'o> Message<'o> {
    fn begin(out: &'o mut Vec<u8>, kind: u16, tid: &[u8; 12]) -> Self {
        let start = out.len();
        out.extend_from_slice(&kind.to_be_bytes());
        out.extend_from_slice(&[0, 0]);
        out.extend_from_slice(&COOKIE.to_be_bytes());
        out.extend_from_slice(tid);
        Self { out, start }
    }

    fn attribute(&mut self, kind: u16, parts: &[&[u8]]) {
        let len: usize = parts.iter().map(|p| p.len()).sum();
        self.out.extend_from_slice(&kind.to_be_bytes());
        self.out.extend_from_slice(&(len as u16).to_be_bytes());
        parts.iter().for_each(|p| self.out.extend_from_slice(p));
        self.out.resize(self.out.len() + len.next_multiple_of(4) - len, 0);
    }

    fn set_length(&mut self, len: usize) {
        self.out[self.start + 2..self.start + 4].copy_from_slice(&(len as u16).to_be_bytes());
    }

    /// Adds MESSAGE-INTEGRITY (with a key) and FINGERPRINT.
    fn finish(mut self, key: Option<&[u8]>) {
        if let Some(key) = key {
            let tag = mac(&self.out[self.start..], key).finalize().into_bytes();
            self.attribute(MESSAGE_INTEGRITY, &[&tag]);
        }
        let len = self.out.len() - self.start - HEADER + 8;
        self.set_length(len);
        let crc = fingerprint(&self.out[self.start..]);
        self.attribute(FINGERPRINT, &[&crc.to_be_bytes()]);
    }
}

/// The good answer to a check: where it came from (XOR-MAPPED-ADDRESS), under `key` = our own ICE password.
pub fn write_success(out: &mut Vec<u8>, tid: &[u8; 12], mapped: SocketAddr, key: &[u8]) {
    let mut m = Message::begin(out, 0x0101, tid);
    let port = (mapped.port() ^ (COOKIE >> 16) as u16).to_be_bytes();
    match mapped {
        SocketAddr::V4(a) => {
            let bits = u32::from(*a.ip()) ^ COOKIE;
            m.attribute(XOR_MAPPED_ADDRESS, &[&[0, 1], &port, &bits.to_be_bytes()]);
        }
        SocketAddr::V6(a) => {
            let bits = u128::from(*a.ip()) ^ v6_mask(tid);
            m.attribute(XOR_MAPPED_ADDRESS, &[&[0, 2], &port, &bits.to_be_bytes()]);
        }
    }
    m.finish(Some(key));
}

/// A refusal: `code` 300–699 (401 bad credentials, 487 role conflict); without `key` for a sender we cannot know.
/// A reason longer than 127 bytes is cut.
pub fn write_error(out: &mut Vec<u8>, tid: &[u8; 12], code: u16, reason: &str, key: Option<&[u8]>) {
    begin_error(out, tid, code, reason).finish(key);
}

/// The 420 refusal that names the attributes we do not know (RFC 8489 §6.3.1).
pub fn write_unknown_attributes(out: &mut Vec<u8>, tid: &[u8; 12], types: &[u16], key: Option<&[u8]>) {
    let mut m = begin_error(out, tid, 420, "Unknown Attribute");
    let mut list = [0; 16];
    let told = &types[..types.len().min(8)];
    list.chunks_exact_mut(2).zip(told).for_each(|(slot, t)| slot.copy_from_slice(&t.to_be_bytes()));
    m.attribute(UNKNOWN_ATTRIBUTES, &[&list[..told.len() * 2]]);
    m.finish(key);
}

fn begin_error<'o>(out: &'o mut Vec<u8>, tid: &[u8; 12], code: u16, reason: &str) -> Message<'o> {
    let mut m = Message::begin(out, 0x0111, tid);
    let head = [0, 0, (code / 100) as u8, (code % 100) as u8];
    m.attribute(ERROR_CODE, &[&head, prefix(reason, REASON_MAX).as_bytes()]);
    m
}

/// A connectivity check under `key` = the peer's ICE password. A username longer than 508 bytes is cut (and will not
/// match: ICE's own limit is 256 + 1 + 256).
#[allow(clippy::too_many_arguments)] // One call site per agent; a struct of the same eight names would say no more.
pub fn write_request(
    out: &mut Vec<u8>,
    tid: &[u8; 12],
    username: &str,
    priority: u32,
    use_candidate: bool,
    controlling: Option<u64>,
    controlled: Option<u64>,
    key: &[u8],
) {
    let mut m = begin_request(out, tid, username, priority);
    if use_candidate {
        m.attribute(USE_CANDIDATE, &[]);
    }
    if let Some(tie_breaker) = controlling {
        m.attribute(ICE_CONTROLLING, &[&tie_breaker.to_be_bytes()]);
    }
    if let Some(tie_breaker) = controlled {
        m.attribute(ICE_CONTROLLED, &[&tie_breaker.to_be_bytes()]);
    }
    m.finish(Some(key));
}

/// A check of a controlled agent that is `size` bytes long, or a few more or less, unless it needs more anyway. What fills
/// it is an attribute that nobody has to know (RFC 8489 §14), so that the answer is that to any other check.
pub fn write_padded_request(
    out: &mut Vec<u8>,
    tid: &[u8; 12],
    username: &str,
    priority: u32,
    controlled: u64,
    key: &[u8],
    size: usize,
) {
    let mut m = begin_request(out, tid, username, priority);
    m.attribute(ICE_CONTROLLED, &[&controlled.to_be_bytes()]);
    let rest = size.saturating_sub(m.out.len() - m.start + INTEGRITY_AND_FINGERPRINT + ATTRIBUTE_HEADER) / 4 * 4;
    m.attribute(PADDING, &[&vec![0; rest]]);
    m.finish(Some(key));
}

fn begin_request<'o>(out: &'o mut Vec<u8>, tid: &[u8; 12], username: &str, priority: u32) -> Message<'o> {
    let mut m = Message::begin(out, 0x0001, tid);
    m.attribute(USERNAME, &[prefix(username, USERNAME_MAX).as_bytes()]);
    m.attribute(PRIORITY, &[&priority.to_be_bytes()]);
    m
}
