//! Which function is meant by what somebody typed.

use crate::error::{Error, Result};
use crate::host::Ready;
use crate::runtime::invoke::{self, Function, NotInvoked};

/// A function, and the component that has it: a place in [`Ready::members`].
pub struct Callable {
    pub member: usize,
    pub component: String,
    pub function: Function,
}

/// Everything that components of a version export.
pub fn all(ready: &Ready) -> Vec<Callable> {
    let of_member = |(member, prepared): (usize, &std::sync::Arc<_>)| {
        let component: &crate::runtime::prepare::Prepared<crate::plugins::Installed> = prepared;
        let callable = move |function| Callable { member, component: component.name.to_string(), function };
        invoke::functions(component).into_iter().map(callable).collect::<Vec<_>>()
    };
    ready.members().iter().enumerate().flat_map(of_member).collect()
}

/// Finds the function of a text such as `iface#func(1, "a")`, and its arguments. The interface may be shortened as
/// long as it is clear: `acme:shop/cart@0.1.0`, `acme:shop/cart`, `cart`, or nothing. A component's name and a slash
/// may stand in front, where two have the same function: `worker/cart#add()`.
pub fn find<'a>(all: &'a [Callable], component: Option<&str>, text: &str) -> Result<(&'a Callable, String)> {
    let text = text.trim();
    let (path, arguments) = match text.split_once('(') {
        Some((path, rest)) => {
            let arguments = rest.trim_end().strip_suffix(')').ok_or_else(|| {
                Error::usage(format!("`{text}` has no `)` at its end"))
                    .hint("write it like: wash dev call 'cart#add(\"apple\", 2)'")
            })?;
            (path.trim(), arguments.to_string())
        }
        None => (text, String::new()),
    };
    let (interface, name) = match path.split_once('#') {
        Some((interface, name)) => (Some(interface), name),
        None => (None, path),
    };
    let fits = |callable: &&Callable| {
        callable.function.name == name
            && component.is_none_or(|component| callable.component == component)
            && interface.is_none_or(|wanted| is_short_for(wanted, callable.function.interface.as_deref()))
    };
    let found: Vec<&Callable> = all.iter().filter(fits).collect();
    match &found[..] {
        [one] => Ok((one, arguments)),
        [] => Err(unknown(all, path)),
        several => {
            let names: Vec<String> =
                several.iter().map(|one| format!("{}  in {}", one.function.full_name(), one.component)).collect();
            Err(Error::usage(format!("`{path}` may be {} functions", several.len()))
                .details(names.join("\n"))
                .hint("write the whole name of the interface, or choose the component: --component NAME"))
        }
    }
}

fn is_short_for(wanted: &str, interface: Option<&str>) -> bool {
    let Some(interface) = interface else { return false };
    let bare = interface.split('@').next().unwrap_or(interface);
    wanted == interface || wanted == bare || bare.rsplit('/').next() == Some(wanted)
}

fn unknown(all: &[Callable], path: &str) -> Error {
    let error = Error::usage(format!("no component of the workload exports the function `{path}`"));
    let wanted = path.rsplit('#').next().unwrap_or(path);
    let near = |callable: &&Callable| strsim::jaro_winkler(&callable.function.name, wanted);
    let callable = all.iter().filter(|callable| callable.function.refusal.is_none());
    let nearest = callable.max_by(|one, other| near(one).total_cmp(&near(other)));
    match nearest {
        Some(nearest) if near(&nearest) > 0.75 => {
            error.hint(format!("the nearest is `{}`: {}", nearest.function.full_name(), nearest.function.signature()))
        }
        Some(_) => error.hint("wash dev functions lists them all"),
        None => error.hint("its components export nothing that can be called with text; send a request instead"),
    }
}

/// Calls it.
pub async fn call(ready: &Ready, callable: &Callable, arguments: &str) -> Result<invoke::Invoked> {
    let member = &ready.members()[callable.member];
    let function = &callable.function;
    invoke::invoke(member, function, arguments).await.map_err(|reason| match reason {
        NotInvoked::Arguments(reason) => {
            let examples = function.examples.join(", ");
            Error::usage(format!("the arguments of `{}` are wrong: {reason}", function.full_name()))
                .cause(format!("its signature is `{}`", function.signature()))
                .hint(format!("for instance: wash dev call '{}({examples})'", function.full_name()))
        }
        NotInvoked::Refused(reason) => Error::failed(format!("`{}` cannot be called: {reason}", function.full_name())),
        NotInvoked::Busy => Error::failed("the component is busy: too many calls are in flight"),
        NotInvoked::Failed(fault) => Error::failed(format!("the call of `{}` failed", function.full_name()))
            .cause(fault.reason.clone())
            .details(crate::runtime::fault::render(&fault)),
    })
}
