//! Pixels in one canonical form, so that images compare across transfer syntaxes.

mod canonical;
mod digest;
mod frame;
mod shape;

pub(crate) use canonical::native_frames;
pub use digest::{PixelError, digest};
pub(crate) use digest::{frames_of, measure};
pub use frame::{decode_frame, show_frame};
pub(crate) use shape::{
    EXTENDED_OFFSET_TABLE, EXTENDED_OFFSET_TABLE_LENGTHS, PHOTOMETRIC_INTERPRETATION, PIXEL_DATA,
    PLANAR_CONFIGURATION, frame_count,
};
pub use shape::{PIXEL_BYTES_MAX, Photometric, Planar, Representation, Shape, ShapeError};
