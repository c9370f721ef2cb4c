//! The two ends of the scale: only the packets, and the obvious way to protect and send them.

use std::net::{SocketAddr, UdpSocket};
use std::os::fd::AsRawFd;
use std::sync::Arc;

use rillcast_crypto::srtp::{Keys, Profile, Sender};
use rillcast_plane::egress::{Egress, Path, Sock};
use rillcast_plane_driver::socket::{bind, Sockets};
use rillcast_wire::rtp;

use crate::edge::{address, Trace, Traced};
use crate::{packets_of, AUDIO, AUDIO_PAYLOAD, FRAMES, VIDEO_PAYLOAD};

pub struct Plain {
    viewers: Vec<(Path, Option<Sender>)>,
    out: Egress,
    seq: u64,
    payload: Vec<u8>,
    _socket: UdpSocket,
}

/// What the packets of the edge have beyond payload and RTP header: one extension and the GCM tag.
const OVERHEAD: usize = 8 + 16;

impl Plain {
    /// Headers and payloads, no crypto, GSO.
    pub fn bound(viewers: usize) -> Self {
        Self::new(viewers, true, || None)
    }

    /// AES-CM and HMAC-SHA1-80, a system call each.
    pub fn naive(viewers: usize) -> Self {
        Self::new(viewers, false, || {
            let keys = Keys { profile: Profile::AesCm128HmacSha1_80, key: vec![7; 16], salt: vec![9; 14] };
            Some(Sender::new(&keys).expect("good keys"))
        })
    }

    fn new(viewers: usize, gso: bool, sender: impl Fn() -> Option<Sender>) -> Self {
        let socket = bind(SocketAddr::from(([0, 0, 0, 0], 0))).expect("a UDP socket");
        let fd = socket.as_raw_fd();
        Plain {
            viewers: (0..viewers)
                .map(|i| (Path { sock: Sock::MediaV4, to: address(i), local: None }, sender()))
                .collect(),
            out: Egress::new(Box::new(Sockets::new(Some(fd), None, fd, gso))),
            seq: 1,
            payload: vec![0x55; VIDEO_PAYLOAD],
            _socket: socket,
        }
    }

    /// Tells `trace` when it sends a packet.
    pub fn traced(mut self, trace: Arc<Trace>) -> Self {
        let fd = self._socket.as_raw_fd();
        let sockets = Sockets::new(Some(fd), None, fd, true);
        self.out = Egress::new(Box::new(Traced { out: Box::new(sockets), trace: Some(trace) }));
        self
    }

    pub fn packets(&self) -> u64 {
        self.out.packets
    }

    pub fn second(&mut self) -> u64 {
        let before = self.out.packets;
        for i in 0..FRAMES {
            self.burst(packets_of(i), VIDEO_PAYLOAD);
        }
        for _ in 0..AUDIO {
            self.burst(1, AUDIO_PAYLOAD);
        }
        self.out.packets - before
    }

    pub fn burst(&mut self, n: usize, size: usize) {
        let Plain { viewers, out, seq, payload, .. } = self;
        for (i, (path, sender)) in viewers.iter_mut().enumerate() {
            for k in 0..n as u64 {
                let s = *seq + k;
                out.packet(path, i as u32, |slot| {
                    let header = rtp::write_header(slot, k + 1 == n as u64, 100, s as u16, 1, 1, false, &[]);
                    match sender {
                        Some(tx) => tx.protect_rtp(slot, header, &payload[..size], 0, (s >> 16) as u32).ok(),
                        None => {
                            slot[header..header + size].copy_from_slice(&payload[..size]);
                            Some(header + size + OVERHEAD)
                        }
                    }
                });
                if sender.is_some() {
                    out.flush();
                }
            }
        }
        out.flush();
        *seq += n as u64;
    }
}
