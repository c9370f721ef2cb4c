//! A session's association on its way to another plane, and from another one.
//!
//! The peer knows one association, whichever plane sends. Two different packets under the same key, SSRC and index would
//! give the key away (RFC 7714 §8.3). So one plane sends at a time: the one that exports for good drops its `Sender`,
//! without which nothing can be sealed, and the one that takes over has none until it is given the final counters.

use std::fmt;

use rillcast_crypto::srtp::{Receiver, Sender};

use super::association::{Association, Open};
use super::recv::Route;
use super::told_clock::TellClock;
use super::{Outcome, Phase, Session};
use crate::config::{self, SendTrack};
use crate::refusal::Impossible;
use crate::source::Source;
use crate::srtp_state::{base64_of, encoded, KeyPair, ReceivedStream, SrtpState};

/// What came with `AddSession`, and waits for `ContinueSession`.
pub struct Handed {
    keys: KeyPair,
    state: SrtpState,
}

/// Why a session can't go on with an association.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unfit {
    /// It was not added with one, goes on already, or shakes hands anew.
    NothingToContinue,
    /// The keys are not those that it was added with.
    OtherKeys,
    /// The SSRCs are not those of its tracks.
    OtherSsrcs,
    /// A counter is lower than when it was added.
    WentBack,
}

impl fmt::Display for Unfit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Unfit::NothingToContinue => "no association waits to be continued",
            Unfit::OtherKeys => "srtp: other keys than it was added with",
            Unfit::OtherSsrcs => "srtp.sent: other SSRCs than those of its tracks",
            Unfit::WentBack => "srtp: a counter is lower than when it was added",
        })
    }
}

impl Handed {
    fn check(&self, state: &SrtpState, tracks: &[super::SendTrack]) -> Result<(), Unfit> {
        if state.keys().as_ref() != Ok(&self.keys) {
            return Err(Unfit::OtherKeys);
        }
        if !state.is_for(tracks.iter().flat_map(|t| t.config.ssrcs())) {
            return Err(Unfit::OtherSsrcs);
        }
        let lower = |s: &crate::srtp_state::SentStream| state.stream(s.ssrc).is_some_and(|now| now.index < s.index);
        if state.srtcp_sent < self.state.srtcp_sent || self.state.sent.iter().any(lower) {
            return Err(Unfit::WentBack);
        }
        Ok(())
    }
}

