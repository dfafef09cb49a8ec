//! What an author is told about mistakes, word for word.
//!
//! In: `tests/diagnostics/*.hsl`, each a small script with mistakes people make. Out: equality with the `.stderr` beside it.
//! `BLESS=1 cargo test -p postern-jit --test diagnostics` writes those files anew; read the difference before committing.
//! Files that scripts include stand in `tests/diagnostics/files`.

use std::fs;
use std::path::{Path, PathBuf};

use postern_jit::diagnostic::{Diagnostics, ERRORS_COUNT_MAX};
use postern_jit::resolve::{
    Arity, Environment, HostFunction, LoadError, LoadedFile, Loader, PredefinedVariable,
};
use postern_jit::script::{Options, Script};
use postern_jit::source::{SourceId, SourceMap};
use postern_jit::syntax::parser::parse;
use postern_jit::syntax::print::print;
use proptest::prelude::*;

/// What a script of the connect hook finds.
fn environment() -> Environment {
    let terminating = |name: &str| HostFunction::terminating(name, Arity::between(0, 2));
    Environment {
        variables: vec![
            PredefinedVariable::read_only("senderip"),
            PredefinedVariable::writable("context"),
        ],
        functions: vec![
            terminating("Accept"),
            terminating("Reject"),
            terminating("Defer"),
        ],
        elsewhere: vec![("Pass".into(), "the proxy hook".into())],
        ..Environment::default()
    }
}

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/diagnostics")
}

struct Files;

impl Loader for Files {
    fn load(&mut self, _: SourceId, path: &[u8]) -> Result<LoadedFile, LoadError> {
        let name = std::str::from_utf8(path).map_err(|_| LoadError::NotFound)?;
        let text = fs::read(folder().join("files").join(name)).map_err(|_| LoadError::NotFound)?;
        Ok(LoadedFile {
            name: name.into(),
            text,
        })
    }
}

/// Everything that is said about a script.
fn check(name: &str, text: &[u8]) -> (Diagnostics, String) {
    let mut sources = SourceMap::new();
    let Some(id) = sources.add(name, text) else {
        panic!("a test script of 4 GiB");
    };
    let mut diagnostics = Diagnostics::new();
    let options = Options::default();
    Script::intermediate(
        &mut sources,
        id,
        &environment(),
        &mut Files,
        options,
        &mut diagnostics,
    );
    diagnostics.sort();
    let rendered = diagnostics.render(&sources);
    (diagnostics, rendered)
}

#[test]
fn every_mistake_is_told_as_expected() {
    let bless = std::env::var_os("BLESS").is_some();
    let mut scripts: Vec<PathBuf> = fs::read_dir(folder())
        .expect("the folder of scripts")
        .map(|entry| entry.expect("an entry of the folder").path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "hsl"))
        .collect();
    scripts.sort();
    assert!(90 <= scripts.len(), "only {} scripts", scripts.len());
    let mut wrong = Vec::new();
    for script in scripts {
        let text = fs::read(&script).expect("a script");
        let name = script.file_name().expect("a file").to_string_lossy();
        let (diagnostics, rendered) = check(&name, &text);
        let told = diagnostics.has_errors() || 0 < diagnostics.warnings_count();
        assert!(
            told || name.starts_with("fine-"),
            "{name}: nothing was said"
        );
        let expected = script.with_extension("stderr");
        if bless {
            fs::write(&expected, &rendered).expect("writing what was said");
        } else if fs::read_to_string(&expected).unwrap_or_default() != rendered {
            wrong.push(format!("{name} says\n{rendered}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// Words that make texts more like scripts than random octets are.
fn token_soup() -> impl Strategy<Value = String> {
    let words: Vec<&str> = WORDS.split_whitespace().collect();
    prop::collection::vec(prop::sample::select(words), 0..120).prop_map(|words| words.join(" "))
}

const WORDS: &str = r#"
    and array as barrier break builtin cache case class closure constructor continue default echo else false for
    foreach forever from function global if import include include_once isset none not or private return static switch
    true unset while with try && elseif $a $b $this $senderip f g A length Reject 1 0x1f 1.5 1x "s" "a$b" "\d" ''raw''
    "lib.hsl" ( ) ( ) [ ] { } { } ; ; ; , : :: ? ?? -> => = += .= ++ -- + - * ** . ... < == === =~ ! " ' $ @
"#;

/// Whatever the text, it is read to its end, and what is said about it fits the bounds and can be shown.
fn assert_robust(text: &[u8]) {
    let (diagnostics, rendered) = check("soup.hsl", text);
    assert!(diagnostics.iter().count() <= 2 * ERRORS_COUNT_MAX);
    // What stands for a mistake in the tree was reported as one.
    if !diagnostics.has_errors() {
        let mut sources = SourceMap::new();
        let id = sources.add("soup.hsl", text).expect("a short text");
        let program = parse(&sources, id, &mut Diagnostics::new());
        assert!(!print(&program).contains("<error>"), "{}", print(&program));
    }
    assert!(!rendered.contains(|shown: char| shown.is_control() && shown != '\n'));
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 512, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn arbitrary_octets_are_survived(text in prop::collection::vec(any::<u8>(), 0..400)) {
        assert_robust(&text);
    }

    #[test]
    fn token_soup_is_survived(text in token_soup()) {
        assert_robust(text.as_bytes());
    }

    #[test]
    fn broken_scripts_are_survived(cut in 0_usize..1200, swap in 0_usize..1200, octet in any::<u8>()) {
        let mut text = SCRIPT.as_bytes().to_vec();
        text.truncate(cut);
        if let Some(place) = text.get_mut(swap) {
            *place = octet;
        }
        assert_robust(&text);
    }
}

/// A little of everything, without mistakes.
const SCRIPT: &str = r#"
import { hi as hello, $count } from "lib.hsl";
include_once "part.hsl";
// A class and its use.
class Counter {
    static $made = 0;
    private $n = 10 * 2;
    constructor($start = 1, ...$rest) { $this->n = $start + length($rest); Counter::$made += 1; }
    function inc() { $this->n++; return $this; }
    function value() { return $this->n }
    private static function secret() { return static::$made; }
}
function largest(...$values) {
    $best = none;
    foreach ($values as $index => $value) {
        if ($index == 0 or $value > $best) $best = $value;
        else if ($value === "x") continue;
    }
    return $best ?? 0;
}
$c = Counter(5)->inc();
[$a, , $b = 3, ...$tail] = [1, 2, ...array(4, 5)];
["k" => $k = "v$a${b}"] = ["k" => none];
$text = "a\t\x41" . ''raw \d+'' . 'END'it''s'END';
$f = function ($x) closure ($a, $c) { $a += $x; return $c->value() ** 2; };
for ($i = 0; $i < 10 and !($i == 7); ++$i) { $tail[] = $i % 2 ? $i : -$i; }
switch ($text[1:3]) {
    case "x": echo 1; break;
    default: while (($a -= 1) > 0) { if ($a =~ ''^/'') break; }
}
barrier "name $a" => $shared { $shared = isset($shared) ? $shared + 1 : 0; }
echo cache ["ttl" => 10] largest(1, $b, ...$tail)[0] ?: $k;
if (unset($tail[::2]) and $senderip != "::1") Reject($f(hello($count)), ["code" => 521]);
echo part() & ~1 | 2 ^ 3 << 1;
"#;

#[test]
fn a_script_without_mistakes_is_accepted_in_silence() {
    let (_, rendered) = check("script.hsl", SCRIPT.as_bytes());
    assert_eq!(rendered, "");
}
