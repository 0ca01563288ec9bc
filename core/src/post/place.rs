//! The location of a Post: a point, or a place with a name and a shape.

use core::fmt;

use super::text::JsonStr;
use super::value::Value;
use crate::stream::message::Format;

/// A point on the Earth in degrees (WGS 84). The numbers are taken from the message without a check
/// of their range.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub struct Point {
    /// Degrees; east is positive.
    pub longitude: f64,
    /// Degrees; north is positive.
    pub latitude: f64,
}

impl Point {
    /// Parses a GeoJSON object, whose `coordinates` are longitude and latitude (RFC 7946 section
    /// 3.1.1).
    pub(super) fn geo_json(value: Value<'_>) -> Option<Self> {
        Self::pair(value.get("coordinates")?)
    }

    fn pair(value: Value<'_>) -> Option<Self> {
        let mut numbers = value.elements();
        Some(Self { longitude: numbers.next()?.as_f64()?, latitude: numbers.next()?.as_f64()? })
    }

    /// Returns the point with longitude and latitude swapped.
    pub(super) const fn turned(self) -> Self {
        Self { longitude: self.latitude, latitude: self.longitude }
    }
}

/// A bounding box in degrees. `west` is greater than `east` only if a v2 message says so, for a box
/// across the antimeridian.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub struct BoundingBox {
    /// The western edge: the least longitude.
    pub west: f64,
    /// The southern edge: the least latitude.
    pub south: f64,
    /// The eastern edge: the greatest longitude.
    pub east: f64,
    /// The northern edge: the greatest latitude.
    pub north: f64,
}

/// A view of a place (X docs: "Geo objects"; v2: "Place object").
#[derive(Clone, Copy)]
pub struct Place<'a> {
    value: Value<'a>,
    format: Format,
}

impl<'a> Place<'a> {
    /// Creates a view of the place that `value` describes; `None` if `value` is not an object.
    #[must_use]
    pub fn new(value: Value<'a>, format: Format) -> Option<Self> {
        Some(Self { value: value.object()?, format })
    }

    /// Returns the JSON object, for all other fields.
    #[must_use]
    pub const fn value(&self) -> Value<'a> {
        self.value
    }

    fn string(&self, key: &str) -> Option<JsonStr<'a>> {
        self.value.get(key)?.as_str()
    }

    /// Returns the id: hexadecimal digits.
    #[must_use]
    pub fn id(&self) -> Option<JsonStr<'a>> {
        self.string("id")
    }

    /// Returns the short name, such as `Manhattan`.
    #[must_use]
    pub fn name(&self) -> Option<JsonStr<'a>> {
        self.string("name")
    }

    /// Returns the name with the enclosing region, such as `Manhattan, NY`.
    #[must_use]
    pub fn full_name(&self) -> Option<JsonStr<'a>> {
        self.string("full_name")
    }

    /// Returns the name of the country.
    #[must_use]
    pub fn country(&self) -> Option<JsonStr<'a>> {
        self.string("country")
    }

    /// Returns the two-letter code of the country.
    #[must_use]
    pub fn country_code(&self) -> Option<JsonStr<'a>> {
        self.string("country_code")
    }

    /// Returns the type: `city`, `admin`, `country`, `poi` or `neighborhood`.
    #[must_use]
    pub fn place_type(&self) -> Option<JsonStr<'a>> {
        self.string("place_type")
    }

    /// Returns the corners of the shape in the order of the message. Legacy: the outer ring of
    /// `bounding_box`, whose first corner may be repeated at the end. v2: the four corners of
    /// `geo.bbox`. Corners that are not pairs of numbers are skipped.
    pub fn corners(&self) -> impl Iterator<Item = Point> + use<'a> {
        let (ring, of_box) = match self.format {
            Format::V2 => (None, self.bounding_box()),
            _ => (self.ring(), None),
        };
        let of_ring = ring.into_iter().flat_map(|ring| ring.elements()).filter_map(Point::pair);
        let of_box = of_box.into_iter().flat_map(|bounds| {
            [
                Point { longitude: bounds.west, latitude: bounds.south },
                Point { longitude: bounds.east, latitude: bounds.south },
                Point { longitude: bounds.east, latitude: bounds.north },
                Point { longitude: bounds.west, latitude: bounds.north },
            ]
        });
        of_ring.chain(of_box)
    }

    fn ring(&self) -> Option<Value<'a>> {
        self.value.path(&["bounding_box", "coordinates"])?.elements().next()?.array()
    }

    /// Returns the bounding box. Legacy: the smallest box around all corners of `bounding_box`. v2:
    /// `geo.bbox`. Returns `None` unless all coordinates are numbers.
    #[must_use]
    pub fn bounding_box(&self) -> Option<BoundingBox> {
        if self.format == Format::V2 {
            let mut numbers = self.value.path(&["geo", "bbox"])?.elements().map(|number| number.as_f64());
            let mut next = || numbers.next().flatten();
            return Some(BoundingBox { west: next()?, south: next()?, east: next()?, north: next()? });
        }
        let mut bounds: Option<BoundingBox> = None;
        for corner in self.ring()?.elements() {
            let Point { longitude, latitude } = Point::pair(corner)?;
            bounds = Some(match bounds {
                None => BoundingBox { west: longitude, south: latitude, east: longitude, north: latitude },
                Some(bounds) => BoundingBox {
                    west: bounds.west.min(longitude),
                    south: bounds.south.min(latitude),
                    east: bounds.east.max(longitude),
                    north: bounds.north.max(latitude),
                },
            });
        }
        bounds
    }
}

impl fmt::Debug for Place<'_> {
    /// Omits the location, because Posts do not belong in logs.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Place").field("format", &self.format).finish_non_exhaustive()
    }
}
