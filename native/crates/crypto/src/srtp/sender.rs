//! The outbound context of one session.

use super::cipher::{Cipher, ENCRYPTED};
use super::kdf::Labels;
use super::outbound::Outbound;
use super::{half_word, word, Keys, SrtpError, RTCP_HEADER_LEN, RTP_HEADER_LEN};

/// Protects the RTP and RTCP packets of one session. No heap allocation per RTP packet.
pub struct Sender {
    rtp: Outbound,
    rtcp: Cipher,
    /// The index of the next SRTCP packet.
    rtcp_index: u32,
    /// For whoever goes on with them elsewhere. Apart: no packet needs them.
    keys: Box<Keys>,
}

impl Sender {
    pub fn new(keys: &Keys) -> Result<Self, SrtpError> {
        Self::resuming(keys, 0)
    }

    /// Goes on where another sender with these keys has ended: `rtcp_index` is that of the next SRTCP packet. The other
    /// one must never send again.
    pub fn resuming(keys: &Keys, rtcp_index: u32) -> Result<Self, SrtpError> {
        let (rtp, rtcp) = (Outbound::new(keys)?, Cipher::new(keys, Labels::Rtcp)?);
        Ok(Sender { rtp, rtcp, rtcp_index, keys: Box::new(keys.clone()) })
    }

    /// The master keys that it was made with.
    pub fn keys(&self) -> &Keys {
        &self.keys
    }

    /// The index of the next SRTCP packet.
    pub fn rtcp_index(&self) -> u32 {
        self.rtcp_index
    }

    /// Says that RTP will be protected in a moment: brings the key into the CPU's cache.
    #[inline]
    pub fn prefetch(&self) {
        self.rtp.prefetch();
    }

    /// Protects one RTP packet. `slot[..header_len]` holds the clear header with its extensions; ciphertext and tag are
    /// written behind it. `pad` bytes of RTP padding follow the payload (RFC 3550 §5.1; the caller has set the P bit).
    /// Returns the length of the whole packet.
    ///
    /// The same SSRC, ROC and sequence number must never come with different bytes: under GCM that gives the key away.
    pub fn protect_rtp(
        &mut self,
        slot: &mut [u8],
        header_len: usize,
        payload: &[u8],
        pad: u8,
        roc: u32,
    ) -> Result<usize, SrtpError> {
        let len = header_len + payload.len() + usize::from(pad) + self.rtp.tag_len();
        if header_len < RTP_HEADER_LEN {
            return Err(SrtpError::Malformed);
        }
        let packet = slot.get_mut(..len).ok_or(SrtpError::NoRoom)?;
        let sequence = half_word(packet, 2).ok_or(SrtpError::Malformed)?;
        let ssrc = word(packet, 8).ok_or(SrtpError::Malformed)?;
        let index = u64::from(roc) << 16 | u64::from(sequence);
        if self.rtp.seal(packet, header_len, ssrc, index, payload, pad) {
            Ok(len)
        } else {
            Err(SrtpError::Malformed)
        }
    }

    /// Protects one compound RTCP packet in place, appending tag and index.
    pub fn protect_rtcp(&mut self, packet: &mut Vec<u8>) -> Result<(), SrtpError> {
        if packet.len() < RTCP_HEADER_LEN {
            return Err(SrtpError::Malformed);
        }
        if self.rtcp_index == ENCRYPTED {
            return Err(SrtpError::Exhausted);
        }
        let ssrc = word(packet, 4).ok_or(SrtpError::Malformed)?;
        let index = self.rtcp_index;
        self.rtcp_index += 1;
        if self.rtcp.seal_rtcp(packet, ssrc, index) {
            Ok(())
        } else {
            Err(SrtpError::Malformed)
        }
    }

    #[cfg(test)]
    pub(super) fn set_rtcp_index(&mut self, index: u32) {
        self.rtcp_index = index;
    }
}
