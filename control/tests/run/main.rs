//! The control thread as a process runs it: real clock, real socket, real signals. Signals are for
//! the whole process, so that this is one test.

mod room;

use control::{run, ControlSocket, PortStats, WorkerInfo};
use dataplane::worker::{Worker, WorkerConfig};
use packet::memory::{Pool, Ports};
use roles::mag::{Mag, MagConfig};
use roles::{Event, Role};
use serde_json::json;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{mpsc, Arc};
use testbed::configuration::MAG;
use testbed::{signal, Client, Gateway, Parts};

const HOST: &str = r#"
[[host]]
mac = "02:00:00:00:00:01"
identifier = "mn1@example.net"
lma = "2001:db8:c::1"
"#;

#[test]
fn control_answers_reloads_records_and_ends_at_sigterm() {
    let configuration = MAG.replace(
        "[mag]",
        "[error_source]\naddress = \"2001:db8:c::1\"\n[mag]",
    );
    let gateway = Gateway::new(&configuration, HOST);
    let record = gateway.file("events.jsonl");
    let Parts {
        mut params,
        tables,
        ends,
    } = gateway.parts(&["core0", "acc0"]);
    let io = Ports::new(2, Pool::new(256, 2_432));
    let mut worker = Worker::new(0, &tables, ends, io, &WorkerConfig::default());
    let (stats, tap) = (worker.stats(), worker.tap());
    let stop = Arc::new(AtomicBool::new(false));
    let stopped = Arc::clone(&stop);
    let packets = std::thread::spawn(move || worker.run(&stopped));
    let (tell, ready) = mpsc::channel();
    // Whoever connects before control runs is answered when it does.
    let socket = gateway.socket();
    let mut early = Client::connect(&socket);
    early.send("status", json!({}));
    let second = ControlSocket::claim(&socket, None).unwrap_err();
    assert!(second.to_string().contains("another anchord"), "{second}");
    params.record = Some(record.clone());
    params.read_port = Box::new(|id| PortStats {
        rx_packets: u64::from(id.0) + 40,
        ..PortStats::default()
    });
    params.workers = vec![WorkerInfo {
        core: 0,
        socket: None,
        stats,
        tap,
    }];
    params.ready = Some(Box::new(move || tell.send(()).unwrap()));
    let control = std::thread::spawn(move || run(params));
    ready.recv().unwrap();

    assert_eq!(early.line()["result"]["name"], "mag");
    let mut client = Client::connect(&socket);
    let status = client.result("status", json!({}));
    assert_eq!(
        (&status["role"], &status["sessions"]),
        (&json!("mag"), &json!(0))
    );
    assert_eq!(status["signalling"]["count"], 0);
    let ports = client.result("ports", json!({}));
    assert_eq!(ports[1]["rx_packets"], 41);
    assert_eq!(client.result("workers", json!({}))[0]["core"], 0);
    let routes = client.result("routes", json!({}));
    let kinds: Vec<_> = routes
        .as_array()
        .unwrap()
        .iter()
        .map(|route| &route["kind"])
        .collect();
    assert_eq!(kinds, ["local", "local", "on-link", "local"]);
    // The anchor of the policy is looked for from the start.
    let neighbours = client.result("neighbours", json!({}));
    assert_eq!(neighbours[0]["address"], "2001:db8:c::1");
    let groups = client.result("counters", json!({}));
    let names: Vec<_> = groups["groups"]
        .as_array()
        .unwrap()
        .iter()
        .map(|group| &group["name"])
        .collect();
    assert_eq!(names, ["verdicts", "mag", "signalling", "socket"]);

    // Calls that cannot be.
    assert_eq!(client.code("bindings", json!({})), -32002);
    let host = json!({"interface": "access", "mac": "02:00:00:00:00:01"});
    let nowhere = json!({"interface": "acess", "mac": "02:00:00:00:00:01"});
    assert_eq!(client.code("attach", nowhere), -32001);
    assert_eq!(
        client.code("detach", json!({"mac": "02:00:00:00:00:01"})),
        -32001
    );
    assert_eq!(
        client.code("delete", json!({"identifier": "nobody"})),
        -32001
    );

    // Packets are watched: those that a filter wants, by one client at a time.
    let wrong = json!({"protocol": "icmp6"});
    assert_eq!(client.code("trace", wrong), -32602);
    assert_eq!(client.code("trace", json!({"port": "core1"})), -32001);
    assert_eq!(client.code("trace", json!({"worker": 1})), -32001);
    assert_eq!(client.code("stop", json!({"session": 1})), -32001);
    let mut tracer = Client::connect(&socket);
    let solicitations = json!({"packets": 1, "port": "core0", "protocol": "icmpv6"});
    let session = tracer.result("trace", solicitations.clone())["session"].clone();
    assert_eq!(tracer.code("capture", json!({})), -32000);
    let busy = client.ask("capture", json!({}));
    let hint = busy["error"]["data"]["hint"].as_str().unwrap();
    assert!(
        hint.contains(&format!("anchorctl stop {session}")),
        "{hint}"
    );

    // A host attaches by the operator's word, and subscribers hear of it.
    let mut subscriber = Client::connect(&socket);
    subscriber.result("subscribe", json!({}));
    client.result("attach", host);
    assert_eq!(subscriber.line()["params"]["notice"], "update_sent");
    // The update waits for its neighbour, who is asked for.
    let traced = tracer.line();
    assert_eq!(traced["method"], "traced");
    let traced = &traced["params"];
    assert_eq!(
        (&traced["session"], &traced["born"]),
        (&session, &json!("injected"))
    );
    assert_eq!(traced["verdict"], "forward");
    let steps = traced["steps"].as_array().unwrap();
    assert!(steps
        .iter()
        .any(|step| step["text"].as_str().unwrap().starts_with("to port core0")));
    let ended = tracer.line();
    assert_eq!(
        (&ended["method"], &ended["params"]["why"]),
        (&json!("ended"), &json!("complete"))
    );
    assert_eq!(ended["params"]["packets"], 1);
    // The connection takes requests again, and a capture that is stopped sends what is in its ring.
    let session = loop {
        // Until the worker has given the last session back.
        let begun = tracer.ask("capture", json!({"ring": 3, "snap": 64}));
        if let Some(session) = begun["result"]["session"].as_u64() {
            break session;
        }
    };
    assert_eq!(
        client.result("stop", json!({"session": session}))["session"],
        session
    );
    loop {
        let line = tracer.line();
        if line["method"] == "ended" {
            assert_eq!(line["params"]["why"], "stopped");
            break;
        }
        assert_eq!(line["method"], "captured");
    }
    // A client that goes away ends its session.
    let mut gone = Client::connect(&socket);
    while gone.ask("capture", json!({}))["result"].is_null() {}
    drop(gone);
    while client.ask("capture", json!({}))["result"].is_null() {}
    drop(tracer);
    let mut client = Client::connect(&socket);
    let metrics = client.result("metrics", json!({}));
    let metrics = metrics["text"].as_str().unwrap();
    assert!(
        metrics.contains("anchorage_port_rx_packets_total{port=\"acc0\"} 41\n"),
        "{metrics}"
    );
    let visitors = client.result("visitors", json!({}));
    assert_eq!(visitors[0]["identifier"], "mn1@example.net");
    assert_eq!(visitors[0]["state"], "registering");
    assert_eq!(visitors[0]["interface"], "access");
    // One that policy does not know is told so at once, and is not left half attached.
    let stranger = json!({"interface": "access", "mac": "02:00:00:00:00:99"});
    let refused = client.ask("attach", stranger);
    assert_eq!(refused["error"]["code"], -32000);
    let why = refused["error"]["message"].as_str().unwrap();
    assert!(why.contains("policy does not let it attach"), "{why}");
    let page = |skip: usize, limit: usize| json!({"skip": skip, "limit": limit});
    assert_eq!(client.result("visitors", page(0, 1)), visitors);
    assert_eq!(client.result("visitors", page(1, 1)), json!([]));
    assert_eq!(client.code("visitors", page(0, 0)), -32602);
    assert_eq!(client.code("visitors", page(0, 4_097)), -32602);

    // A reload that cannot be changes nothing; one that can is in force.
    gateway.govern("[[host]]\nmac = 1\n");
    assert_eq!(client.code("reload", json!({})), -32000);
    assert_eq!(
        client
            .result("visitors", json!({}))
            .as_array()
            .unwrap()
            .len(),
        1
    );
    gateway.govern("");
    let reloaded = client.result("reload", json!({}));
    assert_eq!(reloaded["hosts"], 0);
    assert_eq!(reloaded["ignored"], json!([]));
    gateway.govern(HOST);

    // What takes a restart is named; a route that needs it is refused, not forgotten.
    let changed = configuration
        .replace("cores = [1]", "cores = [1]\nidle = \"pause\"")
        .replace("[mag]", "[mag]\nlifetime = 60")
        .replace("name = \"core\"", "name = \"backbone\"")
        + "[[route]]\nprefix = \"2001:db8:9::/48\"\nvia = \"2001:db8:c::1\"\n";
    gateway.configure(&changed);
    let reloaded = client.result("reload", json!({}));
    assert_eq!(reloaded["routes"], 1);
    assert_eq!(
        reloaded["ignored"],
        json!(["interface", "mag.lifetime", "workers.idle"])
    );
    let lost = changed.clone()
        + "[[route]]\nprefix = \"::/0\"\nvia = \"fe80::9\"\ninterface = \"backbone\"\n";
    gateway.configure(&lost);
    let refused = client.ask("reload", json!({}));
    let why = refused["error"]["message"].as_str().unwrap();
    assert!(
        why.starts_with("nothing was changed: the route to ::/0"),
        "{why}"
    );
    let routes = client.result("routes", json!({}));
    assert_eq!(routes.as_array().unwrap().len(), 5);
    gateway.configure(&configuration);
    let before = client.result("status", json!({}))["policy_loaded"].clone();
    signal("-HUP");
    while client.result("status", json!({}))["policy_loaded"] == before {}

    signal("-TERM");
    control.join().unwrap().unwrap();
    stop.store(true, Ordering::Relaxed);
    packets.join().unwrap();
    assert!(!socket.exists());

    // What was recorded can be replayed.
    let recorded = control::record::read(&record).unwrap();
    let mut mag = Mag::new(MagConfig::new("2001:db8:c::11".parse().unwrap(), 64, 1));
    let mut effects = Vec::new();
    for line in &recorded {
        mag.on(line.now, &line.event, &mut effects);
    }
    let mut events = recorded.iter().map(|line| &line.event);
    assert!(matches!(events.next(), Some(Event::Started { .. })));
    assert!(matches!(events.next(), Some(Event::Anchors { .. })));
    assert!(events.any(|event| matches!(event, Event::HostSeen { .. })));
    assert_eq!(
        recorded.last().map(|line| &line.event),
        Some(&Event::Shutdown)
    );
    assert!(!effects.is_empty());
}
