//! What the engine shows of itself: its metrics as a file or a page, its log, its spans.

use std::io::Write;
use std::path::PathBuf;
use std::sync::Arc;

use canary_core::journal::Record;
use canary_notify::Notifier;
use canary_notify::metrics::{Listening, MetricsSink, listen};
use tokio::runtime::Handle;
use tokio::task::JoinHandle;
use tracing_subscriber::Layer as _;
use tracing_subscriber::filter::LevelFilter;
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::layer::SubscriberExt as _;

use crate::commands::Context;
use crate::error::chain;
use crate::render::Screen;
use crate::settings::{Key, Origin, Settings};
use crate::telling::warn;
use crate::traces::{SpanLayer, Traces};

/// The metrics of one command.
#[derive(Debug)]
pub(crate) struct Metrics {
    pub(crate) sink: Arc<MetricsSink>,
    textfile: Option<PathBuf>,
    writing: Option<JoinHandle<()>>,
    _page: Option<Listening>,
}

impl Drop for Metrics {
    fn drop(&mut self) {
        self.writing.iter().for_each(JoinHandle::abort);
    }
}

impl Metrics {
    /// Sets them up where the settings ask for them. What cannot be shown is a warning: no rollout waits for it.
    pub(crate) async fn start(
        settings: &Settings,
        screen: &Screen,
        records: &[Record],
        notifier: Option<Arc<Notifier>>,
    ) -> Option<Self> {
        let telemetry = &settings.telemetry;
        if telemetry.textfile.is_none() && telemetry.listen.is_none() {
            return None;
        }
        let sink = Arc::new(MetricsSink::new(settings.spec.service.as_str(), records, notifier));
        let page = match telemetry.listen {
            None => None,
            Some(address) => match listen(address, Arc::clone(&sink)).await {
                Ok(page) => Some(page),
                Err(error) => {
                    warn(screen, &format!("telemetry.metrics_listen: cannot listen at {address}: {error}"));
                    None
                }
            },
        };
        let textfile = telemetry.textfile.clone();
        let writing = textfile.clone().map(|path| tokio::spawn(Arc::clone(&sink).keep_written(path)));
        Some(Self { sink, textfile, writing, _page: page })
    }

    /// Writes the file for the last time.
    pub(crate) fn finish(&self, screen: &Screen) {
        self.writing.iter().for_each(JoinHandle::abort);
        let Some(path) = &self.textfile else { return };
        if let Err(error) = self.sink.write(path) {
            warn(screen, &format!("telemetry.metrics_textfile: {}", chain(&error)));
        }
    }
}

/// Begins to log and to send spans, where the settings ask for it. A process has one log: a second command in it adds
/// nothing.
pub(crate) fn trace(cx: &Context<'_>, runtime: Handle) {
    let spans = spans(cx, runtime);
    // proof: the table allows only words that are levels.
    let level: LevelFilter = cx.settings.telemetry.log.parse().unwrap_or(LevelFilter::OFF);
    if level == LevelFilter::OFF && spans.is_none() {
        return;
    }
    let log = tracing_subscriber::fmt::layer()
        .with_ansi(false)
        .with_writer(Log(cx.screen.clone()))
        .with_filter(level);
    let _ = tracing::subscriber::set_global_default(tracing_subscriber::registry().with(spans).with(log));
}

/// What sends spans. A collector that cannot be used is a warning: no rollout waits for it.
fn spans(cx: &Context<'_>, runtime: Handle) -> Option<SpanLayer> {
    let endpoint = cx.settings.telemetry.otlp_endpoint.as_ref()?;
    if cx.environment.text("OTEL_SDK_DISABLED").is_some_and(|text| text.eq_ignore_ascii_case("true")) {
        return None;
    }
    match Traces::start(endpoint, cx.environment, runtime) {
        Ok((traces, layer)) => {
            cx.telling.traced(traces);
            Some(layer)
        }
        Err(why) => {
            // A variable of that name is there for other programs, too.
            if !matches!(cx.settings.layers.origin(Key::OtlpEndpoint), Origin::Variable(_)) {
                warn(cx.screen, &format!("telemetry.otlp_endpoint: {why}"));
            }
            None
        }
    }
}

/// Standard error; while a view is drawn there, lines go through the screen, which knows how to stand aside.
struct Log(Screen);

impl MakeWriter<'_> for Log {
    type Writer = LogLine;

    fn make_writer(&self) -> LogLine {
        LogLine { screen: self.0.clone(), line: Vec::new() }
    }
}

/// One line, written when it is whole.
struct LogLine {
    screen: Screen,
    line: Vec<u8>,
}

impl Write for LogLine {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.line.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl Drop for LogLine {
    fn drop(&mut self) {
        if self.screen.live() {
            self.screen.line(String::from_utf8_lossy(&self.line).trim_end());
        } else {
            // Nobody is left to tell when standard error is gone.
            let _ = std::io::stderr().write_all(&self.line);
        }
    }
}
