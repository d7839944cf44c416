//! A CT study of 200 instances by WADO-RS and by C-MOVE, and STOW-RS: beside Orthanc, from the journal and from an embedded archive.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::Read;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use outrigger_dataset::phantom::{Phantom, Place, Shape};
use outrigger_member::Outgoing;
use outrigger_model::{AeTitle, Level, QueryRoot};
use outrigger_sim::node::{Node, Role};
use outrigger_sim::peers::{MoveScu, Nagle, Orthanc, OrthancSetup, Station, StoreScp};
use tempfile::TempDir;

use crate::Outcome;
use crate::contestant::{callers, node_config, start_node};
use crate::load;
use crate::relay::Relay;
use crate::summary::{Spread, table};

/// Instances of the study.
const INSTANCES: usize = 200;
/// Instances of one store request.
const A_REQUEST: usize = 20;
/// Bytes read at once.
const PIECE: usize = 256 * 1024;

/// Who gives the study.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum From {
    /// A front door out of its journal, members away.
    Journal,
    /// An embedded archive.
    Archive,
    /// A front door from an Orthanc member over DICOMweb, its journal empty.
    Through,
    /// Orthanc itself.
    Orthanc,
}

impl From {
    const ALL: [Self; 4] = [Self::Journal, Self::Archive, Self::Through, Self::Orthanc];

    fn name(self) -> &'static str {
        match self {
            Self::Journal => "Outrigger, journal",
            Self::Archive => "Outrigger, embedded archive",
            Self::Through => "Outrigger, Orthanc member over WADO-RS",
            Self::Orthanc => "Orthanc",
        }
    }
}

/// Servers at work that have the study.
struct Giving {
    dimse: Station,
    web: String,
    admin: Option<SocketAddr>,
    process: u32,
    /// Of the member asked, where one is.
    member: Option<u32>,
    _servers: (Option<Node>, Option<Orthanc>, TempDir),
}

/// What one retrieval came to.
struct Got {
    rate: f64,
    first_byte_ms: f64,
    cpu_ms: f64,
    member_cpu_ms: f64,
}

/// Measures WADO-RS and C-MOVE.
pub(crate) async fn compare(program: &Path, rounds: usize) -> Outcome<()> {
    let objects = study()?;
    let uid = Phantom::new(88, Place::default(), Shape::SmallCt).header.study.ok_or("no study")?.to_string();
    // As it is installed, Orthanc's sender waits 40 ms for each of its answers.
    let receiver = StoreScp::start_with(&AeTitle::new("RECEIVER")?, &["--ignore"], Nagle::Off).await?;
    let before_receiver = Relay::start(&AeTitle::new("RELAY")?, receiver.station()).await?;
    let receivers = [receiver.station().clone(), before_receiver.station.clone()];
    let mut sides = Vec::new();
    for from in From::ALL {
        sides.push((from, give(program, from, &receivers, &objects).await?));
    }
    let mut wado: BTreeMap<From, Vec<Got>> = BTreeMap::new();
    let mut moved: BTreeMap<From, Vec<Got>> = BTreeMap::new();
    for round in 0..rounds {
        let mut order: Vec<usize> = (0..sides.len()).collect();
        if round % 2 == 1 {
            order.reverse();
        }
        for at in order {
            let Some((from, giving)) = sides.get(at) else { continue };
            wado.entry(*from).or_default().push(by_wado(giving, &uid).await?);
            let first_byte_ms = first_byte_of_move(giving, &uid, &before_receiver).await?;
            let got = by_move(giving, &uid, receiver.station()).await?;
            moved.entry(*from).or_default().push(Got { first_byte_ms, ..got });
        }
    }
    for (what, results) in [("WADO-RS, transfer-syntax=*", &wado), ("C-MOVE to storescp", &moved)] {
        show(what, rounds, results);
    }
    Ok(())
}

