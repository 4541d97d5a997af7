//! Binding updates that are wrong, sent as octets to an anchor, and the status in the octets of its answer:
//! those of RFC 5213 section 8.9 that are not about who may have what, those of RFC 6275, and those of
//! RFC 4285, whose authentication data are made here from its text.

use crate::authentication::{share, OLD};
use crate::octets::{
    carry, heard, message, option, prefix, request, who, HOST, LMA_ADDRESS, MAG_ADDRESS,
};
use crate::story::{bindings, domain, domain_with_policies, LMA, MAG1, MAG2};
use crate::world::World;
use hmac::{Hmac, KeyInit, Mac};
use sha1::Sha1;
use std::time::Duration;

const MAG2_ADDRESS: &str = "2001:db8:c::12";

/// Flags A, H and P, sequence number 9, 400 s.
const PROXY: [u8; 6] = [0, 9, 0xc2, 0, 0, 100];

/// The same without P.
const PLAIN: [u8; 6] = [0, 9, 0xc0, 0, 0, 100];

/// The acknowledgements of an update by one of the two gateways.
fn answers(world: &mut World, mag: usize, fixed: [u8; 6], options: &[Vec<u8>]) -> Vec<Vec<u8>> {
    let from = if mag == MAG1 {
        MAG_ADDRESS
    } else {
        MAG2_ADDRESS
    };
    let update = message(5, &[&fixed, &options.concat()[..]].concat());
    carry(world, (from, mag), (LMA_ADDRESS, LMA), &update);
    heard(world, LMA, 6)
}

/// Status, flags and sequence number of the one acknowledgement.
fn answer(world: &mut World, mag: usize, fixed: [u8; 6], options: &[Vec<u8>]) -> (u8, u8, [u8; 2]) {
    match &answers(world, mag, fixed, options)[..] {
        [answer] => (answer[6], answer[7], [answer[8], answer[9]]),
        other => panic!("not one acknowledgement: {other:?}"),
    }
}

fn asks() -> Vec<u8> {
    option(22, &[0; 18])
}

fn handoff(value: u8) -> Vec<u8> {
    option(23, &[0, value])
}

fn ethernet() -> Vec<u8> {
    option(24, &[0, 3])
}

fn interface(last: u8) -> Vec<u8> {
    option(25, &[0, 0, 2, 0, 0, 0, 0, last])
}

/// A Timestamp option: seconds since 1970, 48 bits, and 65536ths of one.
fn stamped(time: Duration) -> Vec<u8> {
    let fraction = u64::from(time.subsec_millis()) * 65_536 / 1_000;
    option(27, &(time.as_secs() << 16 | fraction).to_be_bytes())
}

fn now(world: &World) -> Vec<u8> {
    stamped(world.now().wall)
}

/// An anchor with a domain beside the common network, whose hosts have one session each.
fn with_domain() -> World {
    domain_with_policies(
        |config| {
            let red =
                "[[interface]]\nname = \"red\"\nport = \"inet0\"\nvlan = 7\nkind = \"core\"\n\
                       domain = \"red\"\naddresses = [\"10.9.0.1/24\"]\n[[route]]";
            let networks = "gre = \"accepted\"\npools =";
            let config = config.replacen("[[route]]", red, 1);
            config.replace("pools =", networks)
                + "[[lma.domain]]\nname = \"red\"\n\
                   ipv4_networks = [{ prefix = \"10.1.0.0/16\" }]\nkeys = [4096, 4111]\n"
        },
        "mags = [\"2001:db8:c::11\", \"2001:db8:c::12\"]\nserve_unlisted = true\nsessions = 1\n",
        |config| config,
        "",
    )
}

