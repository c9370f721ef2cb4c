//! Any order of whatever strangers, peers and time can do: nobody who never answered gets more than three times what came
//! from there, and when everybody has left nothing is left.

use std::collections::HashMap;
use std::net::SocketAddr;

use proptest::prelude::*;
use rillcast_wire::stun;

use super::rig::{answer, Bench, Peer, KEYFRAME, REMOTE_PWD, TCP_CONNECTIONS};
use crate::config::{Command, DtlsParameters, DtlsRole, IceParameters};

const SESSIONS: u64 = 4;
const ADDRESSES: u8 = 12;

#[derive(Clone, Debug)]
enum Step {
    Invite {
        session: u64,
        role: DtlsRole,
    },
    Remove {
        session: u64,
    },
    Restart {
        session: u64,
        again: u8,
    },
    /// A check, whose source address anybody may have forged.
    Check {
        session: u64,
        from: u8,
        nominates: bool,
        right: bool,
    },
    /// What arrived at an address is answered: checks rightly or wrongly, and DTLS by the session's peer.
    Answer {
        from: u8,
        right: bool,
    },
    Dtls {
        session: u64,
        from: u8,
    },
    Indication {
        from: u8,
    },
    Noise {
        from: u8,
        data: Vec<u8>,
    },
    Media,
    /// A TCP connection ends.
    Close {
        from: u8,
    },
    Pass {
        ms: u64,
    },
}

fn step() -> impl Strategy<Value = Step> {
    let (session, from) = (1..=SESSIONS, 0..ADDRESSES);
    let role = prop_oneof![Just(DtlsRole::Server), Just(DtlsRole::Client)];
    prop_oneof![
        3 => (session.clone(), role).prop_map(|(session, role)| Step::Invite { session, role }),
        1 => session.clone().prop_map(|session| Step::Remove { session }),
        1 => (session.clone(), any::<u8>()).prop_map(|(session, again)| Step::Restart { session, again }),
        8 => (session.clone(), from.clone(), any::<bool>(), prop::bool::weighted(0.9))
            .prop_map(|(session, from, nominates, right)| Step::Check { session, from, nominates, right }),
        4 => (from.clone(), any::<bool>()).prop_map(|(from, right)| Step::Answer { from, right }),
        4 => (session, from.clone()).prop_map(|(session, from)| Step::Dtls { session, from }),
        1 => from.clone().prop_map(|from| Step::Indication { from }),
        2 => (from, prop::collection::vec(any::<u8>(), 1..200)).prop_map(|(from, data)| Step::Noise { from, data }),
        3 => Just(Step::Media),
        1 => (0..ADDRESSES).prop_map(|from| Step::Close { from }),
        2 => (5u64..9_000).prop_map(|ms| Step::Pass { ms }),
    ]
}

/// From here on they come by TCP.
const BY_TCP: u8 = 6;

/// The even ones answer checks, the odd ones never do.
fn address(i: u8) -> SocketAddr {
    match i % 4 {
        3 => ([0x2001, 0xdb8, 0, 0, 0, 0, 0, u16::from(i)], 9).into(),
        _ => ([192, 0, 2, i], 9).into(),
    }
}

struct Machine {
    b: Bench,
    peers: HashMap<u64, Peer>,
    came: HashMap<SocketAddr, usize>,
    went: HashMap<SocketAddr, usize>,
    frame: u16,
}

impl Machine {
    fn new() -> Self {
        let mut b = Bench::new();
        b.command(Command::AddPushSource(crate::config::SourceSpec {
            source: 100,
            worker: 0,
            kind: crate::config::Kind::Video,
            codec: "VP8".into(),
            clock_rate: 90_000,
        }));
        Machine { b, peers: HashMap::new(), came: HashMap::new(), went: HashMap::new(), frame: 0 }
    }

    fn give(&mut self, from: u8, datagram: Vec<u8>) {
        let at = address(from);
        if from >= BY_TCP && !self.b.tcp.contains_key(&at) && !self.b.connect_tcp(at) {
            return;
        }
        *self.came.entry(at).or_default() += datagram.len();
        self.b.give(at, datagram);
    }

