//! A reader of event streams, as a browser reads them.

use std::net::SocketAddr;

use serde_json::Value;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;

use super::kit::in_time;

pub const EVENTS: &str = "/api/v1/kaspi/events";

/// One event stream.
pub struct Stream {
    lines: BufReader<TcpStream>,
    pub status: u16,
    pub headers: Vec<String>,
}

/// One block of a stream.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Block {
    pub id: Option<i64>,
    pub event: Option<String>,
    pub data: Option<Value>,
    pub comment: bool,
}

impl Block {
    /// The kind of event, and whose.
    pub fn told(&self) -> (&str, i64) {
        let data = self.data.as_ref().unwrap();
        assert_eq!(data["type"], self.event.as_deref().unwrap());
        assert_eq!(data["id"], self.id.unwrap());
        (
            self.event.as_deref().unwrap(),
            data["payment_id"].as_i64().unwrap_or_default(),
        )
    }
}

impl Stream {
    /// HTTP/1.0, so that the body stands there as it is. None where nobody answers.
    pub async fn try_open(address: SocketAddr, query: &str, headers: &[(&str, &str)]) -> Option<Self> {
        let mut stream = TcpStream::connect(address).await.ok()?;
        let mut head = format!("GET {EVENTS}{query} HTTP/1.0\r\nhost: {address}\r\n");
        for (name, value) in headers {
            head.push_str(&format!("{name}: {value}\r\n"));
        }
        stream.write_all(format!("{head}\r\n").as_bytes()).await.ok()?;
        let mut lines = BufReader::new(stream);
        let first = line(&mut lines).await?;
        let status = first.split(' ').nth(1)?.parse().ok()?;
        let mut headers = Vec::new();
        loop {
            let next = line(&mut lines).await?;
            if next.is_empty() {
                break;
            }
            headers.push(next.to_ascii_lowercase());
        }
        Some(Self {
            lines,
            status,
            headers,
        })
    }

    pub async fn open(address: SocketAddr, query: &str, headers: &[(&str, &str)]) -> Self {
        let stream = in_time(Self::try_open(address, query, headers)).await.unwrap();
        assert_eq!(stream.status, 200, "{:?}", stream.headers);
        stream
    }

    /// The next block, heartbeats and all; none at the end.
    pub async fn block(&mut self) -> Option<Block> {
        let mut block = Block::default();
        loop {
            let line = line(&mut self.lines).await?;
            let (field, value) = line.split_once(':').unwrap_or((&line, ""));
            match (field, value.trim_start()) {
                ("", "") if line.is_empty() => return Some(block),
                ("", _) => block.comment = true,
                ("id", id) => block.id = Some(id.parse().unwrap()),
                ("event", kind) => block.event = Some(kind.to_owned()),
                ("data", data) => block.data = Some(serde_json::from_str(data).unwrap()),
                ("retry", _) => {}
                other => panic!("{other:?}"),
            }
        }
    }

    /// The next event; none at the end.
    pub async fn event(&mut self) -> Option<Block> {
        in_time(async {
            loop {
                match self.block().await {
                    Some(block) if block.event.is_none() => {}
                    other => return other,
                }
            }
        })
        .await
    }

    /// Reads to the end.
    pub async fn ends(&mut self) {
        in_time(async { while self.block().await.is_some() {} }).await;
    }
}

/// One whole line; none where the stream ends before its end.
async fn line(lines: &mut BufReader<TcpStream>) -> Option<String> {
    let mut line = String::new();
    match lines.read_line(&mut line).await {
        Ok(_) => line
            .strip_suffix('\n')
            .map(|line| line.trim_end_matches('\r').to_owned()),
        Err(_) => None,
    }
}