/// Proves S1-02, S1-08.
#[test]
fn what_is_wrong_with_an_update_is_answered_in_octets() {
    let mut world = with_domain();
    let alternate = |last: u8| {
        let mut address = [0; 16];
        address[..4].copy_from_slice(&[0x20, 1, 0x0d, 0xb8]);
        address[5] = 0x0c;
        address[15] = last;
        option(3, &address)
    };
    let wall = world.now().wall;
    let away = Duration::from_secs(10);
    let (early, late) = (stamped(wall - away), stamped(wall + away));
    let service = |name: &str| option(20, name.as_bytes());
    for (status, options) in [
        (
            128,
            vec![who(HOST), asks(), handoff(1), handoff(4), ethernet()],
        ),
        (
            151,
            vec![who(HOST), asks(), handoff(1), ethernet(), service("blue")],
        ),
        (
            154,
            vec![who(HOST), asks(), handoff(1), ethernet(), alternate(0x99)],
        ),
        (156, vec![who(HOST), asks(), handoff(1), ethernet(), early]),
        (156, vec![who(HOST), asks(), handoff(1), ethernet(), late]),
        (161, vec![who(HOST), asks(), ethernet()]),
        (162, vec![who(HOST), asks(), handoff(1)]),
        (
            163,
            vec![
                who(HOST),
                request([0, 0, 0, 0], 0),
                handoff(1),
                ethernet(),
                service("red"),
            ],
        ),
    ] {
        let expected = (status, 0x20, [0, 9]);
        let said = answer(&mut world, MAG1, PROXY, &options);
        assert_eq!(said, expected, "{options:?}");
    }
    assert!(bindings(&world).is_empty());
    let writer = world.nodes[LMA].engine.writer();
    assert_eq!((writer.bindings_len(), writer.tunnels_len()), (0, 0));

    // A host that is there: at MAG1, and then at MAG2.
    let stamp = now(&world);
    let of = |what: Vec<u8>, how: u8, time: Vec<u8>| {
        vec![
            who(HOST),
            what,
            handoff(how),
            ethernet(),
            interface(1),
            time,
        ]
    };
    let first = of(asks(), 1, stamp.clone());
    let accepted = (0, 0x20, [0, 9]);
    assert_eq!(answer(&mut world, MAG1, PROXY, &first), accepted);
    let own = prefix(&bindings(&world)[0].prefixes[0].prefix.to_string());
    let both = [own.clone(), prefix("2001:db8:1000:fffe::")].concat();
    let mut other = of(asks(), 1, Vec::new());
    other[4] = interface(2);
    let before = bindings(&world);
    for (status, mag, fixed, mut options) in [
        (159, MAG1, PROXY, of(both, 4, Vec::new())),
        // Not later than the last one that was accepted.
        (157, MAG1, PROXY, of(asks(), 4, stamp)),
        // One session is all that it may have.
        (129, MAG2, PROXY, other),
    ] {
        if options[5].is_empty() {
            options[5] = now(&world);
        }
        let said = answer(&mut world, mag, fixed, &options);
        assert_eq!(said, (status, 0x20, [0, 9]), "{options:?}");
    }
    // Without a timestamp by the sequence number, and the answer tells the last one.
    let untimed = of(asks(), 4, Vec::new());
    for old in [[0, 9], [0, 8], [0x80, 9]] {
        let fixed = [old[0], old[1], 0xc2, 0, 0, 100];
        let said = answer(&mut world, MAG1, fixed, &untimed);
        assert_eq!(said, (135, 0x20, [0, 9]), "{old:?}");
    }
    let mut after = bindings(&world);
    after[0].lifetime_left = before[0].lifetime_left;
    assert_eq!(after, before);
    let moves = of(own.clone(), 3, now(&world));
    assert_eq!(answer(&mut world, MAG2, PROXY, &moves), accepted);
    let refresh = of(own, 5, now(&world));
    let said = answer(&mut world, MAG1, PROXY, &refresh);
    assert_eq!(said, (129, 0x20, [0, 9]));
    assert_eq!(bindings(&world)[0].care_of.to_string(), MAG2_ADDRESS);
}

/// A host's own registration at an anchor that is no home agent: refused, not by a proxy's
/// acknowledgement, and a gateway's binding stays as it is, also where the update comes by that gateway. One
/// that is for a correspondent is not answered.
///
/// Proves S1-02, S1-17.
#[test]
fn a_registration_by_a_host_itself_is_refused_in_octets() {
    let mut world = domain();
    let usual = |world: &World| vec![who(HOST), asks(), handoff(1), ethernet(), now(world)];
    let own = [who(HOST)];
    assert_eq!(answer(&mut world, MAG1, PLAIN, &own), (131, 0, [0, 9]));
    let options = usual(&world);
    assert_eq!(answer(&mut world, MAG1, PROXY, &options).0, 0);
    let before = bindings(&world);
    let ends = [0, 10, 0xc0, 0, 0, 0];
    for (status, mag, fixed, options) in [
        (139, MAG1, PLAIN, vec![who(HOST)]),
        (139, MAG1, ends, vec![who(HOST)]),
        (139, MAG2, ends, usual(&world)),
        (131, MAG2, ends, vec![who("nobody@example.net")]),
        (131, MAG1, ends, vec![]),
    ] {
        let said = answer(&mut world, mag, fixed, &options);
        assert_eq!(said, (status, 0, [0, fixed[1]]), "{options:?}");
    }
    let none: [Vec<u8>; 0] = [];
    assert_eq!(
        answers(&mut world, MAG1, [0, 11, 0x80, 0, 0, 0], &own),
        none
    );
    let mut after = bindings(&world);
    after[0].lifetime_left = before[0].lifetime_left;
    assert_eq!(after, before);
    assert_eq!(world.nodes[LMA].engine.writer().bindings_len(), 1);
}

