//! Calls of any function that a component exports, with arguments and results as text.
//!
//! The text is WAVE, the notation of values of the component model: `greet("hello", [1, 2])`. Types come from the
//! component itself. What belongs to an instance (resources, streams) has no text, and functions with such cannot
//! be called like this.

use std::sync::Arc;
use std::time::{Duration, Instant};

use serde_json::{Value as Json, json};
use wasm_wave::untyped::UntypedFuncCall;
use wasm_wave::value::{Type as WaveType, Value};
use wasm_wave::wasm::WasmValue;
use wasmtime::component::types::{ComponentFunc, ComponentItem, Type};
use wasmtime::component::{Component as Compiled, Val};

use super::capability::Capabilities;
use super::cpu;
use super::engine::Engine;
use super::fault;
use super::observer::{CallId, Fault};
use super::prepare::Prepared;
use super::stdio::CallOutput;

/// The longest text of a call, in bytes.
pub const LONGEST_CALL: usize = 1 << 20;

/// A function that a component exports.
#[derive(Clone, Debug)]
pub struct Function {
    /// The interface that it belongs to; none for a function of the world itself.
    pub interface: Option<String>,
    /// What it is called there.
    pub name: String,
    /// Names and types of its parameters.
    pub params: Vec<(String, String)>,
    /// The type of its result.
    pub result: Option<String>,
    /// An example of each argument.
    pub examples: Vec<String>,
    /// Why it cannot be called with text.
    pub refusal: Option<String>,
}

impl Function {
    /// `interface#name`, or the name alone.
    pub fn full_name(&self) -> String {
        match &self.interface {
            Some(interface) => format!("{interface}#{}", self.name),
            None => self.name.clone(),
        }
    }

    /// As WIT writes it: `add: func(a: u32, b: u32) -> u32`.
    pub fn signature(&self) -> String {
        let params: Vec<String> = self.params.iter().map(|(name, kind)| format!("{name}: {kind}")).collect();
        let result = self.result.as_ref().map(|kind| format!(" -> {kind}")).unwrap_or_default();
        format!("{}: func({}){result}", self.name, params.join(", "))
    }
}

/// What a call gave.
#[derive(Clone, Debug)]
pub struct Invoked {
    /// Which call it was.
    pub call: CallId,
    /// In WAVE; `None` where the function has no result.
    pub text: Option<String>,
    /// The same for programs.
    pub json: Json,
    /// With the instance that was made for it.
    pub time: Duration,
}

/// Why a call gave nothing.
#[derive(Debug)]
pub enum NotInvoked {
    /// The arguments are not those of the function.
    Arguments(String),
    /// It cannot be called with text.
    Refused(String),
    /// Too many calls are in flight.
    Busy,
    /// It failed.
    Failed(Arc<Fault>),
}

/// What a component exports, in its order.
pub fn functions<C: Capabilities>(component: &Prepared<C>) -> Vec<Function> {
    let (engine, compiled) = (component.engine(), component.pre().component());
    exports(engine, compiled).into_iter().map(|(interface, name, kind)| describe(interface, name, &kind)).collect()
}

fn exports(engine: &Engine, compiled: &Compiled) -> Vec<(Option<String>, String, ComponentFunc)> {
    let mut found = Vec::new();
    for (name, export) in compiled.component_type().exports(engine.wasmtime()) {
        match export.ty {
            ComponentItem::ComponentFunc(function) => found.push((None, name.to_string(), function)),
            ComponentItem::ComponentInstance(instance) => {
                for (function, export) in instance.exports(engine.wasmtime()) {
                    if let ComponentItem::ComponentFunc(kind) = export.ty {
                        found.push((Some(name.to_string()), function.to_string(), kind));
                    }
                }
            }
            _ => {}
        }
    }
    found
}

fn describe(interface: Option<String>, name: String, kind: &ComponentFunc) -> Function {
    let mut refusal = None;
    let mut text = |kind: &Type| match wave_type(kind) {
        Ok(kind) => kind.to_string(),
        Err(what) => {
            refusal.get_or_insert_with(|| format!("it passes {what}, for which there is no text"));
            what.split_once(' ').map_or(what, |(_, noun)| noun).to_string()
        }
    };
    let params: Vec<(String, String)> = kind.params().map(|(name, kind)| (name.to_string(), text(&kind))).collect();
    let result = kind.results().next().map(|kind| text(&kind));
    let examples = kind.params().map(|(_, kind)| example(&kind, 0)).collect();
    Function { interface, name, params, result, examples, refusal }
}

