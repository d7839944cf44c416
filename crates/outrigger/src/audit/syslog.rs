//! RFC 5424 messages over TCP with octet counting (RFC 6587 section 3.4.1).

use crate::moment::rfc3339;

/// Facility 10 (security and authorisation), severity 5 (notice).
const PRIORITY: u8 = 85;

/// A message in its frame.
pub(crate) fn framed(xml: &str, at_us: i64, node: &str) -> Vec<u8> {
    let time = rfc3339(at_us).unwrap_or_else(|| "-".to_owned());
    // The byte order mark says that the message is UTF-8 (RFC 5424 section 6.4).
    let message =
        format!("<{PRIORITY}>1 {time} {node} outrigger {} DICOM+RFC3881 - \u{FEFF}{xml}", std::process::id());
    let mut frame = format!("{} ", message.len()).into_bytes();
    frame.extend_from_slice(message.as_bytes());
    frame
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_frame_counts_octets() {
        let frame = framed("<AuditMessage/>", 0, "node");
        let text = String::from_utf8(frame).unwrap();
        let (count, message) = text.split_once(' ').unwrap();
        assert_eq!(count.parse::<usize>().unwrap(), message.len());
        assert!(message.starts_with("<85>1 1970-01-01T00:00:00Z node outrigger "), "{message}");
    }
}
