import Dispatch
import Synchronization

/// One value that one thread waits for and another gives. It is no class: the runtime would make one for each kind of value, which
/// takes longer than what is waited for.
struct Handoff<Value: Sendable>: ~Copyable, Sendable {
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

    /// Waits for the value.
    func take() -> Value {
        isThere.wait()
        isThere.signal()
        guard let value = value.withLock({ $0 }) else { preconditionFailure("signalled without a value") }
        return value
    }
}
