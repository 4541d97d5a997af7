//! Signalling between gateways that share keys (RFC 4285), over a real core: tshark reads it, and the second
//! decoder, which has the keys, makes the authentication data of every message anew.

use anyhow::{ensure, Context, Result};
use lab::capture::Capture;
use lab::command;
use lab::domain::{default_conf, Domain};
use lab::figures::{decode, options};
use lab::forge::Again;
use lab::gateway::Programs;
use lab::host::Host;
use lab::judge::read;
use lab::network::End;
use lab::ping::{now_us, Pinger};
use lab::topology::{Plan, Topology, CN, CORE, LMA, MAGS, MN_MAC};
use lab::transfer::Transfer;
use serde_json::{json, Value};
use std::collections::BTreeSet;
use std::fs::{self, Permissions};
use std::net::Ipv6Addr;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};
use toml::Table;

const LIMIT: Duration = Duration::from_secs(30);

/// The host that moves while the first one stays and talks.
const SECOND_MAC: &str = "02:00:00:00:00:02";

/// A key as the file has it: its number, what it is for, and its octets.
type Key = (u32, &'static str, &'static str);

/// That of LMA and MAGs at first, that which follows, and that of the AAA server (HMAC_SHA1_SPI).
const OLD: Key = (256, "mn-ha", "6f6c64206f6c64206f6c64206f6c6421");
const NEW: Key = (257, "mn-ha", "6e6577206e6577206e6577206e657721");
const AAA: Key = (3, "mn-aaa", "61616120616161206161612061616121");

/// The files of keys of a domain.
struct Keys(PathBuf);

impl Keys {
    fn file(&self, gateway: &str) -> PathBuf {
        self.0.join(format!("{gateway}-keys.toml"))
    }

    /// Writes what a gateway shares with each of these peers, the keys to be used first.
    fn write(&self, gateway: &str, peers: &[(Ipv6Addr, &[Key])]) -> Result<()> {
        let mut text = String::new();
        for (peer, keys) in peers {
            text += &format!("[[peer]]\naddress = \"{peer}\"\n");
            for (spi, kind, octets) in *keys {
                text +=
                    &format!("[[peer.key]]\nspi = {spi}\nkind = \"{kind}\"\nkey = \"{octets}\"\n");
            }
        }
        fs::write(self.file(gateway), text)?;
        self.open_to(gateway, 0o600)
    }

    fn open_to(&self, gateway: &str, mode: u32) -> Result<()> {
        fs::set_permissions(self.file(gateway), Permissions::from_mode(mode))?;
        Ok(())
    }

    /// The same keys between the LMA and both MAGs, with that of the AAA server between the LMA and the first.
    fn share(&self, domain: &Domain, at_lma: &[Key], at_mags: &[Key]) -> Result<()> {
        let [of_lma, of_mag1] = [at_lma, at_mags].map(|keys| [keys, &[AAA]].concat());
        self.write("lma", &[(MAGS[0], &of_lma), (MAGS[1], at_lma)])?;
        self.write("mag1", &[(LMA, &of_mag1)])?;
        self.write("mag2", &[(LMA, at_mags)])?;
        for gateway in ["lma", "mag1", "mag2"] {
            domain.anchorctl(gateway, &["reload"])?;
        }
        Ok(())
    }
}

/// What is refused for want of authentication, at all three.
fn refused(domain: &Domain) -> Result<Vec<u64>> {
    let mut all = Vec::new();
    for gateway in ["lma", "mag1", "mag2"] {
        for counter in [
            "message_no_association",
            "message_unauthenticated",
            "message_forged",
            "message_no_timestamp",
            "message_replayed",
            "message_unmatched",
        ] {
            all.push(domain.gateway(gateway)?.counter(counter)?);
        }
    }
    Ok(all)
}

/// Waits until a gateway has counted so many.
fn counted(domain: &Domain, gateway: &str, counter: &str, least: u64) -> Result<()> {
    let end = Instant::now() + LIMIT;
    while domain.gateway(gateway)?.counter(counter)? < least {
        ensure!(Instant::now() < end, "{counter}: {}", domain.troubles());
        std::thread::sleep(Duration::from_millis(20));
    }
    Ok(())
}

