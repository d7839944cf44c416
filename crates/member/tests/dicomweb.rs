//! DICOMweb members that do as they are told: what is believed of their answers, and what is not.

use std::time::Duration;

use outrigger_dataset::phantom::{Phantom, Place, Shape};
use outrigger_member::{
    Ability, Denial, DicomwebMember, Member, MemberError, Outcome, Outgoing, StatusRules, Wholeness, classify,
};
use outrigger_model::{
    Level, Query, QueryKey, QueryRoot, SopClassUid, SopInstanceUid, Tag, TransactionUid, TransferSyntaxUid,
    with_causes,
};
use outrigger_runtime::{BlockError, BlockSource, Body};
use serde_json::{Value, json};

use crate::scripted::{ae, need, outgoing, spool};
use crate::web::{Deed, Server, answer, client};

const PATIENCE: Duration = Duration::from_secs(20);
/// For those that never answer.
const IMPATIENCE: Duration = Duration::from_millis(200);
const JSON: &str = "Content-Type: application/dicom+json\r\n";

fn phantom() -> Phantom {
    Phantom::new(1, Place::default(), Shape::SmallCt)
}

fn member(url: &str, patience: Duration, directory: &tempfile::TempDir) -> DicomwebMember {
    DicomwebMember::new(client(url, patience), spool(directory))
}

/// Stores the phantom at a server that does this.
async fn stored(deed: Deed, patience: Duration) -> (Outcome, String) {
    let directory = tempfile::tempdir().unwrap();
    let server = Server::start([deed]).await;
    let url = server.url().replace("http://", "http://ada:geheim@");
    let member = member(&url, patience, &directory);
    let mut session = member.open(&[need(&phantom())], &ae("CT1")).await.unwrap();
    let said = session.store(&outgoing(&phantom())).await;
    let words = match &said {
        Ok(reply) => reply.comment.clone().unwrap_or_default(),
        Err(error) => with_causes(error),
    };
    assert!(!words.contains("geheim"), "{words}");
    let [came] = &server.came()[..] else { panic!("one request") };
    assert!(came.head.contains("Basic YWRhOmdlaGVpbQ=="), "{}", came.head);
    (classify(&said, &StatusRules::default()), words)
}

fn failed(reason: u16) -> String {
    let item = json!({
        "00081155": {"vr": "UI", "Value": [phantom().header.sop_instance]},
        "00081197": {"vr": "US", "Value": [reason]},
    });
    json!({"00081198": {"vr": "SQ", "Value": [item]}}).to_string()
}

#[tokio::test]
async fn the_answer_to_a_store_says_what_became_of_the_object() {
    use Outcome::{AlreadyThere, Config, RefusedForGood, RetryLater, Stored, Unknown};
    for (status, headers, body, outcome, words) in [
        ("200 OK", JSON, "{}".to_owned(), Stored, ""),
        ("200 OK", "", String::new(), Stored, ""),
        ("200 OK", JSON, failed(0xA700), RetryLater, "HTTP 200"),
        ("409 Conflict", JSON, failed(0xC000), RefusedForGood, "HTTP 409"),
        ("409 Conflict", JSON, failed(0x0111), AlreadyThere, "HTTP 409"),
        ("409 Conflict", "", "no".to_owned(), RetryLater, "HTTP 409"),
        ("202 Accepted", JSON, failed(0xA900), RefusedForGood, "HTTP 202"),
        ("202 Accepted", JSON, "{}".to_owned(), Unknown, "does not say which"),
        ("401 Unauthorized", "", String::new(), Config, "401 Unauthorized"),
        ("413 Payload Too Large", "", String::new(), RefusedForGood, "413 Payload Too Large"),
        (
            "503 Service Unavailable",
            "Retry-After: 120\r\n",
            "busy".to_owned(),
            RetryLater,
            "busy (Retry-After: 120)",
        ),
        (
            "404 Not Found",
            "",
            "<html>".to_owned(),
            RetryLater,
            "/dicom-web/studies answered STOW-RS with 404",
        ),
        ("302 Found", "Location: http://elsewhere/\r\n", String::new(), RetryLater, "302 Found"),
    ] {
        let (found, said) = stored(Deed::Answer(answer(status, headers, &body)), PATIENCE).await;
        assert_eq!(found, outcome, "{status}: {said}");
        assert!(said.contains(words), "{status}: {said}");
    }
}

