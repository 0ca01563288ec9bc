//! Where a Post comes from: a point, or a place with a name and a shape.

use core::fmt;

use super::text::JsonStr;
use super::value::Value;
use crate::stream::message::Format;

/// A point on the earth in degrees, WGS 84. The numbers are those of the message, not checked for their range.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub struct Point {
    /// Degrees east.
    pub longitude: f64,
    /// Degrees north.
    pub latitude: f64,
}

impl Point {
    /// The point in a GeoJSON object: `coordinates` is longitude, latitude (RFC 7946 section 3.1.1).
    pub(super) fn geo_json(value: Value<'_>) -> Option<Self> {
        Self::pair(value.get("coordinates")?)
    }

    fn pair(value: Value<'_>) -> Option<Self> {
        let mut numbers = value.elements();
        Some(Self { longitude: numbers.next()?.as_f64()?, latitude: numbers.next()?.as_f64()? })
    }

    /// The point whose numbers stood in the other order.
    pub(super) const fn turned(self) -> Self {
        Self { longitude: self.latitude, latitude: self.longitude }
    }
}

/// The box around a place, in degrees. West is greater than east only where a v2 message says so, for a box across the
/// antimeridian.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub struct BoundingBox {
    /// The least longitude.
    pub west: f64,
    /// The least latitude.
    pub south: f64,
    /// The greatest longitude.
    pub east: f64,
    /// The greatest latitude.
    pub north: f64,
}

/// A view of a place (X docs: "Geo objects"; v2: "Place object").
#[derive(Clone, Copy)]
pub struct Place<'a> {
    value: Value<'a>,
    format: Format,
}

impl<'a> Place<'a> {
    /// The place that `value` describes in this format. `None` where it is no object.
    #[must_use]
    pub fn new(value: Value<'a>, format: Format) -> Option<Self> {
        Some(Self { value: value.object()?, format })
    }

    /// The object itself, for all other fields.
    #[must_use]
    pub const fn value(&self) -> Value<'a> {
        self.value
    }

    fn string(&self, key: &str) -> Option<JsonStr<'a>> {
        self.value.get(key)?.as_str()
    }

    /// The id: hexadecimal digits.
    #[must_use]
    pub fn id(&self) -> Option<JsonStr<'a>> {
        self.string("id")
    }

    /// The short name: `Manhattan`.
    #[must_use]
    pub fn name(&self) -> Option<JsonStr<'a>> {
        self.string("name")
    }

    /// The name with what it lies in: `Manhattan, NY`.
    #[must_use]
    pub fn full_name(&self) -> Option<JsonStr<'a>> {
        self.string("full_name")
    }

    /// The country's name.
    #[must_use]
    pub fn country(&self) -> Option<JsonStr<'a>> {
        self.string("country")
    }

    /// The country's two letters.
    #[must_use]
    pub fn country_code(&self) -> Option<JsonStr<'a>> {
        self.string("country_code")
    }

    /// `city`, `admin`, `country`, `poi` or `neighborhood`.
    #[must_use]
    pub fn place_type(&self) -> Option<JsonStr<'a>> {
        self.string("place_type")
    }

    /// The corners of its shape as they stand in the message. Legacy: the outer ring of `bounding_box`, where the first
    /// corner may be repeated at the end; v2: the four of `geo.bbox`. Those that are no pair of numbers are left out.
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

    /// The box around it. Legacy: around all corners of `bounding_box`; v2: `geo.bbox`. `None` unless all of its
    /// numbers are.
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
    /// Not where it is: Posts are not for logs.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Place").field("format", &self.format).finish_non_exhaustive()
    }
}
