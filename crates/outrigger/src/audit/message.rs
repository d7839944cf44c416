//! One event as a DICOM audit message (PS3.15 sections A.5.1 and A.5.3).

use std::collections::BTreeMap;
use std::net::IpAddr;

use outrigger_front::{AuditEvent, Party, StudyTally, Unserved};
use outrigger_model::SopClassUid;

use super::tally::{Fate, LegReport, Passage, Way};
use crate::moment::rfc3339;

/// A code: value, meaning, and whose code it is.
#[derive(Debug, Clone, Copy)]
struct Code(&'static str, &'static str, &'static str);

const BEGIN_TRANSFERRING: Code = Code("110102", "Begin Transferring DICOM Instances", DCM);
const TRANSFERRED: Code = Code("110104", "DICOM Instances Transferred", DCM);
const QUERY: Code = Code("110112", "Query", DCM);
const SECURITY_ALERT: Code = Code("110113", "Security Alert", DCM);
const NODE_AUTHENTICATION: Code = Code("110126", "Node Authentication", DCM);
const APPLICATION_ACTIVITY: Code = Code("110100", "Application Activity", DCM);
const APPLICATION_START: Code = Code("110120", "Application Start", DCM);
const APPLICATION_STOP: Code = Code("110121", "Application Stop", DCM);
const APPLICATION: Code = Code("110150", "Application", DCM);
const SOURCE: Code = Code("110153", "Source Role ID", DCM);
const DESTINATION: Code = Code("110152", "Destination Role ID", DCM);
const STUDY: Code = Code("110180", "Study Instance UID", DCM);
const SOP_CLASS: Code = Code("110181", "SOP Class UID", DCM);
const NODE_ID: Code = Code("110182", "Node ID", DCM);
const PATIENT_NUMBER: Code = Code("2", "Patient Number", "RFC-3881");

/// The DICOM controlled terminology (PS3.16 Annex D).
const DCM: &str = "DCM";
/// Audit Source Type Code: an application server (section A.5.1.2.1).
const APPLICATION_SERVER: u8 = 4;

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
            // Success makes the alert an informative one (section A.5.3.11).
            let mut message = Message::new(SECURITY_ALERT, "E", Outcome::Success, at_us);
            message.event_type(NODE_AUTHENTICATION).caller(party, None, None).end(node)
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
        AuditEvent::Retrieved { party, destination, study } => {
            let mut message = Message::new(TRANSFERRED, "R", Outcome::Success, at_us);
            // Who asks for a C-MOVE is a party of its own.
            let asks = destination.is_none().then_some(DESTINATION);
            message.caller(party, asks, Some(SOURCE));
            if let Some(destination) = destination {
                message.participant(destination.as_str(), None, Requestor::No, Some(DESTINATION));
            }
            message.study(study).end(node)
        }
        AuditEvent::Unserved { party, what, reason } => of_unserved(party, what, reason, at_us).end(node),
    }
}

/// The message of what was asked for and not done; it lacks its end.
fn of_unserved(party: &Party, what: &Unserved, reason: &str, at_us: i64) -> Message {
    let (event, action) = match what {
        Unserved::Retrieval(_) => (TRANSFERRED, "R"),
        Unserved::Store(_) => (TRANSFERRED, "C"),
        Unserved::Query { .. } => (QUERY, "E"),
    };
    let mut message = Message::new(event, action, Outcome::Minor, at_us);
    message.outcome(reason);
    match what {
        Unserved::Retrieval(study) => {
            message.caller(party, Some(DESTINATION), Some(SOURCE)).study(study);
        }
        Unserved::Store(study) => {
            message.caller(party, Some(SOURCE), Some(DESTINATION)).study(study);
        }
        Unserved::Query { sop_class, asked } => {
            message.caller(party, Some(SOURCE), Some(DESTINATION)).query(sop_class, asked);
        }
    }
    message
}

/// The message of a process that begins or ends.
pub(crate) fn of_activity(activity: Activity, at_us: i64, node: &str) -> String {
    let mut message = Message::new(APPLICATION_ACTIVITY, "E", Outcome::Success, at_us);
    let kind = match activity {
        Activity::Start => APPLICATION_START,
        Activity::Stop => APPLICATION_STOP,
    };
    message.event_type(kind).participant(node, None, Requestor::No, Some(APPLICATION)).end(node)
}

