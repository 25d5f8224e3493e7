//! `wasi:logging`: messages of guests, passed on to the observer line by line.

use std::sync::Arc;

use wasmtime::StoreContextMut;
use wasmtime::component::{HasData, Linker, LinkerInstance};

use super::bindings::wasi::logging::logging;
use super::entry;
use crate::error::Result;
use crate::runtime::caller::for_caller;
use crate::runtime::guest::Guest;
use crate::runtime::observer::{CallId, Level, Observer, Output, Stream};
use crate::runtime::workload::{Component, Workload};

/// The longest line, in bytes; the rest is cut off and counted.
const MAX_LINE: usize = 16 << 10;
/// The longest context, in bytes.
const MAX_CONTEXT: usize = 256;
/// The most lines of one message; the rest is left out and counted.
const MAX_LINES: usize = 1000;

/// What a component is given.
pub struct ForComponent {
    component: Arc<str>,
    observer: Arc<dyn Observer>,
}

/// What a call of the interface needs of its store: who speaks, and during which call.
pub struct Speaker<'a> {
    pub state: &'a ForComponent,
    pub call: CallId,
}

/// Stands for [`Speaker`] where the bindings ask for a type without a lifetime.
struct Speakers;

impl HasData for Speakers {
    type Data<'a> = Speaker<'a>;
}

/// Validates the workload's entries for `wasi:logging`.
pub fn configure(workload: &Workload, component: &Component, observer: &Arc<dyn Observer>) -> Result<ForComponent> {
    for entry in entry::of(workload, "wasi", "logging") {
        entry::check_settings(entry, &[])?;
    }
    Ok(ForComponent { component: component.name.as_str().into(), observer: observer.clone() })
}

/// Puts the interface into a linker.
pub fn link<T: Send + 'static>(linker: &mut Linker<T>, speaker: fn(&mut T) -> Speaker<'_>) -> wasmtime::Result<()> {
    logging::add_to_linker::<T, Speakers>(linker, speaker)
}

/// Puts the interface into a linker's instance, for a store that holds several components or has several
/// calls: `speaker` finds the one that calls.
pub fn link_personal<S: Send + 'static>(
    instance: &mut LinkerInstance<'_, Guest<S>>,
    speaker: impl for<'a> Fn(&'a mut Guest<S>) -> Speaker<'a> + Copy + Send + Sync + 'static,
) -> wasmtime::Result<()> {
    type Message = (logging::Level, String, String);
    instance.func_wrap("log", move |mut store: StoreContextMut<'_, Guest<S>>, (level, context, text): Message| {
        for_caller(&mut store, |guest| logging::Host::log(&mut speaker(guest), level, context, text))
    })
}

impl logging::Host for Speaker<'_> {
    fn log(&mut self, level: logging::Level, context: String, message: String) -> wasmtime::Result<()> {
        let stream = Stream::Log(match level {
            logging::Level::Trace => Level::Trace,
            logging::Level::Debug => Level::Debug,
            logging::Level::Info => Level::Info,
            logging::Level::Warn => Level::Warn,
            logging::Level::Error => Level::Error,
            logging::Level::Critical => Level::Critical,
        });
        let context = cut(&context, MAX_CONTEXT);
        for line in lines(&message) {
            let component = self.state.component.clone();
            let context = context.clone();
            self.state.observer.output(Output { component, stream, context, line, call: self.call });
        }
        Ok(())
    }
}

/// The lines of a message, each of bounded length. A message without any text is one empty line.
fn lines(message: &str) -> Vec<String> {
    let mut lines: Vec<_> = message.lines().take(MAX_LINES).map(|line| cut(line, MAX_LINE)).collect();
    if lines.is_empty() {
        lines.push(String::new());
    }
    if lines.len() == MAX_LINES {
        let left_out = message.lines().count() - MAX_LINES;
        if left_out > 0 {
            lines.push(format!("… ({left_out} more lines)"));
        }
    }
    lines
}

fn cut(text: &str, most: usize) -> String {
    if text.len() <= most {
        return text.to_string();
    }
    let kept = &text[..text.floor_char_boundary(most)];
    format!("{kept}… ({} more bytes)", text.len() - kept.len())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plugins::bindings::wasi::logging::logging::Host;
    use crate::runtime::observer::{Fault, RequestRecord};
    use std::sync::Mutex;

    #[derive(Default)]
    struct Seen(Mutex<Vec<Output>>);

    impl Observer for Seen {
        fn request(&self, _: RequestRecord) {}
        fn output(&self, output: Output) {
            self.0.lock().unwrap().push(output);
        }
        fn fault(&self, _: Arc<Fault>) {}
    }

    #[test]
    fn each_line_of_a_message_reaches_the_observer_with_its_level_and_context() {
        let seen = Arc::new(Seen::default());
        let observer: Arc<dyn Observer> = seen.clone();
        let component = Component { name: "hello".into(), ..Default::default() };
        let state = configure(&Workload::default(), &component, &observer).unwrap();
        Speaker { state: &state, call: CallId::default() }
            .log(logging::Level::Warn, "shop".into(), "one\r\ntwo\n".into())
            .unwrap();
        let seen = seen.0.lock().unwrap();
        let shown: Vec<_> =
            seen.iter().map(|output| (&*output.component, output.stream, &*output.context, &*output.line)).collect();
        let stream = Stream::Log(Level::Warn);
        assert_eq!(shown, [("hello", stream, "shop", "one"), ("hello", stream, "shop", "two")]);
    }

    #[test]
    fn an_empty_message_is_one_empty_line() {
        assert_eq!(lines(""), [""]);
    }

    #[test]
    fn a_long_line_is_cut_between_characters_with_a_note() {
        let long = "ä".repeat(MAX_LINE);
        let [line] = &lines(&long)[..] else { panic!("not one line") };
        assert!(line.starts_with("ää") && line.ends_with("… (16384 more bytes)"), "{}", &line[line.len() - 40..]);
        assert_eq!(lines(&"x".repeat(MAX_LINE)), ["x".repeat(MAX_LINE)]);
    }

    #[test]
    fn a_message_with_very_many_lines_is_cut_with_a_note() {
        let lines = lines(&"x\n".repeat(MAX_LINES + 5));
        assert_eq!(lines.len(), MAX_LINES + 1);
        assert_eq!(lines[MAX_LINES], "… (5 more lines)");
    }
}
