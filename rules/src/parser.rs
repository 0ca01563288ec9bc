//! Parses tokens into a tree, in one pass and without recursion.
//!
//! ```text
//!   operands   [ a | b  c | d ]        one stack for the whole rule
//!   frames     ^or_start  ^and_start   one for each open group: the start of its alternatives,
//!                                      and of its current branch
//! ```
//!
//! An OR, a closing parenthesis or the end of the rule folds the current branch into an And, if it
//! has at least two terms. A closing parenthesis folds the group's alternatives into an Or.
//!
//! A group that is an And is not folded when it closes. Its terms stay on the stack and become
//! terms of the surrounding branch, which flattens the tree at no cost. Likewise, an Or group that
//! is a whole branch leaves its alternatives to the surrounding group. One token of look-ahead
//! detects that case.
//!
//! After an error the parser continues, so that one run reports all errors. It then returns no
//! tree.

use crate::ast::{Node, NodeId, NodeKind, Rule, Term};
use crate::diagnostic::Code;
use crate::findings::Findings;
use crate::issue::{Issue, Reserved};
use crate::lexer::{Lexer, RawTerm, Token, TokenKind};
use crate::operator::Operator;
use crate::profile::Profile;
use crate::span::Span;
use crate::term;

/// Parses a rule. Returns the tree and the lexer's step count. The tree is `None` if there is a
/// syntax error; otherwise it may contain broken terms.
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

/// An open group, or the rule itself.
struct Frame {
    /// The span of its opening parenthesis.
    open: Span,
    /// The index in `operands` of its first alternative.
    or_start: usize,
    /// The index in `operands` where its current branch starts.
    and_start: usize,
    /// True if the current branch contains anything, valid or not.
    filled: bool,
    /// The number of dashes directly before the group.
    dashes: usize,
}

struct Parser<'a, 'f> {
    text: &'a str,
    profile: Profile,
    findings: &'a mut Findings<'f>,
    /// The tree built so far.
    nodes: Vec<Node>,
    operands: Vec<NodeId>,
    /// Never empty: the first frame is the rule itself.
    frames: Vec<Frame>,
    /// The offsets of the dashes that have not yet been applied to a term or a group.
    dashes: Vec<usize>,
    /// The number of dashes directly before the next token.
    pending: usize,
}

impl Parser<'_, '_> {
    /// Returns the next significant token. On Powerstream, AND is not significant: the page
    /// Operators lists the blank as "Space/AND".
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

    /// Warns of a dash directly after a term: `#sea-gull` is not one hashtag.
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
        // Set even for an empty group, because that was reported above.
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
            // The terms stay on the operand stack.
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

    /// Handles the end of the rule.
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

    /// Takes the count of dashes directly before the current token. Their offsets stay at the end
    /// of `dashes`.
    fn pending(&mut self) -> usize {
        core::mem::take(&mut self.pending)
    }

    /// Discards dashes that have nothing to negate.
    fn forget(&mut self, dashes: usize) {
        self.dashes.truncate(self.dashes.len().saturating_sub(dashes));
    }

    fn push(&mut self, kind: NodeKind, span: Span) -> NodeId {
        // A rule has fewer nodes than bytes, and at most `TEXT_BYTES_MAX` bytes.
        #[allow(clippy::cast_possible_truncation, reason = "see above")]
        let id = NodeId(self.nodes.len() as u32);
        self.nodes.push(Node { kind, span });
        id
    }

    fn operand(&mut self, node: NodeId) {
        self.operands.push(node);
        self.frame().filled = true;
    }

    /// Applies the last `dashes` dashes to a node, and returns the negated node.
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

    /// Folds the operands from `start` on into one: an Or or an And if there are at least two.
    /// Returns the operand, or `None` if there are none.
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

/// Returns the operator that the service reads a bare word as, in any case. Such a word must be
/// quoted.
fn reserved(word: &str) -> Option<Reserved> {
    [("and", Reserved::And), ("or", Reserved::Or), ("not", Reserved::Not)]
        .into_iter()
        .find(|(name, _)| name.eq_ignore_ascii_case(word))
        .map(|(_, reserved)| reserved)
}
