//! The headers of a JPEG 2000 codestream (T.800 annex A), read to bound what decoding it will take.

use super::super::cursor::Cursor;
use super::super::error::{CodestreamError, agree, damaged, unsupported};
use super::Loss;
use crate::pixel::{Representation, Shape};

const COD: u16 = 0xFF52;
const COC: u16 = 0xFF53;
const CAP: u16 = 0xFF50;
const QCD: u16 = 0xFF5C;
const QCC: u16 = 0xFF5D;
const SOT: u16 = 0xFF90;
const SOD: u16 = 0xFF93;
const EOC: u16 = 0xFFD9;

/// Most working memory of the decoder for one frame: a mammogram of 4,000 by 5,000 pixels takes a third of it.
const WORKING_BYTES_MAX: u64 = 1 << 30;
/// What the decoder keeps for a code-block, its nodes in two tag trees, and its precinct.
const BYTES_A_BLOCK: u64 = 400;
/// What the decoder keeps for a quality layer of a code-block.
const BYTES_A_LAYER: u64 = 32;
/// Planes of 32-bit floats the decoder keeps beside those of the components.
const SPARE_PLANES: u64 = 3;
/// What the decoder keeps for a component of a tile.
const BYTES_A_TILE_COMPONENT: u64 = 600;

/// What a codestream says of itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Header {
    /// Bits of each sample, 1 to 16.
    pub(super) precision: u8,
    pub(super) representation: Representation,
}

/// The image and tile sizes.
#[derive(Debug, Clone, Copy)]
struct Size {
    columns: u32,
    rows: u32,
    tile_columns: u32,
    tile_rows: u32,
    tiles: u64,
    components: u16,
    loss: Loss,
}

/// Whether components were transformed together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Transformed(u8);

impl Header {
    /// Reads the main header and every tile-part header, and refuses what is not reversible where that is asked for, not
    /// of the size of the attributes, or too large to decode.
    pub(super) fn read(stream: &[u8], shape: &Shape, loss: Loss) -> Result<Self, CodestreamError> {
        let mut cursor = Cursor::new(stream);
        cursor.take(4)?;
        let length = cursor.u16()?;
        let (size, header) = read_size(Cursor::new(cursor.take(body(length)?)?), shape, loss)?;
        let mut transformed = None;
        let mut part = Part { start: cursor, end: None };
        loop {
            match cursor.u16()? {
                SOT => {
                    let mut segment = segment(&mut cursor)?;
                    segment.u16()?;
                    part.end = usize::try_from(segment.u32()?).ok().filter(|length| *length > 0);
                }
                SOD => match part.behind() {
                    Some(rest) if rest.len() > cursor.rest().len() => {
                        return Err(damaged("a tile-part is shorter than its header"));
                    }
                    Some(rest) if !rest.is_empty() && !rest.starts_with(&EOC.to_be_bytes()) => {
                        cursor.resume(rest);
                    }
                    Some(_) | None => return Ok(header),
                },
                EOC => return Err(damaged("it ends before its first tile")),
                COD => size.check_style(segment(&mut cursor)?, &mut transformed)?,
                COC => {
                    let mut segment = segment(&mut cursor)?;
                    segment.take(size.component_bytes())?;
                    let entropy = segment.u8()?;
                    size.check_blocks(entropy, 1, segment)?;
                }
                QCD => size.check_quantisation(segment(&mut cursor)?)?,
                QCC => {
                    let mut segment = segment(&mut cursor)?;
                    segment.take(size.component_bytes())?;
                    size.check_quantisation(segment)?;
                }
                CAP => return Err(unsupported("high-throughput coding")),
                0xFF30..=0xFF3F => {}
                0xFF00.. => {
                    segment(&mut cursor)?;
                }
                _ => return Err(damaged("a marker is missing")),
            }
            if cursor.rest().starts_with(&SOT.to_be_bytes()) {
                part = Part { start: cursor, end: None };
            }
        }
    }
}

/// A tile-part: where it starts, and its length if it says one.
struct Part<'a> {
    start: Cursor<'a>,
    end: Option<usize>,
}

impl<'a> Part<'a> {
    /// What lies behind it; nothing when it reaches to the end.
    fn behind(&self) -> Option<&'a [u8]> {
        self.start.rest().get(self.end?..)
    }
}

fn body(length: u16) -> Result<usize, CodestreamError> {
    usize::from(length).checked_sub(2).ok_or(damaged("a segment is shorter than its length"))
}

fn segment<'a>(cursor: &mut Cursor<'a>) -> Result<Cursor<'a>, CodestreamError> {
    let length = body(cursor.u16()?)?;
    Ok(Cursor::new(cursor.take(length)?))
}

