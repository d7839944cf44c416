//! The samples of a scan, row by row (T.87 sections A.3 to A.7, B.2 and B.3).

use super::super::error::{CodestreamError, damaged};
use super::bits::Bits;
use super::context::{CONTEXTS, Coding, Ending, Interruption, Regular};

/// Exponents of the run lengths, by run index (section A.2.1).
const RUN_EXPONENTS: [u32; 32] =
    [0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 2, 2, 3, 3, 3, 3, 4, 4, 5, 5, 6, 6, 7, 7, 8, 9, 10, 11, 12, 13, 14, 15];

/// How the components of a scan stand among each other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Interleave {
    /// One component.
    None,
    /// A row of each in turn.
    Line,
    /// A sample of each in turn.
    Sample,
}

/// A row of one component and the row above it, each with a sample more at both ends.
#[derive(Debug)]
struct Line {
    above: Vec<u16>,
    row: Vec<u16>,
    run_index: usize,
}

/// The decoded neighbours of a sample (figure A.1).
#[derive(Debug, Clone, Copy)]
struct Neighbours {
    left: i32,
    above: i32,
    corner: i32,
    right: i32,
}

impl Neighbours {
    fn gradients(self) -> [i32; 3] {
        [self.right - self.above, self.above - self.corner, self.corner - self.left]
    }

    /// The median edge detector (section A.4.1).
    fn predicted(self) -> i32 {
        let (low, high) = (self.left.min(self.above), self.left.max(self.above));
        if self.corner >= high {
            low
        } else if self.corner <= low {
            high
        } else {
            self.left + self.above - self.corner
        }
    }
}

impl Line {
    fn new(columns: usize) -> Self {
        Self { above: vec![0; columns + 2], row: vec![0; columns + 2], run_index: 0 }
    }

    fn sample(samples: &[u16], place: usize) -> i32 {
        samples.get(place).copied().map_or(0, i32::from)
    }

    /// Makes the finished row the one above; sets the samples beyond its ends (section A.2.1).
    fn advance(&mut self) {
        std::mem::swap(&mut self.above, &mut self.row);
        if let [.., last, beyond] = self.above.as_mut_slice() {
            *beyond = *last;
        }
        if let (Some(before), Some(first)) = (self.row.first_mut(), self.above.get(1)) {
            *before = *first;
        }
    }

    /// What surrounds column `x`, counted from 0.
    fn neighbours(&self, x: usize) -> Neighbours {
        Neighbours {
            left: Self::sample(&self.row, x),
            above: Self::sample(&self.above, x + 1),
            corner: Self::sample(&self.above, x),
            right: Self::sample(&self.above, x + 2),
        }
    }

    fn put(&mut self, x: usize, value: i32) {
        if let (Some(sample), Ok(value)) = (self.row.get_mut(x + 1), u16::try_from(value)) {
            *sample = value;
        }
    }

    /// Repeats the sample left of `x` so many times.
    fn repeat(&mut self, x: usize, times: usize) {
        let value = self.row.get(x).copied().unwrap_or(0);
        if let Some(run) = self.row.get_mut(x + 1..x + 1 + times) {
            run.fill(value);
        }
    }
}

/// A scan being decoded.
pub(super) struct Scan<'a> {
    model: Model<'a>,
    columns: usize,
    lines: Vec<Line>,
}

/// Bits and statistics, which all components of a scan share.
struct Model<'a> {
    bits: Bits<'a>,
    coding: Coding,
    contexts: Vec<Regular>,
    unequal: Interruption,
    equal: Interruption,
}

impl<'a> Scan<'a> {
    pub(super) fn new(coding: Coding, columns: usize, components: usize, data: &'a [u8]) -> Self {
        Self {
            model: Model {
                bits: Bits::new(data),
                coding,
                contexts: vec![Regular::new(&coding); CONTEXTS],
                unequal: Interruption::new(Ending::Unequal, &coding),
                equal: Interruption::new(Ending::Equal, &coding),
            },
            columns,
            lines: (0..components).map(|_| Line::new(columns)).collect(),
        }
    }

