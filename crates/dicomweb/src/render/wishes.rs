//! The query parameters of a rendered resource (PS3.18 section 8.3.5.1).

use super::window::{Function, Window};

/// Largest side of a rendered image, in pixels: the longer side of the largest screens for images.
const SIDE_MAX: u32 = 4096;
/// Quality of a JPEG image where none is asked for: differences do not show on a screen.
const QUALITY_DEFAULT: u8 = 90;
/// Longer side of a thumbnail where no viewport is asked for.
const THUMBNAIL_SIDE: u32 = 128;

/// How an image is to look.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Wishes {
    /// What to show of it, and how large.
    pub viewport: Option<Viewport>,
    /// Which values to show.
    pub(super) window: Option<Window>,
    /// Quality of a JPEG image, from 1 to 100.
    pub(super) quality: u8,
}

/// The size of the image, and the region of the source it shows.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Viewport {
    /// Most columns.
    pub(super) width: u32,
    /// Most rows.
    pub(super) height: u32,
    /// The region: column, row, columns and rows, of which negative ones mirror.
    pub(super) region: Option<[f64; 4]>,
}

/// Why a parameter cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum WishError {
    /// `viewport`.
    #[error("viewport is width,height or width,height,x,y,columns,rows, each side from 1 to {SIDE_MAX}")]
    Viewport,
    /// `window`.
    #[error(
        "window is center,width,function with linear, linear-exact or sigmoid, and a width of at least 1 (above 0 if not linear)"
    )]
    Window,
    /// `quality`.
    #[error("quality is a number from 1 to 100")]
    Quality,
}

impl Wishes {
    /// Reads the parameters of a query, names and values decoded; others are not ours.
    pub fn parse<'a>(parameters: impl IntoIterator<Item = (&'a str, &'a str)>) -> Result<Self, WishError> {
        let mut wishes = Self { viewport: None, window: None, quality: QUALITY_DEFAULT };
        for (name, value) in parameters {
            match name {
                "viewport" => wishes.viewport = Some(viewport(value).ok_or(WishError::Viewport)?),
                "window" => wishes.window = Some(window(value).ok_or(WishError::Window)?),
                "quality" => {
                    let quality = value.parse().ok().filter(|quality| (1..=100).contains(quality));
                    wishes.quality = quality.ok_or(WishError::Quality)?;
                }
                _ => {}
            }
        }
        Ok(wishes)
    }

    /// The same for a thumbnail, which is small unless a viewport says otherwise.
    #[must_use]
    pub fn small(self) -> Self {
        let small = Viewport { width: THUMBNAIL_SIDE, height: THUMBNAIL_SIDE, region: None };
        Self { viewport: Some(self.viewport.unwrap_or(small)), ..self }
    }
}

fn viewport(text: &str) -> Option<Viewport> {
    let numbers: Vec<f64> = text.split(',').map(finite).collect::<Option<_>>()?;
    let (sides, region) = numbers.split_at_checked(2)?;
    let side = |side: Option<&f64>| {
        let side = side.copied().filter(|side| (1.0..=f64::from(SIDE_MAX)).contains(side))?;
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "checked to be in range")]
        Some(side as u32)
    };
    let region = match region {
        [] => None,
        [x, y, width, height] if *x >= 0.0 && *y >= 0.0 && *width != 0.0 && *height != 0.0 => {
            Some([*x, *y, *width, *height])
        }
        _ => return None,
    };
    Some(Viewport { width: side(sides.first())?, height: side(sides.get(1))?, region })
}

fn window(text: &str) -> Option<Window> {
    let mut parts = text.split(',');
    let (center, width) = (finite(parts.next()?)?, finite(parts.next()?)?);
    let function = match parts.next() {
        None | Some("linear") => Function::Linear,
        Some("linear-exact") => Function::LinearExact,
        Some("sigmoid") => Function::Sigmoid,
        Some(_) => return None,
    };
    if parts.next().is_some() {
        return None;
    }
    Window::new(center, width, function)
}

fn finite(text: &str) -> Option<f64> {
    text.trim().parse().ok().filter(|number: &f64| number.is_finite())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parameters_are_read_or_refused() {
        let wishes = Wishes::parse([
            ("viewport", "512,256,0,10,-100,50"),
            ("window", "40,400,linear"),
            ("quality", "55"),
            ("annotation", "patient"),
        ])
        .unwrap();
        let region = Some([0.0, 10.0, -100.0, 50.0]);
        assert_eq!(wishes.viewport, Some(Viewport { width: 512, height: 256, region }));
        assert_eq!(wishes.window, Window::new(40.0, 400.0, Function::Linear));
        assert_eq!(wishes.quality, 55);
        for (name, value, error) in [
            ("viewport", "512", WishError::Viewport),
            ("viewport", "0,5", WishError::Viewport),
            ("viewport", "5,4097", WishError::Viewport),
            ("viewport", "5,5,0,0,1", WishError::Viewport),
            ("viewport", "5,5,0,0,0,1", WishError::Viewport),
            ("viewport", "5,NaN", WishError::Viewport),
            ("window", "40", WishError::Window),
            ("window", "40,0,linear", WishError::Window),
            ("window", "40,400,cubic", WishError::Window),
            ("window", "40,inf,linear", WishError::Window),
            ("quality", "0", WishError::Quality),
            ("quality", "101", WishError::Quality),
        ] {
            assert_eq!(Wishes::parse([(name, value)]), Err(error), "{name}={value}");
        }
    }

    #[test]
    fn a_thumbnail_is_small_unless_a_viewport_is_asked_for() {
        let plain = Wishes::parse([]).unwrap().small();
        assert_eq!(plain.viewport.map(|viewport| (viewport.width, viewport.height)), Some((128, 128)));
        let sized = Wishes::parse([("viewport", "64,32")]).unwrap();
        assert_eq!(sized.small(), sized);
    }
}
