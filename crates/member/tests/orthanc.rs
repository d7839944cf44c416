//! Members with Orthanc's REST interface that do as they are told.

use std::time::Duration;

use outrigger_dataset::phantom::{Phantom, Place, Shape};
use outrigger_member::{Member, MemberError, OrthancMember, Outcome, StatusRules, Wholeness, classify};
use outrigger_model::{Level, Query, QueryKey, QueryRoot, Tag, TransferSyntaxUid, with_causes};
use outrigger_runtime::{BlockSource, Body};
use serde_json::{Value, json};

use crate::scripted::{ae, outgoing, spool};
use crate::web::{Deed, Server, answer, client};

const PATIENCE: Duration = Duration::from_secs(2);
const FILE: &str = "Content-Type: application/dicom\r\n";

fn phantom() -> Phantom {
    Phantom::new(1, Place::default(), Shape::SmallCt)
}

fn member(server: &Server, directory: &tempfile::TempDir) -> OrthancMember {
    OrthancMember::new(client(&server.url(), PATIENCE), spool(directory))
}

fn said(json: &Value) -> Deed {
    Deed::Answer(answer("200 OK", "", json.to_string()))
}

#[tokio::test]
async fn the_answer_to_a_store_says_what_became_of_the_object() {
    use Outcome::{AlreadyThere, Config, RefusedForGood, RetryLater, Stored, Unknown};
    let directory = tempfile::tempdir().unwrap();
    let bad = json!({"Message": "Bad file format"}).to_string();
    for (deed, outcome, words) in [
        (said(&json!({"ID": "x", "Status": "Success"})), Stored, ""),
        (said(&json!({"ID": "x", "Status": "AlreadyStored"})), AlreadyThere, "AlreadyStored"),
        (said(&json!({"Status": "FilteredOut"})), RefusedForGood, "FilteredOut"),
        (said(&json!([])), Unknown, "not what Orthanc answers"),
        (Deed::Answer(answer("400 Bad Request", "", bad)), RefusedForGood, "Bad file format"),
        (Deed::Answer(answer("507 Insufficient Storage", "", "")), RetryLater, "507"),
        (Deed::Answer(answer("401 Unauthorized", "", "")), Config, "401"),
        (Deed::Answer(answer("500 Internal Server Error", "", "")), RetryLater, "500"),
        (Deed::Reset, Unknown, "broke"),
        (Deed::Silence, Unknown, "said nothing"),
    ] {
        let server = Server::start([deed.clone()]).await;
        let mut session = member(&server, &directory).open(&[], &ae("CT1")).await.unwrap();
        let stored = session.store(&outgoing(&phantom())).await;
        let said = match &stored {
            Ok(reply) => reply.comment.clone().unwrap_or_default(),
            Err(error) => with_causes(error),
        };
        assert_eq!(classify(&stored, &StatusRules::default()), outcome, "{deed:?}: {said}");
        assert!(said.contains(words), "{deed:?}: {said}");
        let [came] = &server.came()[..] else { panic!("one request") };
        assert_eq!(came.body, phantom().file(), "the file is sent as it is");
    }
}

async fn fetched(deeds: Vec<Deed>) -> Result<(TransferSyntaxUid, Body), MemberError> {
    let directory = tempfile::tempdir().unwrap();
    let server = Server::start(deeds).await;
    let member = member(&server, &directory);
    let header = phantom().header;
    let (study, series) = (header.study.unwrap(), header.series.unwrap());
    member.fetch(&study, &series, &header.sop_instance, &header.sop_class, &[]).await
}

