//! Storing at a member that takes, refuses, vanishes or hangs.

use outrigger_dataset::phantom::{Phantom, Place, Shape};
use outrigger_member::{Member, MemberError, Outcome, ReadBack, Seen, StatusRules, classify};
use outrigger_model::transfer_syntax::{EXPLICIT_VR_LE, IMPLICIT_VR_LE};
use outrigger_model::{SopClassUid, sop_class};

use crate::scripted::{Scripted, Turn, ae, member, need, outgoing, spool, syntax};

fn phantoms(count: u32) -> Vec<Phantom> {
    let place = |instance| Place { instance, ..Place::default() };
    (0..count).map(|instance| Phantom::new(1, place(instance), Shape::SmallCt)).collect()
}

#[tokio::test]
async fn objects_go_out_as_they_are_where_the_member_takes_that() {
    let directory = tempfile::tempdir().unwrap();
    for (syntaxes, taken) in [
        (&[EXPLICIT_VR_LE, IMPLICIT_VR_LE][..], Some(EXPLICIT_VR_LE)),
        (&[IMPLICIT_VR_LE], Some(IMPLICIT_VR_LE)),
        (&["1.2.840.10008.1.2.4.70"], None),
    ] {
        let mut peer = Scripted::start(syntaxes, &[]).await;
        let member = member(peer.address, "PEER", ReadBack::Get, spool(&directory));
        let mut objects = phantoms(1);
        objects.push(Phantom::new(2, Place::default(), Shape::Dx));
        let needs: Vec<_> = objects.iter().map(need).collect();
        let mut session = member.open(&needs, &ae("CT1")).await.unwrap();
        assert_eq!(session.takes(&needs[0]), taken.map(syntax));
        let (class, own) = (&needs[0].sop_class, &needs[0].transfer_syntax);
        let seen = if taken == Some(EXPLICIT_VR_LE) { Seen::Accepted } else { Seen::Refused };
        assert_eq!(member.learnt().seen(class, own), Some(seen));
        if taken == Some(EXPLICIT_VR_LE) {
            for object in &objects {
                let reply = session.store(&outgoing(object)).await.unwrap();
                assert_eq!((reply.status.0, reply.comment.as_deref()), (0, Some("as told")));
                assert_eq!(
                    peer.stored.recv().await.unwrap(),
                    (syntax(EXPLICIT_VR_LE), object.data_set.clone())
                );
            }
        } else {
            let refused = session.store(&outgoing(&objects[0])).await;
            assert!(matches!(refused, Err(MemberError::NoContext { .. })));
        }
        session.release().await.unwrap();
    }
}

/// An association that was opened for an object in another encoding, after it failed in its own, is not one for others of its class:
/// whether the member takes their own encoding is not known from it. The control is one that was asked and does not.
#[tokio::test]
async fn an_association_made_for_another_encoding_takes_nothing_else() {
    let directory = tempfile::tempdir().unwrap();
    let own = need(&phantoms(1)[0]);
    let turned = outrigger_member::Need {
        transfer_syntax: syntax(IMPLICIT_VR_LE),
        alternatives: vec![syntax(EXPLICIT_VR_LE), syntax("1.2.840.10008.1.2.5")],
        ..own.clone()
    };
    for (syntaxes, taken) in [
        (&[EXPLICIT_VR_LE, IMPLICIT_VR_LE][..], Some(EXPLICIT_VR_LE)),
        (&[IMPLICIT_VR_LE], Some(IMPLICIT_VR_LE)),
    ] {
        let peer = Scripted::start(syntaxes, &[]).await;
        let member = member(peer.address, "PEER", ReadBack::Get, spool(&directory));
        let for_turned = member.open(std::slice::from_ref(&turned), &ae("CT1")).await.unwrap();
        assert_eq!(for_turned.takes(&turned), Some(syntax(IMPLICIT_VR_LE)));
        assert_eq!(for_turned.takes(&own), None, "{syntaxes:?}");
        let for_both = member.open(&[turned.clone(), own.clone()], &ae("CT1")).await.unwrap();
        assert_eq!(for_both.takes(&own), taken.map(syntax));
    }
}

#[tokio::test]
async fn each_way_to_fail_is_classed() {
    let directory = tempfile::tempdir().unwrap();
    let object = &phantoms(1)[0];
    for (turn, outcome) in [
        (Turn::Answer(0x0000), Outcome::Stored),
        (Turn::Answer(0xB000), Outcome::StoredWithNote),
        (Turn::Answer(0x0111), Outcome::AlreadyThere),
        (Turn::Answer(0xA700), Outcome::RetryLater),
        (Turn::Answer(0x0110), Outcome::RetryLater),
        (Turn::Answer(0xC000), Outcome::RefusedForGood),
        (Turn::Answer(0xFE00), Outcome::Unknown),
        (Turn::Vanish, Outcome::Unknown),
        (Turn::Hang, Outcome::Unknown),
    ] {
        let peer = Scripted::start(&[EXPLICIT_VR_LE], &[turn]).await;
        let member = member(peer.address, "PEER", ReadBack::Get, spool(&directory));
        let mut session = member.open(&[need(object)], &ae("CT1")).await.unwrap();
        let answer = session.store(&outgoing(object)).await;
        assert_eq!(classify(&answer, &StatusRules::default()), outcome, "{turn:?}: {answer:?}");
    }
}

#[tokio::test]
async fn a_member_that_is_away_is_told_from_one_that_is_there() {
    let directory = tempfile::tempdir().unwrap();
    let peer = Scripted::start(&[EXPLICIT_VR_LE], &[]).await;
    let there = member(peer.address, "PEER", ReadBack::Get, spool(&directory));
    there.health().await.unwrap();
    // Bound and closed again: nobody listens there.
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let away = member(free, "PEER", ReadBack::Get, spool(&directory));
    let error = away.health().await.unwrap_err();
    assert_eq!(classify(&Err(error), &StatusRules::default()), Outcome::RetryLater);
}

#[test]
fn rules_are_read_from_a_table() {
    let rules: StatusRules = toml::from_str("A7xx = \"refused-for-good\"\n\"0111\" = \"stored\"").unwrap();
    assert_ne!(rules, StatusRules::default());
    let error = toml::from_str::<StatusRules>("A7 = \"stored\"").unwrap_err();
    assert!(error.to_string().contains("`A7` is no status"), "{error}");
}

#[tokio::test]
async fn more_classes_than_fit_are_left_out_and_not_sent() {
    let directory = tempfile::tempdir().unwrap();
    let peer = Scripted::start(&[EXPLICIT_VR_LE], &[]).await;
    let member = member(peer.address, "PEER", ReadBack::Get, spool(&directory));
    let classes: Vec<_> = sop_class::storage_uids().take(150).collect();
    let needs: Vec<_> = classes
        .iter()
        .map(|class| outrigger_member::Need {
            sop_class: SopClassUid::new(class).unwrap(),
            ..need(&phantoms(1)[0])
        })
        .collect();
    let session = member.open(&needs, &ae("CT1")).await.unwrap();
    let taken = needs.iter().filter(|need| session.takes(need).is_some()).count();
    assert_eq!(taken, 128);
}
