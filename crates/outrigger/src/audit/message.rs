//! One event as a DICOM audit message (PS3.15 sections A.5.1 and A.5.3).

use std::collections::BTreeMap;

use outrigger_front::{AuditEvent, Party, StudyTally};
use outrigger_model::SopClassUid;

use crate::moment::rfc3339;

/// A code of the DICOM controlled terminology (PS3.16 Annex D).
#[derive(Debug, Clone, Copy)]
struct Code(&'static str, &'static str);

const TRANSFERRED: Code = Code("110104", "DICOM Instances Transferred");
const QUERY: Code = Code("110112", "Query");
const SECURITY_ALERT: Code = Code("110113", "Security Alert");
const NODE_AUTHENTICATION: Code = Code("110126", "Node Authentication");
const APPLICATION_ACTIVITY: Code = Code("110100", "Application Activity");
const APPLICATION_START: Code = Code("110120", "Application Start");
const APPLICATION_STOP: Code = Code("110121", "Application Stop");
const SOURCE: Code = Code("110153", "Source Role ID");
const DESTINATION: Code = Code("110152", "Destination Role ID");
const STUDY: Code = Code("110180", "Study Instance UID");
const SOP_CLASS: Code = Code("110181", "SOP Class UID");

/// Whether the process begins or ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Activity {
    /// It begins.
    Start,
    /// It ends.
    Stop,
}

/// The message of an event that happened at `at_us`, microseconds since 1970-01-01 UTC, on `node`; one line of XML.
pub(crate) fn of_event(event: &AuditEvent, at_us: i64, node: &str) -> String {
    match event {
        AuditEvent::AssociationOpened { party } => {
            let mut message = Message::new(NODE_AUTHENTICATION, "E", Outcome::Success, at_us);
            message.caller(party, None, None).end(node)
        }
        AuditEvent::AssociationRejected { party, reason } => {
            let mut message = Message::new(SECURITY_ALERT, "E", Outcome::Serious, at_us);
            message.event_type(NODE_AUTHENTICATION).caller(party, None, None).alert(reason).end(node)
        }
        AuditEvent::Stored { party, study } => {
            let mut message = Message::new(TRANSFERRED, "C", Outcome::Success, at_us);
            message.caller(party, Some(SOURCE), Some(DESTINATION)).study(study).end(node)
        }
        AuditEvent::Queried { party, sop_class, identifier } => {
            let mut message = Message::new(QUERY, "E", Outcome::Success, at_us);
            message.caller(party, Some(SOURCE), Some(DESTINATION)).query(sop_class, identifier).end(node)
        }
        AuditEvent::Retrieved { party, destination, classes, identifier } => {
            let mut message = Message::new(TRANSFERRED, "R", Outcome::Success, at_us);
            message.caller(party, Some(DESTINATION), Some(SOURCE));
            if let Some(destination) = destination {
                message.participant(destination.as_str(), None, Requestor::No, Some(DESTINATION));
            }
            message.retrieved(classes, identifier).end(node)
        }
    }
}

/// The message of a process that begins or ends.
pub(crate) fn of_activity(activity: Activity, at_us: i64, node: &str) -> String {
    let mut message = Message::new(APPLICATION_ACTIVITY, "E", Outcome::Success, at_us);
    let kind = match activity {
        Activity::Start => APPLICATION_START,
        Activity::Stop => APPLICATION_STOP,
    };
    message.event_type(kind).participant(node, None, Requestor::No, None).end(node)
}

#[derive(Debug, Clone, Copy)]
enum Outcome {
    Success,
    Serious,
}

#[derive(Debug, Clone, Copy)]
enum Requestor {
    Yes,
    No,
}

struct Message {
    event: String,
    body: String,
}

impl Message {
    fn new(event: Code, action: &str, outcome: Outcome, at_us: i64) -> Self {
        let outcome = match outcome {
            Outcome::Success => 0,
            Outcome::Serious => 8,
        };
        let event = format!(
            "<EventIdentification EventActionCode=\"{action}\" EventDateTime=\"{}\" EventOutcomeIndicator=\"{outcome}\">{}",
            moment(at_us),
            code("EventID", event),
        );
        Self { event, body: String::new() }
    }

    fn event_type(&mut self, kind: Code) -> &mut Self {
        self.event.push_str(&code("EventTypeCode", kind));
        self
    }

