//! Parses the values of a problem object that a client uses.
//!
//! X reports errors as objects similar to those of RFC 7807, alone or in an `errors` array. They
//! occur in the stream and as bodies of HTTP errors (X docs: "Response codes and errors", "Handling
//! disconnections"). A client needs three values: the last segment of the `type` URI,
//! `disconnect_type` and `connection_issue`. Older responses have a numeric `code` instead. The
//! other texts are for people and are not parsed.

use crate::stream::json::{Malformed, NAME_MAX, Scanner, Text};

/// The values of a problem object. A value that is missing or has another type is `None`. An
/// unknown word becomes the `Other` variant of its enum.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct Problem {
    /// The last path segment of `type`. Also [`ProblemType::UsageCapped`] if `title` is
    /// `UsageCapExceeded`.
    pub problem_type: Option<ProblemType>,
    /// `disconnect_type`.
    pub disconnect_type: Option<DisconnectType>,
    /// `connection_issue`.
    pub connection_issue: Option<ConnectionIssue>,
    /// `code`, the number of the older form `{"errors":[{"code":88,"message":".."}]}` (X docs:
    /// "Rate limits").
    pub code: Option<u32>,
}

/// The kinds of problems. X writes them as URIs with three different prefixes, so only the last
/// path segment counts. Sources: X docs, "Response codes and errors", and the problem schemas of
/// the OpenAPI description.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ProblemType {
    /// `about:blank` as the whole value: the problem adds no information to the HTTP status (RFC
    /// 7807 section 4.2).
    AboutBlank,
    /// `operational-disconnect`: the service closes the stream, see [`DisconnectType`].
    OperationalDisconnect,
    /// `streaming-connection`: the stream is not available now, see [`ConnectionIssue`].
    StreamingConnection,
    /// `client-disconnected`: the service detected that the client disconnected.
    ClientDisconnected,
    /// `usage-capped`: the Posts of the period are used up.
    UsageCapped,
    /// `rate-limit-exceeded`.
    RateLimitExceeded,
    /// `client-forbidden`: this app may not use the endpoint.
    ClientForbidden,
    /// `unsupported-authentication`.
    UnsupportedAuthentication,
    /// `oauth1-permissions`.
    Oauth1Permissions,
    /// `invalid-request`.
    InvalidRequest,
    /// `invalid-rules`.
    InvalidRules,
    /// `duplicate-rules`.
    DuplicateRules,
    /// `rule-cap`.
    RuleCap,
    /// `noncompliant-rules`.
    NoncompliantRules,
    /// `conflict`.
    Conflict,
    /// `resource-not-found`.
    ResourceNotFound,
    /// `resource-unavailable`.
    ResourceUnavailable,
    /// `not-authorized-for-resource`.
    NotAuthorizedForResource,
    /// `not-authorized-for-field`.
    NotAuthorizedForField,
    /// `disallowed-resource`.
    DisallowedResource,
    /// `internal-error`.
    InternalError,
    /// `field-unauthorized`.
    FieldUnauthorized,
    /// `field-hydration-failure`.
    FieldHydrationFailure,
    /// Any other.
    Other,
}

impl ProblemType {
    fn of(uri: &Text<'_>) -> Self {
        if uri.plain(&mut [0; NAME_MAX]) == b"about:blank" {
            return Self::AboutBlank;
        }
        // Decoded byte by byte, because a serializer may write every slash as `\/`. A segment that
        // does not fit the buffer is truncated. It is still longer than every name, so it matches
        // none.
        let mut segment = [0; NAME_MAX];
        let mut length = 0;
        for byte in uri.bytes() {
            if byte == b'/' {
                length = 0;
            } else if let Some(slot) = segment.get_mut(length) {
                *slot = byte;
                length += 1;
            }
        }
        match segment.get(..length).unwrap_or_default() {
            b"operational-disconnect" => Self::OperationalDisconnect,
            b"streaming-connection" => Self::StreamingConnection,
            b"client-disconnected" => Self::ClientDisconnected,
            b"usage-capped" => Self::UsageCapped,
            b"rate-limit-exceeded" => Self::RateLimitExceeded,
            b"client-forbidden" => Self::ClientForbidden,
            b"unsupported-authentication" => Self::UnsupportedAuthentication,
            b"oauth1-permissions" => Self::Oauth1Permissions,
            b"invalid-request" => Self::InvalidRequest,
            b"invalid-rules" => Self::InvalidRules,
            b"duplicate-rules" => Self::DuplicateRules,
            b"rule-cap" => Self::RuleCap,
            b"noncompliant-rules" => Self::NoncompliantRules,
            b"conflict" => Self::Conflict,
            b"resource-not-found" => Self::ResourceNotFound,
            b"resource-unavailable" => Self::ResourceUnavailable,
            b"not-authorized-for-resource" => Self::NotAuthorizedForResource,
            b"not-authorized-for-field" => Self::NotAuthorizedForField,
            b"disallowed-resource" => Self::DisallowedResource,
            b"internal-error" => Self::InternalError,
            b"field-unauthorized" => Self::FieldUnauthorized,
            b"field-hydration-failure" => Self::FieldHydrationFailure,
            _ => Self::Other,
        }
    }
}

