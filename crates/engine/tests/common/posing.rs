//! A way to a server on which some bytes are others, and as many: a server of MySQL's poses as an older one, and PostgreSQL
//! is asked for what it refuses.

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

/// The port at the near end of a way to this one.
pub async fn posing(port: u16, own: String, other: String) -> u16 {
    assert_eq!(own.len(), other.len());
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let near_end = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        while let Ok((near, _)) = listener.accept().await {
            let far = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
            let ((asks, hears), (says, is_asked)) = (near.into_split(), far.into_split());
            for (mut from, mut to) in [(asks, is_asked), (says, hears)] {
                let (own, other) = (own.clone(), other.clone());
                tokio::spawn(async move {
                    let mut bytes = vec![0; 64 * 1024];
                    while let Ok(count @ 1..) = from.read(&mut bytes).await {
                        let said = &mut bytes[..count];
                        let places = said.windows(own.len()).enumerate();
                        let places = places.filter(|(_, some)| *some == own.as_bytes());
                        for at in places.map(|(at, _)| at).collect::<Vec<_>>() {
                            said[at..at + own.len()].copy_from_slice(other.as_bytes());
                        }
                        if to.write_all(said).await.is_err() {
                            return;
                        }
                    }
                    let _closed = to.shutdown().await;
                });
            }
        }
    });
    near_end
}
