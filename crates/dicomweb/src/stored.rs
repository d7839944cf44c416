//! The response of a store transaction (PS3.18 section 10.5.3).

use outrigger_model::{SopClassUid, SopInstanceUid};
use serde_json::{Map, Value, json};

use crate::resource::Resource;

/// What became of one object of a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stored {
    /// Its SOP class, where it was readable.
    pub sop_class: Option<SopClassUid>,
    /// Its UID, where it was readable.
    pub sop_instance: Option<SopInstanceUid>,
    /// Whether it was taken.
    pub fate: Fate,
}

/// Whether an object was taken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fate {
    /// It is on stable storage, and retrieved from there where it stands in a study.
    Taken(Option<Resource>),
    /// It is not, for this Failure Reason (0008,1197).
    Failed(u16),
}

/// How a request as a whole ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Whole {
    /// Every object was taken: 200.
    All,
    /// Some were, some were not: 202.
    Some,
    /// None was: 409.
    None,
}

/// How a request with these objects ended as a whole; one without objects took none.
pub fn whole(objects: &[Stored]) -> Whole {
    let taken = objects.iter().filter(|object| matches!(object.fate, Fate::Taken(_))).count();
    match taken {
        0 => Whole::None,
        taken if taken == objects.len() => Whole::All,
        _ => Whole::Some,
    }
}

/// The Store Instances Response Module in DICOM JSON (PS3.18 table I.2.1-1); `base` is the URL of the service, `study`
/// the one all objects belong to.
pub fn response(base: &str, objects: &[Stored], study: Option<&Resource>) -> Vec<u8> {
    let (mut taken, mut failed, mut nameless) = (Vec::new(), Vec::new(), Vec::new());
    for object in objects {
        let sequence = match (&object.fate, &object.sop_class, &object.sop_instance) {
            (Fate::Taken(_), ..) => &mut taken,
            (Fate::Failed(_), Some(_), Some(_)) => &mut failed,
            // Of what has no UIDs only the reason can be said.
            (Fate::Failed(_), ..) => &mut nameless,
        };
        sequence.push(item(base, object));
    }
    let mut data_set = Map::new();
    if let Some(study) = study.filter(|_| !taken.is_empty()) {
        data_set.insert("00081190".to_owned(), value("UR", format!("{base}{study}")));
    }
    for (tag, items) in [("00081198", failed), ("00081199", taken), ("0008119A", nameless)] {
        if !items.is_empty() {
            data_set.insert(tag.to_owned(), json!({"vr": "SQ", "Value": items}));
        }
    }
    Value::Object(data_set).to_string().into_bytes()
}

fn item(base: &str, object: &Stored) -> Value {
    let mut item = Map::new();
    if let Some(class) = &object.sop_class {
        item.insert("00081150".to_owned(), value("UI", class.as_str()));
    }
    if let Some(instance) = &object.sop_instance {
        item.insert("00081155".to_owned(), value("UI", instance.as_str()));
    }
    match &object.fate {
        Fate::Taken(Some(resource)) => {
            item.insert("00081190".to_owned(), value("UR", format!("{base}{resource}")));
        }
        Fate::Taken(None) => {}
        Fate::Failed(reason) => {
            item.insert("00081197".to_owned(), value("US", *reason));
        }
    }
    Value::Object(item)
}

fn value(vr: &str, value: impl Into<Value>) -> Value {
    json!({"vr": vr, "Value": [value.into()]})
}

#[cfg(test)]
mod tests {
    use super::*;

    fn object(uid: &str, fate: Fate) -> Stored {
        Stored {
            sop_class: Some(SopClassUid::new("1.2.840.10008.5.1.4.1.1.2").unwrap()),
            sop_instance: Some(SopInstanceUid::new(uid).unwrap()),
            fate,
        }
    }

    #[test]
    fn every_object_stands_in_one_sequence() {
        let place = Resource::instance("1", "2", "1.1").unwrap();
        let nameless = Stored { sop_class: None, sop_instance: None, fate: Fate::Failed(0xC000) };
        let objects =
            [object("1.1", Fate::Taken(Some(place))), object("1.2", Fate::Failed(0xA900)), nameless];
        let study = Resource::study("1").unwrap();
        let said = response("http://h/dicomweb", &objects, Some(&study));
        let said: Value = serde_json::from_slice(&said).unwrap();
        assert_eq!(
            said,
            json!({
                "00081190": {"vr": "UR", "Value": ["http://h/dicomweb/studies/1"]},
                "00081198": {"vr": "SQ", "Value": [{
                    "00081150": {"vr": "UI", "Value": ["1.2.840.10008.5.1.4.1.1.2"]},
                    "00081155": {"vr": "UI", "Value": ["1.2"]},
                    "00081197": {"vr": "US", "Value": [0xA900]},
                }]},
                "00081199": {"vr": "SQ", "Value": [{
                    "00081150": {"vr": "UI", "Value": ["1.2.840.10008.5.1.4.1.1.2"]},
                    "00081155": {"vr": "UI", "Value": ["1.1"]},
                    "00081190": {"vr": "UR", "Value": ["http://h/dicomweb/studies/1/series/2/instances/1.1"]},
                }]},
                "0008119A": {"vr": "SQ", "Value": [{"00081197": {"vr": "US", "Value": [0xC000]}}]},
            })
        );
        assert_eq!(whole(&objects), Whole::Some);
        assert_eq!(whole(&objects[..1]), Whole::All);
        assert_eq!(whole(&objects[1..]), Whole::None);
        assert_eq!(whole(&[]), Whole::None);
    }
}