/// Why the service closes a stream (X docs: OpenAPI description, `OperationalDisconnectProblem`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum DisconnectType {
    /// `OperationalDisconnect`: the service restarts or deploys.
    OperationalDisconnect,
    /// `UpstreamOperationalDisconnect`: the same for an upstream service.
    UpstreamOperationalDisconnect,
    /// `UpstreamUncleanDisconnect`: an upstream service failed.
    UpstreamUncleanDisconnect,
    /// `ForceDisconnect`: this connection was closed on purpose.
    ForceDisconnect,
    /// `SlowReader`: the client reads too slowly.
    SlowReader,
    /// `InternalError`.
    InternalError,
    /// `ClientApplicationStateDegraded`: the app was suspended or its plan changed.
    ClientApplicationStateDegraded,
    /// `InvalidRules`.
    InvalidRules,
    /// `PackageUpgraded`, only in older descriptions.
    PackageUpgraded,
    /// `PackageDowngraded`, only in older descriptions.
    PackageDowngraded,
    /// Any other.
    Other,
}

impl DisconnectType {
    fn of(word: &Text<'_>) -> Self {
        match word.plain(&mut [0; NAME_MAX]) {
            b"OperationalDisconnect" => Self::OperationalDisconnect,
            b"UpstreamOperationalDisconnect" => Self::UpstreamOperationalDisconnect,
            b"UpstreamUncleanDisconnect" => Self::UpstreamUncleanDisconnect,
            b"ForceDisconnect" => Self::ForceDisconnect,
            b"SlowReader" => Self::SlowReader,
            b"InternalError" => Self::InternalError,
            b"ClientApplicationStateDegraded" => Self::ClientApplicationStateDegraded,
            b"InvalidRules" => Self::InvalidRules,
            b"PackageUpgraded" => Self::PackageUpgraded,
            b"PackageDowngraded" => Self::PackageDowngraded,
            _ => Self::Other,
        }
    }
}

/// Why a stream is not available (X docs: "Handling disconnections"; OpenAPI description,
/// `ConnectionExceptionProblem`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ConnectionIssue {
    /// `TooManyConnections`: the allowed number of connections is already open.
    TooManyConnections,
    /// `ProvisioningSubscription`: a change of the subscription is being provisioned.
    ProvisioningSubscription,
    /// `RuleConfigurationIssue`: the app has no rules.
    RuleConfigurationIssue,
    /// `RulesInvalidIssue`: the rules are not valid.
    RulesInvalidIssue,
    /// Any other.
    Other,
}

impl ConnectionIssue {
    fn of(word: &Text<'_>) -> Self {
        match word.plain(&mut [0; NAME_MAX]) {
            b"TooManyConnections" => Self::TooManyConnections,
            b"ProvisioningSubscription" => Self::ProvisioningSubscription,
            b"RuleConfigurationIssue" => Self::RuleConfigurationIssue,
            b"RulesInvalidIssue" => Self::RulesInvalidIssue,
            _ => Self::Other,
        }
    }
}

/// The keys of a problem object that are parsed.
#[derive(Clone, Copy)]
pub(super) enum Field {
    Type,
    Title,
    DisconnectType,
    ConnectionIssue,
    Code,
}

/// The value of a key. The outer `Option` is `None` until the key occurs. The inner one is `None`
/// if the first value is unusable.
type First<T> = Option<Option<T>>;

/// A problem object while its keys are read. The first of duplicate keys counts.
#[derive(Clone, Copy, Default)]
pub(super) struct ProblemBuilder<'a> {
    kind: First<Text<'a>>,
    title: First<Text<'a>>,
    disconnect_type: First<DisconnectType>,
    connection_issue: First<ConnectionIssue>,
    code: First<u32>,
}

