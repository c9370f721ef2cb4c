//! The sessions of one worker, and how a command or datagram finds its own: by id, by ICE user fragment, by the peer's
//! address. A session's slot is its place here as long as it lives.

use std::collections::HashMap;
use std::ops::{Index, IndexMut};
use std::sync::Arc;

use slab::Slab;

use super::remotes::{Owners, Remotes};
use crate::config::IceParameters;
use crate::egress::{Connection, Remote};
use crate::session::{Phase, Session};

/// ICE restarts (RFC 8445 §2.4) whose credentials are known at once: the peer may still use those before the last ones.
const MAX_CREDENTIALS: usize = 2;
/// A session that was heard so lately keeps its address: longer than browsers' checks are apart (RFC 7675 §5.1).
const HEARD_LATELY_US: u64 = 8_000_000;

#[derive(Default)]
pub(super) struct Sessions {
    slots: Slab<Box<Session>>,
    by_id: HashMap<u64, usize>,
    by_ufrag: HashMap<String, usize>,
    by_remote: Remotes,
    /// Slots of those whose handshake runs; each knows its place here, so that leaving costs the same however many there are.
    half_open: Vec<usize>,
}

impl Sessions {
    /// Adds a session whose id and ICE user fragment are free. Its handshake is to come.
    pub fn add(&mut self, mut session: Session) -> usize {
        session.half_open_at = Some(self.half_open.len());
        let (id, ufrags) = (session.id, session.ice.iter().map(|i| i.local_ufrag.clone()).collect::<Vec<_>>());
        let slot = self.slots.insert(Box::new(session));
        self.by_id.insert(id, slot);
        self.by_ufrag.extend(ufrags.into_iter().map(|u| (u, slot)));
        self.half_open.push(slot);
        slot
    }

    /// Takes a session out, and all ways to it.
    pub fn remove(&mut self, slot: usize) -> Option<Box<Session>> {
        self.end_half_open(slot);
        let session = self.slots.try_remove(slot)?;
        self.by_id.remove(&session.id);
        for ice in &session.ice {
            self.by_ufrag.remove(&ice.local_ufrag);
        }
        for remote in session.paths.remotes() {
            self.unbind(remote, slot);
        }
        Some(session)
    }

    #[inline]
    pub fn get(&self, slot: usize) -> Option<&Session> {
        self.slots.get(slot).map(|s| &**s)
    }

    #[inline]
    pub fn get_mut(&mut self, slot: usize) -> Option<&mut Session> {
        self.slots.get_mut(slot).map(|s| &mut **s)
    }

    pub fn contains(&self, slot: usize) -> bool {
        self.slots.contains(slot)
    }

    pub fn len(&self) -> usize {
        self.slots.len()
    }

    pub fn is_empty(&self) -> bool {
        self.slots.is_empty()
    }

    /// All slots are below this.
    pub fn end(&self) -> usize {
        self.slots.capacity()
    }

    /// The slots of all sessions.
    pub fn all(&self) -> Vec<usize> {
        self.slots.iter().map(|(slot, _)| slot).collect()
    }

    // ------------------------------------------------------------------ ways to a session

    /// By the id that Python chose. Once per command.
    pub fn slot_of(&self, id: u64) -> Option<usize> {
        self.by_id.get(&id).copied()
    }

    /// By the local part of a STUN check's user name. Once per check.
    pub fn slot_of_ufrag(&self, ufrag: &str) -> Option<usize> {
        self.by_ufrag.get(ufrag).copied()
    }

    /// By where a datagram comes from. Once per datagram.
    #[inline]
    pub fn owners_of(&self, remote: Remote) -> Option<Owners> {
        self.by_remote.get(remote)
    }

    /// New credentials beside those before; the oldest are forgotten. The user fragment must be free.
    pub fn add_credentials(&mut self, slot: usize, ice: IceParameters) {
        let session = &mut self.slots[slot];
        self.by_ufrag.insert(ice.local_ufrag.clone(), slot);
        session.ice.push(Arc::new(ice));
        if session.ice.len() > MAX_CREDENTIALS {
            let old = session.ice.remove(0);
            self.by_ufrag.remove(&old.local_ufrag);
        }
    }

    /// A check of the session came from this end, and an address may be forged. So it is no way to the session if another
    /// one has proved that it is its own.
    pub fn claim(&mut self, remote: Remote, slot: usize) {
        let proved = |o: Owners| self.slots.get(o.slot).is_some_and(|s| s.paths.has_proved(remote));
        if !self.by_remote.get(remote).is_some_and(proved) {
            self.by_remote.insert(remote, Owners { slot, beside: None });
        }
    }