#[tokio::test]
async fn a_store_without_an_answer_has_an_unknown_outcome() {
    let cut = answer("200 OK", JSON, failed(0xC000));
    for (deed, patience, words) in [
        (Deed::Silence, IMPATIENCE, "said nothing for 0.2 s"),
        (Deed::Reset, PATIENCE, "/dicom-web/studies broke"),
        (Deed::Last(cut[..cut.len() - 1].to_vec()), PATIENCE, "was cut after"),
        (Deed::Last(b"HTTP/1.1 200 OK\r\nContent-Le".to_vec()), PATIENCE, "broke"),
    ] {
        let (found, said) = stored(deed.clone(), patience).await;
        assert_eq!(found, Outcome::Unknown, "{deed:?}: {said}");
        assert!(said.contains(words), "{deed:?}: {said}");
    }
    let (whole, _) = stored(Deed::Last(cut), PATIENCE).await;
    assert_eq!(whole, Outcome::RefusedForGood, "what came whole is believed");
}

#[tokio::test]
async fn what_is_sent_is_the_object_as_one_file_in_one_part() {
    let directory = tempfile::tempdir().unwrap();
    let server = Server::start([Deed::Answer(answer("200 OK", JSON, "{}"))]).await;
    let member = member(&server.url(), PATIENCE, &directory);
    let phantom = phantom();
    let mut session = member.open(&[], &ae("CT1")).await.unwrap();
    assert_eq!(session.takes(&need(&phantom)), Some(phantom.transfer_syntax.clone()));
    session.store(&outgoing(&phantom)).await.unwrap();
    session.release().await.unwrap();
    let [came] = &server.came()[..] else { panic!("one request") };
    assert!(came.head.starts_with("POST /dicom-web/studies HTTP/1.1"), "{}", came.head);
    let boundary = came.head.split_once("boundary=").unwrap().1.lines().next().unwrap();
    let before = format!("--{boundary}\r\nContent-Type: application/dicom\r\n\r\n");
    let body = came.body.strip_prefix(before.as_bytes()).unwrap();
    let file = body.strip_suffix(format!("\r\n--{boundary}--\r\n").as_bytes()).unwrap();
    let parts = outrigger_dataset::part10::parts(file).unwrap();
    assert_eq!(parts.data_set, &phantom.data_set[..]);
}

/// An object whose second block cannot be read.
#[derive(Debug)]
struct Unreadable;

impl BlockSource for Unreadable {
    fn length(&self) -> u64 {
        3 << 20
    }

    fn read_block(&self, index: u64) -> Result<bytes::Bytes, BlockError> {
        match index {
            0 => Ok(vec![0; 1 << 20].into()),
            _ => Err(BlockError::Damaged { what: "x".to_owned(), index, found: 1, written: 2 }),
        }
    }
}

#[tokio::test]
async fn an_object_that_cannot_be_read_is_not_the_members_fault() {
    let directory = tempfile::tempdir().unwrap();
    let server = Server::start([Deed::Silence]).await;
    let member = member(&server.url(), PATIENCE, &directory);
    let object = Outgoing { bytes: std::sync::Arc::new(Unreadable), ..outgoing(&phantom()) };
    let mut session = member.open(&[], &ae("CT1")).await.unwrap();
    let error = session.store(&object).await.unwrap_err();
    assert!(matches!(error, MemberError::Source(BlockError::Damaged { .. })), "{error:?}");
    assert!(server.came().is_empty(), "the request broke off");
}