    /// The calling and the called application entity.
    fn caller(&mut self, party: &Party, calling: Option<Code>, called: Option<Code>) -> &mut Self {
        let address = party.address.to_string();
        self.participant(party.calling.as_str(), Some(&address), Requestor::Yes, calling);
        self.participant(party.called.as_str(), None, Requestor::No, called);
        if let Some(user) = &party.user {
            self.participant(user, None, Requestor::Yes, None);
        }
        self
    }

    fn participant(
        &mut self,
        user: &str,
        address: Option<&str>,
        requestor: Requestor,
        role: Option<Code>,
    ) -> &mut Self {
        let requestor = matches!(requestor, Requestor::Yes);
        let place = address.map_or(String::new(), |address| {
            format!(" NetworkAccessPointID=\"{}\" NetworkAccessPointTypeCode=\"2\"", escaped(address))
        });
        let role = role.map_or(String::new(), |role| code("RoleIDCode", role));
        self.add(format_args!(
            "<ActiveParticipant UserID=\"{}\" UserIsRequestor=\"{requestor}\"{place}>{role}</ActiveParticipant>",
            escaped(user)
        ));
        self
    }

    fn study(&mut self, tally: &StudyTally) -> &mut Self {
        let uid = tally.study.as_ref().map_or("none", |study| study.as_str());
        let classes = class_counts(&tally.classes);
        self.add(format_args!(
            "<ParticipantObjectIdentification ParticipantObjectID=\"{uid}\" ParticipantObjectTypeCode=\"2\" \
             ParticipantObjectTypeCodeRole=\"3\">{}<ParticipantObjectDescription>{classes}</ParticipantObjectDescription>\
             </ParticipantObjectIdentification>",
            code("ParticipantObjectIDTypeCode", STUDY)
        ));
        let name = tally.patient_name.as_deref().map_or(String::new(), |name| {
            format!("<ParticipantObjectName>{}</ParticipantObjectName>", escaped(name))
        });
        self.add(format_args!(
            "<ParticipantObjectIdentification ParticipantObjectID=\"{}\" ParticipantObjectTypeCode=\"1\" \
             ParticipantObjectTypeCodeRole=\"1\"><ParticipantObjectIDTypeCode csd-code=\"2\" \
             codeSystemName=\"RFC-3881\" originalText=\"Patient Number\"/>{name}</ParticipantObjectIdentification>",
            escaped(tally.patient_id.as_deref().unwrap_or("none"))
        ));
        self
    }

    fn query(&mut self, sop_class: &SopClassUid, identifier: &[u8]) -> &mut Self {
        self.add(format_args!(
            "<ParticipantObjectIdentification ParticipantObjectID=\"{sop_class}\" ParticipantObjectTypeCode=\"2\" \
             ParticipantObjectTypeCodeRole=\"24\">{}<ParticipantObjectQuery>{}</ParticipantObjectQuery>\
             </ParticipantObjectIdentification>",
            code("ParticipantObjectIDTypeCode", SOP_CLASS),
            base64(identifier)
        ));
        self
    }

    fn retrieved(&mut self, classes: &BTreeMap<SopClassUid, u32>, identifier: &[u8]) -> &mut Self {
        self.add(format_args!(
            "<ParticipantObjectIdentification ParticipantObjectID=\"identifier\" ParticipantObjectTypeCode=\"2\" \
             ParticipantObjectTypeCodeRole=\"3\">{}<ParticipantObjectQuery>{}</ParticipantObjectQuery>\
             <ParticipantObjectDescription>{}</ParticipantObjectDescription></ParticipantObjectIdentification>",
            code("ParticipantObjectIDTypeCode", SOP_CLASS),
            base64(identifier),
            class_counts(classes)
        ));
        self
    }

    fn alert(&mut self, reason: &str) -> &mut Self {
        self.add(format_args!(
            "<ParticipantObjectIdentification ParticipantObjectID=\"association\" ParticipantObjectTypeCode=\"2\" \
             ParticipantObjectTypeCodeRole=\"13\"><ParticipantObjectIDTypeCode csd-code=\"110182\" \
             codeSystemName=\"DCM\" originalText=\"Node ID\"/><ParticipantObjectDetail type=\"Alert Description\" \
             value=\"{}\"/></ParticipantObjectIdentification>",
            base64(reason.as_bytes())
        ));
        self
    }

