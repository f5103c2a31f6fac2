import Devices
import HostIO
import Synchronization

/// Keeps a machine's processors to a share of the host's CPU time.
///
/// A hundred times a second it looks at the CPU time that the vCPUs' threads used, whatever for: the guest's own, what KVM
/// emulates for it, and its accesses to devices. What they may use comes at a steady rate, and is kept for a tenth of a second at
/// most. Processors that used more are held until what they owe has come, so that the share is right over time.
final class CPUQuota: Sendable {
    private static let interval: UInt64 = 10_000_000

    private struct State {
        var timer: LoopTimer?
        var budget: TokenBucket
        /// CPU time seen of each thread.
        var used: [UInt64]
        var isHolding = false
    }

    private let state: Mutex<State>
    private let threads: [VCPUThread]

    /// - Parameter percent: of one of the host's processors, for all threads together, from 1 up.
    init(percent: Int, of threads: [VCPUThread], on loop: EventLoop) throws(VirtualMachineError) {
        self.threads = threads
        // Nanoseconds of CPU time a second; validated numbers are far from any limit.
        let rate = UInt64(percent) * 10_000_000
        state = Mutex(
            State(
                budget: TokenBucket(rate: rate, burst: rate / 10, now: HostClock.now()),
                used: [UInt64](repeating: 0, count: threads.count)))
        do {
            let timer = try LoopTimer(on: loop) { [weak self] in self?.look() }
            state.withLock { $0.timer = timer }
            timer.schedule(after: Self.interval)
        } catch {
            throw VirtualMachineError(error)
        }
    }

    /// The machine ends.
    func stop() {
        let timer = state.withLock { exchange(&$0.timer, with: nil) }
        timer?.schedule(after: nil)
    }

    private func look() {
        state.withLock { state in
            guard let timer = state.timer else { return }
            let now = HostClock.now()
            for (index, thread) in threads.enumerated() {
                // One that has ended tells nothing any more.
                guard let time = thread.cpuTime, time > state.used[index] else { continue }
                state.budget.take(time - state.used[index], now: now)
                state.used[index] = time
            }
            let debt = state.budget.delay(for: 0, now: now)
            timer.schedule(after: max(debt, Self.interval))
            guard (debt > 0) != state.isHolding else { return }
            state.isHolding = debt > 0
            for thread in threads {
                if state.isHolding { thread.order(.hold) } else { thread.endHold() }
            }
        }
    }
}
