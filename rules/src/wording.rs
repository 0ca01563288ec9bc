//! The English text of each error and warning, with the service's own messages.

use crate::api::Message;
use crate::argument::ArgumentError;
use crate::characters::is_white_space;
use crate::display::quoted;
use crate::issue::{Issue, Reserved};
use crate::language;
use crate::operator::suggestion::{similar, successor};
use crate::operator::{Availability, Kind, Operator};
use crate::profile::Profile;
use crate::span::Span;

/// The texts for an issue.
#[derive(Debug)]
pub(crate) struct Wording<'a> {
    /// What is wrong.
    pub(crate) message: String,
    /// What to write instead.
    pub(crate) help: Option<String>,
    /// The messages that the service sends.
    pub(crate) service: Vec<Message<'a>>,
}

fn say<'a>(message: impl Into<String>, help: impl Into<String>) -> Wording<'a> {
    Wording { message: message.into(), help: Some(help.into()), service: Vec::new() }
}

impl<'a> Wording<'a> {
    /// Writes the texts for an issue at `span` of the rule.
    pub(crate) fn new(issue: Issue, span: Span, rule: &'a str, profile: Profile) -> Self {
        let text = span.of(rule);
        match issue {
            Issue::TooLong(length) => {
                let points = match length.code_points {
                    same if same == length.utf16 => String::new(),
                    points => format!(" ({points} code points)"),
                };
                let max = profile.rule_length_max();
                say(
                    format!(
                        "the rule has {} characters{points}, but at most {max} are allowed",
                        length.utf16
                    ),
                    "split it into several rules; a Post that matches two of them is delivered once",
                )
            }
            Issue::Invisible(character) => say(
                format!(
                    "the rule contains the invisible character {} at column {}",
                    shown(character),
                    rule[..span.start].chars().count() + 1
                ),
                "remove it; it was probably copied with the text, and matching Posts would have to contain it",
            ),

            Issue::BadStart(character) => bad_start(character).service(Message::Character(character)),
            Issue::UnclosedQuote => say(
                "this quote is not closed",
                "write \" after the last word of the quoted text, and \\\" for a quote inside it",
            )
            .service(Message::UnclosedQuote),
            Issue::EmptyQuote => {
                say("these quotes are empty", "write the words to find between them, or remove the quotes")
            }

            Issue::DashBeforeOr => {
                say("there is a dash before this OR", "write the dash directly before a term")
                    .service(Message::Input(text))
            }
            Issue::NothingBeforeOr => {
                say("there is no term before this OR", "write a term, or remove the OR")
                    .service(Message::Input(text))
            }
            Issue::NothingBeforeClose { is_behind_or } => {
                let (place, what) = if is_behind_or {
                    ("after the OR", "the OR")
                } else {
                    ("in this group", "the parentheses")
                };
                say(format!("there is no term {place}"), format!("write a term, or remove {what}"))
                    .service(Message::Input(text))
            }
            Issue::ExtraParenthesis => {
                say("this parenthesis has no opening one", "remove it, or write ( where the group begins")
                    .service(Message::ExtraParenthesis)
            }
            Issue::UnclosedParenthesis { more } => {
                let message = match more {
                    0 => "this parenthesis is not closed".to_owned(),
                    1 => "this parenthesis and one more are not closed".to_owned(),
                    more => format!("this parenthesis and {more} more are not closed"),
                };
                say(message, "write ) where the group ends").service(Message::UnclosedGroup)
            }
            Issue::NothingAfterOr => {
                say("there is no term after the last OR", "write a term, or remove the OR").cannot_parse("")
            }
            Issue::NothingAfterParenthesis => {
                say("there is no term after the last parenthesis", "write a term, or remove the parenthesis")
                    .cannot_parse("")
            }
            Issue::EmptyRule => {
                say("the rule is empty", "write at least one term, such as from:harbour_news")
                    .cannot_parse("")
            }
            Issue::Reserved(reserved) => {
                let (word, instead, message) = match reserved {
                    Reserved::And => ("and", "a blank to require both terms", Message::And),
                    Reserved::Or => ("or", "OR in upper case to require either term", Message::Or),
                    Reserved::Not => ("not", "a dash directly before a term to exclude it", Message::Not),
                };
                say(
                    format!("`{text}` is reserved and cannot be an unquoted keyword"),
                    format!("write {instead}, or \"{word}\" to find the word"),
                )
                .service(message)
            }

            Issue::UnknownOperator { term } => {
                let help = match (successor(text), similar(text, false, profile)) {
                    _ if text.eq_ignore_ascii_case("http") || text.eq_ignore_ascii_case("https") => {
                        format!("quote the address: url:\"{}\"", quoted(term.of(rule)))
                    }
                    (Some(help), _) => help.to_owned(),
                    (None, Some(name)) => format!("did you mean `{name}:`?"),
                    (None, None) => "to find text that contains a colon, put it in double quotes".to_owned(),
                };
                say(format!("there is no operator `{}:`", quoted(text)), help)
                    .service(Message::Operator(text))
                    .service(Message::Field(text))
            }
            Issue::UnknownFlag => {
                let help = match (successor(text), similar(text, true, profile)) {
                    (Some(help), _) => help.to_owned(),
                    (None, Some(name)) => format!("did you mean {name}?"),
                    (None, None) => "use an existing flag, such as has:links or is:retweet".to_owned(),
                };
                say(format!("there is no flag {}", quoted(text)), help).service(Message::Operator(text))
            }
            Issue::Unavailable(operator) => {
                let listed = |profile: &Profile| operator.availability(*profile) == Availability::Listed;
                let help = match Profile::ALL.into_iter().find(listed) {
                    Some(Profile::FilteredStreamEmbedding) => {
                        "remove it; only the filtered stream with the embedding tier has it".to_owned()
                    }
                    Some(other) => format!("remove it; it is an operator of {}", other.product()),
                    None => "remove it".to_owned(),
                };
                let wording =
                    say(format!("{} does not support {}", profile.product(), title(operator)), help);
                if profile == Profile::Powerstream {
                    wording.service(Message::Operator(text)).service(Message::Field(text))
                } else {
                    wording.service(Message::OperatorTier(text))
                }
            }
            Issue::BadDistance(distance) => {
                let written = distance.of(rule);
                let written = if written.is_empty() { "~" } else { written };
                say(
                    format!("{} is not a valid distance between words", quoted(written)),
                    "write one digit from 1 to 6 directly after the ~, as in \"harbour gull\"~3",
                )
                .cannot_parse(written)
            }
            Issue::MissingArgument { operator, at } => missing_argument(operator, &rule[at..], profile),
            Issue::SecondColon { operator, start } => {
                let (name, kind) = (operator.primary_name(profile), operator.info().kind);
                let help = if matches!(kind, Kind::Text | Kind::TextOrNumber | Kind::Quoted) {
                    let whole = quoted(Span::new(start, span.end).of(rule));
                    format!("quote the argument: {name}:\"{whole}\", or write two terms")
                } else {
                    format!("after `{name}:`, write {}; or write two terms", kind.description())
                };
                say(format!("the argument of `{name}:` contains a colon"), help).cannot_parse(":")
            }
            Issue::Argument { operator, error } => bad_argument(error, operator, span, rule, profile),

            Issue::NothingPositive { is_branch, also_stop_words } => {
                let wording = if is_branch {
                    say(
                        "every term of this alternative is negated, so it would match nearly every Post",
                        "add a term to it that is not negated, or move it out of the OR",
                    )
                } else {
                    say(
                        "every term of this rule is negated, so it would match nearly every Post",
                        "add a term that is not negated, such as from:harbour_news",
                    )
                };
                let wording = wording.service(Message::NonNegation);
                if also_stop_words { wording.service(Message::NonStopword) } else { wording }
            }
            Issue::OnlyStopWords => say(
                "every term of this rule is a stop word",
                "add another term, or put the words in double quotes",
            )
            .service(Message::NonStopword),
            Issue::MustBeNegated(operator) => {
                let name = operator.info().name;
                say(format!("{name} must be negated"), format!("write -{name}"))
            }
            Issue::CannotBeNegated { operator, percent } => say(
                format!("`{}:` cannot be negated", operator.info().name),
                match percent {
                    Some(percent @ 1..=99) => {
                        format!("for the remaining Posts, write sample:{}", 100 - percent)
                    }
                    _ => "remove the dash, or the operator".to_owned(),
                },
            ),
            Issue::SampleInOr { percent } => say(
                "`sample:` applies to the whole rule, but this one is in an OR",
                format!(
                    "write parentheses around the alternatives, as in (gull OR tern) sample:{}",
                    quoted(percent.of(rule))
                ),
            )
            .service(Message::SampleOr),
            Issue::NothingStandalone => say(
                "on the filtered stream, no term of this rule may stand alone",
                "add a term that may, such as a keyword or from:",
            )
            .service(Message::Standalone),

            Issue::ExplicitAnd => say(
                "AND is read as a blank",
                "write a blank, which every product accepts, or \"and\" to find the word",
            ),
            Issue::DashAfterTerm => say(
                "this dash ends the term before it and negates the term after it",
                "if that is meant, write a blank before the dash; otherwise put the whole text in double quotes",
            ),
            Issue::NegatedGroup { is_or } => say(
                "X advises against negated groups",
                if is_or {
                    "negate each alternative and remove the OR: -(a OR b) is the same as -a -b"
                } else {
                    "negate each term and join them with OR: -(a b) is the same as (-a OR -b), \
                     which needs another term that is not negated"
                },
            ),
            Issue::OperatorCase => say(
                format!("the operator {} is not written in lower case", quoted(text)),
                format!("write {}", quoted(&text.to_ascii_lowercase())),
            ),
            Issue::Unlisted(operator) => say(
                format!("{}'s page does not list {}", profile.product(), title(operator)),
                match (profile, operator) {
                    (Profile::Powertrack, Operator::HasLang) => {
                        "write -lang:und instead; PowerTrack 2.0 rejected has:lang at its start"
                    }
                    _ => "test it before you rely on it; PowerTrack has it, so it may work",
                },
            ),
            Issue::UnlistedLanguage => say(
                format!("X does not list the language {} and may ignore the operator", quoted(text)),
                match language::older(text) {
                    Some(older) => format!("write lang:{older}, the older code, which X uses"),
                    None => "write a code that X lists, such as en, ja or und".to_owned(),
                },
            ),
            Issue::WideBox(miles) => wide_box(miles),

            Issue::LongTerm { characters, max } => say(
                format!("this term has {characters} characters; PowerTrack 1.0 allowed at most {max}"),
                "shorten it",
            ),
            Issue::StopWord(word) => say(
                format!("`{}` is a stop word and hardly restricts the rule", quoted(word.of(rule))),
                "remove it, or quote it together with the words next to it",
            ),
            Issue::Punctuated(word) => {
                let word = quoted(word.of(rule));
                say(
                    format!("`{word}` contains punctuation and is read as a phrase"),
                    format!("write \"{word}\""),
                )
            }
            Issue::Unsegmented(word) => {
                let word = quoted(word.of(rule));
                say(
                    format!("`{word}` matches only if blanks or punctuation surround it"),
                    format!("write contains:{word}, which also matches inside sentences"),
                )
            }
            Issue::LookAlike { family, members, found } => {
                let others = members.iter().filter(|member| **member != found).take(3);
                let others: Vec<_> = others.map(char::to_string).collect();
                say(
                    format!(
                        "a phrase with the {family} {found} does not match text with a similar character"
                    ),
                    format!("add alternatives with the similar characters: {}", others.join(", ")),
                )
            }
            Issue::NumericTag(tag) => {
                let tag = quoted(tag.of(rule));
                say(
                    format!("#{tag} is a number, which X does not treat as a hashtag"),
                    format!("write \"#{tag}\" to find the text"),
                )
            }
            Issue::SingleKeyword => say("a single keyword matches a massive volume of Posts", NARROW),
            Issue::SingleHashtag => say("a single hashtag matches a massive volume of Posts", NARROW),
            Issue::NothingNarrow => say(
                "flags, languages and samples without other terms match a massive volume of Posts",
                "add a term that restricts the rule, such as a keyword or from:",
            ),
            Issue::NothingStandaloneInBranch => say(
                "on the filtered stream, no term of this alternative may stand alone",
                "add a term to it that may, such as a keyword or from:",
            ),
        }
    }

