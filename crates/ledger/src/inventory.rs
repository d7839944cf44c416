//! How far it is known what members held before anything came through here. Kept beside the books: no record of the journal
//! says it, so that a rebuild forgets it, and the inventory begins anew.

use outrigger_model::{MemberNumber, StudyUid, WallTime};

/// How far the inventory of a member is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Inventoried {
    /// Nobody has looked.
    Never,
    /// It has begun, and never was complete: what the catalogue lacks may be there.
    Running {
        /// When it began.
        since: WallTime,
        /// Studies entered so far.
        studies: u64,
    },
    /// All that it showed was entered; it is repeated from time to time.
    Complete {
        /// When the last complete one began: what came to the member later, and not through here, may be missing.
        as_of: WallTime,
    },
}

/// The inventory of a member.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Inventory {
    /// The member.
    pub member: MemberNumber,
    /// When the one under way began, if one is.
    pub began_at: Option<WallTime>,
    /// Studies entered or seen again by the one under way, else by the last.
    pub studies: u64,
    /// Instances of these that it shows.
    pub instances: u64,
    /// What it shows and could not be listed to the end: parts of its archive, studies, instances.
    pub unlisted: u64,
    /// The last complete one.
    pub complete: Option<CompleteInventory>,
    /// What whoever takes the inventory goes on from, in its own words; kept from one to the next.
    pub progress: String,
}

/// An inventory that went through all of a member.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CompleteInventory {
    /// When it began.
    pub began_at: WallTime,
    /// When it ended.
    pub ended_at: WallTime,
}

impl Inventory {
    /// The inventory of a member that nobody has looked at.
    pub fn never(member: MemberNumber) -> Self {
        Self {
            member,
            began_at: None,
            studies: 0,
            instances: 0,
            unlisted: 0,
            complete: None,
            progress: String::new(),
        }
    }

    /// How far it is.
    pub fn inventoried(&self) -> Inventoried {
        match (self.complete, self.began_at) {
            (Some(complete), _) => Inventoried::Complete { as_of: complete.began_at },
            (None, Some(since)) => Inventoried::Running { since, studies: self.studies },
            (None, None) => Inventoried::Never,
        }
    }
}

/// When studies were seen last at a member.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Seen {
    /// Before this time, and not since.
    Before(WallTime),
    /// At this time or later.
    Since(WallTime),
}

/// A study of which a member says it has more instances than it lists: retrieving it must not pass for giving all there is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Shortfall {
    /// The study.
    pub study: StudyUid,
    /// The member.
    pub member: MemberNumber,
    /// How many instances it says it has; 0 where it lists them all.
    pub says: u64,
}

/// A study of which a member says it has more than anybody lists.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Short {
    /// The study.
    pub study: StudyUid,
    /// The member that says most.
    pub member: MemberNumber,
    /// How many instances it says it has.
    pub says: u64,
    /// How many are known.
    pub listed: u64,
}

/// A study as a member showed it last; it stays when the member shows it no more.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sighting {
    /// The study.
    pub study: StudyUid,
    /// The member.
    pub member: MemberNumber,
    /// When it was seen there first.
    pub first_seen: WallTime,
    /// When it was seen there last.
    pub last_seen: WallTime,
    /// How many instances of it the member showed then.
    pub instances: u64,
    /// Sum over their SOP Instance UIDs, as in a [`outrigger_catalogue::SetDigest`].
    pub identities: u128,
}
