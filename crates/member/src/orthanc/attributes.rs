//! The attributes of a match: what Orthanc's index has of the resource itself, and, where it was asked for, of those above
//! and below it.

use std::collections::{BTreeMap, BTreeSet};

use outrigger_model::{Answer, Level, Query, Tag};
use serde::Deserialize;

use super::asked;
use super::fetch::is_id;
use super::find::named;
use crate::contract::MemberError;
use crate::http::{Ask, Connection};

/// Longest description of resources read, in bytes: the series of a study name each of their instances.
const ANSWER_BYTES_MAX: usize = 64 << 20;
/// Descriptions kept while one query is answered, that of one study for all its series: some kilobytes each.
const PARENTS_MAX: usize = 1000;

const OPERATION: &str = "GET of a resource";

/// A resource as Orthanc describes it, tags as `gggg,eeee`.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Resource {
    #[serde(rename = "ID")]
    pub(super) id: String,
    #[serde(default)]
    main_dicom_tags: BTreeMap<String, String>,
    #[serde(default)]
    patient_main_dicom_tags: BTreeMap<String, String>,
    parent_study: Option<String>,
    parent_series: Option<String>,
    #[serde(default)]
    studies: Vec<String>,
    #[serde(default)]
    series: Vec<String>,
    #[serde(default)]
    instances: Vec<String>,
}

/// What is wanted of each match of one query.
pub(super) struct Attributes {
    level: Level,
    wanted: BTreeSet<Tag>,
    /// Single UIDs that were asked for are what was found.
    given: Vec<(Tag, String)>,
    parents: BTreeMap<String, Resource>,
}

impl Attributes {
    pub(super) fn of(query: &Query) -> Self {
        let is_given = |tag: Tag, value: &str| {
            [Tag::STUDY_INSTANCE_UID, Tag::SERIES_INSTANCE_UID, Tag::SOP_INSTANCE_UID].contains(&tag)
                && !value.is_empty()
                && !value.contains(['\\', '*', '?'])
        };
        let given = query.keys.iter().filter(|key| is_given(key.tag, &key.value));
        Self {
            level: query.level,
            wanted: query.keys.iter().map(|key| key.tag).collect(),
            given: given.map(|key| (key.tag, key.value.clone())).collect(),
            parents: BTreeMap::new(),
        }
    }

    /// The answer for a match; an attribute that Orthanc's index does not have is left out.
    pub(super) async fn answer(
        &mut self,
        connection: &mut Connection,
        resource: Resource,
    ) -> Result<Answer, MemberError> {
        let mut found: BTreeMap<Tag, String> = self.given.iter().cloned().collect();
        note(&mut found, &resource.main_dicom_tags);
        note(&mut found, &resource.patient_main_dicom_tags);
        self.count(connection, &resource, &mut found).await?;
        if self.level == Level::Image {
            self.of_instance(connection, &resource, &mut found).await?;
        }
        let mut above = resource;
        while self.lacks(&found) {
            let parent = match (above.parent_series.take(), above.parent_study.take()) {
                (Some(id), _) => ("series", id),
                (None, Some(id)) => ("studies", id),
                (None, None) => break,
            };
            let Some(parent) = self.parent(connection, parent.0, parent.1).await? else { break };
            note(&mut found, &parent.main_dicom_tags);
            note(&mut found, &parent.patient_main_dicom_tags);
            above = parent;
        }
        let wanted = |(tag, value): &(Tag, String)| self.wanted.contains(tag) && !value.is_empty();
        Ok(Answer { attributes: found.into_iter().filter(wanted).collect() })
    }

    /// Whether something is missing that those above may have.
    fn lacks(&self, found: &BTreeMap<Tag, String>) -> bool {
        let is_counted = |tag: &Tag| COUNTED.contains(tag);
        self.wanted.iter().any(|tag| !found.contains_key(tag) && !is_counted(tag))
    }

    async fn parent(
        &mut self,
        connection: &mut Connection,
        kind: &str,
        id: String,
    ) -> Result<Option<Resource>, MemberError> {
        if let Some(known) = self.parents.get(&id) {
            return Ok(Some(known.clone()));
        }
        let Some(parent) = one(connection, &format!("/{kind}/{id}?short"), &id).await? else {
            return Ok(None);
        };
        if self.parents.len() < PARENTS_MAX {
            self.parents.insert(id, parent.clone());
        }
        Ok(Some(parent))
    }

