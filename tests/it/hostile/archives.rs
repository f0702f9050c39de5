//! Archives that are too much, lie about themselves, lead out of the chart, or are none.

use std::io::Write;

use coxswain::chart::{Limits, load_archive};
use flate2::Compression;
use flate2::write::GzEncoder;

use super::{Attack, CHART_YAML, run};

const BLOCK: usize = 512;
/// What Helm says of every archive that it cannot read.
const BROKEN: &str = "unable to load chart archive";

/// An entry of a tar file, as raw as the format.
struct Entry<'a> {
    name: &'a [u8],
    kind: u8,
    content: &'a [u8],
    /// The size that the header claims, where it is not the content's.
    claimed: Option<[u8; 12]>,
    link: &'a [u8],
}

fn entry<'a>(name: &'a str, content: &'a [u8]) -> Entry<'a> {
    Entry { name: name.as_bytes(), kind: b'0', content, claimed: None, link: b"" }
}

fn special<'a>(name: &'a str, kind: u8, link: &'a str) -> Entry<'a> {
    Entry { name: name.as_bytes(), kind, content: b"", claimed: None, link: link.as_bytes() }
}

fn octal(number: usize) -> [u8; 12] {
    let mut field = [0; 12];
    field[..11].copy_from_slice(format!("{number:011o}").as_bytes());
    field
}

impl Entry<'_> {
    fn header(&self) -> [u8; BLOCK] {
        let mut header = [0; BLOCK];
        header[..self.name.len().min(100)].copy_from_slice(&self.name[..self.name.len().min(100)]);
        header[100..107].copy_from_slice(b"0000644");
        header[124..136].copy_from_slice(&self.claimed.unwrap_or_else(|| octal(self.content.len())));
        header[136..147].copy_from_slice(b"00000000000");
        header[156] = self.kind;
        header[157..157 + self.link.len()].copy_from_slice(self.link);
        header[257..265].copy_from_slice(b"ustar\x0000");
        header[148..156].copy_from_slice(b"        ");
        let sum: u32 = header.iter().map(|byte| u32::from(*byte)).sum();
        header[148..155].copy_from_slice(format!("{sum:06o}\0").as_bytes());
        header
    }

    fn write(&self, tar: &mut Vec<u8>) {
        tar.extend(self.header());
        tar.extend(self.content);
        tar.resize(tar.len().next_multiple_of(BLOCK), 0);
    }
}

