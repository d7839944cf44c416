//! The values of interest: a window (PS3.3 section C.11.2.1) or a table.

use outrigger_dataset::element::DataSet;
use outrigger_dataset::survey::Survey;
use outrigger_model::Tag;

use super::lut::{LUT_DATA, LUT_DESCRIPTOR, Table};
use super::scope::scopes;

const WINDOW_CENTER: Tag = Tag(0x0028, 0x1050);
const WINDOW_WIDTH: Tag = Tag(0x0028, 0x1051);
const VOI_LUT_FUNCTION: Tag = Tag(0x0028, 0x1056);
pub(super) const FRAME_VOI_LUT: Tag = Tag(0x0028, 0x9132);
pub(super) const VOI_LUT: Tag = Tag(0x0028, 0x3010);

/// How the values of a frame become grey levels.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Voi {
    Window(Window),
    Table(Table),
}

impl Voi {
    /// What a frame has: its own, that of all frames, or that of the image; of several the first, and a table before
    /// a window, which stands beside it for those who cannot use it.
    pub(super) fn of(survey: &Survey, frame: u32) -> Option<Self> {
        scopes(frame, FRAME_VOI_LUT).iter().find_map(|way| {
            let item = survey.item(way)?;
            let table = item.item(&[(VOI_LUT, 1)]);
            let table = table.and_then(|table| Table::read(table, LUT_DESCRIPTOR, LUT_DATA));
            table.map(Self::Table).or_else(|| Window::read(&item.described()).map(Self::Window))
        })
    }

    /// The grey level of a value, from 0 to 1.
    pub(super) fn level(&self, value: f64) -> f64 {
        match self {
            Self::Window(window) => window.level(value),
            #[expect(
                clippy::cast_possible_truncation,
                reason = "tables end at 16 bits; beyond, the cast stays at its end"
            )]
            Self::Table(table) => table.level(value.round() as i64),
        }
    }
}

/// Which values are shown, from black to white.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Window {
    center: f64,
    width: f64,
    function: Function,
}

/// How values become grey levels (0028,1056).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Function {
    Linear,
    LinearExact,
    Sigmoid,
}

impl Window {
    /// A window, if its width is one that the function can have.
    pub(super) fn new(center: f64, width: f64, function: Function) -> Option<Self> {
        let least = if function == Function::Linear { width >= 1.0 } else { width > 0.0 };
        least.then_some(Self { center, width, function })
    }

    fn read(data_set: &DataSet) -> Option<Self> {
        let function = match data_set.plain(VOI_LUT_FUNCTION) {
            Some("SIGMOID") => Function::Sigmoid,
            Some("LINEAR_EXACT") => Function::LinearExact,
            _ => Function::Linear,
        };
        Self::new(first(data_set, WINDOW_CENTER)?, first(data_set, WINDOW_WIDTH)?, function)
    }

    /// A window over all values from `least` to `most`.
    pub(super) fn around(least: f64, most: f64) -> Self {
        let width = (most - least).max(f64::MIN_POSITIVE);
        Self { center: f64::midpoint(least, most), width, function: Function::LinearExact }
    }

    /// The grey level of a value, from 0 to 1.
    pub(super) fn level(&self, value: f64) -> f64 {
        let Self { center, width, function } = *self;
        let level = match function {
            Function::Linear if width > 1.0 => (value - (center - 0.5)) / (width - 1.0) + 0.5,
            // One value alone separates black from white.
            Function::Linear if value > center - 0.5 => 1.0,
            Function::Linear => 0.0,
            Function::LinearExact => (value - center) / width + 0.5,
            Function::Sigmoid => 1.0 / (1.0 + (-4.0 * (value - center) / width).exp()),
        };
        level.clamp(0.0, 1.0)
    }
}

/// The first of the numbers of a DS element.
pub(super) fn first(data_set: &DataSet, tag: Tag) -> Option<f64> {
    let text = data_set.plain(tag)?.split('\\').next()?;
    text.trim().parse().ok().filter(|number: &f64| number.is_finite())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn levels_follow_the_functions() {
        let check = |center, width, function, levels: &[(f64, f64)]| {
            let window = Window::new(center, width, function).unwrap();
            for (value, level) in levels {
                assert!((window.level(*value) - level).abs() < 1e-9, "{window:?} {value}");
            }
        };
        // PS3.3 section C.11.2.1.2.1: center 2048, width 4096 shows 0 to 4095.
        check(
            2048.0,
            4096.0,
            Function::Linear,
            &[(-1.0, 0.0), (0.0, 0.0), (4095.0, 1.0), (5000.0, 1.0), (2047.5, 0.5)],
        );
        check(2048.0, 1.0, Function::Linear, &[(2047.5, 0.0), (2047.6, 1.0)]);
        check(0.0, 100.0, Function::LinearExact, &[(-50.0, 0.0), (0.0, 0.5), (50.0, 1.0)]);
        check(10.0, 100.0, Function::Sigmoid, &[(10.0, 0.5), (1e9, 1.0), (-1e9, 0.0)]);
        assert!(Window::new(0.0, 0.5, Function::Linear).is_none());
        assert!(Window::new(0.0, 0.0, Function::Sigmoid).is_none());
        assert!(Window::new(0.0, f64::NAN, Function::LinearExact).is_none());
    }
}