/// The message of what passed between this node and a member.
pub(crate) fn of_leg(report: &LegReport, node: &str) -> String {
    let LegReport { what, ends, way, study, at_us } = report;
    let (event, outcome) = match what {
        Passage::Begins => (BEGIN_TRANSFERRING, Outcome::Success),
        Passage::Ended(Fate::Arrived) => (TRANSFERRED, Outcome::Success),
        Passage::Ended(Fate::Failed) => (TRANSFERRED, Outcome::Minor),
    };
    // What is read back we have had; whether the member had what it is given is not known before it answers.
    let (action, ours, theirs) = match (what, way) {
        (Passage::Begins, Way::ToMember) => ("E", SOURCE, DESTINATION),
        (_, Way::ToMember) => ("C", SOURCE, DESTINATION),
        (_, Way::FromMember) => ("R", DESTINATION, SOURCE),
    };
    let mut message = Message::new(event, action, outcome, *at_us);
    let host = ends.address.rsplit_once(':').map_or(ends.address.as_str(), |(host, _)| host);
    message
        .participant(ends.ours.as_str(), None, Requestor::Yes, Some(ours))
        .participant(ends.theirs.as_str(), Some(host), Requestor::No, Some(theirs))
        .study(study)
        .end(node)
}

#[derive(Debug, Clone, Copy)]
enum Outcome {
    Success,
    Minor,
    Serious,
}

#[derive(Debug, Clone, Copy)]
enum Requestor {
    Yes,
    No,
}

/// The parts of a message, in the order that the schema of section A.5.1 asks for.
struct Message {
    event: String,
    participants: String,
    objects: String,
}

impl Message {
    fn new(event: Code, action: &str, outcome: Outcome, at_us: i64) -> Self {
        let outcome = match outcome {
            Outcome::Success => 0,
            Outcome::Minor => 4,
            Outcome::Serious => 8,
        };
        let event = format!(
            "<EventIdentification EventActionCode=\"{action}\" EventDateTime=\"{}\" EventOutcomeIndicator=\"{outcome}\">{}",
            moment(at_us),
            code("EventID", event),
        );
        Self { event, participants: String::new(), objects: String::new() }
    }

    /// Says in words how it ended; what stands before it in an event are its codes.
    fn outcome(&mut self, words: &str) -> &mut Self {
        let words = escaped(words);
        self.event.push_str(&format!("<EventOutcomeDescription>{words}</EventOutcomeDescription>"));
        self
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
            // Of a machine name or an IP address.
            let kind = if address.trim_matches(['[', ']']).parse::<IpAddr>().is_ok() { 2 } else { 1 };
            format!(" NetworkAccessPointID=\"{}\" NetworkAccessPointTypeCode=\"{kind}\"", escaped(address))
        });
        let role = role.map_or(String::new(), |role| code("RoleIDCode", role));
        self.participants.push_str(&format!(
            "<ActiveParticipant UserID=\"{}\" UserIsRequestor=\"{requestor}\"{place}>{role}</ActiveParticipant>",
            escaped(user)
        ));
        self
    }

    /// The study and its patient; the schema wants a name or a query of each object, be it an empty one.
    fn study(&mut self, tally: &StudyTally) -> &mut Self {
        self.object(&Object {
            id: tally.study.as_ref().map_or("none", |study| study.as_str()),
            is: Is::SystemObject,
            role: Role::Report,
            kind: STUDY,
            content: Content::Name(""),
            detail: "",
            description: &class_counts(&tally.classes),
        })
        .object(&Object {
            id: tally.patient_id.as_deref().unwrap_or("none"),
            is: Is::Person,
            role: Role::Patient,
            kind: PATIENT_NUMBER,
            content: Content::Name(tally.patient_name.as_deref().unwrap_or_default()),
            detail: "",
            description: "",
        })
    }

    fn query(&mut self, sop_class: &SopClassUid, identifier: &[u8]) -> &mut Self {
        self.object(&Object {
            id: sop_class.as_str(),
            is: Is::SystemObject,
            role: Role::Query,
            kind: SOP_CLASS,
            content: Content::Query(identifier),
            detail: "",
            description: "",
        })
    }

    fn alert(&mut self, reason: &str) -> &mut Self {
        self.object(&Object {
            id: "association",
            is: Is::SystemObject,
            role: Role::SecurityResource,
            kind: NODE_ID,
            content: Content::Name(""),
            detail: &format!(
                "<ParticipantObjectDetail type=\"Alert Description\" value=\"{}\"/>",
                base64(reason.as_bytes())
            ),
            description: "",
        })
    }

    fn object(&mut self, object: &Object<'_>) -> &mut Self {
        let Object { id, is, role, kind, content, detail, description } = object;
        let content = match content {
            Content::Name(name) => {
                format!("<ParticipantObjectName>{}</ParticipantObjectName>", escaped(name))
            }
            Content::Query(query) => {
                format!("<ParticipantObjectQuery>{}</ParticipantObjectQuery>", base64(query))
            }
        };
        let description = match *description {
            "" => String::new(),
            some => format!("<ParticipantObjectDescription>{some}</ParticipantObjectDescription>"),
        };
        self.objects.push_str(&format!(
            "<ParticipantObjectIdentification ParticipantObjectID=\"{}\" ParticipantObjectTypeCode=\"{}\" \
             ParticipantObjectTypeCodeRole=\"{}\">{}{content}{detail}{description}</ParticipantObjectIdentification>",
            escaped(id),
            *is as u8,
            *role as u8,
            code("ParticipantObjectIDTypeCode", *kind)
        ));
        self
    }

    fn end(&mut self, node: &str) -> String {
        format!(
            "<?xml version=\"1.0\" encoding=\"UTF-8\"?><AuditMessage>{}</EventIdentification>{}\
             <AuditSourceIdentification AuditSourceID=\"{}\"><AuditSourceTypeCode csd-code=\"{APPLICATION_SERVER}\"/>\
             </AuditSourceIdentification>{}</AuditMessage>",
            self.event,
            self.participants,
            escaped(node),
            self.objects
        )
    }
}

