import HostIO
import Synchronization

/// Finds a guest that has ended by halting all of its processors with interrupts off, as Linux does without a way to switch
/// off: KVM would wait with it for ever.
///
/// Ten times a second it looks at the CPU time that the vCPUs' threads used. A vCPU that used none since is asked to look
/// at its own state once; a guest that is idle, or busy, is left alone. Of several vCPUs all have to be found halted twice, the
/// second time together.
final class HaltMonitor: Sendable {
    private static let interval: UInt64 = 100_000_000

    private struct Watched {
        var cpuTime: UInt64?
        var isInspected = false
    }

    private struct State {
        var timer: LoopTimer?
        var watched: [Watched]
        /// All were found halted, at different times: they are looked at once more.
        var isConfirming = false
    }

    private let state: Mutex<State>
    private let threads: [VCPUThread]
    private let ending: MachineEnding

    init(of threads: [VCPUThread], on loop: EventLoop, ending: MachineEnding) throws(VirtualMachineError) {
        self.threads = threads
        self.ending = ending
        state = Mutex(State(watched: [Watched](repeating: Watched(), count: threads.count)))
        do {
            let timer = try LoopTimer(on: loop) { [weak self] in self?.look() }
            state.withLock { $0.timer = timer }
            timer.schedule(after: Self.interval)
        } catch {
            throw VirtualMachineError(error)
        }
    }

    func stop() {
        let timer = state.withLock { exchange(&$0.timer, with: nil) }
        timer?.schedule(after: nil)
    }

    private func look() {
        let haltedAll = state.withLock { state in
            guard let timer = state.timer else { return false }
            timer.schedule(after: Self.interval)
            if state.isConfirming {
                state.isConfirming = false
                return threads.allSatisfy(\.wasHalted)
            }
            var halted = 0
            for (index, thread) in threads.enumerated() {
                let cpuTime = thread.cpuTime
                if thread.wasHalted {
                    halted += 1
                } else if cpuTime == nil || cpuTime != state.watched[index].cpuTime {
                    state.watched[index] = Watched(cpuTime: cpuTime)
                } else if !state.watched[index].isInspected {
                    state.watched[index].isInspected = true
                    thread.order(.inspect)
                }
            }
            guard halted == threads.count else { return false }
            if threads.count == 1 { return true }
            // One may have been woken by another since.
            state.isConfirming = true
            for thread in threads {
                thread.forgetHalt()
                thread.order(.inspect)
            }
            return false
        }
        if haltedAll { ending.end(.powerOff(.halt)) }
    }
}
