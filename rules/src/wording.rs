//! All that is said about a rule in English, and the service's own messages beside it.

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

/// An issue in words.
#[derive(Debug)]
pub(crate) struct Wording<'a> {
    /// What is wrong.
    pub(crate) message: String,
    /// What to write instead.
    pub(crate) help: Option<String>,
    /// What the service says.
    pub(crate) service: Vec<Message<'a>>,
}

fn say<'a>(message: impl Into<String>, help: impl Into<String>) -> Wording<'a> {
    Wording { message: message.into(), help: Some(help.into()), service: Vec::new() }
}

impl<'a> Wording<'a> {
    /// Words an issue that stands at `span` of the rule.
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
                    format!("the rule has {} characters{points}, and {max} are allowed", length.utf16),
                    "write several rules: a Post that matches two of them is sent once",
                )
            }
            Issue::Invisible(character) => say(
                format!("the rule holds {}, which nobody sees in it", shown(character)),
                "leave it out: it came along with a copied text, and Posts that match have to hold it too",
            ),

            Issue::BadStart(character) => bad_start(character).service(Message::Character(character)),
            Issue::UnclosedQuote => say(
                "this quote is never closed",
                "write a \" behind its last word, and \\\" for a quote inside it",
            )
            .service(Message::UnclosedQuote),
            Issue::EmptyQuote => say(
                "there is nothing between these quotes",
                "write the words to look for between them, or leave them out",
            ),

            Issue::DashBeforeOr => say("a dash stands before this OR", "write the dash before a term")
                .service(Message::Input(text)),
            Issue::NothingBeforeOr => {
                say("there is no term before this OR", "write one, or leave out the OR")
                    .service(Message::Input(text))
            }
            Issue::NothingBeforeClose { is_behind_or } => {
                let place = if is_behind_or { "behind the OR" } else { "in this group" };
                say(format!("there is no term {place}"), "write one, or leave it out")
                    .service(Message::Input(text))
            }
            Issue::ExtraParenthesis => {
                say("this parenthesis closes nothing", "leave it out, or write a ( where the group begins")
                    .service(Message::ExtraParenthesis)
            }
            Issue::UnclosedParenthesis { more } => {
                let message = match more {
                    0 => "this parenthesis is never closed".to_owned(),
                    1 => "this parenthesis is never closed, nor is one more".to_owned(),
                    more => format!("this parenthesis is never closed, nor are {more} more"),
                };
                say(message, "write a ) where the group ends").service(Message::UnclosedGroup)
            }
            Issue::NothingAfterOr => {
                say("there is no term behind the last OR", "write one, or leave out the OR").cannot_parse("")
            }
            Issue::NothingAfterParenthesis => {
                say("there is no term behind the last parenthesis", "write one, or leave it out")
                    .cannot_parse("")
            }
            Issue::EmptyRule => {
                say("the rule is empty", "write at least one term, as from:harbour_news").cannot_parse("")
            }
            Issue::Reserved(reserved) => {
                let (word, instead, message) = match reserved {
                    Reserved::And => ("and", "a blank to ask for both", Message::And),
                    Reserved::Or => ("or", "OR in upper case to ask for either", Message::Or),
                    Reserved::Not => ("not", "a dash right before a term to exclude it", Message::Not),
                };
                say(
                    format!("{text} is no keyword unless it is quoted"),
                    format!("write {instead}, or \"{word}\" to find the word"),
                )
                .service(message)
            }

            Issue::UnknownOperator { term } => {
                let help = match (successor(text), similar(text, false, profile)) {
                    _ if text.eq_ignore_ascii_case("http") || text.eq_ignore_ascii_case("https") => {
                        format!("put the address in quotes, as url:\"{}\"", quoted(term.of(rule)))
                    }
                    (Some(help), _) => help.to_owned(),
                    (None, Some(name)) => format!("did you mean `{name}:`?"),
                    (None, None) => "put a text that holds a colon in double quotes".to_owned(),
                };
                say(format!("there is no operator `{}:`", quoted(text)), help)
                    .service(Message::Operator(text))
                    .service(Message::Field(text))
            }
            Issue::UnknownFlag => {
                let help = match (successor(text), similar(text, true, profile)) {
                    (Some(help), _) => help.to_owned(),
                    (None, Some(name)) => format!("did you mean {name}?"),
                    (None, None) => "write a flag that there is, as has:links or is:retweet".to_owned(),
                };
                say(format!("there is no operator {}", quoted(text)), help).service(Message::Operator(text))
            }
            Issue::Unavailable(operator) => {
                let listed = |profile: &Profile| operator.availability(*profile) == Availability::Listed;
                let help = match Profile::ALL.into_iter().find(listed) {
                    Some(Profile::FilteredStreamEmbedding) => {
                        "leave it out: only the filtered stream with the embedding tier has it".to_owned()
                    }
                    Some(other) => format!("leave it out: {} has it", other.product()),
                    None => "leave it out".to_owned(),
                };
                let wording = say(format!("{} has no {}", profile.product(), title(operator)), help);
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
                    format!("{} is no distance between words", quoted(written)),
                    "write one digit from 1 to 6 right behind the ~, as \"harbour gull\"~3",
                )
                .cannot_parse(written)
            }
            Issue::MissingArgument { operator, at } => missing_argument(operator, &rule[at..], profile),
            Issue::SecondColon { operator, start } => {
                let (name, kind) = (operator.primary_name(profile), operator.info().kind);
                let help = if matches!(kind, Kind::Text | Kind::TextOrNumber | Kind::Quoted) {
                    let whole = quoted(Span::new(start, span.end).of(rule));
                    format!("write {name}:\"{whole}\", or two terms")
                } else {
                    format!("write {} behind the first, or two terms", kind.description())
                };
                say(format!("a second colon follows `{name}:`"), help).cannot_parse(":")
            }
            Issue::Argument { operator, error } => bad_argument(error, operator, span, rule, profile),

            Issue::NothingPositive { is_branch, also_stop_words } => {
                let wording = if is_branch {
                    say(
                        "every term of this alternative is negated, which alone asks for nearly everything",
                        "add a term to it that Posts must match, or move it out of the OR",
                    )
                } else {
                    say(
                        "every term of this rule is negated, which asks for nearly everything",
                        "add a term that Posts must match, as from:harbour_news",
                    )
                };
                let wording = wording.service(Message::NonNegation);
                if also_stop_words { wording.service(Message::NonStopword) } else { wording }
            }
            Issue::OnlyStopWords => say(
                "this rule asks for nothing but stop words",
                "add a term that is none, or put the words in double quotes",
            )
            .service(Message::NonStopword),
            Issue::MustBeNegated(operator) => {
                let name = operator.info().name;
                say(format!("{name} must be negated"), format!("write -{name}"))
            }
            Issue::CannotBeNegated { operator, percent } => say(
                format!("`{}:` cannot be negated", operator.info().name),
                match percent {
                    Some(percent @ 1..=99) => format!("write sample:{} for the other share", 100 - percent),
                    _ => "leave out the dash, or the operator".to_owned(),
                },
            ),
            Issue::SampleInOr { percent } => say(
                "`sample:` acts on the whole rule, and here it stands in an OR",
                format!(
                    "write parentheses around the alternatives, as (gull OR tern) sample:{}",
                    quoted(percent.of(rule))
                ),
            )
            .service(Message::SampleOr),
            Issue::NothingStandalone => say(
                "no term of this rule may stand alone on the filtered stream",
                "add a standalone operator, as a keyword or from:",
            )
            .service(Message::Standalone),

            Issue::ExplicitAnd => say(
                "AND is taken as a blank",
                "write a blank, which every product takes, or \"and\" to find the word",
            ),
            Issue::DashAfterTerm => say(
                "this dash ends the term before it and negates what follows",
                "write a blank before the dash if that is meant, or put the whole text in double quotes",
            ),
            Issue::NegatedGroup { is_or } => say(
                "X asks not to negate groups",
                if is_or {
                    "write a dash before each alternative instead, without OR: -(a OR b) is -a -b"
                } else {
                    "write alternatives, each with a dash: -(a b) is (-a OR -b), where another term makes that legal"
                },
            ),
            Issue::OperatorCase => say(
                format!("the operator {} is not in lower case", quoted(text)),
                format!("write {}", quoted(&text.to_ascii_lowercase())),
            ),
            Issue::Unlisted(operator) => say(
                format!("{}'s page does not list {}", profile.product(), title(operator)),
                match (profile, operator) {
                    (Profile::Powertrack, Operator::HasLang) => {
                        "write -lang:und: PowerTrack 2.0 refused has:lang when it began"
                    }
                    _ => "try it before you rely on it: PowerTrack has it, and it may work all the same",
                },
            ),
            Issue::UnlistedLanguage => say(
                format!("X lists no language {}, and may ignore the operator", quoted(text)),
                match language::older(text) {
                    Some(older) => format!("write lang:{older}, the older code that X uses"),
                    None => "write a code that X lists, as en, ja or und".to_owned(),
                },
            ),
            Issue::WideBox(miles) => wide_box(miles),

            Issue::LongTerm { characters, max } => say(
                format!("this term has {characters} characters, and over {max} were refused once"),
                "write a shorter one",
            ),
            Issue::StopWord(word) => say(
                format!("{} is a stop word, and hardly narrows the rule", quoted(word.of(rule))),
                "leave it out, or quote it together with its neighbours",
            ),
            Issue::Punctuated(word) => {
                let word = quoted(word.of(rule));
                say(format!("{word} holds punctuation, and is read as a phrase"), format!("write \"{word}\""))
            }
            Issue::Unsegmented(word) => {
                let word = quoted(word.of(rule));
                say(
                    format!("{word} is found only where blanks or punctuation set it off"),
                    format!("write contains:{word}, which looks inside sentences"),
                )
            }
            Issue::LookAlike { family, members, found } => {
                let others = members.iter().filter(|member| **member != found).take(3);
                let others: Vec<_> = others.map(char::to_string).collect();
                say(
                    format!("a phrase with this {family}, {found}, does not match those that look like it"),
                    format!("write alternatives with the others too: {}", others.join(", ")),
                )
            }
            Issue::NumericTag(tag) => {
                let tag = quoted(tag.of(rule));
                say(
                    format!("X takes #{tag} for no hashtag, since it is a number"),
                    format!("write \"#{tag}\" to find the text"),
                )
            }
            Issue::SingleKeyword => say("a single keyword matches a massive volume of Posts", NARROW),
            Issue::SingleHashtag => say("a single hashtag matches a massive volume of Posts", NARROW),
            Issue::NothingNarrow => say(
                "flags, languages and samples alone match a massive volume of Posts",
                "add a term that narrows it, as a keyword or from:",
            ),
            Issue::NothingStandaloneInBranch => say(
                "no term of this alternative may stand alone on the filtered stream",
                "add a standalone operator to it, as a keyword or from:",
            ),
        }
    }

    fn service(mut self, message: Message<'a>) -> Self {
        self.service.push(message);
        self
    }

    /// The service names this token, or the end if there is none.
    fn cannot_parse(self, token: &'a str) -> Self {
        self.service(Message::CannotParse(if token.is_empty() { Message::END } else { token }))
    }
}

