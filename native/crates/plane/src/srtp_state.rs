//! What one plane hands over so that another one goes on with a session's association: SRTP keys and counters.
//! `rillcast/media/protocol/association.py` mirrors this.

use std::fmt;

use base64::engine::general_purpose::STANDARD;
use base64::Engine as _;
use rillcast_crypto::srtp::{Keys, Profile};
use serde::{Deserialize, Serialize};

use crate::refusal::Impossible;

/// Indices of SRTP have 48 bits (RFC 3711 §3.3.1), those of SRTCP 31.
const RTP_INDICES: u64 = 1 << 48;
const RTCP_INDICES: u32 = 1 << 31;

/// One SSRC that the plane sends.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct SentStream {
    pub ssrc: u32,
    /// The ROC of the next packet, and in the lower 16 bits its sequence number.
    pub index: u64,
    /// The RTP timestamp of the last packet; of repairs it says nothing.
    pub timestamp: u32,
    /// How long before the export the last packet left.
    pub silent_us: u64,
    /// A time of the publisher's clock; 0 while no sender report has told it.
    pub ntp: u64,
    /// The RTP timestamp that the stream has at `ntp`.
    pub ntp_timestamp: u32,
    /// By how much what sender reports tell the viewer is later than the publisher's clock, in microseconds.
    #[serde(default)]
    pub shift_us: i64,
    /// As sender reports tell them, likewise `octets`.
    pub packets: u32,
    pub octets: u32,
    /// VP8: the PictureID of the newest packet.
    pub picture: Option<u16>,
    /// VP8: the TL0PICIDX of the newest packet.
    pub tl0: u8,
    /// What the newest packet was of its source. None if that can't be said.
    pub shown: Option<ShownPacket>,
}

/// A packet of a source, as every plane that has the source knows it: each numbers packets by itself, but timestamps and
/// payloads are those of the publisher.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct ShownPacket {
    pub timestamp: u32,
    /// `Packet::digest`.
    pub digest: u64,
}

/// One SSRC from which the plane has received.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct ReceivedStream {
    pub ssrc: u32,
    /// The highest so far.
    pub index: u64,
    /// The m-line and the encoding to which the SSRC belongs; both are empty if it belongs to none.
    pub mid: String,
    pub rid: String,
    /// Whether it carries the repairs of that encoding.
    pub rtx: bool,
    /// The parameter sets that came with it, as NAL units in base64: the peer may never send them again.
    #[serde(default)]
    pub parameter_sets: Vec<String>,
}

/// A connected session's SRTP. Whoever has this can read and forge the session's media: it is in no log.
#[derive(Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct SrtpState {
    /// The name of the protection profile.
    pub profile: String,
    /// Master key and salt of what we send, in base64.
    pub local_key: String,
    /// Master key and salt of what the peer sends, in base64.
    pub remote_key: String,
    /// The DTLS version whose handshake the keys are from.
    pub dtls: String,
    /// The index of the next SRTCP packet, whatever its SSRC.
    pub srtcp_sent: u32,
    /// The sealed goodbye, in base64; empty if there is none.
    pub close_notify: String,
    /// What the link takes; 0 = unknown.
    pub estimate_bps: u64,
    pub sent: Vec<SentStream>,
    /// SRTP of the peer.
    pub received: Vec<ReceivedStream>,
    /// SRTCP of the peer.
    pub reported: Vec<ReceivedStream>,
}

impl fmt::Debug for SrtpState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SrtpState").field("profile", &self.profile).field("sent", &self.sent).finish_non_exhaustive()
    }
}

/// Both directions of an association that was handed over.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyPair {
    pub local: Keys,
    pub remote: Keys,
}

impl SrtpState {
    /// The keys in it. An error names the field, and nothing of what stands there.
    pub fn keys(&self) -> Result<KeyPair, Impossible> {
        let profile =
            Profile::from_name(&self.profile).ok_or(Impossible::Srtp { field: "profile", problem: "unknown" })?;
        let keys = |field, text: &str| {
            let problem = |problem| Impossible::Srtp { field, problem };
            let bytes = STANDARD.decode(text).map_err(|_| problem("not base64"))?;
            if bytes.len() != profile.key_len() + profile.salt_len() {
                return Err(problem("not as long as key and salt of the profile"));
            }
            let (key, salt) = bytes.split_at(profile.key_len());
            Ok(Keys { profile, key: key.to_vec(), salt: salt.to_vec() })
        };
        Ok(KeyPair { local: keys("local_key", &self.local_key)?, remote: keys("remote_key", &self.remote_key)? })
    }

    /// The peer's goodbye, as it is sent.
    pub fn goodbye(&self) -> Result<Vec<u8>, Impossible> {
        STANDARD
            .decode(&self.close_notify)
            .map_err(|_| Impossible::Srtp { field: "close_notify", problem: "not base64" })
    }

