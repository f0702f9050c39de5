//! Every function that loops or allocates by a number, by a text or by nested data.

use super::{Attack, run, run_tight};

const PLACE: &str = "c/templates/t.yaml:1:";

/// A text of a megabyte, made where a call says `MB`.
const MEGABYTE: &str = r#"(repeat 1000000 "x")"#;

fn attack(call: &str) -> Attack {
    Attack::template(call, format!("{{{{ {} }}}}", call.replace("MB", MEGABYTE)))
}

/// The calls that end in an error with these words, and the place.
fn refused(table: &[(&str, &str)]) -> Vec<Attack> {
    table.iter().map(|(call, words)| attack(call).fails([PLACE, words])).collect()
}

/// The calls that do what they do with Helm; what they give is not looked at.
fn answered(calls: &[&str]) -> Vec<Attack> {
    let answered = |call: &&str| {
        let template = format!("{{{{ $_ := {} }}}}", call.replace("MB", MEGABYTE));
        Attack::template(*call, template)
    };
    calls.iter().map(answered).collect()
}

const THE_RENDER: &str = "the render ";

#[test]
fn hostile_numbers() {
    let mut attacks = refused(&[
        (r#"repeat 1000000000 "x""#, THE_RENDER),
        (r#"repeat 9223372036854775807 "xx""#, THE_RENDER),
        (r#"repeat 1000000 (repeat 1000000 "x")"#, THE_RENDER),
        ("until 1000000000", THE_RENDER),
        ("until 9223372036854775807", THE_RENDER),
        ("until -9223372036854775808", THE_RENDER),
        ("untilStep 0 1000000000 1", THE_RENDER),
        ("untilStep 0 -1000000000 -1", THE_RENDER),
        ("untilStep -9223372036854775808 9223372036854775807 1", THE_RENDER),
        ("seq 1000000000", THE_RENDER),
        ("seq -1000000000", THE_RENDER),
        ("seq 0 1 1000000000", THE_RENDER),
        (r#"indent 1000000000 "x""#, THE_RENDER),
        (r#"indent 9223372036854775807 "x""#, THE_RENDER),
        (r#"nindent 1000000000 "x""#, THE_RENDER),
        (r#"indent 10000 (repeat 1000000 "\n")"#, THE_RENDER),
        (r#"indent -1 "x""#, "negative Repeat count"),
        (r#"repeat -1 "x" | index"#, ""),
        (r#"wrapWith 1 MB MB"#, THE_RENDER),
        ("randAlphaNum 1000000000", THE_RENDER),
        ("randAlpha 9223372036854775807", THE_RENDER),
        ("randNumeric 1000000000", THE_RENDER),
        ("randAscii 1000000000", THE_RENDER),
        ("randBytes 1000000000", THE_RENDER),
        ("randBytes 9223372036854775807", THE_RENDER),
        ("randInt 5 5", "invalid argument to Intn"),
        ("chunk 0 (list 1)", ""),
        ("chunk -1 (list 1)", ""),
        ("slice (list 1) 5", ""),
        ("slice (list 1) -9223372036854775808 9223372036854775807", ""),
        ("substr 5 2 \"x\"", ""),
        ("index \"x\" 9223372036854775807", "out of range"),
        ("slice \"x\" 9223372036854775807", ""),
        ("mod 1 0", "divide by zero"),
        ("div 1 0", "divide by zero"),
        ("divf 1 0", "division by 0"),
        ("mod -9223372036854775808 0", "divide by zero"),
        ("round 1.5 1000000000 | until 3 4", ""),
    ]);
    attacks.extend(answered(&[
        r#"printf "%1000000000d" 1"#,
        r#"printf "%.1000000000f" 1.5"#,
        r#"printf "%*d" 1000000000 1"#,
        r#"printf "%[1000000000]d" 1"#,
        r#"printf "%.*f" 9223372036854775807 1.5"#,
        r#"printf "%-999999x" "x" | len"#,
        r#"printf "%999999.999999f" 1e308 | len"#,
        r#"printf "%999999U %#999999q" 1 2 | len"#,
        r#"repeat 0 "x""#,
        "seq 9223372036854775800 9223372036854775807",
        "randInt 9223372036854775807 -9223372036854775808",
        r#"splitn "," -9223372036854775808 "a""#,
        r#"bcrypt (repeat 73 "x")"#,
        "untilStep 0 10 0",
        "untilStep 0 10 -1",
        "untilStep 9223372036854775800 9223372036854775807 3",
        "seq 1 0 5",
        "div -9223372036854775808 -1",
        "mod -9223372036854775808 -1",
        "mul 9223372036854775807 9223372036854775807",
        "add1 9223372036854775807",
        "sub -9223372036854775808 1",
        "addf 1e308 1e308 | toString",
        "round 1.5 400 | toString",
        "round 1.5 -400 | toString",
        "trunc 9223372036854775807 \"x\"",
        "trunc -9223372036854775808 \"x\"",
        "substr 0 9223372036854775807 \"x\"",
        "abbrev 9223372036854775807 \"x\"",
        "abbrevboth 9223372036854775807 9223372036854775807 \"x\"",
        "wrap 9223372036854775807 \"x y\"",
        "wrap -9223372036854775808 \"x y\" | len",
        "wrap 1 MB | len",
        "wrapWith 1 \"\\n\" MB | len",
        "plural \"one\" \"many\" 9223372036854775807",
        "chunk 9223372036854775807 (list 1 2) | toString",
        "chunk 1 (until 100000) | len",
        "durationRound 9223372036854775807",
        "ago (toDate \"2006\" \"0001\") | len",
        "toDecimal \"777777777777777777777777777777\"",
        "int \"99999999999999999999999999999999\"",
        "float64 (repeat 1000000 \"9\") | toString",
        "int64 (repeat 1000000 \"9\")",
        "atoi (repeat 1000000 \"9\")",
        "randInt 0 9223372036854775807 | kindOf",
        "now | date (repeat 100000 \"2006-01-02 \") | len",
        "date \"2006\" 9223372036854775807 | len",
        "date \"2006\" -9223372036854775808 | len",
        "htmlDate 9223372036854775807 | len",
        "dateModify \"9223372036s\" now | kindOf",
        "dateInZone \"2006\" now (repeat 100000 \"../\") | len",
        "dateInZone \"2006\" now \"/etc/passwd\" | len",
        "dateInZone \"2006\" now \"../../../../dev/zero\" | len",
        "unixEpoch now | len",
        "duration 9223372036854775807",
        "duration (repeat 100000 \"9\")",
    ]));
    run(attacks);
}

#[test]
fn hostile_keys_and_hashes() {
    let names = r#"(concat (list) (splitList "," (repeat 20000 "example.com,")))"#;
    let addresses = r#"(concat (list) (splitList "," (trimSuffix "," (repeat 20000 "10.0.0.1,"))))"#;
    let mut attacks = refused(&[
        (r#"buildCustomCert MB MB"#, ""),
        (r#"genSignedCert "a" nil nil 1 MB"#, ""),
        (r#"genCAWithKey "a" 1 MB"#, ""),
        (r#"genSignedCert "a" (list "not an address") (list) 1 (genCA "a" 1)"#, ""),
    ]);
    let mut loops = Vec::new();
    let calls = [
        r#"genPrivateKey "rsa""#,
        r#"genPrivateKey "dsa""#,
        r#"genPrivateKey "ecdsa""#,
        r#"genPrivateKey "ed25519""#,
        r#"genCA "a" 365"#,
        r#"genSelfSignedCert "a" nil nil 365"#,
        r#"bcrypt "x""#,
        r#"htpasswd "a" "b""#,
        r#"derivePassword 1 "long" "a" "b" "c""#,
    ];
    for call in calls {
        let template = format!("{{{{ range 1000000000 }}}}{{{{ $_ := {call} }}}}{{{{ end }}}}");
        loops.push((format!("{call} a billion times"), template));
    }
    attacks.extend(answered(&[
        r#"genPrivateKey MB | trunc 100"#,
        r#"genPrivateKey "rsa4096000000""#,
        r#"decryptAES "key" MB"#,
        r#"htpasswd "u:ser" "p""#,
        r#"htpasswd "user" MB"#,
        r#"bcrypt MB"#,
        r#"genPrivateKey "" | trunc 100"#,
        r#"genCA MB 365 | kindOf"#,
        r#"genCA "a" 9223372036854775807 | kindOf"#,
        r#"genCA "a" -9223372036854775808 | kindOf"#,
        r#"genSelfSignedCert "a" nil nil 99999999999 | kindOf"#,
        &format!(r#"genSelfSignedCert "a" nil {names} 365 | kindOf"#),
        &format!(r#"genSelfSignedCert "a" {addresses} nil 365 | kindOf"#),
        r#"derivePassword 4294967295 "maximum" MB MB MB"#,
        r#"derivePassword 1 "unknown" "a" "b" "c""#,
        r#"sha256sum MB"#,
        r#"sha512sum MB"#,
        r#"adler32sum MB"#,
        r#"encryptAES MB MB | len"#,
        r#"decryptAES MB (encryptAES MB "x")"#,
        r#"b64dec MB | len"#,
        r#"b32dec MB | len"#,
        r#"shuffle MB | len"#,
        r#"uuidv4 | len"#,
    ]));
    run(attacks);
    run_tight(loops);
}

#[test]
fn hostile_texts() {
    let mut attacks = refused(&[
        (r#"replace "" MB MB"#, THE_RENDER),
        (r#"join MB (until 100000)"#, THE_RENDER),
        (r#"regexReplaceAll "" MB MB"#, THE_RENDER),
        (r#"regexReplaceAllLiteral "x" MB MB"#, THE_RENDER),
        (r#"mustRegexMatch "a{1001}" "x""#, "invalid repeat count"),
        (r#"mustRegexMatch "(a{1000}){1000}" "x""#, "invalid repeat count"),
        (r#"regexReplaceAll "((((a{100}){100}){100}){100})" "x" "y""#, ""),
        (r#"mustRegexFind (repeat 1001 "(") "x""#, "expression nests too deeply"),
        (r#"mustRegexFind (repeat 1000000 "(") "x""#, ""),
        (r#"mustRegexFind (repeat 1000000 "[") "x""#, ""),
        (r#"mustRegexFind (repeat 1000000 "a**") "x""#, ""),
        (r#"mustRegexFind (repeat 1000000 "\\") "x""#, ""),
        (r#"mustRegexFind "\\C" "x""#, ""),
        (r#"mustRegexFind "(?P<n" "x""#, ""),
        (r#"mustRegexFind (print "(?:" (repeat 100000 "a?") (repeat 100000 "b|") ")*" ) MB"#, "expression too large"),
        (r#"mustRegexFind (repeat 50000 "\\pL") "x""#, "expression too large"),
        (r#"mustRegexFind "(\\pL{1000}){1000}" "x""#, "invalid repeat count"),
        (r#"urlParse (print "http://" (repeat 1000000 "[")) | index"#, ""),
        (r#"urlParse "\x00" "#, ""),
        (r#"urlJoin (dict "scheme" MB "host" 1)"#, ""),
        (r#"semver MB"#, "version string is too long"),
        (r#"semver (repeat 1000 "1.")"#, "version string is too long"),
        (r#"semverCompare MB "1.0.0""#, "too long"),
        (r#"semverCompare (repeat 100 "1||") "1.0.0""#, "too many constraint groups"),
        (r#"semverCompare ">1" MB"#, "too long"),
        (r#"mustFromJson (repeat 1000000 "[")"#, ""),
        (r#"mustToDate "2006" MB"#, ""),
        (r#"mustToDuration MB"#, ""),
        (r#"mustDateModify MB now"#, ""),
        (r#"dig "a" 1"#, ""),
        (r#"getHostByName 1"#, ""),
        (r#"index (list 1) MB"#, ""),
        (r#"printf MB | fail"#, "xxx"),
        (r#"printf "%s" MB MB MB | fail"#, "xxx"),
        (r#"include MB ."#, "no template"),
        (r#"required MB nil"#, "xxx"),
    ]);
    attacks.extend(answered(&[
        r#"regexMatch "(a*)*b" (repeat 100000 "a")"#,
        r#"regexMatch "(" "x""#,
        r#"regexMatch (repeat 40000 "a?") MB"#,
        r#"regexMatch (repeat 5000 "\\pL") MB"#,
        r#"regexMatch "\\pL{1000}" MB"#,
        r#"regexMatch (repeat 20000 "(?i)s") MB"#,
        r#"regexFind "(x{1,1000}y?){1,1}z" MB"#,
        r#"tpl MB ."#,
        r#"lookup MB MB MB MB"#,
        r#"regexMatch "(a|aa)+$" (print (repeat 100000 "a") "b")"#,
        r#"regexMatch "^(([a-z])+.)+[A-Z]([a-z])+$" (repeat 100000 "a")"#,
        r#"regexFind "(x+x+)+y" MB"#,
        r#"regexFind "(.*)(.*)(.*)(.*)(.*)(.*)(.*)(.*)[^x]" (repeat 10000 "x")"#,
        r#"regexMatch "(?i)(ſ|K|k)*$" (repeat 100000 "k")"#,
        r#"regexMatch (repeat 999 "a{0,1}") "x""#,
        r#"regexMatch (print (repeat 500 "(") (repeat 500 ")*")) (repeat 10000 "x")"#,
        r#"regexFindAll "" MB -1 | len"#,
        r#"regexFindAll "." MB 9223372036854775807 | len"#,
        r#"regexFindAll ".*?" MB -1 | len"#,
        r#"regexSplit "" MB -1 | len"#,
        r#"regexSplit "x" MB -9223372036854775808 | len"#,
        r#"regexQuoteMeta MB | len"#,
        r#"regexReplaceAll "(x)" MB "${1}${1}" | len"#,
        r#"regexReplaceAll "x" "xx" (repeat 1000000 "$") | len"#,
        r#"splitList "" MB | len"#,
        r#"split "" (repeat 10000 "x") | len"#,
        r#"splitn "x" 9223372036854775807 (repeat 10000 "x") | len"#,
        r#"trimAll MB MB"#,
        r#"trimSuffix "x" MB | len"#,
        r#"upper MB | len"#,
        r#"title MB | len"#,
        r#"untitle MB | len"#,
        r#"swapcase MB | len"#,
        r#"snakecase (repeat 500000 "aB") | len"#,
        r#"camelcase (repeat 500000 "a_") | len"#,
        r#"kebabcase (repeat 500000 "aB") | len"#,
        r#"initials (repeat 500000 "a ") | len"#,
        r#"nospace (repeat 500000 "a ") | len"#,
        r#"quote MB MB MB | len"#,
        r#"printf (repeat 1000000 "%s") | len"#,
        r#"printf (repeat 1000000 "%[1]s") "xyz" | len"#,
        r#"printf "%q" MB | len"#,
        r#"printf "%x %X %#x % x" MB MB MB MB | len"#,
        r#"cat MB MB | len"#,
        r#"contains MB MB"#,
        r#"replace "x" "yy" MB | len"#,
        r#"ext MB"#,
        r#"clean (repeat 100000 "a/../") | len"#,
        r#"base (repeat 100000 "a/")"#,
        r#"osClean (repeat 100000 "../") | len"#,
        r#"urlParse (print "http://x/" (repeat 1000000 "%41")) | len"#,
        r#"urlParse (print "http://" (repeat 1000000 "a.")) | len"#,
        r#"getHostByName (repeat 1000000 "a.")"#,
        r#"getHostByName "example.com""#,
        r#"duration MB"#,
        r#"durationRound MB"#,
        r#"toDate "2006" MB | kindOf"#,
        r#"toDate MB "2006" | kindOf"#,
        r#"dateModify MB now | kindOf"#,
        r#"fromJson (repeat 1000000 "[") | toString | trunc 100"#,
        r#"fromJsonArray (repeat 1000000 "[") | toString | trunc 100"#,
        r#"fromJson (print (repeat 100000 "{\"a\":") 1 (repeat 100000 "}")) | toString | trunc 100"#,
        r#"fromYaml (repeat 1000000 "[") | toString | trunc 100"#,
        r#"fromYaml (repeat 1000000 "- ") | toString | trunc 100"#,
        r#"fromYaml (repeat 1000000 "? ") | toString | trunc 100"#,
        r#"fromYaml (repeat 100000 "{a: ") | toString | trunc 100"#,
        r#"fromYaml (repeat 1000000 "a") | toString | trunc 100"#,
        r#"fromYaml (repeat 1000000 "&a ") | toString | trunc 100"#,
        r#"fromYaml (repeat 1000000 "!a ") | toString | trunc 100"#,
        r#"fromYaml (repeat 1000000 "\t") | toString | trunc 100"#,
        r#"fromYaml (repeat 1000000 "'") | toString | trunc 100"#,
        r#"fromYaml (repeat 1000000 "\"") | toString | trunc 100"#,
        r#"fromYaml (repeat 1000000 "a: ") | toString | trunc 100"#,
        r#"fromYaml (repeat 200000 "---\n") | toString | trunc 100"#,
        r#"fromYamlArray (repeat 1000000 "[") | toString | trunc 100"#,
        r#"fromYamlArray (repeat 500000 "- 1\n") | len"#,
        r#"fromYaml (print "a: &a [" (repeat 10000 "x,") "]\nb: [" (repeat 10000 "*a,") "]") | toString | trunc 100"#,
        r#"fromYaml "a: &a {<<: *a}" | toString | trunc 100"#,
        r#"fromYaml "a: &a [*a]" | toString | trunc 100"#,
        r#"fromToml (repeat 1000000 "[") | toString | trunc 100"#,
        r#"fromToml (print "a = " (repeat 100000 "[")) | toString | trunc 100"#,
        r#"fromToml (print "a = " (repeat 100000 "{a=")) | toString | trunc 100"#,
        r#"fromToml (print (repeat 100000 "a.") "a = 1") | toString | trunc 100"#,
        r#"fromToml (print "[" (repeat 100000 "a.") "a]") | toString | trunc 100"#,
        r#"fromToml (repeat 100000 "[[a]]\n") | toString | trunc 100"#,
        r#"toYaml MB | len"#,
        r#"toToml (dict "a" MB) | len"#,
        r#"toYaml (repeat 500000 "é\n ") | len"#,
        r#"toYamlPretty (repeat 500000 "a ") | len"#,
        r#"toPrettyJson MB | len"#,
        r#"uniq (until 3000) | len"#,
        r#"without (until 100000) 1 2 3 | len"#,
        r#"has 1 (until 1000000)"#,
        r#"sortAlpha (until 100000) | len"#,
        r#"reverse (until 1000000) | len"#,
        r#"compact (until 100000) | len"#,
        r#"index (list 1) 0"#,
        r#".Files.Get MB"#,
        r#".Files.Get "../../../../etc/passwd""#,
        r#".Files.Get "/etc/passwd""#,
        r#".Files.Lines "/dev/zero" | len"#,
        r#".Files.Glob MB | len"#,
        r#".Files.Glob "/**" | len"#,
        r#"(.Files.Glob (repeat 100000 "**/")) | len"#,
        r#"(.Files.Glob (repeat 100000 "{a,")) | len"#,
        r#"(.Files.Glob (repeat 100000 "{a,b}")) | len"#,
        r#"(.Files.Glob (repeat 100000 "[")) | len"#,
        r#"(.Files.Glob (repeat 100000 "*?")) | len"#,
        r#".Capabilities.APIVersions.Has MB"#,
    ]));
    attacks.push(
        Attack::template(
            "globs that go back and forth",
            r#"# {{ range list "*a*a*a*a*a*a*a*a*a*a*a*a*b" "**a**a**a**a**a**a**b" "{*a,*a*a,*a*a*a}{*a,*a*a,*a*a*a}{*a,*a*a,*a*a*a}b" "{a,aa,aaa}{a,aa,aaa}{a,aa,aaa}{a,aa,aaa}{a,aa,aaa}{a,aa,aaa}{a,aa,aaa}{a,aa,aaa}{a,aa,aaa}{a,aa,aaa}{a,aa,aaa}{a,aa,aaa}{a,aa,aaa}{a,aa,aaa}b" }}{{ len ($.Files.Glob .) }}{{ end }}"#,
        )
        .file(&format!("chart/{}", "a".repeat(200)), "x"),
    );
    attacks.push(
        Attack::template("lines of a large file", r#"# {{ len (.Files.Lines "f") }}"#)
            .file("chart/f", "\n".repeat(1 << 20)),
    );
    attacks.push(
        Attack::template(
            "a large file as config and secret",
            r#"# {{ (.Files.Glob "f").AsConfig | len }}{{ (.Files.Glob "f").AsSecrets | len }}"#,
        )
        .file("chart/f", "\u{1}\n ".repeat(1 << 20)),
    );
    attacks.push(
        Attack::template("files again and again", r#"{{ range 1000000000 }}{{ $_ := $.Files.Get "f" }}{{ $_ := $.Files.Lines "f" }}{{ $_ := $.Files.AsConfig }}{{ end }}"#)
            .file("chart/f", "\n".repeat(1 << 20))
            .fails([PLACE, THE_RENDER]),
    );
    run(attacks);
}