/// The phantom as a multipart body, or what is made of it.
fn multipart(parts: &[Vec<u8>], boundary: &str) -> Vec<u8> {
    let mut body = Vec::new();
    for part in parts {
        body.extend(format!("--{boundary}\r\nContent-Type: application/dicom\r\n\r\n").into_bytes());
        body.extend_from_slice(part);
        body.extend_from_slice(b"\r\n");
    }
    body.extend(format!("--{boundary}--\r\n").into_bytes());
    body
}

const RELATED: &str = "Content-Type: multipart/related; type=\"application/dicom\"; boundary=\"XX\"\r\n";

async fn fetched(deed: Deed) -> Result<(TransferSyntaxUid, Body), MemberError> {
    let directory = tempfile::tempdir().unwrap();
    let server = Server::start([deed]).await;
    let member = member(&server.url(), IMPATIENCE * 10, &directory);
    let header = phantom().header;
    let (study, series) = (header.study.unwrap(), header.series.unwrap());
    member.fetch(&study, &series, &header.sop_instance, &header.sop_class, &[]).await
}

/// Who waits sees the bytes come, and how many came of an answer that was cut.
#[tokio::test]
async fn what_comes_of_an_answer_is_counted() {
    let directory = tempfile::tempdir().unwrap();
    let body = multipart(&[phantom().file()], "XX");
    let whole = answer("200 OK", RELATED, &body);
    let cut = whole[..whole.len() - body.len() / 2].to_vec();
    let server = Server::start([Deed::Answer(whole), Deed::Last(cut)]).await;
    let member = member(&server.url(), IMPATIENCE * 10, &directory);
    let header = phantom().header;
    let (study, series) = (header.study.unwrap(), header.series.unwrap());
    let mut session = member.ask(&[]).await.unwrap();
    let arrived = session.arrived();
    assert_eq!(arrived.bytes(), 0);
    session.fetch(&study, &series, &header.sop_instance, &header.sop_class).await.unwrap();
    assert_eq!(arrived.bytes(), body.len() as u64);
    session.fetch(&study, &series, &header.sop_instance, &header.sop_class).await.unwrap_err();
    let of_cut = arrived.bytes() - body.len() as u64;
    assert_eq!(of_cut, (body.len() - body.len() / 2) as u64);
}

#[tokio::test]
async fn an_instance_that_came_whole_is_taken() {
    let file = phantom().file();
    for body in [
        answer("200 OK", RELATED, multipart(std::slice::from_ref(&file), "XX")),
        answer("200 OK", "Content-Type: application/dicom\r\n", &file),
    ] {
        let (syntax, body) = fetched(Deed::Answer(body)).await.unwrap();
        assert_eq!(syntax, phantom().transfer_syntax);
        assert_eq!(body.read_block(0).unwrap(), phantom().data_set);
    }
}

