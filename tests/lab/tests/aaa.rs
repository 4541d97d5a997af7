//! A real FreeRADIUS says who may attach, hears what hosts used, and sends orders.

use anyhow::{Context, Result};
use lab::capture::Capture;
use lab::domain::{default_conf, Domain};
use lab::gateway::Programs;
use lab::judge::{count, read};
use lab::network::End;
use lab::radius::{Radius, CABLE, SECRET};
use lab::topology::{Plan, Topology, CN, CORE, MN_MAC};
use lab::transfer::Transfer;
use serde_json::{json, Value};
use std::net::Ipv6Addr;
use std::path::Path;
use std::time::{Duration, Instant};

const LIMIT: Duration = Duration::from_secs(20);

/// `mn1@example.net` as the server's dictionary wants it.
const MN1: &str = "0x6d6e31406578616d706c652e6e6574";

/// The prefix and the IPv4 address that the server has for the first host.
const PREFIX: &str = "2001:db8:10aa:1::/64";
const ADDRESS: &str = "10.1.0.77";

/// Of the second host.
const SECOND_MAC: &str = "02:00:00:00:00:02";

/// A domain whose MAG1 asks the server; its policy file lists nobody.
fn domain(users: Option<&str>) -> Result<(Domain, Radius)> {
    domain_with(users, None)
}

/// The same where MAG2 asks it as well and goes by its policy file when there is no answer, while at MAG1 that
/// comes to `unreachable`.
fn domain_with(users: Option<&str>, unreachable: Option<&str>) -> Result<(Domain, Radius)> {
    let programs = Programs::beside(Path::new(env!("CARGO_BIN_EXE_anchorage-demo")))?;
    let network = Topology::lay(Plan::default())?;
    let mut radius = Radius::beside(&network, "mag1")?;
    if unreachable.is_some() {
        radius.also_beside(&network, "mag2")?;
    }
    if let Some(users) = users {
        radius.serve(users)?;
    }
    let domain = Domain::start(network, &programs, &default_conf(), |name, it| {
        match (name, unreachable) {
            ("mag1", _) => {
                it.policy().clear();
                it.add_address("access", "169.254.0.1/32");
                Radius::configure(it);
                if let Some(unreachable) = unreachable {
                    it.set("aaa", "when_unreachable", unreachable);
                }
            }
            ("mag2", Some(_)) => {
                Radius::configure(it);
                it.set("aaa", "when_unreachable", "policy-file");
            }
            ("lma", _) => {
                it.policy().insert("serve_unlisted".into(), true.into());
                it.add_address("internet", "198.51.100.1/24");
                let network = toml::Table::from_iter([("prefix".into(), "10.1.0.0/16".into())]);
                it.set("lma", "ipv4_networks", vec![toml::Value::Table(network)]);
            }
            _ => {}
        };
    })?;
    Ok((domain, radius))
}

fn users() -> String {
    format!(
        "02-00-00-00-00-01 Cleartext-Password := \"02-00-00-00-00-01\"\n\
         \tPMIP6-Home-LMA-IPv6-Address = 2001:db8:c::1,\n\
         \tMobile-Node-Identifier = {MN1},\n\
         \tPMIP6-Home-HN-Prefix = {PREFIX},\n\
         \tPMIP6-Home-IPv4-HoA = {ADDRESS}/32,\n\
         \tClass = 0x676f6c64\n\n\
         02-00-00-00-00-02 Cleartext-Password := \"02-00-00-00-00-02\"\n"
    )
}

fn list(domain: &Domain, gateway: &str, method: &str) -> Result<Vec<Value>> {
    let answer = domain.gateway(gateway)?.call(method, Value::Null)?;
    Ok(answer.as_array().context("not a list")?.clone())
}

/// A counter of AAA at MAG1.
fn counted(domain: &Domain, name: &str) -> Result<u64> {
    let counters = domain.gateway("mag1")?.call("counters", Value::Null)?;
    let groups = counters["groups"].as_array().context("no groups")?;
    let group = groups.iter().find(|group| group["name"] == "aaa");
    let group = group.context("no counters of AAA")?["counters"].as_array();
    let found = group
        .context("no list")?
        .iter()
        .find(|it| it["name"] == name);
    found.context(name.to_owned())?["value"]
        .as_u64()
        .context("no number")
}

