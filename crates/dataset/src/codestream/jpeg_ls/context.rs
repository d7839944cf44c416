//! Contexts and their adaptive statistics (T.87 sections A.2 to A.6, C.2.4.1.1).

use super::super::error::{CodestreamError, damaged};

/// Regular contexts, after folding by sign (section A.3.4).
pub(super) const CONTEXTS: usize = 365;

/// Smallest and largest value of the bias correction (section A.6.2).
const BIAS: std::ops::RangeInclusive<i32> = -128..=127;

/// Largest exponent of the Golomb code that a stream of 16-bit samples can reach.
const EXPONENT_MAX: u32 = 24;

/// What stays the same through a scan.
#[derive(Debug, Clone, Copy)]
pub(super) struct Coding {
    pub(super) max_value: i32,
    /// Number of values a sample can have.
    pub(super) range: i32,
    /// Bits of an error that is coded whole.
    pub(super) whole_bits: u32,
    /// Longest code, in bits.
    pub(super) limit: u32,
    thresholds: [i32; 3],
    reset: i32,
}

impl Coding {
    /// Takes the parameters a stream sets, zero meaning the default, of samples of `precision` bits.
    pub(super) fn new(
        precision: u8,
        max_value: u16,
        thresholds: [u16; 3],
        reset: u16,
    ) -> Result<Self, CodestreamError> {
        let largest = (1_i32 << precision) - 1;
        let max_value = if max_value == 0 { largest } else { i32::from(max_value) };
        if max_value > largest || max_value < 1 {
            return Err(damaged("a largest value beyond the precision"));
        }
        let range = max_value + 1;
        let whole_bits = 32 - max_value.leading_zeros();
        let bits = whole_bits.max(2);
        let chosen = thresholds.map(i32::from);
        let mut set = default_thresholds(max_value);
        for (default, given) in set.iter_mut().zip(chosen) {
            if given != 0 {
                *default = given;
            }
        }
        let [t1, t2, t3] = set;
        if !(1 <= t1 && t1 <= t2 && t2 <= t3 && t3 <= max_value) {
            return Err(damaged("thresholds out of order"));
        }
        let reset = if reset == 0 { 64 } else { i32::from(reset) };
        if reset < 3 {
            return Err(damaged("a reset value below 3"));
        }
        Ok(Self { max_value, range, whole_bits, limit: 2 * (bits + bits.max(8)), thresholds: set, reset })
    }

    /// The region of one gradient, -4 to 4.
    fn region(&self, gradient: i32) -> i32 {
        let [t1, t2, t3] = self.thresholds;
        let size = gradient.abs();
        let region = match size {
            0 => 0,
            _ if size < t1 => 1,
            _ if size < t2 => 2,
            _ if size < t3 => 3,
            _ => 4,
        };
        region * gradient.signum()
    }

    /// The context of the three gradients, with its sign.
    pub(super) fn context(&self, gradients: [i32; 3]) -> i32 {
        gradients.iter().fold(0, |context, gradient| context * 9 + self.region(*gradient))
    }

    /// Puts a predicted value and an error together (section A.4.5).
    pub(super) fn reconstruct(&self, predicted: i32, error: i32) -> i32 {
        let value = predicted + error;
        let value = if value < 0 {
            value + self.range
        } else if value > self.max_value {
            value - self.range
        } else {
            value
        };
        value.clamp(0, self.max_value)
    }

    fn first_magnitude(&self) -> i64 {
        i64::from(((self.range + 32) / 64).max(2))
    }

    fn checked(&self, error: i32) -> Result<i32, CodestreamError> {
        if error.abs() <= self.range { Ok(error) } else { Err(damaged("an error larger than any sample")) }
    }
}

