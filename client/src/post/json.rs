//! JSON values that are kept unchanged, and ids as strings.

use powerstream_core::post::{Value, ValueKind};
use serde_json::{Map, Number};

use super::PostError;

/// Fields that are kept unchanged, by name.
pub type Fields = Map<String, serde_json::Value>;

/// The deepest nesting of a field that is kept.
pub const NESTING_MAX: usize = 64;

/// Copies the members of an object, except those named in `known`. Of duplicate keys the first
/// counts.
pub(super) fn remaining(object: Value<'_>, known: &[&str]) -> Result<Fields, PostError> {
    fields(object, known, NESTING_MAX)
}

fn fields(object: Value<'_>, known: &[&str], depth: usize) -> Result<Fields, PostError> {
    let mut fields = Fields::new();
    for (key, value) in object.members() {
        let key = key.to_cow();
        if !known.contains(&&*key) && !fields.contains_key(&*key) {
            fields.insert(key.into_owned(), convert(value, depth)?);
        }
    }
    Ok(fields)
}

fn convert(value: Value<'_>, depth: usize) -> Result<serde_json::Value, PostError> {
    let depth = depth.checked_sub(1).ok_or(PostError::TooDeep)?;
    Ok(match value.kind() {
        ValueKind::Null => serde_json::Value::Null,
        ValueKind::Bool => value.as_bool().into(),
        ValueKind::Number => {
            let text = value.as_number().unwrap_or_default();
            // A number too large for any type is kept as text.
            text.parse::<Number>().map_or_else(|_| text.into(), serde_json::Value::Number)
        }
        ValueKind::String => value.as_str().map(|text| text.to_cow().into_owned()).into(),
        ValueKind::Array => {
            let elements: Result<_, _> = value.elements().map(|element| convert(element, depth)).collect();
            serde_json::Value::Array(elements?)
        }
        ValueKind::Object => serde_json::Value::Object(fields(value, &[], depth)?),
    })
}

/// Serializes an id as a string. Reads it from a string or a number.
pub(super) mod optional_id {
    use serde::{Deserialize, Deserializer, Serializer};

    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Id {
        Number(u64),
        Text(String),
    }

    pub(in crate::post) fn serialize<S: Serializer>(
        id: &Option<u64>,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        match id {
            Some(id) => serializer.collect_str(id),
            None => serializer.serialize_none(),
        }
    }

    pub(in crate::post) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Option<u64>, D::Error> {
        match Option::<Id>::deserialize(deserializer)? {
            None => Ok(None),
            Some(Id::Number(id)) => Ok(Some(id)),
            Some(Id::Text(text)) => text.parse().map(Some).map_err(|_| {
                serde::de::Error::invalid_value(serde::de::Unexpected::Str(&text), &"an id of up to 64 bits")
            }),
        }
    }
}

/// Does the same as [`optional_id`], for the id of a Post.
pub(super) mod optional_post_id {
    use powerstream_core::stream::PostId;
    use serde::{Deserializer, Serializer};

    pub(in crate::post) fn serialize<S: Serializer>(
        id: &Option<PostId>,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        super::optional_id::serialize(&id.map(|id| id.as_u64()), serializer)
    }

    pub(in crate::post) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Option<PostId>, D::Error> {
        Ok(super::optional_id::deserialize(deserializer)?.map(PostId::new))
    }
}

/// Does the same as [`optional_post_id`], for a required id.
pub(super) mod post_id {
    use powerstream_core::stream::PostId;
    use serde::{Deserializer, Serializer};

    pub(in crate::post) fn serialize<S: Serializer>(id: &PostId, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&id.as_u64())
    }

    pub(in crate::post) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<PostId, D::Error> {
        let id = super::optional_post_id::deserialize(deserializer)?;
        id.ok_or_else(|| serde::de::Error::custom("the id is null"))
    }
}
