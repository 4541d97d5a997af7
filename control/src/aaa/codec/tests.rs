//! Packets are judged by hand-made ones, and by what the RFCs' examples hold.

use super::*;
use crate::aaa::ledger::{Cause, Facts, Record, RecordKind};
use dataplane::counters::Traffic;
use radius::core::{rfc2866, rfc3162, rfc3576};
use roles::event::HostLink;
use roles::BoundPrefix;
use wire::ether::MacAddr;
use wire::mh::MnIdentifier;

pub(in crate::aaa) fn nas() -> Nas {
    Nas {
        identifier: "mag1".to_owned(),
        address: "2001:db8:c::11".parse().expect("an address"),
        port_type: 15,
    }
}

pub(in crate::aaa) fn question() -> Question {
    Question {
        link: HostLink {
            interface: 1,
            mac: MacAddr([2, 0, 0, 0, 0, 0xab]),
        },
        port: "access".to_owned(),
        user_name: "02-00-00-00-00-ab".to_owned(),
        password: Some("02-00-00-00-00-ab".to_owned()),
        state: None,
    }
}

/// An answer to a request, signed as it should be.
pub(in crate::aaa) fn answer_to(
    request: &[u8],
    code: Code,
    secret: &Secret,
    fill: impl FnOnce(&mut Packet),
) -> Vec<u8> {
    let asked = Packet::decode(request, secret.octets()).expect("a request");
    let mut packet = asked.make_response_packet(code);
    fill(&mut packet);
    // Signed with the request's authenticator in the head, then hashed over that.
    rfc2869::add_message_authenticator(&mut packet, &[0; 16]);
    let mut unsigned = packet.encode().expect("fits");
    put(&mut unsigned, 4, &request[4..HEAD]);
    let signature = mac(secret, &unsigned)
        .expect("a key")
        .finalize()
        .into_bytes();
    rfc2869::delete_message_authenticator(&mut packet);
    rfc2869::add_message_authenticator(&mut packet, &signature);
    packet.encode().expect("fits")
}

fn secret() -> Secret {
    Secret::new("a shared secret")
}

fn request() -> Vec<u8> {
    access_request(&question(), &nas(), 7, &secret()).expect("fits")
}

#[test]
fn a_question_says_who_where_and_for_whom_and_is_signed_first_of_all() {
    let octets = request();
    assert_eq!(octets[..2], [1, 7]);
    assert_eq!(octets[HEAD..HEAD + 2], [80, 18]);
    let view = View::of(&octets).expect("whole");
    assert!(view.is_signed(HEAD + 2, &octets[4..HEAD], &secret()));
    assert!(!view.is_signed(HEAD + 2, &octets[4..HEAD], &Secret::new("another")));
    let packet = Packet::decode(&octets, secret().octets()).expect("RADIUS");
    let password = rfc2865::lookup_user_password(&packet).expect("one");
    assert_eq!(password.expect("hidden"), b"02-00-00-00-00-ab");
    let text = |found: Option<Result<String, _>>| found.and_then(Result::ok);
    assert_eq!(
        text(rfc2865::lookup_user_name(&packet)).as_deref(),
        Some("02-00-00-00-00-ab")
    );
    let station = text(rfc2865::lookup_calling_station_id(&packet));
    assert_eq!(station.as_deref(), Some("02-00-00-00-00-AB"));
    assert_eq!(
        text(rfc2865::lookup_nas_identifier(&packet)).as_deref(),
        Some("mag1")
    );
    assert_eq!(
        text(rfc2869::lookup_nas_port_id(&packet)).as_deref(),
        Some("access")
    );
    assert_eq!(
        raw(&packet, rfc3162::NAS_IPV6_ADDRESS_TYPE),
        Some(nas().address.octets().to_vec())
    );
    // Two questions never have the same authenticator.
    assert_ne!(request()[4..HEAD], octets[4..HEAD]);
    let again = Question {
        password: None,
        state: Some(vec![1, 2]),
        ..question()
    };
    let octets = access_request(&again, &nas(), 1, &secret()).expect("fits");
    let packet = Packet::decode(&octets, secret().octets()).expect("RADIUS");
    let service = packet
        .lookup(rfc2865::SERVICE_TYPE_TYPE)
        .and_then(|it| it.encode_u32().ok());
    assert_eq!(service, Some(rfc3576::SERVICE_TYPE_AUTHORIZE_ONLY));
    assert_eq!(raw(&packet, rfc2865::STATE_TYPE), Some(vec![1, 2]));
    assert_eq!(raw(&packet, rfc2865::USER_PASSWORD_TYPE), None);
}

