//! A client of our own: puts the query of a row, and says in a line what it was answered.

use std::collections::BTreeMap;
use std::time::Duration;

use outrigger_dataset::dictionary;
use outrigger_dataset::element::{DataSet, Element, Vr};
use outrigger_dataset::form::Form;
use outrigger_dataset::identifier::read_answer;
use outrigger_dataset::read::read_form;
use outrigger_dataset::text::Declared;
use outrigger_dataset::write::write;
use outrigger_dimse::associate::ExtendedNegotiation;
use outrigger_dimse::{
    Association, AssociationError, Command, Incoming, Priority, Proposal, ProposedContext, Settings, Timers,
    request_extended,
};
use outrigger_model::transfer_syntax::IMPLICIT_VR_LE;
use outrigger_model::{
    Level, QueryRoot, SopClassUid, Status, StatusClass, Tag, TransferSyntaxUid, sop_class,
};
use outrigger_runtime::net::Tcp;
use outrigger_runtime::tls::dial;
use outrigger_sim::peers::Station;

use super::objects::Corpus;
use super::table::Row;
use crate::door::ae;

const CONNECT: Duration = Duration::from_secs(10);
const ANSWER_BYTES_MAX: usize = 1 << 20;

/// What was answered: in the notation of the table, and whether keys were said not to be supported.
pub(crate) struct Answered {
    pub(crate) text: String,
    pub(crate) optional_keys: bool,
}

/// Puts the query of a row over an association of its own.
pub(crate) async fn put(station: &Station, row: &Row, corpus: &Corpus) -> Answered {
    let class = match row.root {
        QueryRoot::Patient => sop_class::PATIENT_ROOT_FIND,
        QueryRoot::Study => sop_class::STUDY_ROOT_FIND,
    };
    let mut association = associated(station, class, &row.rules).await;
    let answered = ask(&mut association, class, row, corpus).await;
    match answered {
        Ok(answered) => {
            // Some archives close instead of answering the release.
            drop(association.release().await);
            answered
        }
        Err(_) => Answered { text: "abort".to_owned(), optional_keys: false },
    }
}

async fn associated(station: &Station, class: &str, rules: &[&str]) -> Association {
    let timers = Timers { response: Duration::from_secs(20), ..Timers::STANDARD };
    let sop_class = SopClassUid::new(class).unwrap();
    let bytes = ["relational", "datetime", "fuzzy", "timezone", "multiframe", "empty", "multiple"];
    let information: Vec<u8> = bytes.iter().map(|rule| u8::from(rules.contains(rule))).collect();
    let extended = ExtendedNegotiation { sop_class: sop_class.clone(), information: information.into() };
    let extended = if rules.is_empty() { Vec::new() } else { vec![extended] };
    let proposal = Proposal {
        calling: ae("CT1"),
        called: station.ae_title.clone(),
        contexts: vec![ProposedContext {
            id: 1,
            abstract_syntax: sop_class,
            transfer_syntaxes: vec![TransferSyntaxUid::known(IMPLICIT_VR_LE)],
        }],
        roles: Vec::new(),
    };
    let stream = dial(&Tcp, &station.address().to_string(), None, CONNECT).await.unwrap();
    let settings = Settings { timers, ..Settings::STANDARD };
    request_extended(stream, &settings, proposal, extended).await.unwrap()
}

async fn ask(
    association: &mut Association,
    class: &str,
    row: &Row,
    corpus: &Corpus,
) -> Result<Answered, AssociationError> {
    let message_id = association.next_message_id();
    let sop_class = SopClassUid::new(class).unwrap();
    let command = Command::CFindRq { message_id, sop_class, priority: Priority::Medium };
    association.send_with(1, &command, identifier(row, corpus).into()).await?;
    let mut found = BTreeMap::new();
    let mut optional_keys = false;
    loop {
        let (Incoming::Message { command: Command::CFindRsp { outcome, .. }, .. }
        | Incoming::Message { command: Command::Refusal { outcome, .. }, .. }) =
            association.receive().await?
        else {
            return Err(AssociationError::Closed);
        };
        if outcome.status.class() != StatusClass::Pending {
            let text = match outcome.status {
                Status::SUCCESS if found.is_empty() => "-".to_owned(),
                Status::SUCCESS => found.into_values().collect::<Vec<String>>().join(" "),
                status => status.to_string(),
            };
            return Ok(Answered { text, optional_keys });
        }
        optional_keys |= outcome.status == Status::PENDING_OPTIONAL_KEYS;
        let bytes = association.data_set(ANSWER_BYTES_MAX).await?;
        let (name, text) = described(row, corpus, &bytes);
        found.insert(name, text);
    }
}

