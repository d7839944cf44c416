//! Whether a sequential JPEG stream with Huffman coding has all its data (ITU-T T.81 annexes F.2 and B.2), DICOM's .50 and .51.
//!
//! Decoders make up what a torn stream lacks, and say nothing: zeros behind EOI, grey behind the end. So the blocks are
//! counted here, without decoding what they say.

use super::cursor::Cursor;
use super::error::{CodestreamError, damaged};
use super::huffman::{Bits, Table};
use super::marker::{self, DRI, EOI, SOS, Segment};

const DHT: u8 = 0xC4;
/// Samples of a block along each side.
const BLOCK: usize = 8;
const COEFFICIENTS: usize = 64;

/// Says what a stream lacks; EOI behind the last block may be missing.
///
/// What cannot be followed here (other processes, tables left out as in Motion JPEG) is for the decoder to judge.
pub fn check_sequential_jpeg(stream: &[u8]) -> Result<(), CodestreamError> {
    let mut cursor = Cursor::new(stream);
    let mut state = State::default();
    if marker::start(&mut cursor).is_err() {
        return Ok(());
    }
    loop {
        cursor.resume(at_marker(cursor.rest()));
        let Segment { marker, body } = marker::next(&mut cursor)?;
        match marker {
            0xC0 | 0xC1 => state.frame = Some(Frame::read(body)?),
            0xC2 => return ends(cursor.rest()),
            DHT => state.read_tables(body)?,
            DRI => state.interval = interval(body)?,
            SOS => {
                let Some(rest) = state.pass_scan(body, cursor.rest())? else { return Ok(()) };
                cursor.resume(rest);
                if state.frame.as_ref().is_some_and(Frame::is_whole) {
                    return Ok(());
                }
            }
            EOI => return Err(damaged("it ends before every component is there")),
            0xC3 | 0xC5..=0xCF => return Ok(()),
            _ => {}
        }
    }
}

fn interval(mut body: Cursor<'_>) -> Result<usize, CodestreamError> {
    body.u16().map(usize::from)
}

/// Scans of a progressive stream, which neither transfer syntax allows, are not counted: it has to have its end.
fn ends(rest: &[u8]) -> Result<(), CodestreamError> {
    let has_end = rest.windows(2).any(|pair| pair == [0xFF, EOI]);
    if has_end { Ok(()) } else { Err(damaged("it has no end")) }
}

/// From the next marker on; bytes before it that are none are passed over, as decoders do.
fn at_marker(rest: &[u8]) -> &[u8] {
    let is_marker = |pair: &[u8]| matches!(pair, [0xFF, second] if *second != 0x00);
    rest.windows(2).position(is_marker).and_then(|place| rest.get(place..)).unwrap_or_default()
}

#[derive(Default)]
struct State {
    /// For the first coefficient of a block, and for the others.
    tables: [[Option<Table>; 4]; 2],
    /// MCUs between restarts; 0 for none.
    interval: usize,
    frame: Option<Frame>,
}

struct Frame {
    rows: usize,
    columns: usize,
    components: Vec<Component>,
}

struct Component {
    identifier: u8,
    /// Blocks of one MCU along and down.
    along: usize,
    down: usize,
    is_there: bool,
}

impl Frame {
    fn read(mut body: Cursor<'_>) -> Result<Self, CodestreamError> {
        body.u8()?;
        let (rows, columns) = (usize::from(body.u16()?), usize::from(body.u16()?));
        let mut components = Vec::new();
        for _ in 0..body.u8()? {
            let (identifier, sampling, _) = (body.u8()?, body.u8()?, body.u8()?);
            let (along, down) = (usize::from(sampling >> 4).max(1), usize::from(sampling & 0x0F).max(1));
            components.push(Component { identifier, along, down, is_there: false });
        }
        Ok(Self { rows, columns, components })
    }

    fn is_whole(&self) -> bool {
        self.components.iter().all(|component| component.is_there)
    }

