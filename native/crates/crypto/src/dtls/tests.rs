//! DTLS pairs in one process, over a link that loses what the test says, under a clock that moves only when told.

use boring::pkey::PKey;
use boring::rsa::Rsa;
use boring::ssl::{SslContextBuilder, SslOptions, SslVerifyMode, SslVersion};
use proptest::prelude::*;

use super::certificate::Certificate;
use super::*;
use crate::ffi::test_clock;
use crate::srtp::{Keys, Profile, Receiver, Sender};

const OURS: &str = "SRTP_AEAD_AES_128_GCM:SRTP_AEAD_AES_256_GCM:SRTP_AES128_CM_SHA1_80";
const CHROMIUM: &str = "SRTP_AES128_CM_SHA1_80:SRTP_AEAD_AES_256_GCM:SRTP_AEAD_AES_128_GCM";
const VERSIONS: [SslVersion; 2] = [SslVersion::DTLS1_2, SslVersion::DTLS1_3];

fn ecdsa() -> Certificate {
    Certificate::ecdsa().unwrap()
}

fn rsa() -> Certificate {
    Certificate::self_signed(PKey::from_rsa(Rsa::generate(2048).unwrap()).unwrap()).unwrap()
}

fn context(certificate: &Certificate, profiles: &str, max: SslVersion) -> Context {
    adjusted(certificate, profiles, max, |_| {})
}

fn adjusted(
    certificate: &Certificate,
    profiles: &str,
    max: SslVersion,
    adjust: impl FnOnce(&mut SslContextBuilder),
) -> Context {
    Context::build(certificate, profiles, |builder| {
        builder.set_max_proto_version(Some(max))?;
        test_clock::install(builder);
        adjust(builder);
        Ok(())
    })
    .unwrap()
}

/// Client and server, and the link between them.
struct Pair {
    client: Dtls,
    server: Dtls,
    /// Datagrams sent so far, in both directions.
    sent: usize,
    /// Timer expiries so far.
    waits: usize,
}

impl Pair {
    fn new(client: &Context, server: &Context) -> Self {
        let client = Dtls::new(client, Role::Client).unwrap();
        Pair { client, server: Dtls::new(server, Role::Server).unwrap(), sent: 0, waits: 0 }
    }

    /// Carries everything both sides want to send; `lost` is asked with each datagram's number.
    fn carry(&mut self, lost: &mut impl FnMut(usize) -> bool) -> Result<(), DtlsError> {
        loop {
            let before = self.sent;
            while let Some(datagram) = self.client.transmit() {
                self.deliver(datagram, Role::Server, lost)?;
            }
            while let Some(datagram) = self.server.transmit() {
                self.deliver(datagram, Role::Client, lost)?;
            }
            if self.sent == before {
                return Ok(());
            }
        }
    }

    fn deliver(&mut self, datagram: Vec<u8>, to: Role, lost: &mut impl FnMut(usize) -> bool) -> Result<(), DtlsError> {
        assert!(datagram.len() <= MTU as usize);
        self.sent += 1;
        if lost(self.sent - 1) {
            return Ok(());
        }
        match to {
            Role::Server => self.server.handle(&datagram),
            Role::Client => self.client.handle(&datagram),
        }
    }

    /// Until neither side has anything to send or to wait for.
    fn run(&mut self, mut lost: impl FnMut(usize) -> bool) -> Result<(), DtlsError> {
        self.client.start();
        for _ in 0..100 {
            self.carry(&mut lost)?;
            let Some(left) = self.client.timeout().into_iter().chain(self.server.timeout()).min() else {
                return Ok(());
            };
            test_clock::advance(left);
            self.waits += 1;
            self.client.handle_timeout()?;
            self.server.handle_timeout()?;
        }
        panic!("no end after 100 timer expiries");
    }

    fn sides(&self) -> (&Established, &Established) {
        (self.client.connected().expect("client connected"), self.server.connected().expect("server connected"))
    }
}

fn connected(version: SslVersion) -> Pair {
    let mut pair = Pair::new(&context(&ecdsa(), OURS, version), &context(&ecdsa(), OURS, SslVersion::DTLS1_3));
    pair.run(|_| false).unwrap();
    pair
}

