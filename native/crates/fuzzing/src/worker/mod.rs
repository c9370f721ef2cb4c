//! Two whole workers of one plane, with DTLS and SRTP in them: clients whose keys the fuzzer knows, strangers, relays to
//! and from other nodes, commands, and time that passes.
//!
//! What must hold after every step: nobody gets a byte who has not shown a valid check or keep-alive from that very
//! address; what is sent can be opened by its receiver, and nothing is ever sealed twice with one index but different
//! bytes; what leaves is bounded by what came in. When everybody has left, nothing is left in any table.

mod bench;
mod peer;
mod relay;
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
        assert_ne!(bench::our_context().fingerprint(), bench::their_context().fingerprint());
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
