//! Nothing is left once everything was removed: not in the registry, nor in a worker's tables, whatever failed before.

use proptest::prelude::*;

use super::rig::{Bench, Peer, DELTA, KEYFRAME};
use crate::config::*;
use crate::events::Event;
use crate::refusal::Refusal;
use crate::registry::Object;
use crate::worker::TICK_US;

const KEY: &str = "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA==";

fn spec(source: u64, worker: usize) -> SourceSpec {
    SourceSpec { source, worker, kind: Kind::Video, codec: "VP8".into(), clock_rate: 90_000 }
}

fn recv(source: u64) -> RecvTrack {
    RecvTrack {
        mid: "0".into(),
        kind: Kind::Video,
        codec: "VP8".into(),
        clock_rate: 90_000,
        payload_type: 96,
        rtx_payload_type: 97,
        encodings: vec![Encoding { source, rid: String::new() }],
        ssrcs: vec![5],
        rtx_ssrcs: vec![],
        parameter_sets: vec![],
        nack: true,
        pli: true,
        remb: true,
    }
}

fn send(session: u64, source: u64) -> SendTrack {
    SendTrack {
        track: 0,
        kind: Kind::Video,
        clock_rate: 90_000,
        payload_type: 102,
        rtx_payload_type: 103,
        ssrc: 1000 + session as u32,
        rtx_ssrc: 2000 + session as u32,
        cname: "c".into(),
        source: Some(source),
    }
}

/// A plane of two workers with small mailboxes.
struct Plane {
    workers: Vec<Bench>,
}

#[derive(Clone, Debug)]
enum Step {
    Publish { session: u64, worker: usize, source: u64 },
    View { session: u64, worker: usize, source: u64 },
    Connect { session: u64, worker: usize },
    AddPushSource { source: u64, worker: usize },
    AddRelaySource { source: u64, worker: usize, ssrc: u32 },
    AddRelay { relay: u64, source: u64, ssrc: u32 },
    Switch { session: u64, source: Option<u64>, hold: bool },
    RemoveSession { session: u64, keep_sources: bool },
    AdoptFeeds { source: u64, from: u64 },
    RemoveSource { source: u64 },
    RemoveRelay { relay: u64 },
    Tap { source: u64 },
    Probe { session: u64 },
    Push { source: u64, key: bool, count: u16 },
    Deliver { worker: usize },
    Pass { ticks: u64 },
}

const IDS: u64 = 5;

fn step() -> impl Strategy<Value = Step> {
    let (id, worker, ssrc) = (1..IDS, 0..2usize, 1..4u32);
    prop_oneof![
        (id.clone(), worker.clone(), id.clone()).prop_map(|(session, worker, source)| Step::Publish {
            session,
            worker,
            source
        }),
        (id.clone(), worker.clone(), id.clone()).prop_map(|(session, worker, source)| Step::View {
            session,
            worker,
            source
        }),
        (id.clone(), worker.clone()).prop_map(|(session, worker)| Step::Connect { session, worker }),
        (id.clone(), worker.clone()).prop_map(|(source, worker)| Step::AddPushSource { source, worker }),
        (id.clone(), worker.clone(), ssrc.clone()).prop_map(|(source, worker, ssrc)| Step::AddRelaySource {
            source,
            worker,
            ssrc
        }),
        (id.clone(), id.clone(), ssrc).prop_map(|(relay, source, ssrc)| Step::AddRelay { relay, source, ssrc }),
        (id.clone(), proptest::option::of(id.clone()), any::<bool>())
            .prop_map(|(session, source, hold)| Step::Switch { session, source, hold }),
        (id.clone(), any::<bool>()).prop_map(|(session, keep_sources)| Step::RemoveSession { session, keep_sources }),
        (id.clone(), id.clone()).prop_map(|(source, from)| Step::AdoptFeeds { source, from }),
        id.clone().prop_map(|source| Step::RemoveSource { source }),
        id.clone().prop_map(|relay| Step::RemoveRelay { relay }),
        id.clone().prop_map(|source| Step::Tap { source }),
        id.clone().prop_map(|session| Step::Probe { session }),
        (id, any::<bool>(), 1..40u16).prop_map(|(source, key, count)| Step::Push { source, key, count }),
        worker.prop_map(|worker| Step::Deliver { worker }),
        (1..20u64).prop_map(|ticks| Step::Pass { ticks }),
    ]
}

