mod bindings {
    wit_bindgen::generate!({
        path: "../wit",
        world: "scheduler",
        generate_all,
    });
}

use bindings::example::cron_service::cron;
use wstd::time::Duration;

/// Runs for as long as the workload. `main` is what makes a component a service.
#[wstd::main]
async fn main() {
    let seconds = std::env::var("INTERVAL_SECONDS")
        .ok()
        .and_then(|text| text.parse().ok())
        .unwrap_or(1);
    println!("every {seconds} s");
    loop {
        wstd::task::sleep(Duration::from_secs(seconds)).await;
        // Should the job panic, or take too long, that is an error here, too: the scheduler goes on.
        match cron::invoke() {
            Ok(runs) => println!("run {runs} is done"),
            Err(error) => eprintln!("the job failed: {error}"),
        }
    }
}
