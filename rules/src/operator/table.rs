//! The table of operators. A row contains everything that is known about one operator.
//!
//! The availability columns follow X's pages (Powerstream: Operators; PowerTrack: Operators;
//! Filtered Stream: Operators). `Unlisted` for Powerstream means that PowerTrack has the operator
//! and Powerstream's page does not mention it. `Unlisted` for PowerTrack marks `has:lang`, which
//! PowerTrack 1.0 had and 2.0 rejected at its start.
//!
//! If X does not say whether an operator may stand alone on the filtered stream, this table allows
//! it. The summaries and the examples are ours.

use super::info::Availability::{Absent, EmbeddingTier, Listed, Unlisted};
use super::info::Negation::{Allowed, Refused, Required};
use super::info::Sources::{Outer, OuterNoRetweets, Own, OwnAndQuoted, Rule};
use super::info::{Info, Kind};

macro_rules! operators {
    ($($operator:ident = $name:literal [$($alias:literal),*], $kind:ident,
       ($powerstream:ident $powertrack:ident $filtered_stream:ident), standalone $standalone:literal $negation:ident $sources:ident,
       $summary:literal, $clause:literal, $example:literal $(, on the filtered stream $other:literal)?;)*) => {
        /// An operator: what a term can be.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[non_exhaustive]
        pub enum Operator {
            $(#[doc = concat!("`", $name, "`: ", $summary, "\n\nExample: `", $example, "`")] $operator,)*
        }

        impl Operator {
            /// All operators, in the order of the table.
            pub const ALL: &'static [Self] = &[$(Self::$operator,)*];

            /// Returns the operator's row of the table.
            #[must_use]
            pub const fn info(self) -> &'static Info {
                match self {
                    $(Self::$operator => &Info {
                        name: $name,
                        aliases: &[$($alias),*],
                        filtered_stream_name: operators!(@other $($other)?),
                        kind: Kind::$kind,
                        powerstream: $powerstream,
                        powertrack: $powertrack,
                        filtered_stream: $filtered_stream,
                        standalone: $standalone,
                        negation: $negation,
                        sources: $sources,
                        summary: $summary,
                        clause: $clause,
                        example: $example,
                    },)*
                }
            }
        }
    };
    (@other) => { None };
    (@other $other:literal) => { Some($other) };
}

