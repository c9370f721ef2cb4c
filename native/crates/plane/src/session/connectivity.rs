//! A session's checks, both ways: what the peer asks and is answered, and what we ask before we believe an address.
//!
//! We call ourselves lite (RFC 8445 §2.5): the peer gathers, pairs and nominates. But a lite agent that sends to whatever
//! address a check seems to come from can be aimed at others. So every new address is asked back, together with the answer
//! to its first check, and until it has answered it gets nothing else, at most three times the bytes that came from it.
//! Later a peer that says nothing else is asked for its consent (RFC 7675).

use std::sync::Arc;

use rillcast_wire::stun;

use super::budget::Budget;
use super::paths::transaction;
use super::Session;
use crate::config::IceParameters;
use crate::egress::{Egress, Path, Remote};
use crate::session::send::Progress;

/// Who is silent for so long is asked for consent; RFC 7675 §5.1 asks every 4 to 6 s.
const ASK_AFTER_US: u64 = 4_000_000;
/// A peer that neither reports nor answers for so long gets nothing more until it does.
pub const STALLED_US: u64 = 8_000_000;
/// The priority of a peer-reflexive candidate of component 1 (RFC 8445 §5.1.2.1).
const PRIORITY: u32 = (110 << 24) | (65_535 << 8) | 255;

/// What became of a check of the peer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Checked {
    /// It is not authentic.
    Refused,
    /// The peer asked for more than it may in this second.
    OverBudget,
    /// The peer has to change its role first.
    RoleConflict,
    /// It was answered. The path may have pushed out another one, whose other end is told.
    Answered { forgotten: Option<Remote> },
}

impl Session {
    /// A binding request for one of our ufrags: authenticates and answers it, and asks back unless the path is known to be
    /// the peer's.
    pub fn on_check(
        &mut self,
        now_us: u64,
        path: Path,
        datagram: &[u8],
        check: &stun::Binding<'_>,
        out: &mut Egress,
        owner: u32,
    ) -> Checked {
        let Some(ice) = self.credentials_of(check) else { return Checked::Refused };
        if !self.budget.take_check() {
            return Checked::OverBudget;
        }
        let key = ice.local_pwd.as_bytes();
        if !stun::verify_integrity(datagram, key) {
            return Checked::Refused;
        }
        let mut reply = Vec::with_capacity(128);
        if check.controlled.is_some() {
            // We are lite, hence always controlled (RFC 8445 §7.3.1.1).
            stun::write_error(&mut reply, &check.transaction_id, 487, "Role Conflict", Some(key));
            out.datagram(&path, owner, &reply);
            return Checked::RoleConflict;
        }
        stun::write_success(&mut reply, &check.transaction_id, path.to, key);
        let forgotten = self.paths.heard(path, &ice, datagram.len(), self.path);
        if self.paths.has_proved(path.remote()) {
            self.seen_us = now_us;
        }
        if check.use_candidate {
            self.nominated = Some(path);
        }
        let answers = self.paths.spend(path, reply.len());
        let valid = self.paths.is_valid(now_us, path);
        if valid && check.use_candidate {
            self.select(now_us, path);
        }
        // Ours goes first: an agent that works off its datagrams in order has then answered before it begins with DTLS.
        if self.stalled || self.is_silent(now_us) || !valid && self.path != Some(path) {
            self.ask(now_us, path, out, owner);
        }
        if answers {
            out.datagram(&path, owner, &reply);
        }
        Checked::Answered { forgotten: forgotten.map(|p| p.remote()) }
    }

    fn credentials_of(&self, check: &stun::Binding<'_>) -> Option<Arc<IceParameters>> {
        let (local, remote) = check.username?.split_once(':')?;
        self.ice.iter().find(|i| i.local_ufrag == local && i.remote_ufrag == remote).cloned()
    }

    /// Sends a check on the path, unless one was sent a moment ago or the address has had as much as it may.
    fn ask(&mut self, now_us: u64, path: Path, out: &mut Egress, owner: u32) {
        let Some(ask) = self.paths.ask(now_us, path, owner) else { return };
        let username = format!("{}:{}", ask.ice.remote_ufrag, ask.ice.local_ufrag);
        let key = ask.ice.remote_pwd.as_bytes();
        let mut request = Vec::with_capacity(128);
        stun::write_request(&mut request, &ask.id, &username, PRIORITY, false, None, Some(self.tie_breaker), key);
        if self.paths.spend(path, request.len()) {
            out.datagram(&path, owner, &request);
        }
    }