fn of<'a>(record: &'a [(String, String)], name: &str) -> &'a str {
    let found = record.iter().find(|(known, _)| known == name);
    found.map_or("", |(_, value)| value)
}

/// Packets and octets that a host's address sent or got, as tshark counts them on the host's cable: all but
/// neighbour discovery, which ends at the gateway.
fn on_the_cable(cable: &Path, way: &str, address: Ipv6Addr) -> Result<[u64; 2]> {
    let filter = format!("{way} == {address} && !(icmpv6.type >= 133 && icmpv6.type <= 137)");
    let mut sum = [0; 2];
    for frame in read(cable, &filter, &["ipv6.plen"])? {
        let octets: u64 = frame[0].parse()?;
        sum = [sum[0] + 1, sum[1] + 40 + octets];
    }
    Ok(sum)
}

/// Two hosts that the server lets in: one with the LMA, the identity, the prefix and the IPv4 address that it
/// names, one with the LMA of the MAG's configuration, the name that it was asked by and a prefix of the LMA's. What
/// the first has used is in the server's records, while it has its session (the operator takes its IPv4 address back) and
/// when that is over; orders change who the second is and end the first one's session.
///
/// Proves S1-21, S1-23.
#[test]
fn a_host_that_the_server_lets_in_is_served_accounted_for_and_ended_by_order() -> Result<()> {
    let (mut domain, radius) = domain(Some(&users()))?;
    let trail = domain.network.run.directory().join("radius.pcap");
    let capture = Capture::start(End::of(&radius.namespace, CABLE), &trail)?;
    let first = domain.network.mobile_node("mn", MN_MAC)?;
    let second = domain.network.mobile_node("second", SECOND_MAC)?;
    domain.network.plug(&first, 0)?;
    let cable = domain.network.run.directory().join("cable.pcap");
    let on_cable = Capture::start(End::of(&domain.network.switch, &first.cable), &cable)?;
    domain.network.plug(&second, 0)?;
    let address = first.wait_for_address(LIMIT)?;
    second.wait_for_address(LIMIT)?;
    // Neighbours on the way have been found by then.
    assert!(first.reaches(CN, LIMIT));
    let cn = CN.to_string();
    let flood = [
        "ping", "-6", "-q", "-c", "20", "-i", "0.01", "-s", "1000", &cn,
    ];
    first.namespace.run(&flood)?;
    let visitors = list(&domain, "mag1", "visitors")?;
    let visitor = |mac: &str| visitors.iter().find(|it| it["mac"] == mac);
    let served = visitor(MN_MAC).context("the first is not here")?;
    assert_eq!(served["identifier"], "mn1@example.net");
    assert_eq!(served["lma"], "2001:db8:c::1");
    assert_eq!(served["prefixes"], json!([PREFIX]));
    assert_eq!(address.segments()[..4], [0x2001, 0xdb8, 0x10aa, 1]);
    let bindings = list(&domain, "lma", "bindings")?;
    let of_first = bindings
        .iter()
        .find(|it| it["identifier"] == "mn1@example.net");
    let of_first = of_first.context("no binding")?;
    assert_eq!(of_first["prefixes"], json!([PREFIX]));
    assert_eq!(of_first["ipv4_home_address"], ADDRESS);
    let other = visitor(SECOND_MAC).context("the second is not here")?;
    assert_eq!(other["identifier"], "02-00-00-00-00-02");
    assert_eq!(other["lma"], "2001:db8:c::1");
    assert!(domain
        .anchorctl("mag1", &["aaa"])?
        .starts_with("reachable; 2 hosts"));

    let mut starts = radius.records().into_iter().filter(|record| {
        of(record, "Acct-Status-Type") == "Start"
            && of(record, "Calling-Station-Id") == "02-00-00-00-00-01"
    });
    let start = starts.next_back().context("no Start of the first")?;
    assert_ne!(of(&start, "Acct-Session-Id"), "");
    assert_eq!(
        of(&radius.record("Accounting-On")?, "NAS-Identifier"),
        "mag1"
    );

    // What changes what a host has is told with what it has used, as its link has seen it.
    domain.anchorctl("lma", &["revoke", "mn1@example.net", "--ipv4-only"])?;
    let interim = radius.record("Interim-Update")?;
    on_cable.stop()?;
    assert_eq!(
        of(&interim, "Acct-Session-Id"),
        of(&start, "Acct-Session-Id")
    );
    for (way, words) in [("ipv6.src", "Input"), ("ipv6.dst", "Output")] {
        let told = ["Packets", "Octets"].map(|what| of(&interim, &format!("Acct-{words}-{what}")));
        let seen = on_the_cable(&cable, way, address)?.map(|it| it.to_string());
        assert_eq!(told, seen, "{words}");
        assert!(told[1].parse::<u64>()? >= 20 * 1048, "{interim:?}");
    }

    // Orders that are not to be followed: of a stranger, and about nobody.
    let named = "Calling-Station-Id=02-00-00-00-00-01";
    let guessed = radius.order_as("a guess", "disconnect", named)?;
    assert!(!guessed.contains("Disconnect-ACK"), "{guessed}");
    let nobody = radius.order("disconnect", "Calling-Station-Id=02-00-00-00-00-77")?;
    assert!(nobody.contains("Session-Context-Not-Found"), "{nobody}");
    let foreign = radius.order("disconnect", &format!("{named},NAS-Identifier=mag2"))?;
    assert!(foreign.contains("NAS-Identification-Mismatch"), "{foreign}");
    assert!(counted(&domain, "order_bad_authenticator")? >= 1);

    // The second gets another name: it is registered anew.
    let from = domain.notices.count();
    let changed =
        "Calling-Station-Id=02-00-00-00-00-02,Mobile-Node-Identifier=0x74776f40782e6e6574";
    let answer = radius.order("coa", changed)?;
    assert!(answer.contains("CoA-ACK"), "{answer}");
    domain.notices.wait("the new name", from, LIMIT, |notice| {
        notice.kind == "attached" && notice.field("mn_identifier").contains("two@x.net")
    })?;

    // What the table counted is what the server hears when the first is ended.
    let before = list(&domain, "mag1", "visitors")?;
    let before = before
        .iter()
        .find(|it| it["mac"] == MN_MAC)
        .context("gone")?;
    let from = domain.notices.count();
    let answer = radius.order("disconnect", named)?;
    assert!(answer.contains("Disconnect-ACK"), "{answer}");
    domain.notices.wait("the end", from, LIMIT, |notice| {
        notice.kind == "detached" && notice.field("mn_identifier").contains("mn1")
    })?;
    let limit = Instant::now() + LIMIT;
    let stop = loop {
        let stops = radius.records();
        let is_first = |record: &&Vec<(String, String)>| {
            of(record, "Acct-Status-Type") == "Stop"
                && of(record, "Calling-Station-Id") == "02-00-00-00-00-01"
        };
        if let Some(stop) = stops.iter().find(is_first) {
            break stop.clone();
        }
        assert!(Instant::now() < limit, "no Stop: {stops:?}");
        std::thread::sleep(Duration::from_millis(20));
    };
    assert_eq!(of(&stop, "Acct-Terminate-Cause"), "Admin-Reset");
    assert_eq!(of(&stop, "Class"), "0x676f6c64");
    assert_eq!(of(&stop, "NAS-Port-Id"), "access");
    let prefix = before["prefixes"][0].as_str().context("no prefix")?;
    assert_eq!(of(&stop, "Framed-IPv6-Prefix"), prefix);
    let number = |name: &str| of(&stop, name).parse::<u64>();
    for (direction, words) in [("up", "Input"), ("down", "Output")] {
        let traffic = &before[direction];
        let packets = number(&format!("Acct-{words}-Packets"))?;
        let octets = number(&format!("Acct-{words}-Octets"))?;
        assert_eq!(traffic["packets"].as_u64(), Some(packets), "{direction}");
        assert_eq!(traffic["bytes"].as_u64(), Some(octets), "{direction}");
        assert!(packets >= 20 && octets >= 20 * 1048, "{stop:?}");
        assert_eq!(number(&format!("Acct-{words}-Gigawords"))?, 0);
    }
    assert!(counted(&domain, "accounting_acknowledged")? >= 4);
    assert_eq!(counted(&domain, "accounting_lost")?, 0);

    domain.stop_well()?;
    radius.record("Accounting-Off")?;
    capture.stop()?;
    // A judge who knows the secret finds nothing wrong with what we sent.
    assert!(count(&trail, "radius.code == 1 && radius.Message_Authenticator")? >= 2);
    assert_eq!(
        count(&trail, "_ws.malformed || _ws.expert.severity >= 6291456")?,
        0
    );
    let asked = read(
        &trail,
        "radius.code == 1",
        &["radius.NAS_IPv6_Address", "radius.Service_Type"],
    )?;
    assert_eq!(asked[0], ["2001:db8:c::11", "2"]);
    Ok(())
}

