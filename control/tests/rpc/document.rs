//! `docs/rpc.md` is made of the declarations; this test holds it to them. Run it with
//! `ANCHORAGE_BLESS=1` to write the document anew.

use control::rpc::types as t;
use control::rpc::{code, Field, Method, Request, MAX_LINE};
use std::fmt::Write;
use std::path::Path;

const INTRODUCTION: &str = "\
# The control socket

This document is made of the declarations in `control/src/rpc`; a test fails when it differs.

`anchord` listens on a Unix socket (`[gateway] socket` in its configuration, mode 0660) and speaks
JSON-RPC 2.0, one message per line. `anchorctl` is a client of it and nothing more. With any other:

```console
$ echo '{\"jsonrpc\": \"2.0\", \"id\": 1, \"method\": \"status\"}' | nc -U /run/anchorage/anchord.sock
{\"jsonrpc\":\"2.0\",\"id\":1,\"result\":{\"name\":\"lma\",\"role\":\"lma\",...}}
```

- Parameters are named, never positional. Batches are not taken. A request without `id` is done and
  not answered.
- Link-layer addresses are text such as `02:00:00:00:00:01`, prefixes such as `2001:db8::/64`. What
  is an `Option` is `null` when it is absent in a reply, and can be left out of a request.
- A client that says nothing for a minute, or does not read its answers, loses its connection; one
  that has subscribed may be silent, but must read its notices. `counters` counts all of these.
";

/// Objects that results are made of.
const OBJECTS: &[(&str, &str, &[Field])] = &[
    ("TableUse", t::TableUse::DESCRIPTION, t::TableUse::FIELDS),
    ("Latency", t::Latency::DESCRIPTION, t::Latency::FIELDS),
    ("Store", t::Store::DESCRIPTION, t::Store::FIELDS),
    (
        "VisitorAddress",
        t::VisitorAddress::DESCRIPTION,
        t::VisitorAddress::FIELDS,
    ),
    ("Traffic", t::Traffic::DESCRIPTION, t::Traffic::FIELDS),
    ("Anchor", t::Anchor::DESCRIPTION, t::Anchor::FIELDS),
    (
        "PreviousAnchor",
        t::PreviousAnchor::DESCRIPTION,
        t::PreviousAnchor::FIELDS,
    ),
    (
        "SoughtAnchor",
        t::SoughtAnchor::DESCRIPTION,
        t::SoughtAnchor::FIELDS,
    ),
    (
        "CounterGroup",
        t::CounterGroup::DESCRIPTION,
        t::CounterGroup::FIELDS,
    ),
    ("Counter", t::Counter::DESCRIPTION, t::Counter::FIELDS),
    ("Vector", t::Vector::DESCRIPTION, t::Vector::FIELDS),
    ("AaaServer", t::AaaServer::DESCRIPTION, t::AaaServer::FIELDS),
];

/// What comes after `trace` and `capture`.
const NOTIFICATIONS: &[(&str, &str, &[Field])] = &[
    ("traced", t::Traced::DESCRIPTION, t::Traced::FIELDS),
    ("captured", t::Captured::DESCRIPTION, t::Captured::FIELDS),
    ("ended", t::WatchEnded::DESCRIPTION, t::WatchEnded::FIELDS),
    ("Step", t::Step::DESCRIPTION, t::Step::FIELDS),
];

/// Types whose JSON the introduction tells, or that need no telling.
const PLAIN: &[&str] = &[
    "String",
    "bool",
    "u8",
    "u16",
    "u32",
    "u64",
    "usize",
    "i32",
    "f64",
    "IpAddr",
    "Ipv4Addr",
    "Ipv6Addr",
    "MacAddr",
    "HomeNetworkPrefix",
    "Prefix",
];

fn expected() -> String {
    let mut text = INTRODUCTION.to_owned();
    let mut put = |line: &str| {
        text.push_str(line);
        text.push('\n');
    };
    put("\n## Methods\n\n| method | parameters | result | |\n|---|---|---|---|");
    for method in Method::ALL {
        let params: Vec<String> = method
            .params
            .iter()
            .map(|it| format!("`{}`", it.name))
            .collect();
        put(&format!(
            "| [`{0}`](#{0}) | {1} | {2} | {3} |",
            method.name,
            params.join(", "),
            kind(method.result),
            method.description.trim(),
        ));
    }
    for method in Method::ALL {
        put(&format!(
            "\n### {}\n\n{}",
            method.name,
            method.description.trim()
        ));
        if !method.params.is_empty() {
            put(&format!("\nParameters:\n\n{}", fields(method.params)));
        }
        put(&format!("\nResult: {}.", kind(method.result)));
        put(&format!("\n{}", fields(method.result_fields).trim_end()));
    }
    put("\n## Objects within results");
    for (name, description, own) in OBJECTS {
        put(&format!(
            "\n### {name}\n\n{}\n\n{}",
            description.trim(),
            fields(own).trim_end()
        ));
    }
    put(NOTICES);
    put(WATCHING);
    for (name, description, own) in NOTIFICATIONS {
        put(&format!(
            "### {name}\n\n{}\n\n{}",
            description.trim(),
            fields(own)
        ));
    }
    put("## Errors\n\nAn error has `code`, `message`, and in `data.hint` what to do next.\n");
    put("| code | meaning |\n|---|---|");
    for (code, meaning) in [
        (code::PARSE, "the line is not JSON".to_owned()),
        (code::INVALID_REQUEST, format!(
            "the JSON is not a request; or the line has more than {MAX_LINE} octets, after which the connection is closed"
        )),
        (code::METHOD_NOT_FOUND, "there is no such method; the hint names the nearest".to_owned()),
        (code::INVALID_PARAMS, "the parameters are not those of the method".to_owned()),
        (code::INTERNAL, "the gateway failed".to_owned()),
        (code::REFUSED, "understood and refused".to_owned()),
        (code::NOT_FOUND, "what the request names is not there".to_owned()),
        (code::WRONG_ROLE, "the gateway's role has no such thing".to_owned()),
        (code::UNAVAILABLE, "too busy, too many clients, or going down".to_owned()),
    ] {
        put(&format!("| {code} | {meaning} |"));
    }
    text
}