fn show(what: &str, rounds: usize, results: &BTreeMap<From, Vec<Got>>) {
    println!("\n{what}: a CT study of {INSTANCES} x 525 KB, {rounds} rounds a side\n");
    let of = |got: &[Got], value: &dyn Fn(&Got) -> f64| Spread::of(got.iter().map(value));
    let orthanc = results.get(&From::Orthanc).map_or(f64::NAN, |got| of(got, &|got| got.rate).median);
    let row = |(from, got): (&From, &Vec<Got>)| {
        let rate = of(got, &|got| got.rate);
        vec![
            from.name().to_owned(),
            rate.text(0),
            format!("{:.2}", rate.median / orthanc),
            of(got, &|got| got.first_byte_ms).text(1),
            of(got, &|got| got.cpu_ms).text(2),
            of(got, &|got| got.member_cpu_ms).text(2),
        ]
    };
    let rows: Vec<_> = results.iter().map(row).collect();
    table(
        &["from", "objects/s", "x Orthanc", "first byte ms", "CPU ms/object", "member's CPU ms/object"],
        &rows,
    );
}

fn study() -> Outcome<Vec<Outgoing>> {
    (0..INSTANCES)
        .map(|instance| {
            let place = Place { instance: u32::try_from(instance)?, ..Place::default() };
            let phantom = Phantom::new(88, place, Shape::Ct);
            Ok(Outgoing {
                sop_class: phantom.header.sop_class,
                sop_instance: phantom.header.sop_instance,
                transfer_syntax: phantom.transfer_syntax,
                bytes: Arc::new(phantom.data_set),
            })
        })
        .collect()
}

async fn give(program: &Path, from: From, receivers: &[Station], objects: &[Outgoing]) -> Outcome<Giving> {
    let directory = tempfile::tempdir()?;
    let mut peer = "[[peer]]\nae_title = \"SENDER\"\n[[peer]]\nae_title = \"MOVER\"\n".to_owned();
    for Station { ae_title, port } in receivers {
        write!(peer, "[[peer]]\nae_title = \"{ae_title}\"\naddress = \"127.0.0.1:{port}\"\n")?;
    }
    let bench = AeTitle::new("BENCH")?;
    let giving = match from {
        From::Journal => {
            let config = node_config(directory.path(), &["127.0.0.1:1", "127.0.0.1:2"], "accepted") + &peer;
            let node = start_node(program, directory.path(), &config).await?;
            of_node(node, None, directory)?
        }
        From::Archive => {
            let data = directory.path().display();
            let config = format!(
                "[node]\nname = \"archive\"\ndata = \"{data}\"\n[log]\nlevel = \"warn\"\n[admin]\nlisten = \"127.0.0.1:0\"\n\
                 [[front.dimse]]\nlisten = \"127.0.0.1:0\"\nae_titles = [\"BENCH\"]\n[[front.web]]\nlisten = \"127.0.0.1:0\"\n\
                 [archive]\nblobs = \"file:{data}/blobs\"\ncatalogue = \"sqlite:{data}/catalogue\"\n{peer}"
            );
            let file = directory.path().join("config.toml");
            std::fs::write(&file, config)?;
            let node = Node::start(program, Role::Archive, &file, directory.path(), Vec::new()).await?;
            of_node(node, None, directory)?
        }
        From::Through => {
            let orthanc = Orthanc::start(&OrthancSetup::new(&bench, &[])).await?;
            let config = node_config(directory.path(), &[], "accepted")
                .replace("[journal]\n", "[journal]\nretention = \"0s\"\n")
                + &format!(
                    "[[member]]\nname = \"m\"\nconfirm = \"verified\"\nsettle = \"0s\"\n\
                     [[member.route]]\nprotocol = \"dicomweb\"\nurl = \"{}\"\n{peer}",
                    orthanc.dicomweb()
                );
            let node = start_node(program, directory.path(), &config).await?;
            of_node(node, Some(orthanc), directory)?
        }
        From::Orthanc => {
            let mut known = callers()?;
            known.extend_from_slice(receivers);
            let orthanc = Orthanc::start(&OrthancSetup::new(&bench, &known)).await?;
            of_orthanc(orthanc, directory)
        }
    };
    load::send(&giving.dimse.address().to_string(), objects, 1).await?;
    if from == From::Through {
        until_released(&giving, objects).await?;
    }
    Ok(giving)
}

