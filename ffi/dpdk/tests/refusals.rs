//! Devices that cannot be opened, each with a sentence that helps.

use dpdk::{Eal, EalConfig, Port, PortConfig};

#[test]
fn devices_that_cannot_be_opened_say_why() {
    let eal = Eal::init(EalConfig {
        name: "test-refusals".to_owned(),
        memory_mb: 64,
        ..EalConfig::default()
    })
    .expect("the environment starts");
    let cases: &[(&str, &[&str])] = &[
        ("", &["no device is named", "net_af_packet0,iface=eth1"]),
        ("net_nosuch0", &["net_nosuch0", "0000:01:00.0"]),
        ("eth9", &["eth9", "net_af_packet0,iface=eth1"]),
        ("net_af_packet0", &["net_af_packet0,iface=NAME"]),
        ("net_af_packet0,iface=nosuch0", &["nosuch0", "ip link"]),
        (
            "net_null0,colour=red",
            &["net_null0,colour=red", "check its arguments"],
        ),
        (
            "net_pcap0,rx_pcap=/nosuch/in.cap",
            &["/nosuch/in.cap", "check its arguments"],
        ),
        ("00:1f.7", &["00:1f.7", "--bind=vfio-pci 0000:00:1f.7"]),
    ];
    for (devargs, parts) in cases {
        let refused = Port::attach(&eal, PortConfig::new("core", *devargs));
        let sentence = refused
            .err()
            .unwrap_or_else(|| panic!("{devargs} opened"))
            .to_string();
        println!("{sentence}");
        assert!(sentence.starts_with("port core: "), "{sentence}");
        for part in *parts {
            assert!(sentence.contains(part), "{devargs}: {sentence}");
        }
    }

    let mut config = PortConfig::new("core", "net_null0");
    config.queues = 60000;
    let many = Port::attach(&eal, config.clone())
        .err()
        .expect("too many queues")
        .to_string();
    assert!(
        many.contains("60000 queues") && many.contains("fewer workers"),
        "{many}"
    );
    config.queues = 1;
    config.mbufs = Some(1_000_000);
    let large = Port::attach(&eal, config.clone())
        .err()
        .expect("too many buffers")
        .to_string();
    assert!(
        large.contains("1000000") && large.contains("raise the memory"),
        "{large}"
    );
    config.mbufs = None;
    let port = Port::attach(&eal, config).expect("each refusal left nothing open");
    eal.shutdown(vec![port], Vec::new())
        .expect("nothing is held");
}