    /// What of it can't be, whatever session it is for.
    pub fn check(&self) -> Result<(), Impossible> {
        self.keys()?;
        self.goodbye()?;
        let refused = |field, problem| Err(Impossible::Srtp { field, problem });
        if self.srtcp_sent > RTCP_INDICES {
            return refused("srtcp_sent", "more than 31 bits");
        }
        if self.sent.iter().any(|s| s.index >= RTP_INDICES) {
            return refused("sent", "an index of more than 48 bits");
        }
        if self.received.iter().flat_map(|s| &s.parameter_sets).any(|set| STANDARD.decode(set).is_err()) {
            return refused("received", "parameter sets that are not base64");
        }
        if self.received.iter().any(|s| s.index >= RTP_INDICES) {
            return refused("received", "an index of more than 48 bits");
        }
        if self.reported.iter().any(|s| s.index >= u64::from(RTCP_INDICES)) {
            return refused("reported", "an index of more than 31 bits");
        }
        Ok(())
    }

    /// Whether it is for a session that sends exactly these SSRCs.
    pub fn is_for(&self, ssrcs: impl Iterator<Item = u32>) -> bool {
        sorted(ssrcs) == sorted(self.sent.iter().map(|s| s.ssrc))
    }

    /// The counters of an SSRC that is sent.
    pub fn stream(&self, ssrc: u32) -> Option<&SentStream> {
        self.sent.iter().find(|s| s.ssrc == ssrc)
    }
}

fn sorted(ssrcs: impl Iterator<Item = u32>) -> Vec<u32> {
    let mut all: Vec<u32> = ssrcs.collect();
    all.sort_unstable();
    all
}

/// A profile's key and salt in base64, one behind the other.
pub fn encoded(keys: &Keys) -> String {
    base64_of(&[&keys.key[..], &keys.salt[..]].concat())
}

/// Bytes that stand in JSON; none of what is not base64.
pub fn from_base64(text: &str) -> Vec<u8> {
    STANDARD.decode(text).unwrap_or_default()
}

/// Bytes as they stand in JSON.
pub fn base64_of(bytes: &[u8]) -> String {
    STANDARD.encode(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn state(profile: Profile) -> SrtpState {
        let keys = |byte| Keys { profile, key: vec![byte; profile.key_len()], salt: vec![9; profile.salt_len()] };
        SrtpState {
            profile: profile.name().into(),
            local_key: encoded(&keys(1)),
            remote_key: encoded(&keys(2)),
            ..SrtpState::default()
        }
    }

    #[test]
    fn the_keys_of_every_profile_come_back() {
        for profile in Profile::ALL {
            let s = state(profile);
            assert_eq!(s.check(), Ok(()));
            let pair = s.keys().unwrap();
            assert_eq!((encoded(&pair.local), encoded(&pair.remote)), (s.local_key, s.remote_key), "{profile:?}");
        }
    }

    #[test]
    fn what_is_wrong_is_named_and_not_shown() {
        let good = || state(Profile::AeadAes128Gcm);
        let secret = "c2VjcmV0";
        let stream = |index| ReceivedStream { index, ..Default::default() };
        let cases = [
            (SrtpState { profile: "NULL".into(), ..good() }, "srtp.profile: unknown"),
            (SrtpState { local_key: format!("{secret}!"), ..good() }, "srtp.local_key: not base64"),
            (
                SrtpState { remote_key: secret.into(), ..good() },
                "srtp.remote_key: not as long as key and salt of the profile",
            ),
            (SrtpState { close_notify: "?".into(), ..good() }, "srtp.close_notify: not base64"),
            (SrtpState { srtcp_sent: RTCP_INDICES + 1, ..good() }, "srtp.srtcp_sent: more than 31 bits"),
            (
                SrtpState { sent: vec![SentStream { index: RTP_INDICES, ..Default::default() }], ..good() },
                "srtp.sent: an index of more than 48 bits",
            ),
            (
                SrtpState {
                    received: vec![ReceivedStream { parameter_sets: vec!["?".into()], ..stream(1) }],
                    ..good()
                },
                "srtp.received: parameter sets that are not base64",
            ),
            (
                SrtpState { received: vec![stream(RTP_INDICES)], ..good() },
                "srtp.received: an index of more than 48 bits",
            ),
            (
                SrtpState { reported: vec![stream(u64::from(RTCP_INDICES))], ..good() },
                "srtp.reported: an index of more than 31 bits",
            ),
        ];
        for (state, words) in cases {
            assert_eq!(state.check().unwrap_err().to_string(), words);
        }
    }

    #[test]
    fn nothing_shows_the_keys() {
        let mut s = state(Profile::AeadAes256Gcm);
        s.close_notify = "Z29vZGJ5ZQ==".into();
        let shown = format!("{s:?} {:?}", s.keys().unwrap());
        for secret in [&s.local_key, &s.remote_key, &s.close_notify] {
            assert!(!shown.contains(secret.as_str()));
        }
        assert!(!shown.contains("1, 1, 1") && !shown.contains("9, 9, 9"), "{shown}");
    }
}
