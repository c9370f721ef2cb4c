//! Commands and configuration as Python sends them (JSON). Documented field by field in `rillcast/media/protocol`.

use std::net::{IpAddr, SocketAddr};

use serde::Deserialize;

use crate::registry::Object;
use crate::srtp_state::SrtpState;
pub use checks::{check_send, relay_key};

mod checks;

/// How a plane is set up, for as long as it runs.
#[derive(Clone, Debug, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct PlaneConfig {
    /// How many worker threads there are, 1 to 256. Each has ports of its own.
    pub workers: usize,
    /// The local addresses for viewers and publishers: at most one of each family, and at least one.
    pub media_bind: Vec<IpAddr>,
    /// The UDP port of the first worker for media; the next worker has the next one. 0 takes any free port for each.
    pub media_port: u16,
    /// The TCP connections of clients that each worker takes at its media port (ICE over TCP, RFC 6544); 0: it does not
    /// listen there.
    pub tcp_connections: usize,
    /// The local address for relays to and from other nodes.
    pub relay_bind: IpAddr,
    /// The UDP port of the first worker for relays, counted as `media_port` is.
    pub relay_port: u16,
    /// Whether worker i stays on CPU i + 1, modulo the number of CPUs.
    pub pin: bool,
    /// Whether bursts to one receiver leave as one message (UDP GSO), where the kernel can do that.
    pub gso: bool,
    /// How media leaves for viewers.
    pub egress: EgressMode,
    /// A session whose ICE and DTLS are not up after so many milliseconds is closed.
    pub handshake_timeout_ms: u64,
    /// A connected session of which nothing authentic came for so many milliseconds is closed (RFC 7675). Sending to it has
    /// stopped before, after 8 s.
    pub consent_timeout_ms: u64,
    /// The number of sessions per worker whose handshake may run; more are refused.
    pub max_half_open: usize,
}

/// How media leaves for viewers: by the UDP socket; past it if this node can do that, otherwise by it; or past it, so that
/// a node that can't does not start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "lowercase")]
pub enum EgressMode {
    #[default]
    Socket,
    Auto,
    Raw,
}

/// The ICE credentials of both sides (RFC 8445 §5.3), when a session is added and at each restart.
#[derive(Clone, Debug, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct IceParameters {
    /// Ours, at least 4 characters, and unique on the worker: checks are told apart by it.
    pub local_ufrag: String,
    /// Ours, at least 22 characters: it authenticates the peer's checks and our answers.
    pub local_pwd: String,
    /// The peer's, which has to stand in its checks.
    pub remote_ufrag: String,
    /// The peer's: it authenticates our checks and the peer's answers.
    pub remote_pwd: String,
}

/// Our role in the DTLS handshake (RFC 5763 §5): the client sends the first message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "lowercase")]
pub enum DtlsRole {
    Server,
    Client,
}

/// Our part in a session's DTLS handshake, and what the peer's certificate is held against (RFC 8122).
#[derive(Clone, Debug, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct DtlsParameters {
    /// The role that we take in the DTLS handshake.
    pub role: DtlsRole,
    /// The hash function's name in SDP, such as `sha-256`.
    pub fingerprint_hash: String,
    /// The hash of the peer's certificate in hexadecimal with colons, in either case. Another certificate ends the
    /// session.
    pub fingerprint: String,
    /// Whether the peer is told of the session's end by close_notify. What follows is silence otherwise.
    #[serde(default = "yes")]
    pub close_notify: bool,
}

fn yes() -> bool {
    true
}

/// The negotiated ids of RTP header extensions, 1 to 14, for a whole session; 0 means that one was not negotiated.
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

/// One encoding that a publisher sends on an m-line.
#[derive(Clone, Debug, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Encoding {
    /// The id of the source that it becomes or goes on with.
    pub source: u64,
    /// Its RID (RFC 8851); empty without simulcast.
    pub rid: String,
}

/// What a track or source carries.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    Audio,
    Video,
}

/// One m-line that a publisher sends.
#[derive(Clone, Debug, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct RecvTrack {
    /// The value of `a=mid`, by which its packets are known until their SSRCs are.
    pub mid: String,
    pub kind: Kind,
    /// The encoding name in RTP, such as `VP8`; an unknown one is forwarded without a look into it.
    pub codec: String,
    /// RTP clock ticks per second, not 0.
    pub clock_rate: u32,
    /// The payload type of media, 0 to 127.
    pub payload_type: u8,
    /// The payload type of repairs (RFC 4588); 0 means that there is no RTX.
    pub rtx_payload_type: u8,
    /// 1 to 8 encodings; more than one is simulcast.
    pub encodings: Vec<Encoding>,
    /// The SSRCs that the SDP announces; the first one is the media's. It is used without simulcast only. Unknown SSRCs are
    /// learned from MID, RID and payload type.
    pub ssrcs: Vec<u32>,
    /// The SSRCs of the repairs, in the order of `ssrcs`.
    pub rtx_ssrcs: Vec<u32>,
    /// The parameter sets that the SDP tells (`sprop-parameter-sets` of RFC 6184 §8.1): NAL units in base64.
    #[serde(default)]
    pub parameter_sets: Vec<String>,
    /// Whether lost packets may be asked for again (RFC 4585 §6.2.1).
    pub nack: bool,
    /// Whether keyframes may be asked for (RFC 4585 §6.3.1).
    pub pli: bool,
    /// Whether the bit rate may be limited by REMB.
    pub remb: bool,
}

