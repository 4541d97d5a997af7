//! Addresses, links, routes and pools that cannot be.

use super::{load, refused, said, LMA, LMA_POLICY, MAG};

#[test]
fn an_address_without_length_is_refused() {
    refused(
        LMA,
        "2001:db8:c::1/64",
        "2001:db8:c::1",
        "test.toml:15: `2001:db8:c::1` is not an address with a prefix length; write it as 2001:db8::1/64 or 192.0.2.1/24",
    );
}

#[test]
fn a_prefix_with_host_bits_is_refused() {
    refused(
        LMA,
        "2001:db8:1000::/40",
        "2001:db8:1000::1/40",
        "test.toml:24: `2001:db8:1000::1/40` has bits set past its length; did you mean 2001:db8:1000::/40?",
    );
}

#[test]
fn the_role_has_an_address_of_ours() {
    refused(
        LMA,
        "address = \"2001:db8:c::1\"",
        "address = \"2001:db8:c::2\"",
        "test.toml:22: `2001:db8:c::2` is no interface's address; add it to `addresses` of a core interface",
    );
}

#[test]
fn a_router_is_on_link() {
    refused(
        LMA,
        "via = \"2001:db8:c::99\"",
        "via = \"2001:db8:d::99\"",
        "test.toml:19: `2001:db8:d::99` is not on link; give a router in a prefix of `addresses` of the interface towards it",
    );
    refused(
        LMA,
        "via = \"2001:db8:c::99\"",
        "via = \"fe80::99\"",
        "test.toml:19: `fe80::99` is link-local; add `interface = NAME`",
    );
    refused(
        LMA,
        "via = \"2001:db8:c::99\"",
        "via = \"2001:db8:c::1\"",
        "test.toml:19: `2001:db8:c::1` is our own address; give the next router's",
    );
    refused(
        LMA,
        "via = \"2001:db8:c::99\"",
        "via = \"2001:db8:c::99\"\nblackhole = true",
        "test.toml:17: a route needs one of `via = ADDRESS`, `unreachable = true` and `blackhole = true`",
    );
}

#[test]
fn an_ipv4_address_is_one_that_a_node_can_have() {
    for (address, expected) in [
        ("192.0.2.1/33", "`192.0.2.1/33` is not an address with a prefix length; write it as 2001:db8::1/64 or 192.0.2.1/24"),
        ("127.0.0.1/8", "`127.0.0.1` is not a unicast address"),
        ("224.0.0.1/24", "`224.0.0.1` is not a unicast address"),
        ("192.0.2.255/24", "`192.0.2.255` stands for everyone on its link, or for the link; give one between them"),
        ("192.0.2.0/24", "`192.0.2.0` stands for everyone on its link, or for the link; give one between them"),
    ] {
        let with = format!("2001:db8:c::1/64\", \"{address}");
        refused(LMA, "2001:db8:c::1/64", &with, &format!("test.toml:15: {expected}"));
    }
    for address in ["192.0.2.1/24", "192.0.2.0/31", "192.0.2.255/32"] {
        let with = format!("2001:db8:c::1/64\", \"{address}");
        let config = LMA.replacen("2001:db8:c::1/64", &with, 1);
        load(&config, LMA_POLICY).expect("a good address");
    }
}

#[test]
fn a_router_is_of_its_routes_family() {
    refused(
        LMA,
        "via = \"2001:db8:c::99\"",
        "via = \"192.0.2.9\"",
        "test.toml:19: `192.0.2.9` is no router for ::/0: they are of different families",
    );
}

#[test]
fn pools_do_not_overlap_one_another_or_our_links() {
    let pool = "{ prefix = \"2001:db8:1000::/40\" }";
    refused(
        LMA,
        pool,
        &format!("{pool},\n{{ prefix = \"2001:db8:1080::/44\" }}"),
        "test.toml:25: 2001:db8:1080::/44 overlaps pool 2001:db8:1000::/40",
    );
    refused(
        LMA,
        pool,
        "{ prefix = \"2001:db8:c::/48\" }",
        "test.toml:24: 2001:db8:c::/48 overlaps 2001:db8:c::/64, which is on link here",
    );
    refused(
        LMA,
        pool,
        "{ prefix = \"2001:db8:1000::/40\", length = 32 }",
        "test.toml:24: 2001:db8:1000::/40 cannot be cut into prefixes of length 32; give a `length` from 40 to 103",
    );
}

#[test]
fn links_have_prefixes_of_their_own() {
    refused(
        MAG,
        "router = ",
        "addresses = [\"2001:db8:c:0:8000::1/65\"]\nrouter = ",
        "test.toml:26: 2001:db8:c:0:8000::/65 overlaps 2001:db8:c::/64 of interface `core`; links need prefixes of their own",
    );
}

#[test]
fn an_access_interface_shows_hosts_a_router() {
    refused(
        MAG,
        "router = \"fe80::1\"\n",
        "",
        "test.toml:22: an access interface needs `router`, the link-local address that every MAG of the domain shows",
    );
    refused(
        MAG,
        "fe80::1",
        "2001:db8::1",
        "test.toml:26: `2001:db8::1` is not a link-local address; give one such as fe80::1",
    );
    refused(
        MAG,
        "02:00:5e:00:52:13",
        "03:00:5e:00:52:13",
        "test.toml:27: `03:00:5e:00:52:13` cannot be a gateway's own; give a unicast link-layer address",
    );
    refused(
        MAG,
        "02:00:5e:00:52:13",
        "02:00:5e:00:52",
        "test.toml:27: `02:00:5e:00:52` is not a link-layer address; write it as 02:00:00:00:00:01",
    );
}

#[test]
fn ipv4_between_gateways_needs_an_address_of_ours_and_udp_needs_ipv4() {
    refused(
        LMA,
        "pools =",
        "ipv4_address = \"192.0.2.1\"\npools =",
        "test.toml:24: `192.0.2.1` is no address of a core interface; add it to `addresses` of one",
    );
    refused(
        LMA,
        "pools =",
        "accept_udp_encapsulation = true\npools =",
        "test.toml:24: goes with `ipv4_address`; tunnels over IPv6 have no UDP",
    );
    let mag = format!("{MAG}udp_encapsulation = true\n");
    let error = load(&mag, "").expect_err("it has no IPv4");
    let expected = "test.toml:32: goes with `ipv4_address`; tunnels over IPv6 have no UDP";
    assert_eq!(said(&error), [expected]);
    let policy = "[default]\nidentifier = \"{mac}@example.net\"\nlma = \"192.0.2.1\"\n";
    let error = load(MAG, policy).expect_err("it has no IPv4");
    let expected =
        "policy.toml:3: `192.0.2.1` is reached over IPv4; give our own `ipv4_address` in the \
                    configuration";
    assert_eq!(said(&error), [expected]);
}
