//! Circles and boxes on the Earth, and tests of points.

use powerstream_core::post::Point;

/// The mean radius of the Earth in kilometers.
const EARTH_KM: f64 = 6_371.008_8;

/// A circle or a box. The edge is included.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Shape {
    Circle {
        longitude: f64,
        latitude: f64,
        radius_km: f64,
    },
    /// If `west` is greater than `east`, the box crosses the antimeridian.
    Box {
        west: f64,
        south: f64,
        east: f64,
        north: f64,
    },
}

impl Shape {
    pub(crate) fn holds(&self, point: Point) -> bool {
        self.holds_at((point.longitude, point.latitude))
    }

    /// Returns true if the point (longitude, latitude) is inside.
    pub(crate) fn holds_at(&self, at: (f64, f64)) -> bool {
        match *self {
            Self::Circle { longitude, latitude, radius_km } => {
                distance_km((longitude, latitude), at) <= radius_km
            }
            Self::Box { west, south, east, north } => {
                let between =
                    if west <= east { west <= at.0 && at.0 <= east } else { west <= at.0 || at.0 <= east };
                between && south <= at.1 && at.1 <= north
            }
        }
    }

    /// Returns true if all corners are inside; false if there are none.
    pub(crate) fn holds_all(&self, mut corners: impl Iterator<Item = Point>) -> bool {
        corners.next().is_some_and(|first| self.holds(first) && corners.all(|corner| self.holds(corner)))
    }
}

/// Returns the great-circle distance by the haversine formula, which is accurate for short
/// distances.
fn distance_km((lon_a, lat_a): (f64, f64), (lon_b, lat_b): (f64, f64)) -> f64 {
    let half = |a: f64, b: f64| ((b - a).to_radians() / 2.0).sin().powi(2);
    let chord = half(lat_a, lat_b) + lat_a.to_radians().cos() * lat_b.to_radians().cos() * half(lon_a, lon_b);
    2.0 * EARTH_KM * chord.clamp(0.0, 1.0).sqrt().asin()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn distances_follow_great_circles() {
        // One degree of a meridian, and of the 60th parallel, which is half as long.
        assert!((distance_km((0.0, 0.0), (0.0, 1.0)) - 111.195).abs() < 0.01);
        assert!((distance_km((0.0, 60.0), (1.0, 60.0)) - 55.597).abs() < 0.01);
        assert!((distance_km((179.9, 0.0), (-179.9, 0.0)) - 22.239).abs() < 0.01);
    }

    #[test]
    fn boxes_include_their_edges_and_may_cross_the_antimeridian() {
        let small = Shape::Box { west: -0.2, south: 51.4, east: -0.1, north: 51.6 };
        assert!(small.holds_at((-0.2, 51.4)) && small.holds_at((-0.15, 51.5)));
        assert!(!small.holds_at((-0.21, 51.5)) && !small.holds_at((-0.15, 51.61)));
        let across = Shape::Box { west: 179.9, south: -1.0, east: -179.9, north: 1.0 };
        assert!(across.holds_at((179.95, 0.0)) && across.holds_at((-179.95, 0.0)));
        assert!(!across.holds_at((0.0, 0.0)));
        assert!(!small.holds_all(core::iter::empty()));
    }
}
