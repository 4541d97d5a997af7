//! Keys, and what they make of a message (RFC 4285 sections 5.1 and 5.2).

use super::Kind;
use hmac::{Hmac, KeyInit, Mac};
use serde::{Deserialize, Serialize};
use sha1::{Digest, Sha1};
use sha2::Sha256;
use std::fmt;
use std::net::Ipv6Addr;

/// How authentication data are made.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Algorithm {
    /// HMAC-SHA1 cut to 96 bits, RFC 4285's own.
    #[default]
    HmacSha1,
    /// HMAC-SHA256 cut to 128 bits, between two gateways that agree on it.
    HmacSha256,
}

impl Algorithm {
    /// Octets of authentication data.
    pub const fn octets(self) -> usize {
        match self {
            Self::HmacSha1 => 12,
            Self::HmacSha256 => 16,
        }
    }
}

/// A key that two gateways share. Shows its number, never itself.
#[derive(Clone, PartialEq, Eq)]
pub struct Key {
    /// Which association it is for.
    pub kind: Kind,
    /// Its number, the security parameter index.
    pub spi: u32,
    /// How it is used.
    pub algorithm: Algorithm,
    octets: Vec<u8>,
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "Key({:?}, SPI {}, {:?})",
            self.kind, self.spi, self.algorithm
        )
    }
}

/// The part of a message that one option authenticates, with the addresses that go before it.
pub(super) struct Authenticated<'a> {
    care_of: [u8; 16],
    octets: &'a [u8],
}

impl<'a> Authenticated<'a> {
    /// The first `covered` octets of a message.
    pub(super) fn new(care_of: Ipv6Addr, message: &'a [u8], covered: usize) -> Self {
        Self {
            care_of: care_of.octets(),
            octets: message.get(..covered).unwrap_or(message),
        }
    }

    /// Tells `to` care-of address, home address and message, the checksum as zero.
    fn each(&self, mut to: impl FnMut(&[u8])) {
        to(&self.care_of);
        to(&Ipv6Addr::UNSPECIFIED.octets());
        to(self.octets.get(..4).unwrap_or_default());
        to(&[0, 0]);
        to(self.octets.get(6..).unwrap_or_default());
    }
}

impl Key {
    /// A key of these octets.
    pub fn new(kind: Kind, spi: u32, algorithm: Algorithm, octets: impl Into<Vec<u8>>) -> Self {
        Self {
            kind,
            spi,
            algorithm,
            octets: octets.into(),
        }
    }

    /// The authentication data.
    pub(super) fn data(&self, covered: &Authenticated<'_>) -> Vec<u8> {
        let mut data = match self.algorithm {
            Algorithm::HmacSha1 => self
                .mac::<Hmac<Sha1>>(covered)
                .finalize()
                .into_bytes()
                .to_vec(),
            Algorithm::HmacSha256 => self
                .mac::<Hmac<Sha256>>(covered)
                .finalize()
                .into_bytes()
                .to_vec(),
        };
        data.truncate(self.algorithm.octets());
        data
    }

    /// Whether these are the authentication data, in a time that does not tell how many of them are.
    pub(super) fn verifies(&self, covered: &Authenticated<'_>, data: &[u8]) -> bool {
        data.len() == self.algorithm.octets()
            && match self.algorithm {
                Algorithm::HmacSha1 => self.mac::<Hmac<Sha1>>(covered).verify_truncated_left(data),
                Algorithm::HmacSha256 => self
                    .mac::<Hmac<Sha256>>(covered)
                    .verify_truncated_left(data),
            }
            .is_ok()
    }

    fn mac<M: Mac + KeyInit>(&self, covered: &Authenticated<'_>) -> M {
        // HMAC takes keys of any length.
        let Ok(mut mac) = <M as KeyInit>::new_from_slice(&self.octets) else {
            unreachable!("HMAC takes keys of any length");
        };
        match self.kind {
            Kind::MnHa => covered.each(|part| mac.update(part)),
            Kind::MnAaa => {
                let mut digest = Sha1::new();
                covered.each(|part| digest.update(part));
                mac.update(&digest.finalize());
            }
        }
        mac
    }
}