#[tokio::test]
async fn nothing_is_taken_for_an_instance_that_did_not_come_whole_and_as_it_is() {
    let file = phantom().file();
    let other = Phantom::new(1, Place { instance: 1, ..Place::default() }, Shape::SmallCt).file();
    let body = multipart(std::slice::from_ref(&file), "XX");
    let whole = answer("200 OK", RELATED, &body);
    let ok = |body: &[u8]| answer("200 OK", RELATED, body);
    let unframed = [b"HTTP/1.1 200 OK\r\nContent-Type: application/dicom\r\n\r\n".as_slice(), &file].concat();
    for (sent, words) in [
        (whole[..whole.len() - 400].to_vec(), "was cut after"),
        (ok(&body[..body.len() - 10]), "ends before its closing boundary"),
        (ok(&body[..200]), "ends before its closing boundary"),
        (answer("206 Partial Content", RELATED, &body), "206"),
        (ok(&multipart(std::slice::from_ref(&file), "YY")), "boundary that the header names"),
        (ok(&multipart(&[], "XX")), "no part"),
        (ok(&multipart(&[file.clone(), file.clone()], "XX")), "second part"),
        (ok(&multipart(&[other], "XX")), "was asked for"),
        (ok(&multipart(&[b"<html>".to_vec()], "XX")), "no DICOM file"),
        (ok(&multipart(&[file[..150].to_vec()], "XX")), "ends in its file meta information"),
        (answer("200 OK", "Content-Type: text/html\r\n", b"<html>"), "`text/html`"),
        (unframed, "no length"),
        (answer("503 Service Unavailable", "Retry-After: 7\r\n", b""), "(Retry-After: 7)"),
        (answer("401 Unauthorized", "", b""), "401"),
    ] {
        let words_of = with_causes(&fetched(Deed::Last(sent)).await.unwrap_err());
        assert!(words_of.contains(words), "{words}: {words_of}");
    }
    let silent = with_causes(&fetched(Deed::Silence).await.unwrap_err());
    assert!(silent.contains("said nothing"), "{silent}");
    let gone = fetched(Deed::Answer(answer("404 Not Found", "", b""))).await.unwrap_err();
    assert!(matches!(gone, MemberError::NotFound), "{gone:?}");
}

/// Servers whose bodies are not written as they should be, and of which it is still sure what came.
#[tokio::test]
async fn a_body_that_is_oddly_written_and_whole_is_taken() {
    let file = phantom().file();
    let part = |before: &str, head: &str, after: &str| {
        [before.as_bytes(), head.as_bytes(), &file, after.as_bytes()].concat()
    };
    let plain = "--XX\r\nContent-Type: application/dicom\r\n\r\n";
    for (why, kind, body) in [
        ("a line end before the first boundary", "XX", part("\r\n", plain, "\r\n--XX--\r\n")),
        ("a preamble", "XX", part("This is a multipart message\r\n", plain, "\r\n--XX--")),
        ("bytes behind the end", "XX", part("", plain, "\r\n--XX--\r\nepilogue\r\n--XX\r\n\r\nx")),
        ("blanks behind a boundary", "XX", part("", "--XX \t\r\n\r\n", "\r\n--XX--")),
        ("a part without a head", "XX", part("", "--XX\r\n\r\n", "\r\n--XX--")),
        (
            "a type with parameters",
            "XX",
            part("", "--XX\r\ncontent-type:Application/DICOM; transfer-syntax=1.2\r\n\r\n", "\r\n--XX--"),
        ),
        (
            "a boundary that is to be quoted and is not",
            "=_X:1/2",
            part("", "--=_X:1/2\r\n\r\n", "\r\n--=_X:1/2--"),
        ),
        ("a boundary in quotes", "\"X Y\"", part("", "--X Y\r\n\r\n", "\r\n--X Y--")),
    ] {
        for multipart in ["multipart/related; type=\"application/dicom\"", "Multipart/mixed"] {
            let kind = format!("Content-Type: {multipart}; boundary={kind}\r\n");
            let (_, body) = fetched(Deed::Last(answer("200 OK", &kind, &body))).await.unwrap();
            assert_eq!(body.read_block(0).unwrap(), phantom().data_set, "{why}");
        }
    }
}