/// An update of MAG1 that ends in an authentication option, by this key under this number.
fn authenticated(options: &[Vec<u8>], (spi, key): (u32, [u8; 16])) -> Vec<u8> {
    // Type, length, subtype, number and twelve octets of data.
    const LAST: usize = 2 + 1 + 4 + 12;
    let mut update = [&[59, 0, 5, 0, 0, 0], &PROXY[..], &options.concat()].concat();
    match (16 - (update.len() + LAST) % 8) % 8 {
        0 => {}
        1 => update.push(0),
        more => update.extend(option(1, &vec![0; more - 2])),
    }
    update[1] = ((update.len() + LAST) / 8 - 1) as u8;
    update.extend([9, LAST as u8 - 2, 1]);
    update.extend(spi.to_be_bytes());
    let mut hash = Hmac::<Sha1>::new_from_slice(&key).unwrap();
    let care_of: std::net::Ipv6Addr = MAG_ADDRESS.parse().unwrap();
    hash.update(&care_of.octets());
    hash.update(&[0; 16]);
    hash.update(&update);
    update.extend(&hash.finalize().into_bytes()[..12]);
    update
}

/// Proves S1-09.
#[test]
fn what_is_not_authenticated_is_answered_in_octets() {
    let mut world = domain();
    share(&mut world, LMA, MAG_ADDRESS, &[OLD]);
    // Seconds since 1900, and 2^-32 of one.
    let replay = |time: Duration| {
        let seconds = (time.as_secs() + 2_208_988_800) as u32;
        let fraction = (u64::from(time.subsec_nanos()) << 32) / 1_000_000_000;
        let stamp = u64::from(seconds) << 32 | fraction;
        option(10, &stamp.to_be_bytes())
    };
    let usual = |world: &World| vec![who(HOST), asks(), handoff(1), ethernet(), now(world)];
    let with = |world: &World, more: Vec<u8>| [usual(world), vec![more]].concat();
    let wall = world.now().wall;
    let (at, early) = (replay(wall), replay(wall - Duration::from_secs(10)));
    let late = replay(wall + Duration::from_secs(10));
    let (other_key, other_number) = ((OLD.0, [9; 16]), (OLD.0 + 1, OLD.1));
    let mut tampered = authenticated(&with(&world, at.clone()), OLD);
    tampered[7] ^= 1;
    for (status, update) in [
        (
            146,
            message(5, &[&PROXY[..], &usual(&world).concat()].concat()),
        ),
        (146, authenticated(&with(&world, at.clone()), other_key)),
        (146, authenticated(&with(&world, at.clone()), other_number)),
        (146, tampered),
        (145, authenticated(&usual(&world), OLD)),
        (144, authenticated(&with(&world, early), OLD)),
        (144, authenticated(&with(&world, late), OLD)),
    ] {
        carry(&mut world, (MAG_ADDRESS, MAG1), (LMA_ADDRESS, LMA), &update);
        let statuses: Vec<u8> = heard(&mut world, LMA, 6).iter().map(|it| it[6]).collect();
        assert_eq!(statuses, [status], "{update:02x?}");
        assert!(bindings(&world).is_empty());
    }
    // As it should be; and once more, which it should not.
    let update = authenticated(&with(&world, at), OLD);
    for status in [0, 144] {
        carry(&mut world, (MAG_ADDRESS, MAG1), (LMA_ADDRESS, LMA), &update);
        let statuses: Vec<u8> = heard(&mut world, LMA, 6).iter().map(|it| it[6]).collect();
        assert_eq!(statuses, [status]);
    }
    assert_eq!(bindings(&world).len(), 1);
}
