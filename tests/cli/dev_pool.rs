//! Instances that are kept to answer again.

use crate::support::dev::request;
use crate::support::{Dev, Sandbox, guests};

fn serve(component: &[u8], settings: &str) -> (Sandbox, Dev) {
    let sandbox = Sandbox::new();
    let root = sandbox.copying_project("probe", component, settings);
    let mut dev = sandbox.dev(&root, &[]);
    dev.ready();
    (sandbox, dev)
}

fn calls(dev: &Dev) -> u32 {
    let answer = dev.get("/calls");
    answer.body.trim().parse().unwrap_or_else(|_| panic!("{answer:?}"))
}

#[test]
fn a_kept_instance_answers_again_in_both_generations() {
    for component in [guests::probe(), guests::probe3()] {
        let (_sandbox, dev) = serve(&component, "dev: {pool_size: 1}\n");
        assert_eq!((calls(&dev), calls(&dev), calls(&dev)), (1, 2, 3));
        dev.stop();
    }
}

#[test]
fn without_a_pool_every_call_has_a_new_instance() {
    let (_sandbox, dev) = serve(&guests::probe(), "");
    assert_eq!((calls(&dev), calls(&dev)), (1, 1));
    dev.stop();
}

#[test]
fn an_instance_that_trapped_is_never_used_again() {
    for component in [guests::probe(), guests::probe3()] {
        let (_sandbox, dev) = serve(&component, "dev: {pool_size: 1}\n");
        assert_eq!((calls(&dev), calls(&dev)), (1, 2));
        assert_eq!(dev.get("/trap").status, 500);
        assert_eq!((calls(&dev), calls(&dev)), (1, 2), "a new one");
        dev.stop();
    }
}

#[test]
fn an_instance_that_was_too_slow_is_never_used_again() {
    let (_sandbox, dev) = serve(&guests::probe(), "dev: {pool_size: 1, request_timeout_seconds: 1}\n");
    assert_eq!((calls(&dev), calls(&dev)), (1, 2));
    assert_eq!(dev.get("/loop").status, 504);
    assert_eq!(calls(&dev), 1, "a new one");
    dev.stop();
}

#[test]
fn more_calls_than_kept_instances_get_new_ones_and_nobody_waits() {
    let (_sandbox, dev) = serve(&guests::probe3(), "dev: {pool_size: 2}\n");
    let slow: Vec<_> = (0..6)
        .map(|_| {
            let url = dev.url.clone();
            std::thread::spawn(move || request(&url, "GET", "/slow?300", None, &[]).unwrap().body)
        })
        .collect();
    for answer in slow {
        assert_eq!(answer.join().unwrap(), "1", "no instance has two at a time");
    }
    // Two of the six are kept.
    assert_eq!(calls(&dev), 1);
    assert_eq!(calls(&dev), 2);
    dev.stop();
}

#[test]
fn a_new_version_has_new_instances() {
    let sandbox = Sandbox::new();
    let root = sandbox.copying_project("probe", &guests::probe_version(1), "dev: {pool_size: 1}\n");
    let mut dev = sandbox.dev(&root, &[]);
    dev.ready();
    assert_eq!((calls(&dev), calls(&dev)), (1, 2));
    crate::support::write(&root.join("input.wasm"), guests::probe_version(2));
    dev.ready();
    dev.answers("/version", &guests::marker(2));
    assert_eq!(calls(&dev), 1);
    dev.stop();
}

#[test]
fn more_calls_at_a_time_than_allowed_take_turns() {
    let (_sandbox, dev) = serve(&guests::probe(), "dev: {max_invocations: 1, pool_size: 8}\n");
    let all: Vec<_> = (0..8)
        .map(|_| {
            let url = dev.url.clone();
            std::thread::spawn(move || request(&url, "GET", "/calls", None, &[]).unwrap().body)
        })
        .collect();
    let mut counts: Vec<u32> = all.into_iter().map(|answer| answer.join().unwrap().trim().parse().unwrap()).collect();
    counts.sort_unstable();
    assert_eq!(counts, [1, 2, 3, 4, 5, 6, 7, 8], "one instance had them all, since no two were needed at a time");
    dev.stop();
}

