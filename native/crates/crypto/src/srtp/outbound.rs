//! The cipher of a session's outbound RTP: seals from a shared payload straight into the slot.

use super::cipher::{nonce, CmCipher, CM_TAG_LEN};
use super::kdf::{derive, Labels, SessionKeys};
use super::{Keys, SrtpError};
use crate::gcm::{pad_behind, Sealer, GCM_NONCE_LEN, GCM_TAG_LEN};

pub enum Outbound {
    Gcm { sealer: Sealer, salt: [u8; GCM_NONCE_LEN] },
    Cm(Box<CmCipher>),
}

impl Outbound {
    pub fn new(keys: &Keys) -> Result<Self, SrtpError> {
        Self::of_session(derive(keys, Labels::Rtp)?)
    }

    pub fn of_session(keys: SessionKeys) -> Result<Self, SrtpError> {
        if !keys.authentication.is_empty() {
            return Ok(Outbound::Cm(Box::new(CmCipher::new(&keys)?)));
        }
        let sealer = Sealer::new(&keys.encryption).ok_or(SrtpError::Keys)?;
        let salt = keys.salt.try_into().map_err(|_| SrtpError::Keys)?;
        Ok(Outbound::Gcm { sealer, salt })
    }

    #[inline]
    pub fn prefetch(&self) {
        if let Outbound::Gcm { sealer, .. } = self {
            sealer.prefetch();
        }
    }

    pub fn tag_len(&self) -> usize {
        match self {
            Outbound::Gcm { .. } => GCM_TAG_LEN,
            Outbound::Cm(_) => CM_TAG_LEN,
        }
    }

    /// Encrypts `payload` and `pad` bytes of padding behind the clear header that `packet` starts with. `packet` has
    /// exactly the protected packet's length, `index` is ROC · 2¹⁶ + SEQ.
    pub fn seal(&self, packet: &mut [u8], header_len: usize, ssrc: u32, index: u64, payload: &[u8], pad: u8) -> bool {
        match self {
            Outbound::Gcm { sealer, salt } => {
                let (header, out) = packet.split_at_mut(header_len);
                sealer.seal(&nonce(salt, ssrc, index), header, payload, pad, out)
            }
            Outbound::Cm(cipher) => {
                let (clear, tag) = packet.split_at_mut(packet.len() - CM_TAG_LEN);
                let body = &mut clear[header_len..];
                if pad == 0 {
                    cipher.apply(ssrc, index, payload, body);
                } else {
                    pad_behind(payload, pad, body);
                    cipher.apply_in_place(ssrc, index, body);
                }
                tag.copy_from_slice(&cipher.rtp_tag(clear, index));
                true
            }
        }
    }
}
