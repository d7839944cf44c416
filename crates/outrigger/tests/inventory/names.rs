//! Priors whose names their archive matches rightly and cannot show.

use outrigger_dataset::element::{Element, Vr};
use outrigger_dataset::form::Form;
use outrigger_dataset::read::read;
use outrigger_dataset::write::write;
use outrigger_model::{Level, QueryRoot, Tag};
use outrigger_sim::peers::{FindScu, Orthanc, OrthancSetup};
use outrigger_sim::phantom::{Phantom, Place, Shape};
use tempfile::TempDir;

use super::{complete, listening};
use crate::door::{Behind, Door, ae, answers, configuration};
use crate::modality::{Object, send};

fn named(study: u32, name: &str) -> Object {
    let mut phantom = Phantom::new(6000, Place { patient: study, ..Place::default() }, Shape::Sr);
    let mut set = read(&phantom.transfer_syntax, phantom.data_set).unwrap();
    set.put(Element::text(Tag::SPECIFIC_CHARACTER_SET, Vr::CS, "ISO_IR 192"));
    set.put(Element::text(Tag::PATIENT_NAME, Vr::PN, name));
    phantom.data_set = write(&set, Form::ExplicitLittle).into();
    phantom.into()
}

/// How many studies a name finds at a door or a member.
async fn found(called: &outrigger_sim::peers::Station, name: &str) -> usize {
    let (calling, key) = (ae("VIEWER"), format!("0010,0010={name}"));
    let keys = ["0008,0005=ISO_IR 192", key.as_str(), "0020,000d"];
    let (root, level) = (QueryRoot::Study, Level::Study);
    let find = FindScu { calling: &calling, called, root, level, keys: &keys };
    find.run().await.unwrap().answers.len()
}

/// Orthanc finds what is stored, and answers in Latin-1 without what that does not hold: the rest of a name is no reason to leave a prior
/// out that it finds.
#[tokio::test]
async fn peer_orthancs_priors_are_found_by_names_that_it_cannot_show() {
    let ours = answers();
    let known = [ours.clone(), outrigger_sim::peers::Station { ae_title: ae("VIEWER"), port: 1 }];
    let orthanc = Orthanc::start(&OrthancSetup::new(&ae("ORTHANC"), &known)).await.unwrap();
    let wang = "\u{738B}^\u{5C0F}\u{6771}";
    let priors = [named(1, wang), named(2, wang), named(3, "\u{41B}\u{44E}\u{43A}c"), named(4, "DOE^JANE")];
    send(orthanc.station(), &priors).await;
    let directory = TempDir::new().unwrap();
    let member = Behind::new("orthanc", orthanc.station(), "present");
    let text = listening(Some(&ours), &configuration(directory.path(), &[member]));
    let text = text.replace("[inventory]\nenabled = false", "[inventory]\nrate = 1000");
    let door = Door::open_with(directory, &text).await;
    complete(&door, "orthanc").await;
    for (name, count) in [("\u{738B}*", 2), ("\u{41B}\u{44E}\u{43A}*", 1), ("DOE*", 1), ("\u{674E}*", 0)] {
        assert_eq!(found(orthanc.station(), name).await, count, "the control: {name}");
        assert_eq!(found(&door.station(), name).await, count, "{name}\n{}", door.log());
    }
}
