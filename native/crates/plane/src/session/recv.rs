//! A publisher's tracks: which packet belongs to which source (RFC 8843 §9.2, RFC 8852, RFC 8853).

use std::collections::HashMap;

use rillcast_wire::rtp::{self, Header};

use crate::config::{self, HeaderExtensions};
use crate::packet::Carried;

/// One m-line of a publisher.
pub struct RecvTrack {
    pub config: config::RecvTrack,
    /// Current media SSRC per encoding.
    pub ssrcs: Vec<Option<u32>>,
}

impl RecvTrack {
    /// No packet was seen yet.
    pub fn new(c: &config::RecvTrack) -> Self {
        RecvTrack { config: c.clone(), ssrcs: vec![None; c.encodings.len()] }
    }
}

/// Where the packets of one SSRC belong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Route {
    pub track: usize,
    pub encoding: usize,
    pub rtx: bool,
}

/// Learnt and signalled SSRCs. Bounded: a peer that invents SSRCs is not followed.
pub struct Routes {
    by_ssrc: HashMap<u32, Route>,
}

const MAX_SSRCS: usize = 64;

impl Routes {
    /// With the SSRCs that the SDP told, if it did.
    pub fn new(tracks: &[config::RecvTrack]) -> Self {
        let mut by_ssrc = HashMap::new();
        for (track, t) in tracks.iter().enumerate().filter(|(_, t)| t.encodings.len() == 1) {
            if let Some(&s) = t.ssrcs.first() {
                by_ssrc.insert(s, Route { track, encoding: 0, rtx: false });
            }
            if let Some(&s) = t.rtx_ssrcs.first() {
                by_ssrc.insert(s, Route { track, encoding: 0, rtx: true });
            }
        }
        Routes { by_ssrc }
    }

    /// The route of a clear packet, learnt from its MID, RID or payload type if its SSRC is new.
    pub fn find(&mut self, tracks: &[RecvTrack], ids: &HeaderExtensions, datagram: &[u8], h: &Header) -> Option<Route> {
        if let Some(r) = self.by_ssrc.get(&h.ssrc) {
            let t = &tracks[r.track].config;
            let expected = if r.rtx { t.rtx_payload_type } else { t.payload_type };
            return (h.pt == expected).then_some(*r);
        }
        let route = self.learn(tracks, ids, datagram, h)?;
        if self.by_ssrc.len() >= MAX_SSRCS {
            return None;
        }
        self.by_ssrc.insert(h.ssrc, route);
        Some(route)
    }

    fn learn(&self, tracks: &[RecvTrack], ids: &HeaderExtensions, datagram: &[u8], h: &Header) -> Option<Route> {
        let (mut mid, mut rid, mut repaired) = (None, None, None);
        for (id, value) in rtp::extensions(datagram, h) {
            match id {
                i if i == ids.mid => mid = Some(value),
                i if i == ids.rid => rid = Some(value),
                i if i == ids.repaired_rid => repaired = Some(value),
                _ => {}
            }
        }
        let of_payload_type =
            |t: &RecvTrack| t.config.payload_type == h.pt || (t.config.rtx_payload_type == h.pt && h.pt != 0);
        let track = match mid {
            Some(m) => tracks.iter().position(|t| t.config.mid.as_bytes() == m && of_payload_type(t))?,
            None => tracks.iter().position(of_payload_type)?,
        };
        let t = &tracks[track].config;
        let rtx = h.pt != t.payload_type;
        let encoding = match if rtx { repaired.or(rid) } else { rid } {
            Some(r) => t.encodings.iter().position(|e| e.rid.as_bytes() == r)?,
            None if t.encodings.len() == 1 => 0,
            None => return None,
        };
        Some(Route { track, encoding, rtx })
    }

    /// The media SSRCs known for a track.
    pub fn media_ssrcs(&self) -> impl Iterator<Item = (u32, Route)> + '_ {
        self.by_ssrc.iter().filter(|(_, r)| !r.rtx).map(|(s, r)| (*s, *r))
    }

    /// The route of an SSRC that is known already.
    pub fn get(&self, ssrc: u32) -> Option<Route> {
        self.by_ssrc.get(&ssrc).copied()
    }
}

