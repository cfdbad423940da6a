//! A picture of a measurement, as SVG: the rates above, the CPU time below.

use std::error::Error;

use plotters::backend::SVGBackend;
use plotters::chart::{ChartBuilder, SeriesLabelPosition};
use plotters::coord::Shift;
use plotters::coord::ranged1d::{IntoSegmentedCoord, SegmentValue};
use plotters::drawing::{DrawingArea, IntoDrawingArea};
use plotters::element::{Rectangle, Text};
use plotters::style::text_anchor::{HPos, Pos, VPos};
use plotters::style::{Color, IntoFont, IntoTextStyle, RGBColor, WHITE};

use super::error::BenchError;
use super::table::{GIBIBYTE, Measured, Measurement};

/// Draws it.
///
/// # Errors
/// [`BenchError::Plot`]: what plotters says.
pub fn plot(measurement: &Measurement) -> Result<String, BenchError> {
    let mut svg = String::new();
    draw(measurement, &mut svg).map_err(|error| BenchError::Plot(error.to_string()))?;
    Ok(svg)
}

/// Wide enough for the names of all cases side by side.
const WIDTH: u32 = 900;
const HEIGHT: u32 = 640;
const TITLE_HEIGHT: u32 = 40;
const FONT: &str = "sans-serif";
const RATE: RGBColor = RGBColor(0x1f, 0x5f, 0x99);
const USER: RGBColor = RGBColor(0xe0, 0x9f, 0x3e);
const SYSTEM: RGBColor = RGBColor(0x9e, 0x2a, 0x2b);

type Drawn<'a> = Result<(), Box<dyn Error + 'a>>;
type Area<'a> = DrawingArea<SVGBackend<'a>, Shift>;

fn draw<'a>(measurement: &Measurement, svg: &'a mut String) -> Drawn<'a> {
    let root = SVGBackend::with_string(svg, (WIDTH, HEIGHT)).into_drawing_area();
    root.fill(&WHITE)?;
    let root = root.titled(&title(measurement), (FONT, 15))?;
    let (rates, times) = root.split_vertically((HEIGHT - TITLE_HEIGHT) / 2);
    // What a small file takes is not to be seen beside what a large one takes.
    let (mut cases, many): (Vec<_>, Vec<_>) =
        measurement.cases.iter().partition(|case| case.files.is_none());
    if cases.is_empty() {
        cases = many;
    }
    let rate = |case: &Measured| case.bytes_per_second() / GIBIBYTE;
    let median = match measurement.runs {
        1 => "one run".to_owned(),
        runs => format!("median of {runs} runs"),
    };
    bars(&rates, &cases, "GiB/s", &[Bar { name: &median, colour: RATE, of: &rate }])?;
    // One upon the other: the second is drawn over the foot of the first.
    let all =
        |case: &Measured| case.user_seconds_per_gibibyte() + case.system_seconds_per_gibibyte();
    let user = Bar { name: "user", colour: USER, of: &all };
    let system = Bar { name: "system", colour: SYSTEM, of: &Measured::system_seconds_per_gibibyte };
    bars(&times, &cases, "CPU seconds per GiB", &[user, system])?;
    root.present()?;
    drop((rates, times));
    Ok(())
}

fn title(measurement: &Measurement) -> String {
    let machine = &measurement.machine;
    let processor = machine.processor.as_deref().unwrap_or("unknown processor");
    let kernel = machine.kernel.as_deref().unwrap_or("unknown");
    let Measurement { parallel, size, .. } = measurement;
    let moved = match parallel {
        1 => binary_size(*size),
        _ => format!("{parallel} × {}", binary_size(*size)),
    };
    let version = env!("CARGO_PKG_VERSION");
    format!(
        "gantline {version} bench, {moved}: {processor}, {} cores, Linux {kernel}",
        machine.cores
    )
}

/// In the largest unit of which it is a whole number.
fn binary_size(bytes: u64) -> String {
    let units = [("GiB", 1 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10)];
    let unit = units.into_iter().find(|(_, unit)| bytes.is_multiple_of(*unit));
    unit.map_or_else(|| format!("{bytes} bytes"), |(name, unit)| format!("{} {name}", bytes / unit))
}

/// A number of each case, its name and its colour.
struct Bar<'a> {
    name: &'a str,
    colour: RGBColor,
    of: &'a dyn Fn(&Measured) -> f64,
}

/// A bar for each case; of several, the first is the highest and has its number written above.
fn bars<'a>(area: &Area<'a>, cases: &[&Measured], label: &str, bars: &[Bar<'_>]) -> Drawn<'a> {
    let highest = bars.iter().flat_map(|bar| cases.iter().copied().map(bar.of)).fold(0.0, f64::max);
    // Room for the numbers and the legend; and a scale, although nothing could be measured.
    let top = if highest > 0.0 { highest * 1.35 } else { 1.0 };
    let mut chart = ChartBuilder::on(area)
        .margin(12)
        .x_label_area_size(28)
        .y_label_area_size(64)
        .build_cartesian_2d((0..cases.len()).into_segmented(), 0.0..top)?;
    let name = |at: &SegmentValue<usize>| match at {
        SegmentValue::CenterOf(at) => {
            cases.get(*at).map(|case| case.case.as_str().to_owned()).unwrap_or_default()
        }
        _ => String::new(),
    };
    chart
        .configure_mesh()
        .disable_x_mesh()
        .bold_line_style(RGBColor(0xdd, 0xdd, 0xdd))
        .light_line_style(WHITE)
        .x_labels(cases.len())
        .x_label_formatter(&name)
        .y_desc(label)
        .label_style((FONT, 14))
        .draw()?;
    for Bar { name, colour, of } in bars {
        let series = chart.draw_series(cases.iter().copied().enumerate().map(|(at, case)| {
            let corners = [(SegmentValue::Exact(at), 0.0), (SegmentValue::Exact(at + 1), of(case))];
            let mut bar = Rectangle::new(corners, colour.filled());
            bar.set_margin(0, 0, 20, 20);
            bar
        }))?;
        let swatch = colour.filled();
        series
            .label(*name)
            .legend(move |(x, y)| Rectangle::new([(x, y - 5), (x + 12, y + 5)], swatch));
    }
    chart
        .configure_series_labels()
        .position(SeriesLabelPosition::UpperRight)
        .background_style(WHITE)
        .label_font((FONT, 14))
        .draw()?;
    let Some(Bar { of, .. }) = bars.first() else { return Ok(()) };
    let style =
        (FONT, 14).into_font().into_text_style(area).pos(Pos::new(HPos::Center, VPos::Bottom));
    chart.draw_series(cases.iter().copied().enumerate().map(|(at, case)| {
        let number = of(case);
        Text::new(format!("{number:.2}"), (SegmentValue::CenterOf(at), number), style.clone())
    }))?;
    Ok(())
}