/// The second host goes over to a MAG; the other one is told, and says so.
fn moves(domain: &Domain, host: &Host, to: usize) -> Result<()> {
    let (new, old) = [("mag1", "mag2"), ("mag2", "mag1")][to];
    let from = domain.notices.count();
    domain.network.plug(host, to)?;
    domain.anchorctl(new, &["attach", "access", SECOND_MAC])?;
    let told = |gateway: &str, kind: &str| {
        let wait = domain.notices.wait(kind, from, LIMIT, |it| {
            it.gateway == gateway && it.kind == kind
        });
        wait.with_context(|| domain.troubles())
    };
    told("lma", "binding_moved")?;
    told(new, "acknowledgement_received")?;
    told(old, "revoked").map(drop)
}

/// One MAG shares a key with its LMA, the other has none: its host is refused with 146, and served when the
/// MAG has got the key. An update that is sent again by somebody else gets 144, one that is made into a farewell 146, a revocation nothing.
/// Then the key is exchanged for another, in the steps that operating.md tells, while one host's ping and TCP session go on
/// and another one moves at each step.
///
/// Proves S1-09.
#[test]
fn keys_protect_signalling_and_are_rolled_over_without_loss() -> Result<()> {
    let programs = Programs::beside(Path::new(env!("CARGO_BIN_EXE_anchorage-demo")))?;
    let network = Topology::lay(Plan::default())?;
    let directory = network.run.directory().to_path_buf();
    let keys = Keys(directory.clone());
    keys.write("lma", &[(MAGS[0], &[OLD, AAA]), (MAGS[1], &[OLD])])?;
    keys.write("mag1", &[(LMA, &[OLD, AAA])])?;
    keys.write("mag2", &[])?;
    let mut domain = Domain::start(network, &programs, &default_conf(), |name, it| {
        it.set("authentication", "keys", format!("{name}-keys.toml"));
        it.set("authentication", "required", name != "mag2");
        let mut host = Table::from_iter([("identifier".into(), "mn2@example.net".into())]);
        if name != "lma" {
            host.insert("mac".into(), SECOND_MAC.into());
            host.insert("lma".into(), LMA.to_string().into());
            // Its update is refused, and sent again until it is not.
            it.set("mag", "initial_bindack_timeout_ms", 500);
            it.set("mag", "max_bindack_timeout_ms", 1_000);
        }
        it.add_host(host);
        let role = if name == "lma" { "lma" } else { "mag" };
        let heartbeat = Table::from_iter([("interval".into(), 1.into())]);
        it.set(role, "heartbeat", heartbeat);
    })?;
    let core = End::of(&domain.network.switch, CORE);
    let capture = Capture::start(core, &directory.join("core.pcap"))?;
    let begin = Capture::start(core, &directory.join("begin.pcap"))?;
    let first = domain.network.mobile_node("mn", MN_MAC)?;
    let second = domain.network.mobile_node("second", SECOND_MAC)?;
    domain.network.plug(&first, 0)?;
    first
        .wait_for_address(LIMIT)
        .with_context(|| domain.troubles())?;
    domain.network.plug(&second, 1)?;
    counted(&domain, "lma", "status_auth_fail", 1)?;
    counted(&domain, "lma", "message_unauthenticated", 1)?;
    // Nor does the MAG believe what it cannot check.
    counted(&domain, "mag2", "message_no_association", 1)?;
    let bindings = || domain.gateway("lma")?.call("bindings", Value::Null);
    let before = bindings()?;
    assert_eq!(before.as_array().map(Vec::len), Some(1), "{before}");
    assert!(second.addresses()?.is_empty());
    let begin = begin.stop()?;
    // What is sent again is older than what the anchor has been told since.
    domain.anchorctl("mag1", &["attach", "access", MN_MAC])?;
    let end = Instant::now() + LIMIT;
    let before = loop {
        let now = bindings()?;
        if now[0]["sequence"] != before[0]["sequence"] {
            break now;
        }
        ensure!(Instant::now() < end, "{now}: {}", domain.troubles());
        std::thread::sleep(Duration::from_millis(20));
    };

    let log = directory.join("hosts.log");
    let every = Duration::from_millis(10);
    let pinger = Pinger::start(&programs, &first, CN, every, &log)?;
    let from_us = pinger.wait_through(0, LIMIT)?.sent_us;
    let (here, there) = (&first.namespace, &domain.network.cn.namespace);
    let session = Transfer::start(&programs, here, there, CN, 200_000, &log)?;
    let peer = End::of(&domain.network.mags[0], "core0");
    let update = Again {
        capture: &begin,
        ends: [MAGS[0], LMA],
        kind: 5,
        farewell: false,
    };
    update.send(peer)?;
    counted(&domain, "lma", "message_replayed", 1)?;
    let farewell = true;
    Again { farewell, ..update }.send(peer)?;
    counted(&domain, "lma", "message_forged", 1)?;
    counted(&domain, "mag1", "message_unmatched", 2)?;
    let after = bindings()?;
    assert_eq!(after[0]["state"], "active");
    // The gateway itself may have refreshed it meanwhile, by a later number (RFC 6275 section 9.5.1).
    let number = |of: &Value| {
        let number = of[0]["sequence"].as_u64().context("no sequence number")?;
        anyhow::Ok(u16::try_from(number)?)
    };
    let later = number(&after)?.wrapping_sub(number(&before)?);
    assert!(later < 1 << 15, "{before}, then {after}");
    for unchanged in ["care_of_address", "prefixes", "link_layer_identifier"] {
        assert_eq!(after[0][unchanged], before[0][unchanged], "{unchanged}");
    }

    // A file that others can read is not taken: nothing changes, and a start refuses it.
    keys.open_to("lma", 0o640)?;
    let told = domain.anchorctl("lma", &["reload"]).err();
    let told = format!(
        "{:?}",
        told.context("a file that others can read is taken")?
    );
    assert!(told.contains("is open to others (mode 0640)"), "{told}");
    let program = programs.anchord.to_str().context("not text")?;
    let file = directory.join("lma.toml");
    let file = file.to_str().context("not text")?;
    let told = command::run(&[program, "--config", file, "--check"]).err();
    let told = format!(
        "{:?}",
        told.context("a file that others can read is taken")?
    );
    assert!(told.contains("`chmod 600` it"), "{told}");

    // The second MAG gets the key: the host that it could not sign up is served.
    keys.share(&domain, &[OLD], &[OLD])?;
    second
        .wait_for_address(LIMIT)
        .with_context(|| domain.troubles())?;
    // What the MAG was told before it had the key has arrived.
    let rest = refused(&domain)?;
    let steps: [(&[Key], &[Key]); 5] = [
        (&[OLD, NEW], &[OLD, NEW]),
        (&[NEW, OLD], &[OLD, NEW]),
        (&[NEW, OLD], &[NEW, OLD]),
        (&[NEW], &[NEW, OLD]),
        (&[NEW], &[NEW]),
    ];
    for (step, (at_lma, at_mags)) in steps.into_iter().enumerate() {
        keys.share(&domain, at_lma, at_mags)?;
        moves(&domain, &second, step % 2)?;
    }
    assert!(second.reaches(CN, LIMIT), "{}", domain.troubles());
    assert_eq!(refused(&domain)?, rest, "{}", domain.troubles());
    let to_us = now_us();
    pinger.wait_through(to_us, LIMIT)?;
    let stretch = pinger.stop()?.stretch(from_us, to_us);
    assert!(stretch.sent > 0 && stretch.lost == 0, "{stretch:?}");
    let outcome = session.stop()?;
    assert!(outcome.intact && outcome.bytes > 0, "{outcome:?}");
    let capture = capture.stop()?;
    // It was told that the host had gone, and the host is back.
    let revocation = Again {
        capture: &capture,
        ends: [LMA, MAGS[0]],
        kind: 16,
        farewell: false,
    };
    revocation.send(End::of(&domain.network.lma, "core0"))?;
    counted(&domain, "mag1", "message_replayed", 1)?;
    assert!(second.reaches(CN, LIMIT), "{}", domain.troubles());
    let checked = command::run(&[program, "--config", file, "--check"])?;
    let logs = domain.end_in_order(&["mag1", "mag2", "lma"])?;
    let said = logs.into_iter().map(|(_, log)| log).chain([checked]);
    for text in said {
        for (_, _, octets) in [OLD, NEW, AAA] {
            assert!(!text.contains(octets), "a key is told");
        }
    }
    judge(&capture)
}