/// A tar file of a chart with these further entries.
fn tar(entries: &[Entry<'_>]) -> Vec<u8> {
    let mut tar = Vec::new();
    entry("c/Chart.yaml", CHART_YAML.as_bytes()).write(&mut tar);
    entries.iter().for_each(|entry| entry.write(&mut tar));
    tar.resize(tar.len() + 2 * BLOCK, 0);
    tar
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut gzip = GzEncoder::new(Vec::new(), Compression::fast());
    gzip.write_all(bytes).expect("memory");
    gzip.finish().expect("memory")
}

/// An attack on `coxswain template r c.tgz`.
fn attack(name: &str, archive: impl AsRef<[u8]>) -> Attack {
    Attack::new(name).file("c.tgz", archive).with(["c.tgz"])
}

fn refused(name: &str, entries: &[Entry<'_>], words: &str) -> Attack {
    attack(name, gzip(&tar(entries))).fails([words])
}

/// An archive of which the command says no more than Helm's, and the loader why.
fn broken(name: &str, entries: &[Entry<'_>], cause: &str) -> Attack {
    let archive = gzip(&tar(entries));
    let error = load_archive(&archive, &Limits::default()).expect_err(name).to_string();
    assert!(error.contains(cause), "{name}: {error}");
    attack(name, archive).fails([BROKEN])
}

/// The records of a pax header.
fn pax(key: &str, value: &[u8]) -> Vec<u8> {
    let rest = key.len() + value.len() + 3;
    let mut length = rest + 1;
    while rest + length.to_string().len() != length {
        length += 1;
    }
    [format!("{length} {key}=").as_bytes(), value, b"\n"].concat()
}

#[test]
fn hostile_entries() {
    let base256 = |byte: u8| [byte, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff];
    let claimed = |claimed: [u8; 12]| Entry { claimed: Some(claimed), ..entry("c/templates/t.yaml", b"a: b") };
    let pax_entry = |records: &'static [u8], kind| Entry { kind, ..entry("c/pax", records) };
    let leak = |key: &str, value: &[u8]| -> &'static [u8] { pax(key, value).leak() };
    let file = || entry("c/templates/t.yaml", b"a: b");
    let long_link = Entry { kind: b'L', claimed: Some(octal(1 << 30)), ..entry("././@LongLink", b"x") };
    let sparse = Entry { kind: b'S', claimed: Some(octal(1 << 30)), ..entry("c/values.yaml", b"") };
    let megabyte: &'static [u8] = vec![b'x'; 1 << 20].leak();
    run(vec![
        refused("a symbolic link", &[special("c/templates/t.yaml", b'2', "/etc/passwd")], "symbolic link"),
        refused("a hard link", &[special("c/templates/t.yaml", b'1', "c/Chart.yaml")], "hard link"),
        refused("a character device", &[special("c/values.yaml", b'3', "")], "device"),
        refused("a block device", &[special("c/values.yaml", b'4', "")], "device"),
        refused("a named pipe", &[special("c/values.yaml", b'6', "")], "named pipe"),
        broken("an absolute path", &[entry("c//etc/passwd", b"x")], "absolute paths"),
        broken("a path to the parent", &[entry("c/../../etc/passwd", b"x")], "parent directory"),
        broken("a path to the parent after others", &[entry("c/a/b/../../../../x", b"x")], "parent directory"),
        broken("a path with backslashes to the parent", &[entry("c\\..\\..\\x", b"x")], "parent directory"),
        broken("a path to a drive", &[entry("c/c:/x", b"x")], "illegally named files"),
        broken("a path that is only the chart", &[entry("c", b"x")], "\"c\""),
        refused("a path of terminal escapes", &[special("c/\x1b[2J", b'2', "x")], "symbolic link"),
        refused(
            "a template whose name clears the screen",
            &[entry("c/templates/\x1b[2J.yaml", b"{{ fail \"x\" }}")],
            r"(c/templates/\x1b[2J.yaml:1:3): x",
        ),
        broken(
            "a file whose name clears the screen",
            &[entry("c/\x1b[2J", &vec![0; 6 << 20])],
            "larger than the maximum file size",
        ),
        refused(
            "a subchart whose name clears the screen",
            &[entry("c/charts/\x1b[2J/values.yaml", b"x: y")],
            "subchart",
        ),
        broken("a size of eight gigabytes", &[claimed(*b"77777777777\0")], "larger than the maximum size"),
        broken("the largest size", &[claimed(base256(0x80))], "entry after byte 512: size overflow"),
        refused("a negative size", &[claimed(base256(0xff))], BROKEN),
        refused("a size that is no number", &[claimed(*b"zzzzzzzzzzz\0")], BROKEN),
        refused("a size beyond the end", &[claimed(octal(1 << 20))], BROKEN),
        refused("a sparse file", &[sparse], BROKEN),
        refused("a long name that claims a gigabyte", &[long_link, file()], BROKEN),
        attack(
            "a long name of a megabyte",
            gzip(&tar(&[Entry { kind: b'L', ..entry("././@LongLink", megabyte) }, file()])),
        )
        .fails([BROKEN]),
        refused("a size by pax of eight gigabytes", &[pax_entry(leak("size", b"8589934592"), b'x'), file()], BROKEN),
        attack("a negative size by pax", gzip(&tar(&[pax_entry(leak("size", b"-1"), b'x'), file()]))),
        refused("a path by pax to the parent", &[pax_entry(leak("path", b"c/../../x"), b'x'), file()], BROKEN),
        refused(
            "a path by pax of a megabyte",
            &[pax_entry(leak("path", &[b"c/".as_slice(), megabyte].concat()), b'x'), special("c/l", b'2', "x")],
            "symbolic link",
        ),
        refused(
            "pax records that are none",
            &[pax_entry(b"99999999999999999999 path=x\n", b'x'), special("c/l", b'2', "x")],
            "symbolic link",
        ),
        refused(
            "a sparse file by pax",
            &[pax_entry(leak("GNU.sparse.realsize", b"8589934592"), b'x'), special("c/l", b'2', "x")],
            "symbolic link",
        ),
        refused("long names without a file", &[Entry { kind: b'L', ..entry("././@LongLink", b"c/x") }], BROKEN),
        attack("a global pax header", gzip(&tar(&[pax_entry(leak("comment", b"x"), b'g'), file()]))),
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
        refused(
            "a name that is no text",
            &[Entry { name: b"c/\xff\xfe\x9b", ..special("", b'2', "x") }],
            "symbolic link",
        ),
    ]);
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
    let large = vec![b'x'; 5 << 20];
    let many: Vec<Entry<'_>> = (0..30).map(|_| entry("c/large", &large)).collect();
    let inner = gzip(&tar(&[entry("c/values.yaml", &vec![b'#'; 4 << 20])]));
    let names: Vec<String> = (0..40).map(|n| format!("c/charts/c{n}.tgz")).collect();
    let nested: Vec<Entry<'_>> = names.iter().map(|name| entry(name, &inner)).collect();
    run(vec![
        attack("ten gigabytes of zeros", bomb).fails([BROKEN]),
        attack("ten gigabytes of zeros within a file", within).fails(["values.yaml"]),
        attack("three hundred thousand files", gzip(&empty)).fails(["more than"]),
        attack("a million folders", gzip(&folders)).fails(["more than"]),
        attack("a file over the limit", gzip(&tar(&[entry("c/large", &vec![b'x'; 6 << 20])]))).fails([BROKEN]),
        attack("files over the limit together", gzip(&tar(&many))).fails([BROKEN]),
        attack("subcharts over the limit together", gzip(&tar(&nested)))
            .fails(["subchart c30.tgz in c: decompressed chart is larger"]),
        attack("an archive without an end", gzip(&tar(&[])[..BLOCK + 100])).fails([BROKEN]),
        attack("an archive without its end blocks", gzip(&tar(&[])[..2 * BLOCK])),
        attack("a stream that ends early", &gzip(&tar(&[entry("c/large", &large)]))[..500]).fails([BROKEN]),
        attack("a stream with another checksum", {
            let mut archive = gzip(&tar(&[]));
            let end = archive.len() - 6;
            archive[end] ^= 1;
            archive
        }),
        attack("many streams of nothing", [gzip(&tar(&[])), gzip(b"").repeat(200_000)].concat()),
        attack("nothing in a stream", gzip(b"")).fails([BROKEN]),
        attack("an empty file", b"").fails(["c.tgz"]),
        attack("only the magic number", b"\x1f\x8b\x08").fails([BROKEN]),
        attack("another magic number", b"\x1f\x9d\x90 compress".repeat(100)).fails(["c.tgz"]),
        attack("a ZIP file", b"PK\x03\x04".repeat(1_000)).fails(["zip"]),
        attack("text", b"hello\n".repeat(1_000)).fails(["c.tgz"]),
        attack(
            "noise in a stream",
            gzip(&(0..1 << 20).map(|n: u32| (n.wrapping_mul(2_654_435_761) >> 13) as u8).collect::<Vec<_>>()),
        )
        .fails([BROKEN]),
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
