//! `[viewer]`: the viewer that the web door serves at `/viewer`, where one is installed.

use std::path::PathBuf;

use outrigger_runtime::disk::read_small;

use super::keys;
use super::section::Section;

/// The page that a viewer begins with.
const PAGE: &str = "index.html";
/// Longest page, in bytes: that of OHIF has five thousand.
const PAGE_BYTES_MAX: u64 = 1 << 20;

/// Reads `[viewer]`: where its files are, if they are there.
pub(crate) fn read_viewer(section: Section<'_>) -> Option<PathBuf> {
    let given = section.has(&keys::VIEWER_FILES);
    let files = section.path(&keys::VIEWER_FILES);
    let page = files.as_ref().map(|files| read_small(section.disk(), &files.join(PAGE), PAGE_BYTES_MAX));
    let installed = matches!(page, Some(Ok(_)));
    if given && let (Some(files), Some(Err(error))) = (&files, &page) {
        let what = format!("{} cannot be read ({error})", files.join(PAGE).display());
        section.wrong_as(
            &keys::VIEWER_FILES,
            what,
            "a directory that `scripts/viewer` installed the viewer into",
        );
    }
    section.end();
    files.filter(|_| installed)
}