    /// Sends one more check on the selected path, `size` bytes long or as short as it can be, whose answer shows what the
    /// path is like. Returns its transaction id; None while no path is selected.
    pub fn mark(&self, size: usize, out: &mut Egress, owner: u32) -> Option<[u8; 12]> {
        let path = self.path?;
        let ice = self.paths.credentials(path)?;
        let id = transaction(owner);
        let username = format!("{}:{}", ice.remote_ufrag, ice.local_ufrag);
        let mut request = Vec::with_capacity(size.max(128));
        let key = ice.remote_pwd.as_bytes();
        stun::write_padded_request(&mut request, &id, &username, PRIORITY, self.tie_breaker, key, size);
        out.datagram(&path, owner, &request);
        Some(id)
    }

    /// Whether a binding response is the peer's answer to a mark on the selected path.
    pub fn on_mark(&mut self, now_us: u64, path: Path, datagram: &[u8]) -> bool {
        let authentic = self.path == Some(path)
            && self
                .paths
                .credentials(path)
                .is_some_and(|ice| stun::verify_integrity(datagram, ice.remote_pwd.as_bytes()));
        if authentic {
            self.heard_from(now_us, path.remote());
        }
        authentic
    }

    /// A binding response. False: it answers no check of ours on this path, or is not authentic.
    pub fn on_answer(&mut self, now_us: u64, path: Path, datagram: &[u8], id: &[u8; 12]) -> bool {
        let Some(key) = self.paths.answer_key(path, id) else { return false };
        if !stun::verify_integrity(datagram, key.as_bytes()) {
            return false;
        }
        self.paths.answered(now_us, path);
        if self.path.is_none() || self.nominated == Some(path) || self.is_silent(now_us) {
            self.select(now_us, path);
        }
        self.heard_from(now_us, path.remote());
        true
    }

    /// Whether the peer has chosen the path that is selected, and it is news. To be called after its checks and answers.
    pub fn take_nomination(&mut self) -> bool {
        let news = !self.nomination_told && self.path.is_some() && self.path == self.nominated;
        self.nomination_told |= news;
        news
    }

    /// What we send goes this way from now on: the peer has answered there.
    fn select(&mut self, now_us: u64, path: Path) {
        if self.path.replace(path) != Some(path) {
            self.consent_us = now_us;
            self.raw_proof.moved();
        }
    }

    /// Something came from this end that nobody but the peer can have made, and not long ago.
    #[inline]
    pub fn heard_from(&mut self, now_us: u64, remote: Remote) {
        self.seen_us = now_us;
        if self.path.is_some_and(|p| p.remote() == remote) {
            self.consent_us = now_us;
        }
    }

    /// Whether nothing has come from the selected path for a while.
    fn is_silent(&self, now_us: u64) -> bool {
        self.path.is_some() && now_us >= self.consent_us + ASK_AFTER_US
    }

    /// While no path has answered: repeats the checks that were lost. To be called often.
    pub fn repeat_checks(&mut self, now_us: u64, out: &mut Egress, owner: u32) {
        for path in self.paths.unanswered(now_us) {
            self.ask(now_us, path, out, owner);
        }
    }

    /// To be called once a second: asks a silent peer for consent, and stops sending without it. True: it stops now.
    pub fn renew_consent(&mut self, now_us: u64, out: &mut Egress, owner: u32) -> bool {
        self.budget = Budget::of_a_second(self.remb_bps);
        self.raw_proof.second(now_us, self.totals.packets_sent);
        let Some(path) = self.path.filter(|_| self.is_silent(now_us)) else { return false };
        self.ask(now_us, path, out, owner);
        !self.stalled && now_us >= self.consent_us + STALLED_US && self.stall()
    }

    /// Stops sending; `Worker::resume` goes on at a keyframe.
    fn stall(&mut self) -> bool {
        self.stalled = true;
        self.send.iter_mut().for_each(|t| t.progress = Progress::Waiting);
        true
    }

    /// Another session has shown that this end is its own, or the connection has ended: nothing of ours goes there any
    /// more.
    pub fn lose(&mut self, remote: Remote) {
        self.paths.forget(remote);
        if self.path.is_some_and(|p| p.remote() == remote) {
            self.path = None;
            self.stall();
        }
    }
}
