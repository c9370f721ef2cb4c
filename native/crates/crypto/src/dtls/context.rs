//! What all DTLS associations of a process share: certificate and configuration.

use boring::ssl::{
    SslContext, SslContextBuilder, SslMethod, SslOptions, SslRef, SslSessionCacheMode, SslVerifyMode, SslVersion,
};

use super::certificate::{fingerprint, Certificate};
use super::DtlsError;

/// In the order a server picks and a client offers: AES-CM costs three times as much as GCM, and Chromium lists it first.
const SRTP_PROFILES: &str = "SRTP_AEAD_AES_128_GCM:SRTP_AEAD_AES_256_GCM:SRTP_AES128_CM_SHA1_80";
/// DTLS 1.2 suites; those of 1.3 are fixed. ECDHE-RSA is for servers with an RSA certificate.
const CIPHERS: &str = "ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-RSA-AES128-GCM-SHA256:ECDHE-ECDSA-CHACHA20-POLY1305:\
ECDHE-RSA-CHACHA20-POLY1305:ECDHE-ECDSA-AES256-GCM-SHA384:ECDHE-RSA-AES256-GCM-SHA384";
/// Without the post-quantum groups, whose key shares would make every first flight two datagrams.
const GROUPS: &str = "X25519:P-256:P-384";

/// Certificate and configuration. One per process, made at start.
pub struct Context {
    ssl: SslContext,
    fingerprint: String,
}

impl Context {
    pub fn new() -> Result<Self, DtlsError> {
        Self::build(&Certificate::ecdsa()?, SRTP_PROFILES, |_| Ok(()))
    }

    /// Our certificate's SHA-256 fingerprint, `AA:BB:…`, for `a=fingerprint:sha-256`.
    pub fn fingerprint(&self) -> &str {
        &self.fingerprint
    }

    pub(super) fn ssl(&self) -> &SslContext {
        &self.ssl
    }

    pub(super) fn build(
        certificate: &Certificate,
        srtp_profiles: &str,
        adjust: impl FnOnce(&mut SslContextBuilder) -> Result<(), DtlsError>,
    ) -> Result<Self, DtlsError> {
        let mut builder = SslContext::builder(SslMethod::dtls())?;
        builder.set_min_proto_version(Some(SslVersion::DTLS1_2))?;
        builder.set_max_proto_version(Some(SslVersion::DTLS1_3))?;
        builder.set_cipher_list(CIPHERS)?;
        builder.set_curves_list(GROUPS)?;
        builder.set_options(SslOptions::NO_TICKET | SslOptions::NO_QUERY_MTU);
        builder.set_session_cache_mode(SslSessionCacheMode::OFF);
        builder.set_certificate(&certificate.x509)?;
        builder.set_private_key(&certificate.key)?;
        // The signaller's fingerprint decides, after the handshake (RFC 8827 §6.5).
        let any_certificate = |_: &mut SslRef| Ok(());
        builder.set_custom_verify_callback(SslVerifyMode::PEER | SslVerifyMode::FAIL_IF_NO_PEER_CERT, any_certificate);
        builder.set_tlsext_use_srtp(srtp_profiles)?;
        adjust(&mut builder)?;
        let der = certificate.x509.to_der()?;
        let fingerprint = fingerprint(&der, "sha-256").ok_or_else(|| DtlsError::Setup("SHA-256 failed".into()))?;
        Ok(Context { ssl: builder.build(), fingerprint })
    }
}