impl Plane {
    fn new(limit: usize) -> Self {
        Plane { workers: Bench::several(2, limit) }
    }

    fn post(&mut self, c: Command) -> Result<(), Refusal> {
        self.workers[0].post(c)
    }

    fn add_session(&mut self, session: u64, worker: usize, recv: Vec<RecvTrack>, send: Vec<SendTrack>) {
        let fingerprint = self.workers[0].context().fingerprint().to_owned();
        let mut c = self.workers[0].session(session, recv, send, &fingerprint);
        c.worker = worker;
        let _ = self.post(Command::AddSession(Box::new(c)));
    }

    fn take(&mut self, step: Step) {
        let relay_keys = || (KEY.to_owned(), KEY.to_owned());
        // Refusals are part of the game.
        let _ = match step {
            Step::Publish { session, worker, source } => {
                self.add_session(session, worker, vec![recv(source)], vec![]);
                Ok(())
            }
            Step::View { session, worker, source } => {
                self.add_session(session, worker, vec![], vec![send(session, source)]);
                Ok(())
            }
            Step::Connect { session, worker } => {
                self.deliver(worker);
                self.connect(session, worker);
                Ok(())
            }
            Step::AddPushSource { source, worker } => self.post(Command::AddPushSource(spec(source, worker))),
            Step::AddRelaySource { source, worker, ssrc } => {
                let (srtp_key, srtcp_key) = relay_keys();
                let parent = ([127, 0, 0, 1], 9).into();
                let c = AddRelaySource { spec: spec(source, worker), parent, ssrc, srtp_key, srtcp_key };
                self.post(Command::AddRelaySource(Box::new(c)))
            }
            Step::AddRelay { relay, source, ssrc } => {
                let (srtp_key, srtcp_key) = relay_keys();
                let c = AddRelay { relay, source, ssrc, payload_type: 96, srtp_key, srtcp_key };
                self.post(Command::AddRelay(Box::new(c)))
            }
            Step::Switch { session, source, hold } => {
                self.post(Command::SwitchSource { session, track: 0, source, hold })
            }
            Step::RemoveSession { session, keep_sources } => {
                self.post(Command::RemoveSession { session, keep_sources, silent: false })
            }
            Step::AdoptFeeds { source, from } => {
                self.post(Command::AdoptFeeds { feeds: vec![AdoptedFeed { source, from }] })
            }
            Step::RemoveSource { source } => self.post(Command::RemoveSource { source }),
            Step::RemoveRelay { relay } => self.post(Command::RemoveRelay { relay }),
            Step::Tap { source } => self.post(Command::Tap { source, enabled: true }),
            Step::Probe { session } => {
                self.post(Command::Probe { session, track: 0, bitrate_bps: 1_000_000, duration_ms: 1_000 })
            }
            Step::Push { source, key, count } => {
                for i in 0..count {
                    let payload = if key && i == 0 { KEYFRAME } else { DELTA };
                    self.workers[0].push(source, i, 0, payload);
                }
                Ok(())
            }
            Step::Deliver { worker } => {
                self.deliver(worker);
                Ok(())
            }
            Step::Pass { ticks } => {
                self.workers.iter_mut().for_each(|w| w.pass(ticks * TICK_US));
                Ok(())
            }
        };
    }

    fn deliver(&mut self, worker: usize) {
        self.workers[worker].deliver();
    }

    /// A viewer or publisher with a real handshake, if the worker has such a session that waits for one.
    fn connect(&mut self, session: u64, worker: usize) {
        let b = &mut self.workers[worker];
        if b.worker.is_half_open(session) {
            let mut peer = Peer::new(&b.context(), session, 1000 + session as u16);
            peer.connect(b);
        }
    }

    /// Mail until there is none, and a tick.
    fn settle(&mut self) {
        for _ in 0..4 {
            (0..2).for_each(|w| self.deliver(w));
        }
        self.workers.iter_mut().for_each(|w| w.pass(TICK_US));
    }

