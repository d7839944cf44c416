//! The path of a bulk data value, as our metadata name it: tags in eight hexadecimal digits, each sequence followed by
//! the number of an item, from 1.

use outrigger_dataset::read::DEPTH_MAX;
use outrigger_dataset::survey::ElementPath;
use outrigger_model::Tag;

/// Why a path leads to no value.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("no value of bulk data has this path")]
pub struct BulkPathError;

/// Reads `7FE00010` or `00880200/1/7FE00010`.
pub fn bulk_path(text: &str) -> Result<ElementPath, BulkPathError> {
    let tag = |text: Option<&str>| {
        let text = text.filter(|text| text.bytes().all(|byte| byte.is_ascii_hexdigit()));
        text.and_then(|text| Tag::from_hex(text).ok()).ok_or(BulkPathError)
    };
    let mut pieces = text.split('/');
    let mut items = Vec::new();
    let mut last = tag(pieces.next())?;
    while let Some(number) = pieces.next() {
        let is_number = number.bytes().all(|byte| byte.is_ascii_digit());
        let number = number.parse().ok().filter(|number| is_number && *number > 0).ok_or(BulkPathError)?;
        items.push((last, number));
        last = tag(pieces.next())?;
        if items.len() > DEPTH_MAX {
            return Err(BulkPathError);
        }
    }
    Ok(ElementPath { items, last })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_lead_through_items() {
        let pixels = Tag(0x7FE0, 0x0010);
        assert_eq!(bulk_path("7FE00010"), Ok(pixels.into()));
        let icon = ElementPath { items: vec![(Tag(0x0088, 0x0200), 1)], last: pixels };
        assert_eq!(bulk_path("00880200/1/7fe00010"), Ok(icon));
        for text in [
            "",
            "7FE0001",
            "+FE00010",
            "7FE00010/",
            "7FE00010/1",
            "00880200/0/7FE00010",
            "00880200/+1/7FE00010",
            "00880200/x/7FE00010",
            "../7FE00010",
            "7FE00010/..",
            "00880200//7FE00010",
        ] {
            assert_eq!(bulk_path(text), Err(BulkPathError), "{text:?}");
        }
        assert_eq!(bulk_path(&format!("{}7FE00010", "00880200/1/".repeat(65))), Err(BulkPathError));
    }
}