/// The same type for the text; `Err` names what has none.
fn wave_type(kind: &Type) -> Result<WaveType, &'static str> {
    let option = |kind: Option<Type>| kind.map(|kind| wave_type(&kind)).transpose();
    Ok(match kind {
        Type::Bool => WaveType::BOOL,
        Type::S8 => WaveType::S8,
        Type::U8 => WaveType::U8,
        Type::S16 => WaveType::S16,
        Type::U16 => WaveType::U16,
        Type::S32 => WaveType::S32,
        Type::U32 => WaveType::U32,
        Type::S64 => WaveType::S64,
        Type::U64 => WaveType::U64,
        Type::Float32 => WaveType::F32,
        Type::Float64 => WaveType::F64,
        Type::Char => WaveType::CHAR,
        Type::String => WaveType::STRING,
        Type::List(list) => WaveType::list(wave_type(&list.ty())?),
        Type::Record(record) => {
            let fields = record.fields().map(|field| Ok::<_, &str>((field.name.to_string(), wave_type(&field.ty)?)));
            WaveType::record(fields.collect::<Result<Vec<_>, _>>()?).ok_or("an empty record")?
        }
        Type::Tuple(tuple) => {
            let types = tuple.types().map(|kind| wave_type(&kind)).collect::<Result<Vec<_>, _>>()?;
            WaveType::tuple(types).ok_or("an empty tuple")?
        }
        Type::Variant(variant) => {
            let cases = variant.cases().map(|case| Ok::<_, &str>((case.name.to_string(), option(case.ty)?)));
            WaveType::variant(cases.collect::<Result<Vec<_>, _>>()?).ok_or("an empty variant")?
        }
        Type::Enum(names) => {
            WaveType::enum_ty(names.names().map(String::from).collect::<Vec<_>>()).ok_or("an empty enum")?
        }
        Type::Option(option) => WaveType::option(wave_type(&option.ty())?),
        Type::Result(result) => WaveType::result(option(result.ok())?, option(result.err())?),
        Type::Flags(flags) => {
            WaveType::flags(flags.names().map(String::from).collect::<Vec<_>>()).ok_or("empty flags")?
        }
        Type::Own(_) | Type::Borrow(_) => return Err("a resource"),
        Type::Future(_) => return Err("a future"),
        Type::Stream(_) => return Err("a stream"),
        Type::ErrorContext => return Err("an error-context"),
        Type::Map(_) => return Err("a map"),
        Type::FixedLengthList(_) => return Err("a fixed-length list"),
    })
}

/// A value of the type that somebody can begin with.
fn example(kind: &Type, depth: usize) -> String {
    if depth > 8 {
        return "…".into();
    }
    let of = |kind: Option<Type>| kind.map(|kind| format!("({})", example(&kind, depth + 1))).unwrap_or_default();
    match kind {
        Type::Bool => "false".into(),
        Type::Float32 | Type::Float64 => "0.0".into(),
        Type::Char => "'a'".into(),
        Type::String => "\"\"".into(),
        Type::List(_) => "[]".into(),
        Type::Record(record) => {
            let fields = record.fields();
            let fields: Vec<String> =
                fields.map(|field| format!("{}: {}", field.name, example(&field.ty, depth + 1))).collect();
            format!("{{{}}}", fields.join(", "))
        }
        Type::Tuple(tuple) => {
            let parts: Vec<String> = tuple.types().map(|kind| example(&kind, depth + 1)).collect();
            format!("({})", parts.join(", "))
        }
        Type::Variant(variant) => {
            let case = variant.cases().next();
            case.map(|case| format!("{}{}", label(case.name), of(case.ty))).unwrap_or_default()
        }
        Type::Enum(names) => names.names().next().map(label).unwrap_or_default(),
        Type::Option(_) => "none".into(),
        Type::Result(result) => format!("ok{}", of(result.ok())),
        Type::Flags(_) => "{}".into(),
        _ => "0".into(),
    }
}

