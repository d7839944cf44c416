//! WADO-RS.

mod complete;
pub(crate) mod exchange;
mod frames;
mod metadata;
mod objects;
mod pictures;
pub(crate) mod rack;
mod refusals;
mod room;
mod spares;

use outrigger_dataset::phantom::{Phantom, Place, Shape};

const RLE: &str = "1.2.840.10008.1.2.5";

fn phantom(shape: Shape, series: u32, instance: u32) -> Phantom {
    Phantom::new(4, Place { series, instance, ..Place::default() }, shape)
}
