//! Datagrams in a stream (RFC 4571): however it is cut, the same datagrams come out, and little is held; what a slow system
//! takes of a stream is whole datagrams.

use rillcast_plane::tcp::framing::{Deframer, Outgoing, TooLong, MAX_FRAME};

const LENGTH: usize = 2;
/// The first bytes of an input say where the rest is cut.
const CUTS: usize = 8;

/// Bytes that say where to cut, then a stream.
pub fn run(data: &[u8]) {
    let (cuts, stream) = data.split_at(data.len().min(CUTS));
    let whole = taken_apart(stream, &[]);
    assert_eq!(taken_apart(stream, cuts), whole, "a cut changes nothing");
    assert_eq!(whole, reference(stream));
    written(stream, cuts);
}

type Apart = (Vec<Vec<u8>>, Result<(), TooLong>);

fn taken_apart(stream: &[u8], cuts: &[u8]) -> Apart {
    let (mut deframer, mut got, mut stream, mut turn) = (Deframer::default(), vec![], stream.to_vec(), 0);
    let mut rest = &mut stream[..];
    while !rest.is_empty() {
        let size = cuts.get(turn % cuts.len().max(1)).map_or(rest.len(), |c| usize::from(*c) * 3 + 1);
        let (piece, after) = rest.split_at_mut(size.min(rest.len()));
        let fed = deframer.feed(piece, |datagram| {
            got.push(datagram.to_vec());
            true
        });
        assert!(deframer.held() < MAX_FRAME + LENGTH);
        if fed.is_err() {
            return (got, fed);
        }
        rest = after;
        turn += 1;
    }
    (got, Ok(()))
}

fn reference(mut stream: &[u8]) -> Apart {
    let mut got = vec![];
    while let [a, b, rest @ ..] = stream {
        let length = usize::from(u16::from_be_bytes([*a, *b]));
        if length > MAX_FRAME {
            return (got, Err(TooLong(length)));
        }
        let Some((datagram, after)) = rest.split_at_checked(length) else { break };
        if !datagram.is_empty() {
            got.push(datagram.to_vec());
        }
        stream = after;
    }
    (got, Ok(()))
}

fn written(data: &[u8], takes: &[u8]) {
    let datagrams: Vec<&[u8]> = data.chunks(takes.first().map_or(1, |n| usize::from(*n) * 6 + 1)).collect();
    let (mut outgoing, mut room, mut stream, mut turn, mut dropped) = (Outgoing::default(), vec![], vec![], 0, 0);
    for batch in datagrams.chunks(3) {
        dropped += outgoing.send(batch.iter().copied(), &mut room, |bytes| {
            turn += 1;
            let most = takes.get(turn % takes.len().max(1)).map_or(bytes.len(), |n| usize::from(*n) * 10);
            let n = most.min(bytes.len());
            stream.extend_from_slice(&bytes[..n]);
            n
        });
        assert!(outgoing.held() < MAX_FRAME + LENGTH);
    }
    outgoing.flush(|bytes| {
        stream.extend_from_slice(bytes);
        bytes.len()
    });
    let (got, fed) = taken_apart(&stream, &[]);
    assert!(fed.is_ok() && got.len() + dropped == datagrams.len());
    let mut sent = datagrams.iter();
    assert!(got.iter().all(|g| sent.any(|s| s == g)), "whole ones, in order");
}
