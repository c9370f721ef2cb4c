//! One negotiated WebRTC association: ICE-lite (RFC 8445 §2.5), DTLS-SRTP (RFC 5764), tracks both ways.

mod association;
mod beginning;
pub mod budget;
mod connectivity;
mod handover;
mod lag;
mod layer_selector;
mod nack_responder;
pub mod pacer;
pub mod paths;
/// Whether media may go past the socket.
pub mod raw_proof;
pub mod recv;
mod repair_log;
pub mod rtp_munger;
pub mod send;
mod taken_over;
mod told_clock;

use std::sync::Arc;

use rillcast_crypto::dtls::Context;
use rillcast_crypto::srtp::{Receiver, Sender};
use rillcast_wire::bwe::Estimator;

use crate::config::{AddSession, HeaderExtensions, IceParameters, Kind};
use crate::egress::{Egress, Path};
use crate::events::CloseReason;
use crate::prefetch::prefetch;
pub use association::DtlsFailure;
use association::{Association, Open};
use budget::Budget;
pub use connectivity::Checked;
use handover::Handed;
pub use handover::Unfit;
use lag::Lag;
use paths::Paths;
use raw_proof::RawProof;
use recv::{RecvTrack, Routes};
use send::SendTrack;
use told_clock::TellClock;

/// What a publisher is granted until its link is known.
const START_BPS: u64 = 2_000_000;

/// How far a session is. It goes one way only, unless it gives its association up (`Session::begin_anew`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// No address of the peer has answered a check yet.
    Waiting,
    Handshaking,
    Connected,
}

/// What a datagram did to the session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    Nothing,
    Connected,
    /// Close it, with this reason.
    Close(CloseReason),
}

/// Since the session began, except where said.
#[derive(Default)]
pub struct Totals {
    pub packets_sent: u64,
    pub bytes_sent: u64,
    pub packets_received: u64,
    pub bytes_received: u64,
    pub video_bytes: u64,
    pub audio_bytes: u64,
    /// Repairs and padding; they are in no other sum.
    pub extra_bytes: u64,
    pub nacks: u64,
    pub repaired: u64,
    pub dropped: u64,
    pub keyframe_requests: u64,
    /// Values at the last report: (video bytes, audio bytes).
    pub before: (u64, u64),
}

impl Totals {
    /// Once per packet that was sent, with the length of its datagram.
    #[inline]
    pub fn count(&mut self, kind: Kind, bytes: u64) {
        self.packets_sent += 1;
        self.bytes_sent += bytes;
        match kind {
            Kind::Video => self.video_bytes += bytes,
            Kind::Audio => self.audio_bytes += bytes,
        }
    }
}

/// One viewer or publisher, owned by one worker.
pub struct Session {
    pub id: u64,
    pub phase: Phase,
    pub ice: Vec<Arc<IceParameters>>,
    /// Of our checks (RFC 8445 §16.1).
    tie_breaker: u64,
    dtls: Association,
    /// Whether a viewer's association stays open.
    keep_dtls: bool,
    /// What another plane has handed over, as long as that one may still send.
    handed: Option<Box<Handed>>,
    /// DTLS datagrams that came before the address answered.
    held: Vec<Vec<u8>>,
    /// Where everything is sent: the peer has answered there.
    pub path: Option<Path>,
    /// The path that the peer last nominated, which may still have to answer.
    nominated: Option<Path>,
    /// Whether it was told that the peer has chosen a path.
    nomination_told: bool,
    /// Whether its path is to be measured as soon as there is one.
    pub measures: bool,
    /// What its path was measured to take before there was media, in bit/s; 0: it was not, or could not be.
    pub path_bps: u64,
    pub paths: Paths,
    pub tx: Option<Sender>,
    pub rx: Option<Receiver>,
    pub extensions: HeaderExtensions,
    pub recv: Vec<RecvTrack>,
    pub routes: Routes,
    pub send: Vec<SendTrack>,
    pub told: TellClock,
    pub estimator: Option<Estimator>,
    pub added_us: u64,
    /// Its place among the worker's sessions whose handshake runs.
    pub half_open_at: Option<usize>,
    /// When the peer was last heard, on any of its paths; and when something came from `path` that only it can have made.
    pub seen_us: u64,
    pub consent_us: u64,
    /// Last RTCP of the peer, 0 before the first.
    pub feedback_us: u64,
    /// Nothing is sent, since the peer neither reports nor answers.
    pub stalled: bool,
    pub reported_us: u64,
    pub remb_us: u64,
    pub media: bool,
    pub totals: Totals,
    /// Whether media may go past the socket.
    pub raw_proof: RawProof,
    pub remb_bps: u64,
    /// As last told in `SessionStats`.
    pub told_remb_bps: u64,
    /// Packets that receivers should have got since the last `SessionStats`, and those they missed.
    pub expected: u64,
    pub lost: u64,
    pub jitter_ms: f64,
    pub rtt_us: u64,
    /// What the last report has shown of the lag; nothing if there was none since the last `SessionStats`.
    pub lag: Lag,
    /// The least lag of late; 0 before the first.
    pub usual_lag_us: u64,
    /// SSRC we use as the sender of feedback.
    pub feedback_ssrc: u32,
    pub budget: Budget,
    /// When the peer may have said goodbye, 0 = never: see `association`.
    pub leaving_us: u64,
    pub dtls_version: &'static str,
    pub srtp_profile: &'static str,
}

