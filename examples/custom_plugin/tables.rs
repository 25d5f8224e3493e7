//! A capability of one's own: components look up rows in the CSV files of a folder.
//!
//! A workload's entry for `example:tables` has the settings `folder` (needed), `tables` (names with
//! commas between them; without it, every file `NAME.csv` of the folder) and `max-rows` (how many rows
//! one instance may take; 1000).

use std::collections::{BTreeSet, HashMap};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::SystemTime;

use wash::embed::{Error, Guest, HostPlugin, PluginView, PluginViews, Result, WitWorld, WorkloadItem};
use wash::wasmtime;
use wash::wasmtime::component::{Linker, Resource};

mod bindings {
    wash::wasmtime::component::bindgen!({
        path: "examples/custom_plugin/wit",
        world: "example:tables/reader",
        imports: { default: async | trappable },
        with: {
            "example:tables/tables.table": super::Table,
            "example:tables/tables.rows": super::Rows,
        },
        require_store_data_send: true,
        wasmtime_crate: wash::wasmtime,
    });
}

use bindings::example::tables::tables;

const WIT: &str = include_str!("wit/tables.wit");
/// How many rows an instance may take unless its workload says it.
const MAX_ROWS: u32 = 1000;

/// The plugin. What it knows, it knows of a component: there is nothing that workloads share.
#[derive(Default)]
pub struct Tables;

/// What one component may open, and what has been read for it.
pub struct Granted {
    folder: PathBuf,
    names: Option<BTreeSet<String>>,
    max_rows: u32,
    read: Mutex<HashMap<String, (SystemTime, Arc<Content>)>>,
}

/// What one instance has left.
pub struct Allowance {
    granted: Arc<Granted>,
    rows: u32,
}

/// A table that an instance has opened.
pub struct Table(Arc<Content>);

/// Rows that an instance has found.
pub struct Rows {
    content: Arc<Content>,
    found: std::vec::IntoIter<usize>,
}

struct Content {
    columns: Vec<String>,
    rows: Vec<Vec<String>>,
}

impl HostPlugin for Tables {
    type ForComponent = Granted;
    type ForStore = Allowance;

    fn id(&self) -> &'static str {
        "tables"
    }

    fn world(&self) -> Result<WitWorld> {
        WitWorld::parse(&[("tables.wit", WIT)], "example:tables/reader")
    }

    fn link(&self, linker: &mut Linker<Guest>) -> wasmtime::Result<()> {
        tables::add_to_linker::<_, PluginViews<Self>>(linker, Guest::plugin::<Self>)
    }

    async fn on_workload_item_bind(&self, item: &WorkloadItem<'_>) -> Result<Granted> {
        item.check_settings(&["folder", "tables", "max-rows"])?;
        let folder = item.setting("folder", |folder| Ok(PathBuf::from(folder)))?.ok_or_else(|| {
            Error::usage(format!("the component `{}` has no tables", item.component().name))
                .hint("give the workload an entry for `example:tables` with the setting `folder`")
        })?;
        if !tokio::fs::metadata(&folder).await.is_ok_and(|folder| folder.is_dir()) {
            return Err(Error::failed(format!("the folder of tables `{}` does not exist", folder.display()))
                .hint("correct the setting `folder` of `example:tables`"));
        }
        let names = item.setting("tables", |names| {
            names
                .split(',')
                .map(str::trim)
                .map(|name| is_name(name).then(|| name.to_string()))
                .collect::<Option<_>>()
                .ok_or_else(|| "write names with commas between them".to_string())
        })?;
        let number = |text: &str| text.parse().map_err(|_| "it is not a number".to_string());
        let max_rows = item.setting("max-rows", number)?.unwrap_or(MAX_ROWS);
        Ok(Granted { folder, names, max_rows, read: Mutex::default() })
    }

    fn for_store(&self, granted: &Arc<Granted>) -> Allowance {
        Allowance { granted: granted.clone(), rows: granted.max_rows }
    }
}

impl tables::Host for PluginView<'_, Tables> {
    async fn open(&mut self, name: String) -> wasmtime::Result<Result<Resource<Table>, tables::Error>> {
        Ok(match self.state.granted.open(&name).await {
            Ok(content) => Ok(self.table.push(Table(content))?),
            Err(error) => Err(error),
        })
    }
}