/// Calls a function in an instance of its own. `arguments` are WAVE, with commas between them.
pub async fn invoke<C: Capabilities>(
    component: &Prepared<C>,
    function: &Function,
    arguments: &str,
) -> Result<Invoked, NotInvoked> {
    if let Some(refusal) = &function.refusal {
        return Err(NotInvoked::Refused(refusal.clone()));
    }
    if arguments.len() > LONGEST_CALL {
        return Err(NotInvoked::Arguments(format!("they are longer than {} KiB", LONGEST_CALL >> 10)));
    }
    let found = exports(component.engine(), component.pre().component());
    let same = |(interface, name, _): &&(Option<String>, String, ComponentFunc)| {
        *interface == function.interface && *name == function.name
    };
    let Some((_, _, kind)) = found.iter().find(same) else {
        return Err(NotInvoked::Refused("it is not there any more".into()));
    };
    let values = values(kind, arguments).map_err(NotInvoked::Arguments)?;
    let limit = component.limits.request_time;
    let permit = tokio::time::timeout(component.limits.queue_time, component.calls.acquire()).await;
    let Ok(Ok(_permit)) = permit else { return Err(NotInvoked::Busy) };
    let (output, call) = (component.output(), CallId::next(None));
    output.serve(call);
    let begun = Instant::now();
    let mut results = vec![Val::Bool(false); kind.results().len()];
    let work = cpu::held(component.cpu(), Box::pin(run(component, function, &output, &values, &mut results)));
    let error = match tokio::time::timeout(limit, work).await {
        Ok(Ok(())) => {
            output.finish();
            let result = results.first();
            let text = result.map(|value| {
                let mut text = String::new();
                write_wave(value, &mut text);
                text
            });
            return Ok(Invoked { call, text, json: result.map_or(Json::Null, to_json), time: begun.elapsed() });
        }
        Ok(Err(error)) => error,
        Err(_) => wasmtime::Error::msg(format!("no end within {} seconds", limit.as_secs_f64())),
    };
    let fault = fault::describe(&component.name, format!("call of {}", function.full_name()), &error, output.finish());
    component.observer().fault(fault.clone());
    Err(NotInvoked::Failed(fault))
}

async fn run<C: Capabilities>(
    component: &Prepared<C>,
    function: &Function,
    output: &Arc<CallOutput>,
    arguments: &[Val],
    results: &mut [Val],
) -> wasmtime::Result<()> {
    let mut store = component.store(output)?;
    let instance = component.pre().instantiate_async(&mut store).await?;
    let missing = || wasmtime::Error::msg(format!("it does not export `{}`", function.full_name()));
    let interface = match &function.interface {
        Some(interface) => Some(instance.get_export_index(&mut store, None, interface).ok_or_else(missing)?),
        None => None,
    };
    let index = instance.get_export_index(&mut store, interface.as_ref(), &function.name).ok_or_else(missing)?;
    let function = instance.get_func(&mut store, index).ok_or_else(missing)?;
    function.call_async(&mut store, arguments, results).await
}

/// Reads the arguments of a function.
fn values(kind: &ComponentFunc, arguments: &str) -> Result<Vec<Val>, String> {
    let kinds: Vec<Type> = kind.params().map(|(_, kind)| kind).collect();
    let types = kinds.iter().map(wave_type).collect::<Result<Vec<_>, _>>()?;
    let text = format!("f({arguments})");
    let call = UntypedFuncCall::parse(&text).map_err(|error| reason(&error.to_string()))?;
    let values: Vec<Value> = call.to_wasm_params(types.iter()).map_err(|error| reason(&error.to_string()))?;
    Ok(values.iter().zip(&kinds).map(|(value, kind)| to_val(value, kind)).collect())
}

/// Places in an error count from the begin of a text that nobody has typed.
fn reason(error: &str) -> String {
    error.split(" at ").next().unwrap_or(error).trim().to_string()
}

