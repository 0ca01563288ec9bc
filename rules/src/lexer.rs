//! From characters to tokens.
//!
//! A token is a parenthesis, a dash, `OR`, `AND`, or a whole term: `from:"a b"` is one token, since there is no blank
//! around the colon and what may follow it depends on nothing else. What the argument means is not decided here
//! (`argument.rs`).
//!
//! Every character is looked at a bounded number of times, whatever the text: a word is scanned once, a quote that is
//! never closed takes the rest of the text with it, and the one place that must look ahead (an underscore, which
//! starts an operator's name but no keyword) remembers how far it has looked. A character that starts nothing is
//! reported and passed over, as the service's own lexer does it; the next one gets its chance.

use crate::characters::{continues_word, is_punctuation, is_tag, is_white_space};
use crate::findings::Findings;
use crate::issue::Issue;
use crate::span::Span;

/// A token and where it stands.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Token {
    pub(crate) kind: TokenKind,
    pub(crate) span: Span,
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) enum TokenKind {
    Open,
    Close,
    /// `OR` in upper case.
    Or,
    /// A dash that touches what follows.
    Dash,
    Term(RawTerm),
    /// What stood here was reported already.
    Bad,
    End,
}

/// A term as it is written.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum RawTerm {
    Keyword,
    /// The unescaped text, and what follows `~`.
    Phrase(String, Option<Span>),
    /// Where the name after `#`, `$` or `@` stands.
    Hashtag(Span),
    Cashtag(Span),
    Mention(Span),
    Operator {
        name: Span,
        argument: RawArgument,
    },
}

/// What follows the colon.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum RawArgument {
    /// Nothing, or something that is no argument.
    Missing,
    Word(Span),
    /// The span has the quotes, the text is unescaped.
    Quoted(String, Span),
    /// The span has the brackets.
    Bracketed(Span),
    /// A second colon: the argument is an operator itself, or an address without quotes.
    Colon(Span),
    /// It was reported already.
    Bad(Span),
}

pub(crate) struct Lexer<'a> {
    text: &'a str,
    at: usize,
    /// Up to here no colon ends a name that starts with an underscore.
    no_name_until: usize,
    /// How many characters were looked at, for the proof that this is linear.
    pub(crate) steps: usize,
}

impl<'a> Lexer<'a> {
    pub(crate) fn new(text: &'a str) -> Self {
        Self { text, at: 0, no_name_until: 0, steps: 0 }
    }

    /// Returns the next token; `End` forever after the last.
    pub(crate) fn token(&mut self, findings: &mut Findings<'_>) -> Token {
        self.take_while(is_white_space);
        let start = self.at;
        let kind = match self.peek() {
            None => TokenKind::End,
            Some('(') => self.single(TokenKind::Open),
            Some(')') => self.single(TokenKind::Close),
            Some('-') => {
                self.bump();
                match self.peek() {
                    Some(next) if !is_white_space(next) && next != ')' => TokenKind::Dash,
                    _ => self.refuse(start, '-', findings),
                }
            }
            Some('"') => self.phrase(findings),
            Some('#') => self.sigil('#', is_tag, RawTerm::Hashtag, findings),
            Some('@') => {
                self.sigil('@', |c| c.is_ascii_alphanumeric() || c == '_', RawTerm::Mention, findings)
            }
            Some('$') => self.cashtag(findings),
            Some('_') if self.underscore_starts_a_name() => self.word(findings),
            Some(character) if is_punctuation(character) => {
                self.bump();
                self.refuse(start, character, findings)
            }
            Some(_) => self.word(findings),
        };
        Token { kind, span: Span::new(start, self.at) }
    }

    fn peek(&self) -> Option<char> {
        self.text.get(self.at..)?.chars().next()
    }

    fn bump(&mut self) {
        self.at += self.peek().map_or(0, char::len_utf8);
        self.steps += 1;
    }

    fn take_while(&mut self, wanted: impl Fn(char) -> bool) -> Span {
        let start = self.at;
        while self.peek().is_some_and(&wanted) {
            self.bump();
        }
        self.steps += 1;
        Span::new(start, self.at)
    }

    fn single(&mut self, kind: TokenKind) -> TokenKind {
        self.bump();
        kind
    }

