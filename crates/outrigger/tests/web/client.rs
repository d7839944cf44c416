//! The web door as the Python package dicomweb-client sees it.

use std::fs;

use outrigger_dataset::part10;
use outrigger_sim::peers::{Nagle, ToolRun};
use serde_json::Value;
use tempfile::TempDir;

use crate::door::{Door, head};
use crate::modality::{Object, objects};

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

#[tokio::test]
async fn peer_dicomweb_client_stores_searches_and_retrieves() {
    let home = TempDir::new().unwrap();
    let text = head(home.path(), 0, "") + "[[front.web]]\nlisten = \"127.0.0.1:0\"\n";
    let door = Door::open_with(home, &text).await;
    let sent = objects(3, 7);
    let files = door.directory.path().join("files");
    fs::create_dir(&files).unwrap();
    for (number, Object { header, transfer_syntax, bytes }) in sent.iter().enumerate() {
        let file = part10::file(&header.sop_class, &header.sop_instance, transfer_syntax, bytes);
        fs::write(files.join(format!("{number}.dcm")), file).unwrap();
    }
    let python = format!("{}/bin/python", std::env::var("OUTRIGGER_VENV").unwrap());
    let url = super::web(&door.node);
    let arguments = ["-c", SCRIPT, &url, files.to_str().unwrap()];
    let ran = ToolRun::of(python, &arguments, Nagle::Off).await.unwrap();
    let saw: Value = serde_json::from_str(&ran.stdout).unwrap_or_else(|_| panic!("{ran:?}\n{}", door.log()));
    let of_study: Vec<_> = sent.iter().filter(|object| object.header.study == sent[0].header.study).collect();
    assert_eq!(saw["stored"], sent.len());
    assert_eq!(saw["refused"], serde_json::json!([400, 400, null]), "{saw:#}");
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
