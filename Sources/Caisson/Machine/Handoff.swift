import Dispatch
import Glibc
import Synchronization

/// One value that one thread waits for and another gives.
final class Handoff<Value: Sendable>: Sendable {
    private let value = Mutex<Value?>(nil)
    private let isThere = DispatchSemaphore(value: 0)

    /// Gives the value; the first one counts.
    func give(_ new: Value) {
        let isFirst = value.withLock { value in
            guard value == nil else { return false }
            value = new
            return true
        }
        if isFirst { isThere.signal() }
    }

    /// Waits for the value, at most for `time`.
    func take(within time: DispatchTimeInterval) -> Value? {
        guard isThere.wait(timeout: .now() + time) == .success else { return nil }
        isThere.signal()
        return value.withLock { $0 }
    }

    /// Waits for the value.
    ///
    /// In a start, it is mostly some tenths of a millisecond away. So the thread stays awake for a while, without keeping others from
    /// running: a thread that sleeps takes as long again to wake up, and then on the processor of who woke it, after that one.
    func take() -> Value {
        let patience = ContinuousClock.now + .microseconds(400)
        repeat {
            if let value = value.withLock({ $0 }) { return value }
            sched_yield()
        } while ContinuousClock.now < patience
        isThere.wait()
        isThere.signal()
        guard let value = value.withLock({ $0 }) else { preconditionFailure("signalled without a value") }
        return value
    }
}
