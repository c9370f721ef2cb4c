//! DTLS: a handshake whose datagrams are lost, repeated, swapped, damaged and mixed with those of strangers.

use std::sync::OnceLock;

use arbitrary::{Arbitrary, Unstructured};
use rillcast_crypto::dtls::{Context, Dtls, Role};

const MTU: usize = 1200;

#[derive(Arbitrary, Debug)]
enum Step {
    /// One datagram each way, as it is.
    Carry,
    Lose {
        to_server: bool,
    },
    Twice {
        to_server: bool,
    },
    Swap {
        to_server: bool,
    },
    Damage {
        to_server: bool,
        bit: u16,
    },
    Cut {
        to_server: bool,
        len: u16,
    },
    /// What a stranger sends, with the header of a record in front if so asked.
    Forge {
        to_server: bool,
        header: Option<(u8, u8, u8)>,
        body: Vec<u8>,
    },
    Timer,
    Data {
        from_server: bool,
        data: Vec<u8>,
    },
    Close {
        server: bool,
    },
    Abort {
        server: bool,
    },
}

struct Side {
    dtls: Dtls,
    /// On the way to it.
    inbox: Vec<Vec<u8>>,
    failed: bool,
}

fn contexts() -> &'static (Context, Context) {
    static CONTEXTS: OnceLock<(Context, Context)> = OnceLock::new();
    CONTEXTS.get_or_init(|| (Context::new().expect("a context"), Context::new().expect("a context")))
}

pub fn run(data: &[u8]) {
    let (ours, theirs) = contexts();
    let side = |context, role| Side { dtls: Dtls::new(context, role).expect("memory"), inbox: vec![], failed: false };
    let (mut client, mut server) = (side(theirs, Role::Client), side(ours, Role::Server));
    client.dtls.start();
    let mut u = Unstructured::new(data);
    for _ in 0..64 {
        let Ok(step) = Step::arbitrary(&mut u) else { break };
        sent(&mut client, &mut server);
        take(&mut client, &mut server, &step);
        if u.is_empty() {
            break;
        }
    }
    sent(&mut client, &mut server);
    if let (Some(c), Some(s)) = (client.dtls.connected(), server.dtls.connected()) {
        assert_eq!((&c.local.key, &c.remote.key), (&s.remote.key, &s.local.key), "both sides have the same keys");
        assert_eq!((c.profile, c.version), (s.profile, s.version));
    }
}

/// Moves what each side wants to send into the other's inbox.
fn sent(client: &mut Side, server: &mut Side) {
    move_datagrams(client, server);
    move_datagrams(server, client);
}

fn move_datagrams(from: &mut Side, to: &mut Side) {
    while let Some(d) = from.dtls.transmit() {
        assert!((1..=MTU).contains(&d.len()));
        to.inbox.push(d);
    }
    assert!(to.inbox.len() <= 512, "a side answers without bound");
}

fn take(client: &mut Side, server: &mut Side, step: &Step) {
    let mut to = |server_side: &bool, f: &dyn Fn(&mut Side)| f(if *server_side { &mut *server } else { &mut *client });
    match step {
        Step::Carry => [true, false].iter().for_each(|s| to(s, &|side| side.next(|_| {}))),
        Step::Lose { to_server } => to(to_server, &|side| drop(side.first())),
        Step::Twice { to_server } => to(to_server, &|side| {
            if let Some(d) = side.first() {
                side.handle(&d);
                side.handle(&d);
            }
        }),
        Step::Swap { to_server } => to(to_server, &|side| {
            if side.inbox.len() > 1 {
                side.inbox.swap(0, 1);
            }
            side.next(|_| {});
        }),
        Step::Damage { to_server, bit } => to(to_server, &|side| {
            side.next(|d| {
                let bit = usize::from(*bit) % (8 * d.len());
                d[bit / 8] ^= 1 << (bit % 8);
            });
        }),
        Step::Cut { to_server, len } => to(to_server, &|side| side.next(|d| d.truncate(usize::from(*len)))),
        Step::Forge { to_server, header, body } => {
            let datagram = match *header {
                Some((kind, epoch, sequence)) => {
                    let [high, low] = (body.len() as u16).to_be_bytes();
                    [&[kind, 0xfe, 0xfd, 0, epoch, 0, 0, 0, 0, 0, sequence, high, low], &body[..]].concat()
                }
                None => body.clone(),
            };
            to(to_server, &|side| {
                let connected = side.dtls.connected().is_some();
                let was_failed = side.failed;
                side.handle(&datagram);
                assert!(!connected || was_failed || !side.failed, "a stranger ended an association: {datagram:02x?}");
            });
        }
        Step::Timer => {
            [true, false].iter().for_each(|s| to(s, &|side| side.failed |= side.dtls.handle_timeout().is_err()))
        }
        Step::Data { from_server, data } => to(from_server, &|side| {
            let _ = side.dtls.send(data);
        }),
        Step::Close { server } => to(server, &|side| side.dtls.close()),
        Step::Abort { server } => to(server, &|side| side.dtls.abort()),
    }
}

impl Side {
    fn first(&mut self) -> Option<Vec<u8>> {
        (!self.inbox.is_empty()).then(|| self.inbox.remove(0))
    }

    fn next(&mut self, change: impl FnOnce(&mut Vec<u8>)) {
        if let Some(mut d) = self.first() {
            change(&mut d);
            self.handle(&d);
        }
    }

    /// A side that has failed is not asked again, as the plane does.
    fn handle(&mut self, datagram: &[u8]) {
        if !self.failed {
            self.failed = self.dtls.handle(datagram).is_err();
        }
    }
}
