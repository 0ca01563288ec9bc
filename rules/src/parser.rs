//! From tokens to the tree, without recursion and in one pass.
//!
//! ```text
//!   operands   [ a | b  c | d ]        one stack for the whole rule
//!   frames     ^or_start  ^and_start   one for each open group: where its alternatives and its current branch begin
//! ```
//!
//! An OR, a closing parenthesis or the end folds the current branch into an And, if it has two terms or more; a
//! closing parenthesis folds the alternatives into an Or. A group of an And is not folded when it closes: its terms
//! stay on the stack and so become terms of the branch around it, which is what the flat tree asks for, at no cost. A
//! group of an Or that is all of its branch likewise leaves its alternatives to the group around it; one token of
//! look-ahead says whether it is.
//!
//! After an error parsing goes on, so that one run tells them all; the tree is then given up.

use crate::ast::{Node, NodeId, NodeKind, Rule, Term};
use crate::diagnostic::Code;
use crate::findings::Findings;
use crate::issue::{Issue, Reserved};
use crate::lexer::{Lexer, RawTerm, Token, TokenKind};
use crate::operator::Operator;
use crate::profile::Profile;
use crate::span::Span;
use crate::term;

/// Reads a rule. `None`: the grammar is broken, and there is no tree. A tree may have broken terms in it.
pub(crate) fn parse(text: &str, profile: Profile, findings: &mut Findings<'_>) -> (Option<Rule>, usize) {
    let mut parser = Parser {
        text,
        profile,
        findings,
        nodes: Vec::new(),
        operands: Vec::new(),
        frames: vec![Frame { open: Span::default(), or_start: 0, and_start: 0, filled: false, dashes: 0 }],
        dashes: Vec::new(),
        pending: 0,
    };
    let mut lexer = Lexer::new(text);
    let mut token = parser.next(&mut lexer, None);
    loop {
        let next = match token.kind {
            TokenKind::End => break,
            _ => parser.next(&mut lexer, Some(&token)),
        };
        parser.take(token, &next);
        token = next;
    }
    parser.end();
    let nodes = parser.nodes;
    let sound = ![Code::Lexical, Code::Grammar, Code::Quote].into_iter().any(|code| findings.any(code));
    ((sound && !nodes.is_empty()).then(|| Rule::new(text, nodes)), lexer.steps)
}

/// A group that is open, or the rule itself.
struct Frame {
    /// Its parenthesis.
    open: Span,
    /// Where its alternatives begin on the stack of operands.
    or_start: usize,
    /// Where its current branch begins.
    and_start: usize,
    /// Whether the current branch has anything in it, be it broken.
    filled: bool,
    /// How many dashes stand before it.
    dashes: usize,
}

struct Parser<'a, 'f> {
    text: &'a str,
    profile: Profile,
    findings: &'a mut Findings<'f>,
    /// The tree so far.
    nodes: Vec<Node>,
    operands: Vec<NodeId>,
    /// Never empty: the first is the rule.
    frames: Vec<Frame>,
    /// Where the dashes stand that have not met their term or the end of their group.
    dashes: Vec<usize>,
    /// How many of them stand right before the next token.
    pending: usize,
}

impl Parser<'_, '_> {
    /// The next token that counts. On Powerstream an AND does not: its page lists the blank as "Space/AND".
    fn next(&mut self, lexer: &mut Lexer<'_>, last: Option<&Token>) -> Token {
        let negated = last.is_some_and(|token| token.kind == TokenKind::Dash);
        loop {
            let token = lexer.token(self.findings);
            let is_and = token.kind == TokenKind::Term(RawTerm::Keyword) && token.span.of(self.text) == "AND";
            if !is_and || negated || self.profile != Profile::Powerstream {
                return token;
            }
            self.findings.push(Issue::ExplicitAnd, token.span);
        }
    }

    fn take(&mut self, token: Token, next: &Token) {
        match token.kind {
            TokenKind::Dash => {
                self.dashes.push(token.span.start);
                self.pending += 1;
            }
            TokenKind::Term(raw) => {
                self.touching(token.span, next);
                let term = self.term(raw, token.span);
                let dashes = self.pending();
                let node = self.push(NodeKind::Term(term), token.span);
                let node = self.negate(node, dashes);
                self.operand(node);
            }
            TokenKind::Bad => {
                let dashes = self.pending();
                self.forget(dashes);
                self.frame().filled = true;
            }
            TokenKind::Open => {
                let (at, dashes) = (self.operands.len(), self.pending());
                self.frames.push(Frame {
                    open: token.span,
                    or_start: at,
                    and_start: at,
                    filled: false,
                    dashes,
                });
            }
            TokenKind::Or => self.or(token.span),
            TokenKind::Close => self.close(token.span, next),
            TokenKind::End => {}
        }
    }

    /// A dash right behind a term: `#sea-gull` is no hashtag with a dash.
    fn touching(&mut self, term: Span, next: &Token) {
        if next.kind == TokenKind::Dash && next.span.start == term.end {
            self.findings.push(Issue::DashAfterTerm, next.span);
        }
    }

    fn term(&mut self, raw: RawTerm, span: Span) -> Term {
        let reserved = if raw == RawTerm::Keyword { reserved(span.of(self.text)) } else { None };
        let Some(reserved) = reserved else {
            return term::term(self.text, raw, span, self.profile, self.findings);
        };
        self.findings.push(Issue::Reserved(reserved), span);
        Term::broken(Operator::Keyword, span)
    }

    fn or(&mut self, span: Span) {
        let dashes = self.pending();
        self.forget(dashes);
        if dashes > 0 {
            self.findings.push(Issue::DashBeforeOr, span);
            return;
        }
        if !self.frame().filled {
            self.findings.push(Issue::NothingBeforeOr, span);
            return;
        }
        self.fold_branch();
        let at = self.operands.len();
        let frame = self.frame();
        (frame.and_start, frame.filled) = (at, false);
    }

