//! The relays of one worker, both ends. Children's and parents' SSRCs share one space: that of the worker's relay socket.

use std::collections::HashMap;

use crate::relay::{RelayIn, RelayOut};

/// What a relay SSRC means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum RelayEnd {
    /// We are the child that feeds this source.
    In(u64),
    /// We are the parent, with this relay.
    Out(u64),
}

#[derive(Default)]
pub(super) struct Relays {
    outgoing: HashMap<u64, RelayOut>,
    /// The relays at this child, by source.
    incoming: HashMap<u64, RelayIn>,
    by_ssrc: HashMap<u32, RelayEnd>,
}

impl Relays {
    /// Whose datagram this is. Once per datagram on the relay socket.
    pub fn end_of(&self, ssrc: u32) -> Option<RelayEnd> {
        self.by_ssrc.get(&ssrc).copied()
    }

    /// Whether an SSRC may become that of `end`, which may have it already.
    pub fn is_free_for(&self, ssrc: u32, end: RelayEnd) -> bool {
        self.by_ssrc.get(&ssrc).is_none_or(|e| *e == end)
    }

    /// Becomes the feed of its source, in place of the one before.
    pub fn add_incoming(&mut self, relay: RelayIn) {
        self.remove_incoming(relay.source);
        self.by_ssrc.insert(relay.ssrc, RelayEnd::In(relay.source));
        self.incoming.insert(relay.source, relay);
    }

    /// Its id and SSRC must be free.
    pub fn add_outgoing(&mut self, relay: RelayOut) {
        self.by_ssrc.insert(relay.ssrc, RelayEnd::Out(relay.id));
        self.outgoing.insert(relay.id, relay);
    }

    /// The source has no parent any more.
    pub fn remove_incoming(&mut self, source: u64) {
        if let Some(r) = self.incoming.remove(&source) {
            self.by_ssrc.remove(&r.ssrc);
        }
    }

    /// The relay ends; its SSRC is free again.
    pub fn remove_outgoing(&mut self, id: u64) -> Option<RelayOut> {
        let relay = self.outgoing.remove(&id)?;
        self.by_ssrc.remove(&relay.ssrc);
        Some(relay)
    }

    pub fn outgoing(&self, id: u64) -> Option<&RelayOut> {
        self.outgoing.get(&id)
    }

    pub fn outgoing_mut(&mut self, id: u64) -> Option<&mut RelayOut> {
        self.outgoing.get_mut(&id)
    }

    pub fn incoming_mut(&mut self, source: u64) -> Option<&mut RelayIn> {
        self.incoming.get_mut(&source)
    }

    pub fn all_incoming(&self) -> impl Iterator<Item = &RelayIn> {
        self.incoming.values()
    }

    pub fn all_incoming_mut(&mut self) -> impl Iterator<Item = &mut RelayIn> {
        self.incoming.values_mut()
    }

    pub fn all_outgoing(&self) -> impl Iterator<Item = &RelayOut> {
        self.outgoing.values()
    }

    pub fn all_outgoing_mut(&mut self) -> impl Iterator<Item = &mut RelayOut> {
        self.outgoing.values_mut()
    }

    /// The relays that a source feeds, also those whose child was never heard.
    pub fn fed_by(&self, source: u64) -> Vec<u64> {
        self.outgoing.values().filter(|r| r.source == source).map(|r| r.id).collect()
    }

    /// Whether no child depends on this worker.
    pub fn no_outgoing(&self) -> bool {
        self.outgoing.is_empty()
    }

    /// The entries of all tables.
    pub fn len(&self) -> usize {
        self.outgoing.len() + self.incoming.len() + self.by_ssrc.len()
    }
}

#[cfg(test)]
mod tests {
    use rillcast_crypto::srtp::{Keys, Profile, Receiver, Sender};

    use super::*;

    fn keys() -> Keys {
        Keys { profile: Profile::AeadAes128Gcm, key: vec![0; 16], salt: vec![0; 12] }
    }

    fn incoming(source: u64, ssrc: u32) -> RelayIn {
        let (tx, rx) = (Sender::new(&keys()).unwrap(), Receiver::new(&keys()).unwrap());
        let parent = ([127, 0, 0, 1], 9).into();
        RelayIn { source, parent, ssrc, tx, rx, heard_us: 0, sent_us: 0, lost_told: false, report: None }
    }

    fn outgoing(id: u64, source: u64, ssrc: u32) -> RelayOut {
        RelayOut::new(id, source, ssrc, 96, Sender::new(&keys()).unwrap(), Receiver::new(&keys()).unwrap(), 0)
    }

    #[test]
    fn an_ssrc_belongs_to_one_end_and_goes_with_it() {
        let mut r = Relays::default();
        r.add_outgoing(outgoing(1, 100, 7));
        r.add_incoming(incoming(200, 8));
        assert_eq!((r.end_of(7), r.end_of(8), r.end_of(9)), (Some(RelayEnd::Out(1)), Some(RelayEnd::In(200)), None));
        assert!(!r.is_free_for(7, RelayEnd::In(200)) && r.is_free_for(8, RelayEnd::In(200)));
        assert_eq!(r.fed_by(100), [1]);
        assert!(r.remove_outgoing(1).is_some() && r.remove_outgoing(1).is_none());
        r.remove_incoming(200);
        assert_eq!(r.len(), 0);
    }

    #[test]
    fn another_parent_takes_the_place_of_the_one_before() {
        let mut r = Relays::default();
        r.add_incoming(incoming(200, 8));
        r.add_incoming(incoming(200, 9));
        assert_eq!((r.end_of(8), r.end_of(9)), (None, Some(RelayEnd::In(200))));
        assert_eq!(r.all_incoming().count(), 1);
    }
}