    fn end(&mut self, node: &str) -> String {
        format!(
            "<?xml version=\"1.0\" encoding=\"UTF-8\"?><AuditMessage>{}</EventIdentification>{}\
             <AuditSourceIdentification AuditSourceID=\"{}\" code=\"4\"/></AuditMessage>",
            self.event,
            self.body,
            escaped(node)
        )
    }

    fn add(&mut self, text: std::fmt::Arguments<'_>) {
        self.body.push_str(&text.to_string());
    }
}

fn class_counts(classes: &BTreeMap<SopClassUid, u32>) -> String {
    classes
        .iter()
        .map(|(uid, count)| format!("<SOPClass UID=\"{uid}\" NumberOfInstances=\"{count}\"/>"))
        .collect()
}

fn code(element: &str, Code(value, text): Code) -> String {
    format!("<{element} csd-code=\"{value}\" codeSystemName=\"DCM\" originalText=\"{text}\"/>")
}

fn moment(at_us: i64) -> String {
    rfc3339(at_us).unwrap_or_else(|| "1970-01-01T00:00:00Z".to_owned())
}

/// Text as it may stand in XML 1.0, on one line.
fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for letter in text.chars() {
        match letter {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            control if control.is_control() => out.push('\u{FFFD}'),
            other => out.push(other),
        }
    }
    out
}

/// Base64 (RFC 4648 section 4).
fn base64(bytes: &[u8]) -> String {
    const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut out = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for group in bytes.chunks(3) {
        let mut three = [0u8; 3];
        three.iter_mut().zip(group).for_each(|(to, from)| *to = *from);
        let bits = u32::from_be_bytes([0, three[0], three[1], three[2]]);
        for place in 0..4usize {
            let index = usize::try_from((bits >> (18 - 6 * place)) & 63).unwrap_or(0);
            let letter = LETTERS.get(index).copied().unwrap_or(b'=');
            out.push(if place <= group.len() { char::from(letter) } else { '=' });
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use outrigger_model::{AeTitle, AssociationId, StudyUid};

    fn party() -> Party {
        Party {
            association: AssociationId(7),
            calling: AeTitle::new("CT<1>").unwrap(),
            called: AeTitle::new("OUTRIGGER").unwrap(),
            address: "10.0.0.7".parse().unwrap(),
            user: None,
        }
    }

    #[test]
    fn base64_as_in_the_rfc() {
        for (plain, coded) in [
            ("", ""),
            ("f", "Zg=="),
            ("fo", "Zm8="),
            ("foo", "Zm9v"),
            ("foob", "Zm9vYg=="),
            ("foobar", "Zm9vYmFy"),
        ] {
            assert_eq!(base64(plain.as_bytes()), coded);
        }
    }

    #[test]
    fn a_store_names_who_what_and_whose() {
        let study = StudyTally {
            study: Some(StudyUid::new("1.2.3").unwrap()),
            patient_id: Some("P&1".into()),
            patient_name: Some("Doe^\"J\"\n".into()),
            classes: BTreeMap::from([(SopClassUid::new("1.2.840.10008.5.1.4.1.1.2").unwrap(), 3)]),
        };
        let xml = of_event(&AuditEvent::Stored { party: party(), study }, 1_700_000_000_000_000, "front-1");
        for part in [
            "csd-code=\"110104\"",
            "EventDateTime=\"2023-11-14T22:13:20Z\"",
            "UserID=\"CT&lt;1&gt;\" UserIsRequestor=\"true\" NetworkAccessPointID=\"10.0.0.7\"",
            "ParticipantObjectID=\"1.2.3\"",
            "NumberOfInstances=\"3\"",
            "ParticipantObjectID=\"P&amp;1\"",
            "Doe^&quot;J&quot;\u{FFFD}",
            "AuditSourceID=\"front-1\"",
        ] {
            assert!(xml.contains(part), "{part} in {xml}");
        }
        assert!(!xml.contains('\n'));
    }

    #[test]
    fn a_rejection_is_a_security_alert() {
        let event = AuditEvent::AssociationRejected { party: party(), reason: "calling AE title".into() };
        let xml = of_event(&event, 0, "n");
        assert!(xml.contains("110113") && xml.contains("EventOutcomeIndicator=\"8\""), "{xml}");
        assert!(xml.contains(&base64(b"calling AE title")));
    }
}
