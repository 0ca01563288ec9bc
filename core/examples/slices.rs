//! Uses the decoder, the framer and the classifier on slices that the caller owns, such as packets
//! of a ring or blocks filled by io_uring. There is no session, clock or read buffer. Only a
//! message that is split between packets is copied.
//!
//! `cargo run -p powerstream-core --example slices`

use powerstream_core::http::{ChunkLimits, ChunkSpan, ChunkedDecoder, HeadDecoder, HeadLimits};
use powerstream_core::stream::{Frame, Framer, MessagePlace, classify};

/// A response in three packets. The second Post is split by a chunk and by a packet.
const PACKETS: [&[u8]; 3] = [
    b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2e\r\n{\"id_str\":\"1\",\"text\":\"a\"}\r\n\r\n",
    b"{\"id_str\":\"2\",\"te\r\na\r\nxt\":\"b\"}\r\n\r\n",
    b"1b\r\n{\"id_str\":\"3\",\"text\":\"c\"}\r\n\r\n",
];

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut head_storage = [0; 4_096];
    let mut storage = [0; 65_536];
    let mut head = HeadDecoder::new(HeadLimits::default());
    let mut decoder = ChunkedDecoder::new(ChunkLimits::default());
    let mut framer = Framer::new(storage.len() - 1);
    let (mut is_streaming, mut posts) = (false, Vec::new());

    for packet in PACKETS {
        let mut input = packet;
        if !is_streaming {
            let (consumed, found) = head.decode(input, &mut head_storage);
            if let Some(found) = found? {
                println!("status {}", found.status);
                is_streaming = true;
            }
            input = &input[consumed..];
        }
        // Each range of content in the packet, and in each range, the ends of messages.
        while let ChunkSpan::Data(content) = decoder.decode(input)? {
            let mut run = content.clone();
            while !run.is_empty() {
                let (consumed, frame) = framer.next(input, run.clone(), &mut storage);
                run.start += consumed;
                let message = match frame {
                    Some(Frame::Message(MessagePlace::Input { start, end })) => &input[start..end],
                    Some(Frame::Message(MessagePlace::Storage { length })) => &storage[..length],
                    Some(Frame::KeepAlive) => {
                        println!("keep-alive");
                        continue;
                    }
                    _ => continue,
                };
                let class = classify(message);
                println!("{:?} {}", class.kind, String::from_utf8_lossy(message));
                posts.extend(class.post_id.map(|id| id.as_u64()));
            }
            input = &input[content.end..];
        }
    }
    assert_eq!(posts, [1, 2, 3]);
    Ok(())
}
