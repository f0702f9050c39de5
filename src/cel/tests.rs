use serde_json::json;

use super::*;

fn dep() -> Json {
    json!({
        "metadata": {"name": "db", "generation": 2, "labels": {"app/version": "1.2"}},
        "spec": {"values": {"sizes": [1, 2, 3.5]}},
        "status": {
            "phase": "Synced", "version": "1.10.0", "observedGeneration": 2,
            "conditions": [
                {"type": "Ready", "status": "True", "reason": "Ready"},
                {"type": "Drifted", "status": "False", "reason": "InSync"},
            ],
        },
    })
}

fn evaluated(text: &str) -> Result<Json, CelError> {
    let (dep, own) = (dep(), json!({"metadata": {"labels": {"app/version": "1.2"}}}));
    Expression::parse(text)?.evaluate(&[("dep", &dep), ("self", &own)])
}

#[test]
fn expressions_give_what_cel_says() {
    let table = [
        // What people write to wait for something.
        ("dep.status.conditions.filter(e, e.type == 'Ready').all(e, e.status == 'True')", json!(true)),
        ("dep.metadata.generation == dep.status.observedGeneration", json!(true)),
        ("dep.metadata.labels['app/version'] == self.metadata.labels[\"app/version\"]", json!(true)),
        ("has(dep.status.version) && dep.status.version.startsWith('1.')", json!(true)),
        ("has(dep.status.revision) && dep.status.revision > 3", json!(false)),
        ("dep.status.version.matches('^1[.][0-9]+[.]0$')", json!(true)),
        ("dep.status.phase in ['Synced', 'PartialSynced']", json!(true)),
        ("'app/version' in dep.metadata.labels && !('x' in dep.metadata.labels)", json!(true)),
        // Operators, from weak to strong.
        ("1 + 2 * 3 == 7 && 10 - 3 - 2 == 5 && -(2 - 5) == 3 && 7 / 2 == 3 && 7 % 4 == 3", json!(true)),
        ("false || true && !false", json!(true)),
        ("1 < 2 == true", json!(true)),
        ("true ? 'a' : false ? 'b' : 'c'", json!("a")),
        ("1 == 1.0 && 2 > 1.5 && 'b' > 'a'", json!(true)),
        ("'1' == 1 || null == false || [] == {}", json!(false)),
        ("[1, [2]] + [3] == [1, [2], 3] && 'a' + 'b' == 'ab'", json!(true)),
        ("{'a': 1, 'b': {'c': [2]}} == {'b': {'c': [2]}, 'a': 1.0}", json!(true)),
        ("0.5 + .25", json!(0.75)),
        // Literals.
        (r#"'a\tb\u00e9\x41' == "a	bé" + r'A'"#, json!(true)),
        (r"r'\d' + '''it's'''", json!(r"\dit's")),
        ("1 // one\n + 2", json!(3)),
        // Macros.
        ("[1, 2, 3].map(n, n * 2)", json!([2, 4, 6])),
        ("[1, 2, 3].map(n, n > 1, n * 2)", json!([4, 6])),
        ("[1, 2, 3].filter(n, n != 2)", json!([1, 3])),
        ("[1, 2, 2].exists_one(n, n == 2) || [1, 2].exists_one(n, n == 2)", json!(true)),
        ("{'a': 1, 'b': 2}.all(key, key.size() == 1)", json!(true)),
        ("[].all(n, n) && ![].exists(n, n)", json!(true)),
        ("[[1, 2], [3]].map(inner, inner.map(n, n + 1))", json!([[2, 3], [4]])),
        ("[1].map(dep, dep + 1) == [2]", json!(true)),
        // Functions.
        ("size('né') + size([1]) + {'a': 1}.size()", json!(4)),
        ("int('7') + int(3.9) == 10 && string(7) == '7' && bool('true') && double('1') == 1.0", json!(true)),
        ("dep.spec.values.sizes[2] == 3.5 && dep.spec['values'].sizes[0] == 1", json!(true)),
        // What is wrong with one side does not count where the other decides.
        ("dep.status.nothing == 1 || true", json!(true)),
        ("dep.status.nothing == 1 && false", json!(false)),
        ("[0, 1].exists(n, 1 / n == 1)", json!(true)),
    ];
    for (text, expected) in table {
        assert_eq!(evaluated(text), Ok(expected), "{text}");
    }
}

#[test]
fn what_cannot_be_read_or_evaluated_is_named_with_its_place() {
    let table = [
        ("dep.status.", "column 12: a name is missing behind the dot"),
        ("dep.a = 1", "column 7: '=' is not part of the language"),
        ("(1", "column 3: \")\" is missing"),
        ("1 2", "column 3: the expression is over before this"),
        ("&& true", "column 1: a value is missing before \"&&\""),
        ("", "column 1: the expression ends too early"),
        ("'né", "column 1: the text has no end"),
        ("'\\q'", "column 2: this is no escape sequence of a text"),
        ("1u == 1", "column 1: write a number in decimal digits, without a suffix"),
        ("99999999999999999999", "column 1: 99999999999999999999 is not a number of 64 bits"),
        (
            "now() > 1",
            "column 1: there is no function now of 0 arguments; there are has, all, exists, exists_one, filter, map, size, contains, startsWith, endsWith, matches, int, double, string, bool, dyn",
        ),
        ("has(dep)", "column 1: has() takes one member, for example has(dep.status.version)"),
        ("[1].all(1, true)", "column 4: the first argument of all() is a name"),
        ("import == 1", "column 1: import is a word of the language, not a name"),
        ("dep.status.version2 == '1'", "column 11: there is no member version2; has() asks whether there is one"),
        ("other.x", "column 1: other is not known here; there are dep, self"),
        ("[1].map(i, i / 0) == [] || i == 1", "column 28: i is not known here; there are dep, self"),
        ("1 + 'a'", "column 3: + is not for int and string"),
        ("1 / 0", "column 3: / of these numbers has no result"),
        ("9223372036854775807 + 1", "column 21: + of these numbers has no result"),
        ("1 + 1.5", "column 3: + is not for int and double; convert one of them"),
        ("!1", "column 2: this is a int, and has to be true or false"),
        ("[1][2]", "column 4: a list has nothing at this int"),
        ("'a'.matches('(')", "column 4: matches() needs a regular expression (RE2)"),
        ("int('x')", "column 1: int() of this string is not possible"),
    ];
    for (text, expected) in table {
        assert_eq!(evaluated(text).map_err(|error| error.to_string()), Err(expected.to_owned()), "{text}");
    }
    let error = Expression::parse("dep.status.phase").and_then(|expression| expression.holds(&[("dep", &dep())]));
    assert_eq!(error.map_err(|error| error.to_string()), Err("it gives string, and has to give true or false".into()));
}

#[test]
fn hostile_expressions_end_soon() {
    let list = "[0,1,2,3,4,5,6,7,8,9]";
    let deep = |open: &str, close: &str, count: usize| open.repeat(count) + "1" + &close.repeat(count);
    let nested = (0..7).fold("true".to_owned(), |body, level| format!("{list}.all(v{level}, {body})"));
    let doubled = (0..60).fold("'0123456789'".to_owned(), |text, _| format!("[{text}].map(t, t + t)[0]"));
    let grown = format!("{list}.map(a, {list}.map(b, {list}.map(c, {list}.map(d, {list}.map(e, {list})))))");
    let patterns = format!("{list}.all(a, {list}.all(b, {list}.all(c, 'x'.matches('(x{{1,50}}){{1,50}}') || true)))");
    let texts = [
        deep("(", ")", 900),
        deep("[", "]", 900),
        deep("!", "", 1_800),
        deep("-", "", 1_800),
        deep("a?", ":1", 600),
        "!!(!!!!!!(!!!!(((((!!(!!(!!!!((".repeat(5),
        vec!["1"; 900].join("+"),
        format!("a{}", ".b".repeat(900)),
        nested,
        doubled,
        grown,
        patterns,
        "x".repeat(LONGEST + 1),
    ];
    for text in texts {
        let started = std::time::Instant::now();
        assert!(evaluated(&text).is_err(), "{text}");
        assert!(started.elapsed() < std::time::Duration::from_secs(5), "{text} took {:?}", started.elapsed());
    }
}

#[test]
fn going_through_large_values_counts_as_much_as_there_is() {
    let members: serde_json::Map<_, _> = (0..20_000).map(|number| (number.to_string(), Json::Null)).collect();
    let large = json!({"list": vec![0; 20_000], "map": members, "text": "x".repeat(1 << 20)});
    for text in [
        "dep.list.all(a, dep.list.exists(b, true))",
        "dep.map.all(a, dep.map.exists(b, true))",
        "dep.list.all(a, dep.text.startsWith(dep.text))",
        "dep.list.all(a, dep.text.endsWith(dep.text))",
    ] {
        let evaluated = Expression::parse(text).and_then(|expression| expression.holds(&[("dep", &large)]));
        assert!(matches!(evaluated, Err(CelError::TooManySteps { .. })), "{text}: {evaluated:?}");
    }
}
