//! The values that a command gives: files, a ConfigMap, and `--set`.

use std::path::PathBuf;

use clap::Args;
use k8s_openapi::api::core::v1::ConfigMap;
use kube::Api;
use serde_json::json;

use super::Error;
use super::session::Session;
use crate::api::helm_request::KeyReference;
use crate::chart::set::{self, Form};
use crate::chart::{load_values, merge_maps};
use crate::cluster::ApiError;
use crate::cluster::object::with_integers;
use crate::value::Json;

type Map = serde_json::Map<String, Json>;

/// The flags for values.
#[derive(Clone, Debug, Default, Args)]
pub struct ValuesArguments {
    /// A value, such as key1=val1,key2=val2. May be given several times
    #[arg(short, long, value_name = "EXPRESSION", allow_hyphen_values = true)]
    pub set: Vec<String>,
    /// A value that is always text, such as key1=val1. May be given several times
    #[arg(long, value_name = "EXPRESSION", allow_hyphen_values = true)]
    pub set_string: Vec<String>,
    /// A values file, which --set wins over. May be given several times, the last wins
    #[arg(short = 'f', long, value_name = "FILE")]
    pub values: Vec<PathBuf>,
    /// A ConfigMap of the namespace that has a values file under the key values.yaml; spec.valuesFrom names it from now
    /// on
    #[arg(long, value_name = "NAME")]
    pub configmap: Option<String>,
}

impl ValuesArguments {
    /// The values with what the flags say over them; nothing where neither says anything.
    ///
    /// # Errors
    /// A file cannot be read, an expression cannot be followed.
    pub fn over(&self, values: Option<&Json>) -> Result<Option<Json>, Error> {
        let mut merged: Map = values.and_then(Json::as_object).cloned().unwrap_or_default();
        for path in &self.values {
            let unreadable = |cause: String| Error::Usage(format!("values file {}: {cause}", path.display()));
            let content = std::fs::read(path).map_err(|error| unreadable(error.to_string()))?;
            if let Json::Object(given) = load_values(&content).map_err(unreadable)? {
                merge_maps(&mut merged, given);
            }
        }
        for (flag, form, expressions) in
            [("--set", Form::Typed, &self.set), ("--set-string", Form::Text, &self.set_string)]
        {
            for expression in expressions {
                let applied = set::apply(expression, form, &mut merged);
                applied.map_err(|cause| Error::Usage(format!("{flag} {expression:?}: {cause}")))?;
            }
        }
        let said = values.is_some() || !merged.is_empty();
        Ok(said.then(|| with_integers(Json::Object(merged))))
    }

    /// Whether the ConfigMap is there.
    ///
    /// # Errors
    /// It is not.
    pub async fn check(&self, session: &Session) -> Result<(), Error> {
        let Some(name) = &self.configmap else { return Ok(()) };
        let api: Api<ConfigMap> = Api::namespaced(session.cluster.client(), &session.namespace);
        match api.get_metadata_opt(name).await.map_err(ApiError::from) {
            Ok(Some(_)) => Ok(()),
            Ok(None) => Err(Error::Absent {
                kind: "ConfigMap",
                name: name.clone(),
                namespace: session.namespace.clone(),
                hint: format!("create it: kubectl create configmap {name} --from-file=values.yaml"),
            }),
            Err(error) => Err(Error::api(format!("get ConfigMap {name:?}"), "ConfigMap", error)),
        }
    }

    /// Writes the values into the spec of a request. A ConfigMap takes the place of those that were named before;
    /// Secrets stay.
    ///
    /// # Errors
    /// As [`Self::over`].
    pub fn write_into(&self, spec: &mut Json) -> Result<(), Error> {
        if let Some(values) = self.over(spec.get("values"))? {
            spec["values"] = values;
        }
        if let Some(name) = &self.configmap {
            let reference = KeyReference { name: name.clone(), key: Some("values.yaml".to_owned()), optional: false };
            let others = spec.get("valuesFrom").and_then(Json::as_array).into_iter().flatten();
            let kept = others.filter(|source| source.get("configMapKeyRef").is_none_or(Json::is_null)).cloned();
            spec["valuesFrom"] = std::iter::once(json!({"configMapKeyRef": reference})).chain(kept).collect();
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn arguments(set: &[&str]) -> ValuesArguments {
        ValuesArguments { set: set.iter().map(|&text| text.to_owned()).collect(), ..Default::default() }
    }

    #[test]
    fn set_changes_what_it_names_and_keeps_the_rest() -> Result<(), Error> {
        let mut spec = json!({"values": {"a": {"b": 1}, "c": "x"}});
        arguments(&["a.d=2,c=null", "e=true"]).write_into(&mut spec)?;
        assert_eq!(spec["values"], json!({"a": {"b": 1, "d": 2}, "c": null, "e": true}));
        let mut untouched = json!({"chart": "a/b"});
        arguments(&[]).write_into(&mut untouched)?;
        assert_eq!(untouched, json!({"chart": "a/b"}));
        Ok(())
    }

    #[test]
    fn a_config_map_takes_the_place_of_others_and_secrets_stay() -> Result<(), Error> {
        let secret = json!({"secretKeyRef": {"name": "login"}});
        let mut spec = json!({"valuesFrom": [{"configMapKeyRef": {"name": "old"}}, secret]});
        ValuesArguments { configmap: Some("new".into()), ..Default::default() }.write_into(&mut spec)?;
        let named = json!({"configMapKeyRef": {"name": "new", "key": "values.yaml"}});
        assert_eq!(spec["valuesFrom"], json!([named, secret]));
        Ok(())
    }

    #[test]
    fn an_expression_that_cannot_be_followed_is_named() {
        let error = arguments(&["a"]).over(None).expect_err("no value");
        assert!(error.to_string().starts_with("--set \"a\": "), "{error}");
    }
}