/// A host that the server rejects causes no update, gets no advertisement, and has nothing forwarded.
///
/// Proves S1-24.
#[test]
fn a_host_that_the_server_rejects_is_not_served() -> Result<()> {
    let (domain, mut radius) = domain(Some(&users()))?;
    let mac = "02:00:00:00:00:99";
    let stranger = domain.network.mobile_node("stranger", mac)?;
    let directory = domain.network.run.directory();
    let (access, core) = (directory.join("access.pcap"), directory.join("core.pcap"));
    let switch = &domain.network.switch;
    let captures = [
        Capture::start(End::of(switch, "access1"), &access)?,
        Capture::start(End::of(switch, CORE), &core)?,
    ];
    let from = domain.notices.count();
    domain.network.plug(&stranger, 0)?;
    domain.notices.wait("a refusal", from, LIMIT, |notice| {
        notice.kind == "attach_refused"
    })?;
    assert!(!stranger.reaches(CN, Duration::from_secs(1)));
    for capture in captures {
        capture.stop()?;
    }
    assert!(count(&access, &format!("eth.src == {mac}"))? > 0);
    assert_eq!(count(&access, "icmpv6.type == 134")?, 0);
    assert_eq!(count(&core, "mip6.mhtype == 5 || ipv6.nxt == 41")?, 0);
    assert_eq!(counted(&domain, "access_rejected")?, 1);
    // Nor is one about which nobody answers, as configured; and that is to be seen. Whoever was let in and is asked
    // about anew goes.
    let second = domain.network.mobile_node("second", SECOND_MAC)?;
    domain.network.plug(&second, 0)?;
    second.wait_for_address(LIMIT)?;
    radius.silence();
    let from = domain.notices.count();
    let answer = radius.order("coa", "Calling-Station-Id=02-00-00-00-00-02")?;
    assert!(answer.contains("CoA-ACK"), "{answer}");
    domain.notices.wait("the end", from, LIMIT, |notice| {
        notice.kind == "detached" && notice.gateway == "mag1"
    })?;
    let from = domain.notices.count();
    let known = domain.network.mobile_node("mn", MN_MAC)?;
    domain.network.plug(&known, 0)?;
    for kind in ["aaa_server_down", "aaa_unreachable", "attach_refused"] {
        domain
            .notices
            .wait(kind, from, LIMIT, |notice| notice.kind == kind)?;
    }
    assert!(domain
        .anchorctl("mag1", &["aaa"])?
        .starts_with("UNREACHABLE: refuse"));
    assert!(list(&domain, "mag1", "visitors")?
        .iter()
        .all(|it| it["state"] != "bound"));
    // The LMA keeps the binding of the host that went for a while.
    assert!(list(&domain, "lma", "bindings")?
        .iter()
        .all(|it| it["state"] == "pending"));
    Ok(())
}

