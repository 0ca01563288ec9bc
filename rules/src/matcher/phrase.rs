//! Finds phrases: literally, as sequences of tokens, and as words near each other.

use core::ops::Range;

use memchr::memmem;

use super::token::Token;

/// Finds `phrase` in `text` literally, and returns its bytes. Both must be folded.
///
/// A blank matches any white space. The words of the phrase must be words of the text, not pieces
/// of longer words (client code: Gnip's tables for its real-time product). Joiners in the phrase
/// must not be pieces of an emoji.
pub(crate) fn find_literal(
    text: &str,
    tokens: &[Token],
    base: u32,
    phrase: &str,
    phrase_tokens: &[Token],
) -> Option<Range<usize>> {
    // Searches the longest piece without a blank, then compares what surrounds it.
    let (at, piece) = longest_piece(phrase);
    let (before, after) = (phrase.get(..at)?, phrase.get(at + piece.len()..)?);
    let is_it = |start: usize| {
        let from = compare_back(text.get(..start)?, before)?;
        let to = start + piece.len();
        let to = to + compare(text.get(to..)?, after)?;
        // None of its words may be a piece of a longer word or of an emoji.
        let first = tokens.partition_point(|token| ((token.start - base) as usize) < from);
        let inside = tokens.iter().skip(first).take_while(|token| (token.end - base) as usize <= to);
        let found = inside.filter(|token| !token.emoji).map(|token| {
            text.get((token.start - base) as usize..(token.end - base) as usize).unwrap_or_default()
        });
        let wanted = phrase_tokens.iter().filter(|token| !token.emoji).map(|token| token.of(phrase));
        found.eq(wanted).then_some(from..to)
    };
    if piece.is_empty() {
        return text.char_indices().find_map(|(start, _)| is_it(start));
    }
    let finder = memmem::Finder::new(piece);
    let mut from = 0;
    loop {
        let start = from + finder.find(text.as_bytes().get(from..)?)?;
        if let Some(found) = is_it(start) {
            return Some(found);
        }
        // Continue at the next character boundary.
        from = start + text.get(start..)?.chars().next()?.len_utf8();
    }
}

fn longest_piece(phrase: &str) -> (usize, &str) {
    let mut longest = (0, "");
    let mut at = 0;
    for piece in phrase.split(' ') {
        if piece.len() > longest.1.len() {
            longest = (at, piece);
        }
        at += piece.len() + 1;
    }
    longest
}

const fn same(found: char, wanted: char) -> bool {
    found == wanted || (wanted == ' ' && crate::characters::is_white_space(found))
}

/// Returns how many bytes at the start of `text` match `wanted`.
fn compare(text: &str, wanted: &str) -> Option<usize> {
    let mut found = text.chars();
    wanted.chars().all(|wanted| found.next().is_some_and(|found| same(found, wanted))).then_some(())?;
    Some(text.len() - found.as_str().len())
}

/// Returns where `wanted` starts if `text` ends with it.
fn compare_back(text: &str, wanted: &str) -> Option<usize> {
    let mut found = text.chars();
    wanted
        .chars()
        .rev()
        .all(|wanted| found.next_back().is_some_and(|found| same(found, wanted)))
        .then_some(())?;
    Some(found.as_str().len())
}

/// Returns where the items of `wanted` occur in sequence. Returns `None` if `wanted` is 0.
pub(crate) fn find_run<T>(items: &[T], wanted: usize, is: impl Fn(&T, usize) -> bool) -> Option<usize> {
    if wanted == 0 {
        return None;
    }
    let mut windows = items.windows(wanted);
    windows.position(|window| window.iter().enumerate().all(|(index, item)| is(item, index)))
}

/// Finds words near each other, and returns the first and the last position.
///
/// Each word needs its own position. Its offset is the difference to its position in the phrase.
/// The offsets may differ by at most `distance`, as in a sloppy phrase of Lucene. X docs say "in
/// the opposite order at most N-2 between them", which only this rule explains.
pub(crate) fn find_near<T>(
    items: &[T],
    wanted: usize,
    distance: u8,
    is: impl Fn(&T, usize) -> bool,
) -> Option<Range<usize>> {
    if wanted == 0 {
        return None;
    }
    let distance = isize::from(u8::min(distance, 6));
    let mut tried = isize::MIN;
    for first in 0..items.len() {
        if !items.get(first).is_some_and(|item| is(item, 0)) {
            continue;
        }
        let first = isize::try_from(first).ok()?;
        // All offsets are from `off` to `off + distance`. The offset of the first word is its
        // position.
        for off in (first - distance).max(tried.saturating_add(1))..=first {
            tried = off;
            if let Some(found) = near_at(items, wanted, off, distance, &is) {
                return Some(found);
            }
        }
    }
    None
}

