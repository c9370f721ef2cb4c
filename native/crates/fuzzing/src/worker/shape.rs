//! Sessions as Python may order them, and what their clients report.

use arbitrary::Arbitrary;
use rillcast_plane::config::*;
use rillcast_wire::rtcp;

use super::ids::{source, ssrc, AUDIO, CODECS};

/// A session as Python may order it.
#[derive(Arbitrary, Debug, Default)]
pub struct Shape {
    pub client: bool,
    pub keep_dtls: bool,
    pub codec: u8,
    pub encodings: u8,
    pub sends: bool,
    pub ssrcs: bool,
    pub rtx: bool,
    pub video: Option<u8>,
    pub audio: Option<u8>,
    pub extensions: bool,
    pub keyframe_interval_ms: u8,
    pub max_bitrate_bps: u32,
}

#[derive(Arbitrary, Debug)]
pub enum Feedback {
    Nack { track: u8, seqs: Vec<u16> },
    Pli { track: u8 },
    Fir { track: u8, seqno: u8 },
    Remb { bitrate_bps: u32 },
    Rr { track: u8, fraction_lost: u8, cumulative_lost: i32, highest_seq: u32, jitter: u32, last_sr: u32, delay: u32 },
    Sr { ntp: u64, rtp_ts: u32 },
    Bye,
}

impl Feedback {
    /// Appends it; how many packets it asks for again.
    pub fn write(&self, session: u64, out: &mut Vec<u8>) -> u64 {
        let own = ssrc(session, 7);
        match self {
            Feedback::Nack { track, seqs } => {
                let seqs = &seqs[..seqs.len().min(64)];
                rtcp::write_nack(out, own, ssrc(session, track % 2 + 4), seqs);
                return seqs.len() as u64;
            }
            Feedback::Pli { track } => rtcp::write_pli(out, own, ssrc(session, track % 2 + 4)),
            Feedback::Fir { track, seqno } => rtcp::write_fir(out, own, ssrc(session, track % 2 + 4), *seqno),
            Feedback::Remb { bitrate_bps } => rtcp::write_remb(out, own, u64::from(*bitrate_bps), &[]),
            Feedback::Rr { track, fraction_lost, cumulative_lost, highest_seq, jitter, last_sr, delay } => {
                let report = rtcp::Report {
                    ssrc: ssrc(session, track % 2 + 4),
                    fraction_lost: *fraction_lost,
                    cumulative_lost: *cumulative_lost,
                    highest_seq: *highest_seq,
                    jitter: *jitter,
                    last_sr: *last_sr,
                    delay_last_sr: *delay,
                };
                rtcp::write_rr(out, own, &[report]);
            }
            Feedback::Sr { ntp, rtp_ts } => rtcp::write_sr(out, ssrc(session, 0), *ntp, *rtp_ts, 1, 1, &[]),
            Feedback::Bye => rtcp::write_bye(out, own),
        }
        0
    }
}

impl Shape {
    pub fn extensions(&self) -> HeaderExtensions {
        if !self.extensions {
            return HeaderExtensions::default();
        }
        HeaderExtensions {
            mid: 1,
            rid: 2,
            repaired_rid: 3,
            abs_send_time: 4,
            audio_level: 5,
            video_orientation: 6,
            dependency_descriptor: 7,
        }
    }

    pub fn recv(&self, session: u64) -> Vec<RecvTrack> {
        if self.sends {
            return vec![];
        }
        let encodings = 1 + u64::from(self.encodings % 3);
        let rid = |n| if encodings > 1 { format!("r{n}") } else { String::new() };
        let base = 100 + 10 * session;
        vec![
            RecvTrack {
                mid: "0".into(),
                kind: Kind::Video,
                codec: CODECS[usize::from(self.codec) % CODECS.len()].into(),
                clock_rate: 90_000,
                payload_type: 96,
                rtx_payload_type: if self.rtx { 97 } else { 0 },
                encodings: (0..encodings).map(|n| Encoding { source: base + n, rid: rid(n) }).collect(),
                ssrcs: if self.ssrcs { vec![ssrc(session, 0)] } else { vec![] },
                rtx_ssrcs: if self.ssrcs && self.rtx { vec![ssrc(session, 1)] } else { vec![] },
                parameter_sets: vec![],
                nack: true,
                pli: true,
                remb: true,
            },
            RecvTrack {
                mid: "1".into(),
                kind: Kind::Audio,
                codec: "opus".into(),
                clock_rate: 48_000,
                payload_type: 111,
                rtx_payload_type: 0,
                encodings: vec![Encoding { source: base + AUDIO, rid: String::new() }],
                ssrcs: if self.ssrcs { vec![ssrc(session, 3)] } else { vec![] },
                rtx_ssrcs: vec![],
                parameter_sets: vec![],
                nack: false,
                pli: false,
                remb: false,
            },
        ]
    }

    pub fn send(&self, session: u64) -> Vec<SendTrack> {
        if !self.sends {
            return vec![];
        }
        let track = |track: u64, kind, clock_rate, of: Option<u8>| SendTrack {
            track,
            kind,
            clock_rate,
            payload_type: 102 + track as u8 * 2,
            rtx_payload_type: 103 + track as u8 * 2,
            ssrc: ssrc(session, 4 + track as u8),
            rtx_ssrc: if self.rtx && kind == Kind::Video { ssrc(session, 6) } else { 0 },
            cname: "c".into(),
            source: of.map(source),
        };
        vec![track(0, Kind::Video, 90_000, self.video), track(1, Kind::Audio, 48_000, self.audio)]
    }
}