#[test]
fn contexts_are_shared_and_associations_move() {
    fn is_send<T: Send>() {}
    fn is_sync<T: Sync>() {}
    is_send::<Context>();
    is_sync::<Context>();
    is_send::<Dtls>();
}

#[test]
fn every_combination_of_version_certificates_and_profile_order_connects_with_gcm_128() {
    let (ecdsa, rsa) = (ecdsa(), rsa());
    for version in VERSIONS {
        for client_profiles in [OURS, CHROMIUM] {
            for certificates in [[&ecdsa, &ecdsa], [&ecdsa, &rsa], [&rsa, &ecdsa], [&rsa, &rsa]] {
                let client = context(certificates[0], client_profiles, version);
                let server = context(certificates[1], OURS, SslVersion::DTLS1_3);
                let mut pair = Pair::new(&client, &server);
                pair.run(|_| false).unwrap();
                let (c, s) = pair.sides();
                assert_eq!((c.profile, s.profile), (Profile::AeadAes128Gcm, Profile::AeadAes128Gcm));
                assert!(c.local == s.remote && c.remote == s.local && c.local != c.remote);
                let name = if version == SslVersion::DTLS1_3 { "DTLS 1.3" } else { "DTLS 1.2" };
                assert_eq!((c.version, s.version), (name, name));
                assert_eq!(c.peer_fingerprint("sha-256").as_deref(), Some(server.fingerprint()));
                assert_eq!(s.peer_fingerprint("SHA-256").as_deref(), Some(client.fingerprint()));
                assert_eq!(pair.client.timeout(), None);
                assert_eq!(pair.server.timeout(), None);
            }
        }
    }
}

#[test]
fn an_older_server_gets_dtls_1_2() {
    let mut pair =
        Pair::new(&context(&ecdsa(), OURS, SslVersion::DTLS1_3), &context(&ecdsa(), OURS, SslVersion::DTLS1_2));
    pair.run(|_| false).unwrap();
    assert_eq!(pair.sides().0.version, "DTLS 1.2");
}

#[test]
fn each_profile_can_be_the_only_common_one() {
    for (name, profile) in
        OURS.split(':').zip([Profile::AeadAes128Gcm, Profile::AeadAes256Gcm, Profile::AesCm128HmacSha1_80])
    {
        for version in VERSIONS {
            let mut pair = Pair::new(&context(&ecdsa(), name, version), &context(&ecdsa(), OURS, version));
            pair.run(|_| false).unwrap();
            let (client, server) = pair.sides();
            assert_eq!(client.profile, profile);
            let pass = |local: &Keys, remote: &Keys| {
                let mut packet = vec![0x80, 201, 0, 1, 0, 0, 0, 1];
                Sender::new(local).unwrap().protect_rtcp(&mut packet).unwrap();
                Receiver::new(remote).unwrap().unprotect_rtcp(&mut packet)
            };
            assert_eq!(pass(&client.local, &server.remote), Ok(8));
            assert_eq!(pass(&server.local, &client.remote), Ok(8));
        }
    }
}

#[test]
fn any_one_lost_datagram_is_sent_again() {
    let (client_certificate, server_certificate) = (ecdsa(), rsa());
    for version in VERSIONS {
        let pair = || {
            Pair::new(&context(&client_certificate, CHROMIUM, version), &context(&server_certificate, OURS, version))
        };
        let mut whole = pair();
        whole.run(|_| false).unwrap();
        for victim in 0..whole.sent {
            let mut pair = pair();
            pair.run(|n| n == victim).unwrap();
            let (c, s) = pair.sides();
            assert!(c.local == s.remote, "{version:?}, datagram {victim}");
            assert!(pair.waits <= whole.waits + 3, "{version:?}, datagram {victim}: {} expiries", pair.waits);
        }
    }
}

#[test]
fn every_second_datagram_lost_still_connects() {
    for version in VERSIONS {
        for odd in 0..2 {
            let mut pair = Pair::new(&context(&ecdsa(), OURS, version), &context(&ecdsa(), OURS, version));
            // Both parities of each retransmission round get through in turn.
            pair.run(|n| n < 12 && n % 2 == odd).unwrap();
            pair.sides();
        }
    }
}

