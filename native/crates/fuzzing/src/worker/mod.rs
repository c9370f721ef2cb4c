//! Two whole workers of one plane, with DTLS and SRTP in them: clients whose keys the fuzzer knows, strangers, relays to
//! and from other nodes, commands, and time that passes.
//!
//! What must hold after every step: nobody gets a byte who has not shown a valid check or keep-alive from that very
//! address; what is sent can be opened by its receiver, and nothing is ever sealed twice with one index but different
//! bytes, nor anything at all for a session that was exported for good; what leaves is bounded by what came in. When everybody has left, nothing is left in any table.

mod bench;
mod handover_steps;
mod ids;
mod peer;
mod relay;
mod relay_steps;
mod shape;
mod steps;

use arbitrary::{Arbitrary, Unstructured};

use bench::Bench;
use steps::Step;

const MAX_STEPS: usize = 96;

pub fn run(data: &[u8]) {
    let mut u = Unstructured::new(data);
    let mut bench = Bench::new();
    for _ in 0..MAX_STEPS {
        let Ok(step) = Step::arbitrary(&mut u) else { break };
        bench.take(&step);
        if u.is_empty() {
            break;
        }
    }
    bench.everybody_leaves();
}

#[cfg(test)]
mod tests {
    use super::shape::Shape;
    use super::steps::Order;
    use super::*;

    fn publisher() -> Shape {
        Shape { ssrcs: true, rtx: true, ..Shape::default() }
    }

    fn viewer(source: u8) -> Shape {
        Shape { sends: true, rtx: true, video: Some(source), ..Shape::default() }
    }

    fn after(steps: Vec<Step>) -> Bench {
        let mut bench = Bench::new();
        steps.iter().for_each(|s| bench.take(s));
        bench
    }

    #[test]
    fn no_peer_has_the_certificate_of_the_node() {
        assert_ne!(bench::our_context().fingerprint(), peer::their_context().fingerprint());
    }

    /// Or the target would look for faults behind a door that it cannot open.
    #[test]
    fn a_viewer_gets_what_a_publisher_sends_on_the_same_worker_and_on_another() {
        for peer in [1, 2] {
            let mut bench = after(vec![
                Step::Add { peer: 0, shape: publisher() },
                Step::Connect { peer: 0, from: 0 },
                Step::Add { peer, shape: viewer(0) },
                Step::Connect { peer, from: 0 },
                Step::Media { peer: 0, from: 0, track: 0, first: 10, count: 9, keyframe: true },
                Step::Pass { ms: 100 },
            ]);
            let got = bench.peers[usize::from(peer)].as_ref().map(peer::Peer::packets);
            assert!(got >= Some(9), "{got:?} packets");
            bench.everybody_leaves();
        }
    }

    #[test]
    fn a_viewer_that_was_handed_over_gets_what_follows_and_nothing_before() {
        use super::handover_steps::Spoilt;
        let media = |first, count| Step::Media { peer: 0, from: 0, track: 0, first, count, keyframe: true };
        let go_on = |spoilt| Step::Order(Order::Continue { peer: 2, spoilt });
        let mut bench = after(vec![
            Step::Add { peer: 0, shape: publisher() },
            Step::Connect { peer: 0, from: 0 },
            Step::Add { peer: 2, shape: viewer(0) },
            Step::Connect { peer: 2, from: 0 },
            media(10, 9),
            Step::Feedback { peer: 2, from: 0, about: vec![] },
            Step::Order(Order::Export { peer: 2, stop: true }),
        ]);
        let got = |bench: &Bench| bench.peers[2].as_ref().map_or(0, peer::Peer::packets);
        let before = got(&bench);
        for step in [
            media(19, 9),
            Step::Goodbye { peer: 2, from: 0 },
            Step::Order(Order::TakeIn { peer: 2 }),
            go_on(Spoilt::MediaBack),
            Step::Check { peer: 2, from: 0, nominate: true, controlled: false, right: true },
            go_on(Spoilt::Keys),
            media(28, 9),
            Step::Pass { ms: 3_900 },
        ] {
            bench.take(&step);
            assert_eq!(got(&bench), before);
        }
        bench.everybody_leaves();
    }

