//! Anonymous memory of a front door: idle, under a hundred associations, with one huge object.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use bytes::Bytes;
use outrigger_dataset::element::{DataSet, Element, Vr};
use outrigger_dataset::phantom::{Phantom, Place, Shape};
use outrigger_dataset::{form::Form, read, write};
use outrigger_member::Outgoing;
use outrigger_model::Tag;

use crate::Outcome;
use crate::contestant::{node_config, start_node};
use crate::load;

/// How often memory is looked at while something runs.
const LOOK_EVERY: Duration = Duration::from_millis(20);

/// Measures the three.
pub(crate) async fn measure(program: &Path) -> Outcome<()> {
    let directory = tempfile::tempdir()?;
    let config = node_config(directory.path(), &["127.0.0.1:1", "127.0.0.1:2"], "accepted");
    let mut node = start_node(program, directory.path(), &config).await?;
    let process = node.process().id();
    let address = node.listening()?.dimse.first().ok_or("no listener")?.to_string();
    let idle = anonymous_mb(process)?;
    let watch = Watch::start(process);
    let objects = load::objects(Shape::Ct, 1000, 3);
    load::send(&address, &objects, 100).await?;
    let hundred = watch.stop().await?;
    drop(objects);
    let before = anonymous_mb(process)?;
    let watch = Watch::start(process);
    load::send(&address, &[huge(500_000_000)?], 1).await?;
    let with_huge = watch.stop().await?;
    println!("\n| what | anonymous memory, MB |\n|---|---|");
    println!("| idle after the start | {idle:.1} |");
    println!("| 100 associations sending CT, peak | {hundred:.1} |");
    println!("| one object of 500 MB adds, peak | {:.1} |", with_huge - before);
    Ok(())
}

/// A CT with so many bytes of pixel data.
fn huge(bytes: usize) -> Outcome<Outgoing> {
    let phantom = Phantom::new(4, Place::default(), Shape::SmallCt);
    let mut set: DataSet = read::read_form(Form::ExplicitLittle, phantom.data_set)?;
    set.put(Element::new(Tag(0x7FE0, 0x0010), Vr::OW, vec![7; bytes]));
    Ok(Outgoing {
        sop_class: phantom.header.sop_class,
        sop_instance: phantom.header.sop_instance,
        transfer_syntax: phantom.transfer_syntax,
        bytes: Arc::new(Bytes::from(write::write(&set, Form::ExplicitLittle))),
    })
}

/// Anonymous resident memory of a process, in megabytes (proc(5), RssAnon).
pub(crate) fn anonymous_mb(process: u32) -> Outcome<f64> {
    let status = std::fs::read_to_string(format!("/proc/{process}/status"))?;
    let line = status.lines().find_map(|line| line.strip_prefix("RssAnon:")).ok_or("no RssAnon")?;
    let kib: f64 = line.trim().trim_end_matches(" kB").trim().parse()?;
    Ok(kib * 1024.0 / 1e6)
}

/// Remembers the peak while something runs.
struct Watch {
    stop: Arc<AtomicBool>,
    task: tokio::task::JoinHandle<f64>,
}

impl Watch {
    fn start(process: u32) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let seen = Arc::clone(&stop);
        let task = tokio::spawn(async move {
            let mut peak: f64 = 0.0;
            while !seen.load(Ordering::Relaxed) {
                peak = peak.max(anonymous_mb(process).unwrap_or(0.0));
                tokio::time::sleep(LOOK_EVERY).await;
            }
            peak
        });
        Self { stop, task }
    }

    async fn stop(self) -> Outcome<f64> {
        self.stop.store(true, Ordering::Relaxed);
        Ok(self.task.await?)
    }
}
