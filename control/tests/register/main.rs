//! An LMA that runs takes hosts' own registrations by its control socket, and shows them beside what
//! gateways register.

use control::config::{Config, Machine};
use control::{run, ControlSocket, Params, PortInfo, PortStats};
use dataplane::rings;
use dataplane::tables::{Capacity, Tables};
use packet::PortId;
use serde_json::{json, Value};
use std::io::{BufRead, BufReader, Write};
use std::os::unix::net::UnixStream;
use wire::ether::MacAddr;

const CONFIG: &str = r#"
[gateway]
name = "lma"
socket = "control.sock"
[workers]
cores = [0]
[[port]]
name = "core0"
device = "net_null0"
[[interface]]
name = "core"
port = "core0"
kind = "core"
addresses = ["2001:db8:c::1/64"]
[[route]]
prefix = "::/0"
via = "2001:db8:c::99"
[lma]
address = "2001:db8:c::1"
policy = "policy.toml"
pools = [{ prefix = "2001:db8:1000::/40", length = 64 }]
"#;

fn ask(client: &mut BufReader<UnixStream>, method: &str, params: &Value) -> Value {
    let request = json!({"jsonrpc": "2.0", "id": 1, "method": method, "params": params});
    writeln!(client.get_mut(), "{request}").unwrap();
    let mut line = String::new();
    client.read_line(&mut line).unwrap();
    serde_json::from_str(&line).unwrap_or_else(|error| panic!("{error}: {line:?}"))
}

/// Proves S1-17.
#[test]
fn a_hosts_own_binding_is_registered_by_the_control_socket() {
    let folder = tempfile::tempdir().unwrap();
    let config_path = folder.path().join("lma.toml");
    std::fs::write(&config_path, CONFIG).unwrap();
    let policy = "mags = [\"2001:db8:c::11\"]\n[[host]]\nidentifier = \"mn1@example.net\"\n";
    std::fs::write(folder.path().join("policy.toml"), policy).unwrap();
    let config = Config::load_for(&config_path, &Machine { cores: vec![0] }).unwrap();
    let capacity = Capacity {
        bindings: 64,
        tunnels: 16,
        adjacencies: 64,
    };
    let (writer, _tables) = Tables::new(capacity, 1).unwrap();
    let (rings, _ends) = rings::channel(1).unwrap();
    let socket = folder.path().join("control.sock");
    let params = Params {
        config,
        config_path,
        kernel: None,
        store: None,
        socket: ControlSocket::claim(&socket, None).unwrap(),
        record: None,
        writer,
        rings,
        ports: vec![PortInfo {
            name: "core0".to_owned(),
            device: "net_null0".to_owned(),
            driver: "memory".to_owned(),
            mac: MacAddr([2, 0xaa, 0, 0, 0, 0]),
            mtu: 1500,
            id: PortId(0),
            twin: None,
            queues: Default::default(),
        }],
        read_port: Box::new(|_| PortStats::default()),
        workers: Vec::new(),
        dpdk_version: "none".to_owned(),
        cycles_per_second: None,
        ready: None,
    };
    // It ends with the process.
    std::thread::spawn(move || run(params));
    let mut client = BufReader::new(UnixStream::connect(&socket).unwrap());

    let register = |home: &str, care_of: &str, lifetime: u32| {
        json!({
            "identifier": "mn1@example.net",
            "home_address": home,
            "care_of_address": care_of,
            "lifetime_secs": lifetime,
        })
    };
    let (home, away) = ("2001:db8:1000::7", "2001:db8:f::7");
    let reply = ask(&mut client, "register", &register(home, away, 303));
    let expected = json!({"home_address": home, "lifetime_secs": 300, "sequence": 0});
    assert_eq!(reply["result"], expected, "{reply}");
    let shown = ask(&mut client, "bindings", &json!({}));
    let binding = &shown["result"][0];
    assert_eq!(
        (
            &binding["kind"],
            &binding["prefixes"],
            &binding["care_of_address"]
        ),
        (
            &json!("mobile"),
            &json!([format!("{home}/128")]),
            &json!(away)
        )
    );

    // Told again from elsewhere; a number of its own has to be newer.
    let moved = register(home, "2001:db8:f::8", 300);
    let reply = ask(&mut client, "register", &moved);
    assert_eq!(reply["result"]["sequence"], 1, "{reply}");
    let mut numbered = moved.clone();
    for (sequence, status) in [(1, Some("135")), (9, None)] {
        numbered["sequence"] = json!(sequence);
        let reply = ask(&mut client, "register", &numbered);
        let why = reply["error"]["message"].as_str();
        assert_eq!(why.is_some(), status.is_some(), "{reply}");
        assert!(why
            .zip(status)
            .is_none_or(|(why, status)| why.contains(status)));
    }
    let mut strange = moved.clone();
    strange["identifier"] = json!("nobody@example.net");
    for (wrong, status) in [
        (strange, "133"),
        (register("2001:db8:2000::7", away, 300), "132"),
        (register("2001:db8:1000::8", home, 300), "174"),
        (register("2001:db8:1000::8", away, 0), "133"),
    ] {
        let refused = ask(&mut client, "register", &wrong);
        assert_eq!(refused["error"]["code"], -32000, "{refused}");
        let why = refused["error"]["message"].as_str().unwrap();
        assert!(why.contains(status), "{why}");
    }

    // It is no gateway's, so there is nothing to be revoked.
    let host = json!({"identifier": "mn1@example.net"});
    let refused = ask(&mut client, "revoke", &host);
    assert_eq!(refused["error"]["code"], -32001, "{refused}");
    let ended = ask(&mut client, "register", &register(home, away, 0));
    let expected = json!({"home_address": home, "lifetime_secs": 0, "sequence": 10});
    assert_eq!(ended["result"], expected, "{ended}");
    let again = register(home, away, 300);
    assert!(ask(&mut client, "register", &again)["error"].is_null());
    assert!(ask(&mut client, "delete", &host)["error"].is_null());
    let shown = ask(&mut client, "bindings", &json!({}));
    assert_eq!(shown["result"], json!([]));
}