/// The server is gone. At the one MAG whoever is here stays, though it is asked about anew, and nobody else comes; at the
/// other one the policy file says who may come. The host that it lists goes over there with its TCP session.
///
/// Proves S1-23, S1-24.
#[test]
fn without_the_server_hosts_stay_or_the_policy_file_says_who_comes() -> Result<()> {
    let (mut domain, mut radius) = domain_with(Some(&users()), Some("keep"))?;
    let first = domain.network.mobile_node("mn", MN_MAC)?;
    domain.network.plug(&first, 0)?;
    let address = first
        .wait_for_address(LIMIT)
        .with_context(|| domain.troubles())?;
    let log = domain.network.run.directory().join("tcp.log");
    let (here, there) = (&first.namespace, &domain.network.cn.namespace);
    let session = Transfer::start(&domain.programs, here, there, CN, 200_000, &log)?;

    radius.silence();
    let unanswered = |from: usize, gateway: &str| {
        let noticed = domain.notices.wait("no answer", from, LIMIT, |notice| {
            notice.gateway == gateway && notice.kind == "aaa_unreachable"
        });
        noticed.map(drop)
    };
    let from = domain.notices.count();
    let answer = radius.order("coa", "Calling-Station-Id=02-00-00-00-00-01")?;
    assert!(answer.contains("CoA-ACK"), "{answer}");
    unanswered(from, "mag1")?;
    assert!(first.reaches(CN, LIMIT), "{}", domain.troubles());
    assert_eq!(list(&domain, "mag1", "visitors")?[0]["state"], "bound");
    let shown = domain.anchorctl("mag1", &["aaa"])?;
    assert!(shown.starts_with("UNREACHABLE: keep"), "{shown}");

    // One whom the server would let in and no file lists comes nowhere.
    let second = domain.network.mobile_node("second", SECOND_MAC)?;
    for (place, gateway) in [(0, "mag1"), (1, "mag2")] {
        let from = domain.notices.count();
        domain.network.plug(&second, place)?;
        domain.anchorctl(gateway, &["attach", "access", SECOND_MAC])?;
        unanswered(from, gateway)?;
        domain.notices.wait("a refusal", from, LIMIT, |notice| {
            notice.gateway == gateway && notice.kind == "attach_refused"
        })?;
    }
    let from = domain.notices.count();
    domain.network.plug(&first, 1)?;
    unanswered(from, "mag2")?;
    domain.notices.wait("the move", from, LIMIT, |notice| {
        notice.gateway == "lma" && notice.kind == "binding_moved"
    })?;
    assert!(first.reaches(CN, LIMIT), "{}", domain.troubles());
    assert_eq!(first.addresses()?, [address]);
    let shown = domain.anchorctl("mag2", &["aaa"])?;
    assert!(shown.starts_with("UNREACHABLE: policy-file"), "{shown}");
    let outcome = session.stop()?;
    assert!(outcome.intact && outcome.bytes > 0, "{outcome:?}");
    domain.stop_well()
}

