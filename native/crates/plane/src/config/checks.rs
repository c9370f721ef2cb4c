//! What of a command can be known to be impossible before any worker sees it.

use base64::engine::general_purpose::STANDARD;
use base64::Engine as _;
use rillcast_crypto::srtp::{Keys, Profile};

use super::{AddSession, SendTrack};
use crate::refusal::Impossible;

impl AddSession {
    /// What makes this command impossible.
    pub fn check(&self) -> Result<(), Impossible> {
        if self.ice.local_ufrag.len() < 4 || self.ice.local_pwd.len() < 22 {
            return Err(Impossible::ShortIceCredentials);
        }
        if self.recv.is_empty() && self.send.is_empty() {
            return Err(Impossible::NoTracks);
        }
        for t in &self.recv {
            if t.encodings.is_empty() || t.encodings.len() > 8 {
                return Err(Impossible::Encodings { mid: t.mid.clone(), count: t.encodings.len() });
            }
            if t.clock_rate == 0 {
                return Err(Impossible::RecvClockRate { mid: t.mid.clone() });
            }
            if t.parameter_sets.iter().any(|set| STANDARD.decode(set).is_err()) {
                return Err(Impossible::ParameterSets { mid: t.mid.clone() });
            }
        }
        check_send(&self.send)?;
        let Some(srtp) = &self.srtp else { return Ok(()) };
        srtp.check()?;
        if srtp.is_for(self.send.iter().flat_map(SendTrack::ssrcs)) {
            Ok(())
        } else {
            Err(Impossible::Srtp { field: "sent", problem: "other SSRCs than those of send" })
        }
    }
}

impl SendTrack {
    /// The SSRCs that it sends: of media, and of repairs if there are any.
    pub fn ssrcs(&self) -> impl Iterator<Item = u32> {
        [self.ssrc, self.rtx_ssrc].into_iter().filter(|ssrc| *ssrc != 0)
    }
}

/// What makes it impossible to send these tracks.
pub fn check_send(tracks: &[SendTrack]) -> Result<(), Impossible> {
    match tracks.iter().find(|t| t.clock_rate == 0 || t.ssrc == 0) {
        Some(t) => Err(Impossible::SendTrack { track: t.track }),
        None => Ok(()),
    }
}

/// Splits a base64 relay key into 16 bytes of key and 12 of salt. `field` names it in the error.
pub fn relay_key(field: &'static str, text: &str) -> Result<Keys, Impossible> {
    let refused = |problem| Impossible::RelayKey { field, problem };
    let bytes = STANDARD.decode(text).map_err(|e| refused(format!("not base64: {e}")))?;
    if bytes.len() != 28 {
        return Err(refused(format!("28 bytes needed, got {}", bytes.len())));
    }
    Ok(Keys { profile: Profile::AeadAes128Gcm, key: bytes[..16].to_vec(), salt: bytes[16..].to_vec() })
}
