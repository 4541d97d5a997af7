//! Moves that go wrong half-way, over cores that lose, delay and reorder.

use anyhow::{Context, Result};
use lab::domain::{default_conf, Domain};
use lab::gateway::{Configuration, Programs};
use lab::host::Host;
use lab::ping::{now_us, Pinger};
use lab::rpc::Notice;
use lab::topology::{Plan, Topology, CN, MN_MAC};
use lab::transfer::Transfer;
use lab::wire::Impairment;
use serde_json::Value;
use std::path::Path;
use std::time::Duration;

const LIMIT: Duration = Duration::from_secs(40);

/// A domain whose core is impaired, with its host attached at MAG1.
fn attached(
    impairment: Impairment,
    adjust: impl FnMut(&str, &mut Configuration),
) -> Result<(Domain, Host)> {
    let programs = Programs::beside(Path::new(env!("CARGO_BIN_EXE_anchorage-demo")))?;
    let wire = Some((&programs, impairment));
    let network = Topology::lay(Plan {
        wire,
        ..Plan::default()
    })?;
    let domain = Domain::start(network, &programs, &default_conf(), adjust)?;
    let mn = domain.network.mobile_node("mn", MN_MAC)?;
    domain.network.plug(&mn, 0)?;
    mn.wait_for_address(LIMIT)?;
    Ok((domain, mn))
}

/// A ping and a TCP session from the host to the correspondent.
fn sessions(domain: &Domain, mn: &Host) -> Result<(Pinger, Transfer)> {
    let log = domain.network.run.directory().join("hosts.log");
    let every = Duration::from_millis(10);
    let pinger = Pinger::start(&domain.programs, mn, CN, every, &log)?;
    pinger.wait_through(0, LIMIT)?;
    let (from, to) = (&mn.namespace, &domain.network.cn.namespace);
    let transfer = Transfer::start(&domain.programs, from, to, CN, 500_000, &log)?;
    Ok((pinger, transfer))
}

/// The care-of address of the only binding.
fn care_of(domain: &Domain) -> Result<String> {
    let bindings = domain.gateway("lma")?.call("bindings", Value::Null)?;
    let bindings = bindings.as_array().context("not a list")?;
    assert_eq!(bindings.len(), 1, "{bindings:?}");
    let address = bindings[0]["care_of_address"].as_str();
    Ok(address.context("no care-of address")?.to_owned())
}

/// The host comes to MAG2, and is back at MAG1 while the acknowledgement for MAG2 is still on its way:
/// the last move wins, one binding is left, and the TCP session goes on byte for byte.
///
/// Proves S1-20, S1-41.
#[test]
fn a_move_in_the_middle_of_a_move() -> Result<()> {
    let delay = Impairment {
        delay: 5.0,
        seed: 1,
        ..Impairment::default()
    };
    let (mut domain, mn) = attached(delay, |name, configuration| {
        if name == "mag2" {
            // The acknowledgement is kept back below; sent again meanwhile, the update of MAG2 would
            // be the later one, and rightly win.
            configuration.set("mag", "initial_bindack_timeout_ms", 30_000);
        }
    })?;
    let address = mn.addresses()?;
    let (pinger, transfer) = sessions(&domain, &mn)?;
    let from = domain.notices.count();
    domain.network.wire.as_mut().context("no wire")?.close()?;
    domain.network.plug(&mn, 1)?;
    let away = domain
        .notices
        .wait("an update of MAG2", from, LIMIT, |notice| {
            notice.gateway == "mag2" && notice.registers()
        })?;
    domain
        .notices
        .wait("the answer to MAG2", from, LIMIT, |notice| {
            notice.gateway == "lma" && notice.kind == "binding_moved"
        })?;
    domain.network.plug(&mn, 0)?;
    domain.anchorctl("mag1", &["attach", "access", MN_MAC])?;
    // One that MAG1 may have sent for a solicitation before the host went away does not count.
    domain
        .notices
        .wait("an update of MAG1", from, LIMIT, |notice| {
            notice.gateway == "mag1" && notice.registers() && notice.time > away.time
        })
        .with_context(|| domain.troubles())?;
    let opened = domain.notices.count();
    let early = |notice: &Notice| notice.kind == "acknowledgement_received";
    assert!(!domain.notices.all()[from..opened].iter().any(early));
    domain.network.wire.as_mut().context("no wire")?.open()?;
    for mag in ["mag2", "mag1"] {
        domain
            .notices
            .wait("an acknowledgement", opened, LIMIT, |notice| {
                notice.gateway == mag && notice.kind == "acknowledgement_received"
            })
            .with_context(|| format!("for {mag}: {}", domain.troubles()))?;
    }
    let settled_us = now_us();
    pinger.wait_through(settled_us, LIMIT)?;
    // MAG2 has learnt from the LMA that the host is gone; MAG1, for whom an older revocation was on its
    // way, that it is not.
    domain.wait_forgotten("mag2", LIMIT)?;
    let revoked = |notice: &&Notice| notice.kind == "revoked";
    let all = domain.notices.all();
    let refused = all.iter().filter(revoked).find(|it| it.gateway == "mag1");
    assert_eq!(refused.map(|it| it.field("status")), Some("132".to_owned()));
    let after_us = now_us();
    pinger.wait_through(after_us, LIMIT)?;
    assert_eq!(care_of(&domain)?, "2001:db8:c::11");
    assert_eq!(mn.addresses()?, address);
    let outcome = transfer.stop()?;
    assert!(outcome.intact, "{outcome:?}");
    pinger.stop()?;
    domain.stop_well()
}

