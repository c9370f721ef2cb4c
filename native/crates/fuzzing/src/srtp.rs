//! SRTP and SRTCP with keys that the fuzzer knows: what was sealed opens once, and nothing else ever opens.

use std::hint::black_box;

use arbitrary::{Arbitrary, Unstructured};
use rillcast_crypto::srtp::{Keys, Profile, Receiver, Sender, SrtpError};
use rillcast_wire::rtp;

#[derive(Arbitrary, Debug)]
enum Step {
    /// Seals a packet and delivers it.
    Rtp {
        seq: u16,
        ssrc: u8,
        roc: bool,
        element: Vec<u8>,
        payload: Vec<u8>,
        pad: u8,
        damage: Damage,
    },
    Rtcp {
        body: Vec<u8>,
        damage: Damage,
    },
    /// What no sender of ours has sealed.
    RawRtp(Vec<u8>),
    RawRtcp(Vec<u8>),
    Again,
}

#[derive(Arbitrary, Debug)]
enum Damage {
    None,
    Flip(u16),
    Cut(u8),
    Append(u8),
}

struct Pair {
    tx: Sender,
    rx: Receiver,
    last: Option<(bool, Vec<u8>)>,
}

pub fn run(data: &[u8]) {
    let mut u = Unstructured::new(data);
    let Ok(pick) = u8::arbitrary(&mut u) else { return };
    let profile = [Profile::AeadAes128Gcm, Profile::AeadAes256Gcm, Profile::AesCm128HmacSha1_80][usize::from(pick) % 3];
    let keys = Keys { profile, key: vec![7; profile.key_len()], salt: vec![9; profile.salt_len()] };
    let (tx, rx) = (Sender::new(&keys).expect("keys that fit"), Receiver::new(&keys).expect("keys that fit"));
    let mut pair = Pair { tx, rx, last: None };
    for _ in 0..32 {
        let Ok(step) = Step::arbitrary(&mut u) else { return };
        pair.step(&step);
        if u.is_empty() {
            return;
        }
    }
}

impl Pair {
    fn step(&mut self, step: &Step) {
        match step {
            Step::Rtp { seq, ssrc, roc, element, payload, pad, damage } => {
                let elements: &[(u8, &[u8])] =
                    if element.is_empty() { &[] } else { &[(3, &element[..element.len().min(255)])] };
                let payload = &payload[..payload.len().min(1200)];
                let mut slot = vec![0; 1800];
                let header = rtp::write_header(&mut slot, false, 96, *seq, 0, u32::from(*ssrc), *pad > 0, elements);
                let clear = [&slot[..header], payload].concat();
                let len = self.tx.protect_rtp(&mut slot, header, payload, *pad, u32::from(*roc)).expect("it has room");
                slot.truncate(len);
                self.deliver(true, &slot, damage, &clear);
            }
            Step::Rtcp { body, damage } => {
                let mut packet = [&[0x80, 201, 0, 1, 0, 0, 0, 5][..], &body[..body.len().min(1200)]].concat();
                let clear = packet.clone();
                self.tx.protect_rtcp(&mut packet).expect("a header is there");
                self.deliver(false, &packet, damage, &clear);
            }
            Step::RawRtp(d) => assert!(self.rx.unprotect_rtp(&mut d.clone()).is_err(), "{d:02x?}"),
            Step::RawRtcp(d) => assert!(self.rx.unprotect_rtcp(&mut d.clone()).is_err(), "{d:02x?}"),
            Step::Again => {
                if let Some((is_rtp, d)) = self.last.clone() {
                    assert_eq!(self.open(is_rtp, &mut d.clone()), Err(SrtpError::Replay));
                }
            }
        }
        black_box(self.rx.evicted_ssrcs());
    }

    fn open(&mut self, is_rtp: bool, d: &mut [u8]) -> Result<usize, SrtpError> {
        if is_rtp {
            self.rx.unprotect_rtp(d)
        } else {
            self.rx.unprotect_rtcp(d)
        }
    }

    fn deliver(&mut self, is_rtp: bool, sealed: &[u8], damage: &Damage, clear: &[u8]) {
        let mut d = sealed.to_vec();
        match *damage {
            Damage::None => {}
            Damage::Flip(bit) => {
                let bit = usize::from(bit) % (8 * d.len());
                d[bit / 8] ^= 1 << (bit % 8);
            }
            Damage::Cut(by) => d.truncate(d.len().saturating_sub(usize::from(by) + 1)),
            Damage::Append(byte) => d.push(byte),
        }
        let received = d.clone();
        match self.open(is_rtp, &mut d) {
            Ok(len) => {
                assert_eq!(received, sealed, "only what was sealed opens");
                assert!(d[..len].starts_with(clear) && len <= clear.len() + 255);
                self.last = Some((is_rtp, received));
            }
            Err(e) => assert!(received != sealed || e == SrtpError::Replay || e == SrtpError::Auth, "{e}"),
        }
    }
}
