import Devices
import KVM
import Synchronization
import Testing

@testable import Caisson

/// A device that remembers what was written and reads a fixed value.
private final class Recorder: PortDevice, MMIODevice {
    struct Write: Equatable {
        let offset: UInt64
        let width: Int
        let value: UInt64
    }

    let writes = Mutex<[Write]>([])
    let answer: UInt64

    init(answer: UInt64 = 0) { self.answer = answer }

    func read(offset: UInt16, width: Int) -> UInt32 { UInt32(truncatingIfNeeded: answer) }
    func write(offset: UInt16, width: Int, value: UInt32) {
        write(offset: UInt64(offset), width: width, value: UInt64(value))
    }
    func read(offset: UInt64, width: Int) -> UInt64 { answer }
    func write(offset: UInt64, width: Int, value: UInt64) {
        writes.withLock { $0.append(Write(offset: offset, width: width, value: value)) }
    }
}

/// The data of an invented exit.
private final class Data: ExitData {
    var elements: [UInt32]
    var answers: [UInt32] = []
    var memoryAnswer: UInt64?

    init(_ elements: [UInt32] = []) { self.elements = elements }

    func value(of access: VCPUExit.PortAccess, element: Int) -> UInt32 { elements[element] }
    func answer(_ access: VCPUExit.PortAccess, element: Int, _ value: UInt32) { answers.append(value) }
    func answerMMIO(_ value: UInt64) { memoryAnswer = value }
}

@Suite struct ExitHandlerTests {
    private let device = Recorder(answer: 0x5a)

    private func handler() throws -> ExitHandler {
        ExitHandler(
            ports: try PortBus([.init(device, at: 0x10...0x17)]),
            memory: try MMIOBus([.init(device, at: 0xd000_0000...0xd000_0fff)]))
    }

    private func access(_ port: UInt16, _ width: Int, _ count: Int) -> VCPUExit.PortAccess {
        VCPUExit.PortAccess(port: port, width: width, count: count, offset: 0)
    }

    @Test func writesGoToTheDevice() throws {
        #expect(try handler().perform(.portWrite(access(0x12, 1, 1)), on: Data([0x77])))
        #expect(device.writes.withLock { $0 } == [.init(offset: 2, width: 1, value: 0x77)])
    }

    @Test func aStringIsOneAccessAnElement() throws {
        #expect(try handler().perform(.portWrite(access(0x10, 2, 3)), on: Data([1, 2, 3])))
        #expect(device.writes.withLock { $0.map(\.value) } == [1, 2, 3])
        let data = Data()
        #expect(try handler().perform(.portRead(access(0x10, 1, 4)), on: data))
        #expect(data.answers == [0x5a, 0x5a, 0x5a, 0x5a])
    }

    @Test func absentPortsReadAllOnes() throws {
        let data = Data()
        let handler = try handler()
        #expect(handler.perform(.portRead(access(0x999, 2, 1)), on: data))
        #expect(data.answers == [0xffff])
        #expect(handler.ports.unknownReads == 1)
    }

    @Test func memoryAccessesGoToTheDevice() throws {
        let data = Data()
        #expect(try handler().perform(.mmioRead(address: 0xd000_0010, width: 4), on: data))
        #expect(data.memoryAnswer == 0x5a)
        #expect(try handler().perform(.mmioWrite(address: 0xd000_0020, width: 8, value: 9), on: data))
        #expect(device.writes.withLock { $0 } == [.init(offset: 0x20, width: 8, value: 9)])
    }

    @Test(arguments: [
        VCPUExit.debug, .halt, .shutdown, .interrupted, .emulationFailed, .systemEvent(type: 1),
        .internalError(suberror: 3), .entryFailed(reason: 7), .unexpected(reason: 99), .msrRead(index: 1),
        .msrWrite(index: 1, value: 2),
    ])
    func othersAreTheMachines(exit: VCPUExit) throws {
        #expect(try !handler().perform(exit, on: Data()))
    }
}
