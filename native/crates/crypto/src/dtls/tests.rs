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

mod association;
mod handshake;
mod hostile;
