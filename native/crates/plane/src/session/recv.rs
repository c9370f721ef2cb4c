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

    /// The SSRC of an encoding's media: the newest that was seen, or what the SDP told before the first packet.
    pub fn ssrc(&self, encoding: usize) -> Option<u32> {
        self.ssrcs[encoding].or_else(|| self.config.ssrcs.get(encoding).copied())
    }
}

/// Where the packets of one SSRC belong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Route {
    pub track: usize,
    pub encoding: usize,
    pub rtx: bool,
}

/// Learnt and signalled SSRCs, `MAX_SSRCS` at most. While the table is full, a new SSRC takes the place of one that a
/// newer SSRC of the same route has replaced and that has been silent for `SILENT_US`, longest of all. Without such a one
/// the new SSRC is not followed. So a publisher may change its SSRCs for ever, and a peer that invents SSRCs takes no
/// place from one that is in use. The newest of each route, and what the SDP told, is never forgotten.
pub struct Routes {
    by_ssrc: HashMap<u32, Entry>,
}

struct Entry {
    route: Route,
    heard_us: u64,
    origin: Origin,
}

/// Where an SSRC is known from.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Origin {
    /// The SDP named the SSRC.
    Signalled,
    /// From a packet; the newest of its route.
    Learnt,
    /// The SSRC was learnt from a packet, and a newer one of its route was learnt since.
    Replaced,
}

const MAX_SSRCS: usize = 64;
/// No packet for so long: a stream that is still sent has had one.
const SILENT_US: u64 = 5_000_000;

impl Routes {
    /// With the SSRCs that the SDP told, if it did.
    pub fn new(tracks: &[config::RecvTrack]) -> Self {
        let mut by_ssrc = HashMap::new();
        let mut signal = |ssrc: Option<&u32>, route| {
            if let Some(&ssrc) = ssrc {
                by_ssrc.insert(ssrc, Entry { route, heard_us: 0, origin: Origin::Signalled });
            }
        };
        for (track, t) in tracks.iter().enumerate().filter(|(_, t)| t.encodings.len() == 1) {
            signal(t.ssrcs.first(), Route { track, encoding: 0, rtx: false });
            signal(t.rtx_ssrcs.first(), Route { track, encoding: 0, rtx: true });
        }
        Routes { by_ssrc }
    }

    /// The route of a clear packet, learnt from its MID, RID or payload type if its SSRC is new.
    pub fn find(
        &mut self,
        now_us: u64,
        tracks: &[RecvTrack],
        ids: &HeaderExtensions,
        datagram: &[u8],
        h: &Header,
    ) -> Option<Route> {
        if let Some(e) = self.by_ssrc.get_mut(&h.ssrc) {
            let t = &tracks[e.route.track].config;
            let expected = if e.route.rtx { t.rtx_payload_type } else { t.payload_type };
            if h.pt != expected {
                return None;
            }
            e.heard_us = now_us;
            return Some(e.route);
        }
        let route = self.learn(tracks, ids, datagram, h)?;
        self.make_room(now_us).then(|| self.add(now_us, h.ssrc, route))
    }

    /// Another plane has known the SSRC as the newest of its route.
    pub fn learn_from_before(&mut self, now_us: u64, ssrc: u32, route: Route) {
        if self.get(ssrc).is_none() && self.make_room(now_us) {
            self.add(now_us, ssrc, route);
        }
    }

    /// The route of an SSRC that no newer one has replaced.
    pub fn newest(&self, ssrc: u32) -> Option<Route> {
        self.by_ssrc.get(&ssrc).filter(|e| e.origin != Origin::Replaced).map(|e| e.route)
    }

    fn add(&mut self, now_us: u64, ssrc: u32, route: Route) -> Route {
        for e in self.by_ssrc.values_mut().filter(|e| e.route == route && e.origin == Origin::Learnt) {
            e.origin = Origin::Replaced;
        }
        self.by_ssrc.insert(ssrc, Entry { route, heard_us: now_us, origin: Origin::Learnt });
        route
    }