    pub(super) fn rest(&self) -> &'a [u8] {
        self.model.bits.rest()
    }

    /// The row decoded last, component by component.
    pub(super) fn lines(&self) -> impl Iterator<Item = &[u16]> {
        self.lines.iter().map(|line| line.row.get(1..=self.columns).unwrap_or(&[]))
    }

    /// Decodes the next row of every component.
    pub(super) fn decode_row(&mut self, interleave: Interleave) -> Result<(), CodestreamError> {
        self.lines.iter_mut().for_each(Line::advance);
        match interleave {
            Interleave::Sample => self.model.decode_lines(&mut self.lines, self.columns),
            Interleave::None | Interleave::Line => {
                for line in &mut self.lines {
                    self.model.decode_lines(std::slice::from_mut(line), self.columns)?;
                }
                Ok(())
            }
        }
    }
}

impl Model<'_> {
    /// Decodes one row of lines whose samples are interleaved, or of one line.
    fn decode_lines(&mut self, lines: &mut [Line], columns: usize) -> Result<(), CodestreamError> {
        let mut x = 0;
        while x < columns {
            let is_flat = lines.iter().all(|line| self.coding.context(line.neighbours(x).gradients()) == 0);
            if is_flat {
                x += self.decode_run(lines, x, columns)?;
                if x >= columns {
                    break;
                }
                self.interrupt_run(lines, x)?;
            } else {
                for line in lines.iter_mut() {
                    let value = self.decode_regular(line.neighbours(x))?;
                    line.put(x, value);
                }
            }
            x += 1;
        }
        Ok(())
    }

    fn decode_regular(&mut self, neighbours: Neighbours) -> Result<i32, CodestreamError> {
        let signed = self.coding.context(neighbours.gradients());
        let sign = if signed < 0 { -1 } else { 1 };
        let place = usize::try_from(signed.abs()).unwrap_or(0);
        let context = self.contexts.get_mut(place).ok_or(damaged("a context that is not there"))?;
        let predicted = neighbours.predicted() + sign * context.correction;
        let predicted = predicted.clamp(0, self.coding.max_value);
        let k = context.exponent();
        let mapped = self.bits.golomb(k, self.coding.limit, self.coding.whole_bits)?;
        let error = context.learn(mapped, k, &self.coding)?;
        Ok(self.coding.reconstruct(predicted, sign * error))
    }

    /// Decodes the length of a run and fills it in; the run index is the first line's (section A.7.1).
    fn decode_run(&mut self, lines: &mut [Line], x: usize, columns: usize) -> Result<usize, CodestreamError> {
        let left = columns - x;
        let Some(first) = lines.first_mut() else { return Ok(left) };
        let mut length = 0;
        while self.bits.number(1)? == 1 {
            let step = 1_usize << run_exponent(first.run_index);
            if step <= left - length {
                first.run_index = (first.run_index + 1).min(RUN_EXPONENTS.len() - 1);
            }
            length += step.min(left - length);
            if length == left {
                repeat(lines, x, length);
                return Ok(length);
            }
        }
        let rest = self.bits.number(run_exponent(first.run_index))?;
        length += usize::try_from(rest).unwrap_or(usize::MAX);
        if length >= left {
            return Err(damaged("a run beyond the end of its row"));
        }
        repeat(lines, x, length);
        Ok(length)
    }

    /// Decodes the sample of each line that ends a run at `x` (section A.7.2).
    fn interrupt_run(&mut self, lines: &mut [Line], x: usize) -> Result<(), CodestreamError> {
        let is_single = lines.len() == 1;
        let run_index = lines.first().map_or(0, |line| line.run_index);
        let limit = self.coding.limit - run_exponent(run_index) - 1;
        for line in lines.iter_mut() {
            let Neighbours { left, above, .. } = line.neighbours(x);
            // Interleaved samples always take the context of unequal ones.
            let (context, predicted, sign) = if is_single && left == above {
                (&mut self.equal, left, 1)
            } else {
                (&mut self.unequal, above, if left > above { -1 } else { 1 })
            };
            let k = context.exponent();
            let mapped = self.bits.golomb(k, limit, self.coding.whole_bits)?;
            let error = context.learn(mapped, k, &self.coding)?;
            line.put(x, self.coding.reconstruct(predicted, sign * error));
        }
        if let Some(line) = lines.first_mut() {
            line.run_index = run_index.saturating_sub(1);
        }
        Ok(())
    }
}

fn repeat(lines: &mut [Line], x: usize, times: usize) {
    for line in lines {
        line.repeat(x, times);
    }
}

fn run_exponent(index: usize) -> u32 {
    RUN_EXPONENTS.get(index).copied().unwrap_or(0)
}
