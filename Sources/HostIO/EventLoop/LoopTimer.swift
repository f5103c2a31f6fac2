/// Calls its handler on an event loop once the time has come.
package final class LoopTimer: Sendable {
    package init(on loop: EventLoop, handler: @escaping @Sendable () -> Void) throws(HostError) {
        preconditionFailure("being built")
    }

    /// Asks for one call, `nanoseconds` from now, instead of any asked for before; `nil` asks for none. From any thread.
    package func schedule(after nanoseconds: UInt64?) { preconditionFailure("being built") }

    /// Ends the timer.
    package func cancel() { preconditionFailure("being built") }
}
