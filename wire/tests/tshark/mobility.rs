//! Mobility messages and options.

use super::judge::{judge, Case};
use super::{frame, one, packet, Expected, GLOBAL, LMA, MAC, MAG, ROUTER};
use wire::ipv6::next_header;
use wire::mh::{
    AccessTechnology, AcknowledgementFlags, BindingAcknowledgement, BindingError,
    BindingRefreshRequest, BindingUpdate, HandoffIndicator, Lifetime, Message, MnIdentifier,
    MobilityOption, NtpTime, Status, UpdateFlags,
};

/// The MH checksum, summed word by word here: tshark shows it without judging it.
fn plain_checksum(message: &[u8]) -> u16 {
    let mut data = [MAG.octets(), LMA.octets()].concat();
    data.extend((message.len() as u32).to_be_bytes());
    data.extend([0, 0, 0, 135]);
    data.extend(&message[..4]);
    data.extend(&message[6..]);
    let mut sum = 0u32;
    for word in data.chunks(2) {
        sum += u32::from(word[0]) * 256 + u32::from(word[1]);
        sum = sum % 0x1_0000 + sum / 0x1_0000;
    }
    !(sum as u16)
}

pub(super) fn mobility(name: impl ToString, message: &Message, mut expected: Expected) -> Case {
    let mut payload = Vec::new();
    message
        .emit(MAG, LMA, &mut payload)
        .expect("a sendable message");
    expected.extend([
        one("mip6.proto", 59),
        one("mip6.hlen", payload.len() / 8 - 1),
        one("mip6.mhtype", message.mh_type()),
        one("mip6.reserved", "0x00"),
        one("mip6.csum", format!("{:#06x}", plain_checksum(&payload))),
        one("ipv6.nxt", 135),
        one("ipv6.plen", payload.len()),
        one("ipv6.hlim", 64),
    ]);
    Case {
        name: name.to_string(),
        frame: frame(&packet(MAG, LMA, next_header::MOBILITY, 64, &payload)),
        expected,
    }
}

pub(super) fn update(flags: UpdateFlags, options: Vec<MobilityOption>) -> Message {
    Message::BindingUpdate(BindingUpdate {
        sequence: 40007,
        flags,
        lifetime: Lifetime(75),
        options,
    })
}

pub(super) fn acknowledgement(
    status: Status,
    flags: AcknowledgementFlags,
    options: Vec<MobilityOption>,
) -> Message {
    Message::BindingAcknowledgement(BindingAcknowledgement {
        status,
        flags,
        sequence: 40007,
        lifetime: Lifetime(75),
        options,
    })
}

/// Every mobility option we know, with what tshark is to read in them.
fn every_option() -> (Vec<MobilityOption>, Expected) {
    let options = vec![
        MobilityOption::MnIdentifier(MnIdentifier::Nai("mn1@example".into())),
        MobilityOption::HomeNetworkPrefix("2001:db8:1::/64".parse().unwrap()),
        MobilityOption::HomeNetworkPrefix("2001:db8:2:8000::/49".parse().unwrap()),
        MobilityOption::HandoffIndicator(HandoffIndicator::BETWEEN_MAGS),
        MobilityOption::AccessTechnology(AccessTechnology::WIRELESS_LAN),
        MobilityOption::MnLinkLayerIdentifier(MAC.0.to_vec()),
        MobilityOption::LinkLocalAddress(ROUTER),
        MobilityOption::Timestamp(NtpTime(0x6543_2100_8000)),
        MobilityOption::BindingRefreshAdvice(Lifetime(60)),
        MobilityOption::AlternateCareOfAddress(GLOBAL),
        MobilityOption::Unknown {
            kind: 200,
            data: vec![1, 2, 3],
        },
    ];
    let expected = vec![
        one("mip6.mnid.subtype", 1),
        one("mip6.mnid.identifier", "mn1@example"),
        ("mip6.nemo.mnp.pfl", vec!["64".into(), "49".into()]),
        (
            "mip6.nemo.mnp.mnp",
            vec!["2001:db8:1::".into(), "2001:db8:2:8000::".into()],
        ),
        one("mip6.hi", 3),
        one("mip6.hi.reserved", 0),
        one("mip6.att", 4),
        one("mip6.att.reserved", 0),
        one("mip6.mnlli.lli", "02:00:00:00:00:0a"),
        one("mip6.mnlli.reserved", 0),
        one("mip6.lila_lla", "fe80::b"),
        one("mip6.timestamp_tmp", "Nov  2, 2023 04:09:36.500000000 UTC"),
        one("mip6.bra.interval", 60),
        one("mip6.acoa.acoa", "2001:db8:1::a"),
        one("mip6.mobility_opt", 200),
    ];
    (options, expected)
}

