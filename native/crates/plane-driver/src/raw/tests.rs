//! A worker's sink in front of a model of the kernel: whatever changes meanwhile, each packet goes once and whole to the
//! viewer that it is for.

use std::net::SocketAddr;

use proptest::prelude::*;
use rillcast_plane::egress::{Bulk, Egress, Fallback, Path, Sock, MAX_DATAGRAM};
use rillcast_raw::hops::{Change, Link};

use super::model::{egress, mac, world, Fate, Shared, Status, World, FRAMES, LINK, US};

fn to(address: SocketAddr) -> Path {
    Path { sock: Sock::MediaV4, to: address, local: Some(US) }
}

fn address(owner: u32) -> SocketAddr {
    ([10, 0, 1, owner as u8], 6000 + owner as u16).into()
}

fn media(e: &mut Egress, owner: u32, len: usize) {
    let data = vec![owner as u8; len];
    assert!(e.bulk(&to(address(owner)), owner, Bulk::MayBeRaw, |slot| {
        slot[..len].copy_from_slice(&data);
        Some(len)
    }));
}

/// (receiver, past the socket) of each message since the last call.
fn ways(world: &Shared) -> Vec<(SocketAddr, bool)> {
    std::mem::take(&mut world.lock().unwrap().sent).into_iter().map(|s| (s.to, s.raw)).collect()
}

fn free_all(world: &Shared) {
    for (statuses, _, _) in &mut world.lock().unwrap().rings {
        statuses.iter_mut().filter(|s| **s == Status::Sending).for_each(|s| *s = Status::Free);
    }
}

/// Tells the sink what has changed, then sends a packet to viewer 1. Whether it went past the socket, or why not.
fn after(e: &mut Egress, world: &Shared, change: impl FnOnce(&mut World)) -> Result<(), Fallback> {
    free_all(world);
    change(&mut world.lock().unwrap());
    e.heed();
    let before = e.tally.clone();
    media(e, 1, 1000);
    e.flush();
    let [(receiver, raw)] = ways(world)[..] else { panic!("one message") };
    assert_eq!(receiver, address(1));
    let why = e.tally.fallbacks().zip(before.fallbacks()).find(|((_, now), (_, before))| now != before);
    match why {
        None => {
            assert!(raw && e.tally.raw == before.raw + 1);
            Ok(())
        }
        Some(((why, _), _)) => {
            assert!(!raw && e.tally.socket == before.socket + 1);
            Err(why)
        }
    }
}

#[test]
fn what_changes_in_the_kernel_changes_the_way_at_once_and_back() {
    let w = world();
    let mut e = egress(&w);
    assert_eq!(after(&mut e, &w, |_| ()), Ok(()));
    let set = |w: &mut World, device: u32, link: Option<Link>| {
        match link {
            Some(link) => w.links.insert(device, link),
            None => w.links.remove(&device),
        };
        w.changes.push(Change::Link(device, link));
    };
    assert_eq!(after(&mut e, &w, |w| set(w, 2, Some(Link { up: false, ..LINK }))), Err(Fallback::LinkDown));
    assert_eq!(after(&mut e, &w, |w| set(w, 2, Some(LINK))), Ok(()));
    assert_eq!(after(&mut e, &w, |w| set(w, 2, Some(Link { mtu: 1000, ..LINK }))), Err(Fallback::TooLong));
    assert_eq!(after(&mut e, &w, |w| set(w, 2, Some(LINK))), Ok(()));
    assert_eq!(after(&mut e, &w, |w| set(w, 2, Some(Link { address: None, ..LINK }))), Err(Fallback::NoEthernet));
    assert_eq!(after(&mut e, &w, |w| set(w, 2, Some(LINK))), Ok(()));
    let ip = address(1).ip();
    assert_eq!(after(&mut e, &w, |w| w.changes.push(Change::Neighbour(2, ip, None))), Err(Fallback::Unresolved));
    assert_eq!(after(&mut e, &w, |w| w.changes.push(Change::Neighbour(2, ip, Some(mac(0, ip))))), Ok(()));
    let routed = |w: &mut World, local| {
        w.local = local;
        w.changes.push(Change::Routes);
    };
    assert_eq!(after(&mut e, &w, |w| routed(w, true)), Err(Fallback::Local));
    assert_eq!(after(&mut e, &w, |w| routed(w, false)), Ok(()));
    let asked = w.lock().unwrap().asked;
    assert_eq!(after(&mut e, &w, |_| ()), Ok(()));
    assert_eq!(w.lock().unwrap().asked, asked, "nothing has changed, so nobody is asked");
}

