//! Generated calls of variadic functions, as lines of C.

use std::fmt::Write;

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;

/// A call: the function, the number that some forms take, errno, what there is to read, and the arguments
/// from the format on, as C expressions.
#[derive(Clone, Debug)]
pub(crate) struct Call {
    function: String,
    size: u8,
    errno: u8,
    input: String,
    arguments: String,
}

/// All calls as the file that `semantics.c` includes.
pub(crate) fn file(calls: &[Call]) -> String {
    let mut text = String::new();
    for (number, Call { function, size, errno, input, arguments }) in calls.iter().enumerate() {
        writeln!(text, "CASE({number}, {function}, {size}, {errno}, {input}, {arguments})")
            .expect("a string grows");
    }
    let names: Vec<_> = (0..calls.len()).map(|number| format!("case_{number}")).collect();
    writeln!(text, "static void (*const ALL[])(void) = {{{}}};", names.join(", "))
        .expect("a string grows");
    text
}

/// Calls of `function`, which is of the kind that its name says.
pub(crate) fn of(function: &str) -> BoxedStrategy<Call> {
    let wide = function.contains("wprintf") || function.contains("wscanf");
    let wide = wide || function.contains("swprintf") || function.contains("swscanf");
    let arguments = if function.starts_with("exec") {
        vec(text(), 1..12).prop_map(|words| (words.join(", "), String::new())).boxed()
    } else if function.contains("scanf") {
        parsing(wide).boxed()
    } else {
        printing(wide).prop_map(|arguments| (arguments, String::new())).boxed()
    };
    let function = function.to_owned();
    (any::<u8>(), 0..132_u8, arguments)
        .prop_map(move |(size, errno, (arguments, input))| Call {
            function: function.clone(),
            size,
            errno,
            input: literal(input.as_bytes()),
            arguments,
        })
        .boxed()
}

/// One conversion.
#[derive(Clone, Debug)]
struct Piece {
    /// Before the width.
    flags: String,
    width: Number,
    precision: Number,
    /// The rest, with its length.
    conversion: String,
    /// The argument, if it takes one.
    argument: Option<String>,
    /// What follows in the format.
    after: String,
}

/// A width or precision.
#[derive(Clone, Debug)]
enum Number {
    None,
    Here(u8),
    Argument(i8),
}

/// A call's arguments from the format on: `pieces` with theirs.
fn format(pieces: &[Piece], positional: bool, order: u64, wide: bool) -> String {
    let (format, arguments) =
        if positional { in_any_order(pieces, order) } else { in_order(pieces) };
    let prefix = if wide { "L" } else { "" };
    let mut all = vec![format!("{prefix}{}", literal(format.as_bytes()))];
    all.extend(arguments);
    all.join(", ")
}

/// A format for printf with its arguments.
fn printing(wide: bool) -> impl Strategy<Value = String> {
    (vec(printed(), 0..7), any::<bool>(), any::<u64>())
        .prop_map(move |(pieces, positional, order)| format(&pieces, positional, order, wide))
}

fn in_order(pieces: &[Piece]) -> (String, Vec<String>) {
    let (mut format, mut arguments) = ("#".to_owned(), Vec::new());
    for piece in pieces {
        let mut number = |number: &Number, before: &str| match number {
            Number::None => String::new(),
            Number::Here(value) => format!("{before}{value}"),
            Number::Argument(value) => {
                arguments.push(value.to_string());
                format!("{before}*")
            }
        };
        let width = number(&piece.width, "");
        let precision = number(&piece.precision, ".");
        arguments.extend(piece.argument.clone());
        let Piece { flags, conversion, after, .. } = piece;
        format += &format!("%{flags}{width}{precision}{conversion}{after}");
    }
    (format, arguments)
}

