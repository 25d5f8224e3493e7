use wstd::http::{Body, Error, Method, Request, Response, StatusCode};
use wstd::io::{AsyncRead, AsyncWrite};
use wstd::net::TcpStream;

/// Where the service listens. Inside of a workload that is its own network, whatever else listens on
/// this port of the machine.
const SERVICE: &str = "127.0.0.1:7777";

const PAGE: &str = include_str!("page.html");

#[wstd::http_server]
async fn main(mut request: Request<Body>) -> Result<Response<Body>, Error> {
    match (request.method(), request.uri().path()) {
        (&Method::GET, "/") => answer(StatusCode::OK, "text/html; charset=utf-8", PAGE.into()),
        (&Method::POST, "/leet") => {
            let body = request.body_mut().contents().await?.to_vec();
            match ask_service(&body).await {
                Ok(leet) => answer(StatusCode::OK, TEXT, leet.into()),
                Err(error) => answer(
                    StatusCode::BAD_GATEWAY,
                    TEXT,
                    format!("The service does not answer: {error}\n").into(),
                ),
            }
        }
        _ => answer(StatusCode::NOT_FOUND, TEXT, "Not found\n".into()),
    }
}

const TEXT: &str = "text/plain; charset=utf-8";

fn answer(status: StatusCode, kind: &str, body: Body) -> Result<Response<Body>, Error> {
    Ok(Response::builder()
        .status(status)
        .header("content-type", kind)
        .body(body)?)
}

/// Sends a text, says that this was all, and reads what comes back. Both at once: a long text does
/// not fit on the way.
async fn ask_service(text: &[u8]) -> std::io::Result<Vec<u8>> {
    let stream = TcpStream::connect(SERVICE).await?;
    let (mut reading, mut writing) = stream.split();
    let send = async {
        writing.write_all(text).await?;
        writing.flush().await?;
        drop(writing);
        Ok::<_, std::io::Error>(())
    };
    let receive = async {
        let mut answer = Vec::new();
        reading.read_to_end(&mut answer).await?;
        Ok::<_, std::io::Error>(answer)
    };
    let (_, answer) = futures_lite::future::try_zip(send, receive).await?;
    Ok(answer)
}