/// Of every message both decoders see the same, and the data of each are what the key makes of it, but for those that
/// were meant to be wrong.
fn judge(capture: &Path) -> Result<()> {
    let keys = [OLD, NEW, AAA].map(|(spi, _, octets)| format!("{spi}:{octets}"));
    let messages = decode(capture, &keys)?;
    agree(capture, &messages)?;
    // A MAG gives every update a number of its own, and none is taken twice.
    let mut taken = BTreeSet::new();
    for answer in messages
        .iter()
        .filter(|it| it["status"] == 0 && it["type"] == 6)
    {
        let which = (answer["to"].to_string(), answer["sequence"].to_string());
        assert!(taken.insert(which), "taken again: {answer}");
    }
    let (mut plain, mut forged) = (Vec::new(), Vec::new());
    // What authenticates the updates of each MAG, the answers to them, and revocations.
    let mut by = BTreeSet::new();
    for message in &messages {
        assert_eq!(message["faults"], json!([]), "{message}");
        let options: Vec<&Value> = options(message, 9).collect();
        if options.is_empty() {
            plain.push(message);
            continue;
        }
        if options.iter().any(|it| it["authentic"] != true) {
            forged.push(message);
            continue;
        }
        let number = |value: &Value| value.as_u64().unwrap_or_default();
        let spis = options
            .iter()
            .map(|it| (number(&it["subtype"]), number(&it["spi"])));
        let from = message["from"].as_str().unwrap_or_default().to_owned();
        by.insert((from, number(&message["type"]), spis.collect()));
    }
    // Only the MAG that had no key sent any without, and only one message was changed.
    let mag2 = MAGS[1].to_string();
    assert!(!plain.is_empty() && plain.iter().all(|it| it["from"] == mag2.as_str()));
    let [changed] = forged[..] else {
        panic!("one message was forged: {forged:?}");
    };
    assert_eq!(
        (&changed["type"], &changed["lifetime"]),
        (&json!(5), &json!(0))
    );
    for (from, kind, options) in [
        (MAGS[0], 5, vec![(1, 256), (2, 3)]),
        (MAGS[0], 5, vec![(1, 257), (2, 3)]),
        (MAGS[1], 5, vec![(1, 256)]),
        (MAGS[1], 5, vec![(1, 257)]),
        (LMA, 6, vec![(1, 256)]),
        (LMA, 6, vec![(1, 257)]),
        (LMA, 13, vec![(1, 256)]),
        (MAGS[0], 13, vec![(1, 256)]),
        // Revocations, and what is said to them.
        (LMA, 16, vec![(1, 257)]),
        (MAGS[0], 16, vec![(1, 256)]),
        (MAGS[1], 16, vec![(1, 257)]),
    ] {
        let wanted = (from.to_string(), kind, options);
        assert!(by.contains(&wanted), "no {wanted:?} in {by:?}");
    }
    // What was refused, and how.
    for (status, to) in [(144, MAGS[0]), (146, MAGS[0]), (146, MAGS[1])] {
        let to = to.to_string();
        let refusal = |it: &&Value| it["status"] == status && it["to"] == to.as_str();
        assert!(
            messages.iter().any(|it| refusal(&it)),
            "no {status} to {to}"
        );
    }
    let revoked = messages.iter().filter(|it| it["revocation"] == 2);
    let statuses: BTreeSet<_> = revoked.map(|it| it["status"].to_string()).collect();
    assert_eq!(statuses, BTreeSet::from(["0".to_owned()]));
    Ok(())
}

