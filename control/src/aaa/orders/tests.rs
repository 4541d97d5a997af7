//! Orders as clients make them, and as others do.

use super::*;
use crate::aaa::codec::tests::nas;
use crate::aaa::codec::What;
use radius::core::avp::AVP;
use radius::core::code::Code;
use radius::core::packet::Packet;
use radius::core::{rfc2865, rfc2866, rfc2869};

const WALL: u64 = 1_700_000_000;

fn at(seconds: u64) -> Now {
    Now {
        monotonic: Duration::from_secs(seconds),
        wall: Duration::from_secs(WALL + seconds),
    }
}

fn client() -> SocketAddr {
    "[2001:db8:f::1]:40000".parse().expect("an address")
}

fn orders() -> (Orders, AaaCounters) {
    let counters = AaaCounters::default();
    let secret = Secret::new("between us");
    let window = Duration::from_secs(300);
    let clients = [(client().ip(), secret)];
    let orders = Orders::new(clients, Arc::new(nas()), window, true, counters.clone());
    (orders, counters)
}

fn order_of(code: Code, seconds: u64, fill: impl FnOnce(&mut Packet)) -> Vec<u8> {
    let mut packet = Packet::new(code, b"between us");
    let stamp = u32::try_from(WALL + seconds).expect("fits");
    packet.add(AVP::from_u32(rfc2869::EVENT_TIMESTAMP_TYPE, stamp));
    fill(&mut packet);
    packet.encode().expect("fits")
}

fn named(packet: &mut Packet) {
    rfc2865::add_calling_station_id(packet, "02-00-00-00-00-01");
}

/// The Error-Cause of a NAK.
fn cause(received: &Received) -> Option<u32> {
    let Received::Reply(answer) = received else {
        return None;
    };
    let packet = Packet::decode(answer, b"between us").expect("RADIUS");
    rfc3576::lookup_error_cause(&packet)?.ok()
}

#[test]
fn an_order_is_followed_once_and_answered_as_often_as_it_comes() {
    let (mut orders, counters) = orders();
    let order = order_of(Code::DisconnectRequest, 0, |packet| {
        named(packet);
        rfc2865::add_proxy_state(packet, b"way back");
    });
    let Received::Act(ticket, wanted) = orders.received(at(1), client(), &order) else {
        panic!("not taken");
    };
    assert_eq!(wanted.what, What::Disconnect);
    assert_eq!(wanted.selector.mac, "02:00:00:00:00:01".parse().ok());
    // While it is being carried out a copy waits for the same answer.
    assert!(matches!(
        orders.received(at(1), client(), &order),
        Received::Drop
    ));
    let (to, answer) = orders.answered(&ticket, Ok(())).expect("an answer");
    assert_eq!((to, answer[0]), (client(), 41));
    assert!(Packet::is_authentic_response(
        &answer,
        &order,
        b"between us"
    ));
    let packet = Packet::decode(&answer, b"between us").expect("RADIUS");
    assert_eq!(rfc2865::lookup_all_proxy_state(&packet), [b"way back"]);
    // A replay from another port is the same order.
    let elsewhere = SocketAddr::new(client().ip(), 50_000);
    match orders.received(at(200), elsewhere, &order) {
        Received::Reply(again) => assert_eq!(again, answer),
        other => panic!("{other:?}"),
    }
    assert_eq!(counters.get(AaaCounter::DisconnectTaken), 1);
    assert_eq!(counters.get(AaaCounter::OrderRepeated), 2);
    // When it is forgotten it is out of date.
    assert!(matches!(
        orders.received(at(700), client(), &order),
        Received::Drop
    ));
    assert_eq!(counters.get(AaaCounter::OrderStale), 1);
}

