import TestSupport
import Testing

@testable import HostIO

@Suite struct NetworkSpecificationTests {
    @Test func networksAreReadAndWritten() throws {
        #expect(try NetworkSpecification("tap").attachment == .tap(name: nil))
        #expect(try NetworkSpecification("tap=br-0,mtu=9000").attachment == .tap(name: "br-0"))
        let link = try NetworkSpecification("link=/a,,b=c,mac=52:54:0:12:34:5F,mtu=68")
        #expect(link.attachment == .link(path: "/a,b=c"))
        #expect(link.description == "link=/a,,b=c,mac=52:54:00:12:34:5f,mtu=68")
        #expect(try NetworkSpecification(link.description) == link)
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
    ]

    @Test(arguments: mistakes)
    func mistakesAreNamed(_ text: String, _ reason: NetworkSpecificationError.Reason) {
        #expect(throws: NetworkSpecificationError(text: text, reason: reason)) { try NetworkSpecification(text) }
        let line = NetworkSpecificationError(text: text, reason: reason).description
        #expect(!line.contains("\n") && line.count > 20)
    }

    @Test(arguments: 0..<20 as Range<UInt64>)
    func anythingIsReadAsItIsWritten(seed: UInt64) {
        var random = SeededGenerator(seed: seed)
        let parts = ["a", ",", ",,", "=", "tap", "link=", "mac=", "2:0:0:0:0:9", "mtu=", "1500", "\u{301}", "/"]
        for _ in 0..<500 {
            let text = (0..<Int.random(in: 0...8, using: &random)).map { _ in parts.randomElement(using: &random) ?? ""
            }.joined()
            guard let network = try? NetworkSpecification(text) else { continue }
            #expect((try? NetworkSpecification(network.description)) == network, "\(text)")
        }
    }

    @Test func randomAddressesAreNobodys() {
        for _ in 0..<100 {
            let address = EthernetAddress.random()
            #expect(address.isUsable && address.rawValue & 2 != 0 && EthernetAddress(address.description) == address)
        }
    }
}