    fn service(mut self, message: Message<'a>) -> Self {
        self.service.push(message);
        self
    }

    /// Adds the service's message that it cannot parse the rule at this token. An empty token means
    /// the end of the rule.
    fn cannot_parse(self, token: &'a str) -> Self {
        self.service(Message::CannotParse(if token.is_empty() { Message::END } else { token }))
    }
}

const NARROW: &str = "add terms that restrict it, such as lang:en or -is:retweet";

fn shown(character: char) -> String {
    quoted(character.encode_utf8(&mut [0; 4]))
}

/// Returns an operator's name for use in a sentence.
fn title(operator: Operator) -> String {
    match operator.info().name {
        "emoji" => "bare emoji".to_owned(),
        "proximity" => "the distance `~` after a phrase".to_owned(),
        "hashtag" => "hashtags".to_owned(),
        "cashtag" => "cashtags".to_owned(),
        name if name.contains(':') => name.to_owned(),
        name => format!("`{name}:`"),
    }
}

/// Writes the texts for a character that cannot start a term.
fn bad_start<'a>(character: char) -> Wording<'a> {
    let shown = shown(character);
    let (message, help) = match character {
        '#' => (
            "there is no tag after this #".to_owned(),
            "write the tag directly after it, as in #gulls; to find the character, write \"#\"",
        ),
        '@' => (
            "there is no user name after this @".to_owned(),
            "write the name directly after it, as in @harbour_news; to find the character, write \"@\"",
        ),
        '$' => (
            "there is no symbol after this $".to_owned(),
            "write the symbol directly after it, as in $ABC; to find the character, write \"$\"",
        ),
        '-' => (
            "there is no term directly after this dash".to_owned(),
            "write the term directly after it, as in -is:retweet; to find the character, write \"-\"",
        ),
        '\u{2010}'..='\u{2015}' | '\u{2212}' => (
            format!("a term cannot start with {shown}, which does not negate"),
            "to negate, write the ASCII dash -; otherwise put the text in double quotes",
        ),
        '\u{201c}'..='\u{201f}' | '\u{ab}' | '\u{bb}' | '\u{ff02}' => (
            format!("a term cannot start with {shown}, which does not quote"),
            "write straight double quotes, as in \"sea gull\"",
        ),
        '\'' | '\u{2018}'..='\u{201b}' => (
            format!("a term cannot start with {shown}, which does not quote"),
            "write straight double quotes, as in \"sea gull\"",
        ),
        '|' => ("a term cannot start with |".to_owned(), "write OR in upper case between alternatives"),
        '&' => ("a term cannot start with &".to_owned(), "write a blank between terms that must all match"),
        '!' => ("a term cannot start with !".to_owned(), "to negate, write a dash, as in -is:retweet"),
        ',' | ';' => (
            format!("a term cannot start with {shown}"),
            "write a blank between terms that must all match, or OR between alternatives",
        ),
        ':' => (
            "a term cannot start with a colon".to_owned(),
            "write the operator directly before it and the argument directly after it, as in from:harbour_news",
        ),
        '*' => (
            "a term cannot start with *; there are no wildcards".to_owned(),
            "list the alternatives with OR, or use contains:, which also matches inside words",
        ),
        '~' => (
            "a term cannot start with ~".to_owned(),
            "write the ~ directly after a quoted phrase, as in \"harbour gull\"~3",
        ),
        '[' | ']' => (
            format!("a term cannot start with {shown}"),
            "use brackets only for the argument of a geo operator, as in bounding_box:[-0.2 51.4 -0.1 51.6]",
        ),
        _ => (format!("a term cannot start with {shown}"), "put the text in double quotes, or remove it"),
    };
    say(message, help)
}