    fn close(&mut self, span: Span, next: &Token) {
        if self.frames.len() == 1 {
            self.findings.push(Issue::ExtraParenthesis, span);
            return;
        }
        if !self.frame().filled {
            let is_behind_or = self.frame().and_start > self.frame().or_start;
            self.findings.push(Issue::NothingBeforeClose { is_behind_or }, span);
        }
        let all = self.frame().and_start == self.frame().or_start;
        if !all {
            self.fold_branch();
        }
        let Some(frame) = self.frames.pop() else { return };
        let group = frame.open.to(span);
        let count = self.operands.len() - frame.or_start;
        // Empty as it may be, it was reported once.
        self.frame().filled = true;
        if frame.dashes > 0 {
            if let Some(folded) = self.fold(frame.or_start, !all, group) {
                self.operands.truncate(frame.or_start);
                if count > 1 {
                    self.negated_group(folded, frame.dashes);
                }
                let node = self.negate(folded, frame.dashes);
                self.operands.push(node);
            } else {
                self.forget(frame.dashes);
            }
        } else if all {
            // The terms stay where they are.
            if count == 1 {
                self.widen(frame.or_start, group);
            }
        } else {
            let first = self.frame().and_start == frame.or_start;
            if first && matches!(next.kind, TokenKind::Or | TokenKind::Close | TokenKind::End) {
                let at = self.operands.len();
                self.frame().and_start = at;
            } else {
                self.fold(frame.or_start, true, group);
            }
        }
    }

    fn negated_group(&mut self, group: NodeId, dashes: usize) {
        let Some(start) = self.dashes.len().checked_sub(dashes).and_then(|at| self.dashes.get(at)) else {
            return;
        };
        let span = Span::new(*start, self.nodes[group.index()].span.end);
        let is_or = matches!(self.nodes[group.index()].kind, NodeKind::Or(_));
        self.findings.push(Issue::NegatedGroup { is_or }, span);
    }

    /// The end of the rule.
    fn end(&mut self) {
        let (end, span) = (self.text.len(), Span::new(self.text.len(), self.text.len()));
        let frame = self.frame();
        if !frame.filled {
            let issue = if frame.and_start > frame.or_start {
                Issue::NothingAfterOr
            } else if self.frames.len() > 1 {
                Issue::NothingAfterParenthesis
            } else {
                Issue::EmptyRule
            };
            self.findings.push(issue, span);
        }
        if let [_, first, more @ ..] = self.frames.as_slice() {
            self.findings.push_at(Issue::UnclosedParenthesis { more: more.len() }, first.open, end);
            return;
        }
        self.fold_branch();
        let all = Span::new(
            self.operands.first().map_or(0, |id| self.nodes[id.index()].span.start),
            self.operands.last().map_or(end, |id| self.nodes[id.index()].span.end),
        );
        self.fold(0, true, all);
    }

    fn frame(&mut self) -> &mut Frame {
        let last = self.frames.len() - 1;
        &mut self.frames[last]
    }

    /// Takes the dashes right before the token that is taken; they stay at the end of `dashes`.
    fn pending(&mut self) -> usize {
        core::mem::take(&mut self.pending)
    }

    /// Forgets dashes that have met nothing they could negate.
    fn forget(&mut self, dashes: usize) {
        self.dashes.truncate(self.dashes.len().saturating_sub(dashes));
    }

    fn push(&mut self, kind: NodeKind, span: Span) -> NodeId {
        // A rule has fewer nodes than bytes, and at most `TEXT_BYTES_MAX` of those.
        #[allow(clippy::cast_possible_truncation, reason = "see above")]
        let id = NodeId(self.nodes.len() as u32);
        self.nodes.push(Node { kind, span });
        id
    }

    fn operand(&mut self, node: NodeId) {
        self.operands.push(node);
        self.frame().filled = true;
    }

    /// Sets the last `dashes` dashes before a node.
    fn negate(&mut self, mut node: NodeId, dashes: usize) -> NodeId {
        for _ in 0..dashes {
            let Some(start) = self.dashes.pop() else { break };
            let span = Span::new(start, self.nodes[node.index()].span.end);
            node = self.push(NodeKind::Not(node), span);
        }
        node
    }

    fn widen(&mut self, operand: usize, span: Span) {
        if let Some(id) = self.operands.get(operand) {
            self.nodes[id.index()].span = span;
        }
    }

    /// Folds the current branch into one operand.
    fn fold_branch(&mut self) {
        let start = self.frame().and_start;
        if let [first, .., last] = self.operands.get(start..).unwrap_or_default() {
            let span = self.nodes[first.index()].span.to(self.nodes[last.index()].span);
            self.fold(start, false, span);
        }
    }

    /// Folds the operands from `start` on into one, an Or or an And if there are two or more. Returns it, if there is any.
    fn fold(&mut self, start: usize, or: bool, span: Span) -> Option<NodeId> {
        match &self.operands[start..] {
            [] => None,
            [one] => Some(*one),
            _ => {
                let children = self.operands.split_off(start);
                let node = self.push(if or { NodeKind::Or(children) } else { NodeKind::And(children) }, span);
                self.operands.push(node);
                Some(node)
            }
        }
    }
}

/// Returns the operator that a bare word is taken for in any case, and therefore has to be quoted.
fn reserved(word: &str) -> Option<Reserved> {
    [("and", Reserved::And), ("or", Reserved::Or), ("not", Reserved::Not)]
        .into_iter()
        .find(|(name, _)| name.eq_ignore_ascii_case(word))
        .map(|(_, reserved)| reserved)
}
