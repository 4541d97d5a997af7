//! Notices with their time.

use control::rpc::types::TimedNotice;

/// One line: time of day (UTC), host, what happened.
pub fn line(timed: &TimedNotice) -> String {
    format!("{}  {}", time_of_day(timed.time), timed.words())
}

/// `12:34:56.789`.
pub fn time_of_day(unix: f64) -> String {
    // Far from the ends of u64.
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
    let millis = (unix * 1_000.0).round().max(0.0) as u64;
    let secs = millis / 1_000;
    format!(
        "{:02}:{:02}:{:02}.{:03}",
        secs / 3_600 % 24,
        secs / 60 % 60,
        secs % 60,
        millis % 1_000
    )
}

#[cfg(test)]
mod tests {
    use super::line;
    use control::rpc::types::TimedNotice;
    use roles::effect::Notice;
    use roles::event::HostLink;
    use roles::Now;
    use std::time::Duration;
    use wire::ether::MacAddr;
    use wire::mh::MnIdentifier;

    fn timed(notice: Notice, interface: Option<&str>) -> TimedNotice {
        let now = Now {
            monotonic: Duration::ZERO,
            wall: Duration::from_millis(86_400_000 + 45_296_789),
        };
        TimedNotice::new(now, notice, interface.map(str::to_owned))
    }

    #[test]
    fn an_arrival_names_host_and_interface() {
        let notice = Notice::Attached {
            link: HostLink {
                interface: 1,
                mac: MacAddr([2, 0, 0, 0, 0, 1]),
            },
            mn_identifier: MnIdentifier::Nai("mn1@example.net".into()),
        };
        let named = line(&timed(notice.clone(), Some("access")));
        assert_eq!(
            named,
            "12:34:56.789  mn1@example.net attached: 02:00:00:00:00:01 on access"
        );
        let numbered = line(&timed(notice, None));
        assert!(numbered.ends_with("on interface 1"), "{numbered}");
    }

    #[test]
    fn control_characters_do_not_reach_the_terminal() {
        let notice = Notice::UpdateSent {
            mn_identifier: MnIdentifier::Nai("\u{1b}[2J".into()),
            lma: "2001:db8:c::1".parse().expect("an address"),
            sequence: 7,
            lifetime_secs: 0,
        };
        let text = line(&timed(notice, None));
        assert_eq!(
            text,
            "12:34:56.789  ?[2J update 7 sent to 2001:db8:c::1: de-registration"
        );
    }
}
