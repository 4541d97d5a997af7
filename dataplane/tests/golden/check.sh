#!/bin/sh
# Has tshark look at every frame that the golden cases send: prints what it finds malformed or with a
# wrong checksum. The packets that errors quote are broken on purpose in places; look at them one by one.
cd "$(dirname "$0")" || exit 1
for file in */out*.pcap; do
    tshark -r "$file" -o ip.check_checksum:TRUE -o udp.check_checksum:TRUE -o tcp.check_checksum:TRUE \
        -Y '_ws.malformed || icmpv6.checksum.status == 0 || icmp.checksum.status == 0 || ip.checksum.status == 0 || udp.checksum.status == 0 || tcp.checksum.status == 0 || _ws.expert.severity >= 0x800000' \
        -T fields -E separator=' | ' -e frame.number -e _ws.col.Info -e _ws.expert.message 2>/dev/null |
        sed "s#^#$file: #"
done
