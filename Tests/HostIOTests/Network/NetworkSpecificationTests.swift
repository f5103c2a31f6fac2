import TestSupport
import Testing

@testable import HostIO

@Suite struct NetworkSpecificationTests {
    private func parse(_ text: String) throws -> NetworkSpecification { try NetworkSpecification(text) { UInt64($0) } }

    @Test func networksAreReadAndWritten() throws {
        #expect(try parse("tap").attachment == .tap(name: nil))
        #expect(try parse("tap=br-0,mtu=9000").attachment == .tap(name: "br-0"))
        let link = try parse("link=/a,,b=c,mac=52:54:0:12:34:5F,mtu=68")
        #expect(link.attachment == .link(path: "/a,b=c"))
        #expect(link.description == "link=/a,,b=c,mac=52:54:00:12:34:5f,mtu=68")
        #expect(try parse(link.description) == link)
        for kind in ["user,host-loopback", "tap", "tap=a", "link=/l"] {
            let limited = try parse("\(kind),iops_max=9,bps=1000,iops=5")
            #expect(limited.rate.bytesPerSecond == 1000 && limited.rate.byteBurst == nil)
            #expect(limited.rate.operationsPerSecond == 5 && limited.rate.operationBurst == 9)
            #expect(limited.description == "\(kind),bps=1000,iops=5,iops_max=9")
            #expect(try parse(limited.description) == limited)
        }
    }

    static let mistakes: [(String, NetworkSpecificationError.Reason)] = [
        ("", .unknownKind("")), ("bridge", .unknownKind("bridge")), ("none", .unknownKind("none")),
        ("link", .unknownKind("link")), ("tap=", .unusableName("")), ("tap=a/b", .unusableName("a/b")),
        ("tap=1234567890123456", .unusableName("1234567890123456")), ("tap=..", .unusableName("..")),
        ("tap=tap%d", .unusableName("tap%d")), ("tap=\u{e9}", .unusableName("\u{e9}")),
        ("link=", .noPath), ("link=a\0b", .nulInPath), ("tap,", .unknownOption("")), ("tap,mac", .unknownOption("mac")),
        ("tap,mtu=1500,mtu=1500", .repeatedOption("mtu=")), ("tap,mtu=67", .unusableMTU("67")),
        ("tap,mtu=65536", .unusableMTU("65536")), ("tap,mtu=", .unusableMTU("")),
        ("tap,mac=", .unusableAddress("")), ("tap,mac=1:2:3:4:5", .unusableAddress("1:2:3:4:5")),
        ("tap,mac=0:0:0:0:0:0", .unusableAddress("0:0:0:0:0:0")),
        ("tap,mac=1:0:0:0:0:0", .unusableAddress("1:0:0:0:0:0")),
        ("tap,mac=2:+1:0:0:0:0", .unusableAddress("2:+1:0:0:0:0")),
        ("tap,mac=2::0:0:0:0", .unusableAddress("2::0:0:0:0")),
        ("tap,mac=2:100:0:0:0:0", .unusableAddress("2:100:0:0:0:0")),
        ("user,bps=0", .unusableRate(.unusable("bps=0"))), ("tap,iops=", .unusableRate(.unusable("iops="))),
        ("link=a,iops=18446744073709551616", .unusableRate(.unusable("iops=18446744073709551616"))),
        ("user,bps=1,bps=1", .repeatedOption("bps=")), ("tap,bps", .unknownOption("bps")),
        ("user,bps", .unusableUserOption(.unknownOption("bps"))),
        ("user,bps_max=5", .unusableRate(.burstWithoutRate(missing: "bps="))),
        ("tap,bps=5,iops_max=5", .unusableRate(.burstWithoutRate(missing: "iops="))),
    ]

    @Test(arguments: mistakes)
    func mistakesAreNamed(_ text: String, _ reason: NetworkSpecificationError.Reason) {
        #expect(throws: NetworkSpecificationError(text: text, reason: reason)) { try parse(text) }
        let line = NetworkSpecificationError(text: text, reason: reason).description
        #expect(!line.contains("\n") && line.count > 20)
    }

    @Test(arguments: 0..<20 as Range<UInt64>)
    func anythingIsReadAsItIsWritten(seed: UInt64) {
        var random = SeededGenerator(seed: seed)
        let parts = [
            "a", ",", ",,", "=", "tap", "link=", "mac=", "2:0:0:0:0:9", "mtu=", "1500", "\u{301}", "/", "user",
            ",bps=7",
            ",bps_max=9", ",iops=3",
        ]
        for _ in 0..<500 {
            let text = (0..<Int.random(in: 0...8, using: &random)).map { _ in parts.randomElement(using: &random) ?? ""
            }.joined()
            guard let network = try? parse(text) else { continue }
            #expect((try? parse(network.description)) == network, "\(text)")
        }
    }

    @Test func randomAddressesAreNobodys() {
        for _ in 0..<100 {
            let address = EthernetAddress.random()
            #expect(address.isUsable && address.rawValue & 2 != 0 && EthernetAddress(address.description) == address)
        }
    }
}
