//! Small images, as native data sets.

use outrigger_dataset::element::{DataSet, Element, Vr};
use outrigger_model::Tag;

pub(super) const PIXEL_DATA: Tag = Tag(0x7FE0, 0x0010);
pub(super) const PHOTOMETRIC: Tag = Tag(0x0028, 0x0004);

/// What an image is like.
#[derive(Debug, Clone, Copy)]
pub(super) struct Image {
    pub(super) rows: u16,
    pub(super) columns: u16,
    pub(super) samples: u16,
    pub(super) bits_allocated: u16,
    pub(super) bits_stored: u16,
    pub(super) signed: u16,
    pub(super) photometric: &'static str,
    pub(super) planar: u16,
    pub(super) frames: u16,
}

pub(super) const GREY: Image = Image {
    rows: 13,
    columns: 17,
    samples: 1,
    bits_allocated: 16,
    bits_stored: 12,
    signed: 0,
    photometric: "MONOCHROME2",
    planar: 0,
    frames: 1,
};
pub(super) const SIGNED: Image = Image { signed: 1, bits_stored: 16, ..GREY };
pub(super) const COLOUR: Image =
    Image { samples: 3, bits_allocated: 8, bits_stored: 8, photometric: "RGB", ..GREY };

/// Images of every layout we have a case for.
pub(super) const ALL: [Image; 12] = [
    GREY,
    SIGNED,
    COLOUR,
    Image { planar: 1, ..COLOUR },
    Image { frames: 3, ..GREY },
    Image { frames: 2, planar: 1, ..COLOUR },
    Image { bits_allocated: 8, bits_stored: 8, photometric: "MONOCHROME1", ..GREY },
    Image { bits_allocated: 8, bits_stored: 7, photometric: "PALETTE COLOR", ..GREY },
    Image { bits_allocated: 1, bits_stored: 1, frames: 3, ..GREY },
    Image { bits_allocated: 32, bits_stored: 32, ..GREY },
    Image { bits_allocated: 16, bits_stored: 16, planar: 1, frames: 2, ..COLOUR },
    Image { photometric: "YBR_FULL", ..COLOUR },
];

impl Image {
    /// A sample, of a pattern that has slopes, noise and flat rows.
    fn value(&self, frame: u32, x: u32, y: u32, sample: u32) -> u32 {
        let flat = (4..7).contains(&y) && x > 2;
        let value =
            if flat { 300 + frame } else { x * x * 7 + y * 131 + sample * 977 + x * y % 13 * 17 + frame * 5 };
        let range = 1_u64 << self.bits_stored;
        let centred = u64::from(value) + if self.signed == 1 { range - 1500 } else { 0 };
        u32::try_from(centred % range).unwrap()
    }

    /// The cells of all frames, little endian.
    fn cells(&self) -> Vec<u8> {
        let (rows, columns, samples) = (self.rows.into(), self.columns.into(), u32::from(self.samples));
        let mut values = Vec::new();
        for frame in 0..self.frames.into() {
            let mut push = |y, x, sample| values.push(self.value(frame, x, y, sample));
            if self.planar == 1 {
                (0..samples).for_each(|s| (0..rows).for_each(|y| (0..columns).for_each(|x| push(y, x, s))));
            } else {
                (0..rows).for_each(|y| (0..columns).for_each(|x| (0..samples).for_each(|s| push(y, x, s))));
            }
        }
        match self.bits_allocated {
            1 => values
                .chunks(8)
                .map(|bits| bits.iter().rev().fold(0, |byte, bit| byte << 1 | (*bit & 1) as u8))
                .collect(),
            8 => values.iter().map(|value| value.to_le_bytes()[0]).collect(),
            16 => values.iter().flat_map(|value| value.to_le_bytes().into_iter().take(2)).collect(),
            _ => values.iter().flat_map(|value| value.to_le_bytes()).collect(),
        }
    }

    /// The image as a data set with native pixel data.
    pub(super) fn data_set(&self) -> DataSet {
        let us =
            |element, value: u16| Element::new(Tag(0x0028, element), Vr::US, value.to_le_bytes().to_vec());
        let vr = if self.bits_allocated > 8 { Vr::OW } else { Vr::OB };
        let icon: DataSet =
            [us(0x0010, 1), Element::new(PIXEL_DATA, Vr::OW, vec![1, 2])].into_iter().collect();
        let mut data_set: DataSet = [
            Element::text(Tag::SOP_CLASS_UID, Vr::UI, "1.2.840.10008.5.1.4.1.1.7"),
            Element::text(Tag::SOP_INSTANCE_UID, Vr::UI, "2.25.1"),
            Element::text(Tag::PATIENT_NAME, Vr::PN, "Outrigger^Phantom"),
            us(0x0002, self.samples),
            Element::text(PHOTOMETRIC, Vr::CS, self.photometric),
            Element::text(Tag::NUMBER_OF_FRAMES, Vr::IS, &self.frames.to_string()),
            us(0x0010, self.rows),
            us(0x0011, self.columns),
            us(0x0100, self.bits_allocated),
            us(0x0101, self.bits_stored),
            us(0x0102, self.bits_stored - 1),
            us(0x0103, self.signed),
            Element::text(Tag(0x0028, 0x2110), Vr::CS, "00"),
            Element::sequence(Tag(0x0088, 0x0200), vec![icon]),
            Element::new(PIXEL_DATA, vr, self.cells()),
        ]
        .into_iter()
        .collect();
        if self.samples > 1 {
            data_set.put(us(0x0006, self.planar));
        }
        data_set
    }
}
