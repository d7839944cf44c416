//! The tables of the statement.

const STATEMENT: &str = include_str!("../../../../docs/conformance.md");

/// Media types that are asked for and sent: those of the statement, and others that it does not name.
pub(super) const MEDIA: [&str; 26] = [
    "application/dicom",
    "application/dicom+json",
    "application/dicom+xml",
    "application/json",
    "application/octet-stream",
    "application/pdf",
    "application/xml",
    "application/zip",
    "image/bmp",
    "image/dicom-rle",
    "image/gif",
    "image/jls",
    "image/jp2",
    "image/jpeg",
    "image/jphc",
    "image/jpx",
    "image/jxl",
    "image/png",
    "image/tiff",
    "image/webp",
    "image/x-dicom-rle",
    "text/html",
    "text/plain",
    "video/H265",
    "video/mp4",
    "video/mpeg",
];

/// Parts of a media type.
pub(super) fn parts(media: &str) -> String {
    format!("multipart/related; type=\"{media}\"")
}

/// The rows of the table under a heading, each as its cells.
pub(super) fn rows(heading: &str) -> Vec<Vec<String>> {
    let after = STATEMENT.split_once(&format!("# {heading}\n")).expect(heading).1;
    let cells = |line: &str| {
        line.trim_matches('|').split('|').map(|cell| cell.trim().trim_matches('`').to_owned()).collect()
    };
    let table = after.lines().take_while(|line| !line.starts_with('#')).filter(|line| line.starts_with('|'));
    let rows: Vec<Vec<String>> = table.skip(2).map(cells).collect();
    assert!(!rows.is_empty(), "no table under `{heading}`");
    rows
}

/// What a cell lists, without what stands in parentheses behind it.
pub(super) fn list(cell: &str) -> Vec<String> {
    let mut plain = String::new();
    let mut depth = 0_usize;
    for character in cell.chars() {
        match character {
            '(' => depth += 1,
            ')' => depth = depth.saturating_sub(1),
            '`' => {}
            other if depth == 0 => plain.push(other),
            _ => {}
        }
    }
    plain.split(',').map(|one| one.trim().to_owned()).filter(|one| !one.is_empty()).collect()
}
