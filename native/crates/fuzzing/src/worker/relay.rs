//! The other ends of relays: a child that takes a source of ours, and a parent that feeds one.

use std::collections::HashSet;
use std::net::SocketAddr;

use base64::engine::general_purpose::STANDARD;
use base64::Engine as _;
use rillcast_crypto::srtp::{Keys, Profile, Receiver, Sender, SrtpError};
use rillcast_plane::config::{AddRelay, AddRelaySource, Kind, SourceSpec};
use rillcast_plane::egress::{Path, Sock};
use rillcast_wire::{demux, rtcp, rtp};

use super::ids::RELAYED_SOURCE;

const PARENT_SSRC: u32 = 0x0a0a_0a0a;

const DOWN: [u8; 28] = [3; 28];
const UP: [u8; 28] = [5; 28];

fn keys(bytes: &[u8; 28]) -> Keys {
    Keys { profile: Profile::AeadAes128Gcm, key: bytes[..16].to_vec(), salt: bytes[16..].to_vec() }
}

fn path(to: SocketAddr) -> Path {
    Path { sock: Sock::Relay, to, local: None }
}

/// Takes a source of ours; its keep-alives tell where it is.
pub struct Child {
    pub worker: usize,
    ssrc: u32,
    tx: Sender,
    rx: Receiver,
    seen: HashSet<Vec<u8>>,
}

impl Child {
    /// The child of `source`, which lives on `worker`, and how its parent is asked for the relay.
    pub fn new(relay: u64, source: u64, worker: usize) -> (Self, AddRelay) {
        let ssrc = 0x0b0b_0000 + relay as u32;
        let (tx, rx) = (Sender::new(&keys(&UP)).expect("keys"), Receiver::new(&keys(&DOWN)).expect("keys"));
        let ask = AddRelay {
            relay,
            source,
            ssrc,
            payload_type: 96,
            srtp_key: STANDARD.encode(DOWN),
            srtcp_key: STANDARD.encode(UP),
        };
        (Child { worker, ssrc, tx, rx, seen: HashSet::new() }, ask)
    }

    pub fn address(&self) -> SocketAddr {
        ([127, 0, 0, 2], 3_000 + self.ssrc as u16).into()
    }

    pub fn path(&self) -> Path {
        path(self.address())
    }

    /// How much media it has opened.
    #[cfg(test)]
    pub fn packets(&self) -> usize {
        self.seen.len()
    }

    /// A keep-alive, with what else the child asks for.
    pub fn hello(&mut self, seqs: &[u16], keyframe: bool, more: &[u8]) -> Vec<u8> {
        let mut packet = vec![];
        rtcp::write_rr(&mut packet, self.ssrc, &[]);
        rtcp::write_nack(&mut packet, self.ssrc, self.ssrc, seqs);
        if keyframe {
            rtcp::write_pli(&mut packet, self.ssrc, self.ssrc);
        }
        packet.extend_from_slice(more);
        self.tx.protect_rtcp(&mut packet).expect("a header is there");
        packet
    }

    pub fn receive(&mut self, mut data: Vec<u8>) {
        let sealed = data.clone();
        if demux::classify(&data) == demux::Kind::Rtcp {
            let opened = self.rx.unprotect_rtcp(&mut data);
            return assert!(opened.is_ok(), "a report of the parent does not open");
        }
        match self.rx.unprotect_rtp(&mut data) {
            Ok(len) => {
                rtp::parse(&data[..len]).expect("the worker writes valid RTP");
                self.seen.insert(sealed);
            }
            Err(SrtpError::Replay) => assert!(self.seen.contains(&sealed), "one index was used for different bytes"),
            Err(e) => panic!("what the parent sends does not open: {e}"),
        }
    }
}

/// Feeds a source of ours.
pub struct Parent {
    pub worker: usize,
    tx: Sender,
    rx: Receiver,
}

impl Parent {
    /// The parent, and how its child's worker is told of the source.
    pub fn new(worker: usize, kind: Kind, codec: &str) -> (Self, AddRelaySource) {
        let (tx, rx) = (Sender::new(&keys(&DOWN)).expect("keys"), Receiver::new(&keys(&UP)).expect("keys"));
        let parent = Parent { worker, tx, rx };
        let ask = AddRelaySource {
            spec: SourceSpec { source: RELAYED_SOURCE, worker, kind, codec: codec.into(), clock_rate: 90_000 },
            parent: parent.address(),
            ssrc: PARENT_SSRC,
            srtp_key: STANDARD.encode(DOWN),
            srtcp_key: STANDARD.encode(UP),
        };
        (parent, ask)
    }

    pub fn address(&self) -> SocketAddr {
        ([127, 0, 0, 3], 3_001).into()
    }

    pub fn path(&self) -> Path {
        path(self.address())
    }

    /// A packet, sealed with the roll-over counter that the fuzzer thinks of; none if it cannot be sealed.
    pub fn media(&mut self, seq: u16, ts: u32, roc: u8, elements: &[(u8, &[u8])], payload: &[u8]) -> Option<Vec<u8>> {
        let mut slot = vec![0; 2_400];
        let header = rtp::write_header(&mut slot, true, 96, seq, ts, PARENT_SSRC, false, elements);
        let len = self.tx.protect_rtp(&mut slot, header, payload, 0, u32::from(roc)).ok()?;
        slot.truncate(len);
        Some(slot)
    }

    pub fn report(&mut self, body: &[u8]) -> Vec<u8> {
        let mut packet = vec![0x80, 201, 0, 1];
        packet.extend_from_slice(&PARENT_SSRC.to_be_bytes());
        packet.extend_from_slice(body);
        self.tx.protect_rtcp(&mut packet).expect("a header is there");
        packet
    }

    pub fn receive(&mut self, mut data: Vec<u8>) {
        let len = self.rx.unprotect_rtcp(&mut data).expect("a keep-alive of the child opens once");
        assert!(rtcp::packets(&data[..len]).all(|p| p.is_ok()), "the child writes valid RTCP");
    }
}
