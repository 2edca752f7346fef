//! HTTP/1.1 by hand, so that it can stop at any byte.

use std::io;
use std::sync::atomic::Ordering;

use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::{Act, Guest, Request, Shared, Wire};

pub(super) async fn serve_http1(mut wire: Wire, guest: Guest) -> io::Result<()> {
    let shared = &guest.shared;
    loop {
        let mut read = Vec::new();
        let mut byte = [0];
        if wire.read(&mut byte).await? == 0 {
            shared.note(|seen| seen.goodbyes += 1);
            return Ok(());
        }
        read.extend_from_slice(&byte);
        shared.note(|seen| seen.bytes += 1);
        let mid_request = {
            let mut script = shared.script.lock().unwrap();
            let is = matches!(script.front(), Some(Act::ResetMidRequest));
            if is {
                script.pop_front();
            }
            is
        };
        if mid_request {
            guest.reset.store(true, Ordering::Release);
            return Ok(());
        }

        let head_ends = loop {
            if let Some(at) = read.windows(4).position(|window| window == b"\r\n\r\n") {
                break at + 4;
            }
            read_more(&mut wire, &mut read, shared).await?;
        };
        let head = String::from_utf8(read[..head_ends].to_vec()).unwrap();
        let mut lines = head.split("\r\n");
        let mut words = lines.next().unwrap().split(' ');
        let (method, target) = (words.next().unwrap(), words.next().unwrap());
        let headers: Vec<(String, String)> = lines
            .filter_map(|line| line.split_once(": "))
            .map(|(name, value)| (name.to_ascii_lowercase(), value.to_owned()))
            .collect();
        let length = headers
            .iter()
            .find(|(name, _)| name == "content-length")
            .map_or(0, |(_, length)| length.parse().unwrap());
        while read.len() < head_ends + length {
            read_more(&mut wire, &mut read, shared).await?;
        }
        let target = target.to_owned();
        shared.note(|seen| {
            seen.requests.push(Request {
                connection: guest.number,
                certificate: guest.certificate.clone(),
                method: method.to_owned(),
                target: target.clone(),
                headers,
                body: read[head_ends..].to_vec(),
            });
        });

        const PARTLY: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{\"StatusCode\":0";
        let stays = match shared.next(&target) {
            Act::Answer(status, body) => {
                wire.write_all(&answer(status, &body)).await?;
                true
            }
            Act::Held(gate, body) => {
                let mut byte = [0];
                tokio::select! {
                    () = gate.notified() => {}
                    // whoever waits for an answer says nothing, and does not go
                    _ = wire.read(&mut byte) => return Ok(()),
                }
                wire.write_all(&answer(200, &body)).await?;
                true
            }
            Act::AnswerAndClose(body) => {
                wire.write_all(&answer(200, &body)).await?;
                wire.shutdown().await?;
                false
            }
            Act::Raw(bytes) => {
                wire.write_all(&bytes).await?;
                wire.shutdown().await?;
                false
            }
            Act::CloseAfterRequest => {
                wire.shutdown().await?;
                return Ok(());
            }
            Act::ResetAfterRequest | Act::ResetUnread | Act::ResetMidRequest => {
                guest.reset.store(true, Ordering::Release);
                return Ok(());
            }
            Act::ResetMidAnswer => {
                wire.write_all(PARTLY).await?;
                wire.flush().await?;
                guest.reset.store(true, Ordering::Release);
                return Ok(());
            }
            Act::CloseMidAnswer => {
                wire.write_all(PARTLY).await?;
                wire.shutdown().await?;
                return Ok(());
            }
            Act::Silence => {
                while wire.read(&mut [0; 1024]).await? > 0 {}
                return Ok(());
            }
            Act::Drip(every) => {
                wire.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n{")
                    .await?;
                loop {
                    wire.flush().await?;
                    tokio::time::sleep(every).await;
                    wire.write_all(b" ").await?;
                }
            }
            Act::EndlessBody => {
                wire.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 1073741824\r\n\r\n")
                    .await?;
                loop {
                    wire.write_all(&[b' '; 16 * 1024]).await?;
                }
            }
            Act::EndlessHead => {
                wire.write_all(b"HTTP/1.1 200 OK\r\n").await?;
                for number in 0_u64.. {
                    wire.write_all(format!("X-{number}: {number}\r\n").as_bytes())
                        .await?;
                }
                return Ok(());
            }
        };
        wire.flush().await?;
        shared.note(|seen| seen.answers += 1);
        if !stays {
            return Ok(());
        }
    }
}

async fn read_more(wire: &mut Wire, read: &mut Vec<u8>, shared: &Shared) -> io::Result<()> {
    let more = wire.read_buf(read).await?;
    if more == 0 {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    shared.note(|seen| seen.bytes += more);
    Ok(())
}

fn answer(status: u16, body: &str) -> Vec<u8> {
    let extra = match status {
        302 => "Location: /r3/v01/health/ping\r\n",
        _ => "",
    };
    format!(
        "HTTP/1.1 {status} Told\r\nContent-Type: application/json\r\n{extra}Content-Length: {}\r\n\r\n{body}",
        body.len()
    )
    .into_bytes()
}
