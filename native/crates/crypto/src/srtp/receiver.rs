//! The inbound context of one session.

use super::cipher::{Cipher, ENCRYPTED};
use super::kdf::Labels;
use super::replay::Streams;
use super::{half_word, word, Keys, SrtpError, RTP_HEADER_LEN};

/// Opens the RTP and RTCP packets of one session. Keeps ROC and replay window for up to 64 SSRCs each; only packets that
/// authenticate touch that state.
pub struct Receiver {
    /// Made at the first packet: viewers send none.
    rtp: Option<Cipher>,
    keys: Keys,
    rtcp: Cipher,
    rtp_streams: Streams,
    rtcp_streams: Streams,
}

impl Receiver {
    pub fn new(keys: &Keys) -> Result<Self, SrtpError> {
        Ok(Receiver {
            rtp: None,
            keys: keys.clone(),
            rtcp: Cipher::new(keys, Labels::Rtcp)?,
            rtp_streams: Streams::default(),
            rtcp_streams: Streams::default(),
        })
    }

    /// Opens an SRTP packet in place; returns the length of the RTP packet. After an error the contents are undefined.
    pub fn unprotect_rtp(&mut self, packet: &mut [u8]) -> Result<usize, SrtpError> {
        let header_len = rtp_header_len(packet).ok_or(SrtpError::Malformed)?;
        if self.rtp.is_none() {
            self.rtp = Some(Cipher::new(&self.keys, Labels::Rtp)?);
        }
        let cipher = self.rtp.as_ref().ok_or(SrtpError::Keys)?;
        if packet.len() < header_len + cipher.tag_len() {
            return Err(SrtpError::Malformed);
        }
        let sequence = half_word(packet, 2).ok_or(SrtpError::Malformed)?;
        let ssrc = word(packet, 8).ok_or(SrtpError::Malformed)?;
        let index = self.rtp_streams.rtp_index(ssrc, sequence)?;
        self.rtp_streams.check(ssrc, index)?;
        let len = cipher.open_rtp(packet, header_len, ssrc, index).ok_or(SrtpError::Auth)?;
        self.rtp_streams.accept(ssrc, index);
        Ok(len)
    }

    /// Opens an SRTCP packet in place; returns the length of the RTCP packet. After an error the contents are undefined.
    pub fn unprotect_rtcp(&mut self, packet: &mut [u8]) -> Result<usize, SrtpError> {
        let trailer = self.rtcp.rtcp_trailer(packet).ok_or(SrtpError::Malformed)?;
        if packet[0] >> 6 != 2 || trailer & ENCRYPTED == 0 {
            return Err(SrtpError::Malformed);
        }
        let ssrc = word(packet, 4).ok_or(SrtpError::Malformed)?;
        let index = u64::from(trailer & !ENCRYPTED);
        self.rtcp_streams.check(ssrc, index)?;
        let len = self.rtcp.open_rtcp(packet, ssrc, trailer).ok_or(SrtpError::Auth)?;
        self.rtcp_streams.accept(ssrc, index);
        Ok(len)
    }

    /// The master keys that it was made with.
    pub fn keys(&self) -> &Keys {
        &self.keys
    }

    /// Each SSRC of SRTP that is remembered, with its highest index.
    pub fn rtp_indices(&self) -> impl Iterator<Item = (u32, u64)> + '_ {
        self.rtp_streams.newest()
    }

    /// Each SSRC of SRTCP that is remembered, with its highest index.
    pub fn rtcp_indices(&self) -> impl Iterator<Item = (u32, u64)> + '_ {
        self.rtcp_streams.newest()
    }

    /// Another receiver with these keys has had SRTP packets of `ssrc` up to `index`: none of them is taken again.
    pub fn had_rtp(&mut self, ssrc: u32, index: u64) {
        self.rtp_streams.had(ssrc, index);
    }

    /// Another receiver with these keys has had SRTCP packets of `ssrc` up to `index`: none of them is taken again.
    pub fn had_rtcp(&mut self, ssrc: u32, index: u64) {
        self.rtcp_streams.had(ssrc, index);
    }

    /// SSRCs forgotten because more than 64 were in use.
    pub fn evicted_ssrcs(&self) -> u64 {
        self.rtp_streams.evicted + self.rtcp_streams.evicted
    }
}

/// Header with CSRCs and extension; None if this is not RTP version 2 or the packet ends inside the header.
fn rtp_header_len(packet: &[u8]) -> Option<usize> {
    let first = *packet.first()?;
    if first >> 6 != 2 {
        return None;
    }
    let mut len = RTP_HEADER_LEN + 4 * usize::from(first & 0x0f);
    if first & 0x10 != 0 {
        len += 4 + 4 * usize::from(half_word(packet, len + 2)?);
    }
    (len <= packet.len()).then_some(len)
}
