//! What Python says (JSON).

use std::net::{IpAddr, SocketAddr};

use serde::Deserialize;

use crate::link::LinkConfig;

#[derive(Clone, Debug, Deserialize)]
pub struct LoadConfig {
    /// Local addresses to send from, one for each peer, all on one socket; for peers without `own_port`.
    pub addresses: Vec<IpAddr>,
    /// One packet in this many is decrypted (after the first keyframe); 1 = all.
    pub sample: u32,
    /// Ask for lost packets.
    pub nack: bool,
    /// Share of packets thrown away on arrival, 0–1: a lossy viewer.
    pub drop: f64,
    /// Take datagrams that came together as one (UDP_GRO): what a server's burst costs it over loopback is then nearer to
    /// what it costs over a network.
    pub merge: bool,
    /// Which CPU to stay on.
    pub cpu: Option<usize>,
}

#[derive(Clone, Debug, Deserialize)]
pub struct Transport {
    pub id: u64,
    pub remote: SocketAddr,
    pub local_ufrag: String,
    pub local_pwd: String,
    pub remote_ufrag: String,
    pub remote_pwd: String,
    pub fingerprint_hash: String,
    pub fingerprint: String,
    /// Whether we are the DTLS client.
    pub client: bool,
    /// Send from a socket of its own and whatever address routes there.
    pub own_port: bool,
}

#[derive(Clone, Debug, Deserialize)]
pub struct ViewedTrack {
    pub video: bool,
    pub codec: String,
    pub clock_rate: u32,
    pub payload_type: u8,
    pub rtx_payload_type: u8,
    /// The header extension's id, 0 = not negotiated.
    pub abs_send_time: u8,
}

#[derive(Clone, Debug, Deserialize)]
pub struct PublishedTrack {
    pub video: bool,
    pub clock_rate: u32,
    pub payload_type: u8,
    pub ssrc: u32,
    /// Which of the video loops is sent.
    pub layer: usize,
    /// (id, value) of header extensions in every packet: MID and RID of a simulcast layer.
    pub extensions: Vec<(u8, String)>,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum Command {
    View {
        transport: Transport,
        tracks: Vec<ViewedTrack>,
        /// The link in front of the viewer; without one it is the cheap kind.
        link: Option<LinkConfig>,
    },
    /// `stamp`: the last bytes of every packet hold its time of sending, which viewers of the same process read.
    Publish {
        transport: Transport,
        tracks: Vec<PublishedTrack>,
        stamp: bool,
    },
    /// The peer with this id restarts ICE to another place, and goes on there with its association.
    Move {
        transport: Transport,
    },
    /// The peer checks its place no more: another one comes there with the same ICE credentials.
    GiveWay {
        id: u64,
    },
    Remove {
        id: u64,
    },
    /// Begins the figures anew (after warming up).
    Reset,
}