/// Where tshark is right it reads what the decoder reads; of the data it shows all but two octets.
fn agree(capture: &Path, found: &[Value]) -> Result<()> {
    let fields = [
        "mip6.mhtype",
        "mip6.ba.status",
        "mip6.bri_status",
        "mip6.auth.subtype",
        "mip6.auth.mobility_spi",
        "mip6.auth.auth_data",
    ];
    let frames = read(capture, "mipv6", &fields)?;
    assert_eq!(frames.len(), found.len());
    for (frame, message) in frames.iter().zip(found) {
        let [kind, status, revoked, subtypes, spis, data] = frame.as_slice() else {
            panic!("not all fields: {frame:?}");
        };
        assert_eq!(*kind, message["type"].to_string());
        if message["type"] == 6 {
            assert_eq!(*status, message["status"].to_string(), "{message}");
        }
        if message["revocation"] == 2 {
            assert_eq!(*revoked, message["status"].to_string(), "{message}");
        }
        let listed = |name: &str| {
            let all = options(message, 9).map(|it| it[name].to_string());
            all.collect::<Vec<_>>().join(",")
        };
        assert_eq!(*subtypes, listed("subtype"), "{message}");
        let number = |text: &str| match text.strip_prefix("0x") {
            Some(digits) => u64::from_str_radix(digits, 16),
            None => text.parse(),
        };
        for (shown, option) in spis.split(',').zip(options(message, 9)) {
            assert_eq!(number(shown).ok(), option["spi"].as_u64(), "{message}");
        }
        for (shown, option) in data.split(',').zip(options(message, 9)) {
            let whole = option["data"].as_str().unwrap_or_default();
            let shown = shown.replace(':', "");
            assert_eq!(
                whole.get(..whole.len() - 4),
                Some(shown.as_str()),
                "{message}"
            );
        }
    }
    Ok(())
}
