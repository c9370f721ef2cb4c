//! The sessions of one worker, and how a command or datagram finds its own: by id, by ICE user fragment, by the peer's
//! address. A session's slot is its place here as long as it lives.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::ops::{Index, IndexMut};

use slab::Slab;

use crate::config::IceParameters;
use crate::session::Session;

/// ICE restarts (RFC 8445 §2.4) whose credentials are known at once: the peer may still use those before the last ones.
const MAX_CREDENTIALS: usize = 2;

#[derive(Default)]
pub(super) struct Sessions {
    slots: Slab<Box<Session>>,
    by_id: HashMap<u64, usize>,
    by_ufrag: HashMap<String, usize>,
    by_address: HashMap<SocketAddr, usize>,
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
        for path in &session.paths {
            if self.by_address.get(&path.to) == Some(&slot) {
                self.by_address.remove(&path.to);
            }
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
    pub fn slot_at(&self, address: SocketAddr) -> Option<usize> {
        self.by_address.get(&address).copied()
    }

    /// See `slot_at`.
    pub fn at_mut(&mut self, address: SocketAddr) -> Option<&mut Session> {
        self.slots.get_mut(*self.by_address.get(&address)?).map(|s| &mut **s)
    }

    /// New credentials beside those before; the oldest are forgotten. The user fragment must be free.
    pub fn add_credentials(&mut self, slot: usize, ice: IceParameters) {
        let session = &mut self.slots[slot];
        self.by_ufrag.insert(ice.local_ufrag.clone(), slot);
        session.ice.push(ice);
        if session.ice.len() > MAX_CREDENTIALS {
            let old = session.ice.remove(0);
            self.by_ufrag.remove(&old.local_ufrag);
        }
    }

    /// The session passed a check from this address, which is nobody else's from now on.
    pub fn bind(&mut self, address: SocketAddr, slot: usize) {
        let other = self.by_address.insert(address, slot).filter(|o| *o != slot);
        if let Some(other) = other.and_then(|o| self.slots.get_mut(o)) {
            other.paths.retain(|p| p.to != address);
        }
    }

    /// Datagrams from this address belong to nobody.
    pub fn unbind(&mut self, address: SocketAddr) {
        self.by_address.remove(&address);
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

    /// The handshake is over, or was never there.
    pub fn end_half_open(&mut self, slot: usize) {
        let Some(place) = self.slots.get_mut(slot).and_then(|s| s.half_open_at.take()) else { return };
        self.half_open.swap_remove(place);
        if let Some(&moved) = self.half_open.get(place) {
            self.slots[moved].half_open_at = Some(place);
        }
    }

    #[cfg(test)]
    pub fn ways(&self) -> usize {
        self.by_id.len() + self.by_ufrag.len() + self.by_address.len()
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
            },
            extensions: Default::default(),
            recv: vec![],
            send: vec![],
            keyframe_interval_ms: 0,
            max_bitrate_bps: 0,
            keep_dtls: false,
        };
        Session::new(0, context, &c).unwrap()
    }

    #[test]
    fn all_ways_to_a_session_end_with_it() {
        let (context, mut s) = (Context::new().unwrap(), Sessions::default());
        let slot = s.add(session(&context, 1));
        let address = ([127, 0, 0, 1], 9).into();
        s.bind(address, slot);
        s[slot].paths.push(Path { sock: Sock::MediaV4, to: address, local: None });
        s.add_credentials(slot, ice("again"));
        assert_eq!(
            [s.slot_of(1), s.slot_of_ufrag("u1"), s.slot_of_ufrag("again"), s.slot_at(address)],
            [Some(slot); 4]
        );
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
    fn an_address_is_that_of_the_session_which_passed_a_check_last() {
        let (context, mut s) = (Context::new().unwrap(), Sessions::default());
        let address: SocketAddr = ([127, 0, 0, 1], 9).into();
        let (first, second) = (s.add(session(&context, 1)), s.add(session(&context, 2)));
        s[first].paths.push(Path { sock: Sock::MediaV4, to: address, local: None });
        s.bind(address, first);
        s.bind(address, second);
        assert!(s[first].paths.is_empty());
        s.remove(first);
        assert_eq!(s.slot_at(address), Some(second));
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
