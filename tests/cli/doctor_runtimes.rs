//! What `forkfix doctor` finds in programs, each made by the tools that make such programs.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

use crate::common::{need, out_dir, run};
use crate::fixture::{Files, forkfix, output};

/// The findings about `program`, with the environment `variables`.
fn findings(program: &Path, variables: &[(&str, &str)]) -> Vec<Value> {
    let mut command = forkfix();
    command.args(["doctor", "--json"]).arg(program).envs(variables.iter().copied());
    let result = output(&mut command);
    let json: Value = serde_json::from_slice(&result.stdout).expect("it is JSON");
    json["findings"].as_array().expect("it is a list").clone()
}

/// Outcome, kind of evidence, and what that says, of the finding `name`.
#[track_caller]
fn found<'a>(findings: &'a [Value], name: &str) -> (&'a str, &'a str, &'a str) {
    let finding = findings.iter().find(|finding| finding["check"] == name);
    let finding = finding.unwrap_or_else(|| panic!("{name} is not in {findings:#?}"));
    let text = |value: &'a Value| value.as_str().unwrap_or_default();
    let evidence = &finding["evidence"][0];
    (text(&finding["outcome"]), text(&evidence["kind"]), text(&evidence["name"]))
}

#[track_caller]
fn lacks(findings: &[Value], names: &[&str]) {
    let there = findings.iter().find(|f| names.iter().any(|name| f["check"] == *name));
    assert!(there.is_none(), "{there:#?}");
}

const OPENMP: &str =
    "int main(void) { int n = 0;\n#pragma omp parallel reduction(+ : n)\nn++; return n == 0; }";

#[test]
fn openmp_is_repaired_unless_that_is_off() {
    let files = Files::new();
    let program = files.compile("openmp", OPENMP, &["-fopenmp"]);
    let by_default = findings(&program, &[]);
    assert_eq!(found(&by_default, "libgomp"), ("repaired", "file", "libgomp.so.1"));
    let off = findings(&program, &[("FORKFIX_OPTIONS", "stats=0:pools=off")]);
    assert_eq!(found(&off, "libgomp").0, "diagnosable");
    let preset = off.iter().find(|finding| finding["check"] == "libgomp").map(|f| &f["preset"]);
    assert_eq!(preset.and_then(Value::as_str), Some("openmp"));
}

#[test]
fn locks_of_the_program_are_covered_unless_that_is_off() {
    let files = Files::new();
    let source = "#include <pthread.h>\npthread_mutex_t m; int main(void) { return pthread_mutex_lock(&m); }";
    let program = files.compile("locks", source, &["-pthread"]);
    let by_default = findings(&program, &[]);
    assert_eq!(found(&by_default, "locks"), ("covered", "symbol", "pthread_mutex_lock"));
    assert_eq!(found(&by_default, "calls"), ("covered", "file", "libc.so.6"));
    let off = findings(&program, &[("FORKFIX_OPTIONS", "orphans=off")]);
    assert_eq!(found(&off, "locks").0, "diagnosable");
    let statics = "int __cxa_guard_acquire(long *); long g; int main(void) { return __cxa_guard_acquire(&g); }";
    let program = files.compile("statics", statics, &["-lstdc++"]);
    let expected = ("covered", "symbol", "__cxa_guard_acquire");
    assert_eq!(found(&findings(&program, &[]), "statics"), expected);
    // What is needed by the library alone is no business of the program.
    lacks(&findings(Path::new("/bin/true"), &[]), &["locks", "rust", "statics"]);
}

#[test]
fn a_static_program_has_nothing_to_cover() {
    let files = Files::new();
    let program = files.compile("openmp", OPENMP, &["-fopenmp", "-static"]);
    let all = findings(&program, &[]);
    assert_eq!(found(&all, "target"), ("unprotected", "header", "no PT_INTERP"));
    lacks(&all, &["calls", "locks", "libgomp", "libgomp-static"]);
}

#[test]
fn a_libgomp_that_is_linked_in_is_only_diagnosable() {
    let files = Files::new();
    let text = |flag| {
        let file = Command::new("cc").arg(flag).output().expect("cc starts").stdout;
        String::from_utf8(file).expect("a path").trim().to_owned()
    };
    let archive = text("-print-file-name=libgomp.a");
    let program = files.compile("linked", OPENMP, &["-fopenmp", "-Wl,--as-needed", &archive]);
    let all = findings(&program, &[]);
    assert_eq!(found(&all, "libgomp-static"), ("diagnosable", "symbol", "gomp_team_start"));
    lacks(&all, &["libgomp"]);
}

