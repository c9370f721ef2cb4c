//! A browser's part of a session: its checks, its handshake and its media.

use std::net::SocketAddr;

use rillcast_crypto::dtls::{Context, Dtls, Role};
use rillcast_crypto::srtp::{Keys, Receiver, Sender};
use rillcast_wire::{demux, rtp, stun};

use super::rig::{answer, Bench, Received, REMOTE_PWD};
use crate::srtp_state::SrtpState;

/// A browser's part.
pub struct Peer {
    pub address: SocketAddr,
    pub session: u64,
    /// Whether it answers checks, as every agent does.
    pub answers: bool,
    dtls: Dtls,
    /// Media that came while the handshake was still being watched.
    early: Vec<Vec<u8>>,
    /// The abs-send-time of each packet that has one.
    pub sent_at: Vec<u32>,
    tx: Option<Sender>,
    rx: Option<Receiver>,
}

impl Peer {
    pub fn new(context: &Context, session: u64, port: u16) -> Self {
        let dtls = Dtls::new(context, Role::Client).unwrap();
        Peer {
            address: ([127, 0, 0, 1], port).into(),
            session,
            answers: true,
            dtls,
            early: vec![],
            sent_at: vec![],
            tx: None,
            rx: None,
        }
    }

    pub fn check(&self, password: &str) -> Vec<u8> {
        self.check_of(password, true)
    }

    /// A check that nominates its path, or does not.
    pub fn check_of(&self, password: &str, nominates: bool) -> Vec<u8> {
        let (mut out, username) = (vec![], format!("local{}:remote", self.session));
        stun::write_request(&mut out, &[7; 12], &username, 1, nominates, Some(1), None, password.as_bytes());
        out
    }

    /// The check that the peer would send now.
    pub fn own_check(&self) -> Vec<u8> {
        self.check(&format!("{:022}", self.session))
    }

    /// Answers the checks among what arrived, and returns the rest.
    fn answer_checks(&self, b: &mut Bench, arrived: Vec<Vec<u8>>) -> Vec<Vec<u8>> {
        let is_check = |d: &Vec<u8>| stun::parse(d).is_ok_and(|m| m.class == stun::Class::Request);
        let (checks, rest) = arrived.into_iter().partition::<Vec<_>, _>(is_check);
        for check in checks.iter().filter(|_| self.answers) {
            b.give(self.address, answer(check, REMOTE_PWD));
        }
        rest
    }

    /// The first flight of its DTLS handshake.
    pub fn hello(&mut self) -> Vec<Vec<u8>> {
        self.dtls.start();
        std::iter::from_fn(|| self.dtls.transmit()).collect()
    }

    /// Moves to another address, whose checks come from there. The path is new to the session.
    pub fn moves_to(&mut self, address: SocketAddr) {
        self.address = address;
    }

    /// Does the checks of ICE and the DTLS handshake.
    pub fn connect(&mut self, b: &mut Bench) {
        b.give(self.address, self.own_check());
        self.dtls.start();
        for _ in 0..20 {
            let arrived = b.sent_to(self.address);
            for d in self.answer_checks(b, arrived) {
                if demux::classify(&d) == demux::Kind::Dtls {
                    self.dtls.handle(&d).unwrap();
                } else {
                    self.early.push(d);
                }
            }
            while let Some(d) = self.dtls.transmit() {
                b.give(self.address, d);
            }
        }
        let e = self.dtls.connected().expect("the handshake ends");
        self.tx = Some(Sender::new(&e.local).unwrap());
        self.rx = Some(Receiver::new(&e.remote).unwrap());
    }

    /// Has these keys instead of those of its handshake.
    pub fn has_keys(&mut self, local: &Keys, remote: &Keys) {
        (self.tx, self.rx) = (Some(Sender::new(local).unwrap()), Some(Receiver::new(remote).unwrap()));
    }