    fn take(&mut self, i: u8) -> Vec<Vec<u8>> {
        let sent = self.b.sent_to(address(i));
        *self.went.entry(address(i)).or_default() += sent.iter().map(Vec::len).sum::<usize>();
        sent
    }

    fn invite(&mut self, session: u64, role: DtlsRole) {
        let context = self.b.context();
        let mut add = self.b.session(session, vec![], vec![], context.fingerprint());
        add.send = vec![self.b.send_track(session, 100)];
        add.dtls = DtlsParameters { role, ..add.dtls };
        if self.b.post(Command::AddSession(Box::new(add))).is_ok() {
            self.b.deliver();
            self.peers.insert(session, Peer::new(&context, session, 9));
        }
    }

    fn run(&mut self, step: Step) {
        match step {
            Step::Invite { session, role } => self.invite(session, role),
            Step::Remove { session } => {
                self.b.command(Command::RemoveSession { session, keep_sources: false, silent: false })
            }
            Step::Restart { session, again } => {
                let ice = IceParameters {
                    local_ufrag: format!("again{session}-{again}"),
                    local_pwd: format!("{session:022}"),
                    remote_ufrag: "remote".into(),
                    remote_pwd: REMOTE_PWD.into(),
                };
                let _ = self.b.post(Command::RestartIce { session, ice });
                self.b.deliver();
            }
            Step::Check { session, from, nominates, right } => {
                let Some(peer) = self.peers.get(&session) else { return };
                let password = if right { format!("{session:022}") } else { "w".repeat(22) };
                let check = peer.check_of(&password, nominates);
                self.give(from, check);
            }
            Step::Answer { from, right } => {
                let is_check = |d: &Vec<u8>| stun::parse(d).is_ok_and(|m| m.class == stun::Class::Request);
                let sent = self.take(from);
                for check in sent.iter().filter(|d| is_check(d)) {
                    let honest = right && from % 2 == 0;
                    let password = if honest { REMOTE_PWD } else { "wrong wrong wrong wrong" };
                    self.give(from, answer(check, password));
                }
            }
            Step::Dtls { session, from } => {
                let hello = self.peers.get_mut(&session).map(Peer::hello).unwrap_or_default();
                hello.into_iter().for_each(|d| self.give(from, d));
            }
            Step::Indication { from } => {
                let mut d = vec![0x00, 0x11, 0, 0, 0x21, 0x12, 0xA4, 0x42];
                d.extend([7; 12]);
                self.give(from, d);
            }
            Step::Noise { from, data } => self.give(from, data),
            Step::Media => {
                self.frame += 1;
                self.b.push(100, self.frame, u32::from(self.frame) * 3_000, KEYFRAME);
            }
            Step::Close { from } => self.b.close_tcp(address(from)),
            Step::Pass { ms } => self.b.pass(ms * 1_000),
        }
    }

    fn check(&mut self) -> Result<(), TestCaseError> {
        for i in (1..ADDRESSES).step_by(2) {
            self.take(i);
            let of = |counts: &HashMap<SocketAddr, usize>| counts.get(&address(i)).copied().unwrap_or(0);
            let (came, went) = (of(&self.came), of(&self.went));
            prop_assert!(went <= 3 * came, "{went} bytes to {} for {came}", address(i));
        }
        let open = self.b.worker.tcp.len();
        prop_assert!(open <= TCP_CONNECTIONS && open == self.b.tcp.len(), "{open} connections, as the driver has");
        Ok(())
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn nobody_is_flooded_and_nothing_is_left(steps in prop::collection::vec(step(), 1..80), removed in any::<bool>()) {
        let mut m = Machine::new();
        for step in steps {
            m.run(step);
            m.check()?;
        }
        if removed {
            (1..=SESSIONS).for_each(|session| m.run(Step::Remove { session }));
        }
        m.b.pass(45_000_000);
        m.check()?;
        m.b.command(Command::RemoveSource { source: 100 });
        prop_assert_eq!(m.b.worker.leftovers(), Vec::<&str>::new());
        prop_assert!(m.b.shared.registry.is_empty());
    }
}
