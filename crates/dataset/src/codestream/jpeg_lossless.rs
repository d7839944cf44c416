//! Lossless JPEG: process 14 with Huffman coding (ITU-T T.81 annex H), DICOM's .57 and .70.
//!
//! Ours, since `jpeg-decoder` turns three components from YCbCr to RGB unasked and ignores restart intervals and point
//! transforms where the predictor is 1, the one that DICOM uses.

use super::cursor::Cursor;
use super::error::{CodestreamError, agree, damaged, unsupported};
use super::huffman::{Bits, Table};
use super::marker::{self, DRI, EOI, SOS, Segment};
use super::samples::Samples;
use crate::pixel::{Representation, Shape};

const SOF_LOSSLESS: u8 = 0xC3;
const DHT: u8 = 0xC4;
/// More components than one pixel of a DICOM image has.
const COMPONENTS_MAX: usize = 4;

/// Decodes one frame.
pub(super) fn decode(stream: &[u8], shape: &Shape) -> Result<Samples, CodestreamError> {
    let mut cursor = Cursor::new(stream);
    marker::start(&mut cursor)?;
    let mut state = State { tables: [const { None }; 4], restart_rows: None, frame: None };
    loop {
        let Segment { marker, body } = marker::next(&mut cursor)?;
        match marker {
            SOF_LOSSLESS => state.frame = Some(Frame::read(body, shape)?),
            DHT => state.read_tables(body)?,
            DRI => state.read_interval(body)?,
            SOS => {
                let rest = state.decode_scan(body, cursor.rest())?;
                cursor.resume(rest);
                if let Some(samples) = state.finished() {
                    return Ok(samples);
                }
            }
            EOI => return Err(damaged("it ends before every component was decoded")),
            0xC0..=0xC2 | 0xC5..=0xCF => return Err(unsupported("a JPEG process other than 14")),
            _ => {}
        }
    }
}

struct State {
    tables: [Option<Table>; 4],
    /// Samples between restarts, as DRI says.
    restart_rows: Option<usize>,
    frame: Option<Frame>,
}

struct Frame {
    precision: u8,
    columns: usize,
    /// Component identifiers, with whether each is decoded.
    components: Vec<(u8, Progress)>,
    values: Vec<u16>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Progress {
    Missing,
    Decoded,
}

impl Frame {
    fn read(mut body: Cursor<'_>, shape: &Shape) -> Result<Self, CodestreamError> {
        let precision = body.u8()?;
        let rows = body.u16()?;
        let columns = body.u16()?;
        let count = body.u8()?;
        if !(2..=16).contains(&precision) {
            return Err(damaged("a precision outside 2 to 16 bits"));
        }
        agree("rows", rows.into(), shape.rows.into())?;
        agree("columns", columns.into(), shape.columns.into())?;
        agree("components", count.into(), shape.samples.into())?;
        let mut components = Vec::with_capacity(usize::from(count).min(COMPONENTS_MAX));
        for _ in 0..count {
            let identifier = body.u8()?;
            let sampling = body.u8()?;
            body.u8()?;
            if count > 1 && sampling != 0x11 {
                return Err(unsupported("subsampling of a component"));
            }
            components.push((identifier, Progress::Missing));
        }
        let values = vec![0; shape.samples_a_frame()];
        Ok(Self { precision, columns: usize::from(columns), components, values })
    }
}

/// What the header of a scan says.
struct Scan<'a> {
    /// Place of each component in a pixel, with its table.
    components: Vec<(usize, &'a Table)>,
    predictor: Predictor,
    point_transform: u8,
}

/// How a sample is predicted from its neighbours (T.81 table H.1).
#[derive(Clone, Copy)]
enum Predictor {
    Left,
    Above,
    Corner,
    Plane,
    LeftHalf,
    AboveHalf,
    Mean,
}

impl Predictor {
    fn from_selection(value: u8) -> Result<Self, CodestreamError> {
        Ok(match value {
            1 => Self::Left,
            2 => Self::Above,
            3 => Self::Corner,
            4 => Self::Plane,
            5 => Self::LeftHalf,
            6 => Self::AboveHalf,
            7 => Self::Mean,
            _ => return Err(damaged("a predictor outside 1 to 7")),
        })
    }

    fn predict(self, left: u16, above: u16, corner: u16) -> i32 {
        let (left, above, corner) = (i32::from(left), i32::from(above), i32::from(corner));
        match self {
            Self::Left => left,
            Self::Above => above,
            Self::Corner => corner,
            Self::Plane => left + above - corner,
            Self::LeftHalf => left + ((above - corner) >> 1),
            Self::AboveHalf => above + ((left - corner) >> 1),
            Self::Mean => (left + above) >> 1,
        }
    }
}

impl State {
    fn read_tables(&mut self, mut body: Cursor<'_>) -> Result<(), CodestreamError> {
        while !body.rest().is_empty() {
            let place = body.u8()?;
            let table = Table::read(&mut body)?;
            // Class 1 is for AC coefficients, which a lossless process has none of.
            if let Some(slot) = self.tables.get_mut(usize::from(place)) {
                *slot = Some(table);
            }
        }
        Ok(())
    }

    fn read_interval(&mut self, mut body: Cursor<'_>) -> Result<(), CodestreamError> {
        let interval = usize::from(body.u16()?);
        let columns = self.frame.as_ref().map_or(1, |frame| frame.columns.max(1));
        if interval % columns != 0 {
            return Err(damaged("a restart interval that is no whole number of rows"));
        }
        self.restart_rows = (interval > 0).then_some(interval);
        Ok(())
    }