/// The same with `%N$`, where `order` shuffles the arguments.
fn in_any_order(pieces: &[Piece], mut order: u64) -> (String, Vec<String>) {
    let mut arguments: Vec<String> = Vec::new();
    let mut places: Vec<[Option<usize>; 3]> = Vec::new();
    for piece in pieces {
        let mut place = |argument: Option<String>| {
            argument.map(|argument| {
                arguments.push(argument);
                arguments.len() - 1
            })
        };
        let number = |number: &Number| match number {
            Number::Argument(value) => Some(value.to_string()),
            _ => None,
        };
        let width = place(number(&piece.width));
        places.push([width, place(number(&piece.precision)), place(piece.argument.clone())]);
    }
    let mut sequence: Vec<usize> = (0..arguments.len()).collect();
    for last in (1..sequence.len()).rev() {
        let other = usize::try_from(order % (last as u64 + 1)).expect("it is small");
        sequence.swap(last, other);
        order /= 7;
    }
    let position = |place: usize| {
        1 + sequence.iter().position(|at| *at == place).expect("it is a permutation")
    };
    let mut format = "#".to_owned();
    for (piece, [width, precision, argument]) in pieces.iter().zip(&places) {
        let number = |number: &Number, place: &Option<usize>, before: &str| match (number, place) {
            (Number::Here(value), _) => format!("{before}{value}"),
            (_, Some(place)) => format!("{before}*{}$", position(*place)),
            _ => String::new(),
        };
        let at = argument.map_or(String::new(), |place| format!("{}$", position(place)));
        let width = number(&piece.width, width, "");
        let precision = number(&piece.precision, precision, ".");
        let Piece { flags, conversion, after, .. } = piece;
        format += &format!("%{at}{flags}{width}{precision}{conversion}{after}");
    }
    (format, sequence.iter().map(|place| arguments[*place].clone()).collect())
}

/// What printf converts.
fn printed() -> impl Strategy<Value = Piece> {
    let flags = vec(select(vec!["-", "+", " ", "#", "0", "'", "I"]), 0..3);
    let number = || {
        prop_oneof![
            3 => Just(Number::None),
            1 => (0..40_u8).prop_map(Number::Here),
            1 => (-40..40_i8).prop_map(Number::Argument),
        ]
    };
    let takes_numbers = prop_oneof![
        4 => integer(),
        1 => (select(vec!["c", "lc", "C"]), prop_oneof![Just(0), 1..0x0011_0000_u32])
            .prop_map(|(conversion, code)| (conversion.to_owned(), Some(code.to_string()))),
        2 => string().prop_map(|text| ("s".to_owned(), Some(text))),
        1 => (select(vec!["ls", "S"]), wide_string())
            .prop_map(|(conversion, text)| (conversion.to_owned(), Some(text))),
        3 => (select(vec!["e", "f", "g", "a", "E", "F", "G", "A"]), any::<f64>())
            .prop_map(|(conversion, value)| (conversion.to_owned(), Some(double(value)))),
        1 => (select(vec!["Le", "Lf", "Lg", "La"]), -1e30..1e30)
            .prop_map(|(conversion, value)| (conversion.to_owned(), Some(format!("{value:e}L")))),
        1 => any::<u32>()
            .prop_map(|value| ("p".to_owned(), Some(format!("(void *){value}UL")))),
    ];
    let with_numbers = (flags, number(), number(), takes_numbers, between()).prop_map(
        |(flags, width, precision, (conversion, argument), after)| {
            let flags = flags.concat();
            Piece { flags, width, precision, conversion, argument, after }
        },
    );
    let others = prop_oneof![
        Just(("m".to_owned(), None)),
        Just(("%".to_owned(), None)),
        (select(vec!["hhn", "hn", "n", "ln", "lln", "jn", "zn", "tn"]), 0..8_u8)
            .prop_map(|(conversion, at)| (conversion.to_owned(), Some(format!("&place[{at}]")))),
    ];
    prop_oneof![5 => with_numbers, 1 => (others, between()).prop_map(plain)]
}

