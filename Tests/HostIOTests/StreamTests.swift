import Glibc
import TestSupport
import Testing

@testable import HostIO

@Suite struct ByteQueueTests {
    @Test(arguments: 0..<10 as Range<UInt64>)
    func `it behaves as an array with a limit`(seed: UInt64) {
        var generator = SeededGenerator(seed: seed)
        var queue = ByteQueue(limit: 256, capacity: 16)
        var model: [UInt8] = []
        for _ in 0..<3000 {
            if Bool.random(using: &generator) {
                let bytes = (0..<Int.random(in: 0...90, using: &generator)).map { _ in
                    UInt8.random(in: 0...255, using: &generator)
                }
                let accepted = queue.append(bytes.span)
                #expect(accepted == min(bytes.count, 256 - model.count))
                model += bytes[..<accepted]
            } else {
                let maximum = Int.random(in: 0...90, using: &generator)
                var seen: [UInt8] = []
                let taken = queue.take(upTo: maximum) { bytes in
                    for index in bytes.indices { seen.append(bytes[index]) }
                    return Int.random(in: 0...bytes.count, using: &generator)
                }
                #expect(seen.count <= maximum && model.starts(with: seen))
                #expect(maximum == 0 || model.isEmpty || !seen.isEmpty)
                model.removeFirst(taken)
            }
            #expect(queue.count == model.count)
        }
        queue.removeAll()
        #expect(queue.count == 0)
    }
}

@Suite struct HostStreamTests {
    /// Where a pipe cannot be opened anew, its own descriptor is used, which may wait: then this test would never end.
    @Test func `a polled stream never waits`() throws {
        let (read, write) = Descriptor.pipe()
        let input = try HostStream(duplicating: read.raw, .polled(promise: 1))
        let output = try HostStream(duplicating: write.raw, .polled(promise: 4096))
        var bytes = InlineArray<16, UInt8>(repeating: 0)
        var span = bytes.mutableSpan
        #expect(input.read(into: &span, atMost: 16) == .wouldWait)
        let page = pattern(10_000)
        var written = 0
        while case .moved(let count) = output.write(page.span) { written += count }
        #expect(written == 65_536)
        #expect(output.write(page.span) == .wouldWait)
        #expect(read.receive(4096).count == 4096)
        #expect(output.write(page.span) == .moved(4096))
        #expect(input.read(into: &span, atMost: 7) == .moved(7))
        #expect(fcntl(read.raw, F_GETFL) & O_NONBLOCK == 0)
    }

    @Test func `a pipe and a terminal are opened anew, other files are shared`() throws {
        let (read, write) = Descriptor.pipe()
        let input = try HostStream(inherited: read.raw, .input)
        let output = try HostStream(inherited: write.raw, .output)
        #expect(input.kind == .immediate && output.kind == .immediate)
        #expect(fcntl(input.descriptor.rawValue, F_GETFL) & O_NONBLOCK != 0)
        let terminal = TestTerminal()
        let screen = try HostStream(inherited: terminal.slave.raw, .output)
        #expect(fcntl(screen.descriptor.rawValue, F_GETFL) & O_NONBLOCK != 0)
        #expect(fcntl(terminal.slave.raw, F_GETFL) & O_NONBLOCK == 0)
        #expect(throws: HostError("use", "descriptor 999999", .badFileDescriptor)) {
            _ = try HostStream(inherited: 999_999, .input)
        }
    }
}
