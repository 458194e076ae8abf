//! The candidate: legacy's inference service in Rust, held to the same contract.
//!
//! Environment: `HOST` (127.0.0.1), `PORT` (8002), `BUILD_ID`, `ADMIN_PORT` (none), `LOG_FILE`
//! (none), `FAULT`, `FAULT_SLOW_MS` (60), `FAULT_COLLAPSE_RPS` (150), `WARM_UP_MS` (0: how long
//! `/readyz` says starting) and `DRAIN_MS` (0: how long it says draining while new requests are
//! still taken). SIGTERM and SIGINT then finish the requests under way, for 3 s at most.

mod admin;
mod body;
mod contract;
mod explain;
mod faults;
mod metrics;
mod model;
mod observe;
mod openapi;
mod overload;
mod readiness;
mod refusal;
mod renamed;
mod routes;

use std::env;
use std::error::Error;
use std::future::IntoFuture;
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::Request;
use axum::http::HeaderValue;
use axum::serve::ListenerExt;
use axum::ServiceExt;
use tokio::net::TcpListener;
use tokio::signal::unix::{signal, SignalKind};
use tokio::sync::watch;
use tower::util::MapRequest;

use crate::faults::{Fault, Faults};
use crate::metrics::Metrics;
use crate::observe::Log;
use crate::readiness::Readiness;

const DRAIN: Duration = Duration::from_secs(3);

/// What every request shares.
pub struct Service {
    pub build_id: String,
    pub build_header: HeaderValue,
    pub faults: Faults,
    pub readiness: Readiness,
    pub metrics: Metrics,
    pub log: Log,
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let build_id: String = setting("BUILD_ID", "candidate-0.9.2")?;
    let fault = Fault::parse(&env::var("FAULT").unwrap_or_default())?;
    let (slow_ms, rate) = (setting("FAULT_SLOW_MS", "60")?, setting("FAULT_COLLAPSE_RPS", "150")?);
    let service = Arc::new(Service {
        build_header: HeaderValue::from_str(&build_id)?,
        build_id,
        faults: Faults::new(fault, slow_ms, rate),
        readiness: Readiness::new(milliseconds("WARM_UP_MS")?),
        metrics: Metrics::default(),
        log: Log::open(&setting::<String>("LOG_FILE", "")?)?,
    });

    let host: String = setting("HOST", "127.0.0.1")?;
    let listener = TcpListener::bind((host, setting("PORT", "8002")?)).await?;
    eprintln!("{} listens on {}", service.build_id, listener.local_addr()?);
    let admin_port: u16 = setting("ADMIN_PORT", "0")?;
    if admin_port != 0 {
        let private = TcpListener::bind(("127.0.0.1", admin_port)).await?;
        tokio::spawn(axum::serve(private, admin::router(Arc::clone(&service))).into_future());
    }
    serve(listener, service).await
}

async fn serve(listener: TcpListener, service: Arc<Service>) -> Result<(), Box<dyn Error>> {
    let (stop, stopping) = watch::channel(false);
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let (draining, linger) = (Arc::clone(&service), milliseconds("DRAIN_MS")?);
    tokio::spawn(async move {
        tokio::select! { _ = terminate.recv() => (), _ = interrupt.recv() => () }
        draining.readiness.stop();
        tokio::time::sleep(linger).await;
        let _ = stop.send(true);
    });
    let told = |mut stopping: watch::Receiver<bool>| async move {
        let _ = stopping.wait_for(|stop| *stop).await;
    };

    let app = MapRequest::new(routes::router(service), observe::decode_path);
    let listener = listener.tap_io(|stream| {
        let _ = stream.set_nodelay(true);
    });
    let server = axum::serve(listener, ServiceExt::<Request>::into_make_service(app))
        .with_graceful_shutdown(told(stopping.clone()));
    let too_late = async {
        told(stopping).await;
        tokio::time::sleep(DRAIN).await;
    };
    tokio::select! {
        outcome = server.into_future() => Ok(outcome?),
        () = too_late => Ok(()),
    }
}

fn milliseconds(name: &str) -> Result<Duration, String> {
    setting(name, "0").map(Duration::from_millis)
}

/// An environment variable, or `default` when it is absent or empty.
fn setting<T: FromStr>(name: &str, default: &str) -> Result<T, String> {
    let text = env::var(name).ok().filter(|text| !text.is_empty());
    let text = text.unwrap_or_else(|| default.to_owned());
    text.parse().map_err(|_| format!("{name}={text} cannot be read"))
}
