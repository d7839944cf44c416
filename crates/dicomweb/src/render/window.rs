//! The window of values that is shown (PS3.3 section C.11.2.1).

use outrigger_dataset::element::DataSet;
use outrigger_dataset::survey::{Found, Survey};
use outrigger_model::Tag;

const WINDOW_CENTER: Tag = Tag(0x0028, 0x1050);
const WINDOW_WIDTH: Tag = Tag(0x0028, 0x1051);
const VOI_LUT_FUNCTION: Tag = Tag(0x0028, 0x1056);
const RESCALE_INTERCEPT: Tag = Tag(0x0028, 0x1052);
const RESCALE_SLOPE: Tag = Tag(0x0028, 0x1053);
const SHARED_GROUPS: Tag = Tag(0x5200, 0x9229);
const PER_FRAME_GROUPS: Tag = Tag(0x5200, 0x9230);
const FRAME_VOI_LUT: Tag = Tag(0x0028, 0x9132);
const PIXEL_VALUE_TRANSFORMATION: Tag = Tag(0x0028, 0x9145);

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

    /// The window of a frame: its own, that of all frames, or that of the image.
    pub(super) fn of(survey: &Survey, frame: u32) -> Option<Self> {
        group(survey, frame, FRAME_VOI_LUT)
            .and_then(|item| Self::read(&item))
            .or_else(|| Self::read(&survey.described()))
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

/// Rescale slope and intercept of a frame.
pub(super) fn rescale(survey: &Survey, frame: u32) -> (f64, f64) {
    let image = survey.described();
    let own = group(survey, frame, PIXEL_VALUE_TRANSFORMATION);
    let number = |tag| own.as_ref().and_then(|own| first(own, tag)).or_else(|| first(&image, tag));
    let slope = number(RESCALE_SLOPE).filter(|slope| *slope != 0.0).unwrap_or(1.0);
    (slope, number(RESCALE_INTERCEPT).unwrap_or(0.0))
}

/// The item of a functional group of a frame, its own or the shared one (PS3.3 section C.7.6.16).
fn group(survey: &Survey, frame: u32, tag: Tag) -> Option<DataSet> {
    let item = |survey: &Survey, tag: Tag, index: usize| match &survey.get(tag)?.value {
        Found::Items(items) => items.get(index).cloned(),
        Found::Here(_) | Found::There(_) | Found::Fragments(_) => None,
    };
    let index = usize::try_from(frame.checked_sub(1)?).ok()?;
    let groups = [item(survey, PER_FRAME_GROUPS, index), item(survey, SHARED_GROUPS, 0)];
    groups.into_iter().flatten().find_map(|groups| item(&groups, tag, 0)).map(|item| item.described())
}

/// The first of the numbers of a DS element.
fn first(data_set: &DataSet, tag: Tag) -> Option<f64> {
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
