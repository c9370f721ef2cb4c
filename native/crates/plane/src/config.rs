//! Commands and configuration as Python sends them (JSON). Documented field by field in `rillcast/media/protocol.py`.

use std::net::{IpAddr, SocketAddr};

use serde::Deserialize;

use crate::refusal::Impossible;
use crate::registry::Object;

#[derive(Clone, Debug, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct PlaneConfig {
    pub workers: usize,
    pub media_bind: Vec<IpAddr>,
    pub media_port: u16,
    pub relay_bind: IpAddr,
    pub relay_port: u16,
    pub pin: bool,
    pub gso: bool,
    pub handshake_timeout_ms: u64,
    pub consent_timeout_ms: u64,
    pub max_half_open: usize,
}

#[derive(Clone, Debug, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct IceParameters {
    pub local_ufrag: String,
    pub local_pwd: String,
    pub remote_ufrag: String,
    pub remote_pwd: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "lowercase")]
pub enum DtlsRole {
    Server,
    Client,
}

#[derive(Clone, Debug, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct DtlsParameters {
    pub role: DtlsRole,
    pub fingerprint_hash: String,
    pub fingerprint: String,
}

#[derive(Clone, Copy, Debug, Default, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(default)]
pub struct HeaderExtensions {
    pub mid: u8,
    pub rid: u8,
    pub repaired_rid: u8,
    pub abs_send_time: u8,
    pub audio_level: u8,
    pub video_orientation: u8,
    pub dependency_descriptor: u8,
}

#[derive(Clone, Debug, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Encoding {
    pub source: u64,
    pub rid: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    Audio,
    Video,
}

#[derive(Clone, Debug, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct RecvTrack {
    pub mid: String,
    pub kind: Kind,
    pub codec: String,
    pub clock_rate: u32,
    pub payload_type: u8,
    pub rtx_payload_type: u8,
    pub encodings: Vec<Encoding>,
    pub ssrcs: Vec<u32>,
    pub rtx_ssrcs: Vec<u32>,
    pub nack: bool,
    pub pli: bool,
    pub remb: bool,
}

#[derive(Clone, Debug, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct SendTrack {
    pub track: u64,
    pub kind: Kind,
    pub clock_rate: u32,
    pub payload_type: u8,
    pub rtx_payload_type: u8,
    pub ssrc: u32,
    pub rtx_ssrc: u32,
    pub cname: String,
    pub source: Option<u64>,
}

#[derive(Clone, Debug, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct AddSession {
    pub session: u64,
    pub worker: usize,
    pub ice: IceParameters,
    pub dtls: DtlsParameters,
    pub extensions: HeaderExtensions,
    pub recv: Vec<RecvTrack>,
    pub send: Vec<SendTrack>,
    pub keyframe_interval_ms: u64,
    pub max_bitrate_bps: u64,
}

#[derive(Clone, Debug, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct SourceSpec {
    pub source: u64,
    pub worker: usize,
    pub kind: Kind,
    pub codec: String,
    pub clock_rate: u32,
}

#[derive(Clone, Debug, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct AddRelaySource {
    #[serde(flatten)]
    pub spec: SourceSpec,
    pub parent: SocketAddr,
    pub ssrc: u32,
    pub srtp_key: String,
    pub srtcp_key: String,
}

#[derive(Clone, Debug, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct AddRelay {
    pub relay: u64,
    pub source: u64,
    pub ssrc: u32,
    pub payload_type: u8,
    pub srtp_key: String,
    pub srtcp_key: String,
}

#[derive(Clone, Debug, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum Command {
    AddSession(Box<AddSession>),
    RestartIce {
        session: u64,
        ice: IceParameters,
    },
    RemoveSession {
        session: u64,
        keep_sources: bool,
    },
    SwitchSource {
        session: u64,
        track: u64,
        source: Option<u64>,
        #[serde(default)]
        hold: bool,
    },
    AddPushSource(SourceSpec),
    AddRelaySource(Box<AddRelaySource>),
    RemoveSource {
        source: u64,
    },
    AddRelay(Box<AddRelay>),
    RemoveRelay {
        relay: u64,
    },
    RequestKeyframe {
        source: u64,
    },
    LimitLayers {
        session: u64,
        track: u64,
        temporal: u8,
    },
    Probe {
        session: u64,
        track: u64,
        bitrate_bps: u64,
        duration_ms: u64,
    },
    Tap {
        source: u64,
        enabled: bool,
    },
    SetClock {
        source: u64,
        ntp: u64,
        rtp_ts: u32,
    },
}

impl Command {
    /// The objects that exist once this command has been carried out, if it can be.
    pub fn makes(&self) -> Vec<Object> {
        match self {
            Command::AddSession(c) => {
                let encodings = c.recv.iter().flat_map(|t| &t.encodings);
                std::iter::once(Object::Session(c.session)).chain(encodings.map(|e| Object::Source(e.source))).collect()
            }
            Command::AddPushSource(c) => vec![Object::Source(c.source)],
            Command::AddRelaySource(c) => vec![Object::Source(c.spec.source)],
            Command::AddRelay(c) => vec![Object::Relay(c.relay)],
            _ => vec![],
        }
    }

    /// Whether this command ends an object, so that something would live on for ever if it were lost.
    pub fn is_removal(&self) -> bool {
        matches!(self, Command::RemoveSession { .. } | Command::RemoveSource { .. } | Command::RemoveRelay { .. })
    }
}

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
        }
        match self.send.iter().find(|t| t.clock_rate == 0 || t.ssrc == 0) {
            Some(t) => Err(Impossible::SendTrack { track: t.track }),
            None => Ok(()),
        }
    }
}

/// Splits a base64 relay key into 16 bytes of key and 12 of salt. `field` names it in the error.
pub fn relay_key(field: &'static str, text: &str) -> Result<rillcast_crypto::srtp::Keys, Impossible> {
    use base64::Engine as _;
    let refused = |problem| Impossible::RelayKey { field, problem };
    let bytes =
        base64::engine::general_purpose::STANDARD.decode(text).map_err(|e| refused(format!("not base64: {e}")))?;
    if bytes.len() != 28 {
        return Err(refused(format!("28 bytes needed, got {}", bytes.len())));
    }
    Ok(rillcast_crypto::srtp::Keys {
        profile: rillcast_crypto::srtp::Profile::AeadAes128Gcm,
        key: bytes[..16].to_vec(),
        salt: bytes[16..].to_vec(),
    })
}
