//! DIMSE command sets: any bytes are read or refused, and what was read is written so that it reads the same.
#![no_main]

use libfuzzer_sys::fuzz_target;
use outrigger_dimse::Command;
use outrigger_dimse::command::{read, write};

fuzz_target!(|bytes: &[u8]| {
    let Ok((command, data_set)) = read(bytes) else { return };
    if matches!(command, Command::Malformed { .. }) {
        return;
    }
    // Comments are cut and made plain the first time; from then on nothing may change.
    let once = write(&command, data_set);
    let (again, data_set) = read(&once).expect("what was written can be read");
    assert_eq!(again.field(), command.field());
    assert_eq!(again.message_id(), command.message_id());
    assert_eq!(write(&again, data_set), once);
});