fn read_size(mut body: Cursor<'_>, shape: &Shape, loss: Loss) -> Result<(Size, Header), CodestreamError> {
    body.u16()?;
    let [right, bottom, left, top] = [body.u32()?, body.u32()?, body.u32()?, body.u32()?];
    let [tile_columns, tile_rows, tile_left, tile_top] = [body.u32()?, body.u32()?, body.u32()?, body.u32()?];
    let components = body.u16()?;
    agree("columns", right.saturating_sub(left), shape.columns.into())?;
    agree("rows", bottom.saturating_sub(top), shape.rows.into())?;
    agree("components", components.into(), shape.samples.into())?;
    if tile_columns == 0 || tile_rows == 0 || tile_left > left || tile_top > top {
        return Err(damaged("a tile of no size"));
    }
    let depth = body.u8()?;
    for place in 0..components {
        let same_depth = place == 0 || body.u8()? == depth;
        if !same_depth || body.u8()? != 1 || body.u8()? != 1 {
            return Err(unsupported("components of different depth or resolution"));
        }
    }
    let precision = (depth & 0x7F) + 1;
    if precision > 16 {
        return Err(unsupported("a sample of more than 16 bits"));
    }
    let tiles_of = |from: u32, to: u32, tile: u32| u64::from((to - from).div_ceil(tile));
    let tiles = tiles_of(tile_left, right, tile_columns) * tiles_of(tile_top, bottom, tile_rows);
    let size = Size {
        columns: shape.columns.into(),
        rows: shape.rows.into(),
        tile_columns: tile_columns.min(shape.columns.into()),
        tile_rows: tile_rows.min(shape.rows.into()),
        tiles,
        components,
        loss,
    };
    size.spend(0)?;
    let representation = if depth & 0x80 == 0 { Representation::Unsigned } else { Representation::Signed };
    Ok((size, Header { precision, representation }))
}

impl Size {
    /// Quantisation divides coefficients, which cannot be undone (table A.28).
    fn check_quantisation(&self, mut segment: Cursor<'_>) -> Result<(), CodestreamError> {
        if segment.u8()? & 0x1F != 0 && self.loss == Loss::Refused {
            return Err(CodestreamError::Lossy { what: "its coefficients are quantised" });
        }
        Ok(())
    }

    /// Bytes of the component number in COC and QCC.
    fn component_bytes(&self) -> usize {
        if self.components < 257 { 1 } else { 2 }
    }

    /// Checks a coding style segment (table A.12 and following).
    fn check_style(
        &self,
        mut segment: Cursor<'_>,
        seen: &mut Option<Transformed>,
    ) -> Result<(), CodestreamError> {
        let entropy = segment.u8()?;
        segment.u8()?;
        let layers = segment.u16()?;
        let transformed = Transformed(segment.u8()?);
        if seen.is_some_and(|first| first != transformed) {
            return Err(unsupported("tiles of different component transforms"));
        }
        *seen = Some(transformed);
        self.check_blocks(entropy, layers, segment)
    }

    /// Checks levels, code-blocks, precincts and the wavelet (table A.15).
    fn check_blocks(&self, entropy: u8, layers: u16, mut rest: Cursor<'_>) -> Result<(), CodestreamError> {
        let levels = rest.u8()?;
        let [width, height] = [rest.u8()?, rest.u8()?].map(|exponent| u32::from(exponent & 0x0F) + 2);
        rest.u8()?;
        if rest.u8()? != 1 && self.loss == Loss::Refused {
            return Err(CodestreamError::Lossy { what: "its wavelet transform is irreversible" });
        }
        if levels > 32 || width > 10 || height > 10 || width + height > 12 {
            return Err(damaged("a code-block or level out of range"));
        }
        let mut blocks = 0;
        for resolution in 0..=levels {
            let precinct = if entropy & 1 == 1 { rest.u8()? } else { 0xFF };
            let [across, down] = [precinct & 0x0F, precinct >> 4].map(u32::from);
            // A precinct of a detail band covers half as many of its coefficients each way.
            let half = u32::from(resolution > 0);
            let shrink = u32::from(levels - resolution);
            let bands = if resolution == 0 { 1 } else { 3 };
            let count = |size: u32, block: u32, precinct: u32| {
                let band = u64::from(size).div_ceil(1 << shrink);
                band.div_ceil(1 << block.min(precinct.saturating_sub(half))) + 1
            };
            blocks += bands * count(self.tile_columns, width, across) * count(self.tile_rows, height, down);
        }
        let bytes = blocks * (BYTES_A_BLOCK + u64::from(layers) * BYTES_A_LAYER);
        self.spend(bytes.saturating_mul(self.components.into()))
    }