    #[test]
    fn a_session_that_is_continued_gets_its_media_and_may_shake_hands_anew() {
        use super::handover_steps::Spoilt;
        let media = |first| Step::Media { peer: 0, from: 0, track: 0, first, count: 9, keyframe: true };
        let mut bench = after(vec![
            Step::Add { peer: 0, shape: publisher() },
            Step::Connect { peer: 0, from: 0 },
            Step::Add { peer: 2, shape: viewer(0) },
            Step::Connect { peer: 2, from: 0 },
            media(10),
            Step::Feedback { peer: 2, from: 0, about: vec![] },
            Step::Order(Order::Export { peer: 2, stop: true }),
            Step::Order(Order::TakeIn { peer: 2 }),
            Step::Check { peer: 2, from: 3, nominate: true, controlled: false, right: true },
            Step::Order(Order::Continue { peer: 2, spoilt: Spoilt::Ahead }),
            media(19),
        ]);
        let got = |bench: &Bench| bench.peers[2].as_ref().map_or(0, peer::Peer::packets);
        assert!(got(&bench) >= 18, "{} packets", got(&bench));
        for step in [Step::Order(Order::RestartDtls { peer: 2 }), Step::Connect { peer: 2, from: 3 }, media(28)] {
            bench.take(&step);
        }
        assert!(got(&bench) >= 27, "{} packets", got(&bench));
        bench.everybody_leaves();
    }

    /// Chance alone seldom gets through a whole handing over.
    #[test]
    fn in_whatever_order_a_session_is_handed_over_no_index_is_used_twice() {
        use super::handover_steps::Spoilt::{Ahead, Keys, MediaBack, Not, ReportsBack, Ssrc};
        let (mut state, mut went_on) = (7u64, 0);
        let mut pick = move |n: usize| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (state >> 33) as usize % n
        };
        for _ in 0..200 {
            let mut first = 10;
            let mut bench = after(vec![
                Step::Add { peer: 0, shape: publisher() },
                Step::Connect { peer: 0, from: 0 },
                Step::Add { peer: 2, shape: viewer(0) },
                Step::Connect { peer: 2, from: 0 },
            ]);
            for _ in 0..60 {
                let peer = [0, 2, 2][pick(3)];
                let spoilt = [Not, Not, Not, Ahead, MediaBack, ReportsBack, Ssrc, Keys][pick(8)];
                first += 9;
                let step = match pick(12) {
                    0 | 1 => Step::Order(Order::Export { peer, stop: pick(3) > 0 }),
                    2 | 3 => Step::Order(Order::TakeIn { peer }),
                    4 | 5 => Step::Order(Order::Continue { peer, spoilt }),
                    6 => Step::Check { peer, from: pick(3) as u8, nominate: true, controlled: false, right: true },
                    7 => Step::Feedback { peer, from: 0, about: vec![] },
                    8 if pick(4) == 0 => Step::Order(Order::RestartDtls { peer }),
                    8 | 9 => Step::Connect { peer, from: 0 },
                    10 => Step::Pass { ms: pick(400) as u16 },
                    _ => Step::Media { peer: 0, from: 0, track: 0, first, count: 9, keyframe: pick(3) == 0 },
                };
                let waited = bench.peers[usize::from(peer)].as_ref().is_some_and(|p| p.taken_in);
                bench.take(&step);
                let waits = bench.peers[usize::from(peer)].as_ref().is_none_or(|p| p.taken_in || p.stopped);
                went_on += usize::from(waited && !waits);
            }
            bench.everybody_leaves();
        }
        assert!(went_on > 40, "{went_on} sessions went on");
    }

    #[test]
    fn a_child_gets_what_a_parent_sends() {
        let media =
            |seq| Step::ParentMedia { seq, ts: 0, roc: false, element: Some((3, vec![1, 2])), payload: vec![9] };
        let mut steps = vec![
            Step::AddParent { audio: true, codec: 0 },
            Step::AddChild { relay: 0, source: 16 },
            Step::ChildHello { seqs: vec![], keyframe: true, more: vec![] },
        ];
        steps.extend((1..9).map(media));
        let mut bench = after(steps);
        assert_eq!(bench.child.as_ref().map(relay::Child::packets), Some(8));
        bench.everybody_leaves();
    }

    #[test]
    fn a_session_that_ended_may_come_again() {
        let mut bench = after(vec![
            Step::Add { peer: 3, shape: publisher() },
            Step::Connect { peer: 3, from: 0 },
            Step::Goodbye { peer: 3, from: 0 },
            Step::Add { peer: 3, shape: publisher() },
            Step::Connect { peer: 3, from: 1 },
            Step::Order(Order::RestartIce { peer: 3 }),
            Step::Connect { peer: 3, from: 2 },
        ]);
        assert!(bench.peers[3].as_ref().is_some_and(|p| p.tx.is_some()));
        bench.everybody_leaves();
    }
}