impl tables::HostTable for PluginView<'_, Tables> {
    async fn columns(&mut self, table: Resource<Table>) -> wasmtime::Result<Vec<String>> {
        Ok(self.table.get(&table)?.0.columns.clone())
    }

    async fn find(
        &mut self,
        table: Resource<Table>,
        column: String,
        value: String,
    ) -> wasmtime::Result<Result<Resource<Rows>, tables::Error>> {
        let content = self.table.get(&table)?.0.clone();
        let Some(place) = content.columns.iter().position(|name| *name == column) else {
            return Ok(Err(tables::Error::NoSuchColumn(column)));
        };
        let has_value = |row: &usize| content.rows[*row].get(place) == Some(&value);
        let found: Vec<usize> = (0..content.rows.len()).filter(has_value).collect();
        Ok(Ok(self.table.push(Rows { content, found: found.into_iter() })?))
    }

    async fn drop(&mut self, table: Resource<Table>) -> wasmtime::Result<()> {
        self.table.delete(table)?;
        Ok(())
    }
}

impl tables::HostRows for PluginView<'_, Tables> {
    async fn next(
        &mut self,
        rows: Resource<Rows>,
        count: u32,
    ) -> wasmtime::Result<Result<Vec<Vec<String>>, tables::Error>> {
        let rows = self.table.get_mut(&rows)?;
        let wanted = u32::try_from(rows.found.len()).unwrap_or(u32::MAX).min(count);
        let Some(left) = self.state.rows.checked_sub(wanted) else {
            return Ok(Err(tables::Error::TooManyRows(self.state.granted.max_rows)));
        };
        self.state.rows = left;
        let taken = rows.found.by_ref().take(wanted as usize);
        Ok(Ok(taken.map(|row| rows.content.rows[row].clone()).collect()))
    }

    async fn drop(&mut self, rows: Resource<Rows>) -> wasmtime::Result<()> {
        self.table.delete(rows)?;
        Ok(())
    }
}

impl Granted {
    /// Reads a table, unless it was read before and has not changed.
    async fn open(&self, name: &str) -> Result<Arc<Content>, tables::Error> {
        let granted = self.names.as_ref().is_none_or(|names| names.contains(name));
        // A name that is one leads to no other folder.
        if !granted || !is_name(name) {
            return Err(tables::Error::NoSuchTable);
        }
        let path = self.folder.join(format!("{name}.csv"));
        let changed = match tokio::fs::metadata(&path).await.and_then(|file| file.modified()) {
            Ok(changed) => changed,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Err(tables::Error::NoSuchTable),
            Err(error) => return Err(tables::Error::Unreadable(error.to_string())),
        };
        let known = self.read.lock().unwrap_or_else(PoisonError::into_inner).get(name).cloned();
        if let Some((_, content)) = known.filter(|(then, _)| *then == changed) {
            return Ok(content);
        }
        let text = tokio::fs::read_to_string(&path).await;
        let text = text.map_err(|error| tables::Error::Unreadable(error.to_string()))?;
        let mut rows = parse(&text);
        let columns = if rows.is_empty() { Vec::new() } else { rows.remove(0) };
        let content = Arc::new(Content { columns, rows });
        self.read.lock().unwrap_or_else(PoisonError::into_inner).insert(name.to_string(), (changed, content.clone()));
        Ok(content)
    }
}

fn is_name(name: &str) -> bool {
    !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte))
}

/// Rows of fields with commas between them; a field in quotes may have commas, line breaks and quotes
/// written twice.
fn parse(text: &str) -> Vec<Vec<String>> {
    let (mut rows, mut row, mut field, mut quoted) = (Vec::new(), Vec::new(), String::new(), false);
    let mut letters = text.chars().peekable();
    while let Some(letter) = letters.next() {
        match letter {
            '"' if quoted && letters.peek() == Some(&'"') => {
                letters.next();
                field.push('"');
            }
            '"' => quoted = !quoted,
            ',' if !quoted => row.push(std::mem::take(&mut field)),
            '\r' if !quoted && letters.peek() == Some(&'\n') => {}
            '\n' if !quoted => {
                row.push(std::mem::take(&mut field));
                rows.push(std::mem::take(&mut row));
            }
            letter => field.push(letter),
        }
    }
    if !field.is_empty() || !row.is_empty() {
        row.push(field);
        rows.push(row);
    }
    rows
}
