//! Splits a rule's text into tokens.
//!
//! A token is a parenthesis, a dash, `OR`, `AND`, or a whole term. An operator with its argument,
//! such as `from:"a b"`, is one token. `argument.rs` interprets the argument.
//!
//! The lexer examines each character a bounded number of times. An unclosed quote consumes the rest
//! of the text. Only an underscore needs look-ahead, because it can start an operator name but not
//! a keyword; the lexer remembers how far it has looked. Like the service's lexer, this one reports
//! a character that cannot start a token, skips it, and continues with the next.

use crate::characters::{continues_word, is_punctuation, is_tag, is_white_space};
use crate::findings::Findings;
use crate::issue::Issue;
use crate::span::Span;

/// A token and its span.
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
    /// A dash directly before the token that it negates.
    Dash,
    Term(RawTerm),
    /// Something invalid, already reported.
    Bad,
    End,
}

/// A term before interpretation.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum RawTerm {
    Keyword,
    /// The unescaped text, and the span after `~` if there is one.
    Phrase(String, Option<Span>),
    /// The span of the name after `#`, `$` or `@`.
    Hashtag(Span),
    Cashtag(Span),
    Mention(Span),
    Operator {
        name: Span,
        argument: RawArgument,
    },
}

/// The text after an operator's colon.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum RawArgument {
    /// No text, or a character that cannot start an argument.
    Missing,
    Word(Span),
    /// The unescaped text, and the span including the quotes.
    Quoted(String, Span),
    /// The span including the brackets.
    Bracketed(Span),
    /// A second colon: the argument is an operator itself, or an unquoted URL.
    Colon(Span),
    /// Something invalid, already reported.
    Bad(Span),
}

pub(crate) struct Lexer<'a> {
    text: &'a str,
    at: usize,
    /// Before this offset, no name that starts with an underscore ends with a colon.
    no_name_until: usize,
    /// The number of character examinations. Tests use it to prove linear time.
    pub(crate) steps: usize,
}

impl<'a> Lexer<'a> {
    pub(crate) fn new(text: &'a str) -> Self {
        Self { text, at: 0, no_name_until: 0, steps: 0 }
    }

    /// Returns the next token; after the last one, always `End`.
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

    /// Reads a keyword, or an operator with its argument.
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

    /// Returns true if the underscore at the current offset starts an operator name. No operator
    /// has such a name, so this detects an unknown operator.
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
                // Stops at quotes and parentheses, so that an unclosed bracket does not consume
                // the rule.
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

    /// Consumes a second colon and everything up to the next blank, quote or parenthesis.
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

    /// Reads a quoted text and returns it unescaped; reports an empty or unclosed one.
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
                        // Before any other character, a backslash is literal.
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

    /// Reports the character at `start`, which has already been consumed.
    fn refuse(&self, start: usize, character: char, findings: &mut Findings<'_>) -> TokenKind {
        let span = Span::new(start, start + character.len_utf8());
        findings.push(Issue::BadStart(character), span);
        TokenKind::Bad
    }
}
