//! From our acknowledgement to the members: one connection to a member as installed, and two Orthanc members.

use std::path::Path;
use std::time::{Duration, Instant};

use outrigger_dataset::phantom::{Phantom, Place, Shape};
use outrigger_member::Outgoing;
use outrigger_model::AeTitle;
use outrigger_sim::node::Node;
use outrigger_sim::peers::{Nagle, Orthanc, OrthancSetup, Station, StoreScp, StoreScu};
use serde_json::Value;

use crate::Outcome;
use crate::contestant::{node_config, start_node};
use crate::load;
use crate::summary::{Spread, table};

/// How often the books are looked at.
const LOOK_EVERY: Duration = Duration::from_millis(10);
/// Longest wait for them.
const WAIT: Duration = Duration::from_secs(120);

/// One connection to DCMTK's storescp as installed: ours beside storescu as installed.
pub(crate) async fn one_connection(program: &Path, rounds: usize, count: usize) -> Outcome<()> {
    let files = tempfile::tempdir()?;
    let mut paths = Vec::new();
    for number in 0..count {
        let place = Place { instance: u32::try_from(number)?, ..Place::default() };
        let path = files.path().join(format!("{number}.dcm"));
        std::fs::write(&path, Phantom::new(9, place, Shape::Ct).file())?;
        paths.push(path);
    }
    let (mut ours, mut theirs) = (Vec::new(), Vec::new());
    for round in 0..rounds {
        for direct in if round % 2 == 0 { [false, true] } else { [true, false] } {
            let member = StoreScp::start(&AeTitle::new("M0")?, &[]).await?;
            let begun = Instant::now();
            if direct {
                store_directly(member.station(), &paths).await?;
                theirs.push(count as f64 / begun.elapsed().as_secs_f64());
            } else {
                ours.push(deliver(program, &member.station().address().to_string(), count).await?);
            }
        }
    }
    let (ours, theirs) = (Spread::of(ours), Spread::of(theirs));
    println!("\nCT to one DCMTK storescp as installed over one connection, {count} objects a round\n");
    table(
        &["sender", "objects/s", "Outrigger is x times"],
        &[
            vec!["Outrigger, delivery".to_owned(), ours.text(0), "1.0".to_owned()],
            vec![
                "storescu as installed".to_owned(),
                theirs.text(0),
                format!("{:.1}", ours.median / theirs.median),
            ],
        ],
    );
    Ok(())
}

async fn store_directly(member: &Station, paths: &[std::path::PathBuf]) -> Outcome<()> {
    let calling = AeTitle::new("STORESCU")?;
    let scu =
        StoreScu { calling: &calling, called: member, files: paths, options: &[], nagle: Nagle::AsInstalled };
    let stored = scu.run().await?.successes();
    if stored == paths.len() { Ok(()) } else { Err(format!("only {stored} were stored").into()) }
}

/// A node fills up while its member is held, then delivers over one connection; gives objects a second.
async fn deliver(program: &Path, member: &str, count: usize) -> Outcome<f64> {
    let directory = tempfile::tempdir()?;
    let config =
        node_config(directory.path(), &[member], "accepted").replace("settle", "connections = 1\nsettle");
    let node = start_node(program, directory.path(), &config).await?;
    let admin = admin(&node)?;
    order(&admin, "hold").await?;
    let address = node.listening()?.dimse.first().ok_or("no listener")?.to_string();
    load::send(&address, &load::objects(Shape::Ct, count, 9), 1).await?;
    let begun = Instant::now();
    order(&admin, "resume").await?;
    until_delivered(&admin).await?;
    Ok(count as f64 / begun.elapsed().as_secs_f64())
}

/// 500 CT accepted by us and by two Orthanc members, beside one sender that feeds both directly at the same time.
pub(crate) async fn pair(program: &Path, rounds: usize, count: usize) -> Outcome<()> {
    let (mut ours, mut theirs) = (Vec::new(), Vec::new());
    for round in 0..rounds {
        for direct in if round % 2 == 0 { [false, true] } else { [true, false] } {
            let mut setups =
                [OrthancSetup::new(&AeTitle::new("M0")?, &[]), OrthancSetup::new(&AeTitle::new("M1")?, &[])];
            for setup in &mut setups {
                setup.nagle = Nagle::Off;
            }
            let [first, second] = &setups;
            let members = [Orthanc::start(first).await?, Orthanc::start(second).await?];
            let addresses: Vec<String> =
                members.iter().map(|member| member.station().address().to_string()).collect();
            let objects = load::objects(Shape::Ct, count, round as u64);
            if direct {
                theirs.push(feed_both(&addresses, &objects).await?);
            } else {
                ours.push(through_us(program, &addresses, &objects).await?);
            }
        }
    }
    let (ours, theirs) = (Spread::of(ours), Spread::of(theirs));
    println!("\n{count} CT until both of two Orthanc members have them, TCP_NODELAY on all sides\n");
    table(
        &["way", "objects/s", "Outrigger is x times"],
        &[
            vec!["through Outrigger".to_owned(), ours.text(0), "1.00".to_owned()],
            vec![
                "one sender to both directly".to_owned(),
                theirs.text(0),
                format!("{:.2}", ours.median / theirs.median),
            ],
        ],
    );
    Ok(())
}

async fn feed_both(addresses: &[String], objects: &[Outgoing]) -> Outcome<f64> {
    let begun = Instant::now();
    let mut senders = Vec::new();
    for address in addresses {
        let (address, objects) = (address.clone(), objects.to_vec());
        senders.push(tokio::spawn(async move { load::send(&address, &objects, 4).await }));
    }
    for sender in senders {
        sender.await??;
    }
    Ok(objects.len() as f64 / begun.elapsed().as_secs_f64())
}

async fn through_us(program: &Path, addresses: &[String], objects: &[Outgoing]) -> Outcome<f64> {
    let directory = tempfile::tempdir()?;
    let members: Vec<&str> = addresses.iter().map(String::as_str).collect();
    let node =
        start_node(program, directory.path(), &node_config(directory.path(), &members, "accepted")).await?;
    let admin = admin(&node)?;
    let address = node.listening()?.dimse.first().ok_or("no listener")?.to_string();
    let begun = Instant::now();
    load::send(&address, objects, 4).await?;
    until_delivered(&admin).await?;
    Ok(objects.len() as f64 / begun.elapsed().as_secs_f64())
}

fn admin(node: &Node) -> Outcome<String> {
    Ok(format!("http://{}/api/v1", node.listening()?.admin.ok_or("no admin API")?))
}

async fn order(admin: &str, verb: &'static str) -> Outcome<()> {
    let url = format!("{admin}/members/{verb}");
    let asked =
        move || ureq::post(&url).content_type("application/json").send("{\"member\":\"m0\"}").map(drop);
    Ok(tokio::task::spawn_blocking(asked).await??)
}

async fn until_delivered(admin: &str) -> Outcome<()> {
    let give_up = Instant::now() + WAIT;
    loop {
        let url = format!("{admin}/balance");
        let asked = move || ureq::get(&url).call().and_then(|mut answer| answer.body_mut().read_to_string());
        let balance: Value = serde_json::from_str(&tokio::task::spawn_blocking(asked).await??)?;
        if balance.get("balanced").and_then(Value::as_bool) == Some(true) {
            return Ok(());
        }
        if Instant::now() > give_up {
            return Err(format!("not delivered: {balance}").into());
        }
        tokio::time::sleep(LOOK_EVERY).await;
    }
}