const NARROW: &str = "add terms that narrow it, as lang:en or -is:retweet";

fn shown(character: char) -> String {
    quoted(character.encode_utf8(&mut [0; 4]))
}

/// Returns an operator's name as it stands in a sentence.
fn title(operator: Operator) -> String {
    match operator.info().name {
        "emoji" => "bare emoji".to_owned(),
        "proximity" => "the distance `~` behind a phrase".to_owned(),
        "hashtag" => "hashtags".to_owned(),
        "cashtag" => "cashtags".to_owned(),
        name if name.contains(':') => name.to_owned(),
        name => format!("`{name}:`"),
    }
}

/// Words the error of a character that cannot start a term.
fn bad_start<'a>(character: char) -> Wording<'a> {
    let shown = shown(character);
    let (message, help) = match character {
        '#' => (
            "there is no tag behind this #".to_owned(),
            "write the tag right behind it, as #gulls, or quote it to find the character, as \"#\"",
        ),
        '@' => (
            "there is no user name behind this @".to_owned(),
            "write the name right behind it, as @harbour_news, or quote it to find the character, as \"@\"",
        ),
        '$' => (
            "there is no symbol behind this $".to_owned(),
            "write the symbol right behind it, as $ABC, or quote it to find the character, as \"$\"",
        ),
        '-' => (
            "this dash negates nothing".to_owned(),
            "write it right before the term, as -is:retweet, or quote it to find the character, as \"-\"",
        ),
        '\u{2010}'..='\u{2015}' | '\u{2212}' => (
            format!("a term cannot start with {shown}, which is no dash of the rule language"),
            "write the ASCII dash - to negate, or put the text in double quotes",
        ),
        '\u{201c}'..='\u{201f}' | '\u{ab}' | '\u{bb}' | '\u{ff02}' => (
            format!("{shown} is not the quote of the rule language"),
            "write straight double quotes, as \"sea gull\"",
        ),
        '\'' | '\u{2018}'..='\u{201b}' => (
            format!("a term cannot start with {shown}, and it does not quote"),
            "write straight double quotes, as \"sea gull\"",
        ),
        '|' => ("a term cannot start with |".to_owned(), "write OR in upper case between alternatives"),
        '&' => ("a term cannot start with &".to_owned(), "write a blank between terms that all must match"),
        '!' => ("a term cannot start with !".to_owned(), "write a dash to negate, as -is:retweet"),
        ',' | ';' => (
            format!("a term cannot start with {shown}"),
            "write a blank between terms that all must match, or OR between alternatives",
        ),
        ':' => (
            "a term cannot start with a colon".to_owned(),
            "write the operator's name right before it and its argument right behind it, as from:harbour_news",
        ),
        '*' => (
            "a term cannot start with *: there are no wildcards".to_owned(),
            "write the alternatives out with OR, or look inside words with contains:",
        ),
        '~' => (
            "a term cannot start with ~".to_owned(),
            "write a distance right behind a phrase that is a term itself, as \"harbour gull\"~3",
        ),
        '[' | ']' => (
            format!("a term cannot start with {shown}"),
            "write brackets only right behind a geo operator, as bounding_box:[-0.2 51.4 -0.1 51.6]",
        ),
        _ => (format!("a term cannot start with {shown}"), "put the text in double quotes, or leave it out"),
    };
    say(message, help)
}

