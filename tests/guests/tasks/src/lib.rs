//! What [scheduler](../../scheduler) calls.

wit_bindgen::generate!({ path: "../wit", world: "tasks", generate_all });

use exports::test::tasks::tasks::{Guest, Job, Problem};
use std::cell::Cell;

thread_local! {
    static CALLS: Cell<u32> = const { Cell::new(0) };
}

struct Tasks;

impl Guest for Tasks {
    fn calls() -> u32 {
        CALLS.set(CALLS.get() + 1);
        CALLS.get()
    }

    fn double(data: Vec<u8>) -> Vec<u8> {
        data.into_iter().map(|byte| byte * 2).collect()
    }

    fn work(job: Job) -> Result<String, String> {
        if job.name == "fail" {
            return Err("it was told to fail".into());
        }
        Ok(format!("{} of {}", act(&job.name), job.size))
    }

    fn vary(name: String) -> Result<u32, Problem> {
        if name == "fail" {
            return Err(Problem::Busy);
        }
        Ok(act(&name).len() as u32)
    }

    fn bare(name: String) -> Result<(), ()> {
        act(&name);
        Ok(())
    }

    fn plain(name: String) -> String {
        act(&name)
    }
}

fn act(name: &str) -> String {
    println!("acting on {name}");
    match name {
        "trap" => panic!("tasks panic on purpose"),
        "loop" => loop {
            std::hint::spin_loop();
        },
        other => format!("done: {other}"),
    }
}

export!(Tasks);
