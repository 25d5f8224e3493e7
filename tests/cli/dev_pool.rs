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
