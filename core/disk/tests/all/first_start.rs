//! The first start: one maker, a private file, and nothing half made.

use std::os::unix::fs::PermissionsExt;
use std::sync::Barrier;

use wardline_disk::{Disk, DiskError, FileDisk, RedbFile};

use crate::{KIND, batch, fill, open, put, rows};

#[test]
fn p12_of_two_first_starts_one_made_the_file_and_the_other_knows_it() {
    let dir = tempfile::tempdir().unwrap();
    let disk = FileDisk::new(dir.path().join("a/b/x.redb"));
    // Both find nothing and begin, before either has published.
    let (first, ours) = disk.begin().unwrap();
    let (second, theirs) = disk.begin().unwrap();
    assert!(disk.open().unwrap().is_none());
    assert_ne!(ours, theirs);
    let published = [disk.publish(&theirs).unwrap(), disk.publish(&ours).unwrap()];
    assert_eq!(published, [true, false]);
    drop((first, second));
    let names = std::fs::read_dir(dir.path().join("a/b")).unwrap();
    assert_eq!(names.count(), 1, "what was not published is gone");
}

#[test]
fn p12_many_first_starts_at_once_leave_one_owner_and_its_file() {
    for _ in 0..20 {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("x.redb");
        let barrier = Barrier::new(4);
        let mut owners = Vec::new();
        std::thread::scope(|scope| {
            let started: Vec<_> = (1..=4u64)
                .map(|id| {
                    let (path, barrier) = (&path, &barrier);
                    scope.spawn(move || {
                        let file = RedbFile::new(FileDisk::new(path), KIND);
                        barrier.wait();
                        let opened = file.open_or_create(|db| put(db, &batch(id..id + 1, 10)));
                        (file, opened)
                    })
                })
                .collect();
            for thread in started {
                owners.push(thread.join().unwrap());
            }
        });
        let (open, refused): (Vec<_>, Vec<_>) =
            owners.iter().partition(|(_, opened)| opened.is_ok());
        assert_eq!(open.len(), 1, "{owners:?}");
        for (_, error) in refused {
            assert!(matches!(error, Err(DiskError::Locked { .. })), "{error:?}");
        }
        let before = open[0].0.with("read", rows).unwrap();
        assert_eq!(before.len(), 1, "filled once");
        drop(owners);
        assert_eq!(
            crate::open(FileDisk::new(&path))
                .unwrap()
                .with("read", rows)
                .unwrap(),
            before
        );
    }
}

#[test]
fn a_file_is_its_owners_alone_and_what_a_crash_left_half_made_goes() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("a/x.redb");
    std::fs::create_dir(dir.path().join("a")).unwrap();
    std::fs::write(dir.path().join("a/x.redb.new-00aa"), b"half").unwrap();
    let file = open(FileDisk::new(&path)).unwrap();
    assert_eq!(file.path(), path);
    let mode = std::fs::metadata(&path).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    let mut names: Vec<_> = std::fs::read_dir(dir.path().join("a"))
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    assert_eq!(names, ["x.redb", "x.reserve"]);
    // A file that is there is not filled again.
    assert!(file.create(fill).unwrap().is_none());
}
