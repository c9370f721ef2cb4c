//! STUN against the vectors of RFC 5769, against `stun-types`, and against arbitrary bytes.

mod common;

use std::net::SocketAddr;

use common::hex;
use proptest::prelude::*;
use rillcast_wire::stun::{self, Class, StunError};
use stun_types::attribute::{ErrorCode, UnknownAttributes, Username, XorMappedAddress};
use stun_types::message::{
    IntegrityAlgorithm, Message, MessageIntegrityCredentials, MessageType, MessageWriteVec, ShortTermCredentials,
    BINDING,
};
use stun_types::prelude::*;

const PASSWORD: &str = "VOkJxbRl1RmTxUk/WvJxBt";
const TID: [u8; 12] = [0xb7, 0xe7, 0xa7, 0x01, 0xbc, 0x34, 0xd6, 0x86, 0xfa, 0x87, 0xdf, 0xae];

fn rfc5769_request() -> Vec<u8> {
    hex("00010058 2112a442 b7e7a701 bc34d686 fa87dfae 80220010 5354554e 20746573 7420636c 69656e74
         00240004 6e0001ff 80290008 932ff9b1 51263b36 00060009 6576746a 3a683676 59202020
         00080014 9aeaa70c bfd8cb56 781ef2b5 b2d3f249 c1b571a2 80280004 e57a3bcf")
}

fn rfc5769_ipv4_response() -> Vec<u8> {
    hex("0101003c 2112a442 b7e7a701 bc34d686 fa87dfae 8022000b 74657374 20766563 746f7220
         00200008 0001a147 e112a643 00080014 2b91f599 fd9e90c3 8c7489f9 2af9ba53 f06be7d7 80280004 c07d4c96")
}

fn rfc5769_ipv6_response() -> Vec<u8> {
    hex("01010048 2112a442 b7e7a701 bc34d686 fa87dfae 8022000b 74657374 20766563 746f7220
         00200014 0002a147 0113a9fa a5d3f179 bc25f4b5 bed2b9d9
         00080014 a382954e 4be67bf1 1784c97c 8292c275 bfe3ed41 80280004 c8fb0b4c")
}

/// Long-term credentials, no FINGERPRINT.
fn rfc5769_long_term_request() -> Vec<u8> {
    hex("00010060 2112a442 78ad3433 c6ad72c0 29da412e
         00060012 e3839ee3 8388e383 aae38383 e382afe3 82b90000
         0015001c 662f2f34 39396b39 35346436 4f4c3334 6f4c3946 53547679 36347341
         0014000b 6578616d 706c652e 6f726700 00080014 f6702465 6dd64a3e 02b8e071 2e85c9a2 8ca89666")
}

fn credentials(password: &str) -> MessageIntegrityCredentials {
    ShortTermCredentials::new(password.to_owned()).into()
}

fn check_request(key: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    stun::write_request(&mut out, &TID, "evtj:h6vY", 0x6e00_01ff, true, Some(7), None, key);
    out
}

#[test]
fn a_padded_check_has_the_size_asked_for_and_says_what_any_other_one_does() {
    for (size, least) in [(0, 92), (500, 497), (1_200, 1_197), (1_203, 1_200)] {
        let mut out = vec![1; 3];
        stun::write_padded_request(&mut out, &TID, "evtj:h6vY", 7, 9, PASSWORD.as_bytes(), size);
        let d = &out[3..];
        assert!(d.len() >= least && (d.len() <= size || size == 0), "{} bytes instead of {size}", d.len());
        let b = stun::parse(d).unwrap();
        assert_eq!((b.class, b.username, b.priority), (Class::Request, Some("evtj:h6vY"), Some(7)));
        assert_eq!((b.controlled, b.controlling, b.use_candidate), (Some(9), None, false));
        assert!(b.unknown_required.is_empty() && stun::verify_integrity(d, PASSWORD.as_bytes()));
    }
}

#[test]
fn an_agent_that_knows_no_padding_reads_a_padded_check_all_the_same() {
    let mut d = vec![];
    stun::write_padded_request(&mut d, &TID, "evtj:h6vY", 7, 9, PASSWORD.as_bytes(), 1_200);
    let message = Message::from_bytes(&d).unwrap();
    assert!(message.has_method(BINDING));
    assert!(message.validate_integrity(&credentials(PASSWORD)).is_ok());
}

#[test]
fn the_rfc_5769_request_is_read_and_its_integrity_holds() {
    let d = rfc5769_request();
    let b = stun::parse(&d).unwrap();
    assert_eq!((b.class, b.transaction_id), (Class::Request, TID));
    assert_eq!((b.username, b.priority), (Some("evtj:h6vY"), Some(0x6e00_01ff)));
    assert_eq!((b.controlled, b.controlling, b.use_candidate), (Some(0x932f_f9b1_5126_3b36), None, false));
    assert!(b.unknown_required.is_empty());
    assert!(stun::verify_integrity(&d, PASSWORD.as_bytes()));
    assert!(!stun::verify_integrity(&d, b"another password"));
}

#[test]
fn the_rfc_5769_responses_tell_the_mapped_address() {
    for (d, address) in [
        (rfc5769_ipv4_response(), "192.0.2.1:32853"),
        (rfc5769_ipv6_response(), "[2001:db8:1234:5678:11:2233:4455:6677]:32853"),
    ] {
        let b = stun::parse(&d).unwrap();
        assert_eq!((b.class, b.mapped), (Class::Success, Some(address.parse().unwrap())));
        assert!(stun::verify_integrity(&d, PASSWORD.as_bytes()));
    }
}

#[test]
fn the_rfc_5769_long_term_request_is_read_without_fingerprint() {
    let d = rfc5769_long_term_request();
    assert_eq!(stun::parse(&d).unwrap().username, Some("マトリックス"));
    // MD5 of "マトリックス:example.org:TheMatrIX", RFC 5389 §15.4.
    assert!(stun::verify_integrity(&d, &hex("e8ca7ad59d5eb0518e312911d2dab2a9")));
}

#[test]
fn any_flipped_bit_is_noticed() {
    let good = rfc5769_request();
    // Another type in the FINGERPRINT's place makes a message without one.
    let fingerprint_type = good.len() - 8..good.len() - 6;
    for bit in (0..good.len() * 8).filter(|bit| !fingerprint_type.contains(&(bit / 8))) {
        let mut d = good.clone();
        d[bit / 8] ^= 1 << (bit % 8);
        assert!(stun::parse(&d).is_err(), "bit {bit} flipped unnoticed");
    }
}

#[test]
fn integrity_covers_everything_before_it() {
    let good = rfc5769_request();
    let fingerprint = good.len() - 8;
    for at in (0..2).chain(4..fingerprint) {
        let mut d = good.clone();
        d[at] ^= 1;
        assert!(!stun::verify_integrity(&d, PASSWORD.as_bytes()), "byte {at} changed unnoticed");
    }
}

#[test]
fn what_stands_behind_the_integrity_is_not_believed() {
    let mut d = check_request(PASSWORD.as_bytes());
    d.truncate(d.len() - 8);
    d.extend_from_slice(&hex("802a0008 0000000000000009 7fff0000"));
    let len = (d.len() - 20) as u16;
    d[2..4].copy_from_slice(&len.to_be_bytes());
    let b = stun::parse(&d).unwrap();
    assert_eq!((b.controlling, b.unknown_required.is_empty()), (Some(7), true));
}

#[test]
fn unknown_attributes_one_must_understand_are_told_once_each() {
    let d = hex("00010010 2112a442 000000000000000000000000 7ffe0000 80010000 7ffd0000 7ffe0000");
    assert_eq!(stun::parse(&d).unwrap().unknown_required.as_slice(), [0x7ffe, 0x7ffd]);
}

#[test]
fn errors_name_what_is_wrong() {
    let cases = [
        ("00010000 2112a442", StunError::Length),
        ("00010004 2112a442 000000000000000000000000", StunError::Length),
        ("00010003 2112a442 000000000000000000000000 000000", StunError::Length),
        ("00010000 2112a443 000000000000000000000000", StunError::NotStun),
        ("80010000 2112a442 000000000000000000000000", StunError::NotStun),
        ("00030000 2112a442 000000000000000000000000", StunError::Method(3)),
        ("3e010000 2112a442 000000000000000000000000", StunError::Method(0xf81)),
        ("00010004 2112a442 000000000000000000000000 00060001", StunError::AttributeLength(6)),
        ("00010008 2112a442 000000000000000000000000 00060001 ff000000", StunError::AttributeValue(6)),
        ("00010008 2112a442 000000000000000000000000 00240003 00000000", StunError::AttributeLength(0x24)),
        ("00010008 2112a442 000000000000000000000000 00250001 00000000", StunError::AttributeLength(0x25)),
        ("00010008 2112a442 000000000000000000000000 80280004 00000000", StunError::Fingerprint),
        ("01110008 2112a442 000000000000000000000000 00090004 00000263", StunError::AttributeValue(9)),
        ("0101000c 2112a442 000000000000000000000000 00200008 0003000000000000", StunError::AttributeValue(0x20)),
        ("0101000c 2112a442 000000000000000000000000 00200008 0002000000000000", StunError::AttributeLength(0x20)),
    ];
    for (text, expected) in cases {
        assert_eq!(stun::parse(&hex(text)), Err(expected), "{text}");
        assert!(expected.to_string().starts_with("STUN: "));
    }
}

#[test]
fn our_request_is_valid_to_another_implementation() {
    let d = check_request(b"secret");
    let m = Message::from_bytes(&d).unwrap();
    assert_eq!(m.attribute::<Username>().unwrap().username(), "evtj:h6vY");
    assert!(matches!(m.validate_integrity(&credentials("secret")), Ok(IntegrityAlgorithm::Sha1)));
    assert!(m.validate_integrity(&credentials("other")).is_err());
}

#[test]
fn our_refusals_are_valid_to_another_implementation() {
    let mut d = Vec::new();
    stun::write_error(&mut d, &TID, 487, "Role Conflict", Some(b"secret"));
    let m = Message::from_bytes(&d).unwrap();
    assert_eq!(m.attribute::<ErrorCode>().unwrap().code(), 487);
    assert!(m.validate_integrity(&credentials("secret")).is_ok());
    assert_eq!(stun::parse(&d).unwrap().error_code, Some(487));

    let mut d = Vec::new();
    stun::write_unknown_attributes(&mut d, &TID, &[0x7ffe, 0x7ffd], None);
    let m = Message::from_bytes(&d).unwrap();
    let told = m.attribute::<UnknownAttributes>().unwrap();
    assert!(told.has_attribute(0x7ffe.into()) && told.has_attribute(0x7ffd.into()));
    assert!(!stun::verify_integrity(&d, b""));
}

#[test]
fn a_long_reason_is_cut_on_a_character() {
    let mut d = Vec::new();
    stun::write_error(&mut d, &TID, 500, &"é".repeat(100), None);
    let m = Message::from_bytes(&d).unwrap();
    assert_eq!(m.attribute::<ErrorCode>().unwrap().reason(), "é".repeat(63));
}

#[test]
fn a_message_is_appended_to_what_is_there() {
    let mut d = b"before".to_vec();
    stun::write_success(&mut d, &TID, "10.0.0.1:9".parse().unwrap(), b"k");
    assert!(d.starts_with(b"before"));
    assert!(stun::parse(&d[6..]).is_ok() && stun::verify_integrity(&d[6..], b"k"));
}

proptest! {
    #[test]
    fn our_answers_are_valid_to_another_implementation(tid: [u8; 12], address: SocketAddr, key in "[a-zA-Z0-9+/]{1,80}") {
        let mut d = Vec::new();
        stun::write_success(&mut d, &tid, address, key.as_bytes());
        let m = Message::from_bytes(&d).unwrap();
        prop_assert!(m.validate_integrity(&credentials(&key)).is_ok());
        let told = m.attribute::<XorMappedAddress>().unwrap().addr(m.transaction_id());
        prop_assert_eq!((told.ip(), told.port()), (address.ip(), address.port()));
        let b = stun::parse(&d).unwrap();
        prop_assert_eq!((b.transaction_id, b.mapped), (tid, Some(told)));
    }

    #[test]
    fn another_implementations_request_is_valid_to_us(name in "[a-zA-Z0-9:+/]{1,100}", key in "[a-zA-Z0-9+/]{1,80}") {
        let kind = MessageType::from_class_method(stun_types::message::MessageClass::Request, BINDING);
        let mut builder = Message::builder(kind, 0x1234.into(), MessageWriteVec::new());
        builder.add_attribute(&Username::new(&name).unwrap()).unwrap();
        builder.add_message_integrity(&credentials(&key), IntegrityAlgorithm::Sha1).unwrap();
        builder.add_fingerprint().unwrap();
        let d = builder.finish();
        prop_assert_eq!(stun::parse(&d).unwrap().username, Some(name.as_str()));
        prop_assert!(stun::verify_integrity(&d, key.as_bytes()));
    }

    #[test]
    fn a_request_comes_back_as_written(
        tid: [u8; 12], name in ".{0,80}", priority: u32, nominate: bool, controlling: Option<u64>, controlled: Option<u64>,
    ) {
        let mut d = Vec::new();
        stun::write_request(&mut d, &tid, &name, priority, nominate, controlling, controlled, b"k");
        let b = stun::parse(&d).unwrap();
        prop_assert_eq!((b.class, b.transaction_id, b.username), (Class::Request, tid, Some(name.as_str())));
        prop_assert_eq!((b.priority, b.use_candidate), (Some(priority), nominate));
        prop_assert_eq!((b.controlling, b.controlled), (controlling, controlled));
    }

    #[test]
    fn no_bytes_make_it_panic(d in proptest::collection::vec(any::<u8>(), 0..200)) {
        let _ = stun::parse(&d);
        prop_assert!(!stun::verify_integrity(&d, b"key"));
    }

    #[test]
    fn no_attributes_make_it_panic(mut d in proptest::collection::vec(any::<u8>(), 20..200)) {
        d.truncate(d.len() / 4 * 4);
        let len = (d.len() - 20) as u16;
        d[..8].copy_from_slice(&[0, 1, 0, 0, 0x21, 0x12, 0xa4, 0x42]);
        d[2..4].copy_from_slice(&len.to_be_bytes());
        // Attribute types and lengths that have a meaning, so that more than the walk is tried.
        if d.len() >= 28 {
            let (kind, len) = (d[20] % 0x2b, d[23] % 24);
            d[20..24].copy_from_slice(&[0, kind, 0, len]);
        }
        let _ = stun::parse(&d);
        prop_assert!(!stun::verify_integrity(&d, b"key"));
    }
}