    /// A keyword, or an operator with its argument.
    fn word(&mut self, findings: &mut Findings<'_>) -> TokenKind {
        let name = self.take_while(continues_word);
        if self.peek() == Some(':') {
            self.bump();
            return TokenKind::Term(RawTerm::Operator { name, argument: self.argument(findings) });
        }
        match name.of(self.text) {
            "OR" => TokenKind::Or,
            _ => TokenKind::Term(RawTerm::Keyword),
        }
    }

    /// Whether the underscore here is the first letter of an operator's name, which no operator has so far.
    fn underscore_starts_a_name(&mut self) -> bool {
        if self.at < self.no_name_until {
            return false;
        }
        let rest = self.text.get(self.at..).unwrap_or_default();
        let length = rest.bytes().take_while(|byte| byte.is_ascii_alphanumeric() || *byte == b'_').count();
        self.steps += length;
        if rest.as_bytes().get(length) == Some(&b':') {
            return true;
        }
        self.no_name_until = self.at + length;
        false
    }

    fn argument(&mut self, findings: &mut Findings<'_>) -> RawArgument {
        let start = self.at;
        match self.peek() {
            Some('"') => match self.quoted(findings) {
                Some(text) => RawArgument::Quoted(text, Span::new(start, self.at)),
                None => RawArgument::Bad(Span::new(start, self.at)),
            },
            Some('[') => {
                // Not over a quote or a parenthesis: a bracket that is never closed must not swallow the rule.
                self.take_while(|character| !matches!(character, ']' | '"' | '(' | ')'));
                if self.peek() == Some(']') {
                    self.bump();
                }
                RawArgument::Bracketed(Span::new(start, self.at))
            }
            Some(character) if continues_word(character) => {
                let word = self.take_while(continues_word);
                if self.peek() == Some(':') { self.colon() } else { RawArgument::Word(word) }
            }
            Some(':') => self.colon(),
            _ => RawArgument::Missing,
        }
    }

    /// A second colon, with the rest of what touches it.
    fn colon(&mut self) -> RawArgument {
        RawArgument::Colon(
            self.take_while(|character| !is_white_space(character) && !matches!(character, '(' | ')' | '"')),
        )
    }

    fn phrase(&mut self, findings: &mut Findings<'_>) -> TokenKind {
        let Some(text) = self.quoted(findings) else {
            return TokenKind::Bad;
        };
        let distance = (self.peek() == Some('~')).then(|| {
            self.bump();
            self.take_while(continues_word)
        });
        TokenKind::Term(RawTerm::Phrase(text, distance))
    }

    /// A quoted text without its quotes and escapes.
    fn quoted(&mut self, findings: &mut Findings<'_>) -> Option<String> {
        let start = self.at;
        self.bump();
        let mut text = String::new();
        loop {
            match self.peek() {
                None => {
                    findings.push_at(Issue::UnclosedQuote, Span::new(start, self.at), self.text.len());
                    return None;
                }
                Some('"') => break self.bump(),
                Some('\\') => {
                    self.bump();
                    match self.peek() {
                        Some(escaped @ ('"' | '\\')) => {
                            text.push(escaped);
                            self.bump();
                        }
                        // Before anything else it is itself.
                        _ => text.push('\\'),
                    }
                }
                Some(character) => {
                    text.push(character);
                    self.bump();
                }
            }
        }
        if text.is_empty() {
            findings.push(Issue::EmptyQuote, Span::new(start, self.at));
            return None;
        }
        Some(text)
    }

    fn sigil(
        &mut self,
        sigil: char,
        wanted: impl Fn(char) -> bool,
        term: impl Fn(Span) -> RawTerm,
        findings: &mut Findings<'_>,
    ) -> TokenKind {
        let start = self.at;
        self.bump();
        let name = self.take_while(wanted);
        if name.start == name.end {
            return self.refuse(start, sigil, findings);
        }
        TokenKind::Term(term(name))
    }

    fn cashtag(&mut self, findings: &mut Findings<'_>) -> TokenKind {
        let start = self.at;
        self.bump();
        if !self.peek().is_some_and(|character| character.is_ascii_alphanumeric()) {
            return self.refuse(start, '$', findings);
        }
        let name = self.take_while(|c| c.is_ascii_alphanumeric() || matches!(c, '.' | '_'));
        TokenKind::Term(RawTerm::Cashtag(name))
    }

    /// Reports the character at `start`, which was passed over already.
    fn refuse(&self, start: usize, character: char, findings: &mut Findings<'_>) -> TokenKind {
        let span = Span::new(start, start + character.len_utf8());
        findings.push(Issue::BadStart(character), span);
        TokenKind::Bad
    }
}
