//! The simulated disk does what its words say.

use super::*;

fn disk_with(content: &[u8]) -> (SimDisk, PathBuf, Arc<dyn DiskFile>) {
    let disk = SimDisk::new(1, 1 << 30);
    let directory = Path::new("/data/deep");
    disk.create_directory(directory).unwrap();
    let path = directory.join("file");
    let file = disk.create(&path).unwrap();
    file.write_at(&[IoSlice::new(content)], 0).unwrap();
    (disk, path, file)
}

#[test]
fn a_crash_forgets_what_was_not_synced_and_keeps_what_was() {
    let (disk, path, file) = disk_with(b"first");
    file.sync_data().unwrap();
    disk.fork(2).crash(Loss::Everything);
    let unnamed = disk.fork(2);
    unnamed.crash(Loss::Everything);
    assert_eq!(unnamed.files(), []);
    disk.sync_directory(path.parent().unwrap()).unwrap();
    file.write_at(&[IoSlice::new(b"FIRST and second")], 0).unwrap();
    let killed = disk.fork(2);
    killed.crash(Loss::Nothing);
    assert_eq!(killed.content(&path).unwrap(), b"FIRST and second");
    disk.crash(Loss::Everything);
    assert_eq!(disk.content(&path).unwrap(), b"first");
    assert!(file.length().is_err(), "open files end with a crash");
}

#[test]
fn a_torn_write_is_decided_by_the_seed_and_touches_only_its_sectors() {
    let torn = |seed| {
        let (disk, path, file) = disk_with(&[1; 4096]);
        file.sync_data().unwrap();
        disk.sync_directory(path.parent().unwrap()).unwrap();
        file.write_at(&[IoSlice::new(&[2; 1024])], 1024).unwrap();
        let disk = disk.fork(seed);
        disk.crash(Loss::Some);
        disk.content(&path).unwrap()
    };
    let all: Vec<Vec<u8>> = (0..64).map(torn).collect();
    assert_eq!(all, (0..64).map(torn).collect::<Vec<_>>());
    assert!(all.iter().all(|content| content[..1024] == [1; 1024] && content[2048..] == [1; 2048]));
    let is = |content: &Vec<u8>, byte| content[1024..2048].iter().all(|found| *found == byte);
    assert!(all.iter().any(|content| is(content, 1)), "forgotten");
    assert!(all.iter().any(|content| is(content, 2)), "kept");
    assert!(all.iter().any(|content| !is(content, 1) && !is(content, 2)), "torn");
}

#[test]
fn after_a_failed_sync_reads_show_what_a_crash_forgets() {
    let (disk, path, file) = disk_with(b"old");
    file.sync_data().unwrap();
    disk.sync_directory(path.parent().unwrap()).unwrap();
    let lost = (0..16).filter(|seed| {
        let disk = disk.fork(*seed);
        let file = disk.open(&path, Access::ReadWrite).unwrap();
        file.write_at(&[IoSlice::new(b"new")], 0).unwrap();
        disk.plan(Some(FaultAt { call: disk.calls() + 1, fault: Fault::Io, lasting: Lasting::Once }));
        file.sync_data().unwrap_err();
        file.sync_data().unwrap();
        assert_eq!(disk.content(&path).unwrap(), b"new");
        disk.crash(Loss::Everything);
        disk.content(&path).unwrap() != b"new"
    });
    assert!(lost.count() > 4);
}

#[test]
fn faults_strike_the_call_they_are_planned_for() {
    let (disk, path, file) = disk_with(b"");
    let plan = |fault, lasting| disk.plan(Some(FaultAt { call: disk.calls() + 2, fault, lasting }));
    plan(Fault::NoSpace, Lasting::Once);
    file.length().unwrap();
    let error = file.write_at(&[IoSlice::new(&[7; 100])], 0).unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::StorageFull);
    assert!(disk.content(&path).unwrap().len() < 100);
    assert!(disk.struck().unwrap().contains("write /data/deep/file"));
    file.write_at(&[IoSlice::new(&[7; 100])], 0).unwrap();
    plan(Fault::ShortWrite, Lasting::Once);
    file.length().unwrap();
    file.length().unwrap();
    plan(Fault::Crash, Lasting::Once);
    file.length().unwrap();
    file.sync_data().unwrap_err();
    assert!(disk.is_off() && file.length().is_err());
    assert_eq!(disk.strikes(), Strikes { crash: 1, io: 0, no_space: 1, short_write: 0 });
    disk.crash(Loss::Nothing);
    assert_eq!(disk.content(&path).unwrap(), [7; 100]);
}

#[test]
fn a_full_disk_takes_no_more_until_something_goes() {
    let (disk, path, file) = disk_with(&[1; 600]);
    disk.set_capacity(1000);
    assert_eq!(disk.space(&path).unwrap(), Space { free: 400, total: 1000 });
    assert_eq!(file.allocate(1001).unwrap_err().kind(), io::ErrorKind::StorageFull);
    file.allocate(1000).unwrap();
    assert!(disk.create(Path::new("/data/other")).unwrap().write_at(&[IoSlice::new(&[1])], 0).is_err());
    disk.remove(&path).unwrap();
    assert_eq!(disk.space(&path).unwrap().free, 1000);
}

#[test]
fn renames_are_whole_and_locks_end_with_their_holder() {
    let (disk, path, file) = disk_with(b"new");
    file.sync_data().unwrap();
    let target = path.with_file_name("target");
    disk.create(&target).unwrap();
    disk.sync_directory(path.parent().unwrap()).unwrap();
    disk.rename(&path, &target).unwrap();
    for seed in 0..8 {
        let disk = disk.fork(seed);
        disk.crash(Loss::Some);
        let names = disk.files();
        let is_old = names == [(path.clone(), 3), (target.clone(), 0)];
        assert!(is_old || names == [(target.clone(), 3)], "{names:?}");
    }
    let lock = disk.lock(Path::new("/data/lock")).unwrap();
    assert_eq!(disk.lock(Path::new("/data/lock")).unwrap_err().kind(), io::ErrorKind::WouldBlock);
    drop(lock);
    disk.lock(Path::new("/data/lock")).unwrap();
}

#[test]
fn a_crash_does_each_kind_of_damage_to_what_was_not_synced_and_none_to_what_was() {
    let (disk, path, file) = disk_with(&[1; 4096]);
    file.sync_data().unwrap();
    disk.sync_directory(path.parent().unwrap()).unwrap();
    let mut damage = [0; 5];
    for seed in 0..32 {
        let disk = disk.fork(seed);
        let file = disk.open(&path, Access::ReadWrite).unwrap();
        file.write_at(&[IoSlice::new(&[2; 2048])], 4096).unwrap();
        file.write_at(&[IoSlice::new(&[3; 2048])], 6144).unwrap();
        disk.crash(Loss::Some);
        let Damage { forgotten, torn, reordered, flipped, garbled } = disk.damage();
        for (sum, of) in damage.iter_mut().zip([forgotten, torn, reordered, flipped, garbled]) {
            *sum += of;
        }
        assert_eq!(disk.content(&path).unwrap()[..4096], [1; 4096]);
    }
    assert!(damage.iter().all(|of| *of > 0), "{damage:?}");
}
