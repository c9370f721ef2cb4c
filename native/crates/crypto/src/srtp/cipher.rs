//! The cipher of inbound RTP and of RTCP: nonces, what is authenticated, where the tag stands.

use boring::memcmp;

use super::kdf::{derive, Labels, SessionKeys};
use super::{Keys, SrtpError, RTCP_HEADER_LEN, RTCP_INDEX_LEN};
use crate::ffi::{AesCtr, Gcm, HmacSha1, GCM_NONCE_LEN, GCM_TAG_LEN};

pub const CM_TAG_LEN: usize = 10;
/// The E bit in front of the SRTCP index.
pub const ENCRYPTED: u32 = 1 << 31;

pub enum Cipher {
    Gcm(GcmCipher),
    Cm(Box<CmCipher>),
}

pub struct GcmCipher {
    gcm: Gcm,
    salt: [u8; GCM_NONCE_LEN],
}

pub struct CmCipher {
    aes: AesCtr,
    hmac: HmacSha1,
    /// Session salt, shifted left by 16 bits.
    salt: [u8; 16],
}

impl Cipher {
    pub fn new(keys: &Keys, labels: Labels) -> Result<Self, SrtpError> {
        Self::of_session(derive(keys, labels)?)
    }

    pub fn of_session(keys: SessionKeys) -> Result<Self, SrtpError> {
        if !keys.authentication.is_empty() {
            return Ok(Cipher::Cm(Box::new(CmCipher::new(&keys)?)));
        }
        let gcm = Gcm::new(&keys.encryption).ok_or(SrtpError::Keys)?;
        let salt = keys.salt.try_into().map_err(|_| SrtpError::Keys)?;
        Ok(Cipher::Gcm(GcmCipher { gcm, salt }))
    }

    pub fn tag_len(&self) -> usize {
        match self {
            Cipher::Gcm(_) => GCM_TAG_LEN,
            Cipher::Cm(_) => CM_TAG_LEN,
        }
    }

    /// Returns the clear packet's length; None if the tag is wrong.
    pub fn open_rtp(&self, packet: &mut [u8], header_len: usize, ssrc: u32, index: u64) -> Option<usize> {
        let end = packet.len().checked_sub(self.tag_len())?;
        if end < header_len {
            return None;
        }
        match self {
            Cipher::Gcm(c) => {
                let (header, data) = packet.split_at_mut(header_len);
                Some(header_len + c.gcm.open_in_place(&c.nonce(ssrc, index), header, data)?)
            }
            Cipher::Cm(c) => {
                let (clear, tag) = packet.split_at_mut(end);
                if !memcmp::eq(&c.rtp_tag(clear, index), tag) {
                    return None;
                }
                c.apply_in_place(ssrc, index, &mut clear[header_len..]);
                Some(end)
            }
        }
    }

    /// Encrypts an RTCP packet behind its first eight bytes and appends tag and index. `index` has 31 bits.
    pub fn seal_rtcp(&self, packet: &mut Vec<u8>, ssrc: u32, index: u32) -> bool {
        let end = packet.len();
        let trailer = (ENCRYPTED | index).to_be_bytes();
        match self {
            Cipher::Gcm(c) => {
                packet.resize(end + GCM_TAG_LEN, 0);
                let (header, data) = packet.split_at_mut(RTCP_HEADER_LEN);
                if !c.gcm.seal_in_place(&c.nonce(ssrc, index.into()), &rtcp_aad(header, trailer), data) {
                    return false;
                }
                packet.extend_from_slice(&trailer);
            }
            Cipher::Cm(c) => {
                c.apply_in_place(ssrc, index.into(), &mut packet[RTCP_HEADER_LEN..]);
                packet.extend_from_slice(&trailer);
                let tag = c.tag(packet, &[]);
                packet.extend_from_slice(&tag);
            }
        }
        true
    }

    /// The word with E bit and index; None if the packet is too short to have one.
    pub fn rtcp_trailer(&self, packet: &[u8]) -> Option<u32> {
        let behind = match self {
            Cipher::Gcm(_) => 0,
            Cipher::Cm(_) => CM_TAG_LEN,
        };
        let clear = packet.len().checked_sub(self.tag_len() + RTCP_INDEX_LEN)?;
        if clear < RTCP_HEADER_LEN {
            return None;
        }
        super::word(packet, packet.len() - RTCP_INDEX_LEN - behind)
    }