    /// What is counted from those below.
    async fn count(
        &self,
        connection: &mut Connection,
        resource: &Resource,
        found: &mut BTreeMap<Tag, String>,
    ) -> Result<(), MemberError> {
        let mut put = |tag, count: usize| found.insert(tag, count.to_string());
        let (kind, series_tag, instances_tag) = match self.level {
            Level::Patient => {
                put(Tag::PATIENT_RELATED_STUDIES, resource.studies.len());
                ("patients", Tag::PATIENT_RELATED_SERIES, Tag::PATIENT_RELATED_INSTANCES)
            }
            Level::Study => ("studies", Tag::STUDY_RELATED_SERIES, Tag::STUDY_RELATED_INSTANCES),
            Level::Series => {
                put(Tag::SERIES_RELATED_INSTANCES, resource.instances.len());
                return Ok(());
            }
            Level::Image => return Ok(()),
        };
        if self.level == Level::Study {
            put(series_tag, resource.series.len());
        }
        let below = [instances_tag, Tag::MODALITIES_IN_STUDY, Tag::PATIENT_RELATED_SERIES];
        if !below.iter().any(|tag| self.wanted.contains(tag)) || !is_id(&resource.id) {
            return Ok(());
        }
        let path = format!("/{kind}/{}/series?short", resource.id);
        let series: Vec<Resource> = asked(connection, &Ask::get(path), OPERATION, ANSWER_BYTES_MAX).await?;
        put(series_tag, series.len());
        put(instances_tag, series.iter().map(|series| series.instances.len()).sum());
        let modality = named(Tag::MODALITY);
        let modalities: BTreeSet<&str> = series
            .iter()
            .filter_map(|series| series.main_dicom_tags.get(&modality).map(String::as_str))
            .collect();
        if self.level == Level::Study {
            let all: Vec<&str> = modalities.into_iter().collect();
            found.insert(Tag::MODALITIES_IN_STUDY, all.join("\\"));
        }
        Ok(())
    }

    /// What the index has of an instance beside its main tags: its class.
    async fn of_instance(
        &self,
        connection: &mut Connection,
        resource: &Resource,
        found: &mut BTreeMap<Tag, String>,
    ) -> Result<(), MemberError> {
        if !self.wanted.contains(&Tag::SOP_CLASS_UID) || !is_id(&resource.id) {
            return Ok(());
        }
        let ask = Ask::get(format!("/instances/{}/metadata/SopClassUid", resource.id));
        let mut answer = connection.ask(&ask).await.map_err(|error| error.during(OPERATION))?;
        let body = answer.whole(ANSWER_BYTES_MAX).await.map_err(|error| error.during(OPERATION))?;
        if answer.status.is_success() {
            found.insert(Tag::SOP_CLASS_UID, String::from_utf8_lossy(&body).trim().to_owned());
        }
        Ok(())
    }
}

/// What is counted, and stands at no parent.
const COUNTED: [Tag; 9] = [
    Tag::PATIENT_RELATED_STUDIES,
    Tag::PATIENT_RELATED_SERIES,
    Tag::PATIENT_RELATED_INSTANCES,
    Tag::STUDY_RELATED_SERIES,
    Tag::STUDY_RELATED_INSTANCES,
    Tag::SERIES_RELATED_INSTANCES,
    Tag::MODALITIES_IN_STUDY,
    Tag::SOP_CLASSES_IN_STUDY,
    Tag::SOP_CLASS_UID,
];

/// A resource by its path; nothing where it is gone by now.
async fn one(connection: &mut Connection, path: &str, id: &str) -> Result<Option<Resource>, MemberError> {
    if !is_id(id) {
        return Ok(None);
    }
    match asked(connection, &Ask::get(path), OPERATION, ANSWER_BYTES_MAX).await {
        Ok(resource) => Ok(Some(resource)),
        Err(MemberError::Http(refusal)) if refusal.code == 404 => Ok(None),
        Err(error) => Err(error),
    }
}

/// Takes what is not known yet: the resource itself goes before those above it.
fn note(found: &mut BTreeMap<Tag, String>, tags: &BTreeMap<String, String>) {
    for (name, value) in tags {
        if let Ok(tag) = Tag::from_hex(&name.replace(',', "")) {
            found.entry(tag).or_insert_with(|| value.clone());
        }
    }
}
