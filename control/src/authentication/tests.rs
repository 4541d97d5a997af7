use super::*;
use wire::mh::{
    AcknowledgementFlags, BindingAcknowledgement, BindingUpdate, Heartbeat, Lifetime,
    RevocationFlags, RevocationIndication, RevocationTrigger, UpdateFlags,
};

const LMA: Ipv6Addr = Ipv6Addr::new(0x2001, 0xdb8, 0xc, 0, 0, 0, 0, 1);
const MAG: Ipv6Addr = Ipv6Addr::new(0x2001, 0xdb8, 0xc, 0, 0, 0, 0, 0x11);
const NOON: Duration = Duration::from_secs(1_800_000_000);

fn key(kind: Kind, spi: u32, algorithm: Algorithm) -> Key {
    let octets: Vec<u8> = (0..16).collect();
    Key::new(kind, spi, algorithm, octets)
}

fn gateways() -> Key {
    key(Kind::MnHa, 256, Algorithm::HmacSha1)
}

/// What a gateway shares with one peer.
fn with(peer: Ipv6Addr, keys: &[Key], close_enough: Option<u64>) -> Associations {
    let close_enough = close_enough.map(Duration::from_secs);
    Associations::new(
        [(peer, Association::new(keys.to_vec(), close_enough))],
        true,
    )
}

fn heartbeat() -> Message {
    Message::Heartbeat(Heartbeat {
        unsolicited: false,
        response: false,
        sequence: 7,
        options: Vec::new(),
    })
}

fn update() -> Message {
    let home = UpdateFlags::ACKNOWLEDGE.0 | UpdateFlags::HOME_REGISTRATION.0;
    Message::BindingUpdate(BindingUpdate {
        sequence: 5,
        flags: UpdateFlags(home | UpdateFlags::PROXY.0),
        lifetime: Lifetime(75),
        options: Vec::new(),
    })
}

fn acknowledgement(status: Status, stamp: ReplayTimestamp) -> Message {
    Message::BindingAcknowledgement(BindingAcknowledgement {
        status,
        flags: AcknowledgementFlags::PROXY,
        sequence: 5,
        lifetime: Lifetime(75),
        options: vec![MobilityOption::ReplayProtection(stamp)],
    })
}

fn sent(by: &mut Associations, wall: Duration, message: &Message) -> (Message, Vec<u8>) {
    let octets = by
        .seal(wall, MAG, LMA, &mut message.clone())
        .expect("sealed");
    let parsed = Message::parse(MAG, LMA, &octets).expect("parsed");
    (parsed, octets)
}

fn stamp_of(message: &Message) -> ReplayTimestamp {
    let mut options = message.options().iter();
    let stamp = options.find_map(|option| match option {
        MobilityOption::ReplayProtection(stamp) => Some(*stamp),
        _ => None,
    });
    stamp.expect("a timestamp")
}

/// The data were computed by Python's hmac from the text of RFC 4285 sections 5.1 and 5.2.
///
/// Proves S1-09.
#[test]
fn authentication_data_are_those_that_somebody_else_computes() {
    let data = |keys: &[Key], message: &Message| -> Vec<String> {
        let (_, octets) = sent(&mut with(LMA, keys, None), NOON, message);
        let hex = |it: &[u8]| it.iter().map(|octet| format!("{octet:02x}")).collect();
        placed(&octets).map(|it| hex(&octets[it.data])).collect()
    };
    assert_eq!(
        data(&[gateways()], &heartbeat()),
        ["31729da84f42211918dd232e"]
    );
    let sha256 = key(Kind::MnHa, 257, Algorithm::HmacSha256);
    assert_eq!(
        data(&[sha256], &heartbeat()),
        ["ab8feafa4fecbcb8a15958410ace3366"]
    );
    let aaa = key(Kind::MnAaa, 3, Algorithm::HmacSha1);
    assert_eq!(
        data(&[aaa.clone(), gateways()], &update()),
        [
            "0bc1946b16fcd16e376630c4",
            "fb32cb6e24fb9346b600e22b808d5019f0775aa6"
        ]
    );
    assert_eq!(
        data(&[aaa, gateways()], &heartbeat()),
        ["31729da84f42211918dd232e"]
    );
}

