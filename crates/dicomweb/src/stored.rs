//! The response of a store transaction (PS3.18 section 10.5.3).

use outrigger_model::{SopClassUid, SopInstanceUid};
use serde_json::{Map, Value, json};

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
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fate {
    /// It is on stable storage.
    Taken,
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
    let taken = objects.iter().filter(|object| object.fate == Fate::Taken).count();
    match taken {
        0 => Whole::None,
        taken if taken == objects.len() => Whole::All,
        _ => Whole::Some,
    }
}

/// The Store Instances Response Module in DICOM JSON (PS3.18 table I.2.1-1); `base` is the URL of the service.
pub fn response(base: &str, objects: &[Stored], study: Option<&str>) -> Vec<u8> {
    let (taken, failed): (Vec<&Stored>, Vec<&Stored>) =
        objects.iter().partition(|object| object.fate == Fate::Taken);
    let mut data_set = Map::new();
    if let Some(study) = study.filter(|_| !taken.is_empty()) {
        data_set.insert("00081190".to_owned(), value("UR", json!(format!("{base}/studies/{study}"))));
    }
    if !failed.is_empty() {
        let items: Vec<Value> = failed.into_iter().map(item).collect();
        data_set.insert("00081198".to_owned(), json!({"vr": "SQ", "Value": items}));
    }
    if !taken.is_empty() {
        let items: Vec<Value> = taken.into_iter().map(item).collect();
        data_set.insert("00081199".to_owned(), json!({"vr": "SQ", "Value": items}));
    }
    Value::Object(data_set).to_string().into_bytes()
}

fn item(object: &Stored) -> Value {
    let mut item = Map::new();
    if let Some(class) = &object.sop_class {
        item.insert("00081150".to_owned(), value("UI", json!(class.as_str())));
    }
    if let Some(instance) = &object.sop_instance {
        item.insert("00081155".to_owned(), value("UI", json!(instance.as_str())));
    }
    if let Fate::Failed(reason) = object.fate {
        item.insert("00081197".to_owned(), value("US", json!(reason)));
    }
    Value::Object(item)
}

fn value(vr: &str, value: Value) -> Value {
    json!({"vr": vr, "Value": [value]})
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
        let objects = [object("1.1", Fate::Taken), object("1.2", Fate::Failed(0xA900))];
        let said: Value =
            serde_json::from_slice(&response("http://h/dicomweb", &objects, Some("1"))).unwrap();
        assert_eq!(said["00081199"]["Value"][0]["00081155"]["Value"][0], "1.1");
        assert_eq!(said["00081198"]["Value"][0]["00081155"]["Value"][0], "1.2");
        assert_eq!(said["00081198"]["Value"][0]["00081197"]["Value"][0], 0xA900);
        assert_eq!(said["00081190"]["Value"][0], "http://h/dicomweb/studies/1");
        assert_eq!(whole(&objects), Whole::Some);
        assert_eq!(whole(&objects[..1]), Whole::All);
        assert_eq!(whole(&objects[1..]), Whole::None);
        assert_eq!(whole(&[]), Whole::None);
    }
}