impl<'a> ProblemBuilder<'a> {
    /// Reads the value of `field`. Returns its text if it is the first `type` and a string.
    #[inline]
    pub(super) fn read(
        &mut self,
        field: Field,
        scanner: &mut Scanner<'a>,
    ) -> Result<Option<Text<'a>>, Malformed> {
        if let Field::Code = field {
            let code = scanner.integer()?;
            self.code.get_or_insert(code.and_then(|code| u32::try_from(code).ok()));
            return Ok(None);
        }
        let text = scanner.text()?;
        match field {
            Field::Type if self.kind.is_none() => {
                self.kind = Some(text);
                return Ok(text);
            }
            Field::Title => {
                self.title.get_or_insert(text);
            }
            Field::DisconnectType => {
                self.disconnect_type.get_or_insert(text.as_ref().map(DisconnectType::of));
            }
            Field::ConnectionIssue => {
                self.connection_issue.get_or_insert(text.as_ref().map(ConnectionIssue::of));
            }
            Field::Type | Field::Code => {}
        }
        Ok(None)
    }

    /// Returns true if this is a bare problem: a `title`, and a `type` that is a URI.
    pub(super) fn is_problem(&self) -> bool {
        self.title.is_some() && self.kind.flatten().is_some_and(|kind| is_uri(&kind))
    }

    pub(super) fn finish(&self) -> Problem {
        let capped =
            self.title.flatten().is_some_and(|title| title.plain(&mut [0; NAME_MAX]) == b"UsageCapExceeded");
        Problem {
            problem_type: if capped {
                Some(ProblemType::UsageCapped)
            } else {
                self.kind.flatten().as_ref().map(ProblemType::of)
            },
            disconnect_type: self.disconnect_type.flatten(),
            connection_issue: self.connection_issue.flatten(),
            code: self.code.flatten(),
        }
    }
}

impl Problem {
    /// Returns each value from `self`, or else from `fallback`.
    pub(super) fn or(self, fallback: Self) -> Self {
        Self {
            problem_type: self.problem_type.or(fallback.problem_type),
            disconnect_type: self.disconnect_type.or(fallback.disconnect_type),
            connection_issue: self.connection_issue.or(fallback.connection_issue),
            code: self.code.or(fallback.code),
        }
    }

    fn says_why(&self) -> bool {
        self.disconnect_type.is_some() || self.connection_issue.is_some()
    }
}

/// Returns true if a text starts like a URI: with a scheme and a colon (RFC 3986 section 3.1). This
/// is enough to distinguish the `type` of a problem, including `about:blank`, from the bare words
/// that other messages have there.
fn is_uri(text: &Text<'_>) -> bool {
    for (index, byte) in text.bytes().enumerate() {
        match byte {
            b':' => return index > 0,
            b'a'..=b'z' | b'A'..=b'Z' => {}
            b'0'..=b'9' | b'+' | b'-' | b'.' if index > 0 => {}
            _ => return false,
        }
    }
    false
}

/// Reads an `errors` array. Uses the first element that contains the reason why the stream ends or
/// is not available. If there is none, uses the first element.
pub(super) fn errors(scanner: &mut Scanner<'_>) -> Result<Problem, Malformed> {
    let mut chosen: Option<Problem> = None;
    scanner.enter()?;
    let mut first = true;
    while scanner.next_element(&mut first)? {
        let problem = if scanner.peek()? == b'{' {
            element(scanner)?
        } else {
            scanner.skip_value()?;
            Problem::default()
        };
        match &chosen {
            None => chosen = Some(problem),
            Some(chosen) if chosen.says_why() => {}
            Some(_) if problem.says_why() => chosen = Some(problem),
            Some(_) => {}
        }
    }
    Ok(chosen.unwrap_or_default())
}

fn element(scanner: &mut Scanner<'_>) -> Result<Problem, Malformed> {
    let mut draft = ProblemBuilder::default();
    scanner.enter()?;
    let mut first = true;
    while let Some(key) = scanner.next_key(&mut first)? {
        let field = match key.plain(&mut [0; NAME_MAX]) {
            b"type" => Field::Type,
            b"title" => Field::Title,
            b"disconnect_type" => Field::DisconnectType,
            b"connection_issue" => Field::ConnectionIssue,
            b"code" => Field::Code,
            _ => {
                scanner.skip_value()?;
                continue;
            }
        };
        draft.read(field, scanner)?;
    }
    Ok(draft.finish())
}
