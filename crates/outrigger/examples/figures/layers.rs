//! What unlike layers cost: a second copy of the journal, and the databases of the embedded archive.

use std::path::Path;

use outrigger_dataset::phantom::Shape;
use outrigger_sim::node::{Node, Role};
use outrigger_sim::peers::{DatabaseServer, Nagle};

use crate::Outcome;
use crate::contestant::{Running, Side, node_config, start, start_node};
use crate::store::{Round, measured};
use crate::summary::{Spread, table};

/// Associations that send at once.
const ASSOCIATIONS: usize = 4;

/// What a front door keeps its journal in.
const JOURNALS: [(&str, &[&str]); 3] =
    [("log", &["log"]), ("sqlite", &["sqlite"]), ("log and sqlite", &["log", "sqlite"])];

/// A front door with its journal in one copy and in two, on one disk.
pub(crate) async fn copies(program: &Path, rounds: usize, count: usize) -> Outcome<()> {
    for shape in [Shape::Ct, Shape::SmallCt] {
        let mut results: Vec<(String, Vec<Round>)> =
            JOURNALS.iter().map(|(name, _)| ((*name).to_owned(), Vec::new())).collect();
        for round in 0..rounds {
            for place in order(JOURNALS.len(), round) {
                let (Some((_, engines)), Some((_, results))) = (JOURNALS.get(place), results.get_mut(place))
                else {
                    continue;
                };
                let directory = tempfile::tempdir()?;
                let mut config = node_config(directory.path(), &["127.0.0.1:1", "127.0.0.1:2"], "accepted");
                for engine in *engines {
                    let path = directory.path().join("journal").join(engine);
                    config.push_str(&format!(
                        "[[journal.copy]]\nengine = \"{engine}\"\npath = \"{}\"\n",
                        path.display()
                    ));
                }
                let node = start_node(program, directory.path(), &config).await?;
                let server = Running::Outrigger { node: Box::new(node), _directory: directory };
                results.push(measured(server, shape, count, ASSOCIATIONS, round).await?);
            }
        }
        show("journal", shape, count, &results);
    }
    Ok(())
}

/// Archives over each database, beside Orthanc.
pub(crate) async fn archives(program: &Path, rounds: usize, count: usize) -> Outcome<()> {
    let mut sides = Archives {
        servers: [DatabaseServer::postgres(&[]).await?, DatabaseServer::mariadb(&[]).await?],
        made: 0,
    };
    for shape in [Shape::Ct, Shape::SmallCt] {
        let mut results: Vec<(String, Vec<Round>)> =
            ARCHIVES.iter().map(|name| ((*name).to_owned(), Vec::new())).collect();
        for round in 0..rounds {
            for place in order(ARCHIVES.len(), round) {
                let Some((name, results)) = results.get_mut(place) else { continue };
                let server = sides.start(program, name).await?;
                results.push(measured(server, shape, count, ASSOCIATIONS, round).await?);
            }
        }
        show("archive over", shape, count, &results);
    }
    Ok(())
}

/// The database of each archive, and the archive that they stand beside.
const ARCHIVES: [&str; 5] = ["sqlite", "redb", "postgres", "mysql", "Orthanc"];

/// Starts archives, each with an empty catalogue.
struct Archives {
    servers: [DatabaseServer; 2],
    /// Databases made on them.
    made: u32,
}

impl Archives {
    async fn start(&mut self, program: &Path, name: &str) -> Outcome<Running> {
        self.made += 1;
        let [postgres, mariadb] = &self.servers;
        match name {
            "postgres" => archive_on(program, postgres, self.made).await,
            "mysql" => archive_on(program, mariadb, self.made).await,
            "Orthanc" => start(Side::Orthanc, program, Nagle::Off).await,
            embedded => {
                let directory = tempfile::tempdir()?;
                let file = directory.path().join("catalogue");
                archive(program, directory, &format!("{embedded}:{}", file.display())).await
            }
        }
    }
}

/// Every other round the other way round.
fn order(sides: usize, round: usize) -> Vec<usize> {
    if round.is_multiple_of(2) { (0..sides).collect() } else { (0..sides).rev().collect() }
}

/// An archive in a new database of a server.
async fn archive_on(program: &Path, server: &DatabaseServer, number: u32) -> Outcome<Running> {
    let database = format!("archive{number}");
    server.make(&database, "").await?;
    archive(program, tempfile::tempdir()?, &server.url(&database)).await
}

async fn archive(program: &Path, directory: tempfile::TempDir, catalogue: &str) -> Outcome<Running> {
    let here = directory.path().display();
    let config = format!(
        "[node]\nname = \"bench\"\ndata = \"{here}/data\"\n[log]\nlevel = \"warn\"\n[admin]\nlisten = \"127.0.0.1:0\"\n\
         [archive]\nblobs = \"file:{here}/blobs\"\ncatalogue = \"{catalogue}\"\n\
         [[front.dimse]]\nlisten = \"127.0.0.1:0\"\nae_titles = [\"BENCH\"]\n"
    );
    let file = directory.path().join("config.toml");
    std::fs::write(&file, config)?;
    let node = Node::start(program, Role::Archive, &file, directory.path(), Vec::new()).await?;
    Ok(Running::Outrigger { node: Box::new(node), _directory: directory })
}

fn show(what: &str, shape: Shape, count: usize, results: &[(String, Vec<Round>)]) {
    println!("\n{shape:?}, {ASSOCIATIONS} associations, {count} objects a round\n");
    let rate = |rounds: &[Round]| Spread::of(rounds.iter().map(|round| round.taken.rate()));
    let first = results.first().map_or(f64::NAN, |(_, rounds)| rate(rounds).median);
    let rows: Vec<Vec<String>> = results
        .iter()
        .map(|(name, rounds)| {
            let of = |value: &dyn Fn(&Round) -> f64| Spread::of(rounds.iter().map(value));
            vec![
                name.clone(),
                rate(rounds).text(0),
                format!("{:.2}", rate(rounds).median / first),
                of(&|round| round.cpu_ms).text(2),
                of(&|round| round.taken.ack_ms(50)).text(2),
                of(&|round| round.taken.ack_ms(99)).text(2),
            ]
        })
        .collect();
    let heading = [what, "objects/s", "x the first", "server CPU ms/object", "ack median ms", "ack p99 ms"];
    table(&heading, &rows);
}