impl Session {
    /// What another plane has to know to go on. None: the session is not connected, its peer has not shown yet that it has
    /// the keys, or this was exported for good before. With `stop` this is for good. `source_of` finds what a track shows.
    pub fn export<'a>(
        &mut self,
        now_us: u64,
        stop: bool,
        source_of: impl Fn(u64) -> Option<&'a Source>,
    ) -> Option<SrtpState> {
        let (Phase::Connected, Some(tx), Some(rx)) = (self.phase, &self.tx, &self.rx) else { return None };
        // A peer that may still need our last flight can only be served where the handshake was.
        let shown = rx.rtcp_indices().next().is_some() || rx.rtp_indices().next().is_some();
        if !shown && matches!(self.dtls, Association::Open(_)) {
            return None;
        }
        let sent = self.send.iter().flat_map(|t| t.exported(now_us, t.source.and_then(&source_of)));
        let plain = |(ssrc, index)| ReceivedStream { ssrc, index, ..ReceivedStream::default() };
        let mut state = SrtpState {
            profile: self.srtp_profile.into(),
            local_key: encoded(tx.keys()),
            remote_key: encoded(rx.keys()),
            dtls: self.dtls_version.into(),
            srtcp_sent: tx.rtcp_index(),
            close_notify: String::new(),
            estimate_bps: self.estimator.as_mut().map_or(self.remb_bps, |e| e.estimate_bps(now_us)),
            sent: sent.collect(),
            received: rx.rtp_indices().map(|r| self.routed(plain(r), &source_of)).collect(),
            reported: rx.rtcp_indices().map(plain).collect(),
        };
        if stop {
            self.tx = None;
            state.close_notify = base64_of(&self.dtls.give_up());
        }
        Some(state)
    }

    /// With the encoding to which the SSRC belongs, if it is the one that is used for that now.
    fn routed<'a>(&self, stream: ReceivedStream, source_of: impl Fn(u64) -> Option<&'a Source>) -> ReceivedStream {
        let Some(r) = self.routes.newest(stream.ssrc) else { return stream };
        let track = &self.recv[r.track];
        if !r.rtx && track.ssrcs[r.encoding] != Some(stream.ssrc) {
            return stream;
        }
        let encoding = &track.config.encodings[r.encoding];
        let source = source_of(encoding.source).filter(|_| !r.rtx);
        let sets = source.into_iter().flat_map(|s| s.sets.nals()).map(base64_of);
        let (mid, rid) = (track.config.mid.clone(), encoding.rid.clone());
        ReceivedStream { mid, rid, rtx: r.rtx, parameter_sets: sets.collect(), ..stream }
    }

    /// The association of a session that was just made comes from another plane. Media of the peer can be opened from now
    /// on; nothing can be sealed.
    pub fn take_in(&mut self, now_us: u64, state: &SrtpState) -> Result<(), Impossible> {
        let keys = state.keys()?;
        let rx = Receiver::new(&keys.remote);
        self.rx = Some(rx.map_err(|_| Impossible::Srtp { field: "remote_key", problem: "not one of the profile" })?);
        self.srtp_profile = keys.local.profile.name();
        self.dtls_version = match &*state.dtls {
            "DTLS 1.2" => "DTLS 1.2",
            "DTLS 1.3" => "DTLS 1.3",
            _ => "",
        };
        self.had(now_us, state);
        self.handed = Some(Box::new(Handed { keys, state: state.clone() }));
        Ok(())
    }

    /// The other plane has stopped: from now on this one sends. After an error nothing has changed.
    pub fn take_over(&mut self, now_us: u64, state: &SrtpState) -> Result<(), Unfit> {
        let handed = self.handed.as_ref().ok_or(Unfit::NothingToContinue)?;
        handed.check(state, &self.send)?;
        let tx = Sender::resuming(&handed.keys.local, state.srtcp_sent).map_err(|_| Unfit::OtherKeys)?;
        self.tx = Some(tx);
        self.handed = None;
        self.had(now_us, state);
        for t in &mut self.send {
            if let Some(media) = state.stream(t.config.ssrc) {
                t.take_over(now_us, media, state.stream(t.config.rtx_ssrc));
            }
        }
        self.dtls = Association::given_up(state.goodbye().unwrap_or_default());
        Ok(())
    }

    /// What the other plane has received, and knows of the link and of the peer's SSRCs.
    fn had(&mut self, now_us: u64, state: &SrtpState) {
        if let Some(rx) = &mut self.rx {
            state.received.iter().for_each(|r| rx.had_rtp(r.ssrc, r.index));
            state.reported.iter().for_each(|r| rx.had_rtcp(r.ssrc, r.index));
        }
        for r in &state.received {
            let Some(route) = self.route_of(r) else { continue };
            self.routes.learn_from_before(now_us, r.ssrc, route);
            if !r.rtx {
                self.recv[route.track].ssrcs[route.encoding].get_or_insert(r.ssrc);
            }
        }
        if !self.send.is_empty() && self.feedback_us == 0 {
            self.remb_bps = state.estimate_bps;
        }
    }

    fn route_of(&self, stream: &ReceivedStream) -> Option<Route> {
        let of = |t: &config::RecvTrack| !stream.mid.is_empty() && t.mid == stream.mid;
        let track = self.recv.iter().position(|t| of(&t.config))?;
        let encoding = self.recv[track].config.encodings.iter().position(|e| e.rid == stream.rid)?;
        Some(Route { track, encoding, rtx: stream.rtx })
    }

    /// Whether a session that takes over is connected now: the peer has chosen its path here, and the other plane has
    /// stopped. To be called after either.
    pub fn goes_on(&mut self) -> Outcome {
        if self.phase != Phase::Waiting || self.tx.is_none() || self.path.is_none() || !self.nomination_told {
            return Outcome::Nothing;
        }
        self.phase = Phase::Connected;
        Outcome::Connected
    }

    /// The tracks as a command would describe them now.
    pub fn tracks_as_they_are(&self) -> Vec<SendTrack> {
        let now = |t: &super::SendTrack| SendTrack { source: t.target.or(t.source), ..t.config.clone() };
        self.send.iter().map(now).collect()
    }

    /// All keys are given up, and a handshake is to come. `send`: the tracks from now on, which have no source yet.
    pub fn begin_anew(&mut self, now_us: u64, open: Open, send: Vec<SendTrack>) {
        self.dtls = Association::Open(Box::new(open));
        self.phase = Phase::Waiting;
        (self.tx, self.rx, self.handed) = (None, None, None);
        (self.added_us, self.leaving_us, self.feedback_us) = (now_us, 0, 0);
        self.feedback_ssrc = send.first().map_or(self.feedback_ssrc, |t| t.ssrc);
        self.send = send.iter().map(super::SendTrack::new).collect();
        self.told = TellClock::default();
    }
}