#[test]
fn a_device_has_a_ring_of_its_own_and_leaves_it_when_it_is_gone() {
    let w = world();
    let mut e = egress(&w);
    let through = |w: &mut World, device| {
        w.device = device;
        w.links.insert(device, LINK);
        w.changes.extend([Change::Link(device, Some(LINK)), Change::Routes]);
    };
    assert_eq!(after(&mut e, &w, |_| ()), Ok(()));
    assert_eq!(after(&mut e, &w, |w| through(w, 3)), Ok(()));
    let bound = |w: &Shared| w.lock().unwrap().rings.iter().map(|r| r.2).collect::<Vec<_>>();
    assert_eq!(bound(&w), [2, 3]);
    assert_eq!(after(&mut e, &w, |w| through(w, 4)), Err(Fallback::TooMany));
    let gone = |w: &mut World| {
        w.links.remove(&2);
        w.changes.push(Change::Link(2, None));
    };
    assert_eq!(after(&mut e, &w, gone), Ok(()));
    assert_eq!(bound(&w), [4, 3]);
}

#[test]
fn a_full_ring_and_a_refusal_lead_to_the_socket_at_once() {
    let w = world();
    let mut e = egress(&w);
    for _ in 0..FRAMES {
        media(&mut e, 1, 1000);
        e.flush();
    }
    media(&mut e, 1, 1000);
    e.flush();
    let raw: Vec<bool> = ways(&w).iter().map(|(_, raw)| *raw).collect();
    assert_eq!(raw, [vec![true; FRAMES], vec![false]].concat());
    assert_eq!(e.tally.fallbacks().find(|f| f.0 == Fallback::RingFull).map(|f| f.1), Some(1));
    assert_eq!(after(&mut e, &w, |w| w.fates = [Fate::Refuses].into()), Err(Fallback::Refused));
    assert_eq!(after(&mut e, &w, |_| ()), Ok(()));
}

#[test]
fn ways_are_asked_for_a_few_with_each_batch() {
    let w = world();
    let mut e = egress(&w);
    let crowd = 3 * super::ASKED_PER_BATCH as u32;
    let round = |e: &mut Egress| {
        for owner in 0..crowd {
            media(e, owner, 100);
            if owner % 4 == 3 {
                free_all(&w);
            }
        }
        e.flush();
        free_all(&w);
        ways(&w).iter().filter(|(_, raw)| *raw).count()
    };
    let before = round(&mut e);
    assert!(w.lock().unwrap().asked <= 2 * super::ASKED_PER_BATCH && before > 0, "two batches");
    assert_eq!(
        e.tally.fallbacks().find(|f| f.0 == Fallback::NotAsked).map(|f| f.1),
        Some(u64::from(crowd) - w.lock().unwrap().asked as u64)
    );
    (0..3).for_each(|_| assert!(round(&mut e) > 0));
    assert_eq!(w.lock().unwrap().asked, crowd as usize, "each once");
}

