import Synchronization

/// Limits what a device moves a second, in bytes and in operations, over all of its queues.
///
/// A queue asks before it begins a request. One that is refused waits with this request, and with all that are behind
/// it in the guest's ring, until it is called; queues wait in the order in which they asked. So what waits is bounded, and
/// no thread waits with it. It lasts over the device's resets: a reset brings no new burst.
package final class RateLimiter: Sendable {
    /// So much a second.
    package struct Limit: Equatable, Sendable {
        package var perSecond: UInt64
        /// What may go at once after a pause.
        package var burst: UInt64

        /// - Parameters:
        ///   - perSecond: at least 1.
        ///   - burst: at least 1; without it, what a tenth of a second brings.
        package init(perSecond: UInt64, burst: UInt64? = nil) {
            self.perSecond = perSecond
            self.burst = burst ?? max(1, perSecond / 10)
        }
    }

    private struct Waiting {
        let queue: Int
        let byteCount: UInt64
    }

    private struct State {
        var bytes: TokenBucket?
        var operations: TokenBucket?
        var waiting: [Waiting] = []
        var turnCame: (@Sendable (Int) -> Void)?

        mutating func delay(for byteCount: UInt64, now: UInt64) -> UInt64 {
            max(bytes?.delay(for: byteCount, now: now) ?? 0, operations?.delay(for: 1, now: now) ?? 0)
        }

        mutating func take(_ byteCount: UInt64, now: UInt64) {
            bytes?.take(byteCount, now: now)
            operations?.take(1, now: now)
        }
    }

    private let state: Mutex<State>
    private let timer: any DeviceTimer
    private let now: @Sendable () -> UInt64

    /// - Parameters:
    ///   - timer: calls `timerExpired()` on the thread that serves the device.
    ///   - now: nanoseconds of a clock that never goes back.
    package init(
        bytes: Limit?, operations: Limit?, timer: any DeviceTimer, now: @escaping @Sendable () -> UInt64
    ) {
        func bucket(_ limit: Limit?) -> TokenBucket? {
            limit.map { TokenBucket(rate: $0.perSecond, burst: $0.burst, now: now()) }
        }
        self.timer = timer
        self.now = now
        state = Mutex(State(bytes: bucket(bytes), operations: bucket(operations)))
    }

    /// The device begins.
    /// - Parameter turnCame: called with a queue whose request may begin; not from within any of this object's other
    ///   calls.
    package func start(turnCame: @escaping @Sendable (Int) -> Void) { state.withLock { $0.turnCame = turnCame } }

    /// The device ends: nobody waits any more.
    package func stop() {
        state.withLock { state in
            state.waiting = []
            state.turnCame = nil
            timer.schedule(after: nil)
        }
    }

    /// Whether a request may begin now, and if so, counts it. A queue that is refused is called when its turn has come;
    /// the request is counted by then. It does not ask for another meanwhile.
    package func begins(_ byteCount: UInt64, queue: Int) -> Bool {
        state.withLock { state in
            let now = now()
            if state.waiting.isEmpty {
                let delay = state.delay(for: byteCount, now: now)
                if delay == 0 {
                    state.take(byteCount, now: now)
                    return true
                }
                timer.schedule(after: delay)
            }
            state.waiting.append(Waiting(queue: queue, byteCount: byteCount))
            return false
        }
    }

    /// Counts the bytes of a request that began with 0 of them, as its size was not known. What comes next waits until
    /// they are paid for.
    package func charge(_ byteCount: UInt64) {
        state.withLock { $0.bytes?.take(byteCount, now: now()) }
    }

    /// The time may have come that was asked of the timer.
    package func timerExpired() {
        let (queues, turnCame) = state.withLock { state in
            let now = now()
            var queues: [Int] = []
            while let first = state.waiting.first {
                let delay = state.delay(for: first.byteCount, now: now)
                guard delay == 0 else {
                    timer.schedule(after: delay)
                    break
                }
                state.take(first.byteCount, now: now)
                state.waiting.removeFirst()
                queues.append(first.queue)
            }
            return (queues, state.turnCame)
        }
        for queue in queues { turnCame?(queue) }
    }
}
