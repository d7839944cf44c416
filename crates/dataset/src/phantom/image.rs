//! What the phantom shows.

use outrigger_model::Tag;

use super::short;
use crate::element::{DataSet, Element, Vr};
use crate::form::PIXEL_DATA;

/// The image pixel module (PS3.3 section C.7.6.3), as far as phantoms differ in it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Image {
    rows: u16,
    columns: u16,
    colour: Colour,
    frames: u16,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Colour {
    /// 12 bits in 16.
    Gray,
    /// Three samples of 8 bits.
    Rgb,
}

impl Image {
    pub(super) fn gray(rows: u16, columns: u16) -> Self {
        Self { rows, columns, colour: Colour::Gray, frames: 1 }
    }

    pub(super) fn colour(rows: u16, columns: u16, frames: u16) -> Self {
        Self { rows, columns, colour: Colour::Rgb, frames }
    }

    fn bits_allocated(self) -> u16 {
        match self.colour {
            Colour::Gray => 16,
            Colour::Rgb => 8,
        }
    }

    /// The attributes a catalogue would know.
    pub(super) fn attributes(self) -> Vec<(Tag, String)> {
        let mut attributes = vec![
            (Tag::ROWS, self.rows.to_string()),
            (Tag::COLUMNS, self.columns.to_string()),
            (Tag::BITS_ALLOCATED, self.bits_allocated().to_string()),
        ];
        if self.frames > 1 {
            attributes.push((Tag::NUMBER_OF_FRAMES, self.frames.to_string()));
        }
        attributes
    }

    pub(super) fn put_into(self, set: &mut DataSet, noise: u64) {
        let (samples, interpretation, bits_stored, vr) = match self.colour {
            Colour::Gray => (1, "MONOCHROME2", 12, Vr::OW),
            Colour::Rgb => (3, "RGB", 8, Vr::OB),
        };
        set.put(short(Tag(0x0028, 0x0002), samples));
        set.put(Element::text(Tag(0x0028, 0x0004), Vr::CS, interpretation));
        if self.colour == Colour::Rgb {
            set.put(short(Tag(0x0028, 0x0006), 0));
        }
        set.put(short(Tag(0x0028, 0x0101), bits_stored));
        set.put(short(Tag(0x0028, 0x0102), bits_stored - 1));
        set.put(short(Tag(0x0028, 0x0103), 0));
        set.put(Element::new(PIXEL_DATA, vr, self.pixels(noise)));
    }

    /// A bright disc on a ramp, under noise of four bits: compresses about as an image of a patient does.
    fn pixels(self, noise: u64) -> Vec<u8> {
        let (rows, columns) = (u32::from(self.rows), u32::from(self.columns));
        let radius = rows.min(columns) / 3;
        let mut out = Vec::new();
        let mut random = noise | 1;
        for place in 0..u32::from(self.frames) * rows * columns {
            random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            let (frame, row, column) = (place / columns / rows, place / columns % rows, place % columns);
            let (down, across) = (row.abs_diff(rows / 2), column.abs_diff(columns / 2));
            let level = if down * down + across * across < radius * radius { 1024 } else { 128 };
            let [grain, ..] = (random >> 60).to_le_bytes();
            self.push_pixel(&mut out, (level + (row + column + frame) / 4 + u32::from(grain)) & 0xFFF);
        }
        out
    }

    fn push_pixel(self, out: &mut Vec<u8>, value: u32) {
        let [low, high, ..] = value.to_le_bytes();
        match self.colour {
            Colour::Gray => out.extend_from_slice(&[low, high]),
            Colour::Rgb => {
                let level = low.wrapping_add(high << 4);
                out.extend_from_slice(&[level, level, !level]);
            }
        }
    }
}
