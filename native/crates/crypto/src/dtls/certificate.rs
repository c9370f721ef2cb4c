//! Self-signed certificates and their fingerprints (RFC 8122 §5).

use boring::asn1::Asn1Time;
use boring::bn::{BigNum, MsbOption};
use boring::error::ErrorStack;
use boring::hash::{hash, MessageDigest};
use boring::pkey::{PKey, Private};
use boring::x509::{X509Name, X509};

/// WebRTC peers look at the fingerprint alone; the term only has to outlast the process.
const VALID_DAYS: u32 = 3650;

pub struct Certificate {
    pub key: PKey<Private>,
    pub x509: X509,
}

impl Certificate {
    /// Self-signed, for a fresh ECDSA P-256 key (RFC 8827 §6.5).
    pub fn ecdsa() -> Result<Self, ErrorStack> {
        let group = boring::ec::EcGroup::from_curve_name(boring::nid::Nid::X9_62_PRIME256V1)?;
        let key = boring::ec::EcKey::generate(&group)?;
        Self::self_signed(PKey::from_ec_key(key)?)
    }

    pub fn self_signed(key: PKey<Private>) -> Result<Self, ErrorStack> {
        let mut serial = BigNum::new()?;
        serial.rand(64, MsbOption::MAYBE_ZERO, false)?;
        let mut name = X509Name::builder()?;
        name.append_entry_by_text("CN", "rillcast")?;
        let name = name.build();
        let mut x509 = X509::builder()?;
        x509.set_version(2)?;
        x509.set_serial_number(serial.to_asn1_integer()?.as_ref())?;
        x509.set_subject_name(&name)?;
        x509.set_issuer_name(&name)?;
        // A day back: the peer's clock may be slow.
        let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).map_or(0, |d| d.as_secs());
        x509.set_not_before(Asn1Time::from_unix(now.saturating_sub(86_400) as _)?.as_ref())?;
        x509.set_not_after(Asn1Time::days_from_now(VALID_DAYS)?.as_ref())?;
        x509.set_pubkey(&key)?;
        x509.sign(&key, MessageDigest::sha256())?;
        Ok(Certificate { x509: x509.build(), key })
    }
}

/// Upper-case hex with colons; None for a hash function RFC 8122 has but we refuse (md5, md2) or do not know.
pub fn fingerprint(der: &[u8], hash_name: &str) -> Option<String> {
    let function = match hash_name.to_ascii_lowercase().as_str() {
        "sha-1" => MessageDigest::sha1(),
        "sha-224" => MessageDigest::sha224(),
        "sha-256" => MessageDigest::sha256(),
        "sha-384" => MessageDigest::sha384(),
        "sha-512" => MessageDigest::sha512(),
        _ => return None,
    };
    let digest = hash(function, der).ok()?;
    Some(digest.iter().map(|b| format!("{b:02X}")).collect::<Vec<_>>().join(":"))
}
