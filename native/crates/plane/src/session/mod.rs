//! One negotiated WebRTC association: ICE-lite (RFC 8445 §2.5), DTLS-SRTP (RFC 5764), tracks both ways.

mod association;
mod layer_selector;
mod nack_responder;
pub mod pacer;
pub mod recv;
mod repair_log;
pub mod rtp_munger;
pub mod send;

use std::net::SocketAddr;

use rillcast_crypto::dtls::Context;
use rillcast_crypto::srtp::{Receiver, Sender};
use rillcast_wire::bwe::Estimator;
use rillcast_wire::stun;

use crate::config::{AddSession, HeaderExtensions, IceParameters, Kind};
use crate::egress::{Egress, Path};
use crate::events::CloseReason;
use crate::prefetch::prefetch;
use association::Association;
pub use association::DtlsFailure;
use recv::{RecvTrack, Routes};
use send::SendTrack;

/// How far a session is. It goes one way only.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// No authenticated STUN check yet.
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

/// Addresses that passed a check, remembered per session.
const MAX_PATHS: usize = 8;

/// Since the session began, except where said.
#[derive(Default)]
pub struct Totals {
    pub packets_sent: u64,
    pub bytes_sent: u64,
    pub packets_received: u64,
    pub bytes_received: u64,
    pub video_bytes: u64,
    pub audio_bytes: u64,
    pub nacks: u64,
    pub repaired: u64,
    pub dropped: u64,
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
    pub ice: Vec<IceParameters>,
    dtls: Association,
    pub path: Option<Path>,
    pub paths: Vec<Path>,
    /// An address that made room in `paths`; the worker forgets it too.
    pub forgotten: Option<SocketAddr>,
    pub tx: Option<Sender>,
    pub rx: Option<Receiver>,
    pub extensions: HeaderExtensions,
    pub recv: Vec<RecvTrack>,
    pub routes: Routes,
    pub send: Vec<SendTrack>,
    pub estimator: Option<Estimator>,
    pub added_us: u64,
    /// Its place among the worker's sessions whose handshake runs.
    pub half_open_at: Option<usize>,
    pub seen_us: u64,
    /// Last receiver report of a viewer, 0 before the first; and whether it has stopped reporting.
    pub feedback_us: u64,
    pub stalled: bool,
    pub reported_us: u64,
    pub remb_us: u64,
    pub media: bool,
    pub totals: Totals,
    pub remb_bps: u64,
    /// As last told in `SessionStats`.
    pub told_remb_bps: u64,
    /// Packets that receivers should have got since the last `SessionStats`, and those they missed.
    pub expected: u64,
    pub lost: u64,
    pub jitter_ms: f64,
    pub rtt_us: u64,
    /// Age of the newest packet that the receiver had when it last reported; 0: no report since the last `SessionStats`.
    pub lag_us: u64,
    /// SSRC we use as the sender of feedback.
    pub feedback_ssrc: u32,
    /// Packets that may still be repaired in this second.
    pub repair_budget: u32,
    /// When the peer may have said goodbye, 0 = never: see `association`.
    pub leaving_us: u64,
    pub dtls_version: &'static str,
    pub srtp_profile: &'static str,
}

