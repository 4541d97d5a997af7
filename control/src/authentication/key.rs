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
    /// HMAC-SHA1, RFC 4285's own: cut to 96 bits between gateways, whole with the AAA server's key.
    #[default]
    HmacSha1,
    /// HMAC-SHA256 cut to 128 bits, between two gateways that agree on it.
    HmacSha256,
}

/// The most octets of authentication data.
pub(super) const MOST_DATA: usize = 20;

/// A key that two gateways share. Shows its number, never itself.
#[derive(Clone)]
pub struct Key {
    /// Which association it is for.
    pub kind: Kind,
    /// Its number, the security parameter index.
    pub spi: u32,
    /// How it is used.
    pub algorithm: Algorithm,
    octets: Vec<u8>,
    keyed: Keyed,
}

/// The hash with the key in it, which is half of the work on a message as short as ours.
#[derive(Clone)]
enum Keyed {
    Sha1(Hmac<Sha1>),
    Sha256(Hmac<Sha256>),
}

impl PartialEq for Key {
    fn eq(&self, other: &Self) -> bool {
        (self.kind, self.spi, self.algorithm) == (other.kind, other.spi, other.algorithm)
            && self.octets == other.octets
    }
}

impl Eq for Key {}

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
        let octets = octets.into();
        let keyed = match algorithm {
            Algorithm::HmacSha1 => Keyed::Sha1(keyed(&octets)),
            Algorithm::HmacSha256 => Keyed::Sha256(keyed(&octets)),
        };
        Self {
            kind,
            spi,
            algorithm,
            octets,
            keyed,
        }
    }

    /// Octets of its authentication data: RFC 4285 section 5.1 keeps 96 bits, section 5.2 all of them.
    pub(super) const fn data_octets(&self) -> usize {
        match (self.algorithm, self.kind) {
            (Algorithm::HmacSha1, Kind::MnHa) => 12,
            (Algorithm::HmacSha1, Kind::MnAaa) => MOST_DATA,
            (Algorithm::HmacSha256, _) => 16,
        }
    }

    /// Writes as much of the authentication data into `field` as there is room for.
    pub(super) fn write_data(&self, covered: &Authenticated<'_>, field: &mut [u8; MOST_DATA]) {
        let mut begin = |hash: &[u8]| {
            field
                .iter_mut()
                .zip(hash)
                .for_each(|(to, from)| *to = *from)
        };
        match &self.keyed {
            Keyed::Sha1(keyed) => begin(&self.over(keyed, covered).finalize().into_bytes()),
            Keyed::Sha256(keyed) => begin(&self.over(keyed, covered).finalize().into_bytes()),
        }
    }

    /// Whether these are the authentication data, in a time that does not tell how many of them are.
    pub(super) fn verifies(&self, covered: &Authenticated<'_>, data: &[u8]) -> bool {
        data.len() == self.data_octets()
            && match &self.keyed {
                Keyed::Sha1(keyed) => self.over(keyed, covered).verify_truncated_left(data),
                Keyed::Sha256(keyed) => self.over(keyed, covered).verify_truncated_left(data),
            }
            .is_ok()
    }

    /// The keyed hash over what is covered.
    fn over<M: Mac + Clone>(&self, keyed: &M, covered: &Authenticated<'_>) -> M {
        let mut mac = keyed.clone();
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

/// The hash with a key in it.
fn keyed<M: KeyInit>(octets: &[u8]) -> M {
    let Ok(keyed) = M::new_from_slice(octets) else {
        unreachable!("HMAC takes keys of any length");
    };
    keyed
}
