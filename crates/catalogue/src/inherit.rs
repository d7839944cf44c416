//! Entering what members were seen to hold: studies, series and instances that may never have been stored here.

use outrigger_model::{
    InstanceHeader, MemberNumber, MemberSet, SeriesUid, SopClassUid, SopInstanceUid, StudyUid, Tag, WallTime,
};

use crate::attributes::ByLevel;
use crate::error::CatalogueError;
use crate::instance::{Current, Inherited};
use crate::put::{Held, held_series, held_study, placed};
use crate::tables::Tables;

/// A study as a member shows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SeenStudy {
    /// Study Instance UID.
    pub study: StudyUid,
    /// Attributes of the study and its patient.
    pub attributes: Vec<(Tag, String)>,
    /// Issuer of patient ID that holds where the member names none.
    pub issuer: Option<String>,
    /// Its series.
    pub series: Vec<SeenSeries>,
}

/// A series as a member shows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SeenSeries {
    /// Series Instance UID.
    pub series: SeriesUid,
    /// Attributes of the series.
    pub attributes: Vec<(Tag, String)>,
    /// Its instances.
    pub instances: Vec<SeenInstance>,
}

/// An instance as a member shows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SeenInstance {
    /// SOP Class UID.
    pub sop_class: SopClassUid,
    /// SOP Instance UID.
    pub sop_instance: SopInstanceUid,
    /// Attributes of the instance.
    pub attributes: Vec<(Tag, String)>,
}

/// What entering a study that a member shows came to, in instances.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Inheritance {
    /// Not known before.
    pub new: u64,
    /// Seen before, at this member or another.
    pub seen_before: u64,
    /// Stored here: nothing changed.
    pub kept: u64,
}

/// Enters a study that `member` shows; what stands in the catalogue stands, and what is stored here is not touched.
pub(crate) fn inherit(
    tables: &mut dyn Tables,
    member: MemberNumber,
    at: WallTime,
    seen: &SeenStudy,
) -> Result<Inheritance, CatalogueError> {
    let mut held = Held::default();
    let mut came = Inheritance::default();
    let of_study = ByLevel::of(&seen.attributes, seen.issuer.as_ref());
    // Also where no series is shown: it is there all the same.
    held_study(tables, &mut held.studies, &seen.study, &of_study)?.row.fill_from(&of_study);
    for series in &seen.series {
        let of_series = ByLevel::of(seen.attributes.iter().chain(&series.attributes), seen.issuer.as_ref());
        let study = held_study(tables, &mut held.studies, &seen.study, &of_series)?;
        study.row.note_modality(&of_series);
        held_series(tables, &mut held.series, study, &series.series, &of_series)?;
        for instance in &series.instances {
            enter(
                tables,
                &mut held,
                member,
                at,
                &header(seen, series, instance),
                seen.issuer.as_ref(),
                &mut came,
            )?;
        }
    }
    held.save(tables)?;
    Ok(came)
}

/// Takes a member out of those that were seen to hold these instances, and gives of how many; what is stored here is not touched.
pub(crate) fn depart(
    tables: &mut dyn Tables,
    member: MemberNumber,
    gone: &[SopInstanceUid],
) -> Result<u64, CatalogueError> {
    let mut count = 0;
    for instance in gone {
        let Some((rows, mut row)) = tables.instance(instance)? else { continue };
        if let Current::Inherited(inherited) = &mut row.current
            && inherited.members.contains(member)
        {
            inherited.members.remove(member);
            tables.save_instance(rows.instance, &row)?;
            count += 1;
        }
    }
    Ok(count)
}

fn header(study: &SeenStudy, series: &SeenSeries, instance: &SeenInstance) -> InstanceHeader {
    let attributes = study.attributes.iter().chain(&series.attributes).chain(&instance.attributes);
    InstanceHeader {
        sop_class: instance.sop_class.clone(),
        sop_instance: instance.sop_instance.clone(),
        study: Some(study.study.clone()),
        series: Some(series.series.clone()),
        attributes: attributes.cloned().collect(),
    }
}

fn enter(
    tables: &mut dyn Tables,
    held: &mut Held,
    member: MemberNumber,
    at: WallTime,
    header: &InstanceHeader,
    issuer: Option<&String>,
    came: &mut Inheritance,
) -> Result<(), CatalogueError> {
    let Some((rows, mut row)) = tables.instance(&header.sop_instance)? else {
        let members = MemberSet::from_iter([member]);
        let current = Current::Inherited(Inherited { members, seen_at: at });
        let (row, _) = placed(tables, held, header, issuer, current)?;
        tables.add_instance(&row)?;
        came.new += 1;
        return Ok(());
    };
    match &mut row.current {
        Current::Kept(_) => came.kept += 1,
        Current::Inherited(inherited) => {
            came.seen_before += 1;
            if !inherited.members.contains(member) {
                inherited.members.insert(member);
                tables.save_instance(rows.instance, &row)?;
            }
        }
    }
    Ok(())
}
