//! Numbers of the protocol that are out of reason, and what cannot be served.

use super::{load, refused, said, LMA, LMA_POLICY, MAG};

#[test]
fn numbers_are_within_reason() {
    refused(
        MAG,
        "policy = ",
        "lifetime = 3\npolicy = ",
        "test.toml:31: 3 is out of range; give 4 to 262136",
    );
    refused(
        MAG,
        "policy = ",
        "refresh_at = 1.5\npolicy = ",
        "test.toml:31: 1.5 is out of range; give 0.1 to 0.95",
    );
    refused(
        MAG,
        "policy = ",
        "max_bindack_timeout_ms = 500\npolicy = ",
        // The default of the first wait is what does not fit; it is not in the file.
        "test.toml:29: 1000 is out of range; give 10 to 500",
    );
}

#[test]
fn revocation_is_within_reason() {
    let pools = "pools = [{ prefix = \"2001:db8:1000::/40\" }]";
    for (line, expected) in [
        (
            "initial_delay_ms = 499",
            "test.toml:26: 499 is out of range; give 500 to 2000",
        ),
        (
            "initial_delay_ms = 2001",
            "test.toml:26: 2001 is out of range; give 500 to 2000",
        ),
        (
            "max_retries = 11",
            "test.toml:26: 11 is out of range; give 0 to 10",
        ),
        (
            "pacing_rate = 0",
            "test.toml:26: 0 is out of range; give 1 to 1000000",
        ),
        (
            "pacing_burst = 65537",
            "test.toml:26: 65537 is out of range; give 1 to 65536",
        ),
        (
            "acept = false",
            "test.toml:26: unknown key `acept`; did you mean \"accept\"?",
        ),
    ] {
        let spoiled = format!("{pools}\n[lma.revocation]\n{line}");
        refused(LMA, pools, &spoiled, expected);
    }
}

#[test]
fn heartbeats_are_within_reason() {
    let pools = "pools = [{ prefix = \"2001:db8:1000::/40\" }]";
    for (line, expected) in [
        (
            "interval = 3601",
            "test.toml:26: 3601 is out of range; give 0 to 3600",
        ),
        (
            "missing_allowed = 101",
            "test.toml:26: 101 is out of range; give 0 to 100",
        ),
        (
            "sessions_per_second = 19",
            "test.toml:26: 19 is out of range; give 20 to 1000000",
        ),
        (
            "end_when_restartet = true",
            "test.toml:26: unknown key `end_when_restartet`; did you mean \"end_when_restarted\"?",
        ),
    ] {
        let spoiled = format!("{pools}\n[lma.heartbeat]\n{line}");
        refused(LMA, pools, &spoiled, expected);
    }
    // What an LMA can do about a restart is not what a MAG can.
    refused(
        MAG,
        "policy = ",
        "heartbeat = { end_when_restarted = true }\npolicy = ",
        "test.toml:31: unknown key `end_when_restarted`; did you mean \"renew_when_restarted\"?",
    );
}

#[test]
fn an_option_of_its_own_for_confirmations_is_of_the_drafts_form_and_nobodys() {
    for good in [MAG, LMA] {
        let with = |more: &str| load(&format!("{good}{more}\n"), LMA_POLICY);
        let draft = "profile = \"draft\"\nconfirmation_option =";
        for (wrong, why) in [
            (
                "confirmation_option = 250",
                "goes with `profile = \"draft\"`",
            ),
            (
                &format!("{draft} 249"),
                "249 is out of range; give 250 to 253",
            ),
            (
                &format!("{draft} 254"),
                "254 is out of range; give 250 to 253",
            ),
        ] {
            let error = with(wrong).expect_err("it should be refused");
            let said = said(&error);
            assert!(said.iter().any(|it| it.contains(why)), "{said:?}");
        }
    }
    let config = load(
        &format!("{LMA}profile = \"draft\"\nconfirmation_option = 253\n"),
        LMA_POLICY,
    );
    let config = config.expect("it loads");
    assert_eq!(
        config.lma.map(|lma| lma.confirmation_option),
        Some(Some(253))
    );
}

#[test]
fn a_profile_that_there_is_not_is_refused() {
    for (good, line) in [(MAG, 32), (LMA, 25)] {
        let error = load(&format!("{good}profile = \"drafty\"\n"), LMA_POLICY);
        let said = said(&error.expect_err("it should be refused"));
        assert!(
            said[0].starts_with(&format!("test.toml:{line}: ")),
            "{said:?}"
        );
        assert!(said[0].contains("drafty"), "{said:?}");
    }
}

#[test]
fn an_allowance_of_nothing_is_refused() {
    for (line, expected) in [
        (
            "sessions = 0",
            "policy.toml:2: a host needs a session; proxy_registration = false keeps one out",
        ),
        (
            "prefixes_per_session = 0",
            "policy.toml:2: a session has 1 to 16 prefixes",
        ),
        (
            "prefixes_per_session = 17",
            "policy.toml:2: a session has 1 to 16 prefixes",
        ),
    ] {
        let error = load(LMA, &format!("{LMA_POLICY}{line}\n")).expect_err("it should be refused");
        assert_eq!(said(&error), [expected]);
        let host = format!("{LMA_POLICY}[[host]]\nidentifier = \"mn\"\n{line}\n");
        let error = load(LMA, &host).expect_err("it should be refused");
        assert_eq!(said(&error), [expected.replace(":2:", ":4:")]);
    }
}