/// As Chromium does: a post-quantum key share makes the ClientHello longer than one datagram.
#[test]
fn a_client_hello_in_several_datagrams_is_understood() {
    for version in VERSIONS {
        let client = adjusted(&ecdsa(), CHROMIUM, SslVersion::DTLS1_3, |b| {
            b.set_curves_list("X25519MLKEM768:X25519:P-256").unwrap()
        });
        let mut pair = Pair::new(&client, &context(&ecdsa(), OURS, version));
        pair.client.start();
        let first_flight: Vec<_> = std::iter::from_fn(|| pair.client.transmit()).collect();
        assert_eq!(first_flight.len(), 2);
        for datagram in first_flight.iter().rev() {
            pair.server.handle(datagram).unwrap();
        }
        pair.run(|_| false).unwrap();
        assert_eq!(pair.sides().0.profile, Profile::AeadAes128Gcm);
    }
}

#[test]
fn silence_is_given_up_after_the_retries() {
    let mut pair =
        Pair::new(&context(&ecdsa(), OURS, SslVersion::DTLS1_3), &context(&ecdsa(), OURS, SslVersion::DTLS1_3));
    assert_eq!(pair.run(|_| true), Err(DtlsError::Timeout));
    assert_eq!(pair.sent, 1 + MAX_RETRIES as usize);
    assert_eq!(pair.client.timeout(), None);
}

#[test]
fn an_early_timeout_call_changes_nothing() {
    let mut pair =
        Pair::new(&context(&ecdsa(), OURS, SslVersion::DTLS1_3), &context(&ecdsa(), OURS, SslVersion::DTLS1_3));
    pair.client.start();
    pair.client.transmit().expect("ClientHello");
    assert_eq!(pair.client.timeout(), Some(FIRST_TIMEOUT));
    for _ in 0..20 {
        pair.client.handle_timeout().unwrap();
        pair.server.handle_timeout().unwrap();
    }
    assert_eq!(pair.client.transmit(), None);
}

#[test]
fn a_server_says_and_times_nothing_before_the_client() {
    let mut server = Dtls::new(&Context::new().unwrap(), Role::Server).unwrap();
    server.start();
    assert_eq!((server.transmit(), server.timeout()), (None, None));
}

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

#[test]
fn a_peer_without_a_common_profile_is_refused() {
    for version in VERSIONS {
        let client = context(&ecdsa(), "SRTP_AES128_CM_SHA1_32", version);
        let mut pair = Pair::new(&client, &context(&ecdsa(), OURS, version));
        assert_eq!(pair.run(|_| false), Err(DtlsError::NoSrtp));
    }
}

#[test]
fn a_client_without_a_certificate_is_refused() {
    for version in VERSIONS {
        let mut builder = boring::ssl::SslContext::builder(boring::ssl::SslMethod::dtls()).unwrap();
        builder.set_max_proto_version(Some(version)).unwrap();
        builder.set_verify(SslVerifyMode::NONE);
        builder.set_tlsext_use_srtp(OURS).unwrap();
        test_clock::install(&mut builder);
        let mut bare = Dtls::new(&context(&ecdsa(), OURS, version), Role::Client).unwrap();
        builder.set_options(SslOptions::NO_QUERY_MTU);
        let mut ssl = Ssl::new(&builder.build()).unwrap();
        ssl.set_mtu(MTU).unwrap();
        ffi::set_client(&mut ssl, true);
        bare.stream = SslStream::new(ssl, Datagrams::default()).unwrap();
        let server = context(&ecdsa(), OURS, version);
        let mut pair = Pair { client: bare, server: Dtls::new(&server, Role::Server).unwrap(), sent: 0, waits: 0 };
        assert!(matches!(pair.run(|_| false), Err(DtlsError::Protocol(_))));
        assert!(pair.server.connected().is_none());
    }
}

