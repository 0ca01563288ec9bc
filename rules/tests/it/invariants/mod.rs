//! Invariants of all texts, valid rules or not, shared by the tests and the fuzzer.
#![allow(
    clippy::unwrap_used,
    reason = "test helpers, which clippy.toml's exemption for tests does not cover"
)]
#![allow(unreachable_pub, reason = "shared by tests and fuzz targets alike")]

use powerstream_rules::{FINDINGS_MAX, FormatOptions, NodeKind, Profile, Rule, Step, check};

/// Checks the invariants for a text. Returns true if it has a tree.
///
/// # Panics
///
/// Panics if an invariant does not hold.
pub fn holds(text: &str, profile: Profile) -> bool {
    let verdict = check(text, profile);
    assert!(verdict.errors.len() <= FINDINGS_MAX && verdict.warnings.len() <= FINDINGS_MAX);
    for finding in verdict.errors.iter().chain(&verdict.warnings) {
        assert!(
            finding.span.start <= finding.span.end && finding.span.end <= text.len(),
            "{text:?}: {finding:?}"
        );
        assert!(
            text.is_char_boundary(finding.span.start) && text.is_char_boundary(finding.span.end),
            "{text:?}"
        );
        assert!(
            finding.api.as_ref().is_none_or(|api| (1..=verdict.length.utf16 + 1).contains(&api.position))
        );
        assert!(!finding.render(text, true).is_empty());
    }
    assert!(verdict.rule.is_some() || !verdict.is_valid(), "{text:?}: no tree and no error");
    let Some(tree) = verdict.rule else { return false };
    well_formed(&tree, text);
    for options in [FormatOptions::default(), FormatOptions { explicit: true, sort: false }] {
        let formatted = tree.format_with(profile, options);
        let again = check(&formatted, profile);
        assert_eq!(again.rule.as_ref(), Some(&tree), "{text:?} became {formatted:?}");
        assert_eq!(again.rule.unwrap().format_with(profile, options), formatted, "{text:?}");
        let codes = |errors: &[powerstream_rules::Diagnostic]| {
            let mut codes: Vec<_> =
                errors.iter().map(|error| error.code.name()).filter(|code| *code != "E-LEN").collect();
            codes.sort_unstable();
            codes
        };
        assert_eq!(codes(&verdict.errors), codes(&again.errors), "{text:?} became {formatted:?}");
    }
    let sorted = FormatOptions { sort: true, ..FormatOptions::default() };
    let once = tree.format_with(profile, sorted);
    let again = check(&once, profile).rule.unwrap();
    assert_eq!(again.format_with(profile, sorted), once);
    assert_eq!(again.format(profile), once);
    assert_eq!(again.terms().count(), tree.terms().count());
    let explanation = tree.explain(profile);
    assert!(!explanation.order.is_empty() && explanation.words.starts_with("A Post matches if "));
    true
}

/// Checks the shape of the tree that `ast.rs` documents.
fn well_formed(tree: &Rule, text: &str) {
    let mut parents = vec![0; tree.nodes().len()];
    for (index, node) in tree.nodes().iter().enumerate() {
        let same = |child: &NodeKind| core::mem::discriminant(child) == core::mem::discriminant(&node.kind);
        for child in node.kind.children() {
            assert!(child.index() < index, "{text:?}");
            parents[child.index()] += 1;
            let child = tree.node(*child);
            assert!(matches!(node.kind, NodeKind::Not(_)) || !same(&child.kind), "{text:?}");
            assert!(node.span.start <= child.span.start && child.span.end <= node.span.end, "{text:?}");
        }
        match &node.kind {
            NodeKind::And(children) | NodeKind::Or(children) => assert!(children.len() >= 2, "{text:?}"),
            NodeKind::Not(_) => {}
            NodeKind::Term(term) => {
                assert!(!node.span.of(text).is_empty() && term.argument.end <= node.span.end)
            }
        }
    }
    assert_eq!(parents.pop(), Some(0));
    assert!(parents.iter().all(|parents| *parents == 1), "{text:?}");
    let entered = tree.walk().filter(|step| matches!(step, Step::Enter(_))).count();
    assert_eq!(entered, tree.nodes().len());
}
