import TestSupport
import Testing

@testable import HostIO

@Suite struct UserNetworkSpecificationTests {
    @Test func portsAreReadAndWritten() throws {
        var forward = PortForward(hostPort: 8080, guestPort: 80)
        #expect(try PortForward("8080:80") == forward)
        #expect(try PortForward("8080:80/tcp") == forward)
        #expect(try PortForward("0.0.0.0:8080:80") == forward)
        forward.transport = .udp
        forward.hostAddress = try #require(IPv4Address("127.0.0.1"))
        #expect(try PortForward("127.0.0.1:8080:80/udp") == forward)
        #expect(forward.description == "127.0.0.1:8080:80/udp")
        #expect(try PortForward("65535:1").description == "65535:1")
    }

    static let mistakes: [(String, PortForwardError.Reason)] = [
        ("", .form), ("80", .form), ("/udp", .form), ("1:2:3:4", .form), ("[::1]:80:80", .form),
        ("80:", .unusablePort("")), (":80", .unusablePort("")), ("0:80", .unusablePort("0")),
        ("80:65536", .unusablePort("65536")), ("+80:80", .unusablePort("+80")), ("-1:80", .unusablePort("-1")),
        ("80-81:80", .unusablePort("80-81")), ("8 0:80", .unusablePort("8 0")),
        ("localhost:80:80", .unusableAddress("localhost")), ("1.2.3:80:80", .unusableAddress("1.2.3")),
        ("1.2.3.256:80:80", .unusableAddress("1.2.3.256")), ("1.2.3.04:80:80", .unusableAddress("1.2.3.04")),
        ("1.2.3.4.5:80:80", .unusableAddress("1.2.3.4.5")), (":80:80", .unusableAddress("")),
        ("1.2.3.+4:80:80", .unusableAddress("1.2.3.+4")),
        ("80:80/", .unknownProtocol("")), ("80:80/sctp", .unknownProtocol("sctp")),
        ("80:80/udp/tcp", .unknownProtocol("udp/tcp")),
    ]

    @Test(arguments: mistakes)
    func mistakesAreNamed(_ text: String, _ reason: PortForwardError.Reason) {
        let error = PortForwardError(text: text, reason: reason)
        #expect(throws: error) { try PortForward(text) }
        #expect(!error.description.contains("\n") && error.description.count > 20)
    }

    @Test func networksAreReadAndWritten() throws {
        let options = ["host-loopback", "publish=8080:80", "publish=127.0.0.1:53:53/udp"]
        let network = try UserNetworkSpecification(options: options.reversed())
        #expect(network.reachesHostLoopback)
        #expect(network.publishes.map(\.description) == ["127.0.0.1:53:53/udp", "8080:80"])
        #expect(try UserNetworkSpecification(options: network.options) == network)
        #expect(try UserNetworkSpecification(options: []) == UserNetworkSpecification())
    }

    static let collisions: [(String, String, Bool)] = [
        ("80:80", "80:81", true), ("80:80", "127.0.0.1:80:80", true), ("127.0.0.1:80:80", "127.0.0.2:80:80", false),
        ("127.0.0.1:80:80", "127.0.0.1:80:81", true), ("80:80", "80:80/udp", false), ("80:80", "81:80", false),
    ]

    @Test(arguments: collisions)
    func noTwoPortsCollide(_ first: String, _ second: String, _ collide: Bool) throws {
        for (first, second) in [(first, second), (second, first)] {
            var network = UserNetworkSpecification()
            try network.publish(try PortForward(first))
            if collide {
                #expect(throws: PortForwardError(text: second, reason: .repeated)) {
                    try network.publish(try PortForward(second))
                }
            } else {
                try network.publish(try PortForward(second))
                #expect(network.publishes.count == 2)
            }
        }
    }

    @Test func unknownOptionsAreNamed() {
        #expect(throws: UserNetworkSpecificationError.unknownOption("host")) {
            try UserNetworkSpecification(options: ["host"])
        }
        #expect(throws: UserNetworkSpecificationError.repeatedOption("host-loopback")) {
            try UserNetworkSpecification(options: ["host-loopback", "host-loopback"])
        }
        #expect(throws: UserNetworkSpecificationError.unusableForward(.init(text: "x", reason: .form))) {
            try UserNetworkSpecification(options: ["publish=x"])
        }
    }

    @Test(arguments: 0..<10 as Range<UInt64>)
    func anythingIsReadAsItIsWritten(seed: UInt64) {
        var random = SeededGenerator(seed: seed)
        let parts = ["127.0.0.1", ":", ":", "80", "1", "0", "/udp", "/tcp", ".", "65535", "\u{301}", "8080:80"]
        var understood = 0
        for _ in 0..<2000 {
            let count = Int.random(in: 0...6, using: &random)
            let text = (0..<count).map { _ in parts.randomElement(using: &random) ?? "" }.joined()
            guard let forward = try? PortForward(text) else { continue }
            understood += 1
            #expect((try? PortForward(forward.description)) == forward, "\(text)")
        }
        #expect(understood > 0)
    }
}
