//! Sessions whose association is exported, and comes to another plane. This plane plays that one's part as well: what was
//! exported for good is removed in silence and added again.

use arbitrary::Arbitrary;
use rillcast_plane::config::{AddSession, Command, IceParameters};
use rillcast_plane::srtp_state::SrtpState;

use super::bench::Bench;
use super::peer::REMOTE_PASSWORD;

/// What is wrong with the counters that a session is to be continued with.
#[derive(Arbitrary, Clone, Copy, Debug, PartialEq, Eq)]
pub enum Spoilt {
    Not,
    Ahead,
    MediaBack,
    ReportsBack,
    Ssrc,
    Keys,
}

impl Spoilt {
    /// None: there is nothing in them that could be spoilt so.
    fn apply(self, mut srtp: SrtpState) -> Option<SrtpState> {
        match self {
            Spoilt::Not => {}
            Spoilt::Ahead => srtp.sent.iter_mut().for_each(|s| s.index += 40),
            Spoilt::MediaBack => {
                let s = srtp.sent.first_mut()?;
                s.index = s.index.checked_sub(1)?;
            }
            Spoilt::ReportsBack => srtp.srtcp_sent = srtp.srtcp_sent.checked_sub(1)?,
            Spoilt::Ssrc => srtp.sent.first_mut()?.ssrc ^= 1 << 20,
            Spoilt::Keys => std::mem::swap(&mut srtp.local_key, &mut srtp.remote_key),
        }
        Some(srtp)
    }

    fn is_harmless(self) -> bool {
        matches!(self, Spoilt::Not | Spoilt::Ahead)
    }
}

impl Bench {
    /// Asks for what another plane needs; the answer comes as an event.
    pub fn export(&mut self, peer: usize, stop: bool) {
        if let Some(p) = &mut self.peers[peer] {
            p.exported = None;
        }
        self.asked_to_stop = stop;
        self.command(Command::ExportSession { session: peer as u64, stop });
    }

    /// There was something to export.
    pub fn exported(&mut self, session: u64, srtp: SrtpState) {
        let stop = self.asked_to_stop;
        if let Some(p) = &mut self.peers[session as usize] {
            p.exported = Some(srtp);
            p.stopped |= stop;
        }
    }

    /// What was exported for good leaves one plane and comes to another one, with other credentials.
    pub fn take_in(&mut self, peer: usize) {
        let Some(mut p) = self.peers[peer].take_if(|p| p.stopped && p.exported.is_some()) else { return };
        let (local_ufrag, local_pwd) = p.restarted();
        let ice =
            IceParameters { local_ufrag, local_pwd, remote_ufrag: "remote".into(), remote_pwd: REMOTE_PASSWORD.into() };
        let add = AddSession { ice, srtp: p.exported.clone().map(Box::new), ..p.added.clone() };
        self.command(Command::RemoveSession { session: p.session, keep_sources: true, silent: true });
        p.taken_in = true;
        self.peers[peer] = Some(p);
        self.command(Command::AddSession(Box::new(add)));
    }

    /// The plane before has stopped, if it has; or its last word was forged.
    pub fn go_on(&mut self, peer: usize, spoilt: Spoilt) {
        let Some(p) = &mut self.peers[peer] else { return };
        let Some(srtp) = p.exported.clone().and_then(|s| spoilt.apply(s)) else { return };
        // Before it was taken in again there is nothing to continue, whatever the counters.
        let goes_on = spoilt.is_harmless() && p.taken_in;
        p.stopped &= !goes_on;
        p.taken_in &= !goes_on;
        self.allow_media_again();
        self.command(Command::ContinueSession { session: peer as u64, srtp: Box::new(srtp) });
    }

    /// Both sides shake hands anew.
    pub fn restart_dtls(&mut self, peer: usize) {
        let Some(p) = &mut self.peers[peer] else { return };
        p.begin_anew();
        let dtls = p.added.dtls.clone();
        self.allow_media_again();
        self.command(Command::RestartDtls { session: peer as u64, dtls, send: vec![] });
    }
}
