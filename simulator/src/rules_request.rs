//! A request to a rule endpoint, from the check of its limit to the response.

use crate::endpoint::RulesResource;
use crate::exchange::Exchange;
use crate::ground_truth::End;
use crate::limits::{Counter, DAY, QUARTER_HOUR};
use crate::request::Request;
use crate::script::On;
use crate::{inject, problems, response, rules_api};

/// Answers a request to a rule endpoint. Returns how the connection ended.
pub(crate) fn answer(
    exchange: &mut Exchange<'_>,
    resource: RulesResource,
    request: &Request,
    body: &[u8],
) -> End {
    try_answer(exchange, resource, request, body).unwrap_or_else(|end| end)
}

fn try_answer(
    exchange: &mut Exchange<'_>,
    resource: RulesResource,
    request: &Request,
    body: &[u8],
) -> Result<End, End> {
    let shared = exchange.shared;
    let attempt = shared.scenario_run.next_attempt(On::Rules);
    let path = request.target.split('?').next();
    let actions = exchange.events(On::Rules, attempt, path, None).actions;
    inject::before_answer(exchange, &actions)?;
    let (config, now) = (&shared.config, shared.clock.unix_ms());
    let (counter, limit, length) = match (resource, request.method()) {
        (RulesResource::Powerstream, _) => (Counter::Rules, config.rule_requests_max, DAY),
        (_, "GET") => (Counter::FilteredRulesRead, 450, QUARTER_HOUR),
        _ => (Counter::FilteredRulesWritten, 100, QUARTER_HOUR),
    };
    let rate = shared.rate_limits.take(counter, limit, length, now);
    let lines = response::rate_limit(&rate);
    if rate.exceeded {
        return Ok(exchange.refuse(429, &lines, &problems::problem(429), End::Refused));
    }
    let store = match resource {
        RulesResource::Powerstream => &shared.powerstream,
        RulesResource::Filtered | RulesResource::FilteredCounts => &shared.filtered,
    };
    let options = rules_api::Options { not_deleted: config.not_deleted, partial: config.rules_partial };
    let answer = rules_api::answer(store, resource, &options, request.method(), request.query(), body, now);
    let bytes = response::refusal(answer.status, &lines, &answer.body, &mut exchange.rng, now);
    exchange.out.recorder().answered(answer.status);
    inject::at_head(exchange, &actions, &bytes)?;
    exchange.out.head(&bytes)?;
    exchange.close();
    Ok(if answer.status < 300 { End::Complete } else { End::Refused })
}