/// Proves S1-09.
#[test]
fn a_message_is_taken_from_who_has_the_key_and_as_it_was_sent() {
    let mut mag = with(LMA, &[gateways()], None);
    let mut lma = with(MAG, &[gateways()], None);
    let (message, octets) = sent(&mut mag, NOON, &update());
    assert_eq!(lma.check(NOON, MAG, LMA, &message, &octets), Ok(()));

    for at in 0..32 {
        // The checksum is not covered; the data themselves end the message.
        if (4..6).contains(&at) {
            continue;
        }
        let mut changed = octets.clone();
        changed[at] ^= 0x10;
        let checked = lma.check(NOON, MAG, LMA, &message, &changed);
        assert!(checked.is_err(), "octet {at}: {checked:?}");
    }
    let elsewhere = Ipv6Addr::new(0x2001, 0xdb8, 0xc, 0, 0, 0, 0, 0x12);
    let from_elsewhere = lma.check(NOON, elsewhere, LMA, &message, &octets);
    assert_eq!(from_elsewhere, Err(Refused::NoAssociation));

    let mut plain = Vec::new();
    update().emit(MAG, LMA, &mut plain).expect("emitted");
    let checked = lma.check(NOON, MAG, LMA, &update(), &plain);
    assert_eq!(checked, Err(Refused::Unauthenticated));
    let mut other = with(MAG, &[key(Kind::MnHa, 300, Algorithm::HmacSha1)], None);
    let checked = other.check(NOON, MAG, LMA, &message, &octets);
    assert_eq!(checked, Err(Refused::Forged));
}

/// RFC 4285 section 5: of each kind there is one, and the gateways' stands first.
#[test]
fn what_is_authenticated_out_of_order_is_discarded() {
    let keys = [key(Kind::MnAaa, 3, Algorithm::HmacSha1), gateways()];
    let [aaa, between] = &keys;
    for order in [[aaa, between], [between, between]] {
        let mut message = update();
        let options = order.map(|key| {
            MobilityOption::Authentication(Authentication {
                subtype: key.kind.subtype(),
                spi: key.spi,
                data: vec![0; key.data_octets()],
            })
        });
        message.options_mut().expect("options").extend(options);
        let mut octets = Vec::new();
        message.emit(MAG, LMA, &mut octets).expect("emitted");
        let places: Vec<_> = placed(&octets).collect();
        for (place, key) in places.into_iter().zip(order) {
            let mut data = [0; MOST_DATA];
            let covered = Authenticated::new(MAG, &octets, place.covered);
            key.write_data(&covered, &mut data);
            let field = octets[place.data].iter_mut();
            field.zip(data).for_each(|(to, from)| *to = from);
        }
        set_checksum(MAG, LMA, &mut octets);
        let parsed = Message::parse(MAG, LMA, &octets).expect("parsed");
        let checked = with(MAG, &keys, None).check(NOON, MAG, LMA, &parsed, &octets);
        assert_eq!(checked, Err(Refused::Disordered));
    }
    assert_eq!(Refused::Disordered.status(), None);
}

/// Proves S1-09.
#[test]
fn a_forged_revocation_is_not_taken() {
    let revocation = Message::RevocationIndication(RevocationIndication {
        trigger: RevocationTrigger(4),
        sequence: 9,
        flags: RevocationFlags(0x8000),
        options: Vec::new(),
    });
    let mut lma = with(MAG, &[gateways()], Some(7));
    let mut mag = with(LMA, &[gateways()], Some(7));
    let octets = lma
        .seal(NOON, LMA, MAG, &mut revocation.clone())
        .expect("sealed");
    let sealed = Message::parse(LMA, MAG, &octets).expect("parsed");
    assert_eq!(mag.check(NOON, LMA, MAG, &sealed, &octets), Ok(()));
    let again = mag.check(NOON, LMA, MAG, &sealed, &octets);
    assert_eq!(again, Err(Refused::Replayed));
    let mut plain = Vec::new();
    revocation.emit(LMA, MAG, &mut plain).expect("emitted");
    let checked = mag.check(NOON, LMA, MAG, &revocation, &plain);
    assert_eq!(checked, Err(Refused::Unauthenticated));
}

#[test]
fn without_keys_for_a_peer_only_what_is_not_authenticated_is_taken_and_only_if_it_may_be() {
    let mut plain = Vec::new();
    update().emit(MAG, LMA, &mut plain).expect("emitted");
    let mut nobody = Associations::default();
    assert_eq!(nobody.check(NOON, MAG, LMA, &update(), &plain), Ok(()));
    let (message, octets) = sent(&mut with(LMA, &[gateways()], None), NOON, &update());
    let checked = nobody.check(NOON, MAG, LMA, &message, &octets);
    assert_eq!(checked, Err(Refused::NoAssociation));
    let mut strict = Associations::new([], true);
    let checked = strict.check(NOON, MAG, LMA, &update(), &plain);
    assert_eq!(checked, Err(Refused::NoAssociation));
}