/// A program of Rust with a pool of rayon's and a runtime of tokio's.
fn rust() -> PathBuf {
    let directory = out_dir().join("pools");
    fs::create_dir_all(directory.join("src")).expect("the target directory is writable");
    let manifest = "[package]\nname = \"pools\"\nedition = \"2024\"\n[workspace]\n[dependencies]\nrayon = \"1\"\n\
                    tokio = { version = \"1\", features = [\"rt-multi-thread\"] }\n";
    let source = "fn main() {\n    rayon::join(|| (), || ());\n    tokio::runtime::Runtime::new().unwrap();\n}\n";
    // What is the same already stays, so that cargo has nothing to do.
    for (name, content) in [("Cargo.toml", manifest), ("src/main.rs", source)] {
        let path = directory.join(name);
        if fs::read_to_string(&path).is_ok_and(|old| old == content) {
            continue;
        }
        fs::write(&path, content).expect("the target directory is writable");
    }
    let mut cargo = Command::new(env!("CARGO"));
    cargo.args(["build", "--quiet", "--manifest-path"]).arg(directory.join("Cargo.toml"));
    run(cargo.arg("--target-dir").arg(directory.join("target")));
    directory.join("target/debug/pools")
}

#[test]
fn pools_of_rust_are_named_with_and_without_symbols() {
    let program = rust();
    let all = findings(&program, &[]);
    for (name, part) in [("rayon", "rayon_core::"), ("tokio", "tokio::runtime::")] {
        let (outcome, kind, symbol) = found(&all, name);
        assert_eq!((outcome, kind), ("diagnosable", "symbol"), "{name}");
        assert!(symbol.contains(part), "{symbol}");
    }
    let files = Files::new();
    let stripped = files.path().join("stripped");
    run(Command::new("strip").arg("-o").arg(&stripped).arg(&program));
    let all = findings(&stripped, &[]);
    for (name, part) in [("rayon", "rayon-core-1."), ("tokio", "tokio-1.")] {
        let (outcome, kind, source) = found(&all, name);
        assert_eq!((outcome, kind), ("diagnosable", "crate"), "{name}");
        assert!(source.starts_with(part), "{source}");
    }
    let (_, kind, comment) = found(&all, "rust");
    assert_eq!(kind, "comment");
    assert!(comment.starts_with("rustc version 1."), "{comment}");
}

#[test]
fn go_is_named_also_where_it_is_static() {
    need("go", "golang-go");
    let files = Files::new();
    for (name, source, target) in [
        ("static", "package main\nfunc main() {}\n", "unprotected"),
        ("cgo", "package main\n\nimport \"C\"\n\nfunc main() {}\n", ""),
    ] {
        let path = files.file(&format!("{name}.go"), 0o644, source);
        let program = files.path().join(name);
        let mut go = Command::new("go");
        go.arg("build").arg("-o").arg(&program).arg(&path).current_dir(files.path());
        go.env("GOCACHE", out_dir().join("go")).env("GO111MODULE", "off");
        run(&mut go);
        let all = findings(&program, &[]);
        assert_eq!(found(&all, "target").0, target, "{name}");
        let (outcome, kind, section) = found(&all, "go");
        assert_eq!((outcome, kind), ("unprotected", "section"), "{name}");
        assert!(section.contains("go.build"), "{section}");
    }
}

/// A virtual environment as wheels fill it, with libraries by their names alone, and with what their symbols tell.
#[test]
fn the_packages_of_a_virtual_environment_are_looked_through() {
    need("/usr/bin/python3", "python3");
    let files = Files::new();
    let python = files.path().join("venv/bin/python3");
    fs::create_dir_all(files.path().join("venv/bin")).expect("it is ours");
    std::os::unix::fs::symlink("/usr/bin/python3", &python).expect("it is ours");
    files.file("venv/pyvenv.cfg", 0o644, "home = /usr/bin\n");
    let packages = "venv/lib/python3.11/site-packages";
    files.file(&format!("{packages}/scikit_learn.libs/libgomp-a34b3233.so.1.0.0"), 0o644, "");
    files.file(
        &format!("{packages}/grpc/_cython/cygrpc.cpython-311-x86_64-linux-gnu.so"),
        0o644,
        "",
    );
    files.file(&format!("{packages}/notes/libcuda.txt"), 0o644, "");
    let cuda = "void cudaLaunchKernel(void) {}";
    let library = files.compile("kernels.so", cuda, &["-shared", "-fPIC"]);
    fs::rename(library, files.path().join(packages).join("kernels.so")).expect("it is ours");
    let all = findings(&python, &[("PYTHONPATH", "")]);
    assert_eq!(found(&all, "libgomp"), ("repaired", "file", "libgomp-a34b3233.so.1.0.0"));
    let (outcome, kind, _) = found(&all, "libgrpc");
    assert_eq!((outcome, kind), ("diagnosable", "file"));
    assert_eq!(found(&all, "libcuda"), ("diagnosable", "symbol", "cudaLaunchKernel"));
    assert_eq!(found(&all, "python"), ("repaired", "symbol", "PyThread_acquire_lock_timed"));
    let packages = all.iter().find(|finding| finding["check"] == "packages").expect("it is told");
    assert!(packages["message"].as_str().is_some_and(|text| text.starts_with("3 libraries")));
    // A script is told with its interpreter's packages.
    let script = files.script("script", &format!("#!{}\n", python.display()));
    assert_eq!(found(&findings(&script, &[]), "libgrpc").0, "diagnosable");
}