    /// Decodes a scan; gives what lies behind it.
    fn decode_scan<'s>(&mut self, header: Cursor<'_>, data: &'s [u8]) -> Result<&'s [u8], CodestreamError> {
        let frame = self.frame.as_mut().ok_or(damaged("a scan before its frame header"))?;
        let scan = read_scan(header, frame, &self.tables)?;
        let interval =
            self.restart_rows.map(|samples| samples / frame.columns.max(1)).filter(|rows| *rows > 0);
        let first = 1_u16 << (frame.precision - scan.point_transform - 1);
        let width = frame.columns * scan.components.len();
        let mut bits = Bits::new(data);
        let mut above = vec![0_u16; width];
        let mut row = vec![0_u16; width];
        let stride = frame.columns * frame.components.len();
        for (y, out) in frame.values.chunks_exact_mut(stride.max(1)).enumerate() {
            let restarts = interval.is_some_and(|rows| y > 0 && y % rows == 0);
            if restarts {
                bits = Bits::new(restart(bits.rest())?);
            }
            let place = if y == 0 || restarts { RowPlace::First(first) } else { RowPlace::Later };
            decode_row(&mut bits, &scan, place, &above, &mut row)?;
            for (pixel, decoded) in
                out.chunks_exact_mut(frame.components.len()).zip(row.chunks_exact(scan.components.len()))
            {
                for ((slot, _), value) in scan.components.iter().zip(decoded) {
                    if let Some(sample) = pixel.get_mut(*slot) {
                        *sample = value << scan.point_transform;
                    }
                }
            }
            std::mem::swap(&mut above, &mut row);
        }
        let decoded: Vec<usize> = scan.components.iter().map(|(slot, _)| *slot).collect();
        for slot in decoded {
            if let Some((_, progress)) = frame.components.get_mut(slot) {
                *progress = Progress::Decoded;
            }
        }
        Ok(bits.rest())
    }

    fn finished(&mut self) -> Option<Samples> {
        let frame = self.frame.as_mut()?;
        let whole = frame.components.iter().all(|(_, progress)| *progress == Progress::Decoded);
        whole.then(|| Samples {
            precision: frame.precision,
            representation: Representation::Unsigned,
            values: std::mem::take(&mut frame.values),
        })
    }
}

fn read_scan<'t>(
    mut header: Cursor<'_>,
    frame: &Frame,
    tables: &'t [Option<Table>],
) -> Result<Scan<'t>, CodestreamError> {
    let mut components = Vec::with_capacity(COMPONENTS_MAX);
    for _ in 0..header.u8()? {
        let identifier = header.u8()?;
        let table = header.u8()? >> 4;
        let slot = frame
            .components
            .iter()
            .position(|(found, progress)| *found == identifier && *progress == Progress::Missing)
            .ok_or(damaged("a scan of a component that is not there or was decoded"))?;
        let table = tables.get(usize::from(table)).and_then(Option::as_ref);
        components.push((slot, table.ok_or(damaged("a scan without its Huffman table"))?));
    }
    let predictor = Predictor::from_selection(header.u8()?)?;
    header.u8()?;
    let point_transform = header.u8()? & 0x0F;
    if components.is_empty() || components.len() > COMPONENTS_MAX || point_transform >= frame.precision {
        return Err(damaged("a scan header"));
    }
    Ok(Scan { components, predictor, point_transform })
}

/// Takes the restart marker that must stand here.
fn restart(rest: &[u8]) -> Result<&[u8], CodestreamError> {
    let mut cursor = Cursor::new(rest);
    match marker::next(&mut cursor)?.marker {
        0xD0..=0xD7 => Ok(cursor.rest()),
        _ => Err(damaged("a restart marker is missing")),
    }
}

/// Where a row stands (T.81 section H.1.2.1).
#[derive(Clone, Copy)]
enum RowPlace {
    /// At the start or behind a restart: predicted along the row, its first sample from this value.
    First(u16),
    /// Below another row.
    Later,
}

fn decode_row(
    bits: &mut Bits<'_>,
    scan: &Scan<'_>,
    place: RowPlace,
    above: &[u16],
    row: &mut [u16],
) -> Result<(), CodestreamError> {
    let count = scan.components.len();
    let mut left = [0_u16; COMPONENTS_MAX];
    let mut corner = [0_u16; COMPONENTS_MAX];
    let mut in_first_column = true;
    for (pixel, upper) in row.chunks_exact_mut(count).zip(above.chunks_exact(count)) {
        let neighbours = left.iter_mut().zip(&mut corner).zip(&scan.components);
        for ((sample, upper), ((left, corner), (_, table))) in pixel.iter_mut().zip(upper).zip(neighbours) {
            let prediction = match place {
                RowPlace::First(value) if in_first_column => i32::from(value),
                RowPlace::First(_) => i32::from(*left),
                RowPlace::Later if in_first_column => i32::from(*upper),
                RowPlace::Later => scan.predictor.predict(*left, *upper, *corner),
            };
            let [low, high, ..] = (prediction + bits.difference(table)?).to_le_bytes();
            *sample = u16::from_le_bytes([low, high]);
            *left = *sample;
            *corner = *upper;
        }
        in_first_column = false;
    }
    Ok(())
}
