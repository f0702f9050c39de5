//! Archives that are too much, lie about themselves, lead out of the chart, or are none.

use std::io::Write;

use anyhow::Result;
use flate2::Compression;
use flate2::write::GzEncoder;

use super::tar::{BLOCK, Entry, entry, gzip, octal, pax, special, tar};
use super::{Attack, run};
use crate::support::ChartServer;
use crate::support::folder::Folder;

/// Where the first entry after the metadata begins.
const FIRST: usize = 2 * BLOCK;
/// What Helm says of every archive that it cannot read.
const BROKEN: &str = "Error: unable to load chart archive: \"";

/// How entries are shown.
const TEMPLATE: &str = r#""c/templates/t.yaml""#;
const VALUES: &str = r#""c/values.yaml""#;
/// The last entry before most of what is broken.
const METADATA: &str = r#""c/Chart.yaml" at byte 0"#;

/// An attack on `coxswain template r c.tgz`.
fn attack(name: &str, archive: impl AsRef<[u8]>) -> Attack {
    Attack::new(name).file("c.tgz", archive).with(["c.tgz"])
}

fn refused(name: &str, entries: &[Entry<'_>], words: &str) -> Attack {
    attack(name, gzip(&tar(entries))).fails([words])
}

impl Attack {
    /// The archive cannot be read: one line says Helm's words, the archive, and then exactly this.
    fn told(self, cause: impl AsRef<str>) -> Self {
        self.fails([BROKEN.to_owned(), format!("/c.tgz\": {}\n", cause.as_ref())])
    }
}

/// An entry that ends the load: the first after the metadata.
fn broken(name: &str, entries: &[Entry<'_>], cause: &str, shown: &str) -> Attack {
    attack(name, gzip(&tar(entries))).told(at(cause, shown, FIRST))
}

/// The same behind a header of its own, which is one block and the records.
fn broken_by_pax(name: &str, records: &[u8], entry: Entry<'_>, cause: &str, shown: &str) -> Attack {
    let byte = FIRST + BLOCK + records.len().next_multiple_of(BLOCK);
    let header = Entry { kind: b'x', ..self::entry("c/pax", records) };
    attack(name, gzip(&tar(&[header, entry]))).told(at(cause, shown, byte))
}

fn at(cause: &str, shown: &str, byte: usize) -> String {
    format!("{cause}: entry {shown} at byte {byte} of the decompressed stream")
}

/// An archive that cannot be read further than to a byte, after its metadata.
fn torn(name: &str, entries: &[Entry<'_>], cause: &str, byte: usize, last: &str) -> Attack {
    attack(name, gzip(&tar(entries)))
        .told(format!("{cause}: read up to byte {byte} of the decompressed stream, after entry {last}"))
}

#[test]
fn hostile_entries() {
    let base256 = |byte: u8| [byte, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff];
    let claimed = |claimed: [u8; 12]| Entry { claimed: Some(claimed), ..entry("c/templates/t.yaml", b"a: b") };
    let pax_entry = |records, kind| Entry { kind, ..entry("c/pax", records) };
    let (negative, comment) = (pax("size", b"-1"), pax("comment", b"x"));
    let file = || entry("c/templates/t.yaml", b"a: b");
    let kind = |kind: &str| format!("chart contains a {kind}: only regular files are allowed");
    let illegally = |what: &str| format!("chart illegally {what}");
    let parent = illegally("references parent directory");
    let long_link = Entry { kind: b'L', claimed: Some(octal(1 << 30)), ..entry("././@LongLink", b"x") };
    let sparse = Entry { kind: b'S', claimed: Some(octal(1 << 30)), ..entry("c/values.yaml", b"") };
    let megabyte = &vec![b'x'; 1 << 20];
    // Names are shown to 200 bytes.
    let long = "x".repeat(200 - '…'.len_utf8());
    let long_name = format!("\"{long}…\"");
    let link = || special("c/l", b'2', "x");
    run(vec![
        broken(
            "a symbolic link",
            &[special("c/templates/t.yaml", b'2', "/etc/passwd")],
            &kind("symbolic link"),
            TEMPLATE,
        ),
        broken("a hard link", &[special("c/templates/t.yaml", b'1', "c/Chart.yaml")], &kind("hard link"), TEMPLATE),
        broken("a character device", &[special("c/values.yaml", b'3', "")], &kind("device"), VALUES),
        broken("a block device", &[special("c/values.yaml", b'4', "")], &kind("device"), VALUES),
        broken("a named pipe", &[special("c/values.yaml", b'6', "")], &kind("named pipe"), VALUES),
        broken(
            "an absolute path",
            &[entry("c//etc/passwd", b"x")],
            &illegally("contains absolute paths"),
            r#""c//etc/passwd""#,
        ),
        broken("a path to the parent", &[entry("c/../../etc/passwd", b"x")], &parent, r#""c/../../etc/passwd""#),
        broken(
            "a path to the parent after others",
            &[entry("c/a/b/../../../../x", b"x")],
            &parent,
            r#""c/a/b/../../../../x""#,
        ),
        broken("a path with backslashes to the parent", &[entry("c\\..\\..\\x", b"x")], &parent, r#""c\\..\\..\\x""#),
        broken("a path to a drive", &[entry("c/c:/x", b"x")], "chart contains illegally named files", r#""c/c:/x""#),
        broken(
            "a path that is only the chart",
            &[entry("c", b"x")],
            &illegally(r#"contains content outside the base directory: "c""#),
            r#""c""#,
        ),
        broken(
            "metadata in place of the chart",
            &[entry("Chart.yaml/x", b"x")],
            "chart yaml not in base directory",
            r#""Chart.yaml/x""#,
        ),
        broken(
            "a path of terminal escapes",
            &[special("c/\x1b[2J", b'2', "x")],
            &kind("symbolic link"),
            r#""c/\x1b[2J""#,
        ),
        broken(
            "a path of several lines",
            &[special("c/a\nError: b", b'2', "x")],
            &kind("symbolic link"),
            r#""c/a\nError: b""#,
        ),
        refused(
            "a template whose name clears the screen",
            &[entry("c/templates/\x1b[2J.yaml", b"{{ fail \"x\" }}")],
            r"(c/templates/\x1b[2J.yaml:1:3): x",
        ),
        broken(
            "a file whose name clears the screen",
            &[entry("c/\x1b[2J", &vec![0; 6 << 20])],
            r#"decompressed chart file "\x1b[2J" is larger than the maximum file size 5242880"#,
            r#""c/\x1b[2J""#,
        ),
        refused(
            "a subchart whose name clears the screen",
            &[entry("c/charts/\x1b[2J/values.yaml", b"x: y")],
            r"Error: error unpacking subchart \x1b[2J in c: Chart.yaml file is missing",
        ),
        broken(
            "a size of eight gigabytes",
            &[claimed(*b"77777777777\0")],
            "decompressed chart is larger than the maximum size 104857600",
            TEMPLATE,
        ),
        torn("the largest size", &[claimed(base256(0x80))], "size overflow", 1536, METADATA),
        torn("a negative size", &[claimed(base256(0xff))], "size overflow", 1536, METADATA),
        torn(
            "a size that is no number",
            &[claimed(*b"zzzzzzzzzzz\0")],
            "numeric field was not a number: zzzzzzzzzzz when getting size for c/templates/t.yaml",
            1536,
            METADATA,
        ),
        torn(
            "a size of terminal escapes",
            &[Entry { claimed: Some(*b"\x1b[2J\r\nx\0\0\0\0\0"), ..entry("c/\x1b[2J\n", b"") }],
            r"numeric field was not a number: \x1b[2J\r x when getting size for c/\x1b[2J ",
            1536,
            METADATA,
        ),
        torn(
            "a size beyond the end",
            &[claimed(octal(1 << 20))],
            "unexpected end of file: the decompressed stream has 3072 bytes and not 1050112",
            1536,
            r#""c/templates/t.yaml" at byte 1024"#,
        ),
        torn("a sparse file", &[sparse], "sparse entry type listed but not GNU header", 1536, METADATA),
        torn(
            "a long name that claims a gigabyte",
            &[long_link, file()],
            "unexpected end of file: the decompressed stream has 4096 bytes and not 1073743360",
            4096,
            METADATA,
        ),
        attack(
            "a long name of a megabyte",
            gzip(&tar(&[Entry { kind: b'L', ..entry("././@LongLink", megabyte) }, file()])),
        )
        .told(at(
            &illegally(&format!("contains content outside the base directory: {long_name}")),
            &long_name,
            1_050_112,
        )),
        broken_by_pax(
            "a size by pax of eight gigabytes",
            &pax("size", b"8589934592"),
            file(),
            "decompressed chart is larger than the maximum size 104857600",
            TEMPLATE,
        ),
        attack("a negative size by pax", gzip(&tar(&[pax_entry(&negative, b'x'), file()]))),
        broken_by_pax("a path by pax to the parent", &pax("path", b"c/../../x"), file(), &parent, r#""c/../../x""#),
        broken_by_pax(
            "a path by pax of a megabyte",
            &pax("path", &[b"c/".as_slice(), megabyte].concat()),
            link(),
            &kind("symbolic link"),
            &format!("\"c/{}…\"", &long["c/".len()..]),
        ),
        broken_by_pax(
            "pax records that are none",
            b"99999999999999999999 path=x\n",
            link(),
            &kind("symbolic link"),
            r#""c/l""#,
        ),
        broken_by_pax(
            "a sparse file by pax",
            &pax("GNU.sparse.realsize", b"8589934592"),
            link(),
            &kind("symbolic link"),
            r#""c/l""#,
        ),
        torn(
            "long names without a file",
            &[Entry { kind: b'L', ..entry("././@LongLink", b"c/x") }],
            "members found describing a future member but no future member found",
            2560,
            METADATA,
        ),
        attack("a global pax header", gzip(&tar(&[pax_entry(&comment, b'g'), file()]))),
        attack("a type that nobody knows", gzip(&tar(&[Entry { kind: b'Z', ..file() }]))),
        attack(
            "directories in place of files",
            gzip(&tar(&[special("c/values.yaml/", b'5', ""), special("c/templates", b'5', ""), file()])),
        ),
        attack("a file twice", gzip(&tar(&[file(), file()]))),
        refused(
            "the metadata twice",
            &[entry("c/Chart.yaml", b"apiVersion: v2\nname: d\nversion: x.y\n")],
            "chart.metadata.version",
        ),
        broken(
            "a name that is no text",
            &[Entry { name: b"c/\xff\xfe\x9b", ..special("", b'2', "x") }],
            &kind("symbolic link"),
            "\"c/\u{fffd}\u{fffd}\u{fffd}\"",
        ),
    ]);
}

#[test]
fn a_broken_download_is_told_with_its_address_without_the_query() -> Result<()> {
    let folder = Folder::new("hostile")?;
    std::fs::write(folder.path().join("c.tgz"), gzip(&tar(&[entry("c//x", b"x")])))?;
    let server = ChartServer::start(folder.path())?;
    let url = format!("{}/c.tgz", server.url());
    let cause = at("chart illegally contains absolute paths", r#""c//x""#, FIRST);
    let attack = Attack::new("a download").with([format!("{url}?token=secret")]);
    run(vec![attack.fails([format!("{BROKEN}{url}\": {cause}\n")])]);
    Ok(())
}

#[test]
fn hostile_sizes() {
    let zeros = |megabytes: usize| {
        let mut gzip = GzEncoder::new(Vec::new(), Compression::best());
        let zeros = vec![0; 1 << 20];
        (0..megabytes).for_each(|_| gzip.write_all(&zeros).expect("memory"));
        gzip.finish().expect("memory")
    };
    // A gzip file is any number of members: ten gigabytes of zeros are one member forty times.
    let bomb = zeros(256).repeat(40);
    let mut claimed = tar(&[]);
    claimed.truncate(claimed.len() - 2 * BLOCK);
    claimed.extend(Entry { claimed: Some(octal(4 << 20)), ..entry("c/values.yaml", b"") }.header());
    let within = [gzip(&claimed), bomb.clone()].concat();
    let empty: Vec<u8> = {
        let mut tar = tar(&[]);
        tar.truncate(tar.len() - 2 * BLOCK);
        let names: Vec<String> = (0..300_000).map(|n| format!("c/f{n}")).collect();
        names.iter().for_each(|name| entry(name, b"").write(&mut tar));
        tar
    };
    let folders: Vec<u8> = {
        let mut tar = tar(&[]);
        tar.truncate(tar.len() - 2 * BLOCK);
        let folder = special("c/folder/", b'5', "").header();
        (0..1_000_000).for_each(|_| tar.extend(folder));
        tar
    };
    let full = tar(&[Entry { kind: b'5', claimed: Some(octal(1 << 30)), ..entry("c/folder/", b"") }]);
    let full = [gzip(&full[..FIRST + BLOCK]), bomb.clone()].concat();
    let large = vec![b'x'; 5 << 20];
    let many: Vec<Entry<'_>> = (0..30).map(|_| entry("c/large", &large)).collect();
    let inner = gzip(&tar(&[entry("c/values.yaml", &vec![b'#'; 4 << 20])]));
    let names: Vec<String> = (0..40).map(|n| format!("c/charts/c{n}.tgz")).collect();
    let nested: Vec<Entry<'_>> = names.iter().map(|name| entry(name, &inner)).collect();
    run(vec![
        attack("ten gigabytes of zeros", bomb).told("no files in chart archive"),
        attack("ten gigabytes of zeros within a file", within).fails(["values.yaml"]),
        attack("three hundred thousand files", gzip(&empty)).told(at(
            "chart has more than 20000 files",
            r#""c/f19999""#,
            10_240_512,
        )),
        attack("a million folders", gzip(&folders)).told(at(
            "chart has more than 20000 files",
            r#""c/folder/""#,
            10_240_512,
        )),
        broken(
            "a file over the limit",
            &[entry("c/large", &vec![b'x'; 6 << 20])],
            r#"decompressed chart file "large" is larger than the maximum file size 5242880"#,
            r#""c/large""#,
        ),
        attack("files over the limit together", gzip(&tar(&many))).told(at(
            "decompressed chart is larger than the maximum size 104857600",
            r#""c/large""#,
            99_625_472,
        )),
        attack("folders with content over the limit together", full).told(at(
            "decompressed archive is larger than 145821696 bytes, more than a chart may have with the headers of its \
             files",
            r#""c/folder/""#,
            FIRST,
        )),
        attack("subcharts over the limit together", gzip(&tar(&nested))).fails([at(
            "Error: error unpacking subchart c30.tgz in c: decompressed chart is larger than the maximum size 104857600",
            VALUES,
            FIRST,
        )]),
        attack("an archive without an end", gzip(&tar(&[])[..BLOCK + 100])).told(
            "unexpected end of file: the decompressed stream has 612 bytes and not 1024: read up to byte 512 of the \
             decompressed stream, after entry \"c/Chart.yaml\" at byte 0",
        ),
        attack("an archive without its end blocks", gzip(&tar(&[])[..2 * BLOCK])),
        attack("a stream that ends early", &gzip(&tar(&[entry("c/large", &large)]))[..500]).told(
            "unexpected end of file at byte 500 of the archive: read up to byte 1536 of the decompressed stream, after \
             entry \"c/large\" at byte 1024",
        ),
        attack("a stream with another checksum", {
            let mut archive = gzip(&tar(&[]));
            let end = archive.len() - 6;
            archive[end] ^= 1;
            archive
        }),
        attack("many streams of nothing", [gzip(&tar(&[])), gzip(b"").repeat(200_000)].concat()),
        attack("a stream that goes on with something else", [gzip(&tar(&[])[..BLOCK]), b"rubbish".repeat(9)].concat()).told(
            format!(
                "invalid gzip header at byte {} of the archive: read up to byte 512 of the decompressed stream, after \
                 entry {METADATA}",
                gzip(&tar(&[])[..BLOCK]).len()
            ),
        ),
        attack("nothing in a stream", gzip(b"")).told("no files in chart archive"),
        attack("an empty file", b"").fails(["/c.tgz' does not appear to be a gzipped archive"]),
        attack("only the magic number", b"\x1f\x8b\x08")
            .told("unexpected end of file at byte 3 of the archive: read up to byte 0 of the decompressed stream"),
        attack("another magic number", b"\x1f\x9d\x90 compress".repeat(100)).fails(["c.tgz"]),
        attack("a ZIP file", b"PK\x03\x04".repeat(1_000)).fails(["zip"]),
        attack("text", b"hello\n".repeat(1_000)).fails(["c.tgz"]),
        attack(
            "noise in a stream",
            gzip(&(0..1 << 20).map(|n: u32| (n.wrapping_mul(2_654_435_761) >> 13) as u8).collect::<Vec<_>>()),
        )
        .fails([BROKEN, "/c.tgz\": ", ": read up to byte 512 of the decompressed stream\n"]),
        attack("a gigabyte that is no archive", b"")
            .prepared(|folder| {
                std::fs::File::create(folder.join("c.tgz"))
                    .and_then(|file| file.set_len(1 << 34))
                    .expect("a sparse file");
            })
            .fails(["c.tgz"]),
        attack("a gigabyte that begins as an archive", b"")
            .prepared(|folder| {
                std::fs::write(folder.join("c.tgz"), b"\x1f\x8b\x08").expect("a file");
                std::fs::OpenOptions::new()
                    .write(true)
                    .open(folder.join("c.tgz"))
                    .and_then(|file| file.set_len(1 << 34))
                    .expect("a sparse file");
            })
            .fails(["c.tgz"]),
    ]);
}
