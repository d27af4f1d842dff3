//! Lines, areas and text at places given in points, on either of the drawing library's formats.

use std::io;
use std::sync::Once;

use plotters::coord::Shift;
use plotters::prelude::*;
use plotters::style::FontStyle;
use plotters::style::text_anchor::{HPos, Pos, VPos};

use crate::output::reading;
use crate::output::table::fitted;

/// Draws at places given in points.
pub struct Pen<'a, DB: DrawingBackend> {
    pub area: &'a DrawingArea<DB, Shift>,
    /// Units of the format in a point.
    pub fine: f64,
    /// The size to ask for, in ems.
    pub nominal: f64,
    /// From the anchor down to the baseline, in ems.
    pub rise: f64,
}

impl<DB: DrawingBackend> Pen<'_, DB> {
    fn at(&self, (x, y): (f64, f64)) -> (i32, i32) {
        ((x * self.fine).round() as i32, (y * self.fine).round() as i32)
    }

    pub fn line(&self, points: &[(f64, f64)], colour: RGBColor, width: f64) -> io::Result<()> {
        let style = colour.stroke_width((width * self.fine).round() as u32);
        let points: Vec<_> = points.iter().map(|point| self.at(*point)).collect();
        self.area.draw(&PathElement::new(points, style)).map_err(failed)
    }

    pub fn shape(&self, points: &[(f64, f64)], colour: RGBColor, opacity: f64) -> io::Result<()> {
        let points: Vec<_> = points.iter().map(|point| self.at(*point)).collect();
        self.area
            .draw(&Polygon::new(points, colour.mix(opacity).filled()))
            .map_err(failed)
    }

    pub fn disc(&self, centre: (f64, f64), radius: f64, colour: RGBColor) -> io::Result<()> {
        let radius = (radius * self.fine).round() as i32;
        self.area
            .draw(&Circle::new(self.at(centre), radius, colour.filled()))
            .map_err(failed)
    }

    /// `at` is on the baseline.
    pub fn text(
        &self,
        at: (f64, f64),
        text: &str,
        size: f64,
        bold: bool,
        colour: RGBColor,
        anchor: HPos,
    ) -> io::Result<()> {
        let text = reading::clean(text);
        if text.is_empty() {
            return Ok(());
        }
        let style = if bold { FontStyle::Bold } else { FontStyle::Normal };
        let font = FontDesc::new(FontFamily::SansSerif, size * self.fine * self.nominal, style);
        let style = TextStyle::from(font)
            .color(&colour)
            .pos(Pos::new(anchor, VPos::Top));
        let place = self.at((at.0, at.1 - self.rise * size));
        self.area.draw_text(&text, &style, place).map_err(failed)
    }
}

/// The width of a text in points, measured in the font of the PNG.
pub fn measure(text: &str, size: f64, bold: bool) -> f64 {
    const LARGE: f64 = 100.0;
    let style = if bold { FontStyle::Bold } else { FontStyle::Normal };
    let font = FontDesc::new(FontFamily::SansSerif, LARGE * 1.164, style);
    let wide = font
        .layout_box(text)
        .map_or(text.chars().count() as f64 * 60.0, |(_, (wide, _))| {
            f64::from(wide)
        });
    wide * size / LARGE
}

/// The text cut to a width in points.
pub fn cut(text: &str, size: f64, bold: bool, width: f64) -> String {
    let mut chars = text.chars().count();
    let mut shown = text.to_owned();
    while chars > 1 && measure(&shown, size, bold) > width {
        chars = (chars - 1).min((chars as f64 * width / measure(&shown, size, bold)).ceil() as usize);
        shown = fitted(text, chars);
    }
    shown
}

/// Makes the bundled fonts known to the drawing library.
pub fn fonts() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let fonts: [(FontStyle, &'static [u8]); 2] = [
            (FontStyle::Normal, include_bytes!("font/DejaVuSans.ttf")),
            (FontStyle::Bold, include_bytes!("font/DejaVuSans-Bold.ttf")),
        ];
        for (style, bytes) in fonts {
            // A font that does not parse shows at the first text, as an error with the font's name.
            let _ = plotters::style::register_font("sans-serif", style, bytes);
        }
    });
}

/// Any error of the drawing library.
pub fn failed(error: impl std::fmt::Display) -> io::Error {
    io::Error::other(error.to_string())
}
