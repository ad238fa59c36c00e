//! A request's body that is read from a file or pipe while it is sent.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http_body::{Body as HttpBody, Frame, SizeHint};
use reqwest::Body;
use tokio::io::{AsyncRead, ReadBuf};

/// Bytes read and sent at a time.
const CHUNK: usize = 64 * 1024;

/// A body of exactly `length` bytes read from `reader` while it is sent.
///
/// For a file, open it, take `length` from its metadata and pass the open file: `Content-Length` is then set, and
/// memory stays at one 64 KiB chunk whatever the size. A reader that ends early, or still has bytes after `length`,
/// breaks the request off, so that a file changed meanwhile never arrives as if it were whole.
pub fn reader_body<R>(reader: R, length: u64) -> Body
where
    R: AsyncRead + Unpin + Send + Sync + 'static,
{
    Body::wrap(ReaderBody { reader, buffer: vec![0; CHUNK].into_boxed_slice(), left: length })
}

/// An [`AsyncRead`] as an HTTP body of known length.
struct ReaderBody<R> {
    reader: R,
    buffer: Box<[u8]>,
    left: u64,
}

impl<R: AsyncRead + Unpin> HttpBody for ReaderBody<R> {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, io::Error>>> {
        let this = self.get_mut();
        if this.left == 0 {
            return Poll::Ready(None);
        }
        let mut chunk = ReadBuf::new(&mut this.buffer);
        if let Err(error) = ready!(Pin::new(&mut this.reader).poll_read(context, &mut chunk)) {
            return Poll::Ready(Some(Err(error)));
        }
        let read = chunk.filled();
        let count = read.len() as u64;
        if count == 0 {
            let why = format!("the source ended {} bytes early", this.left);
            return Poll::Ready(Some(Err(io::Error::new(io::ErrorKind::UnexpectedEof, why))));
        }
        if count > this.left {
            return Poll::Ready(Some(Err(io::Error::other("the source grew while it was sent"))));
        }
        this.left -= count;
        Poll::Ready(Some(Ok(Frame::data(Bytes::copy_from_slice(read)))))
    }

    fn is_end_stream(&self) -> bool {
        self.left == 0
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.left)
    }
}
