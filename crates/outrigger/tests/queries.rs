//! One table of queries, put to front doors and to the archives behind them: what each answers, and why it differs.

mod client;
pub(crate) mod objects;
mod page;
mod table;

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::time::Duration;

use outrigger_model::Tag;
use outrigger_sim::peers::{
    DcmQrScp, FindScu, Orthanc, OrthancSetup, PixelMed, Postgresql, PynetdicomQrScp, Station,
};

use tempfile::TempDir;

use self::client::put;
use self::objects::Corpus;
use self::table::{Row, Table};
use crate::archives::Archive;
use crate::asking_members::last;
use crate::door::{Behind, Door, ae, answers, head};
use crate::inventory::priors_are_seen;
use crate::modality::send;
use crate::weblegs::{member, web};

const PATIENCE: Duration = Duration::from_secs(90);

/// The archives, by the words of the table.
const ARCHIVES: [(&str, &str); 6] = [
    ("orthanc", "Orthanc"),
    ("postgresql", "Orthanc on PostgreSQL"),
    ("dcmtk", "DCMTK dcmqrscp"),
    ("pynetdicom", "pynetdicom qrscp"),
    ("pixelmed", "PixelMed"),
    ("archive", "embedded archive"),
];

/// What stands before the word for an archive where a front door that asks it is meant.
const ASKING: &str = "asking-";

/// A front door that asks no archive.
const CATALOGUE_ALONE: &str = "[query]\nsource = \"catalogue\"\n";

const PAGE: &str = "../../docs/queries.md";

#[test]
fn the_page_of_queries_is_that_of_the_table() {
    let table = Table::read();
    assert!(table.rows().count() >= 150);
    for row in table.rows() {
        for (archive, reason) in &row.differs {
            let archive = archive.trim_start_matches(ASKING);
            assert!(ARCHIVES.iter().any(|(word, _)| *word == archive), "line {}: {archive}", row.line);
            assert!(table.reasons.contains_key(reason), "line {}: `{reason}` is no reason", row.line);
        }
    }
    let page = page::page(&table, &ARCHIVES);
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(PAGE);
    if fs::read_to_string(&path).unwrap_or_default() != page {
        let made = std::env::temp_dir().join("queries.md");
        fs::write(&made, page).unwrap();
        panic!("the page is not that of the table: cp {} {}", made.display(), path.display());
    }
}

/// What the front door says to a row: the answer, with FF01 before it where keys are not supported.
fn by_the_standard(row: &Row, answered: &client::Answered) -> Option<String> {
    let told = if answered.optional_keys { format!("FF01 {}", answered.text) } else { answered.text.clone() };
    (told != row.expected)
        .then(|| format!("line {}: `{}` expected, `{told}` answered", row.line, row.expected))
}

/// What an archive does to a row, against what the table says it does.
fn as_explained(row: &Row, archive: &str, answered: &client::Answered) -> Option<String> {
    let expected = row.expected.trim_start_matches("FF01 ");
    let differs = answered.text != expected;
    // An archive need not say which keys it does not know; a front door does.
    let is_door = archive.starts_with(ASKING);
    let differs = differs || is_door && answered.optional_keys != row.expected.starts_with("FF01");
    match (differs, row.differs.get(archive)) {
        (true, None) => Some(format!(
            "line {}: {archive} answers `{}` and not `{expected}`, without a reason: {}",
            row.line, answered.text, row.text
        )),
        (false, Some(reason)) => Some(format!(
            "line {}: {archive} does as the standard says, and not as `{reason}` has it",
            row.line
        )),
        (true, Some(_)) | (false, None) => None,
    }
}

/// A front door before one archive, which has the objects of the table.
async fn opened(ours: &Station, behind: &Behind, query: &str, corpus: &Corpus) -> Door {
    let directory = TempDir::new().unwrap();
    let text = head(directory.path(), ours.port, "") + query + &behind.text();
    let door = Door::open_with(directory, &text).await;
    send(&door.station(), &corpus.objects).await;
    door.balance_exits(0, PATIENCE).await;
    door
}

/// Puts every row to an archive, to a front door before it that answers from its catalogue, and to one that asks the archive
/// too, as it does unless it is told otherwise.
async fn hold(ours: &Station, archive: &str, station: &Station) {
    let (table, corpus) = (Table::read(), Corpus::new());
    // Over more than one connection dcmqrscp mixes objects up, and PixelMed enters a series twice.
    let behind = Behind::new(archive, station, "accepted").with("connections = 1");
    let asking = format!("{ASKING}{archive}");
    let mut wrong = Vec::new();
    let mut door = opened(ours, &behind, CATALOGUE_ALONE, &corpus).await;
    for row in table.rows() {
        wrong.extend(by_the_standard(row, &put(&door.station(), row, &corpus).await));
        wrong.extend(as_explained(row, archive, &put(station, row, &corpus).await));
    }
    // The same node as it is unless told otherwise: sent twice, the objects would be there twice in some archives.
    let text = fs::read_to_string(&door.config).unwrap().replace(CATALOGUE_ALONE, "");
    fs::write(&door.config, text).unwrap();
    door.node.process().restart().await.unwrap();
    for row in table.rows() {
        wrong.extend(as_explained(row, &asking, &put(&door.station(), row, &corpus).await));
    }
    assert!(wrong.is_empty(), "{} of {}:\n{}", wrong.len(), table.rows().count(), wrong.join("\n"));
}

#[tokio::test]
async fn the_embedded_archive_and_the_front_door_before_it_answer_the_table() {
    for database in ["sqlite", "redb"] {
        let archive = Archive::start("ARCHIVE", database).await;
        hold(&answers(), "archive", &archive.station()).await;
    }
}

