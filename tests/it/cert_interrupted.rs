//! An installation that does not come to its end: killed at any stage, or on a full disk.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

use super::cert_kit::{Bank, Delivery, OWNER, install, refused, tree};
use super::cli_kit::{Ran, kaspi};

/// Starts an installation and kills it, as `kill -9` does, once a condition holds. Whether it was
/// killed, and not done before.
fn killed_once(bank: &Bank, delivery: &Delivery, condition: impl Fn(&Path) -> bool) -> bool {
    let folder = bank.folder_of(OWNER);
    let mut child = kaspi(&install(OWNER, delivery, &[]), &bank.scene.path(""))
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    loop {
        if let Some(status) = child.try_wait().unwrap() {
            assert!(status.success(), "{status}");
            return false;
        }
        if condition(&folder) {
            child.kill().unwrap();
            return !child.wait().unwrap().success();
        }
        std::thread::yield_now();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn killed_at_any_stage_what_was_in_use_is_whole() {
    let bank = Bank::open().await;
    let mut before = bank.in_use(OWNER).await;
    let mut killed = 0;
    for round in 0..18 {
        let delivery = bank.delivers(&format!("new-{round}"), &[OWNER]);
        // Killed processes leave sets behind, so the next number counts them.
        let number = tree(&bank.folder_of(OWNER))
            .iter()
            .filter_map(|(path, _)| {
                path.strip_prefix(".sets")
                    .ok()?
                    .iter()
                    .next()?
                    .to_str()?
                    .parse()
                    .ok()
            })
            .max()
            .map_or(1, |last: u64| last + 1);
        let set = format!(".sets/{number}");
        let link = fs::read_link(bank.folder_of(OWNER).join("current")).ok();
        let stage = round % 6;
        let was_killed = killed_once(&bank, &delivery, |folder| match stage {
            0 => true,
            1 => folder.join(&set).exists(),
            2 => folder.join(&set).join("certificate.cer").exists(),
            3 => folder.join(&set).join("private.key").exists(),
            4 => folder.join(&set).join("password").exists(),
            _ => fs::read_link(folder.join("current")).ok() != link,
        });
        killed += usize::from(was_killed);
        let now = bank.in_use(OWNER).await;
        assert!(
            now == before || now == delivery.sha256,
            "round {round}: {now} is neither {before} nor {}",
            delivery.sha256
        );
        assert!(!was_killed || stage == 5 || now == before, "round {round}");
        assert_eq!(bank.run(&["tradepoints", "--bin", OWNER]).await.code, 0);
        assert_eq!(bank.seen(OWNER).last().unwrap(), &now);
        before = now;
    }
    assert!(
        killed >= 6,
        "only {killed} of 18 installations were killed before their end"
    );

    // What the killed ones left behind goes with the next one that ends.
    let last = bank.delivers("last", &[OWNER]);
    let ran = bank.install(OWNER, &last, &[]).await;
    assert_eq!(ran.code, 0, "{ran:?}");
    let sets = fs::read_dir(bank.folder_of(OWNER).join(".sets")).unwrap().count();
    assert_eq!(sets, 3, "two sets and the lock");
    assert_eq!(bank.run(&["cert", "rollback", "--bin", OWNER]).await.code, 0);
    assert_eq!(bank.in_use(OWNER).await, before);
}

/// A limit on the size of files stands for the full disk: the write of the new files fails midway.
#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_cannot_be_written_whole_leaves_everything_as_it_was() {
    let bank = Bank::open().await;
    let first = bank.delivers("first", &[OWNER]);
    assert_eq!(bank.install(OWNER, &first, &[]).await.code, 0);
    let before = tree(&bank.folder_of(OWNER));

    let new = bank.delivers("new", &[OWNER]);
    let program = kaspi(&[], &bank.scene.path(""));
    let ran = output(
        Command::new("sh")
            .args(["-c", "trap '' XFSZ; ulimit -f 1; exec \"$@\"", "sh"])
            .arg(program.get_program())
            .args(install(OWNER, &new, &[]))
            .current_dir(bank.scene.path(""))
            .env_clear()
            .env("HOME", bank.scene.path(""))
            .stdin(Stdio::null()),
    );
    let (code, kind, message) = refused(&ran);
    assert_eq!((code, kind.as_str()), (3, "set_not_written"), "{message}");
    assert!(message.contains("certificate.cer`: File too large"), "{message}");
    assert_eq!(tree(&bank.folder_of(OWNER)), before);
    assert_eq!(bank.in_use(OWNER).await, first.sha256);
    assert_eq!(bank.install(OWNER, &new, &[]).await.code, 0);
}

/// A real full disk, where this machine lets a test mount one.
#[tokio::test(flavor = "multi_thread")]
async fn a_full_disk_leaves_everything_as_it_was() {
    let bank = Bank::open().await;
    let folder = bank.folder_of(OWNER);
    let files = tree(&folder);
    let mounted = output(
        Command::new("mount")
            .args(["-t", "tmpfs", "-o", "size=64k", "tmpfs"])
            .arg(&folder)
            .env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin"),
    );
    if mounted.code != 0 {
        println!("no disk can be mounted here: {}", mounted.err.trim());
        return;
    }
    let _mount = Mount(&folder);
    for (name, bytes) in files {
        fs::write(folder.join(name), bytes).unwrap();
    }
    let first = bank.delivers("first", &[OWNER]);
    let ran = bank.install(OWNER, &first, &[]).await;
    assert_eq!(ran.code, 0, "{ran:?}");
    // What is left is less than a set.
    let filler = fs::File::create(folder.join("filler")).unwrap();
    let mut blocks = 0;
    while std::os::unix::fs::FileExt::write_all_at(&filler, &[1; 4096], blocks * 4096).is_ok() {
        blocks += 1;
    }
    filler.set_len((blocks - 1) * 4096).unwrap();
    let before = tree(&folder);

    let new = bank.delivers("new", &[OWNER]);
    let ran = bank.install(OWNER, &new, &[]).await;
    let (code, kind, message) = refused(&ran);
    assert_eq!((code, kind.as_str()), (3, "set_not_written"), "{message}");
    assert!(message.contains("No space left on device"), "{message}");
    assert_eq!(tree(&folder), before);
    assert_eq!(bank.in_use(OWNER).await, first.sha256);

    filler.set_len(0).unwrap();
    assert_eq!(bank.install(OWNER, &new, &[]).await.code, 0);
    assert_eq!(bank.in_use(OWNER).await, new.sha256);
}

struct Mount<'a>(&'a Path);

impl Drop for Mount<'_> {
    fn drop(&mut self) {
        let _ = Command::new("umount")
            .arg("-l")
            .arg(self.0)
            .env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin")
            .status();
    }
}

fn output(command: &mut Command) -> Ran {
    let output = command.output().unwrap();
    Ran {
        code: output.status.code().unwrap(),
        out: String::from_utf8(output.stdout).unwrap(),
        err: String::from_utf8(output.stderr).unwrap(),
    }
}