// name [aliases], form, (Powerstream PowerTrack filtered stream), standalone on filtered stream,
// negation, sources, summary, clause, example
operators! {
    Keyword = "keyword" [], Keyword, (Listed Listed Listed), standalone true Allowed OwnAndQuoted,
        "Posts with this word in the text or in a link.",
        "it has the word “{}”", "gull";
    Emoji = "emoji" [], Emoji, (Unlisted Listed Listed), standalone true Allowed OwnAndQuoted,
        "Posts with these emoji in the text, separated from other words.",
        "it has the emoji {}", "🍕 lunch";
    Phrase = "phrase" [], Phrase, (Listed Listed Listed), standalone true Allowed OwnAndQuoted,
        "Posts with exactly this text, at word boundaries.",
        "it has the phrase “{}”", "\"sea gull\"";
    Proximity = "proximity" [], Proximity, (Unlisted Listed Listed), standalone true Allowed OwnAndQuoted,
        "Posts with these words near each other in the text.",
        "it has the words “{}”", "\"harbour gull\"~3";
    Hashtag = "hashtag" [], Hashtag, (Unlisted Listed Listed), standalone true Allowed OwnAndQuoted,
        "Posts with this hashtag.",
        "it has the hashtag #{}", "#gulls";
    Mention = "mention" [], Mention, (Listed Listed Listed), standalone true Allowed OwnAndQuoted,
        "Posts that mention this user.",
        "it mentions @{}", "@harbour_news gull";
    Cashtag = "cashtag" [], Cashtag, (Unlisted Listed Listed), standalone true Allowed OwnAndQuoted,
        "Posts with this cashtag.",
        "it has the cashtag ${}", "$BRK.A";
    From = "from" [], User, (Listed Listed Listed), standalone true Allowed Outer,
        "Posts by this user.",
        "its author is {}", "from:harbour_news";
    To = "to" [], User, (Listed Listed Listed), standalone true Allowed Outer,
        "Replies to this user.",
        "it replies to {}", "to:harbour_news";
    RetweetsOf = "retweets_of" ["retweets_of_user"], User, (Listed Listed Listed), standalone true Allowed Outer,
        "Retweets of this user's Posts.",
        "it is a Retweet of a Post by {}", "retweets_of:harbour_news";
    FromAffiliateOf = "from_affiliate_of" [], User, (Absent Absent Listed), standalone true Allowed Outer,
        "Posts by the affiliates of this account.",
        "its author is affiliated with {}", "from_affiliate_of:harbour_news";
    ToAffiliateOf = "to_affiliate_of" [], User, (Absent Absent Listed), standalone true Allowed Outer,
        "Replies to the affiliates of this account.",
        "it replies to an affiliate of {}", "to_affiliate_of:harbour_news";
    Contains = "contains" [], TextOrNumber, (Listed Listed Absent), standalone true Allowed Own,
        "Posts whose text contains these characters, also inside words.",
        "its text contains the characters “{}”", "contains:gull";
    Url = "url" [], Text, (Unlisted Listed Listed), standalone true Allowed OwnAndQuoted,
        "Posts with a link that contains these words in sequence.",
        "a link contains the words “{}”", "url:\"example.com/birds\"";
    UrlContains = "url_contains" [], Text, (Listed Listed Listed), standalone true Allowed OwnAndQuoted,
        "Posts with a link that contains these characters.",
        "a link contains the characters “{}”", "url_contains:\"example.com\"";
    UrlTitle = "url_title" ["within_url_title"], Text, (Unlisted Listed Listed), standalone true Allowed OwnAndQuoted,
        "Posts with a link to a page whose title contains these words in sequence.",
        "the title of a linked page contains the words “{}”", "url_title:\"sea birds\"";
    UrlDescription = "url_description" ["within_url_description"], Text, (Unlisted Listed Listed), standalone true Allowed OwnAndQuoted,
        "Posts with a link to a page whose description contains these words in sequence.",
        "the description of a linked page contains the words “{}”", "url_description:\"sea birds\"";
    Bio = "bio" ["user_bio"], Text, (Listed Listed Listed), standalone true Allowed Outer,
        "Posts by users whose description contains these words in sequence.",
        "the author's description contains the words “{}”", "bio:ornithologist";
    BioName = "bio_name" [], Text, (Listed Listed Listed), standalone true Allowed Outer,
        "Posts by users whose display name contains these words in sequence.",
        "the author's display name contains the words “{}”", "bio_name:\"harbour master\"";
    BioLocation = "bio_location" ["user_bio_location"], Text, (Unlisted Listed Listed), standalone true Allowed Outer,
        "Posts by users whose profile location contains these words in sequence.",
        "the author's profile location contains the words “{}”", "bio_location:\"west coast\"";
    FollowersCount = "followers_count" [], Range, (Unlisted Listed Listed), standalone true Allowed Outer,
        "Posts by users with this many followers.",
        "the author's number of followers is {}", "followers_count:1000..50000 gull";
    FriendsCount = "friends_count" ["following_count"], Range, (Unlisted Listed Listed), standalone true Allowed Outer,
        "Posts by users who follow this many accounts.",
        "the number of accounts that the author follows is {}", "friends_count:500 gull";
    ListedCount = "listed_count" ["user_in_lists_count"], Range, (Unlisted Listed Listed), standalone true Allowed Outer,
        "Posts by users who are on this many lists.",
        "the number of lists that contain the author is {}", "listed_count:10 gull";
    StatusesCount = "statuses_count" ["tweets_count"], Range, (Unlisted Listed Listed), standalone true Allowed Outer,
        "Posts by users who have posted this often.",
        "the author's number of Posts is {}", "statuses_count:100 gull";
    MinFollowers = "min_followers" [], Minimum, (Absent Absent Listed), standalone true Allowed Outer,
        "Posts by users with at least this many followers.",
        "the author has at least {} followers", "min_followers:1000 gull";
    Lang = "lang" [], Language, (Listed Listed Listed), standalone false Allowed Outer,
        "Posts that X classifies as being in this language.",
        "its language is {}", "gull lang:en";
    Place = "place" [], Text, (Listed Listed Listed), standalone true Allowed OuterNoRetweets,
        "Posts tagged with a place of this name or ID.",
        "its place is “{}”", "place:\"new york city\"";
    PlaceCountry = "place_country" [], Country, (Unlisted Listed Listed), standalone true Allowed OuterNoRetweets,
        "Posts tagged with a place in this country.",
        "its place is in the country {}", "place_country:GB";
    PointRadius = "point_radius" [], Circle, (Listed Listed Listed), standalone true Allowed OuterNoRetweets,
        "Posts from within a circle.",
        "it was posted from within the circle [{}]", "point_radius:[-0.12 51.5 10mi]";
    BoundingBox = "bounding_box" ["geo_bounding_box"], Box, (Listed Listed Listed), standalone true Allowed OuterNoRetweets,
        "Posts from within a box.",
        "it was posted from within the box [{}]", "bounding_box:[-0.2 51.4 -0.1 51.6]";
    ProfileCountry = "profile_country" [], Country, (Unlisted Listed Absent), standalone true Allowed Outer,
        "Posts by users whose profile location is in this country.",
        "the author's profile is located in the country {}", "profile_country:NO gull";
    ProfileRegion = "profile_region" [], Text, (Unlisted Listed Absent), standalone true Allowed Outer,
        "Posts by users whose profile location is in this region.",
        "the author's profile is located in the region “{}”", "profile_region:Cornwall gull";
    ProfileLocality = "profile_locality" [], Text, (Unlisted Listed Absent), standalone true Allowed Outer,
        "Posts by users whose profile location is in this town.",
        "the author's profile is located in the town “{}”", "profile_locality:Bergen gull";
    ProfileSubregion = "profile_subregion" [], Text, (Unlisted Listed Absent), standalone true Allowed Outer,
        "Posts by users whose profile location is in this subregion.",
        "the author's profile is located in the subregion “{}”", "profile_subregion:\"Suffolk County\" gull";
    ProfilePointRadius = "profile_point_radius" [], Circle, (Unlisted Listed Absent), standalone true Allowed Outer,
        "Posts by users whose profile location is within a circle.",
        "the author's profile is located within the circle [{}]", "profile_point_radius:[5.32 60.39 10km] gull";
    ProfileBoundingBox = "profile_bounding_box" [], Box, (Unlisted Listed Absent), standalone true Allowed Outer,
        "Posts by users whose profile location is within a box.",
        "the author's profile is located within the box [{}]", "profile_bounding_box:[5.2 60.3 5.4 60.5] gull";
    HasHashtags = "has:hashtags" [], Flag, (Unlisted Listed Listed), standalone false Allowed OwnAndQuoted,
        "Posts with a hashtag.",
        "it has a hashtag", "gull has:hashtags";
    HasMentions = "has:mentions" [], Flag, (Listed Listed Listed), standalone false Allowed OwnAndQuoted,
        "Posts that mention a user.",
        "it mentions a user", "gull has:mentions";
    HasSymbols = "has:symbols" ["has:cashtags"], Flag, (Listed Listed Listed), standalone false Allowed OwnAndQuoted,
        "Posts with a cashtag.",
        "it has a cashtag", "gull has:symbols",
        on the filtered stream "has:cashtags";
    HasLinks = "has:links" [], Flag, (Listed Listed Listed), standalone false Allowed OwnAndQuoted,
        "Posts with a link or media.",
        "it has a link or media", "gull has:links";
    HasMedia = "has:media" ["has:media_link"], Flag, (Listed Listed Listed), standalone false Allowed OwnAndQuoted,
        "Posts with a photo, GIF or video.",
        "it has a photo, GIF or video", "gull has:media";
    HasImages = "has:images" [], Flag, (Listed Listed Listed), standalone false Allowed OwnAndQuoted,
        "Posts with a photo.",
        "it has a photo", "gull has:images";
    HasVideos = "has:videos" ["has:video_link"], Flag, (Listed Listed Listed), standalone false Allowed OwnAndQuoted,
        "Posts with a video.",
        "it has a video", "gull has:videos";
    HasGeo = "has:geo" [], Flag, (Listed Listed Listed), standalone false Allowed OuterNoRetweets,
        "Posts with a place or a point.",
        "it has a place or a point", "gull has:geo";
    HasLang = "has:lang" [], Flag, (Listed Unlisted Absent), standalone false Allowed Outer,
        "Posts whose language X could determine.",
        "X could determine its language", "gull has:lang";
    HasProfileGeo = "has:profile_geo" ["has:derived_user_geo"], Flag, (Unlisted Listed Absent), standalone false Allowed Outer,
        "Posts by users whose profile location X could locate.",
        "X could locate the author's profile location", "gull has:profile_geo";
    IsRetweet = "is:retweet" [], Flag, (Listed Listed Listed), standalone false Allowed Outer,
        "Retweets; quotes are not Retweets.",
        "it is a Retweet", "gull is:retweet";
    IsReply = "is:reply" [], Flag, (Listed Listed Listed), standalone false Allowed OwnAndQuoted,
        "Replies.",
        "it is a reply", "gull is:reply";
    IsQuote = "is:quote" [], Flag, (Unlisted Listed Listed), standalone false Allowed OwnAndQuoted,
        "Posts that quote a Post.",
        "it quotes a Post", "gull is:quote";
    IsVerified = "is:verified" [], Flag, (Unlisted Listed Listed), standalone false Allowed Outer,
        "Posts by verified users.",
        "its author is verified", "gull is:verified";
    IsNullcast = "is:nullcast" [], Flag, (Unlisted Listed Listed), standalone false Required Outer,
        "Posts that were made for promotion only.",
        "it was made for promotion only", "gull -is:nullcast";
    RetweetsOfStatusId = "retweets_of_status_id" ["retweets_of_tweet_id"], PostId, (Listed Listed Listed), standalone true Allowed Outer,
        "Retweets of this Post.",
        "it is a Retweet of the Post {}", "retweets_of_status_id:20";
    InReplyToStatusId = "in_reply_to_status_id" ["in_reply_to_tweet_id"], PostId, (Listed Listed Listed), standalone true Allowed Outer,
        "Replies to this Post.",
        "it replies to the Post {}", "in_reply_to_status_id:20";
    ConversationId = "conversation_id" [], PostId, (Absent Absent Listed), standalone true Allowed Outer,
        "Posts of this conversation.",
        "it belongs to the conversation {}", "conversation_id:20";
    Context = "context" [], Context, (Absent Absent Listed), standalone true Allowed Outer,
        "Posts annotated with this domain and entity.",
        "it is annotated with {}", "context:66.852262932607926273";
    Entity = "entity" [], Quoted, (Absent Absent Listed), standalone true Allowed Outer,
        "Posts annotated with an entity of this name.",
        "it is annotated with the entity “{}”", "entity:\"Herring gull\"";
    Source = "source" [], Text, (Unlisted Listed Listed), standalone false Allowed Outer,
        "Posts made with this application.",
        "it was made with “{}”", "gull source:\"X Web Client\"";
    Sample = "sample" [], Percent, (Unlisted Listed Listed), standalone false Refused Rule,
        "A sample of all Posts, in percent, taken before the rest of the rule is evaluated.",
        "it is in a sample of {} percent", "gull sample:10";
    Embedding = "embedding" [], Quoted, (Absent Absent EmbeddingTier), standalone true Refused Rule,
        "Posts whose meaning is similar to this text.",
        "its meaning is similar to “{}”", "embedding:\"birds by the sea\"";
    EmbeddingThreshold = "embedding_threshold" [], Threshold, (Absent Absent EmbeddingTier), standalone false Allowed Rule,
        "The minimum similarity for `embedding:`; 0.3 by default.",
        "the minimum similarity for `embedding:` is {}", "embedding:\"birds by the sea\" embedding_threshold:0.5";
}
