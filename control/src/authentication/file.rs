//! The file of associations: keys, so nobody else may read it.

use super::{Algorithm, Association, Associations, Key, Kind};
use crate::config::document::{place, Document};
use crate::config::Error;
use crate::private;
use serde::Deserialize;
use std::io::Read;
use std::net::Ipv6Addr;
use std::path::Path;
use std::time::Duration;
use wire::ipv6::address::stays_on_link;

/// The least octets of a key (RFC 4285 section 5.1).
const LEAST_KEY: usize = 16;

/// The most: beyond a block of the hash, a longer key is no better.
const MOST_KEY: usize = 64;

/// SPIs below are IANA's (RFC 4285 section 8).
const FIRST_SPI: u32 = 256;

/// HMAC_SHA1_SPI, the one of IANA's that says how a key with the AAA server is used.
const HMAC_SHA1_SPI: u32 = 3;

/// The whole file.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Content {
    #[serde(default)]
    peer: Vec<Peer>,
}

/// `[[peer]]`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Peer {
    address: Ipv6Addr,
    #[serde(default = "enabled")]
    replay_protection: bool,
    #[serde(default = "close_enough_ms")]
    close_enough_ms: u32,
    #[serde(default)]
    key: Vec<Given>,
}

/// `[[peer.key]]`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Given {
    spi: u32,
    #[serde(default = "between_gateways")]
    kind: Kind,
    #[serde(default)]
    algorithm: Algorithm,
    key: String,
}

const fn enabled() -> bool {
    true
}

const fn close_enough_ms() -> u32 {
    7_000
}

const fn between_gateways() -> Kind {
    Kind::MnHa
}

/// Reads the associations.
///
/// # Errors
/// All that is wrong with the file, each with its line; and that somebody else may read it.
pub fn load(file: &Path, required: bool) -> Result<Associations, Error> {
    let unusable = |message| Document::unusable(file, message);
    let mut opened = private::open(file).map_err(|why| unusable(why.to_string()))?;
    let mut text = String::new();
    opened
        .read_to_string(&mut text)
        .map_err(|error| unusable(format!("cannot be read: {error}")))?;
    let (mut document, content) = Document::parse::<Content>(file, text)?;
    let mut peers: Vec<(Ipv6Addr, Association)> = Vec::new();
    for (index, peer) in content.peer.iter().enumerate() {
        let way = place!["peer", index, "address"];
        if peer.address.is_multicast() || stays_on_link(peer.address) {
            document.problem(way, "no gateway has this address; write the peer's own");
        } else if peers.iter().any(|(address, _)| *address == peer.address) {
            document.problem(
                way,
                "this peer has a table already; put its keys into that one",
            );
        }
        if !(1..=3_600_000).contains(&peer.close_enough_ms) {
            let way = place!["peer", index, "close_enough_ms"];
            document.problem(way, "must be from 1 to 3600000 milliseconds");
        }
        if !peer.key.iter().any(|key| key.kind == Kind::MnHa) {
            let text = "has no key of kind \"mn-ha\", which answers are authenticated by; \
                        add a [[peer.key]]";
            document.problem(place!["peer", index], text);
        }
        let mut keys: Vec<Key> = Vec::new();
        for (number, given) in peer.key.iter().enumerate() {
            let way = |name| place!["peer", index, "key", number, name].to_vec();
            let reserved =
                given.spi < FIRST_SPI && !(given.spi == HMAC_SHA1_SPI && given.kind == Kind::MnAaa);
            if reserved {
                let text = "SPIs below 256 are reserved; choose one from 256 on";
                document.problem(&way("spi"), text);
            }
            if keys
                .iter()
                .any(|it| (it.kind, it.spi) == (given.kind, given.spi))
            {
                let text = "this peer has a key with this SPI already; choose another number";
                document.problem(&way("spi"), text);
            }
            match octets(&given.key) {
                Some(octets) if (LEAST_KEY..=MOST_KEY).contains(&octets.len()) => {
                    keys.push(Key::new(given.kind, given.spi, given.algorithm, octets));
                }
                Some(octets) => {
                    let text = format!(
                        "has {} octets, and must have {LEAST_KEY} to {MOST_KEY}; \
                         `openssl rand -hex 20` makes a good one",
                        octets.len()
                    );
                    document.problem(&way("key"), text);
                }
                None => document.problem(&way("key"), "must be hexadecimal, two digits an octet"),
            }
        }
        let close_enough = Duration::from_millis(peer.close_enough_ms.into());
        let close_enough = peer.replay_protection.then_some(close_enough);
        peers.push((peer.address, Association::new(keys, close_enough)));
    }
    document.finish()?;
    Ok(Associations::new(peers, required))
}

/// The octets of hexadecimal digits.
fn octets(text: &str) -> Option<Vec<u8>> {
    let digits = text.as_bytes();
    let pairs = digits.chunks(2).map(|pair| match pair {
        [high, low] => {
            let digit = |it: &u8| char::from(*it).to_digit(16);
            u8::try_from(digit(high)? << 4 | digit(low)?).ok()
        }
        _ => None,
    });
    pairs.collect()
}