    /// Holds what decoding will take, with so many bytes for the blocks of a tile, against the limit.
    fn spend(&self, blocks: u64) -> Result<(), CodestreamError> {
        let components = u64::from(self.components);
        let planes = u64::from(self.columns) * u64::from(self.rows) * 4 * (components + SPARE_PLANES);
        let tiles = self.tiles.saturating_mul(components * BYTES_A_TILE_COMPONENT);
        let needed = planes.saturating_add(tiles).saturating_add(blocks);
        if needed > WORKING_BYTES_MAX {
            return Err(CodestreamError::TooLarge { needed, limit: WORKING_BYTES_MAX });
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pixel::Photometric;

    const SIDE: u16 = 4096;
    /// A tile-part of no data, which reaches to the end.
    const TILE: [u8; 14] = [0xFF, 0x90, 0, 10, 0, 0, 0, 0, 0, 0, 0, 1, 0xFF, 0x93];

    /// A main header of one component, and what follows it.
    fn stream(tile: u32, style: &[u8], rest: &[u8]) -> Vec<u8> {
        let side = u32::from(SIDE);
        let sizes = [side, side, 0, 0, tile, tile, 0, 0].map(u32::to_be_bytes).concat();
        let size = [&[0xFF, 0x4F, 0xFF, 0x51, 0, 41, 0, 0][..], &sizes, &[0, 1, 11, 1, 1]].concat();
        let length = u8::try_from(style.len() + 2).unwrap();
        [&size, &[0xFF, 0x52, 0, length][..], style, &[0xFF, 0x5C, 0, 4, 0x40, 0], rest].concat()
    }

    fn read(stream: &[u8]) -> Result<Header, CodestreamError> {
        let shape = Shape { rows: SIDE, columns: SIDE, ..Shape::gray(Photometric::Monochrome2) };
        Header::read(stream, &shape, Loss::Refused)
    }

    /// Five levels, code-blocks of 64 by 64, reversible; one quality layer.
    const STYLE: [u8; 10] = [0, 0, 0, 1, 0, 5, 4, 4, 0, 1];

    #[test]
    fn what_is_usual_is_read() {
        let expected = Header { precision: 12, representation: Representation::Unsigned };
        assert_eq!(read(&stream(4096, &STYLE, &TILE)), Ok(expected));
        assert_eq!(read(&stream(256, &STYLE, &TILE)), Ok(expected));
        let precincts = [&[1][..], &STYLE[1..], &[0x77, 0x88, 0x88, 0x88, 0x88, 0x88]].concat();
        assert_eq!(read(&stream(4096, &precincts, &TILE)), Ok(expected));
    }

    #[test]
    fn what_would_take_too_much_is_refused() {
        let with = |place: usize, value: u8| {
            let mut style = STYLE;
            style[place] = value;
            style
        };
        let points = [&[1][..], &STYLE[1..], &[0; 6]].concat();
        let tiny_blocks = [0, 0, 0, 200, 0, 5, 0, 0, 0, 1];
        for style in [&with(2, 0xFF)[..], &points, &tiny_blocks] {
            let read = read(&stream(4096, style, &TILE));
            assert!(matches!(read, Err(CodestreamError::TooLarge { .. })), "{style:?}: {read:?}");
        }
        assert!(matches!(read(&stream(1, &STYLE, &TILE)), Err(CodestreamError::TooLarge { .. })));
    }

    #[test]
    fn what_loses_data_is_refused_wherever_it_is_said() {
        let lossy = |stream: &[u8]| assert!(matches!(read(stream), Err(CodestreamError::Lossy { .. })));
        let irreversible = [0, 0, 0, 1, 0, 5, 4, 4, 0, 0];
        lossy(&stream(4096, &irreversible, &TILE));
        let (tile, data) = TILE.split_at(12);
        let component = [0xFF, 0x53, 0, 9, 0, 0, 5, 4, 4, 0, 0];
        lossy(&stream(4096, &STYLE, &[tile, &component, data].concat()));
        lossy(&stream(4096, &STYLE, &[tile, &[0xFF, 0x5C, 0, 5, 0x42, 0, 0], data].concat()));
        let mut first = TILE;
        first[9] = 14;
        lossy(&stream(4096, &STYLE, &[&first, tile, &component, data].concat()));
    }

    #[test]
    fn tile_parts_never_lead_back() {
        for length in 1..14 {
            let mut tile = TILE;
            tile[9] = length;
            let read = read(&stream(4096, &STYLE, &tile));
            assert_eq!(read, Err(damaged("a tile-part is shorter than its header")), "{length}");
        }
    }
}
