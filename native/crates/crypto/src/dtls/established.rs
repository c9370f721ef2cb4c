//! What a finished handshake leaves: SRTP keys, version and the peer's certificate.

use boring::srtp::SrtpProfileId;
use boring::ssl::{SslRef, SslVersion};

use super::certificate::fingerprint;
use super::{DtlsError, Role};
use crate::srtp::{Keys, Profile};

/// The label of the exporter of SRTP keys (RFC 5764 §4.2).
const EXPORTER_LABEL: &str = "EXTRACTOR-dtls_srtp";

pub struct Established {
    pub profile: Profile,
    /// What we encrypt with.
    pub local: Keys,
    /// What the peer encrypts with.
    pub remote: Keys,
    /// "DTLS 1.2" or "DTLS 1.3".
    pub version: &'static str,
    peer_certificate: Vec<u8>,
}

impl Established {
    pub(super) fn of(ssl: &SslRef, role: Role) -> Result<Self, DtlsError> {
        let profile = profile(ssl).ok_or(DtlsError::NoSrtp)?;
        let (client, server) = export(ssl, profile)?;
        let (local, remote) = match role {
            Role::Client => (client, server),
            Role::Server => (server, client),
        };
        let peer =
            ssl.peer_certificate().ok_or_else(|| DtlsError::Protocol("the peer showed no certificate".into()))?;
        let version = if ssl.version2() == Some(SslVersion::DTLS1_3) { "DTLS 1.3" } else { "DTLS 1.2" };
        Ok(Established { profile, local, remote, version, peer_certificate: peer.to_der()? })
    }

    /// The peer certificate's fingerprint, `AA:BB:…`. `hash` as in SDP: sha-1, sha-224, sha-256, sha-384 or sha-512 in
    /// any case; None for others.
    pub fn peer_fingerprint(&self, hash: &str) -> Option<String> {
        fingerprint(&self.peer_certificate, hash)
    }
}

fn profile(ssl: &SslRef) -> Option<Profile> {
    match ssl.selected_srtp_profile()?.id() {
        SrtpProfileId::SRTP_AEAD_AES_128_GCM => Some(Profile::AeadAes128Gcm),
        SrtpProfileId::SRTP_AEAD_AES_256_GCM => Some(Profile::AeadAes256Gcm),
        SrtpProfileId::SRTP_AES128_CM_SHA1_80 => Some(Profile::AesCm128HmacSha1_80),
        _ => None,
    }
}

/// Client's and server's keys: key, key, salt, salt (RFC 5764 §4.2).
fn export(ssl: &SslRef, profile: Profile) -> Result<(Keys, Keys), DtlsError> {
    let (key_len, salt_len) = (profile.key_len(), profile.salt_len());
    let mut material = vec![0; 2 * (key_len + salt_len)];
    ssl.export_keying_material(&mut material, EXPORTER_LABEL, None)?;
    let (keys, salts) = material.split_at(2 * key_len);
    let side = |i: usize| Keys {
        profile,
        key: keys[i * key_len..][..key_len].to_vec(),
        salt: salts[i * salt_len..][..salt_len].to_vec(),
    };
    Ok((side(0), side(1)))
}
