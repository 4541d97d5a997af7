//! Packets from one capture file to another, record by record.

use std::path::Path;

use dpdk::{Eal, EalConfig, Mbuf, Pool, PoolConfig, Port, PortConfig, WorkerIo};
use packet::{Buf, Burst, PortId, RxTx};

/// Writes frames as a capture file in this machine's byte order, all at time 0.
fn write(path: &Path, frames: &[Vec<u8>]) {
    let mut file = Vec::new();
    for word in [0xa1b2_c3d4_u32, 0x0004_0002, 0, 0, 65535, 1] {
        file.extend(word.to_ne_bytes());
    }
    for frame in frames {
        let length = frame.len() as u32;
        for word in [0, 0, length, length] {
            file.extend(word.to_ne_bytes());
        }
        file.extend(frame);
    }
    std::fs::write(path, file).expect("temporary file");
}

/// Reads the frames of a capture file.
fn read(path: &Path) -> Vec<Vec<u8>> {
    let file = std::fs::read(path).expect("the port wrote it");
    let mut rest = file.get(24..).expect("a file header");
    let mut frames = Vec::new();
    while let Some((header, after)) = rest.split_at_checked(16) {
        let length = u32::from_ne_bytes(header[8..12].try_into().expect("four octets")) as usize;
        let (frame, after) = after.split_at(length);
        frames.push(frame.to_vec());
        rest = after;
    }
    frames
}

#[test]
fn records_pass_from_file_to_file() {
    let directory = tempfile::tempdir().expect("temporary directory");
    let (input, output) = (
        directory.path().join("in.cap"),
        directory.path().join("out.cap"),
    );
    let frames: Vec<Vec<u8>> = (0..150_usize)
        .map(|n| (0..60 + 9 * n).map(|octet| (octet ^ n) as u8).collect())
        .collect();
    write(&input, &frames);

    let eal = Eal::init(EalConfig {
        name: "test-pcap".to_owned(),
        memory_mb: 64,
        ..EalConfig::default()
    })
    .expect("the environment starts");
    let devargs = format!(
        "net_pcap0,rx_pcap={},tx_pcap={}",
        input.display(),
        output.display()
    );
    let mut port = Port::attach(&eal, PortConfig::new("golden", devargs)).expect("attaches");
    assert_eq!(port.driver(), "net_pcap");
    let pair = port.take_queues().pop().expect("one pair");
    let mut io = WorkerIo::new(vec![pair], port.pool().clone()).expect("memory for fragments");

    let mut burst = Burst::<Mbuf>::new();
    let (mut came, mut whole) = (0, Vec::new());
    loop {
        let count = io.rx(PortId(0), &mut burst);
        if count == 0 {
            break;
        }
        came += count;
        for packet in &mut burst {
            whole.push(packet.is_contiguous());
            // There and back again: what leaves must be what came.
            packet.prepend(40).expect("head room");
            packet.data_mut()[..40].fill(0xee);
            packet.trim_front(40).expect("what was added");
        }
        assert_eq!(io.tx(PortId(0), &mut burst), count);
    }
    assert_eq!(came, frames.len());
    assert!(
        whole.iter().all(|whole| *whole),
        "1,401 octets fit one buffer"
    );
    drop(io);
    long_records_come_in_segments(&eal, directory.path());
    let leaks = eal
        .shutdown(vec![port], Vec::new())
        .expect("nothing is held");
    assert_eq!(leaks.mbufs_in_use(), 0);
    assert_eq!(read(&output), frames);
}

/// A record of more octets than a buffer has comes in several, and goes into one that is large enough.
fn long_records_come_in_segments(eal: &Eal, directory: &Path) {
    let input = directory.join("long.cap");
    let frames: Vec<Vec<u8>> = [2048, 2049, 4096, 5000, 9014]
        .into_iter()
        .map(|octets: usize| (0..octets).map(|at| (at % 251) as u8).collect())
        .collect();
    write(&input, &frames);
    let device = format!(
        "net_pcap1,rx_pcap={},tx_pcap={}",
        input.display(),
        directory.join("long-out.cap").display()
    );
    let mut port = Port::attach(eal, PortConfig::new("long", device)).expect("attaches");
    let pair = port.take_queues().pop().expect("one pair");
    let small = port.pool().clone();
    let large = PoolConfig {
        name: "large".to_owned(),
        mbufs: 63,
        data_room: 9000,
        socket: None,
    };
    let large = Pool::new(eal, large).expect("memory");
    let mut io = WorkerIo::new(vec![pair], small).expect("memory for fragments");
    let mut burst = Burst::<Mbuf>::new();
    while io.rx(PortId(0), &mut burst) > 0 {}
    assert_eq!(burst.len(), frames.len());
    for (packet, frame) in burst.iter().zip(&frames) {
        assert_eq!(packet.octets(), frame.len());
        assert_eq!(packet.is_contiguous(), frame.len() <= 2048);
        let mut whole = large.alloc().expect("a buffer");
        packet.gather(&mut whole);
        assert!(whole.is_contiguous());
        let fits = frame.len().min(9000);
        assert_eq!(whole.data(), &frame[..fits], "{} octets", frame.len());
    }
    io.free(&mut burst);
    drop(io);
    assert_eq!(port.close().expect("no queue is held").in_use(), 0);
    assert_eq!(large.in_use(), 0);
}
