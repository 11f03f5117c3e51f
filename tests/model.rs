//! The loom models of the gate and of locks pass, and fail without either of the gate's barriers.

use std::process::{Command, Output};

/// Runs the models, `without` one of the barriers. Sanitised of what cargo sets for this test, and in a
/// target directory of its own, because the flag changes every crate.
fn check(without: &str) -> Output {
    let target = std::path::Path::new(env!("CARGO_TARGET_TMPDIR")).join("loom");
    Command::new(env!("CARGO"))
        .args(["test", "--release", "--package", "forkfix-interpose", "--lib", "model::"])
        .env("CARGO_TARGET_DIR", target)
        .env("RUSTFLAGS", "--cfg loom")
        .env("FORKFIX_MODEL_WITHOUT", without)
        .env_remove("CARGO_ENCODED_RUSTFLAGS")
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output()
        .expect("cargo runs")
}

fn report(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr)
}

/// One test, because the runs share a target directory.
#[test]
fn the_gate_holds_and_needs_both_barriers() {
    let whole = check("");
    let text = report(&whole);
    assert!(whole.status.success(), "{text}");
    assert!(text.contains("8 passed"), "{text}");

    for side in ["light", "heavy"] {
        let broken = check(side);
        let text = report(&broken);
        assert!(!broken.status.success(), "{side}: the model did not notice\n{text}");
        // It was the models that failed, and for the right reasons, not the build.
        assert!(text.contains("Causality violation"), "{side}: {text}");
        assert!(text.contains("the forker would sleep for ever"), "{side}: {text}");
        let failed = "locks::model::a_fork_sees_no_lock_half_used ... FAILED";
        assert!(text.contains(failed), "{side}: {text}");
    }
}
