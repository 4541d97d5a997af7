//! A MAAR that runs reads its neighbours again, by SIGHUP and by the control socket: what is wrong with the
//! file changes nothing, and what takes a restart is named. The signal is for the whole process, so that
//! this is one test.

use control::config::{Config, Machine};
use control::{run, ControlSocket, Params, PortInfo, PortStats};
use dataplane::rings;
use dataplane::tables::{Capacity, Tables};
use packet::PortId;
use roles::Event;
use serde_json::{json, Value};
use std::io::{BufRead, BufReader, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::process::Command;
use wire::ether::MacAddr;

const CONFIG: &str = r#"
[gateway]
name = "maar"
socket = "control.sock"
[workers]
cores = [0]
[[port]]
name = "core0"
device = "net_null0"
[[port]]
name = "acc0"
device = "net_null1"
[[interface]]
name = "core"
port = "core0"
kind = "core"
addresses = ["2001:db8:c::21/64"]
[[interface]]
name = "access"
port = "acc0"
kind = "access"
router = "fe80::21"
mac = "02:00:5e:00:52:21"
[maar]
address = "2001:db8:c::21"
cmd = "2001:db8:c::2c"
policy = "policy.toml"
pools = [{ prefix = "2001:db8:2100::/40", length = 64 }]
[[maar.neighbour]]
address = "2001:db8:c::22"
pools = ["2001:db8:2200::/40"]
"#;

/// One more MAAR.
const THIRD: &str = r#"
[[maar.neighbour]]
address = "2001:db8:c::23"
pools = ["2001:db8:2300::/40"]
"#;

fn ask(client: &mut BufReader<UnixStream>, method: &str) -> Value {
    let request = json!({"jsonrpc": "2.0", "id": 1, "method": method, "params": {}});
    writeln!(client.get_mut(), "{request}").unwrap();
    let mut line = String::new();
    client.read_line(&mut line).unwrap();
    serde_json::from_str(&line).unwrap_or_else(|error| panic!("{error}: {line:?}"))
}

/// Sends this process a signal.
fn signal(name: &str) {
    let pid = std::process::id().to_string();
    let sent = Command::new("kill").args([name, &pid]).status();
    assert!(sent.unwrap().success());
}

/// The neighbours that the role was told of, by their addresses' last part, each time.
fn told(record: &Path) -> Vec<Vec<u16>> {
    let text = std::fs::read_to_string(record).unwrap();
    let events = text.lines().filter_map(|line| {
        let recorded: Value = serde_json::from_str(line).ok()?;
        let event = serde_json::from_value(recorded["event"].clone()).unwrap();
        match event {
            Event::Neighbours { neighbours } => Some(neighbours),
            _ => None,
        }
    });
    let last = |it: &roles::maar::Neighbour| it.address.segments()[7];
    events.map(|it| it.iter().map(last).collect()).collect()
}

/// Proves S2-01.
#[test]
fn a_maar_reads_its_neighbours_again() {
    let folder = tempfile::tempdir().unwrap();
    let config_path = folder.path().join("maar.toml");
    let record = folder.path().join("events.jsonl");
    let write = |text: &str| std::fs::write(&config_path, text).unwrap();
    write(CONFIG);
    std::fs::write(folder.path().join("policy.toml"), "").unwrap();
    let config = Config::load_for(&config_path, &Machine { cores: vec![0] }).unwrap();
    let capacity = Capacity {
        bindings: 64,
        tunnels: 16,
        adjacencies: 64,
    };
    let (writer, _tables) = Tables::new(capacity, 1).unwrap();
    let (rings, _ends) = rings::channel(1).unwrap();
    let ports = ["core0", "acc0"]
        .iter()
        .zip(0..)
        .map(|(name, id)| PortInfo {
            name: (*name).to_owned(),
            device: format!("net_null{id}"),
            driver: "memory".to_owned(),
            mac: MacAddr([2, 0xaa, 0, 0, 0, id as u8]),
            mtu: 1500,
            id: PortId(id),
            twin: None,
            queues: Default::default(),
        });
    let socket = folder.path().join("control.sock");
    let params = Params {
        config,
        config_path: config_path.clone(),
        socket: ControlSocket::claim(&socket, None).unwrap(),
        ports: ports.collect(),
        read_port: Box::new(|_| PortStats::default()),
        workers: Vec::new(),
        dpdk_version: "none".to_owned(),
        cycles_per_second: None,
        record: Some(record.clone()),
        writer,
        rings,
        store: None,
        kernel: None,
        ready: None,
    };
    let control = std::thread::spawn(move || run(params));
    let mut client = BufReader::new(UnixStream::connect(&socket).unwrap());
    assert_eq!(ask(&mut client, "status")["result"]["role"], "maar");

    // A neighbour whose pool is another's: nothing changes.
    let clashes = CONFIG.to_owned() + &THIRD.replace("2300", "2200");
    write(&clashes);
    let refused = ask(&mut client, "reload");
    let why = refused["error"]["message"].as_str().unwrap();
    assert!(why.contains("nothing was changed"), "{why}");
    assert!(why.contains("a prefix belongs to one MAAR"), "{why}");
    // One that is none's, by the socket.
    write(&(CONFIG.to_owned() + THIRD));
    let reloaded = ask(&mut client, "reload");
    assert_eq!(reloaded["result"]["ignored"], json!([]), "{reloaded}");
    // It goes again, by a signal; the pools of our own take a restart.
    write(&CONFIG.replace("2001:db8:2100::/40", "2001:db8:2100::/41"));
    signal("-HUP");
    let mut times = 0;
    while told(&record).len() < 2 {
        // The loop of the control thread takes requests and signals in turns.
        ask(&mut client, "status");
        times += 1;
        assert!(times < 1_000_000, "the signal was not heard");
    }
    let reloaded = ask(&mut client, "reload");
    assert_eq!(
        reloaded["result"]["ignored"],
        json!(["maar.pools"]),
        "{reloaded}"
    );
    signal("-TERM");
    control.join().unwrap().unwrap();
    assert_eq!(told(&record), [vec![0x22, 0x23], vec![0x22], vec![0x22]]);
}
