//! The attributes that say how pixel data are laid out (PS3.3 section C.7.6.3).

use outrigger_model::Tag;

use crate::element::DataSet;

const SAMPLES_PER_PIXEL: Tag = Tag(0x0028, 0x0002);
pub(crate) const PHOTOMETRIC_INTERPRETATION: Tag = Tag(0x0028, 0x0004);
pub(crate) const PLANAR_CONFIGURATION: Tag = Tag(0x0028, 0x0006);
const BITS_STORED: Tag = Tag(0x0028, 0x0101);
const HIGH_BIT: Tag = Tag(0x0028, 0x0102);
const PIXEL_REPRESENTATION: Tag = Tag(0x0028, 0x0103);
pub(crate) const EXTENDED_OFFSET_TABLE: Tag = Tag(0x7FE0, 0x0001);
pub(crate) const EXTENDED_OFFSET_TABLE_LENGTHS: Tag = Tag(0x7FE0, 0x0002);
pub(crate) const PIXEL_DATA: Tag = Tag(0x7FE0, 0x0010);

/// Most bytes of pixel data that are decoded or re-encoded, all frames together: they are held in memory.
pub const PIXEL_BYTES_MAX: u64 = 512 * 1024 * 1024;

/// Whether samples are signed (0028,0103).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Representation {
    /// Unsigned integers.
    Unsigned,
    /// Two's complement.
    Signed,
}

/// How the samples of pixels stand (0028,0006).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Planar {
    /// Pixel by pixel.
    ByPixel,
    /// Plane by plane.
    ByPlane,
}

/// What samples mean (0028,0004).
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Photometric {
    /// Grey, 0 is white.
    Monochrome1,
    /// Grey, 0 is black.
    Monochrome2,
    /// Indices into palettes.
    PaletteColor,
    /// Red, green, blue.
    Rgb,
    /// Luminance and two colour differences.
    YbrFull,
    /// The same, colour differences of two neighbours shared.
    YbrFull422,
    /// The reversible colour transform of JPEG 2000.
    YbrRct,
    /// Any other term.
    Other(String),
}

impl Photometric {
    fn from_term(term: &str) -> Self {
        match term {
            "MONOCHROME1" => Self::Monochrome1,
            "MONOCHROME2" => Self::Monochrome2,
            "PALETTE COLOR" => Self::PaletteColor,
            "RGB" => Self::Rgb,
            "YBR_FULL" => Self::YbrFull,
            "YBR_FULL_422" => Self::YbrFull422,
            "YBR_RCT" => Self::YbrRct,
            other => Self::Other(other.to_owned()),
        }
    }

    /// The term of PS3.3 section C.7.6.3.1.2.
    pub fn term(&self) -> &str {
        match self {
            Self::Monochrome1 => "MONOCHROME1",
            Self::Monochrome2 => "MONOCHROME2",
            Self::PaletteColor => "PALETTE COLOR",
            Self::Rgb => "RGB",
            Self::YbrFull => "YBR_FULL",
            Self::YbrFull422 => "YBR_FULL_422",
            Self::YbrRct => "YBR_RCT",
            Self::Other(term) => term,
        }
    }

    /// What a decoder makes of it: the reversible transform is turned back, and every pixel has all its samples.
    #[must_use]
    pub fn decoded(&self) -> Self {
        match self {
            Self::YbrRct => Self::Rgb,
            Self::YbrFull422 => Self::YbrFull,
            other => other.clone(),
        }
    }
}

/// Why the attributes cannot describe pixel data.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ShapeError {
    /// An attribute is missing, empty or no number.
    #[error("{tag} is missing or no number, so the pixel data cannot be read")]
    Missing {
        /// The attribute.
        tag: Tag,
    },
    /// An attribute has a value that cannot be.
    #[error("{tag} has the value {value}, which no pixel data can have here")]
    Impossible {
        /// The attribute.
        tag: Tag,
        /// Its value.
        value: u32,
    },
    /// More pixel data than are held in memory.
    #[error("the pixel data take {needed} bytes, more than the {PIXEL_BYTES_MAX} that are decoded at once")]
    TooLarge {
        /// Bytes of all frames.
        needed: u64,
    },
}

/// How pixel data are laid out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Shape {
    /// Rows of a frame, at least 1.
    pub rows: u16,
    /// Columns of a frame, at least 1.
    pub columns: u16,
    /// Samples of a pixel, 1 to 4.
    pub samples: u16,
    /// Bits from one sample to the next: 1, 8, 16, 32 or 64.
    pub bits_allocated: u16,
    /// Bits of a sample that count.
    pub bits_stored: u16,
    /// The highest of them.
    pub high_bit: u16,
    /// Whether samples are signed.
    pub representation: Representation,
    /// How the samples of native pixel data stand.
    pub planar: Planar,
    /// What they mean.
    pub photometric: Photometric,
    /// Frames, at least 1.
    pub frames: u32,
}

