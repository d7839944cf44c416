//! An embedded archive whose catalogue is on a database server that is killed, hangs, is full, read-only or out of connections.

use std::fs;
use std::time::{Duration, Instant};

use outrigger_model::Status;
use outrigger_sim::node::{Node, Role};
use outrigger_sim::peers::{DATABASE_PASSWORD, DatabaseServer, Station};
use serde_json::Value;
use tempfile::TempDir;
use tokio::time::{MissedTickBehavior, interval, timeout};

use super::chance::{Chance, soak};
use super::load::{Supply, associations, ended};
use crate::door::{ae, written};
use crate::modality::{Object, associated, compared, reached, same_at, store};
use crate::program::{program, run};

/// Kills of each server, in a run that people wait for.
const KILLS: u64 = 5;
/// Associations that store while a server is killed.
const ASSOCIATIONS: usize = 4;
/// Objects to be stored meanwhile: more than are stored before the latest kill.
const OBJECTS: u32 = 400;
/// The latest kill after the first object is sent.
const LATEST_KILL: Duration = Duration::from_millis(500);
/// How long a sender waits for its refusal at most.
const REFUSED_WITHIN: Duration = Duration::from_secs(10);
/// How long it may take until an archive has seen what is wrong, or that all is well again; other tests run beside.
const PATIENCE: Duration = Duration::from_secs(40);

/// An archive, and the server that its catalogue is on.
struct Pair {
    server: DatabaseServer,
    node: Node,
    station: Station,
    supply: Supply,
    _directory: TempDir,
}

impl Pair {
    async fn start(server: DatabaseServer, seed: u64) -> Self {
        server.make("archive", "").await.unwrap();
        let directory = TempDir::new().unwrap();
        let data = directory.path().display();
        fs::write(directory.path().join("password"), format!("{DATABASE_PASSWORD}\n")).unwrap();
        let url = server.url_with(&format!("${{file:{data}/password}}"), "archive");
        let text = format!(
            "[node]\nname = \"archive\"\ndata = \"{data}\"\n[admin]\nlisten = \"127.0.0.1:0\"\n\
             [[front.dimse]]\nlisten = \"127.0.0.1:0\"\nae_titles = [\"A\"]\n\
             [archive]\nblobs = \"file:{data}/blobs\"\ncatalogue = \"{url}\"\n"
        );
        let config = written(directory.path(), &text);
        let node =
            Node::start(program(), Role::Archive, &config, directory.path(), Vec::new()).await.unwrap();
        let station = Station { ae_title: ae("A"), port: node.listening().unwrap().dimse[0].port() };
        Self { server, node, station, supply: Supply::new(seed), _directory: directory }
    }

    /// The exit status of `outrigger status`, and what it says.
    async fn status(&self) -> (i32, Value) {
        let admin = format!("http://{}", self.node.listening().unwrap().admin.unwrap());
        let ran = run(&["status", "--admin", &admin, "--json"]).await;
        (ran.status, ran.json())
    }

    /// Waits until the status has these words, or says that all is well where there are none.
    async fn until_it_says(&self, words: &str) {
        let said = async {
            let mut poll = interval(Duration::from_millis(50));
            poll.set_missed_tick_behavior(MissedTickBehavior::Delay);
            loop {
                poll.tick().await;
                match self.status().await {
                    (0, _) if words.is_empty() => return,
                    (3, status) if !words.is_empty() && status["reasons"].to_string().contains(words) => {
                        return;
                    }
                    _ => {}
                }
            }
        };
        let said = timeout(PATIENCE, said).await;
        assert!(said.is_ok(), "`{words}` is not in {:?}", self.status().await);
    }

    /// Sends one object; gives the status and how long it took.
    async fn store_one(&mut self) -> (Status, Duration) {
        let objects = self.supply.take(1);
        let mut session = associated(&self.station, &objects).await;
        let sent = Instant::now();
        let status = store(&mut *session, &objects[0]).await;
        (status, sent.elapsed())
    }

