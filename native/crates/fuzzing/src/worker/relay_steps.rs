//! What a child and a parent on other nodes do, as steps.

use rillcast_plane::config::{Command, Kind};

use super::bench::Bench;
use super::ids::{home, CODECS, RELAYED_SOURCE, RELAYS};
use super::relay::{Child, Parent};

impl Bench {
    pub fn add_child(&mut self, relay: u8, source: u64) {
        let (child, ask) = Child::new(RELAYS[usize::from(relay) % RELAYS.len()], source, home(source));
        if self.command(Command::AddRelay(Box::new(ask))) {
            self.child = Some(child);
        }
    }

    pub fn child_hello(&mut self, seqs: &[u16], keyframe: bool, more: &[u8]) {
        let (seqs, more) = (&seqs[..seqs.len().min(64)], &more[..more.len().min(400)]);
        let Some(child) = &mut self.child else { return };
        let (worker, path) = (child.worker, child.path());
        let packet = child.hello(seqs, keyframe, more);
        self.knows(worker, true, path.to);
        self.allow(17 * 1_600 * (seqs.len() as u64 + more.len() as u64 / 4));
        self.give(worker, path, packet);
    }

    pub fn add_parent(&mut self, audio: bool, codec: u8) {
        let kind = if audio { Kind::Audio } else { Kind::Video };
        let codec = CODECS[usize::from(codec) % CODECS.len()];
        let (parent, ask) = Parent::new(home(RELAYED_SOURCE), kind, codec);
        self.knows(parent.worker, true, parent.address());
        self.parent = Some(parent);
        self.command(Command::AddRelaySource(Box::new(ask)));
    }

    pub fn parent_media(&mut self, seq: u16, ts: u32, roc: bool, element: Option<&(u8, Vec<u8>)>, payload: &[u8]) {
        let element = element.filter(|(id, value)| *id != 0 && value.len() < 256);
        let elements: Vec<(u8, &[u8])> = element.iter().map(|(id, value)| (*id, value.as_slice())).collect();
        let Some(parent) = &mut self.parent else { return };
        let (worker, path) = (parent.worker, parent.path());
        let packet = parent.media(seq, ts, u8::from(roc), &elements, &payload[..payload.len().min(1_700)]);
        if let Some(packet) = packet {
            self.give(worker, path, packet);
        }
    }

    pub fn parent_report(&mut self, body: &[u8]) {
        let Some(parent) = &mut self.parent else { return };
        let (worker, path) = (parent.worker, parent.path());
        let packet = parent.report(&body[..body.len().min(1_200)]);
        self.give(worker, path, packet);
    }
}