/// The extension values that travel on to viewers, and the abs-send-time for the bandwidth estimate.
pub fn carried(ids: &HeaderExtensions, datagram: &[u8], h: &Header) -> (Carried, Option<u32>) {
    let mut c = Carried::default();
    let mut sent = None;
    if h.ext.is_none() {
        return (c, sent);
    }
    for (id, value) in rtp::extensions(datagram, h) {
        match (id, value) {
            (i, [b, ..]) if i == ids.audio_level => c.audio_level = Some(*b),
            (i, [b, ..]) if i == ids.video_orientation => c.video_orientation = Some(*b),
            (i, [a, b, d]) if i == ids.abs_send_time => sent = Some(u32::from_be_bytes([0, *a, *b, *d])),
            (i, v) if i == ids.dependency_descriptor => c.dependency_descriptor = Some(v.into()),
            _ => {}
        }
    }
    (c, sent)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Encoding, Kind};

    fn track(mid: &str, pt: u8, rtx: u8, rids: &[&str], ssrcs: &[u32]) -> config::RecvTrack {
        config::RecvTrack {
            mid: mid.into(),
            kind: Kind::Video,
            codec: "VP8".into(),
            clock_rate: 90_000,
            payload_type: pt,
            rtx_payload_type: rtx,
            encodings: rids.iter().enumerate().map(|(i, r)| Encoding { source: i as u64, rid: (*r).into() }).collect(),
            ssrcs: ssrcs.to_vec(),
            rtx_ssrcs: vec![],
            nack: true,
            pli: true,
            remb: true,
        }
    }

    fn packet(pt: u8, ssrc: u32, exts: &[(u8, &[u8])]) -> Vec<u8> {
        let mut d = vec![0; 100];
        let n = rtp::write_header(&mut d, false, pt, 1, 1, ssrc, false, exts);
        d.truncate(n + 10);
        d
    }

    fn find(routes: &mut Routes, tracks: &[RecvTrack], d: &[u8]) -> Option<Route> {
        let ids = HeaderExtensions { mid: 1, rid: 2, repaired_rid: 3, ..Default::default() };
        routes.find(tracks, &ids, d, &rtp::parse(d).unwrap())
    }

    #[test]
    fn simulcast_layers_are_told_apart_by_rid_once_and_by_ssrc_after() {
        let config = [track("0", 96, 97, &["h", "l"], &[])];
        let tracks: Vec<_> = config.iter().map(RecvTrack::new).collect();
        let mut routes = Routes::new(&config);
        assert_eq!(find(&mut routes, &tracks, &packet(96, 5, &[])), None, "no rid yet");
        let low = Some(Route { track: 0, encoding: 1, rtx: false });
        assert_eq!(find(&mut routes, &tracks, &packet(96, 5, &[(1, b"0"), (2, b"l")])), low);
        assert_eq!(find(&mut routes, &tracks, &packet(96, 5, &[])), low);
        assert_eq!(
            find(&mut routes, &tracks, &packet(97, 6, &[(1, b"0"), (3, b"h")])),
            Some(Route { track: 0, encoding: 0, rtx: true })
        );
    }

    #[test]
    fn invented_ssrcs_are_bounded() {
        let config = [track("0", 96, 0, &[""], &[7])];
        let tracks: Vec<_> = config.iter().map(RecvTrack::new).collect();
        let mut routes = Routes::new(&config);
        let known = (0..1000).filter(|s| find(&mut routes, &tracks, &packet(96, 100 + s, &[])).is_some()).count();
        assert_eq!(known, MAX_SSRCS - 1);
        assert!(find(&mut routes, &tracks, &packet(96, 7, &[])).is_some());
        assert_eq!(find(&mut routes, &tracks, &packet(99, 7, &[])), None, "another payload type");
    }
}