fn default_thresholds(max_value: i32) -> [i32; 3] {
    let within = |value: i32, least: i32| if value > max_value || value < least { least } else { value };
    let [t1, t2, t3] = if max_value >= 128 {
        let factor = (max_value.min(4095) + 128) / 256;
        [factor + 2, factor * 4 + 3, factor * 17 + 4]
    } else {
        let factor = 256 / (max_value + 1);
        [(3 / factor).max(2), (7 / factor).max(3), (21 / factor).max(4)]
    };
    let t1 = within(t1, 1);
    let t2 = within(t2, t1);
    [t1, t2, within(t3, t2)]
}

/// Statistics of a regular context.
#[derive(Debug, Clone, Copy)]
pub(super) struct Regular {
    magnitude: i64,
    bias: i32,
    /// Correction of the prediction.
    pub(super) correction: i32,
    count: i32,
}

impl Regular {
    pub(super) fn new(coding: &Coding) -> Self {
        Self { magnitude: coding.first_magnitude(), bias: 0, correction: 0, count: 1 }
    }

    /// The exponent of the Golomb code.
    pub(super) fn exponent(&self) -> u32 {
        exponent(self.count, self.magnitude)
    }

    /// Takes a mapped error apart and learns from it (sections A.5.2, A.6).
    pub(super) fn learn(&mut self, mapped: i32, k: u32, coding: &Coding) -> Result<i32, CodestreamError> {
        let is_inverted = k == 0 && 2 * self.bias <= -self.count;
        let half = mapped >> 1;
        let is_negative = (mapped & 1 == 1) != is_inverted;
        let error = coding.checked(if is_negative { -half - 1 } else { half })?;
        self.bias += error;
        self.magnitude += i64::from(error.abs());
        if self.count == coding.reset {
            self.magnitude >>= 1;
            self.bias = if self.bias >= 0 { self.bias >> 1 } else { -((1 - self.bias) >> 1) };
            self.count >>= 1;
        }
        self.count += 1;
        if self.bias <= -self.count {
            self.bias = (self.bias + self.count).max(1 - self.count);
            self.correction = (self.correction - 1).max(*BIAS.start());
        } else if self.bias > 0 {
            self.bias = (self.bias - self.count).min(0);
            self.correction = (self.correction + 1).min(*BIAS.end());
        }
        Ok(error)
    }
}

/// Whether the samples left of and above the end of a run are equal (section A.7.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Ending {
    Unequal,
    Equal,
}

/// Statistics of the samples that end a run.
#[derive(Debug, Clone, Copy)]
pub(super) struct Interruption {
    ending: Ending,
    magnitude: i64,
    count: i32,
    negatives: i32,
}

impl Interruption {
    pub(super) fn new(ending: Ending, coding: &Coding) -> Self {
        Self { ending, magnitude: coding.first_magnitude(), count: 1, negatives: 0 }
    }

    pub(super) fn exponent(&self) -> u32 {
        let more = if self.ending == Ending::Equal { i64::from(self.count >> 1) } else { 0 };
        exponent(self.count, self.magnitude + more)
    }

    pub(super) fn learn(&mut self, mapped: i32, k: u32, coding: &Coding) -> Result<i32, CodestreamError> {
        let equal = i32::from(self.ending == Ending::Equal);
        let odd = (mapped + equal) & 1;
        let size = (mapped + equal + odd) / 2;
        let is_negative = (k != 0 || 2 * self.negatives >= self.count) == (odd == 1);
        let error = coding.checked(if is_negative { -size } else { size })?;
        self.negatives += i32::from(error < 0);
        self.magnitude += i64::from((mapped + 1 - equal) >> 1);
        if self.count == coding.reset {
            self.magnitude >>= 1;
            self.count >>= 1;
            self.negatives >>= 1;
        }
        self.count += 1;
        Ok(error)
    }
}

fn exponent(count: i32, magnitude: i64) -> u32 {
    let count = i64::from(count);
    (0..EXPONENT_MAX).find(|k| count << k >= magnitude).unwrap_or(EXPONENT_MAX)
}