/// Attachment and both kinds of handover over a core that loses a tenth of all packets, delays and
/// reorders: lost updates and acknowledgements are sent again, late ones do no harm, and the TCP session
/// goes on byte for byte.
///
/// Proves S1-41.
#[test]
fn handovers_over_a_core_that_loses_delays_and_reorders() -> Result<()> {
    let bad = Impairment {
        delay: 10.0,
        jitter: 5.0,
        loss: 0.1,
        reorder: 0.1,
        duplicate: 0.05,
        seed: 3,
    };
    let (mut domain, mn) = attached(bad, |_, _| {})?;
    let address = mn.addresses()?;
    let (pinger, transfer) = sessions(&domain, &mn)?;
    for (place, mag, old) in [
        (1, "mag2", "mag1"),
        (0, "mag1", "mag2"),
        (1, "mag2", "mag1"),
    ] {
        let from = domain.notices.count();
        domain.network.plug(&mn, place)?;
        domain.anchorctl(mag, &["attach", "access", MN_MAC])?;
        domain
            .notices
            .wait("an acknowledgement", from, LIMIT, |notice| {
                notice.gateway == mag && notice.kind == "acknowledgement_received"
            })?;
        domain.tell_of_departure(old, MN_MAC, LIMIT)?;
        let settled_us = now_us();
        pinger.wait_through(settled_us, LIMIT)?;
    }
    assert_eq!(care_of(&domain)?, "2001:db8:c::12");
    assert_eq!(mn.addresses()?, address);
    let outcome = transfer.stop()?;
    assert!(outcome.intact, "{outcome:?}");
    let books = pinger.stop()?;
    let all = books.stretch(0, now_us());
    assert!(all.lost > 0 && all.lost < all.sent, "{all:?}");
    let report = domain.network.wire.take().context("no wire")?.stop()?;
    for direction in ["a_to_b", "b_to_a"] {
        for harm in ["lost", "doubled", "overtaken"] {
            assert!(
                report[direction][harm].as_u64() > Some(0),
                "{harm}: {report}"
            );
        }
    }
    domain.stop_well()
}

/// The LMA is killed and started again. It has forgotten every binding; when the MAG refreshes, the
/// session resumes with the address the host had, and TCP loses nothing.
#[test]
fn sessions_resume_at_the_next_refresh_after_the_lma_crashed() -> Result<()> {
    let programs = Programs::beside(Path::new(env!("CARGO_BIN_EXE_anchorage-demo")))?;
    let network = Topology::lay(Plan::default())?;
    let mut domain = Domain::start(
        network,
        &programs,
        &default_conf(),
        |name, configuration| {
            if name != "lma" {
                configuration.set("mag", "lifetime", 12);
            }
        },
    )?;
    let mn = domain.network.mobile_node("mn", MN_MAC)?;
    domain.network.plug(&mn, 0)?;
    let address = mn.wait_for_address(LIMIT)?;
    let (pinger, transfer) = sessions(&domain, &mn)?;
    let from = domain.notices.count();
    domain.crash_and_restart("lma")?;
    assert_eq!(
        domain.gateway("lma")?.call("bindings", Value::Null)?,
        Value::Array(Vec::new())
    );
    domain
        .notices
        .wait("the binding at the new LMA", from, LIMIT, |notice| {
            notice.gateway == "lma" && notice.kind == "binding_up"
        })?;
    let resumed_us = now_us();
    pinger.wait_through(resumed_us, LIMIT)?;
    assert_eq!(mn.addresses()?, [address]);
    let outcome = transfer.stop()?;
    assert!(outcome.intact, "{outcome:?}");
    pinger.stop()?;
    domain.stop_well()
}

/// SIGTERM ends every gateway with 0 in the middle of traffic, the serving MAG first, and none says that
/// a packet buffer was still in use.
#[test]
fn gateways_end_well_under_traffic() -> Result<()> {
    let good = Impairment {
        seed: 1,
        ..Impairment::default()
    };
    let (mut domain, mn) = attached(good, |_, _| {})?;
    let (pinger, transfer) = sessions(&domain, &mn)?;
    std::thread::sleep(Duration::from_millis(500));
    let logs = domain.end_in_order(&["mag1", "lma", "mag2"])?;
    for (name, log) in logs {
        assert!(
            !log.contains("ERROR") && !log.contains("panicked"),
            "{name}:\n{log}"
        );
    }
    drop(transfer);
    pinger.stop().map(drop)
}
