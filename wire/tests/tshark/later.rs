//! Revocation, heartbeats, authentication, IPv4 and the other options that came after RFC 5213.

use super::judge::{judge, Case};
use super::mobility::{acknowledgement, mobility, update};
use super::{one, Expected, GLOBAL, MAG};
use std::net::{IpAddr, Ipv4Addr};
use wire::mh::{
    AcknowledgementFlags, Authentication, DelegatedPrefix, DhcpMode, Heartbeat, Ipv4AddressStatus,
    Ipv4HomeAddress, Ipv4HomeAddressAnswer, Message, MnGroupIdentifier, MobilityOption,
    NatDetection, ReplayTimestamp, RevocationAcknowledgement, RevocationFlags,
    RevocationIndication, RevocationStatus, RevocationTrigger, Status, UpdateFlags,
};

const V4: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 1);

fn case(name: &str, option: MobilityOption, expected: Expected) -> Case {
    let options = vec![option];
    let message = update(UpdateFlags::PROXY, options);
    mobility(name, &message, expected)
}

#[test]
fn heartbeats() {
    let heartbeat = |unsolicited, response, options| {
        let message = Message::Heartbeat(Heartbeat {
            unsolicited,
            response,
            sequence: 0xdead_beef,
            options,
        });
        let expected = vec![
            one("mip6.hb.u_flag", u8::from(unsolicited)),
            one("mip6.hb.r_flag", u8::from(response)),
            one("mip6.hb.seqnr", 0xdead_beef_u32),
        ];
        (message, expected)
    };
    let (request, fields) = heartbeat(false, false, vec![]);
    let mut cases = vec![mobility("request", &request, fields)];
    for unsolicited in [false, true] {
        let counter = MobilityOption::RestartCounter(0x0102_0304);
        let (message, mut fields) = heartbeat(unsolicited, true, vec![counter]);
        fields.push(one("mip6.rc", 0x0102_0304));
        cases.push(mobility("response", &message, fields));
    }
    judge(&cases);
}

#[test]
fn revocations() {
    let flags = [
        RevocationFlags::PROXY,
        RevocationFlags::IPV4_ONLY,
        RevocationFlags::GLOBAL,
    ];
    let mut cases = Vec::new();
    for (set, flag) in flags.into_iter().enumerate() {
        let shown = |names: [&'static str; 3]| {
            let bit = move |(at, name)| one(name, u8::from(at == set));
            names.into_iter().enumerate().map(bit)
        };
        for trigger in (0..=7).chain([128, 129, 250]) {
            let message = Message::RevocationIndication(RevocationIndication {
                trigger: RevocationTrigger(trigger),
                sequence: 40007,
                flags: flag,
                options: vec![MobilityOption::HomeNetworkPrefix(
                    "2001:db8:1::/64".parse().unwrap(),
                )],
            });
            let mut expected = vec![
                one("mip6.bri_br.type", 1),
                one("mip6.bri_r.trigger", trigger),
                one("mip6.bri_seqnr", 40007),
                one("mip6.nemo.mnp.mnp", "2001:db8:1::"),
            ];
            expected.extend(shown(["mip6.bri_ip", "mip6.bri_iv", "mip6.bri_ig"]));
            cases.push(mobility(
                format!("BRI {flag} {trigger}"),
                &message,
                expected,
            ));
        }
        for status in (0..=1).chain(128..=135) {
            let message = Message::RevocationAcknowledgement(RevocationAcknowledgement {
                status: RevocationStatus(status),
                sequence: 40007,
                flags: flag,
                options: vec![],
            });
            let mut expected = vec![
                one("mip6.bri_br.type", 2),
                one("mip6.bri_status", status),
                one("mip6.bri_seqnr", 40007),
            ];
            expected.extend(shown(["mip6.bri_ap", "mip6.bri_av", "mip6.bri_ag"]));
            cases.push(mobility(format!("BRA {flag} {status}"), &message, expected));
        }
    }
    judge(&cases);
}

/// tshark 4.0 shows the data of an authentication option two octets short, and counts the seconds of
/// a replay timestamp from 1970 although NTP counts them from 1900.
#[test]
fn authentication_and_replay_protection() {
    let authentication = MobilityOption::Authentication(Authentication {
        subtype: Authentication::MN_HA,
        spi: 0x0102_0304,
        data: (1..=12).collect(),
    });
    let time = ReplayTimestamp(1_698_898_176 << 32);
    judge(&[
        case(
            "AUTH",
            authentication,
            vec![
                one("mip6.auth.subtype", 1),
                one("mip6.auth.mobility_spi", 0x0102_0304),
                one("mip6.auth.auth_data", "01:02:03:04:05:06:07:08:09:0a"),
            ],
        ),
        case(
            "MESG-ID",
            MobilityOption::ReplayProtection(time),
            vec![one(
                "mip6.mseg_id.timestamp",
                "Nov  2, 2023 04:09:36.000000000 UTC",
            )],
        ),
    ]);
}

