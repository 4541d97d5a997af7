//! What the gateway of these tests answers: one of everything, with what stands out set.

use control::rpc::types as t;
use control::rpc::{Reply, Request, RevokeParams, RpcError, LONGEST_PAGE};

pub(super) fn answer(request: Request) -> Result<Reply, RpcError> {
    let traffic = t::Traffic {
        packets: 120,
        bytes: 14_230,
    };
    let counter = |name: &str, value| t::Counter {
        name: name.into(),
        value,
        description: "What it counts, in a sentence that is too long for a narrow terminal.".into(),
    };
    let mac = "02:00:00:00:00:01".parse().expect("a link-layer address");
    Ok(match request {
        Request::Status => Reply::Status(t::Status {
            name: "mag1".into(),
            role: "mag".into(),
            address: "2001:db8:c::11".parse().expect("an address"),
            version: "0.1.0".into(),
            dpdk_version: "22.11.11".into(),
            pid: 77,
            uptime_secs: 307.0,
            workers: 1,
            stalled_worker: Some(0),
            standing_workers: Vec::new(),
            draining: false,
            sessions: 1,
            tables: vec![t::TableUse {
                name: "bindings".into(),
                used: 1,
                capacity: 65_536,
            }],
            policy: "/etc/anchorage/mag-policy.toml".into(),
            policy_loaded: 0.0,
            subscribers: 0,
            signalling: t::Latency {
                count: 3,
                p50_us: 40.2,
                p99_us: 90.0,
                p999_us: 90.0,
                max_us: 91.0,
            },
            store: Some(t::Store {
                path: "/var/lib/anchorage/mag1.redb".into(),
                durability: "process".into(),
                restarts: 4,
                records: 1,
                octets: 1_589_248,
                restored: 1,
                commits: 17,
                changes: 19,
                waiting: 0,
                held: 0,
                put_off: 0,
                last_commit_us: 180.0,
                longest_commit_us: 950.0,
                failures: 3,
                failing: Some("no space left".into()),
            }),
        }),
        Request::Anchors(_) => Reply::Anchors(vec![t::AnchoredHost {
            identifier: "mn1@example.net".into(),
            state: "served".into(),
            prefix: "2001:db8:2300:1::/64".parse().expect("a prefix"),
            interface: Some("access".into()),
            mac: Some(mac),
            link_local: None,
            serving: None,
            previous: vec![t::PreviousAnchor {
                maar: "2001:db8:c::21".parse().expect("an address"),
                prefix: "2001:db8:2100:9::/64".parse().expect("a prefix"),
                router: Some("fe80::21".parse().expect("an address")),
                router_mac: None,
                releasing: false,
                found: "learned".into(),
            }],
            searching: true,
            sought: vec![t::SoughtAnchor {
                prefix: "2001:db8:2200:7::/64".parse().expect("a prefix"),
                to: "2001:db8:2200:7:200:5eff:fe00:5213"
                    .parse()
                    .expect("an address"),
                found: "constructed".into(),
                transmissions: 1,
            }],
            remaining_secs: Some(295.0),
            up: t::Traffic::default(),
            down: t::Traffic::default(),
        }]),
        Request::Visitors(_) => Reply::Visitors(vec![t::Visitor {
            identifier: Some("mn1@example.net".into()),
            interface: "access".into(),
            mac,
            ipv4_home_address: None,
            domain: None,
            ipv4_default_router: None,
            link_local: None,
            addresses: vec![t::VisitorAddress {
                address: "2001:db8:1000:1::7".parse().expect("an address"),
                learned: "dad".into(),
            }],
            dhcp_server: None,
            router: Some("fe80::1".parse().expect("an address")),
            router_mac: Some(mac),
            state: "bound".into(),
            prefixes: vec!["2001:db8:1000:1::/64".parse().expect("a prefix")],
            delegated_prefixes: Vec::new(),
            lma: Some("2001:db8:c::1".parse().expect("an address")),
            proxy_care_of_address: "2001:db8:c::11".parse().expect("an address"),
            sequence: Some(7),
            remaining_secs: Some(299.5),
            up: traffic,
            down: traffic,
        }]),
        Request::Peers(_) => {
            let peer = |address: &str, state: &str, restart_counter| t::Peer {
                address: address.parse().expect("an address"),
                state: state.into(),
                sessions: 2,
                missing: 4,
                restart_counter,
                round_trip_us: restart_counter.map(|_| 812.4),
                heard_secs: restart_counter.map(|_| 3.2),
            };
            Reply::Peers(vec![
                peer("2001:db8:c::1", "up", Some(7)),
                peer("2001:db8:c::2", "down", None),
            ])
        }
        Request::Bindings(_) => {
            let (what, hint) = ("a MAG has no binding cache", "ask for `visitors`");
            return Err(RpcError::wrong_role(what, hint));
        }
        Request::Neighbours(page) => {
            // One more than fits into a page.
            let all = (0..=LONGEST_PAGE).map(|nth| t::Neighbour {
                address: std::net::Ipv6Addr::from(nth as u128).into(),
                interface: "core".into(),
                mac: None,
                state: "failed".into(),
            });
            Reply::Neighbours(page.of(LONGEST_PAGE + 1, all)?)
        }
        Request::Counters => Reply::Counters(t::Counters {
            groups: vec![
                t::CounterGroup {
                    name: "verdicts".into(),
                    worker: Some(0),
                    counters: vec![counter("routed", 5), counter("blackhole", 0)],
                },
                t::CounterGroup {
                    name: "socket".into(),
                    worker: None,
                    counters: vec![counter("idle", 0)],
                },
            ],
        }),
        Request::Attach(host) => Reply::Attach(t::Accepted {
            host: format!("{} on {}", host.mac, host.interface),
        }),
        Request::Detach(host) => Reply::Detach(t::Accepted {
            host: host
                .mac
                .map(|mac| mac.to_string())
                .or(host.identifier)
                .unwrap_or_default(),
        }),
        Request::Delete(host) => Reply::Delete(t::Accepted {
            host: host.identifier,
        }),
        Request::Revoke(which) => Reply::Revoke(t::Revoked {
            sessions: match which {
                RevokeParams {
                    ipv4_only: Some(true),
                    ..
                } => 0,
                RevokeParams {
                    identifier: Some(_),
                    ..
                } => 1,
                RevokeParams { realm: Some(_), .. } => 2,
                RevokeParams { peer: Some(_), .. } => 20,
                _ => 300,
            },
            messages: 1,
        }),
        Request::Register(host) => Reply::Register(t::Registered {
            home_address: host.home_address,
            lifetime_secs: host.lifetime_secs,
            sequence: host.sequence.unwrap_or(7),
        }),
        Request::Reload => Reply::Reload(t::Reloaded {
            hosts: 2,
            routes: 1,
            ignored: vec!["workers.cores".into(), "port".into()],
        }),
        Request::Subscribe => Reply::Subscribe(t::Subscribed {
            name: "mag1".into(),
        }),
        Request::Ports => Reply::Ports(vec![t::Port {
            name: "core0".into(),
            device: "net_null0".into(),
            driver: "net_null".into(),
            mac,
            mtu: 1500,
            link_up: true,
            twin: None,
            rx_packets: 120,
            rx_bytes: 14_230,
            rx_missed: 0,
            rx_errors: 0,
            tx_packets: 120,
            tx_bytes: 14_230,
            tx_errors: 0,
            rx_queues: 1,
            tx_queues: 1,
            rss: vec![],
            handoff: false,
            socket: None,
        }]),
        Request::Workers => Reply::Workers(vec![t::Worker {
            index: 0,
            core: 1,
            socket: None,
            queues: vec!["core0:0".into()],
            standing_secs: None,
            handed: 0,
            taken: 0,
            polls: 1_000,
            packets: 900,
            burst: 9.0,
            idle: 0.9,
            cycles_per_packet: Some(250.0),
            empty_polls: 900,
            uptime_secs: 10.0,
            busy_secs: 2.5,
            sleeps: 3,
            slept_secs: 0.1,
            held: 2,
            vectors: vec![
                t::Vector {
                    most: Some(16),
                    polls: 75,
                },
                t::Vector {
                    most: None,
                    polls: 25,
                },
            ],
        }]),
        Request::Trace(_) => Reply::Trace(t::Watching {
            session: 4,
            workers: 1,
        }),
        Request::Capture(_) => Reply::Capture(t::Watching {
            session: 4,
            workers: 1,
        }),
        Request::Stop(session) => Reply::Stop(t::Stopped {
            session: session.session,
        }),
        Request::Sessions(_) => {
            let anchor = |maar: &str, prefix: &str, state: &str| t::Anchor {
                maar: maar.parse().expect("an address"),
                prefixes: vec![prefix.parse().expect("a prefix")],
                state: state.into(),
            };
            let serving = "2001:db8:ff::22";
            Reply::Sessions(vec![t::Session {
                identifier: "mn1@example.net".into(),
                state: "active".into(),
                serving: Some(serving.parse().expect("an address")),
                anchors: vec![
                    anchor("2001:db8:ff::21", "2001:db8:a1:1::/64", "told"),
                    anchor(serving, "2001:db8:a2:1::/64", "serving"),
                ],
                remaining_secs: 299.0,
                sequence: 7,
                timestamp: Some(1_700_000_000.5),
                access_technology: 3,
                handoff_indicator: 4,
                awaited: false,
            }])
        }
        Request::Mode(params) => Reply::Mode(t::Mode {
            mode: params.mode.unwrap_or_else(|| "proxy".into()),
        }),
        Request::Talkers(_) => Reply::Talkers(vec![t::Talker {
            prefix: "2001:db8:1::/64".into(),
            bits_per_sec: 8_000.0,
            up: traffic,
            down: traffic,
        }]),
        Request::Dhcp => Reply::Dhcp(t::Dhcp {
            server: "/run/kea/kea6.sock".to_owned(),
            looks: 2,
            mismatches: vec!["the server has no subnet for our pool 2001:db8:2100::/40".to_owned()],
        }),
        Request::Aaa => Reply::Aaa(t::Aaa {
            reachable: false,
            when_unreachable: "keep".to_owned(),
            sessions: 3,
            questions: 1,
            accounting: true,
            records: 4,
            records_lost: 5,
            order_clients: 1,
            servers: vec![t::AaaServer {
                used_for: "access".to_owned(),
                address: "192.0.2.1:1812".to_owned(),
                dead: true,
                requests: 9,
                answers: 7,
                timeouts: 2,
                round_trip_us: Some(512.4),
            }],
        }),
        Request::Metrics => Reply::Metrics(t::Metrics {
            text: "# EOF\n".into(),
        }),
        Request::Routes => return Err(RpcError::unavailable("not now", "try again")),
    })
}
