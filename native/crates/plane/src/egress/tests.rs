use std::sync::{Arc, Mutex};

use proptest::prelude::*;

use super::*;

type Sent = Arc<Mutex<Vec<(usize, usize, usize)>>>;

struct Record(Sent);

impl Sink for Record {
    fn send(&mut self, _: &[u8], messages: &[Message]) -> u64 {
        self.0.lock().unwrap().extend(messages.iter().map(|m| (m.len, m.segment, m.segments)));
        0
    }
    fn gso(&self) -> bool {
        true
    }
}

fn path(port: u16) -> Path {
    Path { sock: Sock::MediaV4, to: SocketAddr::from(([127, 0, 0, 1], port)), local: None }
}

#[test]
fn equal_packets_of_one_receiver_are_one_message_and_a_shorter_one_ends_it() {
    let sent = Sent::default();
    let mut e = Egress::new(Box::new(Record(sent.clone())));
    for len in [100, 100, 40, 100] {
        e.datagram(&path(1), 0, &vec![0; len]);
    }
    e.datagram(&path(2), 1, &[0; 100]);
    e.flush();
    assert_eq!(*sent.lock().unwrap(), [(240, 100, 3), (100, 100, 1), (100, 100, 1)]);
}

#[test]
fn more_receivers_than_a_batch_holds_are_all_sent() {
    let sent = Sent::default();
    let mut e = Egress::new(Box::new(Record(sent.clone())));
    for port in 0..200 {
        e.datagram(&path(port), port as u32, &[0; 1500]);
    }
    e.flush();
    assert_eq!(sent.lock().unwrap().len(), 200);
}

/// Owner, whether past the socket, and the datagrams of a message.
type Went = (u32, bool, Vec<Vec<u8>>);

/// A sink with a ring of its own: so many frames, of which a batch may have all. It remembers what it sent.
struct Raw {
    frames: Vec<Vec<u8>>,
    taken: usize,
    longest: usize,
    /// Messages of each batch that it takes; the others go by the socket.
    takes: usize,
    refused: u64,
    sent: Arc<Mutex<Vec<Went>>>,
}

impl Raw {
    fn new(frames: usize) -> Self {
        let frames = vec![vec![0xee; MAX_SEGMENTS * MAX_DATAGRAM]; frames];
        Raw { frames, taken: 0, longest: MAX_DATAGRAM, takes: usize::MAX, refused: 0, sent: Arc::default() }
    }
}

impl Sink for Raw {
    fn send(&mut self, buffer: &[u8], messages: &[Message]) -> u64 {
        self.refused = 0;
        let mut raw = 0;
        for m in messages {
            let held = match m.place {
                Some(place) => &self.frames[place.frame as usize][..m.len],
                None => &buffer[m.start..m.start + m.len],
            };
            let went_raw = m.place.is_some() && raw < self.takes;
            raw += usize::from(m.place.is_some());
            self.refused += u64::from(m.place.is_some() && !went_raw);
            let datagrams: Vec<Vec<u8>> = held.chunks(m.segment).map(<[u8]>::to_vec).collect();
            assert_eq!(datagrams.len(), m.segments);
            self.sent.lock().unwrap().push((m.owner, went_raw, datagrams));
        }
        self.frames.iter_mut().for_each(|f| f.fill(0xee));
        assert_eq!(self.taken, raw, "every frame that was taken is one message");
        self.taken = 0;
        0
    }
    fn gso(&self) -> bool {
        true
    }
    fn is_raw(&self) -> bool {
        true
    }
    fn place(&mut self, _: &Path, _: u32) -> Result<Place, Fallback> {
        let frame = self.taken as u32;
        if self.taken == self.frames.len() {
            return Err(Fallback::RingFull);
        }
        Ok(Place { ring: 0, start: 0, frame })
    }
    fn room(&mut self, place: Place) -> &mut [u8] {
        &mut self.frames[place.frame as usize]
    }
    fn take(&mut self, place: Place, _: u32, segment: usize) -> bool {
        assert_eq!(place.frame as usize, self.taken);
        let fits = segment <= self.longest;
        self.taken += usize::from(fits);
        fits
    }
    fn refused(&self) -> u64 {
        self.refused
    }
}

fn bulk(e: &mut Egress, owner: u32, len: usize, byte: u8) {
    e.bulk(&path(owner as u16), owner, Bulk::MayBeRaw, |slot| {
        assert_eq!(slot.len(), MAX_DATAGRAM);
        slot[..len].fill(byte);
        Some(len)
    });
}

fn ways(e: &Egress) -> (u64, u64, Vec<(Fallback, u64)>) {
    (e.tally.raw, e.tally.socket, e.tally.fallbacks().filter(|(_, n)| *n > 0).collect())
}

#[test]
fn media_is_written_in_place_and_a_longer_packet_begins_another_message() {
    let raw = Raw::new(8);
    let sent = raw.sent.clone();
    let mut e = Egress::new(Box::new(raw));
    for (len, byte) in [(100, 1), (100, 2), (300, 3), (300, 4), (40, 5), (300, 6)] {
        bulk(&mut e, 7, len, byte);
    }
    e.datagram(&path(7), 7, &[9; 20]);
    e.flush();
    let lengths: Vec<Vec<usize>> =
        sent.lock().unwrap().iter().map(|(_, _, d)| d.iter().map(Vec::len).collect()).collect();
    assert_eq!(lengths, [vec![100, 100], vec![300, 300, 40], vec![300], vec![20]]);
    assert_eq!(sent.lock().unwrap().iter().map(|s| s.1).collect::<Vec<_>>(), [true, true, true, false]);
    assert_eq!((e.packets, e.bytes), (7, 1160));
    assert_eq!(ways(&e), (3, 0, vec![]), "control is no media");
}

