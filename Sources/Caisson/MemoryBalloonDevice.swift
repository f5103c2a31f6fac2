import Devices
import Dispatch
import GuestMemory
import Synchronization

/// A machine's memory balloon: changes, at any time, how much memory the guest has, and asks it what it does with it.
///
/// What the guest does not have, and pages that it reports as free, the host has back. A guest whose memory runs out
/// takes some of it again.
public final class VirtioTraditionalMemoryBalloonDevice: Sendable {
    private struct State {
        var target: UInt64
        /// The device of the guest that runs now.
        var device: VirtioBalloon?
    }

    private let memorySize: UInt64
    private let state: Mutex<State>

    init(_ configuration: VirtioTraditionalMemoryBalloonDeviceConfiguration, memorySize: UInt64) {
        self.memorySize = memorySize
        let target = configuration.targetVirtualMachineMemorySize ?? memorySize
        state = Mutex(State(target: target))
    }

    /// Bytes of memory that the guest is to have: at most the machine's memory, rounded up to 4 KiB. It lasts over
    /// resets of the guest.
    public var targetVirtualMachineMemorySize: UInt64 {
        get { state.withLock { $0.target } }
        set {
            let target = min(newValue, memorySize)
            let device = state.withLock { state in
                state.target = target
                return state.device
            }
            device?.target = Self.pages(memorySize - target)
        }
    }

    /// Bytes of memory that the guest has now, as its driver says; all of them while it has none.
    public var virtualMachineMemorySize: UInt64 {
        let device = state.withLock { $0.device }
        return memorySize - min(memorySize, UInt64(device?.actual ?? 0) * GuestMemory.pageSize)
    }

    /// Asks the guest what it does with its memory.
    /// - Parameter limit: how long its answer may take.
    /// - Throws: `notSupported` where the guest has no driver that answers in time.
    public func statistics(within limit: Duration = .seconds(5)) async throws(VirtualMachineError)
        -> MemoryBalloonStatistics
    {
        let statistics: MemoryBalloonStatistics? = await withCheckedContinuation { continuation in
            let giveUp = requestStatistics { continuation.resume(returning: $0) }
            let (seconds, attoseconds) = max(.zero, limit).components
            let wait = Double(seconds) + Double(attoseconds) / 1e18
            DispatchQueue.global().asyncAfter(deadline: .now() + wait, execute: giveUp)
        }
        guard let statistics else {
            throw VirtualMachineError(.notSupported, "the guest's memory balloon gives no statistics")
        }
        return statistics
    }

    /// Asks the guest what it does with its memory.
    /// - Parameter answered: called once, with nil where the guest has no driver that answers.
    /// - Returns: gives up the wait for an answer.
    func requestStatistics(
        _ answered: @escaping @Sendable (MemoryBalloonStatistics?) -> Void
    ) -> @Sendable () -> Void {
        let answer = Answer(answered)
        state.withLock { $0.device }?.requestStatistics { answer.give($0) } ?? answer.give(nil)
        return { answer.give(nil) }
    }

    /// The balloon of a guest that starts.
    func makeDevice() -> VirtioBalloon {
        state.withLock { state in
            let device = VirtioBalloon(target: Self.pages(memorySize - state.target))
            state.device = device
            return device
        }
    }

    private static func pages(_ bytes: UInt64) -> UInt32 { UInt32(clamping: bytes / GuestMemory.pageSize) }

    /// Takes the first answer.
    private final class Answer: Sendable {
        private let answered: Mutex<(@Sendable (MemoryBalloonStatistics?) -> Void)?>

        init(_ answered: @escaping @Sendable (MemoryBalloonStatistics?) -> Void) { self.answered = Mutex(answered) }

        func give(_ statistics: BalloonStatistics?) {
            answered.withLock { $0.take() }?(statistics.map(MemoryBalloonStatistics.init))
        }
    }
}

/// What a guest told of its memory. Each number is missing where it did not tell it, and as true as the guest is honest.
public struct MemoryBalloonStatistics: Sendable, Equatable {
    /// Bytes of memory that the guest's system has.
    public var total: UInt64?
    /// Bytes that nobody uses.
    public var free: UInt64?
    /// Bytes that can be had without swapping.
    public var available: UInt64?
    /// Bytes of files kept in memory.
    public var fileCaches: UInt64?
    /// Bytes read from, and written to, swap space so far.
    public var swappedIn, swappedOut: UInt64?
    /// Page faults so far that waited for a disk, and that did not.
    public var majorFaults, minorFaults: UInt64?

    init(_ statistics: BalloonStatistics) {
        total = statistics[.total]
        free = statistics[.free]
        available = statistics[.available]
        fileCaches = statistics[.caches]
        swappedIn = statistics[.swapIn]
        swappedOut = statistics[.swapOut]
        majorFaults = statistics[.majorFaults]
        minorFaults = statistics[.minorFaults]
    }
}
