import Devices
import KVM
import Synchronization

/// Why a machine's processors stopped for good.
enum MachineEnd: Equatable, Sendable {
    case powerOff(PowerOffSource)
    case reset(ResetSource)
    /// The guest chose the exit status.
    case exit(status: UInt8)
    case crash(GuestCrash)
    case failure(VirtualMachineError)
    /// Somebody on the host asked for it.
    case stopped

    enum PowerOffSource: String, Sendable {
        case powerControl, systemEvent
        /// All processors wait with interrupts off: how a Linux without a way to switch off ends.
        case halt
    }
}

/// How a guest crashed.
public enum GuestCrash: Equatable, Sendable {
    /// The kernel panicked.
    case panic
    /// An exception while delivering an exception's exception resets a processor; firmware would start it anew.
    case tripleFault
}

/// Where the first end of a machine is decided. The platform's devices tell it what the guest asks for.
final class MachineEnding: MachineEvents, Sendable {
    private struct State {
        var end: MachineEnd?
        var threads: [VCPUThread] = []
    }

    private let state = Mutex(State())
    private let handler: @Sendable (MachineEnd) -> Void

    /// - Parameter handler: called once, on the thread that brought the end about; it returns at once.
    init(handler: @escaping @Sendable (MachineEnd) -> Void) { self.handler = handler }

    /// Tells the processors that are to stop at the end.
    func setThreads(_ threads: [VCPUThread]) { state.withLock { $0.threads = threads } }

    /// Ends the machine, unless it has ended already.
    func end(_ end: MachineEnd) {
        let threads: [VCPUThread]? = state.withLock { state in
            guard state.end == nil else { return nil }
            state.end = end
            // Given up: each knows its run, which knows this, so that nothing of a machine would ever go.
            return exchange(&state.threads, with: [])
        }
        guard let threads else { return }
        for thread in threads { thread.order(.stop) }
        handler(end)
    }

    var hasEnded: Bool { state.withLock { $0.end != nil } }

    func resetRequested(by source: ResetSource) { end(.reset(source)) }
    func powerOffRequested() { end(.powerOff(.powerControl)) }
    func exitRequested(status: UInt8) { end(.exit(status: status)) }
    func guestPanicked() { end(.crash(.panic)) }
}
