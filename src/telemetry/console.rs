//! Spans as lines of the log on stderr, for looking at them without a collector.

use opentelemetry_sdk::error::OTelSdkResult;
use opentelemetry_sdk::trace::{SpanData, SpanExporter};

/// The exporter `console`.
#[derive(Debug)]
pub struct Console;

impl SpanExporter for Console {
    async fn export(&self, spans: Vec<SpanData>) -> OTelSdkResult {
        for span in spans {
            let time = span.end_time.duration_since(span.start_time).unwrap_or_default();
            let attributes: Vec<String> =
                span.attributes.iter().map(|attribute| format!("{}={}", attribute.key, attribute.value)).collect();
            tracing::info!(
                target: super::OWN_LOGS,
                "span {} {:?} {} µs, trace {}, span {}, parent {}: {}",
                span.name,
                span.span_kind,
                time.as_micros(),
                span.span_context.trace_id(),
                span.span_context.span_id(),
                span.parent_span_id,
                attributes.join(" ")
            );
        }
        Ok(())
    }
}
