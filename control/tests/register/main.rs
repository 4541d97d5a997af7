//! An LMA that runs takes hosts' own registrations by its control socket, and shows them beside what
//! gateways register.

use control::run;
use serde_json::json;
use testbed::configuration::LMA;
use testbed::{Client, Gateway};

/// Proves S1-17.
#[test]
fn a_hosts_own_binding_is_registered_by_the_control_socket() {
    let policy = "mags = [\"2001:db8:c::11\"]\n[[host]]\nidentifier = \"mn1@example.net\"\n";
    let gateway = Gateway::new(LMA, policy);
    let parts = gateway.parts(&["core0"]);
    // It ends with the process.
    std::thread::spawn(move || run(parts.params));
    let mut client = Client::connect(&gateway.socket());

    let register = |home: &str, care_of: &str, lifetime: u32| {
        json!({
            "identifier": "mn1@example.net",
            "home_address": home,
            "care_of_address": care_of,
            "lifetime_secs": lifetime,
        })
    };
    let (home, away) = ("2001:db8:1000::7", "2001:db8:f::7");
    let reply = client.ask("register", register(home, away, 303));
    let expected = json!({"home_address": home, "lifetime_secs": 300, "sequence": 0});
    assert_eq!(reply["result"], expected, "{reply}");
    let shown = client.ask("bindings", json!({}));
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
    let reply = client.ask("register", &moved);
    assert_eq!(reply["result"]["sequence"], 1, "{reply}");
    let mut numbered = moved.clone();
    for (sequence, status) in [(1, Some("135")), (9, None)] {
        numbered["sequence"] = json!(sequence);
        let reply = client.ask("register", &numbered);
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
        let refused = client.ask("register", &wrong);
        assert_eq!(refused["error"]["code"], -32000, "{refused}");
        let why = refused["error"]["message"].as_str().unwrap();
        assert!(why.contains(status), "{why}");
    }

    // It is no gateway's, so there is nothing to be revoked.
    let host = json!({"identifier": "mn1@example.net"});
    let refused = client.ask("revoke", &host);
    assert_eq!(refused["error"]["code"], -32001, "{refused}");
    let ended = client.ask("register", register(home, away, 0));
    let expected = json!({"home_address": home, "lifetime_secs": 0, "sequence": 10});
    assert_eq!(ended["result"], expected, "{ended}");
    let again = register(home, away, 300);
    assert!(client.ask("register", &again)["error"].is_null());
    assert!(client.ask("delete", &host)["error"].is_null());
    let shown = client.ask("bindings", json!({}));
    assert_eq!(shown["result"], json!([]));
}