/// Proves S1-21, S1-23.
#[test]
fn an_accept_gives_what_rfc_6572_has_for_a_host() {
    let request = request();
    let lma = "2001:db8:c::1".parse().expect("an address");
    let accept = answer_to(&request, Code::AccessAccept, &secret(), |packet| {
        rfc6572::add_pmip6_home_lma_ipv6_address(packet, &lma);
        rfc6572::add_mobile_node_identifier(packet, b"mn1@example.net");
        let prefix: Ipv6Addr = "2001:db8:1:5::".parse().expect("an address");
        rfc6572::add_pmip6_home_hn_prefix(packet, &prefix.octets()[..8]).expect("fits");
        packet.add(radius::core::avp::AVP::from_bytes(
            155,
            &[0, 24, 192, 0, 2, 7],
        ));
        rfc6572::add_service_selection(packet, "internet");
        rfc2865::add_session_timeout(packet, 3_600);
        rfc2865::add_idle_timeout(packet, 0);
        rfc2865::add_termination_action(packet, 1);
        rfc2869::add_acct_interim_interval(packet, 300);
        rfc2865::add_class(packet, b"gold");
    });
    let Ok(Answer::Accept(given)) = answer(&accept, &request, &secret()) else {
        panic!("not taken");
    };
    let expected = Authorization {
        mn_identifier: Some("mn1@example.net".to_owned()),
        lma: Some(lma),
        prefixes: vec!["2001:db8:1:5::/64".parse().expect("a prefix")],
        ipv4: Some(Ipv4HomeAddress {
            address: [192, 0, 2, 7].into(),
            length: 24,
        }),
        service_selection: Some("internet".to_owned()),
        session_timeout: Some(Duration::from_secs(3_600)),
        ask_again: Some(true),
        interim_interval: Some(Duration::from_secs(300)),
        class: vec![b"gold".to_vec()],
        ..Authorization::default()
    };
    assert_eq!(*given, expected);
}

/// Whatever is wrong with an answer, it is dropped under its own name.
///
/// Proves S1-24.
#[test]
fn forged_answers_are_told_from_true_ones() {
    let request = request();
    let accept = answer_to(&request, Code::AccessAccept, &secret(), |_| {});
    let check = |datagram: &[u8]| answer(datagram, &request, &secret());
    assert!(matches!(check(&accept), Ok(Answer::Accept(_))));
    // Made with another secret, or for another question.
    let other = Secret::new("a guessed secret");
    let forged = answer_to(&request, Code::AccessAccept, &other, |_| {});
    assert_eq!(check(&forged), Err(AaaCounter::AnswerMissigned));
    let late = answer_to(&self::request(), Code::AccessAccept, &secret(), |_| {});
    assert_eq!(check(&late), Err(AaaCounter::AnswerMissigned));
    // A reject that was made an accept: what both authenticators are for.
    let mut turned = answer_to(&request, Code::AccessReject, &secret(), |_| {});
    turned[0] = 2;
    assert_eq!(check(&turned), Err(AaaCounter::AnswerMissigned));
    // A right response authenticator alone is not enough.
    let asked = Packet::decode(&request, secret().octets()).expect("a request");
    let bare = asked
        .make_response_packet(Code::AccessAccept)
        .encode()
        .expect("fits");
    assert_eq!(check(&bare), Err(AaaCounter::AnswerUnsigned));
    let mut broken = accept.clone();
    broken[5] ^= 1;
    assert_eq!(check(&broken), Err(AaaCounter::AnswerForged));
    // Twice signed.
    let twice = answer_to(&request, Code::AccessAccept, &secret(), |packet| {
        rfc2869::add_message_authenticator(packet, &[7; 16]);
    });
    assert!(check(&twice).is_err());
    // Not whole.
    for length in 0..accept.len() {
        assert_eq!(check(&accept[..length]), Err(AaaCounter::AnswerMalformed));
    }
    // Padding is none of the packet.
    let padded = [accept.as_slice(), &[1, 2, 3]].concat();
    assert!(check(&padded).is_ok());
    let account = answer_to(&request, Code::AccountingResponse, &secret(), |_| {});
    assert_eq!(check(&account), Err(AaaCounter::AnswerMalformed));
    for code in [Code::AccessReject, Code::AccessChallenge] {
        let refusal = answer_to(&request, code, &secret(), |_| {});
        assert_eq!(check(&refusal), Ok(Answer::Reject));
    }
}

