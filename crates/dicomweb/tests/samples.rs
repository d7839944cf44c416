//! Images made by real devices and by other test suites.

#![allow(clippy::disallowed_methods, reason = "a test reads its samples itself")]

use std::fs;
use std::path::Path;

use bytes::Bytes;
use outrigger_dataset::element::{Element, Vr};
use outrigger_dataset::form::Form;
use outrigger_dataset::part10;
use outrigger_dataset::pixel::Shape;
use outrigger_dataset::read::read_form;
use outrigger_dataset::survey::{FrameIndex, survey};
use outrigger_dicomweb::render::{Frame, Wishes, render};
use outrigger_model::{Tag, TransferSyntaxUid};

/// What became of a sample: its transfer syntax, and the size of its picture or why there is none.
type Outcome = (TransferSyntaxUid, Result<(u32, u32), String>);

/// Renders the first frame of a file; `None` for what is no image that can be read at all.
fn rendered(file: &Bytes) -> Option<Outcome> {
    let parts = part10::parts(file)?;
    let meta = read_form(Form::ExplicitLittle, Bytes::copy_from_slice(parts.meta)).ok()?;
    let transfer_syntax = TransferSyntaxUid::new(meta.plain(Tag(0x0002, 0x0010))?).ok()?;
    let form = Form::of(&transfer_syntax).filter(|form| *form != Form::ExplicitBig)?;
    let bytes = file.slice_ref(parts.data_set);
    let read = |position: u64| {
        let from = usize::try_from(position).unwrap().min(bytes.len());
        Ok::<_, std::io::Error>(bytes.slice(from..))
    };
    let survey = survey(form, bytes.len() as u64, read).ok()?;
    let span = FrameIndex::new(&survey, &transfer_syntax, read).ok()?.frame(1)?;
    let frame: Vec<u8> = span
        .places
        .iter()
        .flat_map(|place| {
            let from = usize::try_from(place.offset).unwrap();
            bytes.slice(from..from + usize::try_from(place.length).unwrap())
        })
        .collect();
    let mut described = survey.described();
    described.put(Element::text(Tag::NUMBER_OF_FRAMES, Vr::IS, "1"));
    let shape = Shape::read(&described).ok()?;
    let frame = Frame { survey: &survey, number: 1, transfer_syntax: &transfer_syntax, bytes: &frame };
    let outcome = render(&frame, &Wishes::parse([]).unwrap(), "image/png").map_err(|error| {
        let causes = std::iter::successors(Some(&error as &dyn std::error::Error), |error| error.source());
        causes.map(ToString::to_string).collect::<Vec<_>>().join(": ")
    });
    let size = outcome.map(|png| {
        let picture = image::load_from_memory(&png).unwrap();
        assert_eq!((picture.width(), picture.height()), (shape.columns.into(), shape.rows.into()));
        (picture.width(), picture.height())
    });
    Some((transfer_syntax, size))
}

/// Goal: whatever comes, a picture or a refusal in words, and a picture for nearly everything that is in use.
#[test]
fn samples_are_rendered_or_refused_in_words() {
    let folder =
        std::env::var_os("OUTRIGGER_SAMPLES").expect("OUTRIGGER_SAMPLES names the folder of the samples");
    let mut refused = Vec::new();
    let mut rendered_by_syntax = std::collections::BTreeMap::<String, u32>::new();
    for folder in [Path::new(&folder).to_owned(), Path::new(&folder).join("odd")] {
        for path in
            fs::read_dir(folder).unwrap().map(|file| file.unwrap().path()).filter(|path| path.is_file())
        {
            match rendered(&fs::read(&path).unwrap().into()) {
                None => {}
                Some((syntax, Ok(_))) => *rendered_by_syntax.entry(syntax.to_string()).or_default() += 1,
                Some((syntax, Err(why))) => refused.push(format!("{} {syntax}: {why}", path.display())),
            }
        }
    }
    let count: u32 = rendered_by_syntax.values().sum();
    let share = f64::from(count) / (f64::from(count) + f64::from(u32::try_from(refused.len()).unwrap()));
    assert!(share > 0.85 && count > 60, "{share}: {rendered_by_syntax:#?} {refused:#?}");
    for syntax in [
        "1.2.840.10008.1.2",
        "1.2.840.10008.1.2.1",
        "1.2.840.10008.1.2.5",
        "1.2.840.10008.1.2.4.50",
        "1.2.840.10008.1.2.4.91",
    ] {
        assert!(rendered_by_syntax.contains_key(syntax), "{syntax}: {refused:#?}");
    }
}