#[test]
fn what_has_no_place_goes_by_the_socket_and_is_counted_by_reason() {
    let mut raw = Raw::new(2);
    (raw.longest, raw.takes) = (500, 1);
    let sent = raw.sent.clone();
    let mut e = Egress::new(Box::new(raw));
    bulk(&mut e, 1, 100, 1);
    bulk(&mut e, 2, 501, 2);
    bulk(&mut e, 3, 100, 3);
    bulk(&mut e, 4, 100, 4);
    e.bulk(&path(5), 5, Bulk::BySocket(Fallback::Unproved), |slot| {
        slot[..10].fill(5);
        Some(10)
    });
    e.flush();
    let found: Vec<(u32, bool)> = sent.lock().unwrap().iter().map(|s| (s.0, s.1)).collect();
    assert_eq!(found, [(1, true), (2, false), (3, false), (4, false), (5, false)]);
    let why = [Fallback::Unproved, Fallback::TooLong, Fallback::RingFull, Fallback::Refused];
    assert_eq!(ways(&e), (1, 4, why.map(|w| (w, 1)).to_vec()));
}

#[test]
fn a_packet_that_is_not_written_takes_no_place() {
    let raw = Raw::new(1);
    let sent = raw.sent.clone();
    let mut e = Egress::new(Box::new(raw));
    assert!(!e.bulk(&path(1), 1, Bulk::MayBeRaw, |_| None));
    bulk(&mut e, 2, 100, 2);
    assert!(!e.bulk(&path(2), 2, Bulk::MayBeRaw, |_| None));
    bulk(&mut e, 2, 100, 2);
    e.flush();
    assert_eq!(*sent.lock().unwrap(), [(2, true, vec![vec![2; 100]; 2])]);
}

#[test]
fn names_of_reasons_are_their_own() {
    let mut names: Vec<&str> = Fallback::ALL.iter().map(|f| f.name()).collect();
    assert!(Fallback::ALL.iter().enumerate().all(|(i, f)| *f as usize == i));
    names.sort_unstable();
    names.dedup();
    assert_eq!(names.len(), Fallback::ALL.len());
}

#[derive(Clone, Debug)]
enum Step {
    Media { owner: u32, len: usize, may: bool },
    Control { owner: u32, len: usize },
    Flush,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let len = prop_oneof![Just(100usize), Just(1190), 1..MAX_DATAGRAM];
    let media = (0u32..4, len, prop::bool::weighted(0.9)).prop_map(|(owner, len, may)| Step::Media { owner, len, may });
    let control = (0u32..4, 1usize..200).prop_map(|(owner, len)| Step::Control { owner, len });
    proptest::collection::vec(prop_oneof![12 => media, 1 => control, 1 => Just(Step::Flush)], 1..300)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn every_packet_is_sent_once_to_its_owner_whatever_the_ring_does(
        steps in steps(), frames in 1usize..70, longest in 50usize..MAX_DATAGRAM, takes in 0usize..70
    ) {
        let mut raw = Raw::new(frames);
        (raw.longest, raw.takes) = (longest, takes);
        let sent = raw.sent.clone();
        let mut e = Egress::new(Box::new(raw));
        let mut given: Vec<(u32, Vec<u8>)> = vec![];
        for step in steps {
            let number = given.len() as u32;
            let bytes = |owner: u32, len: usize| -> Vec<u8> {
                [owner.to_be_bytes(), number.to_be_bytes()].concat().into_iter().cycle().take(len).collect()
            };
            match step {
                Step::Media { owner, len, may } => {
                    let data = bytes(owner, len);
                    let bulk = if may { Bulk::MayBeRaw } else { Bulk::BySocket(Fallback::Unheard) };
                    let sent = e.bulk(&path(owner as u16), owner, bulk, |slot| {
                        slot[..len].copy_from_slice(&data);
                        Some(len)
                    });
                    prop_assert!(sent);
                    given.push((owner, data));
                }
                Step::Control { owner, len } => {
                    let data = bytes(owner, len);
                    e.datagram(&path(owner as u16), owner, &data);
                    given.push((owner, data));
                }
                Step::Flush => e.flush(),
            }
        }
        e.flush();
        let found: Vec<(u32, Vec<u8>)> = sent
            .lock()
            .unwrap()
            .iter()
            .flat_map(|(owner, _, datagrams)| datagrams.iter().map(|d| (*owner, d.clone())))
            .collect();
        prop_assert_eq!(&found, &given, "all of them, in order");
        let raw = sent.lock().unwrap().iter().filter(|s| s.1).count() as u64;
        prop_assert_eq!(e.tally.raw, raw);
        prop_assert_eq!(e.tally.fallbacks().map(|(_, n)| n).sum::<u64>(), e.tally.socket);
    }
}
