//! The instances of one retrieval: those of a series come in one answer of a member that gives series.
//!
//! It is for speed alone. Whatever does not come this way, or is not the version planned, is asked for by itself, as if there were
//! no retrieval; so is everything behind a failure.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;

use outrigger_member::Arrived;
use outrigger_model::{MemberNumber, MemberSet, SeriesUid, SopInstanceUid};
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, timeout};

use crate::judge::{Copy, Judged, judge};
use crate::lines::{FetchError, Lines, Series, WholeLine};
use crate::open::{OpenError, Opened};
use crate::plan::{Keeping, Planned};
use crate::reader::Reader;
use crate::shelf::{Next, Shelf};
use crate::version::Versions;

/// Instances of a series from which on it is asked for as a whole.
const SERIES_MIN: usize = 8;
/// How long one who reads a series may wait for room in all: whoever sends slowly leaves the connection to others.
const STALLED_MAX: Duration = Duration::from_secs(5);
/// Parts of the time-out after which it is looked whether anything came.
const LOOKS: u32 = 10;

/// Opens the instances of one retrieval, in about the order in which they were planned.
pub struct Retrieval {
    reader: Reader,
    began: Instant,
    series: HashMap<SeriesUid, Mutex<Course>>,
    /// The members that were seen to have every instance of a series that is retrieved and was never stored here.
    whole: HashMap<SeriesUid, MemberSet>,
    versions: Versions,
}

/// How far a series is.
enum Course {
    /// Nothing of it had to be asked for.
    Wanted(HashSet<SopInstanceUid>),
    /// It is being read, or was.
    Begun(Arc<Run>),
}

/// A series that is read.
struct Run {
    shelf: Arc<Shelf>,
    giver: Arc<OnceLock<MemberNumber>>,
    /// Ends with the retrieval.
    _reading: JoinSet<()>,
}

impl Reader {
    /// Begins to open these instances; `None` where there is no member to open them at.
    pub fn retrieval(&self, planned: &[Planned]) -> Option<Retrieval> {
        if self.shared.lines.is_empty() {
            return None;
        }
        let is_by_series = self.shared.lines.iter().any(|lines| matches!(lines.series(), Series::Whole(_)));
        let series = if is_by_series { wanted_by_series(planned) } else { HashMap::new() };
        let (reader, began) = (self.clone(), self.shared.clock.now());
        Some(Retrieval { reader, began, series, whole: whole(planned), versions: Versions::default() })
    }
}

/// The members that have all of each series.
fn whole(planned: &[Planned]) -> HashMap<SeriesUid, MemberSet> {
    let mut whole = HashMap::new();
    for instance in planned {
        if let (Keeping::Inherited { members }, Some(series)) = (instance.keeping, &instance.series) {
            match whole.get_mut(series) {
                None => drop(whole.insert(series.clone(), members)),
                Some(all) => *all = all.common(members),
            }
        }
    }
    whole
}

/// The instances of each series that is worth asking for as a whole.
fn wanted_by_series(planned: &[Planned]) -> HashMap<SeriesUid, Mutex<Course>> {
    let mut series: HashMap<SeriesUid, HashSet<SopInstanceUid>> = HashMap::new();
    for instance in planned {
        if let Some(uid) = &instance.series {
            series.entry(uid.clone()).or_default().insert(instance.sop_instance.clone());
        }
    }
    series.retain(|_, wanted| wanted.len() >= SERIES_MIN);
    series.into_iter().map(|(uid, wanted)| (uid, Mutex::new(Course::Wanted(wanted)))).collect()
}

impl Retrieval {
    /// Opens an instance, as [`Reader::open`] does.
    pub async fn open(&self, instance: &Planned) -> Result<Opened, OpenError> {
        self.reader.open_among(instance, Some(self)).await
    }

    /// Opens an instance at the members, as [`Reader::open_elsewhere`] does.
    pub async fn open_elsewhere(&self, instance: &Planned) -> Result<Opened, OpenError> {
        self.reader.open_elsewhere_among(instance, Some(self)).await
    }

    /// What was given of each series.
    pub(crate) fn versions(&self) -> &Versions {
        &self.versions
    }

    /// The members that have all of the series of an instance.
    pub(crate) fn have_all(&self, instance: &Planned) -> MemberSet {
        let whole = instance.series.as_ref().and_then(|series| self.whole.get(series));
        whole.copied().unwrap_or(MemberSet::EMPTY)
    }

    /// When it began.
    pub(crate) fn began(&self) -> Instant {
        self.began
    }

    /// The instance, if it comes with its series and is the version planned.
    pub(crate) async fn take(&self, instance: &Planned) -> Option<Copy> {
        let run = self.run(instance)?;
        let came = run.shelf.take(&instance.sop_instance).await?;
        let (number, shared) = (run.giver.get()?, &self.reader.shared);
        let lines = shared.lines.iter().find(|lines| lines.source.number == *number)?;
        let giver = &lines.source.name;
        if came.sop_class == instance.sop_class {
            let judged = judge(shared.threads, instance, giver, came.transfer_syntax, came.body).await;
            let admitted = match judged {
                Ok(Judged::Proven(copy)) => {
                    self.versions.admit(shared.threads, lines, instance, &copy).await.map(|()| Some(copy))
                }
                Ok(Judged::Doubtful(_)) => Ok(None),
                Err(error) => Err(error),
            };
            match admitted {
                Ok(Some(copy)) => {
                    lines.note_given();
                    tracing::debug!(member = %giver, instance = %instance.keeping, "an instance comes from a member");
                    return Some(copy);
                }
                Ok(None) => {}
                Err(error) => {
                    tracing::debug!(member = %giver, %error, "an instance of a series is of no use");
                }
            }
        }
        // A member that keeps other bytes is better asked for one after another, and the others beside it.
        tracing::info!(member = %giver, instance = %instance.keeping, "a series is not read on: it has other bytes than were accepted");
        run.shelf.end();
        None
    }