impl Shape {
    /// Reads the attributes of an image of integers, and holds their product against the limit.
    pub fn read(data_set: &DataSet) -> Result<Self, ShapeError> {
        let number = |tag| data_set.unsigned_short(tag).ok_or(ShapeError::Missing { tag });
        let bits_allocated = number(Tag::BITS_ALLOCATED)?;
        let bits_stored = number(BITS_STORED)?;
        let samples = number(SAMPLES_PER_PIXEL)?;
        let term = data_set.plain(PHOTOMETRIC_INTERPRETATION);
        let planar = match data_set.unsigned_short(PLANAR_CONFIGURATION) {
            Some(1) if samples > 1 => Planar::ByPlane,
            Some(_) | None => Planar::ByPixel,
        };
        let shape = Self {
            rows: number(Tag::ROWS)?,
            columns: number(Tag::COLUMNS)?,
            samples,
            bits_allocated,
            bits_stored,
            high_bit: number(HIGH_BIT)?,
            representation: match number(PIXEL_REPRESENTATION)? {
                0 => Representation::Unsigned,
                _ => Representation::Signed,
            },
            planar,
            photometric: Photometric::from_term(
                term.ok_or(ShapeError::Missing { tag: PHOTOMETRIC_INTERPRETATION })?,
            ),
            frames: frame_count(data_set)?,
        };
        shape.check()?;
        Ok(shape)
    }

    /// Reads the attributes of an image of floats of so many bits, which has no stored bits (PS3.3 section C.7.6.24).
    pub(crate) fn read_float(data_set: &DataSet, bits: u16) -> Result<Self, ShapeError> {
        let number = |tag| data_set.unsigned_short(tag).ok_or(ShapeError::Missing { tag });
        let term = data_set.plain(PHOTOMETRIC_INTERPRETATION).unwrap_or("MONOCHROME2");
        let shape = Self {
            rows: number(Tag::ROWS)?,
            columns: number(Tag::COLUMNS)?,
            samples: number(SAMPLES_PER_PIXEL)?,
            bits_allocated: bits,
            bits_stored: bits,
            high_bit: bits - 1,
            frames: frame_count(data_set)?,
            ..Self::gray(Photometric::from_term(term))
        };
        shape.check()?;
        Ok(shape)
    }

    /// One pixel of 8 bits.
    pub(crate) fn gray(photometric: Photometric) -> Self {
        Self {
            rows: 1,
            columns: 1,
            samples: 1,
            bits_allocated: 8,
            bits_stored: 8,
            high_bit: 7,
            representation: Representation::Unsigned,
            planar: Planar::ByPixel,
            photometric,
            frames: 1,
        }
    }

    fn check(&self) -> Result<(), ShapeError> {
        let checks = [
            (Tag::ROWS, self.rows, self.rows > 0),
            (Tag::COLUMNS, self.columns, self.columns > 0),
            (SAMPLES_PER_PIXEL, self.samples, (1..=4).contains(&self.samples)),
            (Tag::BITS_ALLOCATED, self.bits_allocated, matches!(self.bits_allocated, 1 | 8 | 16 | 32 | 64)),
            (BITS_STORED, self.bits_stored, (1..=self.bits_allocated).contains(&self.bits_stored)),
            (
                HIGH_BIT,
                self.high_bit,
                (self.bits_stored.saturating_sub(1)..self.bits_allocated).contains(&self.high_bit),
            ),
        ];
        if let Some((tag, value, _)) = checks.into_iter().find(|(_, _, holds)| !holds) {
            return Err(ShapeError::Impossible { tag, value: value.into() });
        }
        let needed = u64::from(self.rows) * u64::from(self.columns) * u64::from(self.samples);
        let needed = (needed * u64::from(self.bits_allocated)).div_ceil(8).saturating_mul(self.frames.into());
        if needed > PIXEL_BYTES_MAX { Err(ShapeError::TooLarge { needed }) } else { Ok(()) }
    }

    /// Pixels of a frame.
    pub(crate) fn pixels_a_frame(&self) -> usize {
        usize::from(self.rows) * usize::from(self.columns)
    }

    /// Bytes that all frames take when they are decoded.
    pub fn decoded_bytes(&self) -> u64 {
        let cell = u64::from(self.bits_allocated.div_ceil(8));
        (self.samples_a_frame() as u64 * cell).saturating_mul(self.frames.into())
    }

    /// Samples of a frame that is not subsampled.
    pub(crate) fn samples_a_frame(&self) -> usize {
        self.pixels_a_frame() * usize::from(self.samples)
    }

    /// Whether native pixel data share the colour differences of neighbours.
    pub(crate) fn is_subsampled(&self) -> bool {
        self.samples == 3 && matches!(self.photometric.term(), "YBR_FULL_422" | "YBR_PARTIAL_422")
    }

    /// Samples of a frame of native pixel data.
    pub(crate) fn native_samples_a_frame(&self) -> usize {
        if self.is_subsampled() { self.pixels_a_frame() * 2 } else { self.samples_a_frame() }
    }
}

/// Number of Frames (0028,0008); absent means one.
pub(crate) fn frame_count(data_set: &DataSet) -> Result<u32, ShapeError> {
    let missing = ShapeError::Missing { tag: Tag::NUMBER_OF_FRAMES };
    let Some(text) = data_set.plain(Tag::NUMBER_OF_FRAMES) else { return Ok(1) };
    match text.parse().map_err(|_| missing)? {
        0 => Err(ShapeError::Impossible { tag: Tag::NUMBER_OF_FRAMES, value: 0 }),
        frames => Ok(frames),
    }
}
