//! `values`: the values that the templates of a request see, and where each of them comes from.

use clap::Args;
use serde_json::{Map, json};

use super::arguments::{Format, OutputArgument};
use super::draft::{Draft, DraftArguments, Layer};
use super::requests;
use super::screen::{Screen, Tone};
use super::session::Session;
use super::table::{Cell, Table};
use super::{Error, Outcome};
use crate::chart::origins::{Origin, Setting};
use crate::cluster::object::with_integers;
use crate::value::Json;

/// What stands for a value of a Secret.
const HIDDEN: &str = "(hidden)";
/// The longest value in a table, in characters.
const LONGEST: usize = 60;

/// The flags of `values`.
#[derive(Clone, Debug, Args)]
pub struct LayersArguments {
    /// The name of the HelmRequest
    pub name: String,
    /// Only this value and those below it, for example image.tag
    pub key: Option<String>,
    /// Show for each value which layer set it: a chart's values.yaml, a ConfigMap, a Secret, spec.values
    #[arg(long)]
    pub explain: bool,
    /// Which chart and values.
    #[command(flatten)]
    pub draft: DraftArguments,
    /// The form of the output.
    #[command(flatten)]
    pub output: OutputArgument,
}

impl LayersArguments {
    /// Shows the values.
    ///
    /// # Errors
    /// The chart or a source of values cannot be had.
    pub async fn run(&self, session: &Session) -> Result<Outcome, Error> {
        let request = requests::find(session, &self.name).await?;
        let draft = Draft::of_request(session, &request, &self.draft).await?;
        let mut settings = draft.settings()?;
        if let Some(key) = &self.key {
            settings.retain(|setting| is_below(&setting.path.join("."), key));
            if settings.is_empty() {
                return Err(Error::Usage(format!(
                    "there is no value {key:?}; see kubectl captain values {}",
                    self.name
                )));
            }
        }
        if self.explain {
            self.print_explained(&settings, &draft.layers, session)
        } else {
            self.print(&settings, session)
        }
    }

    fn print(&self, settings: &[Setting], session: &Session) -> Result<Outcome, Error> {
        let values = with_integers(nested(settings));
        match self.output.output {
            Format::Json => session.screen.print_json(&values)?,
            Format::Name => session.screen.print(&names(settings))?,
            _ => session.screen.print_yaml(&values)?,
        }
        Ok(Outcome::Done)
    }

    fn print_explained(&self, settings: &[Setting], layers: &[Layer], session: &Session) -> Result<Outcome, Error> {
        let lines = || -> Vec<Json> {
            let line = |setting: &Setting| {
                let value = if is_secret(&setting.origin, layers) { HIDDEN.into() } else { setting.value.clone() };
                let from = described(&setting.origin, layers);
                json!({"key": setting.path.join("."), "value": with_integers(value), "from": from})
            };
            settings.iter().map(line).collect()
        };
        match self.output.output {
            Format::Json => session.screen.print_json(&lines())?,
            Format::Yaml => session.screen.print_yaml(&lines())?,
            Format::Name => session.screen.print(&names(settings))?,
            form => session.screen.print(&text(settings, layers, form == Format::Wide, &session.screen))?,
        }
        Ok(Outcome::Done)
    }
}

/// Whether a path is a key or below it.
pub fn is_below(path: &str, key: &str) -> bool {
    path.strip_prefix(key).is_some_and(|rest| rest.is_empty() || rest.starts_with(['.', '[']))
}

/// Who set a value, for people.
pub fn described(origin: &Origin, layers: &[Layer]) -> String {
    match origin {
        Origin::Given(number) => layers.get(*number).map(|layer| layer.name.clone()).unwrap_or_default(),
        Origin::Defaults(chart) => format!("values.yaml of {chart}"),
        Origin::Imported(chart) => format!("a subchart's export to {chart}"),
        Origin::Global(path, origin) => format!("{} as a global of {}", described(origin, layers), path.join(".")),
        Origin::Merged => "merging".to_owned(),
    }
}

/// Whether a value came from a Secret.
pub fn is_secret(origin: &Origin, layers: &[Layer]) -> bool {
    match origin {
        Origin::Given(number) => layers.get(*number).is_some_and(|layer| layer.is_secret),
        Origin::Global(_, origin) => is_secret(origin, layers),
        Origin::Defaults(_) | Origin::Imported(_) | Origin::Merged => false,
    }
}

/// A value on one line, not too long, unless it came from a Secret.
pub fn shown(setting: &Setting, layers: &[Layer], longest: usize) -> String {
    if is_secret(&setting.origin, layers) {
        return HIDDEN.to_owned();
    }
    let text = with_integers(setting.value.clone()).to_string();
    match text.char_indices().nth(longest) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text,
    }
}

fn names(settings: &[Setting]) -> String {
    settings.iter().map(|setting| format!("{}\n", setting.path.join("."))).collect()
}

fn nested(settings: &[Setting]) -> Json {
    let mut root = Map::new();
    settings.iter().for_each(|setting| insert(&mut root, &setting.path, &setting.value));
    Json::Object(root)
}

fn insert(map: &mut Map<String, Json>, path: &[String], value: &Json) {
    match path {
        [] => {}
        [last] => drop(map.insert(last.clone(), value.clone())),
        [first, rest @ ..] => {
            if let Json::Object(inner) = map.entry(first).or_insert_with(|| Json::Object(Map::new())) {
                insert(inner, rest, value);
            }
        }
    }
}

fn text(settings: &[Setting], layers: &[Layer], all: bool, screen: &Screen) -> String {
    let mut table = Table::new(["KEY", "VALUE", "FROM"]);
    for setting in settings {
        let tone = if matches!(setting.origin, Origin::Given(_)) { Tone::Plain } else { Tone::Faint };
        let value = shown(setting, layers, if all { usize::MAX } else { LONGEST });
        let from = described(&setting.origin, layers);
        table.push(vec![setting.path.join(".").into(), value.into(), Cell::new(from, tone)]);
    }
    table.text(screen)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn setting(path: &str, value: Json, origin: Origin) -> Setting {
        Setting { path: path.split('.').map(str::to_owned).collect(), value, origin }
    }

    #[test]
    fn each_value_is_shown_with_its_layer_and_secrets_are_not_shown() {
        let layer = |name: &str, is_secret| Layer { name: name.into(), is_secret, values: Json::Null };
        let layers = [layer("Secret login key values.yaml", true), layer("spec.values", false)];
        let global = Origin::Global(vec!["global".into(), "zone".into()], Box::new(Origin::Given(1)));
        let settings = [
            setting("replicas", json!(2.0), Origin::Given(1)),
            setting("db.password", json!("s3cret"), Origin::Given(0)),
            setting("db.port", json!(5432.0), Origin::Defaults("web/charts/db".into())),
            setting("db.global.zone", json!("a"), global),
        ];
        let expected = "\
KEY              VALUE      FROM
replicas         2          spec.values
db.password      (hidden)   Secret login key values.yaml
db.port          5432       values.yaml of web/charts/db
db.global.zone   \"a\"        spec.values as a global of global.zone
";
        assert_eq!(text(&settings, &layers, false, &Screen::of_process()), expected);
        let values = json!({"replicas": 2, "db": {"password": "s3cret", "port": 5432, "global": {"zone": "a"}}});
        assert_eq!(with_integers(nested(&settings)), values);
    }

    #[test]
    fn a_key_is_itself_and_what_is_below_it() {
        for (path, expected) in [("image", true), ("image.tag", true), ("image[0]", true), ("images", false)] {
            assert_eq!(is_below(path, "image"), expected, "{path}");
        }
    }
}