/// Words the error of an operator with nothing behind its colon, where `rest` stands.
fn missing_argument(operator: Operator, rest: &str, profile: Profile) -> Wording<'_> {
    let (name, form) = (operator.primary_name(profile), operator.info().kind.description());
    let next = rest.chars().next();
    let help = match next {
        Some('(') => format!("write the operator before each term, as ({name}:… OR {name}:…)"),
        Some(next) if is_white_space(next) => {
            format!("write {form} right behind the colon, without a blank")
        }
        _ => format!("write {form} right behind the colon"),
    };
    say(format!("there is nothing behind `{name}:`"), help)
        .cannot_parse(&rest[..next.map_or(0, char::len_utf8)])
}

/// Words the error of an argument that stands at `span`.
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
            say(format!("`{name}:` cannot take {}", quoted(text)), format!("write {form}")).cannot_parse(text)
        }
        ArgumentError::Quoted => {
            say(format!("`{name}:` takes no quotes"), format!("write {form}, without quotes"))
                .cannot_parse(text)
        }
        ArgumentError::Unquoted => {
            say(format!("`{name}:` takes a quoted text only"), format!("write {name}:\"{}\"", quoted(text)))
                .cannot_parse(text)
        }
        ArgumentError::BadStart(character) => {
            let wording = say(
                format!("an unquoted argument cannot start with {}", shown(character)),
                format!("write {name}:\"{}\"", quoted(text)),
            );
            // A cashtag is a token by itself, and one too many.
            if character == '$' { wording.service(Message::Input(text)) } else { wording.cannot_parse(text) }
        }
        ArgumentError::AtSign => say(
            format!("`{name}:` takes a user name without the @"),
            format!("write {name}:{}", quoted(&text[1..])),
        )
        .cannot_parse(text),
        ArgumentError::ReversedRange => {
            say(format!("the range {} ends before it begins", quoted(text)), "write the smaller number first")
                .cannot_parse(text)
        }
        ArgumentError::UnclosedBracket => {
            say("this bracket is never closed", "write a ] behind the last number").cannot_parse(text)
        }
        ArgumentError::Commas { first } => {
            say("the numbers are separated by commas", format!("write {form}")).item(first, rule)
        }
        ArgumentError::BlankBeforeUnit { first, radius, unit } => say(
            format!("a blank stands before the unit {}", of(unit)),
            format!("write {}{}", of(radius), of(unit)),
        )
        .item(first, rule),
        ArgumentError::NumberCount { first } => {
            let wanted = if operator.info().kind == Kind::Circle { "three" } else { "four" };
            say(format!("`{name}:` takes {wanted} numbers"), format!("write {form}")).item(first, rule)
        }
        ArgumentError::NotDegrees(item) => {
            say(format!("{} is no number of degrees", of(item)), format!("write {form}")).cannot_parse(text)
        }
        ArgumentError::NotRadius(item) => {
            say(format!("{} is no radius", of(item)), "write a number with its unit, as 10mi or 16km")
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
                None => "write longitudes within ±180 before latitudes within ±90".to_owned(),
            };
            let what = if is_latitude { "latitude" } else { "longitude" };
            say(format!("{degrees} is no {what}"), help).cannot_parse(text)
        }
        ArgumentError::LongRadius(radius) => say(
            format!("the radius {} is over 25 miles", of(radius)),
            "write at most 25mi or 40.2336km, and cover more with several circles",
        )
        .cannot_parse(text),
        ArgumentError::UpsideDown => say(
            "the box's south lies north of its north",
            "write [west south east north], the smaller latitude before the greater",
        )
        .cannot_parse(text),
        ArgumentError::WideBox(miles) => wide_box(miles).cannot_parse(text),
    }
}

impl<'a> Wording<'a> {
    /// The service names an item inside the brackets, or the closing one if there is none.
    fn item(self, item: Span, rule: &'a str) -> Self {
        self.cannot_parse(if item.start == item.end { "]" } else { item.of(rule) })
    }
}

fn wide_box<'a>(miles: f64) -> Wording<'a> {
    say(
        format!("the box has an edge of {miles:.1} miles, over 25"),
        "write several smaller boxes, joined by OR",
    )
}