impl Session {
    /// As a command describes it, before anything of the peer was heard.
    pub fn new(now_us: u64, context: &Context, c: &AddSession) -> Result<Self, DtlsFailure> {
        let dtls = match c.srtp {
            Some(_) => Association::given_up(vec![]),
            None => Association::Open(Box::new(Open::new(context, &c.dtls, c.keep_dtls)?)),
        };
        let recv: Vec<RecvTrack> = c.recv.iter().map(RecvTrack::new).collect();
        let wants_remb = recv.iter().any(|t| t.config.remb);
        let max = c.max_bitrate_bps.max(200_000);
        let start = c.srtp.as_ref().map(|s| s.estimate_bps).filter(|bps| *bps > 0).unwrap_or(START_BPS);
        Ok(Session {
            id: c.session,
            phase: Phase::Waiting,
            ice: vec![Arc::new(c.ice.clone())],
            tie_breaker: fastrand::u64(..),
            dtls,
            keep_dtls: c.keep_dtls,
            handed: None,
            held: vec![],
            path: None,
            nominated: None,
            nomination_told: false,
            measures: c.measure_path,
            path_bps: 0,
            paths: Paths::default(),
            tx: None,
            rx: None,
            extensions: c.extensions,
            routes: Routes::new(&c.recv),
            recv,
            send: c.send.iter().map(SendTrack::new).collect(),
            told: TellClock::default(),
            estimator: wants_remb.then(|| Estimator::new(start.min(max), 100_000, max)),
            added_us: now_us,
            half_open_at: None,
            seen_us: now_us,
            consent_us: now_us,
            feedback_us: 0,
            stalled: false,
            reported_us: 0,
            remb_us: 0,
            media: false,
            totals: Totals::default(),
            raw_proof: RawProof::default(),
            remb_bps: 0,
            told_remb_bps: 0,
            expected: 0,
            lost: 0,
            jitter_ms: 0.0,
            rtt_us: 0,
            lag: Lag::default(),
            usual_lag_us: 0,
            feedback_ssrc: c.send.first().map_or_else(|| fastrand::u32(1..), |t| t.ssrc),
            budget: Budget::of_a_second(0),
            leaving_us: 0,
            dtls_version: "",
            srtp_profile: "",
        })
    }

    /// Encrypts and sends a compound RTCP packet.
    pub fn send_rtcp(&mut self, mut packet: Vec<u8>, out: &mut Egress, owner: u32) {
        let (Some(tx), Some(path), false) = (&mut self.tx, &self.path, self.stalled) else { return };
        if !packet.is_empty() && tx.protect_rtcp(&mut packet).is_ok() {
            out.datagram(path, owner, &packet);
        }
    }

    /// Says that media will be sent soon.
    #[inline]
    pub fn prefetch(&self) {
        prefetch(&self.tx);
        prefetch(&self.path);
        prefetch(&self.send);
        prefetch(&self.totals);
        prefetch(&self.raw_proof);
        prefetch(&self.extensions);
    }

    /// Prefetches what the fields of `prefetch` point to. Call it nearer to the moment.
    #[inline]
    pub fn prefetch_track(&self, track: usize) {
        if let Some(t) = self.send.get(track) {
            prefetch(t);
        }
        if let Some(tx) = &self.tx {
            tx.prefetch();
        }
    }
}
