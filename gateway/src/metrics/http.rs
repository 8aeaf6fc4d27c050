//! `GET /metrics`, `/healthz` and `/readyz` on a loopback address, for whoever watches this host.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use http_body_util::Full;
use hyper::body::{Bytes, Incoming};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode, header};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::TcpListener;
use tokio::sync::Semaphore;
use tokio::time::{sleep, timeout};
use tracing::{debug, warn};

use crate::platform::Platform;
use crate::tasks;

/// A scrape takes milliseconds; whoever is slower than this is cut off.
const PATIENCE: Duration = Duration::from_secs(5);

/// Connections at once.
const ABREAST: usize = 16;

/// The media type of what Prometheus reads.
const TEXT: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// Serves for ever.
pub(crate) async fn serve(listener: TcpListener, platform: Arc<Platform>) {
    let room = Arc::new(Semaphore::new(ABREAST));
    loop {
        let Ok(permit) = Arc::clone(&room).acquire_owned().await else { return };
        let connection = match listener.accept().await {
            Ok((connection, _peer)) => connection,
            Err(error) => {
                warn!(%error, "a connection for metrics could not be accepted");
                sleep(Duration::from_millis(100)).await;
                continue;
            }
        };
        let platform = Arc::clone(&platform);
        drop(tasks::spawn("metrics", async move {
            let answer = service_fn(|request| answer(request, &platform));
            let mut http = http1::Builder::new();
            http.timer(TokioTimer::new()).header_read_timeout(PATIENCE).keep_alive(false);
            let served = timeout(PATIENCE * 2, http.serve_connection(TokioIo::new(connection), answer)).await;
            if let Ok(Err(error)) = served {
                debug!(%error, "a connection for metrics failed");
            }
            drop(permit);
        }));
    }
}

async fn answer(
    request: Request<Incoming>,
    platform: &Platform,
) -> Result<Response<Full<Bytes>>, Infallible> {
    let plain = "text/plain; charset=utf-8";
    let (status, kind, text) = match (request.method(), request.uri().path()) {
        (&Method::GET, "/metrics") => (StatusCode::OK, TEXT, platform.metrics.encode()),
        // That it answers at all.
        (&Method::GET, "/healthz") => (StatusCode::OK, plain, "alive\n".to_owned()),
        (&Method::GET, "/readyz") => match ready(platform).await {
            Ok(()) => (StatusCode::OK, plain, "ready\n".to_owned()),
            Err(why) => (StatusCode::SERVICE_UNAVAILABLE, plain, why),
        },
        (&Method::GET, _) => (StatusCode::NOT_FOUND, plain, "try /metrics, /healthz or /readyz\n".to_owned()),
        _other => (StatusCode::METHOD_NOT_ALLOWED, plain, "GET alone\n".to_owned()),
    };
    let mut response = Response::new(Full::new(Bytes::from(text)));
    *response.status_mut() = status;
    response.headers_mut().insert(header::CONTENT_TYPE, header::HeaderValue::from_static(kind));
    Ok(response)
}

/// Whether people can be served: the store and the engine answer.
async fn ready(platform: &Platform) -> Result<(), String> {
    let store = async {
        platform
            .store
            .installation()
            .await
            .map(drop)
            .map_err(|_logged_elsewhere| "the store does not answer\n")
    };
    let engine = async {
        platform
            .lifecycle
            .engine_answers()
            .await
            .map_err(|_logged_elsewhere| "the container engine does not answer\n")
    };
    let both = async { store.await.and(engine.await) };
    match timeout(PATIENCE, both).await {
        Ok(answer) => answer.map_err(str::to_owned),
        Err(_elapsed) => Err("the store or the container engine is too slow to answer\n".to_owned()),
    }
}
