//! SRTP and SRTCP: RFC 3711 (AES-CM with HMAC-SHA1) and RFC 7714 (AES-GCM). Session keys are derived once; no MKI.
//!
//! SRTCP is always encrypted: packets without the E bit are refused (RFC 8827 §6.5).

mod cipher;
mod kdf;
mod outbound;
mod receiver;
mod replay;
mod sender;

use std::fmt;

pub use receiver::Receiver;
pub use sender::Sender;

/// An RTP header without CSRCs and extensions.
const RTP_HEADER_LEN: usize = 12;
/// The part of an RTCP packet that stays clear: first header word and SSRC.
const RTCP_HEADER_LEN: usize = 8;
/// E bit and SRTCP index.
const RTCP_INDEX_LEN: usize = 4;

/// Protection profiles this crate negotiates, RFC 5764 §4.1.2 and RFC 7714 §14.2.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Profile {
    AeadAes128Gcm,
    AeadAes256Gcm,
    AesCm128HmacSha1_80,
}

impl Profile {
    /// Every one of them.
    pub const ALL: [Profile; 3] = [Profile::AeadAes128Gcm, Profile::AeadAes256Gcm, Profile::AesCm128HmacSha1_80];

    /// The profile that `name` calls so.
    pub fn from_name(name: &str) -> Option<Profile> {
        Self::ALL.into_iter().find(|p| p.name() == name)
    }

    /// The name in WebRTC statistics (`srtpCipher`).
    pub fn name(self) -> &'static str {
        match self {
            Profile::AeadAes128Gcm => "AEAD_AES_128_GCM",
            Profile::AeadAes256Gcm => "AEAD_AES_256_GCM",
            Profile::AesCm128HmacSha1_80 => "AES_CM_128_HMAC_SHA1_80",
        }
    }

    /// Bytes of master key.
    pub fn key_len(self) -> usize {
        match self {
            Profile::AeadAes256Gcm => 32,
            Profile::AeadAes128Gcm | Profile::AesCm128HmacSha1_80 => 16,
        }
    }

    /// Bytes of master salt.
    pub fn salt_len(self) -> usize {
        match self {
            Profile::AeadAes128Gcm | Profile::AeadAes256Gcm => 12,
            Profile::AesCm128HmacSha1_80 => 14,
        }
    }

    /// Bytes that protection adds to an RTP packet: the tag.
    pub fn rtp_overhead(self) -> usize {
        match self {
            Profile::AeadAes128Gcm | Profile::AeadAes256Gcm => 16,
            Profile::AesCm128HmacSha1_80 => 10,
        }
    }

    /// Bytes that protection adds to an RTCP packet: tag and index.
    pub fn rtcp_overhead(self) -> usize {
        self.rtp_overhead() + RTCP_INDEX_LEN
    }
}

/// Master key and salt of one direction.
#[derive(Clone, PartialEq, Eq)]
pub struct Keys {
    pub profile: Profile,
    pub key: Vec<u8>,
    pub salt: Vec<u8>,
}

impl fmt::Debug for Keys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Keys").field("profile", &self.profile).finish_non_exhaustive()
    }
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum SrtpError {
    /// Master key or salt of the wrong length for the profile.
    Keys,
    /// The tag is wrong: not from the peer, or damaged.
    Auth,
    /// Received before, or too old to tell.
    Replay,
    /// Not an RTP or RTCP packet.
    Malformed,
    /// The slot is too small for the protected packet.
    NoRoom,
    /// All 2³¹ SRTCP indices of this key are used.
    Exhausted,
}

impl fmt::Display for SrtpError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            SrtpError::Keys => "master key or salt has the wrong length for the profile",
            SrtpError::Auth => "authentication failed",
            SrtpError::Replay => "packet replayed or too old",
            SrtpError::Malformed => "not a valid packet",
            SrtpError::NoRoom => "no room for the protected packet",
            SrtpError::Exhausted => "SRTCP indices exhausted",
        })
    }
}

impl std::error::Error for SrtpError {}

/// Big-endian u32 at `at`; None if the packet ends before.
fn word(packet: &[u8], at: usize) -> Option<u32> {
    let bytes = packet.get(at..at.checked_add(4)?)?;
    Some(u32::from_be_bytes(bytes.try_into().ok()?))
}

/// Big-endian u16 at `at`; None if the packet ends before.
fn half_word(packet: &[u8], at: usize) -> Option<u16> {
    let bytes = packet.get(at..at.checked_add(2)?)?;
    Some(u16::from_be_bytes(bytes.try_into().ok()?))
}

#[cfg(test)]
mod oracle_tests;
#[cfg(test)]
mod session_tests;
#[cfg(test)]
mod vector_tests;