/// The unique key of a level.
pub(crate) fn unique(level: Level) -> Tag {
    match level {
        Level::Patient => Tag::PATIENT_ID,
        Level::Study => Tag::STUDY_INSTANCE_UID,
        Level::Series => Tag::SERIES_INSTANCE_UID,
        Level::Image => Tag::SOP_INSTANCE_UID,
    }
}

fn level_text(level: Level) -> &'static str {
    match level {
        Level::Patient => "PATIENT",
        Level::Study => "STUDY",
        Level::Series => "SERIES",
        Level::Image => "IMAGE",
    }
}

fn identifier(row: &Row, corpus: &Corpus) -> Vec<u8> {
    let charset = Declared::new(row.charset);
    let mut set = DataSet::default();
    set.put(Element::text(Tag::QUERY_RETRIEVE_LEVEL, Vr::CS, level_text(row.level)));
    set.put(Element::text(unique(row.level), dictionary::vr(unique(row.level)), ""));
    if !row.charset.is_empty() {
        set.put(Element::text(Tag::SPECIFIC_CHARACTER_SET, Vr::CS, row.charset));
    }
    for key in row.keys.iter().filter(|key| key.tag != Tag::SPECIFIC_CHARACTER_SET) {
        let vr = dictionary::vr(key.tag);
        let value = corpus.resolved(key.value);
        set.put(match (vr, value.parse::<u16>()) {
            (Vr::SQ, _) => {
                // All keys within it stand in one item.
                let mut item = set.items(key.tag).first().cloned().unwrap_or_default();
                if let Some(within) = key.within {
                    item.put(Element::text(within, dictionary::vr(within), &value));
                }
                let items = if key.within.is_some() { vec![item] } else { Vec::new() };
                Element::sequence(key.tag, items)
            }
            (Vr::US, Ok(number)) => Element::new(key.tag, vr, number.to_le_bytes().to_vec()),
            _ => {
                let bytes = charset.encode(&value, vr);
                Element::new(
                    key.tag,
                    vr,
                    bytes.unwrap_or_else(|| panic!("{} cannot hold {value}", row.charset)),
                )
            }
        });
    }
    write(&set, Form::ImplicitLittle)
}

/// The name of an answer, and the name with the values that are looked at.
fn described(row: &Row, corpus: &Corpus, bytes: &bytes::Bytes) -> (String, String) {
    let declared = read_form(Form::ImplicitLittle, bytes.clone());
    let declared = declared.map(|set| set.plain(Tag::SPECIFIC_CHARACTER_SET).unwrap_or_default().to_owned());
    let answer = read_answer(Form::ImplicitLittle, bytes).unwrap_or_default();
    let value = |wanted: Tag| match wanted {
        Tag::SPECIFIC_CHARACTER_SET => declared.as_deref().unwrap_or("?"),
        _ => answer.attributes.iter().find(|(tag, _)| *tag == wanted).map_or("", |(_, value)| value),
    };
    let name = corpus.name(value(unique(row.level)).trim()).to_owned();
    let looked_at: Vec<String> =
        row.keys.iter().filter(|key| key.looked_at).map(|key| shown(value(key.tag))).collect();
    let text = if looked_at.is_empty() { name.clone() } else { format!("{name}({})", looked_at.join(",")) };
    (name, text)
}

/// A value without what means nothing: padding, the order of lists.
fn shown(value: &str) -> String {
    let mut values: Vec<&str> = value.split('\\').map(str::trim).collect();
    if values.iter().all(|value| value.is_ascii() && !value.contains(' ')) {
        values.sort_unstable();
    }
    values.join("\\").trim_end_matches(['^', '=']).replace(' ', "_")
}
