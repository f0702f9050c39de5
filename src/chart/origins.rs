//! Where the values of a chart come from: which layer set each of them.
//!
//! The rules are those of merging ([`super::values`]): what was given wins over every default, the defaults of a chart
//! over those of its subcharts, and the globals of a parent over the globals of its subcharts. So the first layer in
//! this order that has a value is where it comes from.

use super::Chart;
use super::dependencies::Selected;
use crate::value::Json;

/// The key that is passed down to every subchart.
const GLOBAL: &str = "global";

/// A value that templates see, and where it comes from.
#[derive(Clone, Debug, PartialEq)]
pub struct Setting {
    /// Its path below `.Values` of the root chart; nothing of it is a list.
    pub path: Vec<String>,
    /// The value: no map, unless it is empty.
    pub value: Json,
    /// Who set it.
    pub origin: Origin,
}

/// Who set a value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Origin {
    /// A layer of those that were given, by its number.
    Given(usize),
    /// The `values.yaml` of a chart, by its path from the root chart: `web`, `web/charts/db`.
    Defaults(String),
    /// What a subchart exports to its parent, by the parent's path.
    Imported(String),
    /// A global of a parent, by the path of the value there, and who set that.
    Global(Vec<String>, Box<Origin>),
    /// Nobody: it came to be by merging.
    Merged,
}

/// Every value with its origin, in the order of their paths. `original` is the chart as it was loaded, `chart` as it
/// takes part, `merged` are its values.
pub fn settings(original: &Chart, chart: &Selected, given: &[&Json], merged: &Json) -> Vec<Setting> {
    let search = Search { original, chart, given, merged };
    let mut settings = Vec::new();
    search.collect(merged, &mut Vec::new(), &mut settings);
    settings
}

struct Search<'a> {
    original: &'a Chart,
    chart: &'a Selected,
    given: &'a [&'a Json],
    merged: &'a Json,
}

impl Search<'_> {
    fn collect(&self, value: &Json, path: &mut Vec<String>, settings: &mut Vec<Setting>) {
        match value {
            Json::Object(members) if !members.is_empty() => {
                for (name, member) in members {
                    path.push(name.clone());
                    self.collect(member, path, settings);
                    path.pop();
                }
            }
            // The root itself, and the globals that every subchart has.
            Json::Object(_) if path.last().is_none_or(|name| name == GLOBAL) => {}
            _ => settings.push(Setting { path: path.clone(), value: value.clone(), origin: self.origin(path) }),
        }
    }

    fn origin(&self, path: &[String]) -> Origin {
        if let Some(above) = self.parents_global(path) {
            let origin = Box::new(self.origin(&above));
            return Origin::Global(above, origin);
        }
        let given = self.given.iter().rposition(|layer| at(layer, path).is_some());
        given.map(Origin::Given).or_else(|| self.default(path)).unwrap_or(Origin::Merged)
    }

    /// The path of the same global one chart further up, where that has it.
    fn parents_global(&self, path: &[String]) -> Option<Vec<String>> {
        let depth = self.charts(path).len() - 1;
        let (charts, rest) = path.split_at_checked(depth)?;
        let (_, parents) = charts.split_last()?;
        let above: Vec<String> = parents.iter().chain(rest).cloned().collect();
        (rest.first().is_some_and(|name| name == GLOBAL) && at(self.merged, &above).is_some()).then_some(above)
    }

    /// The first of the charts on the way, from the root on, that has the value by default.
    fn default(&self, path: &[String]) -> Option<Origin> {
        let charts = self.charts(path);
        let place = |depth: usize| {
            let names = charts[..=depth].iter().map(|chart| chart.name());
            names.collect::<Vec<_>>().join("/charts/")
        };
        if at(&self.original.values, path).is_some() {
            return Some(Origin::Defaults(place(0)));
        }
        let below = charts.iter().enumerate().skip(1);
        let mut holders = below.filter(|(depth, chart)| at(&chart.chart.values, &path[*depth..]).is_some());
        if let Some((depth, _)) = holders.next() {
            return Some(Origin::Defaults(place(depth)));
        }
        let json = |chart: &Selected| Json::from(&crate::value::Value::Map(chart.values.clone()));
        let importer = charts.iter().enumerate().find(|(depth, chart)| at(&json(chart), &path[*depth..]).is_some());
        importer.map(|(depth, _)| Origin::Imported(place(depth)))
    }

    /// The charts that a path leads through, the root first.
    fn charts(&self, path: &[String]) -> Vec<&Selected> {
        let mut charts = vec![self.chart];
        for name in path {
            let last = charts[charts.len() - 1];
            match last.dependencies.iter().find(|child| child.name() == name) {
                Some(child) => charts.push(child),
                None => break,
            }
        }
        charts
    }
}

