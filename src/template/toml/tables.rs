//! The tables that a TOML text fills, and the library's rules for what may be defined twice (`toml/parse.go`).

use std::collections::{BTreeMap, HashMap, HashSet};

use crate::value::{ElementType, List, Map, Str, Value};

/// A position in the list of tables.
pub type TableId = usize;

/// What a key holds.
#[derive(Clone, Debug)]
pub enum Entry {
    Value(Value),
    Table(TableId),
    /// An array of tables.
    Tables(Vec<TableId>),
    /// An ordinary array.
    Array(Vec<Entry>),
}

/// The tables so far, and what is known of each key.
pub struct Tables {
    tables: Vec<BTreeMap<String, Entry>>,
    /// Keys, as dotted paths, that hold ordinary arrays.
    arrays: HashMap<String, bool>,
    /// Keys that were only defined as a part of others.
    implicit: HashSet<String>,
}

/// The root.
pub const ROOT: TableId = 0;

impl Tables {
    pub fn new() -> Self {
        Self { tables: vec![BTreeMap::new()], arrays: HashMap::new(), implicit: HashSet::new() }
    }

    pub fn add(&mut self) -> TableId {
        self.tables.push(BTreeMap::new());
        self.tables.len() - 1
    }

    pub fn add_implicit(&mut self, path: &[String]) {
        self.implicit.insert(dotted(path));
    }

    /// Notes whether a key holds an ordinary array.
    pub fn set_is_array(&mut self, path: &[String], is_array: bool) {
        let path = if path.is_empty() { "\"\"".to_owned() } else { dotted(path) };
        self.arrays.insert(path, is_array);
    }

    /// The table that a key of a table leads to, the last one of an array of tables.
    fn descend(&self, table: TableId, key: &str) -> Option<TableId> {
        match self.tables[table].get(key)? {
            Entry::Table(inner) => Some(*inner),
            Entry::Tables(inner) => inner.last().copied(),
            Entry::Value(_) | Entry::Array(_) => None,
        }
    }

    /// The table that a path leads to; the tables on the way come to be.
    pub fn enter(&mut self, path: &[String]) -> Result<TableId, String> {
        let mut table = ROOT;
        for (depth, key) in path.iter().enumerate() {
            let way = &path[..=depth];
            if !self.tables[table].contains_key(key) {
                self.add_implicit(way);
                let inner = self.add();
                self.tables[table].insert(key.clone(), Entry::Table(inner));
            }
            table = self
                .descend(table, key)
                .ok_or_else(|| format!("Key '{}' was already created as a hash.", dotted(way)))?;
        }
        Ok(table)
    }

    /// Appends a table to the array of tables that a path names.
    pub fn append(&mut self, parent: TableId, path: &[String]) -> Result<(), String> {
        let Some(last) = path.last() else { return Ok(()) };
        let inner = self.add();
        match self.tables[parent].entry(last.clone()).or_insert_with(|| Entry::Tables(Vec::new())) {
            Entry::Tables(tables) => {
                tables.push(inner);
                Ok(())
            }
            _ => Err(format!("Key '{}' was already created and cannot be used as an array.", dotted(path))),
        }
    }

    /// Sets the key at a path. What was only implicit may be defined once more.
    pub fn set(&mut self, path: &[String], entry: Entry) -> Result<(), String> {
        let Some((last, parents)) = path.split_last() else { return Ok(()) };
        let mut table = ROOT;
        for (depth, key) in parents.iter().enumerate() {
            table = self
                .descend(table, key)
                .ok_or_else(|| format!("Key '{}' has already been defined.", dotted(&path[..=depth])))?;
        }
        let name = dotted(path);
        if !self.tables[table].contains_key(last) {
            self.tables[table].insert(last.clone(), entry);
            return Ok(());
        }
        if !self.implicit.remove(&name) {
            return Err(format!("Key '{name}' has already been defined."));
        }
        if self.arrays.get(&name) == Some(&true) {
            self.tables[table].insert(last.clone(), entry);
        }
        Ok(())
    }

    /// Sets a key of one table, below the tables of a path that come to be. False where something else is in the way.
    pub fn set_within(&mut self, table: TableId, path: &[String], key: &str, entry: Entry) -> bool {
        let mut table = table;
        for part in path {
            if !self.tables[table].contains_key(part) {
                let inner = self.add();
                self.tables[table].insert(part.clone(), Entry::Table(inner));
            }
            match self.tables[table].get(part) {
                Some(Entry::Table(inner)) => table = *inner,
                _ => return false,
            }
        }
        self.tables[table].insert(key.to_owned(), entry);
        true
    }

    /// A table as a value.
    pub fn map(&self, table: TableId) -> Map {
        self.tables[table].iter().map(|(key, entry)| (Str::from(key.as_str()), self.value(entry))).collect()
    }

    fn value(&self, entry: &Entry) -> Value {
        match entry {
            Entry::Value(value) => value.clone(),
            Entry::Table(table) => Value::Map(self.map(*table)),
            Entry::Tables(tables) => {
                let tables = tables.iter().map(|table| Value::Map(self.map(*table)));
                Value::List(List::of(ElementType::Map, tables))
            }
            Entry::Array(items) => Value::List(List::new(items.iter().map(|item| self.value(item)))),
        }
    }
}

/// A path with dots, its parts quoted where they must be.
pub fn dotted(path: &[String]) -> String {
    let parts: Vec<_> = path.iter().map(|part| super::writer::quoted_key(part)).collect();
    parts.join(".")
}
