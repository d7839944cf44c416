//! RFC 5424 messages, and how each transport carries them.

use crate::moment::rfc3339;

/// Facility 10 (security and authorisation), severity 5 (notice).
const PRIORITY: u8 = 85;
/// Octets of a message over UDP: what receivers should take (RFC 5426 section 3.2); more is cut off by some without a word.
pub(crate) const DATAGRAM_OCTETS: usize = 2048;

/// A message; it says when what it tells of happened, and where it does not tell, that it is sent at `sent_us`.
pub(crate) fn message(xml: &str, sent_us: i64, node: &str) -> String {
    header(xml, sent_us, node) + xml
}

/// A message in a frame that counts its octets (RFC 5425 section 4.3, RFC 6587 section 3.4.1).
pub(crate) fn framed(message: &str) -> Vec<u8> {
    format!("{} {message}", message.len()).into_bytes()
}

/// A message of at most [`DATAGRAM_OCTETS`]; of a longer one the objects and further participants that fit are left, which
/// is a valid message still.
pub(crate) fn short(xml: &str, sent_us: i64, node: &str) -> String {
    let header = header(xml, sent_us, node);
    let room = DATAGRAM_OCTETS.saturating_sub(header.len());
    if xml.len() <= room {
        return header + xml;
    }
    let cut = shortened(xml, room).unwrap_or_else(|| {
        // Nothing of ours, or its own elements are too long: what remains is text (RFC 5424 section 6.1).
        xml.get(..xml.floor_char_boundary(room)).unwrap_or_default().to_owned()
    });
    header + &cut
}

fn header(xml: &str, sent_us: i64, node: &str) -> String {
    let sent = || rfc3339(sent_us).unwrap_or_else(|| "-".to_owned());
    let time = happened(xml).map_or_else(sent, str::to_owned);
    // The byte order mark says that the message is UTF-8 (RFC 5424 section 6.4).
    format!("<{PRIORITY}>1 {time} {node} outrigger {} DICOM+RFC3881 - \u{FEFF}", std::process::id())
}

/// The time of the event, which is a time of RFC 5424 as well.
fn happened(xml: &str) -> Option<&str> {
    let (_, after) = xml.split_once(" EventDateTime=\"")?;
    after.split_once('"').map(|(time, _)| time).filter(|time| !time.is_empty() && !time.contains(' '))
}

/// Leaves out elements that the schema of PS3.15 section A.5.1 lets be left out, as far as it takes.
fn shortened(xml: &str, room: usize) -> Option<String> {
    const BEGIN: &str = "<AuditMessage>";
    const END: &str = "</AuditMessage>";
    let (before, after) = xml.split_once(BEGIN)?;
    let elements = elements(after.strip_suffix(END)?)?;
    let mut participants = 0;
    let optional: Vec<bool> = elements
        .iter()
        .map(|(name, _)| {
            participants += usize::from(*name == "ActiveParticipant");
            *name == "ParticipantObjectIdentification" || *name == "ActiveParticipant" && participants > 1
        })
        .collect();
    let all = || elements.iter().zip(&optional);
    let needed: usize = all().filter(|(_, optional)| !**optional).map(|((_, text), _)| text.len()).sum();
    let mut left = room.checked_sub(before.len() + BEGIN.len() + END.len() + needed)?;
    let mut out = format!("{before}{BEGIN}");
    for ((_, text), optional) in all() {
        if *optional {
            let Some(less) = left.checked_sub(text.len()) else { continue };
            left = less;
        }
        out.push_str(text);
    }
    Some(out + END)
}

/// The elements that stand one after another in a text, with their names; none holds another of its name.
fn elements(mut text: &str) -> Option<Vec<(&str, &str)>> {
    let mut all = Vec::new();
    while !text.is_empty() {
        let name = text.strip_prefix('<')?.split([' ', '>', '/']).next()?;
        let end = format!("</{name}>");
        let (element, rest) = text.split_at_checked(text.find(&end)? + end.len())?;
        all.push((name, element));
        text = rest;
    }
    Some(all)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// An audit message with an object of each of these lengths.
    fn xml(objects: &[usize]) -> String {
        let object = |length: &usize| {
            let text = "\u{E4}".repeat(length / 2);
            format!("<ParticipantObjectIdentification>{text}</ParticipantObjectIdentification>")
        };
        format!(
            "<AuditMessage><EventIdentification EventDateTime=\"2026-11-27T23:00:00Z\"></EventIdentification>\
             <ActiveParticipant UserID=\"a\"></ActiveParticipant><ActiveParticipant UserID=\"b\"></ActiveParticipant>\
             <AuditSourceIdentification></AuditSourceIdentification>{}</AuditMessage>",
            objects.iter().map(object).collect::<String>()
        )
    }

    #[test]
    fn the_frame_counts_octets() {
        let frame = framed(&message("<AuditMessage/>", 0, "n\u{E9}"));
        let text = String::from_utf8(frame).unwrap();
        let (count, message) = text.split_once(' ').unwrap();
        assert_eq!(count.parse::<usize>().unwrap(), message.len());
        assert!(message.starts_with("<85>1 1970-01-01T00:00:00Z n\u{E9} outrigger "), "{message}");
    }

    #[test]
    fn the_time_is_that_of_the_event_however_late_it_is_sent() {
        let text = message(&xml(&[]), 0, "node");
        assert!(text.starts_with("<85>1 2026-11-27T23:00:00Z node "), "{text}");
    }

    #[test]
    fn a_datagram_holds_what_fits_as_whole_elements() {
        let whole = xml(&[100, 200]);
        assert_eq!(short(&whole, 0, "node"), message(&whole, 0, "node"));
        // What does not fit is left out; what comes after it and fits is not.
        let cut = short(&xml(&[100, 4000, 200]), 0, "node");
        assert_eq!(cut, message(&whole, 0, "node"));
        for length in 1900..2100 {
            assert!(short(&xml(&[length]), 0, "node").len() <= DATAGRAM_OCTETS, "{length}");
        }
    }

    #[test]
    fn a_long_query_goes_without_its_identifier() {
        let title = outrigger_model::AeTitle::new("CT1").unwrap();
        let party = outrigger_front::Party {
            association: outrigger_model::AssociationId(1),
            calling: title.clone(),
            called: title,
            address: "10.0.0.7".parse().unwrap(),
            user: None,
        };
        let query = |octets| outrigger_front::AuditEvent::Queried {
            party: party.clone(),
            sop_class: outrigger_model::SopClassUid::new("1.2").unwrap(),
            identifier: vec![7; octets].into(),
        };
        let xml = |octets| crate::audit::message::of_event(&query(octets), 0, "node");
        assert_eq!(short(&xml(9), 0, "node"), message(&xml(9), 0, "node"));
        let cut = short(&xml(3000), 0, "node");
        let (before, rest) = cut.split_once("<ParticipantObject").unwrap_or((&cut, ""));
        assert_eq!((rest, before.matches("<ActiveParticipant ").count()), ("", 2));
        assert!(before.ends_with("</AuditSourceIdentification></AuditMessage>"), "{before}");
    }

    #[test]
    fn what_is_no_audit_message_is_cut_between_letters() {
        for letters in [3000, 3001] {
            let text = "x".repeat(letters % 2) + &"\u{E4}".repeat(letters);
            let cut = short(&text, 0, "node");
            assert!((DATAGRAM_OCTETS - 1..=DATAGRAM_OCTETS).contains(&cut.len()), "{}", cut.len());
        }
    }
}