    /// While something is wrong, stores are refused in time and the status says why; then it goes on by itself.
    async fn withstands(&mut self, words: &str, mend: impl AsyncFnOnce(&mut DatabaseServer)) {
        let (status, took) = self.store_one().await;
        assert_eq!(status, Status::OUT_OF_RESOURCES, "{words}");
        assert!(took < REFUSED_WITHIN, "{words}: refused after {took:?}");
        self.until_it_says(words).await;
        mend(&mut self.server).await;
        self.until_it_says("").await;
        assert_eq!(self.store_one().await.0, Status::SUCCESS, "{words}");
    }

    /// Kills the server while objects are stored, and starts it again; gives what was acknowledged.
    async fn killed_under_load(&mut self, after: Duration) -> Vec<Object> {
        let objects = self.supply.take(OBJECTS);
        let storing = associations(&self.station, &objects, ASSOCIATIONS);
        tokio::time::sleep(after).await;
        self.server.kill().unwrap();
        let outcome = ended(storing).await;
        assert!(!outcome.broken, "an archive refuses, and breaks no association");
        self.server.restart().await.unwrap();
        // What was known before the kill says nothing: an object is stored when it is there again.
        let stored = async {
            while self.store_one().await.0 != Status::SUCCESS {
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        };
        timeout(PATIENCE, stored).await.unwrap();
        outcome.acked
    }

    /// How many of these the archive does not give back.
    async fn lost(&self, acked: &[Object]) -> usize {
        let archive = reached(&self.station, None);
        let mut lost = 0;
        for object in acked {
            lost += usize::from(compared(&archive, object).await.is_err());
        }
        lost
    }

    fn says_no_password(&mut self) {
        let log = self.node.process().log().unwrap();
        assert!(log.contains("not reached") || log.contains("does not answer"), "{log}");
        for secret in [DATABASE_PASSWORD, "p%40ss", "w0rd"] {
            assert!(!log.contains(secret), "{log}");
        }
    }
}

async fn loses_nothing_when_killed(server: DatabaseServer) {
    let chance = Chance::new();
    let mut pair = Pair::start(server, chance.seed).await;
    let mut acked = Vec::new();
    for _ in 0..KILLS * soak() {
        acked.extend(pair.killed_under_load(chance.within(LATEST_KILL)).await);
    }
    println!("{} kills, {} objects acknowledged", KILLS * soak(), acked.len());
    assert!(!acked.is_empty());
    same_at(&pair.station, &acked).await;
    let counted = pair.server.run("archive", "SELECT instances FROM catalogue_numbers").await.unwrap();
    assert!(counted.parse::<usize>().unwrap() >= acked.len(), "{counted} of {}", acked.len());
    pair.says_no_password();
}

/// The control: where the server acknowledges before it has written, a kill takes what was acknowledged.
async fn loses_when_it_forgets(server: DatabaseServer, forget: &str) {
    let chance = Chance::new();
    let mut pair = Pair::start(server, chance.seed).await;
    pair.server.run("archive", forget).await.unwrap();
    for _ in 0..KILLS {
        let acked = pair.killed_under_load(LATEST_KILL).await;
        if pair.lost(&acked).await > 0 {
            return;
        }
    }
    panic!("nothing was lost: the kills prove nothing");
}

#[tokio::test(flavor = "multi_thread")]
async fn peer_postgres_killed_loses_nothing_acknowledged() {
    loses_nothing_when_killed(DatabaseServer::postgres(&[]).await.unwrap()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn peer_mariadb_killed_loses_nothing_acknowledged() {
    loses_nothing_when_killed(DatabaseServer::mariadb(&[]).await.unwrap()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn peer_postgres_that_forgets_is_seen_to_lose() {
    // The setting that counts is the one at the commit.
    let forget = "CREATE FUNCTION forget() RETURNS trigger LANGUAGE plpgsql AS \
         $$ BEGIN PERFORM set_config('synchronous_commit', 'off', true); RETURN NEW; END $$; \
         CREATE TRIGGER forget BEFORE INSERT ON catalogue_instance FOR EACH ROW EXECUTE FUNCTION forget()";
    let server = DatabaseServer::postgres(&["wal_writer_delay=10s"]).await.unwrap();
    loses_when_it_forgets(server, forget).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn peer_mariadb_that_forgets_is_seen_to_lose() {
    let server = DatabaseServer::mariadb(&[]).await.unwrap();
    loses_when_it_forgets(server, "SET GLOBAL innodb_flush_log_at_trx_commit = 0").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn peer_postgres_hung_full_read_only_or_without_connections_is_waited_for() {
    let mut pair = Pair::start(DatabaseServer::postgres(&[]).await.unwrap(), 1).await;
    pair.server.pause().unwrap();
    pair.withstands("does not answer in time", async |server| server.resume().unwrap()).await;

    let read_only = |on| format!("ALTER DATABASE archive SET default_transaction_read_only = {on}");
    let end_all = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'archive'";
    pair.server.run("postgres", &read_only("on")).await.unwrap();
    pair.server.run("postgres", end_all).await.unwrap();
    pair.withstands("is read-only", async |server| {
        server.run("postgres", &read_only("off")).await.unwrap();
    })
    .await;

    pair.server.run("postgres", "ALTER DATABASE archive CONNECTION LIMIT 0").await.unwrap();
    pair.server.run("postgres", end_all).await.unwrap();
    pair.withstands("has no connection left", async |server| {
        server.run("postgres", "ALTER DATABASE archive CONNECTION LIMIT -1").await.unwrap();
    })
    .await;

    // As a server says it whose disk is full.
    let full = "CREATE FUNCTION full_disk() RETURNS trigger LANGUAGE plpgsql AS \
         $$ BEGIN RAISE EXCEPTION 'could not extend file' USING ERRCODE = 'disk_full'; END $$";
    pair.server.run("archive", full).await.unwrap();
    let trigger = "CREATE TRIGGER full_disk BEFORE INSERT OR UPDATE ON catalogue_numbers \
         FOR EACH ROW EXECUTE FUNCTION full_disk()";
    pair.server.run("archive", trigger).await.unwrap();
    pair.withstands("has no room on its disk", async |server| {
        server.run("archive", "DROP TRIGGER full_disk ON catalogue_numbers").await.unwrap();
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn peer_mariadb_hung_full_read_only_or_without_connections_is_waited_for() {
    let mut pair = Pair::start(DatabaseServer::mariadb(&["max_connections=10"]).await.unwrap(), 2).await;
    pair.server.pause().unwrap();
    pair.withstands("does not answer in time", async |server| server.resume().unwrap()).await;

    pair.server.run("mysql", "SET GLOBAL read_only = 1").await.unwrap();
    pair.withstands("is read-only", async |server| {
        server.run("mysql", "SET GLOBAL read_only = 0").await.unwrap();
    })
    .await;

    // One account may have no connection at all but those it has.
    let limit = |count| format!("GRANT USAGE ON *.* TO archive@'%' WITH MAX_USER_CONNECTIONS {count}");
    pair.server.run("mysql", "CREATE TABLE archive.held (id INT)").await.unwrap();
    pair.server.run("mysql", &limit(-1)).await.unwrap();
    pair.server.run("mysql", "KILL HARD USER archive").await.unwrap();
    pair.withstands("has no connection left", async |server| {
        server.run("mysql", &limit(0)).await.unwrap();
    })
    .await;

    // As a server says it whose disk is full.
    let trigger = "CREATE TRIGGER full_disk BEFORE UPDATE ON catalogue_numbers FOR EACH ROW \
         SIGNAL SQLSTATE 'HY000' SET MYSQL_ERRNO = 1021, MESSAGE_TEXT = 'Disk full'";
    pair.server.run("archive", trigger).await.unwrap();
    pair.withstands("has no room on its disk", async |server| {
        server.run("archive", "DROP TRIGGER full_disk").await.unwrap();
    })
    .await;
}
