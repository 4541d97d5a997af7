//! Servers as an access policy: who a host is, is asked over RADIUS.

use super::authorization::{Grant, Terms};
use super::codec::Question;
use super::counters::AaaCounter;
use super::start::Handle;
use crate::config::Unreachable;
use crate::policy::{AccessPolicy, Answer, FilePolicy};
use roles::event::HostLink;
use roles::policy::Profile;
use wire::mh::MnIdentifier;

/// What stands for the host's link-layer address in a template, written 02-00-00-00-00-01.
pub(crate) const MAC: &str = "{mac}";

/// What stands for the identifier that the policy file has for the host.
pub(crate) const NAI: &str = "{nai}";

/// Servers, and what to go by when none answers.
pub(super) struct RadiusPolicy {
    handle: Handle,
    file: FilePolicy,
}

impl RadiusPolicy {
    pub(super) const fn new(handle: Handle, file: FilePolicy) -> Self {
        Self { handle, file }
    }

    /// A template with the host's names in it; `None` when it has not got one that is asked for.
    fn fill(&self, template: &str, link: HostLink) -> Option<String> {
        let mac = link.mac.to_string().replace(':', "-");
        let text = template.replace(MAC, &mac);
        if !text.contains(NAI) {
            return Some(text);
        }
        match self.file.profile(link.mac)?.mn_identifier {
            MnIdentifier::Nai(identifier) => Some(text.replace(NAI, &identifier)),
            MnIdentifier::Other { .. } => None,
        }
    }

    fn question(&self, link: HostLink, known: Option<&Grant>) -> Option<Question> {
        let settings = &self.handle.settings;
        let terms = known.map(|grant| &grant.terms);
        let password = match terms.is_some_and(|terms| terms.authorize_only) {
            true => None,
            false => Some(self.fill(&settings.password, link)?),
        };
        Some(Question {
            link,
            port: settings.port(link),
            user_name: self.fill(&settings.user_name, link)?,
            password,
            state: terms.and_then(|terms| terms.state.clone()),
        })
    }
}

impl AccessPolicy for RadiusPolicy {
    fn authenticate(&mut self, link: HostLink, known: Option<&Grant>) -> Answer {
        let Some(question) = self.question(link, known) else {
            return Answer::Now(None);
        };
        match self.handle.questions.try_send(question) {
            Ok(()) => Answer::Later,
            Err(_) => {
                self.handle.counters.count(AaaCounter::QuestionsLost);
                Answer::Busy
            }
        }
    }

    fn unanswered(&mut self, link: HostLink, known: Option<&Grant>) -> Option<Grant> {
        match self.handle.settings.when_unreachable {
            Unreachable::Refuse => None,
            Unreachable::Keep => known.cloned(),
            Unreachable::PolicyFile => {
                let profile: Profile = self.file.profile(link.mac)?;
                let interim = self.handle.settings.defaults.interim_interval;
                let user_name = self.fill(&self.handle.settings.user_name, link);
                let terms = Terms {
                    user_name: user_name.unwrap_or_default(),
                    interim_interval: (!interim.is_zero()).then_some(interim),
                    ..Terms::default()
                };
                Some(Grant { profile, terms })
            }
        }
    }
}
