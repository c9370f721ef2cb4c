//! RTP: payload and extension elements always lie inside the packet, and what is written reads back.

use std::hint::black_box;

use arbitrary::{Arbitrary, Unstructured};
use rillcast_wire::rtp;

/// A header as it is written per packet and viewer.
#[derive(Arbitrary, Debug)]
struct Header {
    marker: bool,
    pt: u8,
    seq: u16,
    ts: u32,
    ssrc: u32,
    elements: Vec<(u8, Vec<u8>)>,
}

pub fn run(data: &[u8]) {
    read(data);
    let mut u = Unstructured::new(data);
    if let Ok(header) = Header::arbitrary(&mut u) {
        written(&header);
    }
    unwrapped(data);
}

fn read(data: &[u8]) {
    black_box(rtp::parse_protected(data).is_ok());
    let Ok(h) = rtp::parse(data) else { return };
    black_box(&data[h.header_len..data.len() - h.padding]);
    let elements: Vec<(u8, &[u8])> = rtp::extensions(data, &h).collect();
    assert!(elements.iter().map(|(_, value)| value.len() + 1).sum::<usize>() <= h.header_len);
    again(&h, &elements);
}

fn written(h: &Header) {
    let elements: Vec<(u8, &[u8])> = h
        .elements
        .iter()
        .filter(|(id, value)| *id != 0 && value.len() <= 255)
        .map(|(id, value)| (*id, value.as_slice()))
        .take(16)
        .collect();
    let header = rtp::Header {
        marker: h.marker,
        pt: h.pt & 0x7f,
        seq: h.seq,
        ts: h.ts,
        ssrc: h.ssrc,
        header_len: 0,
        padding: 0,
        ext: None,
    };
    again(&header, &elements);
}

fn again(h: &rtp::Header, elements: &[(u8, &[u8])]) {
    let mut out = vec![0; rtp::header_len(elements)];
    let len = rtp::write_header(&mut out, h.marker, h.pt, h.seq, h.ts, h.ssrc, false, elements);
    assert_eq!(len, out.len());
    let back = rtp::parse(&out).expect("what we write is valid");
    assert_eq!((back.marker, back.pt, back.seq, back.ts, back.ssrc), (h.marker, h.pt, h.seq, h.ts, h.ssrc));
    assert_eq!(rtp::extensions(&out, &back).collect::<Vec<_>>(), elements);
}

/// The long number of a sequence number ends in it, and the highest never goes back.
fn unwrapped(data: &[u8]) {
    let mut unwrapper = rtp::SeqUnwrapper::new();
    let mut highest = 0;
    for pair in data.chunks_exact(2).take(64) {
        let seq = u16::from_be_bytes([pair[0], pair[1]]);
        let peeked = unwrapper.peek(seq);
        assert_eq!(unwrapper.unwrap(seq), peeked);
        assert_eq!(peeked as u16, seq);
        let now = unwrapper.highest().expect("one was seen");
        assert!(now >= highest && now >= peeked);
        highest = now;
    }
}