/// RFC 4285 section 5.2.
#[test]
fn a_key_of_the_aaa_server_is_asked_for_in_updates_only() {
    let aaa = key(Kind::MnAaa, 3, Algorithm::HmacSha1);
    let mut lma = with(MAG, &[gateways(), aaa.clone()], None);
    let mut mag = with(LMA, &[gateways(), aaa], None);
    let (message, octets) = sent(&mut mag, NOON, &update());
    assert_eq!(lma.check(NOON, MAG, LMA, &message, &octets), Ok(()));
    let (message, octets) = sent(&mut mag, NOON, &heartbeat());
    assert_eq!(lma.check(NOON, MAG, LMA, &message, &octets), Ok(()));
    let (message, octets) = sent(&mut with(LMA, &[gateways()], None), NOON, &update());
    let checked = lma.check(NOON, MAG, LMA, &message, &octets);
    assert_eq!(checked, Err(Refused::Unauthenticated));
}

/// RFC 4285 section 6.
#[test]
fn a_message_counts_once_and_only_while_it_is_new() {
    let mut mag = with(LMA, &[gateways()], Some(7));
    let mut lma = with(MAG, &[gateways()], Some(7));
    let (first, first_octets) = sent(&mut mag, NOON, &update());
    let (second, second_octets) = sent(&mut mag, NOON, &update());
    assert!(stamp_of(&second).is_after(stamp_of(&first)));
    // They may overtake each other.
    assert_eq!(lma.check(NOON, MAG, LMA, &second, &second_octets), Ok(()));
    assert_eq!(lma.check(NOON, MAG, LMA, &first, &first_octets), Ok(()));
    let again = lma.check(NOON, MAG, LMA, &first, &first_octets);
    assert_eq!(again, Err(Refused::Replayed));
    let (late, late_octets) = sent(&mut mag, NOON, &heartbeat());
    let after = NOON + Duration::from_secs(8);
    let checked = lma.check(after, MAG, LMA, &late, &late_octets);
    assert_eq!(checked, Err(Refused::Replayed));
    // Keys that are read again do not make it new.
    let mut reread = with(MAG, &[gateways()], Some(7));
    reread.replace(lma);
    let again = reread.check(NOON, MAG, LMA, &first, &first_octets);
    assert_eq!(again, Err(Refused::Replayed));
    let (bare, octets) = sent(&mut with(LMA, &[gateways()], None), NOON, &update());
    let checked = reread.check(NOON, MAG, LMA, &bare, &octets);
    assert_eq!(checked, Err(Refused::NoTimestamp));
}

#[test]
fn what_is_older_than_all_that_is_remembered_is_not_new() {
    let mut replay = Replay::new(Duration::from_secs(7));
    let mut sender = Replay::new(Duration::from_secs(7));
    let first = sender.stamp(NOON, false);
    for _ in 0..=replay::REMEMBERED {
        assert!(replay.is_new(NOON, sender.stamp(NOON, false)));
    }
    assert!(!replay.is_new(NOON, first));
}

/// RFC 4285 section 6.
#[test]
fn an_acknowledgement_answers_one_update_once() {
    let mut mag = with(LMA, &[gateways()], Some(7));
    let mut lma = with(MAG, &[gateways()], Some(7));
    let (update, _) = sent(&mut mag, NOON, &update());
    let answer = acknowledgement(Status::ACCEPTED, stamp_of(&update));
    let octets = lma
        .seal(NOON, LMA, MAG, &mut answer.clone())
        .expect("sealed");
    let answer = Message::parse(LMA, MAG, &octets).expect("parsed");
    assert_eq!(mag.check(NOON, LMA, MAG, &answer, &octets), Ok(()));
    let again = mag.check(NOON, LMA, MAG, &answer, &octets);
    assert_eq!(again, Err(Refused::Unmatched));
}