/// Assigns each word the first free position in its interval. The intervals of equal words start
/// and end in order, so no other assignment succeeds where this one fails.
fn near_at<T>(
    items: &[T],
    wanted: usize,
    off: isize,
    distance: isize,
    is: &impl Fn(&T, usize) -> bool,
) -> Option<Range<usize>> {
    // A bit for each position from `off + word` on that is taken.
    let mut taken: u16 = 0;
    let (mut least, mut most) = (usize::MAX, 0);
    for word in 0..wanted {
        let start = off + isize::try_from(word).ok()?;
        let place = (0..=distance).find(|&step| {
            let free = taken & (1 << step) == 0;
            free && usize::try_from(start + step)
                .ok()
                .and_then(|place| items.get(place))
                .is_some_and(|item| is(item, word))
        })?;
        taken = (taken | 1 << place) >> 1;
        let place = usize::try_from(start + place).ok()?;
        (least, most) = (least.min(place), most.max(place));
    }
    Some(least..most + 1)
}

#[cfg(test)]
mod tests {
    use super::super::fold::folded;
    use super::super::token::split;
    use super::*;

    fn literal(text: &str, phrase: &str) -> bool {
        let (text, phrase) = (folded(text), folded(phrase));
        find_literal(&text, &split(&text), 0, &phrase, &split(&phrase)).is_some()
    }

    #[test]
    fn phrases_are_literal_at_word_boundaries() {
        for (text, phrase, want) in [
            ("a Sea Gull.", "sea gull", true),
            ("sea  gull", "sea gull", false),
            ("sea-gull", "sea gull", false),
            ("sea_gull", "sea gull", false),
            ("sea\u{a0}gull", "sea gull", true),
            ("sea\ngull", "sea gull", true),
            ("sea gull", "sea\tgull", false),
            ("sea gulls", "sea gull", false),
            ("undersea gull", "sea gull", false),
            ("undersea gull, sea gull", "sea gull", true),
            ("don't", "don't", true),
            ("don\u{2019}t", "don't", false),
            ("(gull)!", "gull)", true),
            ("gull)x", "gull)", true),
            ("gull🍕", "gull", true),
            ("x🏳\u{fe0f}gull", "gull", true),
            ("ab  c", "  ", true),
            ("ab c", "  ", false),
            ("ab  ", "  ", true),
            ("well!", "!", true),
            ("SEN\u{303}AL x", "señal x", true),
            ("aaab", "aab", false),
            ("", "a", false),
        ] {
            assert_eq!(literal(text, phrase), want, "{text:?} {phrase:?}");
        }
    }

    #[test]
    fn a_phrase_is_searched_by_its_first_longest_piece() {
        for (phrase, want) in [
            ("a sea gull", (6, "gull")),
            ("gull or tern", (0, "gull")),
            ("sea gull!", (4, "gull!")),
            (" ", (0, "")),
        ] {
            assert_eq!(longest_piece(phrase), want);
        }
    }

    #[test]
    fn proximity_counts_the_words_between() {
        let near = |text: &str, phrase: &str, distance| {
            let items: Vec<&str> = text.split(' ').collect();
            let wanted: Vec<&str> = phrase.split(' ').collect();
            find_near(&items, wanted.len(), distance, |item, index| *item == wanted[index]).is_some()
        };
        for (text, phrase, distance, want) in [
            ("a b", "a b", 1, true),
            ("a x b", "a b", 1, true),
            ("a x y b", "a b", 1, false),
            ("a x y b", "a b", 2, true),
            // In reverse order, words may be two positions less apart.
            ("b a", "a b", 1, false),
            ("b a", "a b", 2, true),
            ("b x a", "a b", 2, false),
            ("b x a", "a b", 3, true),
            ("a", "a", 3, true),
            ("a b", "a a", 6, false),
            ("a a", "a a", 1, true),
            ("a x a b", "a b a", 1, false),
            ("a x a b", "a b a", 2, true),
            ("c b a", "a b c", 4, true),
            ("c b a", "a b c", 3, false),
        ] {
            assert_eq!(near(text, phrase, distance), want, "{text:?} {phrase:?}~{distance}");
        }
    }

    /// Compares the search with trying all assignments.
    #[test]
    fn proximity_agrees_with_brute_force() {
        fn all(items: &[u32], wanted: &[u32], places: &mut Vec<usize>, distance: usize) -> bool {
            if places.len() == wanted.len() {
                let offs = places.iter().enumerate().map(|(word, place)| place + wanted.len() - word);
                return offs.clone().max().unwrap() - offs.min().unwrap() <= distance;
            }
            (0..items.len()).any(|place| {
                if items[place] != wanted[places.len()] || places.contains(&place) {
                    return false;
                }
                places.push(place);
                let found = all(items, wanted, places, distance);
                places.pop();
                found
            })
        }
        let mut state: u32 = 7;
        let mut next = |end: u32| {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (state >> 16) % end
        };
        let mut found = [0; 2];
        for _ in 0..20_000 {
            let items: Vec<u32> = (0..next(9)).map(|_| next(3)).collect();
            let wanted: Vec<u32> = (0..1 + next(4)).map(|_| next(3)).collect();
            let distance = 1 + next(6);
            let want = all(&items, &wanted, &mut Vec::new(), distance as usize);
            let got = find_near(&items, wanted.len(), distance as u8, |item, index| *item == wanted[index]);
            assert_eq!(got.is_some(), want, "{items:?} {wanted:?} {distance}");
            found[usize::from(want)] += 1;
        }
        assert!(found.iter().all(|count| *count > 2_000), "{found:?}");
    }
}
