//! What comes after the handshake, or instead of it: application data, alerts, closing.

use super::*;

#[test]
fn close_notify_reaches_the_peer_from_either_side() {
    for version in VERSIONS {
        let mut pair = connected(version);
        assert!(!pair.client.closed() && !pair.server.closed());
        pair.client.close();
        pair.carry(&mut |_| false).unwrap();
        assert!(pair.server.closed());
        let mut pair = connected(version);
        pair.server.close();
        pair.carry(&mut |_| false).unwrap();
        assert!(pair.client.closed());
    }
}

#[test]
fn records_of_application_data_are_counted_and_disturb_nothing() {
    for version in VERSIONS {
        let mut pair = connected(version);
        for data in [&[1; 12][..], &[2; 1100], &[]] {
            pair.client.send(data).unwrap();
        }
        pair.carry(&mut |_| false).unwrap();
        assert_eq!((pair.server.take_data_records(), pair.server.take_data_records()), (2, 0));
        pair.client.close();
        pair.carry(&mut |_| false).unwrap();
        assert!(pair.server.closed() && pair.client.send(&[1]).is_err());
    }
}

#[test]
fn a_fatal_alert_of_the_peer_ends_the_association() {
    for version in VERSIONS {
        let mut pair = connected(version);
        pair.client.abort();
        assert!(matches!(pair.carry(&mut |_| false), Err(DtlsError::Protocol(_))));
        assert!(!pair.server.closed());
    }
}

#[test]
fn before_the_handshake_nothing_is_sent_for_application_data_or_an_abort() {
    let mut client = Dtls::new(&Context::new().unwrap(), Role::Client).unwrap();
    client.send(&[1]).unwrap();
    client.abort();
    assert_eq!(client.transmit(), None);
}

#[test]
fn closing_before_the_handshake_ends_is_silent() {
    let mut pair =
        Pair::new(&context(&ecdsa(), OURS, SslVersion::DTLS1_3), &context(&ecdsa(), OURS, SslVersion::DTLS1_3));
    pair.server.close();
    pair.client.close();
    assert_eq!((pair.client.transmit(), pair.server.transmit()), (None, None));
}