    /// MCUs of a scan of some components (T.81 section A.2): of one alone, its blocks.
    fn units(&self, of: &[Coded<'_>]) -> usize {
        let most = |side: fn(&Component) -> usize| self.components.iter().map(side).max().unwrap_or(1);
        let (along, down) = (most(|component| component.along), most(|component| component.down));
        match of {
            [Coded { along: own_along, down: own_down, .. }] => {
                let columns = (self.columns * own_along).div_ceil(along);
                let rows = (self.rows * own_down).div_ceil(down);
                columns.div_ceil(BLOCK) * rows.div_ceil(BLOCK)
            }
            _ => self.columns.div_ceil(BLOCK * along) * self.rows.div_ceil(BLOCK * down),
        }
    }
}

/// A component in a scan.
struct Coded<'t> {
    along: usize,
    down: usize,
    first: &'t Table,
    others: &'t Table,
}

impl State {
    fn read_tables(&mut self, mut body: Cursor<'_>) -> Result<(), CodestreamError> {
        while !body.rest().is_empty() {
            let place = body.u8()?;
            let table = Table::read(&mut body)?;
            let class = self.tables.get_mut(usize::from(place >> 4));
            if let Some(slot) = class.and_then(|class| class.get_mut(usize::from(place & 0x0F))) {
                *slot = Some(table);
            }
        }
        Ok(())
    }

    /// Passes over the blocks of a scan; gives what lies behind them, `None` where it cannot be followed.
    fn pass_scan<'s>(
        &mut self,
        mut header: Cursor<'_>,
        data: &'s [u8],
    ) -> Result<Option<&'s [u8]>, CodestreamError> {
        let Some(frame) = &mut self.frame else { return Ok(None) };
        let mut of = Vec::new();
        for _ in 0..header.u8()? {
            let (identifier, tables) = (header.u8()?, header.u8()?);
            let mut missing = frame.components.iter_mut().filter(|component| !component.is_there);
            let component = missing.find(|component| component.identifier == identifier);
            let component =
                component.ok_or(damaged("a scan of a component that is not there or was passed"))?;
            component.is_there = true;
            let (along, down) = (component.along, component.down);
            let [firsts, others] = &self.tables;
            let first = firsts.get(usize::from(tables >> 4)).and_then(Option::as_ref);
            let others = others.get(usize::from(tables & 0x0F)).and_then(Option::as_ref);
            let (Some(first), Some(others)) = (first, others) else { return Ok(None) };
            of.push(Coded { along, down, first, others });
        }
        let units = frame.units(&of);
        let mut bits = Bits::new(data);
        for unit in 0..units {
            if self.interval > 0 && unit > 0 && unit % self.interval == 0 {
                bits = Bits::new(behind_restart(bits.rest())?);
            }
            pass_unit(&mut bits, &of)?;
        }
        Ok(Some(bits.rest()))
    }
}

fn behind_restart(rest: &[u8]) -> Result<&[u8], CodestreamError> {
    let mut cursor = Cursor::new(at_marker(rest));
    match marker::next(&mut cursor)?.marker {
        0xD0..=0xD7 => Ok(cursor.rest()),
        _ => Err(damaged("the entropy-coded data end early")),
    }
}

fn pass_unit(bits: &mut Bits<'_>, of: &[Coded<'_>]) -> Result<(), CodestreamError> {
    for coded in of {
        // A component alone in a scan has a block in each MCU, whatever its sampling.
        let blocks = if of.len() == 1 { 1 } else { coded.along * coded.down };
        for _ in 0..blocks {
            pass_block(bits, coded)?;
        }
    }
    Ok(())
}

fn pass_block(bits: &mut Bits<'_>, coded: &Coded<'_>) -> Result<(), CodestreamError> {
    bits.difference(coded.first)?;
    let mut coefficient = 1;
    while coefficient < COEFFICIENTS {
        let symbol = bits.symbol(coded.others)?;
        match (symbol >> 4, symbol & 0x0F) {
            (15, 0) => coefficient += 16,
            (_, 0) => break,
            (run, size) => {
                bits.drop(size.into())?;
                coefficient += usize::from(run) + 1;
            }
        }
    }
    Ok(())
}
