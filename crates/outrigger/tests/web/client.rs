//! The web door as the Python package dicomweb-client sees it.

use std::collections::BTreeSet;
use std::fs;

use outrigger_dataset::part10;
use outrigger_sim::peers::{Nagle, Orthanc, OrthancSetup, ToolRun};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::door::{Behind, Door, ae, answers, head};
use crate::modality::{Object, objects, send};
use crate::servers::WebServer;
use crate::weblegs::{member, web};

over_both!(
    #[tokio::test]
    peer_dicomweb_client_stores_searches_and_retrieves,
    peer_dicomweb_client_finds_and_gets_what_only_a_member_holds,
);

/// Stores files, searches at each level, and retrieves; says what it saw.
const SCRIPT: &str = r#"
import json, sys, pathlib, pydicom, warnings
from dicomweb_client.api import DICOMwebClient
from requests.exceptions import HTTPError
url, files = sys.argv[1:]
client = DICOMwebClient(url)
sent = [pydicom.dcmread(path) for path in sorted(pathlib.Path(files).glob("*.dcm"))]
response = client.store_instances(sent)
study = sent[0].StudyInstanceUID
series = sent[0].SeriesInstanceUID
pages, offset = [], 0
while page := client.search_for_instances(study, limit=3, offset=offset):
    pages.append([match["00080018"]["Value"][0] for match in page])
    offset += len(page)
got = client.retrieve_study(study)
def refused(**filters):
    try:
        client.search_for_studies(search_filters=filters)
    except HTTPError as error:
        return error.response.status_code
by_uid = {dataset.SOPInstanceUID: dataset for dataset in sent}
saw = {
    "stored": len(response.ReferencedSOPSequence),
    "studies": client.search_for_studies(search_filters={"PatientID": sent[0].PatientID}, fields=["StudyDescription"]),
    "series": client.search_for_series(study),
    "fuzzy": len(client.search_for_studies(fuzzymatching=True)),
    "none": client.search_for_studies(search_filters={"PatientID": "nobody"}),
    "pages": pages,
    "refused": [refused(StudyDate="20241399"), refused(StudyTime="9999"), refused(StudyDate="20200101-20991231")],
    "metadata": len(client.retrieve_series_metadata(study, series)),
    "same_pixels": sum(by_uid[dataset.SOPInstanceUID].PixelData == dataset.PixelData for dataset in got),
}
lost = pydicom.dcmread(sorted(pathlib.Path(files).glob("*.dcm"))[0])
with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    lost.SOPInstanceUID = lost.file_meta.MediaStorageSOPInstanceUID = "2.25.1/../../x"
    client.set_http_retry_params(retry=False)
    try:
        client.store_instances([lost])
        lost_status = 200
    except HTTPError as error:
        lost_status = error.response.status_code
    odd = pydicom.dcmread(sorted(pathlib.Path(files).glob("*.dcm"))[0])
    odd.SOPInstanceUID = odd.file_meta.MediaStorageSOPInstanceUID = "1.02.003"
    client.store_instances([odd])
    back = client.retrieve_instance(odd.StudyInstanceUID, odd.SeriesInstanceUID, "1.02.003")
saw["lost"] = lost_status
saw["odd"] = back.SOPInstanceUID == "1.02.003" and back.PixelData == odd.PixelData
print(json.dumps(saw))
"#;

/// Searches and retrieves what was never sent here; says what it saw.
const OF_MEMBERS: &str = r#"
import json, sys, pathlib, pydicom
from dicomweb_client.api import DICOMwebClient
url, files = sys.argv[1:]
client = DICOMwebClient(url)
held = [pydicom.dcmread(path) for path in sorted(pathlib.Path(files).glob("*.dcm"))]
first = held[0]
study, series, instance = first.StudyInstanceUID, first.SeriesInstanceUID, first.SOPInstanceUID
by_uid = {dataset.SOPInstanceUID: dataset for dataset in held}
def same(got):
    return sum(by_uid[one.SOPInstanceUID].PixelData == one.PixelData for one in got)
of = lambda matches, tag: sorted(match[tag]["Value"][0] for match in matches)
saw = {
    "studies": of(client.search_for_studies(search_filters={"PatientID": first.PatientID}), "0020000D"),
    "dates": of(client.search_for_studies(search_filters={"StudyDate": first.StudyDate}), "0020000D"),
    "series": of(client.search_for_series(study), "0020000E"),
    "instances": of(client.search_for_instances(study), "00080018"),
}
if saw["studies"]:
    frame = client.retrieve_instance_frames(study, series, instance, [1])[0]
    saw["given"] = {
        "study": same(client.retrieve_study(study)),
        "series": same(client.retrieve_series(study, series)),
        "instance": same([client.retrieve_instance(study, series, instance)]),
        "metadata": len(client.retrieve_study_metadata(study)),
        "frame": first.PixelData.startswith(frame) and len(frame) > 0,
        "rendered": client.retrieve_instance_rendered(study, series, instance, media_types=("image/png",))[1:4] == b"PNG",
    }
print(json.dumps(saw))
"#;