    /// The instance was had elsewhere.
    pub(crate) fn has(&self, instance: &Planned) {
        let Some(course) = instance.series.as_ref().and_then(|series| self.series.get(series)) else {
            return;
        };
        match &mut *course.lock().unwrap_or_else(PoisonError::into_inner) {
            Course::Wanted(wanted) => drop(wanted.remove(&instance.sop_instance)),
            Course::Begun(run) => run.shelf.pass(&instance.sop_instance),
        }
    }

    /// The reading of the series of an instance, begun if it was not; `None` where too few are left to be worth it.
    fn run(&self, instance: &Planned) -> Option<Arc<Run>> {
        let course = self.series.get(instance.series.as_ref()?)?;
        let mut course = course.lock().unwrap_or_else(PoisonError::into_inner);
        let wanted = match &mut *course {
            Course::Begun(run) => return Some(Arc::clone(run)),
            Course::Wanted(wanted) if wanted.len() < SERIES_MIN => return None,
            Course::Wanted(wanted) => std::mem::take(wanted),
        };
        let whole = self.have_all(instance);
        let run = Arc::new(Run::begin(self.reader.clone(), (instance.clone(), whole), wanted));
        *course = Course::Begun(Arc::clone(&run));
        Some(run)
    }
}

impl std::fmt::Debug for Retrieval {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Retrieval").field("series", &self.series.len()).finish_non_exhaustive()
    }
}

impl Run {
    fn begin(reader: Reader, first: (Planned, MemberSet), wanted: HashSet<SopInstanceUid>) -> Self {
        let (shelf, giver) = (Arc::new(Shelf::new(wanted)), Arc::<OnceLock<MemberNumber>>::default());
        let (putting, named) = (Arc::clone(&shelf), Arc::clone(&giver));
        let mut reading = JoinSet::new();
        reading.spawn(async move {
            // Whatever happens, nobody waits for what does not come any more.
            let _ending = Ending(&putting);
            read(&reader, &first, &putting, &named).await;
        });
        Self { shelf, giver, _reading: reading }
    }
}

/// Ends a shelf when it is dropped.
struct Ending<'a>(&'a Shelf);

impl Drop for Ending<'_> {
    fn drop(&mut self) {
        self.0.end();
    }
}

/// Reads the series of an instance at the member that would be asked for that instance.
async fn read(
    reader: &Reader,
    (first, whole): &(Planned, MemberSet),
    shelf: &Shelf,
    giver: &OnceLock<MemberNumber>,
) {
    let marks = reader.marks(first).await;
    for lines in reader.holders(first, &marks, *whole) {
        let route = match lines.series() {
            Series::LeftAlone => continue,
            Series::OneByOne => return,
            Series::Whole(route) => route,
        };
        let began = reader.shared.clock.now();
        let name = &lines.source.name;
        let ended = match lines.whole_line(route, first).await {
            Ok(None) => return,
            Ok(Some(line)) => {
                giver.get_or_init(|| lines.source.number);
                read_over(line, lines, first, shelf).await
            }
            Err(error) => Err((error, 0)),
        };
        if let Err((error, came)) = ended {
            let reason = &error as &dyn std::error::Error;
            tracing::info!(member = %name, error = reason, came, "a series does not come to its end from a member");
            lines.note_series(began, &error, came);
        }
        return;
    }
}

/// Reads a series over a connection; what fails says how many instances came before.
async fn read_over(
    WholeLine { mut session, place }: WholeLine<'_>,
    lines: &Lines,
    first: &Planned,
    shelf: &Shelf,
) -> Result<(), (FetchError, usize)> {
    let (Some(study), Some(series)) = (&first.study, &first.series) else { return Ok(()) };
    let (taken, mut coming) = mpsc::channel(1);
    let arrived = session.arrived();
    let (mut came, mut stalled) = (0, Duration::ZERO);
    let ended = {
        let fetching = session.fetch_series(study, series, &taken);
        tokio::pin!(fetching);
        loop {
            tokio::select! {
                biased;
                Some(instance) = coming.recv() => {
                    came += 1;
                    shelf.put(instance);
                    // A member that is faster than we are never lets this task wait, and whoever was woken just now runs on the
                    // same thread.
                    tokio::task::yield_now().await;
                    if !has_room(shelf, &mut stalled).await {
                        return Ok(());
                    }
                }
                ended = &mut fetching => break ended,
                () = silence(&arrived, lines.patience()) => {
                    return Err((FetchError::Silent(lines.patience()), came));
                }
            }
        }
    };
    while let Ok(instance) = coming.try_recv() {
        came += 1;
        shelf.put(instance);
    }
    session.release().await;
    drop(place);
    ended.map_err(|error| (FetchError::Member(error), came))
}

/// Waits until there is room; not where nobody wants more, nor for too long.
async fn has_room(shelf: &Shelf, stalled: &mut Duration) -> bool {
    match shelf.next() {
        Next::Read => true,
        Next::Stop => false,
        Next::Wait => {
            let began = Instant::now();
            let waited = timeout(STALLED_MAX.saturating_sub(*stalled), shelf.room()).await;
            *stalled += began.elapsed();
            waited.is_ok() && shelf.next() != Next::Stop
        }
    }
}

/// Ends when nothing has arrived for so long.
async fn silence(arrived: &Arrived, patience: Duration) {
    let mut looks = 0;
    let mut before = arrived.bytes();
    while looks < LOOKS {
        sleep(patience / LOOKS).await;
        let now = arrived.bytes();
        looks = if now == before { looks + 1 } else { 0 };
        before = now;
    }
}
