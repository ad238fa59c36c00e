//! One SLI as a picture: its values beside its bound, holds as bands, red probes and the way back marked.
//!
//! Only numbers and times of this crate's own making are drawn, no foreign word.

use canary_core::analysis::Number;
use canary_core::spec::Bound;
use canary_core::time::Timestamp;
use plotters::prelude::{
    Cartesian2d, ChartBuilder, ChartContext, Circle, Color as _, DrawingAreaErrorKind, IntoDrawingArea as _,
    IntoFont as _, LineSeries, PathElement, RGBColor, Rectangle, SVGBackend, Text,
};
use plotters::style::text_anchor::{HPos, Pos, VPos};

use crate::track::{Point, Track};
use crate::words;

mod axis;
mod scale;

use axis::Axis;
use scale::{Times, Values};

/// The picture's own units; the page scales it.
pub(crate) const SIZE: (u32, u32) = (480, 220);

// The page's style sheet gives each of these another colour on a dark screen.
const LINE: RGBColor = RGBColor(0x1f, 0x5f, 0xa8);
const BESIDE: RGBColor = RGBColor(0x0f, 0x76, 0x6e);
const RED: RGBColor = RGBColor(0xb4, 0x23, 0x18);
const BOUND: RGBColor = RGBColor(0xb4, 0x23, 0x19);
const BACK: RGBColor = RGBColor(0x6b, 0x21, 0xa8);
const HOLD: RGBColor = RGBColor(0xe3, 0xb3, 0x41);
const GRID: RGBColor = RGBColor(0xe2, 0xe2, 0xe2);
const AXIS: RGBColor = RGBColor(0x8a, 0x8a, 0x8a);
const WORDS: RGBColor = RGBColor(0x44, 0x44, 0x44);
const FONT: (&str, i32) = ("sans-serif", 12);

type Chart<'a, 'b> = ChartContext<'a, SVGBackend<'b>, Cartesian2d<Axis, Axis>>;
type Result<T> = std::result::Result<T, DrawingAreaErrorKind<std::io::Error>>;

/// What is inside of an `svg` element with the view box [`SIZE`].
#[derive(Debug)]
pub(crate) struct Drawing(pub(crate) String);

/// Draws a track; `None` when it has no readings.
pub(crate) fn draw(track: &Track, back: Option<Timestamp>) -> Option<Drawing> {
    let (first, last) = (track.points.first()?, track.points.last()?);
    let end = back.map_or(last.at, |back| back.max(last.at));
    let times = Times::new(first.since.min(first.at), end);
    let limit = limit(track.bound);
    let beside = track.points.iter().flat_map(|point| point.beside.values().copied());
    let values = Values::new(track.points.iter().filter_map(Point::judged).chain(beside).chain([limit]));
    let mut svg = String::new();
    // Drawing into memory does not fail; a picture that could not be drawn is left out, its numbers stand in the table.
    picture(&mut svg, track, back, &times, &values).ok()?;
    let inner = svg.split_once('>')?.1.trim_end().strip_suffix("</svg>")?;
    Some(Drawing(inner.to_owned()))
}

const fn limit(bound: Bound) -> Number {
    match bound {
        Bound::Below(limit) | Bound::Above(limit) => limit,
    }
}

fn picture(
    svg: &mut String,
    track: &Track,
    back: Option<Timestamp>,
    times: &Times,
    values: &Values,
) -> Result<()> {
    let root = SVGBackend::with_string(svg, SIZE).into_drawing_area();
    let (low, high) = values.range();
    let mut chart = ChartBuilder::on(&root)
        .margin(6)
        .margin_right(20)
        .x_label_area_size(24)
        .y_label_area_size(58)
        .build_cartesian_2d(
            Axis { from: 0.0, to: times.end(), ticks: times.ticks() },
            Axis { from: low, to: high, ticks: values.ticks() },
        )?;
    chart
        .configure_mesh()
        .disable_x_mesh()
        .light_line_style(GRID.mix(0.0))
        .bold_line_style(GRID)
        .axis_style(AXIS)
        .label_style(FONT.into_font().color(&WORDS))
        .x_label_formatter(&|x| times.label(*x))
        .y_label_formatter(&|y| values.label(*y))
        .draw()?;
    holds(&mut chart, track, times, (low, high))?;
    bound(&mut chart, track, times, values)?;
    if let Some(back) = back {
        let x = times.place(back);
        chart.draw_series([PathElement::new([(x, low), (x, high)], BACK.stroke_width(2))])?;
        let left = x > times.end() / 2.0;
        let side = if left { HPos::Right } else { HPos::Left };
        let beside = if left { x - times.room() } else { x + times.room() };
        let style = FONT.into_font().color(&BACK).pos(Pos::new(side, VPos::Top));
        chart.draw_series([Text::new("rollback", (beside, high), style)])?;
    }
    others(&mut chart, track, times, values)?;
    readings(&mut chart, track, times, values)?;
    drop(chart);
    root.present()
}