#[test]
fn what_is_not_a_clients_own_and_current_order_is_dropped() {
    let (mut orders, counters) = orders();
    let order = order_of(Code::CoARequest, 0, named);
    let stranger = "[2001:db8:f::2]:3799".parse().expect("an address");
    let mut forged = order.clone();
    forged[9] ^= 1;
    let old = order_of(Code::CoARequest, 0, named);
    let timeless = {
        let mut packet = Packet::new(Code::CoARequest, b"between us");
        named(&mut packet);
        packet.encode().expect("fits")
    };
    let unsigned = order_of(Code::CoARequest, 0, |packet| {
        named(packet);
        rfc2869::add_message_authenticator(packet, &[9; 16]);
    });
    let access = Packet::new(Code::AccessRequest, b"between us")
        .encode()
        .expect("fits");
    for (now, from, datagram, counter, count) in [
        (at(1), stranger, &order, AaaCounter::OrderStranger, 1),
        (at(1), client(), &forged, AaaCounter::OrderForged, 1),
        (at(1), client(), &unsigned, AaaCounter::OrderForged, 2),
        (at(301), client(), &old, AaaCounter::OrderStale, 1),
        (at(1), client(), &timeless, AaaCounter::OrderStale, 2),
        (at(1), client(), &access, AaaCounter::OrderMalformed, 1),
        (
            at(1),
            client(),
            &order[..15].to_vec(),
            AaaCounter::OrderMalformed,
            2,
        ),
    ] {
        assert!(matches!(
            orders.received(now, from, datagram),
            Received::Drop
        ));
        assert_eq!(counters.get(counter), count, "{}", counter.name());
    }
}

#[test]
fn what_makes_no_sense_is_refused_with_its_cause() {
    let (mut orders, _) = orders();
    type Fill = fn(&mut Packet);
    let wrong: [(Code, Fill, ErrorCause); 7] = [
        (
            Code::DisconnectRequest,
            |_| {},
            ErrorCause::MISSING_ATTRIBUTE,
        ),
        (
            Code::DisconnectRequest,
            |it| rfc2865::add_calling_station_id(it, "nobody"),
            ErrorCause::INVALID_ATTRIBUTE_VALUE,
        ),
        (
            Code::DisconnectRequest,
            |it| rfc2865::add_nas_identifier(it, "mag2"),
            ErrorCause::NAS_IDENTIFICATION_MISMATCH,
        ),
        (
            Code::DisconnectRequest,
            |it| rfc2865::add_session_timeout(it, 7),
            ErrorCause::UNSUPPORTED_ATTRIBUTE,
        ),
        (
            Code::CoARequest,
            |it| {
                named(it);
                rfc2865::add_filter_id(it, "x")
            },
            ErrorCause::UNSUPPORTED_ATTRIBUTE,
        ),
        (
            Code::CoARequest,
            |it| {
                named(it);
                rfc2865::add_service_type(it, 6)
            },
            ErrorCause::UNSUPPORTED_SERVICE,
        ),
        (
            Code::CoARequest,
            |it| {
                named(it);
                rfc2865::add_service_type(it, 17)
            },
            ErrorCause::MISSING_ATTRIBUTE,
        ),
    ];
    for (index, (code, fill, expected)) in wrong.into_iter().enumerate() {
        let order = order_of(code, 0, fill);
        let answer = orders.received(at(1), client(), &order);
        assert_eq!(cause(&answer), Some(expected.0), "case {index}");
    }
}

#[test]
fn a_change_is_told_from_a_question() {
    let (mut orders, _) = orders();
    let change = order_of(Code::CoARequest, 0, |it| {
        rfc2866::add_acct_session_id(it, "abc-1");
        rfc2865::add_session_timeout(it, 7);
    });
    let Received::Act(_, order) = orders.received(at(1), client(), &change) else {
        panic!("not taken");
    };
    assert_eq!(order.selector.session.as_deref(), Some("abc-1"));
    let What::Change(change) = order.what else {
        panic!("no change");
    };
    assert_eq!(change.session_timeout, Some(Duration::from_secs(7)));
    let ask = order_of(Code::CoARequest, 0, |it| {
        named(it);
        rfc2865::add_service_type(it, 17);
        rfc2865::add_state(it, b"s");
    });
    let Received::Act(_, order) = orders.received(at(1), client(), &ask) else {
        panic!("not taken");
    };
    assert_eq!(order.what, What::AskAgain(Some(b"s".to_vec())));
}
