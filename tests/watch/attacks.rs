//! Programs that do to the recording what they can.

use std::fs;

use crate::{Forkfix, reports, status};

fn watch() -> Forkfix {
    Forkfix::new(&["--watch", "--hang-after", "0.5", "--on-hang", "kill", "--stats"])
}

#[test]
fn a_program_that_writes_over_its_ring_is_watched_all_the_same() {
    let run = watch().watch(&["scribbles", "1000"]).succeeded();
    assert_eq!((run.stdout.as_str(), reports(&run)), ("child died by signal 9\n", 1), "{run:#?}");
    assert!(run.stderr.contains("the figures are not complete"), "{run:#?}");
}

/// Runs a shell script in which `$DIRECTORY` is that of the recording.
fn script(script: &str) -> crate::Run {
    let script = format!("DIRECTORY=${{FORKFIX_OPTIONS#record=}}; {script}");
    watch().run(&["sh", "-c", &script])
}

#[test]
fn links_in_the_directory_are_not_followed() {
    let victims = tempfile::tempdir().expect("there is room for files");
    let victim = victims.path().join("victim");
    fs::write(&victim, "kept").expect("it is ours");
    let (file, directory) = (victim.display(), victims.path().display());
    for attack in [
        format!("rm $DIRECTORY/ring; ln -s {file} $DIRECTORY/ring"),
        format!("rm $DIRECTORY/ring; ln {file} $DIRECTORY/ring"),
        format!("ln -s {directory} $DIRECTORY/link"),
        format!("rm -r $DIRECTORY; ln -s {directory} $DIRECTORY; echo $DIRECTORY"),
    ] {
        let forkfix = watch();
        let attack = format!("DIRECTORY=${{FORKFIX_OPTIONS#record=}}; {attack}; true");
        let run = forkfix.program.args(["--", "sh", "-c", &attack]).run(crate::Preload::Bare);
        run.succeeded();
        assert_eq!(fs::read_to_string(&victim).expect("it is there"), "kept");
        assert_eq!(fs::read_dir(victims.path()).expect("it is ours").count(), 1);
    }
}

#[test]
fn a_ring_that_is_shortened_or_gone_does_no_harm_to_the_supervisor() {
    for attack in [
        ": > $DIRECTORY/ring; exit 7",
        "truncate -s 5000 $DIRECTORY/ring; exit 7",
        "truncate -s 1G $DIRECTORY/ring; exit 7",
        "rm -r $DIRECTORY; exit 7",
        "head -c 5000000 /dev/urandom > $DIRECTORY/ring; exit 7",
    ] {
        let run = script(attack);
        // The shell itself may be killed when it writes to a ring that it has shortened (SIGBUS).
        assert!([7, 128 + libc::SIGBUS].contains(&status(&run)), "{attack}: {run:#?}");
    }
}