const NOTICES: &str = "
## Notices

After `subscribe`, notifications come on the same connection:

```json
{\"jsonrpc\": \"2.0\", \"method\": \"notice\", \"params\": {\"time\": 1700000000.25, \"monotonic_us\": 81234567,
 \"interface\": \"access\", \"notice\": \"attached\",
 \"link\": {\"interface\": 1, \"mac\": \"02:00:00:00:00:01\"}, \"mn_identifier\": {\"nai\": \"mn1@example.net\"}}}
```

`time` is in seconds since 1970, `monotonic_us` in microseconds of a clock that never jumps;
`interface` is the name of the interface of a notice that has a `link`. The notices and their other
fields are those of `roles::effect::Notice`, and for ports and workers those of
`control::rpc::MachineNotice`: `port_down` and `port_up` with `port`, `worker_stalled` and
`worker_recovered` with `worker`, `core` and `secs`; of AAA `aaa_server_down` and `aaa_server_up` with
`server`, and `aaa_unreachable` with `mac` and `so`, what became of the host. A subscriber that does not keep up with them loses its
connection.
";

const WATCHING: &str = "\
## Watched packets

After `trace` or `capture`, notifications come on the same connection: `traced` or `captured`, and one
`ended` as the last. A connection has one such session at a time, a worker takes part in one; a client that
goes away ends its session. What a client does not read in time is left out and counted, so that nobody waits
for it. `traced` has a list of `Step`.
";

fn kind(result: &str) -> String {
    match result
        .strip_prefix('[')
        .and_then(|rest| rest.strip_suffix(']'))
    {
        Some(element) => format!("list of `{element}`"),
        None => format!("`{result}`"),
    }
}

fn fields(fields: &[Field]) -> String {
    let mut table = "| field | type | |\n|---|---|---|\n".to_owned();
    for field in fields {
        // Text may be cut between two lines of a doc comment, with a space at both ends.
        let description = field
            .description
            .split_whitespace()
            .collect::<Vec<_>>()
            .join(" ");
        let kind = field.kind.replace(' ', "");
        writeln!(table, "| `{}` | `{kind}` | {description} |", field.name).expect("text takes all");
    }
    table
}

#[test]
fn the_document_says_what_the_declarations_say() {
    let path = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/rpc.md"));
    let expected = expected();
    if std::env::var_os("ANCHORAGE_BLESS").is_some() {
        std::fs::write(path, &expected).expect("docs/rpc.md can be written");
    }
    let written = std::fs::read_to_string(path).unwrap_or_default();
    assert!(
        written == expected,
        "docs/rpc.md differs from control/src/rpc: run this test with ANCHORAGE_BLESS=1"
    );
}

#[test]
fn every_type_of_a_field_is_explained() {
    let results = Method::ALL
        .iter()
        .flat_map(|method| method.params.iter().chain(method.result_fields));
    let within = OBJECTS.iter().chain(NOTIFICATIONS);
    let within = within.flat_map(|(_, _, fields)| fields.iter());
    for field in results.chain(within) {
        let kind: String = field.kind.chars().filter(|c| !c.is_whitespace()).collect();
        let kind = ["Option<", "Vec<"]
            .iter()
            .fold(kind.as_str(), |kind, outer| {
                let inner = kind
                    .strip_prefix(outer)
                    .and_then(|kind| kind.strip_suffix('>'));
                inner.unwrap_or(kind)
            });
        let explained = PLAIN.contains(&kind)
            || OBJECTS
                .iter()
                .chain(NOTIFICATIONS)
                .any(|(name, ..)| *name == kind);
        assert!(explained, "nothing says what a {kind} is");
    }
}

#[test]
fn every_method_is_read_back_from_its_own_name_and_parameters() {
    let requests = [
        r#"{"interface": "access", "mac": "02:00:00:00:00:01"}"#,
        r#"{"identifier": "mn1@example.net"}"#,
        r#"{"session": 4}"#,
        r#"{"identifier": "mn1", "home_address": "2001:db8::1", "care_of_address": "2001:db8:f::1", "lifetime_secs": 4}"#,
        "{}",
    ];
    for method in Method::ALL {
        let read = requests.iter().find_map(|params| {
            let params = serde_json::from_str(params).expect("JSON");
            Request::parse(method.name, Some(params)).ok()
        });
        let request = read.unwrap_or_else(|| panic!("`{}` takes none of them", method.name));
        assert_eq!(request.method(), method.name);
        let again = Request::parse(request.method(), Some(request.params()));
        assert_eq!(again.as_ref(), Ok(&request));
    }
}
