import Devices
import Synchronization

/// An interrupt line that remembers its level and how often it rose.
final class RecordingLine: InterruptLine {
    private struct State {
        var level = false
        var edges = 0
        var repeats = 0
    }

    private let state = Mutex(State())

    func set(_ level: Bool) {
        state.withLock {
            if $0.level == level { $0.repeats += 1 }
            if level, !$0.level { $0.edges += 1 }
            $0.level = level
        }
    }

    var level: Bool { state.withLock { $0.level } }
    var edges: Int { state.withLock { $0.edges } }
    /// Calls that changed nothing; a device makes none.
    var repeats: Int { state.withLock { $0.repeats } }
}

/// A machine that remembers what was asked of it.
final class RecordingMachine: MachineEvents {
    enum Event: Equatable {
        case reset(ResetSource), powerOff, exit(UInt8), panic
    }

    private let log = Mutex<[Event]>([])

    var events: [Event] { log.withLock { $0 } }

    func resetRequested(by source: ResetSource) { log.withLock { $0.append(.reset(source)) } }
    func powerOffRequested() { log.withLock { $0.append(.powerOff) } }
    func exitRequested(status: UInt8) { log.withLock { $0.append(.exit(status)) } }
    func guestPanicked() { log.withLock { $0.append(.panic) } }
}

/// Reads of a register with the widths that guests use.
extension PortDevice {
    func byte(_ offset: UInt16) -> UInt8 { UInt8(read(offset: offset, width: 1)) }
    func set(_ offset: UInt16, _ value: UInt8) { write(offset: offset, width: 1, value: UInt32(value)) }
}