    /// Returns the clear packet's length; None if the tag is wrong. `trailer` is `rtcp_trailer`'s answer.
    pub fn open_rtcp(&self, packet: &mut [u8], ssrc: u32, trailer: u32) -> Option<usize> {
        let index = u64::from(trailer & !ENCRYPTED);
        match self {
            Cipher::Gcm(c) => {
                let end = packet.len() - RTCP_INDEX_LEN;
                let (header, data) = packet[..end].split_at_mut(RTCP_HEADER_LEN);
                let aad = rtcp_aad(header, trailer.to_be_bytes());
                Some(RTCP_HEADER_LEN + c.gcm.open_in_place(&c.nonce(ssrc, index), &aad, data)?)
            }
            Cipher::Cm(c) => {
                let end = packet.len() - CM_TAG_LEN;
                let (authenticated, tag) = packet.split_at_mut(end);
                if !memcmp::eq(&c.tag(authenticated, &[]), tag) {
                    return None;
                }
                let clear = end - RTCP_INDEX_LEN;
                c.apply_in_place(ssrc, index, &mut authenticated[RTCP_HEADER_LEN..clear]);
                Some(clear)
            }
        }
    }
}

/// RFC 7714 §9.2: header, then E bit and index.
fn rtcp_aad(header: &[u8], trailer: [u8; RTCP_INDEX_LEN]) -> [u8; RTCP_HEADER_LEN + RTCP_INDEX_LEN] {
    let mut aad = [0; RTCP_HEADER_LEN + RTCP_INDEX_LEN];
    aad[..RTCP_HEADER_LEN].copy_from_slice(header);
    aad[RTCP_HEADER_LEN..].copy_from_slice(&trailer);
    aad
}

impl GcmCipher {
    fn nonce(&self, ssrc: u32, index: u64) -> [u8; GCM_NONCE_LEN] {
        nonce(&self.salt, ssrc, index)
    }
}

/// RFC 7714 §8.1 and §9.1: 00 00 | SSRC | index in 48 bits, XOR salt. (An SRTCP index fills 31 of the 48.)
pub fn nonce(salt: &[u8; GCM_NONCE_LEN], ssrc: u32, index: u64) -> [u8; GCM_NONCE_LEN] {
    let mut nonce = *salt;
    nonce[2..6].iter_mut().zip(ssrc.to_be_bytes()).for_each(|(n, b)| *n ^= b);
    nonce[6..].iter_mut().zip(&index.to_be_bytes()[2..]).for_each(|(n, b)| *n ^= b);
    nonce
}

impl CmCipher {
    pub fn new(keys: &SessionKeys) -> Result<Self, SrtpError> {
        let mut salt = [0; 16];
        salt.get_mut(..keys.salt.len()).ok_or(SrtpError::Keys)?.copy_from_slice(&keys.salt);
        Ok(CmCipher {
            aes: AesCtr::new(&keys.encryption).ok_or(SrtpError::Keys)?,
            hmac: HmacSha1::new(&keys.authentication).ok_or(SrtpError::Keys)?,
            salt,
        })
    }

    /// Writes `input` XOR the packet's key stream to `out`, which must be as long.
    pub fn apply(&self, ssrc: u32, index: u64, input: &[u8], out: &mut [u8]) {
        self.aes.apply(self.iv(ssrc, index), input, out);
    }

    pub fn apply_in_place(&self, ssrc: u32, index: u64, data: &mut [u8]) {
        self.aes.apply_in_place(self.iv(ssrc, index), data);
    }

    /// RFC 3711 §4.1.1: salt · 2¹⁶ XOR SSRC · 2⁶⁴ XOR index · 2¹⁶.
    fn iv(&self, ssrc: u32, index: u64) -> [u8; 16] {
        let mut iv = self.salt;
        iv[4..8].iter_mut().zip(ssrc.to_be_bytes()).for_each(|(n, b)| *n ^= b);
        iv[8..14].iter_mut().zip(&index.to_be_bytes()[2..]).for_each(|(n, b)| *n ^= b);
        iv
    }

    /// RFC 3711 §4.2: the ROC is authenticated behind the packet.
    pub fn rtp_tag(&self, packet: &[u8], index: u64) -> [u8; CM_TAG_LEN] {
        let roc = (index >> 16) as u32;
        self.tag(packet, &roc.to_be_bytes())
    }

    fn tag(&self, packet: &[u8], behind: &[u8]) -> [u8; CM_TAG_LEN] {
        let mac = self.hmac.mac([packet, behind]);
        std::array::from_fn(|i| mac[i])
    }
}
