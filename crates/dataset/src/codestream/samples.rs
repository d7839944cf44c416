//! Decoded samples, and how they are put into native pixel data.

use super::error::{CodestreamError, unsupported};
use crate::pixel::{Representation, Shape};

/// The samples of one frame as a decoder gives them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Samples {
    /// Bits of each sample, 1 to 16.
    pub(crate) precision: u8,
    /// Whether the codestream itself says that samples are signed.
    pub(crate) representation: Representation,
    /// Samples interleaved by pixel, two's complement cut to 16 bits.
    pub(crate) values: Vec<u16>,
}

impl Samples {
    /// Puts the samples into cells of Bits Allocated, little endian, interleaved.
    ///
    /// The codestream says how deep and of which sign a value is (PS3.5 section 8.2); the cell then carries its low
    /// Bits Stored (or as many as the codestream has, if more), filled up as Pixel Representation says.
    pub(crate) fn into_cells(self, shape: &Shape) -> Result<Vec<u8>, CodestreamError> {
        let precision = u16::from(self.precision);
        if precision > shape.bits_allocated {
            return Err(CodestreamError::Contradiction {
                what: "bits a sample",
                stream: precision.into(),
                attributes: shape.bits_allocated.into(),
            });
        }
        let depth = precision.max(shape.bits_stored.min(16));
        let values = self.values.into_iter().map(|value| match self.representation {
            Representation::Unsigned => value,
            Representation::Signed => extend(value, precision),
        });
        let filled = values.map(|value| match shape.representation {
            Representation::Unsigned => cut(value, depth),
            Representation::Signed => extend(value, depth),
        });
        match shape.bits_allocated {
            8 => Ok(filled.map(|value| value.to_le_bytes()[0]).collect()),
            16 => Ok(filled.flat_map(u16::to_le_bytes).collect()),
            _ => Err(unsupported("Bits Allocated other than 8 and 16")),
        }
    }
}

fn cut(value: u16, bits: u16) -> u16 {
    value & (u16::MAX >> 16_u16.saturating_sub(bits).min(15))
}

fn extend(value: u16, bits: u16) -> u16 {
    let unused = 16_u16.saturating_sub(bits).min(15);
    ((value << unused).cast_signed() >> unused).cast_unsigned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pixel::Photometric;

    fn cells(representation: Representation, precision: u8, stored: u16, signed: Representation) -> Vec<u8> {
        let shape = Shape {
            rows: 1,
            columns: 2,
            bits_allocated: 16,
            bits_stored: stored,
            high_bit: stored - 1,
            representation: signed,
            ..Shape::gray(Photometric::Monochrome2)
        };
        let samples = Samples { precision, representation, values: vec![0x0FFF, 0x0001] };
        samples.into_cells(&shape).unwrap()
    }

    #[test]
    fn the_codestream_says_the_value_and_the_attributes_the_cell() {
        use Representation::{Signed, Unsigned};
        for (stream, precision, stored, attribute, first) in [
            (Unsigned, 12, 12, Unsigned, 0x0FFF_u16),
            (Unsigned, 12, 12, Signed, 0xFFFF),
            (Unsigned, 12, 16, Signed, 0x0FFF),
            (Signed, 12, 16, Signed, 0xFFFF),
            (Signed, 12, 12, Unsigned, 0x0FFF),
            (Unsigned, 13, 12, Signed, 0x0FFF),
        ] {
            let got = cells(stream, precision, stored, attribute);
            assert_eq!(
                got,
                [first.to_le_bytes(), [1, 0]].concat(),
                "{stream:?} {precision} {stored} {attribute:?}"
            );
        }
    }
}