/// One m-line that a viewer receives.
#[derive(Clone, Debug, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct SendTrack {
    /// Its number, unique in its session, by which later commands name it.
    pub track: u64,
    pub kind: Kind,
    /// RTP clock ticks per second, not 0.
    pub clock_rate: u32,
    /// The payload type of media, 0 to 127.
    pub payload_type: u8,
    /// The payload type of repairs (RFC 4588); of no meaning where `rtx_ssrc` is 0.
    pub rtx_payload_type: u8,
    /// The SSRC that we send media with, not 0.
    pub ssrc: u32,
    /// The SSRC of repairs; 0 means that there is no RTX, so that repairs are plain copies.
    pub rtx_ssrc: u32,
    /// The CNAME of sender reports (RFC 3550 §6.5.1): tracks with the same one are played in sync.
    pub cname: String,
    /// What is sent at first; None sends nothing until `SwitchSource`.
    pub source: Option<u64>,
}

/// A negotiated session: a publisher's, with `recv`, or a viewer's, with `send`.
#[derive(Clone, Debug, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct AddSession {
    /// The id that Python chose, unique on the plane.
    pub session: u64,
    /// The index of the worker whose media port stands in the SDP.
    pub worker: usize,
    pub ice: IceParameters,
    pub dtls: DtlsParameters,
    pub extensions: HeaderExtensions,
    pub recv: Vec<RecvTrack>,
    pub send: Vec<SendTrack>,
    /// A publisher is asked for a keyframe this often while somebody consumes its source; 0 asks on demand only.
    pub keyframe_interval_ms: u64,
    /// The highest bit rate that REMB grants a publisher; below 200 000 it counts as that.
    pub max_bitrate_bps: u64,
    /// Whether a viewer's DTLS association stays open as long as the session, for data channels.
    #[serde(default)]
    pub keep_dtls: bool,
    /// Whether the path is measured as soon as the peer has answered there: see `Event::PathMeasured`.
    #[serde(default)]
    pub measure_path: bool,
    /// What another plane has exported of the session: there is no handshake, and nothing is sent before `ContinueSession`.
    pub srtp: Option<Box<SrtpState>>,
}

/// A source that no session feeds: Python or a parent does.
#[derive(Clone, Debug, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct SourceSpec {
    /// The id that Python chose, unique on the plane.
    pub source: u64,
    /// The index of the worker that has it.
    pub worker: usize,
    pub kind: Kind,
    /// The name of the codec, written like that of a `RecvTrack`.
    pub codec: String,
    /// RTP clock ticks per second.
    pub clock_rate: u32,
}

/// The child's end of a relay. Where the source exists, it gets this feed instead of its own.
#[derive(Clone, Debug, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct AddRelaySource {
    #[serde(flatten)]
    pub spec: SourceSpec,
    /// The parent's relay socket.
    pub parent: SocketAddr,
    /// The SSRC of the relay's packets, unique among the worker's relays.
    pub ssrc: u32,
    /// 16 bytes of key and 12 of salt in base64, for what the parent sends.
    pub srtp_key: String,
    /// 16 bytes of key and 12 of salt in base64, for what the child sends.
    pub srtcp_key: String,
}

/// The parent's end of a relay. Sending begins with the child's first authentic keep-alive.
#[derive(Clone, Debug, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct AddRelay {
    /// The id that Python chose, unique on the plane.
    pub relay: u64,
    /// The source that is sent, which has to be on a worker already.
    pub source: u64,
    /// The SSRC of the relay's packets, unique among the worker's relays.
    pub ssrc: u32,
    /// The payload type of the relay's packets, 0 to 127.
    pub payload_type: u8,
    /// 16 bytes of key and 12 of salt in base64, for what the parent sends.
    pub srtp_key: String,
    /// 16 bytes of key and 12 of salt in base64, for what the child sends.
    pub srtcp_key: String,
}

/// Two sources of one worker: the first goes on with the feed of the second.
#[derive(Clone, Copy, Debug, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct AdoptedFeed {
    /// The source that viewers, relays and mirrors have.
    pub source: u64,
    /// The source that ends.
    pub from: u64,
}

/// What Python asks for. `rillcast/media/protocol` says what each does.
#[derive(Clone, Debug, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum Command {
    AddSession(Box<AddSession>),
    RestartIce {
        session: u64,
        ice: IceParameters,
    },
    ExportSession {
        session: u64,
        /// Nothing is sent under its keys any more.
        stop: bool,
    },
    ContinueSession {
        session: u64,
        srtp: Box<SrtpState>,
    },
    RestartDtls {
        session: u64,
        dtls: DtlsParameters,
        /// A viewer's tracks from now on.
        send: Vec<SendTrack>,
    },
    RemoveSession {
        session: u64,
        keep_sources: bool,
        /// The peer hears nothing of it.
        #[serde(default)]
        silent: bool,
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
    AdoptFeeds {
        feeds: Vec<AdoptedFeed>,
    },
    RemoveSource {
        source: u64,
    },
    AddRelay(Box<AddRelay>),
    RemoveRelay {
        relay: u64,
    },
    LookAtRelay {
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
    Pace {
        session: u64,
        track: u64,
        bitrate_bps: u64,
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
