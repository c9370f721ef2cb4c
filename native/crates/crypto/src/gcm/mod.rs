//! AES-GCM sealing for outbound RTP, the only cryptography done once per packet and viewer.
//!
//! AES-128 has own implementations for x86-64 with VAES, chosen once per process by what the CPU has; everything else is
//! BoringSSL. `RILLCAST_CRYPTO=boring` forces BoringSSL, so that the two can be compared.

#[cfg(vaes)]
mod vaes;

use std::sync::OnceLock;

use crate::ffi::Gcm;
pub use crate::ffi::{GCM_NONCE_LEN, GCM_TAG_LEN};

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Implementation {
    /// VAES and VPCLMULQDQ with AVX-512.
    Vaes512,
    /// VAES and VPCLMULQDQ with AVX2.
    Vaes256,
    Boring,
}

impl Implementation {
    /// The one that is used for AES-128, decided at the first call.
    pub fn chosen() -> Self {
        static CHOSEN: OnceLock<Implementation> = OnceLock::new();
        *CHOSEN.get_or_init(|| {
            let boring = std::env::var_os("RILLCAST_CRYPTO").is_some_and(|v| v == "boring");
            Self::available().find(|_| !boring).unwrap_or(Implementation::Boring)
        })
    }

    /// What this build and CPU can run, fastest first.
    pub fn available() -> impl Iterator<Item = Self> {
        [Implementation::Vaes512, Implementation::Vaes256, Implementation::Boring].into_iter().filter(|i| match i {
            #[cfg(vaes)]
            Implementation::Vaes512 => vaes::Vaes512::detected(),
            #[cfg(vaes)]
            Implementation::Vaes256 => vaes::Vaes256::detected(),
            Implementation::Boring => true,
            #[cfg(not(vaes))]
            _ => false,
        })
    }
}

/// One key that only seals.
pub enum Sealer {
    #[cfg(vaes)]
    Vaes512(vaes::Vaes512),
    #[cfg(vaes)]
    Vaes256(vaes::Vaes256),
    Boring(Gcm),
}

impl Sealer {
    /// None unless the key has 16 or 32 bytes.
    pub fn new(key: &[u8]) -> Option<Self> {
        let implementation = if key.len() == 16 { Implementation::chosen() } else { Implementation::Boring };
        Self::of(implementation, key)
    }

    /// None if the implementation cannot have this key or is not available here.
    pub fn of(implementation: Implementation, key: &[u8]) -> Option<Self> {
        match implementation {
            #[cfg(vaes)]
            Implementation::Vaes512 => vaes::Vaes512::new(key.try_into().ok()?).map(Sealer::Vaes512),
            #[cfg(vaes)]
            Implementation::Vaes256 => vaes::Vaes256::new(key.try_into().ok()?).map(Sealer::Vaes256),
            Implementation::Boring => Gcm::new(key).map(Sealer::Boring),
            #[cfg(not(vaes))]
            _ => None,
        }
    }

    /// Says that the key will be used in a moment.
    #[inline]
    pub fn prefetch(&self) {
        match self {
            #[cfg(vaes)]
            Sealer::Vaes512(key) => key.prefetch(),
            #[cfg(vaes)]
            Sealer::Vaes256(key) => key.prefetch(),
            Sealer::Boring(_) => {}
        }
    }

    /// Encrypts `payload` and `pad` bytes of RTP padding into `out`, which takes the tag as well and must have exactly
    /// that size. A key must never see the same nonce with different data.
    pub fn seal(&self, nonce: &[u8; GCM_NONCE_LEN], aad: &[u8], payload: &[u8], pad: u8, out: &mut [u8]) -> bool {
        match self {
            #[cfg(vaes)]
            Sealer::Vaes512(key) => key.seal(nonce, aad, payload, pad, out),
            #[cfg(vaes)]
            Sealer::Vaes256(key) => key.seal(nonce, aad, payload, pad, out),
            Sealer::Boring(key) if pad == 0 => return key.seal(nonce, aad, payload, out),
            Sealer::Boring(key) => {
                assert_eq!(out.len(), payload.len() + usize::from(pad) + GCM_TAG_LEN);
                pad_behind(payload, pad, out);
                return key.seal_in_place(nonce, aad, out);
            }
        }
        #[cfg(vaes)]
        true
    }
}

/// Writes the payload and RFC 3550 §5.1's padding: zeros and, last, their number. `pad` is not zero.
pub fn pad_behind(payload: &[u8], pad: u8, out: &mut [u8]) {
    let (body, rest) = out.split_at_mut(payload.len());
    body.copy_from_slice(payload);
    rest[..usize::from(pad)].fill(0);
    rest[usize::from(pad) - 1] = pad;
}

#[cfg(test)]
mod tests;