/// Something that an event concerns, or how it was asked for.
struct Object<'a> {
    id: &'a str,
    is: Is,
    role: Role,
    kind: Code,
    content: Content<'a>,
    /// Elements of details.
    detail: &'a str,
    /// What stands in the description.
    description: &'a str,
}

/// Participant Object Type Code.
#[derive(Clone, Copy)]
enum Is {
    Person = 1,
    SystemObject = 2,
}

/// Participant Object Type Code Role (section A.5.1.2.2).
#[derive(Clone, Copy)]
enum Role {
    Patient = 1,
    Report = 3,
    SecurityResource = 13,
    Query = 24,
}

/// What the schema wants of every object.
enum Content<'a> {
    Name(&'a str),
    Query(&'a [u8]),
}

fn class_counts(classes: &BTreeMap<SopClassUid, u32>) -> String {
    classes
        .iter()
        .map(|(uid, count)| format!("<SOPClass UID=\"{uid}\" NumberOfInstances=\"{count}\"/>"))
        .collect()
}

fn code(element: &str, Code(value, text, system): Code) -> String {
    format!("<{element} csd-code=\"{value}\" codeSystemName=\"{system}\" originalText=\"{text}\"/>")
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
            // What XML 1.0 has no place for.
            odd if odd.is_control() || matches!(odd, '\u{FFFE}' | '\u{FFFF}') => out.push('\u{FFFD}'),
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

    /// PS3.15 section A.5.3.7: studies and the patient are mandatory, in what is given out as well.
    #[test]
    fn a_retrieval_names_study_and_patient_and_one_that_failed_says_so() {
        let study = StudyTally {
            study: Some(StudyUid::new("1.2.3").unwrap()),
            patient_id: Some("P1".into()),
            patient_name: None,
            classes: BTreeMap::new(),
        };
        let given = AuditEvent::Retrieved { party: party(), destination: None, study: study.clone() };
        let what = Unserved::Retrieval(study);
        let refused = AuditEvent::Unserved { party: party(), what, reason: "answered <404>".into() };
        let kind = |code: &str| format!("<ParticipantObjectIDTypeCode csd-code=\"{code}\"");
        for (event, outcome) in [
            (given, "EventOutcomeIndicator=\"0\"><EventID csd-code=\"110104\""),
            (refused, "EventOutcomeIndicator=\"4\"><EventID csd-code=\"110104\""),
        ] {
            let xml = of_event(&event, 0, "n");
            assert!(xml.contains(outcome), "{xml}");
            for (id, code) in [("1.2.3", "110180"), ("P1", "2")] {
                let object =
                    xml.split("<ParticipantObjectIdentification ").find(|part| part.contains(&kind(code)));
                let id = format!("ParticipantObjectID=\"{id}\"");
                assert!(object.is_some_and(|object| object.starts_with(&id)), "{xml}");
            }
            let words = "<EventOutcomeDescription>answered &lt;404&gt;</EventOutcomeDescription></EventIdentification>";
            assert_eq!(xml.contains(words), matches!(event, AuditEvent::Unserved { .. }), "{xml}");
        }
        let what = Unserved::Query { sop_class: SopClassUid::new("1.2").unwrap(), asked: "?x".into() };
        let xml = of_event(&AuditEvent::Unserved { party: party(), what, reason: "no".into() }, 0, "n");
        assert!(xml.contains("110112") && xml.contains(&base64(b"?x")), "{xml}");
    }

    #[test]
    fn a_rejection_is_a_security_alert() {
        let event = AuditEvent::AssociationRejected { party: party(), reason: "calling AE title".into() };
        let xml = of_event(&event, 0, "n");
        assert!(xml.contains("110113") && xml.contains("EventOutcomeIndicator=\"8\""), "{xml}");
        assert!(xml.contains(&base64(b"calling AE title")));
    }
}