    /// Has had everything before the counters of what is handed over.
    pub fn expects(&mut self, srtp: &SrtpState) {
        for s in &srtp.sent {
            self.rx.as_mut().unwrap().had_rtp(s.ssrc, s.index - 1);
        }
    }

    /// A packet that ends its frame.
    pub fn send_rtp(&mut self, b: &mut Bench, pt: u8, ssrc: u32, seq: u16, ts: u32, payload: &[u8]) {
        let mut d = vec![0; 1500];
        let n = rtp::write_header(&mut d, true, pt, seq, ts, ssrc, false, &[]);
        let len = self.tx.as_mut().unwrap().protect_rtp(&mut d, n, payload, 0, 0).unwrap();
        d.truncate(len);
        b.give(self.address, d);
        b.settle();
    }

    pub fn send_rtcp(&mut self, b: &mut Bench, mut packet: Vec<u8>) {
        self.tx.as_mut().unwrap().protect_rtcp(&mut packet).unwrap();
        b.give(self.address, packet);
        b.settle();
    }

    /// A packet sealed with this index, which ends its frame, with header extensions.
    pub fn seal_rtp(
        &mut self,
        pt: u8,
        ssrc: u32,
        index: u64,
        ts: u32,
        exts: &[(u8, &[u8])],
        payload: &[u8],
    ) -> Vec<u8> {
        let mut d = vec![0; 1500];
        let n = rtp::write_header(&mut d, true, pt, index as u16, ts, ssrc, false, exts);
        let len = self.tx.as_mut().unwrap().protect_rtp(&mut d, n, payload, 0, (index >> 16) as u32).unwrap();
        d.truncate(len);
        d
    }

    /// Everything received since, decrypted.
    pub fn received(&mut self, b: &mut Bench) -> Received {
        let arrived = b.sent_to(self.address);
        self.takes(b, arrived)
    }

    /// What came from this plane, decrypted.
    pub fn takes(&mut self, b: &mut Bench, arrived: Vec<Vec<u8>>) -> Received {
        let (mut media, mut control) = (vec![], vec![]);
        let early = std::mem::take(&mut self.early);
        let arrived = self.answer_checks(b, arrived);
        for mut d in early.into_iter().chain(arrived) {
            let rx = self.rx.as_mut().unwrap();
            match demux::classify(&d) {
                demux::Kind::Rtp => {
                    let n = rx.unprotect_rtp(&mut d).expect("every packet is authentic and new");
                    let h = rtp::parse(&d[..n]).unwrap();
                    let times = rtp::extensions(&d[..n], &h).filter(|(id, t)| *id == 3 && t.len() == 3);
                    self.sent_at.extend(times.map(|(_, t)| u32::from_be_bytes([0, t[0], t[1], t[2]])));
                    let payload = d[h.header_len..n - h.padding].to_vec();
                    media.push((h, payload));
                }
                demux::Kind::Rtcp => {
                    let n = rx.unprotect_rtcp(&mut d).expect("every report is authentic and new");
                    control.push(d[..n].to_vec());
                }
                demux::Kind::Dtls => self.dtls.handle(&d).expect("every record is authentic"),
                _ => {}
            }
        }
        (media, control)
    }

    /// Whether the other side has closed the DTLS association, as far as received.
    pub fn is_closed(&self) -> bool {
        self.dtls.closed()
    }

    pub fn say_goodbye(&mut self, b: &mut Bench) {
        self.dtls.close();
        self.send_dtls(b);
    }

    /// Ends the DTLS association with a fatal alert.
    pub fn abort(&mut self, b: &mut Bench) {
        self.dtls.abort();
        self.send_dtls(b);
    }

    /// One record of application data.
    pub fn send_data(&mut self, b: &mut Bench, data: &[u8]) {
        self.dtls.send(data).expect("an association that is open");
        self.send_dtls(b);
    }

    fn send_dtls(&mut self, b: &mut Bench) {
        while let Some(d) = self.dtls.transmit() {
            b.give(self.address, d);
        }
    }
}
