//! STUN: any datagram may be parsed and checked; what we write is valid, and stops being so when one bit changes.

use std::hint::black_box;
use std::net::{IpAddr, SocketAddr};

use arbitrary::{Arbitrary, Unstructured};
use rillcast_wire::{demux, stun};

/// A check as a peer writes it, and what happens to it on the way.
#[derive(Arbitrary, Debug)]
struct Check {
    tid: [u8; 12],
    username: String,
    priority: u32,
    use_candidate: bool,
    controlling: Option<u64>,
    controlled: Option<u64>,
    mapped: (IpAddr, u16),
    key: Vec<u8>,
    flip: u16,
}

pub fn run(data: &[u8]) {
    for d in [data, &framed(data)] {
        read(d);
    }
    if let Ok(check) = Check::arbitrary(&mut Unstructured::new(data)) {
        written(&check);
    }
}

/// Sets cookie and length, so that the fuzzer need not find them.
fn framed(data: &[u8]) -> Vec<u8> {
    let mut d = data[..data.len() / 4 * 4].to_vec();
    if d.len() >= 20 {
        let len = (d.len() - 20) as u16;
        d[2..4].copy_from_slice(&len.to_be_bytes());
        d[4..8].copy_from_slice(&[0x21, 0x12, 0xa4, 0x42]);
    }
    d
}

fn read(d: &[u8]) {
    black_box(demux::classify(d));
    black_box(stun::verify_integrity(d, b"password"));
    if let Ok(b) = stun::parse(d) {
        assert!(b.unknown_required.as_slice().len() <= 8);
        assert!(b.error_code.is_none_or(|code| (300..700).contains(&code)));
        black_box(b);
    }
}

fn written(c: &Check) {
    if c.username.len() > 508 {
        return; // it is cut (RFC 8489 §14.3)
    }
    let mut request = vec![];
    stun::write_request(
        &mut request,
        &c.tid,
        &c.username,
        c.priority,
        c.use_candidate,
        c.controlling,
        c.controlled,
        &c.key,
    );
    let back = stun::parse(&request).expect("a request of ours is valid");
    assert_eq!(back.transaction_id, c.tid);
    assert_eq!(back.username, Some(c.username.as_str()));
    assert_eq!(back.use_candidate, c.use_candidate);
    let mut success = vec![];
    stun::write_success(&mut success, &c.tid, SocketAddr::from(c.mapped), &c.key);
    stun::parse(&success).expect("an answer of ours is valid");
    for mut d in [request, success] {
        assert!(stun::verify_integrity(&d, &c.key));
        let bit = usize::from(c.flip) % (8 * d.len());
        d[bit / 8] ^= 1 << (bit % 8);
        // The integrity covers neither the fingerprint behind it nor the length (RFC 8489 §14.5), which `parse` checks.
        let covered = bit / 8 < d.len() - 8 && !(2..4).contains(&(bit / 8));
        assert!(!covered || !stun::verify_integrity(&d, &c.key), "bit {bit} of {d:02x?}");
        read(&d);
    }
}
