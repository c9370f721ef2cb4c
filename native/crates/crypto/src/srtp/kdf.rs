//! Key derivation, RFC 3711 §4.3 with key derivation rate 0; RFC 7714 §11 and RFC 6188 use the same construction.

use super::{Keys, Profile, SrtpError};
use crate::ffi::AesCtr;

/// RFC 3711 §4.3.2: the first label of a stream kind; authentication key and salt follow.
#[derive(Clone, Copy)]
pub enum Labels {
    Rtp = 0,
    Rtcp = 3,
}

pub struct SessionKeys {
    pub encryption: Vec<u8>,
    /// HMAC-SHA1 key; empty for GCM.
    pub authentication: Vec<u8>,
    pub salt: Vec<u8>,
}

pub fn derive(keys: &Keys, labels: Labels) -> Result<SessionKeys, SrtpError> {
    let profile = keys.profile;
    if keys.key.len() != profile.key_len() || keys.salt.len() != profile.salt_len() {
        return Err(SrtpError::Keys);
    }
    let prf = AesCtr::new(&keys.key).ok_or(SrtpError::Keys)?;
    let first = labels as u8;
    let authentication_len = if profile == Profile::AesCm128HmacSha1_80 { 20 } else { 0 };
    Ok(SessionKeys {
        encryption: expand(&prf, &keys.salt, first, profile.key_len()),
        authentication: expand(&prf, &keys.salt, first + 1, authentication_len),
        salt: expand(&prf, &keys.salt, first + 2, profile.salt_len()),
    })
}

/// `len` bytes of key stream from (label · 2⁴⁸ XOR salt) · 2¹⁶; a 96-bit salt is first multiplied by 2¹⁶.
fn expand(prf: &AesCtr, salt: &[u8], label: u8, len: usize) -> Vec<u8> {
    let mut iv = [0; 16];
    iv[..salt.len()].copy_from_slice(salt);
    iv[7] ^= label;
    let mut out = vec![0; len];
    prf.apply_in_place(iv, &mut out);
    out
}