/// A value that was read with the type, for the engine.
fn to_val(value: &Value, kind: &Type) -> Val {
    let boxed = |value: Option<std::borrow::Cow<'_, Value>>, kind: Option<Type>| {
        value.zip(kind).map(|(value, kind)| Box::new(to_val(&value, &kind)))
    };
    match kind {
        Type::Bool => Val::Bool(value.unwrap_bool()),
        Type::S8 => Val::S8(value.unwrap_s8()),
        Type::U8 => Val::U8(value.unwrap_u8()),
        Type::S16 => Val::S16(value.unwrap_s16()),
        Type::U16 => Val::U16(value.unwrap_u16()),
        Type::S32 => Val::S32(value.unwrap_s32()),
        Type::U32 => Val::U32(value.unwrap_u32()),
        Type::S64 => Val::S64(value.unwrap_s64()),
        Type::U64 => Val::U64(value.unwrap_u64()),
        Type::Float32 => Val::Float32(value.unwrap_f32()),
        Type::Float64 => Val::Float64(value.unwrap_f64()),
        Type::Char => Val::Char(value.unwrap_char()),
        Type::List(list) => Val::List(value.unwrap_list().map(|item| to_val(&item, &list.ty())).collect()),
        Type::Record(record) => {
            let fields = record.fields().zip(value.unwrap_record());
            Val::Record(fields.map(|(field, (_, value))| (field.name.to_string(), to_val(&value, &field.ty))).collect())
        }
        Type::Tuple(tuple) => {
            Val::Tuple(tuple.types().zip(value.unwrap_tuple()).map(|(kind, value)| to_val(&value, &kind)).collect())
        }
        Type::Variant(variant) => {
            let (name, payload) = value.unwrap_variant();
            let kind = variant.cases().find(|case| case.name == name).and_then(|case| case.ty);
            Val::Variant(name.to_string(), boxed(payload, kind))
        }
        Type::Enum(_) => Val::Enum(value.unwrap_enum().to_string()),
        Type::Option(option) => Val::Option(boxed(value.unwrap_option(), Some(option.ty()))),
        Type::Result(result) => Val::Result(match value.unwrap_result() {
            Ok(value) => Ok(boxed(value, result.ok())),
            Err(value) => Err(boxed(value, result.err())),
        }),
        Type::Flags(_) => Val::Flags(value.unwrap_flags().map(|name| name.to_string()).collect()),
        // `wave_type` has refused all others.
        _ => Val::String(value.unwrap_string().to_string()),
    }
}

/// A name that would be a keyword of the text otherwise.
fn label(name: &str) -> String {
    match name {
        "true" | "false" | "some" | "none" | "ok" | "err" | "inf" | "nan" => format!("%{name}"),
        name => name.to_string(),
    }
}

/// Writes a value in WAVE.
fn write_wave(value: &Val, text: &mut String) {
    let case = |name: &str, payload: Option<&Val>, text: &mut String| {
        text.push_str(name);
        if let Some(payload) = payload {
            text.push('(');
            write_wave(payload, text);
            text.push(')');
        }
    };
    let several = |values: &[Val], open: char, close: char, text: &mut String| {
        text.push(open);
        for (index, value) in values.iter().enumerate() {
            text.push_str(if index > 0 { ", " } else { "" });
            write_wave(value, text);
        }
        text.push(close);
    };
    match value {
        Val::Bool(value) => text.push_str(&value.to_string()),
        Val::S8(number) => text.push_str(&number.to_string()),
        Val::U8(number) => text.push_str(&number.to_string()),
        Val::S16(number) => text.push_str(&number.to_string()),
        Val::U16(number) => text.push_str(&number.to_string()),
        Val::S32(number) => text.push_str(&number.to_string()),
        Val::U32(number) => text.push_str(&number.to_string()),
        Val::S64(number) => text.push_str(&number.to_string()),
        Val::U64(number) => text.push_str(&number.to_string()),
        Val::Float32(number) => text.push_str(&number.to_string().to_lowercase()),
        Val::Float64(number) => text.push_str(&number.to_string().to_lowercase()),
        Val::Char(letter) => {
            text.push('\'');
            escape(*letter, '\'', text);
            text.push('\'');
        }
        Val::String(string) => {
            text.push('"');
            string.chars().for_each(|letter| escape(letter, '"', text));
            text.push('"');
        }
        Val::List(values) | Val::FixedLengthList(values) => several(values, '[', ']', text),
        Val::Tuple(values) => several(values, '(', ')', text),
        Val::Map(pairs) => {
            let pairs: Vec<Val> =
                pairs.iter().map(|(key, value)| Val::Tuple(vec![key.clone(), value.clone()])).collect();
            several(&pairs, '[', ']', text);
        }
        Val::Record(fields) => {
            text.push('{');
            for (index, (name, value)) in fields.iter().enumerate() {
                text.push_str(if index > 0 { ", " } else { "" });
                text.push_str(&format!("{name}: "));
                write_wave(value, text);
            }
            text.push('}');
        }
        Val::Variant(name, payload) => case(&label(name), payload.as_deref(), text),
        Val::Enum(name) => text.push_str(&label(name)),
        Val::Option(None) => text.push_str("none"),
        Val::Option(Some(value)) => case("some", Some(value), text),
        Val::Result(Ok(value)) => case("ok", value.as_deref(), text),
        Val::Result(Err(value)) => case("err", value.as_deref(), text),
        Val::Flags(names) => text.push_str(&format!("{{{}}}", names.join(", "))),
        // Functions that give such are refused before they are called.
        Val::Resource(_) | Val::Future(_) | Val::Stream(_) | Val::ErrorContext(_) => text.push_str("\"(a handle)\""),
    }
}

