//! Pixels in one canonical form, so that images compare across transfer syntaxes.

mod canonical;
mod digest;
mod shape;

pub use digest::{PixelError, digest};
pub(crate) use shape::{
    EXTENDED_OFFSET_TABLE, EXTENDED_OFFSET_TABLE_LENGTHS, PHOTOMETRIC_INTERPRETATION, PIXEL_DATA,
    PLANAR_CONFIGURATION, SAMPLES_PER_PIXEL, frame_count,
};
pub use shape::{PIXEL_BYTES_MAX, Photometric, Planar, Representation, Shape, ShapeError};