/// What scanf converts, and a text that it can convert. Widths are such that everything fits into a place.
fn parsed() -> impl Strategy<Value = (Piece, String)> {
    let lengths = vec!["", "hh", "h", "l", "ll", "j", "z", "t"];
    let conversion = |letters: &[&'static str]| select(letters.to_vec()).prop_map(str::to_owned);
    let integer = (select(lengths), select(vec!["d", "i", "u", "x", "o", "X"]))
        .prop_map(|(length, letter)| format!("{length}{letter}"));
    let kind = prop_oneof![
        3 => (integer, "-?(0x)?[0-7]{1,20}"),
        2 => (conversion(&["f", "lf", "Lf", "e", "g", "la"]), "-?[0-9]{1,3}(\\.[0-9]{0,4})?(e-?[0-9])?"),
        2 => (conversion(&["s", "[a-z]", "[^ ]", "ls", "l[0-9a]", "S"]), "[a-z0-9]{1,12}"),
        1 => (conversion(&["c", "lc", "C", "[]x]"]), "[]x]{1,16}"),
        1 => (conversion(&["n", "hhn", "ln"]), ""),
        1 => (conversion(&["p", "%"]), "0x[0-9a-f]{1,12}|%"),
    ];
    (kind, 1..16_u8, prop::bool::weighted(0.2), 0..8_u8, select(vec![" ", ", "])).prop_map(
        |((conversion, matching), width, skipped, at, after)| {
            let counts = conversion.ends_with('n');
            let percent = conversion == "%";
            let skipped = skipped && !counts && !percent;
            let piece = Piece {
                flags: if skipped { "*".to_owned() } else { String::new() },
                width: if counts || percent { Number::None } else { Number::Here(width) },
                precision: Number::None,
                conversion,
                argument: (!skipped && !percent).then(|| format!("&place[{at}]")),
                after: after.to_owned(),
            };
            (piece, matching + after)
        },
    )
}

/// Such conversions with something to read, which mostly fits.
fn parsing(wide: bool) -> impl Strategy<Value = (String, String)> {
    let surprise = prop_oneof![9 => Just(String::new()), 1 => "[ -~]{1,3}"];
    let pieces = vec((parsed(), surprise), 0..7).prop_map(|parts| {
        let mut input = "#".to_owned();
        let pieces = parts.into_iter().map(|((piece, matching), surprise)| {
            input += &(surprise + &matching);
            piece
        });
        (pieces.collect::<Vec<_>>(), input)
    });
    (pieces, any::<bool>(), any::<u64>()).prop_map(move |((pieces, input), positional, order)| {
        (format(&pieces, positional, order, wide), input)
    })
}

fn plain(((conversion, argument), after): ((String, Option<String>), String)) -> Piece {
    let none = || Number::None;
    Piece { flags: String::new(), width: none(), precision: none(), conversion, argument, after }
}

fn integer() -> impl Strategy<Value = (String, Option<String>)> {
    let lengths = vec![
        ("", "int"),
        ("hh", "signed char"),
        ("h", "short"),
        ("l", "long"),
        ("ll", "long long"),
        ("j", "long"),
        ("z", "unsigned long"),
        ("t", "long"),
        ("q", "long long"),
    ];
    let letter = select(vec!["d", "i", "u", "x", "X", "o"]);
    (select(lengths), letter, any::<u64>()).prop_map(|((length, kind), letter, value)| {
        (format!("{length}{letter}"), Some(format!("({kind}){value}UL")))
    })
}

fn double(value: f64) -> String {
    match value {
        value if value.is_nan() => "__builtin_nan(\"\")".to_owned(),
        value if value.is_infinite() => {
            format!("{}__builtin_inf()", if value > 0.0 { "" } else { "-" })
        }
        value => format!("{value:e}"),
    }
}

/// A string in C, with characters of several bytes or with invalid ones.
fn text() -> impl Strategy<Value = String> {
    prop_oneof![
        8 => "[ -~äß€😀]{0,20}".prop_map(|text| literal(text.as_bytes())),
        1 => vec(1..=u8::MAX, 0..20).prop_map(|bytes| literal(&bytes)),
    ]
}

/// The same, or none.
fn string() -> impl Strategy<Value = String> {
    prop_oneof![9 => text(), 1 => Just("(char *)0".to_owned())]
}

fn wide_string() -> impl Strategy<Value = String> {
    let character = prop_oneof![32..127_u32, 0x80..0x0001_0000_u32, 1..0x7fff_ffff_u32];
    vec(character, 0..10).prop_map(|characters| {
        let numbers: String = characters.iter().map(|number| format!("{number},")).collect();
        format!("(wchar_t[]){{{numbers}0}}")
    })
}

/// What stands between conversions.
fn between() -> impl Strategy<Value = String> {
    "[ -$&-~]{0,3}[ ,]"
}

/// A string literal in C with these bytes.
fn literal(bytes: &[u8]) -> String {
    let mut text = "\"".to_owned();
    for byte in bytes {
        match byte {
            b'"' | b'\\' | b'?' => write!(text, "\\{}", char::from(*byte)),
            b' '..=b'~' => write!(text, "{}", char::from(*byte)),
            _ => write!(text, "\\{byte:03o}"),
        }
        .expect("a string grows");
    }
    text + "\""
}
