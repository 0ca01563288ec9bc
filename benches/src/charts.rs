//! SVG line charts.

use std::path::Path;

use plotters::coord::Shift;
use plotters::coord::ranged1d::{AsRangedCoord, Ranged, ValueFormatter};
use plotters::prelude::*;

/// A line chart.
#[derive(Clone, Debug)]
pub struct Chart {
    /// The name of the file, without `.svg`.
    pub file: &'static str,
    /// What is shown.
    pub title: String,
    /// The horizontal axis and its unit.
    pub x: &'static str,
    /// The vertical axis and its unit.
    pub y: &'static str,
    /// The horizontal axis: its scale, or its categories.
    pub scale: Scale,
    /// True if the vertical axis is logarithmic.
    pub log_y: bool,
    /// The lines: their names and points.
    pub series: Vec<(String, Vec<(f64, f64)>)>,
}

/// The horizontal axis.
#[derive(Clone, Debug)]
pub enum Scale {
    /// Logarithmic.
    Log,
    /// Linear.
    Linear,
    /// These names at 0, 1, 2 and so on.
    Names(Vec<String>),
}

const SIZE: (u32, u32) = (1_080, 560);
const FONT: &str = "sans-serif";
/// Colors that differ in brightness too.
const COLORS: [RGBColor; 9] = [
    RGBColor(0, 0, 0),
    RGBColor(213, 94, 0),
    RGBColor(0, 114, 178),
    RGBColor(0, 158, 115),
    RGBColor(204, 121, 167),
    RGBColor(230, 159, 0),
    RGBColor(86, 180, 233),
    RGBColor(120, 94, 60),
    RGBColor(150, 150, 150),
];

type Area<'a> = DrawingArea<SVGBackend<'a>, Shift>;
type Outcome = Result<(), Box<dyn std::error::Error>>;

impl Chart {
    /// Writes the chart into the directory.
    ///
    /// # Errors
    /// If the file cannot be written.
    pub fn write(&self, directory: &Path) -> Outcome {
        let path = directory.join(self.file).with_extension("svg");
        let area = SVGBackend::new(&path, SIZE).into_drawing_area();
        area.fill(&WHITE)?;
        let all = || self.series.iter().flat_map(|(_, points)| points);
        let (mut left, mut right, mut low, mut high) = (f64::MAX, f64::MIN, f64::MAX, f64::MIN);
        for &(x, y) in all() {
            (left, right, low, high) = (left.min(x), right.max(x), low.min(y), high.max(y));
        }
        // Room for the names of the lines above the lines.
        let y = if self.log_y { low * 0.8..high * (high / low).powf(0.4).max(2.0) } else { 0.0..high * 1.05 };
        match (&self.scale, self.log_y) {
            (Scale::Log, true) => self.draw(&area, (left..right).log_scale(), y.log_scale())?,
            (Scale::Log, false) => self.draw(&area, (left..right).log_scale(), y)?,
            (Scale::Linear, true) => self.draw(&area, left..right, y.log_scale())?,
            (Scale::Linear, false) => self.draw(&area, left..right, y)?,
            (Scale::Names(_), true) => self.draw(&area, left - 0.3..right + 0.3, y.log_scale())?,
            (Scale::Names(_), false) => self.draw(&area, left - 0.3..right + 0.3, y)?,
        }
        area.present()?;
        Ok(())
    }

    fn draw<X, Y>(&self, area: &Area<'_>, x: X, y: Y) -> Outcome
    where
        X: AsRangedCoord<Value = f64>,
        X::CoordDescType: ValueFormatter<f64> + Ranged<ValueType = f64>,
        Y: AsRangedCoord<Value = f64>,
        Y::CoordDescType: ValueFormatter<f64> + Ranged<ValueType = f64>,
    {
        let names = match &self.scale {
            Scale::Names(names) => Some(names),
            _ => None,
        };
        // Names stand at whole numbers; between them there is no label.
        let label_x = |x: &f64| match names {
            Some(names) if (x - x.round()).abs() < 1e-9 && *x >= 0.0 => {
                names.get(x.round() as usize).cloned().unwrap_or_default()
            }
            Some(_) => String::new(),
            None => number(*x),
        };
        let mut chart = ChartBuilder::on(area)
            .caption(&self.title, (FONT, 22))
            .margin(14)
            .margin_right(44)
            .x_label_area_size(48)
            .y_label_area_size(72)
            .build_cartesian_2d(x, y)?;
        let mut mesh = chart.configure_mesh();
        mesh.x_desc(self.x)
            .y_desc(self.y)
            .x_label_formatter(&label_x)
            .y_label_formatter(&|y| number(*y))
            .axis_desc_style((FONT, 16))
            .label_style((FONT, 13))
            .light_line_style(WHITE);
        if let Some(names) = names {
            mesh.x_labels(names.len() * 2);
        }
        mesh.draw()?;
        for (index, (name, points)) in self.series.iter().enumerate() {
            let color = COLORS[index % COLORS.len()];
            chart
                .draw_series(LineSeries::new(points.iter().copied(), color.stroke_width(2)))?
                .label(name)
                .legend(move |(x, y)| PathElement::new([(x, y), (x + 20, y)], color.stroke_width(3)));
            if points.len() < 20 {
                chart.draw_series(points.iter().map(|&point| Circle::new(point, 3, color.filled())))?;
            }
        }
        chart
            .configure_series_labels()
            .position(SeriesLabelPosition::UpperLeft)
            .background_style(WHITE.mix(0.85))
            .border_style(BLACK.mix(0.3))
            .label_font((FONT, 14))
            .draw()?;
        Ok(())
    }
}

/// Formats a label of an axis.
fn number(value: f64) -> String {
    if value >= 1_000.0 || (value.fract() == 0.0 && value >= 1.0) {
        crate::report::figure(value.round()).split('.').next().unwrap_or_default().to_owned()
    } else {
        let text = format!("{value:.3}");
        text.trim_end_matches('0').trim_end_matches('.').to_owned()
    }
}