#[tokio::test]
async fn peer_orthanc_answers_the_table() {
    let ours = answers();
    let calling = Station { ae_title: ae("CT1"), port: ours.port };
    let peer = Orthanc::start(&OrthancSetup::new(&ae("ORTHANC"), &[ours.clone(), calling])).await.unwrap();
    hold(&ours, "orthanc", peer.station()).await;
}

/// And what it has by then is a prior to a door that comes later.
#[tokio::test]
async fn peer_postgresql_behind_orthanc_answers_the_table() {
    let ours = answers();
    let database = Postgresql::start().await.unwrap();
    let calling = Station { ae_title: ae("CT1"), port: ours.port };
    let mut setup = OrthancSetup::new(&ae("ORTHANC"), &[ours.clone(), calling]);
    setup.postgresql = Some(database.port());
    let peer = Orthanc::start(&setup).await.unwrap();
    hold(&ours, "postgresql", peer.station()).await;
    let member = Behind::new("postgresql", peer.station(), "accepted");
    priors_are_seen(member, "postgresql", Some(&ours), &Corpus::new().objects).await;
}

#[tokio::test]
async fn peer_dcmtk_archive_answers_the_table() {
    let ours = answers();
    let peer = DcmQrScp::start(&ae("QRSCP"), std::slice::from_ref(&ours)).await.unwrap();
    hold(&ours, "dcmtk", peer.station()).await;
}

#[tokio::test]
async fn peer_pynetdicom_archive_answers_the_table() {
    let ours = answers();
    let peer = PynetdicomQrScp::start(&ae("QRSCP"), std::slice::from_ref(&ours)).await.unwrap();
    hold(&ours, "pynetdicom", peer.station()).await;
}

#[tokio::test]
async fn peer_pixelmed_answers_the_table() {
    let ours = answers();
    let peer = PixelMed::start(&ae("PIXELMED"), std::slice::from_ref(&ours)).await.unwrap();
    hold(&ours, "pixelmed", peer.station()).await;
}

/// Before an Orthanc that is asked over its web server, by DICOMweb and by its own interface: no archive to put the rows to.
#[tokio::test]
async fn peer_orthanc_asked_over_its_web_server_answers_the_table() {
    for protocol in ["dicomweb", "orthanc"] {
        let (table, corpus) = (Table::read(), Corpus::new());
        let peer = Orthanc::start(&OrthancSetup::new(&ae("ORTHANC"), &[])).await.unwrap();
        let url = if protocol == "dicomweb" { peer.dicomweb() } else { peer.rest().url("") };
        let directory = TempDir::new().unwrap();
        let text = head(directory.path(), 0, "") + &member("web", "accepted", &[web(protocol, &url)]);
        let door = Door::open_with(directory, &text).await;
        send(&door.station(), &corpus.objects).await;
        door.balance_exits(0, PATIENCE).await;
        let (mut wrong, mut asked) = (Vec::new(), 0);
        for row in table.rows() {
            wrong.extend(by_the_standard(row, &put(&door.station(), row, &corpus).await));
            let said = &last(&door)["members"][0];
            asked += usize::from(said["member"] == "web" && said["not_whole"].is_null());
        }
        assert!(wrong.is_empty(), "{protocol}, {}:\n{}", wrong.len(), wrong.join("\n"));
        assert!(asked > 200, "{protocol}: it answered {asked} rows");
    }
}

/// The rows that `findscu` can put: its command line has ASCII alone, and it negotiates nothing.
fn for_findscu(row: &Row) -> bool {
    let is_plain = |key: &table::Key| !key.looked_at && !key.value.contains(['"', '[', '(']);
    row.charset.is_empty() && row.rules.is_empty() && row.text.is_ascii() && row.keys.iter().all(is_plain)
}

#[tokio::test]
async fn peer_dcmtk_findscu_sees_what_the_table_says() {
    let (table, corpus) = (Table::read(), Corpus::new());
    let archive = Archive::start("ARCHIVE", "sqlite").await;
    let door = opened(&answers(), &Behind::new("archive", &archive.station(), "accepted"), "", &corpus).await;
    let (calling, called) = (ae("CT1"), door.station());
    let mut asked = 0;
    // Every third: a sample, since each is a process.
    for row in table.rows().filter(|row| for_findscu(row)).step_by(3) {
        let unique = client::unique(row.level);
        let mut keys = vec![format!("{:04x},{:04x}", unique.0, unique.1)];
        keys.extend(row.keys.iter().map(|key| {
            let value = corpus.resolved(key.value).replace('\\', "\\\\");
            match key.within {
                None => format!("{:04x},{:04x}={value}", key.tag.0, key.tag.1),
                Some(Tag(group, element)) => {
                    format!("({:04x},{:04x})[0].({group:04x},{element:04x})={value}", key.tag.0, key.tag.1)
                }
            }
        }));
        let keys: Vec<&str> = keys.iter().map(String::as_str).collect();
        let find =
            FindScu { calling: &calling, called: &called, root: row.root, level: row.level, keys: &keys };
        let found = find.run().await.unwrap();
        let names: BTreeSet<&str> = found
            .answers
            .iter()
            .map(|answer| corpus.name(answer[&unique].trim_end_matches([' ', '\0'])))
            .collect();
        let names: Vec<&str> = names.into_iter().collect();
        let refused = row.expected == "A900";
        let expected =
            if refused || row.expected == "-" { "" } else { row.expected.trim_start_matches("FF01 ") };
        assert_eq!(names.join(" "), expected, "line {}: {}", row.line, found.run.said());
        assert_eq!(
            found.run.said().contains("DataSetDoesNotMatchSOPClass"),
            refused,
            "line {}: {}",
            row.line,
            found.run.said()
        );
        asked += 1;
    }
    assert!(asked >= 40, "{asked}");
}