fn escape(letter: char, quote: char, text: &mut String) {
    match letter {
        '\n' => text.push_str("\\n"),
        '\r' => text.push_str("\\r"),
        '\t' => text.push_str("\\t"),
        '\\' => text.push_str("\\\\"),
        letter if letter == quote => {
            text.push('\\');
            text.push(letter);
        }
        letter if letter.is_control() => text.push_str(&format!("\\u{{{:x}}}", u32::from(letter))),
        letter => text.push(letter),
    }
}

/// A value as JSON: records and flags by name, variants as `{"case": payload}`, `result` as `{"ok": …}` or
/// `{"err": …}`. 64-bit numbers stay numbers, floats that JSON does not have are text.
fn to_json(value: &Val) -> Json {
    let payload = |value: &Option<Box<Val>>| value.as_deref().map_or(Json::Null, to_json);
    match value {
        Val::Bool(value) => json!(value),
        Val::S8(number) => json!(number),
        Val::U8(number) => json!(number),
        Val::S16(number) => json!(number),
        Val::U16(number) => json!(number),
        Val::S32(number) => json!(number),
        Val::U32(number) => json!(number),
        Val::S64(number) => json!(number),
        Val::U64(number) => json!(number),
        Val::Float32(number) if number.is_finite() => json!(number),
        Val::Float32(number) => json!(number.to_string().to_lowercase()),
        Val::Float64(number) if number.is_finite() => json!(number),
        Val::Float64(number) => json!(number.to_string().to_lowercase()),
        Val::Char(letter) => json!(letter),
        Val::String(text) => json!(text),
        Val::List(values) | Val::FixedLengthList(values) | Val::Tuple(values) => values.iter().map(to_json).collect(),
        Val::Map(pairs) => pairs.iter().map(|(key, value)| json!([to_json(key), to_json(value)])).collect(),
        Val::Record(fields) => {
            Json::Object(fields.iter().map(|(name, value)| (name.clone(), to_json(value))).collect())
        }
        Val::Variant(name, None) | Val::Enum(name) => json!(name),
        Val::Variant(name, Some(value)) => json!({ name.as_str(): to_json(value) }),
        Val::Option(value) => payload(value),
        Val::Result(Ok(value)) => json!({ "ok": payload(value) }),
        Val::Result(Err(value)) => json!({ "err": payload(value) }),
        Val::Flags(names) => json!(names),
        Val::Resource(_) | Val::Future(_) | Val::Stream(_) | Val::ErrorContext(_) => Json::Null,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wave(value: &Val) -> String {
        let mut text = String::new();
        write_wave(value, &mut text);
        text
    }

    #[test]
    fn what_is_written_can_be_typed() {
        let text = Val::String("a\"b\\\n\u{1}ö".into());
        assert_eq!(wave(&text), r#""a\"b\\\n\u{1}ö""#);
        let record = Val::Record(vec![
            ("id".into(), Val::U32(7)),
            ("tags".into(), Val::List(vec![Val::String("x".into())])),
            ("kind".into(), Val::Enum("none".into())),
        ]);
        assert_eq!(wave(&record), r#"{id: 7, tags: ["x"], kind: %none}"#);
        assert_eq!(wave(&Val::Result(Ok(None))), "ok");
        assert_eq!(wave(&Val::Option(Some(Box::new(Val::Float64(f64::INFINITY))))), "some(inf)");
        assert_eq!(wave(&Val::Variant("other".into(), Some(Box::new(Val::Char('\''))))), r"other('\'')");
    }

    #[test]
    fn programs_get_names_and_numbers() {
        let error = Val::Result(Err(Some(Box::new(Val::Variant("gone".into(), Some(Box::new(Val::U8(1))))))));
        assert_eq!(to_json(&error), json!({"err": {"gone": 1}}));
        assert_eq!(to_json(&Val::Float32(f32::NAN)), json!("nan"));
        assert_eq!(to_json(&Val::Option(None)), Json::Null);
    }
}