/// RFC 4285 section 6.
#[test]
fn a_gateway_whose_clock_is_wrong_goes_by_its_peers_when_told() {
    let mut mag = with(LMA, &[gateways()], Some(7));
    let mut lma = with(MAG, &[gateways()], Some(7));
    let behind = NOON - Duration::from_secs(3600);
    let (message, octets) = sent(&mut mag, behind, &update());
    let checked = lma.check(NOON, MAG, LMA, &message, &octets);
    assert_eq!(checked, Err(Refused::Replayed));
    assert_eq!(Refused::Replayed.status(), Some(Status::ID_MISMATCH));
    let ours = ReplayTimestamp::from_unix(NOON).0 >> 32 << 32;
    let low = stamp_of(&message).0 & 0xffff_ffff;
    let answer = acknowledgement(Status::ID_MISMATCH, ReplayTimestamp(ours | low));
    let octets = lma
        .seal(NOON, LMA, MAG, &mut answer.clone())
        .expect("sealed");
    let answer = Message::parse(LMA, MAG, &octets).expect("parsed");
    assert_eq!(mag.check(behind, LMA, MAG, &answer, &octets), Ok(()));
    let (message, octets) = sent(&mut mag, behind, &update());
    assert_eq!(lma.check(NOON, MAG, LMA, &message, &octets), Ok(()));
}

#[test]
fn keys_do_not_show_themselves() {
    let shown = format!("{:?}", with(LMA, &[gateways()], Some(7)));
    assert!(shown.contains("SPI 256"), "{shown}");
    assert!(!shown.contains("1, 2, 3"), "{shown}");
}

mod files {
    use super::super::load;
    use std::os::unix::fs::PermissionsExt;

    fn read(text: &str, mode: u32) -> Result<usize, String> {
        let file = tempfile::NamedTempFile::new().expect("a file");
        std::fs::write(file.path(), text).expect("written");
        let mode = std::fs::Permissions::from_mode(mode);
        std::fs::set_permissions(file.path(), mode).expect("set");
        let name = file.path().display().to_string();
        let loaded = load(file.path(), true).map(|it| it.len());
        loaded.map_err(|error| error.to_string().replace(&name, "keys"))
    }

    const GOOD: &str = r#"
[[peer]]
address = "2001:db8:c::11"
[[peer.key]]
spi = 256
key = "000102030405060708090a0b0c0d0e0f"
[[peer.key]]
spi = 257
algorithm = "hmac-sha256"
key = "000102030405060708090a0b0c0d0e0f00"
"#;

    #[test]
    fn a_private_file_of_keys_is_read() {
        assert_eq!(read(GOOD, 0o600), Ok(1));
        let open = read(GOOD, 0o640).unwrap_err();
        assert_eq!(open, "keys: is open to others (mode 0640); `chmod 600` it");
    }

    #[test]
    fn the_example_is_read() {
        let example = concat!(env!("CARGO_MANIFEST_DIR"), "/../conf/keys.example");
        let text = std::fs::read_to_string(example).expect("readable");
        assert_eq!(read(&text, 0o600), Ok(1));
        let commented = text.lines().map(|line| match line.strip_prefix("# ") {
            Some(key) if key.contains(" = ") => key,
            _ => line,
        });
        let all: Vec<&str> = commented.collect();
        assert_eq!(read(&all.join("\n"), 0o600), Ok(1));
    }

    #[test]
    fn what_is_wrong_is_said_with_its_line_and_without_the_key() {
        let bad = r#"[[peer]]
address = "fe80::1"
[[peer.key]]
spi = 255
key = "0102"
[[peer.key]]
spi = 300
key = "xyz"
[[peer]]
address = "2001:db8::2"
close_enough_ms = 0
"#;
        let said = read(bad, 0o600).unwrap_err();
        let lines: Vec<&str> = said.lines().collect();
        assert_eq!(lines.len(), 6, "{said}");
        for (line, (at, words)) in lines.iter().zip([
            (2, "no gateway has this address"),
            (4, "reserved"),
            (5, "has 2 octets"),
            (8, "hexadecimal"),
            (9, "no key of kind"),
            (11, "close_enough_ms"),
        ]) {
            assert!(line.starts_with(&format!("keys:{at}: ")), "{line}");
            assert!(line.contains(words) || at == 11, "{line}");
        }
        assert!(!said.contains("0102") && !said.contains("xyz"), "{said}");
        let twice = GOOD.replace("257", "256");
        assert!(read(&twice, 0o600).unwrap_err().contains("already"));
        let unknown = GOOD.replace("spi = 257", "sip = 257");
        assert!(read(&unknown, 0o600)
            .unwrap_err()
            .contains("did you mean \"spi\"?"));
    }
}