/// A band from the probe before to the one that held.
fn holds(chart: &mut Chart<'_, '_>, track: &Track, times: &Times, (low, high): (f64, f64)) -> Result<()> {
    let bands = track.points.iter().filter(|point| point.held()).map(|point| {
        let corners = [(times.place(point.since), low), (times.place(point.at), high)];
        Rectangle::new(corners, HOLD.mix(0.3).filled())
    });
    chart.draw_series(bands)?;
    Ok(())
}

fn bound(chart: &mut Chart<'_, '_>, track: &Track, times: &Times, values: &Values) -> Result<()> {
    let (y, (low, high)) = (values.place(limit(track.bound)), values.range());
    let bad = if matches!(track.bound, Bound::Below(_)) { high } else { low };
    let corners = [(0.0, bad.max(y)), (times.end(), bad.min(y))];
    chart.draw_series([Rectangle::new(corners, RED.mix(0.08).filled())])?;
    chart.draw_series([PathElement::new([(0.0, y), (times.end(), y)], BOUND.stroke_width(1))])?;
    let text = match track.bound {
        Bound::Below(limit) => format!("bound < {}", words::number(limit)),
        Bound::Above(limit) => format!("bound > {}", words::number(limit)),
    };
    let side = if matches!(track.bound, Bound::Below(_)) { VPos::Bottom } else { VPos::Top };
    let style = FONT.into_font().color(&BOUND).pos(Pos::new(HPos::Left, side));
    chart.draw_series([Text::new(text, (times.room(), y), style)])?;
    Ok(())
}

/// A thin line through what stands beside the readings.
fn others(chart: &mut Chart<'_, '_>, track: &Track, times: &Times, values: &Values) -> Result<()> {
    let Some(whose) = track.beside() else { return Ok(()) };
    let beside = |point: &Point| Some((times.place(point.at), values.place(*point.beside.get(&whose)?)));
    // Where one is missing, or no engine lived, there is no line.
    for run in track.points.chunk_by(|_, next| !next.apart && next.beside.contains_key(&whose)) {
        let run: Vec<_> = run.iter().filter_map(beside).collect();
        match run.as_slice() {
            [] => {}
            [one] => _ = chart.draw_series([Circle::new(*one, 2, BESIDE.filled())])?,
            _ => _ = chart.draw_series(LineSeries::new(run, BESIDE.stroke_width(1)))?,
        }
    }
    Ok(())
}

/// Lines through readings that follow each other; a dot for each while there is room, and for each red one.
fn readings(chart: &mut Chart<'_, '_>, track: &Track, times: &Times, values: &Values) -> Result<()> {
    let place = |point: &Point, value| (times.place(point.at), values.place(value));
    let mut runs: Vec<Vec<(f64, f64)>> = vec![Vec::new()];
    for point in &track.points {
        let value = point.judged();
        if (value.is_none() || point.apart) && runs.last().is_some_and(|run| !run.is_empty()) {
            runs.push(Vec::new());
        }
        if let (Some(value), Some(run)) = (value, runs.last_mut()) {
            run.push(place(point, value));
        }
    }
    let roomy = track.points.len() <= 60;
    let alone: Vec<_> = runs.iter().filter(|run| run.len() == 1).flatten().copied().collect();
    for run in runs.into_iter().filter(|run| run.len() > 1) {
        chart.draw_series(LineSeries::new(run, LINE.stroke_width(2)))?;
    }
    let judged = track.points.iter().filter_map(|point| Some((point, place(point, point.judged()?))));
    let (red, fine): (Vec<_>, Vec<_>) = judged.partition(|(point, _)| point.red());
    let dots: Vec<_> = if roomy { fine.into_iter().map(|(_, place)| place).collect() } else { alone };
    chart.draw_series(dots.into_iter().map(|place| Circle::new(place, 3, LINE.filled())))?;
    chart.draw_series(red.into_iter().map(|(_, place)| Circle::new(place, 5, RED.filled())))?;
    Ok(())
}