#[tokio::test]
async fn nothing_is_taken_for_an_instance_that_did_not_come_whole_and_as_it_is() {
    let known = |ids: &[&str]| {
        let one = |id: &&str| json!({"ID": id, "Type": "Instance"});
        said(&ids.iter().map(one).collect())
    };
    let file = phantom().file();
    let whole = answer("200 OK", FILE, &file);
    let other = Phantom::new(1, Place { instance: 1, ..Place::default() }, Shape::SmallCt).file();
    for (sent, words) in [
        (whole[..whole.len() - 1].to_vec(), "was cut"),
        (answer("206 Partial Content", FILE, &file), "206"),
        ([b"HTTP/1.1 200 OK\r\n\r\n".as_slice(), &file].concat(), "no length"),
        (answer("200 OK", FILE, other), "was asked for"),
        (answer("200 OK", FILE, "junk"), "no DICOM file"),
        (answer("503 Service Unavailable", "Retry-After: 9\r\n", ""), "(Retry-After: 9)"),
    ] {
        let error = with_causes(&fetched(vec![known(&["aa"]), Deed::Last(sent)]).await.unwrap_err());
        assert!(error.contains(words), "{words}: {error}");
    }
    let (syntax, body) = fetched(vec![known(&["aa"]), Deed::Answer(whole.clone())]).await.unwrap();
    assert_eq!((syntax, body.read_block(0).unwrap()), (phantom().transfer_syntax, phantom().data_set));

    let elsewhere = Phantom::new(1, Place { series: 1, ..Place::default() }, Shape::SmallCt);
    let relocated = relocated(&elsewhere);
    let deeds =
        vec![known(&["aa", "bb"]), Deed::Answer(answer("200 OK", FILE, relocated)), Deed::Answer(whole)];
    let (_, body) = fetched(deeds).await.unwrap();
    assert_eq!(body.read_block(0).unwrap(), phantom().data_set, "the copy under this series");

    let gone = Deed::Answer(answer("404 Not Found", "", ""));
    for deeds in [vec![known(&[])], vec![known(&["aa"]), gone], vec![known(&["../system"])]] {
        let error = fetched(deeds).await.unwrap_err();
        assert!(matches!(error, MemberError::NotFound), "{error:?}");
    }
}

/// The phantom, as it is under the series of another.
fn relocated(other: &Phantom) -> Vec<u8> {
    let (mine, theirs) = (phantom().header.series.unwrap(), other.header.series.clone().unwrap());
    assert_eq!(mine.as_str().len(), theirs.as_str().len());
    let file = phantom().file();
    let at = file.windows(mine.as_str().len()).position(|bytes| bytes == mine.as_str().as_bytes()).unwrap();
    [&file[..at], theirs.as_str().as_bytes(), &file[at + mine.as_str().len()..]].concat()
}

#[tokio::test]
async fn a_search_is_answered_from_the_resource_and_those_above_and_below() {
    let directory = tempfile::tempdir().unwrap();
    let found = json!([
        {"ID": "a1", "MainDicomTags": {"0020,000d": "1.2"}, "PatientMainDicomTags": {"0010,0020": "P"}, "Series": ["b1", "b2"]},
        {"ID": "a2", "MainDicomTags": {"0020,000d": "1.3"}, "Series": []},
    ]);
    let series = json!([
        {"ID": "b1", "MainDicomTags": {"0008,0060": "SR"}, "Instances": ["c1"]},
        {"ID": "b2", "MainDicomTags": {"0008,0060": "CT"}, "Instances": ["c2", "c3"]},
    ]);
    let server = Server::start([said(&found), said(&series)]).await;
    let mut session = member(&server, &directory).ask(&[]).await.unwrap();
    let tags = [
        Tag::MODALITIES_IN_STUDY,
        Tag::PATIENT_ID,
        Tag::STUDY_INSTANCE_UID,
        Tag::STUDY_RELATED_SERIES,
        Tag::STUDY_RELATED_INSTANCES,
    ];
    let keys = tags.map(|tag| QueryKey { tag, value: String::new() }).to_vec();
    let answered = session.find(&Query::new(QueryRoot::Study, Level::Study, keys), 1).await.unwrap();
    assert_eq!(answered.whole, Wholeness::Cut);
    let values = ["CT\\SR", "P", "1.2", "2", "3"].map(str::to_owned);
    assert_eq!(answered.answers[0].attributes, tags.into_iter().zip(values).collect::<Vec<_>>());
}