    /// Whether there is room for one more SSRC, now that one may have been forgotten for it.
    fn make_room(&mut self, now_us: u64) -> bool {
        if self.by_ssrc.len() < MAX_SSRCS {
            return true;
        }
        let spent = |e: &Entry| e.origin == Origin::Replaced && now_us.saturating_sub(e.heard_us) >= SILENT_US;
        let longest = self.by_ssrc.iter().filter(|(_, e)| spent(e)).min_by_key(|(_, e)| e.heard_us);
        let Some(ssrc) = longest.map(|(ssrc, _)| *ssrc) else { return false };
        self.by_ssrc.remove(&ssrc).is_some()
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
        self.by_ssrc.iter().filter(|(_, e)| !e.route.rtx).map(|(s, e)| (*s, e.route))
    }

    /// The route of an SSRC that is known already.
    pub fn get(&self, ssrc: u32) -> Option<Route> {
        self.by_ssrc.get(&ssrc).map(|e| e.route)
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
            parameter_sets: vec![],
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

    fn find_at(now_us: u64, routes: &mut Routes, tracks: &[RecvTrack], d: &[u8]) -> Option<Route> {
        let ids = HeaderExtensions { mid: 1, rid: 2, repaired_rid: 3, ..Default::default() };
        routes.find(now_us, tracks, &ids, d, &rtp::parse(d).unwrap())
    }

    fn find(routes: &mut Routes, tracks: &[RecvTrack], d: &[u8]) -> Option<Route> {
        find_at(0, routes, tracks, d)
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

    #[test]
    fn a_publisher_may_change_its_ssrc_for_ever() {
        let config = [track("0", 96, 0, &[""], &[7])];
        let tracks: Vec<_> = config.iter().map(RecvTrack::new).collect();
        let mut routes = Routes::new(&config);
        for change in 0..1_000 {
            let now_us = u64::from(change) * SILENT_US;
            assert!(find_at(now_us, &mut routes, &tracks, &packet(96, 100 + change, &[])).is_some(), "change {change}");
            assert!(routes.by_ssrc.len() <= MAX_SSRCS);
        }
        assert!(routes.get(7).is_some(), "what the SDP told is never forgotten");
    }

    #[test]
    fn invented_ssrcs_take_no_place_from_those_in_use() {
        let config = [track("0", 96, 97, &["h", "l"], &[])];
        let tracks: Vec<_> = config.iter().map(RecvTrack::new).collect();
        let mut routes = Routes::new(&config);
        let layer = |rid: &'static str, ssrc| packet(96, ssrc, &[(1, b"0"), (2, rid.as_bytes())]);
        let repair = packet(97, 6, &[(1, b"0"), (3, b"h")]);
        find(&mut routes, &tracks, &layer("h", 5));
        find(&mut routes, &tracks, &repair);
        for second in 1..100 {
            let now_us = second * 1_000_000;
            assert!(find_at(now_us, &mut routes, &tracks, &packet(96, 5, &[])).is_some(), "second {second}");
            for invented in 0..20 {
                find_at(now_us, &mut routes, &tracks, &layer("l", 1_000 + second as u32 * 20 + invented));
            }
        }
        assert!(routes.get(6).is_some(), "nothing has replaced it, however long no packet was lost");
        assert_eq!(routes.by_ssrc.len(), MAX_SSRCS);
    }

    #[test]
    fn the_longest_silent_one_that_was_replaced_is_forgotten_first() {
        let config = [track("0", 96, 0, &[""], &[])];
        let tracks: Vec<_> = config.iter().map(RecvTrack::new).collect();
        let mut routes = Routes::new(&config);
        for ssrc in 0..MAX_SSRCS as u32 {
            find_at(u64::from(ssrc), &mut routes, &tracks, &packet(96, ssrc, &[]));
        }
        find_at(1_000, &mut routes, &tracks, &packet(96, 0, &[]));
        assert_eq!(find_at(SILENT_US, &mut routes, &tracks, &packet(96, 900, &[])), None, "none was silent for long");
        assert!(find_at(SILENT_US + 1, &mut routes, &tracks, &packet(96, 900, &[])).is_some());
        assert!(routes.get(0).is_some() && routes.get(1).is_none());
    }
}
