//! Counts allocations: matching allocates nothing after its scratch has grown.
// Required by the global allocator, which forwards to the system's and counts.
#![allow(unsafe_code, reason = "`GlobalAlloc` is an unsafe trait")]

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

use powerstream_rules::matcher::{MatchOptions, Phrases, RuleSet, Scratch};
use powerstream_rules::{Profile, check};

struct Counting;

thread_local! {
    /// Allocations of this thread only, because the test harness also allocates.
    static ALLOCATIONS: Cell<u64> = const { Cell::new(0) };
}

// SAFETY: forwards every call to the system allocator, which has the same contract.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        ALLOCATIONS.with(|count| count.set(count.get() + 1));
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static GLOBAL: Counting = Counting;

/// Rules for every operator, and several for operators that read a text.
const RULES: &[&str] = &[
    "gull -tern",
    "\"sea gull\" OR \"!\"",
    "\"gull sea\"~3",
    "🍕 OR 日本 OR sen\u{303}al",
    "acme's OR \"\u{fc}ber den\"",
    "#gulls OR $BRK.A OR @jack OR @12",
    "from:jack OR from:12 OR to:jill OR retweets_of:jill",
    "contains:ull OR contains:\"a g\" OR contains:x",
    "url:\"example.com/birds\" OR url_contains:birds OR url_title:\"sea birds\" OR url_description:birds",
    "bio:\"sea gull\" OR bio_name:jack OR bio_location:west",
    "followers_count:1..50 friends_count:1 listed_count:0 statuses_count:1",
    "lang:en gull",
    "gull place:bergen place_country:no",
    "point_radius:[5.3 60.4 10km] OR bounding_box:[5.2 60.3 5.4 60.5]",
    "profile_country:no OR profile_region:x OR profile_locality:x OR profile_subregion:x",
    "profile_point_radius:[5.3 60.4 10km] OR profile_bounding_box:[5.2 60.3 5.4 60.5]",
    "has:hashtags has:mentions has:links has:media",
    "gull has:symbols OR gull has:images OR gull has:videos OR gull has:geo OR gull has:lang OR gull has:profile_geo",
    "gull (is:retweet OR is:reply OR is:quote OR is:verified) -is:nullcast",
    "retweets_of_status_id:21 OR in_reply_to_status_id:22 OR conversation_id:23",
    "context:66.* OR entity:\"sea gull\"",
    "from_affiliate_of:acme OR to_affiliate_of:14",
    "gull source:\"Web App\" sample:99",
    "embedding:\"birds\" embedding_threshold:0.5",
];

const LEGACY: &str = r##"{"id_str":"20","text":"A Sea gull, \u0026lt;3 &amp; \u00fcber den se\u00f1al \ud83c\udf55 sen\u0303al https:\/\/t.co\/a","lang":"en",
    "source":"<a href=\"https:\/\/example.com\/app\">Web App<\/a>","in_reply_to_status_id":22,"in_reply_to_screen_name":"Jill",
    "user":{"id":12,"screen_name":"Jack","name":"Jack","description":"sea \u65e5\u672c gull","location":"West","followers_count":10,
    "friends_count":3,"listed_count":1,"statuses_count":7,"derived":{"locations":[{"country_code":"NO","geo":{"coordinates":[5.3,60.4]}}]}},
    "entities":{"hashtags":[{"text":"Gulls"}],"symbols":[{"text":"brk.a"}],"user_mentions":[{"screen_name":"jack","id":12}],
    "urls":[{"url":"https:\/\/t.co\/a","expanded_url":"https:\/\/example.com\/birds","unwound":{"title":"The Sea Birds","url":"http:\/\/x\/"}}]},
    "extended_entities":{"media":[{"type":"photo","display_url":"pic.example\/x"}]},
    "place":{"id":"01","full_name":"Bergen","country_code":"NO","bounding_box":{"coordinates":[[[5.3,60.4],[5.31,60.4],[5.31,60.41]]]}},
    "is_quote_status":true,"quoted_status":{"id_str":"19","text":"of gull sea, \"quoted\""}}"##;

const V2: &str = r##"{"data":{"id":"20","text":"A sea gull \ud83c\udf55","author_id":"12","lang":"en","source":"Web App","conversation_id":"23",
    "in_reply_to_user_id":"13","entities":{"hashtags":[{"tag":"gulls"}]},"geo":{"place_id":"01"},
    "context_annotations":[{"domain":{"id":"66"},"entity":{"id":"1","name":"Sea gull"}}],
    "referenced_tweets":[{"type":"retweeted","id":"21"},{"type":"quoted","id":"99"}],"attachments":{"media_keys":["m1","m2"]}},
    "includes":{"users":[{"id":"12","username":"jack","affiliation":{"user_id":["14"]}},{"id":"14","username":"acme"}],
    "tweets":[{"id":"21","text":"of a sea gull &amp; more","author_id":"13"}],"media":[{"media_key":"m1","type":"photo"}],
    "places":[{"id":"01","full_name":"Bergen","country_code":"NO","geo":{"bbox":[5.3,60.4,5.31,60.41]}}]}}"##;

#[test]
fn matching_does_not_allocate_once_the_scratch_has_grown() {
    for phrases in [Phrases::Literal, Phrases::Tokens] {
        let mut options = MatchOptions::default();
        options.phrases = phrases;
        let mut set = RuleSet::with_options(options);
        for text in RULES {
            let verdicts =
                [Profile::Powerstream, Profile::FilteredStreamEmbedding].map(|profile| check(text, profile));
            let rule = verdicts.into_iter().find_map(|verdict| verdict.rule).unwrap();
            set.insert(&rule, Some("tag"));
        }
        let mut scratch = Scratch::new();
        let mut matched = [0; 3];
        for round in 0..700 {
            let before = ALLOCATIONS.get();
            matched[0] += set.matches(LEGACY.as_bytes(), &mut scratch).len();
            matched[1] += set.matches(V2.as_bytes(), &mut scratch).len();
            matched[2] += set.matches_text("of a sea gull &amp; se\u{f1}al", &mut scratch).len();
            // The first round grows the scratch.
            assert!(round == 0 || ALLOCATIONS.get() == before, "round {round}");
        }
        assert!(ALLOCATIONS.get() > 0, "the allocator counts at all");
        assert!(matched.iter().all(|count| *count >= 700 * 2) && matched[0] > 700 * 12, "{matched:?}");
    }
}