/// Answers of requests that begin together.
fn together(dev: &Dev, paths: &[&str]) -> Vec<std::thread::JoinHandle<crate::support::dev::Answer>> {
    paths
        .iter()
        .map(|path| {
            let (url, path) = (dev.url.clone(), path.to_string());
            std::thread::spawn(move || request(&url, "GET", &path, None, &[]).unwrap())
        })
        .collect()
}

/// Waits until an instance is at work on so many requests: the one that asks is one of them.
fn at_work(dev: &Dev, count: u32) {
    let deadline = std::time::Instant::now() + crate::support::PATIENCE;
    while dev.get("/slow?0").body.parse::<u32>().unwrap() < count {
        assert!(std::time::Instant::now() < deadline, "no instance works on {count} requests");
    }
}

const SHARED: &str = "dev: {pool_size: 1, max_concurrency: 8}\n";

#[test]
fn an_instance_of_0_3_works_on_several_requests_and_a_slow_one_holds_up_nobody() {
    let (_sandbox, dev) = serve(&guests::probe3(), SHARED);
    let slow = together(&dev, &["/slow?8000"; 4]);
    at_work(&dev, 5);
    for _ in 0..8 {
        assert_eq!(dev.get("/ok").body, "fine");
    }
    assert!(slow.iter().all(|call| !call.is_finished()), "they are still at it");
    let body = "abc".repeat(200_000);
    assert_eq!(dev.send("POST", "/echo", &body).body, body);
    assert_eq!(dev.get("/crumbs?10000").body.len(), 10_000);
    let mut counts: Vec<u32> = slow.into_iter().map(|call| call.join().unwrap().body.parse().unwrap()).collect();
    counts.sort_unstable();
    assert_eq!(counts, [1, 2, 3, 4], "one instance had them all");
    assert_eq!((calls(&dev), calls(&dev)), (1, 2), "and it answers on");
    dev.stop();
}

#[test]
fn what_an_instance_has_no_room_for_gets_another() {
    let (_sandbox, dev) = serve(&guests::probe3(), "dev: {pool_size: 2, max_concurrency: 2}\n");
    let slow = together(&dev, &["/slow?4000"; 6]);
    let mut counts: Vec<u32> = slow.into_iter().map(|call| call.join().unwrap().body.parse().unwrap()).collect();
    counts.sort_unstable();
    assert_eq!(counts, [1, 1, 1, 1, 2, 2], "two instances with two each, and two of their own for the others");
    dev.stop();
}

#[test]
fn a_trap_ends_the_requests_that_share_the_instance_and_says_so() {
    let (_sandbox, mut dev) = serve(&guests::probe3(), SHARED);
    let others = together(&dev, &["/slow?30000"; 3]);
    at_work(&dev, 4);
    let answer = dev.get("/trap");
    assert!(answer.status == 500 && answer.body.contains("probe3 panic on purpose"), "{answer:?}");
    for other in others {
        let answer = other.join().unwrap();
        assert!(answer.status == 500 && answer.body.contains("it shared its instance"), "{answer:?}");
    }
    dev.wait_for("fault");
    assert_eq!(calls(&dev), 1, "a new instance");
    dev.stop();
}

#[test]
fn a_request_that_is_too_slow_does_not_take_the_others_of_its_instance_along() {
    let (_sandbox, dev) =
        serve(&guests::probe3(), "dev: {pool_size: 1, max_concurrency: 8, request_timeout_seconds: 3}\n");
    assert_eq!(calls(&dev), 1);
    let slow = together(&dev, &["/wait"]).remove(0);
    while !slow.is_finished() {
        // Each begins before the time-out, or on a new instance after it.
        assert_eq!(dev.get("/slow?100").status, 200);
    }
    assert_eq!(slow.join().unwrap().status, 504);
    assert_eq!(calls(&dev), 1, "the instance that has the lost request takes no more");
    dev.stop();
}