#[test]
fn options_about_ipv4() {
    let home = Ipv4HomeAddress {
        address: V4,
        prefix_length: 24,
    };
    let answer = |status| Ipv4HomeAddressAnswer {
        status: Ipv4AddressStatus(status),
        home,
    };
    let address = || {
        vec![
            one("mip6.ipv4ha.preflen", 24),
            one("mip6.ipv4ha.ha", "192.0.2.1"),
        ]
    };
    let mut cases = Vec::new();
    for prefix_requested in [false, true] {
        let option = MobilityOption::Ipv4HomeAddress {
            home,
            prefix_requested,
        };
        let mut expected = address();
        expected.push(one("mip6.ipv4ha.p_flag", u8::from(prefix_requested)));
        cases.push(case("IPv4 home address", option, expected));
    }
    for status in [0, 128, 133] {
        let acknowledged = MobilityOption::Ipv4AddressAcknowledgement(answer(status));
        let replied = MobilityOption::Ipv4HomeAddressReply(answer(status));
        for option in [acknowledged, replied] {
            let mut expected = address();
            expected.push(one("mip6.ipv4aa.sts", status));
            cases.push(case("IPv4 answer", option, expected));
        }
    }
    let request = MobilityOption::Ipv4HomeAddressRequest(home);
    cases.push(case("IPv4 request", request, address()));
    for force_udp in [false, true] {
        let option = MobilityOption::NatDetection(NatDetection {
            force_udp,
            refresh_secs: 110,
        });
        let expected = vec![
            one("mip6.natd.f_flag", u8::from(force_udp)),
            one("mip6.natd.refresh_t", 110),
        ];
        cases.push(case("NAT detection", option, expected));
    }
    cases.extend([
        case(
            "IPv4 care-of address",
            MobilityOption::Ipv4CareOfAddress(V4),
            vec![one("mip6.ipv4coa.addr", "192.0.2.1")],
        ),
        case(
            "IPv4 default router",
            MobilityOption::Ipv4DefaultRouter(V4),
            vec![one("mip6.ipv4dra.dra", "192.0.2.1")],
        ),
        case(
            "DHCPv4 relay",
            MobilityOption::Ipv4DhcpMode(DhcpMode::Relay),
            vec![one("mip6.ipv4dsm.s_flag", 0)],
        ),
        case(
            "DHCPv4 server",
            MobilityOption::Ipv4DhcpMode(DhcpMode::Server),
            vec![one("mip6.ipv4dsm.s_flag", 1)],
        ),
        case(
            "GRE key",
            MobilityOption::GreKey(Some(0x0102_0304)),
            vec![one("mip6.gre_key", 0x0102_0304)],
        ),
        case(
            "GRE without a key",
            MobilityOption::GreKey(None),
            vec![("mip6.gre_key", vec![])],
        ),
    ]);
    judge(&cases);
}

#[test]
fn other_later_options() {
    let delegated_v4 = DelegatedPrefix::v4(V4, 24).unwrap();
    let delegated_v6 = DelegatedPrefix::V6("2001:db8:3::/56".parse().unwrap());
    judge(&[
        case(
            "service selection",
            MobilityOption::ServiceSelection("voip.example".into()),
            vec![one("mip6.ss.identifier", "voip.example")],
        ),
        case(
            "LMA address",
            MobilityOption::LmaAddress(IpAddr::V6(GLOBAL)),
            vec![
                one("mip6.lmaa.opt_code", 1),
                one("mip6.lmaa.ipv6", "2001:db8:1::a"),
            ],
        ),
        case(
            "IPv4 LMA address",
            MobilityOption::LmaAddress(IpAddr::V4(V4)),
            vec![
                one("mip6.lmaa.opt_code", 2),
                one("mip6.lmaa.ipv4", "192.0.2.1"),
            ],
        ),
        case(
            "group",
            MobilityOption::MnGroupIdentifier(MnGroupIdentifier {
                subtype: MnGroupIdentifier::BULK_UPDATE,
                group: 77,
            }),
            vec![one("mip6.mng.sub_type", 1), one("mip6.mng.mng_id", 77)],
        ),
        case(
            "delegated IPv4 prefix",
            MobilityOption::DelegatedPrefix(delegated_v4),
            vec![
                one("mip6.dmnp.v_flag", 1),
                one("mip6.dmnp.prefix_len", 24),
                one("mip6.dmnp.dmnp_ipv4", "192.0.2.0"),
            ],
        ),
        case(
            "delegated IPv6 prefix",
            MobilityOption::DelegatedPrefix(delegated_v6),
            vec![
                one("mip6.dmnp.v_flag", 0),
                one("mip6.dmnp.prefix_len", 56),
                one("mip6.dmnp.dmnp_ipv6", "2001:db8:3::"),
            ],
        ),
    ]);
}

/// tshark 4.0 warns of the length that RFC 6705 gives this option, and reads it all the same.
#[test]
#[should_panic(expected = "option length = 18 bytes; should be 16")]
fn the_address_of_a_gateway() {
    judge(&[case(
        "MAG address",
        MobilityOption::MagAddress(MAG),
        vec![
            one("mip6.mag_ipv6.address_length", 128),
            one("mip6.mag_ipv6.address", "2001:db8::1"),
        ],
    )]);
}

#[test]
fn flags_that_came_later() {
    let bulk = update(UpdateFlags::BULK, vec![]);
    let mut cases = vec![mobility("BU B", &bulk, vec![one("mip6.bu.b_flag", 1)])];
    for (field, flag) in [
        ("mip6.ba.t_flag", AcknowledgementFlags::TLV),
        ("mip6.ba.b_flag", AcknowledgementFlags::BULK),
    ] {
        let message = acknowledgement(Status::ACCEPTED, flag, vec![]);
        cases.push(mobility(
            format!("BA {flag}"),
            &message,
            vec![one(field, 1)],
        ));
    }
    judge(&cases);
}

/// Every status of the common space that has a name, under its number.
///
/// Proves S1-08.
#[test]
fn statuses() {
    let named = (0..=255)
        .map(Status)
        .filter(|status| !status.name().contains("unassigned"));
    let cases: Vec<Case> = named
        .map(|status| {
            let message = acknowledgement(status, AcknowledgementFlags::PROXY, vec![]);
            let expected = vec![one("mip6.ba.status", status.0)];
            mobility(format!("PBA with {status}"), &message, expected)
        })
        .collect();
    assert_eq!(cases.len(), 60);
    judge(&cases);
}