/// Someone who answers in the server's place and does not know the secret, or knows how to forge the
/// response authenticator alone, lets nobody in; each kind of forgery is counted.
///
/// Proves S1-24.
#[test]
fn forged_answers_let_nobody_in() -> Result<()> {
    let (domain, radius) = domain(None)?;
    let program = format!(
        r#"
import hashlib, hmac, socket, struct
secret = b"{SECRET}"
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.bind(("10.99.0.1", 1812))
def answer(code, request, attributes, key, signed):
    if signed:
        attributes = b"\x50\x12" + bytes(16) + attributes
    head = struct.pack("!BBH", code, request[1], 20 + len(attributes))
    if signed:
        mac = hmac.new(key, head + request[4:20] + attributes, "md5").digest()
        attributes = attributes[:2] + mac + attributes[18:]
    return head + hashlib.md5(head + request[4:20] + attributes + key).digest() + attributes
while True:
    request, peer = s.recvfrom(4096)
    if request[0] != 1:
        continue
    s.sendto(answer(2, request, b"", secret, False), peer)      # not signed
    s.sendto(answer(2, request, b"", b"guess", True), peer)     # another secret
    good = bytearray(answer(2, request, b"", secret, True))
    good[4] ^= 1
    s.sendto(bytes(good), peer)                                 # the response authenticator broken
    s.sendto(b"\x02" + bytes([request[1]]), peer)               # cut off
    s.sendto(answer(2, bytes([1, request[1] ^ 1]) + request[2:], b"", secret, True), peer)
"#
    );
    let mut forger = radius.play(&program)?;
    let host = domain.network.mobile_node("mn", MN_MAC)?;
    let from = domain.notices.count();
    domain.network.plug(&host, 0)?;
    domain.notices.wait("a refusal", from, LIMIT, |notice| {
        notice.kind == "attach_refused"
    })?;
    assert!(forger.ended()?.is_none(), "{}", forger.tail());
    for counter in [
        "answer_without_message_authenticator",
        "answer_bad_message_authenticator",
        "answer_bad_authenticator",
        "answer_malformed",
        "answer_unexpected",
    ] {
        assert!(counted(&domain, counter)? >= 1, "{counter}");
    }
    assert_eq!(counted(&domain, "access_accepted")?, 0);
    assert!(list(&domain, "mag1", "visitors")?.is_empty());
    assert!(list(&domain, "lma", "bindings")?.is_empty());
    Ok(())
}
