//! The servers on tokio, a task per connection, one thread: the bench gives a server one CPU. Names one of echo, lines,
//! fanout on the command line; behind echo, the size of a connection's buffer.
use std::collections::HashMap;
use std::io::Read;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader, BufWriter, Result};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;

const BLOCK: usize = 64 * 1024;
const HARD_LIFETIME: Duration = Duration::from_secs(120);
const QUEUED: usize = 1024;

type Subscribers = Arc<Mutex<HashMap<u64, mpsc::Sender<Arc<[u8]>>>>>;

fn main() -> Result<()> {
    std::thread::spawn(|| {
        std::thread::sleep(HARD_LIFETIME);
        std::process::exit(3);
    });
    std::thread::spawn(|| {
        let _ = std::io::stdin().read_to_end(&mut Vec::new());
        std::process::exit(0);
    });
    let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build()?;
    runtime.block_on(serve(std::env::args().nth(1).unwrap_or_default()))
}

async fn serve(role: String) -> Result<()> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    println!("{}", listener.local_addr()?.port());
    let subscribers = Subscribers::default();
    let mut serial = 0;
    let block = std::env::args().nth(2).map_or(BLOCK, |bytes| bytes.parse().expect("a number of bytes"));
    loop {
        let (stream, _) = listener.accept().await?;
        stream.set_nodelay(true)?;
        serial += 1;
        match role.as_str() {
            "echo" => drop(tokio::spawn(echo(stream, block))),
            "lines" => drop(tokio::spawn(lines(stream))),
            "fanout" => drop(tokio::spawn(participate(stream, subscribers.clone(), serial))),
            other => panic!("no such role: {other}"),
        }
    }
}

async fn echo(mut stream: TcpStream, block: usize) -> Result<()> {
    let mut buffer = vec![0; block];
    loop {
        let got = stream.read(&mut buffer).await?;
        if got == 0 {
            return Ok(());
        }
        stream.write_all(&buffer[..got]).await?;
    }
}

/// Replies collect while there is more to read without waiting.
async fn lines(stream: TcpStream) -> Result<()> {
    let (input, output) = stream.into_split();
    let mut reader = BufReader::with_capacity(BLOCK, input);
    let mut writer = BufWriter::with_capacity(BLOCK, output);
    let mut line = Vec::new();
    loop {
        line.clear();
        if reader.read_until(b'\n', &mut line).await? == 0 {
            return Ok(());
        }
        writer.write_all(&line).await?;
        if reader.buffer().is_empty() {
            writer.flush().await?;
        }
    }
}

/// A subscriber is a queue, with a task that writes what is in it.
async fn participate(stream: TcpStream, subscribers: Subscribers, serial: u64) -> Result<()> {
    let (input, mut output) = stream.into_split();
    let mut reader = BufReader::with_capacity(BLOCK, input);
    let mut line = String::new();
    reader.read_line(&mut line).await?;
    output.write_all(b"ready\n").await?;
    if line == "SUB\n" {
        let (queue, mut queued) = mpsc::channel::<Arc<[u8]>>(QUEUED);
        subscribers.lock().unwrap().insert(serial, queue);
        let mut writer = BufWriter::with_capacity(BLOCK, output);
        // Ends when it was cut, or when the peer takes nothing more.
        while let Some(message) = queued.recv().await {
            writer.write_all(&message).await?;
            while let Ok(more) = queued.try_recv() {
                writer.write_all(&more).await?;
            }
            writer.flush().await?;
        }
        return Ok(());
    }
    loop {
        line.clear();
        if reader.read_line(&mut line).await? == 0 {
            return Ok(());
        }
        let message: Arc<[u8]> = format!("> {line}").into_bytes().into();
        // One that takes nothing is cut.
        subscribers.lock().unwrap().retain(|_, queue| queue.try_send(message.clone()).is_ok());
    }
}
