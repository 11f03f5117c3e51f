//! What the compiler makes of the gate's orderings on arm64: the code that `docs/memory-ordering.md`
//! argues about.

use std::process::Command;

use crate::common;

/// The mnemonics with their first operand of the function whose symbol contains `name`, as they stand.
fn instructions(name: &str) -> Vec<String> {
    let mut objdump = Command::new("aarch64-linux-gnu-objdump");
    let library = common::arm64().join("libforkfix.so");
    let result = objdump.args(["-d", "--no-show-raw-insn"]).arg(library).output();
    let text = String::from_utf8(result.expect("it comes with the compiler").stdout).expect("text");
    let functions = text.split("\n\n").filter(|function| {
        let head = function.trim_start().lines().next().unwrap_or_default();
        // Nothing, the version of a C symbol, or the hash that older compilers of Rust add.
        let rest = head.split_once(name).map(|(_, rest)| rest);
        rest.is_some_and(|rest| {
            matches!(rest, ">:" | "@@GLIBC_2.17>:") || rest.starts_with("17h") && rest.len() == 22
        })
    });
    let functions: Vec<_> = functions.collect();
    assert_eq!(functions.len(), 1, "functions called {name}");
    let lines = functions[0].trim_start().lines().skip(1);
    lines.filter_map(|line| Some(line.split_once(":\t")?.1.trim().to_owned())).collect()
}

fn of<'a>(code: &'a [String], mnemonic: &str) -> Vec<&'a String> {
    code.iter().filter(|line| line.split_whitespace().next() == Some(mnemonic)).collect()
}

/// A hook stores its word, loads the flags with acquire, and leaves with a store-release: no fence, and no
/// atomic read-modify-write.
#[test]
fn a_reader_executes_no_barrier() {
    let code = instructions("<random");
    let end = code.iter().position(|line| line == "ret").expect("it returns");
    let fast = &code[..end];
    assert_eq!([of(fast, "ldar").len(), of(fast, "stlr").len()], [1, 1], "{fast:#?}");
    let forbidden = ["dmb", "dsb", "ldaxr", "stlxr", "swpal", "ldsetal", "casal", "bl"];
    for mnemonic in forbidden {
        assert!(of(fast, mnemonic).is_empty(), "{mnemonic} in {fast:#?}");
    }
    // The word is out before the flags are looked at, in the order of the program.
    let at = |start: &str| fast.iter().position(|line| line.starts_with(start));
    let word = fast.iter().position(|line| line.starts_with("str\tw"));
    assert!(word < at("ldar") && at("ldar") < at("blr") && at("blr") < at("stlr"), "{fast:#?}");
}

/// The forker sets the flag, executes a full fence, and calls `membarrier` before it looks at any word.
#[test]
fn the_forker_executes_a_full_barrier() {
    let code = instructions("forker5close");
    let after = |from: usize, what: &str| {
        let found = code[from..].iter().position(|line| line.contains(what));
        from + found.unwrap_or_else(|| panic!("no {what} after {from} in {code:#?}"))
    };
    let flag = after(0, "ldset4_acq_rel");
    let fence = after(flag, "dmb\tish");
    let membarrier = after(fence, "#0x11b"); // 283, include/uapi/asm-generic/unistd.h
    after(membarrier, "svc");
}