    /// The session has answered from this end. It is nobody else's from now on, unless another session that has done the
    /// same is connected and was heard lately: then it is both of theirs.
    pub fn bind(&mut self, now_us: u64, remote: Remote, slot: usize) {
        let alone = Owners { slot, beside: None };
        let before = self.by_remote.insert(remote, alone).unwrap_or(alone);
        let holds = before.slot != slot && self.holds(now_us, remote, before.slot);
        if holds {
            self.by_remote.insert(remote, Owners { slot: before.slot, beside: Some(slot) });
        }
        let displaced = [(!holds).then_some(before.slot), before.beside];
        for other in displaced.into_iter().flatten().filter(|o| *o != slot) {
            if let Some(s) = self.slots.get_mut(other) {
                s.lose(remote);
            }
        }
    }

    fn holds(&self, now_us: u64, remote: Remote, slot: usize) -> bool {
        self.slots.get(slot).is_some_and(|s| {
            s.phase == Phase::Connected && s.paths.has_proved(remote) && now_us < s.seen_us + HEARD_LATELY_US
        })
    }

    /// This end is no longer the session's.
    pub fn unbind(&mut self, remote: Remote, slot: usize) {
        let Some(owners) = self.by_remote.get_mut(remote) else { return };
        match owners.beside {
            Some(beside) if owners.slot == slot => *owners = Owners { slot: beside, beside: None },
            Some(beside) if beside == slot => owners.beside = None,
            None if owners.slot == slot => {
                self.by_remote.remove(remote);
            }
            _ => {}
        }
    }

    /// The connection has ended: it is no way to any session, and no path of one.
    pub fn disconnect(&mut self, connection: Connection) {
        let remote = Remote::Connection(connection);
        let Some(owners) = self.by_remote.remove(remote) else { return };
        for slot in [Some(owners.slot), owners.beside].into_iter().flatten() {
            if let Some(s) = self.slots.get_mut(slot) {
                s.lose(remote);
            }
        }
    }

    /// The connections that were a way to a session, and are none any more.
    pub fn take_ownerless(&mut self) -> Vec<Connection> {
        self.by_remote.take_ownerless()
    }

    // ------------------------------------------------------------------ handshakes

    /// How many handshakes run.
    pub fn half_open(&self) -> usize {
        self.half_open.len()
    }

    /// The slot at a place among those whose handshake runs; the order changes when one ends.
    pub fn half_open_at(&self, place: usize) -> Option<usize> {
        self.half_open.get(place).copied()
    }

    /// Another handshake is to come.
    pub fn begin_half_open(&mut self, slot: usize) {
        let place = self.half_open.len();
        if self.slots[slot].half_open_at.is_none() {
            self.slots[slot].half_open_at = Some(place);
            self.half_open.push(slot);
        }
    }

    /// The handshake is over, or was never there.
    pub fn end_half_open(&mut self, slot: usize) {
        let Some(place) = self.slots.get_mut(slot).and_then(|s| s.half_open_at.take()) else { return };
        self.half_open.swap_remove(place);
        if let Some(&moved) = self.half_open.get(place) {
            self.slots[moved].half_open_at = Some(place);
        }
    }

    /// The entries of all its tables but the sessions themselves.
    pub fn ways(&self) -> usize {
        self.by_id.len() + self.by_ufrag.len() + self.by_remote.len()
    }

    #[cfg(test)]
    pub fn iter(&self) -> impl Iterator<Item = &Session> {
        self.slots.iter().map(|(_, s)| &**s)
    }
}

impl Index<usize> for Sessions {
    type Output = Session;

    #[inline]
    fn index(&self, slot: usize) -> &Session {
        &self.slots[slot]
    }
}

impl IndexMut<usize> for Sessions {
    #[inline]
    fn index_mut(&mut self, slot: usize) -> &mut Session {
        &mut self.slots[slot]
    }
}

#[cfg(test)]
mod tests {
    use rillcast_crypto::dtls::Context;

    use super::*;
    use crate::config::{AddSession, DtlsParameters, DtlsRole};
    use crate::egress::{Path, Sock};
    use std::net::SocketAddr;

    fn ice(ufrag: &str) -> IceParameters {
        let word = || "w".repeat(22);
        IceParameters {
            local_ufrag: ufrag.into(),
            local_pwd: word(),
            remote_ufrag: "remote".into(),
            remote_pwd: word(),
        }
    }

    fn session(context: &Context, id: u64) -> Session {
        let c = AddSession {
            session: id,
            worker: 0,
            ice: ice(&format!("u{id}")),
            dtls: DtlsParameters {
                role: DtlsRole::Server,
                fingerprint_hash: String::new(),
                fingerprint: String::new(),
                close_notify: true,
            },
            extensions: Default::default(),
            recv: vec![],
            send: vec![],
            keyframe_interval_ms: 0,
            max_bitrate_bps: 0,
            keep_dtls: false,
            measure_path: false,
            srtp: None,
        };
        Session::new(0, context, &c).unwrap()
    }

