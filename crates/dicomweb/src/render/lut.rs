//! Lookup tables (PS3.3 section C.11.1.1): of modality and values of interest, and palettes.

use outrigger_dataset::element::Vr;
use outrigger_dataset::survey::{Found, Survey};
use outrigger_model::Tag;

/// LUT Descriptor and LUT Data, within the items of the sequences of tables.
pub(super) const LUT_DESCRIPTOR: Tag = Tag(0x0028, 0x3002);
pub(super) const LUT_DATA: Tag = Tag(0x0028, 0x3006);
/// Most bytes of the data of a table: 65,536 entries of two.
pub(super) const TABLE_BYTES_MAX: u64 = 2 << 16;

/// A table from whole numbers to whole numbers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Table {
    /// The value that the first entry is for.
    first: i64,
    /// Bits of an entry, from 8 to 16.
    bits: u16,
    /// At least one.
    entries: Vec<u16>,
}

impl Table {
    /// The table that two elements make; `None` where one is missing, or they contradict one another.
    pub(super) fn read(data_set: &Survey, descriptor: Tag, data: Tag) -> Option<Self> {
        let described = data_set.get(descriptor)?;
        let [entries, first, bits] = *words(bytes(&described.value)?).as_slice() else { return None };
        let count = if entries == 0 { 1 << 16 } else { usize::from(entries) };
        let first = if described.vr == Vr::SS { i64::from(first.cast_signed()) } else { first.into() };
        let data = bytes(&data_set.get(data)?.value)?;
        let entries: Vec<u16> = match bits {
            // Entries of eight bits stand one or two in a word.
            8 if data.len() < count * 2 => data.iter().copied().take(count).map(u16::from).collect(),
            8 => words(data).into_iter().take(count).map(|word| word & 0xFF).collect(),
            9..=16 => words(data).into_iter().take(count).collect(),
            _ => return None,
        };
        (entries.len() == count).then_some(Self { first, bits, entries })
    }

    /// The entry of a value; what lies before or behind the table takes its first or last.
    pub(super) fn entry(&self, value: i64) -> u16 {
        let place = usize::try_from(value.saturating_sub(self.first)).unwrap_or(0);
        self.entries.get(place).or(self.entries.last()).copied().unwrap_or(0)
    }

    /// The entry of a value as a level from 0 to 1.
    pub(super) fn level(&self, value: i64) -> f64 {
        let most = (1_u32 << self.bits) - 1;
        (f64::from(self.entry(value)) / f64::from(most)).min(1.0)
    }

    /// The high eight bits of the entry of a value.
    pub(super) fn byte(&self, value: i64) -> u8 {
        u8::try_from(self.entry(value) >> (self.bits - 8)).unwrap_or(u8::MAX)
    }
}

fn bytes(value: &Found) -> Option<&[u8]> {
    match value {
        Found::Here(bytes) => Some(bytes),
        Found::There(_) | Found::Items(_) | Found::Fragments(_) => None,
    }
}

fn words(bytes: &[u8]) -> Vec<u16> {
    bytes.as_chunks().0.iter().map(|word| u16::from_le_bytes(*word)).collect()
}

#[cfg(test)]
mod tests {
    use outrigger_dataset::survey::Surveyed;

    use super::*;

    fn table(vr: Vr, descriptor: &[u16], data: &[u8]) -> Option<Table> {
        let words: Vec<u8> = descriptor.iter().flat_map(|word| word.to_le_bytes()).collect();
        let element = |tag, vr, value: Vec<u8>| Surveyed { tag, vr, value: Found::Here(value.into()) };
        let elements = vec![element(LUT_DESCRIPTOR, vr, words), element(LUT_DATA, Vr::OW, data.to_vec())];
        Table::read(&Survey { elements }, LUT_DESCRIPTOR, LUT_DATA)
    }

    #[test]
    fn values_outside_a_table_take_its_ends() {
        let table = table(Vr::SS, &[3, 0xFFFE, 16], &[1, 0, 2, 0, 0xFF, 0xFF]).unwrap();
        let entries: Vec<u16> = [-9, -2, -1, 0, 1, 60_000].map(|value| table.entry(value)).to_vec();
        assert_eq!(entries, [1, 1, 2, 0xFFFF, 0xFFFF, 0xFFFF]);
        assert!((table.level(0) - 1.0).abs() < 1e-9);
        assert_eq!(table.byte(0), 0xFF);
    }

    #[test]
    fn entries_of_a_byte_stand_one_or_two_in_a_word() {
        let packed = table(Vr::US, &[3, 10, 8], &[1, 2, 3, 0]).unwrap();
        let spread = table(Vr::US, &[3, 10, 8], &[1, 0, 2, 0, 3, 0]).unwrap();
        assert_eq!(packed, spread);
        assert_eq!(packed.byte(12), 3);
        for (descriptor, data) in [(&[3, 0, 7][..], &[0; 6][..]), (&[3, 0, 16], &[0; 4]), (&[3, 0], &[0; 6])]
        {
            assert_eq!(table(Vr::US, descriptor, data), None);
        }
    }
}