/// Writes the texts for an operator without an argument. `rest` is the rule after the colon.
fn missing_argument(operator: Operator, rest: &str, profile: Profile) -> Wording<'_> {
    let (name, form) = (operator.primary_name(profile), operator.info().kind.description());
    let next = rest.chars().next();
    let help = match next {
        Some('(') => format!("repeat the operator for each argument: ({name}:… OR {name}:…)"),
        Some(next) if is_white_space(next) => {
            format!("directly after the colon, without a blank, write {form}")
        }
        _ => format!("directly after the colon, write {form}"),
    };
    say(format!("`{name}:` has no argument"), help).cannot_parse(&rest[..next.map_or(0, char::len_utf8)])
}

/// Writes the texts for an invalid argument at `span`.
fn bad_argument(
    error: ArgumentError,
    operator: Operator,
    span: Span,
    rule: &str,
    profile: Profile,
) -> Wording<'_> {
    let (name, form) = (operator.primary_name(profile), operator.info().kind.description());
    let text = span.of(rule);
    let of = |span: Span| quoted(span.of(rule));
    match error {
        ArgumentError::Form => {
            say(format!("{} is not a valid argument of `{name}:`", quoted(text)), format!("write {form}"))
                .cannot_parse(text)
        }
        ArgumentError::Quoted => say(
            format!("the argument of `{name}:` must not be quoted"),
            format!("without quotes, write {form}"),
        )
        .cannot_parse(text),
        ArgumentError::Unquoted => say(
            format!("the argument of `{name}:` must be quoted"),
            format!("write {name}:\"{}\"", quoted(text)),
        )
        .cannot_parse(text),
        ArgumentError::BadStart(character) => {
            let wording = say(
                format!("an unquoted argument cannot start with {}", shown(character)),
                format!("write {name}:\"{}\"", quoted(text)),
            );
            // The service reads a cashtag as a separate, unexpected token.
            if character == '$' { wording.service(Message::Input(text)) } else { wording.cannot_parse(text) }
        }
        ArgumentError::AtSign => say(
            format!("the user name after `{name}:` must not start with @"),
            format!("write {name}:{}", quoted(&text[1..])),
        )
        .cannot_parse(text),
        ArgumentError::ReversedRange => say(
            format!("the range {} starts with the greater number", quoted(text)),
            "write the smaller number first",
        )
        .cannot_parse(text),
        ArgumentError::UnclosedBracket => {
            say("this bracket is not closed", "write ] directly after the last number").cannot_parse(text)
        }
        ArgumentError::Commas { first } => {
            say("the numbers must be separated by blanks, not commas", format!("write {form}"))
                .item(first, rule)
        }
        ArgumentError::BlankBeforeUnit { first, radius, unit } => say(
            format!("there is a blank before the unit {}", of(unit)),
            format!("write {}{}", of(radius), of(unit)),
        )
        .item(first, rule),
        ArgumentError::NumberCount { first } => {
            let wanted = if operator.info().kind == Kind::Circle { "three" } else { "four" };
            say(format!("`{name}:` needs {wanted} numbers"), format!("write {form}")).item(first, rule)
        }
        ArgumentError::NotDegrees(item) => {
            say(format!("{} is not a number of degrees", of(item)), format!("write {form}"))
                .cannot_parse(text)
        }
        ArgumentError::NotRadius(item) => {
            say(format!("{} is not a radius", of(item)), "write a number with its unit, such as 10mi or 16km")
                .cannot_parse(text)
        }
        ArgumentError::OffEarth { degrees, is_latitude, swapped } => {
            let help = match swapped {
                Some([longitude, latitude, radius]) => format!(
                    "swap longitude and latitude: write [{} {} {}]",
                    of(latitude),
                    of(longitude),
                    of(radius)
                ),
                None => "write longitudes from -180 to 180, and latitudes from -90 to 90".to_owned(),
            };
            let what = if is_latitude { "latitude" } else { "longitude" };
            say(format!("{degrees} is not a valid {what}"), help).cannot_parse(text)
        }
        ArgumentError::LongRadius(radius) => say(
            format!("the radius {} exceeds 25 miles", of(radius)),
            "write at most 25mi or 40.2336km; for a larger area, join several circles by OR",
        )
        .cannot_parse(text),
        ArgumentError::UpsideDown => say(
            "the southern latitude of the box is greater than the northern one",
            "write [west south east north], with the smaller latitude first",
        )
        .cannot_parse(text),
        ArgumentError::WideBox(miles) => wide_box(miles).cannot_parse(text),
    }
}

impl<'a> Wording<'a> {
    /// Adds the service's message that it cannot parse the rule at this item of a bracketed list.
    /// An empty item means the closing bracket.
    fn item(self, item: Span, rule: &'a str) -> Self {
        self.cannot_parse(if item.start == item.end { "]" } else { item.of(rule) })
    }
}

fn wide_box<'a>(miles: f64) -> Wording<'a> {
    say(
        format!(
            "the longest edge of the box is {miles:.1} miles; PowerTrack and the filtered stream allow at most 25"
        ),
        "write several smaller boxes, joined by OR",
    )
}
