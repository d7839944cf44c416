//! Where an attribute of a frame may stand: in its own functional groups, in the shared ones, or in the image (PS3.3
//! section C.7.6.16).

use outrigger_dataset::survey::{ElementPath, Found, Place, Survey};
use outrigger_model::Tag;

use super::{gray, lut, overlay, window};

const SHARED_GROUPS: Tag = Tag(0x5200, 0x9229);
const PER_FRAME_GROUPS: Tag = Tag(0x5200, 0x9230);

/// Items on the way to something: sequences, each with the number of an item.
pub(super) type Way = Vec<(Tag, usize)>;

/// The places of what a functional group says of a frame, the first that is there counts.
pub(super) fn scopes(frame: u32, group: Tag) -> [Way; 3] {
    let own = usize::try_from(frame).unwrap_or(usize::MAX);
    [vec![(PER_FRAME_GROUPS, own), (group, 1)], vec![(SHARED_GROUPS, 1), (group, 1)], Vec::new()]
}

/// A value of a survey that rendering a frame needs, and that was passed over: tables and overlays of some size.
pub fn missing_values(survey: &Survey, frame: u32) -> Vec<(ElementPath, Place)> {
    let palettes = super::colour::PALETTES.map(|(_, data)| ElementPath::from(data));
    let modality = ElementPath { items: vec![(gray::MODALITY_LUT, 1)], last: lut::LUT_DATA };
    let voi = scopes(frame, window::FRAME_VOI_LUT).map(|mut way| {
        way.push((window::VOI_LUT, 1));
        ElementPath { items: way, last: lut::LUT_DATA }
    });
    let tables = palettes.into_iter().chain([modality]).chain(voi);
    let wanted = tables.map(|path| (path, lut::TABLE_BYTES_MAX)).chain(overlay::wanted());
    let missing = wanted.filter_map(|(path, most)| match survey.follow(&path)?.value {
        Found::There(place) if place.length <= most => Some((path, place)),
        _ => None,
    });
    missing.collect()
}