#[test]
fn a_client_that_leaves_ends_its_own_request_only() {
    use std::io::{Read, Write};
    let (_sandbox, mut dev) = serve(&guests::probe3(), SHARED);
    let slow = together(&dev, &["/slow?6000"]).remove(0);
    at_work(&dev, 2);
    let mut leaving = std::net::TcpStream::connect(dev.url.trim_start_matches("http://")).unwrap();
    leaving.write_all(b"GET /flood HTTP/1.1\r\nhost: a\r\n\r\n").unwrap();
    leaving.read_exact(&mut [0; 64]).unwrap();
    drop(leaving);
    dev.wait_for_event("request", |event| event["path"] == "/flood" && event["client_left"] == true);
    let answer = slow.join().unwrap();
    assert_eq!((answer.status, answer.body.as_str()), (200, "1"));
    assert_eq!(dev.count("fault"), 0);
    dev.stop();
}

#[test]
fn a_loop_in_a_shared_instance_ends_with_it_and_a_new_one_answers() {
    let (_sandbox, dev) =
        serve(&guests::probe3(), "dev: {pool_size: 1, max_concurrency: 8, request_timeout_seconds: 2}\n");
    // Who shares the instance may have had an answer before, or get none, or have one cut in the middle.
    let neighbours = ["/after", "/clock"].map(|path| {
        let url = dev.url.clone();
        std::thread::spawn(move || request(&url, "GET", path, None, &[]).map(|answer| answer.status))
    });
    assert_eq!(dev.get("/loop").status, 504);
    for neighbour in neighbours {
        let status = neighbour.join().unwrap().unwrap_or(0);
        assert!([0, 200, 500, 504].contains(&status), "{status}");
    }
    assert_eq!(dev.get("/ok").status, 200);
    assert_eq!(calls(&dev), 1);
    dev.stop();
}

#[test]
fn a_swap_lets_shared_instances_finish_their_requests() {
    let sandbox = Sandbox::new();
    let root = sandbox.copying_project("probe", &guests::probe3(), SHARED);
    let mut dev = sandbox.dev(&root, &[]);
    dev.ready();
    let slow = together(&dev, &["/slow?6000"; 3]);
    at_work(&dev, 4);
    crate::support::write(&root.join("input.wasm"), guests::probe_version(2));
    dev.ready();
    dev.answers("/version", &guests::marker(2));
    for call in slow {
        assert_eq!(call.join().unwrap().status, 200);
    }
    dev.stop();
}

#[test]
fn several_requests_at_a_time_need_instances_that_are_kept() {
    let sandbox = Sandbox::new();
    let root = sandbox.copying_project("probe", &guests::probe3(), "dev: {max_concurrency: 8}\n");
    let ended = crate::support::run(sandbox.wash(["dev", "--port", "0"]).current_dir(root));
    let ended = ended.expect_code(2);
    assert!(ended.stderr.contains("`dev.max_concurrency` needs `dev.pool_size`"), "{}", ended.stderr);
}

/// What a component has used of the processor is told by the system, and so this holds on a busy
/// machine, too: others can only make it less.
#[cfg(target_os = "linux")]
#[test]
fn a_component_gets_no_more_than_its_share_of_a_core() {
    for component in [guests::rogue(), guests::probe3()] {
        let (_sandbox, dev) = serve(&component, "dev: {cpu_limit: 20, request_timeout_seconds: 3}\n");
        assert_eq!(dev.get("/ok").body, "fine");
        let (used, begun) = (dev.processor_time(), std::time::Instant::now());
        for call in together(&dev, &["/loop"; 4]) {
            assert_eq!(call.join().unwrap().status, 504);
        }
        let share = (dev.processor_time() - used).as_secs_f64() / begun.elapsed().as_secs_f64();
        assert!(share < 0.45, "four loops used {share} of a core");
        assert_eq!(dev.get("/ok").body, "fine", "it is slowed down, not ended");
        dev.stop();
    }
}