/// Of these it is not sure.
#[tokio::test]
async fn a_body_whose_boundaries_are_broken_is_not_taken() {
    let file = phantom().file();
    let part = |before: &str, after: &str| [before.as_bytes(), &file, after.as_bytes()].concat();
    let plain = "--XX\r\nContent-Type: application/dicom\r\n\r\n";
    for (why, body) in [
        ("no last boundary", part(plain, "\r\n")),
        ("a last boundary that opens", part(plain, "\r\n--XX\r\n")),
        ("half a last boundary", part(plain, "\r\n--XX-")),
        ("another last boundary", part(plain, "\r\n--YY--\r\n")),
        (
            "line ends without a carriage return",
            part("--XX\nContent-Type: application/dicom\n\n", "\n--XX--\n"),
        ),
        ("bytes and no line end before the first", part(&format!("x{plain}"), "\r\n--XX--\r\n")),
        ("another first boundary", part("--YY\r\n\r\n", "\r\n--XX--\r\n")),
        ("nothing", Vec::new()),
    ] {
        let sent = [b"HTTP/1.1 200 OK\r\n".as_slice(), RELATED.as_bytes(), b"\r\n", &body].concat();
        let error = with_causes(&fetched(Deed::Last(sent)).await.expect_err(why));
        assert!(error.contains("multipart body") || error.contains("no part"), "{why}: {error}");
    }
}

#[tokio::test]
async fn an_instance_of_another_class_is_another_object() {
    let directory = tempfile::tempdir().unwrap();
    let body = multipart(&[phantom().file()], "XX");
    let server = Server::start([Deed::Answer(answer("200 OK", RELATED, body))]).await;
    let member = member(&server.url(), PATIENCE, &directory);
    let header = phantom().header;
    let (study, series) = (header.study.unwrap(), header.series.unwrap());
    let class = SopClassUid::known("1.2.3");
    let error = member.fetch(&study, &series, &header.sop_instance, &class, &[]).await.unwrap_err();
    assert!(matches!(error, MemberError::OtherClass { shown, .. } if shown == header.sop_class));
}

fn matches(numbers: std::ops::Range<usize>) -> Vec<u8> {
    let one = |number: usize| json!({"0020000D": {"vr": "UI", "Value": [format!("1.2.{number}")]}});
    Value::from(numbers.map(one).collect::<Vec<_>>()).to_string().into_bytes()
}

fn studies() -> Query {
    let key = |tag, value: &str| QueryKey { tag, value: value.to_owned() };
    let keys = vec![key(Tag::STUDY_INSTANCE_UID, ""), key(Tag::PATIENT_ID, "A*")];
    Query::new(QueryRoot::Study, Level::Study, keys)
}

async fn found(deeds: Vec<Deed>, most: usize) -> (Result<(usize, Wholeness), String>, Vec<String>) {
    let directory = tempfile::tempdir().unwrap();
    let server = Server::start(deeds).await;
    let member = member(&server.url(), IMPATIENCE * 10, &directory);
    let mut session = member.ask(&[]).await.unwrap();
    let found = session.find(&studies(), most).await;
    let found = found.map(|found| (found.answers.len(), found.whole)).map_err(|error| with_causes(&error));
    let lines = server.came().iter().map(|came| came.head.lines().next().unwrap().to_owned()).collect();
    (found, lines)
}

#[tokio::test]
async fn a_search_is_read_page_by_page_to_its_end_or_as_far_as_is_wanted() {
    let page = |numbers| Deed::Answer(answer("200 OK", JSON, matches(numbers)));
    let none = || Deed::Answer(answer("204 No Content", "", b""));
    let (all, asked) = found(vec![page(0..1000), page(1000..1500)], 5000).await;
    assert_eq!(all, Ok((1500, Wholeness::All)));
    let first = "GET /dicom-web/studies?includefield=0020000D&00100020=A*&limit=1000";
    assert_eq!(asked, [format!("{first} HTTP/1.1"), format!("{first}&offset=1000 HTTP/1.1")]);
    assert_eq!(found(vec![none()], 10).await.0, Ok((0, Wholeness::All)));
    assert_eq!(found(vec![page(0..11)], 10).await.0, Ok((10, Wholeness::Cut)));
    assert_eq!(found(vec![page(0..10)], 10).await.0, Ok((10, Wholeness::All)));
    let more = answer(
        "200 OK",
        &format!("{JSON}Warning: 299 x: There are 3 additional results that can be requested\r\n"),
        matches(0..3),
    );
    assert_eq!(
        found(vec![Deed::Answer(more), page(3..6)], 10).await.0,
        Ok((6, Wholeness::All)),
        "a cap below ours"
    );
    let (same, _) = found(vec![page(0..1000), page(0..1000)], 5000).await;
    assert_eq!(same, Ok((1000, Wholeness::Ended(outrigger_model::Status(0x0110)))), "no offset is known");
    let refused = Deed::Answer(answer("500 Internal Server Error", "", b""));
    let (ended, _) = found(vec![page(0..1000), refused.clone()], 5000).await;
    assert_eq!(ended, Ok((1000, Wholeness::Ended(outrigger_model::Status(0x0110)))));
    let (error, _) = found(vec![refused], 5000).await;
    assert!(error.unwrap_err().contains("500"));
}

