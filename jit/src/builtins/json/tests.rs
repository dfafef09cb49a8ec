//! JSON both ways: by examples, at the greatest depth, and against another reader.

use super::*;
use crate::builtins::call::tests::{list, map, on_heap, run, text};
use crate::runtime::FunctionTarget;
use crate::runtime::convert::DEPTH_MAX;
use crate::runtime::tests::on_little_stack;
use proptest::prelude::*;

fn encoded<const N: usize>(value: Value, options: [(&str, Value); N]) -> String {
    run("json_encode", &[value, map(options)])
}

fn decoded(json: &str) -> String {
    run("json_decode", &[text(json)])
}

#[test]
fn values_become_json() {
    on_heap(|| {
        let n = Value::number;
        assert_eq!(
            encoded(list([n(1.0), n(2.0), text("x")]), []),
            "[1,2,\"x\"]"
        );
        assert_eq!(
            encoded(map([("a", list([Value::TRUE, Value::NONE]))]), []),
            "{\"a\":[true,null]}"
        );
        assert_eq!(encoded(map([("5", text("a"))]), []), "{\"5\":\"a\"}");
        assert_eq!(encoded(list([]), []), "[]");
        assert_eq!(
            encoded(text("\u{e5}\u{1F600}"), []),
            "\"\\u00e5\\ud83d\\ude00\""
        );
        assert_eq!(
            encoded(text("\u{e5}"), [("ensure_ascii", Value::FALSE)]),
            "\"\u{e5}\""
        );
        assert_eq!(
            encoded(text("\"\\/\n\r\t\u{8}\u{c}\u{1}"), []),
            "\"\\\"\\\\/\\n\\r\\t\\b\\f\\u0001\""
        );
        assert_eq!(encoded(text(b"\xff"), []), "none");
        assert_eq!(encoded(n(f64::NAN), []), "none");
        assert_eq!(encoded(n(-1.5e300), []), "-1.5e+300");
        let function = Value::function(FunctionTarget::User(0), Value::NONE, [].into_iter());
        assert_eq!(encoded(function.expect("fits"), []), "none");
        let pretty = [("pretty_print", Value::TRUE)];
        let value = map([("a", list([n(1.0)])), ("b", list([]))]);
        assert_eq!(
            encoded(value, pretty),
            "{\n    \"a\": [\n        1\n    ],\n    \"b\": []\n}"
        );
    });
}

#[test]
fn json_becomes_values() {
    on_heap(|| {
        assert_eq!(
            decoded(
                "{\"o\": {\"k\": 1.5}, \"l\": [1, \"s\"], \"t\": true, \"n\": null, \"f\": false}"
            ),
            "[\"o\"=>[\"k\"=>1.5],\"l\"=>[0=>1,1=>\"s\"],\"t\"=>true,\"n\"=>none,\"f\"=>false]"
        );
        assert_eq!(
            decoded("\"\\u00e5\\ud83d\\ude00\\/\\b\""),
            "\u{e5}\u{1F600}/\u{8}"
        );
        assert_eq!(decoded("{\"5\": \"a\", \"5\": \"b\"}"), "[5=>\"b\"]");
        assert_eq!(decoded(" [ ] "), "[]");
        assert_eq!(decoded("-0.5e+2"), "-50");
        for wrong in [
            "",
            "{bad",
            "[1,]",
            "{\"a\":1,}",
            "[1 2]",
            "01",
            "1.",
            ".5",
            "1e",
            "+1",
            "nan",
            "tru",
            "1 2",
            "\"a",
            "\"\n\"",
            "\"\\x\"",
            "\"\\ud800\"",
            "\"\\ud800\\u0041\"",
            "\"\\udc00\"",
            "\"\\u12\"",
            "{1:2}",
            "[1 /* c */]",
            "1e999",
        ] {
            assert_eq!(decoded(wrong), "none", "{wrong}");
        }
        assert_eq!(run("json_decode", &[text(b"\"\xff\"")]), "none");
        let options = map([("allow_comments", Value::TRUE)]);
        let json = "{\"a\": 1 /* c */, // x\n\"b\": 2}//";
        assert_eq!(
            run("json_decode", &[text(json), options]),
            "[\"a\"=>1,\"b\"=>2]"
        );
        assert_eq!(decoded(&"[".repeat(100_000)), "none");
        let deep = format!("{}{}", "[".repeat(DEPTH_MAX), "]".repeat(DEPTH_MAX));
        assert_eq!(decoded(&deep).len(), 2 + (DEPTH_MAX - 1) * 5);
    });
}

#[test]
fn deep_json_needs_little_stack() {
    let walk = || {
        on_heap(|| {
            let json = format!(
                "{}{}",
                "{\"a\":[".repeat(DEPTH_MAX / 2),
                "]}".repeat(DEPTH_MAX / 2)
            );
            let decode = crate::builtins::builtin("json_decode").expect("there");
            let mut bench = crate::builtins::call::tests::bench();
            let value = decode.invoke(&[text(&json)], &mut bench).expect("fits");
            assert_eq!(encoded(value, []), json);
        });
    };
    on_little_stack(walk);
}

proptest! {
    #[test]
    fn strings_come_back(original: String, ascii: bool) {
        on_heap(|| {
            let json = encoded(text(&original), [("ensure_ascii", Value::boolean(ascii))]);
            assert_eq!(decoded(&json), original);
            let reference: String = serde_json::from_str(&json).expect("valid for others too");
            assert_eq!(reference, original);
        });
    }

    #[test]
    fn what_is_json_is_agreed(json in "[\\[\\]{}:,\" 01.e\\-a]{0,12}") {
        on_heap(|| {
            let expected = serde_json::from_str::<serde_json::Value>(&json);
            let found = decoded(&json);
            let is_null = matches!(expected, Ok(serde_json::Value::Null));
            assert_eq!(found != "none", expected.is_ok() && !is_null, "{json}");
        });
    }
}
