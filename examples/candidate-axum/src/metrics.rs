//! Prometheus text, with legacy's names and labels.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use axum::http::{Method, StatusCode};

use crate::observe::ROUTES;

pub const CONTENT_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

const BUCKETS: [(f64, &str); 13] = [
    (0.0005, "0.0005"),
    (0.001, "0.001"),
    (0.0025, "0.0025"),
    (0.005, "0.005"),
    (0.01, "0.01"),
    (0.025, "0.025"),
    (0.05, "0.05"),
    (0.1, "0.1"),
    (0.25, "0.25"),
    (0.5, "0.5"),
    (1.0, "1.0"),
    (2.5, "2.5"),
    (f64::INFINITY, "+Inf"),
];
const METHODS: [&str; 7] = ["DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT"];

#[derive(Default)]
struct Histogram {
    counts: [u64; BUCKETS.len()],
    sum: f64,
}

#[derive(Default)]
struct Counts {
    requests: BTreeMap<(&'static str, &'static str, u16), u64>,
    durations: BTreeMap<&'static str, Histogram>,
}

#[derive(Default)]
pub struct Metrics(Mutex<Counts>);

impl Metrics {
    pub fn record(&self, method: &Method, path: &str, status: StatusCode, elapsed: Duration) {
        let method = METHODS.iter().find(|known| **known == method.as_str()).unwrap_or(&"other");
        let path =
            ROUTES.iter().find(|(known, _)| *known == path).map_or("other", |(known, _)| known);
        let seconds = elapsed.as_secs_f64();
        let mut counts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        *counts.requests.entry((method, path, status.as_u16())).or_default() += 1;
        let histogram = counts.durations.entry(path).or_default();
        histogram.sum += seconds;
        let bucket = BUCKETS.iter().position(|(limit, _)| seconds <= *limit);
        histogram.counts[bucket.unwrap_or(BUCKETS.len() - 1)] += 1;
    }

    pub fn text(&self) -> String {
        let counts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let mut out = String::new();
        // Writing to a String cannot fail.
        let _ = write_process(&mut out).and_then(|()| write_counts(&mut out, &counts));
        out
    }
}

fn write_process(out: &mut String) -> std::fmt::Result {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kilobytes = line.and_then(|rest| rest.split_whitespace().next()?.parse::<u64>().ok());
    if let Some(kilobytes) = kilobytes {
        writeln!(out, "# HELP process_resident_memory_bytes Resident memory size in bytes.")?;
        writeln!(out, "# TYPE process_resident_memory_bytes gauge")?;
        writeln!(out, "process_resident_memory_bytes {}", kilobytes * 1024)?;
    }
    Ok(())
}

fn write_counts(out: &mut String, counts: &Counts) -> std::fmt::Result {
    writeln!(out, "# HELP http_requests_total Requests answered.")?;
    writeln!(out, "# TYPE http_requests_total counter")?;
    for ((method, path, status), count) in &counts.requests {
        let labels = format!("method=\"{method}\",path=\"{path}\",status=\"{status}\"");
        writeln!(out, "http_requests_total{{{labels}}} {count}")?;
    }
    let name = "http_request_duration_seconds";
    writeln!(out, "# HELP {name} Time from the request's head to the answer.")?;
    writeln!(out, "# TYPE {name} histogram")?;
    for (path, histogram) in &counts.durations {
        let mut total = 0;
        for ((_, limit), count) in BUCKETS.iter().zip(histogram.counts) {
            total += count;
            writeln!(out, "{name}_bucket{{le=\"{limit}\",path=\"{path}\"}} {total}")?;
        }
        writeln!(out, "{name}_count{{path=\"{path}\"}} {total}")?;
        writeln!(out, "{name}_sum{{path=\"{path}\"}} {}", histogram.sum)?;
    }
    Ok(())
}