    fn remove_all(&mut self) {
        for id in 0..IDS {
            self.post(Command::RemoveSession { session: id, keep_sources: false, silent: false }).unwrap();
            self.post(Command::RemoveRelay { relay: id }).unwrap();
            self.post(Command::RemoveSource { source: id }).unwrap();
        }
        self.settle();
    }

    fn leftovers(&self) -> Vec<&'static str> {
        self.workers.iter().flat_map(|w| w.worker.leftovers()).collect()
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn whatever_happened_nothing_is_left_after_all_was_removed(
        steps in proptest::collection::vec(step(), 1..60), limit in 3..30usize,
    ) {
        let mut plane = Plane::new(limit);
        for s in steps {
            plane.take(s);
        }
        plane.remove_all();
        prop_assert_eq!(plane.leftovers(), Vec::<&str>::new());
        prop_assert!(plane.workers[0].shared.registry.is_empty());
    }
}

#[test]
fn a_session_that_cannot_be_added_leaves_no_trace_of_itself_or_its_sources() {
    let mut plane = Plane::new(100);
    plane.add_session(1, 0, vec![recv(1)], vec![]);
    let fingerprint = plane.workers[0].context().fingerprint().to_owned();
    let mut same_ufrag = plane.workers[0].session(2, vec![recv(2)], vec![], &fingerprint);
    same_ufrag.ice.local_ufrag = "local1".into();
    plane.post(Command::AddSession(Box::new(same_ufrag))).unwrap();
    plane.deliver(0);
    let registry = &plane.workers[0].shared.registry;
    assert!(plane.workers[0].events.iter().any(|e| matches!(e, Event::Error { command: "add_session", id: 2, .. })));
    assert_eq!(registry.worker_of(Object::Session(2)), None);
    assert_eq!(registry.worker_of(Object::Source(2)), None);
    assert_eq!(registry.worker_of(Object::Source(1)), Some(0));
}

#[test]
fn a_session_for_which_the_mailbox_has_no_room_leaves_no_trace() {
    let mut plane = Plane::new(1);
    plane.post(Command::AddPushSource(spec(1, 0))).unwrap();
    assert_eq!(plane.workers[0].shared.registry.worker_of(Object::Source(1)), Some(0));
    let fingerprint = plane.workers[0].context().fingerprint().to_owned();
    let session = plane.workers[0].session(2, vec![recv(2)], vec![], &fingerprint);
    assert_eq!(plane.post(Command::AddSession(Box::new(session))), Err(Refusal::Busy { worker: 0 }));
    let registry = &plane.workers[0].shared.registry;
    assert_eq!(registry.worker_of(Object::Session(2)), None);
    assert_eq!(registry.worker_of(Object::Source(2)), None);
}

#[test]
fn removals_reach_a_worker_whose_mailbox_is_full() {
    let mut plane = Plane::new(1);
    plane.add_session(1, 0, vec![], vec![send(1, 9)]);
    plane.deliver(0);
    for source in 1..=4 {
        plane.post(Command::AddPushSource(spec(source, 0))).unwrap();
    }
    assert_eq!(plane.post(Command::AddPushSource(spec(5, 0))), Err(Refusal::Busy { worker: 0 }));
    plane.post(Command::RemoveSession { session: 1, keep_sources: false, silent: false }).unwrap();
    for source in 1..=4 {
        plane.post(Command::RemoveSource { source }).unwrap();
    }
    plane.settle();
    assert_eq!(plane.workers[0].closed(1), Some("removed"));
    assert_eq!(plane.leftovers(), Vec::<&str>::new());
}

#[test]
fn a_mirror_ends_with_its_source() {
    let mut plane = Plane::new(100);
    plane.post(Command::AddPushSource(spec(1, 0))).unwrap();
    plane.add_session(1, 1, vec![], vec![send(1, 1)]);
    plane.settle();
    plane.connect(1, 1);
    plane.settle();
    plane.post(Command::RemoveSource { source: 1 }).unwrap();
    plane.settle();
    plane.post(Command::RemoveSession { session: 1, keep_sources: false, silent: false }).unwrap();
    plane.settle();
    assert_eq!(plane.leftovers(), Vec::<&str>::new());
}