impl Session {
    /// As a command describes it, before anything of the peer was heard.
    pub fn new(now_us: u64, context: &Context, c: &AddSession) -> Result<Self, DtlsFailure> {
        let dtls = Association::new(context, &c.dtls, c.keep_dtls)?;
        let recv: Vec<RecvTrack> = c.recv.iter().map(RecvTrack::new).collect();
        let wants_remb = recv.iter().any(|t| t.config.remb);
        let max = c.max_bitrate_bps.max(200_000);
        Ok(Session {
            id: c.session,
            phase: Phase::Waiting,
            ice: vec![c.ice.clone()],
            dtls,
            path: None,
            paths: vec![],
            forgotten: None,
            tx: None,
            rx: None,
            extensions: c.extensions,
            routes: Routes::new(&c.recv),
            recv,
            send: c.send.iter().map(SendTrack::new).collect(),
            estimator: wants_remb.then(|| Estimator::new(2_000_000.min(max), 100_000, max)),
            added_us: now_us,
            half_open_at: None,
            seen_us: now_us,
            feedback_us: 0,
            stalled: false,
            reported_us: 0,
            remb_us: 0,
            media: false,
            totals: Totals::default(),
            remb_bps: 0,
            told_remb_bps: 0,
            expected: 0,
            lost: 0,
            jitter_ms: 0.0,
            rtt_us: 0,
            lag_us: 0,
            feedback_ssrc: c.send.first().map_or_else(|| fastrand::u32(1..), |t| t.ssrc),
            repair_budget: REPAIR_PER_SECOND,
            leaving_us: 0,
            dtls_version: "",
            srtp_profile: "",
        })
    }

    /// A binding request for one of our ufrags: authenticates, answers, learns the path.
    /// Returns false if it is not the peer's.
    pub fn on_check(
        &mut self,
        now_us: u64,
        path: Path,
        datagram: &[u8],
        check: &stun::Binding<'_>,
        out: &mut Egress,
        owner: u32,
    ) -> bool {
        let Some((local, remote)) = check.username.and_then(|u| u.split_once(':')) else { return false };
        let Some(ice) = self.ice.iter().find(|i| i.local_ufrag == local && i.remote_ufrag == remote) else {
            return false;
        };
        if !stun::verify_integrity(datagram, ice.local_pwd.as_bytes()) {
            return false;
        }
        let mut reply = Vec::with_capacity(128);
        if check.controlled.is_some() {
            // We are lite, hence always controlled (RFC 8445 §7.3.1.1).
            stun::write_error(&mut reply, &check.transaction_id, 487, "Role Conflict", Some(ice.local_pwd.as_bytes()));
            out.datagram(&path, owner, &reply);
            return true;
        }
        stun::write_success(&mut reply, &check.transaction_id, path.to, ice.local_pwd.as_bytes());
        out.datagram(&path, owner, &reply);
        self.seen_us = now_us;
        if !self.paths.contains(&path) {
            if self.paths.len() == MAX_PATHS {
                let current = self.path;
                if let Some(i) = self.paths.iter().position(|p| Some(*p) != current) {
                    self.forgotten = Some(self.paths.remove(i).to);
                }
            }
            self.paths.push(path);
        }
        if check.use_candidate || self.path.is_none() {
            self.path = Some(path);
        }
        true
    }

    /// Encrypts and sends a compound RTCP packet.
    pub fn send_rtcp(&mut self, mut packet: Vec<u8>, out: &mut Egress, owner: u32) {
        let (Some(tx), Some(path)) = (&mut self.tx, &self.path) else { return };
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
        prefetch(&self.extensions);
    }

    /// As `prefetch`, nearer to the moment: what those fields point to.
    #[inline]
    pub fn prefetch_track(&self, track: usize) {
        if let Some(t) = self.send.get(track) {
            prefetch(t);
        }
        if let Some(tx) = &self.tx {
            tx.prefetch();
        }
    }

    /// Whether the peer passed a check from this address.
    pub fn knows(&self, from: SocketAddr) -> bool {
        self.paths.iter().any(|p| p.to == from)
    }
}

/// A viewer that reported and then says nothing for this long gets no more media until it speaks again.
pub const STALLED_US: u64 = 8_000_000;
/// A viewer's repair budget; beyond it, a keyframe costs less.
pub const REPAIR_PER_SECOND: u32 = 600;

/// Repairs may take half of what a receiver says it can take; 0 = it says nothing.
pub fn repairs_per_second(remb_bps: u64) -> u32 {
    let half = (remb_bps / 2 / 9_600) as u32;
    if remb_bps == 0 {
        REPAIR_PER_SECOND
    } else {
        half.clamp(30, REPAIR_PER_SECOND)
    }
}
