//! Starts a private server, says where it is, and keeps it until standard input ends.

use std::time::Instant;

use threadkeep_test_server::{Result, Server, Settings};

fn main() -> Result<()> {
    let begin = Instant::now();
    let server = Server::start(Settings::default())?;
    eprintln!("started in {:?}", begin.elapsed());
    println!("{}", server.url());
    println!("{}", server.tcp_url());
    // Whether it ends or fails, nobody is there any more.
    let _ = std::io::copy(&mut std::io::stdin(), &mut std::io::sink());
    Ok(())
}
