//! Collects the errors and warnings about one rule.
//!
//! Each is stored as an [`Issue`] with byte offsets. At the end they are sorted, and one pass over
//! the text converts the offsets to the service's positions, in linear time. [`FINDINGS_MAX`]
//! bounds their number, so a megabyte of apostrophes does not produce a million messages.

use crate::diagnostic::{Api, Code, Diagnostic, FINDINGS_MAX};
use crate::issue::Issue;
use crate::profile::Profile;
use crate::span::Span;
use crate::wording::Wording;

#[derive(Clone, Copy, Debug)]
struct Finding {
    issue: Issue,
    span: Span,
    /// The offset that the service names.
    at: usize,
}

/// The errors and warnings about one rule.
#[derive(Debug)]
pub(crate) struct Findings<'a> {
    text: &'a str,
    profile: Profile,
    errors: Vec<Finding>,
    warnings: Vec<Finding>,
}

impl<'a> Findings<'a> {
    pub(crate) const fn new(text: &'a str, profile: Profile) -> Self {
        Self { text, profile, errors: Vec::new(), warnings: Vec::new() }
    }

    /// Adds an issue. The service names the start of its span.
    pub(crate) fn push(&mut self, issue: Issue, span: Span) {
        self.push_at(issue, span, span.start);
    }

    /// Adds an issue for which the service names the offset `at`.
    pub(crate) fn push_at(&mut self, issue: Issue, span: Span, at: usize) {
        let is_error = issue.code(self.profile).is_error();
        let list = if is_error { &mut self.errors } else { &mut self.warnings };
        if list.len() < FINDINGS_MAX {
            list.push(Finding { issue, span, at });
        }
    }

    /// Returns true if there is an error with this code.
    pub(crate) fn any(&self, code: Code) -> bool {
        self.errors.iter().any(|finding| finding.issue.code(self.profile) == code)
    }

    /// Returns the errors and the warnings, each sorted by position.
    pub(crate) fn into_diagnostics(self) -> (Vec<Diagnostic>, Vec<Diagnostic>) {
        (render(self.errors, self.text, self.profile), render(self.warnings, self.text, self.profile))
    }
}

fn render(mut findings: Vec<Finding>, text: &str, profile: Profile) -> Vec<Diagnostic> {
    findings.sort_by_key(|finding| (finding.at, finding.span.start));
    let (mut offset, mut position) = (0, 1);
    findings
        .into_iter()
        .map(|Finding { issue, span, at }| {
            position += text[offset..at].chars().map(char::len_utf16).sum::<usize>();
            offset = at;
            let Wording { message, help, service } = Wording::new(issue, span, text, profile);
            Diagnostic {
                code: issue.code(profile),
                message,
                help,
                span,
                api: (!service.is_empty()).then(|| Api {
                    messages: service.iter().map(|message| message.at(position)).collect(),
                    position,
                }),
            }
        })
        .collect()
}