/// What a script saw at a door that is given these objects as files.
async fn saw(script: &str, door: &Door, objects: &[Object]) -> Value {
    let files = door.directory.path().join("files");
    fs::create_dir(&files).unwrap();
    for (number, Object { header, transfer_syntax, bytes }) in objects.iter().enumerate() {
        let file = part10::file(&header.sop_class, &header.sop_instance, transfer_syntax, bytes);
        fs::write(files.join(format!("{number}.dcm")), file).unwrap();
    }
    let python = format!("{}/bin/python", std::env::var("OUTRIGGER_VENV").unwrap());
    let url = super::web(&door.node);
    let ran = ToolRun::of(python, &["-c", script, &url, files.to_str().unwrap()], Nagle::Off).await.unwrap();
    serde_json::from_str(&ran.stdout).unwrap_or_else(|_| panic!("{ran:?}\n{}", door.log()))
}

async fn peer_dicomweb_client_stores_searches_and_retrieves(server: WebServer) {
    let home = TempDir::new().unwrap();
    let text = head(home.path(), 0, "") + &server.listener();
    let door = Door::open_with(home, &text).await;
    let sent = objects(3, 7);
    let saw = saw(SCRIPT, &door, &sent).await;
    let of_study: Vec<_> = sent.iter().filter(|object| object.header.study == sent[0].header.study).collect();
    assert_eq!(saw["stored"], sent.len());
    assert_eq!(saw["refused"], json!([400, 400, null]), "{saw:#}");
    assert_eq!((&saw["lost"], &saw["odd"]), (&409.into(), &true.into()), "{saw:#}");
    assert_eq!(saw["studies"].as_array().unwrap().len(), 1, "{saw:#}");
    assert_eq!(saw["studies"][0]["00201208"]["Value"][0], of_study.len(), "{saw:#}");
    assert!(saw["studies"][0]["00081030"].is_object(), "{saw:#}");
    assert!(!saw["series"].as_array().unwrap().is_empty());
    assert_eq!((saw["none"].as_array().map(Vec::len), saw["fuzzy"] != 0), (Some(0), true));
    let paged: Vec<&Value> =
        saw["pages"].as_array().unwrap().iter().flat_map(|page| page.as_array().unwrap()).collect();
    let distinct: std::collections::BTreeSet<_> = paged.iter().map(|uid| uid.as_str()).collect();
    assert_eq!((paged.len(), distinct.len()), (of_study.len(), of_study.len()), "{saw:#}");
    assert_eq!(saw["same_pixels"], of_study.len(), "{saw:#}");
}

/// Where what Outrigger never had comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Known {
    /// Its catalogue alone, which is empty.
    Nothing,
    /// What it asks of the member.
    Asked,
    /// An inventory of the member.
    Inventoried,
}

/// Orthanc held them before there was a front door, which reaches it by either protocol.
async fn peer_dicomweb_client_finds_and_gets_what_only_a_member_holds(server: WebServer) {
    let ours = answers();
    let orthanc =
        Orthanc::start(&OrthancSetup::new(&ae("ORTHANC"), std::slice::from_ref(&ours))).await.unwrap();
    let held = objects(36, 5);
    send(orthanc.station(), &held).await;
    let uids = |uid: fn(&Object) -> String| held.iter().map(uid).collect::<BTreeSet<_>>();
    let studies = uids(|object| object.header.study.as_ref().unwrap().to_string());
    let series = uids(|object| object.header.series.as_ref().unwrap().to_string());
    let instances = uids(|object| object.header.sop_instance.to_string());
    let over_dimse = Behind::new("orthanc", orthanc.station(), "present").text();
    let over_web = member("orthanc", "present", &[web("dicomweb", &orthanc.dicomweb())]);
    for (known, member) in
        [(Known::Nothing, &over_web), (Known::Asked, &over_web), (Known::Inventoried, &over_dimse)]
    {
        let inventory = match known {
            Known::Nothing => "[query]\nsource = \"catalogue\"\n[inventory]\nenabled = false",
            Known::Asked => "[inventory]\nenabled = false",
            Known::Inventoried => "[query]\nsource = \"catalogue\"\n[inventory]\nrate = 1000",
        };
        let home = TempDir::new().unwrap();
        let text = head(home.path(), ours.port, "").replace("[inventory]\nenabled = false", inventory)
            + &server.listener()
            + member;
        let door = Door::open_with(home, &text).await;
        if known == Known::Inventoried {
            let whole = |status: &Value| status["members"][0]["inventory"]["state"] == "complete";
            door.until(&["status"], super::PATIENCE, whole).await;
        }
        let saw = saw(OF_MEMBERS, &door, &held).await;
        if known == Known::Nothing {
            assert_eq!(
                saw,
                json!({"studies": [], "dates": [], "series": [], "instances": []}),
                "the control"
            );
            continue;
        }
        assert_eq!((&saw["studies"], &saw["dates"]), (&json!(studies), &json!(studies)), "{known:?}");
        assert_eq!((&saw["series"], &saw["instances"]), (&json!(series), &json!(instances)), "{known:?}");
        let of_series = held.iter().filter(|object| object.header.series == held[0].header.series).count();
        let given = json!({"study": held.len(), "series": of_series, "instance": 1,
            "metadata": held.len(), "frame": true, "rendered": true});
        assert_eq!(saw["given"], given, "{known:?}\n{}", door.log());
        let giver = "an instance comes from a member member=orthanc";
        let log = fs::read_to_string(door.directory.path().join("log")).unwrap();
        assert!(log.contains(giver), "{known:?}: {log}");
    }
}