#[test]
fn plain_alerts_and_repeated_flights_do_not_disturb_a_finished_handshake() {
    for version in VERSIONS {
        let mut recorded = vec![];
        let mut pair = Pair::new(&context(&ecdsa(), OURS, version), &context(&ecdsa(), OURS, version));
        pair.client.start();
        while pair.client.connected().is_none() || pair.server.connected().is_none() {
            let datagrams: Vec<_> = std::iter::from_fn(|| pair.client.transmit()).collect();
            assert!(!datagrams.is_empty() || !recorded.is_empty());
            datagrams.iter().for_each(|d| pair.server.handle(d).unwrap());
            recorded.extend(datagrams);
            while let Some(datagram) = pair.server.transmit() {
                pair.client.handle(&datagram).unwrap();
            }
        }
        let fatal_alert = [21, 0xfe, 0xfd, 0, 0, 0, 0, 0, 0, 0, 99, 0, 2, 2, 40];
        for datagram in recorded.iter().map(Vec::as_slice).chain([&fatal_alert[..], &[], &[22], &[0; 1500]]) {
            assert_eq!(pair.server.handle(datagram), Ok(()));
        }
        pair.carry(&mut |_| false).unwrap();
        assert!(!pair.server.closed());
        pair.client.close();
        pair.carry(&mut |_| false).unwrap();
        assert!(pair.server.closed());
    }
}

#[test]
fn fingerprints_are_of_the_hash_asked_for() {
    let pair = connected(SslVersion::DTLS1_3);
    let (client, _) = pair.sides();
    for (hash, bytes) in [("sha-1", 20), ("sha-224", 28), ("sha-256", 32), ("sha-384", 48), ("sha-512", 64)] {
        assert_eq!(client.peer_fingerprint(hash).unwrap().len(), 3 * bytes - 1);
    }
    assert_eq!(client.peer_fingerprint("md5"), None);
    assert_eq!(client.peer_fingerprint(""), None);
}

#[test]
fn the_fingerprint_is_the_hash_of_the_certificate() {
    // `printf abc | sha256sum`
    let abc = "BA:78:16:BF:8F:01:CF:EA:41:41:40:DE:5D:AE:22:23:B0:03:61:A3:96:17:7A:9C:B4:10:FF:61:F2:00:15:AD";
    assert_eq!(certificate::fingerprint(b"abc", "sha-256").as_deref(), Some(abc));
    assert_ne!(Context::new().unwrap().fingerprint(), Context::new().unwrap().fingerprint());
}

/// The header of a record by its content type, epoch and sequence: plain, as in DTLS 1.2, or a unified one of 1.3.
fn record(kind: u8, epoch: u8, sequence: u8, body: &[u8]) -> Vec<u8> {
    let header: &[u8] = &[kind, 0xfe, 0xfd, 0, epoch, 0, 0, 0, 0, 0, sequence, 0, body.len() as u8];
    [header, body].concat()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]
    /// Nobody but the peer can end an association: whatever arrives afterwards without its keys is no error.
    #[test]
    fn forgeries_do_not_disturb_a_finished_handshake(
        forgeries in prop::collection::vec(
            (prop_oneof![20u8..27, 32u8..64], 0u8..5, any::<u8>(), prop::collection::vec(any::<u8>(), 0..80), any::<bool>()),
            1..20,
        ),
        which in 0usize..2,
    ) {
        let mut pair = connected(VERSIONS[which]);
        for (kind, epoch, sequence, body, plain) in forgeries {
            let datagram = if plain { record(kind, epoch, sequence, &body) } else { [&[kind][..], &body].concat() };
            prop_assert_eq!(pair.server.handle(&datagram), Ok(()));
        }
        prop_assert!(!pair.server.closed());
        pair.client.send(&[1; 12]).unwrap();
        pair.carry(&mut |_| false).unwrap();
        prop_assert_eq!(pair.server.take_data_records(), 1);
    }

    /// Whatever arrives first, nothing panics, and nothing is sent in answer that is longer than the MTU.
    #[test]
    fn nonsense_does_not_connect(datagrams in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..80), 1..6), dtls in any::<bool>()) {
        let certificate = ecdsa();
        let mut server = Dtls::new(&context(&certificate, OURS, SslVersion::DTLS1_3), Role::Server).unwrap();
        for mut datagram in datagrams {
            if dtls {
                let len = datagram.len() as u8;
                datagram.splice(0..0, [22, 0xfe, 0xfd, 0, 0, 0, 0, 0, 0, 0, 0, 0, len]);
            }
            if server.handle(&datagram).is_err() {
                break;
            }
            while let Some(answer) = server.transmit() {
                prop_assert!(answer.len() <= MTU as usize);
            }
        }
        prop_assert!(server.connected().is_none());
    }
}