fn at<'a>(values: &'a Json, path: &[String]) -> Option<&'a Json> {
    path.iter().try_fold(values, |value, name| value.get(name))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::dependencies::tests::{chart, complete};
    use super::super::values::{Nulls, coalesce};
    use super::*;
    use crate::value::{Map, Value};

    fn told(chart: &Chart, given: &[Json]) -> Vec<String> {
        let mut merged = serde_json::Map::new();
        for layer in given {
            crate::chart::merge_maps(&mut merged, layer.as_object().cloned().unwrap_or_default());
        }
        let Value::Map(user) = Value::from(&Json::Object(merged)) else { panic!("a map") };
        let selected = complete(chart);
        let values: Map = coalesce(&selected, &user, Nulls::Delete).expect("values");
        let layers: Vec<&Json> = given.iter().collect();
        let all = settings(chart, &selected, &layers, &Json::from(&Value::Map(values)));
        let text = |setting: Setting| {
            let origin = match setting.origin {
                Origin::Given(number) => format!("given {number}"),
                Origin::Defaults(chart) => chart,
                Origin::Global(path, origin) => format!("{} of {origin:?}", path.join(".")),
                other => format!("{other:?}"),
            };
            format!("{}={} {origin}", setting.path.join("."), setting.value)
        };
        all.into_iter().map(text).collect()
    }

    #[test]
    fn each_value_is_of_the_first_layer_that_has_it() {
        let child = chart("db", json!({"port": 1.0, "user": "u", "list": ["x"], "global": {"own": 1.0}}), Vec::new());
        let parent = chart("web", json!({"a": 1.0, "b": {"c": 1.0, "d": 2.0}, "db": {"user": "w"}}), vec![child]);
        let given = [json!({"b": {"c": 3.0}, "a": 5.0}), json!({"a": 6.0, "empty": {}})];
        let expected = [
            "a=6.0 given 1",
            "b.c=3.0 given 0",
            "b.d=2.0 web",
            "db.global.own=1.0 web/charts/db",
            "db.list=[\"x\"] web/charts/db",
            "db.port=1.0 web/charts/db",
            "db.user=\"w\" web",
            "empty={} given 1",
        ];
        assert_eq!(told(&parent, &given), expected);
    }

    #[test]
    fn a_global_of_the_parent_is_told_where_it_was_set() {
        let child = chart("db", json!({"global": {"zone": "child"}}), Vec::new());
        let parent = chart("web", json!({"global": {"zone": "parent"}}), vec![child]);
        let found = told(&parent, &[json!({"global": {"host": "x"}})]);
        let expected = [
            "db.global.host=\"x\" global.host of Given(0)",
            "db.global.zone=\"parent\" global.zone of Defaults(\"web\")",
            "global.host=\"x\" given 0",
            "global.zone=\"parent\" web",
        ];
        assert_eq!(found, expected);
    }

    #[test]
    fn what_was_given_as_null_is_gone() {
        let parent = chart("web", json!({"a": 1.0, "b": 2.0}), Vec::new());
        assert_eq!(told(&parent, &[json!({"a": null})]), ["b=2.0 web"]);
    }
}
