//! Circles and boxes on the Earth. Points are longitude and latitude, in degrees.

use powerstream_rules::Value;

/// The mean radius of the Earth in kilometers.
const EARTH_RADIUS: f64 = 6_371.008_8;

/// Returns true if a point is in a rule's circle or box.
pub fn inside(shape: Value, (longitude, latitude): (f64, f64)) -> bool {
    match shape {
        Value::Circle { longitude: x, latitude: y, radius_km } => {
            distance((longitude, latitude), (x, y)) <= radius_km
        }
        Value::Box { west, south, east, north } => {
            let between = if west <= east {
                west <= longitude && longitude <= east
            } else {
                west <= longitude || longitude <= east
            };
            between && south <= latitude && latitude <= north
        }
        _ => unreachable!("{shape:?} is not a shape"),
    }
}

/// Returns the great-circle distance, by the haversine formula.
fn distance(a: (f64, f64), b: (f64, f64)) -> f64 {
    let half = |from: f64, to: f64| ((to - from).to_radians() / 2.0).sin().powi(2);
    let h = half(a.1, b.1) + a.1.to_radians().cos() * b.1.to_radians().cos() * half(a.0, b.0);
    2.0 * EARTH_RADIUS * h.min(1.0).sqrt().asin()
}