/// Waits until the journal has let go of all bytes, so that a member gives them.
async fn until_released(giving: &Giving, objects: &[Outgoing]) -> Outcome<()> {
    const PATIENCE: Duration = Duration::from_secs(120);
    let admin = giving.admin.as_ref().ok_or("no admin API")?;
    let begun = Instant::now();
    for object in objects {
        let url = format!("http://{admin}/api/v1/why?uid={}", object.sop_instance);
        loop {
            let asked = url.clone();
            let body =
                tokio::task::spawn_blocking(move || ureq::get(&asked).call()?.into_body().read_to_vec());
            let why: serde_json::Value = serde_json::from_slice(&body.await??)?;
            if why.pointer("/studies/0/instances/0/journal") == Some(&false.into()) {
                break;
            }
            if begun.elapsed() > PATIENCE {
                return Err(format!("the journal still has bytes: {why}").into());
            }
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
    }
    Ok(())
}

fn of_node(mut node: Node, orthanc: Option<Orthanc>, directory: TempDir) -> Outcome<Giving> {
    let listening = node.listening()?;
    let port = listening.dimse.first().ok_or("no listener")?.port();
    let web = format!("http://{}/dicomweb", listening.web.first().ok_or("no web listener")?);
    let process = node.process().id();
    let mut orthanc = orthanc;
    let member = orthanc.as_mut().map(|orthanc| orthanc.process().id());
    let dimse = Station { ae_title: AeTitle::new("BENCH")?, port };
    Ok(Giving {
        dimse,
        web,
        admin: listening.admin,
        process,
        member,
        _servers: (Some(node), orthanc, directory),
    })
}

fn of_orthanc(mut orthanc: Orthanc, directory: TempDir) -> Giving {
    let (dimse, web) = (orthanc.station().clone(), orthanc.dicomweb());
    let process = orthanc.process().id();
    Giving { dimse, web, admin: None, process, member: None, _servers: (None, Some(orthanc), directory) }
}

/// CPU seconds of the servers so far: of the one asked, and of its member.
fn cpu(giving: &Giving) -> Outcome<(f64, f64)> {
    Ok((load::cpu_s(giving.process)?, giving.member.map_or(Ok(0.0), load::cpu_s)?))
}

fn got(giving: &Giving, before: (f64, f64), begun: Instant, first_byte_ms: f64) -> Outcome<Got> {
    let seconds = begun.elapsed().as_secs_f64();
    let after = cpu(giving)?;
    let each = |seconds: f64| seconds * 1e3 / INSTANCES as f64;
    Ok(Got {
        rate: INSTANCES as f64 / seconds,
        first_byte_ms,
        cpu_ms: each(after.0 - before.0),
        member_cpu_ms: each(after.1 - before.1),
    })
}

async fn by_wado(giving: &Giving, study: &str) -> Outcome<Got> {
    let before = cpu(giving)?;
    let url = format!("{}/studies/{study}", giving.web);
    let read = tokio::task::spawn_blocking(move || read_whole(&url));
    let (begun, first_byte_ms, bytes) = read.await??;
    let expected = (INSTANCES * 512 * 512 * 2) as u64;
    if bytes < expected {
        return Err(format!("{bytes} bytes came, fewer than the {expected} of the pixels").into());
    }
    got(giving, before, begun, first_byte_ms)
}

fn read_whole(url: &str) -> Outcome<(Instant, f64, u64)> {
    let accept = "multipart/related; type=\"application/dicom\"; transfer-syntax=*";
    let begun = Instant::now();
    let mut body = ureq::get(url).header("Accept", accept).call()?.into_body().into_reader();
    let mut piece = vec![0; PIECE];
    let mut bytes = body.read(&mut piece)? as u64;
    let first_byte_ms = begun.elapsed().as_secs_f64() * 1e3;
    loop {
        match body.read(&mut piece)? {
            0 => return Ok((begun, first_byte_ms, bytes)),
            more => bytes += more as u64,
        }
    }
}

async fn by_move(giving: &Giving, study: &str, receiver: &Station) -> Outcome<Got> {
    let before = cpu(giving)?;
    let begun = Instant::now();
    moved(&giving.dimse, study, receiver).await?;
    got(giving, before, begun, f64::NAN)
}

/// From the request to the first data at the receiver, in milliseconds: the start of the client and both negotiations with the one
/// that is asked are not in it, that with the receiver is.
async fn first_byte_of_move(giving: &Giving, study: &str, receiver: &Relay) -> Outcome<f64> {
    let asked = Relay::start(&giving.dimse.ae_title, &giving.dimse).await?;
    receiver.forget();
    moved(&asked.station, study, &receiver.station).await?;
    let (begun, first) = (asked.first_data().ok_or("no request")?, receiver.first_data().ok_or("no data")?);
    Ok(first.duration_since(begun).as_secs_f64() * 1e3)
}

async fn moved(called: &Station, study: &str, receiver: &Station) -> Outcome<()> {
    let calling = AeTitle::new("MOVER")?;
    let key = format!("0020,000d={study}");
    let (destination, keys) = (&receiver.ae_title, &[key.as_str()]);
    let move_ =
        MoveScu { calling: &calling, called, destination, root: QueryRoot::Study, level: Level::Study, keys };
    let run = move_.run().await?;
    if run.success() { Ok(()) } else { Err(run.said().into()) }
}

/// Measures STOW-RS with 20 instances a request.
pub(crate) async fn stow(program: &Path, rounds: usize, requests: usize) -> Outcome<()> {
    let mut rates: BTreeMap<From, Vec<f64>> = BTreeMap::new();
    for round in 0..rounds {
        let bodies = bodies(round, requests)?;
        let mut order = [From::Journal, From::Orthanc];
        if round % 2 == 1 {
            order.reverse();
        }
        for from in order {
            let giving = give(program, from, &[], &[]).await?;
            let (url, bodies) = (format!("{}/studies", giving.web), bodies.clone());
            let begun = Instant::now();
            tokio::task::spawn_blocking(move || post_all(&url, &bodies)).await??;
            let rate = (requests * A_REQUEST) as f64 / begun.elapsed().as_secs_f64();
            rates.entry(from).or_default().push(rate);
        }
    }
    println!("\nSTOW-RS, {A_REQUEST} x 525 KB a request, {requests} requests a round, one connection\n");
    let median =
        |from: From| rates.get(&from).map_or(f64::NAN, |rates| Spread::of(rates.iter().copied()).median);
    let rows: Vec<Vec<String>> = rates
        .iter()
        .map(|(from, rates)| {
            let spread = Spread::of(rates.iter().copied());
            vec![
                from.name().to_owned(),
                spread.text(0),
                format!("{:.2}", spread.median / median(From::Orthanc)),
            ]
        })
        .collect();
    table(&["side", "objects/s", "x Orthanc"], &rows);
    Ok(())
}

fn bodies(round: usize, requests: usize) -> Outcome<Arc<Vec<Vec<u8>>>> {
    let mut bodies = Vec::new();
    for request in 0..requests {
        let mut body = Vec::new();
        for instance in 0..A_REQUEST {
            let place = Place {
                patient: u32::try_from(request)?,
                instance: u32::try_from(instance)?,
                ..Place::default()
            };
            body.extend_from_slice(b"--outrigger\r\nContent-Type: application/dicom\r\n\r\n");
            body.extend_from_slice(&Phantom::new(500 + round as u64, place, Shape::Ct).file());
            body.extend_from_slice(b"\r\n");
        }
        body.extend_from_slice(b"--outrigger--\r\n");
        bodies.push(body);
    }
    Ok(Arc::new(bodies))
}

fn post_all(url: &str, bodies: &[Vec<u8>]) -> Outcome<()> {
    let agent = ureq::Agent::new_with_defaults();
    for body in bodies {
        let sent = agent
            .post(url)
            .header("Content-Type", "multipart/related; type=\"application/dicom\"; boundary=outrigger")
            .header("Accept", "application/dicom+json")
            .send(&body[..])?;
        if sent.status() != 200 {
            return Err(format!("answered {}", sent.status()).into());
        }
        // Read whole, so that the connection is used again.
        sent.into_body().read_to_vec()?;
    }
    Ok(())
}