#[test]
fn an_accept_that_makes_no_sense_is_no_accept() {
    let request = request();
    type Fill = fn(&mut Packet);
    let wrong: [(Fill, &str); 5] = [
        (
            |it| rfc6572::add_mobile_node_identifier(it, b"two words"),
            "Mobile-Node-Identifier",
        ),
        (
            |it| rfc6572::add_pmip6_home_lma_ipv6_address(it, &Ipv6Addr::LOCALHOST),
            "PMIP6-Home-LMA-IPv6-Address",
        ),
        (
            |it| it.add(radius::core::avp::AVP::from_bytes(151, &[0, 129])),
            "PMIP6-Home-HN-Prefix",
        ),
        (
            |it| it.add(radius::core::avp::AVP::from_bytes(155, &[0, 24, 1])),
            "PMIP6-Home-IPv4-HoA",
        ),
        (
            |it| it.add(radius::core::avp::AVP::from_bytes(27, &[1])),
            "Session-Timeout",
        ),
    ];
    for (fill, name) in wrong {
        let accept = answer_to(&request, Code::AccessAccept, &secret(), fill);
        assert_eq!(
            answer(&accept, &request, &secret()),
            Ok(Answer::Unusable(name))
        );
    }
}

#[test]
fn a_record_carries_counters_of_more_than_32_bits() {
    let prefix = "2001:db8:1:5::/64".parse().expect("a prefix");
    let facts = Facts {
        link: question().link,
        port: "access".to_owned(),
        user_name: "user".to_owned(),
        mn_identifier: MnIdentifier::Nai("mn1@example.net".to_owned()),
        lma: "2001:db8:c::1".parse().expect("an address"),
        prefixes: vec![
            BoundPrefix::V6(prefix),
            BoundPrefix::V4([192, 0, 2, 7].into()),
        ],
        class: vec![b"gold".to_vec()],
        chargeable: None,
        time: Duration::from_secs(77),
        up: Traffic {
            packets: 5,
            bytes: (3 << 32) + 17,
        },
        down: Traffic {
            packets: 6,
            bytes: 18,
        },
    };
    let record = Record {
        kind: RecordKind::Stop(Cause::LostCarrier),
        at: Duration::from_secs(1_700_000_000),
        session: "abc-1".into(),
        facts: Some(Box::new(facts)),
    };
    let octets = accounting_request(&record, &nas(), 9, &secret()).expect("fits");
    assert!(Packet::is_authentic_request(&octets, secret().octets()));
    let packet = Packet::decode(&octets, secret().octets()).expect("RADIUS");
    let number = |kind| packet.lookup(kind).and_then(|it| it.encode_u32().ok());
    for (kind, value) in [
        (rfc2866::ACCT_STATUS_TYPE_TYPE, 2),
        (rfc2866::ACCT_INPUT_OCTETS_TYPE, 17),
        (rfc2869::ACCT_INPUT_GIGAWORDS_TYPE, 3),
        (rfc2866::ACCT_OUTPUT_OCTETS_TYPE, 18),
        (rfc2869::ACCT_OUTPUT_GIGAWORDS_TYPE, 0),
        (rfc2866::ACCT_INPUT_PACKETS_TYPE, 5),
        (rfc2866::ACCT_OUTPUT_PACKETS_TYPE, 6),
        (rfc2866::ACCT_SESSION_TIME_TYPE, 77),
        (rfc2866::ACCT_TERMINATE_CAUSE_TYPE, 2),
        (rfc2869::EVENT_TIMESTAMP_TYPE, 1_700_000_000),
    ] {
        assert_eq!(number(kind), Some(value), "attribute {kind}");
    }
    let address = raw(&packet, rfc2865::FRAMED_IP_ADDRESS_TYPE);
    assert_eq!(address, Some(vec![192, 0, 2, 7]));
    let framed = raw(&packet, rfc3162::FRAMED_IPV6_PREFIX_TYPE);
    assert_eq!(
        framed,
        Some(vec![0, 64, 0x20, 0x01, 0x0d, 0xb8, 0, 1, 0, 5])
    );
    let accounted = asked_accounted(&octets);
    assert_eq!(
        answer(&accounted, &octets, &secret()),
        Ok(Answer::Accounted)
    );
}

/// An Accounting-Response as servers send it, without Message-Authenticator.
fn asked_accounted(request: &[u8]) -> Vec<u8> {
    let asked = Packet::decode(request, secret().octets()).expect("a request");
    let answer = asked.make_response_packet(Code::AccountingResponse);
    answer.encode().expect("fits")
}

proptest::proptest! {
    /// Datagrams of any kind are answered by an error, and nothing panics.
    #[test]
    fn any_octets_are_refused(octets in proptest::collection::vec(proptest::prelude::any::<u8>(), 0..200)) {
        proptest::prop_assert!(answer(&octets, &request(), &secret()).is_err());
        proptest::prop_assert!(order(&octets, &nas(), &secret()).is_err());
    }
}
