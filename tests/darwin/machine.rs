//! The library and the test programs of both architectures, built once, and runs of them in the
//! loader.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use crate::common::Preload::Bare;
use crate::common::{EMULATOR, Program, Run, need, out_dir, run, target_dir};

/// The status with which the loader ends a process that would wait for ever (`apps/storm.h`).
const HANG_STATUS: &str = "86";

/// What the images are built for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Arch {
    X86_64,
    Arm64,
}

impl Arch {
    /// Its name on macOS.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::X86_64 => "x86_64",
            Self::Arm64 => "arm64",
        }
    }

    /// The command that starts the loader: for arm64 in an emulator.
    fn loader(self) -> Vec<String> {
        let loader = build(self).join("macho-run").display().to_string();
        match self {
            Self::X86_64 => vec![loader],
            // The processor must be one with what Apple's first has, which is Rust's target.
            Self::Arm64 => {
                ["/usr/bin/qemu-aarch64-static", "-cpu", "max", "-L", "/usr/aarch64-linux-gnu"]
                    .map(str::to_owned)
                    .into_iter()
                    .chain([loader])
                    .collect()
            }
        }
    }

    /// How many forks stand for `forks`: an emulator takes several times as long for each.
    pub(crate) fn forks(self, forks: u64) -> u64 {
        match self {
            Self::X86_64 => forks,
            Self::Arm64 => forks.div_ceil(5),
        }
    }

    /// The library of this architecture.
    pub(crate) fn library(self) -> PathBuf {
        darwin().join(self.name()).join("libforkfix.dylib")
    }

    /// A file that `tests/macho/build` makes.
    pub(crate) fn app(self, name: &str) -> PathBuf {
        build(self).join("apps").join(name)
    }

    /// A run of the test program `app`.
    pub(crate) fn run(self, app: &str) -> Case {
        Case {
            arch: self,
            app: Some(app.to_owned()),
            options: Vec::new(),
            library: None,
            arguments: Vec::new(),
            environment: Vec::new(),
        }
    }

    /// A run that ends before any program is needed.
    pub(crate) fn inspect(self, option: &str) -> Case {
        let case = Case { app: None, ..self.run("") };
        case.option([option]).with(self.library())
    }
}

/// A run of the loader.
#[derive(Clone, Debug)]
pub(crate) struct Case {
    arch: Arch,
    app: Option<String>,
    options: Vec<String>,
    library: Option<PathBuf>,
    arguments: Vec<String>,
    environment: Vec<(String, String)>,
}

impl Case {
    /// More options of the loader.
    pub(crate) fn option<const N: usize>(mut self, options: [&str; N]) -> Self {
        self.options.extend(options.map(str::to_owned));
        self
    }

    /// Has a library inserted.
    pub(crate) fn with(mut self, library: PathBuf) -> Self {
        self.library = Some(library);
        self
    }

    /// Has forkfix inserted, with these `FORKFIX_OPTIONS`.
    pub(crate) fn protected(self, options: &str) -> Self {
        let library = self.arch.library();
        self.with(library).env("FORKFIX_OPTIONS", options)
    }

    /// More arguments of the program.
    pub(crate) fn args<S: ToString>(mut self, arguments: impl IntoIterator<Item = S>) -> Self {
        self.arguments.extend(arguments.into_iter().map(|argument| argument.to_string()));
        self
    }

    pub(crate) fn env(mut self, name: &str, value: impl Into<String>) -> Self {
        self.environment.push((name.to_owned(), value.into()));
        self
    }

    /// Runs it to its end.
    pub(crate) fn go(&self) -> Run {
        let mut command = self.arch.loader();
        command.extend(["--hang-status", HANG_STATUS].map(str::to_owned));
        // A Mach-O program that the program starts is run with the same options.
        let again = command.join(" ");
        command.extend(self.options.iter().cloned());
        command.extend(["--again".to_owned(), again]);
        command.extend(self.library.iter().map(|library| library.display().to_string()));
        let app = self.app.as_ref().map(|name| self.arch.app(name));
        command.extend(app.map(|path| path.display().to_string()));
        command.extend(self.arguments.iter().cloned());
        let (first, rest) = command.split_first().expect("there is a loader");
        let program = Program::at(first).args(rest).env(EMULATOR.0, EMULATOR.1);
        let set = |program: Program, (name, value): &(String, String)| program.env(name, value);
        self.environment.iter().fold(program, set).run(Bare)
    }
}

/// The directory of what `make darwin` builds.
pub(crate) fn darwin() -> &'static Path {
    static BUILT: OnceLock<PathBuf> = OnceLock::new();
    BUILT.get_or_init(|| {
        let target = target_dir();
        run(Command::new("interpose/darwin/build").env("CARGO_TARGET_DIR", &target));
        target.join("darwin")
    })
}

/// The loader and the test programs for `arch`.
fn build(arch: Arch) -> &'static Path {
    static BUILT: [OnceLock<PathBuf>; 2] = [const { OnceLock::new() }; 2];
    BUILT[arch as usize].get_or_init(|| {
        darwin();
        need("gcc", "gcc");
        need("ld64.lld-16", "lld-16");
        if arch == Arch::Arm64 {
            need("aarch64-linux-gnu-gcc", "gcc-aarch64-linux-gnu libc6-dev-arm64-cross");
            need("/usr/bin/qemu-aarch64-static", "qemu-user-static");
        }
        let out = out_dir().join(arch.name());
        let mut command = Command::new("tests/macho/build");
        run(command.arg(arch.name()).arg(&out).env("CARGO_TARGET_DIR", target_dir()));
        out
    })
}
