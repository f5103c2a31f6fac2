import Synchronization

/// A user network as where a stream of frames comes from. When its helper ends, another one is started after a pause.
package final class UserNetworkSource: FrameSource {
    private struct State {
        var loop: EventLoop?
        var connected: (@Sendable (SharedFileDescriptor) -> Void)?
        var timer: LoopTimer?
        /// Twice as long each time: a guest that knows how to end the helper is not to keep the host busy.
        var pause: UInt64 = 500_000_000
        /// Why there was no helper the last time.
        var failure: UserNetworkError?
        var isStopped = false
    }

    private static let longestPause: UInt64 = 60_000_000_000

    package let name = "the user network"
    private let network: UserNetwork
    private let report: @Sendable (String) -> Void
    private let state = Mutex(State())

    /// - Parameter report: hears, in one line, why there is no network.
    package init(_ network: UserNetwork, report: @escaping @Sendable (String) -> Void) {
        self.network = network
        self.report = report
    }

    package func start(on loop: EventLoop, connected: @escaping @Sendable (SharedFileDescriptor) -> Void) {
        state.withLock { state in
            state.loop = loop
            state.connected = connected
        }
        // Not within the caller's locks.
        loop.submit { [weak self] in self?.connect() }
    }

    package func connectionEnded() {
        state.withLock { state in
            guard !state.isStopped, let loop = state.loop else { return }
            if state.timer == nil { state.timer = try? LoopTimer(on: loop) { [weak self] in self?.connect() } }
            state.timer?.schedule(after: state.pause)
            state.pause = min(2 * state.pause, Self.longestPause)
        }
    }

    package func stop() {
        state.withLock { state in
            state.isStopped = true
            state.timer = nil
        }
        network.stop()
    }

    private func connect() {
        let (loop, connected) = state.withLock { ($0.isStopped ? nil : $0.loop, $0.connected) }
        guard let loop, let connected else { return }
        do throws(UserNetworkError) {
            // Its end shows in the stream.
            let stream = try network.start(loop: loop) { _ in }
            state.withLock { $0.failure = nil }
            connected(SharedFileDescriptor(stream))
        } catch {
            let isNew = state.withLock { state in
                defer { state.failure = error }
                return state.failure != error
            }
            if isNew { report("\(error); the guest sees its link down") }
            connectionEnded()
        }
    }
}