#[derive(Clone, Debug)]
enum Step {
    Media(u32, usize, bool),
    Control(u32, usize),
    Flush(Vec<Fate>),
    /// Frames that the device has done with, from this one on.
    Done(usize, usize),
    NewAddress(u32),
    NewNeighbours,
    NoNeighbours(bool),
    Routes(u32, bool),
    Link(u32, Option<(u32, bool)>),
    Missed,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let len = || prop_oneof![Just(1190usize), Just(120), 9..MAX_DATAGRAM];
    let fate = prop_oneof![6 => Just(Fate::Sends), 1 => Just(Fate::Drops), 1 => Just(Fate::Refuses)];
    let link = prop_oneof![1 => Just(None), 4 => (600u32..1600, prop::bool::weighted(0.8)).prop_map(Some)];
    let step = prop_oneof![
        30 => (0u32..5, len(), prop::bool::weighted(0.95)).prop_map(|(o, l, may)| Step::Media(o, l, may)),
        2 => (0u32..5, 9usize..200).prop_map(|(o, l)| Step::Control(o, l)),
        8 => proptest::collection::vec(fate, 0..8).prop_map(Step::Flush),
        6 => (0usize..FRAMES, 0usize..=FRAMES).prop_map(|(from, n)| Step::Done(from, n)),
        1 => (0u32..5).prop_map(Step::NewAddress),
        1 => Just(Step::NewNeighbours),
        1 => any::<bool>().prop_map(Step::NoNeighbours),
        1 => (2u32..5, prop::bool::weighted(0.2)).prop_map(|(d, local)| Step::Routes(d, local)),
        1 => (2u32..5, link).prop_map(|(d, link)| Step::Link(d, link)),
        1 => Just(Step::Missed),
    ];
    proptest::collection::vec(step, 1..250)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn nothing_of_one_viewer_is_in_another_ones_packet(steps in steps()) {
        let w = world();
        let mut e = egress(&w);
        let mut lives = [0u8; 5];
        let address = |owner: u32, life: u8| -> SocketAddr { ([10, 0, life, owner as u8], 6000 + owner as u16).into() };
        let mut given: Vec<(SocketAddr, Vec<u8>)> = vec![];
        for step in steps {
            if !matches!(step, Step::Media(..) | Step::Control(..)) {
                // The thread hears of changes between two turns, when all has been sent.
                e.flush();
            }
            let mut number = given.len() as u32;
            let mut data = |owner: u32, life: u8, len: usize| -> Vec<u8> {
                number += 1;
                [&[owner as u8, life][..], &number.to_be_bytes()].concat().into_iter().cycle().take(len).collect()
            };
            match step {
                Step::Media(owner, len, may) => {
                    let (life, bulk) = (lives[owner as usize], if may { Bulk::MayBeRaw } else { Bulk::BySocket(Fallback::Unproved) });
                    let packet = data(owner, life, len);
                    e.bulk(&to(address(owner, life)), owner, bulk, |slot| {
                        slot[..len].copy_from_slice(&packet);
                        Some(len)
                    });
                    given.push((address(owner, life), packet));
                }
                Step::Control(owner, len) => {
                    let packet = data(owner, lives[owner as usize], len);
                    e.datagram(&to(address(owner, lives[owner as usize])), owner, &packet);
                    given.push((address(owner, lives[owner as usize]), packet));
                }
                Step::Flush(fates) => w.lock().unwrap().fates = fates.into(),
                Step::Done(from, n) => {
                    for (statuses, _, _) in &mut w.lock().unwrap().rings {
                        for s in statuses.iter_mut().skip(from).take(n).filter(|s| **s == Status::Sending) {
                            *s = Status::Free;
                        }
                    }
                }
                Step::NewAddress(owner) => lives[owner as usize] = lives[owner as usize].wrapping_add(1),
                Step::NewNeighbours => {
                    let mut w = w.lock().unwrap();
                    w.generation = w.generation.wrapping_add(1);
                    w.changes.push(Change::Everything);
                }
                Step::NoNeighbours(unresolved) => {
                    let mut w = w.lock().unwrap();
                    w.unresolved = unresolved;
                    w.changes.push(Change::Everything);
                }
                Step::Routes(device, local) => {
                    let mut w = w.lock().unwrap();
                    (w.device, w.local) = (device, local);
                    w.changes.push(Change::Routes);
                }
                Step::Link(device, link) => {
                    let link = link.map(|(mtu, up)| Link { mtu, up, ..LINK });
                    let mut w = w.lock().unwrap();
                    match link {
                        Some(link) => w.links.insert(device, link),
                        None => w.links.remove(&device),
                    };
                    w.changes.push(Change::Link(device, link));
                }
                Step::Missed => w.lock().unwrap().changes.push(Change::Everything),
            }
            e.heed();
        }
        e.flush();
        let w = w.lock().unwrap();
        let mut found: Vec<(SocketAddr, Vec<u8>)> =
            w.sent.iter().flat_map(|s| s.datagrams.iter().map(|d| (s.to, d.clone()))).collect();
        prop_assert!(found.iter().all(|f| given.contains(f)), "only whole packets, to those for whom they are");
        found.sort();
        found.dedup();
        let sent: usize = w.sent.iter().map(|s| s.datagrams.len()).sum();
        prop_assert_eq!(found.len(), sent, "each once");
        prop_assert!(w.dropped > 0 || sent == given.len(), "and all of them unless the device drops some");
    }
}
