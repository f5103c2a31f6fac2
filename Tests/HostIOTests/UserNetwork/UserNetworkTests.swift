import CLinux
import Glibc
import TestSupport
import Testing

@testable import HostIO

/// The helper as a process, with a guest of the tests' own.
@Suite(.timeLimit(.minutes(5))) struct UserNetworkTests {
    @Test func addressesAreGivenOut() throws {
        let guest = try FakeGuest()
        let offer = try #require(guest.askForAddress(1))
        #expect(offer.address == .guest && offer.options[53] == [2])
        let lease = try #require(guest.askForAddress(3, [50, 4] + Address.guest.bytes + [54, 4] + Address.host.bytes))
        #expect(lease.address == .guest)
        #expect(lease.options[53] == [5])
        #expect(lease.options[1] == [255, 255, 255, 0])
        #expect(lease.options[3] == Address.host.bytes)
        #expect(lease.options[6] == Address.nameServer.bytes)
        #expect(guest.resolve(.host)?.count == 6)
        #expect(guest.resolve(.nameServer)?.count == 6)
        #expect(guest.errors.isEmpty)
    }

    @Test func guestsReachServersOfTheHost() throws {
        let guest = try FakeGuest(["host-loopback"])
        #expect(guest.findGateway())
        let server = LoopbackSocket()
        let connection = try #require(guest.connect(to: .host, server.port))
        let accepted = try #require(server.accept())
        connection.send(Array("hello".utf8))
        #expect(accepted.receiveText(5) == "hello")

        // More than any queue holds, every byte in its place.
        let bytes = pattern(3_000_000)
        let sender = Thread { accepted.send(bytes) }
        #expect(connection.receive(bytes.count) == bytes)
        sender.join()
        connection.send([.fin, .ack])
        #expect(accepted.receive(1).isEmpty)
    }

    @Test func datagramsGoBothWays() throws {
        let guest = try FakeGuest(["host-loopback"])
        #expect(guest.findGateway())
        let server = LoopbackSocket(isDatagram: true)
        guest.sendUDP(from: 1234, to: (.host, server.port), Array("a".utf8))
        server.answer { $0 + Array("!".utf8) }
        let answer = try #require(guest.receiveUDP(at: 1234))
        #expect(answer.payload == Array("a!".utf8))
        #expect(answer.from.0 == .host && answer.from.1 == server.port)
    }

    @Test func theHostsLoopbackIsItsOwn() throws {
        let guest = try FakeGuest()
        #expect(guest.findGateway())
        let (tcp, udp) = (LoopbackSocket(), LoopbackSocket(isDatagram: true))
        let others = [Address.host, .nameServer, .broadcast, Address(10, 0, 2, 77), Address(10, 0, 2, 255)]
        for address in others {
            #expect(guest.connect(to: address, tcp.port) == nil, "\(address)")
            guest.sendUDP(from: 1234, to: (address, udp.port), [1])
        }
        // These are not even refused.
        for address in [Address(127, 0, 0, 1), .unknown] {
            guest.beginConnection(to: address, tcp.port)
            guest.sendUDP(from: 1234, to: (address, udp.port), [1])
        }
        // The network goes on, and has done by now what it was asked to.
        #expect(guest.resolve(.host) != nil)
        #expect(!tcp.descriptor.isReady(POLLIN, 100))
        #expect(!udp.descriptor.isReady())
    }

    @Test func aPublishedDatagramPortOnlyAnswers() throws {
        let (published, other) = (LoopbackSocket.freePort(isDatagram: true), LoopbackSocket(isDatagram: true))
        let guest = try FakeGuest(["publish=127.0.0.1:\(published):53/udp"])
        #expect(guest.findGateway())
        let asking = try #require(LoopbackSocket.connect(to: published, isDatagram: true))
        asking.send("who")
        let question = try #require(guest.receiveUDP(at: 53))
        guest.sendUDP(from: 53, to: (.host, other.port), [1])
        guest.sendUDP(from: 54, to: question.from, [2])
        guest.sendUDP(from: 53, to: question.from, [3])
        #expect(asking.receive(1) == [3])
        #expect(!other.descriptor.isReady())
    }

    @Test func publishedPortsReachTheGuest() throws {
        let (tcp, udp) = (LoopbackSocket.freePort(), LoopbackSocket.freePort(isDatagram: true))
        let guest = try FakeGuest(
            ["publish=127.0.0.1:\(tcp):80", "publish=127.0.0.1:\(udp):53/udp"], opensEarly: true)
        #expect(guest.findGateway())
        let client = try #require(LoopbackSocket.connect(to: tcp))
        let connection = try #require(guest.accept(80))
        client.send("GET")
        #expect(connection.receive(3) == Array("GET".utf8))
        connection.send(Array("200".utf8))
        #expect(client.receiveText(3) == "200")

        let asking = try #require(LoopbackSocket.connect(to: udp, isDatagram: true))
        asking.send("who")
        let question = try #require(guest.receiveUDP(at: 53))
        #expect(question.payload == Array("who".utf8))
        guest.sendUDP(from: 53, to: question.from, Array("me".utf8))
        #expect(asking.receiveText(2) == "me")
    }

    @Test func publishedPortsListenBeforeTheGuest() throws {
        let port = LoopbackSocket.freePort()
        let network = UserNetwork(try UserNetworkSpecification(options: ["publish=127.0.0.1:\(port):80"]))
        #expect(LoopbackSocket.connect(to: port) == nil)
        try network.open()
        #expect(LoopbackSocket.connect(to: port) != nil)
        network.stop()
        #expect(LoopbackSocket.connect(to: port) == nil)
    }

    @Test func portsInUseAreNamed() throws {
        let taken = LoopbackSocket()
        let network = UserNetwork(try UserNetworkSpecification(options: ["publish=127.0.0.1:\(taken.port):80"]))
        let error = #expect(throws: UserNetworkError.self) { try network.open() }
        #expect(error?.description.contains("127.0.0.1:\(taken.port)/tcp: Address already in use") == true)
        #expect(error?.description.contains("\n") == false)
    }

    @Test func aDriverCanStartAgain() throws {
        let port = LoopbackSocket.freePort()
        let guest = try FakeGuest(["publish=127.0.0.1:\(port):80"], opensEarly: true)
        for _ in 0..<3 {
            #expect(guest.findGateway())
            #expect(LoopbackSocket.connect(to: port) != nil)
            try guest.activate()
        }
        #expect(guest.findGateway())
        #expect(guest.errors.isEmpty)
    }

    @Test(arguments: [0, 13, 65_554, 0x8000_0000, .max] as [UInt32])
    func impossibleLengthsEndTheNetwork(length: UInt32) throws {
        let guest = try FakeGuest()
        guest.sendBytes(.big(length))
        guest.sendBytes([UInt8](repeating: 0xaa, count: 100))
        #expect(eventually { guest.errors == [.ended(status: 1)] })
    }

    @Test(arguments: 0..<8 as Range<UInt64>)
    func anyFrameIsSurvived(seed: UInt64) throws {
        var random = SeededGenerator(seed: seed)
        let guest = try FakeGuest()
        #expect(guest.findGateway())
        let gateway = try #require(guest.resolve(.host))
        for _ in 0..<300 {
            // Noise, behind headers that lead it ever deeper.
            let count = Int.random(in: 14...1600, using: &random)
            var frame = (0..<count).map { _ in UInt8.random(in: 0...255, using: &random) }
            let kind = Int.random(in: 0...4, using: &random)
            let noise = Array(frame.prefix(1400))
            switch kind {
            case 0: break
            case 1: frame = Frame.ethernet(to: gateway, type: 0x806, noise)
            case 2:
                frame = Frame.ipv4(
                    [1, 6, 17].randomElement(using: &random) ?? 1, from: .guest, to: .host, gateway: gateway, noise)
            case 3:
                frame = Frame.udp(from: (.guest, 68), to: (.broadcast, 67), gateway: gateway, [1, 1, 6, 0] + noise)
            default:
                frame = Frame.ipv4(6, from: .guest, to: .host, gateway: gateway, noise)
                // Lengths and fragments that the header lies about.
                frame[14 + Int.random(in: 0..<8, using: &random)] = UInt8.random(in: 0...255, using: &random)
            }
            guest.send(frame)
        }
        guest.send([UInt8](repeating: 0, count: 65_553))
        #expect(guest.resolve(.host) != nil)
        #expect(guest.errors.isEmpty)
    }

    @Test func framesComeInAnyPieces() throws {
        let guest = try FakeGuest()
        let frame = Frame.arpRequest(for: .host)
        for byte in [UInt8].big(UInt32(frame.count)) + frame {
            guest.sendBytes([byte])
            usleep(200)
        }
        #expect(guest.expect { if case .arpReply(.host, _) = $0 { true } else { nil } } == true)
    }

    @Test func aMachineThatTakesNothingIsBounded() throws {
        let guest = try FakeGuest(["host-loopback"])
        #expect(guest.findGateway())
        let process = try #require(guest.network.processID)
        let server = LoopbackSocket()
        let connection = try #require(guest.connect(to: .host, server.port))
        let accepted = try #require(server.accept())
        // Answers that nobody reads, many more than the queue holds.
        let request = Frame.arpRequest(for: .host)
        for _ in 0..<100_000 { guest.send(request) }
        let bytes = pattern(500_000)
        let sender = Thread { accepted.send(bytes) }
        #expect(connection.receive(bytes.count) == bytes)
        sender.join()
        let status = try HostFile.text(of: "/proc/\(process)/status")
        let peak = status.split(separator: "\n").first { $0.hasPrefix("VmHWM:") }
        let kilobytes = Int(peak?.split(separator: " ").dropFirst().first ?? "") ?? .max
        #expect(kilobytes < 32_768)
    }
}