    /// A check of the session came from `ADDRESS`, and was answered unless `answered_us` is 0.
    fn heard(s: &mut Sessions, slot: usize, answered_us: u64) {
        let (ice, path) = (s[slot].ice[0].clone(), Path { sock: Sock::MediaV4, to: address(), local: None });
        s[slot].paths.heard(path, &ice, 100, None);
        s.claim(remote(), slot);
        if answered_us > 0 {
            s[slot].paths.answered(answered_us, path);
            s[slot].path = Some(path);
            s[slot].seen_us = answered_us;
            s.bind(answered_us, remote(), slot);
        }
    }

    fn address() -> SocketAddr {
        ([127, 0, 0, 1], 9).into()
    }

    fn remote() -> Remote {
        Remote::Address(address())
    }

    fn owned(slot: usize, beside: Option<usize>) -> Option<Owners> {
        Some(Owners { slot, beside })
    }

    #[test]
    fn all_ways_to_a_session_end_with_it() {
        let (context, mut s) = (Context::new().unwrap(), Sessions::default());
        let slot = s.add(session(&context, 1));
        heard(&mut s, slot, 1);
        s.add_credentials(slot, ice("again"));
        assert_eq!([s.slot_of(1), s.slot_of_ufrag("u1"), s.slot_of_ufrag("again")], [Some(slot); 3]);
        assert_eq!(s.owners_of(remote()), owned(slot, None));
        assert!(s.remove(slot).is_some() && s.remove(slot).is_none());
        assert_eq!((s.ways(), s.half_open(), s.len()), (0, 0, 0));
    }

    #[test]
    fn the_newest_credentials_push_the_oldest_out() {
        let (context, mut s) = (Context::new().unwrap(), Sessions::default());
        let slot = s.add(session(&context, 1));
        for again in ["a", "b"] {
            s.add_credentials(slot, ice(again));
        }
        assert_eq!([s.slot_of_ufrag("u1"), s.slot_of_ufrag("a"), s.slot_of_ufrag("b")], [None, Some(slot), Some(slot)]);
    }

    #[test]
    fn a_check_alone_takes_no_address_from_a_session_that_has_answered_there() {
        let (context, mut s) = (Context::new().unwrap(), Sessions::default());
        let (first, second, third) =
            (s.add(session(&context, 1)), s.add(session(&context, 2)), s.add(session(&context, 3)));
        heard(&mut s, first, 0);
        heard(&mut s, second, 0);
        assert_eq!(s.owners_of(remote()), owned(second, None), "nobody has answered yet");
        heard(&mut s, first, 1);
        heard(&mut s, third, 0);
        assert_eq!(s.owners_of(remote()), owned(first, None));
        s.remove(third);
        s.remove(second);
        assert_eq!(s.owners_of(remote()), owned(first, None));
    }

    #[test]
    fn an_answer_takes_the_address_of_a_session_that_is_not_connected_or_was_not_heard_lately() {
        for (phase, later_us) in [(Phase::Handshaking, 1), (Phase::Connected, HEARD_LATELY_US)] {
            let (context, mut s) = (Context::new().unwrap(), Sessions::default());
            let (first, second) = (s.add(session(&context, 1)), s.add(session(&context, 2)));
            heard(&mut s, first, 1);
            s[first].phase = phase;
            heard(&mut s, second, 1 + later_us);
            assert_eq!(s.owners_of(remote()), owned(second, None));
            assert_eq!((s[first].path, s[first].stalled), (None, true), "nothing goes there for the first any more");
            s.remove(first);
            assert_eq!(s.owners_of(remote()), owned(second, None));
        }
    }

    #[test]
    fn two_that_answer_from_one_address_share_it_until_one_has_gone() {
        let (context, mut s) = (Context::new().unwrap(), Sessions::default());
        let [first, second, third] = [1, 2, 3].map(|id| s.add(session(&context, id)));
        heard(&mut s, first, 1);
        s[first].phase = Phase::Connected;
        heard(&mut s, second, 2);
        assert_eq!(s.owners_of(remote()), owned(first, Some(second)));
        heard(&mut s, third, 3);
        assert_eq!(s.owners_of(remote()), owned(first, Some(third)), "two at most");
        assert_eq!(s[second].path, None);
        s.remove(first);
        assert_eq!(s.owners_of(remote()), owned(third, None));
        s.remove(second);
        s.remove(third);
        assert_eq!(s.ways(), 0);
    }

    #[test]
    fn handshakes_end_in_any_order() {
        let (context, mut s) = (Context::new().unwrap(), Sessions::default());
        let slots: Vec<usize> = (1..6).map(|id| s.add(session(&context, id))).collect();
        for (ended, slot) in [slots[1], slots[4], slots[0]].into_iter().enumerate() {
            s.end_half_open(slot);
            s.end_half_open(slot);
            assert_eq!(s.half_open(), 4 - ended);
            assert!((0..s.half_open()).all(|i| s[s.half_open_at(i).unwrap()].half_open_at == Some(i)));
        }
        s.remove(slots[2]);
        assert_eq!(s.half_open_at(0), Some(slots[3]));
    }
}
