//! Posts to send: synthetic, or real ones from the file that `POWERSTREAM_POSTS` names (one JSON
//! text per line).

use std::fmt::Write as _;

/// Bytes of a Post at these quantiles, measured on real Posts.
const SIZES: [(f64, f64); 6] =
    [(0.0, 1_900.0), (0.1, 2_200.0), (0.5, 3_400.0), (0.9, 7_300.0), (0.99, 12_000.0), (1.0, 17_700.0)];

/// Returns the Posts of the file in `POWERSTREAM_POSTS` if it is set, else [`synthetic`] ones.
///
/// # Panics
/// If the file cannot be read or contains no Post.
#[must_use]
pub fn load() -> Vec<Vec<u8>> {
    let Some(file) = std::env::var_os("POWERSTREAM_POSTS") else { return synthetic(320) };
    let text = std::fs::read(&file).unwrap_or_else(|error| panic!("{}: {error}", file.to_string_lossy()));
    let lines = text.split(|&byte| byte == b'\n').map(|line| line.strip_suffix(b"\r").unwrap_or(line));
    let posts: Vec<_> = lines.filter(|line| !line.is_empty()).map(<[u8]>::to_vec).collect();
    assert!(!posts.is_empty(), "{}: no Posts", file.to_string_lossy());
    posts
}

/// Returns `count` Posts in the legacy format with realistic sizes, the same in every run.
#[must_use]
pub fn synthetic(count: usize) -> Vec<Vec<u8>> {
    let mut random = Random::new(1);
    let mut sizes: Vec<_> =
        (0..count).map(|index| size_at((index as f64 + 0.5) / count as f64) as usize).collect();
    random.shuffle(&mut sizes);
    sizes.into_iter().enumerate().map(|(index, size)| post(index as u64, size, &mut random)).collect()
}

/// Returns a Post of this size, at least 1,900 bytes.
#[must_use]
pub fn sized(size: usize) -> Vec<u8> {
    post(0, size, &mut Random::new(1))
}

/// Returns the size at a quantile, interpolated logarithmically between the measured ones.
fn size_at(quantile: f64) -> f64 {
    let above = SIZES.iter().position(|&(at, _)| quantile <= at).unwrap_or(SIZES.len() - 1).max(1);
    let ((low, from), (high, to)) = (SIZES[above - 1], SIZES[above]);
    from * (to / from).powf((quantile - low) / (high - low))
}

fn post(index: u64, size: usize, random: &mut Random) -> Vec<u8> {
    const LANGUAGES: [(&str, &str); 4] = [
        ("en", "the quick brown fox jumps over the lazy dog and then some "),
        ("ja", "いろはにほへとちりぬるをわかよたれそつねならむ "),
        ("de", "Zwölf Boxkämpfer jagen Viktor quer über den großen Deich "),
        ("ru", "съешь ещё этих мягких французских булок да выпей чаю "),
    ];
    let (language, words) = LANGUAGES[index as usize % LANGUAGES.len()];
    let id = 932_386_786_193_547_264 + index * 4_194_304 + random.below(1 << 22);
    let user = 100_000_000 + random.below(3_000_000_000);
    let mut post = format!(
        "{{\"created_at\":\"Sun Nov 19 23:15:07 +0000 2017\",\"id\":{id},\"id_str\":\"{id}\",\"text\":\"{words}\",\
         \"source\":\"<a href=\\\"http:\\/\\/example.com\\\" rel=\\\"nofollow\\\">Example<\\/a>\",\
         \"truncated\":false,\"in_reply_to_status_id\":null,\"in_reply_to_status_id_str\":null,\
         \"in_reply_to_user_id\":null,\"in_reply_to_user_id_str\":null,\"in_reply_to_screen_name\":null,\
         \"user\":{{\"id\":{user},\"id_str\":\"{user}\",\"name\":\"Name {user}\",\"screen_name\":\"name_{user}\",\
         \"location\":null,\"url\":null,\"description\":\"{words}\",\"protected\":false,\"verified\":false,\
         \"followers_count\":{},\"friends_count\":{},\"statuses_count\":{},\
         \"profile_background_color\":\"C0DEED\",\"profile_image_url\":\"http:\\/\\/example.com\\/{user}.png\",\
         \"default_profile\":true,\"following\":null}},\"geo\":null,\"coordinates\":null,\"place\":null,\
         \"contributors\":null,\"is_quote_status\":false,\"retweet_count\":0,\"favorite_count\":0,\
         \"entities\":{{\"hashtags\":[],\"user_mentions\":[",
        random.below(10_000),
        random.below(2_000),
        random.below(100_000),
    );
    let tail = format!(
        "],\"urls\":[]}},\"favorited\":false,\"retweeted\":false,\"filter_level\":\"low\",\"lang\":\"{language}\",\
         \"timestamp_ms\":\"1511133307{:03}\",\"note\":\"\"}}",
        random.below(1_000)
    );
    let mut separator = "";
    while post.len() + tail.len() + 160 < size {
        let mention = 100_000_000 + random.below(3_000_000_000);
        let _ = write!(
            post,
            "{separator}{{\"screen_name\":\"name_{mention}\",\"name\":\"{}\",\"id\":{mention},\
             \"id_str\":\"{mention}\",\"indices\":[3,15]}}",
            words.split_at(words.char_indices().nth(random.below(12) as usize).map_or(0, |(at, _)| at)).0,
        );
        separator = ",";
    }
    post.push_str(&tail[..tail.len() - 2]);
    post.extend(std::iter::repeat_n('.', size.saturating_sub(post.len() + 2)));
    post.push_str("\"}");
    post.into_bytes()
}

/// Returns the Post with its first two ids at its end, the order of keys for which a reader of the
/// id must read everything.
///
/// # Panics
/// If the Post is not one of [`synthetic`].
#[must_use]
pub fn with_id_last(post: &[u8]) -> Vec<u8> {
    let at = |key: &[u8]| {
        post.windows(key.len()).position(|window| window == key).expect("a key of every synthetic Post")
    };
    let (start, end) = (at(b"\"id\":"), at(b"\"text\":"));
    [&post[..start], &post[end..post.len() - 1], b",", &post[start..end - 1], b"}"].concat()
}

/// SplitMix64, a random number generator with the same sequence in every run.
#[derive(Debug)]
pub struct Random(u64);

impl Random {
    /// Creates the sequence of this seed.
    #[must_use]
    pub const fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// Returns a number from 0 to `bound` - 1.
    pub fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        (mixed ^ (mixed >> 31)) % bound
    }

    /// Shuffles `items`.
    pub fn shuffle<T>(&mut self, items: &mut [T]) {
        for last in (1..items.len()).rev() {
            items.swap(last, self.below(last as u64 + 1) as usize);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_those_of_real_posts() {
        let posts = synthetic(320);
        let mut sizes: Vec<_> = posts.iter().map(Vec::len).collect();
        sizes.sort_unstable();
        for (quantile, size) in [(32, 2_200), (160, 3_400), (288, 7_300)] {
            assert!(sizes[quantile].abs_diff(size) < size / 20, "{} at {quantile}", sizes[quantile]);
        }
        assert!(posts.iter().all(|post| !post.contains(&b'\n') && post.ends_with(b"\"}")));
        assert_eq!(posts, synthetic(320), "the same in every run");
    }
}
