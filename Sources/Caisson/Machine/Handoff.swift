import Dispatch
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
    func take() -> Value {
        isThere.wait()
        isThere.signal()
        guard let value = value.withLock({ $0 }) else { preconditionFailure("signalled without a value") }
        return value
    }
}
