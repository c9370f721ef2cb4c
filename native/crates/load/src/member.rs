//! A peer of the thread, and what becomes of its datagrams.

use rillcast_plane::egress::Egress;
use rillcast_wire::demux;

use crate::browser::Browser;
use crate::config::LoadConfig;
use crate::peer::{Peer, Step};
use crate::publisher::Publisher;
use crate::report::Happened;
use crate::viewer::{Totals, Viewer};

pub enum Member {
    Viewer(Box<Viewer>),
    Browser(Box<Browser>),
    Publisher(Box<Publisher>),
}

impl Member {
    pub fn peer(&mut self) -> &mut Peer {
        match self {
            Member::Viewer(v) => &mut v.peer,
            Member::Browser(b) => &mut b.peer,
            Member::Publisher(p) => &mut p.peer,
        }
    }

    /// Whether media has come.
    pub fn receives(&self) -> bool {
        match self {
            Member::Viewer(v) => v.receiving,
            Member::Browser(b) => b.received,
            Member::Publisher(_) => false,
        }
    }

    /// A new span of figures begins.
    pub fn reset(&mut self, now_us: u64) {
        match self {
            Member::Viewer(v) => v.reset(),
            Member::Browser(b) => b.reset(now_us),
            Member::Publisher(_) => {}
        }
    }
}

pub fn member_datagram(
    now: u64,
    m: &mut Member,
    data: &mut [u8],
    config: &LoadConfig,
    totals: &mut Totals,
    happened: &mut Vec<Happened>,
    out: &mut Egress,
) {
    if let Member::Browser(b) = m {
        return b.on_datagram(now, data);
    }
    match demux::classify(data) {
        demux::Kind::Rtp => {
            if let Member::Viewer(v) = m {
                v.on_rtp(now, data, config, totals, happened, out);
            }
        }
        demux::Kind::Rtcp => {
            if let Member::Publisher(p) = m {
                p.on_rtcp(now, data, out);
            }
        }
        demux::Kind::Stun => {
            let step = m.peer().on_stun(now, data, out);
            note(now, m.peer(), step, happened);
        }
        demux::Kind::Dtls => {
            let step = m.peer().on_dtls(now, data, out);
            note(now, m.peer(), step, happened);
        }
        demux::Kind::Unknown => {}
    }
}

pub fn note(now: u64, peer: &Peer, step: Step, happened: &mut Vec<Happened>) {
    let (what, detail) = match step {
        Step::Nothing => return,
        Step::Connected => ("connected", format!("{} {}", peer.version, peer.srtp)),
        Step::Failed(why) => ("failed", why.to_owned()),
    };
    happened.push(Happened { id: peer.transport.id, what, at_us: now, detail });
}
