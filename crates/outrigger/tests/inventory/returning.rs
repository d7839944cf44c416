//! What only members have is given as soon as one of them is back, however often all of them failed a moment ago.

use std::time::Duration;

use tempfile::TempDir;
use tokio::time::timeout;

use super::{got, listening};
use crate::archives::Archive;
use crate::door::{Behind, Door, configuration};
use crate::modality::{compared, objects, reached, same_at, send};

/// Retrievals while all members hang: after three time-outs in a row each is left alone.
const RETRIEVALS: usize = 4;
/// Less than a member is left alone.
const AT_ONCE: Duration = Duration::from_secs(8);

#[tokio::test]
async fn peer_dcmtk_is_given_priors_at_once_when_all_members_are_back() {
    let mut archives = [Archive::start("A", "redb").await, Archive::start("B", "redb").await];
    let priors = objects(5_950, 12);
    for archive in &archives {
        send(&archive.station(), &priors).await;
    }
    let member = |name, archive: &Archive| Behind::new(name, &archive.station(), "present");
    let members = [member("a", &archives[0]), member("b", &archives[1])];
    let directory = TempDir::new().unwrap();
    let text = listening(None, &configuration(directory.path(), &members));
    let text = text.replace("[inventory]", "[query]\ntimeout = \"1s\"\n[inventory]");
    let door = Door::open_with(directory, &text).await;
    let study = priors[0].header.study.as_ref().unwrap().to_string();
    assert_eq!(got(&door, &study).await, priors.len());
    for archive in &mut archives {
        archive.process().pause().unwrap();
    }
    for prior in &priors[..RETRIEVALS] {
        compared(&reached(&door.station(), None), prior).await.unwrap_err();
    }
    for archive in &mut archives {
        archive.process().resume().unwrap();
    }
    let given = async {
        assert_eq!(got(&door, &study).await, priors.len(), "{}", door.log());
        same_at(&door.station(), &priors).await;
    };
    timeout(AT_ONCE, given).await.unwrap();
}