/// Proves S1-01, S1-06.
#[test]
fn binding_updates() {
    let flags = [
        ("mip6.bu.a_flag", UpdateFlags::ACKNOWLEDGE),
        ("mip6.bu.h_flag", UpdateFlags::HOME_REGISTRATION),
        ("mip6.bu.l_flag", UpdateFlags::LINK_LOCAL_COMPATIBILITY),
        ("mip6.bu.k_flag", UpdateFlags::KEY_MANAGEMENT),
        ("mip6.bu.m_flag", UpdateFlags::MAP_REGISTRATION),
        ("mip6.nemo.bu.r_flag", UpdateFlags::MOBILE_ROUTER),
        ("mip6.bu.p_flag", UpdateFlags::PROXY),
        ("mip6.bu.f_flag", UpdateFlags::FORCE_UDP),
        ("mip6.bu.t_flag", UpdateFlags::TLV),
    ];
    let fixed = || vec![one("mip6.bu.seqnr", 40007), one("mip6.bu.lifetime", 75)];
    let mut cases: Vec<Case> = flags
        .iter()
        .map(|&(set, flag)| {
            let mut expected = fixed();
            expected.extend(
                flags
                    .iter()
                    .map(|&(field, _)| one(field, u8::from(field == set))),
            );
            mobility(format!("BU with {flag}"), &update(flag, vec![]), expected)
        })
        .collect();

    let (options, expected) = every_option();
    let proxy = UpdateFlags::ACKNOWLEDGE.with(UpdateFlags::PROXY);
    let mut expected = [fixed(), expected].concat();
    expected.extend([one("mip6.bu.a_flag", 1), one("mip6.bu.p_flag", 1)]);
    cases.push(mobility(
        "PBU with every option",
        &update(proxy, options),
        expected,
    ));
    judge(&cases);
}

/// Proves S1-02.
#[test]
fn binding_acknowledgements() {
    let flags = [
        ("mip6.ba.k_flag", AcknowledgementFlags::KEY_MANAGEMENT),
        ("mip6.nemo.ba.r_flag", AcknowledgementFlags::MOBILE_ROUTER),
        ("mip6.ba.p_flag", AcknowledgementFlags::PROXY),
    ];
    let fixed = |status: Status| {
        vec![
            one("mip6.ba.status", status.0),
            one("mip6.ba.seqnr", 40007),
            one("mip6.ba.lifetime", 75),
        ]
    };
    let mut cases = Vec::new();
    for (set, flag) in flags {
        let mut expected = fixed(Status::ACCEPTED);
        expected.extend(
            flags
                .iter()
                .map(|&(field, _)| one(field, u8::from(field == set))),
        );
        let message = acknowledgement(Status::ACCEPTED, flag, vec![]);
        cases.push(mobility(format!("BA with {flag}"), &message, expected));
    }
    for status in (0..=1)
        .chain(128..=135)
        .chain([139])
        .chain(152..=162)
        .map(Status)
    {
        let message = acknowledgement(status, AcknowledgementFlags::PROXY, vec![]);
        cases.push(mobility(
            format!("PBA with {status}"),
            &message,
            fixed(status),
        ));
    }
    let (options, expected) = every_option();
    let message = acknowledgement(Status::ACCEPTED, AcknowledgementFlags::PROXY, options);
    let expected = [fixed(Status::ACCEPTED), expected].concat();
    cases.push(mobility("PBA with every option", &message, expected));
    judge(&cases);
}

#[test]
fn the_alignment_of_options() {
    // Identifiers of every length put what follows at every place. Of one and of two octets tshark
    // 4.0 shows none.
    let cases: Vec<Case> = (3..=18)
        .map(|length| {
            let name = "n".repeat(length);
            let mut options = every_option().0;
            options[0] = MobilityOption::MnIdentifier(MnIdentifier::Nai(name.clone()));
            options.rotate_left(length % 11);
            let mut expected = every_option().1;
            expected.retain(|(field, _)| *field != "mip6.mnid.identifier");
            expected.push(one("mip6.mnid.identifier", name));
            let message = update(UpdateFlags::PROXY, options);
            mobility(format!("identifier of {length}"), &message, expected)
        })
        .collect();
    judge(&cases);
}

#[test]
fn other_mobility_messages() {
    let error = |status| {
        let message = Message::BindingError(BindingError {
            status,
            home_address: GLOBAL,
            options: vec![],
        });
        let expected = vec![
            one("mip6.be.status", status),
            one("mip6.be.haddr", "2001:db8:1::a"),
        ];
        mobility(format!("BE {status}"), &message, expected)
    };
    let request = Message::BindingRefreshRequest(BindingRefreshRequest {
        options: vec![MobilityOption::MnIdentifier(MnIdentifier::Nai(
            "a@b".into(),
        ))],
    });
    let other = Message::Other {
        mh_type: 19,
        data: vec![0; 10],
    };
    judge(&[
        error(BindingError::UNKNOWN_BINDING),
        error(BindingError::UNRECOGNIZED_MH_TYPE),
        mobility(
            "BRR",
            &Message::BindingRefreshRequest(BindingRefreshRequest::default()),
            vec![],
        ),
        mobility(
            "BRR with an option",
            &request,
            vec![one("mip6.mnid.identifier", "a@b")],
        ),
        mobility("type 19", &other, vec![]),
    ]);
}
