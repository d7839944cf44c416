//! The story: what happens, in order, with numbers a person can follow.

use std::path::Path;
use std::time::Duration;

use outrigger_member::DimseMember;
use outrigger_model::AeTitle;
use outrigger_runtime::net::Tcp;
use outrigger_runtime::{Random, RealDisk, Spool, Threads};
use tokio::time::Instant;

use super::books::{self, Line};
use super::cast::{self, Actor, Layers};
use super::objects::DemoObject;
use super::sender::{Modality, route};
use crate::output::{self, Column, counted};
use crate::process::Failure;

/// How long the healthy archive gets to catch up before its number is shown.
const CATCH_UP: Duration = Duration::from_secs(20);

const A: &str = "archive-a";
const B: &str = "archive-b";

struct Stage<'a> {
    objects: &'a [DemoObject],
    archive_a: Actor,
    archive_b: Actor,
    front: Actor,
    modality: Modality,
    sent: usize,
}

/// Tells the story; gives whether every check held.
pub(crate) async fn tell(
    layers: &Layers,
    objects: Vec<DemoObject>,
    directory: &Path,
) -> Result<bool, Failure> {
    let began = Instant::now();
    let archive_a = cast::archive(directory, A, layers.archives[0])?;
    let archive_b = cast::archive(directory, B, layers.archives[1])?;
    let front = cast::front_door(directory, [(A, &archive_a), (B, &archive_b)])?;
    let modality = Modality::new(&front.dimse, &objects, directory)?;
    introduce(layers, &archive_a, &archive_b, &front);
    let mut stage = Stage { objects: &objects, archive_a, archive_b, front, modality, sent: 0 };
    let unharmed = stage.send_through_failures().await?;
    let balanced = stage.balance().await?;
    let whole = stage.read_back(directory).await?;
    let held = unharmed && balanced && whole;
    let verdict = if held { "every check held" } else { "NOT every check held" };
    output::line(&format!("\n{verdict}, in {:.1} s", began.elapsed().as_secs_f32()));
    Ok(held)
}

fn introduce(layers: &Layers, a: &Actor, b: &Actor, front: &Actor) {
    let shown = layers.archives.map(|stack| format!("{} + {}", stack.database, stack.web));
    let [first, second] = &shown;
    output::line("Three processes, as they would run on three machines:");
    output::line(&format!("  {A}   {first:<14} at {}   reached by DIMSE", a.dimse));
    output::line(&format!("  {B}   {second:<14} at {}   reached by DICOMweb", b.dimse));
    output::line(&format!("  front door  log + sqlite   at {}   admin http://{}", front.dimse, front.admin));
}

impl Stage<'_> {
    /// Sends everything while an archive and then the front door are killed; false if the healthy archive was held up.
    async fn send_through_failures(&mut self) -> Result<bool, Failure> {
        let all = self.objects.len();
        let bytes: usize = self.objects.iter().map(|object| object.bytes.len()).sum();
        output::line(&format!("\nA modality sends {all} objects, {}:", output::size(bytes as u64)));
        self.send_up_to(all / 4).await?;
        self.archive_a.kill()?;
        output::line(&format!("  {:>4} acknowledged   {A} is killed (SIGKILL)", self.modality.acknowledged));
        self.send_up_to(all / 2).await?;
        let confirmed = books::confirmed(&self.front.admin, B, self.sent as u64, CATCH_UP).await?;
        output::line(&format!(
            "  {:>4} acknowledged   {A} is dead: {B} has {confirmed} of them verified, sending never paused",
            self.modality.acknowledged
        ));
        let unharmed = confirmed >= self.sent as u64 && self.modality.failed == 0;
        self.archive_a.restart()?;
        output::line(&format!("  {:>4} acknowledged   {A} is started again", self.modality.acknowledged));
        self.send_up_to(all * 3 / 4).await?;
        self.front.kill()?;
        output::line(&format!(
            "  {:>4} acknowledged   the front door is killed (SIGKILL)",
            self.modality.acknowledged
        ));
        let down = Instant::now();
        self.front.restart()?;
        output::line(&format!("       it is ready again after {} ms", down.elapsed().as_millis()));
        self.send_up_to(all).await?;
        self.modality.hang_up().await?;
        output::line(&format!(
            "  {:>4} acknowledged   everything is sent; {} had to be repeated",
            self.modality.acknowledged,
            counted(self.modality.failed as u64, "attempt", "attempts")
        ));
        Ok(unharmed)
    }

    async fn send_up_to(&mut self, count: usize) -> Result<(), Failure> {
        for object in self.objects.iter().take(count).skip(self.sent) {
            self.modality.send(object).await?;
        }
        self.sent = self.sent.max(count);
        Ok(())
    }

    async fn balance(&self) -> Result<bool, Failure> {
        let waited = Instant::now();
        let (balanced, lines) = books::balanced(&self.front.admin).await?;
        output::line(&format!("\nThe books, {:.1} s after the last object:", waited.elapsed().as_secs_f32()));
        let cells = |line: &Line| {
            let numbers =
                [line.accepted, line.confirmed, line.pending, line.suspense].map(|count| count.to_string());
            let mut cells = vec![line.name.clone()];
            cells.extend(numbers);
            cells.push(line.difference.to_string());
            cells
        };
        let counts = ["accepted", "confirmed", "pending", "suspense", "difference"].map(Column::Count);
        let columns: Vec<Column<'_>> = [Column::Text("member")].into_iter().chain(counts).collect();
        output::table(&columns, &lines.iter().map(cells).collect::<Vec<_>>());
        let complete = lines.iter().all(|line| line.accepted == self.objects.len() as u64);
        let verdict = match (balanced, complete) {
            (true, true) => "balanced: every object once, at both",
            (true, false) => "NOT as it should be: the number of entries differs from the objects sent",
            (false, _) => "NOT balanced",
        };
        output::line(verdict);
        Ok(balanced && complete)
    }

    async fn read_back(&self, directory: &Path) -> Result<bool, Failure> {
        output::line("\nEvery object is read back from each archive and compared with what was sent:");
        let mut held = true;
        for (name, archive) in [(A, &self.archive_a), (B, &self.archive_b)] {
            let member = member_at(&archive.dimse, &cast::ae_title(name), directory)?;
            let result = books::read_back(&member, self.objects).await;
            let re_encoded = match result.re_encoded {
                0 => String::new(),
                count => format!(", {count} the same in another encoding"),
            };
            output::line(&format!(
                "  {name}   {} of {} identical to the last bit{re_encoded}",
                result.identical,
                self.objects.len()
            ));
            result.wrong.iter().for_each(|wrong| output::line(&format!("    WRONG {wrong}")));
            held &= result.wrong.is_empty();
        }
        Ok(held)
    }
}

/// A DICOM station of the demo as it is called.
pub(crate) fn member_at(address: &str, called: &str, directory: &Path) -> Result<DimseMember, Failure> {
    let title =
        |text: &str| AeTitle::new(text).map_err(|error| Failure::of("an AE title of the demo", error));
    let spool = Spool {
        disk: std::sync::Arc::new(RealDisk),
        directory: directory.into(),
        threads: Threads::System,
        random: Random::System,
        memory_bytes_max: 64 << 20,
        object_bytes_max: 4 << 30,
    };
    Ok(DimseMember::new(
        route(address, title(called)?, title("OUTRIGGER_M")?),
        std::sync::Arc::new(Tcp),
        spool,
    ))
}