#[tokio::test]
async fn an_answer_to_a_search_that_did_not_come_whole_is_none() {
    let page = answer("200 OK", JSON, matches(0..10));
    for (sent, words) in [
        (page[..page.len() - 5].to_vec(), "was cut"),
        (answer("200 OK", JSON, &matches(0..10)[..50]), "no list in DICOM JSON"),
        (answer("200 OK", "Content-Type: text/html\r\n", b"<html>"), "no list in DICOM JSON"),
        (answer("206 Partial Content", JSON, matches(0..10)), "206"),
    ] {
        let (error, _) = found(vec![Deed::Last(sent)], 100).await;
        let error = error.unwrap_err();
        assert!(error.contains(words), "{words}: {error}");
    }
    assert_eq!(found(vec![Deed::Last(page)], 100).await.0, Ok((10, Wholeness::All)), "the control");
}

#[tokio::test]
async fn a_question_is_put_again_where_the_server_had_ended_the_kept_connection() {
    let directory = tempfile::tempdir().unwrap();
    let page = || answer("200 OK", JSON, matches(0..1));
    let server =
        Server::start([Deed::Last(page()), Deed::Answer(page()), Deed::Reset, Deed::Answer(page())]).await;
    let member = member(&server.url(), PATIENCE, &directory);
    let mut session = member.ask(&[]).await.unwrap();
    for _ in 0..3 {
        assert_eq!(session.find(&studies(), 5).await.unwrap().answers.len(), 1);
    }
    assert!(session.is_open());
    assert_eq!(server.came().len(), 4);
}

#[tokio::test]
async fn what_it_can_do_is_what_it_answers() {
    let page = || Deed::Answer(answer("200 OK", JSON, b"[]"));
    let status = |status: &str| Deed::Answer(answer(status, "", b""));
    let directory = tempfile::tempdir().unwrap();
    for (deeds, able) in [
        ([page(), status("404 Not Found")], &[Ability::Echo, Ability::Query, Ability::ReadBack][..]),
        ([page(), status("405 Method Not Allowed")], &[Ability::Echo, Ability::Query]),
    ] {
        let server = Server::start(deeds).await;
        let found = member(&server.url(), PATIENCE, &directory).abilities().await.unwrap();
        assert_eq!(found, able.iter().copied().collect());
    }
    let server = Server::start([status("404 Not Found")]).await;
    let error = member(&server.url(), PATIENCE, &directory).abilities().await.unwrap_err();
    assert!(matches!(error, MemberError::Http(refusal) if refusal.code == 404));
    let server = Server::start([Deed::Silence]).await;
    let silent = member(&server.url(), IMPATIENCE, &directory).health().await.unwrap_err();
    assert!(silent.is_silence(), "{silent:?}");
    let instances = [(SopClassUid::known("1.2"), SopInstanceUid::known("1.2.3"))];
    let (asked, transaction) = (member(&server.url(), PATIENCE, &directory), TransactionUid::known("1.2"));
    let error = asked.commit(&transaction, &instances).await.unwrap_err();
    assert!(matches!(error, MemberError::Unable { denial: Denial::NoService(_), .. }), "{error:?}");
}
